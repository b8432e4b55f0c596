"""What was given back of a payment: sums, caps, credit notes, and news in any order."""

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import HOUR, NOW

from client_credits.domain.payments.facts import CreditNote, Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.domain.payments.folding import learned, linked, waiting, with_overpaid
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.money import Money, Share
from client_credits.domain.payments.payment_record import PaymentRecord

PENDING, SUCCEEDED, FAILED = RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED


def news(**fields: Any) -> MoneyBack:
    stated = {"event_id": "evt", "account": "own", "mode": "test", "occurred_at": NOW, "payment_intent": "pi_1"}
    return MoneyBack(**(stated | fields))


def refund(refund_id: str, amount: int, status: RefundStatus = SUCCEEDED, hours: int = 0) -> MoneyBack:
    return news(refunds=(Refund(refund_id, amount, status, NOW + hours * HOUR),))


def dispute(status: DisputeStatus, amount: int = 4_000, hours: int = 0) -> MoneyBack:
    return news(disputes=(Dispute("dp_1", amount, status, NOW + hours * HOUR),))


def note(total: int, *lines: tuple[str, int], refunds: tuple[str, ...] = ("re_1",), voided: bool = False) -> MoneyBack:
    return news(payment_intent=None, payment_id="in_1", notes=(CreditNote("cn_1", total, lines, refunds, voided),))


def record(*stated: MoneyBack, paid: int = 10_000) -> PaymentRecord:
    known = PaymentRecord("in_1", paid=paid)
    for each in stated:
        known = learned(known, each)
    return known


@pytest.mark.parametrize(
    ("stated", "refunded"),
    [
        ([refund("re_1", 3_000)], 3_000),
        ([refund("re_1", 3_000, PENDING)], 3_000),
        ([refund("re_1", 3_000), refund("re_2", 3_000)], 6_000),
        ([refund("re_1", 3_000, SUCCEEDED), refund("re_1", 3_000, FAILED, 1)], 0),
        ([refund("re_1", 9_000), dispute(DisputeStatus.LOST)], 10_000),
        ([dispute(DisputeStatus.LOST)], 4_000),
        ([dispute(DisputeStatus.OPEN)], 0),
        ([dispute(DisputeStatus.WARNED), dispute(DisputeStatus.CALMED, hours=1)], 0),
        ([dispute(DisputeStatus.LOST), dispute(DisputeStatus.WON, hours=1)], 0),
        ([news(refunded_total=2_500)], 2_500),
        ([news(refunded_total=2_500), refund("re_1", 2_500)], 2_500),
        ([news(refunded_total=2_500), news(refunded_total=5_000)], 5_000),
        ([refund("re_1", 5_000, FAILED), news(refunded_total=5_000)], 0),
        ([news(refunded_total=2_000), news(refunded_total=3_000, payment_intent="pi_2")], 5_000),
    ],
)
def test_money_given_back_is_summed_once(stated: list[MoneyBack], refunded: int) -> None:
    for order in permutations(stated):
        assert given_back(record(*order, *order)).refunded == refunded


@pytest.mark.parametrize(
    ("stated", "first", "second"),  # the parts undone of two lines of 4,000 and 6,000
    [
        ([refund("re_1", 2_500)], "1/4", "1/4"),
        ([note(4_000, ("il_1", 4_000)), refund("re_1", 4_000)], "1", "0"),
        ([note(4_000, ("il_1", 4_000))], "0", "0"),
        ([note(4_000, ("il_1", 4_000)), refund("re_1", 2_000)], "1/2", "0"),
        ([note(3_000, ("il_2", 3_000)), refund("re_1", 3_000)], "0", "1/2"),
        ([note(4_000, ("il_1", 4_000), voided=True), refund("re_1", 4_000)], "2/5", "2/5"),
        ([note(4_000, ("il_1", 4_000)), refund("re_1", 4_000, FAILED)], "0", "0"),
        ([note(4_760, ("il_1", 4_000)), refund("re_1", 4_760)], "1", "0"),
        ([note(5_000, ("il_1", 2_000), ("", 3_000)), refund("re_1", 5_000)], "4/5", "3/10"),
        ([note(4_000, ("il_1", 4_000)), refund("re_1", 4_000), refund("re_2", 1_000)], "1", "1/10"),
        ([note(4_000, ("il_1", 4_000)), refund("re_1", 4_000), refund("re_2", 6_000)], "1", "1"),
        ([note(4_000, ("il_1", 4_000)), news(refunded_total=4_000)], "1", "0"),
        ([note(4_000, ("il_1", 4_000)), news(refunded_total=4_000), refund("re_1", 4_000)], "1", "0"),
        ([note(4_000, ("il_1", 4_000)), news(refunded_total=5_000)], "1", "1/10"),
        ([note(2_000, ("il_9", 2_000)), refund("re_1", 2_000)], "0", "0"),
    ],
)
def test_a_credit_note_assigns_its_refunds_to_its_lines(stated: list[MoneyBack], first: str, second: str) -> None:
    for order in permutations(stated):
        back = given_back(record(*order))
        parts = back.part_of("il_1", 4_000), back.part_of("il_2", 6_000)
        assert parts == (Fraction(first), Fraction(second))


def test_a_note_for_any_of_the_lines_granted_together_is_for_their_grant() -> None:
    """Two tiers of one item: 4,000 and 6,000, of which the note credits half of the second."""
    back = given_back(record(note(3_000, ("il_2", 3_000)), refund("re_1", 3_000)))
    assert back.part_of("il_1", 10_000, also=("il_2",)) == Fraction(3, 10)


def test_nothing_is_undone_of_what_cost_nothing() -> None:
    assert given_back(record(refund("re_1", 500), paid=0)).part_of("il_1", 0) == 0


def test_a_revoked_payment_is_undone_whatever_was_paid() -> None:
    assert given_back(PaymentRecord("in_1", paid=0, revoked="subscription_ended")).part_of("il_1", 0) == 1


def test_what_waited_with_the_money_moves_to_its_payment() -> None:
    money = waiting(Money("pi_1"), refund("re_1", 3_000))
    money = waiting(money, news(refunded_total=3_000))
    records, money = linked([PaymentRecord("in_1", paid=10_000)], money, Share("in_1"))
    known = records["in_1"]
    assert given_back(known).refunded == 3_000
    assert (money.payment_ids, money.refunds, money.refunded_total) == (("in_1",), (), 0)
    again, _ = linked([known], waiting(Money("pi_2"), refund("re_2", 1_000)), Share("in_1"))
    assert given_back(again["in_1"]).refunded == 4_000


# Several moneys, several payments


def paid_by(
    *shares: tuple[str, str, int],
    stated: tuple[MoneyBack, ...] = (),
    overpaid: dict[str, int] | None = None,
    **fields: Any,
) -> PaymentRecord:
    """in_1, which cost 10,000, with what these moneys paid of it and of others: (money, payment, amount).

    `overpaid` is what was overpaid of each, with the money that paid it last.
    """
    records = {payment_id: PaymentRecord(payment_id, paid=10_000) for _, payment_id, _ in shares}
    records["in_1"] = PaymentRecord("in_1", **({"paid": 10_000} | fields))
    records |= {i: replace(records[i], overpaid=more) for i, more in (overpaid or {}).items()}
    moneys: dict[str, Money] = {}
    for name, payment_id, amount in shares:
        money = moneys.get(name, Money(name))
        sharing = [records[i] for i in {*money.payment_ids, payment_id}]
        after, moneys[name] = linked(sharing, money, Share(payment_id, amount, NOW))
        records |= after
    for name, payment_id, _ in shares:
        sharing = {i: records[i] for i in moneys[name].payment_ids}
        after, moneys[name] = with_overpaid(sharing, moneys[name], payment_id)
        records |= after
    known = records["in_1"]
    for each in stated:
        known = learned(known, each)
    return known


def beside(amount: int, payment_id: str = "in_1", **given: Any) -> MoneyBack:
    """A credit note of no line, given to the balance."""
    stated = CreditNote("cn_1", amount, (), **({"refunds": (), "beside_refunds": amount} | given))
    return news(payment_intent=None, payment_id=payment_id, notes=(stated,))


OWN, SHARED = [("pi_1", "in_1", 10_000)], [("pi_1", "in_1", 2_000), ("pi_1", "in_2", 6_000)]
TWO = [("pi_1", "in_1", 4_000), ("pi_2", "in_1", 6_000)]
OF_PI_2 = {"payment_intent": "pi_2"}


def re_2(amount: int) -> MoneyBack:
    return news(refunds=(Refund("re_2", amount, SUCCEEDED, NOW),))


def refund_of_pi_2(amount: int) -> MoneyBack:
    return news(**OF_PI_2, refunds=(Refund("re_2", amount, SUCCEEDED, NOW),))


@pytest.mark.parametrize(
    ("shares", "stated", "fields", "refunded"),
    [
        # what the customer's balance paid counts as paid, and stays where money alone is refunded
        ([("pi_1", "in_1", 6_000)], [refund("re_1", 6_000)], {"by_balance": 4_000}, 6_000),
        ([("pi_1", "in_1", 6_000)], [refund("re_1", 6_000), beside(4_000)], {"by_balance": 4_000}, 10_000),
        # a refund and a lost dispute of one money are together at most what it paid
        ([("pi_1", "in_1", 6_000)], [refund("re_1", 6_000), dispute(DisputeStatus.LOST)], {"by_balance": 4_000}, 6_000),
        (TWO, [refund("re_1", 4_000), dispute(DisputeStatus.LOST)], {}, 4_000),
        # what failed of one money gives back nothing of another's
        (TWO, [news(refunded_total=4_000), news(**OF_PI_2, refunds=(Refund("re_2", 6_000, FAILED, NOW),))], {}, 4_000),
        (TWO, [news(refunded_total=4_000), news(**OF_PI_2, refunded_total=3_000)], {}, 7_000),
        # overpayment goes first
        (OWN, [refund("re_1", 5_000)], {"overpaid": {"in_1": 5_000}}, 0),
        (OWN, [refund("re_1", 8_000)], {"overpaid": {"in_1": 5_000}}, 3_000),
        (OWN, [refund("re_1", 15_000)], {"overpaid": {"in_1": 5_000}}, 10_000),
        # but not before what a note gives back of the payment itself
        (OWN, [refund("re_1", 3_000), note(3_000, ("il_1", 3_000))], {"overpaid": {"in_1": 5_000}}, 3_000),
        # of two moneys with either, for it is not known how much each of them was
        (TWO, [refund("re_1", 7_000)], {"overpaid": {"in_1": 5_000}}, 2_000),
        (TWO, [refund("re_1", 4_000), refund_of_pi_2(11_000)], {"overpaid": {"in_1": 5_000}}, 10_000),
        # before it is shared, whichever payment was overpaid: 2,000 and 6,000, and 4,000 beyond
        (SHARED, [refund("re_1", 4_000)], {"paid": 2_000, "overpaid": {"in_1": 4_000}}, 0),
        (SHARED, [refund("re_1", 4_000)], {"paid": 2_000, "overpaid": {"in_2": 4_000}}, 0),
        (SHARED, [refund("re_1", 8_000)], {"paid": 2_000, "overpaid": {"in_1": 4_000}}, 1_000),
        (SHARED, [refund("re_1", 8_000)], {"paid": 2_000, "overpaid": {"in_1": 1_000, "in_2": 3_000}}, 1_000),
        (SHARED, [refund("re_1", 12_000)], {"paid": 2_000, "overpaid": {"in_2": 4_000}}, 2_000),
        # of what each was paid: 1,500 of in_1 are back by its note, so of 7,000 in_1 has just 500 left to give
        (
            SHARED,
            [
                refund("re_1", 1_500),
                note(1_500, ("il_1", 1_500)),
                news(refunds=(Refund("re_2", 6_500, SUCCEEDED, NOW),)),
            ],
            {"paid": 2_000},
            2_000,
        ),
        (
            SHARED,
            [
                refund("re_1", 6_000),
                news(refunds=(Refund("re_2", 1_000, SUCCEEDED, NOW),)),
                beside(6_000, "in_2", beside_refunds=0, refunds=("re_1",)),
            ],
            {"paid": 2_000},
            1_000,
        ),
        # a money of two payments
        (SHARED, [refund("re_1", 4_000)], {"paid": 2_000}, 1_000),
        (SHARED, [refund("re_1", 8_000)], {"paid": 2_000}, 2_000),
        (SHARED, [news(refunded_total=4_000)], {"paid": 2_000}, 1_000),
        (SHARED, [dispute(DisputeStatus.LOST)], {"paid": 2_000}, 1_000),
        # a refund is for the payment of its note
        (SHARED, [refund("re_1", 1_000), note(1_000, ("il_1", 1_000))], {"paid": 2_000}, 1_000),
        (
            SHARED,
            [refund("re_1", 4_000), beside(4_000, "in_2", beside_refunds=0, refunds=("re_1",))],
            {"paid": 2_000},
            0,
        ),
        (SHARED, [news(refunded_total=4_000), beside(4_000, "in_2", beside_refunds=0, refunds=("re_1",))], {}, 0),
        # credit notes without a refund
        (OWN, [beside(4_000)], {}, 4_000),
        (OWN, [beside(4_000), refund("re_1", 3_000)], {}, 7_000),
        (OWN, [beside(4_000, voided=True)], {}, 0),
        # before payment, heard or only said by the invoice, counts once, as paid and as given back
        (OWN, [], {"paid": 6_000, "credited_before": 4_000}, 4_000),
        (
            OWN,
            [beside(4_000, beside_refunds=0, before_payment=4_000)],
            {"paid": 6_000, "credited_before": 4_000},
            4_000,
        ),
        (OWN, [beside(4_000, beside_refunds=0, before_payment=4_000)], {"paid": 6_000}, 4_000),
        # what the invoice says was credited since it was paid adds nothing to what was heard of it
        (OWN, [], {"credited_after": 4_000}, 4_000),
        (OWN, [beside(4_000)], {"credited_after": 4_000}, 4_000),
        (OWN, [refund("re_1", 4_000)], {"credited_after": 4_000}, 4_000),
        (OWN, [refund("re_1", 4_000, FAILED)], {"credited_after": 4_000}, 0),
        # of an older note's refund only its own event tells the amount: the rest went to the balance
        (OWN, [beside(4_000, beside_refunds=0, rest_beside=True, refunds=("re_1",)), refund("re_1", 1_000)], {}, 4_000),
        (OWN, [beside(4_000, beside_refunds=0, rest_beside=True, refunds=("re_1",))], {}, 0),
    ],
)
def test_what_was_given_back_is_reckoned_for_each_money_apart(
    shares: list[tuple[str, str, int]], stated: list[MoneyBack], fields: dict[str, Any], refunded: int
) -> None:
    for order in permutations(stated):
        assert given_back(paid_by(*shares, stated=(*order, *order), **fields)).refunded == refunded


@pytest.mark.parametrize(
    ("stated", "refunded"),  # of in_1, whose money paid 6,000 of in_2 too and pays it no more
    [
        ([refund("re_1", 6_000)], 0),
        ([refund("re_1", 7_500)], 1_500),
        ([dispute(DisputeStatus.LOST, 7_500)], 1_500),
        # 4,000 went back by in_2's own note before
        ([refund("re_1", 4_000), beside(4_000, "in_2", beside_refunds=0, refunds=("re_1",))], 0),
        ([refund("re_1", 4_000), beside(4_000, "in_2", beside_refunds=0, refunds=("re_1",)), re_2(3_000)], 1_000),
    ],
)
def test_what_a_money_paid_of_a_payment_that_it_pays_no_more_goes_back_first(
    stated: list[MoneyBack], refunded: int
) -> None:
    records = {i: PaymentRecord(i, paid=amount) for i, amount in (("in_1", 2_000), ("in_2", 6_000))}
    shares = Share("in_1", 2_000, NOW), Share("in_2", 6_000, NOW), Share("in_2", 6_000, NOW + HOUR, detached=True)
    known, _ = linked(records.values(), Money("pi_1"), *shares)
    for order in permutations(stated):
        record = known["in_1"]
        for each in order:
            record = learned(record, each)
        assert given_back(record).refunded == refunded


def test_a_sum_heard_before_a_refund_was_made_does_not_hold_it() -> None:
    later = Refund("re_2", 2_000, SUCCEEDED, NOW + 2 * HOUR, NOW + 2 * HOUR)
    stated = [news(refunded_total=3_000, occurred_at=NOW + HOUR), news(refunds=(later,))]
    for order in permutations(stated):
        assert given_back(record(*order)).refunded == 5_000


def test_of_a_money_whose_amounts_are_not_heard_each_payment_has_an_equal_part() -> None:
    shares = Share("in_1"), Share("in_2", 6_000)
    records, _ = linked([PaymentRecord("in_1", paid=10_000), PaymentRecord("in_2", paid=6_000)], Money("pi_1"), *shares)
    assert given_back(learned(records["in_1"], refund("re_1", 4_000))).refunded == 2_000
