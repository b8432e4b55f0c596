"""A payment intent of the practice's own and what it paid are one sale: in any order, doubled, and with a worker dying.

Each story is known as the facts that its events say; of each package the larger of their counts is granted.
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from tests.integration.test_stripe_any_order import START, Story, World, back, dispute, invoice, refund
from tests.support.builders import a_line, a_payment
from tests.support.deaths import every_death

from client_credits.domain.payments.facts import CreditNote, Facts, Payment, PaymentMade, QuantityFrom
from client_credits.store.records import Wanted

MADE = PaymentMade("evt_made", "own", "test", "in_1", payment_intent="pi_1")


def sold(payment_id: str, quantity: int = 1, **fields: Any) -> Payment:
    """A payment that names package four, of four follow-ups."""
    line = a_line(
        "four", price=None, package_id="four", quantity=quantity, amount=10_000, quantity_from=QuantityFrom.METADATA
    )
    stated = {"subscription": None, "customer": None, "payment_intent": "pi_1", "paid": 10_000}
    return a_payment(payment_id, line, paid_at=START, event_id=f"evt_{payment_id}", **(stated | fields))


def intent(quantity: int = 1, **fields: Any) -> Payment:
    return sold("pi_1", quantity, **fields)


def session(quantity: int = 1, **fields: Any) -> Payment:
    return sold("cs_1", quantity, **fields)


def by_invoice(quantity: int = 1, *beside: Any, **fields: Any) -> Payment:
    """An invoice made by hand, as newer versions tell of it: without its intent."""
    stated = {"subscription": None, "paid": 10_000}
    return invoice(
        "in_1", a_line("il_1", price="price_4", quantity=quantity, amount=10_000), *beside, **(stated | fields)
    )


ALL, HALF = refund("re_1", 10_000, "succeeded"), refund("re_1", 5_000, "succeeded")
NOTE = back(payment_intent=None, payment_id="in_1", notes=(CreditNote("cn_1", 5_000, (("il_1", 5_000),), ("re_1",)),))
EIGHT = a_line("il_2", price="price_8", amount=20_000)
STORIES = {
    "a terminal sale": Story([intent(3)], {"follow-up": (12, 0)}),
    "a terminal sale, half refunded": Story([intent(2), HALF], {"follow-up": (4, 0)}),
    "a session and its intent": Story([session(2), intent(2)], {"follow-up": (8, 0)}),
    "a session of more than its intent says": Story([session(3), intent(1)], {"follow-up": (12, 0)}),
    "an intent of more than its session says": Story([session(1), intent(3)], {"follow-up": (12, 0)}),
    "a session and its intent, refunded": Story([session(1), intent(3), ALL], {"follow-up": (0, 0)}),
    "a session and its intent, half refunded": Story([session(1), intent(3), HALF], {"follow-up": (6, 0)}),
    "a session whose intent was disputed and lost": Story(
        [session(1), intent(2), dispute("open", 1), dispute("lost", 2)], {"follow-up": (0, 0)}
    ),
    "an older invoice and its intent": Story([by_invoice(2, payment_intent="pi_1"), intent(1)], {"follow-up": (8, 0)}),
    "an invoice and its intent": Story([by_invoice(), intent(), MADE], {"follow-up": (4, 0)}),
    "an invoice of more than its intent says": Story([by_invoice(3), intent(1), MADE], {"follow-up": (12, 0)}),
    "an intent of more than its invoice says": Story([by_invoice(1), intent(3), MADE], {"follow-up": (12, 0)}),
    "an invoice of more packages": Story(
        [by_invoice(1, EIGHT, paid=30_000), intent(3, paid=30_000), MADE], {"follow-up": (20, 0), "initial": (2, 0)}
    ),
    "an invoice and its intent, refunded": Story([by_invoice(1), intent(3), MADE, ALL], {"follow-up": (0, 0)}),
    "an invoice and its intent, half refunded": Story([by_invoice(2), intent(4), MADE, HALF], {"follow-up": (8, 0)}),
    "an invoice and its intent, refunded in part by a credit note": Story(
        [by_invoice(1), intent(1), MADE, HALF, NOTE], {"follow-up": (2, 0)}
    ),
    "an invoice and its intent, refunded as its credit note alone tells": Story(
        [by_invoice(1), intent(1), MADE, replace(NOTE, refunds=HALF.refunds)], {"follow-up": (2, 0)}
    ),
    "an invoice whose intent was disputed and won": Story(
        [by_invoice(1), intent(1), MADE, dispute("open", 1), dispute("won", 2)], {"follow-up": (4, 0)}
    ),
}


def stated(story: Story, facts: list[Facts]) -> World:
    world = World(story)
    for each in facts:
        world.tell(each)
    return world


def orders(story: Story, how_many: int) -> list[list[Facts]]:
    every = [list(order) for order in permutations(story.facts)]
    return every if len(every) <= how_many else [every[len(every) * n // how_many] for n in range(how_many)]


def check(world: World, story: Story, order: list[Facts]) -> None:
    where = [type(each).__name__ + str(getattr(each, "payment_id", "")) for each in order]
    assert (world.ends(), world.parked()) == (story.ends, story.parked), where


@pytest.mark.parametrize("how_many", [24, pytest.param(120, marks=pytest.mark.prove)], ids=["some", "all"])
@pytest.mark.parametrize("name", STORIES)
def test_every_order_of_one_sale_grants_the_larger_count_once(name: str, how_many: int) -> None:
    story = STORIES[name]
    for order in orders(story, how_many):
        check(stated(story, order), story, order)
        doubled = [each for pair in zip(order, order[::-1], strict=True) for each in pair]
        check(stated(story, doubled), story, doubled)
        check(stated(story, [*order, *order]), story, order)


@pytest.mark.parametrize(
    "backwards", [False, pytest.param(True, marks=pytest.mark.prove)], ids=["in order", "backwards"]
)
@pytest.mark.parametrize("name", ["an intent of more than its session says", "an invoice and its intent, refunded"])
def test_a_worker_dying_in_one_sale_is_completed_by_the_redelivery(name: str, backwards: bool) -> None:
    story = STORIES[name]
    facts = story.facts[::-1] if backwards else story.facts
    for world in every_death(lambda: World(story), World.tell, facts):
        check(world, story, facts)


def test_the_second_of_one_sale_says_what_granted_it() -> None:
    world = stated(Story([], {}), [intent(2), session(2)])
    done = world.store.load("p1", Wanted(source_ids=("stripe/own/test/cs_1/four",))).operations
    (second,) = done.values()
    assert (second.outcome, second.entries, second.answer) == ("covered", (), "pi_1")


def test_a_parked_payment_is_closed_with_a_link_to_what_granted_it() -> None:
    world = stated(Story([], {}), [session(2, client_id=None)])
    assert world.parked() == ("unknown_client",)
    world.tell(intent(2))
    world.tell(session(2))
    assert world.parked() == ()
