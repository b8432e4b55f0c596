"""A payment intent of the practice's own that paid several invoices: each package once, in the larger of their counts.

The intent is for 100.00, of which the first invoice was 40.00 and the second 60.00.
"""

from typing import Any

import pytest
from tests.integration.test_stripe_any_order import Story, World, invoice, refund
from tests.integration.test_stripe_one_sale import check, intent, orders, stated
from tests.support.builders import a_line
from tests.support.deaths import every_death

from client_credits.domain.payments.facts import Payment, PaymentMade


def billed(payment_id: str, quantity: int, amount: int, **fields: Any) -> Payment:
    line = a_line("il_1", price="price_4", quantity=quantity, amount=amount)
    return invoice(payment_id, line, subscription=None, paid=amount, **fields)


def first(quantity: int = 1, **fields: Any) -> Payment:
    return billed("in_1", quantity, 4_000, **fields)


def second(quantity: int = 1, **fields: Any) -> Payment:
    return billed("in_2", quantity, 6_000, **fields)


NAMED = {"payment_intent": "pi_1"}  # as an older invoice names its intent
MADE_1 = PaymentMade("evt_m1", "own", "test", "in_1", payment_intent="pi_1", amount=4_000)
MADE_2 = PaymentMade("evt_m2", "own", "test", "in_2", payment_intent="pi_1", amount=6_000)
ALL, HALF = refund("re_1", 10_000, "succeeded"), refund("re_1", 5_000, "succeeded")
OLDER = {
    "as many as they say": Story([first(**NAMED), second(**NAMED), intent(2)], {"follow-up": (8, 0)}),
    "fewer than they say": Story([first(**NAMED), second(**NAMED), intent(1)], {"follow-up": (8, 0)}),
    "more than they say": Story([first(**NAMED), second(**NAMED), intent(4)], {"follow-up": (16, 0)}),
    "refunded": Story([first(**NAMED), second(**NAMED), intent(4), ALL], {"follow-up": (0, 0)}),
    "half refunded": Story([first(**NAMED), second(**NAMED), intent(2), HALF], {"follow-up": (4, 0)}),
}
NEWER = {
    "as many as they say": Story([first(), second(), intent(2), MADE_1, MADE_2], {"follow-up": (8, 0)}),
    "fewer than they say": Story([first(), second(), intent(1), MADE_1, MADE_2], {"follow-up": (8, 0)}),
    "more than they say": Story([first(), second(), intent(4), MADE_1, MADE_2], {"follow-up": (16, 0)}),
    "refunded": Story([first(), second(), intent(4), MADE_1, MADE_2, ALL], {"follow-up": (0, 0)}),
}


@pytest.mark.parametrize("how_many", [24, pytest.param(120, marks=pytest.mark.prove)], ids=["some", "all"])
@pytest.mark.parametrize("name", OLDER)
def test_invoices_that_name_their_intent_are_one_sale_with_it_in_any_order(name: str, how_many: int) -> None:
    for order in orders(OLDER[name], how_many):
        check(stated(OLDER[name], order), OLDER[name], order)
        check(stated(OLDER[name], [*order, *order]), OLDER[name], order)


@pytest.mark.parametrize("how_many", [40, pytest.param(720, marks=pytest.mark.prove)], ids=["some", "all"])
@pytest.mark.parametrize("name", NEWER)
def test_invoices_that_only_their_payments_link_are_one_sale_in_any_order(name: str, how_many: int) -> None:
    for order in orders(NEWER[name], how_many):
        check(stated(NEWER[name], order), NEWER[name], order)
        check(stated(NEWER[name], [*order, *order]), NEWER[name], order)


def test_a_worker_dying_is_completed_by_the_redelivery() -> None:
    story = NEWER["as many as they say"]
    for world in every_death(lambda: World(story), World.tell, story.facts):
        check(world, story, story.facts)
