"""News of money in any order, doubled, and with the worker dying at any call: the same record and credits in the end.

The numbers at the end are written by hand, each beside its reckoning.
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from tests.integration.test_stripe_any_order import (
    START,
    Story,
    World,
    back,
    invoice,
    line,
    orders,
    stated,
)
from tests.support.builders import HOUR
from tests.support.deaths import every_death

from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    Facts,
    PaidWith,
    Payment,
    PaymentMade,
    Refund,
    RefundStatus,
)
from client_credits.domain.payments.given_back import given_back
from client_credits.store.records import Wanted


def bought(payment_id: str, costs: int = 10_000, price: str = "price_4", **fields: Any) -> Payment:
    """Four follow-ups, once."""
    one = line(price, subscription_item=None, period_start=None, period_end=None, amount=costs)
    return invoice(payment_id, one, **({"subscription": None} | fields))


def made(payment_id: str, amount: int | None, hours: int = 0, **fields: Any) -> PaymentMade:
    about = ("evt_made", "own", "test", payment_id)
    return PaymentMade(*about, **({"payment_intent": "pi_1", "amount": amount, "at": START + hours * HOUR} | fields))


def refund(refund_id: str, amount: int, status: str = "succeeded", hours: int = 1, **about: Any) -> Facts:
    at = START + hours * HOUR
    return back(refunds=(Refund(refund_id, amount, RefundStatus(status), at, START + HOUR),), **about)


def summed(total: int, hours: int, **about: Any) -> Facts:
    return back(refunded_total=total, occurred_at=START + hours * HOUR, charge="ch_1", **about)


def note(payment_id: str, total: int, *lines: tuple[str, int], refunds: tuple[str, ...] = (), **given: Any) -> Facts:
    stated = CreditNote("cn_1", total, lines, refunds, at=START + HOUR, **given)
    return back(payment_intent=None, payment_id=payment_id, notes=(stated,))


ONE, TWO = bought("in_1"), bought("in_2", 30_000)
BOTH = [ONE, TWO, made("in_1", 10_000), made("in_2", 30_000)]
NAMED_BY_BOTH = [replace(each, payment_intent="pi_1", charge="ch_1") for each in (ONE, TWO)]
BOTH_OVERPAID = [ONE, replace(TWO, overpaid=8_000), made("in_1", 10_000), made("in_2", 30_000)]
FEE = bought("in_f", price="price_unknown")
CREDITED = bought("in_1", paid=6_000, credited_before=4_000)
LOST = back(disputes=(Dispute("dp_1", 40_000, DisputeStatus.LOST, START + 2 * HOUR),))

STORIES = {
    # A quarter of 20,000 is of in_1, three quarters are of in_2, half of what each cost: 4 and 4, less 2 and 2.
    "one intent for two invoices, refunded in part": Story([*BOTH, refund("re_1", 20_000)], {"follow-up": (4, 0)}),
    "one intent for two invoices, refunded in full": Story([*BOTH, refund("re_1", 40_000)], {"follow-up": (0, 0)}),
    "one intent for two invoices, the refund fails": Story(
        [ONE, TWO, *BOTH[2:], refund("re_1", 40_000, "failed", 2)], {"follow-up": (8, 0)}
    ),
    "one intent for two invoices, disputed and lost": Story([*BOTH, LOST], {"follow-up": (0, 0)}),
    # The note is in_2's: two thirds of it, 2.67 of 4, so 2.
    "one intent for two invoices that name it, refunded for one by its note": Story(
        [*NAMED_BY_BOTH, refund("re_1", 20_000), note("in_2", 20_000, refunds=("re_1",))], {"follow-up": (6, 0)}
    ),
    # The same, and half of the other refund of 2,000 is in_1's where nothing says what was paid of each: 1,000 of
    # 10,000 is 0.4 of 4; of in_2 21,000 of 30,000 is 2.8 of 4.
    "a refund beside that of a note": Story(
        [
            *NAMED_BY_BOTH,
            refund("re_1", 20_000),
            refund("re_2", 2_000),
            note("in_2", 20_000, refunds=("re_1",)),
        ],
        {"follow-up": (6, 0)},
    ),
    # 4,000 never paid, 3,000 of the rest refunded: 0.4 + 0.3 of 4 is 2.8.
    "credited before payment, then refunded": Story(
        [
            CREDITED,
            made("in_1", 6_000),
            note("in_1", 4_000, ("il_1", 4_000), before_payment=4_000),
            refund("re_1", 3_000),
        ],
        {"follow-up": (2, 0)},
    ),
    # 2,500 + 2,500 of 10,000.
    "an invoice that names both names of its money": Story(
        [
            replace(ONE, payment_intent="pi_1", charge="ch_1"),
            refund("re_1", 2_500, payment_intent=None, charge="ch_1"),
            refund("re_2", 2_500, charge="ch_1"),
        ],
        {"follow-up": (2, 0)},
    ),
    "an invoice that names the charge alone, and news that name both": Story(
        [
            replace(ONE, charge="ch_1"),
            refund("re_1", 2_500, charge="ch_1"),
            refund("re_2", 2_500, payment_intent=None, charge="ch_1"),
        ],
        {"follow-up": (2, 0)},
    ),
    # The first of 2,500 failed after the sum of 5,000 was heard.
    "two sums of a charge, and a refund within them that failed": Story(
        [
            ONE,
            made("in_1", 10_000),
            summed(2_500, 1),
            summed(5_000, 2),
            refund("re_1", 2_500, "failed", 3),
        ],
        {"follow-up": (3, 0)},
    ),
    # 4,000 by one, 6,000 by the other: the refund of 4,000 stands, that of 6,000 failed. 0.4 of 4 is 1.6.
    "an invoice paid by two, and the refund of one fails": Story(
        [
            replace(ONE, paid_with=(PaidWith("pi_1", None, 4_000), PaidWith("pi_2", None, 6_000))),
            summed(4_000, 1),
            refund("re_2", 6_000, payment_intent="pi_2"),
            refund("re_2", 6_000, "failed", 2, payment_intent="pi_2"),
        ],
        {"follow-up": (3, 0)},
    ),
    "a payment detached": Story(
        [ONE, made("in_1", 10_000), made("in_1", 10_000, 2, detached=True), refund("re_1", 2_500)],
        {"follow-up": (0, 0)},
    ),
    "a payment detached and attached again, a quarter refunded": Story(
        [
            ONE,
            made("in_1", 10_000),
            made("in_1", 10_000, 2, detached=True),
            made("in_1", 10_000, 3),
            refund("re_1", 2_500),
        ],
        {"follow-up": (3, 0)},
    ),
    "another payment in place of the one detached, which is refunded": Story(
        [
            ONE,
            made("in_1", 10_000),
            made("in_1", 10_000, 2, detached=True),
            made("in_1", 10_000, 3, payment_intent="pi_2"),
            refund("re_1", 10_000),
        ],
        {"follow-up": (4, 0)},
    ),
    # 10,000 of the 40,000 pay nothing any more, and go back first; of in_2 15,000 of 30,000 do.
    "one intent for two invoices, detached from one, more than that is refunded": Story(
        [*BOTH, made("in_1", 10_000, 2, detached=True), refund("re_1", 25_000)], {"follow-up": (2, 0)}
    ),
    # 5,000 of the 15,000 were not for it.
    "overpaid, half of it all refunded": Story(
        [replace(ONE, overpaid=5_000), made("in_1", 10_000), refund("re_1", 7_500)], {"follow-up": (3, 0)}
    ),
    # 8,000 of 48,000 were for neither.
    "one intent for two invoices, what was overpaid is refunded": Story(
        [*BOTH_OVERPAID, refund("re_1", 8_000)], {"follow-up": (8, 0)}
    ),
    # 20,000 beyond: half of each.
    "one intent for two invoices, more than was overpaid is refunded": Story(
        [*BOTH_OVERPAID, refund("re_1", 28_000)], {"follow-up": (4, 0)}
    ),
    "one intent for two invoices, all is refunded that was paid and overpaid": Story(
        [*BOTH_OVERPAID, refund("re_1", 48_000)], {"follow-up": (0, 0)}
    ),
    # in_1 was paid by 4,000 and then 6,000 + 5,000, which paid in_2 too. Of 23,000 it gave back, 18,000 are shared:
    # 3,000 of 10,000 is 1.2 of 4, 15,000 of 30,000 are 2.
    "overpaid with the second of its moneys, which paid another invoice": Story(
        [
            replace(ONE, overpaid=5_000),
            TWO,
            made("in_1", 4_000, payment_intent="pi_2"),
            made("in_1", 6_000, 1),
            made("in_2", 30_000, 1),
            refund("re_1", 23_000, hours=2),
        ],
        {"follow-up": (5, 0)},
    ),
    # What was overpaid of a set-up fee comes off, too. Of the other 20,000, 15,000 are of
    # in_2: half of it.
    "overpaid on an invoice without credits": Story(
        [replace(FEE, overpaid=8_000), TWO, made("in_f", 10_000), made("in_2", 30_000), refund("re_1", 28_000)],
        {"follow-up": (2, 0)},
        parked=("unknown_package",),
    ),
    # 6,000 by card, 4,000 from the balance, which a note gave back to it: 6,000 and 4,000 of 10,000.
    "balance and card, both given back": Story(
        [
            replace(ONE, by_balance=4_000),
            made("in_1", 6_000),
            refund("re_1", 6_000),
            note("in_1", 4_000, beside_refunds=4_000),
        ],
        {"follow-up": (0, 0)},
    ),
}


def records(world: World) -> str:
    """What is known of the money of each payment, by the numbers that follow from it. Of two names of one money
    it goes by that which a payment was linked to first."""
    found = world.store.load("p1", Wanted(payments=("in_1", "in_2"))).payments.values()
    known = [
        (r.refunds, r.disputes, r.notes, r.paid_by, given_back(r), [g.taken_back for g in r.grants]) for r in found
    ]
    return repr(known).replace("money='ch_1'", "money='pi_1'")


@pytest.mark.parametrize("how_many", [6, pytest.param(None, marks=pytest.mark.prove)], ids=["some", "all"])
@pytest.mark.parametrize("name", STORIES)
def test_every_order_of_news_of_money_ends_alike(name: str, how_many: int | None) -> None:
    story = STORIES[name]
    plain = stated(story, story.facts)
    assert (plain.ends(), plain.parked()) == (story.ends, story.parked)
    for order in orders(story, how_many):
        mixed = stated(story, order)
        where = [story.facts.index(each) for each in order]
        assert (mixed.ends(), mixed.parked()) == (story.ends, story.parked), where
        assert records(mixed) == records(plain), where


@pytest.mark.prove
@pytest.mark.parametrize("name", STORIES)
def test_every_order_of_news_of_money_heard_twice_ends_alike(name: str) -> None:
    story = STORIES[name]
    plain = stated(story, story.facts)
    for order in permutations(story.facts):
        mixed = stated(story, [each for pair in zip(order, order[::-1], strict=True) for each in pair])
        assert (mixed.ends(), mixed.parked(), records(mixed)) == (story.ends, story.parked, records(plain))


@pytest.mark.parametrize(
    "backwards", [False, pytest.param(True, marks=pytest.mark.prove)], ids=["in order", "backwards"]
)
@pytest.mark.parametrize("name", STORIES)
def test_a_worker_dying_over_news_of_money_is_completed_by_the_redelivery(name: str, backwards: bool) -> None:
    story = STORIES[name]
    facts = story.facts[::-1] if backwards else story.facts
    worlds = every_death(lambda: World(story), World.tell, facts)
    whole = next(worlds)
    for point, world in enumerate(worlds, 1):
        assert (world.ends(), world.parked(), records(world)) == (story.ends, story.parked, records(whole)), point
