"""How news of money are folded into the records of payments: any order and any repetition gives the same ones.

Owns which word about a refund, dispute or credit note is the last, and where news wait until it is known
what their money paid. Knows no wallet.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    MoneyBack,
    PaidWith,
    Payment,
    Refund,
    RefundStatus,
)
from client_credits.domain.payments.money import (
    Money,
    PaidBy,
    Share,
    later_total,
    money_of,
    names_in,
    overpaid_with,
    own_shares,
    renamed,
    with_share,
)
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.words import Unknown

T = TypeVar("T")
S = TypeVar("S", bound=StrEnum)
_REFUND_RANK = {RefundStatus.PENDING: 0, RefundStatus.SUCCEEDED: 1, RefundStatus.FAILED: 2}
_DISPUTE_RANK = {
    DisputeStatus.WARNED: 0,
    DisputeStatus.CALMED: 1,
    DisputeStatus.OPEN: 2,
    DisputeStatus.LOST: 3,
    DisputeStatus.WON: 3,
}


def learned(record: PaymentRecord, news: MoneyBack, money: str | None = None) -> PaymentRecord:
    """The record with what the news tell; `money` is the name that what they are about goes by.

    Of another payment that the same money paid only the credit notes matter: they claim refunds.
    """
    money = money or money_of(news)
    of = news.payment_id or record.payment_id
    own = money is not None or of == record.payment_id
    known = replace(
        record,
        refunds=_refunds_merged(record.refunds, _refunds_about(news, money) if own else ()),
        disputes=_disputes_merged(record.disputes, _disputes_about(news, money)),
        notes=_merged(record.notes, [replace(n, payment=of) for n in news.notes], _note_key, _note_order),
        paid_by=_paid_by_with(record.paid_by, _paid_by(news, money)) if money else record.paid_by,
    )
    return _without_foreign(known)


def waiting(money: Money, news: MoneyBack) -> Money:
    """The money with what the news tell of it, while nobody knows what it paid."""
    about = _paid_by(news, money.money)
    at, total = later_total((money.refunded_at, money.refunded_total), (about.refunded_at, about.refunded_total))
    return replace(
        money,
        refunds=_refunds_merged(money.refunds, _refunds_about(news, money.money)),
        disputes=_disputes_merged(money.disputes, _disputes_about(news, money.money)),
        refunded_total=total,
        refunded_at=at,
        charge=money.charge or about.charge,
    )


def joined(money: Money, other: Money) -> tuple[Money, Money]:
    """Two names of one money: what waits under the other moves to the first, and the other leads to it.

    An other name that something is known to be paid by stays as it is.
    """
    if other.shares or other.same_as:
        return money, other
    at, total = later_total((money.refunded_at, money.refunded_total), (other.refunded_at, other.refunded_total))
    moved = [replace(each, money=money.money) for each in other.refunds]
    disputed = [replace(each, money=money.money) for each in other.disputes]
    joint = replace(
        money,
        refunds=_refunds_merged(money.refunds, moved),
        disputes=_disputes_merged(money.disputes, disputed),
        refunded_total=total,
        refunded_at=at,
        charge=money.charge or other.money.rpartition("/")[2],
    )
    return joint, Money(other.money, same_as=money.money, version=other.version)


def linked(records: Iterable[PaymentRecord], money: Money, *paid: Share) -> tuple[dict[str, PaymentRecord], Money]:
    """All payments that a money paid, and the money, once these shares of it are known.

    What had waited with the money moves to the records; what one of them knows of it, all know.
    """
    known = {record.payment_id: record for record in records}
    shares = money.shares
    for share in paid:
        shares = with_share(shares, share)
    assert {share.payment_id for share in shares} == set(known), (shares, set(known))
    before = [paid_by for record in known.values() for paid_by in record.paid_by if paid_by.money == money.money]
    totals = [(paid_by.refunded_at, paid_by.refunded_total) for paid_by in before]
    at, total = later_total((money.refunded_at, money.refunded_total), *totals)
    charge = next(filter(None, (money.charge, *(paid_by.charge for paid_by in before))), "")
    paid_by = PaidBy(money.money, total, at, shares, charge)
    refunds = [*money.refunds, *(r for record in known.values() for r in record.refunds if r.money == money.money)]
    disputes = [*money.disputes, *(d for record in known.values() for d in record.disputes if d.money == money.money)]
    notes = [note for record in known.values() for note in record.notes if note.refunds]
    after = {
        payment_id: _without_foreign(
            replace(
                record,
                refunds=_refunds_merged(record.refunds, refunds),
                disputes=_disputes_merged(record.disputes, disputes),
                notes=_merged(record.notes, notes, _note_key, _note_order),
                paid_by=_paid_by_with(record.paid_by, paid_by),
            )
        )
        for payment_id, record in known.items()
    }
    return after, Money(money.money, shares, charge=charge, version=money.version)


def with_overpaid(
    records: Mapping[str, PaymentRecord], money: Money, payment_id: str
) -> tuple[dict[str, PaymentRecord], Money]:
    """The records of all that a money paid, and the money, once they know what was overpaid of one with it."""
    of = records[payment_id]
    overpaid = overpaid_with(of.paid_by, payment_id, of.overpaid)[money.money]

    def known(shares: tuple[Share, ...]) -> tuple[Share, ...]:
        return tuple(replace(s, overpaid=overpaid) if s.payment_id == payment_id else s for s in shares)

    def told(record: PaymentRecord) -> PaymentRecord:
        paid_by = (replace(p, shares=known(p.shares)) if p.money == money.money else p for p in record.paid_by)
        return replace(record, paid_by=tuple(paid_by))

    return {i: told(record) for i, record in records.items()}, replace(money, shares=known(money.shares))


def misstated(record: PaymentRecord) -> str | None:
    """A money that does not say yet what was overpaid of the payment with it, if there is one."""
    overpaid = overpaid_with(record.paid_by, record.payment_id, record.overpaid)
    own = own_shares(record.paid_by, record.payment_id)
    return next((each.money for each, share in own if share.overpaid != overpaid[each.money]), None)


def linked_alone(
    record: PaymentRecord, payment: Payment, moneys: Mapping[str, Money]
) -> tuple[PaymentRecord, list[Money]]:
    """The payment linked to what paid it, as far as that paid nothing else; also the moneys that this changes."""
    changed: list[Money] = []
    for paid_with in payment.moneys:
        first, *others = [moneys[name] for name in names_in(paid_with, payment.account)]
        if first.same_as or set(first.payment_ids) - {record.payment_id}:
            continue
        money = first
        for other in others:
            money, joint = joined(money, other)
            changed += [joint] if joint != other else []
        records, money = linked([record], money, _share(payment, paid_with))
        record = records[record.payment_id]
        changed += [money] if money != first else []
    return record, changed


def unlinked(record: PaymentRecord, payment: Payment) -> list[PaidWith]:
    """What the payment says paid it, and its record does not know to pay it."""
    own = {paid_by.money: share for paid_by, share in own_shares(record.paid_by, record.payment_id)}
    shares = [(paid_with, own.get(names_in(paid_with, payment.account)[0])) for paid_with in payment.moneys]
    return [
        paid_with
        for paid_with, share in shares
        if share is None or (share.detached and share.at is not None and share.at < payment.paid_at)
    ]


def all_heard(record: PaymentRecord, other: PaymentRecord) -> PaymentRecord:
    """The record with all that was heard of another one of the same money, and what was done about it there."""
    own, paid_by = record.payment_id, record.paid_by
    for each in other.paid_by:
        paid_by = _paid_by_with(paid_by, replace(each, shares=renamed(each.shares, other.payment_id, own)))
    notes = [replace(n, payment=own) if n.payment in ("", other.payment_id) else n for n in other.notes]
    known = replace(
        record,
        refunds=_refunds_merged(record.refunds, other.refunds),
        disputes=_disputes_merged(record.disputes, other.disputes),
        notes=_merged(record.notes, notes, _note_key, _note_order),
        paid_by=paid_by,
        followed=tuple(dict.fromkeys((*record.followed, *other.followed))),
        foreign=tuple(sorted({*record.foreign, *other.foreign})),
    )
    return _without_foreign(known)


def disowned(record: PaymentRecord, about: str) -> PaymentRecord:
    """The record without a refund or dispute that another payment has followed, whoever tells of it again."""
    return _without_foreign(replace(record, foreign=tuple(sorted({*record.foreign, about}))))


def _share(payment: Payment, paid_with: PaidWith) -> Share:
    return Share(payment.payment_id, paid_with.amount, payment.paid_at)


def _without_foreign(record: PaymentRecord) -> PaymentRecord:
    if not record.foreign:
        return record
    refunds = tuple(each for each in record.refunds if each.refund_id not in record.foreign)
    disputes = tuple(each for each in record.disputes if each.dispute_id not in record.foreign)
    return replace(record, refunds=refunds, disputes=disputes)


def _paid_by(news: MoneyBack, money: str) -> PaidBy:
    """What the news tell of the money as a whole."""
    total = news.refunded_total
    return PaidBy(money, total or 0, news.occurred_at if total is not None else None, charge=news.charge or "")


def _paid_by_with(known: tuple[PaidBy, ...], newer: PaidBy) -> tuple[PaidBy, ...]:
    before = next((each for each in known if each.money == newer.money), PaidBy(newer.money))
    at, total = later_total((before.refunded_at, before.refunded_total), (newer.refunded_at, newer.refunded_total))
    shares = before.shares
    for share in newer.shares:
        shares = with_share(shares, share)
    charge = min(filter(None, (before.charge, newer.charge)), default="")
    after = PaidBy(newer.money, total, at, shares, charge)
    others = (each for each in known if each.money != newer.money)
    return tuple(sorted((*others, after), key=lambda each: each.money))


def _refunds_about(news: MoneyBack, money: str | None) -> list[Refund]:
    return [replace(each, money=money or "") for each in news.refunds]


def _disputes_about(news: MoneyBack, money: str | None) -> list[Dispute]:
    return [replace(each, money=money or "") for each in news.disputes]


def _merged(
    known: Iterable[T], heard: Iterable[T], key: Callable[[T], str], order: Callable[[T], tuple[object, ...]]
) -> tuple[T, ...]:
    """Of each thing the last word, in the order of their ids."""
    found: dict[str, T] = {}
    for each in (*known, *heard):
        name = key(each)
        found[name] = max(found[name], each, key=order) if name in found else each
    return tuple(found[name] for name in sorted(found))


def _refunds_merged(known: Iterable[Refund], heard: Iterable[Refund]) -> tuple[Refund, ...]:
    """The last word of each, with its money and the instant it was made, whichever word stated those."""
    every = (*known, *heard)
    found = []
    for refund in _merged(every, (), _refund_key, _refund_order):
        own = [each for each in every if each.refund_id == refund.refund_id]
        money = min((each.money for each in own if each.money), default="")
        made_at = min((each.made_at for each in own if each.made_at), default=None)
        found.append(replace(refund, money=money, made_at=made_at))
    return tuple(found)


def _disputes_merged(known: Iterable[Dispute], heard: Iterable[Dispute]) -> tuple[Dispute, ...]:
    """The last word of each, with the first instants at which it is known to have been opened, and won."""
    every = (*known, *heard)
    found = []
    for dispute in _merged(every, (), _dispute_key, _dispute_order):
        own = [d for d in every if d.dispute_id == dispute.dispute_id]
        opened = min((d.opened_at for d in own if d.opened_at), default=None)
        won = min((d.closed for d in own if d.won_at or d.status is DisputeStatus.WON), default=None)
        found.append(replace(dispute, opened_at=opened, won_at=won if won != dispute.at else None))
    return tuple(found)


def _refund_key(refund: Refund) -> str:
    return refund.refund_id


def _refund_order(refund: Refund) -> tuple[object, ...]:
    return (_rank(_REFUND_RANK, refund.status), refund.at, refund.amount)


def _dispute_key(dispute: Dispute) -> str:
    return dispute.dispute_id


def _dispute_order(dispute: Dispute) -> tuple[object, ...]:
    return (
        _rank(_DISPUTE_RANK, dispute.status),
        dispute.at,
        dispute.status == DisputeStatus.WON,
        dispute.amount,
    )


def _rank(known: Mapping[S, int], status: S | Unknown) -> int:
    """Which of two statuses is the later word: that of a later release is, whatever is heard now."""
    return next((rank for each, rank in known.items() if each == status), len(known))


def _note_key(note: CreditNote) -> str:
    return note.note_id


def _note_order(note: CreditNote) -> tuple[object, ...]:
    content = (note.before_payment, note.beside_refunds, not note.rest_beside)
    return (note.voided, note.refunds, content, note.lines, note.total, note.at is not None, note.at)
