"""Reports over the practice: what stands in each, page by page, as JSON and as CSV."""

import csv
from io import StringIO
from typing import Any

import pytest
from tests.support.api import Api, api_on
from tests.support.builders import DAY, NOW
from tests.support.memory_table import memory_store
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

from client_credits.domain.errors import Invalid
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.queries.reports.every import REPORTS
from client_credits.operations.queries.reports.pages import Period, ReportAsk

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


def test_movements_has_what_moved_each_balance_and_no_wallet_that_did_not_move(api: Api) -> None:
    furnished(api)
    paid(api)
    paid(api, client_id="c2")
    later(api, days=40)
    booked(api, "b1")
    booked(api, "b2")
    cancels(api, "b2")
    (row,) = rows(api, "movements")
    moved = {name: value for name, value in row.items() if value}
    assert moved == {
        "client_id": "c1",
        "appointment_type": "follow-up",
        "opening": 3,
        "spent": -2,
        "restored": 1,
        "closing": 2,
    }
    early = rows(api, "movements", **{"from": "2026-11-01", "to": "2026-11-30"})
    assert [(row["client_id"], row["opening"], row["granted"], row["closing"]) for row in early] == [
        ("c1", 0, 3, 3),
        ("c2", 0, 3, 3),
    ]


def test_what_is_heard_late_moves_the_balance_when_it_happened(api: Api) -> None:
    furnished(api)
    later(api, days=40)
    paid(api, paid_at=NOW)
    assert rows(api, "movements") == []
    (row,) = rows(api, "movements", **{"from": "2026-11-22", "to": "2026-11-22"})
    assert (row["granted"], row["closing"]) == (3, 3)


def test_what_is_heard_late_hides_nothing_that_was_heard_before_it(api: Api) -> None:
    furnished(api)
    later(api, days=40)
    paid(api)
    paid(api, paid_at=NOW)
    (row,) = rows(api, "movements")
    assert (row["opening"], row["granted"], row["closing"]) == (3, 3, 6)


@pytest.mark.parametrize("name", ["movements", "revenue"])
def test_what_comes_while_a_report_is_read_is_in_all_of_it_or_in_none(name: str) -> None:
    """Between a wallet and its history somebody pays: that is not in the balance, so it is not in the history."""
    store, table = memory_store()
    api = furnished(api_on(store))
    paid(api, amount=10_000)
    before = rows(api, name)
    calls: list[str] = []

    def watch(moment: str, call: str) -> None:
        calls.append(call)
        if (moment, call) == ("after", "batch_get_item") and "query" in calls:  # the wallets, behind the roster
            table.watch = lambda moment, call: None
            paid(api, amount=10_000)

    table.watch = watch
    (row,) = read(api, f"/v1/reports/{name}")["items"]
    assert [row] == before
    assert rows(api, name) != before


def test_what_has_ended_has_moved_before_any_sweep_writes_it(api: Api) -> None:
    furnished(api)
    package(api, "week", stripe_prices=["price_w"], expiry=week())
    paid(api, price="price_w")
    later(api, days=40)
    (row,) = rows(api, "movements", **{"from": "2026-11-29", "to": "2026-12-01"})
    assert (row["opening"], row["expired"], row["closing"]) == (3, -3, 0)


def test_outstanding_is_the_worth_of_credits_unspent_and_booked_for_sessions_to_come(api: Api) -> None:
    furnished(api)
    paid(api, amount=10_000)
    booked(api, "b1", starts_at=NOW + 5 * DAY)
    (row,) = rows(api, "outstanding")
    assert row == {
        "client_id": "c1",
        "client_name": None,
        "package_id": "three-pack",
        "currency": "eur",
        "unspent_credits": 2,
        "unspent_amount": 6_667,
        "booked_credits": 1,
        "booked_amount": 3_333,
        "outstanding_amount": 10_000,
    }
    later(api, days=6)
    (row,) = rows(api, "outstanding")
    assert (row["booked_credits"], row["outstanding_amount"]) == (0, 6_667)


def test_revenue_is_earned_at_the_session_whenever_it_was_booked(api: Api) -> None:
    furnished(api)
    paid(api, amount=10_000)
    booked(api, "b1", starts_at=NOW + 15 * DAY)
    assert money(api, "2026-11-01", "2026-11-30") == (0, 10_000, 0, 0, 0, 10_000)
    later(api, days=14)
    assert money(api, "2026-12-01", "2026-12-31") == (10_000, 0, 0, 0, 0, 10_000), "what is to come is not earned"
    later(api, days=2)
    assert money(api, "2026-12-01", "2026-12-31") == (10_000, 0, 3_333, 0, 0, 6_667)


def test_a_forfeited_credit_is_earned_at_its_session(api: Api) -> None:
    furnished(api)
    patch(api, "/v1/settings", {"restore_on_cancel": False})
    paid(api, amount=10_000)
    booked(api, "b1", starts_at=NOW + 15 * DAY)
    cancels(api, "b1")
    later(api, days=20)
    assert money(api, "2026-12-01", "2026-12-31") == (10_000, 0, 3_333, 0, 0, 6_667)


def test_a_debt_is_earned_when_it_is_repaid_where_that_is_later_than_its_session(api: Api) -> None:
    furnished(api)
    booked(api, "b1", starts_at=NOW + DAY)
    booked(api, "b2", starts_at=NOW + 40 * DAY)
    later(api, days=20)
    paid(api, amount=10_000)
    assert money(api, "2026-12-01", "2026-12-12") == (0, 10_000, 3_333, 0, 0, 6_667)
    later(api, days=25)
    assert money(api, "2027-01-01", "2027-01-31") == (6_667, 0, 3_333, 0, 0, 3_334)


def test_what_ends_and_what_staff_void_and_lower_is_expired_worth(api: Api) -> None:
    furnished(api)
    package(api, "week", stripe_prices=["price_w"], expiry=week())
    paid(api, amount=10_000)
    paid(api, price="price_w", amount=900)
    lot = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
    (forever,) = [each["lot_id"] for each in lot if each["expires_at"] is None]
    lower = {"appointment_type": "follow-up", "amount": -1, "reason": "a gift of the client"}
    assert api("POST", "/v1/clients/c1/adjustments", lower, headers={"idempotency-key": "k1"}).status == 200
    patch(api, f"/v1/clients/c1/credits/follow-up/lots/{forever}", {"void": True, "reason": "left"})
    later(api, days=20)
    found = {row["package_id"]: row for row in rows(api, "revenue")}
    assert [(found[p]["sold"], found[p]["expired"], found[p]["closing"]) for p in ("three-pack", "week")] == [
        (10_000, 10_000, 0),
        (900, 900, 0),
    ]


def test_a_gift_between_clients_changes_no_worth_and_stays_with_who_bought_it(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api, amount=10_000)
    later(api, days=1)
    give = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 2}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "k1"}).status == 200
    booked(api, "b1", client_id="c2", starts_at=NOW + 3 * DAY)
    booked(api, "b2", client_id="c1", starts_at=NOW + 3 * DAY)
    later(api, days=4)
    assert money(api, "2026-11-23", "2026-11-30") == (10_000, 0, 6_666, 0, 0, 3_334)
    (row,) = rows(api, "outstanding")
    assert (row["client_id"], row["unspent_credits"]) == ("c1", 1)


def test_what_is_undone_is_worth_again_what_it_was(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api, amount=10_000)
    later(api, days=1)
    path = "/v1/clients/c1/credits/follow-up"
    lower = {"appointment_type": "follow-up", "amount": -2, "reason": "a slip"}
    assert api("POST", "/v1/clients/c1/adjustments", lower, headers={"idempotency-key": "k1"}).status == 200
    give = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 1}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "k2"}).status == 200
    assert money(api, "2026-11-23", "2026-11-23") == (10_000, 0, 0, 6_666, 0, 3_334)
    later(api, days=1)
    for sequence in (2, 3):
        key = {"idempotency-key": f"undo-{sequence}"}
        assert api("POST", f"{path}/entries/{sequence}/undo", {}, headers=key).status == 200
    assert money(api, "2026-11-24", "2026-11-24") == (3_334, 0, 0, -6_666, 0, 10_000)
    assert [row["unspent_credits"] for row in rows(api, "outstanding")] == [3]


def test_credits_of_a_record_that_was_merged_are_worth_what_they_were(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    client(api, "c3")
    paid(api, amount=10_000)
    booked(api, "b1", starts_at=NOW + 5 * DAY)
    give = {"from_client_id": "c1", "to_client_id": "c3", "appointment_type": "follow-up", "amount": 1}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "k1"}).status == 200
    later(api, days=3)
    merge = {"into": "c2"}
    assert api("POST", "/v1/clients/c1/merge", merge, headers={"idempotency-key": "k2"}).status == 200
    booked(api, "b2", client_id="c2", starts_at=NOW + 6 * DAY)
    booked(api, "b3", client_id="c3", starts_at=NOW + 7 * DAY)
    later(api, days=10)
    assert money(api, "2026-11-01", "2026-11-30") == (0, 10_000, 10_000, 0, 0, 0)
    (row,) = rows(api, "revenue")
    assert row["client_id"] == "c2"
    assert rows(api, "outstanding") == []


def test_movements_of_all_clients_add_up_over_a_merge(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    paid(api, client_id="c2", price="price_1")
    later(api, days=40)
    merge = {"into": "c2"}
    assert api("POST", "/v1/clients/c1/merge", merge, headers={"idempotency-key": "k2"}).status == 200
    booked(api, "b1", client_id="c1")
    found = {row["client_id"]: row for row in rows(api, "movements", limit=1)}
    shown = ("opening", "spent", "transferred_in", "transferred_out", "closing")
    assert {client_id: tuple(row[name] for name in shown) for client_id, row in found.items()} == {
        "c1": (3, 0, 0, -3, 0),
        "c2": (3, -1, 3, 0, 5),
    }


def test_types_of_one_line_share_its_worth_to_the_last_cent(api: Api) -> None:
    furnished(api)
    package(api, "both", credits={"follow-up": 2, "initial": 1}, stripe_prices=["price_b"])
    paid(api, price="price_b", amount=10_000)
    booked(api, "b1", appointment_type="initial", starts_at=NOW + DAY)
    later(api, days=2)
    assert money(api, "2026-11-01", "2026-11-30") == (0, 10_000, 3_333, 0, 0, 6_667)


def test_the_example_of_the_page_on_reports(api: Api) -> None:
    furnished(api)
    ends = {"kind": "date", "date": "2026-12-30"}
    package(api, "three", stripe_prices=["price_3"], expiry=ends)
    api.now[0] = NOW - 2 * DAY
    paid(api, price="price_3", amount=10_000)
    booked(api, "b1", starts_at=NOW + 11 * DAY)
    booked(api, "b2", starts_at=NOW + 17 * DAY)
    api.now[0] = NOW + 12 * DAY
    (row,) = rows(api, "outstanding")
    shown = ("unspent_credits", "unspent_amount", "booked_credits", "booked_amount", "outstanding_amount")
    assert [row[name] for name in shown] == [1, 3_334, 1, 3_333, 6_667]
    api.now[0] = NOW + 16 * DAY
    cancels(api, "b2")
    api.now[0] = NOW + 50 * DAY
    assert money(api, "2026-11-01", "2026-11-30") == (0, 10_000, 0, 0, 0, 10_000)
    assert money(api, "2026-12-01", "2026-12-31") == (10_000, 0, 3_333, 6_667, 0, 0)
    assert money(api, "2026-11-01", "2026-12-31") == (0, 10_000, 3_333, 6_667, 0, 0)


def test_credits_that_nobody_paid_for_are_in_no_report_on_worth(api: Api) -> None:
    furnished(api)
    add = {"appointment_type": "follow-up", "amount": 3, "reason": "sorry"}
    assert api("POST", "/v1/clients/c1/adjustments", add, headers={"idempotency-key": "k1"}).status == 200
    paid(api, amount=0)
    booked(api, "b1")
    assert rows(api, "revenue") == rows(api, "outstanding") == []


def money(api: Api, since: str, until: str) -> tuple[int, ...]:
    """The one row of revenue, which must add up."""
    (row,) = rows(api, "revenue", **{"from": since, "to": until})
    found = tuple(row[name] for name in ("opening", "sold", "earned", "expired", "refunded", "closing"))
    assert found[0] + found[1] - sum(found[2:5]) == found[5]
    return found


def test_a_history_too_long_for_one_answer_is_refused_early_and_offered_as_a_file(api: Api) -> None:
    furnished(api)
    paid(api)
    context = Context(api.store, "p1", STRIPE, NOW)
    period = Period(NOW - DAY, NOW + DAY)
    for name in ("movements", "outstanding", "revenue"):
        page = REPORTS[name].page
        with pytest.raises(Invalid) as refused:
            page(context, ReportAsk(period, most_reads=0), None, 10)
        (fault,) = refused.value.errors
        assert fault.code == "too_long_for_one_answer"
        assert "POST /v1/reports/exports" in fault.detail
        assert len(page(context, ReportAsk(period, most_reads=1), None, 10).rows) == 1


def test_a_page_ends_before_the_client_whose_history_does_not_fit_and_the_next_begins_with_it(api: Api) -> None:
    crowd(api, 5)
    context, period = Context(api.store, "p1", STRIPE, NOW), Period(NOW - DAY, NOW + DAY)
    every = REPORTS["movements"].page(context, ReportAsk(period), None, 100).rows
    found, after, pages = [], None, 0
    while pages == 0 or after:
        page = REPORTS["movements"].page(context, ReportAsk(period, most_reads=3), after, 100)
        found += page.rows
        after, pages = page.next, pages + 1
    assert found == every
    assert pages == 5, "two wallets, so two requests, for each client"


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


def crowd(api: Api, size: int = 4) -> None:
    """Clients who each hold lots that end, owe for another type, were refused a booking and have a parked payment."""
    furnished(api)
    package(api, "week", credits={"follow-up": 2, "initial": 1}, stripe_prices=["price_w"], expiry=week())
    ids = [f"c-{number}" for number in range(size)]
    for client_id in ids:
        client(api, client_id, name=f"Name {client_id}")
        paid(api, price="price_w", client_id=client_id)
        paid(api, price="price_none", client_id=client_id)
        for number in range(2):
            booked(api, f"{client_id}-{number}", client_id=client_id, appointment_type="initial")
    no_debt(api)
    for client_id in ids:
        booked(api, f"{client_id}-no", client_id=client_id, appointment_type="initial")


@each_report
@pytest.mark.parametrize("limit", [1, 3])
def test_pages_of_any_size_make_the_same_report_in_json_and_in_csv(api: Api, name: str, limit: int) -> None:
    crowd(api)
    every = rows(api, name, limit=100)
    assert len(every) >= 4
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
def test_a_report_without_a_period_refuses_one_as_its_export_does(api: Api, name: str) -> None:
    crowd(api)
    for given in ({"from": "garbage"}, {"to": "2026-11-22"}, {"from": "2026-11-01", "to": "2026-11-22"}):
        asked = api("GET", f"/v1/reports/{name}", **given)
        key = {"idempotency-key": "-".join([name, *given.values()])}
        exported = api("POST", "/v1/reports/exports", {"report": name, **given}, headers=key, dry_run=True)
        assert (asked.status < 300) == (exported.status < 300), (given, asked, exported)
        if name in ("credits", "outstanding", "negative", "parked"):
            assert asked.faults == {f"/query/{end}": "unknown_field" for end in given}


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
