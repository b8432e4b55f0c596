"""A client's credits over all time, for reports on their worth: every entry of its wallets, and of the wallets that
its credits have moved to, and the sessions of the bookings that they name.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ledger.entries import Entry, EntryKind, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.fates_of_credits import BookedSession, SoldCredits, sold_credits
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.queries.reports.pages import Reads, ReportAsk, ReportPage, by_client, merged_into
from client_credits.store.lists import ENTRIES_AT_ONCE
from client_credits.store.records import Loaded, Wanted

_BATCH = 98  # bookings of one request, the settings and the catalogue take two

Pair = tuple[str, str]  # client id, appointment type: a wallet


@dataclass(frozen=True, slots=True)
class Purchases:
    """What a client bought of one package in one currency, whoever has those credits now."""

    client_id: str
    client_name: str | None
    package_id: str | None
    currency: str
    credits: list[SoldCredits]


class _PurchasesRow(Protocol):
    @property
    def package_id(self) -> str | None: ...
    @property
    def currency(self) -> str: ...


Row = TypeVar("Row", bound=_PurchasesRow)


@dataclass(slots=True)
class _HistoryRead:
    """What was read: which wallets, and their entries."""

    pairs: set[Pair] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)


def by_what_was_bought(
    context: Context, asked: ReportAsk, after: str | None, limit: int, row_of: Callable[[Purchases], Row | None]
) -> ReportPage[Row]:
    """Rows in order of client, package and currency, where there is one.

    Reads each client's history. Raises Invalid where one client's history is too long for `most_reads`.
    """
    reads = Reads(asked.most_reads)

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[Row]:
        found: dict[tuple[str | None, str], list[SoldCredits]] = {}
        for each in _sold_to(context, reads, line, loaded):
            found.setdefault((each.package_id, each.value.currency), []).append(each)
        client = loaded.others.get(line.client_id)
        for (package_id, currency), sold in found.items():
            if row := row_of(Purchases(line.client_id, client.name if client else None, package_id, currency, sold)):
                yield row

    return by_client(
        context,
        after,
        limit,
        wanted=lambda line: bool(line.balances),
        rows_of=rows_of,
        key=lambda row: f"{row.package_id or ''}/{row.currency}",
    )


def _sold_to(context: Context, reads: Reads, line: RosterLine, loaded: Loaded) -> list[SoldCredits]:
    """The credits with a value that this client bought, or that a record merged into it bought, wherever they are
    now. What fell due and is not written yet counts. Raises TooLong."""
    read, merged = _HistoryRead(), merged_into(loaded, line.client_id)
    _read_client(context, reads, read, line.client_id, tuple(line.balances), loaded)
    others = [(gone, appointment_type) for gone in merged for appointment_type in line.balances]
    while others := others or _others(read):
        _read_others(context, reads, read, others)
        others = []
    found = sold_credits(read.entries, _sessions(context, reads, read.entries))
    return [each for each in found.values() if each.client_id in (line.client_id, *merged) and each.value.amount]


def _read_others(context: Context, reads: Reads, read: _HistoryRead, pairs: list[Pair]) -> None:
    named = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
    reads.take()
    theirs = context.load(Wanted(others=named, also=tuple(pairs), as_stored=True))
    for client_id in named:
        types = tuple(appointment_type for owner, appointment_type in pairs if owner == client_id)
        _read_client(context, reads, read, client_id, types, theirs)


def _read_client(
    context: Context, reads: Reads, read: _HistoryRead, client_id: str, types: tuple[str, ...], loaded: Loaded
) -> None:
    """The entries of these wallets, as far as the wallets that were loaded know them. Raises TooLong, before it reads
    any, where the wallets say that there are more entries than the requests left can bring."""
    newest = {}
    for appointment_type in types:
        wallet = loaded.also[client_id, appointment_type]
        newest[appointment_type] = wallet.sequence
        read.pairs.add((client_id, appointment_type))
        read.entries += settle(untouched(wallet), context.now, loaded.dated_of(client_id)).entries
    if not any(newest.values()):
        return
    reads.check(-(-sum(newest.values()) // ENTRIES_AT_ONCE))
    for entry in _written(context, reads, client_id):
        if entry.sequence <= newest.get(entry.appointment_type, 0):
            read.entries.append(entry)


def _written(context: Context, reads: Reads, client_id: str) -> Iterator[Entry]:
    after: str | None = None
    while True:
        reads.take()
        entries, after = context.store.entries_page(context.practice_id, client_id, after)
        yield from entries
        if after is None:
            return


def _others(read: _HistoryRead) -> list[Pair]:
    """The wallets not read yet that credits went to: given away, or merged into another client's."""
    left = (entry for entry in read.entries if entry.kind == EntryKind.TRANSFERRED_OUT)
    found = {(entry.cause.ids["to_client_id"], entry.appointment_type) for entry in left}
    return sorted(found - read.pairs)


def _sessions(context: Context, reads: Reads, entries: Iterable[Entry]) -> dict[str, BookedSession]:
    """The sessions of the bookings that entries name, as known now. One that goes on under another id is when
    the last of them is."""
    named = {entry.cause.ids["booking_id"] for entry in entries if "booking_id" in entry.cause.ids}
    bookings: dict[str, Booking] = {}
    missing = sorted(named)
    while missing:
        for start in range(0, len(missing), _BATCH):
            reads.take()
            bookings |= context.load(Wanted(bookings=tuple(missing[start : start + _BATCH]))).bookings
        known = named | bookings.keys()
        linked = {each for b in bookings.values() for each in (b.moved_from, b.moved_to) if each}
        missing = sorted(linked - known)
        named |= linked
    found = {}
    for booking_id, booking in bookings.items():
        last, first = _end_of(bookings, booking, "moved_to"), _end_of(bookings, booking, "moved_from")
        if last.session:
            found[booking_id] = BookedSession(last.session.starts_at, first.booking_id)
    return found


def _end_of(bookings: dict[str, Booking], booking: Booking, way: str) -> Booking:
    """The last booking along `moved_to`, or `moved_from`, as far as these are known."""
    passed = {booking.booking_id}
    while (following := bookings.get(getattr(booking, way) or "")) and following.booking_id not in passed:
        passed.add(following.booking_id)
        booking = following
    return booking
