"""Reports over the practice: what stands in each, page by page, as JSON and as CSV."""

import csv
from io import StringIO
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW
from tests.support.stock import (
    booked,
    cancels,
    client,
    furnished,
    later,
    listed,
    no_debt,
    package,
    paid,
    patch,
    read,
)

from client_credits.operations.queries.reports.every import REPORTS

DATED = [name for name, report in REPORTS.items() if report.period != "none"]
each_report = pytest.mark.parametrize("name", REPORTS)


def rows(api: Api, name: str, **query: Any) -> list[dict[str, Any]]:
    return listed(api, f"/v1/reports/{name}", **query)


def as_csv(api: Api, name: str, **query: Any) -> tuple[list[dict[str, str]], str | None]:
    """The rows of one page in CSV, and the cursor of the next."""
    reply = api("GET", f"/v1/reports/{name}", headers={"accept": "text/csv"}, role="staff", **query)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/csv; charset=utf-8"), reply
    return list(csv.DictReader(StringIO(reply.text, newline=""))), reply.headers.get("X-Next-Cursor")


# --- What stands in them


def test_credits_has_one_row_for_each_wallet_with_its_settled_numbers(api: Api) -> None:
    furnished(api)
    package(api, "week", credits={"follow-up": 2, "initial": 1}, stripe_prices=["price_w"], expiry=week())
    client(api, "c2", name="Bo")
    paid(api)
    paid(api, price="price_w", client_id="c2")
    booked(api)
    later(api, days=30)
    first, second, third = rows(api, "credits")
    assert (first["client_id"], first["balance"], first["available"], first["granted_total"]) == ("c1", 2, 2, 3)
    assert first["client_name"] is None and first["next_expiry"] is None
    assert [(r["client_id"], r["client_name"], r["appointment_type"]) for r in (second, third)] == [
        ("c2", "Bo", "follow-up"),
        ("c2", "Bo", "initial"),
    ]
    assert [r["balance"] for r in (second, third)] == [0, 0], "what has ended counts as gone before any sweep"


def week() -> dict[str, Any]:
    return {"kind": "days", "n": 7}


def test_negative_has_who_owes_and_since_when(api: Api) -> None:
    furnished(api)
    client(api, "c2", name="Bo")
    booked(api, "b1", client_id="c2")
    later(api, hours=1)
    booked(api, "b2", client_id="c2")
    paid(api)
    (row,) = rows(api, "negative")
    assert row == {
        "client_id": "c2",
        "client_name": "Bo",
        "appointment_type": "follow-up",
        "debt": 2,
        "balance": -2,
        "owed_since": NOW.isoformat().replace("+00:00", "Z"),
    }
    cancels(api, "b1")
    cancels(api, "b2")
    assert rows(api, "negative") == []


def test_expiring_has_the_lots_that_end_within_the_next_30_days_and_no_other(api: Api) -> None:
    furnished(api)
    for number, days in enumerate((7, 40)):
        expiry = {"kind": "days", "n": days}
        package(api, f"pack-{days}", stripe_prices=[f"price_{days}"], expiry=expiry)
        paid(api, price=f"price_{days}", quantity=number + 1)
    (row,) = rows(api, "expiring")
    assert (row["package_id"], row["remaining"], row["frozen"]) == ("pack-7", 3, False)
    assert [r["remaining"] for r in rows(api, "expiring", to="2027-01-31")] == [3, 6]
    assert [r["remaining"] for r in rows(api, "expiring", **{"from": "2026-12-20", "to": "2027-01-31"})] == [6]
    later(api, days=9)
    assert rows(api, "expiring", to="2026-12-05") == [], "what has ended does not end soon"


def test_refusals_has_what_was_refused_within_the_period_and_is_refused_still(api: Api) -> None:
    furnished(api)
    no_debt(api)
    booked(api, "b1", starts_at=NOW + 300 * DAY)
    later(api, days=20)
    booked(api, "b2")
    booked(api, "b3")
    assert [row["booking_id"] for row in rows(api, "refusals")] == ["b1", "b2", "b3"]
    row = rows(api, "refusals")[0]
    assert (row["client_id"], row["appointment_type"], row["reason"]) == ("c1", "follow-up", "insufficient_credits")
    assert (row["available"], row["shortfall"], row["refused_at"]) == (0, 1, "2026-11-22T12:00:00Z")
    later(api, days=11)
    assert [row["booking_id"] for row in rows(api, "refusals")] == ["b2", "b3"]
    assert [row["booking_id"] for row in rows(api, "refusals", **{"from": "2026-11-22", "to": "2026-11-22"})] == ["b1"]
    paid(api)
    booked(api, "b2")
    assert [row["booking_id"] for row in rows(api, "refusals")] == ["b3"], "booked at the second try"


def test_parked_has_the_payments_that_wait_the_longest_parked_first(api: Api) -> None:
    furnished(api)
    paid(api, price="price_x")
    later(api, hours=1)
    paid(api, price="price_y")
    found = rows(api, "parked")
    assert [(row["prices"], row["reason"]) for row in found] == [
        ("price_x", "unknown_package"),
        ("price_y", "unknown_package"),
    ]


def test_a_practice_whose_credits_are_off_is_shown_no_balances(api: Api) -> None:
    furnished(api)
    paid(api)
    booked(api, "b1", client_id="c2")
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    for name in ("credits", "negative", "expiring"):
        assert rows(api, name) == [], name


# --- The period


def test_days_are_those_of_the_practices_time_zone_and_the_last_one_is_part(api: Api) -> None:
    furnished(api)
    no_debt(api)
    patch(api, "/v1/settings", {"timezone": "Pacific/Auckland"})  # 13 hours ahead: the 23rd began at 11:00
    booked(api, "b1")
    for since, until, found in (
        ("2026-11-23", "2026-11-23", 1),
        ("2026-11-22", "2026-11-22", 0),
        ("2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z", 1),
        ("2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z", 0),
        ("2026-11-23T01:00:00+13:00", "2026-11-23", 1),
    ):
        assert len(rows(api, "refusals", **{"from": since, "to": until})) == found, (since, until)


@pytest.mark.parametrize("name", DATED)
@pytest.mark.parametrize("wrong", ["2026-13-01", "yesterday", "2026-11-22T12:00:00", "20261122", "9999-12-31", ""])
def test_what_is_no_day_and_no_instant_is_refused_where_it_stands(api: Api, name: str, wrong: str) -> None:
    for which in ("from", "to"):
        reply = api("GET", f"/v1/reports/{name}", **{which: wrong})
        assert (reply.status, reply.faults) == (422, {f"/query/{which}": "not_a_day_or_instant"})


@pytest.mark.parametrize("name", DATED)
def test_a_period_that_ends_before_it_begins_is_refused(api: Api, name: str) -> None:
    reply = api("GET", f"/v1/reports/{name}", **{"from": "2026-11-22", "to": "2026-11-20"})
    assert (reply.status, reply.faults) == (422, {"/query/to": "out_of_range"})


# --- Pages


def crowd(api: Api, size: int = 7) -> None:
    """Clients who each hold lots that end, owe for another type, were refused a booking and have a parked payment."""
    furnished(api)
    package(api, "week", credits={"follow-up": 2, "initial": 1}, stripe_prices=["price_w"], expiry=week())
    ids = [f"c-{number}" for number in range(size)]
    for client_id in ids:
        client(api, client_id, name=f"Name {client_id}")
        paid(api, price="price_w", client_id=client_id)
        paid(api, price="price_none", client_id=client_id)
        for number in range(4):
            booked(api, f"{client_id}-{number}", client_id=client_id, appointment_type="initial")
    no_debt(api)
    for client_id in ids:
        booked(api, f"{client_id}-no", client_id=client_id, appointment_type="initial")


@each_report
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_make_the_same_report_in_json_and_in_csv(api: Api, name: str, limit: int) -> None:
    crowd(api)
    every = rows(api, name, limit=100)
    assert len(every) >= 7
    assert rows(api, name, limit=limit) == every
    found, cursor = as_csv(api, name, limit=limit)
    assert len(found) <= limit
    while cursor:
        more, cursor = as_csv(api, name, limit=limit, cursor=cursor)
        found += more
    assert found == [{column: text(value) for column, value in row.items()} for row in every]


def text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@each_report
def test_a_cursor_is_good_for_its_report_and_practice_only(api: Api, name: str) -> None:
    crowd(api)
    page = read(api, f"/v1/reports/{name}", limit=1)
    cursor = page["next_cursor"]
    assert cursor and "c-0" not in cursor
    other = next(each for each in REPORTS if each != name)
    for path, more in (
        (f"/v1/reports/{other}", {}),
        (f"/v1/reports/{name}", {"practice": "p2"}),
        (f"/v1/reports/{name}", {"cursor": cursor[:-4] + "AAAA"}),
        ("/v1/clients", {}),
    ):
        reply = api("GET", path, **({"cursor": cursor} | more))
        assert reply.faults == {"/query/cursor": "bad_cursor"}, path


def test_the_period_of_a_report_stays_the_same_from_page_to_page(api: Api) -> None:
    crowd(api, 3)
    page = read(api, "/v1/reports/refusals", limit=1)
    later(api, days=40)
    rest = listed(api, "/v1/reports/refusals", cursor=page["next_cursor"])
    assert len(page["items"] + rest) == 3
    assert rows(api, "refusals") == []


def test_a_client_who_comes_between_two_pages_moves_no_other(api: Api) -> None:
    crowd(api, 4)
    query: dict[str, Any] = {"limit": 3}
    page = read(api, "/v1/reports/credits", **query)
    given = [(row["client_id"], row["appointment_type"]) for row in page["items"]]
    paid(api, client_id="a-new-one")
    paid(api, client_id="c-1", price="price_1")
    rest = listed(api, "/v1/reports/credits", limit=3, cursor=page["next_cursor"])
    found = given + [(row["client_id"], row["appointment_type"]) for row in rest]
    assert found == [(f"c-{number}", kind) for number in range(4) for kind in ("follow-up", "initial")]


# --- CSV


@pytest.mark.parametrize(
    "name", ["=1+1", "+49", "-5", "@SUM", "\tx", "\rx", 'a "quoted", name', "line\nbreak", "Ärger"]
)
def test_no_cell_is_taken_for_a_formula(api: Api, name: str) -> None:
    furnished(api)
    client(api, "-5", name=name)
    booked(api, "b1", client_id="-5")
    ((row,), _) = as_csv(api, "negative")
    dangerous = name[0] in "=+-@\t\r"
    assert row["client_name"] == (f"'{name}" if dangerous else name)
    assert row["client_id"] == "'-5"
    assert row["balance"] == "-1", "a number stays one"


def test_an_empty_report_has_its_columns(api: Api) -> None:
    furnished(api)
    reply = api("GET", "/v1/reports/negative", headers={"accept": "text/csv"})
    assert reply.text == "client_id,client_name,appointment_type,debt,balance,owed_since\r\n"
