"""Ways to pay an invoice beside one payment by card: in parts, several at once, from the customer's balance.

From basil on an invoice may have several payments, one payment may pay several invoices, and it may be
detached from one again. Every action happens at the sandbox's clock and returns its events.
"""

from collections.abc import Mapping
from dataclasses import replace

from client_credits.samples.stripe_account.account import Events
from client_credits.samples.stripe_account.billing import Billing
from client_credits.samples.stripe_account.books import Charge, Customer, Invoice, InvoicePayment
from client_credits.samples.stripe_account.invoicing import OrderLine


class Paying(Billing):
    """How invoices of a Stripe account are paid."""

    def credit_customer(self, customer: str, amount: int) -> None:
        """The customer has so much to its credit, taken off the next invoices."""
        held = self._get(customer, Customer)
        self._put(replace(held, balance=held.balance - amount))

    def bill(self, customer: str, *bought: OrderLine, metadata: Mapping[str, str] | None = None) -> str:
        """An invoice made by hand, open; its id."""
        lines = [self._extra_line(each) for each in bought]
        return self._opened(customer, "manual", lines, metadata=metadata).invoice_id

    def pay_in_parts(self, invoice_id: str, *amounts: int) -> Events:
        """A payment by card for each part of what is due."""
        held = self._get(invoice_id, Invoice)
        events = [event for amount in amounts for event in self._part(held, self._card(held.customer, amount), amount)]
        return [*events, *self._settled(held)]

    def pay_part(self, invoice_id: str, amount: int) -> Events:
        """A payment by card of part of what is due; the invoice stays open for the rest."""
        held = self._get(invoice_id, Invoice)
        self._put(replace(held, unpaid=(held.unpaid or held.due) - amount))
        return self._part(held, self._card(held.customer, amount), amount)

    def pay_together(self, *invoice_ids: str, more: int = 0) -> Events:
        """One payment for all that is due on these invoices, and for so much more, overpaid on the last of them."""
        held = [self._get(invoice_id, Invoice) for invoice_id in invoice_ids]
        charge = self._card(held[0].customer, sum(invoice.due for invoice in held) + more)
        self.credit_customer(held[0].customer, more)
        events = [event for invoice in held for event in self._part(invoice, charge, invoice.due)]
        held[-1] = replace(held[-1], overpaid=more)
        return [*events, *(event for invoice in held for event in self._settled(invoice))]

    def overpay(self, invoice_id: str, more: int) -> Events:
        """Paid by a transfer of more than is due; the rest goes to the customer's balance."""
        held = self._get(invoice_id, Invoice)
        self.credit_customer(held.customer, more)
        events = self._part(held, self._card(held.customer, held.due + more), held.due)
        return [*events, *self._settled(replace(held, overpaid=more))]

    def detach(self, payment_id: str) -> Events:
        """A payment no longer pays its invoice, which is open for so much again."""
        payment = self._get(payment_id, InvoicePayment)
        held = self._get(payment.invoice, Invoice)
        self._put(replace(held, status="open", closed_at=None, unpaid=held.unpaid + payment.amount))
        return [self._tell("invoice_payment.detached", payment_id)]

    def attach(self, payment_id: str) -> Events:
        """A payment that was detached pays its invoice again."""
        payment = self._get(payment_id, InvoicePayment)
        held = self._get(payment.invoice, Invoice)
        assert payment.charge
        left = replace(held, unpaid=held.unpaid - payment.amount)
        events = self._part(left, payment.charge, payment.amount)
        return [*events, *self._settled(left)]

    def pay_rest(self, invoice_id: str) -> Events:
        """Another payment by card for what is open since one was detached."""
        held = self._get(invoice_id, Invoice)
        events = self._part(held, self._card(held.customer, held.unpaid), held.unpaid)
        return [*events, *self._settled(replace(held, unpaid=0))]

    def _card(self, customer: str, amount: int) -> Charge:
        return self._put(Charge(self._new_id("ch"), self._new_id("pi"), amount, customer, self.now))

    def _part(self, held: Invoice, charge: Charge, amount: int) -> Events:
        payment = InvoicePayment(self._new_id("inpay"), held.invoice_id, amount, self.now, charge)
        self._put(payment)
        return [self._tell("invoice_payment.paid", payment.payment_id)]

    def _settled(self, held: Invoice) -> Events:
        self._put(replace(held, status="paid", closed_at=self.now))
        return [self._tell("invoice.paid", held.invoice_id)]
