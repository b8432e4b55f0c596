"""The ledger: entries, and the one way in which an operation changes a wallet and writes them.

Owns the shape of an entry and the numbering. An entry's amount is the sum of its postings.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.dates import FOREVER
from client_credits.domain.errors import LimitReached
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.wallet import MAX_OPEN, Lot, LotSource, Value, Wallet
from client_credits.domain.words import Unknown

MAX_GRANTED = 10**12  # credits that a wallet is ever given


class EntryKind(StrEnum):
    GRANTED = "granted"
    REPAID = "repaid"
    SPENT = "spent"
    RESTORED = "restored"
    FORFEITED = "forfeited"
    EXPIRED = "expired"
    ADJUSTED = "adjusted"
    EXTENDED = "extended"
    VOIDED = "voided"
    TRANSFERRED_IN = "transferred_in"
    TRANSFERRED_OUT = "transferred_out"
    ROLLED_OVER = "rolled_over"
    CLAWED_BACK = "clawed_back"
    REINSTATED = "reinstated"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    COVERED = "covered"


class CauseKind(StrEnum):
    PACKAGE = "package"
    BOOKING = "booking"
    STAFF = "staff"
    SCHEDULE = "schedule"
    TRANSFER = "transfer"
    REFUND = "refund"
    DISPUTE = "dispute"
    SUBSCRIPTION = "subscription"
    EXTENSION = "extension"
    IMPORT = "import"
    MERGE = "merge"
    AUTHORIZATION = "authorization"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why: a kind and the ids that name it, such as {"package_id": "ten-pack"}."""

    kind: CauseKind | Unknown
    ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who: `system`, `client`, `staff` or `service`, and an id."""

    kind: str
    actor_id: str


@dataclass(frozen=True, slots=True)
class LotFacts:
    """What a lot is, as an entry that makes it, or moves its end, tells it for good. Names as in `Lot`."""

    effective_at: datetime
    expires_at: datetime | None
    source: LotSource | Unknown
    priority: int
    package_id: str | None = None
    payment: str | None = None
    subscription: str | None = None
    cycle: tuple[datetime, datetime] | None = None
    parent: str | None = None
    value: Value | None = None
    paused_seconds: int = 0

    @property
    def end(self) -> datetime:
        return self.expires_at or FOREVER


def facts_of(lot: Lot) -> LotFacts:
    return LotFacts(**{name: getattr(lot, name) for name in _FACTS})


def lot_of(facts: LotFacts, lot_id: str, granted: int) -> Lot:
    """A lot of these facts with all it was granted."""
    return Lot(lot_id=lot_id, granted=granted, remaining=granted, **{name: getattr(facts, name) for name in _FACTS})


_FACTS = tuple(each.name for each in fields(LotFacts))


@dataclass(frozen=True, slots=True)
class Posting:
    """A signed number of credits of one lot, or of one debt (minus: more is owed).

    `facts` are there where the posting makes the lot or moves its end.
    """

    amount: int
    lot_id: str | None = None
    debt: str | None = None
    facts: LotFacts | None = None

    @property
    def made_from(self) -> str | None:
        """The lot that this one was made from, where the posting makes a lot."""
        return self.facts.parent if self.facts else None


@dataclass(frozen=True, slots=True)
class Entry:
    """The immutable record of one kind of change by one operation on one wallet."""

    practice_id: str
    client_id: str
    appointment_type: str
    sequence: int
    source_id: str
    kind: EntryKind | Unknown
    amount: int
    balance_before: int
    balance_after: int
    postings: tuple[Posting, ...]
    cause: Cause
    actor: Actor
    occurred_at: datetime
    recorded_at: datetime
    reason: str | None = None

    @property
    def entry_id(self) -> str:
        """Follows from the wallet, the number and the source, so every reader of an entry names it alike.

        A table that was restored numbers anew: another fact under the same number has another id.
        """
        place = (self.practice_id, self.client_id, self.appointment_type, str(self.sequence))
        return derived_id("ent", *place, self.source_id)


@dataclass(frozen=True, slots=True)
class Act:
    """What is being done: the operation's source id, its cause and actor, and its instants.

    `occurred_at` is when it happened in the world, `now` when we decide; an entry is never dated
    later than it is recorded.
    """

    source_id: str
    cause: Cause
    actor: Actor
    occurred_at: datetime
    now: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Repayment:
    """A lot that repaid (part of) a booking's debt, and so became its payer."""

    booking_id: str
    lot_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Change:
    """A wallet on its way: as it was loaded, as it is now, and the entries between the two."""

    before: Wallet
    wallet: Wallet
    entries: tuple[Entry, ...] = ()
    repayments: tuple[Repayment, ...] = ()

    @property
    def made(self) -> bool:
        return self.wallet is not self.before

    def record(
        self,
        wallet: Wallet,
        kind: EntryKind,
        act: Act,
        postings: tuple[Posting, ...],
        occurred_at: datetime | None = None,
    ) -> "Change":
        """The change with `wallet` as its new state, explained by one more entry.

        The postings must account for the whole difference: this is where a rule that loses or
        invents credits is caught. Within a wallet `recorded_at` never falls, whatever the clocks say.
        """
        amount = sum(posting.amount for posting in postings)
        postings = tuple(self._with_facts(posting, wallet) for posting in postings)
        before = self.wallet.balance
        assert wallet.balance == before + amount, (kind, before, amount, wallet.balance)
        recorded_at = max(act.now, self.wallet.last_at or act.now)
        entry = Entry(
            practice_id=wallet.practice_id,
            client_id=wallet.client_id,
            appointment_type=wallet.appointment_type,
            sequence=wallet.sequence + 1,
            source_id=act.source_id,
            kind=kind,
            amount=amount,
            balance_before=before,
            balance_after=before + amount,
            postings=postings,
            cause=act.cause,
            actor=act.actor,
            occurred_at=min(occurred_at or act.occurred_at, act.now),
            recorded_at=recorded_at,
            reason=act.reason,
        )
        numbered = replace(wallet, sequence=entry.sequence, last_at=recorded_at)
        return replace(self, wallet=numbered, entries=(*self.entries, entry))

    def _with_facts(self, posting: Posting, wallet: Wallet) -> Posting:
        """The posting with the facts of a lot that is new, or ends otherwise than before."""
        if posting.lot_id is None:
            return posting
        known, lot = self.wallet.lot(posting.lot_id), wallet.lot(posting.lot_id)
        assert lot is not None, posting
        same = known is not None and known.expires_at == lot.expires_at
        return posting if same else replace(posting, facts=facts_of(lot))

    def repaid_by(self, repayments: tuple[Repayment, ...]) -> "Change":
        return replace(self, repayments=(*self.repayments, *repayments))


def untouched(wallet: Wallet) -> Change:
    return Change(before=wallet, wallet=wallet)


def check_bounds(change: Change) -> None:
    """Raises LimitReached when what a caller asks for lets a wallet outgrow its bounds.

    For requests only. What undoes or follows (restore, claw back, reinstate, expire, settle) is never
    refused: a wallet it fills beyond the bounds may shrink again, and takes no request that fills it more.
    """
    before, after = change.before, change.wallet
    if after.open_count > max(MAX_OPEN, before.open_count):
        raise LimitReached(f"A wallet holds at most {MAX_OPEN} open lots, debts and holds.")
    if abs(after.balance) > max(MAX_CREDITS, abs(before.balance)):
        raise LimitReached(f"A wallet's balance stays within {MAX_CREDITS:,} credits.")
    if after.granted_total > max(MAX_GRANTED, before.granted_total):
        raise LimitReached("A wallet has been granted more than it can count.")
