"""Who owes credits: every wallet with debts, whatever it holds beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine, settled_wallet
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage, by_client
from client_credits.store.records import Loaded


@dataclass(frozen=True, slots=True)
class NegativeRow:
    client_id: str
    client_name: str | None
    appointment_type: str
    debt: int
    balance: int
    owed_since: datetime


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[NegativeRow]:
    """Rows in order of client and type. They take no period."""

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[NegativeRow]:
        return _rows(context, line, loaded)

    return by_client(
        context,
        after,
        limit,
        wanted=lambda line: line.negative,
        rows_of=rows_of,
        key=lambda row: row.appointment_type,
    )


def _rows(context: Context, line: RosterLine, loaded: Loaded) -> Iterator[NegativeRow]:
    client, settings = loaded.others.get(line.client_id), loaded.settings_of(line.client_id)
    for appointment_type, debt in line.debts.items() if settings.enabled else ():
        wallet = settled_wallet(loaded, line.client_id, appointment_type, context.now) if debt else None
        if wallet and wallet.debt:
            yield NegativeRow(
                client_id=line.client_id,
                client_name=client.name if client else None,
                appointment_type=appointment_type,
                debt=wallet.debt,
                balance=wallet.balance_at(context.now),
                owed_since=min(each.since for each in wallet.debts),
            )
