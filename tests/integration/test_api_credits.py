"""A client's credits, lots and history over HTTP, as the settled wallet has them, swept or not."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.api import Api, api_beside
from tests.support.builders import DAY, HOUR, NOW
from tests.support.stock import (
    booked,
    cancels,
    catalogue,
    client,
    furnished,
    later,
    listed,
    no_debt,
    nothing_written,
    package,
    pages,
    paid,
    patch,
    put,
    read,
)

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.queries import history as histories
from client_credits.operations.queries import past
from client_credits.operations.sweeping import settle_one, shards, sweep_shard

CREDITS = "/v1/clients/c1/credits"
LOTS = f"{CREDITS}/follow-up/lots"
HISTORY = f"{CREDITS}/follow-up/history"
UNTOUCHED = {
    "balance": 0,
    "available": 0,
    "held": 0,
    "frozen": 0,
    "not_yet_effective": 0,
    "debt": 0,
    "granted_total": 0,
    "next_expiry": None,
    "version": 0,
}


def line(api: Api, type_id: str = "follow-up") -> dict[str, Any]:
    return next(each for each in read(api, CREDITS)["credits"] if each["appointment_type"] == type_id)


def timeless(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries without the instant of their writing, which for an unwritten one is now."""
    return [{name: value for name, value in entry.items() if name != "recorded_at"} for entry in entries]


def short(api: Api, days: int = 1) -> None:
    """`price_2` buys two follow-ups that end after so many days."""
    package(api, "short", credits={"follow-up": 2}, stripe_prices=["price_2"], expiry={"kind": "days", "n": days})


# --- Credits


def test_every_type_is_shown_also_at_zero_and_to_who_never_bought(api: Api) -> None:
    furnished(api)
    stated = read(api, CREDITS)
    assert stated == {
        "client_id": "c1",
        "enabled": True,
        "as_of": "2026-11-22T12:00:00Z",
        "credits": [
            {"appointment_type": "follow-up", "name": "Follow-Up"} | UNTOUCHED,
            {"appointment_type": "initial", "name": "Initial"} | UNTOUCHED,
        ],
    }


def test_a_practice_without_types_shows_none(api: Api) -> None:
    client(api)
    assert read(api, CREDITS)["credits"] == []


def test_the_numbers_of_a_grant_a_spend_and_a_debt(api: Api) -> None:
    furnished(api)
    short(api, 30)
    paid(api, price="price_2")
    paid(api)
    booked(api, "b1", seats=4)
    assert line(api) | {"version": 0} == UNTOUCHED | {
        "appointment_type": "follow-up",
        "name": "Follow-Up",
        "balance": 1,
        "available": 1,
        "granted_total": 5,
        "next_expiry": None,
    }
    booked(api, "b2", seats=3)
    after = line(api)
    assert (after["balance"], after["available"], after["debt"]) == (-2, 0, 2)
    assert after["version"] == 4


def test_credits_of_a_later_cycle_count_and_are_not_available_yet(api: Api) -> None:
    furnished(api)
    begins = NOW + DAY
    paid(api, subscription_item="si_1", period_start=begins, period_end=begins + 30 * DAY)
    stated = line(api)
    assert (stated["balance"], stated["available"], stated["not_yet_effective"]) == (3, 0, 3)
    api.now[0] = begins
    stated = line(api)
    assert (stated["balance"], stated["available"], stated["not_yet_effective"]) == (3, 3, 0)


def test_a_credit_is_worth_nothing_at_the_instant_it_ends(api: Api) -> None:
    furnished(api)
    short(api)
    paid(api, price="price_2")
    api.now[0] = NOW.replace(day=24, hour=0) - timedelta(microseconds=1)
    assert (line(api)["balance"], line(api)["next_expiry"]) == (2, "2026-11-24T00:00:00Z")
    api.now[0] += timedelta(microseconds=1)
    assert (line(api)["balance"], line(api)["available"], line(api)["next_expiry"]) == (0, 0, None)


def test_past_balances_are_what_had_happened_by_then_and_what_fell_due_counts_unwritten(api: Api) -> None:
    furnished(api)
    short(api)
    paid(api, price="price_2")
    paid(api)
    api.now[0] = NOW + HOUR
    booked(api, "b1", seats=4)
    api.now[0] = NOW + 30 * DAY  # the short ones' end is long over, and no sweep came

    def balance_at(instant: str) -> int:
        then = read(api, CREDITS, as_of=instant)
        assert then.keys() == {"client_id", "enabled", "as_of", "credits"}
        return next(each["balance"] for each in then["credits"] if each["appointment_type"] == "follow-up")

    assert balance_at("2026-11-22T11:59:59Z") == 0
    assert balance_at("2026-11-22T12:00:00Z") == 5
    assert balance_at("2026-11-22T12:59:59.999999Z") == 5
    assert balance_at("2026-11-22T14:00:00+01:00") == 1
    assert balance_at("2026-11-23T23:59:59Z") == 1, "three paid, one is owed, two are left that end before the session"
    assert balance_at("2026-11-24T00:00:00Z") == -1
    assert balance_at("2026-12-22T12:00:00Z") == line(api)["balance"] == -1


def test_past_balances_name_every_type_and_refuse_what_is_to_come(api: Api) -> None:
    furnished(api)
    past = read(api, CREDITS, as_of="2026-11-22T12:00:00Z")
    assert [(each["appointment_type"], each["balance"]) for each in past["credits"]] == [
        ("follow-up", 0),
        ("initial", 0),
    ]
    reply = api("GET", CREDITS, as_of="2026-11-22T12:00:00.000001Z")
    assert (reply.status, reply.faults) == (422, {"/query/as_of": "out_of_range"})
    assert api("GET", "/v1/clients/nobody/credits", as_of="2026-11-22T12:00:00Z").status == 404
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    off = read(api, CREDITS, as_of="2026-11-22T12:00:00Z")
    assert (off["enabled"], off["credits"]) == (False, [])


def test_a_past_balance_goes_back_over_more_entries_than_one_request_brings(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "ENTRIES_READ", 2)
    furnished(api)
    paid(api)
    for number in range(7):
        api.now[0] = NOW + (number + 1) * HOUR
        booked(api, f"b{number}")
    for hours in range(8):
        at = (NOW + hours * HOUR).isoformat().replace("+00:00", "Z")
        assert read(api, CREDITS, as_of=at)["credits"][0]["balance"] == 3 - hours


@pytest.mark.parametrize("path", ["/v1/clients/never/credits", "/v1/clients/never/credits/follow-up/lots"])
def test_an_unknown_client_has_no_credits_to_show(api: Api, path: str) -> None:
    furnished(api)
    assert api("GET", path).code == "not_found"


@pytest.mark.parametrize("what", ["history", "lots"])
def test_an_unknown_type_has_neither_history_nor_lots(api: Api, what: str) -> None:
    furnished(api)
    assert api("GET", f"{CREDITS}/massage/{what}").code == "not_found"


# --- Lots


def test_lots_stand_in_burn_order(api: Api) -> None:
    """Soonest end first, never last; of two alike the earlier start."""
    furnished(api)
    short(api, 30)
    paid(api, paid_at=NOW - 2 * HOUR)
    paid(api, paid_at=NOW - 3 * HOUR)
    paid(api, price="price_2")
    items = read(api, LOTS)["items"]
    assert [(lot["granted"], lot["expires_at"], lot["effective_at"]) for lot in items] == [
        (2, "2026-12-23T00:00:00Z", "2026-11-22T12:00:00Z"),
        (3, None, "2026-11-22T09:00:00Z"),
        (3, None, "2026-11-22T10:00:00Z"),
    ]
    stated = items[0]
    assert stated | {"lot_id": "-"} == {
        "lot_id": "-",
        "granted": 2,
        "remaining": 2,
        "held": 0,
        "effective_at": "2026-11-22T12:00:00Z",
        "expires_at": "2026-12-23T00:00:00Z",
        "priority": 100,
        "source": "purchase",
        "package_id": "short",
        "frozen": False,
    }
    booked(api, "b1", seats=3)
    assert [lot["remaining"] for lot in read(api, LOTS)["items"]] == [2, 3], "the order in which they are spent"
    assert [p["lot_id"] for p in read(api, "/v1/bookings/b1")["paid"]] == [items[0]["lot_id"], items[1]["lot_id"]]


def test_a_lot_that_ended_is_gone_whether_or_not_it_was_swept(api: Api) -> None:
    furnished(api)
    short(api)
    paid(api, price="price_2")
    paid(api)
    api.now[0] += 3 * DAY
    unswept = read(api, LOTS)
    assert [lot["granted"] for lot in unswept["items"]] == [3]
    settle_one(Context(api.store, "p1", STRIPE, api.now[0]), "c1", "follow-up")
    assert read(api, LOTS) == unswept


# --- History


def test_history_tells_the_whole_story_newest_first(api: Api) -> None:
    furnished(api)
    booked(api, "b1", seats=2)
    api.now[0] += HOUR
    paid(api)
    api.now[0] += HOUR
    booked(api, "b2")
    api.now[0] += HOUR
    cancels(api, "b1", CancelledBy.PRACTICE)
    entries = listed(api, HISTORY)
    stated = [(e["kind"], e["amount"], e["balance_before"], e["balance_after"]) for e in reversed(entries)]
    assert stated == [
        ("spent", -2, 0, -2),
        ("granted", 3, -2, 1),
        ("repaid", 0, 1, 1),
        ("spent", -1, 1, 0),
        ("restored", 2, 0, 2),
    ]
    assert [e["sequence"] for e in entries] == [5, 4, 3, 2, 1]
    assert len({e["entry_id"] for e in entries}) == 5
    spent = entries[-1]
    assert spent["cause"] == {
        **{"kind": "booking", "booking_id": "b1", "starts_at": "2026-11-24T12:00:00Z"},
        "rule": "allow_booking_without_credits",
    }
    assert spent["postings"] == [{"debt": "b1", "amount": -2}]
    granted = entries[-2]
    assert granted["cause"]["kind"] == "package"
    assert granted["cause"]["package_id"] == "three-pack"
    assert granted["actor"] == {"kind": "system", "id": "stripe"}
    repaid = entries[-3]
    assert sum(p["amount"] for p in repaid["postings"] if "debt" in p) == 2
    assert all(sum(p["amount"] for p in e["postings"]) == e["amount"] for e in entries)
    for entry in entries:
        assert (entry["client_id"], entry["appointment_type"]) == ("c1", "follow-up")
        assert entry["occurred_at"] <= entry["recorded_at"]


def test_a_type_has_its_own_history(api: Api) -> None:
    furnished(api)
    paid(api)
    assert listed(api, f"{CREDITS}/initial/history") == []


def test_an_id_that_begins_with_anothers_shares_no_history(api: Api) -> None:
    catalogue(api, "a", "a-b", "ab", "a.")
    client(api)
    booked(api, "b1", appointment_type="a-b")
    for other in ("a", "ab", "a."):
        assert listed(api, f"{CREDITS}/{other}/history") == []
    assert len(listed(api, f"{CREDITS}/a-b/history")) == 1


def eventful(api: Api) -> None:
    """A history of entries and changes of settings, of account and client, in turn."""
    furnished(api)
    short(api, 30)
    for step in range(4):
        api.now[0] += timedelta(minutes=1)
        paid(api, price="price_2")
        api.now[0] += timedelta(minutes=1)
        patch(api, "/v1/settings", {"max_negative": step})
        api.now[0] += timedelta(minutes=1)
        booked(api, f"b{step}")
        patch(api, "/v1/clients/c1/settings", {"restore_grace_days_client": step})
        patch(api, "/v1/clients/c1/settings", {"auto_repay": bool(step % 2)})


def order(entries: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(e["kind"], e["sequence"] or e["entry_id"]) for e in entries]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_changes_of_settings_are_merged_in_and_paged_without_loss_or_duplicates(api: Api, limit: int) -> None:
    eventful(api)
    whole = read(api, HISTORY, limit=100)
    assert whole["next_cursor"] is None
    found = whole["items"]
    assert [e["recorded_at"] for e in found] == sorted((e["recorded_at"] for e in found), reverse=True)
    assert [e["sequence"] for e in found if e["sequence"]] == list(range(8, 0, -1))
    assert sum(e["kind"] == "settings_changed" for e in found) == 12
    sizes = [len(page) for page in pages(api, HISTORY, limit=limit)]
    assert sizes == [limit] * (20 // limit) + ([20 % limit] if 20 % limit else [])
    assert listed(api, HISTORY, limit=limit) == found


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_what_is_written_while_reading_on_disturbs_no_later_page(api: Api, limit: int) -> None:
    eventful(api)
    whole = listed(api, HISTORY)
    first = read(api, HISTORY, limit=limit)
    api.now[0] += HOUR
    paid(api)
    patch(api, "/v1/settings", {"restore_on_cancel": False})
    rest = listed(api, HISTORY, limit=limit, cursor=first["next_cursor"])
    assert first["items"] + rest == whole


def test_what_fell_due_and_nobody_wrote_is_shown_as_it_will_be_written(api: Api) -> None:
    furnished(api)
    short(api)
    paid(api, price="price_2")
    booked(api, "b1", seats=3)
    begins = NOW + DAY
    paid(api, subscription_item="si_1", period_start=begins, period_end=begins + 30 * DAY)
    paid(api, price="price_2", quantity=3)
    api.now[0] += 5 * DAY
    with nothing_written(api):
        unwritten = listed(api, HISTORY)
    assert {"expired", "repaid"} <= {e["kind"] for e in unwritten}
    api.now[0] += 5 * DAY
    later = listed(api, HISTORY)
    assert timeless(later) == timeless(unwritten)
    for shard in shards():
        sweep_shard(api.store, shard, api.now[0])
    assert timeless(listed(api, HISTORY)) == timeless(unwritten)
    assert len({e["entry_id"] for e in unwritten}) == len(unwritten)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_several_unwritten_entries_are_paged_like_written_ones(api: Api, limit: int) -> None:
    furnished(api)
    short(api)
    for _ in range(4):
        paid(api, price="price_2")
    api.now[0] += 5 * DAY
    whole = read(api, HISTORY, limit=100)["items"]
    assert [e["kind"] for e in whole] == ["expired"] * 4 + ["granted"] * 4
    assert timeless(listed(api, HISTORY, limit=limit)) == timeless(whole)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_sweep_between_two_pages_loses_nothing(api: Api, limit: int) -> None:
    furnished(api)
    short(api)
    for _ in range(4):
        paid(api, price="price_2")
    api.now[0] += 5 * DAY
    whole = read(api, HISTORY, limit=100)["items"]
    first = read(api, HISTORY, limit=limit)
    settle_one(Context(api.store, "p1", STRIPE, api.now[0]), "c1", "follow-up")
    rest = listed(api, HISTORY, limit=limit, cursor=first["next_cursor"])
    assert timeless(first["items"] + rest) == timeless(whole)


def test_history_is_filtered_by_kind(api: Api) -> None:
    eventful(api)
    cancels(api, "b0", CancelledBy.PRACTICE)
    api.now[0] += 60 * DAY
    whole = listed(api, HISTORY)
    kinds = {e["kind"] for e in whole}
    assert kinds >= {"granted", "spent", "restored", "expired", "settings_changed"}
    for kind in sorted(kinds | {"repaid", "forfeited"}):
        expected = timeless([e for e in whole if e["kind"] == kind])
        assert timeless(listed(api, HISTORY, kind=kind)) == expected, kind
        assert timeless(listed(api, HISTORY, kind=kind, limit=1)) == expected, kind
    assert api("GET", HISTORY, kind="vanished").faults.keys() == {"/query/kind"}


@pytest.mark.parametrize("looked_at", [1, 2, 3, 7])
def test_a_filtered_page_looks_at_so_many_records_and_the_pages_together_miss_none(
    api: Api, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    eventful(api)
    api.now[0] += 60 * DAY
    complete = listed(api, HISTORY)
    monkeypatch.setattr(histories, "LOOKED_AT", looked_at)
    for kind in ("granted", "spent", "expired", "settings_changed", "voided"):
        expected = timeless([e for e in complete if e["kind"] == kind])
        for limit in (1, 50):
            assert timeless(listed(api, HISTORY, kind=kind, limit=limit)) == expected, (kind, limit)
    some = {"from": complete[-4]["occurred_at"], "to": complete[2]["occurred_at"]}
    within = [e for e in complete if some["from"] <= e["occurred_at"] < some["to"]]
    assert timeless(listed(api, HISTORY, **some)) == timeless(within)


def test_history_is_filtered_by_a_half_open_period_of_occurring(api: Api) -> None:
    eventful(api)
    whole = listed(api, HISTORY)
    instants = sorted({e["occurred_at"] for e in whole})
    since, until = instants[2], instants[6]
    expected = [e for e in whole if since <= e["occurred_at"] < until]
    assert listed(api, HISTORY, **{"from": since, "to": until}) == expected
    assert listed(api, HISTORY, limit=2, **{"from": since, "to": until}) == expected
    assert listed(api, HISTORY, **{"from": until}) == [e for e in whole if e["occurred_at"] >= until]
    assert listed(api, HISTORY, to=since) == [e for e in whole if e["occurred_at"] < since]
    assert listed(api, HISTORY, **{"from": until, "to": since}) == []
    both = listed(api, HISTORY, kind="spent", **{"from": since})
    assert both == [e for e in whole if e["kind"] == "spent" and e["occurred_at"] >= since]


def test_an_instant_may_be_written_with_any_offset(api: Api) -> None:
    eventful(api)
    utc = listed(api, HISTORY, **{"from": "2026-11-22T12:05:00Z"})
    for same in ("2026-11-22T13:05:00+01:00", "2026-11-22T06:35:00.000-05:30", "2026-11-22T12:05:00+00:00"):
        assert listed(api, HISTORY, **{"from": same}) == utc
    assert 0 < len(utc) < len(listed(api, HISTORY))


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-22", "2026-11-22T12:00:00", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00",
             "9999-12-31T23:59:59-14:00", "1790000000", "2026-W47-7T00:00:00Z", "\x00", "2026-11-22T12:00:00Z" * 50]
)  # fmt: skip
def test_an_instant_that_cannot_be_read_is_refused(api: Api, name: str, text: str) -> None:
    furnished(api)
    reply = api("GET", HISTORY, **{name: text})
    assert (reply.status, reply.faults) == (422, {f"/query/{name}": "not_an_instant"})


def test_a_client_sees_each_change_and_its_kind_of_cause(api: Api) -> None:
    eventful(api)
    for_staff, for_client = listed(api, HISTORY, role="staff"), listed(api, HISTORY, client="c1")
    same = ("entry_id", "appointment_type", "kind", "amount", "balance_after", "occurred_at", "recorded_at")
    assert [{name: e[name] for name in same} for e in for_client] == [
        {name: e[name] for name in same} for e in for_staff
    ]
    assert [e["cause"]["kind"] for e in for_client] == [e["cause"]["kind"] for e in for_staff]
    bookings = [{e["cause"].get("booking_id") for e in each} - {None} for each in (for_client, for_staff)]
    assert bookings[0] == bookings[1] != set()


def test_lots_are_paged_in_the_order_in_which_they_are_spent_also_while_some_are(api: Api) -> None:
    furnished(api)
    for step in range(5):
        ends = {"kind": "days", "n": 9 - step}
        package(api, "short", credits={"follow-up": 1}, stripe_prices=["price_2"], expiry=ends)
        paid(api, price="price_2")
        later(api, minutes=1)
    paid(api)
    whole = read(api, LOTS)
    assert (len(whole["items"]), whole["next_cursor"]) == (6, None)
    for limit in (1, 2, 5, 6):
        assert listed(api, LOTS, limit=limit) == whole["items"], limit
    page = read(api, LOTS, limit=2)
    booked(api, seats=3)
    rest = read(api, LOTS, limit=100, cursor=page["next_cursor"])["items"]
    assert [lot["lot_id"] for lot in rest] == [lot["lot_id"] for lot in whole["items"][3:]]
    assert listed(api, LOTS, client="c1") == read(api, LOTS)["items"]


def test_lots_take_a_limit_and_a_cursor_as_every_list_does(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    paid(api)
    for limit in (0, 101, "x"):
        assert api("GET", LOTS, limit=limit).faults.keys() == {"/query/limit"}
    cursor = read(api, LOTS, limit=1)["next_cursor"]
    history = read(api, HISTORY, limit=1)["next_cursor"]
    for path, given in (
        (LOTS, "forged"),
        (LOTS, history),
        (f"{CREDITS}/initial/lots", cursor),
        ("/v1/clients/c2/credits/follow-up/lots", cursor),
    ):
        assert api("GET", path, cursor=given).faults == {"/query/cursor": "bad_cursor"}


def test_every_kind_that_the_contract_names_may_be_asked_for(api: Api) -> None:
    furnished(api)
    assert read(api, HISTORY, kind="forgiven") == {"items": [], "next_cursor": None}


def test_a_history_cursor_is_good_for_its_client_type_and_filters_only(api: Api) -> None:
    eventful(api)
    client(api, "c2")
    cursor = read(api, HISTORY, limit=1)["next_cursor"]
    for path in ("/v1/clients/c2/credits/follow-up/history", f"{CREDITS}/initial/history", "/v1/clients"):
        assert api("GET", path, cursor=cursor).faults == {"/query/cursor": "bad_cursor"}
    for filters in ({"kind": "spent"}, {"from": "2026-11-22T00:00:00Z"}, {"to": "2027-01-01T00:00:00Z"}):
        assert api("GET", HISTORY, cursor=cursor, **filters).faults == {"/query/cursor": "bad_cursor"}
    assert api("GET", HISTORY, cursor=cursor, client="c1").status == 200


def test_another_worker_reads_the_same_at_once(api: Api) -> None:
    eventful(api)
    other = api_beside(api)
    for path in (CREDITS, LOTS, HISTORY):
        assert api("GET", path).text == other("GET", path).text


# --- Bookings


def test_a_booking_is_read_by_its_id(api: Api) -> None:
    furnished(api)
    paid(api)
    booked(api, "b1", seats=2)
    stated = read(api, "/v1/bookings/b1")
    (lot,) = read(api, LOTS)["items"]
    assert stated == {
        "booking_id": "b1",
        "state": "booked",
        "client_id": "c1",
        "appointment_type": "follow-up",
        "starts_at": "2026-11-24T12:00:00Z",
        "seats": 2,
        "kind": "appointment",
        "origin": "client",
        "series_id": None,
        "hold_id": None,
        "location_id": None,
        "provider_id": None,
        "previous_booking_id": None,
        "paid": [{"lot_id": lot["lot_id"], "amount": 2}],
        "returned": 0,
        "covered_by": None,
        "visit_returned": False,
        "rule": None,
        "free": None,
        "refusal": None,
        "created_at": "2026-11-22T12:00:00Z",
        "cancelled_at": None,
        "cancelled_by": None,
    }
    api.now[0] += HOUR
    cancels(api, "b1", CancelledBy.CLIENT)
    after = read(api, "/v1/bookings/b1")
    assert (after["state"], after["returned"], after["paid"]) == ("cancelled", 2, [])
    assert (after["cancelled_at"], after["cancelled_by"]) == ("2026-11-22T13:00:00Z", "client")


def test_a_refused_booking_tells_why_and_wrote_no_entry(api: Api) -> None:
    furnished(api)
    no_debt(api)
    paid(api)
    booked(api, "b1", seats=4)
    stated = read(api, "/v1/bookings/b1")
    assert (stated["state"], stated["paid"], stated["rule"]) == ("refused", [], None)
    assert stated["refusal"] == {
        "reason": "insufficient_credits",
        "available": 3,
        "shortfall": 1,
        "occurred_at": "2026-11-22T12:00:00Z",
    }
    assert [e["kind"] for e in listed(api, HISTORY, kind="spent")] == []


def test_bookings_that_spend_nothing_say_why(api: Api) -> None:
    furnished(api)
    booked(api, "b1", appointment_type="massage")
    booked(api, "b2", client_id=None)
    cancels(api, "b3", CancelledBy.PRACTICE)
    stated = {b: read(api, f"/v1/bookings/{b}") for b in ("b1", "b2", "b3")}
    assert [(t["state"], t["free"]) for t in stated.values()] == [
        ("booked", "not_tracked"),
        ("booked", "unidentified"),
        ("cancelled", None),
    ]
    assert stated["b2"]["client_id"] is None
    assert stated["b3"]["appointment_type"] is None
    assert stated["b3"]["created_at"] is None


def test_a_booking_let_through_by_a_rule_names_it(api: Api) -> None:
    furnished(api)
    booked(api)
    assert read(api, "/v1/bookings/b1")["rule"] == "allow_booking_without_credits"
    no_debt(api)
    put(api, "/v1/appointment-types/initial", {"name": "Initial", "bookable_without_credits": True})
    booked(api, "b2", appointment_type="initial")
    assert read(api, "/v1/bookings/b2")["rule"] == "bookable_without_credits"


def test_an_unknown_booking_is_not_found(api: Api) -> None:
    assert api("GET", "/v1/bookings/never").code == "not_found"


def test_who_paid_is_heard_after_a_later_grant_repaid_the_booking(api: Api) -> None:
    furnished(api)
    booked(api, seats=2)
    paid(api)
    assert [p["amount"] for p in read(api, "/v1/bookings/b1")["paid"]] == [2]
