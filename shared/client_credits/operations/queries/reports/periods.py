"""Which period a report is about: two local days, two instants, or what is usual for it."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from client_credits.domain.errors import Invalid, Problem
from client_credits.domain.instants import YEARS, BadInstant, read_instant
from client_credits.domain.ledger.expiry import fixed_end
from client_credits.operations.queries.reports.pages import Period

USUAL = timedelta(days=30)
_INSTANT = timedelta(microseconds=1)  # what happens just now is part of what has happened
_DAY_LENGTH = len("2026-12-31")


class PeriodRule(StrEnum):
    """What a report's period is where none is named."""

    NONE = "none"  # it takes none
    PAST = "past"  # the last 30 days
    AHEAD = "ahead"  # the next 30 days


def period_of(
    rule: PeriodRule, since: str | None, until: str | None, now: datetime, timezone: str, within: str = "/query"
) -> Period:
    """The period from `since` to `until`, each a local day or an RFC 3339 instant.

    A day begins at its first instant in the time zone. `until` a day includes that day; an instant is not part.
    `within` is where the two stand in the request. Raises Invalid for what is neither, or ends before it begins.
    """
    first = _read(since, timezone, f"{within}/from", is_end=False)
    last = _read(until, timezone, f"{within}/to", is_end=True)
    if rule is PeriodRule.AHEAD:
        begins = first or now
        ends = last or begins + USUAL
    else:
        ends = last or now + _INSTANT
        begins = first or ends - USUAL
    if begins > ends:
        raise Invalid(
            "The period ends before it begins.", Problem(f"{within}/to", "out_of_range", "name a later day or instant")
        )
    return Period(begins, ends)


def _read(text: str | None, timezone: str, pointer: str, *, is_end: bool) -> datetime | None:
    if text is None:
        return None
    try:
        if len(text) == _DAY_LENGTH:
            return _instant_of(text, timezone, is_end=is_end)
        return read_instant(text.replace(" ", "+"))  # a plus sign of a query arrives as a space
    except (ValueError, OverflowError) as error:
        detail = "write a day like 2026-12-01, or an instant like 2026-12-01T09:00:00Z"
        raise Invalid("The period is not valid.", Problem(pointer, "not_a_day_or_instant", detail)) from error


def _instant_of(text: str, timezone: str, *, is_end: bool) -> datetime:
    day = date.fromisoformat(text)
    if day.year not in YEARS:
        raise BadInstant("instant_out_of_range", "Years 1970 to 2999 only.")
    if is_end:
        return fixed_end(text, timezone)
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
