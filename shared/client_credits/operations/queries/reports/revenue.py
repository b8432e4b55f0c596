"""What became of the worth of credits over a period: opening + sold - earned - expired - refunded = closing."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import timedelta

from client_credits.domain.ledger.worth import Revenue, revenue
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.queries.reports.histories import sold_to
from client_credits.operations.queries.reports.pages import Period, Reads, ReportAsk, ReportPage, by_client
from client_credits.store.records import Loaded

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RevenueRow:
    """Amounts are in minor units of the currency. `client_id` bought the credits, whoever has them now."""

    client_id: str
    client_name: str | None
    package_id: str | None
    currency: str
    opening: int
    sold: int
    earned: int
    expired: int
    refunded: int
    closing: int


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[RevenueRow]:
    """Rows in order of client, package and currency; a period ends now at the latest, for what comes is not earned.

    Reads each client's history. Raises Invalid where one client's history is too long for `most_reads`.
    """
    reads = Reads(asked.most_reads)
    until = min(asked.period.until, context.now + _INSTANT)
    period = Period(min(asked.period.since, until), until)

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[RevenueRow]:
        return _rows(context, reads, period, line, loaded)

    return by_client(
        context,
        after,
        limit,
        wanted=lambda line: bool(line.balances),
        rows_of=rows_of,
        key=lambda row: f"{row.package_id or ''}/{row.currency}",
    )


def _rows(context: Context, reads: Reads, period: Period, line: RosterLine, loaded: Loaded) -> Iterator[RevenueRow]:
    found: dict[tuple[str | None, str], Revenue] = {}
    for sold in sold_to(context, reads, line, loaded):
        place = sold.package_id, sold.value.currency
        own = revenue(sold.value, sold.changes, period.since, period.until)
        found[place] = found.get(place, Revenue()) + own
    client = loaded.others.get(line.client_id)
    for (package_id, currency), every in found.items():
        if any(astuple(every)):
            yield RevenueRow(
                client_id=line.client_id,
                client_name=client.name if client else None,
                package_id=package_id,
                currency=currency,
                opening=every.opening,
                sold=every.sold,
                earned=every.earned,
                expired=every.expired,
                refunded=every.refunded,
                closing=every.closing,
            )
