"""What reported money back, and when: the names that entries of what follows are written under.

Knows no amounts of credits; what the news come to is `given_back`'s.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from client_credits.domain.payments.facts import CreditNote, DisputeStatus
from client_credits.domain.payments.given_back import unheard
from client_credits.domain.payments.payment_record import PaymentRecord

CREDITED = "credited"  # what a payment itself tells of its credit notes


def news_of(record: PaymentRecord) -> list[tuple[datetime, str]]:
    """What is known, as (instant, name), the newest last: `<refund or dispute>/<status>`, `<credit note>/issued`,
    `<charge>/<sum>` for what only its sum stated, `<money>/detached/<instant>`.

    Where the money paid several payments, the payment's id stands behind it.
    """
    return sorted({*_of_refunds(record), *_of_notes(record), *_of_money(record), *_of_invoice(record)})


def _behind(record: PaymentRecord, money: str) -> str:
    shared = any(each.money == money and len(each.shares) > 1 for each in record.paid_by)
    return f"/{record.payment_id}" if shared else ""


def _of_refunds(record: PaymentRecord) -> Iterator[tuple[datetime, str]]:
    for refund in record.refunds:
        yield refund.since, f"{refund.refund_id}/{refund.status}{_behind(record, refund.money)}"
    for dispute in record.disputes:
        at = dispute.since if dispute.status is DisputeStatus.OPEN else dispute.at
        yield at, f"{dispute.dispute_id}/{dispute.status}{_behind(record, dispute.money)}"
    beyond = unheard(record)
    for each in record.paid_by:
        if beyond[each.money] and each.refunded_at:
            yield each.refunded_at, f"{each.name}/{each.refunded_total}{_behind(record, each.money)}"


def _of_notes(record: PaymentRecord) -> Iterator[tuple[datetime, str]]:
    """Those that gave back more than their refunds tell, or say which lines refunds are for that were followed."""
    about = {name.split("/")[1] for name in record.followed}
    for note in record.notes:
        own = note.payment in ("", record.payment_id)
        tells = note.before_payment or note.beside_refunds or note.rest_beside or about & set(note.refunds)
        if own and note.at and tells:
            yield note.at, f"{note.note_id}/{'void' if note.voided else 'issued'}"


def _of_money(record: PaymentRecord) -> Iterator[tuple[datetime, str]]:
    """What was detached from the payment and, once that was followed, what has paid it since; the same of others that
    its moneys paid, where those gave something back: that is shared otherwise then."""
    detached = [int(name.split("/detached/")[1].split("/")[0]) for name in record.followed if "/detached/" in name]
    back = {refund.money for refund in record.refunds} | {dispute.money for dispute in record.disputes}
    for of in record.paid_by:
        gave_back = of.money in back or of.refunded_total
        for share in of.shares:
            at = int(share.at.timestamp()) if share.at else 0
            tells = share.detached or (detached and at >= min(detached))
            if share.at and tells and (gave_back or share.payment_id == record.payment_id):
                stands = "detached" if share.detached else "attached"
                yield share.at, f"{of.name}/{stands}/{at}{_behind(record, of.money)}"


def _of_invoice(record: PaymentRecord) -> Iterator[tuple[datetime, str]]:
    """What the invoice itself says of its credit notes, until they are heard."""
    if record.paid_at and _is_credited_beyond(record, record.own_notes):
        yield record.paid_at, f"{record.payment_id}/{CREDITED}"


def _is_credited_beyond(record: PaymentRecord, notes: Iterable[CreditNote]) -> bool:
    every = list(notes)
    before = sum(note.before_payment for note in every)
    after = sum(note.total - note.before_payment for note in every)
    return record.credited_before > before or record.credited_after > after
