"""Staff undo adjustments, gifts and transfers over HTTP: the opposite, once, first from or to the very lots."""

from typing import Any

import pytest
from tests.support.api import Api, Reply
from tests.support.builders import DAY, NOW
from tests.support.stock import (
    balances,
    booked,
    client,
    furnished,
    later,
    listed,
    nothing_written,
    package,
    paid,
    patch,
    paying,
    put,
    read,
)

from client_credits.domain.invariants import breaches
from client_credits.domain.payments.facts import MoneyBack, Refund, RefundStatus
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import money_back
from client_credits.operations.payments.paying import pay
from client_credits.store.records import Wanted

CREDITS = "/v1/clients/c1/credits"
HISTORY, LOTS = f"{CREDITS}/follow-up/history", f"{CREDITS}/follow-up/lots"
TRANSFER = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 2}


def post(api: Api, path: str, body: Any, key: str) -> Reply:
    return api("POST", path, body, headers={"idempotency-key": key})


def adjusts(api: Api, amount: int, key: str, **more: Any) -> int:
    """Adds or takes credits of c1; returns the entry's number."""
    body = {"appointment_type": "follow-up", "amount": amount, "reason": "counted"} | more
    reply = post(api, "/v1/clients/c1/adjustments", body, key)
    assert reply.status == 200, reply
    return int(reply.body["sequence"])


def undo(api: Api, sequence: int, key: str = "undo-1", client_id: str = "c1", **body: Any) -> Reply:
    return post(api, f"/v1/clients/{client_id}/credits/follow-up/entries/{sequence}/undo", body, key)


def undone(api: Api, sequence: int, key: str = "undo-1", client_id: str = "c1", **body: Any) -> list[dict[str, Any]]:
    """The entries of an undoing that must succeed; every law holds after it."""
    reply = undo(api, sequence, key, client_id, **body)
    assert reply.status == 200, reply
    for each in ("c1", "c2"):
        wallet = api.store.load("p1", Wanted(client_id=each, types=("follow-up",))).wallets["follow-up"]
        assert breaches(wallet, api.store.entries_after("p1", each, "follow-up", 0)) == []
    return list(reply.body["entries"])


def remaining(api: Api, client_id: str = "c1") -> dict[str, int]:
    return {
        lot["lot_id"]: lot["remaining"] for lot in read(api, f"/v1/clients/{client_id}/credits/follow-up/lots")["items"]
    }


def refunded(refund: Refund) -> MoneyBack:
    return MoneyBack("evt_r", "own", "test", occurred_at=NOW, payment_intent="pi_1", refunds=(refund,))


def kinds(api: Api) -> list[tuple[str, int]]:
    """What c1's history says, the oldest first."""
    return [(entry["kind"], entry["amount"]) for entry in reversed(listed(api, HISTORY))]


# -- adjustments -----------------------------------------------------------------------------------


def test_undoing_a_lowering_returns_the_credits_to_the_very_lot(api: Api) -> None:
    furnished(api)
    paid(api)
    lots = remaining(api)
    taken = adjusts(api, -2, "k1")
    (entry,) = undone(api, taken, reason="counted wrong")
    assert remaining(api) == lots
    assert (entry["kind"], entry["amount"], entry["reason"]) == ("adjusted", 2, "counted wrong")
    assert entry["cause"] == {"kind": "staff", "undoes": str(taken), "undoes_client_id": "c1"}
    assert entry["source_id"] == "api/undo-1"
    assert kinds(api) == [("granted", 3), ("adjusted", -2), ("adjusted", 2)]


def test_undoing_a_raising_takes_from_the_lot_it_made_before_lots_that_would_be_spent_first(api: Api) -> None:
    furnished(api)
    added = adjusts(api, 4, "k1", expires_at=(NOW + 30 * DAY).isoformat())
    adjusts(api, 1, "k2", expires_at=(NOW + 2 * DAY).isoformat())
    (entry,) = undone(api, added)
    left = [(lot["remaining"], lot["expires_at"]) for lot in read(api, LOTS)["items"]]
    assert (entry["amount"], left) == (-4, [(1, "2026-11-24T12:00:00Z")])


def test_undoing_a_raising_that_was_spent_takes_other_credits_then_becomes_a_debt(api: Api) -> None:
    furnished(api)
    added = adjusts(api, 3, "k1")
    booked(api, "b1", seats=3)
    adjusts(api, 1, "k2")
    (entry,) = undone(api, added)
    assert [p["amount"] for p in entry["postings"]] == [-1, -2]
    assert entry["postings"][1]["debt"] == "api/undo-1"
    assert balances(api)["follow-up"] == -2


def test_undoing_a_lowering_below_nothing_lessens_the_debt_it_made(api: Api) -> None:
    furnished(api)
    paid(api)
    lots = remaining(api)
    taken = adjusts(api, -5, "k1")
    assert balances(api)["follow-up"] == -2
    (entry,) = undone(api, taken)
    assert (entry["amount"], remaining(api), balances(api)["follow-up"]) == (5, lots, 3)
    assert read(api, CREDITS)["credits"][0]["debt"] == 0


def test_what_others_repaid_of_the_debt_comes_back_as_a_lot_that_repays_what_is_owed(api: Api) -> None:
    furnished(api)
    taken = adjusts(api, -2, "k1")
    paid(api)  # repays the two
    assert balances(api)["follow-up"] == 1
    booked(api, "b1", seats=2)  # one more than there is
    entry, repaid = undone(api, taken)
    assert (entry["amount"], repaid["kind"]) == (2, "repaid")
    assert balances(api)["follow-up"] == 1
    assert kinds(api)[-2:] == [("adjusted", 2), ("repaid", 0)]
    assert read(api, CREDITS)["credits"][0]["granted_total"] == 5


@pytest.mark.parametrize("auto_repay", [True, False])
def test_credits_put_back_and_a_lot_added_repay_what_is_owed_together(api: Api, auto_repay: bool) -> None:
    """The law that one source makes one entry of a kind holds where both repay."""
    furnished(api)
    adjusts(api, 1, "k1")
    taken = adjusts(api, -2, "k2")  # one from the lot, one owed
    adjusts(api, 1, "k3")  # repays it
    booked(api, "b1", seats=3)
    patch(api, "/v1/clients/c1/settings", {"auto_repay": auto_repay})
    undone(api, taken)
    assert balances(api)["follow-up"] == -1
    assert read(api, CREDITS)["credits"][0]["debt"] == (1 if auto_repay else 2)


def test_a_number_replaced_is_undone_by_its_entry(api: Api) -> None:
    furnished(api)
    paid(api)
    wanted = {"appointment_type": "follow-up", "balance": 10, "version": 1}
    (entry,) = put(api, CREDITS, {"changes": [wanted]}).body["entries"]
    undone(api, entry["sequence"])
    assert balances(api)["follow-up"] == 3


def test_an_undo_returns_credits_to_a_lot_that_has_ended_and_shows_the_loss(api: Api) -> None:
    furnished(api)
    adjusts(api, 3, "k1", expires_at=(NOW + 5 * DAY).isoformat())
    taken = adjusts(api, -2, "k2")
    later(api, days=10)
    undone(api, taken)
    assert kinds(api)[-3:] == [("expired", -1), ("adjusted", 2), ("expired", -2)]
    assert balances(api)["follow-up"] == 0


def test_what_returns_to_a_voided_lot_is_voided_again(api: Api) -> None:
    furnished(api)
    paid(api)
    taken = adjusts(api, -2, "k1")
    (lot,) = remaining(api)
    assert api("PATCH", f"{LOTS}/{lot}", {"void": True, "reason": "a mistake"}).status == 200
    undone(api, taken)
    assert kinds(api)[-3:] == [("voided", -1), ("adjusted", 2), ("voided", -2)]
    assert balances(api)["follow-up"] == 0


def test_what_returns_to_a_lot_of_a_refunded_payment_is_taken_as_far_as_the_refund_asks(api: Api) -> None:
    furnished(api)
    context = Context(api.store, "p1", STRIPE, api.now[0])
    pay(context, paying(paid_at=NOW, paid=9000, payment_intent="pi_1", subscription=None))
    taken = adjusts(api, -2, "k1")
    refund = Refund("re_1", 6000, RefundStatus.SUCCEEDED, NOW)  # two of three credits; one is there to take
    money_back.apply_money_back(context, refunded(refund))
    assert balances(api)["follow-up"] == 0
    undone(api, taken)
    assert kinds(api)[-2:] == [("adjusted", 2), ("clawed_back", -1)]
    assert balances(api)["follow-up"] == 1, "three less the two refunded"


def test_what_was_lowered_before_it_was_given_back_is_taken_when_that_is_undone(api: Api) -> None:
    """The refund found nothing to take and nobody owed it; the credits are there again, and belong to it."""
    furnished(api)
    context = Context(api.store, "p1", STRIPE, api.now[0])
    pay(context, paying(paid_at=NOW, paid=9000, payment_intent="pi_1", subscription=None))
    lowered = adjusts(api, -3, "k1")
    money_back.apply_money_back(context, refunded(Refund("re_1", 9000, RefundStatus.SUCCEEDED, NOW)))
    undone(api, lowered)
    assert balances(api)["follow-up"] == 0
    before = kinds(api)
    money_back.apply_money_back(context, refunded(Refund("re_1", 9000, RefundStatus.SUCCEEDED, NOW)))
    assert kinds(api) == before, "nothing is left for a repeat"


# -- gifts -----------------------------------------------------------------------------------------


def test_a_gift_is_undone_type_by_type(api: Api) -> None:
    furnished(api)
    package(api, "both", credits={"follow-up": 2, "initial": 1}, stripe_prices=[])
    post(api, "/v1/clients/c1/grants", {"package_id": "both"}, "k1")
    (entry,) = undone(api, 1)
    assert (entry["kind"], entry["amount"]) == ("adjusted", -2)
    assert entry["cause"] == {"kind": "package", "package_id": "both", "undoes": "1", "undoes_client_id": "c1"}
    assert balances(api) == {"follow-up": 0, "initial": 1}
    reply = post(api, f"{CREDITS}/initial/entries/1/undo", {}, "undo-2")
    assert (reply.status, balances(api)) == (200, {"follow-up": 0, "initial": 0})


def test_what_a_payment_granted_is_not_undone_by_hand(api: Api) -> None:
    furnished(api)
    paid(api)
    booked(api)
    with nothing_written(api):
        for sequence in (1, 2):
            reply = undo(api, sequence)
            assert (reply.status, reply.code) == (409, "nothing_to_undo")


# -- transfers -------------------------------------------------------------------------------------


def transferred(api: Api) -> Api:
    furnished(api)
    client(api, "c2")
    paid(api)
    assert post(api, "/v1/transfers", TRANSFER, "k1").status == 200
    return api


@pytest.mark.parametrize(("side", "number"), [("c1", 2), ("c2", 1)])
def test_a_transfer_is_undone_from_either_side(api: Api, side: str, number: int) -> None:
    transferred(api)
    out, back = undone(api, number, client_id=side)
    assert (out["client_id"], out["kind"], out["amount"]) == ("c2", "transferred_out", -2)
    assert (back["client_id"], back["kind"], back["amount"]) == ("c1", "transferred_in", 2)
    went_back = {"kind": "transfer", "from_client_id": "c2", "to_client_id": "c1"}
    assert out["cause"] == went_back | {"undoes": "1", "undoes_client_id": "c2"}
    assert back["cause"] == went_back | {"undoes": "2", "undoes_client_id": "c1"}
    assert list(remaining(api).values()) == [3], "in the very lot that gave"
    for client_id, sequence in (("c1", 2), ("c2", 1)):
        with nothing_written(api):
            reply = undo(api, sequence, "undo-2", client_id)
            assert (reply.status, reply.code) == (409, "already_resolved")


def test_a_transfer_is_undone_as_far_as_its_credits_are_still_there(api: Api) -> None:
    transferred(api)
    booked(api, "theirs", client_id="c2")
    out, back = undone(api, 2)
    assert (out["amount"], back["amount"]) == (-1, 1)
    assert (balances(api)["follow-up"], balances(api, "c2")["follow-up"]) == (2, 0)


def test_a_transfer_of_which_nothing_is_left_cannot_be_undone(api: Api) -> None:
    transferred(api)
    booked(api, "theirs", client_id="c2", seats=2)
    paid(api, client_id="c2")  # credits that the transfer did not bring
    with nothing_written(api):
        reply = undo(api, 2)
    assert (reply.status, reply.code) == (409, "nothing_to_undo")


def test_credits_of_a_refunded_payment_return_no_further_than_the_refund_lets_them(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    context = Context(api.store, "p1", STRIPE, api.now[0])
    pay(context, paying(paid_at=NOW, paid=9000, payment_intent="pi_1", subscription=None))
    post(api, "/v1/transfers", TRANSFER, "k1")
    refund = Refund("re_1", 9000, RefundStatus.SUCCEEDED, NOW)
    money_back.apply_money_back(context, refunded(refund))
    with nothing_written(api):
        assert undo(api, 2).code == "nothing_to_undo"


# -- once ------------------------------------------------------------------------------------------


def test_an_undo_sent_again_is_answered_as_the_first_time(api: Api) -> None:
    furnished(api)
    taken = adjusts(api, -2, "k1")
    first = undo(api, taken)
    with nothing_written(api):
        repeated = undo(api, taken)
    assert (first.status, repeated.status, repeated.body) == (200, 200, first.body)
    assert repeated.headers["Idempotency-Replayed"] == "true"


def test_what_was_undone_before_and_what_undoes_is_not_undone(api: Api) -> None:
    furnished(api)
    taken = adjusts(api, -2, "k1")
    (entry,) = undone(api, taken)
    with nothing_written(api):
        before = undo(api, taken, "undo-2")
        assert (before.status, before.code) == (409, "already_resolved")
        undoing = undo(api, entry["sequence"], "undo-3")
        assert (undoing.status, undoing.code) == (409, "nothing_to_undo")
        assert undo(api, taken, "k1").code == "idempotency_key_reused"


def test_an_entry_that_does_not_exist_is_not_found(api: Api) -> None:
    furnished(api)
    with nothing_written(api):
        assert undo(api, 9).status == 404
        assert undo(api, 1, client_id="nobody").status == 404
        for text in ("0", "01", "1.0", "-1", "x", "1" * 13):
            path = f"{CREDITS}/follow-up/entries/{text}/undo"
            assert post(api, path, {}, "k1").status == 422, text
