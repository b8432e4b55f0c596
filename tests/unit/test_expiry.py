"""When credits end: calendar arithmetic in the practice's time zone, results in UTC."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from client_credits.domain.ledger.expiry import expires_at, fixed_end
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind

SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def days(n: int, starts: str, zone: str = "UTC") -> datetime | None:
    return expires_at(Expiry(ExpiryKind.DAYS, n=n), at(starts), zone)


def months(n: int, starts: str, zone: str = "UTC") -> datetime | None:
    return expires_at(Expiry(ExpiryKind.MONTHS, n=n), at(starts), zone)


# -- days and months ---------------------------------------------------------------------------


def test_credits_without_an_end_never_end() -> None:
    assert expires_at(Expiry(), at("2026-11-22T12:00Z"), "UTC") is None


@pytest.mark.parametrize("hour", ["00:00:00", "12:00:00", "23:59:59"])
def test_days_end_at_the_first_instant_of_the_date_that_follows(hour: str) -> None:
    """Bought on the 22nd for one day: good through the 23rd, whatever the hour."""
    assert days(1, f"2026-11-22T{hour}Z") == at("2026-11-24T00:00Z")
    assert days(30, f"2026-11-22T{hour}Z") == at("2026-12-23T00:00Z")


@pytest.mark.parametrize(
    ("starts", "n", "last_day"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-01-31", 2, "2026-03-31"),  # the anchor stays 31
        ("2026-01-31", 3, "2026-04-30"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-03-30", 11, "2027-02-28"),
        ("2026-11-22", 120, "2036-11-22"),
    ],
)
def test_months_are_counted_from_the_day_of_the_start_and_clipped(starts: str, n: int, last_day: str) -> None:
    next_day = date.fromisoformat(last_day) + timedelta(days=1)
    assert months(n, f"{starts}T12:00Z") == at(f"{next_day}T00:00Z")


def test_the_day_is_the_practices_own() -> None:
    """23:30 UTC on the 22nd is the 23rd in Berlin and in Apia, and still the 22nd in São Paulo."""
    starts = "2026-11-22T23:30Z"
    assert days(1, starts, "Europe/Berlin") == at("2026-11-25T00:00+01:00")
    assert days(1, starts, "Pacific/Apia") == at("2026-11-25T00:00+13:00")
    assert days(1, starts, "America/Sao_Paulo") == at("2026-11-24T00:00-03:00")


def test_the_month_is_the_practices_own() -> None:
    """Midnight UTC of 1 February is 31 January in New York: one month on is the last of February."""
    assert months(1, "2026-02-01T00:00Z", "America/New_York") == at("2026-03-01T00:00-05:00")
    assert months(1, "2026-02-01T00:00Z", "UTC") == at("2026-03-02T00:00Z")


# -- clocks that change ------------------------------------------------------------------------


def test_a_day_lost_an_hour_in_spring_and_ends_at_local_midnight_all_the_same() -> None:
    """Berlin, 29 March 2026: +01:00 until 02:00, +02:00 after. Two days on are 47 hours on."""
    end = days(1, "2026-03-28T00:00+01:00", "Europe/Berlin")
    assert end == at("2026-03-30T00:00+02:00")
    assert end - at("2026-03-28T00:00+01:00") == timedelta(hours=47)


def test_a_day_gains_an_hour_in_autumn_and_ends_at_local_midnight_all_the_same() -> None:
    """Berlin, 25 October 2026: back from +02:00 to +01:00. Two days on are 49 hours on."""
    end = days(1, "2026-10-24T00:00+02:00", "Europe/Berlin")
    assert end == at("2026-10-26T00:00+01:00")
    assert end - at("2026-10-24T00:00+02:00") == timedelta(hours=49)


def test_where_clocks_skip_midnight_the_date_begins_after_the_gap() -> None:
    """São Paulo, 4 November 2018: 23:59:59 -03:00 is followed by 01:00:00 -02:00."""
    end = days(1, "2018-11-02T12:00-03:00", "America/Sao_Paulo")
    assert end == at("2018-11-04T01:00-02:00") == at("2018-11-04T03:00Z")
    zone = ZoneInfo("America/Sao_Paulo")
    assert end.astimezone(zone).date() == date(2018, 11, 4)
    assert (end - SECOND).astimezone(zone).date() == date(2018, 11, 3)


def test_where_the_last_hour_of_a_day_comes_twice_the_next_date_begins_after_both() -> None:
    """São Paulo, 17 February 2018: at midnight back to 23:00."""
    assert days(1, "2018-02-16T12:00-02:00", "America/Sao_Paulo") == at("2018-02-18T00:00-03:00")


def test_where_midnight_comes_twice_the_first_one_counts() -> None:
    """Havana, 1 November 2026: at 01:00 back to 00:00."""
    assert days(1, "2026-10-30T12:00-04:00", "America/Havana") == at("2026-11-01T00:00-04:00")


def test_a_date_that_a_place_skipped_is_passed_over() -> None:
    """Apia had no 30 December 2011: the 29th at -10:00 was followed by the 31st at +14:00."""
    midnight = at("2011-12-31T00:00+14:00")
    assert days(1, "2011-12-28T12:00-10:00", "Pacific/Apia") == midnight
    assert fixed_end("2011-12-29", "Pacific/Apia") == midnight
    assert fixed_end("2011-12-30", "Pacific/Apia") == midnight


@pytest.mark.parametrize(
    "zone", ["America/Sao_Paulo", "Pacific/Apia", "America/Havana", "Asia/Beirut", "Africa/Cairo", "Asia/Gaza"]
)
def test_every_end_is_the_first_instant_of_a_local_date(zone: str) -> None:
    """Places whose clocks change at midnight, every day from 2010 to 2030."""
    local = ZoneInfo(zone)
    day = date(2010, 1, 1)
    while day < date(2030, 1, 1):
        end = fixed_end(day.isoformat(), zone)
        assert end.astimezone(local).date() > day, (day, end)
        assert (end - SECOND).astimezone(local).date() <= day, (day, end)
        day += timedelta(days=1)


# -- the cycle's end and fixed dates -----------------------------------------------------------


def test_the_end_of_a_cycle_is_copied_to_the_second() -> None:
    end = at("2026-12-22T11:58:03Z")
    assert expires_at(Expiry(ExpiryKind.CYCLE_END), at("2026-11-22T12:00Z"), "Europe/Berlin", end) == end


def test_the_end_of_a_cycle_needs_a_cycle() -> None:
    with pytest.raises(ValueError, match="cycle"):
        expires_at(Expiry(ExpiryKind.CYCLE_END), at("2026-11-22T12:00Z"), "UTC")


def test_a_fixed_day_ends_at_the_next_local_midnight_whenever_it_was_bought() -> None:
    expiry = Expiry(ExpiryKind.DATE, date="2026-12-31")
    for starts in ("2026-01-01T00:00Z", "2026-12-31T23:00Z"):
        assert expires_at(expiry, at(starts), "Europe/Berlin") == at("2027-01-01T00:00+01:00")


def test_a_fixed_instant_is_itself_in_utc() -> None:
    end = fixed_end("2026-12-31T18:00:00+05:30", "Europe/Berlin")
    assert (end, end.tzinfo) == (at("2026-12-31T12:30Z"), UTC)
    assert fixed_end("2026-12-31T18:00:00Z", "Europe/Berlin") == at("2026-12-31T18:00Z")


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-02-30", "2026-12-31T18:00:00", "31.12.2026"])
def test_a_text_that_is_neither_day_nor_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fixed_end(text, "UTC")
