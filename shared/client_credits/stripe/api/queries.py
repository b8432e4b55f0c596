"""Stripe's API, as far as it is read here: what an event lacks, and what there is in a window of time.

Thin: it knows addresses, parameters and pages, and what a payment is found by; what objects mean is
`stripe_events`' business. Writes nothing but checkout sessions. Answers are plain JSON values. Every method may raise
StripeUnavailable (try again) or StripeRefused (do not).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property, partial
from typing import Any

from client_credits.aws.config import STRIPE_API
from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import OWN_ACCOUNT
from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable

PAGE = 100  # Stripe's largest
NOT_FOUND = 404
# The last version in which a charge names its invoice; asked for where nothing newer tells.
CHARGE_NAMES_INVOICE = "2025-02-24.acacia"

StripeObject = dict[str, Any]
Listing = Callable[..., Any]


class StripeKind(StrEnum):
    """Kinds of objects, by the name that Stripe's `object` field gives them."""

    INVOICE = "invoice"
    SESSION = "checkout.session"
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    CREDIT_NOTE = "credit_note"
    SUBSCRIPTION = "subscription"
    INVOICE_PAYMENT = "invoice_payment"
    PAYMENT_INTENT = "payment_intent"
    EVENT = "event"
    PRICE = "price"


# What an object is asked to bring along: newer invoices name no payment otherwise, a session not when it was paid.
EXPANSIONS: Mapping[StripeKind, tuple[str, ...]] = {
    StripeKind.INVOICE: ("payments",),
    StripeKind.SESSION: ("payment_intent.latest_charge",),
    StripeKind.PAYMENT_INTENT: ("latest_charge",),
}

# Listing what there is to reconcile: only what has been paid, but subscriptions that have ended too.
ONLY: Mapping[StripeKind, Mapping[str, str]] = {
    StripeKind.INVOICE: {"status": "paid"},
    StripeKind.SESSION: {"status": "complete"},
    StripeKind.SUBSCRIPTION: {"status": "all"},
}

# The events that tell of an object made earlier and changed now.
TELLING: Mapping[StripeKind, tuple[str, ...]] = {
    StripeKind.INVOICE: ("invoice.paid",),
    StripeKind.SESSION: ("checkout.session.completed", "checkout.session.async_payment_succeeded"),
    StripeKind.REFUND: ("refund.updated", "refund.failed"),
    StripeKind.DISPUTE: ("charge.dispute.updated", "charge.dispute.closed"),
    StripeKind.PAYMENT_INTENT: ("payment_intent.succeeded",),
    StripeKind.CREDIT_NOTE: ("credit_note.updated", "credit_note.voided"),
    StripeKind.SUBSCRIPTION: (
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
    ),
}

_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{8,240}")


def is_api_key(text: str) -> bool:
    """Whether `text` can be a secret or restricted key."""
    return _KEY.fullmatch(text) is not None


class StripeApi:
    """The calls of one practice, with its key; `account` is a connected account, None or "own" the key's own.

    `options` are those of `stripe_client.connect`: timeouts, retries, how to pause. Loads the Stripe library with
    the first call.
    """

    def __init__(self, key: str, account: str | None = None, base: str = STRIPE_API, **options: Any) -> None:
        self.account = account or OWN_ACCOUNT
        self._key = key
        self._base = base
        self._options = options

    @property
    def mode(self) -> str | None:
        """The mode that the key belongs to; None where the key does not say."""
        found = _KEY.fullmatch(self._key)
        return found[1] if found else None

    # -- what an event lacks -------------------------------------------------------------------

    def invoice_lines(self, invoice_id: str) -> list[StripeObject]:
        """All lines of an invoice, in Stripe's order."""
        return list(self._all(self._v1.invoices.line_items.list, invoice_id))

    def line_items(self, session_id: str) -> list[StripeObject]:
        """All items of a checkout session, in Stripe's order."""
        return list(self._all(self._v1.checkout.sessions.line_items.list, session_id))

    def note_lines(self, note_id: str) -> list[StripeObject]:
        """All lines of a credit note, in Stripe's order."""
        return list(self._all(self._v1.credit_notes.line_items.list, note_id))

    def retrieve(self, kind: StripeKind, object_id: str, version: str | None = None) -> StripeObject:
        """One object; in the shape of `version` where one is named."""
        if not is_id(object_id):
            raise StripeRefused(NOT_FOUND)
        params = {"expand": list(EXPANSIONS[kind])} if kind in EXPANSIONS else {}
        options = {"stripe_version": version} if version else {}
        service = self._service(kind)
        return self._one(lambda: service.retrieve(object_id, params, options))

    def invoices_paid_by(self, payment_intent: str) -> list[tuple[str, int | None]]:
        """The invoices that a payment intent paid, and what it paid of each, in minor units, where that is stated.

        Where it has paid none yet, the one that it is meant for.
        """
        paid_by = {"type": "payment_intent", "payment_intent": payment_intent}
        rows = list(self._all(self._v1.invoice_payments.list, payment=paid_by))
        paid = [row for row in rows if row.get("status") == "paid"] or rows[:1]
        found = {_reference(row.get("invoice")): row.get("amount_paid") for row in paid}
        return [(i, amount if isinstance(amount, int) else None) for i, amount in found.items() if i]

    def session_paid_by(self, payment_intent: str) -> StripeObject | None:
        """The checkout session that a payment intent belongs to."""
        return next(self._all(self._v1.checkout.sessions.list, payment_intent=payment_intent), None)

    def invoice_of_charge(self, charge: str) -> str | None:
        """The invoice that a charge paid, as the older shape of a charge names it."""
        try:
            found = self.retrieve(StripeKind.CHARGE, charge, CHARGE_NAMES_INVOICE)
        except StripeRefused as refused:
            if refused.status == NOT_FOUND:
                return None
            raise
        return _reference(found.get("invoice"))

    # -- what is sold --------------------------------------------------------------------------

    def open_checkout(self, session: StripeObject, idempotency_key: str) -> StripeObject:
        """A new checkout session; the same one for the same key, for as long as Stripe remembers keys (a day)."""
        v1 = self._v1
        options = {"idempotency_key": idempotency_key}
        return self._one(lambda: v1.checkout.sessions.create(session, options))

    # -- what there is -------------------------------------------------------------------------

    def made_within(self, kind: StripeKind, since: datetime, until: datetime) -> list[StripeObject]:
        """The objects of a kind made in `since <= t < until` that may concern the ledger, the oldest first: paid
        invoices, completed sessions, payment intents of the practice's own that succeeded, all of the other kinds.

        Bounds count in whole seconds.
        """
        expand = {"expand": [f"data.{path}" for path in EXPANSIONS[kind]]} if kind in EXPANSIONS else {}
        rows = self._all(self._service(kind).list, created=_window(since, until), **ONLY.get(kind, {}), **expand)
        return [row for row in rows if _concerns(kind, row)][::-1]  # Stripe lists the newest first

    def heard_within(self, since: datetime, until: datetime) -> dict[StripeKind, list[str]]:
        """By kind, the ids of the objects that events of this window tell of, the oldest first, each once.

        Stripe keeps events for 30 days. An object paid, failed or closed long after it was made is found here alone.
        """
        kinds = {type_: kind for kind, types in TELLING.items() for type_ in types}
        events = self._all(self._v1.events.list, created=_window(since, until), types=list(kinds))
        found: dict[StripeKind, dict[str, None]] = {kind: {} for kind in TELLING}
        for event in list(events)[::-1]:
            about = (event.get("data") or {}).get("object") or {}
            kind = kinds.get(str(event.get("type")))
            if kind and isinstance(about.get("id"), str) and _concerns(kind, about):
                found[kind][about["id"]] = None
        return {kind: list(listed) for kind, listed in found.items()}

    # -- asking --------------------------------------------------------------------------------

    @cached_property
    def _v1(self) -> Any:
        from client_credits.stripe.api import client as stripe_client  # noqa: PLC0415 the library is loaded with the first call

        account = None if self.account == OWN_ACCOUNT else self.account
        return stripe_client.connect(self._key, account, self._base, **self._options).v1

    def _service(self, kind: StripeKind) -> Any:
        v1 = self._v1
        return {
            StripeKind.INVOICE: v1.invoices,
            StripeKind.SESSION: v1.checkout.sessions,
            StripeKind.CHARGE: v1.charges,
            StripeKind.REFUND: v1.refunds,
            StripeKind.DISPUTE: v1.disputes,
            StripeKind.CREDIT_NOTE: v1.credit_notes,
            StripeKind.SUBSCRIPTION: v1.subscriptions,
            StripeKind.INVOICE_PAYMENT: v1.invoice_payments,
            StripeKind.PAYMENT_INTENT: v1.payment_intents,
            StripeKind.EVENT: v1.events,
            StripeKind.PRICE: v1.prices,
        }[kind]

    def _one(self, call: Callable[[], Any]) -> StripeObject:
        from client_credits.stripe.api import client as stripe_client  # noqa: PLC0415 see above

        return stripe_client.ask(call)

    def _all(self, listing: Listing, *of: str, **params: Any) -> Iterator[StripeObject]:
        """Every row of a list, page by page."""
        asked: dict[str, Any] = {**params, "limit": PAGE}
        while True:
            page = self._one(partial(listing, *of, asked))
            rows = page.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) and is_id(row.get("id")) for row in rows):
                raise StripeUnavailable("a list that is none")
            yield from rows
            if not page.get("has_more"):
                return
            if not rows or rows[-1]["id"] == asked.get("starting_after"):
                raise StripeUnavailable("a list that goes on without rows")
            asked = {**asked, "starting_after": rows[-1]["id"]}


def _window(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lt": int(until.timestamp())}


def _concerns(kind: StripeKind, about: StripeObject) -> bool:
    """Whether an object may be the ledger's business. Stripe makes a payment intent for every payment: only one that
    names its package is a sale of its own."""
    if kind is not StripeKind.PAYMENT_INTENT:
        return True
    return about.get("status") == "succeeded" and "package_id" in (about.get("metadata") or {})


def _reference(value: object) -> str | None:
    """An id, given as such or as the object."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if is_id(found) else None  # type: ignore[return-value]
