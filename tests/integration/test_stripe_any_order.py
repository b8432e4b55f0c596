"""Stripe's events in any order, doubled, and with the worker dying at any call: the same credits in the end.

Each story is known as the facts that its events say. The practice's table is in memory, so that every
permutation and every crash point can be tried.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package, a_payment
from tests.support.deaths import every_death
from tests.support.memory_table import memory_store

from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.wallet import Lot
from client_credits.domain.payments.facts import (
    CreditNote,
    CustomerLink,
    Dispute,
    DisputeStatus,
    Facts,
    MoneyBack,
    Payment,
    PaymentLine,
    PaymentMade,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Trial,
)
from client_credits.domain.payments.plan_changes import Interval
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.stripe import work as stripe_work

TYPES = ("follow-up", "initial")
START = NOW - 20 * DAY
END = START + 30 * DAY
CYCLE_END = Expiry(ExpiryKind.CYCLE_END)
PLANS = [
    a_package("four", credits={"follow-up": 4}, stripe_prices=("price_4",)),
    a_package("eight", credits={"follow-up": 8, "initial": 2}, stripe_prices=("price_8",)),
    a_package("rolling", credits={"follow-up": 5}, stripe_prices=("price_r",), expiry=CYCLE_END, rollover_cap=3),
    a_package("year", credits={"follow-up": 2}, stripe_prices=("price_y",), monthly_tranches=True),
    a_package("seats", credits={"follow-up": 1}, stripe_prices=("price_s",)),
]


def line(
    price: str = "price_4", starts: Any = START, ends: Any = END, line_id: str = "il_1", **fields: Any
) -> PaymentLine:
    stated = {"amount": 10_000, "period_start": starts, "period_end": ends, "subscription_item": "si_1"}
    return a_line(line_id, price=price, **(stated | fields))


def invoice(payment_id: str, *lines: PaymentLine, paid_at: Any = START, **fields: Any) -> Payment:
    stated = {"paid": sum(each.amount for each in lines), "payment_intent": None}
    return a_payment(payment_id, *lines, paid_at=paid_at, event_id=f"evt_{payment_id}", **(stated | fields))


def back(**fields: Any) -> MoneyBack:
    stated = {"event_id": "evt_back", "account": "own", "mode": "test", "occurred_at": START, "payment_intent": "pi_1"}
    return MoneyBack(**(stated | fields))


def refund(refund_id: str, amount: int, status: str, hours: int = 1) -> MoneyBack:
    return back(refunds=(Refund(refund_id, amount, RefundStatus(status), START + hours * HOUR),))


def dispute(status: str, hours: int, amount: int = 10_000) -> MoneyBack:
    return back(disputes=(Dispute("dp_1", amount, DisputeStatus(status), START + hours * HOUR),))


def standing(status: str, at: Any, ended_at: Any = None) -> SubscriptionNews:
    return SubscriptionNews("evt_sub", "own", "test", at, "sub_1", SubscriptionStatus(status), ended_at)


FIRST = invoice("in_1", line())
MADE = PaymentMade("evt_made", "own", "test", "in_1", payment_intent="pi_1")
UPDATE = invoice(
    "in_2",
    line("price_4", START + DAY, line_id="il_old", amount=-9_000, proration=True),
    line("price_8", START + DAY, line_id="il_new", amount=18_000, proration=True),
    paid_at=START + DAY,
)
AGAIN = replace(UPDATE, payment_id="in_3", paid_at=START + 2 * DAY)
TWO_LINES = invoice("in_1", line(line_id="il_1"), line("price_8", line_id="il_2", subscription_item="si_2"))
NOTE = back(payment_intent=None, payment_id="in_1", notes=(CreditNote("cn_1", 10_000, (("il_2", 10_000),), ("re_1",)),))
MONTHS = [datetime(2026, month, 3, 9, tzinfo=UTC) for month in (9, 10, 11, 12)]
ROLLING = [
    invoice(f"in_{n}", line("price_r", MONTHS[n - 1], MONTHS[n]), paid_at=MONTHS[n - 1] + HOUR) for n in (1, 2, 3)
]
MONTH = Interval(months=1)


def of_subscription(at: Any, **fields: Any) -> SubscriptionNews:
    """The subscription's own event: it runs, and what else it says."""
    return SubscriptionNews("evt_sub", "own", "test", at, "sub_1", SubscriptionStatus.RUNNING, **fields)


TRIAL_BEGAN, TRIAL_ENDED = START - 20 * DAY, START - 10 * DAY
TRIAL = invoice("in_t", line(starts=TRIAL_BEGAN, ends=TRIAL_ENDED, amount=0, trial=Trial.UNKNOWN), paid_at=TRIAL_BEGAN)
LONGER = invoice(
    "in_l", line(starts=START - 12 * DAY, ends=START, amount=0, trial=Trial.UNKNOWN), paid_at=START - 12 * DAY
)
SEATS = invoice("in_1", line("price_s", quantity=12, amount=48_000, also=("il_2", "il_3")))
QUARTER = back(
    payment_intent=None, payment_id="in_1", notes=(CreditNote("cn_1", 12_000, (("il_3", 12_000),), ("re_1",)),)
)
MORE_SEATS = invoice(
    "in_2",
    line("price_s", START + DAY, line_id="il_old", quantity=12, amount=-46_000, proration=True),
    line("price_s", START + DAY, line_id="il_new", quantity=15, amount=54_000, proration=True),
    paid_at=START + DAY,
)
NOBODY: dict[str, Any] = {"client_id": None, "customer": None}
# Ten days of a month of 31: a third of four, rounded up. Nothing but the subscription's event says whose it is.
PART = invoice(
    "in_p",
    line(starts=START - 10 * DAY, ends=START, amount=4_000, proration=True),
    paid_at=START - 10 * DAY,
    **NOBODY,
)
YEAR = invoice("in_1", line("price_y", NOW - 100 * DAY, NOW + 265 * DAY), paid_at=NOW - 100 * DAY)


@dataclass(frozen=True)
class Story:
    """What happens, and what the client has at the end: (credits, owed) per type, and why payments wait."""

    facts: list[Facts]
    ends: dict[str, tuple[int, int]]
    parked: tuple[str, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()


STORIES = {
    "refunded in two parts, stated by the index": Story(
        [FIRST, MADE, refund("re_1", 2_500, "succeeded"), refund("re_2", 5_000, "succeeded")], {"follow-up": (1, 0)}
    ),
    "a refund that failed": Story(
        [
            FIRST,
            MADE,
            refund("re_1", 10_000, "pending"),
            refund("re_1", 10_000, "succeeded", 2),
            refund("re_1", 10_000, "failed", 3),
        ],
        {"follow-up": (4, 0)},
    ),
    "a dispute lost beside a refund": Story(
        [FIRST, MADE, dispute("open", 1), dispute("lost", 2), refund("re_1", 10_000, "succeeded")],
        {"follow-up": (0, 0)},
    ),
    "a dispute won": Story([FIRST, MADE, dispute("open", 1), dispute("won", 2)], {"follow-up": (4, 0)}),
    "a credit note for one line": Story(
        [TWO_LINES, MADE, NOTE, refund("re_1", 10_000, "succeeded")], {"follow-up": (4, 0), "initial": (0, 0)}
    ),
    "up, and up again after a way down": Story([FIRST, UPDATE, AGAIN], {"follow-up": (8, 0), "initial": (2, 0)}),
    "an upgrade refunded": Story(
        [FIRST, UPDATE, replace(MADE, payment_id="in_2"), refund("re_1", 9_000, "succeeded")],
        {"follow-up": (4, 0), "initial": (0, 0)},
    ),
    "paid after the end": Story(
        [
            FIRST,
            standing("ended", START + 10 * DAY, START + 10 * DAY),
            standing("running", START + 9 * DAY),
            invoice("in_2", line(starts=START + 10 * DAY, ends=END), paid_at=START + 11 * DAY),
        ],
        {"follow-up": (4, 0)},
        parked=("subscription_ended",),
    ),
    "past due, then paid": Story(
        [FIRST, standing("past_due", START + 2 * DAY), invoice("in_2", line(), paid_at=START + 3 * DAY)],
        {"follow-up": (8, 0)},
        settings=(("past_due", "freeze"),),
    ),
    "three cycles that roll over": Story([*ROLLING], {"follow-up": (8, 0)}),
    "tranches until the end": Story(
        [YEAR, standing("ended", NOW - 45 * DAY, NOW - 45 * DAY), standing("running", NOW - 99 * DAY)],
        {"follow-up": (4, 0)},
    ),
    "tranches stopped by a refund": Story([YEAR, MADE, refund("re_1", 10_000, "succeeded")], {"follow-up": (0, 0)}),
    "a trial made longer": Story(
        [
            of_subscription(TRIAL_BEGAN, trial=(TRIAL_BEGAN, TRIAL_ENDED)),
            TRIAL,
            of_subscription(START - 12 * DAY, trial=(TRIAL_BEGAN, START)),
            LONGER,
            FIRST,
        ],
        {"follow-up": (4, 0)},
    ),
    "seats by tiers, a line of them credited, and more seats": Story(
        [SEATS, MADE, QUARTER, refund("re_1", 12_000, "succeeded"), MORE_SEATS], {"follow-up": (12 - 3 + 3, 0)}
    ),
    "a first part half refunded, then a month": Story(
        [
            PART,
            of_subscription(START - 10 * DAY, client_id="c1", intervals={"price_4": MONTH}, anchor=START),
            replace(MADE, payment_id="in_p"),
            refund("re_1", 2_000, "succeeded"),
            replace(FIRST, **NOBODY),
        ],
        {"follow-up": (2 - 1 + 4, 0)},
    ),
    "whose it is comes last": Story(
        [
            replace(FIRST, client_id=None),
            MADE,
            refund("re_1", 5_000, "succeeded"),
            CustomerLink("evt_link", "cus_1", "c1", "sub_1"),
        ],
        {"follow-up": (2, 0)},
    ),
    "an invoice and its twin": Story([FIRST, replace(FIRST, event_id="evt_twin"), MADE], {"follow-up": (4, 0)}),
}


class World:
    def __init__(self, story: Story, store: Store | None = None) -> None:
        made, self.table = memory_store()
        self.store = store or made
        account = Account("p1", dict(story.settings), START, catalogue_version=1)
        catalogue = replace(a_catalogue(*PLANS), version=0)
        client = writes.client("p1", Client("c1", created_at=START))
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), client])

    def tell(self, facts: Facts) -> None:
        stripe_work.apply(Context(self.store, "p1", STRIPE, NOW), facts, "{}")

    def ends(self) -> dict[str, tuple[int, int]]:
        wallets = self.store.load("p1", Wanted(client_id="c1", types=TYPES)).wallets
        for kind, wallet in wallets.items():
            assert breaches(wallet, self.store.entries_after("p1", "c1", kind, 0)) == []
        return {kind: (w.balance + w.debt, w.debt) for kind, w in wallets.items() if w.version}

    def lots(self) -> dict[str, list[Any]]:
        """The lots as a client sees them. Which of several changes of plan brought a rise, and so a lot's
        start, is the one thing that their order decides."""
        wallets = self.store.load("p1", Wanted(client_id="c1", types=TYPES)).wallets
        return {kind: sorted(map(self._seen, wallet.open_lots), key=str) for kind, wallet in wallets.items()}

    def _seen(self, lot: Lot) -> tuple[Any, ...]:
        began = None if (lot.payment or "").endswith("/il_new") else (lot.payment, lot.effective_at)
        return lot.remaining, lot.end, lot.source, bool(lot.frozen), began

    def parked(self) -> tuple[str, ...]:
        return tuple(parked.reason for parked in parking.every_open(self.store, "p1"))


def stated(story: Story, facts: list[Facts]) -> World:
    world = World(story)
    for each in facts:
        world.tell(each)
    return world


SOME_ORDERS = 6


def orders(story: Story, how_many: int | None) -> list[list[Facts]]:
    """All orders of its facts, or so many of them, spread from the first, as heard, to the last, backwards."""
    every = [list(order) for order in permutations(story.facts)]
    if how_many is None or len(every) <= how_many:
        return every
    return [every[(len(every) - 1) * place // (how_many - 1)] for place in range(how_many)]


@pytest.mark.parametrize("how_many", [SOME_ORDERS, pytest.param(None, marks=pytest.mark.prove)], ids=["some", "all"])
@pytest.mark.parametrize("name", STORIES)
def test_every_order_ends_alike(name: str, how_many: int | None) -> None:
    story = STORIES[name]
    plain = stated(story, story.facts)
    assert (plain.ends(), plain.parked()) == (story.ends, story.parked)
    for order in orders(story, how_many):
        mixed = stated(story, order)
        where = [type(each).__name__ for each in order]
        assert (mixed.ends(), mixed.parked(), mixed.lots()) == (story.ends, story.parked, plain.lots()), where


@pytest.mark.prove
@pytest.mark.parametrize("name", STORIES)
def test_every_order_with_every_event_delivered_twice_ends_alike(name: str) -> None:
    story = STORIES[name]
    plain = stated(story, story.facts)
    for order in permutations(story.facts):
        again = [each for pair in zip(order, order[::-1], strict=True) for each in pair]
        mixed = stated(story, again)
        assert (mixed.ends(), mixed.parked(), mixed.lots()) == (story.ends, story.parked, plain.lots())


@pytest.mark.parametrize(
    "backwards", [False, pytest.param(True, marks=pytest.mark.prove)], ids=["in order", "backwards"]
)
@pytest.mark.parametrize("name", STORIES)
def test_a_worker_dying_at_any_call_is_completed_by_the_redelivery(name: str, backwards: bool) -> None:
    story = STORIES[name]
    facts = story.facts[::-1] if backwards else story.facts
    worlds = every_death(lambda: World(story), World.tell, facts)
    whole = next(worlds)
    for point, world in enumerate(worlds, 1):
        assert (world.ends(), world.parked(), world.lots()) == (story.ends, story.parked, whole.lots()), point
