"""Merging at any point of any history keeps every law and every credit, whichever id is named before and after."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.errors import CreditsError
from client_credits.domain.payments.facts import Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, OPERATOR, STRIPE, Context
from client_credits.operations.payments.money_back import apply_money_back
from client_credits.operations.payments.paying import pay
from client_credits.operations.queries.credits import credits_of
from client_credits.operations.queries.verifying import check_client
from client_credits.operations.staff.editing import adjust, transfer
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.merging import merge_clients
from client_credits.store import writes
from client_credits.store.store import Store
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_package, a_payment, cancelled, created
from tests.support.memory_table import memory_store

CLIENTS = ("a", "b")  # two records of one person; `c` is another one
LASTING, ENDING = (
    a_package("lasting"),
    a_package("ending", stripe_prices=("price_2",), expiry=Expiry(ExpiryKind.DAYS, 3)),
)
ROOM = 6  # payments and bookings of a history


@dataclass(frozen=True)
class Happening:
    """One thing that happens, to or by the record of `who`; `number` names a payment or booking."""

    kind: str
    who: str
    number: int
    amount: int


KINDS = ("pay", "book", "cancel", "adjust", "give", "refund", "fail", "dispute", "win", "wait")
happenings = st.lists(
    st.builds(
        Happening,
        st.sampled_from(KINDS),
        st.sampled_from(CLIENTS),
        st.integers(0, ROOM - 1),
        st.integers(1, 4),
    ),
    min_size=3,
    max_size=25,
)


@dataclass
class World:
    """A practice in memory with the three clients, and its clock. `ends`: payments buy credits that end."""

    ends: bool
    store: Store = field(default_factory=lambda: memory_store()[0])
    now: datetime = NOW
    count: int = 0

    def __post_init__(self) -> None:
        catalogue = a_catalogue(LASTING, ENDING, types=("follow-up",))
        profiles = [writes.client("p1", Client(each, created_at=NOW)) for each in (*CLIENTS, "c")]
        account = Account("p1", created_at=NOW, catalogue_version=1)
        self.store.commit([writes.account(account), writes.catalogue("p1", replace(catalogue, version=0)), *profiles])

    def context(self, actor: Any = OPERATOR) -> Context:
        return Context(self.store, "p1", actor, self.now)

    def happens(self, what: Happening) -> None:
        """Carries it out as its source would; what is refused changes nothing."""
        self.count += 1
        self.now += HOUR
        act: Callable[[Happening], object] = getattr(self, f"_{what.kind}")
        try:
            act(what)
        except CreditsError:
            return

    def merge(self) -> None:
        self.now += HOUR
        merge_clients(self.context(), "a", "b", Keyed("merge", "merge"))

    def total(self) -> int:
        """The credits of the person, whether their records are one or two, and of the other client."""
        owners = {credits_of(self.context(), each).client_id for each in (*CLIENTS, "c")}
        return sum(line.balance for each in owners for line in credits_of(self.context(), each).credits)

    def breaches(self) -> list[object]:
        goes_on = {credits_of(self.context(), each).client_id for each in (*CLIENTS, "c")}
        return [b for each in goes_on if (found := check_client(self.store, "p1", each)) for b in found.breaches]

    def _pay(self, what: Happening) -> None:
        number = what.number
        payment = a_payment(
            f"in_{number}",
            client_id=what.who,
            customer=None,
            subscription=None,
            payment_intent=f"pi_{number}",
            paid=9000,
            paid_at=self.now,
        )
        if self.ends:
            payment = replace(payment, lines=tuple(replace(line, price="price_2") for line in payment.lines))
        pay(self.context(STRIPE), payment)

    def _book(self, what: Happening) -> None:
        event = created(
            f"b{what.number}",
            client_id=what.who,
            seats=what.amount,
            occurred_at=self.now,
            starts_at=self.now + 2 * HOUR,
        )
        spending.book(self.context(BOOKINGS), event)

    def _cancel(self, what: Happening) -> None:
        event = cancelled(f"b{what.number}", CancelledBy.PRACTICE, client_id=what.who, occurred_at=self.now)
        spending.cancel(self.context(BOOKINGS), event)

    def _adjust(self, what: Happening) -> None:
        amount = what.amount if what.number % 2 else -what.amount
        adjust(self.context(), what.who, "follow-up", amount, Keyed(f"k{self.count}", ""), "counted")

    def _give(self, what: Happening) -> None:
        ends = (what.who, "c") if what.number % 2 else ("c", what.who)
        transfer(self.context(), *ends, "follow-up", 1, Keyed(f"k{self.count}", ""))

    def _refund(self, what: Happening) -> None:
        self._news(what, refunds=(Refund(f"re_{what.number}", 9000, RefundStatus.SUCCEEDED, self.now),))

    def _fail(self, what: Happening) -> None:
        self._news(what, refunds=(Refund(f"re_{what.number}", 9000, RefundStatus.FAILED, self.now),))

    def _dispute(self, what: Happening) -> None:
        self._news(what, disputes=(Dispute(f"dp_{what.number}", 9000, DisputeStatus.OPEN, self.now),))

    def _win(self, what: Happening) -> None:
        self._news(what, disputes=(Dispute(f"dp_{what.number}", 9000, DisputeStatus.WON, self.now),))

    def _news(self, what: Happening, **news: Any) -> None:
        names = (f"in_{what.number}", f"pi_{what.number}")
        apply_money_back(self.context(STRIPE), MoneyBack("evt", "own", "test", self.now, *names, **news))

    def _wait(self, what: Happening) -> None:
        self.now += what.amount * DAY


@settings(max_examples=40, deadline=None)
@given(before=happenings, after=happenings, ends=st.booleans())
def test_a_merge_at_any_point_keeps_every_law_and_every_credit(
    before: list[Happening], after: list[Happening], ends: bool
) -> None:
    world = World(ends)
    for what in before:
        world.happens(what)
    world.now += HOUR
    had = world.total()
    world.now -= HOUR
    world.merge()
    assert world.total() == had, "a merge makes and loses nothing"
    assert world.breaches() == []
    for what in after:
        world.happens(what)
        assert world.breaches() == [], what
    assert credits_of(world.context(), "a") == credits_of(world.context(), "b")


@settings(max_examples=25, deadline=None)
@given(before=happenings, after=happenings)
def test_a_person_has_as_many_credits_as_two_records_would_have_had(
    before: list[Happening], after: list[Happening]
) -> None:
    """While credits do not end, and nothing is given away or lowered (which is gone for a refund of the lot it was
    taken from), which lots pay for what makes no difference to the sum."""

    def counts(what: Happening) -> bool:
        lowers = what.kind == "adjust" and not what.number % 2
        return what.kind != "give" and not lowers

    merged, apart = World(ends=False), World(ends=False)
    for world in (merged, apart):
        for what in before:
            if counts(what):
                world.happens(what)
        if world is merged:
            world.merge()
        else:
            world.now += HOUR
        for what in after:
            if counts(what):
                world.happens(what)
    assert merged.total() == apart.total()
