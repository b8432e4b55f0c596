"""Staff's edits over HTTP: numbers replaced, credits added, taken, given, moved; lots extended and voided."""

from typing import Any

import pytest
from tests.support.api import Api, Reply
from tests.support.builders import DAY, NOW
from tests.support.stock import (
    balances,
    booked,
    cancels,
    catalogue,
    client,
    contents,
    furnished,
    later,
    listed,
    no_debt,
    nothing_written,
    package,
    paid,
    patch,
    read,
)

from client_credits.operations.context import STRIPE, Context
from client_credits.operations.sweeping import settle_one

BALANCES = "/v1/clients/c1/credits"
ADJUST = "/v1/clients/c1/adjustments"
GRANT = "/v1/clients/c1/grants"
LOTS = "/v1/clients/c1/credits/follow-up/lots"
HISTORY = "/v1/clients/c1/credits/follow-up/history"
TRANSFER = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 2}


def keyed(api: Api, path: str, body: Any, key: str = "k1", **more: Any) -> Reply:
    return api("POST", path, body, headers={"idempotency-key": key}, **more)


def changed(balance: int, version: int, type_id: str = "follow-up", **more: Any) -> dict[str, Any]:
    return {"appointment_type": type_id, "balance": balance, "version": version} | more


def versions(api: Api) -> dict[str, int]:
    return {line["appointment_type"]: line["version"] for line in read(api, BALANCES)["credits"]}


# -- replacing numbers ---------------------------------------------------------------------------


def test_several_numbers_are_replaced_in_one_save(api: Api) -> None:
    furnished(api)
    paid(api)
    wanted = {"changes": [changed(10, 1), changed(2, 0, "initial")], "reason": "stocktaking"}
    reply = api("PUT", BALANCES, wanted)
    assert reply.status == 200, reply
    assert balances(api) == {"follow-up": 10, "initial": 2}
    assert [(e["kind"], e["amount"], e["reason"]) for e in reply.body["entries"]] == [
        ("adjusted", 7, "stocktaking"),
        ("adjusted", 2, "stocktaking"),
    ]
    assert {c["appointment_type"]: c["version"] for c in reply.body["credits"]} == versions(api)
    assert reply.body["entries"][0]["actor"] == {"kind": "admin", "id": "admin-1"}


def test_a_save_that_is_sent_again_is_answered_as_the_first_time(api: Api) -> None:
    furnished(api)
    wanted = {"changes": [changed(10, 0), changed(2, 0, "initial")]}
    first = api("PUT", BALANCES, wanted)
    with nothing_written(api):
        again = api("PUT", BALANCES, wanted)
    assert (first.status, again.status, again.body) == (200, 200, first.body)


def test_a_save_that_is_sent_again_later_is_answered_with_the_numbers_of_then(api: Api) -> None:
    furnished(api)
    wanted = {"changes": [changed(10, 0)]}
    first = api("PUT", BALANCES, wanted)
    keyed(api, ADJUST, {"appointment_type": "follow-up", "amount": -4, "reason": "since then"})
    later(api, days=3)
    assert api("PUT", BALANCES, wanted).body == first.body
    assert balances(api)["follow-up"] == 6


@pytest.mark.parametrize("other", [{"expires_at": "2027-06-01T00:00:00Z"}, {}], ids=["another end", "another reason"])
def test_a_save_with_another_end_or_reason_is_another_save(api: Api, other: dict[str, Any]) -> None:
    furnished(api)
    assert api("PUT", BALANCES, {"changes": [changed(10, 0)], "reason": "first"}).status == 200
    reason = "first" if other else "second"
    reply = api("PUT", BALANCES, {"changes": [changed(10, 0, **other)], "reason": reason})
    assert (reply.status, reply.code) == (409, "version_conflict")


def ended_lots(api: Api, count: int, *types: str) -> None:
    """So many lots of each type, all of which end tomorrow; a day later nobody has settled them."""
    for type_id in types:
        for number in range(count):
            given = {"appointment_type": type_id, "amount": 1, "reason": "gift", "expires_at": (NOW + DAY).isoformat()}
            assert keyed(api, ADJUST, given, f"{type_id}-{number}").status == 200
    later(api, days=2)


def test_a_save_is_not_refused_for_what_it_settled_itself(api: Api) -> None:
    furnished(api)
    ended_lots(api, 50, "follow-up")
    assert versions(api)["follow-up"] == 50
    reply = api("PUT", BALANCES, {"changes": [changed(7, 50)]})
    assert reply.status == 200, reply
    assert balances(api)["follow-up"] == 7
    again = api("PUT", BALANCES, {"changes": [changed(7, 50)]})
    assert (again.status, again.body) == (200, reply.body)


def test_a_save_of_25_types_settles_each_of_them_and_is_not_refused_for_it(api: Api) -> None:
    furnished(api)
    types = [f"type-{number}" for number in range(25)]
    catalogue(api, *types)
    ended_lots(api, 2, *types)
    reply = api("PUT", BALANCES, {"changes": [changed(1, 2, type_id) for type_id in types]})
    assert reply.status == 200, reply
    assert {t: balances(api)[t] for t in types} == dict.fromkeys(types, 1)


def test_what_the_sweep_settled_meanwhile_refuses_no_save(api: Api) -> None:
    furnished(api)
    ended_lots(api, 3, "follow-up")
    seen = versions(api)["follow-up"]
    settle_one(Context(api.store, "p1", STRIPE, api.now[0]), "c1", "follow-up")
    assert versions(api)["follow-up"] == seen + 1
    assert api("PUT", BALANCES, {"changes": [changed(7, seen - 1)]}).code == "version_conflict"
    assert api("PUT", BALANCES, {"changes": [changed(7, seen)]}).status == 200


def test_a_change_before_or_after_settling_still_refuses_a_save(api: Api) -> None:
    furnished(api)
    ended_lots(api, 50, "follow-up")
    given = {"appointment_type": "follow-up", "amount": 1, "reason": "gift"}
    assert keyed(api, ADJUST, given, "meanwhile").status == 200
    with nothing_written(api):
        reply = api("PUT", BALANCES, {"changes": [changed(7, 50)]})
    assert (reply.status, reply.code) == (409, "version_conflict")


def test_one_stale_version_refuses_the_whole_save(api: Api) -> None:
    furnished(api)
    paid(api)
    with nothing_written(api):
        reply = api("PUT", BALANCES, {"changes": [changed(5, 0, "initial"), changed(9, 0)]})
    assert (reply.status, reply.body["code"], reply.body["appointment_type"]) == (409, "version_conflict", "follow-up")
    assert reply.body["version"] == 1


def test_the_number_that_stands_already_writes_nothing(api: Api) -> None:
    furnished(api)
    paid(api)
    with nothing_written(api):
        reply = api("PUT", BALANCES, {"changes": [changed(3, 1)]})
    assert (reply.status, reply.body["entries"], reply.body["credits"][0]["version"]) == (200, [], 1)


def test_raising_clears_what_is_owed_first_and_adds_the_rest_as_a_gift(api: Api) -> None:
    furnished(api)
    booked(api, "b1", seats=2)
    ends = NOW + 30 * DAY
    reply = api("PUT", BALANCES, {"changes": [changed(3, 1, expires_at=ends.isoformat())]})
    adjusted, repaid = reply.body["entries"]
    (lot,) = read(api, LOTS)["items"]
    assert [(p["lot_id"], p["amount"]) for p in adjusted["postings"]] == [(lot["lot_id"], 5)]
    assert [p["amount"] for p in repaid["postings"]] == [-2, 2] and repaid["postings"][1]["debt"] == "b1"
    assert (lot["remaining"], lot["source"], lot["priority"]) == (3, "complimentary", 60)
    assert lot["expires_at"] == "2026-12-22T12:00:00Z"


def test_lowering_below_nothing_becomes_a_debt_that_the_next_payment_repays(api: Api) -> None:
    furnished(api)
    paid(api)
    assert api("PUT", BALANCES, {"changes": [changed(-2, 1)]}).status == 200
    assert balances(api)["follow-up"] == -2
    paid(api)
    assert balances(api)["follow-up"] == 1
    assert read(api, HISTORY)["items"][0]["kind"] == "repaid"


def test_lowering_takes_usable_credits_before_those_that_have_not_begun(api: Api) -> None:
    furnished(api)
    paid(api, subscription_item="si_1", period_start=NOW + 5 * DAY, period_end=NOW + 35 * DAY)
    paid(api)
    api("PUT", BALANCES, {"changes": [changed(4, 2)]})
    by_start = {lot["effective_at"]: lot["remaining"] for lot in read(api, LOTS)["items"]}
    assert by_start == {"2026-11-22T12:00:00Z": 1, "2026-11-27T12:00:00Z": 3}


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [changed(1, 0), changed(2, 0)],
        [changed(1_000_001, 0)],
        [changed(1, -1)],
        [changed(1, 0, expires_at=NOW.isoformat())],
        [{"appointment_type": "follow-up", "balance": 1}],
        [changed(1, 0) | {"note": "x"}],
        [changed(True, 0)],
    ],
)
def test_what_cannot_be_saved_is_refused_and_writes_nothing(api: Api, changes: list[Any]) -> None:
    furnished(api)
    with nothing_written(api):
        assert api("PUT", BALANCES, {"changes": changes}).status == 422


def test_a_number_replaced_from_the_packages_side_makes_the_same_history_as_from_the_clients(api: Api) -> None:
    """Whoever comes from the list of a package's clients and whoever opens a client uses the one operation."""
    furnished(api)
    client(api, "c2")
    paid(api)
    paid(api, client_id="c2")
    found = [each["id"] for each in read(api, "/v1/packages/three-pack/clients")["items"]]
    assert found == ["c1", "c2"]
    histories = []
    for client_id, seen in ((found[0], 1), ("c2", versions(api)["follow-up"])):
        path = f"/v1/clients/{client_id}/credits"
        assert api("PUT", path, {"changes": [changed(1, seen)], "reason": "counted"}).status == 200
        entries = read(api, f"{path}/follow-up/history")["items"]
        shown = ("kind", "amount", "balance_before", "balance_after", "cause", "actor", "reason")
        histories.append([{name: entry[name] for name in shown} for entry in entries])
    for history in histories:  # the payments differ
        assert history.pop()["kind"] == "granted"
    assert histories[0] == histories[1] != []


# -- adding and taking ---------------------------------------------------------------------------


def test_an_adjustment_happens_once_per_key_and_answers_the_same(api: Api) -> None:
    furnished(api)
    wanted = {"appointment_type": "follow-up", "amount": 4, "reason": "goodwill"}
    first = keyed(api, ADJUST, wanted)
    again = keyed(api, ADJUST, wanted)
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert balances(api)["follow-up"] == 4
    assert (first.body["kind"], first.body["amount"], first.body["source_id"]) == ("adjusted", 4, "api/k1")


def test_a_key_stands_for_one_request_only(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    keyed(api, ADJUST, {"appointment_type": "follow-up", "amount": 4, "reason": "goodwill"})
    other = {"appointment_type": "follow-up", "amount": 5, "reason": "goodwill"}
    with nothing_written(api):
        for path, body in [
            (ADJUST, other),
            ("/v1/clients/c2/adjustments", other | {"amount": 4}),
            (GRANT, {"package_id": "three-pack"}),
            ("/v1/transfers", TRANSFER),
        ]:
            reply = keyed(api, path, body)
            assert (reply.status, reply.body["code"]) == (409, "idempotency_key_reused"), path


def test_a_key_must_be_sent(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    bodies = {
        ADJUST: {"appointment_type": "follow-up", "amount": 4, "reason": "goodwill"},
        GRANT: {"package_id": "three-pack"},
        "/v1/transfers": TRANSFER,
    }
    with nothing_written(api):
        for path, body in bodies.items():
            reply = api("POST", path, body)
            assert (reply.status, reply.body["code"]) == (400, "idempotency_key_required")
            assert keyed(api, path, body, key="not a key!").status == 400


@pytest.mark.parametrize("auto_repay", [True, False])
def test_raising_repays_more_bookings_than_one_transaction_holds(api: Api, auto_repay: bool) -> None:
    """One transaction repays as many as it holds, settling the rest; without `auto_repay` the next raising does."""
    furnished(api)
    for number in range(120):
        booked(api, f"b{number}")
    patch(api, "/v1/settings", {"auto_repay": auto_repay})
    wanted = {"appointment_type": "follow-up", "amount": 130, "reason": "a quarter's sessions"}
    assert keyed(api, ADJUST, wanted).status == 200
    (line, *_) = read(api, BALANCES)["credits"]
    assert line["balance"] == 10
    assert (line["debt"] == 0) == auto_repay and line["debt"] < 120
    for _ in range(5):
        settle_one(Context(api.store, "p1", STRIPE, api.now[0]), "c1", "follow-up")
    paid_for = [len(read(api, f"/v1/bookings/b{number}")["paid"]) for number in range(120)]
    assert sum(paid_for) == 120 - line["debt"]


def test_taking_more_than_there_is_becomes_debt(api: Api) -> None:
    furnished(api)
    reply = keyed(api, ADJUST, {"appointment_type": "follow-up", "amount": -3, "reason": "paid in cash elsewhere"})
    assert (reply.body["amount"], reply.body["balance_after"]) == (-3, -3)


@pytest.mark.parametrize("amount", [0, 1_000_001, -1_000_001, 1.5, "2"])
def test_an_amount_that_cannot_be_meant_is_refused(api: Api, amount: Any) -> None:
    furnished(api)
    with nothing_written(api):
        body = {"appointment_type": "follow-up", "amount": amount, "reason": "x"}
        assert keyed(api, ADJUST, body).status == 422


# -- giving packages -----------------------------------------------------------------------------


def test_a_package_given_by_hand_grants_all_its_types_by_its_own_rule(api: Api) -> None:
    furnished(api)
    package(api, "both", credits={"follow-up": 2, "initial": 1}, expiry={"kind": "days", "n": 10}, stripe_prices=[])
    reply = keyed(api, GRANT, {"package_id": "both", "quantity": 2, "reason": "sold at the desk"})
    assert reply.status == 200, reply
    assert balances(api) == {"follow-up": 4, "initial": 2}
    assert {e["cause"]["package_id"] for e in reply.body["entries"]} == {"both"}
    (lot,) = read(api, LOTS)["items"]
    assert (lot["expires_at"], lot["package_id"], lot["source"]) == ("2026-12-03T00:00:00Z", "both", "complimentary")
    assert keyed(api, GRANT, {"package_id": "both", "quantity": 2, "reason": "sold at the desk"}).body == reply.body
    assert balances(api) == {"follow-up": 4, "initial": 2}


def test_a_package_that_cannot_be_given_is_refused_with_the_reason(api: Api) -> None:
    furnished(api)
    package(api, "old", stripe_prices=[], archived=True)
    package(api, "cycle", stripe_prices=[], expiry={"kind": "cycle_end"})
    package(api, "empty", stripe_prices=[], credits={})
    with nothing_written(api):
        for body in [
            {"package_id": "nope"},
            {"package_id": "old"},
            {"package_id": "cycle"},
            {"package_id": "empty"},
            {"package_id": "three-pack", "quantity": 1_000_000},
        ]:
            assert keyed(api, GRANT, body).status == 422, body
    ends = (NOW + DAY).isoformat()
    assert keyed(api, GRANT, {"package_id": "cycle", "expires_at": ends}).status == 200


# -- lots ----------------------------------------------------------------------------------------


def test_a_lot_is_given_a_later_end_or_none(api: Api) -> None:
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, price="price_2")
    (lot,) = read(api, LOTS)["items"]
    path = f"{LOTS}/{lot['lot_id']}"
    reply = api("PATCH", path, {"expires_at": "2027-01-01T00:00:00Z"})
    assert [(e["kind"], e["amount"]) for e in reply.body["entries"]] == [("extended", 0)]
    later(api, days=20)
    assert balances(api)["follow-up"] == 3, "it did not end when it would have"
    assert api("PATCH", path, {"expires_at": None}).status == 200
    assert read(api, LOTS)["items"][0]["expires_at"] is None
    with nothing_written(api):
        assert api("PATCH", path, {"expires_at": None}).body["entries"] == []
        assert api("PATCH", path, {"expires_at": "2027-03-01T00:00:00Z"}).status == 422, "a lot is not cut short"


def test_a_lot_is_voided_with_a_reason(api: Api) -> None:
    furnished(api)
    paid(api)
    booked(api)
    (lot,) = read(api, LOTS)["items"]
    path = f"{LOTS}/{lot['lot_id']}"
    reply = api("PATCH", path, {"void": True, "reason": "sold by mistake"})
    assert [(e["kind"], e["amount"], e["reason"]) for e in reply.body["entries"]] == [("voided", -2, "sold by mistake")]
    assert balances(api)["follow-up"] == 0
    with nothing_written(api):
        again = api("PATCH", path, {"void": True, "reason": "sold by mistake"})
        assert (again.status, again.body["code"]) == (409, "lot_closed")
        for body in [{}, {"void": True}, {"void": False}, {"void": True, "reason": "x", "expires_at": None}]:
            assert api("PATCH", path, body).status == 422, body


# -- transfers -----------------------------------------------------------------------------------


def test_a_transfer_keeps_end_and_origin_and_both_histories_name_both(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api)
    paid(api, price="price_2")
    reply = keyed(api, "/v1/transfers", TRANSFER | {"amount": 4, "reason": "sisters"})
    assert reply.status == 200, reply
    assert (balances(api)["follow-up"], balances(api, "c2")["follow-up"]) == (2, 4)
    moved = listed(api, "/v1/clients/c2/credits/follow-up/lots")
    assert [(lot["remaining"], lot["expires_at"], lot["package_id"]) for lot in moved] == [
        (3, "2026-11-28T00:00:00Z", "short"),
        (1, None, "three-pack"),
    ]
    out, come = reply.body["entries"]
    assert (out["kind"], out["amount"], come["kind"], come["amount"]) == ("transferred_out", -4, "transferred_in", 4)
    assert out["cause"] == come["cause"] == {"kind": "transfer", "from_client_id": "c1", "to_client_id": "c2"}
    assert out["source_id"] == come["source_id"] == "api/k1"
    assert keyed(api, "/v1/transfers", TRANSFER | {"amount": 4, "reason": "sisters"}).body == reply.body


def test_no_more_is_given_than_there_is(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    booked(api, "b1")
    with nothing_written(api):
        reply = keyed(api, "/v1/transfers", TRANSFER | {"amount": 3})
    assert (reply.status, reply.body["code"]) == (409, "insufficient_credits")
    assert (reply.body["available"], reply.body["shortfall"]) == (2, 1)


def test_what_the_receiver_owes_is_repaid_by_what_came(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    booked(api, "theirs", client_id="c2")
    keyed(api, "/v1/transfers", TRANSFER)
    assert balances(api, "c2")["follow-up"] == 1
    assert read(api, "/v1/bookings/theirs")["paid"][0]["amount"] == 1


def test_a_cancelled_session_that_was_paid_by_a_gift_returns_to_the_gift(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    no_debt(api)
    keyed(api, "/v1/transfers", TRANSFER)
    booked(api, "theirs", client_id="c2")
    cancels(api, "theirs", client_id="c2")
    assert (balances(api)["follow-up"], balances(api, "c2")["follow-up"]) == (1, 2)


@pytest.mark.parametrize(
    ("over", "status"),
    [
        ({"to_client_id": "c1"}, 422),
        ({"amount": 0}, 422),
        ({"amount": -1}, 422),
        ({"to_client_id": "nobody"}, 404),
        ({"from_client_id": "nobody"}, 404),
        ({"appointment_type": "nope"}, 404),
        ({"note": "x"}, 422),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(api: Api, over: dict[str, Any], status: int) -> None:
    furnished(api)
    client(api, "c2")
    paid(api)
    with nothing_written(api):
        assert keyed(api, "/v1/transfers", TRANSFER | over).status == status


# -- rehearsals ----------------------------------------------------------------------------------


EDITS: dict[str, tuple[str, str, Any]] = {
    "replace": ("PUT", BALANCES, {"changes": [changed(10, 1), changed(1, 0, "initial")]}),
    "adjust": ("POST", ADJUST, {"appointment_type": "follow-up", "amount": 4, "reason": "goodwill"}),
    "grant": ("POST", GRANT, {"package_id": "three-pack"}),
    "void": ("PATCH", f"{LOTS}/<lot>", {"void": True, "reason": "a mistake"}),
    "extend": ("PATCH", f"{LOTS}/<lot>", {"expires_at": None}),
    "transfer": ("POST", "/v1/transfers", TRANSFER),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_rehearsed_answers_as_it_will_and_writes_nothing(api: Api, edit: str) -> None:
    furnished(api)
    client(api, "c2")
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, price="price_2")
    method, path, body = EDITS[edit]
    path = path.replace("<lot>", read(api, LOTS)["items"][0]["lot_id"])
    stated = {"idempotency-key": "k9"} if method == "POST" else {}
    with nothing_written(api):
        rehearsed = api(method, path, body, headers=stated, dry_run=True)
    before = contents(api)
    done = api(method, path, body, headers=stated)
    assert (rehearsed.status, rehearsed.body) == (done.status, done.body) == (200, done.body)
    assert contents(api) != before
