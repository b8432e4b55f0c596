"""Credits that end within a period, lot by lot: what clients lose unless they book or staff extend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine, settled_wallet
from client_credits.operations.queries.reports.pages import Period, ReportAsk, ReportPage, by_client
from client_credits.store.records import Loaded
from client_credits.store.writes import sortable


@dataclass(frozen=True, slots=True)
class ExpiringRow:
    client_id: str
    client_name: str | None
    appointment_type: str
    lot_id: str
    package_id: str | None
    remaining: int
    frozen: bool
    expires_at: datetime


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[ExpiringRow]:
    """Lots with credits whose end is within the period and still to come, in order of client, type and end.

    What rolls over at its end stands here, too: how much of it stays is settled then.
    """

    def wanted(line: RosterLine) -> bool:
        ends = line.next_expiry is not None and line.next_expiry < asked.period.until.timestamp()
        return ends or line.may_differ(context.now)

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[ExpiringRow]:
        return _rows(context, asked.period, line, loaded)

    def key(row: ExpiringRow) -> str:
        return f"{row.appointment_type}/{sortable(row.expires_at)}/{row.lot_id}"

    return by_client(context, after, limit, wanted=wanted, rows_of=rows_of, key=key)


def _rows(context: Context, period: Period, line: RosterLine, loaded: Loaded) -> Iterator[ExpiringRow]:
    client, settings = loaded.others.get(line.client_id), loaded.settings_of(line.client_id)
    for appointment_type in line.balances if settings.enabled else ():
        wallet = settled_wallet(loaded, line.client_id, appointment_type, context.now)
        for lot in wallet.open_lots:
            if lot.expires_at and lot.expires_at > context.now and period.holds(lot.expires_at):
                yield ExpiringRow(
                    client_id=line.client_id,
                    client_name=client.name if client else None,
                    appointment_type=appointment_type,
                    lot_id=lot.lot_id,
                    package_id=lot.package_id,
                    remaining=lot.remaining,
                    frozen=bool(lot.frozen),
                    expires_at=lot.expires_at,
                )
