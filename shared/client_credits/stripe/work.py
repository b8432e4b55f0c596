"""One event of Stripe from its body to its effect: the one way in, for the queue, replays and the reconciler.

Owns the order of the steps: translate, find whose the event is, ask Stripe for what it lacks, then the
one operation. Raises what may be tried again (Busy, StripeUnavailable); everything else ends as
applied, ignored or parked. Handling an event twice changes nothing.

An event belongs to the practice whose endpoint received it. One of a connected account belongs to the
practice that the receiver has given the account to; until it has, the event is parked with the receiver.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from client_credits.domain.errors import AlreadyResolved
from client_credits.domain.payments.facts import (
    OWN_ACCOUNT,
    CustomerLink,
    Facts,
    Ignored,
    MoneyBack,
    Payment,
    PaymentMade,
    SubscriptionNews,
    Unsupported,
    not_ahead,
)
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.operations.context import Context
from client_credits.operations.payments import intents, linking, money_back, parking, paying
from client_credits.stripe.api.errors import StripeRefused
from client_credits.stripe.api.queries import StripeApi, StripeKind
from client_credits.stripe.completing import completed_event, event_of, lacks_items, payments_behind
from client_credits.stripe.events import values
from client_credits.stripe.events.frame import Mode
from client_credits.stripe.events.naming import named_in
from client_credits.stripe.events.translate import translate
from client_credits.stripe.events.values import Unreadable

# What Stripe can be asked for, by the reason that an event is not understood for.
INCOMPLETE = frozenset({"thin_event", "line_items_not_in_event", "note_lines_not_in_event"})

_ASKS_SUBSCRIPTION = frozenset({str(LineFate.TRIAL_NOT_KNOWN), str(LineFate.WAITS_FOR_INTERVAL)})

Event = Mapping[str, Any]
# The API with the key of a practice, for an account of Stripe's; None where the practice has no key.
FindApi = Callable[[str, str], StripeApi | None]
Api = StripeApi | FindApi | None


def apply(context: Context, facts: Facts, raw: str) -> str:
    """Carries out what an event says; how it ended, in a word. `raw` is kept where it is not understood.

    What it dates ahead of `now` counts as of now.
    """
    facts = not_ahead(facts, context.now)
    match facts:
        case Payment():
            lines = paying.pay(context, facts)
            return ",".join(sorted({line.fate for line in lines})) or "no_lines"
        case MoneyBack():
            return money_back.apply_money_back(context, facts)
        case PaymentMade():
            return intents.apply_payment_made(context, facts)
        case SubscriptionNews():
            return f"subscription_{paying.subscription_heard(context, facts)}"
        case CustomerLink():
            linking.apply_link(context, facts)
            return "linked"
        case Unsupported():
            parking.park_event(context, facts, raw, named_in(raw))
            return f"parked_{facts.reason}"
        case Ignored():
            return f"ignored_{facts.reason}"


def handle(context: Context, api: Api, mode: Mode, event: Event, raw: str) -> str:
    """One decoded event that reached the endpoint of a practice; how it ended, in a word.

    `api` asks Stripe for what the event lacks, with the key of that practice: itself, or how it is
    found, which happens only where something is missing. None: nothing is asked.
    """
    facts = translate(event, mode)
    if isinstance(facts, Ignored):
        return f"ignored_{facts.reason}"
    account = _account(event, facts)
    work = _Work(context, api, account, mode)
    owner = work.owner()
    if owner is not None:
        return work.through(owner, event, facts, raw)[1]
    # By the event's id alone: several events about one payment are several things to do later.
    outcome = apply(context, Unsupported(facts.event_id, parking.UNKNOWN_ACCOUNT, account=account), raw)
    if work.owner() is not None:  # connected meanwhile: who did it may have looked before this was parked
        retry(context, api, mode, account=account)
    return outcome


def retry(context: Context, api: Api, mode: Mode, account: str | None = None) -> int:
    """Tries again the open parked events whose body is kept, and the payments with lines missing.

    `account`: only those parked since this connected account was nobody's. Returns how many are
    understood now: those are closed, the others stay. Raises what `handle` raises. Safe to repeat.
    """
    if account is None:
        found = parking.every_open(context.store, context.practice_id)
    else:
        found = parking.open_for(context.store, context.practice_id, ("account", account))
    return sum(_tried(context, api, mode, parked) for parked in found)


def _tried(context: Context, api: Api, mode: Mode, parked: Parked) -> bool:
    """Whether a parked event is understood now, and so was closed."""
    kept = _kept(context, parked, mode)
    account = _account(*kept[:2]) if kept else parked.payment.account if parked.payment else OWN_ACCOUNT
    # What is parked with its owner may have come by another practice's endpoint; an unknown account's has no owner yet.
    is_routed = account != OWN_ACCOUNT and parked.reason != parking.UNKNOWN_ACCOUNT
    receiver = linking.receiver_of(context.store, context.practice_id, account) if is_routed else None
    work = _Work(context.of(receiver or context.practice_id), api, account, mode)
    owner = work.owner()
    kept = kept or work.payment_anew(parked)
    if owner is None or kept is None:
        return False
    facts, _ = work.through(owner, *kept)
    # A payment that still has lines missing is parked as itself: that record stays, one of its mere event need not.
    is_complete = not (isinstance(facts, Payment) and facts.lines_missing and parked.payment)
    is_understood = is_complete and not isinstance(facts, Unsupported)
    if not is_understood and owner == context.practice_id:
        return False
    with suppress(AlreadyResolved):  # granting it has closed it
        parking.close(context, parked.parked_id, ParkedState.RESOLVED)
    return True


@dataclass(frozen=True, slots=True)
class _Work:
    """Events of one account that reached the endpoint of one practice, and all that working them off takes."""

    context: Context  # of the receiver
    find: Api
    account: str
    mode: Mode

    def owner(self) -> str | None:
        """The practice that the account's events belong to; None where nobody has said."""
        if self.account == OWN_ACCOUNT:
            return self.context.practice_id
        return linking.owner_of(self.context.store, self.context.practice_id, self.account)

    def api(self) -> StripeApi | None:
        """The API for the account, with the receiver's key."""
        if callable(self.find):
            return self.find(self.context.practice_id, self.account)
        return self.find if self.find and self.find.account == self.account else None

    def through(self, owner: str, event: Event, facts: Facts, raw: str) -> tuple[Facts, str]:
        """Completes the facts, applies them, and finds the payment where money came back for an unknown one."""
        lines_missing = isinstance(facts, Payment) and facts.lines_missing
        incomplete = isinstance(facts, Unsupported) and facts.reason in INCOMPLETE
        if lines_missing or incomplete or lacks_items(facts):
            facts = self._completed(event, facts)
        outcome = apply(self.context.of(owner), facts, raw)
        if isinstance(facts, MoneyBack) and outcome == "waiting":
            facts, outcome = self._found(owner, facts, raw)
        if isinstance(facts, Payment) and not _ASKS_SUBSCRIPTION.isdisjoint(outcome.split(",")):
            outcome = self._subscription_asked(owner, facts, raw, outcome)
        return facts, outcome

    def _subscription_asked(self, owner: str, paid: Payment, raw: str, outcome: str) -> str:
        """Asks how a subscription stands whose zero line may be a trial's, or how long a price lasts that a stub was
        paid for; without an answer the payment waits."""
        api = self.api()
        try:
            for named in sorted({line.subscription or paid.subscription or "" for line in paid.lines}):
                if api and named:
                    about = api.retrieve(StripeKind.SUBSCRIPTION, named)
                    seconds = int(paid.paid_at.timestamp())
                    complete_event = event_of(
                        "customer.subscription.updated", about, api, paid.event_id, seconds, paid.mode == "live"
                    )
                    apply(self.context.of(owner), translate(complete_event, self.mode), raw)
                    outcome = apply(self.context.of(owner), paid, raw)
        except StripeRefused:
            return outcome
        return outcome

    def payment_anew(self, parked: Parked) -> tuple[Event, Facts, str] | None:
        """The event of a parked payment that has lines missing, as Stripe has its invoice or session now."""
        if parked.payment is None or not parked.payment.lines_missing or (api := self.api()) is None:
            return None
        paid = parked.payment
        kind, event_type = StripeKind.INVOICE, "invoice.paid"
        if paid.names_package:
            kind, event_type = StripeKind.SESSION, "checkout.session.completed"
        try:
            about = api.retrieve(kind, paid.payment_id)
        except StripeRefused:
            return None
        seconds = int(paid.paid_at.timestamp())
        event = event_of(event_type, about, api, paid.event_id, seconds, paid.mode == "live")
        return event, translate(event, self.mode), json.dumps(event)

    def _completed(self, event: Event, facts: Facts) -> Facts:
        api = self.api()
        try:
            return completed_event(dict(event), self.mode, api)[1] if api else facts
        except StripeRefused as refused:
            # A payment grants the lines it has and waits for the others; all else waits as a whole.
            return replace(facts, reason=_reason(refused)) if isinstance(facts, Unsupported) else facts

    def _found(self, owner: str, facts: MoneyBack, raw: str) -> tuple[Facts, str]:
        """Asks which payments the money was paid for; until that is known, the news wait with the money."""
        api = self.api()
        try:
            paid = payments_behind(api, facts) if api else []
        except StripeRefused as refused:
            parked = Unsupported(facts.event_id, _reason(refused), account=self.account)
            return parked, apply(self.context.of(owner), parked, raw)
        for made in paid:
            apply(self.context.of(owner), made, raw)
        return facts, "followed" if paid else "waiting"


def _kept(context: Context, parked: Parked, mode: Mode) -> tuple[Event, Facts, str] | None:
    """The event as it came, what it says to this release, and its body; None where the body is gone."""
    raw = None if parked.payment else parking.raw_of(context.store, context.practice_id, parked)
    if raw is None:
        return None
    event = json.loads(raw)
    return event, translate(event, mode), raw


def _account(event: Event, facts: Facts) -> str:
    """The account of Stripe that an event is about."""
    named: str | None = getattr(facts, "account", None)
    try:
        return named or values.reference(values.fields(event), "account") or OWN_ACCOUNT
    except Unreadable:
        return OWN_ACCOUNT  # the event is parked as not understood


def _reason(refused: StripeRefused) -> str:
    return f"stripe_refused_{refused.status}"
