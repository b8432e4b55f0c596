"""Credits of a client: numbers, lots, entries."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.practice.records import SettingsChange
from client_credits.http.schemas.common import Answer
from client_credits.publishing import plain as telling


class TypeCreditsAnswer(Answer):
    appointment_type: str
    name: str
    balance: int
    available: int
    held: int
    frozen: int
    not_yet_effective: int
    debt: int
    granted_total: int
    next_expiry: datetime | None
    version: int


class CreditsAnswer(Answer):
    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[TypeCreditsAnswer]


class LotAnswer(Answer):
    lot_id: str
    granted: int
    remaining: int
    held: int
    effective_at: datetime
    expires_at: datetime | None
    priority: int
    source: str
    package_id: str | None
    frozen: bool


def lot_answer(wallet: Wallet, lot: Lot, now: datetime) -> LotAnswer:
    return LotAnswer(
        lot_id=lot.lot_id,
        granted=lot.granted,
        remaining=lot.remaining,
        held=wallet.held(lot.lot_id, now),
        effective_at=lot.effective_at,
        expires_at=lot.expires_at,
        priority=lot.priority,
        source=lot.source,
        package_id=lot.package_id,
        frozen=bool(lot.frozen),
    )


class PostingAnswer(BaseModel):
    """Exactly one of `lot_id` and `debt` says what the amount is of."""

    lot_id: str | None = None
    debt: str | None = None
    amount: int


class ActorAnswer(Answer):
    kind: str
    id: str | None = None


class EntryAnswer(Answer):
    """One change. `sequence` is null for a change of settings, which moves no credits."""

    entry_id: str
    source_id: str
    client_id: str | None
    appointment_type: str | None
    sequence: int | None
    kind: str
    amount: int
    balance_before: int | None
    balance_after: int | None
    postings: list[dict[str, str | int]]
    cause: dict[str, Any]
    actor: ActorAnswer | None
    reason: str | None
    occurred_at: datetime
    recorded_at: datetime


def entry_answer(entry: Entry | SettingsChange, *, for_client: bool = False) -> EntryAnswer:
    """An entry as it is told; a client sees neither who acted nor the reason given."""
    told = telling.settings_change(entry) if isinstance(entry, SettingsChange) else telling.entry(entry)
    return EntryAnswer(**told | ({"actor": None, "reason": None} if for_client else {}))


Kind = Literal[
    "granted",
    "repaid",
    "spent",
    "restored",
    "forfeited",
    "expired",
    "adjusted",
    "extended",
    "voided",
    "transferred_in",
    "transferred_out",
    "rolled_over",
    "clawed_back",
    "reinstated",
    "frozen",
    "unfrozen",
    "settings_changed",
]
