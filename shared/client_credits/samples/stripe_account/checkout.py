"""A Stripe account in miniature, for stories, samples and tests: what is done there, and the events it sends.

    sandbox = Sandbox("2026-10-28.endive", now)
    sandbox.price("price_4", 18000, "month")
    sandbox.customer("cus_1")
    events = sandbox.subscribe("cus_1", "price_4", metadata={"client_id": "c-17"})

Here: Checkout, refunds, disputes and credit notes; `stripe_sandbox_billing` has what is billed. Each
action happens at the sandbox's clock and returns its events in the order Stripe sends them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from client_credits.samples.stripe_account.account import Event, Events
from client_credits.samples.stripe_account.books import (
    Charge,
    Intent,
    Invoice,
    InvoicePayment,
    SandboxCreditNote,
    SandboxDispute,
    SandboxRefund,
    SandboxSession,
)
from client_credits.samples.stripe_account.invoicing import OrderLine
from client_credits.samples.stripe_account.paying import Paying

__all__ = ["VERSIONS", "Event", "Events", "Sandbox"]

VERSIONS = ("2022-11-15", "2024-06-20", "2025-03-31.basil", "2026-10-28.endive")
ALL_REFUNDS_TELL = "2024-10-28"  # from here on refunds of charges have events of their own

CHECKOUT = "checkout.session"


class Sandbox(Paying):
    """A Stripe account. Payments are named by their invoice, their session or their charge."""

    # -- Checkout ------------------------------------------------------------------------------

    def checkout(
        self,
        *bought: OrderLine,
        customer: str | None = None,
        metadata: Mapping[str, str] | None = None,
        client_reference: str | None = None,
        payment_link: str | None = None,
        percent_off: int = 0,
        later: bool = False,
        makes_invoice: bool = False,
        offered: tuple[str, ...] = (),
    ) -> Events:
        """A purchase through Checkout. Paid `later`, by bank say, its money is still under way (see `arrives`).

        `offered` are the prices of optional items, whether or not they are among what is `bought`.
        """
        session = replace(self._session(bought, metadata), customer=customer, client_reference=client_reference)
        session = replace(
            session, payment_link=payment_link, offered=offered, discount=session.subtotal * percent_off // 100
        )
        if makes_invoice:
            assert customer
            paid = self.invoice(customer, *bought, metadata=metadata, percent_off=percent_off)
            self._put(replace(session, makes_invoice=True, invoice=self.last("invoice")))
            return [self._tell(f"{CHECKOUT}.completed", session.session_id), *paid]
        if later:
            self._put(replace(session, payment_status="unpaid", payment_intent=self._new_id("pi")))
            return [self._tell(f"{CHECKOUT}.completed", session.session_id)]
        charge = self._charged(session.subtotal - session.discount, customer)
        paid_session = replace(session, payment_intent=charge.payment_intent if charge else None)
        self._put(replace(paid_session, payment_status="paid" if charge else "no_payment_required"))
        events = [self._tell("charge.succeeded", charge.charge_id)] if charge else []
        return [*events, self._tell(f"{CHECKOUT}.completed", session.session_id)]

    def sell(self, amount: int, metadata: Mapping[str, str] | None = None, customer: str | None = None) -> Events:
        """A sale by a payment intent alone: at a terminal, or in a checkout of the practice's own."""
        charge = self._charged(amount, customer)
        assert charge, "nothing costs nothing"
        return [self._tell("charge.succeeded", charge.charge_id), *self._succeeds(charge, metadata)]

    def intent_of(self, payment: str, metadata: Mapping[str, str] | None = None) -> Events:
        """The payment intent that paid an invoice or a session succeeds, with metadata of its own."""
        return self._succeeds(self._charge_of(payment), metadata)

    def _succeeds(self, charge: Charge, metadata: Mapping[str, str] | None) -> Events:
        self._put(Intent(charge, metadata or {}))
        return [self._tell("payment_intent.succeeded", charge.payment_intent)]

    def arrives(self, session_id: str, succeeds: bool = True) -> Events:
        """The money that was under way arrives, or does not."""
        held = self._get(session_id, SandboxSession)
        if not succeeds:
            return [self._tell(f"{CHECKOUT}.async_payment_failed", session_id)]
        assert held.payment_intent
        amount = held.subtotal - held.discount
        charge = self._put(Charge(self._new_id("ch"), held.payment_intent, amount, held.customer, self.now))
        self._put(replace(held, payment_status="paid"))
        events = self._tell("charge.succeeded", charge.charge_id)
        return [events, self._tell(f"{CHECKOUT}.async_payment_succeeded", session_id)]

    def abandon(self, *bought: OrderLine, metadata: Mapping[str, str] | None = None) -> Events:
        """A session nobody finishes."""
        session = replace(self._session(bought, metadata), status="expired", payment_status="unpaid")
        self._put(session)
        return [self._tell(f"{CHECKOUT}.expired", session.session_id)]

    def checkout_subscription(
        self,
        customer: str,
        *plans: OrderLine,
        metadata: Mapping[str, str] | None = None,
        client_reference: str | None = None,
        trial_days: int = 0,
        anchor: datetime | None = None,
    ) -> Events:
        """A subscription begun through Checkout; `metadata` is the session's alone."""
        events = self.subscribe(customer, *plans, trial_days=trial_days, anchor=anchor)
        session = replace(
            self._session(plans, metadata),
            mode="subscription",
            customer=customer,
            client_reference=client_reference,
            subscription=self.last("subscription"),
            invoice=self.last("invoice"),
        )
        self._put(session)
        return [*events, self._tell(f"{CHECKOUT}.completed", session.session_id)]

    def _session(self, bought: tuple[OrderLine, ...], metadata: Mapping[str, str] | None) -> SandboxSession:
        items = tuple((self._new_id("li"), *self._bought(each)) for each in bought)
        mode = "live" if self.shape.livemode else "test"
        return SandboxSession(self._new_id(f"cs_{mode}"), "payment", self.now, items, metadata=metadata or {})

    # -- refunds -------------------------------------------------------------------------------

    def refund(self, payment: str, amount: int | None = None, pending: bool = False) -> Events:
        """Money goes back: all that is left, or an amount. A pending refund is not decided yet (see `refund_ends`)."""
        charge = self._charge_of(payment)
        amount = charge.amount - charge.refunded if amount is None else amount
        charge = self._put(replace(charge, refunded=charge.refunded + amount))
        made = SandboxRefund(self._new_id("re"), charge, amount, "pending" if pending else "succeeded", self.now)
        self._put(made)
        events = self._tell("charge.refunded", charge.charge_id)
        if self.shape.since(ALL_REFUNDS_TELL):
            return [self._tell("refund.created", made.refund_id), events]
        # Older endpoints hear of a charge's refund when the bank has given it a reference.
        return [events, self._tell("charge.refund.updated", made.refund_id)]

    def refund_ends(self, refund_id: str, succeeds: bool = True) -> Events:
        """A pending refund succeeds, or any fails and its money stays."""
        held = self._get(refund_id, SandboxRefund)
        self._put(replace(held, status="succeeded" if succeeds else "failed"))
        if not succeeds:
            charge = self._get(held.charge.charge_id, Charge)
            self._put(replace(charge, refunded=charge.refunded - held.amount))
        if not self.shape.since(ALL_REFUNDS_TELL):
            return [self._tell("charge.refund.updated", refund_id)]
        events = [self._tell("refund.updated", refund_id)]
        return events if succeeds else [*events, self._tell("refund.failed", refund_id)]

    def _charge_of(self, payment: str) -> Charge:
        held = self._held[payment]
        if isinstance(held, Charge):
            return held
        charges = [each for each in self._held.values() if isinstance(each, Charge)]
        intent = held.payment_intent if isinstance(held, SandboxSession) else None
        return next(each for each in charges if each.invoice == payment or (intent and each.payment_intent == intent))

    # -- disputes ------------------------------------------------------------------------------

    def dispute(self, payment: str, amount: int | None = None, inquiry: bool = False) -> Events:
        """The client's bank asks money back; with an `inquiry` it only asks."""
        charge = self._put(replace(self._charge_of(payment), disputed=not inquiry))
        status = "warning_needs_response" if inquiry else "needs_response"
        made = SandboxDispute(self._new_id("dp"), charge, charge.amount if amount is None else amount, status, self.now)
        self._put(made)
        events = [self._tell("charge.dispute.created", made.dispute_id)]
        return events if inquiry else [*events, self._tell("charge.dispute.funds_withdrawn", made.dispute_id)]

    def escalate(self, dispute_id: str) -> Events:
        """An inquiry becomes a dispute."""
        self._put(replace(self._get(dispute_id, SandboxDispute), status="needs_response"))
        return [self._tell(f"charge.dispute.{news}", dispute_id) for news in ("updated", "funds_withdrawn")]

    def dispute_ends(self, dispute_id: str, status: str) -> Events:
        """`won`, `lost`, or `warning_closed` for an inquiry that came to nothing."""
        self._put(replace(self._get(dispute_id, SandboxDispute), status=status))
        back = [self._tell("charge.dispute.funds_reinstated", dispute_id)] if status == "won" else []
        return [*back, self._tell("charge.dispute.closed", dispute_id)]

    # -- credit notes --------------------------------------------------------------------------

    def credit_note(
        self,
        invoice_id: str,
        credited: Mapping[str, int],
        refunds: bool = True,
        to_balance: int = 0,
        outside: int = 0,
    ) -> Events:
        """Lines of a paid invoice are credited, by their ids, and the money goes back with a refund, but for what
        goes to the customer's balance or outside of Stripe. Without a refund all of it goes to the balance."""
        total = sum(credited.values())
        if not refunds:
            to_balance = total - outside
        events = self.refund(invoice_id, total - to_balance - outside) if refunds else []
        refund = self.last("refund") if refunds else None
        note = replace(self._note(invoice_id, credited), refund=refund, to_balance=to_balance, outside=outside)
        self._put(note)
        return [*events, self._tell("credit_note.created", note.note_id)]

    def credit_before(self, invoice_id: str, credited: Mapping[str, int]) -> Events:
        """Lines of an open invoice are credited: so much less is to be paid."""
        note = self._note(invoice_id, credited)
        self._put(replace(note, before=note.total))
        held = self._get(invoice_id, Invoice)
        self._put(replace(held, credited_before=held.credited_before + note.total))
        return [self._tell("credit_note.created", note.note_id)]

    def credit_mixed(self, invoice_id: str, credited: Mapping[str, int]) -> Events:
        """Lines of an invoice paid in part are credited: first what is open, which settles it; the rest goes back."""
        held, note = self._get(invoice_id, Invoice), self._note(invoice_id, credited)
        paid = [p for p in self._held.values() if isinstance(p, InvoicePayment) and p.invoice == invoice_id]
        charge = next(each.charge for each in paid if each.charge)
        events = self.refund(charge.charge_id, note.total - held.unpaid)
        self._put(replace(note, before=held.unpaid, refund=self.last("refund")))
        settled = replace(held, credited_before=held.credited_before + held.unpaid, unpaid=0)
        return [*events, self._tell("credit_note.created", note.note_id), *self._settled(settled)]

    def _note(self, invoice_id: str, credited: Mapping[str, int]) -> SandboxCreditNote:
        invoice = self._get(invoice_id, Invoice)
        lines = {line.line_id: line for line in invoice.lines}
        parts = tuple((self._new_id("cnli"), lines[line], amount) for line, amount in credited.items())
        return SandboxCreditNote(self._new_id("cn"), invoice, parts, self.now)

    def void_credit_note(self, note_id: str) -> Events:
        self._put(replace(self._get(note_id, SandboxCreditNote), voided_at=self.now))
        return [self._tell("credit_note.voided", note_id)]
