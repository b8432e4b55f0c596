"""What moved each balance over a period, by kind of entry: opening, movements and closing add up in every row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.movements import Moved, Movements, movements
from client_credits.domain.ledger.settling import settle
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.queries.reports.pages import Reads, ReportAsk, ReportPage, by_client, merged_into
from client_credits.store import keys
from client_credits.store.records import Loaded, Wanted
from client_credits.store.writes import sortable

_PAGE = 200  # entries of one request


@dataclass(frozen=True, slots=True)
class MovementsRow:
    """`other` is the sum of the kinds without a column: 0 unless a later release writes one that moves a balance."""

    client_id: str
    client_name: str | None
    appointment_type: str
    opening: int
    granted: int
    spent: int
    restored: int
    forgiven: int
    expired: int
    adjusted: int
    voided: int
    transferred_in: int
    transferred_out: int
    clawed_back: int
    reinstated: int
    other: int
    closing: int


_KINDS = tuple(
    name
    for name in MovementsRow.__dataclass_fields__
    if name not in ("client_id", "client_name", "appointment_type", "opening", "other", "closing")
)


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[MovementsRow]:
    """Wallets with an entry in the period, in order of client and type. Entries count by when they happened.
    Records that were merged have rows of their own, behind those of the client who goes on for them.

    Reads the history of a wallet that has moved since the period began, back to its beginning. What fell due
    and is not written yet counts. Raises Invalid where one client's history is too long for `most_reads`.
    """
    since, reads = sortable(asked.period.since), Reads(asked.most_reads)

    def wanted(line: RosterLine) -> bool:
        return (line.last_at or "") >= since or line.may_differ(context.now)

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[MovementsRow]:
        yield from _rows(context, asked, reads, line, loaded, line.client_id)
        if merged := merged_into(loaded, line.client_id):
            reads.take()
            pairs = tuple((gone, appointment_type) for gone in merged for appointment_type in line.balances)
            theirs = context.load(Wanted(others=merged, also=pairs, as_stored=True))
            for gone in merged:
                yield from _rows(context, asked, reads, line, theirs, gone)

    return by_client(context, after, limit, wanted=wanted, rows_of=rows_of, key=_key)


def _key(row: MovementsRow) -> str:
    return f"{row.appointment_type}/{row.client_id}"


def _rows(
    context: Context, asked: ReportAsk, reads: Reads, line: RosterLine, loaded: Loaded, client_id: str
) -> Iterator[MovementsRow]:
    """The rows of the line's client, or of a record that was merged into it, which has its own history."""
    for appointment_type in line.balances:
        found = _moved(context, asked, reads, loaded, client_id, appointment_type)
        if found.entries:
            yield _row(client_id, loaded, appointment_type, found)


def _moved(
    context: Context, asked: ReportAsk, reads: Reads, loaded: Loaded, client_id: str, appointment_type: str
) -> Movements:
    wallet = loaded.also[client_id, appointment_type]
    change = settle(untouched(wallet), context.now, loaded.dated_of(client_id))
    moved = [Moved(str(e.kind), e.amount, e.occurred_at) for e in change.entries]
    if wallet.last_at and wallet.last_at >= asked.period.since:
        moved += _written(context, asked, reads, client_id, appointment_type, wallet.sequence)
    return movements(change.wallet.balance, moved, asked.period.since, asked.period.until)


def _written(
    context: Context, asked: ReportAsk, reads: Reads, client_id: str, appointment_type: str, newest: int
) -> Iterator[Moved]:
    """Entries up to number `newest` recorded since the period began: no earlier one can have happened in it."""
    since, before = sortable(asked.period.since), None
    while True:
        reads.take()
        page = context.store.moved_page(context.practice_id, client_id, appointment_type, before, _PAGE)
        for item in page.items:
            if item["recorded_at"] < since:
                return
            if keys.sequence_of(item) <= newest:  # what came after the wallet was read is not in its balance
                yield Moved(item["entry_kind"], item["amount"], datetime.fromisoformat(item["occurred_at"]))
        if page.after is None:
            return
        before = page.after


def _row(client_id: str, loaded: Loaded, appointment_type: str, found: Movements) -> MovementsRow:
    client = loaded.others.get(client_id)
    own = {kind: found.by_kind.get(kind, 0) for kind in _KINDS}
    return MovementsRow(
        client_id=client_id,
        client_name=client.name if client else None,
        appointment_type=appointment_type,
        opening=found.opening,
        closing=found.closing,
        other=sum(found.by_kind.values()) - sum(own.values()),
        **own,
    )
