"""One client's credits for one appointment type: lots, debts, holds, and the numbers they give.

Owns the values and their arithmetic. Knows no rule of any operation.
Credits are whole numbers; instants are UTC; a lot lasts for `effective_at <= t < expires_at`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from client_credits.domain.dates import FOREVER
from client_credits.domain.practice.catalogue import Expiry
from client_credits.domain.practice.settings import Settings
from client_credits.domain.words import Unknown

MAX_OPEN = 500  # lots, debts and holds together, that callers may bring; what undoes has as much room again
EMPTIED_KEPT = 2  # emptied lots that stay in the wallet
MAX_TYPES = 25  # wallets in one operation


class LotSource(StrEnum):
    PURCHASE = "purchase"
    CYCLE = "cycle"
    COMPLIMENTARY = "complimentary"
    GRACE = "grace"
    ROLLED_OVER = "rolled_over"
    IMPORTED = "imported"


PRIORITY = {LotSource.ROLLED_OVER: 40, LotSource.COMPLIMENTARY: 60}
DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Value:
    """What a lot was paid: `amount` minor units of `currency` for `credits` credits."""

    amount: int
    currency: str
    credits: int


@dataclass(frozen=True, slots=True)
class Rollover:
    """What of a cycle's lot moves on when the cycle ends, and for how long.

    `cap` bounds what one subscription carries over, None: all of it. The interval is `months` or
    `days` (exactly one of them); months count from `anchor_day`. `since` is when the credits first came.
    The lot ends `put_off_seconds` later than its cycle, for a refund that failed had its credits so long, and
    was itself kept `late_seconds` after the end of the cycle before.
    """

    cap: int | None
    since: datetime
    months: int = 0
    days: int = 0
    anchor_day: int = 0
    put_off_seconds: int = 0
    late_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why a lot cannot be used, and since when."""

    cause: str  # `dispute/<id>`, `past_due/<subscription>`
    since: datetime


@dataclass(frozen=True, slots=True)
class Lot:
    """What remains of one grant. A lot made from a lot keeps its payment, value and cycle and names its parent.

    Its end, priority and package stand here and nowhere else: whoever was paid by it names it.
    """

    lot_id: str
    granted: int
    effective_at: datetime
    expires_at: datetime | None
    source: LotSource | Unknown
    remaining: int = 0
    priority: int = DEFAULT_PRIORITY
    package_id: str | None = None
    payment: str | None = None
    subscription: str | None = None
    value: Value | None = None
    parent: str | None = None
    cycle: tuple[datetime, datetime] | None = None  # of a subscription's grant: the paid cycle's start and end
    frozen: tuple[Freeze, ...] = ()  # it is usable when there is none
    rollover: Rollover | None = None
    voided: bool = False  # by staff: what returns to it is taken again
    paused_seconds: int = 0  # by how much its end was put off for disputes that were won
    extended: bool = False  # by staff: no later correction brings its end forward

    @property
    def end(self) -> datetime:
        return self.expires_at or FOREVER

    def usable(self, at: datetime, starts_at: datetime | None = None) -> bool:
        """Usable at `at` and, where a session is named, still unexpired when it starts."""
        lasts = self.effective_at <= at < self.end
        return lasts and not self.frozen and (starts_at is None or self.end > starts_at)


class DebtCause(StrEnum):
    BOOKING = "booking"
    PAYMENT = "payment"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Debt:
    """Credits owed. `ref` is the booking's, payment's or operation's id; a booking's debt has its start."""

    cause: DebtCause | Unknown
    ref: str
    amount: int
    since: datetime
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits of named lots set aside until `expires_at`, when the hold lapses by itself."""

    hold_id: str
    parts: tuple[tuple[str, int], ...]  # (lot id, credits)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """What binds credits that return to the lots of one payment, or of one subscription (`about`).

    `frozen` are the causes that freeze them. `short` says that more of the payment was given back
    than its lots held: what returns belongs to that first.
    """

    about: str
    frozen: tuple[Freeze, ...] = ()
    short: bool = False


@dataclass(frozen=True, slots=True)
class Cycle:
    """The newest paid cycle of a subscription whose credits roll over."""

    subscription: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Coming:
    """The tranches that a paid cycle still brings: the next is number `number` of `count` (from 1).

    Tranche n begins n - 1 months after `starts`; this plan's first was number `first`. `lot` is that
    one's, with the credits of each. While there is a cause in `stopped` none comes. Of each that comes
    a part is withheld: `undone` (numerator, denominator) of all so far, rounded down.
    """

    source_id: str
    lot: Lot
    starts: datetime
    number: int
    count: int
    expiry: Expiry
    cycle_end: datetime
    cause: dict[str, str] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    undone: tuple[int, int] = (0, 1)
    first: int = 1
    item: str | None = None  # the subscription's item that was paid for


@dataclass(frozen=True, slots=True)
class TakenIn:
    """Another record of the same person whose wallet this one took in, in its entries after `since`."""

    client_id: str
    since: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """The unit of consistency: every change raises `version`; `sequence` numbers its entries.

    `last_at` is when the newest entry was recorded. One `merged_into` another client's has nothing left.
    The last `settlings` versions only settled: who saw the wallet before them has seen nothing that is out of date.
    """

    practice_id: str
    client_id: str
    appointment_type: str
    version: int = 0
    sequence: int = 0
    granted_total: int = 0
    last_at: datetime | None = None
    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()
    holds: tuple[Hold, ...] = ()
    marks: tuple[Mark, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    coming: tuple[Coming, ...] = ()
    settled_at: datetime | None = None  # while lots stand beside debts: no debt is repaid as of before
    settlings: int = 0
    merged_into: str | None = None
    taken_in: tuple[TakenIn, ...] = ()

    @property
    def owners(self) -> tuple[str, ...]:
        """Its client, and the other records of the same person whose wallets it took in."""
        return (self.client_id, *(each.client_id for each in self.taken_in))

    @property
    def balance(self) -> int:
        """Remaining lots, expired but not yet written off included, minus debts; what entries sum to."""
        return sum(lot.remaining for lot in self.lots) - self.debt

    @property
    def debt(self) -> int:
        return sum(debt.amount for debt in self.debts)

    @property
    def open_lots(self) -> tuple[Lot, ...]:
        """The lots that have credits. An emptied one stays among `lots` until it is stored apart."""
        return tuple(lot for lot in self.lots if lot.remaining)

    @property
    def open_count(self) -> int:
        return len(self.open_lots) + len(self.debts) + len(self.holds) + len(self.coming)

    def balance_at(self, at: datetime) -> int:
        """Remaining of the lots not expired at `at`, minus debts. Minus n: n sessions not paid for."""
        return sum(lot.remaining for lot in self.lots if at < lot.end) - self.debt

    def lot(self, lot_id: str) -> Lot | None:
        """An open lot, or an emptied one that was loaded or has not been stored apart yet."""
        return next((lot for lot in self.lots if lot.lot_id == lot_id), None)

    def knowing(self, closed: Iterable[Lot]) -> "Wallet":
        """The wallet with closed lots that were stored apart beside its own."""
        known = {lot.lot_id for lot in self.lots}
        more = tuple(lot for lot in closed if lot.lot_id not in known)
        return replace(self, lots=(*self.lots, *more)) if more else self

    def held(self, lot_id: str, at: datetime) -> int:
        """Credits of a lot set aside by holds that still live."""
        live = (hold for hold in self.holds if at < hold.expires_at)
        return sum(amount for hold in live for part, amount in hold.parts if part == lot_id)

    def free(self, lot: Lot, at: datetime) -> int:
        """What a lot has beyond its holds."""
        return lot.remaining - self.held(lot.lot_id, at)

    def usable_lots(self, at: datetime, starts_at: datetime | None = None) -> list[Lot]:
        """The lots that may pay, in burn order."""
        return burn_order(lot for lot in self.open_lots if lot.usable(at, starts_at))

    def mark(self, about: str | None) -> Mark:
        return next((mark for mark in self.marks if mark.about == about), Mark(about or ""))

    def with_mark(self, mark: Mark) -> "Wallet":
        """The wallet with this mark in place of its former self; one that says nothing is dropped."""
        if mark == self.mark(mark.about):
            return self
        others = tuple(other for other in self.marks if other.about != mark.about)
        return replace(self, marks=(*others, mark) if mark.frozen or mark.short else others)

    def with_lot(self, lot: Lot) -> "Wallet":
        """The wallet with this lot in place of its former self. An emptied one stays: others may name it."""
        assert 0 <= lot.remaining <= lot.granted, lot
        others = tuple(other for other in self.lots if other.lot_id != lot.lot_id)
        return replace(self, lots=(*others, lot))

    def without_closed(self, now: datetime, most: int) -> tuple["Wallet", tuple[Lot, ...]]:
        """The wallet without (at most so many) emptied lots, and these, to be stored apart.

        A rolled-over one stays while its end may still be corrected. The last two that have not ended stay,
        too: most credits that return were spent of late, and their cancellation then reads just once.
        """
        rolls = LotSource.ROLLED_OVER
        emptied = [lot for lot in self.lots if not lot.remaining and not (lot.source is rolls and now < lot.end)]
        staying = [lot for lot in emptied if now < lot.end][-EMPTIED_KEPT:]
        emptied = [lot for lot in emptied if lot not in staying]
        if not (closed := tuple(emptied[:most])):
            return self, ()
        gone = {lot.lot_id for lot in closed}
        stored = tuple(replace(lot, frozen=()) for lot in closed)
        return replace(self, lots=tuple(lot for lot in self.lots if lot.lot_id not in gone)), stored

    def with_debt(self, debt: Debt) -> "Wallet":
        """The wallet with this debt in place of its former self; a debt of nothing is dropped."""
        assert debt.amount >= 0, debt
        others = tuple(d for d in self.debts if (d.cause, d.ref) != (debt.cause, debt.ref))
        return replace(self, debts=(*others, debt) if debt.amount else others)

    def booking_debt(self, booking_id: str) -> Debt | None:
        found = (d for d in self.debts if d.cause is DebtCause.BOOKING and d.ref == booking_id)
        return next(found, None)


def burn_order(lots: Iterable[Lot]) -> list[Lot]:
    """Total order in which lots are spent: priority, then the soonest end (never last), then the
    earliest start, then the lot id."""
    return sorted(lots, key=burn_place)


def burn_place(lot: Lot) -> tuple[int, datetime, datetime, str]:
    """Where a lot stands in burn order."""
    return lot.priority, lot.end, lot.effective_at, lot.lot_id


def take(lots: Iterable[tuple[Lot, int]], amount: int) -> Iterator[tuple[Lot, int]]:
    """Splits `amount` over lots in the order given, each giving at most its own number."""
    for lot, has in lots:
        part = min(has, amount)
        if part > 0:
            yield lot, part
            amount -= part


def available(wallet: Wallet, at: datetime, starts_at: datetime | None = None, *, settings: Settings) -> int:
    """Credits that may be spent: what usable lots have beyond holds and, while `auto_repay` holds, beyond
    the debts they could repay.

    Never below 0. With credit_must_cover = session a lot pays a session only if it lasts until the
    session starts; that governs which debts a lot could repay, too.
    """
    must_cover = settings.credit_must_cover == "session"
    session = starts_at if must_cover else None
    has = {lot.lot_id: wallet.free(lot, at) for lot in wallet.open_lots if lot.usable(at, session)}
    if not settings.auto_repay:
        return max(0, sum(has.values()))
    ends = {lot.lot_id: lot.end for lot in wallet.lots}
    # Sets of lots able to repay a debt are nested by the session's start, so serving the latest
    # session first reserves as many credits as any other order would.
    latest_first = sorted(wallet.debts, key=lambda d: _start(d, must_cover), reverse=True)
    for debt in latest_first:
        owed = debt.amount
        for lot_id in sorted(has, key=lambda i: ends[i]):
            if owed and ends[lot_id] > _start(debt, must_cover):
                part = min(has[lot_id], owed)
                has[lot_id] -= part
                owed -= part
    return max(0, sum(has.values()))


def _start(debt: Debt, must_cover: bool) -> datetime:
    past = datetime.min.replace(tzinfo=UTC)
    return debt.starts_at if must_cover and debt.starts_at else past
