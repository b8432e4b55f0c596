"""What was given back of a payment, and which part of each of its lines that undoes.

Refunded = min(paid, refunds that did not fail + disputes lost + credit notes given as balance or outside
of Stripe), reckoned for each money apart, together, never twice. A refund belongs to the payment of its
credit note, else it is shared among all that its money paid (`sharing`). A credit note that names lines
assigns what it gave to them; everything else counts against the whole payment.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from client_credits.domain.payments.facts import CreditNote, DisputeStatus, Refund, RefundStatus
from client_credits.domain.payments.money import PaidBy, own_shares
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.sharing import own_part

UNKNOWN = ""  # in place of the money of refunds that only a credit note has named


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Of `paid` minor units, those before payment included: what was given back in all, against the whole, and
    by each credit note."""

    paid: int
    general: Fraction
    by_notes: tuple[tuple[CreditNote, int], ...]
    revoked: bool

    @property
    def refunded(self) -> Fraction:
        """Minor units given back, within 0..paid."""
        return min(Fraction(self.paid), self.general + sum(money for _, money in self.by_notes))

    @property
    def undone(self) -> bool:
        """Whether all of it was given back, or it should not have counted at all."""
        return self.revoked or (self.paid > 0 and self.refunded >= self.paid)

    def part_of(self, line_id: str, amount: int, also: tuple[str, ...] = ()) -> Fraction:
        """Which part (0 to 1) of a line's grants is undone; `amount` is the line's, in minor units, with that of
        the lines granted `also` with it."""
        if self.undone:
            return Fraction(1)
        if not self.paid:
            return Fraction(0)
        own, general = Fraction(0), self.general
        for note, money in self.by_notes:
            in_all = sum(credited for _, credited in note.lines)
            named = sum(credited for line, credited in note.lines if line)
            if not named or not in_all:
                general += money
                continue
            general += Fraction(money * (in_all - named), in_all)
            credited = sum(credited for line, credited in note.lines if line in (line_id, *also))
            if amount > 0:
                own += Fraction(credited, amount) * min(Fraction(1), Fraction(money, note.total))
        return min(Fraction(1), general / self.paid + own)


def given_back(record: PaymentRecord) -> GivenBack:
    """What all that was heard of a payment comes to."""
    # What an intent of the practice's own granted is of no line that a note could name.
    notes = [replace(note, lines=()) if record.sold_by_intent else note for note in record.own_notes]
    assigned = _Assigned(record)
    by_notes = tuple((n, n.before_payment + _beside(record, n) + assigned.to_note[n.note_id]) for n in notes)
    before = max(record.credited_before, sum(n.before_payment for n in notes))
    unheard_before = before - sum(n.before_payment for n in notes)
    heard_after = sum(n.total - n.before_payment for n in notes)
    failed = sum(r.amount for r in record.refunds if r.status is RefundStatus.FAILED)
    money = max(Fraction(0), sum(_shared(record, assigned), Fraction(0)) - record.overpaid)
    money = max(money, Fraction(record.credited_after - heard_after - failed))
    return GivenBack(
        paid=record.paid + before,
        general=money + _detached(record) + unheard_before,
        by_notes=tuple((note, money) for note, money in by_notes if money),
        revoked=record.revoked is not None,
    )


def undone_at(record: PaymentRecord) -> datetime | None:
    """When all of it had been given back, if it was: with the last of what gave something back."""
    back = given_back(replace(record, revoked=None))
    if not back.undone:
        return None
    instants = [r.at for r in record.refunds if _stands(r)]
    instants += [d.at for d in record.disputes if d.status is DisputeStatus.LOST]
    return max(instants, default=record.paid_at)


class _Assigned:
    """What refunds gave back by credit notes, and what is left of each money's, in minor units.

    A refund that is only known by its charge's sum is taken for the one that a note still waits for.
    """

    def __init__(self, record: PaymentRecord) -> None:
        self.to_note: Counter[str] = Counter()
        self.noted: dict[str, Counter[str]] = defaultdict(Counter)  # of each money, by notes of each payment
        self.left: Counter[str] = Counter()
        self._record = record
        self._refunds = {r.refund_id: r for r in record.refunds if _stands(r)}
        self._left_of = {refund_id: refund.amount for refund_id, refund in self._refunds.items()}
        self._unheard = unheard(record)
        for note in record.notes:
            if note.counts:
                self._assign(note)
        for refund_id, refund in self._refunds.items():
            self.left[refund.money] += self._left_of[refund_id]
        self.left.update(self._unheard)

    def _assign(self, note: CreditNote) -> None:
        """One refund may serve several notes: each takes at most its own total."""
        wants = note.total - note.before_payment - (0 if note.rest_beside else note.beside_refunds)
        for refund_id in note.refunds:
            part = max(0, min(wants, self._left_of.get(refund_id, 0)))
            if part:
                self._left_of[refund_id] -= part
                wants -= self._given(note, self._refunds[refund_id].money, part)
        if set(note.refunds) - {refund.refund_id for refund in self._record.refunds}:
            for money in self._moneys_of(note):
                part = max(0, min(wants, self._unheard[money]))
                self._unheard[money] -= part
                wants -= self._given(note, money, part)

    def _given(self, note: CreditNote, money: str, part: int) -> int:
        self.to_note[note.note_id] += part
        self.noted[money][note.payment or self._record.payment_id] += part
        return part

    def _moneys_of(self, note: CreditNote) -> list[str]:
        """The moneys that paid the note's payment, as far as this one knows."""
        of = note.payment or self._record.payment_id
        own = of == self._record.payment_id
        return [each.money for each in self._record.paid_by if own or each.share_of(of)]


def _stands(refund: Refund) -> bool:
    return refund.status is not RefundStatus.FAILED


def unheard(record: PaymentRecord) -> Counter[str]:
    """What the sums that Stripe stated of each money say beyond its refunds heard one by one."""
    found = Counter({each.money: _beyond(record, each) for each in record.paid_by})
    unknown = sum(r.amount for r in record.refunds if _stands(r) and r.money == UNKNOWN)
    for money in sorted(found):
        part = min(unknown, found[money])
        found[money] -= part
        unknown -= part
    return found


def _beyond(record: PaymentRecord, of: PaidBy) -> int:
    listed = [r for r in record.refunds if r.money == of.money and _is_in(r, of.refunded_at)]
    standing = sum(r.amount for r in listed if _stands(r))
    failed = sum(r.amount for r in listed if not _stands(r) and (of.refunded_at is None or of.refunded_at <= r.at))
    return max(0, of.refunded_total - failed - standing)


def _is_in(refund: Refund, at: datetime | None) -> bool:
    """Whether a refund was made by the instant of a sum; where that is not known, it was."""
    return refund.made_at is None or at is None or refund.made_at <= at


def _shared(record: PaymentRecord, assigned: _Assigned) -> Iterator[Fraction]:
    """The payment's own part of what is left of each money, at most what that paid of it, overpayment included."""
    lost: Counter[str] = Counter()
    for dispute in record.disputes:
        if dispute.status is DisputeStatus.LOST:
            lost[dispute.money] += dispute.amount
    known = {each.money: each for each in record.paid_by}
    for money in sorted({*assigned.left, *lost}):
        back = Fraction(assigned.left[money] + lost[money])
        noted = assigned.noted[money]
        paid_by = known.get(money)
        share = paid_by.share_of(record.payment_id) if paid_by else None
        if paid_by:
            back = own_part(paid_by, record.payment_id, back, noted)
        if share and share.amount is not None:
            most = share.amount + record.overpaid - noted[record.payment_id]
            back = min(back, Fraction(max(0, most)))
        yield back


def _beside(record: PaymentRecord, note: CreditNote) -> int:
    """What a note gave to the customer's balance or outside of Stripe."""
    amounts = {refund.refund_id: refund.amount for refund in record.refunds}
    if not note.rest_beside or set(note.refunds) - set(amounts):
        return note.beside_refunds
    rest = note.total - note.before_payment - sum(amounts[refund_id] for refund_id in note.refunds)
    return max(note.beside_refunds, rest)


def _detached(record: PaymentRecord) -> int:
    """What detached moneys had paid, as far as no other has paid it since."""
    by_money = record.paid - record.by_balance
    shares = [share for _, share in own_shares(record.paid_by, record.payment_id)]
    gone = sum(by_money if s.amount is None else s.amount for s in shares if s.detached)
    return min(gone, max(0, by_money - sum(s.amount or 0 for s in shares if not s.detached)))
