"""What the practice owes sessions for, now: the worth of unspent credits, and of those booked for sessions to come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from client_credits.domain.ledger.worth import Fate, Worth, worth_before
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.queries.reports.histories import sold_to
from client_credits.operations.queries.reports.pages import Reads, ReportAsk, ReportPage, by_client
from client_credits.store.records import Loaded

_INSTANT = timedelta(microseconds=1)  # what happens just now has happened


@dataclass(frozen=True, slots=True)
class OutstandingRow:
    """Amounts are in minor units of the currency. `client_id` bought the credits, whoever has them now."""

    client_id: str
    client_name: str | None
    package_id: str | None
    currency: str
    unspent_credits: int
    unspent_amount: int
    booked_credits: int
    booked_amount: int
    outstanding_amount: int


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[OutstandingRow]:
    """Rows in order of client, package and currency. They take no period.

    Reads each client's history. Raises Invalid where one client's history is too long for `most_reads`.
    """
    reads = Reads(asked.most_reads)

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[OutstandingRow]:
        return _rows(context, reads, line, loaded)

    return by_client(
        context,
        after,
        limit,
        wanted=lambda line: bool(line.balances),
        rows_of=rows_of,
        key=lambda row: f"{row.package_id or ''}/{row.currency}",
    )


def _rows(context: Context, reads: Reads, line: RosterLine, loaded: Loaded) -> Iterator[OutstandingRow]:
    found: dict[tuple[str | None, str], list[Worth]] = {}
    for sold in sold_to(context, reads, line, loaded):
        (worth,) = worth_before(sold.value, sold.changes, (context.now + _INSTANT,))
        found.setdefault((sold.package_id, sold.value.currency), []).append(worth)
    client = loaded.others.get(line.client_id)
    for (package_id, currency), every in found.items():
        unspent, booked = _sums(every, Fate.UNSPENT), _sums(every, Fate.BOOKED)
        if any((*unspent, *booked)):
            yield OutstandingRow(
                client_id=line.client_id,
                client_name=client.name if client else None,
                package_id=package_id,
                currency=currency,
                unspent_credits=unspent[0],
                unspent_amount=unspent[1],
                booked_credits=booked[0],
                booked_amount=booked[1],
                outstanding_amount=unspent[1] + booked[1],
            )


def _sums(every: list[Worth], fate: Fate) -> tuple[int, int]:
    """Credits and amount."""
    return sum(worth.credits[fate] for worth in every), sum(worth.amounts[fate] for worth in every)
