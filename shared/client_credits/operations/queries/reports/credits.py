"""Credits per client and appointment type, as they stand now. A client without a wallet has no row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine, settled_wallet
from client_credits.operations.queries.credits import type_credits
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage, by_client
from client_credits.store.records import Loaded


@dataclass(frozen=True, slots=True)
class CreditsRow:
    client_id: str
    client_name: str | None
    appointment_type: str
    balance: int
    available: int
    held: int
    frozen: int
    not_yet_effective: int
    debt: int
    granted_total: int
    next_expiry: datetime | None


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[CreditsRow]:
    """Rows in order of client and type. They take no period. One request for some 50 rows, the roster apart."""

    def rows_of(line: RosterLine, loaded: Loaded) -> Iterator[CreditsRow]:
        return _rows(context, line, loaded)

    return by_client(
        context,
        after,
        limit,
        wanted=lambda line: bool(line.balances),
        rows_of=rows_of,
        key=lambda row: row.appointment_type,
    )


def _rows(context: Context, line: RosterLine, loaded: Loaded) -> Iterator[CreditsRow]:
    client, settings = loaded.others.get(line.client_id), loaded.settings_of(line.client_id)
    for appointment_type in line.balances if settings.enabled else ():
        wallet = settled_wallet(loaded, line.client_id, appointment_type, context.now)
        found = type_credits(wallet, appointment_type, context.now, settings)
        yield CreditsRow(
            client_id=line.client_id,
            client_name=client.name if client else None,
            appointment_type=appointment_type,
            balance=found.balance,
            available=found.available,
            held=found.held,
            frozen=found.frozen,
            not_yet_effective=found.not_yet_effective,
            debt=found.debt,
            granted_total=found.granted_total,
            next_expiry=found.next_expiry,
        )
