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
    about = event.about
    refunds = tuple(_refund(each, event.occurred_at) for each in _refunds_of(about))
    refunded = values.unsigned_amount(about, "amount_refunded")
    if refunded is None and not refunds:
        raise values.Unreadable
    return MoneyBack(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=event.occurred_at,
        payment_id=values.reference(about, "invoice"),
        payment_intent=values.reference(about, "payment_intent"),
        charge=values.required(values.reference(about, "id")),
        refunds=refunds,
        refunded_total=refunded,
    )


def _refunds_of(about: Fields) -> list[Fields]:
    return values.rows(values.child(about, "refunds"), "data")


def refund(event: Event) -> Facts:
    told = _refund(event.about, event.occurred_at, failed=event.kind == REFUND_FAILED)
    return _about_a_charge(event, refunds=(told,))


def _refund(about: Fields, at: datetime, *, failed: bool = False) -> Refund:
    status = values.required(REFUND_STATUSES.get(values.text(about, "status")))
    return Refund(
        refund_id=values.required(values.reference(about, "id")),
        amount=values.required(values.unsigned_amount(about, "amount")),
        status=RefundStatus.FAILED if failed else status,
        at=at,
    )


def dispute(event: Event) -> Facts:
    """Money withdrawn or reinstated says nothing of its own: the dispute's status decides."""
    about = event.about
    told = Dispute(
        dispute_id=values.required(values.reference(about, "id")),
        amount=values.required(values.unsigned_amount(about, "amount")),
        status=values.required(DISPUTE_STATUSES.get(values.text(about, "status") or "")),
        at=event.occurred_at,
        opened_at=values.instant(about, "created"),
    )
    return _about_a_charge(event, disputes=(told,))


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
        occurred_at=event.occurred_at,
        payment_id=values.reference(charged, "invoice") or values.reference(intent, "invoice"),
        payment_intent=intent_id,
        charge=charge_id,
        refunds=refunds,
        disputes=disputes,
    )


# Credit notes


def credit_note(event: Event) -> Facts:
    """Which lines of an invoice its refunds are for; a note about no refund, or no line, tells nothing."""
    note = event.about
    invoice = values.required(values.reference(note, "invoice"))
    note_id = values.required(values.reference(note, "id"))
    given = _given_back(note)
    if not given:
        return Ignored(event.event_id, "no_refund_named")
    if values.flag(values.child(note, "lines"), "has_more"):
        return event.incomplete("note_lines_not_in_event", invoice, None)
    lines = _credited_lines(note)
    if not any(lines):
        return Ignored(event.event_id, "no_lines_named")
    total = values.unsigned_amount(note, "total")
    voided = event.kind == NOTE_VOIDED or values.text(note, "status") == "void"
    told = CreditNote(
        note_id=note_id,
        total=values.required(values.unsigned_amount(note, "amount") if total is None else total),
        lines=tuple(lines.items()),
        refunds=tuple(given),
        voided=voided,
    )
    return MoneyBack(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=event.occurred_at,
        payment_id=invoice,
        refunds=() if voided else _announced(given, values.instant(note, "created") or event.occurred_at),
        notes=(told,),
    )


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
