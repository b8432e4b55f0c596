"""Months of a subscription whose credits roll over, against a model that moves single credits by hand.

Each payment is known within its own cycle or ahead of it; credits are spent in between. One wallet is
swept now and then, another never: after every step both hold what the model holds.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import BookingState, spend
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Act, Change, Entry, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.granting import decide_line, grant
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.settings import Settings
from tests.property.strategies import act_at
from tests.support.builders import a_booking, a_catalogue, a_line, a_package, a_payment, a_wallet, an_act

RULES = Settings(allow_booking_without_credits=False)
BOUNDS = [  # the 31st of each month, or the last that it has
    datetime(2028, month, number, 9, tzinfo=UTC)
    for month, number in [(1, 31), (2, 29), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31)]
]
LAST = len(BOUNDS) - 3  # cycles are numbered by the bound they begin at; after the last one all may end


Place = tuple[datetime, datetime, datetime]  # since when, start, end


@dataclass(frozen=True)
class Paid:
    cycle: int
    amount: int
    stated_at: datetime

    @property
    def paid_at(self) -> datetime:
        return min(self.stated_at, BOUNDS[self.cycle])


@dataclass(frozen=True)
class Spent:
    seats: int
    stated_at: datetime


@dataclass(eq=False)
class Credit:
    since: datetime
    start: datetime
    end: int  # the number of the bound at which it ends
    rolled: bool

    @property
    def place(self) -> "Place":
        return self.since, self.start, BOUNDS[self.end]


@dataclass
class Months:
    """Single credits; at each bound the newest of those that end there move on, up to the cap."""

    cap: int | None
    credits: list[Credit] = field(default_factory=list)
    paid: set[int] = field(default_factory=set)
    reached: int = -1

    def pass_time(self, now: datetime) -> None:
        while self.reached + 1 < len(BOUNDS) and BOUNDS[self.reached + 1] <= now:
            self.reached += 1
            ending = [c for c in self.credits if c.end == self.reached]
            self.credits = [c for c in self.credits if c.end != self.reached]
            staying = [c for c in ending if not c.rolled or self.reached - 1 in self.paid]
            staying.sort(key=lambda c: c.since, reverse=True)
            for credit in staying[: self.cap]:
                self.credits.append(Credit(credit.since, BOUNDS[self.reached], self.reached + 1, True))

    def tell(self, news: Paid | Spent, ids: dict[Place, str]) -> None:
        """`ids` are those of the lots: credits that are alike but for their age are spent in that order."""
        self.pass_time(news.stated_at)
        if isinstance(news, Paid):
            self.paid.add(news.cycle)
            since = BOUNDS[news.cycle]
            self.credits += [Credit(since, since, news.cycle + 1, False) for _ in range(news.amount)]
            return
        usable = [c for c in self.credits if c.start <= news.stated_at]
        usable.sort(key=lambda c: (not c.rolled, c.end, c.start, ids[c.place]))
        if len(usable) >= news.seats:
            for credit in usable[: news.seats]:
                self.credits.remove(credit)

    def holds(self) -> Counter[Place]:
        return Counter(c.place for c in self.credits)


@dataclass
class Ledger:
    cap: int | None
    wallet: Wallet = field(default_factory=a_wallet)
    entries: list[Entry] = field(default_factory=list)

    def commit(self, change: Change) -> None:
        self.wallet = change.wallet
        self.entries += change.entries

    def sweep(self, now: datetime) -> None:
        self.commit(settle(untouched(self.wallet), now, RULES))

    def tell(self, news: Paid | Spent) -> None:
        before = settle(untouched(self.wallet), news.stated_at, RULES)
        if isinstance(news, Paid):
            return self.commit(self._granted(before, news))
        name = f"book/{news.stated_at}"
        booking = a_booking(name, news.seats, starts_at=news.stated_at)
        change, booked, _ = spend(before, booking, act_at(news.stated_at, source_id=name), RULES, False)
        if booked.state is BookingState.BOOKED:
            self.commit(change)
        return None

    def _granted(self, before: Change, news: Paid) -> Change:
        package = a_package("monthly", expiry=Expiry(ExpiryKind.CYCLE_END), rollover_cap=self.cap)
        starts, ends = BOUNDS[news.cycle], BOUNDS[news.cycle + 1]
        line = a_line("il_1", subscription_item="si_1", period_start=starts, period_end=ends)
        payment = a_payment(f"in_{news.cycle}", line, paid_at=news.paid_at)
        decision = decide_line(payment, line, a_catalogue(package))
        act = Act(decision.grant_id, an_act().cause, an_act().actor, payment.paid_at, news.stated_at)
        return grant(before, news.amount, decision, payment, act, RULES, room=40)

    def lots(self, now: datetime) -> dict[Place, Lot]:
        found = settle(untouched(self.wallet), now, RULES).wallet.open_lots
        places = {(lot.rollover.since, lot.effective_at, lot.end): lot for lot in found if lot.rollover}
        assert len(places) == len(found)
        return places

    def ids(self, now: datetime) -> dict[Place, str]:
        return {place: lot.lot_id for place, lot in self.lots(now).items()}

    def holds(self, now: datetime) -> Counter[Place]:
        return Counter({place: lot.remaining for place, lot in self.lots(now).items()})


@st.composite
def histories(draw: st.DrawFn) -> list[Paid | Spent]:
    """Most cycles paid, each said from a month ahead until just before its end, and a few bookings."""
    minutes = st.integers(0, 60 * 24 * 29 - 1)
    news: list[Paid | Spent] = []
    for cycle in range(LAST):
        if draw(st.integers(0, 4)):
            begins = BOUNDS[cycle - draw(st.sampled_from([0, 0, 1]))] if cycle else BOUNDS[0]
            stated_at = begins + timedelta(minutes=draw(minutes))
            news.append(Paid(cycle, draw(st.integers(1, 4)), stated_at))
    for seats, month, minute in draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, LAST), minutes), max_size=5)):
        news.append(Spent(seats, BOUNDS[month] + timedelta(minutes=minute, seconds=len(news) + 1)))
    return sorted(news, key=lambda one: one.stated_at)


CAPS = st.sampled_from([1, 3, 5, None])


@given(histories(), CAPS, st.lists(st.integers(0, 24 * 210), max_size=6))
def test_credits_that_roll_over_are_where_single_credits_would_be(
    happened: list[Paid | Spent], cap: int | None, swept_at: list[int]
) -> None:
    model, swept, unswept = Months(cap), Ledger(cap), Ledger(cap)
    sweeps = [BOUNDS[0] + timedelta(hours=hours) for hours in swept_at]
    stated = [BOUNDS[0], *(one.stated_at for one in happened)]
    for news, (since, now) in zip(happened, pairwise(stated), strict=True):
        for sweep in sorted(t for t in sweeps if since < t <= now):
            swept.sweep(sweep)
        model.tell(news, unswept.ids(now))
        for ledger in (swept, unswept):
            ledger.tell(news)
            assert ledger.holds(now) == model.holds()
            assert breaches(ledger.wallet, ledger.entries) == []
    for bound in BOUNDS[:-1]:
        if bound > stated[-1]:
            model.pass_time(bound)
            swept.sweep(bound)
            assert swept.holds(bound) == unswept.holds(bound) == model.holds()
    assert set(swept.wallet.open_lots) == set(settle(untouched(unswept.wallet), BOUNDS[-2], RULES).wallet.open_lots)


@given(histories(), CAPS, st.permutations(range(4)), st.booleans())
def test_what_is_paid_in_one_month_may_be_heard_in_any_order(
    happened: list[Paid | Spent], cap: int | None, order: list[int], swept: bool
) -> None:
    """Payments for this cycle and those to come, said one after the other within this cycle."""
    payments = [one for one in happened if isinstance(one, Paid)][:4]
    if not payments:
        return
    first = min(one.cycle for one in payments)
    now = BOUNDS[first] + timedelta(days=3)
    ledgers = Ledger(cap), Ledger(cap)
    for ledger, one_order in zip(ledgers, (range(4), order), strict=True):
        for number in one_order:
            if number < len(payments):
                ledger.tell(replace(payments[number], stated_at=now))
    for bound in BOUNDS[first + 1 :]:
        for ledger in ledgers[: 1 + swept]:
            ledger.sweep(bound)
        assert ledgers[0].holds(bound) == ledgers[1].holds(bound)
    for ledger in ledgers:
        ledger.sweep(BOUNDS[-1])
    assert set(ledgers[0].wallet.open_lots) == set(ledgers[1].wallet.open_lots)
