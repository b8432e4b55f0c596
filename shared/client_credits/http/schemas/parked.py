"""Parked payments, and what staff decide about them."""

from datetime import datetime

from client_credits.domain.payments.parked import Parked
from client_credits.http.schemas.common import Id, Reason, Request, View
from client_credits.http.schemas.credits import EntryView
from client_credits.publishing import plain as telling


class ParkedView(View):
    id: str
    reason: str
    event_id: str
    customer: str | None
    payment: str | None
    prices: list[str]
    received_at: datetime
    state: str


def parked_view(parked: Parked) -> ParkedView:
    return ParkedView(**telling.parked(parked))


class ResolveBody(Request):
    client_id: Id | None = None
    package_id: Id | None = None


class DismissBody(Request):
    reason: Reason


class ResolvedLine(View):
    line: str
    outcome: str
    source_id: str | None


class Resolved(View):
    id: str
    lines: list[ResolvedLine]
    entries: list[EntryView]
