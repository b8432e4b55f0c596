"""Payments grant credits: which lines count, what lots they make, and when those end.

Rules: every line of a known package grants credits x quantity, one lot per appointment type, timed
by the payment and never by its arrival. A package that renews grants every paid cycle; one that
does not grants once per subscription item.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from client_credits.domain.catalogue import Catalogue, Package
from client_credits.domain.entries import Act, Change, EntryKind, Posting
from client_credits.domain.errors import LimitReached
from client_credits.domain.expiry import expires_at
from client_credits.domain.ids import derived_id
from client_credits.domain.payments import Payment, PaymentKind, PaymentLine
from client_credits.domain.settings import Settings
from client_credits.domain.settling import settle
from client_credits.domain.wallet import (
    DEFAULT_PRIORITY,
    MAX_CREDITS,
    MAX_OPEN,
    PRIORITY,
    Lot,
    LotSource,
    Value,
)


class LineFate(StrEnum):
    """What becomes of one payment line."""

    GRANT = "grant"
    NOT_RENEWING = "not_renewing"  # a later cycle of a package that grants once
    PRORATION = "proration"
    TRIAL = "trial"  # a trial's zero line of a package that grants nothing for trials
    NO_QUANTITY = "no_quantity"
    UNKNOWN_PACKAGE = "unknown_package"
    PACKAGE_ARCHIVED = "package_archived"
    TOO_MANY = "too_many_credits"
    NO_CYCLE = "no_cycle_to_end_with"


PARKED = frozenset({LineFate.UNKNOWN_PACKAGE, LineFate.PACKAGE_ARCHIVED, LineFate.TOO_MANY, LineFate.NO_CYCLE})


@dataclass(frozen=True, slots=True)
class LineDecision:
    line: PaymentLine
    fate: LineFate
    package: Package | None = None
    source_id: str = ""  # the line's one name in the practice
    first_id: str | None = None  # of a subscription's item: the name of its first paid grant

    @property
    def grant_id(self) -> str:
        """The source id of the grant: the item's first one, if the package grants no other."""
        once = self.package is not None and not self.package.renews_each_cycle
        return self.first_id if once and self.first_id else self.source_id


def decide_line(
    payment: Payment, line: PaymentLine, catalogue: Catalogue, package_id: str | None = None
) -> LineDecision:
    """What one line of a payment does. `package_id` is staff's answer for a line no rule explains."""
    source_id, first_id = _source_ids(payment, line)
    if line.proration:
        return LineDecision(line, LineFate.PRORATION, None, source_id)
    package = _package(line, catalogue)
    if package_id and (package is None or package.archived):
        package = catalogue.packages.get(package_id)
    if package is None:
        return LineDecision(line, LineFate.UNKNOWN_PACKAGE, None, source_id, first_id)
    return LineDecision(line, _fate(payment, line, package), package, source_id, first_id)


def _package(line: PaymentLine, catalogue: Catalogue) -> Package | None:
    if line.price:
        return catalogue.package_for_price(line.price)
    return catalogue.packages.get(line.package_id or "")


def _fate(payment: Payment, line: PaymentLine, package: Package) -> LineFate:
    if package.archived_at and payment.paid_at >= package.archived_at:
        return LineFate.PACKAGE_ARCHIVED
    if line.trial and not package.trial_grants:
        return LineFate.TRIAL
    if line.quantity == 0:
        return LineFate.NO_QUANTITY
    if any(n * line.quantity > MAX_CREDITS for n in package.credits.values()):
        return LineFate.TOO_MANY
    if package.expiry.kind == "cycle_end" and not (line.subscription_item and line.period_end):
        return LineFate.NO_CYCLE
    return LineFate.GRANT


def _source_ids(payment: Payment, line: PaymentLine) -> tuple[str, str | None]:
    """`stripe/<account>/<mode>/<payment>/<line>`, and for a paid line of a subscription's item
    `stripe/<account>/<mode>/<subscription>/first/<item>`, which every cycle's line shares."""
    prefix = f"stripe/{payment.account}/{payment.mode}"
    recurring = payment.kind in (PaymentKind.FIRST, PaymentKind.CYCLE)
    shared = recurring and line.subscription_item and not line.trial
    first = f"{prefix}/{payment.subscription}/first/{line.subscription_item}" if shared else None
    return f"{prefix}/{payment.payment_id}/{line.line_id}", first


def starts_at(payment: Payment, line: PaymentLine) -> datetime:
    """A lot starts when it was paid, or with its cycle where that was paid ahead of time."""
    if line.subscription_item and line.period_start:
        return max(payment.paid_at, line.period_start)
    return payment.paid_at


def grant(
    change: Change,
    amount: int,
    line: LineDecision,
    payment: Payment,
    act: Act,
    settings: Settings,
    room: int,
) -> Change:
    """Adds the lot of one appointment type to a settled wallet, then lets it repay what is owed.

    `amount` is 1..1,000,000. Raises LimitReached when the wallet would hold more than 500 open
    lots, debts and holds, or more credits than a number may say.
    """
    package = line.package
    assert package is not None and 0 < amount <= MAX_CREDITS
    wallet = change.wallet
    recurring = payment.kind in (PaymentKind.FIRST, PaymentKind.CYCLE) and line.line.subscription_item
    source = LotSource.CYCLE if recurring else LotSource.PURCHASE
    begins = starts_at(payment, line.line)
    lot = Lot(
        lot_id=derived_id("lot", act.source_id, wallet.client_id, wallet.appointment_type),
        granted=amount,
        remaining=amount,
        effective_at=begins,
        expires_at=expires_at(package.expiry, begins, settings.timezone, line.line.period_end),
        source=source,
        priority=PRIORITY.get(source, DEFAULT_PRIORITY),
        package_id=package.package_id,
        payment=f"{payment.payment_id}/{line.line.line_id}",
        subscription=payment.subscription if recurring else None,
        value=Value(line.line.amount, line.line.currency, sum(package.credits.values()) * line.line.quantity),
    )
    return add_lot(change, lot, act, settings, room)


def add_lot(change: Change, lot: Lot, act: Act, settings: Settings, room: int) -> Change:
    """A new lot enters a settled wallet: one `granted` entry, then repayments and, if it came too late, its end."""
    wallet = change.wallet
    grown = replace(wallet.with_lot(lot), granted_total=wallet.granted_total + lot.granted)
    change = change.record(grown, EntryKind.GRANTED, act, (Posting(lot.granted, lot_id=lot.lot_id),))
    change = settle(change, act.now, settings, act, limit=room)
    check_bounds(change)
    return change


def check_bounds(change: Change) -> None:
    """Raises LimitReached when a wallet has outgrown what one record holds."""
    wallet = change.wallet
    if wallet.open_count > MAX_OPEN and wallet.open_count > change.before.open_count:
        raise LimitReached(f"A wallet holds at most {MAX_OPEN} open lots, debts and holds.")
    if abs(wallet.balance) > MAX_CREDITS or wallet.granted_total > 10**12:
        raise LimitReached(f"A wallet's balance stays within {MAX_CREDITS:,} credits.")
