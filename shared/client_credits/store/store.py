"""What operations load and commit: typed records in front of the table.

Owns the batch read that a decision rests on, and the worker's copy of each practice's catalogue,
which is read again whenever the settings item, read every time, names another version.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.money import Money
from client_credits.domain.payments.parked import Parked
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.reconciliation import Reconciliation
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.authorizations import Authorization, AuthorizationRef
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.client_links import ClientLink
from client_credits.domain.practice.jobs import Job
from client_credits.domain.practice.records import Account, Client
from client_credits.domain.practice.staff import StaffMember
from client_credits.domain.practice.verification import Verification
from client_credits.store import codec, keys, writes
from client_credits.store.keys import Key
from client_credits.store.lists import Lists
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import Item, Table, Write

T = TypeVar("T")
CATALOGUES_KEPT = 256


class Store(Lists):
    """One table's records. Keeps catalogues for as long as the worker lives."""

    def __init__(self, table: Table, *, rehearsing: bool = False) -> None:
        super().__init__(table)
        self.rehearsing = rehearsing
        self._catalogues: dict[str, Catalogue] = {}

    def rehearsal(self) -> "Store":
        """The same records, and commits that write nothing: every operation answers as if."""
        store = Store(self.table, rehearsing=True)
        store._catalogues = self._catalogues
        return store

    def load(self, practice_id: str, wanted: Wanted) -> Loaded:
        """One batch read; one more after a change of the catalogue, and for a client that was merged into another
        one, whose records are given in place of its own. Raises NotFound: no such practice."""
        loaded = self._load(practice_id, wanted)
        if wanted.as_stored or not (names := loaded.gone):
            return loaded
        found = (*loaded.wallets.values(), *loaded.also.values())
        left = [(w.client_id, w.appointment_type) for w in found if w.client_id in names and _is_unmoved(w)]
        return self.load(practice_id, wanted.of_others(names)).known_as(names, left)

    def _load(self, practice_id: str, wanted: Wanted) -> Loaded:
        known = self._catalogues.get(practice_id)
        asked = self._keys(practice_id, wanted, known)
        items = self.table.get(asked)
        account = codec.versioned(Account, items.get(keys.account(practice_id)))
        if account is None:
            raise NotFound("There is no such practice.")
        if known is None or known.version != account.catalogue_version:
            known = self._fresh(practice_id, items, account.catalogue_version)
            if wanted.every_type:
                items |= self.table.get(set(self._keys(practice_id, wanted, known)) - set(asked))
        return self._loaded(practice_id, wanted, items, account, known)

    def catalogue(self, practice_id: str) -> Catalogue:
        """The catalogue as last seen by this worker, read now if it never was. It may be out of date:
        use it to choose what to load, and decide on the one that `load` returns."""
        return self._catalogues.get(practice_id) or self.load(practice_id, Wanted()).catalogue

    def commit(self, items: Sequence[Write]) -> None:
        """All or nothing; raises Conflicted. A rehearsal commits nothing."""
        if not self.rehearsing:
            self.table.transact(items)

    def entries(self, practice_id: str, client_id: str, appointment_type: str, sequences: Iterable[int]) -> list[Entry]:
        """Entries by their numbers, in order."""
        wanted = [keys.entry(practice_id, client_id, appointment_type, n) for n in sequences]
        found = self.table.get(wanted)
        return [codec.from_item(Entry, found[key]) for key in wanted if key in found]

    def _keys(self, practice_id: str, wanted: Wanted, catalogue: Catalogue | None) -> list[Key]:
        found = [keys.account(practice_id)]
        if catalogue is None:
            found.append(keys.catalogue(practice_id))
        if wanted.client_id:
            types = catalogue.types if wanted.every_type and catalogue else wanted.types
            found.append(keys.client(practice_id, wanted.client_id))
            found += [keys.wallet(practice_id, wanted.client_id, t) for t in types]
        found += [keys.operation(practice_id, source_id) for source_id in wanted.source_ids]
        bookings = (*wanted.bookings, *([wanted.booking_id] if wanted.booking_id else []))
        found += [keys.booking(practice_id, b) for b in bookings]
        found += [keys.link(practice_id, kind, external) for kind, external in wanted.links]
        if wanted.parked_id:
            found.append(keys.parked(practice_id, wanted.parked_id))
        found += [keys.wallet(practice_id, *pair) for pair in wanted.also]
        found += [keys.client(practice_id, client_id) for client_id in wanted.others]
        found += [keys.payment(practice_id, payment_id) for payment_id in wanted.payments]
        found += [keys.money(practice_id, money) for money in wanted.money]
        if wanted.subscription:
            found.append(keys.subscription(practice_id, wanted.subscription))
        return found

    def _fresh(self, practice_id: str, items: dict[Key, Item], version: int) -> Catalogue:
        key = keys.catalogue(practice_id)
        item = items.get(key) or self.table.get([key]).get(key)
        catalogue = codec.versioned(Catalogue, item) or Catalogue()
        if catalogue.version < version:  # read in one batch with newer settings: look again
            catalogue = codec.versioned(Catalogue, self.table.get([key]).get(key)) or Catalogue()
        if len(self._catalogues) >= CATALOGUES_KEPT:
            self._catalogues.clear()
        self._catalogues[practice_id] = catalogue
        return catalogue

    def _loaded(
        self,
        practice_id: str,
        wanted: Wanted,
        items: dict[Key, Item],
        account: Account,
        catalogue: Catalogue,
    ) -> Loaded:
        def known(kind: Callable[[str], T], key: Key, name: str) -> T:
            return codec.versioned(kind, items.get(key)) or kind(name)  # type: ignore[arg-type]

        client_id, about = wanted.client_id or "", wanted.subscription or ""
        types = tuple(catalogue.types) if wanted.every_type else wanted.types
        links = {
            pair: str(item["client_id"])
            for pair in wanted.links
            if (item := items.get(keys.link(practice_id, *pair))) and "client_id" in item
        }
        found = {b: codec.versioned(Booking, items.get(keys.booking(practice_id, b))) for b in wanted.bookings}
        return Loaded(
            account=account,
            catalogue=catalogue,
            client=codec.versioned(Client, items.get(keys.client(practice_id, client_id))),
            wallets={t: wallet_of(practice_id, client_id, t, items) for t in types if client_id},
            operations={
                source_id: codec.from_item(Operation, item)
                for source_id in wanted.source_ids
                if (item := items.get(keys.operation(practice_id, source_id)))
            },
            booking=codec.versioned(Booking, items.get(keys.booking(practice_id, wanted.booking_id or ""))),
            bookings={b: record for b, record in found.items() if record},
            links=links,
            parked=codec.versioned(Parked, items.get(keys.parked(practice_id, wanted.parked_id or ""))),
            also={pair: wallet_of(practice_id, *pair, items) for pair in wanted.also},
            others={
                other: profile
                for other in wanted.others
                if (profile := codec.versioned(Client, items.get(keys.client(practice_id, other))))
            },
            payments={p: known(PaymentRecord, keys.payment(practice_id, p), p) for p in wanted.payments},
            money={m: known(Money, keys.money(practice_id, m), m) for m in wanted.money},
            subscription=known(SubscriptionState, keys.subscription(practice_id, about), about),
        )

    def closed_lots(self, wallet: Wallet, lot_ids: Iterable[str]) -> list[Lot]:
        """Those of these lots that were stored apart from the wallet, or from one that it took in. Read after it,
        so never older than it."""
        wanted = [
            keys.closed_lot(wallet.practice_id, owner, wallet.appointment_type, lot_id)
            for lot_id in dict.fromkeys(lot_ids)
            for owner in wallet.owners
        ]
        return [codec.from_item(Lot, item) for item in self.table.get(wanted).values()] if wanted else []

    def all_closed_lots(self, practice_id: str, client_id: str) -> dict[str, list[Lot]]:
        """All lots that were stored apart from a client's wallets, by type. Read after these, so never older."""
        pk, after, found = keys.client(practice_id, client_id)[0], None, dict[str, list[Lot]]()
        while True:
            page = self.table.query(pk, begins=keys.CLOSED_LOTS, after=after)
            for item in page.items:
                found.setdefault(keys.closed_lot_type(item), []).append(codec.from_item(Lot, item))
            if page.after is None:
                return found
            after = page.after

    def entries_after(self, practice_id: str, client_id: str, appointment_type: str, sequence: int) -> list[Entry]:
        """All entries of a wallet behind a sequence number, the oldest first."""
        pk, begins = keys.client(practice_id, client_id)[0], keys.entries_of(appointment_type)
        after: str | None = keys.entry(practice_id, client_id, appointment_type, sequence)[1]
        found: list[Entry] = []
        while after:
            page = self.table.query(pk, begins=begins, after=after, limit=1000)
            found += [codec.from_item(Entry, item) for item in page.items]
            after = page.after
        return found

    def reconciliation(self, practice_id: str, account: str, mode: str, name: str) -> Reconciliation | None:
        """The last run of this name, finished or not."""
        key = keys.reconciliation(practice_id, account, mode, name)
        item = self.table.get([key]).get(key)
        return codec.from_item(Reconciliation, item) if item else None

    def job(self, practice_id: str, job_id: str) -> Job | None:
        """A job as it stands; read consistently."""
        key = keys.job(practice_id, job_id)
        return codec.versioned(Job, self.table.get([key]).get(key))

    def reconciliations(self, practice_id: str, account: str, mode: str) -> list[Reconciliation]:
        """The runs kept, of any name, 100 at most, without those that this release cannot read. One request."""
        page = self.table.query(keys.reconciliation(practice_id, account, mode, "")[0], limit=100)
        found = []
        for item in page.items:
            with suppress(ValueError, LookupError):
                found.append(codec.from_item(Reconciliation, item))
        return found

    def verification(self, practice_id: str) -> Verification | None:
        """What the last check of the whole practice came to."""
        key = keys.verification(practice_id)
        item = self.table.get([key]).get(key)
        return codec.from_item(Verification, item) if item else None

    def client_link(self, practice_id: str, link_id: str) -> ClientLink | None:
        key = keys.client_link(practice_id, link_id)
        return codec.versioned(ClientLink, self.table.get([key]).get(key))

    def authorizations(self, practice_id: str, refs: Iterable[AuthorizationRef]) -> list[Authorization]:
        """Those of these authorisations that there are; one batch read, none without refs."""
        wanted = [keys.authorization(practice_id, ref.client_id, ref.authorization_id) for ref in refs]
        records = (codec.versioned(Authorization, item) for item in self.table.get(wanted).values())
        return [record for record in records if record]

    def staff(self, practice_id: str, actor_ids: Iterable[str]) -> dict[str, StaffMember]:
        """The members of staff that the directory knows, by actor id; one batch read."""
        wanted = {actor_id: keys.staff(practice_id, actor_id) for actor_id in actor_ids}
        found = self.table.get(wanted.values())
        return {each: codec.from_item(StaffMember, found[key]) for each, key in wanted.items() if key in found}


def _is_unmoved(wallet: Wallet) -> bool:
    """Whether the wallet of a client that was merged has not been moved yet."""
    return wallet.version > 0 and wallet.merged_into is None


def wallet_of(practice_id: str, client_id: str, appointment_type: str, items: dict[Key, Item]) -> Wallet:
    item = items.get(keys.wallet(practice_id, client_id, appointment_type))
    if item is None:
        return Wallet(practice_id, client_id, appointment_type)
    body = codec.from_item(writes.WalletBody, item)
    held = {name: getattr(body, name) for name in writes.WALLET_BODY}
    return Wallet(practice_id, client_id, appointment_type, version=item["version"], **held)
