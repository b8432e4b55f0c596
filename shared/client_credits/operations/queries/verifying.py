"""Reads one client's stored records and says which laws they break.

Judges what is stored: `domain.invariants` on each wallet with all its entries and the bookings they name, and
that what an item says beside its record (its key, the numbers of the lists) says the same as the record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ids import payment_of
from client_credits.domain.invariants import Breach, Law, breaches, visit_breaches
from client_credits.domain.ledger.entries import CauseKind, Entry, EntryKind
from client_credits.domain.ledger.settling import SCHEDULE
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.practice.records import Client
from client_credits.store import codec, keys
from client_credits.store.records import Wanted
from client_credits.store.store import Store, wallet_of
from client_credits.store.table import Item
from client_credits.store.writes import sortable

# Laws of storage, beside those of the domain.
READABLE = "readable"  # every record can be read
RECORDED = "recorded"  # what was written together is all there: the client's record, and what makes a repeat harmless
_TRIES = 5


@dataclass(frozen=True, slots=True)
class TableBreach:
    """One broken law: which, where (`practice/client/type` and what of it), and how."""

    law: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was read of one client, or of several, and the breaches found in it."""

    clients: int = 0
    wallets: int = 0
    entries: int = 0
    bookings: int = 0
    breaches: tuple[TableBreach, ...] = ()

    def __add__(self, other: "Checked") -> "Checked":
        return Checked(
            self.clients + other.clients,
            self.wallets + other.wallets,
            self.entries + other.entries,
            self.bookings + other.bookings,
            self.breaches + other.breaches,
        )


@dataclass(slots=True)
class _ClientRead:
    """One client's records by type, and the breaches met while reading them. `taken_in` are the entries of records
    that were merged into it, or into the same one."""

    taken_in: list[Entry] = field(default_factory=list)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    bookings: dict[str, Booking] = field(default_factory=dict)
    breaches: list[TableBreach] = field(default_factory=list)


def check_client(store: Store, practice_id: str, client_id: str) -> Checked | None:
    """Checks every wallet of one client; None where nothing at all is stored of it.

    A client that changes while it is read is read again, so that a change in between is not taken for a breach.
    The records that were merged into it are checked with it, and it in place of one of them: they stand in no list.
    """
    found: list[Breach] = []
    for _ in range(_TRIES):
        checked, client, bookings = _checked(store, practice_id, client_id)
        before, found = found, _visits(store, practice_id, client, bookings)
        if not found or found == before:  # what is read while it changes is not found alike twice
            break
    broken = tuple(TableBreach(each.law, each.where, each.detail) for each in found)
    return checked + Checked(breaches=broken) if checked else None


def _checked(
    store: Store, practice_id: str, client_id: str
) -> tuple[Checked | None, Client | None, dict[str, Booking]]:
    """All but the visits: what was read of the client and of those merged into it, its record, and its bookings."""
    client = store.load(practice_id, Wanted(client_id=client_id)).client
    client_id, merged_from = (client.client_id, client.merged_from) if client else (client_id, ())
    total = Checked()
    taken_in: list[Entry] = []
    bookings: dict[str, Booking] = {}
    for each in merged_from:
        checked, read = _checked_alone(store, practice_id, each, taken_in)
        unmoved = [kind for kind, wallet in read.wallets.items() if wallet.merged_into is None]
        left = (
            TableBreach(RECORDED, f"{practice_id}/{each}/{kind}", "the client was merged, and this was not moved")
            for kind in unmoved
        )
        total += (checked or Checked()) + Checked(breaches=tuple(left))
        taken_in += [entry for entries in read.entries.values() for entry in entries]
        bookings |= read.bookings
    own, read = _checked_alone(store, practice_id, client_id, taken_in)
    return (own + total if own else None), client, bookings | read.bookings


def _visits(store: Store, practice_id: str, client: Client | None, bookings: dict[str, Booking]) -> list[Breach]:
    """Reads only where there are authorisations, or were."""
    covered = [booking.covered_by for booking in bookings.values() if booking.covered_by]
    refs = dict.fromkeys([*(client.authorizations if client else ()), *covered])
    known = store.authorizations(practice_id, refs) if refs else []
    return visit_breaches(practice_id, known, bookings.values())


def _checked_alone(
    store: Store, practice_id: str, client_id: str, taken_in: list[Entry]
) -> tuple[Checked | None, _ClientRead]:
    for attempt in range(1, _TRIES + 1):
        wallets = store.wallet_items(practice_id, client_id)
        read = _read(store, practice_id, client_id, wallets)
        read.taken_in = taken_in
        found = (*read.breaches, *_broken(practice_id, client_id, read))
        if not found or attempt == _TRIES or wallets == store.wallet_items(practice_id, client_id):
            break
    if not (read.wallets or read.entries or found) and not store.table.get([keys.client(practice_id, client_id)]):
        return None, read
    entries = sum(map(len, read.entries.values()))
    return Checked(1, len(read.wallets), entries, len(read.bookings), found), read


def _read(store: Store, practice_id: str, client_id: str, wallets: list[Item]) -> _ClientRead:
    read = _ClientRead()
    place = f"{practice_id}/{client_id}"
    for item in wallets:
        kind = keys.wallet_place(item).appointment_type
        try:
            wallet = wallet_of(practice_id, client_id, kind, {keys.key_of(item): item})
        except (ValueError, LookupError):
            read.breaches.append(TableBreach(READABLE, f"{place}/{kind}", "the wallet cannot be read"))
            continue
        read.wallets[kind] = wallet
        read.breaches += _stored_numbers(wallet, item, f"{place}/{kind}")
    for item in store.entry_items(practice_id, client_id):
        kind = keys.wallet_place(item).appointment_type
        where = f"{place}/{kind} #{keys.sequence_of(item)}"
        try:
            entry = codec.from_item(Entry, item)
        except (ValueError, LookupError):
            read.breaches.append(TableBreach(READABLE, where, "the entry cannot be read"))
            continue
        read.entries.setdefault(kind, []).append(entry)
        read.breaches += _stored_entry(practice_id, client_id, entry, item, where)
    _read_bookings(store, practice_id, read, place)
    read.breaches += _not_recorded(store, practice_id, client_id, read)
    return read


def _not_recorded(store: Store, practice_id: str, client_id: str, read: _ClientRead) -> Iterator[TableBreach]:
    """Without its operation's record a payment that is delivered again would be granted again."""
    place = f"{practice_id}/{client_id}"
    entries = [entry for kind in read.entries.values() for entry in kind]
    packages = [e for e in entries if (e.kind, e.cause.kind) == (EntryKind.GRANTED, CauseKind.PACKAGE)]
    granted = {e.source_id for e in packages if e.actor != SCHEDULE}  # a later tranche is guarded by its wallet
    profile = keys.client(practice_id, client_id)
    operations = {keys.operation(practice_id, source_id): source_id for source_id in sorted(granted)}
    found = store.table.get([profile, *operations])
    if (read.wallets or entries) and profile not in found:
        yield TableBreach(RECORDED, place, "the client has wallets and no record")
    for key, source_id in operations.items():
        if key not in found:
            yield TableBreach(RECORDED, f"{place} {source_id}", "the operation has entries and no record")
    yield from _unfollowed(store, practice_id, packages, read, place)


def _unfollowed(
    store: Store, practice_id: str, packages: list[Entry], read: _ClientRead, place: str
) -> Iterator[TableBreach]:
    """Without a payment's records, and those that lead to it, money given back would not find its credits."""
    paid = {e.cause.ids["payment"] for e in packages if "payment" in e.cause.ids}
    lots = [(kind, lot) for kind, wallet in read.wallets.items() for lot in wallet.open_lots if lot.payment]
    named = paid | {payment_of(str(lot.payment)) for _, lot in lots}
    records = store.load(practice_id, Wanted(payments=tuple(sorted(named)))).payments if named else {}
    client_id = place.split("/")[1]
    for payment_id, record in records.items():
        where = f"{place} {payment_id}"
        if not record.grants:
            yield TableBreach(RECORDED, where, "the payment has credits and no record")
            continue
        money = store.load(practice_id, Wanted(money=tuple(p.money for p in record.paid_by))).money
        if not record.within and any(payment_id not in known.payment_ids for known in money.values()):
            yield TableBreach(RECORDED, where, "what paid the payment does not lead to it")
        own = [e for e in packages if e.cause.ids.get("payment") == payment_id]
        cycles = any(p.facts and p.facts.subscription for e in own for p in e.postings)
        recurring = record.subscription if cycles else None
        if recurring and not store.load(practice_id, Wanted(subscription=recurring)).subscription.version:
            yield TableBreach(RECORDED, where, f"the subscription {recurring} has no record")
        held = {kind for kind, lot in lots if payment_of(str(lot.payment)) == payment_id}
        known_to = _known_to(record, read, client_id)
        for kind in sorted(held - known_to):
            yield TableBreach(
                RECORDED, f"{place}/{kind} {payment_id}", "the payment does not know that it has credits here"
            )
        yield from _clawed_beyond(record, packages, where)


def _known_to(record: PaymentRecord, read: _ClientRead, client_id: str) -> set[str]:
    """The types of which a payment knows that the client, or one that was merged into it, has had its credits."""
    wallets = read.wallets
    return {
        h.appointment_type
        for h in record.holders
        if h.client_id in (wallets[h.appointment_type].owners if h.appointment_type in wallets else (client_id,))
    }


def _clawed_beyond(record: PaymentRecord, packages: list[Entry], where: str) -> Iterator[TableBreach]:
    """Clawed back less reinstated is never more than was granted."""
    for grant in record.grants:
        roots = {"payment": record.payment_id, "line": grant.line_id}
        own = [e for e in packages if (e.client_id, e.appointment_type) == (grant.client_id, grant.appointment_type)]
        granted = sum(p.amount for e in own if roots.items() <= e.cause.ids.items() for p in e.postings)
        if own and not 0 <= grant.taken_back + grant.owed <= granted:
            yield TableBreach(Law.LOT, where, f"{grant.taken_back} and {grant.owed} clawed back of {granted}")


def _stored_numbers(wallet: Wallet, item: Item, where: str) -> Iterator[TableBreach]:
    """The numbers beside the wallet, which lists and reports go by."""
    for name in ("balance", "debt", "granted_total"):
        stored, true = item.get(name), getattr(wallet, name)
        if stored != true:
            yield TableBreach(Law.CONSERVATION, where, f"the stored {name} is {stored}, the wallet's is {true}")
    if item.get("last_at") != (sortable(wallet.last_at) if wallet.last_at else None):
        yield TableBreach(Law.CHAIN, where, "the stored last_at is not the wallet's")


def _stored_entry(practice_id: str, client_id: str, entry: Entry, item: Item, where: str) -> Iterator[TableBreach]:
    """An entry stands where it says it belongs, with the amount that it says."""
    own = keys.entry(entry.practice_id, entry.client_id, entry.appointment_type, entry.sequence)
    if own != keys.key_of(item):
        yield TableBreach(Law.CHAIN, where, f"the entry stored here is {keys.where(own)}")
    if (item.get("entry_kind"), item.get("amount")) != (entry.kind, entry.amount):
        yield TableBreach(
            Law.CONSERVATION, where, f"stored as {item.get('entry_kind')} of {item.get('amount')}, not as it says"
        )


def _read_bookings(store: Store, practice_id: str, read: _ClientRead, place: str) -> None:
    """The bookings that entries name; one that caused an entry was written with it and must be there."""
    entries = [entry for kind in read.entries.values() for entry in kind]
    causes = {e.cause.ids["booking_id"] for e in entries if "booking_id" in e.cause.ids}
    owing = {posting.debt for entry in entries for posting in entry.postings if posting.debt}
    named = tuple(sorted(causes | owing))
    if not named:
        return
    try:
        read.bookings = store.load(practice_id, Wanted(bookings=named)).bookings
    except ValueError:
        read.breaches.append(TableBreach(READABLE, place, "a booking cannot be read"))
        return
    for booking_id in sorted(causes - read.bookings.keys()):
        read.breaches.append(TableBreach(RECORDED, f"{place} {booking_id}", "the booking has entries and no record"))


def _broken(practice_id: str, client_id: str, read: _ClientRead) -> Iterator[TableBreach]:
    unreadable = {breach.where for breach in read.breaches if breach.law == READABLE}
    for kind in sorted({*read.wallets, *read.entries}):
        if f"{practice_id}/{client_id}/{kind}" in unreadable:
            continue  # without its wallet every entry would be a breach of its own
        wallet = read.wallets.get(kind) or Wallet(practice_id, client_id, kind)
        taken_in = [e for e in read.taken_in if e.appointment_type == kind and e.client_id in wallet.owners]
        for each in breaches(wallet, read.entries.get(kind, ()), read.bookings.values(), taken_in):
            yield TableBreach(each.law, each.where, each.detail)
