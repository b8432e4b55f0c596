"""Credits of a client: numbers, lots, entries.

What role client sees is built field by field, never by taking away from what staff see.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Required

from pydantic import ConfigDict
from typing_extensions import TypedDict

from client_credits.domain.ledger.entries import Entry, EntryKind
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.practice.records import SettingsChange
from client_credits.http.schemas.common import View
from client_credits.publishing import plain as telling


class TypeCreditsView(View):
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


class CreditsView(View):
    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[TypeCreditsView]


class PastBalanceView(View):
    appointment_type: str
    name: str
    balance: int


class PastCreditsView(View):
    """The balances as of a past instant. The other numbers are known for now alone."""

    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[PastBalanceView]


class LotView(View):
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


def lot_view(wallet: Wallet, lot: Lot, now: datetime) -> LotView:
    return LotView(
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


class PostingView(TypedDict, total=False):
    """Exactly one of `lot_id` and `debt` says what the amount is of."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # a release may say more of a lot

    lot_id: str
    debt: str
    amount: Required[int]


class CauseView(TypedDict, total=False):
    """Why: `kind` is always there, the ids that name the cause as far as it has them.

    Of credits that a payment brought, staff alone see `amount`, what was charged for its line in minor units of
    `currency`: of the whole line, after discounts and without tax, however many types or months it is good for.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    kind: Required[str]
    package_id: str
    amount: int
    currency: str
    booking_id: str
    starts_at: str
    lot_id: str
    payment: str
    line: str
    subscription: str
    from_client_id: str
    to_client_id: str
    authorization_id: str
    undoes: str  # the number of the entry that this one undoes
    undoes_client_id: str  # whose entry that is; absent in older entries


class ActorView(TypedDict, total=False):
    """Who acted. `name` is for staff alone, and only where the directory of staff knows it."""

    kind: Required[str]
    id: Required[str]
    name: str


class EntryView(View):
    """One change. `sequence` is null for a change of settings, which moves no credits.

    `client_id` is the record whose entry it is: of clients that were merged each numbers its own.
    """

    entry_id: str
    source_id: str
    client_id: str | None
    appointment_type: str | None
    sequence: int | None
    kind: str
    amount: int
    balance_before: int | None
    balance_after: int | None
    postings: list[PostingView]
    cause: CauseView
    actor: ActorView
    reason: str | None
    occurred_at: datetime
    recorded_at: datetime


def entry_view(entry: Entry | SettingsChange, names: Mapping[str, str], *, for_staff: bool) -> EntryView:
    """An entry as the back office sees it; for staff with the amount paid. `names` are those of actors, by id, as far
    as known."""
    members = telling.settings_change(entry) if isinstance(entry, SettingsChange) else telling.entry(entry)
    name = names.get(members["actor"]["id"])
    members["actor"] |= {"name": name} if name else {}
    members["cause"] |= _paid(entry) if for_staff and isinstance(entry, Entry) else {}
    return EntryView(**members)


def _paid(entry: Entry) -> dict[str, int | str]:
    """What was charged for the payment line that the entry grants."""
    if entry.kind != EntryKind.GRANTED or "payment" not in entry.cause.ids:
        return {}
    values = (posting.facts.value for posting in entry.postings if posting.facts and posting.facts.value)
    value = next(values, None)  # of the whole line, in each lot
    return {"amount": value.amount, "currency": value.currency} if value else {}


class OwnCauseView(View):
    """Why, without any id but those of the client's own package or booking."""

    kind: str
    package_id: str | None
    booking_id: str | None
    starts_at: str | None


class OwnEntryView(View):
    """One change, as the client whose credits it changed sees it.

    `ends` are the ends of the credits that came or were extended, null for never, as far as the entry says them.
    """

    entry_id: str
    appointment_type: str | None
    kind: str
    amount: int
    balance_after: int | None
    ends: list[datetime | None]
    cause: OwnCauseView
    occurred_at: datetime
    recorded_at: datetime


def own_entry_view(entry: Entry | SettingsChange) -> OwnEntryView:
    """An entry as its client may see it. Field by field: what is not named here is not shown."""
    if isinstance(entry, SettingsChange):
        return OwnEntryView(
            entry_id=entry.change_id,
            appointment_type=None,
            kind="settings_changed",
            amount=0,
            balance_after=None,
            ends=[],
            cause=OwnCauseView(kind="settings", package_id=None, booking_id=None, starts_at=None),
            occurred_at=entry.occurred_at,
            recorded_at=entry.occurred_at,
        )
    return OwnEntryView(
        entry_id=entry.entry_id,
        appointment_type=entry.appointment_type,
        kind=str(entry.kind),
        amount=entry.amount,
        balance_after=entry.balance_after,
        ends=_ends(entry),
        cause=_own_cause(entry),
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
    )


def _ends(entry: Entry) -> list[datetime | None]:
    facts = (getattr(posting, "facts", None) for posting in entry.postings)
    return [lot.expires_at for lot in facts if lot]


def _own_cause(entry: Entry) -> OwnCauseView:
    """A booking is the client's own only where it is the cause, or an authorisation for it; other causes may name
    another client's."""
    kind, ids = str(entry.cause.kind), entry.cause.ids
    booked = kind in ("booking", "authorization")
    return OwnCauseView(
        kind=kind,
        package_id=ids.get("package_id"),
        booking_id=ids.get("booking_id") if booked else None,
        starts_at=ids.get("starts_at") if booked else None,
    )


Kind = Literal[
    "granted",
    "repaid",
    "spent",
    "restored",
    "forfeited",
    "forgiven",  # none yet: it comes with forgiving
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
    "covered",
    "settings_changed",
]
