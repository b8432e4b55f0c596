"""May this client book this session? The one decision that eligibility shows and a spend makes.

Owns the reasons. Works on a settled wallet; changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from client_credits.domain.ledger.wallet import MAX_OPEN, Lot, Wallet, available, take
from client_credits.domain.practice.settings import Settings


class Reason(StrEnum):
    OK = "ok"
    INSUFFICIENT = "insufficient_credits"
    EXPIRES_BEFORE_SESSION = "expires_before_session"
    NOT_EFFECTIVE_YET = "not_effective_yet"
    FROZEN = "frozen"
    LIMIT_REACHED = "limit_reached"
    CREDITS_DISABLED = "credits_disabled"
    NOT_TRACKED = "not_tracked"
    UNKNOWN_CLIENT = "unknown_client"
    UNIDENTIFIED = "unidentified"


class Rule(StrEnum):
    """Which rule let a spend without enough credits through."""

    ALLOWED_WITHOUT_CREDITS = "allow_booking_without_credits"
    TYPE_BOOKABLE_WITHOUT_CREDITS = "bookable_without_credits"


@dataclass(frozen=True, slots=True)
class SessionToBook:
    """What is to be booked: seats 1..100, one credit each."""

    appointment_type: str
    starts_at: datetime
    seats: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """`shortfall` is what credits do not cover; when allowed, it becomes debt by `rule`."""

    allowed: bool
    reason: Reason
    available: int
    shortfall: int
    takes: tuple[tuple[Lot, int], ...] = ()
    rule: Rule | None = None


def decide(
    wallet: Wallet,
    seats: int,
    starts_at: datetime | None,
    now: datetime,
    settings: Settings,
    bookable_without_credits: bool = False,
) -> Decision:
    """Which lots would pay, in burn order; what would be owed and by which rule; or why not.

    `wallet` is settled at `now`. Without `starts_at` the session is taken to be now.
    """
    cover = settings.credit_must_cover == "session"
    session = starts_at if cover else None
    has = available(wallet, now, starts_at, settings=settings)
    lots = [(lot, wallet.free(lot, now)) for lot in wallet.usable_lots(now, session)]
    takes = tuple(take(lots, min(seats, has)))
    shortfall = seats - min(seats, has)
    if shortfall == 0:
        return Decision(True, Reason.OK, has, 0, takes)
    rule = _rule(settings, bookable_without_credits)
    if rule is None:
        return Decision(False, _why(wallet, seats, starts_at, now, settings), has, shortfall)
    emptied = sum(1 for lot, part in takes if part == lot.remaining)
    if _beyond_limit(wallet, shortfall, emptied, settings):
        return Decision(False, Reason.LIMIT_REACHED, has, shortfall)
    return Decision(True, Reason.OK, has, shortfall, takes, rule)


def _rule(settings: Settings, bookable_without_credits: bool) -> Rule | None:
    if settings.allow_booking_without_credits:
        return Rule.ALLOWED_WITHOUT_CREDITS
    return Rule.TYPE_BOOKABLE_WITHOUT_CREDITS if bookable_without_credits else None


def _beyond_limit(wallet: Wallet, shortfall: int, emptied: int, settings: Settings) -> bool:
    limit = settings.max_negative
    owed = wallet.debt + shortfall
    return (limit != "unlimited" and owed > limit) or wallet.open_count + 1 - emptied > MAX_OPEN


def _why(wallet: Wallet, seats: int, starts_at: datetime | None, now: datetime, settings: Settings) -> Reason:
    """The first thing that, were it otherwise, would have let the client book."""
    if available(wallet, now, None, settings=settings) >= seats:
        return Reason.EXPIRES_BEFORE_SESSION
    thawed = _with_lots(wallet, [replace(lot, frozen=()) for lot in wallet.lots])
    if available(thawed, now, starts_at, settings=settings) >= seats:
        return Reason.FROZEN
    begun = [replace(lot, effective_at=min(lot.effective_at, now)) for lot in wallet.lots]
    if available(_with_lots(wallet, begun), now, starts_at, settings=settings) >= seats:
        return Reason.NOT_EFFECTIVE_YET
    return Reason.INSUFFICIENT


def _with_lots(wallet: Wallet, lots: list[Lot]) -> Wallet:
    return replace(wallet, lots=tuple(lots))
