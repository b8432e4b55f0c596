"""Whose a payment is that does not say it: as its subscription's own events say, in any order."""

from collections.abc import Callable
from datetime import datetime
from itertools import permutations

import pytest
from tests.support.builders import DAY
from tests.unit.test_plan_changes import START, Practice, cycle

from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import paying
from client_credits.store.records import Wanted

Step = Callable[[Practice], object]


def says(client_id: str | None, at: datetime = START, account: str = "own") -> Step:
    """The subscription's own event, with the client of its metadata."""
    news = SubscriptionNews("evt", account, "test", at, "sub_1", SubscriptionStatus.RUNNING, client_id=client_id)
    return lambda practice: paying.subscription_heard(Context(practice.store, "p1", STRIPE, practice.now), news)


def pays(payment_id: str = "in_1", client_id: str | None = None) -> Step:
    return lambda practice: practice.pay(payment_id, START, cycle(), client_id=client_id, customer=None)


def credits_after(*steps: Step, **settings: object) -> tuple[int, int, list[str]]:
    """What c1 and c2 have, and why a payment waits."""
    practice = Practice(**settings)
    for step in steps:
        step(practice)
    wallets = [practice.store.load("p1", Wanted(client_id=c, types=("follow-up",))).wallets for c in ("c1", "c2")]
    return wallets[0]["follow-up"].balance, wallets[1]["follow-up"].balance, practice.parked()


def test_a_payment_is_of_the_client_that_its_subscriptions_event_names() -> None:
    assert credits_after(pays()) == (0, 0, ["unknown_client"])
    for order in permutations((says("c1"), pays())):
        assert credits_after(*order) == (4, 0, [])


def test_the_newest_event_of_a_subscription_counts_until_it_is_paid_for() -> None:
    older, newer = says("c1", START), says("c2", START + DAY)
    assert credits_after(older, newer, pays()) == credits_after(newer, older, pays()) == (0, 4, [])
    assert credits_after(says(None, START + DAY), older, pays()) == (4, 0, [])


def test_a_payment_outweighs_what_its_subscription_says() -> None:
    for order in permutations((says("c2"), pays(client_id="c1"))):
        assert credits_after(*order, pays("in_2")) == (8, 0, [])


def test_an_event_of_another_account_says_nothing_of_whose_it_is() -> None:
    assert credits_after(says("c1", account="acct_2"), pays()) == (0, 0, ["unknown_client"])


@pytest.mark.parametrize("first", ["event", "payment"])
def test_a_client_not_known_yet_is_waited_for_where_the_practice_says_so(first: str) -> None:
    steps = (says("c2"), pays()) if first == "event" else (pays(), says("c2"))
    assert credits_after(*steps, unknown_clients="park") == (0, 0, ["unknown_client"])
    assert credits_after(*steps) == (0, 4, [])
