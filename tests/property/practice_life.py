"""One practice in memory that lives through a history said to it: the only place that calls the operations.

Every act answers with a word for how it ended, which practices that live through the same agree on. How
often a sweep comes by is each practice's own: whenever something falls due, late and doubled, or never.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.bookings.booking import Booking, Cancelled, Created
from client_credits.domain.errors import CreditsError
from client_credits.domain.ledger.entries import Actor, Entry, untouched
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.facts import MoneyBack, Payment, SubscriptionNews
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import money_back, paying
from client_credits.operations.staff import editing, practices
from client_credits.operations.staff.bulk import change_all
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.leftovers import Leftovers
from client_credits.operations.staff.undoing import undo
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from tests.property.memory import PRACTICE, sweep
from tests.support.builders import DAY, NOW, a_package
from tests.support.memory_table import memory_store

CLIENTS = ("c1", "c2")
KIND = "follow-up"
STAFF = Actor("staff", "s1")
PERIOD = timedelta(days=30)  # of the monthly subscription
SPELL = Expiry(ExpiryKind.DAYS, 3)
OFFERS = {
    "forever": a_package("forever", credits={KIND: 2}),
    "short": a_package("short", credits={KIND: 3}, expiry=SPELL),
    "monthly": a_package("monthly", credits={KIND: 4}, expiry=Expiry(ExpiryKind.CYCLE_END), rollover_cap=2),
    "year": a_package("year", credits={KIND: 2}, monthly_tranches=True),
    "spells": a_package("spells", credits={KIND: 2}, monthly_tranches=True, expiry=SPELL),
}


@dataclass(frozen=True, slots=True)
class Book:
    """A settled wallet with all its entries, those included that no sweep has written yet; and as it is stored."""

    wallet: Wallet
    entries: list[Entry]
    stored: Wallet

    @property
    def written(self) -> list[Entry]:
        return self.entries[: self.stored.sequence]


Books = dict[str, Book]  # by client


class Life:
    """Written through operations alone, once its account, catalogue and clients stand in the table."""

    def __init__(self, sweeps: Callable[["Life", datetime], None], **settings: object) -> None:
        self.store, self.table = memory_store()
        self.now, self.sweeps = NOW, sweeps
        self._books: Books = {}
        self._read_at: datetime | None = None
        self.table.changed = self._written
        packages = {name: replace(p, stripe_prices=(f"price_{name}",)) for name, p in OFFERS.items()}
        catalogue = Catalogue(types={KIND: AppointmentType(KIND, KIND)}, packages=packages)
        account = Account(PRACTICE, settings, NOW, catalogue_version=1)
        clients = [writes.client(PRACTICE, Client(client, created_at=NOW)) for client in CLIENTS]
        self.store.commit([writes.account(account), writes.catalogue(PRACTICE, catalogue), *clients])

    def reach(self, instant: datetime) -> str:
        self.sweeps(self, instant)
        self.now = instant
        return "reached"

    # -- what is known ------------------------------------------------------------------------

    def hear(self, news: Payment | MoneyBack | SubscriptionNews | Created | Cancelled) -> str:
        match news:
            case Payment():
                return " ".join(str(outcome.fate) for outcome in paying.pay(self._by(STRIPE), news))
            case MoneyBack():
                return money_back.apply_money_back(self._by(STRIPE), news)
            case SubscriptionNews():
                return paying.subscription_heard(self._by(STRIPE), news)
            case Created():
                return str(spending.book(self._by(BOOKINGS), news).booking.state)
            case Cancelled():
                return str(spending.cancel(self._by(BOOKINGS), news).booking.state)

    def _by(self, actor: Actor) -> Context:
        return Context(self.store, PRACTICE, actor, self.now)

    # -- what staff do -----------------------------------------------------------------------

    def adjust(self, client: str, amount: int, ends: datetime | None, key: str) -> str:
        asked = client, KIND, amount, Keyed(key, str(amount)), "by hand", ends
        return _answer(lambda: editing.adjust(self._by(STAFF), *asked))

    def replace(self, client: str, balance: int, ends: datetime | None) -> str:
        """Staff save the number for the version that they see."""
        wanted = [editing.NewBalance(KIND, balance, self._loaded(client).wallets[KIND].version, ends)]
        return _answer(lambda: editing.set_balances(self._by(STAFF), client, wanted))

    def transfer(self, giver: str, receiver: str, amount: int, key: str) -> str:
        asked = giver, receiver, KIND, amount, Keyed(key, str(amount))
        return _answer(lambda: editing.transfer(self._by(STAFF), *asked))

    def undo(self, client: str, sequence: int, key: str) -> str:
        return _answer(lambda: undo(self._by(STAFF), client, KIND, sequence, Keyed(key, str(sequence))))

    def extend_all(self, rule: ExtensionRule, key: str) -> str:
        return _answer(lambda: change_all(self._by(STAFF), Extension(rule), Keyed(key, ""), "a closure"))

    def expire_leftovers(self, rule: LeftoversRule, key: str) -> str:
        return _answer(lambda: change_all(self._by(STAFF), Leftovers(rule), Keyed(key, ""), None))

    def extend(self, client: str, lot_id: str, ends: datetime | None) -> str:
        return _answer(lambda: editing.change_lot(self._by(STAFF), client, KIND, lot_id, expires_at=ends))

    def void(self, client: str, lot_id: str) -> str:
        return _answer(lambda: editing.change_lot(self._by(STAFF), client, KIND, lot_id, void=True))

    def change(self, client: str | None, name: str, value: object) -> str:
        """A setting of the account, or of one client."""
        if client:
            practices.change_client_settings(self._by(STAFF), client, {name: value})
        else:
            practices.change_account_settings(self._by(STAFF), {name: value})
        return "changed"

    # -- sweeps ------------------------------------------------------------------------------

    def settle_all(self) -> None:
        for client in CLIENTS:
            sweeping.settle_one(self._by(STRIPE), client, KIND)

    def next_due(self) -> datetime | None:
        known = [self._loaded(client) for client in CLIENTS]
        found = (next_due(loaded.wallets[KIND], self.now, loaded.dated) for loaded in known)
        return min((due for due in found if due), default=None)

    # -- what is there -----------------------------------------------------------------------

    def books(self) -> Books:
        """What any answer rests on, read anew where something was written or time has passed."""
        if self._read_at != self.now:
            self._books = {client: self._book(client) for client in CLIENTS}
            self._read_at = self.now
        return self._books

    def _book(self, client: str) -> Book:
        loaded = self._loaded(client)
        stored, entries = loaded.wallets[KIND], self.store.entries_after(PRACTICE, client, KIND, 0)
        change = settle(untouched(stored), self.now, loaded.dated)
        return Book(change.wallet, [*entries, *change.entries], stored)

    def _written(self, _before: object, _after: object) -> None:
        self._read_at = None

    def bookings(self, booking_ids: Iterable[str]) -> list[Booking]:
        found = self.store.load(PRACTICE, Wanted(bookings=tuple(booking_ids))).bookings if booking_ids else {}
        return list(found.values())

    def lot(self, wallet: Wallet, lot_id: str) -> Lot | None:
        """An emptied one that is stored apart, too."""
        return wallet.lot(lot_id) or next(iter(self.store.closed_lots(wallet, [lot_id])), None)

    def _loaded(self, client: str) -> Loaded:
        return self.store.load(PRACTICE, Wanted(client_id=client, types=(KIND,)))


def _answer(act: Callable[[], object]) -> str:
    try:
        act()
    except CreditsError as refused:
        return type(refused).__name__
    return "done"


# -- how sweeps come by -----------------------------------------------------------------------


def whenever_due(life: Life, until: datetime) -> None:
    """The schedule as it should be: at each instant at which something falls due."""
    life.settle_all()
    while (due := life.next_due()) and due <= until:
        life.now = due
        life.settle_all()


def late_and_doubled(life: Life, until: datetime) -> None:
    """Only after a long time, and then the whole schedule comes by twice, a few items a page."""
    if until - life.now > DAY:
        life.now = until
        for _ in range(2):
            sweep(life.store, until, limit=2)


def never(_life: Life, _until: datetime) -> None:
    pass
