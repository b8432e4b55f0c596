"""Two records of one person become one: what is theirs, what comes later, and what returns, through the API."""

from typing import Any

from tests.support.api import Api, Reply
from tests.support.builders import DAY, NOW, a_payment
from tests.support.stock import (
    balances,
    booked,
    cancels,
    client,
    contents,
    furnished,
    listed,
    no_debt,
    nothing_written,
    package,
    paid,
    patch,
    put,
    read,
)

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.payments.facts import Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.money_back import apply_money_back
from client_credits.operations.payments.paying import pay
from client_credits.operations.queries.verifying import check_client


def merge(api: Api, gone: str, into: str, key: str = "", **more: Any) -> Reply:
    headers = {"idempotency-key": key or f"{gone}-{into}"}
    return api("POST", f"/v1/clients/{gone}/merge", {"into": into}, role="staff", headers=headers, **more)


def merged(api: Api, gone: str = "old", into: str = "c1") -> Reply:
    reply = merge(api, gone, into)
    assert reply.status == 200, reply.text
    return reply


def two_records(api: Api) -> Api:
    """c1 has bought three credits, and so has `old`, who has booked one of them and used up another pack."""
    furnished(api)
    put(api, "/v1/clients/old", {"name": "Anna", "email": "anna@example.test", "external_ids": {"square": "SQ1"}})
    put(api, "/v1/clients/c1", {"name": "Anna Unlu", "external_ids": {"crm": "7"}})
    paid(api)
    bought(api, "in_old", customer="cus_old", paid=9000)
    booked(api, "b-old", client_id="old")
    return api


def bought(api: Api, payment_id: str, **fields: Any) -> None:
    """A payment of this id that arrives now, paid by a money of its own."""
    own = {"paid_at": api.now[0], "payment_intent": f"pi_{payment_id}", "subscription": None, "client_id": "old"}
    pay(Context(api.store, "p1", STRIPE, api.now[0]), a_payment(payment_id, **(own | fields)))


def entries(api: Api, client_id: str = "c1") -> list[dict[str, Any]]:
    return listed(api, f"/v1/clients/{client_id}/credits/follow-up/history", limit=3)


def lawful(api: Api, *clients: str) -> None:
    for each in clients or ("c1",):
        checked = check_client(api.store, "p1", each)
        assert checked is not None and checked.breaches == ()


# --- What moves


def test_all_credits_of_both_records_are_the_others(api: Api) -> None:
    two_records(api)
    reply = merged(api)
    moved = [(e["client_id"], e["kind"], e["amount"], e["cause"]["kind"]) for e in reply.body["entries"]]
    assert moved == [("old", "transferred_out", -2, "merge"), ("c1", "transferred_in", 2, "merge")]
    assert balances(api) == {"follow-up": 5, "initial": 0}
    lawful(api)


def test_the_others_profile_and_settings_stand_and_maps_follow(api: Api) -> None:
    two_records(api)
    patch(api, "/v1/clients/old/settings", {"max_negative": 9})
    body = merged(api).body["client"]
    assert (body["id"], body["name"], body["email"]) == ("c1", "Anna Unlu", None)
    assert body["external_ids"] == {"crm": "7", "square": "SQ1"}
    assert read(api, "/v1/clients/c1/settings")["max_negative"]["source"] == "account"


def test_debts_move_and_what_the_other_has_repays_them(api: Api) -> None:
    furnished(api)
    paid(api)
    booked(api, "b-old", client_id="old", seats=2)
    merged(api)
    assert balances(api) == {"follow-up": 1, "initial": 0}
    assert read(api, "/v1/bookings/b-old")["state"] == "booked"
    cancels(api, "b-old", client_id="old", by=CancelledBy.PRACTICE)
    assert balances(api) == {"follow-up": 3, "initial": 0}
    lawful(api)


def test_what_was_granted_ever_counts_both(api: Api) -> None:
    two_records(api)
    merged(api)
    (line,) = (each for each in read(api, "/v1/clients/c1/credits")["credits"] if each["granted_total"])
    assert line["granted_total"] == 6


def test_the_old_record_stands_in_no_list_and_is_found_by_no_search(api: Api) -> None:
    two_records(api)
    merged(api)
    for query in ({}, {"sort": "name"}, {"holding": True}):
        assert [each["id"] for each in listed(api, "/v1/clients", **query)] == ["c1"]
    for wanted in ({"q": "old"}, {"q": "anna"}, {"email": "anna@example.test"}):
        found = api("POST", "/v1/clients/search", wanted).body["items"]
        assert [each["id"] for each in found] == (["c1"] if wanted.get("q") == "anna" else [])
    assert "anna@example.test" not in str(contents(api))


def test_two_records_of_one_email_are_found_as_one(api: Api) -> None:
    furnished(api)
    for each in ("c1", "old"):
        put(api, f"/v1/clients/{each}", {"email": "anna@example.test"})
    merged(api)
    found = api("POST", "/v1/clients/search", {"email": "anna@example.test"}).body["items"]
    assert [each["id"] for each in found] == ["c1"]


# --- What comes later


def test_a_later_payment_of_the_old_id_or_its_customer_is_the_others(api: Api) -> None:
    two_records(api)
    put(api, "/v1/clients/old", {"stripe_customers": ["cus_7"]})
    merged(api)
    bought(api, "in_2")
    bought(api, "in_3", client_id=None, customer="cus_7")
    assert balances(api)["follow-up"] == 5 + 3 + 3
    lawful(api)


def test_a_later_booking_and_cancellation_of_the_old_id_are_the_others(api: Api) -> None:
    two_records(api)
    merged(api)
    assert booked(api, "b-new", client_id="old").client_id == "c1"
    assert balances(api)["follow-up"] == 4
    cancels(api, "b-new", client_id="old", by=CancelledBy.PRACTICE)
    assert balances(api)["follow-up"] == 5
    lawful(api)


def test_reads_and_writes_of_the_old_id_are_the_others(api: Api) -> None:
    two_records(api)
    merged(api)
    for path in ("credits", "settings", "credits/follow-up/lots", "credits/follow-up/history"):
        assert read(api, f"/v1/clients/old/{path}") == read(api, f"/v1/clients/c1/{path}")
    assert read(api, "/v1/clients/old")["id"] == "c1"
    assert read(api, "/v1/eligibility", client_id="old")["items"][0]["balance"] == 5
    put(api, "/v1/clients/old", {"name": "Anna Neu"})
    patch(api, "/v1/clients/old/settings", {"max_negative": 4})
    assert read(api, "/v1/clients/c1")["name"] == "Anna Neu"
    assert read(api, "/v1/clients/c1/settings")["max_negative"] == {"value": 4, "source": "client"}
    add = {"appointment_type": "follow-up", "amount": 2, "reason": "goodwill"}
    for _ in range(2):
        reply = api("POST", "/v1/clients/old/adjustments", add, headers={"idempotency-key": "k"})
        assert (reply.status, reply.body["client_id"]) == (200, "c1")
    grant = {"package_id": "three-pack"}
    assert api("POST", "/v1/clients/old/grants", grant, headers={"idempotency-key": "g"}).status == 200
    assert balances(api)["follow-up"] == 5 + 2 + 3
    give = {"from_client_id": "old", "to_client_id": "c1", "appointment_type": "follow-up", "amount": 1}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "t"}).faults == {
        "/to_client_id": "out_of_range"
    }
    lawful(api)


def test_the_old_records_own_client_sees_the_others_credits_and_no_one_elses(api: Api) -> None:
    two_records(api)
    client(api, "c3")
    merged(api)
    assert read(api, "/v1/clients/old/credits", client="old")["credits"][0]["balance"] == 5
    assert api("GET", "/v1/clients/c3/credits", client="old").status == 404


def test_a_limit_per_client_counts_what_both_bought(api: Api) -> None:
    furnished(api)
    package(api, "intro", stripe_prices=["price_i"], limit_per_client=1)
    once = {"price": "price_i", "subscription": None}
    paid(api, client_id="old", **once)
    merged(api)
    assert [each.fate for each in paid(api, **once)] == ["over_limit"]


# --- History


def test_history_shows_both_records_newest_first(api: Api) -> None:
    two_records(api)
    api.now[0] += DAY
    merged(api)
    booked(api, "b-new", client_id="old")
    found = [(e["client_id"], e["kind"]) for e in entries(api)]
    assert found[0] == ("c1", "spent")
    assert set(found[1:3]) == {("c1", "transferred_in"), ("old", "transferred_out")}
    assert sorted(found[3:]) == [("c1", "granted"), ("old", "granted"), ("old", "spent")]
    assert sum(e["amount"] for e in entries(api)) == balances(api)["follow-up"]
    assert entries(api, "old") == entries(api)


def test_a_client_sees_that_credits_moved_and_not_from_which_id(api: Api) -> None:
    two_records(api)
    merged(api)
    own = api("GET", "/v1/clients/c1/credits/follow-up/history", client="c1")
    assert {"transferred_in", "transferred_out"} <= {each["kind"] for each in own.body["items"]}
    assert '"old"' not in own.text


# --- Reports


def test_a_report_of_refusals_names_who_goes_on(api: Api) -> None:
    two_records(api)
    no_debt(api)
    booked(api, "b-refused", client_id="old", seats=9)
    booked(api, "b-own", seats=9)
    merged(api)
    found = [(row["booking_id"], row["client_id"], row["client_name"]) for row in refusals(api)]
    assert sorted(found) == [("b-own", "c1", "Anna Unlu"), ("b-refused", "c1", "Anna Unlu")]
    client(api, "c3", name="Anna Neu")
    merged(api, "c1", "c3")
    assert {(row["client_id"], row["client_name"]) for row in refusals(api)} == {("c3", "Anna Neu")}


def refusals(api: Api) -> list[dict[str, Any]]:
    return listed(api, "/v1/reports/refusals", limit=1)


def test_what_is_booked_of_the_old_record_counts_for_the_other_before_its_record_is_written_again(api: Api) -> None:
    """The index of sessions names the old record until then, and nothing is reckoned from it."""
    two_records(api)
    before = {name: totals(api, name) for name in ("outstanding", "revenue")}
    merged(api)
    (booking,) = (each for each in contents(api) if each["pk"] == "p1#booking#b-old")
    assert booking["client_id"] == booking["owner"] == "old"
    for name, total in before.items():
        assert {row["client_id"] for row in read(api, f"/v1/reports/{name}")["items"]} == {"c1"}
        assert totals(api, name) == total
    (line,) = (each for each in read(api, "/v1/eligibility", client_id="c1")["items"] if each["balance"])
    assert line["available"] == 5
    shown = read(api, "/v1/bookings/b-old")
    assert read(api, f"/v1/clients/{shown['client_id']}")["id"] == "c1", "the id it was booked with leads to the other"
    api.now[0] += 3 * DAY  # the session has come
    (row,) = read(api, "/v1/reports/revenue")["items"]
    assert (row["client_id"], row["earned"]) == ("c1", 3000)


def totals(api: Api, name: str) -> dict[str, int]:
    """What a report comes to over all of its rows."""
    rows = read(api, f"/v1/reports/{name}")["items"]
    return {column: sum(row[column] for row in rows) for column in rows[0] if isinstance(rows[0][column], int)}


# --- What returns to lots of the old record


def test_a_cancellation_of_a_booking_that_the_old_record_paid_returns_to_the_other(api: Api) -> None:
    two_records(api)
    merged(api)
    cancels(api, "b-old", client_id="c1", by=CancelledBy.PRACTICE)
    assert balances(api)["follow-up"] == 6
    lots = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
    assert [(lot["granted"], lot["remaining"]) for lot in lots] == [(3, 3), (3, 3)], "to the very lot that paid"
    lawful(api)


def test_credits_return_to_lots_that_were_emptied_and_stored_apart_long_before(api: Api) -> None:
    furnished(api)
    for number in range(6):
        bought(api, f"in_{number}")
        booked(api, f"b-{number}", client_id="old", seats=3)
    merged(api)
    assert balances(api)["follow-up"] == 0
    for number in range(6):
        cancels(api, f"b-{number}", client_id="old", by=CancelledBy.PRACTICE)
    assert balances(api)["follow-up"] == 18
    lawful(api)


def back(api: Api, payment_id: str, status: RefundStatus = RefundStatus.SUCCEEDED) -> None:
    refund = Refund("re_1", 9000, status, api.now[0])
    news = MoneyBack("evt_r", "own", "test", api.now[0], payment_id, f"pi_{payment_id}", refunds=(refund,))
    apply_money_back(Context(api.store, "p1", STRIPE, api.now[0]), news)


def test_a_refund_of_what_the_old_record_bought_is_taken_from_the_other(api: Api) -> None:
    two_records(api)
    merged(api)
    api.now[0] += DAY
    back(api, "in_old")
    assert balances(api)["follow-up"] == 2, "two taken, the booked one is owed and was repaid by the other's"
    lawful(api)
    api.now[0] += DAY
    back(api, "in_old", RefundStatus.FAILED)
    assert balances(api)["follow-up"] == 5
    lawful(api)


def test_what_was_taken_of_the_old_record_before_comes_back_to_the_other(api: Api) -> None:
    two_records(api)
    back(api, "in_old")
    assert balances(api, "old")["follow-up"] == -1
    api.now[0] += DAY
    merged(api)
    assert balances(api)["follow-up"] == 2
    api.now[0] += DAY
    back(api, "in_old", RefundStatus.FAILED)
    assert balances(api)["follow-up"] == 5
    lawful(api)


def test_a_dispute_of_what_the_old_record_bought_freezes_the_others_credits(api: Api) -> None:
    two_records(api)
    merged(api)
    for status, frozen in ((DisputeStatus.OPEN, 2), (DisputeStatus.WON, 0)):
        api.now[0] += DAY
        dispute = Dispute("dp_1", 9000, status, api.now[0], opened_at=NOW + DAY)
        news = MoneyBack("evt_d", "own", "test", api.now[0], "in_old", "pi_in_old", disputes=(dispute,))
        apply_money_back(Context(api.store, "p1", STRIPE, api.now[0]), news)
        (line,) = (c for c in read(api, "/v1/clients/c1/credits")["credits"] if c["appointment_type"] == "follow-up")
        assert line["frozen"] == frozen
    lawful(api)


# --- Chains, repeats and refusals


def test_a_chain_of_merges_leads_to_the_last_in_one_step(api: Api) -> None:
    two_records(api)
    client(api, "c3")
    merged(api, "old", "c1")
    merged(api, "c1", "c3")
    assert balances(api, "old") == balances(api, "c1") == balances(api, "c3") == {"follow-up": 5, "initial": 0}
    cancels(api, "b-old", client_id="old", by=CancelledBy.PRACTICE)
    assert balances(api, "c3")["follow-up"] == 6
    api.now[0] += DAY
    back(api, "in_old")
    assert balances(api, "c3")["follow-up"] == 3
    points_to = {r["pk"]: r["body"].get("merged_into") for r in contents(api) if r["kind"] == "client"}
    assert points_to == {"p1#old": "c3", "p1#c1": "c3", "p1#c3": None}
    assert sum(e["amount"] for e in entries(api, "c3")) == 3
    lawful(api, "c3")


def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    two_records(api)
    first = merged(api)
    with nothing_written(api):
        second = merge(api, "old", "c1")
        assert (second.status, second.body["entries"]) == (200, first.body["entries"])
        assert second.headers["Idempotency-Replayed"] == "true"
        assert merge(api, "c1", "old", key="old-c1").code == "idempotency_key_reused"
    third = merge(api, "old", "c1", key="another")
    assert (third.status, third.body["entries"]) == (200, first.body["entries"])


def test_a_rehearsed_merge_says_what_would_move_and_writes_nothing(api: Api) -> None:
    two_records(api)
    with nothing_written(api):
        rehearsed = merge(api, "old", "c1", dry_run=True)
    done = merged(api)
    assert rehearsed.body["client"] == done.body["client"]
    assert [e["amount"] for e in rehearsed.body["entries"]] == [e["amount"] for e in done.body["entries"]]


def test_what_cannot_be_one_is_refused_and_nothing_is_written(api: Api) -> None:
    two_records(api)
    client(api, "c3")
    merged(api)
    with nothing_written(api):
        assert merge(api, "c1", "c1").faults == {"/into": "out_of_range"}
        assert merge(api, "c3", "old").faults == {"/into": "merged"}
        assert merge(api, "old", "c3").code == "already_resolved"
        assert merge(api, "c1", "nobody").status == merge(api, "nobody", "c1").status == 404
        assert merge(api, "c1", "c3", practice="p2").status == 404


def test_two_records_too_large_for_one_wallet_are_refused_before_anything_moves(api: Api) -> None:
    furnished(api)
    add = {"appointment_type": "follow-up", "amount": 600_000, "reason": "opening"}
    for each in ("c1", "old"):
        client(api, each)
        assert api("POST", f"/v1/clients/{each}/adjustments", add, headers={"idempotency-key": each}).status == 200
    with nothing_written(api):
        assert merge(api, "old", "c1").code == "limit_reached"


def test_a_type_that_the_old_record_never_had_is_closed_to_what_began_before(api: Api) -> None:
    furnished(api)
    client(api, "old")
    merged(api)
    assert [r["body"] for r in contents(api) if r["pk"] == "p1#old" and r["kind"] == "wallet"] == [
        {"merged_into": "c1"}
    ] * 2


def test_what_left_with_a_merge_ends_and_rolls_over_with_the_other(api: Api) -> None:
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, client_id="old", price="price_2")
    merged(api)
    api.now[0] += 9 * DAY
    assert balances(api)["follow-up"] == 0
    lawful(api)


def test_past_balances_count_what_either_record_had_by_then(api: Api) -> None:
    two_records(api)
    api.now[0] += DAY
    merged(api)
    api.now[0] += DAY
    booked(api, "b-new")
    for days, balance in ((0.5, 5), (1.5, 5), (2, 4)):
        at = (NOW + days * DAY).isoformat()
        (line,) = (
            c for c in read(api, "/v1/clients/c1/credits", as_of=at)["credits"] if c["appointment_type"] == "follow-up"
        )
        assert line["balance"] == balance, at


def test_what_staff_did_to_the_old_record_can_still_be_undone(api: Api) -> None:
    two_records(api)
    client(api, "c3")
    less = {"appointment_type": "follow-up", "amount": -1, "reason": "counted again"}
    assert api("POST", "/v1/clients/old/adjustments", less, headers={"idempotency-key": "a"}).status == 200
    give = {"from_client_id": "old", "to_client_id": "c3", "appointment_type": "follow-up", "amount": 1}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "t"}).status == 200
    own = {e["kind"]: e["sequence"] for e in entries(api, "old")}
    merged(api)
    assert balances(api)["follow-up"] == 3

    def undo(sequence: int, key: str) -> Reply:
        path = f"/v1/clients/old/credits/follow-up/entries/{sequence}/undo"
        return api("POST", path, {}, headers={"idempotency-key": key})

    (raised,) = undo(own["adjusted"], "u1").body["entries"]
    assert (raised["client_id"], raised["cause"]["undoes_client_id"]) == ("c1", "old")
    assert raised["cause"]["undoes"] == str(own["adjusted"])
    assert undo(own["transferred_out"], "u2").status == 200
    assert balances(api)["follow-up"] == 5
    moved = next(e for e in entries(api) if e["client_id"] == "old" and e["kind"] == "transferred_out")
    assert undo(moved["sequence"], "u3").code == "nothing_to_undo", "a merge is for good"
    lawful(api, "c1", "c3")


def test_a_transfer_between_two_that_became_one_is_not_undone(api: Api) -> None:
    two_records(api)
    give = {"from_client_id": "old", "to_client_id": "c1", "appointment_type": "follow-up", "amount": 1}
    assert api("POST", "/v1/transfers", give, headers={"idempotency-key": "t"}).status == 200
    (came,) = (e for e in entries(api) if e["kind"] == "transferred_in")
    merged(api)
    path = f"/v1/clients/c1/credits/follow-up/entries/{came['sequence']}/undo"
    assert api("POST", path, {}, headers={"idempotency-key": "u"}).code == "nothing_to_undo"
    lawful(api)
