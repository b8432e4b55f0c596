"""What operations load and commit: typed records in front of the table.

Owns the batch read that a decision rests on, and the worker's copy of each practice's catalogue,
which is read again whenever the settings item, read every time, names another version.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.parked import Parked, ParkedState, Replay
from client_credits.domain.payments.payment_record import Money, PaymentRecord
from client_credits.domain.payments.reconciliation import Reconciliation
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.names import LAST
from client_credits.domain.practice.records import Account, Client, SettingsChange
from client_credits.domain.practice.staff import StaffMember
from client_credits.store import codec, keys, writes
from client_credits.store.histories import EVERYTHING, Period
from client_credits.store.keys import Key
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import Item, Page, Table, Write

T = TypeVar("T")
CATALOGUES_KEPT = 256


class Store:
    """One table's records. Keeps catalogues for as long as the worker lives."""

    def __init__(self, table: Table, *, rehearsing: bool = False) -> None:
        self.table = table
        self.rehearsing = rehearsing
        self._catalogues: dict[str, Catalogue] = {}

    def rehearsal(self) -> "Store":
        """The same records, and commits that write nothing: every operation answers as if."""
        store = Store(self.table, rehearsing=True)
        store._catalogues = self._catalogues
        return store

    def load(self, practice_id: str, wanted: Wanted) -> Loaded:
        """One batch read; one more after a change of the catalogue. Raises NotFound: no such practice."""
        known = self._catalogues.get(practice_id)
        asked = self._keys(practice_id, wanted, known)
        items = self.table.get(asked)
        account = _record(Account, items.get(keys.account(practice_id)))
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
        catalogue = _record(Catalogue, item) or Catalogue()
        if catalogue.version < version:  # read in one batch with newer settings: look again
            catalogue = _record(Catalogue, self.table.get([key]).get(key)) or Catalogue()
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
            return _record(kind, items.get(key)) or kind(name)  # type: ignore[arg-type]

        client_id, about = wanted.client_id or "", wanted.subscription or ""
        types = tuple(catalogue.types) if wanted.every_type else wanted.types
        links = {
            pair: str(item["client_id"])
            for pair in wanted.links
            if (item := items.get(keys.link(practice_id, *pair))) and "client_id" in item
        }
        bookings = {
            b: record for b in wanted.bookings if (record := _record(Booking, items.get(keys.booking(practice_id, b))))
        }
        return Loaded(
            account=account,
            catalogue=catalogue,
            client=_record(Client, items.get(keys.client(practice_id, client_id))),
            wallets={t: wallet_of(practice_id, client_id, t, items) for t in types if client_id},
            operations={
                source_id: codec.from_item(Operation, item)
                for source_id in wanted.source_ids
                if (item := items.get(keys.operation(practice_id, source_id)))
            },
            booking=_record(Booking, items.get(keys.booking(practice_id, wanted.booking_id or ""))),
            bookings=bookings,
            links=links,
            parked=_record(Parked, items.get(keys.parked(practice_id, wanted.parked_id or ""))),
            also={pair: wallet_of(practice_id, *pair, items) for pair in wanted.also},
            others={
                other: profile
                for other in wanted.others
                if (profile := _record(Client, items.get(keys.client(practice_id, other))))
            },
            payments={p: known(PaymentRecord, keys.payment(practice_id, p), p) for p in wanted.payments},
            money={m: known(Money, keys.money(practice_id, m), m) for m in wanted.money},
            subscription=known(SubscriptionState, keys.subscription(practice_id, about), about),
        )

    def closed_lots(self, wallet: Wallet, lot_ids: Iterable[str]) -> list[Lot]:
        """Those of these lots that were stored apart from the wallet. Read after it, so never older than it."""
        place = wallet.practice_id, wallet.client_id, wallet.appointment_type
        wanted = [keys.closed_lot(*place, lot_id) for lot_id in dict.fromkeys(lot_ids)]
        return [codec.from_item(Lot, item) for item in self.table.get(wanted).values()] if wanted else []

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

    def staff(self, practice_id: str, actor_ids: Iterable[str]) -> dict[str, StaffMember]:
        """The members of staff that the directory knows, by actor id; one batch read."""
        wanted = {actor_id: keys.staff(practice_id, actor_id) for actor_id in actor_ids}
        found = self.table.get(wanted.values())
        return {each: codec.from_item(StaffMember, found[key]) for each, key in wanted.items() if key in found}

    # -- lists ---------------------------------------------------------------------------------

    def history_page(
        self,
        practice_id: str,
        client_id: str,
        appointment_type: str,
        before: str | None,
        limit: int,
        only: Period = EVERYTHING,
    ) -> list[Entry]:
        """Entries of one type, newest first, older than the sort key `before`."""
        pk, begins = keys.client(practice_id, client_id)[0], keys.entries_of(appointment_type)
        return [codec.from_item(Entry, i) for i in self._newest(pk, begins, before, limit, only)]

    def settings_changes(
        self,
        practice_id: str,
        client_id: str | None,
        before: str | None,
        limit: int,
        only: Period = EVERYTHING,
    ) -> list[SettingsChange]:
        """Changes of the account's settings, or of one client's, newest first."""
        pk = keys.client(practice_id, client_id)[0] if client_id else practice_id
        found = self._newest(pk, "changed#", before, limit, only)
        return [codec.from_item(SettingsChange, item) for item in found]

    def _newest(self, pk: str, begins: str, before: str | None, limit: int, only: Period) -> list[Item]:
        """The newest `limit` items that `only` lets through; as many requests as that takes."""
        where, values = only.filter()
        found: list[Item] = []
        while len(found) < limit:
            page = self.table.query(
                pk,
                begins=begins,
                after=before,
                limit=limit,
                newest_first=True,
                where=where,
                values=values,
            )
            found += page.items
            if page.after is None:
                break
            before = page.after
        return found[:limit]

    def any_entry(self, practice_id: str, client_id: str) -> bool:
        """Whether a client has any ledger entry. One request."""
        return bool(self.table.query(keys.client(practice_id, client_id)[0], begins="entry#", limit=1).items)

    def any_wallet(self, practice_id: str) -> bool:
        """Whether any client of a practice has a wallet, which comes with its first entry; one that came a
        moment ago may be missed. One request where many have one, at most as many as hold all clients."""
        return any(self._wallets_in(practice_id, shard) for shard in range(keys.ROSTER_SHARDS))

    def _wallets_in(self, practice_id: str, shard: int) -> bool:
        after, limit = None, 10
        while True:
            page = self.roster_page(practice_id, shard, after, limit, where="attribute_exists(balance)")
            if page.items or page.last is None:
                return bool(page.items)
            after, limit = page.last["roster_sk"], min(10 * limit, 10_000)

    def parked_page(self, practice_id: str, after: str | None, limit: int) -> tuple[list[Parked], str | None]:
        """Open parked payments, the longest parked first, and where the next page begins; a page may be short.

        May lag a second behind what was parked, never behind what was closed.
        """
        condition = "roster_pk = :pk" + (" AND roster_sk > :after" if after else "")
        values = {":pk": keys.open_parked_pk(practice_id)} | ({":after": after} if after else {})
        page = self.table.query_index("roster", condition, codec.to_attributes(values), limit=limit)
        found = self.parked(practice_id, [keys.parked_id(item) for item in page.items])
        last = str(page.items[-1]["roster_sk"]) if page.last else None
        return [p for p in found if p.state is ParkedState.OPEN], last

    def parked(self, practice_id: str, parked_ids: Iterable[str]) -> list[Parked]:
        """The parked payments that there are, in this order; one batch read, none without ids."""
        wanted = [keys.parked(practice_id, parked_id) for parked_id in parked_ids]
        found = self.table.get(wanted)
        records = (_record(Parked, found.get(key)) for key in wanted)
        return [record for record in records if record]

    def waiting_page(
        self, practice_id: str, waits_for: tuple[str, str], after: str | None, limit: int
    ) -> tuple[list[str], str | None]:
        """The ids of parked payments that wait for this, and the id behind which the next page begins.

        Consistent: what was parked before is found. A page may be short.
        """
        pk = keys.waiting(practice_id, *waits_for, "")[0]
        values = codec.to_attributes({":open": "open"})
        page = self.table.query(
            pk, after=after, limit=limit, where="#state = :open", names={"#state": "state"}, values=values
        )
        return [keys.key_of(item)[1] for item in page.items], page.after

    def replay(self, practice_id: str, waits_for: tuple[str, str]) -> Replay:
        """How far what waits for this has been tried again; one never begun is at version 0."""
        key = keys.replay(practice_id, *waits_for)
        return _record(Replay, self.table.get([key]).get(key)) or Replay(waits_for)

    def due_page(self, shard: str, until: str, limit: int) -> Page:
        """The keys and kinds of one shard's items that are due by `until`, the longest due first."""
        condition = "due_shard = :shard AND due_at <= :until"
        values = {":shard": {"S": shard}, ":until": {"S": until}}
        return self.table.query_index("due", condition, values, limit=limit)

    def roster_page(
        self,
        practice_id: str,
        shard: int,
        after: str | None,
        limit: int,
        where: str | None = None,
        values: dict[str, dict[str, str]] | None = None,
        begins: str = "",
    ) -> Page:
        """One shard of the roster, in client order: each profile followed by its wallets' numbers.

        `begins` is what the clients' ids begin with.
        """
        condition, bound = _range("roster", keys.roster_shard(practice_id, shard), begins, after)
        return self.table.query_index("roster", condition, bound | (values or {}), limit=limit, where=where)

    def names_page(self, practice_id: str, after: str | None, limit: int, begins: str = "") -> Page:
        """Profiles in order of folded name and id, those without a name last. `begins` is a folded name's beginning."""
        condition, bound = _range("names", keys.names_pk(practice_id), begins, after)
        return self.table.query_index("names", condition, bound, limit=limit)

    def clients_of_email(self, practice_id: str, hashed: str) -> list[str]:
        """The clients, at most 100, who have or had the e-mail of this keyed hash. Their profiles know which."""
        return [str(item["sk"]) for item in self.table.query(keys.email(practice_id, hashed, "")[0], limit=100).items]

    def sessions_page(self, practice_id: str, shard: int, before: str | None, limit: int, state: str) -> Page:
        """Bookings of one shard in this state, the latest session first; `limit` counts those looked at."""
        condition = "sessions_pk = :pk" + (" AND sessions_sk < :before" if before else "")
        values = {":pk": {"S": keys.sessions_shard(practice_id, shard)}, ":state": {"S": state}}
        if before:
            values[":before"] = {"S": before}
        return self.table.query_index(
            "sessions",
            condition,
            values,
            limit=limit,
            where="#state = :state",
            names={"#state": "state"},
            newest_first=True,
        )


def _range(index: str, pk: str, begins: str, after: str | None) -> tuple[str, dict[str, Any]]:
    """The condition, with its values, for what begins so and stands behind `after` in an index."""
    bound: dict[str, Any] = {":pk": {"S": pk}}
    condition = f"{index}_pk = :pk"
    if begins:  # an index takes one condition on its range key; no key goes on with the character of :low
        bound |= {":low": {"S": f"{after}\x01" if after else begins}, ":high": {"S": begins + LAST}}
        return f"{condition} AND {index}_sk BETWEEN :low AND :high", bound
    if after:
        return f"{condition} AND {index}_sk > :after", bound | {":after": {"S": after}}
    return condition, bound


def wallet_of(practice_id: str, client_id: str, appointment_type: str, items: dict[Key, Item]) -> Wallet:
    item = items.get(keys.wallet(practice_id, client_id, appointment_type))
    if item is None:
        return Wallet(practice_id, client_id, appointment_type)
    body = codec.from_item(writes.WalletBody, item)
    held = {name: getattr(body, name) for name in writes.WALLET_BODY}
    return Wallet(practice_id, client_id, appointment_type, version=item["version"], **held)


def _record(kind: type[T], item: Item | None) -> T | None:
    """A versioned record; its version is the item's."""
    if item is None:
        return None
    return replace(codec.from_item(kind, item), version=item["version"])  # type: ignore[type-var]
