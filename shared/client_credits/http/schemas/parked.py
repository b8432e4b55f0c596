"""Parked payments, and what staff decide about them."""

from datetime import datetime

from client_credits.domain.payments.parked import Parked
from client_credits.http.schemas.common import Answer, Id, Reason, Request
from client_credits.http.schemas.credits import EntryAnswer
from client_credits.publishing import plain as telling


class ParkedAnswer(Answer):
    id: str
    reason: str
    event_id: str
    customer: str | None
    payment: str | None
    prices: list[str]
    received_at: datetime
    state: str


def parked_answer(parked: Parked) -> ParkedAnswer:
    return ParkedAnswer(**telling.parked(parked))


class ResolveBody(Request):
    client_id: Id | None = None
    package_id: Id | None = None


class DismissBody(Request):
    reason: Reason


class ResolvedLine(Answer):
    line: str
    outcome: str
    source_id: str | None


class Resolved(Answer):
    id: str
    lines: list[ResolvedLine]
    entries: list[EntryAnswer]
