"""No sequence of upgrades, interval switches, restarts, balance payments and cancellations mints credits.

Every plan sold here costs 100.00 a credit, whatever its interval. So whatever the client does, the credits granted
and kept are what was paid for by the hundred, but for less than a credit of rounding a step. Downgrades take
nothing back, by rule, and are left out.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from client_credits.domain.payments.facts import CustomerLink
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import linking
from client_credits.samples.stripe_account.checkout import VERSIONS
from tests.support.builders import a_catalogue, a_package
from tests.support.stripe_practice import ME, StripePractice
from tests.unit.test_money_back_histories import sell

PLANS = {  # price: credits, interval
    "price_m4": (4, "month"),
    "price_m8": (8, "month"),
    "price_m12": (12, "month"),
    "price_w3": (3, "week"),
    "price_y48": (48, "year"),
    "price_y96": (96, "year"),
}
A_CREDIT = 10_000  # minor units
STEPS = 12
FEW, MANY = range(100), range(2_000)  # the few, again, among the many: `make prove` leaves out what is not marked


class Seller:
    """A practice that sells these plans, and one client who does what a seed says."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.practice = StripePractice(VERSIONS[seed % len(VERSIONS)], upgrade_grant="prorated")
        sold = [
            a_package(price.removeprefix("price_"), credits={"follow-up": n}, stripe_prices=(price,))
            for price, (n, _) in PLANS.items()
        ]
        store = self.practice.store
        sell(store, a_catalogue(*sold))
        for price, (n, interval) in PLANS.items():
            self.practice.stripe.price(price, n * A_CREDIT, interval)
        linking.apply_link(Context(store, "p1", STRIPE, self.practice.now), CustomerLink("evt_link", "cus_1", "c1"))
        self.done: list[str] = []
        self.subscribe()

    @property
    def stripe(self) -> Any:
        return self.practice.stripe

    @property
    def subscription(self) -> str:
        return str(self.stripe.last("subscription"))

    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stripe.objects[self.subscription]
        return found

    def subscribe(self) -> None:
        ahead = self.random.choice([None, None, timedelta(days=self.random.randint(1, 6))])
        anchor = self.stripe.now + ahead if ahead else None
        price = self.random.choice(list(PLANS))
        self.practice.hear(self.stripe.subscribe("cus_1", price, metadata=ME, anchor=anchor))

    def restart(self) -> None:
        self.practice.hear(self.stripe.restart(self.subscription))

    def cancel(self) -> None:
        self.practice.hear(self.stripe.cancel(self.subscription, prorates=True))
        self.wait()
        self.subscribe()

    def renew(self) -> None:
        if self.stripe.ends(self.subscription) <= self.stripe.now + timedelta(days=40):
            self.practice.hear(self.stripe.cycle(self.subscription))

    def switch(self) -> None:
        """To another interval."""
        price, items = self.plan()
        if items > 1:
            return  # items of one subscription have one interval
        others = [p for p, (_, interval) in PLANS.items() if interval != PLANS[price][1]]
        self.practice.hear(self.stripe.change(self.subscription, self.random.choice(others)))

    def upgrade(self) -> None:
        price, _ = self.plan()
        n, interval = PLANS[price]
        higher = [p for p, (more, own) in PLANS.items() if own == interval and more > n]
        if not higher:
            return
        pending = self.random.random() < 0.3
        change = self.random.choice([self.stripe.change, self.stripe.swap])
        self.practice.hear(change(self.subscription, self.random.choice(higher), pending=pending))
        if pending:
            self.wait()
            self.practice.hear(self.stripe.invoice_pending(self.subscription))

    def add(self) -> None:
        price, items = self.plan()
        same = [p for p, (_, interval) in PLANS.items() if interval == PLANS[price][1]]
        if items < 3:
            self.practice.hear(self.stripe.add_item(self.subscription, self.random.choice(same)))

    def remove(self) -> None:
        _, items = self.plan()
        if items > 1:
            self.practice.hear(self.stripe.remove_item(self.subscription))

    def wait(self) -> None:
        """Some time passes, within the running period."""
        left = self.stripe.ends(self.subscription) - self.stripe.now
        seconds = int(left.total_seconds() * self.random.random())
        self.stripe.advance_to(self.stripe.now + timedelta(seconds=seconds))

    def plan(self) -> tuple[str, int]:
        items = self.about()["items"]["data"]
        return items[0]["price"]["id"], len(items)

    def step(self) -> None:
        every: list[Callable[[], None]] = [
            *(self.restart, self.cancel, self.renew, self.switch, self.upgrade, self.add, self.remove)
        ]
        self.wait()
        chosen = self.random.choice(every)
        self.done.append(chosen.__name__)
        chosen()

    def paid(self) -> int:
        """What all paid invoices came to, money and balance: what is left to the customer is not paid for credits."""
        invoices = [about for about in self.stripe.objects.values() if about["object"] == "invoice"]
        return sum(about["total"] for about in invoices if about["status"] == "paid")

    def kept(self) -> int:
        return self.practice.numbers()[0]


def follow(seed: int) -> None:
    seller = Seller(seed)
    for number in range(STEPS):
        seller.step()
        kept, paid = seller.kept(), seller.paid()
        rounding = A_CREDIT * (number + 2)
        assert abs(kept * A_CREDIT - paid) < rounding, (seed, seller.done, kept, paid / A_CREDIT)
        assert seller.practice.parked() == [], (seed, seller.done)


@pytest.mark.parametrize("seed", FEW)
def test_credits_kept_are_those_paid_for(seed: int) -> None:
    follow(seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_credits_kept_are_those_paid_for_in_many_histories(seed: int) -> None:
    follow(seed)
