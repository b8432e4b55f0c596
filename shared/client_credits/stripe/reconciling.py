"""Stripe against the ledger: what was paid or given back there, and whether it is known here.

Makes, of every object of a window, the event that the webhook would have brought, and has `comparing` look
up what that event would have left behind. A repair hands the event to the very code that events take, so it
can do nothing that the webhook could not, and nothing twice.

Goes through a window a few days at a time, the oldest first, and notes in the table how far it has come:
a run that was cut off goes on from there. An object that fails for good is set aside with its reason, and the
run goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.errors import Busy, NotFound
from client_credits.domain.payments.facts import Facts
from client_credits.domain.payments.reconciliation import Finding, Place, Reconciliation, Verdict
from client_credits.operations.context import Context
from client_credits.store import writes
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, is_unavailable
from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import NOT_FOUND, StripeApi, StripeKind, StripeObject
from client_credits.stripe.comparing import Comparison
from client_credits.stripe.completing import completed_event, event_of
from client_credits.stripe.events.frame import Mode
from client_credits.stripe.events.translate import translate

SLICE = timedelta(days=3)  # what happened in it is held in memory, kind by kind
SAVED_EVERY = 25  # objects; as many may be looked at again after a run was cut off
KEPT = timedelta(days=90)
SETTLED_AFTER = timedelta(minutes=10)  # what is younger may still be on its way here

# In the order in which they can have happened.
KINDS = (
    StripeKind.INVOICE,
    StripeKind.SESSION,
    StripeKind.PAYMENT_INTENT,
    StripeKind.REFUND,
    StripeKind.DISPUTE,
    StripeKind.CREDIT_NOTE,
    StripeKind.SUBSCRIPTION,
)
_TYPES = {
    StripeKind.INVOICE: "invoice.paid",
    StripeKind.SESSION: "checkout.session.completed",
    StripeKind.PAYMENT_INTENT: "payment_intent.succeeded",
    StripeKind.REFUND: "refund.updated",
    StripeKind.DISPUTE: "charge.dispute.updated",
    StripeKind.CREDIT_NOTE: "credit_note.updated",
    StripeKind.SUBSCRIPTION: "customer.subscription.updated",
}
_NEW = frozenset({"pending", "requires_action", "succeeded", "needs_response", "warning_needs_response", "issued"})
_CHANGING = frozenset({StripeKind.REFUND, StripeKind.DISPUTE, StripeKind.CREDIT_NOTE, StripeKind.SUBSCRIPTION})

Apply = Callable[[StripeObject], str]
Progress = Callable[[Reconciliation], None]


@dataclass(frozen=True, slots=True)
class _Found:
    """One object at Stripe, or why it could not be had (`error`)."""

    object_id: str
    about: StripeObject
    error: Exception | None = None


_KEY_REFUSED = frozenset({401, 403})
_TO_MEND = frozenset({Verdict.MISSING, Verdict.DIFFERENT})


def window(now: datetime, days: int) -> tuple[datetime, datetime]:
    """The last `days` days, but for what is so young that its event may still be on its way."""
    until = (now - SETTLED_AFTER).replace(microsecond=0)
    return until - timedelta(days=days), until


def slices(since: datetime, until: datetime) -> int:
    """How many slices a window has."""
    return max(0, -((since - until) // SLICE))


def steps(since: datetime, until: datetime) -> int:
    """How many steps a run over a window takes, for whoever shows how far it has come."""
    return slices(since, until) * len(KINDS)


def steps_done(run: Reconciliation) -> int:
    """How many of them it has behind it."""
    return steps(run.since, run.until) if run.finished else run.place.slice * len(KINDS) + run.place.kind


def save(context: Context, run: Reconciliation) -> None:
    """Keeps how far a run has come, over whatever is there."""
    stored = replace(run, at=context.now)
    context.commit([writes.reconciliation(context.practice_id, stored, context.now + KEPT)])


def last_run(store: Store, practice_id: str, account: str, mode: str, name: str) -> Reconciliation | None:
    """The last run of this name. One that cannot be read is as good as none: it is begun anew."""
    try:
        return store.reconciliation(practice_id, account, mode, name)
    except (ValueError, LookupError):
        return None


@dataclass(frozen=True, slots=True)
class StripeSide:
    """The account that is compared, in the mode of its key; `apply` works off one event like the queue's worker."""

    api: StripeApi
    mode: Mode
    apply: Apply


@dataclass(frozen=True, slots=True)
class Window:
    """The time `since <= t < until`, in whole seconds. Runs of one `name` go on from one another; without one, those
    of the same window do."""

    since: datetime
    until: datetime
    name: str | None = None


def reconcile(
    context: Context,
    stripe: StripeSide,
    asked: Window,
    repair: bool,
    progress: Progress = lambda run: None,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Reconciliation:
    """Compares a window of Stripe's account with the ledger; with `repair` mends what is not fine.

    `progress` hears of every object. Where an unfinished run of the window's name is found, that one is gone
    on with, in its own window; a finished one starts anew. Stops before an object where `may_go_on` says no: then the
    answer is not `finished`. Safe to repeat, to be killed, and to overlap. Raises StripeUnavailable,
    Busy, NotFound (no such practice), what the table raises when it is not available, and StripeRefused where
    the key may not be used for this or is of the other mode. All else sets one object aside.
    """
    api, mode = stripe.api, stripe.mode
    if api.mode not in (None, mode):
        raise StripeRefused(401, "other_mode")
    since, until = asked.since.replace(microsecond=0), asked.until.replace(microsecond=0)
    name = asked.name or f"{'repair' if repair else 'report'}:{since.isoformat()}..{until.isoformat()}"
    run = last_run(context.store, context.practice_id, api.account, mode, name)
    if run is None or run.finished:
        run = Reconciliation(name, api.account, mode, since, until)
    return _Run(context, api, mode, repair, stripe.apply, progress, may_go_on).through(run)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run and all that it works with."""

    context: Context
    api: StripeApi
    mode: Mode
    repair: bool
    apply: Apply
    progress: Progress
    may_go_on: Callable[[], bool]

    def through(self, run: Reconciliation) -> Reconciliation:
        while run.place.slice < slices(run.since, run.until):
            if not self.may_go_on():
                return self._saved(run)
            since = run.since + run.place.slice * SLICE
            until = min(since + SLICE, run.until)
            heard = self.api.heard_within(since, until)
            for index in range(run.place.kind, len(KINDS)):
                found = self._found(run, KINDS[index], since, until, heard[KINDS[index]])
                run, done = self._looked_at(run, index, found)
                if not done:
                    return run
        return self._saved(replace(run, finished=True))

    def _looked_at(self, run: Reconciliation, index: int, found: list[_Found]) -> tuple[Reconciliation, bool]:
        """One kind of one slice; whether it was gone through to its end."""
        number = run.place.slice
        for position, each in enumerate(_behind(found, run.place.after), 1):
            if not self.may_go_on():
                return self._saved(run), False
            finding = self._finding(KINDS[index], each)
            run = run.with_finding(finding, Place(number, index, each.object_id))
            if position % SAVED_EVERY == 0:
                self._saved(run)
            self.progress(run)
        last = index + 1 == len(KINDS)
        run = replace(run, place=Place(number + 1, 0) if last else Place(number, index + 1))
        if found or last:
            self._saved(run)
        self.progress(run)
        return run, True

    def _found(
        self, run: Reconciliation, kind: StripeKind, since: datetime, until: datetime, heard: list[str]
    ) -> list[_Found]:
        """What was made in the slice, then what was made before the window and has changed in the slice."""
        made = self.api.made_within(kind, since, until)
        known = {each["id"] for each in made}
        earlier = [each for each in heard if each not in known]
        changed = (self._unless_gone(kind, each) for each in earlier)
        found = [_Found(str(each["id"]), each) for each in made]
        # What was made within the window has been, or will be, looked at as it is now.
        return found + [each for each in changed if each and not _made(each.about, run)]

    def _unless_gone(self, kind: StripeKind, object_id: str) -> _Found | None:
        try:
            return _Found(object_id, self.api.retrieve(kind, object_id))
        except StripeRefused as refused:
            if _stops_the_run(refused):
                raise
            return None if refused.status == NOT_FOUND else _Found(object_id, {}, refused)

    def _finding(self, kind: StripeKind, found: _Found) -> Finding:
        if found.error:
            return Finding(kind, found.object_id, Verdict.SET_ASIDE, _why(found.error))
        try:
            return self._compared(kind, found.object_id, found.about)
        except Exception as error:  # whatever is wrong with this object, the others' turn must come
            if _stops_the_run(error):
                raise
            return Finding(kind, found.object_id, Verdict.SET_ASIDE, _why(error))

    def _compared(self, kind: StripeKind, object_id: str, about: StripeObject) -> Finding:
        event, facts = self._completed(self._event(kind, about))
        comparison = Comparison(self.context, self.api)
        found = comparison.judge(facts)
        if not self.repair or found.verdict not in _TO_MEND:
            return Finding(kind, object_id, found.verdict, found.detail)
        outcome = self.apply(event)
        mended = comparison.judge(facts).verdict not in _TO_MEND
        return Finding(kind, object_id, found.verdict, f"{found.detail}; {outcome}", mended)

    def _completed(self, event: StripeObject) -> tuple[StripeObject, Facts]:
        """The event as complete as Stripe makes it, and what it says."""
        try:
            return completed_event(event, self.mode, self.api)
        except StripeRefused as refused:
            if refused.status != NOT_FOUND:
                raise
            return event, translate(event, self.mode)  # one object must not keep all others from their turn

    def _event(self, kind: StripeKind, about: StripeObject) -> StripeObject:
        """The event as the webhook would have brought it, under an id that follows from the object."""
        livemode = about.get("livemode")
        own = livemode if isinstance(livemode, bool) else self.mode == "live"  # a refund does not say
        return event_of(_TYPES[kind], about, self.api, f"reconcile-{about['id']}", self._when(kind, about), own)

    def _when(self, kind: StripeKind, about: StripeObject) -> int:
        """When it happened, as far as the object knows it; else now."""
        made, paid = about.get("created"), about
        if kind is StripeKind.SESSION:
            paid = about["payment_intent"] if isinstance(about.get("payment_intent"), dict) else {}
        if kind in (StripeKind.SESSION, StripeKind.PAYMENT_INTENT):
            charge = paid.get("latest_charge")
            made = charge.get("created", made) if isinstance(charge, dict) else made
        changed = kind in _CHANGING and about.get("status") not in _NEW
        return int(self.context.now.timestamp()) if changed or not isinstance(made, int) else made

    def _saved(self, run: Reconciliation) -> Reconciliation:
        save(self.context, run)
        return run


def _stops_the_run(error: Exception) -> bool:
    """Whether the next object would fare no better: a neighbour is away, or the key may not be used for this."""
    if isinstance(error, StripeRefused):
        return error.status in _KEY_REFUSED
    return isinstance(error, StripeUnavailable | Busy | NotFound | Conflicted) or is_unavailable(error)


def _why(error: Exception) -> str:
    """A kind of reason, never what an object or a record holds."""
    return str(error) if isinstance(error, StripeRefused) else type(error).__name__


def _behind(found: list[_Found], after: str | None) -> Iterator[_Found]:
    """What comes behind an object; everything where that object is not there any more."""
    ids = [each.object_id for each in found]
    yield from found[ids.index(after) + 1 :] if after in ids else found


def _made(about: StripeObject, run: Reconciliation) -> bool:
    """Whether the object was made within the run's window."""
    made = about.get("created")
    return isinstance(made, int) and run.since.timestamp() <= made < run.until.timestamp()
