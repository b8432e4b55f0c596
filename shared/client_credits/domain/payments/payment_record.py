"""What was given back of a payment, and which part of each of its grants that undoes.

Owns the record of a payment and how news of money are folded into it: any order and any repetition
of the same news gives the same record. Knows no wallet.

Refunded = min(paid, refunds that did not fail + disputes lost), together, never twice. A credit
note that names lines assigns its refunds to them; everything else counts against the whole payment.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import TypeVar

from client_credits.domain.ledger.tranches import Ended, Plan, last_of
from client_credits.domain.ledger.wallet import Freeze
from client_credits.domain.payments.facts import (
    OWN_ACCOUNT,
    CreditNote,
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    PaymentMade,
    Refund,
    RefundStatus,
)

T = TypeVar("T")
MAX_HOLDERS = 40  # wallets that may have credits of one payment
_REFUND_RANK = {RefundStatus.PENDING: 0, RefundStatus.SUCCEEDED: 1, RefundStatus.FAILED: 2}
_DISPUTE_RANK = {
    DisputeStatus.WARNED: 0,
    DisputeStatus.CALMED: 1,
    DisputeStatus.OPEN: 2,
    DisputeStatus.LOST: 3,
    DisputeStatus.WON: 3,
}


@dataclass(frozen=True, slots=True)
class Taken:
    """Credits clawed back from a client's lot: by which refund or dispute, and when."""

    client_id: str
    lot_id: str
    amount: int
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaidGrant:
    """What one line of a payment granted of one type, and what was clawed back of it so far.

    `amount` is the line's, in minor units. `owed` counts all debt ever made for it and not taken
    back since, repaid or not; `reported` is the shortfall that was only told. `let_go` is what was
    given back of what had been withheld of later tranches, `revived` what came back to each lot, in
    all, of what had expired in disputes that were won.
    """

    line_id: str
    client_id: str
    appointment_type: str
    amount: int
    lot_id: str
    taken: tuple[Taken, ...] = ()
    owed: int = 0
    reported: int = 0
    let_go: int = 0
    plan: Plan | None = None  # where it brings monthly tranches
    revived: tuple[Taken, ...] = ()
    also: tuple[str, ...] = ()  # further lines of the payment that were granted with this one

    @property
    def taken_back(self) -> int:
        return sum(part.amount for part in self.taken)

    def with_taken(self, part: Taken) -> "PaidGrant":
        """So much more is taken: one number a lot, cause and instant, the newest touched last."""
        before = next((t for t in self.taken if replace(t, amount=0) == replace(part, amount=0)), None)
        more = replace(part, amount=part.amount + (before.amount if before else 0))
        return replace(self, taken=(*(t for t in self.taken if t is not before), more))

    def without_taken(self, part: Taken, amount: int) -> "PaidGrant":
        """So much of a part is given back."""
        assert 0 < amount <= part.amount, (part, amount)
        left = (replace(part, amount=part.amount - amount),) if amount < part.amount else ()
        return replace(self, taken=(*(t for t in self.taken if t is not part), *left))

    def with_revived(self, client_id: str, lot_id: str, amount: int) -> "PaidGrant":
        """So much more came back to a lot."""
        known = {(t.client_id, t.lot_id): t.amount for t in self.revived}
        known[client_id, lot_id] = known.get((client_id, lot_id), 0) + amount
        return replace(self, revived=tuple(Taken(*lot, n) for lot, n in sorted(known.items())))


@dataclass(frozen=True, slots=True)
class Holder:
    """A wallet that has had credits of the payment, in its entries after `since`."""

    client_id: str
    appointment_type: str
    since: int


@dataclass(frozen=True, slots=True)
class PaidBy:
    """A payment intent or charge that paid (part of) it, and what Stripe says was refunded of it in all."""

    money: str
    refunded_total: int = 0


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """A payment: what it granted, who has had those credits, and all that was heard of money back.

    `paid` is in minor units. `revoked` says why it should not have granted at all; `upheld`, that
    staff decided that it counts all the same. `followed` names the news whose consequences for the
    credits are written; `foreign`, the refunds and disputes that were told of it and are another's.
    `ends` are those of its subscription, as far as they were told. `within` is the payment of the same
    money whose record holds this one's grants; `sold` and `sold_by_intent` count the packages, see `one_money`.
    """

    payment_id: str
    account: str = ""
    mode: str = ""
    paid: int = 0
    paid_at: datetime | None = None
    subscription: str | None = None
    grants: tuple[PaidGrant, ...] = ()
    holders: tuple[Holder, ...] = ()
    paid_by: tuple[PaidBy, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    notes: tuple[CreditNote, ...] = ()
    revoked: str | None = None
    upheld: bool = False
    followed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    ends: tuple[Ended, ...] = ()
    within: str | None = None
    sold: dict[str, int] = field(default_factory=dict)
    sold_by_intent: dict[str, int] = field(default_factory=dict)
    version: int = 0

    @property
    def eventful(self) -> bool:
        """Whether any news of it might change its grants."""
        told = self.refunds or self.disputes or self.revoked or self.upheld or self.cut_short
        return bool(told or any(each.refunded_total for each in self.paid_by))

    @property
    def news(self) -> list[tuple[datetime, str]]:
        """What has been told, as (instant, `<refund or dispute>/<status>`), the newest last."""
        told = [(r.at, f"{r.refund_id}/{r.status}") for r in self.refunds]
        told += [(d.at, f"{d.dispute_id}/{d.status}") for d in self.disputes]
        return sorted(told)

    @property
    def standing(self) -> list[str]:
        """Whether it counts, where that was in question."""
        return ([self.revoked] if self.revoked else []) + (["upheld"] if self.upheld else [])

    @property
    def cut_short(self) -> list[tuple[datetime, str]]:
        """The ends after which tranches of its grants no longer come, as (instant, `ended/<item or subscription>`)."""
        plans = [grant.plan for grant in self.grants if grant.plan]
        cutting = (ended for ended in self.ends if any(last_of(plan, [ended]) < plan.count for plan in plans))
        return [(ended.at, f"ended/{ended.item or ended.subscription}") for ended in cutting]

    @property
    def open_disputes(self) -> tuple[Freeze, ...]:
        """What freezes its credits."""
        opened = [d for d in self.disputes if d.status is DisputeStatus.OPEN]
        return tuple(Freeze(f"dispute/{d.dispute_id}", d.since) for d in opened)

    @property
    def refunded(self) -> int:
        """Minor units given back, within 0..paid."""
        lost = sum(d.amount for d in self.disputes if d.status is DisputeStatus.LOST)
        return min(self.paid, self._refunds + lost)

    @property
    def undone(self) -> bool:
        """Whether all of it was given back, or it should not have counted at all."""
        return self.revoked is not None or (self.paid > 0 and self.refunded >= self.paid)

    @property
    def _refunds(self) -> int:
        """Refunds that did not fail: as told one by one, or by the charges' sums where those say more."""
        failed = sum(r.amount for r in self.refunds if r.status is RefundStatus.FAILED)
        standing = sum(r.amount for r in self.refunds if r.status is not RefundStatus.FAILED)
        return max(standing, sum(p.refunded_total for p in self.paid_by) - failed)

    def with_holders(self, pairs: Iterable[tuple[str, str, int]]) -> "PaymentRecord":
        """The record with further wallets that have its credits: (client, type, their last entry before that)."""
        known = {(h.client_id, h.appointment_type): h.since for h in self.holders}
        for client_id, kind, since in pairs:
            known[client_id, kind] = min(since, known.get((client_id, kind), since))
        return replace(self, holders=tuple(Holder(*pair, since) for pair, since in sorted(known.items())))

    def part_undone(self, line_id: str, amount: int) -> Fraction:
        """Which part (0 to 1) of a line's grants is undone; `amount` is the line's, in minor units."""
        if self.undone:
            return Fraction(1)
        if not self.paid:
            return Fraction(0)
        own, elsewhere = Fraction(0), Fraction(0)
        for note, money in self._given_back_by_notes():
            named = sum(credited for line, credited in note.lines if line)
            if not money or not named:
                continue
            elsewhere += Fraction(money * named, sum(credited for _, credited in note.lines))
            credited = sum(credited for line, credited in note.lines if line == line_id)
            if amount > 0:
                own += Fraction(credited, amount) * min(Fraction(1), Fraction(money, note.total))
        lost = sum(d.amount for d in self.disputes if d.status is DisputeStatus.LOST)
        general = max(Fraction(0), self._refunds + lost - elsewhere)
        return min(Fraction(1), general / self.paid + own)

    def _given_back_by_notes(self) -> Iterator[tuple[CreditNote, int]]:
        """Each credit note that counts, with the minor units that its refunds gave back.

        None where an intent of the practice's own granted: its grants are of no line that a note could name.
        A refund that was only told by its charge's sum is taken for the one a note still waits for.
        """
        standing = {r.refund_id: r.amount for r in self.refunds if r.status is not RefundStatus.FAILED}
        told = {refund.refund_id for refund in self.refunds}
        untold = self._refunds - sum(standing.values())
        for note in self.notes:
            if note.voided or note.total <= 0 or self.sold_by_intent:
                continue
            # One refund may serve several notes: each counts at most its own total.
            money = min(note.total, sum(standing.get(refund_id, 0) for refund_id in note.refunds))
            if set(note.refunds) - told:
                more = max(0, min(untold, note.total - money))
                untold, money = untold - more, money + more
            yield note, money


@dataclass(frozen=True, slots=True)
class Money:
    """What is known of a payment intent or charge: the payment it paid or, until that is known, what
    was told of money back."""

    money: str
    payment_id: str | None = None
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    refunded_total: int = 0
    version: int = 0

    def paying(self, payment_id: str) -> "Money":
        """The money once another payment holds what it paid."""
        return replace(self, payment_id=payment_id)


def learned(record: PaymentRecord, news: MoneyBack) -> PaymentRecord:
    """The record with what the news tell. Any order, any repetition: the same record."""
    paid_by = record.paid_by
    money = money_of(news)
    if money:
        paid_by = _with_total(paid_by, PaidBy(money, news.refunded_total or 0))
    known = replace(
        record,
        refunds=_merged(record.refunds, news.refunds, _refund_key, _refund_order),
        disputes=_disputes_merged(record.disputes, news.disputes),
        notes=_merged(record.notes, news.notes, _note_key, _note_order),
        paid_by=paid_by,
    )
    return _without_foreign(known)


def waiting(money: Money, news: MoneyBack) -> Money:
    """The money with what the news tell of it, while nobody knows what it paid."""
    return replace(
        money,
        refunds=_merged(money.refunds, news.refunds, _refund_key, _refund_order),
        disputes=_disputes_merged(money.disputes, news.disputes),
        refunded_total=max(money.refunded_total, news.refunded_total or 0),
    )


def linked(record: PaymentRecord, money: Money) -> tuple[PaymentRecord, Money]:
    """The payment once it is known what paid it: what had waited with the money moves to its record."""
    known = replace(
        record,
        refunds=_merged(record.refunds, money.refunds, _refund_key, _refund_order),
        disputes=_disputes_merged(record.disputes, money.disputes),
        paid_by=_with_total(record.paid_by, PaidBy(money.money, money.refunded_total)),
    )
    return _without_foreign(known), Money(money.money, record.payment_id, version=money.version)


def all_heard(record: PaymentRecord, other: PaymentRecord) -> PaymentRecord:
    """The record with all that was heard of another one of the same money, and what was done about it there."""
    paid_by = record.paid_by
    for each in other.paid_by:
        paid_by = _with_total(paid_by, each)
    known = replace(
        record,
        refunds=_merged(record.refunds, other.refunds, _refund_key, _refund_order),
        disputes=_disputes_merged(record.disputes, other.disputes),
        notes=_merged(record.notes, other.notes, _note_key, _note_order),
        paid_by=paid_by,
        followed=tuple(dict.fromkeys((*record.followed, *other.followed))),
        foreign=tuple(sorted({*record.foreign, *other.foreign})),
    )
    return _without_foreign(known)


def disowned(record: PaymentRecord, about: str) -> PaymentRecord:
    """The record without a refund or dispute that another payment has followed, whoever tells of it again."""
    return _without_foreign(replace(record, foreign=tuple(sorted({*record.foreign, about}))))


def _without_foreign(record: PaymentRecord) -> PaymentRecord:
    if not record.foreign:
        return record
    refunds = tuple(each for each in record.refunds if each.refund_id not in record.foreign)
    disputes = tuple(each for each in record.disputes if each.dispute_id not in record.foreign)
    return replace(record, refunds=refunds, disputes=disputes)


def is_of(known: PaymentRecord, account: str) -> bool:
    """Whether what is known of a payment may be added to by news of this account.

    A connected account's events reach the same practice, and must not touch what another account was paid.
    """
    return known.account in ("", account)


def money_of(news: Payment | PaymentMade | MoneyBack) -> str | None:
    """The name of the money that a payment or its news are about: its intent, else its charge.

    That of a connected account carries the account's id.
    """
    named = news.payment_intent or news.charge
    return named if named is None or news.account == OWN_ACCOUNT else f"{news.account}/{named}"


def _merged(
    known: tuple[T, ...], told: tuple[T, ...], key: Callable[[T], str], order: Callable[[T], tuple[object, ...]]
) -> tuple[T, ...]:
    """Of each thing the last word, in the order of their ids."""
    found: dict[str, T] = {}
    for each in (*known, *told):
        name = key(each)
        found[name] = max(found[name], each, key=order) if name in found else each
    return tuple(found[name] for name in sorted(found))


def _disputes_merged(known: tuple[Dispute, ...], told: tuple[Dispute, ...]) -> tuple[Dispute, ...]:
    """The last word of each, with the first instants at which it is known to have been opened, and won."""
    found = []
    for dispute in _merged(known, told, _dispute_key, _dispute_order):
        own = [d for d in (*known, *told) if d.dispute_id == dispute.dispute_id]
        opened = min((d.opened_at for d in own if d.opened_at), default=None)
        won = min((d.closed for d in own if d.won_at or d.status is DisputeStatus.WON), default=None)
        found.append(replace(dispute, opened_at=opened, won_at=won if won != dispute.at else None))
    return tuple(found)


def _refund_key(refund: Refund) -> str:
    return refund.refund_id


def _refund_order(refund: Refund) -> tuple[object, ...]:
    return (_REFUND_RANK[refund.status], refund.at, refund.amount)


def _dispute_key(dispute: Dispute) -> str:
    return dispute.dispute_id


def _dispute_order(dispute: Dispute) -> tuple[object, ...]:
    return (_DISPUTE_RANK[dispute.status], dispute.at, dispute.status == DisputeStatus.WON, dispute.amount)


def _note_key(note: CreditNote) -> str:
    return note.note_id


def _note_order(note: CreditNote) -> tuple[object, ...]:
    return (note.voided, note.refunds, note.lines, note.total)


def _with_total(paid_by: tuple[PaidBy, ...], told: PaidBy) -> tuple[PaidBy, ...]:
    totals = {each.money: each.refunded_total for each in paid_by}
    totals[told.money] = max(told.refunded_total, totals.get(told.money, 0))
    return tuple(PaidBy(money, totals[money]) for money in sorted(totals))
