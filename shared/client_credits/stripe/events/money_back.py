"""Money that goes back, or is asked back: Stripe's refunds, disputes and credit notes.

Reads what each event names of the payment it is about: the invoice in the older shapes alone, the
payment intent, or the charge. Finding the payment by these, and what to take back, is not decided here.
"""

from datetime import datetime

from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    Facts,
    Ignored,
    MoneyBack,
    Refund,
    RefundStatus,
)
from client_credits.stripe.events import values
from client_credits.stripe.events.frame import Event
from client_credits.stripe.events.values import Fields

REFUND_FAILED = "refund.failed"
NOTE_VOIDED = "credit_note.voided"

REFUND_STATUSES = {
    None: RefundStatus.PENDING,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
DISPUTE_STATUSES = {
    "warning_needs_response": DisputeStatus.WARNED,
    "warning_under_review": DisputeStatus.WARNED,
    "warning_closed": DisputeStatus.CALMED,
    "prevented": DisputeStatus.CALMED,
    "charge_refunded": DisputeStatus.CALMED,  # long ago; the refund tells of the money
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "appeal_needs_response": DisputeStatus.OPEN,
    "appeal_under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def charge(event: Event) -> Facts:
    """A charge's refunds so far; since 2022-11-15 it tells their sum alone."""
    about, at = event.about, _occurred_at(event)
    refunds = tuple(_refund(each, at) for each in _refunds_of(about))
    refunded = values.unsigned_amount(about, "amount_refunded")
    if refunded is None and not refunds:
        raise values.Unreadable
    return MoneyBack(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=_occurred_at(event),
        payment_id=values.reference(about, "invoice"),
        payment_intent=values.reference(about, "payment_intent"),
        charge=values.required(values.reference(about, "id")),
        refunds=refunds,
        refunded_total=refunded,
    )


def _occurred_at(event: Event) -> datetime:
    """When the event was made; one that does not tell is dated by what it is about, never by its arrival."""
    return event.created or values.required(values.instant(event.about, "created"))


def _refunds_of(about: Fields) -> list[Fields]:
    return values.rows(values.child(about, "refunds"), "data")


def refund(event: Event) -> Facts:
    heard = _refund(event.about, _occurred_at(event), failed=event.kind == REFUND_FAILED)
    return _about_a_charge(event, refunds=(heard,))


def _refund(about: Fields, at: datetime, *, failed: bool = False) -> Refund:
    status = values.required(REFUND_STATUSES.get(values.text(about, "status")))
    return Refund(
        refund_id=values.required(values.reference(about, "id")),
        amount=values.required(values.unsigned_amount(about, "amount")),
        status=RefundStatus.FAILED if failed else status,
        at=at,
        made_at=values.instant(about, "created"),
    )


def dispute(event: Event) -> Facts:
    """Money withdrawn or reinstated says nothing of its own: the dispute's status decides."""
    about = event.about
    heard = Dispute(
        dispute_id=values.required(values.reference(about, "id")),
        amount=values.required(values.unsigned_amount(about, "amount")),
        status=values.required(DISPUTE_STATUSES.get(values.text(about, "status") or "")),
        at=_occurred_at(event),
        opened_at=values.instant(about, "created"),
    )
    return _about_a_charge(event, disputes=(heard,))


def _about_a_charge(event: Event, refunds: tuple[Refund, ...] = (), disputes: tuple[Dispute, ...] = ()) -> Facts:
    """What a refund or dispute tells; parked where it names nothing a payment could be found by."""
    about = event.about
    charged, intent = values.expanded(about, "charge"), values.expanded(about, "payment_intent")
    charge_id = values.reference(about, "charge")
    intent_id = values.reference(about, "payment_intent") or values.reference(charged, "payment_intent")
    if charge_id is None and intent_id is None:
        return event.parked("payment_not_named")
    return MoneyBack(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=_occurred_at(event),
        payment_id=values.reference(charged, "invoice") or values.reference(intent, "invoice"),
        payment_intent=intent_id,
        charge=charge_id,
        refunds=refunds,
        disputes=disputes,
    )


# Credit notes


def credit_note(event: Event) -> Facts:
    """What was credited of an invoice, how it was given, and which lines it is for."""
    note = event.about
    invoice = values.required(values.reference(note, "invoice"))
    note_id = values.required(values.reference(note, "id"))
    if values.flag(values.child(note, "lines"), "has_more"):
        return event.incomplete("note_lines_not_in_event", invoice, None)
    total = values.unsigned_amount(note, "total")
    total = values.required(values.unsigned_amount(note, "amount") if total is None else total)
    if not total:
        return Ignored(event.event_id, "nothing_credited")
    made = values.instant(note, "created") or _occurred_at(event)
    voided = event.kind == NOTE_VOIDED or values.text(note, "status") == "void"
    given = _given_back(note)
    before = _before_payment(note, total, given)
    beside, rest_beside = _beside_refunds(note, total - before, given)
    heard = CreditNote(
        note_id=note_id,
        total=total,
        lines=tuple(_credited_lines(note).items()),
        refunds=tuple(given),
        voided=voided,
        before_payment=before,
        beside_refunds=beside,
        rest_beside=rest_beside,
        at=(values.instant(note, "voided_at") or _occurred_at(event)) if voided else made,
    )
    return MoneyBack(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=_occurred_at(event),
        payment_id=invoice,
        refunds=() if voided else _announced(given, made),
        notes=(heard,),
    )


def _before_payment(note: Fields, total: int, given: dict[str, int | None]) -> int:
    """What was credited of the invoice before it was paid. Older shapes tell it by the note's type, and by what a
    `mixed` one does not give back."""
    stated = values.unsigned_amount(note, "pre_payment_amount")
    if stated is not None:
        return min(stated, total)
    kind, amounts = values.text(note, "type"), [amount for amount in given.values() if amount is not None]
    to_balance = values.reference(note, "customer_balance_transaction") is not None
    if kind == "mixed" and len(amounts) == len(given) and not to_balance:
        return max(0, total - sum(amounts) - (values.unsigned_amount(note, "out_of_band_amount") or 0))
    return total if kind == "pre_payment" and not given else 0


def _beside_refunds(note: Fields, after_payment: int, given: dict[str, int | None]) -> tuple[int, bool]:
    """What went to the customer's balance or outside of Stripe, and whether what its refunds leave did too.

    Where a shape names a refund without its amount, only that refund's own event tells how much is left.
    """
    amounts = [amount for amount in given.values() if amount is not None]
    if len(amounts) == len(given):
        return max(0, after_payment - sum(amounts)), False
    outside = min(values.unsigned_amount(note, "out_of_band_amount") or 0, after_payment)
    return outside, values.reference(note, "customer_balance_transaction") is not None


def _given_back(note: Fields) -> dict[str, int | None]:
    """The note's refunds with the amount each gives back for it, where the shape tells."""
    given: dict[str, int | None] = {}
    for each in values.rows(note, "refunds"):
        refund_id = values.reference(each, "refund")
        if refund_id:  # money given back outside of Stripe has none
            amount = values.unsigned_amount(each, "amount_refunded")
            before = given.get(refund_id)
            given[refund_id] = before if amount is None else amount + (before or 0)
    older = values.reference(note, "refund")
    if older:
        given.setdefault(older, None)
    return given


def _announced(given: dict[str, int | None], at: datetime) -> tuple[Refund, ...]:
    """The refunds before their own events tell how they went. Dated with the note, never later, so
    that an update of an old note does not overrule them."""
    return tuple(Refund(each, amount, RefundStatus.PENDING, at) for each, amount in given.items() if amount is not None)


def _credited_lines(note: Fields) -> dict[str, int]:
    """What a note credits per line of its invoice; under an empty name what it credits beside them."""
    lines: dict[str, int] = {}
    for line in values.rows(values.child(note, "lines"), "data"):
        line_id = values.reference(line, "invoice_line_item") or ""
        lines[line_id] = lines.get(line_id, 0) + values.amount(line, "amount")
    return lines
