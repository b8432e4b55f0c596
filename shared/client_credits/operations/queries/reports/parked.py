"""Payments that are not granted and wait for staff, the longest parked first."""

from dataclasses import dataclass
from datetime import datetime

from client_credits.operations.context import Context
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage


@dataclass(frozen=True, slots=True)
class ParkedRow:
    parked_id: str
    reason: str
    event_id: str
    customer: str | None
    payment: str | None
    prices: str
    received_at: datetime


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[ParkedRow]:
    """Open ones only. They take no period. Raises NotFound for a practice without record."""
    context.store.catalogue(context.practice_id)
    found, last = context.store.parked_page(context.practice_id, after, limit)
    rows = [
        ParkedRow(
            parked_id=each.parked_id,
            reason=each.reason,
            event_id=each.event_id,
            customer=each.customer,
            payment=each.payment_id,
            prices=" ".join(each.prices),
            received_at=each.received_at,
        )
        for each in found
    ]
    return ReportPage(rows, last)
