"""What was given back of a payment: sums, caps, credit notes, and news in any order."""

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import HOUR, NOW

from client_credits.domain.payments.facts import CreditNote, Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.money import Money, Share
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.told import learned, linked, waiting

PENDING, SUCCEEDED, FAILED = RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED


def news(**fields: Any) -> MoneyBack:
    told = {"event_id": "evt", "account": "own", "mode": "test", "occurred_at": NOW, "payment_intent": "pi_1"}
    return MoneyBack(**(told | fields))


def refund(refund_id: str, amount: int, status: RefundStatus = SUCCEEDED, hours: int = 0) -> MoneyBack:
    return news(refunds=(Refund(refund_id, amount, status, NOW + hours * HOUR),))


def dispute(status: DisputeStatus, amount: int = 4_000, hours: int = 0) -> MoneyBack:
    return news(disputes=(Dispute("dp_1", amount, status, NOW + hours * HOUR),))


def note(total: int, *lines: tuple[str, int], refunds: tuple[str, ...] = ("re_1",), voided: bool = False) -> MoneyBack:
    return news(payment_intent=None, payment_id="in_1", notes=(CreditNote("cn_1", total, lines, refunds, voided),))


def record(*told: MoneyBack, paid: int = 10_000) -> PaymentRecord:
    known = PaymentRecord("in_1", paid=paid)
    for each in told:
        known = learned(known, each)
    return known


@pytest.mark.parametrize(
    ("told", "refunded"),
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
def test_money_given_back_is_summed_once(told: list[MoneyBack], refunded: int) -> None:
    for order in permutations(told):
        assert given_back(record(*order, *order)).refunded == refunded


@pytest.mark.parametrize(
    ("told", "first", "second"),  # the parts undone of two lines of 4,000 and 6,000
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
def test_a_credit_note_assigns_its_refunds_to_its_lines(told: list[MoneyBack], first: str, second: str) -> None:
    for order in permutations(told):
        back = given_back(record(*order))
        parts = back.part_of("il_1", 4_000), back.part_of("il_2", 6_000)
        assert parts == (Fraction(first), Fraction(second))


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
