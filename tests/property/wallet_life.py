"""Two clients' wallets, kept by domain functions alone, that live through a history said to them.

Keeps what the store would: entries, bookings, payments, emptied lots apart, settings with their dates. How often
a sweep comes by is each life's own: whenever something falls due, late and doubled, or never.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.bookings.booking import Booking, BookingState, CancelledBy, after_cancelled, restore, spend
from client_credits.domain.errors import CreditsError
from client_credits.domain.ids import payment_key
from client_credits.domain.ledger import adjusting
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Change, Entry, untouched
from client_credits.domain.ledger.freezing import past_due, refreeze
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.tranches import Ended, Plan
from client_credits.domain.ledger.transferring import transfer
from client_credits.domain.ledger.wallet import Coming, Freeze, Lot, LotSource, Wallet
from client_credits.domain.payments.clawing_back import Books, Ledger, claw, waited_for
from client_credits.domain.payments.disputing import waits
from client_credits.domain.payments.facts import MoneyBack, RefundStatus
from client_credits.domain.payments.families import Family, family
from client_credits.domain.payments.folding import learned
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.payments.news import news_of
from client_credits.domain.payments.payment_record import PaidGrant, PaymentRecord
from client_credits.domain.practice.catalogue import Expiry
from client_credits.domain.practice.dated_settings import DatedSettings, remembered
from tests.support.builders import DAY, NOW, cancelled

CLIENTS = ("c1", "c2")
KIND, LINE = "follow-up", "il_1"
ROOM = 60
Changes = dict[str, Change]


@dataclass(frozen=True, slots=True)
class Book:
    """A settled wallet with all its entries, those included that no sweep has written yet; and as it is kept."""

    wallet: Wallet
    entries: tuple[Entry, ...]
    kept: Wallet

    @property
    def written(self) -> tuple[Entry, ...]:
        return self.entries[: self.kept.sequence]


class WalletLife:
    def __init__(self, sweeps: Callable[["WalletLife", datetime], None]) -> None:
        self.now, self._sweeps = NOW, sweeps
        self.wallets = {client: Wallet("p1", client, KIND) for client in CLIENTS}
        self.closed: dict[str, dict[str, Lot]] = {client: {} for client in CLIENTS}
        self.entries: dict[str, tuple[Entry, ...]] = dict.fromkeys(CLIENTS, ())
        self.bookings: dict[str, Booking] = {}
        self.payments: dict[str, PaymentRecord] = {}
        self.settings = dict.fromkeys(CLIENTS, DatedSettings({}))
        self.acts = 0

    # -- what the store does -----------------------------------------------------------------

    def act(self, name: str, kind: CauseKind, at: datetime | None = None, **ids: str) -> Act:
        self.acts += 1
        return Act(
            f"{name}/{self.acts}", Cause(kind, ids), Actor("staff", "s1"), min(at or self.now, self.now), self.now
        )

    def settled(self, client: str) -> Change:
        """Knowing every lot it ever had, as operations know those that they name."""
        known = self.wallets[client].knowing(self.closed[client].values())
        return settle(untouched(known), self.now, self.settings[client])

    def commit(self, *changes: Change) -> None:
        for change in changes:
            client = change.wallet.client_id
            for repaid in change.repayments:
                booking = self.bookings[repaid.booking_id]
                self.bookings[repaid.booking_id] = booking.paid_by(change.wallet, (repaid,))
            wallet, closed = change.wallet.without_closed(self.now, most=100)
            self.closed[client] |= {lot.lot_id: lot for lot in closed}
            self.wallets[client] = wallet
            self.entries[client] += change.entries

    def sweep(self) -> None:
        self.commit(*(self.settled(client) for client in CLIENTS))

    def next_due(self) -> datetime | None:
        due = (next_due(self.wallets[client], self.now, self.settings[client]) for client in CLIENTS)
        return min((instant for instant in due if instant), default=None)

    def reach(self, instant: datetime) -> str:
        self._sweeps(self, instant)
        self.now = instant
        return "reached"

    def books(self) -> dict[str, Book]:
        settled = {client: self.settled(client) for client in CLIENTS}
        return {c: Book(s.wallet, self.entries[c] + s.entries, self.wallets[c]) for c, s in settled.items()}

    def lot(self, client: str, lot_id: str) -> Lot | None:
        return self.settled(client).wallet.lot(lot_id)

    # -- bookings ----------------------------------------------------------------------------

    def book(self, booking: Booking, at: datetime) -> str:
        client = booking.client_id or ""
        act = self.act("book", CauseKind.BOOKING, at, booking_id=booking.booking_id)
        change, booked, _ = spend(self.settled(client), booking, act, self.settings[client].now, False)
        self.bookings[booking.booking_id] = booked
        if booked.state is BookingState.BOOKED:
            self.commit(change)
        return str(booked.state)

    def cancel(self, booking_id: str, by: CancelledBy, at: datetime) -> str:
        client = self.bookings[booking_id].client_id or ""
        self.commit(self.settled(client))  # so that the booking knows who repaid it
        stated = cancelled(booking_id, by, client_id=client, occurred_at=min(at, self.now))
        asked, step = after_cancelled(self.bookings[booking_id], stated)
        if step == "restore":
            act = self.act("cancel", CauseKind.BOOKING, at, booking_id=booking_id)
            change, asked = restore(self.settled(client), asked, act, self.settings[client], ROOM)
            self.commit(change)
        self.bookings[booking_id] = asked
        for key in asked.follow:
            self.follow(key.split("/")[0])
        return str(asked.state)

    # -- staff -------------------------------------------------------------------------------

    def adjust(self, client: str, amount: int, ends: datetime | None) -> str:
        act = self.act("adjust", CauseKind.STAFF)
        return self._edit(client, lambda c: adjusting.adjust(c, amount, ends, act, self.settings[client], ROOM))

    def replace(self, client: str, balance: int, ends: datetime | None) -> str:
        act, seen = self.act("set", CauseKind.STAFF), self.wallets[client].version
        of = self.settings[client]
        return self._edit(client, lambda c: adjusting.set_balance(c, balance, seen, ends, act, of, ROOM))

    def extend(self, client: str, lot_id: str, ends: datetime | None) -> str:
        act = self.act("extend", CauseKind.STAFF)
        return self._edit(client, lambda c: adjusting.extend(c, lot_id, ends, act, self.settings[client], ROOM))

    def void(self, client: str, lot_id: str) -> str:
        act = self.act("void", CauseKind.STAFF)
        return self._edit(client, lambda c: adjusting.void(c, lot_id, act))

    def _edit(self, client: str, edit: Callable[[Change], Change]) -> str:
        try:
            self.commit(edit(self.settled(client)))
        except CreditsError as refused:
            return type(refused).__name__
        return "done"

    def give(self, giver: str, receiver: str, amount: int) -> str:
        act = self.act("give", CauseKind.TRANSFER)
        pair, settings = (giver, receiver), (self.settings[giver], self.settings[receiver])
        try:
            self.commit(*transfer(*(self.settled(client) for client in pair), amount, act, *settings, ROOM))
        except CreditsError as refused:
            return type(refused).__name__
        return "done"

    def change(self, client: str | None, name: str, value: object) -> str:
        for each in (client,) if client else CLIENTS:
            known = self.settings[each]
            account, own = dict(known.account), dict(known.client)
            values = own if client else account
            before, after = dict(values), {n: v for n, v in (values | {name: value}).items() if v is not None}
            if client:
                earlier = remembered(known.client_earlier, before, after, self.now)
                self.settings[each] = DatedSettings(account, after, known.account_earlier, earlier)
            else:
                earlier = remembered(known.account_earlier, before, after, self.now)
                self.settings[each] = DatedSettings(after, own, earlier, known.client_earlier)
        return "changed"

    # -- payments, and what becomes of them ----------------------------------------------------

    def pay(self, client: str, payment: PaymentRecord, lot: Lot, months: int, at: datetime) -> str:
        """One line of a payment: a lot, and where `months` is more than 1 a tranche like it each month."""
        act = self.act("pay", CauseKind.PACKAGE, at, payment=payment.payment_id, line=LINE)
        change = add_lot(self.settled(client), lot, act, self.settings[client], ROOM)
        plan = None
        if months > 1:
            ends = lot.effective_at + months * 30 * DAY
            plan = Plan(lot.effective_at, ends, 1, months, lot.granted)
            coming = Coming(act.source_id, lot, plan.starts, 2, months, Expiry(), ends, act.cause.ids)
            change = replace(change, wallet=replace(change.wallet, coming=(*change.wallet.coming, coming)))
            change = settle(change, self.now, self.settings[client], act, limit=ROOM)
        self.commit(change)
        grant = PaidGrant(LINE, client, KIND, payment.paid, lot.lot_id, plan=plan)
        self.payments[payment.payment_id] = replace(payment, grants=(grant,))
        return "granted"

    def hear(self, payment_id: str, news: MoneyBack) -> str:
        self.payments[payment_id] = learned(self.payments[payment_id], news)
        self.follow(payment_id)
        return "followed"

    def end(self, payment_id: str, at: datetime) -> str:
        """Its subscription ends: for good, and at the first instant that was heard."""
        record = self.payments[payment_id]
        first = min([at, *(ended.at for ended in record.ends)])
        self.payments[payment_id] = replace(record, ends=(Ended(record.subscription or "", first),))
        self.follow(payment_id)
        return "ended"

    def past_due(self, payment_id: str, is_so: bool) -> str:
        subscription = self.payments[payment_id].subscription or ""
        causes = (past_due(subscription, self.now),) if is_so else ()
        self._freeze(payment_id, subscription, lambda _: causes)
        return "stated"

    def follow(self, payment_id: str) -> None:
        """As operations do: freezes first and unfreezes last; what is given back reaches all who have its credits."""
        record, key = self.payments[payment_id], payment_key(payment_id, LINE)
        opened = record.open_disputes
        if record.disputes:
            self._freeze(payment_id, key, lambda known: tuple(dict.fromkeys((*known, *opened))))
        if waits(record.disputes):
            self._put_off(payment_id)
        self._claw(payment_id)
        if record.disputes:
            self._freeze(payment_id, key, lambda _: opened)

    def _freeze(self, payment_id: str, about: str, causes: Callable[[tuple[Freeze, ...]], tuple[Freeze, ...]]) -> None:
        act = self.act("freeze", CauseKind.DISPUTE, payment=payment_id)
        for client, change in self._holders(payment_id).items():
            settings = self.settings[client]
            own = {about: causes(change.wallet.mark(about).frozen)}
            self.commit(settle(refreeze(change, own, act, settings.now), self.now, settings, act, limit=ROOM))

    def _put_off(self, payment_id: str) -> None:
        changes, act = self._holders(payment_id), self.act("extend", CauseKind.DISPUTE, payment=payment_id)
        of, ledger = self._heard(payment_id, changes)
        for client, change in changes.items():
            later = waited_for(change, [of], ledger, act)
            self.commit(settle(later, self.now, self.settings[client], act, limit=ROOM))

    def _claw(self, payment_id: str) -> None:
        record, changes = self.payments[payment_id], self._holders(payment_id)
        news = max((at for at, _ in news_of(record)), default=self.now)
        act = self.act("clawback", CauseKind.REFUND, news, payment=payment_id)
        of, ledger = self._heard(payment_id, changes)
        books = Books({(client, KIND): change for client, change in changes.items()}, act, ledger)
        (grant,) = record.grants
        part = given_back(record).part_of(LINE, record.paid)
        grant = claw(books, payment_id, grant, part, of, owe=True, ends=record.ends)
        for (client, _), change in books.changes().items():
            self.commit(settle(change, self.now, self.settings[client], act, limit=ROOM))
        self.payments[payment_id] = replace(record, grants=(grant,))

    def _heard(self, payment_id: str, changes: Changes) -> tuple[Family, Ledger]:
        record = self.payments[payment_id]
        entries = [e for client, change in changes.items() for e in (*self.entries[client], *change.entries)]
        failed = {r.refund_id: r.at for r in record.refunds if r.status is RefundStatus.FAILED}
        of = family(payment_id, record.grants[0], entries, record.ends)
        return of, Ledger({KIND: entries}, waits(record.disputes), failed)

    def _holders(self, payment_id: str) -> Changes:
        """The settled wallets of the buyer and of all who were given some of its credits."""
        key, buyer = payment_key(payment_id, LINE), self.payments[payment_id].grants[0].client_id
        had = {c for c in CLIENTS for e in self.entries[c] for p in e.postings if p.facts and p.facts.payment == key}
        return {client: self.settled(client) for client in CLIENTS if client in had | {buyer}}


def a_lot(payment_id: str, amount: int, begins: datetime, ends: datetime | None, subscription: str | None) -> Lot:
    key = payment_key(payment_id, LINE)
    lot = Lot(f"lot-{payment_id}", amount, begins, ends, LotSource.PURCHASE, remaining=amount, payment=key)
    return replace(lot, subscription=subscription)


# -- how sweeps come by -----------------------------------------------------------------------


def whenever_due(life: WalletLife, until: datetime) -> None:
    life.sweep()
    while (due := life.next_due()) and due <= until:
        life.now = due
        life.sweep()


def late_and_doubled(life: WalletLife, until: datetime) -> None:
    if until - life.now > DAY:
        life.now = until
        life.sweep()
        life.sweep()


def never(_life: WalletLife, _until: datetime) -> None:
    pass
