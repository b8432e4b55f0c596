"""Stripe against the ledger: what was paid or given back there, and whether it is known here.

Makes, of every object of a window, the event that the webhook would have brought, and looks up what
that event would have left behind. A repair hands the event to the very code that events take, so it
can do nothing that the webhook could not, and nothing twice.

Goes through a window a few days at a time, the oldest first, and notes in the table how far it has come:
a run that was cut off goes on from there. An object that fails for good is set aside with its reason, and the
run goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.errors import Busy, NotFound
from client_credits.domain.payments.facts import CustomerLink, Facts, MoneyBack, Payment, Unsupported
from client_credits.domain.payments.granting import LineFate, decide_line
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.domain.payments.payment_record import money_of
from client_credits.domain.payments.reconciliation import Finding, Place, Reconciliation, Verdict
from client_credits.domain.payments.selling import with_items_sold
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, is_unavailable
from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import NOT_FOUND, Answer, StripeApi, StripeKind
from client_credits.stripe.completing import event_of, payment_behind, whole
from client_credits.stripe.events.frame import Mode
from client_credits.stripe.events.translate import translate

SLICE = timedelta(days=3)  # what happened in it is held in memory, kind by kind
SAVED_EVERY = 25  # objects; as many may be looked at again after a run was cut off
KEPT = timedelta(days=90)
SETTLED_AFTER = timedelta(minutes=10)  # what is younger may still be on its way here

# In the order in which they can have happened.
KINDS = (StripeKind.INVOICE, StripeKind.SESSION, StripeKind.REFUND, StripeKind.DISPUTE)
_TYPES = {
    StripeKind.INVOICE: "invoice.paid",
    StripeKind.SESSION: "checkout.session.completed",
    StripeKind.REFUND: "refund.updated",
    StripeKind.DISPUTE: "charge.dispute.updated",
}
_NEW = frozenset({"pending", "requires_action", "succeeded", "needs_response", "warning_needs_response"})

# Lines that grant nothing and leave nothing behind.
_NOTHING_TO_GRANT = frozenset({LineFate.PRORATION, LineFate.TRIAL, LineFate.NO_QUANTITY})

Apply = Callable[[Answer], str]
Progress = Callable[[Reconciliation], None]


@dataclass(frozen=True, slots=True)
class _Found:
    """One object at Stripe, or why it could not be had (`error`)."""

    object_id: str
    about: Answer
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    detail: str = ""


_FINE = _Judged(Verdict.FINE)
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


def last_run(store: Store, practice_id: str, account: str, mode: str, name: str) -> Reconciliation | None:
    """The last run of this name. One that cannot be read is as good as none: it is begun anew."""
    try:
        return store.reconciliation(practice_id, account, mode, name)
    except (ValueError, LookupError):
        return None


def reconcile(
    store: Store,
    api: StripeApi,
    practice_id: str,
    account: str,
    mode: Mode,
    since: datetime,
    until: datetime,
    now: datetime,
    repair: bool,
    apply: Apply,
    progress: Progress = lambda run: None,
    *,
    name: str | None = None,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Reconciliation:
    """Compares the window `since <= t < until`, whole seconds, with the ledger; with `repair` mends what is not fine.

    `apply` works off one event like the queue's worker. `progress` is told of every object. Where an
    unfinished run of this `name` (else: of this window) is found, that one is gone on with, in its own
    window; a finished one starts anew. Stops before an object where `may_go_on` says no: then the
    answer is not `finished`. Safe to repeat, to be killed, and to overlap. Raises StripeUnavailable,
    Busy, NotFound (no such practice), what the table raises when it is not available, and StripeRefused where
    the key may not be used for this or is of the other mode. All else sets one object aside.
    """
    if account != api.account or api.mode not in (None, mode):
        raise StripeRefused(401, "other_account" if account != api.account else "other_mode")
    since, until = since.replace(microsecond=0), until.replace(microsecond=0)
    name = name or f"{'repair' if repair else 'report'}:{since.isoformat()}..{until.isoformat()}"
    run = last_run(store, practice_id, account, mode, name)
    if run is None or run.finished:
        run = Reconciliation(name, account, mode, since, until)
    return _Run(store, api, practice_id, mode, now, repair, apply, progress, may_go_on).through(run)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run and all that it works with."""

    store: Store
    api: StripeApi
    practice_id: str
    mode: Mode
    now: datetime
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
            told = self.api.told_within(since, until)
            for index in range(run.place.kind, len(KINDS)):
                found = self._found(run, KINDS[index], since, until, told[KINDS[index]])
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
        self, run: Reconciliation, kind: StripeKind, since: datetime, until: datetime, told: list[str]
    ) -> list[_Found]:
        """What was made in the slice, then what was made before the window and has changed in the slice."""
        made = self.api.made_within(kind, since, until)
        known = {each["id"] for each in made}
        earlier = [each for each in told if each not in known]
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

    def _compared(self, kind: StripeKind, object_id: str, about: Answer) -> Finding:
        event, facts = self._told(self._event(kind, about))
        found = self._judge(facts)
        if not self.repair or found.verdict not in _TO_MEND:
            return Finding(kind, object_id, found.verdict, found.detail)
        outcome = self.apply(event)
        mended = self._judge(facts).verdict not in _TO_MEND
        return Finding(kind, object_id, found.verdict, f"{found.detail}; {outcome}", mended)

    def _told(self, event: Answer) -> tuple[Answer, Facts]:
        """The event as complete as Stripe makes it, and what it says."""
        try:
            return whole(event, self.mode, self.api)
        except StripeRefused as refused:
            if refused.status != NOT_FOUND:
                raise
            return event, translate(event, self.mode)  # one object must not keep all others from their turn

    def _event(self, kind: StripeKind, about: Answer) -> Answer:
        """The event as the webhook would have brought it, under an id that follows from the object."""
        livemode = about.get("livemode")
        own = livemode if isinstance(livemode, bool) else self.mode == "live"  # a refund does not say
        return event_of(_TYPES[kind], about, self.api, f"reconcile-{about['id']}", self._when(kind, about), own)

    def _when(self, kind: StripeKind, about: Answer) -> int:
        """When it happened, as far as the object knows it; else now."""
        made = about.get("created")
        if kind is StripeKind.SESSION:
            paid = (about.get("payment_intent") or {}) if isinstance(about.get("payment_intent"), dict) else {}
            charge = paid.get("latest_charge")
            made = charge.get("created", made) if isinstance(charge, dict) else made
        changed = kind in (StripeKind.REFUND, StripeKind.DISPUTE) and about.get("status") not in _NEW
        return int(self.now.timestamp()) if changed or not isinstance(made, int) else made

    def _saved(self, run: Reconciliation) -> Reconciliation:
        self.store.commit([writes.reconciliation(self.practice_id, run, self.now + KEPT)])
        return run

    # -- comparing -----------------------------------------------------------------------------

    def _judge(self, facts: Facts) -> _Judged:
        match facts:
            case Payment():
                return self._payment(facts)
            case MoneyBack():
                return self._money_back(facts)
            case CustomerLink():
                return self._link(facts)
            case Unsupported():
                parked = self._parked_event(facts.payment_id or facts.event_id)
                return _as_parked(parked) if parked else _Judged(Verdict.MISSING, facts.reason)
        return _FINE

    def _parked_event(self, name: str) -> Parked | None:
        """The event parked under the payment, or event, of this id."""
        return self.store.load(self.practice_id, Wanted(parked_id=parking.id_of_event(name))).parked

    def _payment(self, payment: Payment) -> _Judged:
        """Each line has left its record, or nothing to leave; else the payment is, or was, among the parked."""
        catalogue = self.store.catalogue(self.practice_id)
        payment = with_items_sold(payment, catalogue)
        sources = tuple(decide_line(payment, line, catalogue).source_id for line in payment.lines)
        loaded = self.store.load(self.practice_id, Wanted(source_ids=sources, parked_id=parking.id_of(payment)))
        lines = [decide_line(payment, line, loaded.catalogue) for line in payment.lines]
        absent = [d for d in lines if d.source_id not in loaded.operations and d.fate not in _NOTHING_TO_GRANT]
        if not absent:
            return _FINE
        if loaded.parked:
            return _as_parked(loaded.parked)
        # Its event may have been parked before Stripe could be asked for the rest; staff may have settled it by hand.
        as_event = self._parked_event(payment.payment_id)
        if as_event and not _open(as_event):
            return _FINE
        return _Judged(Verdict.MISSING, ", ".join(f"{each.line.line_id} {each.fate}" for each in absent))

    def _link(self, link: CustomerLink) -> _Judged:
        pairs = (("customer", link.customer), ("subscription", link.subscription))
        wanted = tuple((kind, external) for kind, external in pairs if external)
        known = self.store.load(self.practice_id, Wanted(links=wanted)).links
        unknown = [f"{kind} {external}" for kind, external in wanted if (kind, external) not in known]
        return _Judged(Verdict.MISSING, ", ".join(unknown)) if unknown else _FINE

    def _money_back(self, told: MoneyBack) -> _Judged:
        """The payment, or the money while its payment is not known, has heard of it with this status."""
        money_id = money_of(told)
        loaded = self._known(told.payment_id, money_id)
        money = loaded.money.get(money_id or "")
        home = loaded.payments[told.payment_id].within if told.payment_id else None
        payment_id = home or told.payment_id or (money.payment_id if money else None)
        if payment_id and payment_id != told.payment_id:
            loaded = self._known(payment_id, money_id)
        places = (loaded.payments[payment_id] if payment_id else None, money)
        refunds = {r.refund_id: r.status for place in places if place for r in place.refunds}
        disputes = {d.dispute_id: d.status for place in places if place for d in place.disputes}
        foreign = loaded.payments[payment_id].foreign if payment_id else ()  # parked: they are another payment's
        news: list[tuple[object, object]] = [
            *((refunds.get(r.refund_id), r.status) for r in told.refunds if r.refund_id not in foreign),
            *((disputes.get(d.dispute_id), d.status) for d in told.disputes if d.dispute_id not in foreign),
        ]
        for known, now in news:
            if known is None:
                return _Judged(Verdict.MISSING, str(now))
            if known != now:
                return _Judged(Verdict.DIFFERENT, f"{known} here, {now} there")
        return _FINE if payment_id else self._waiting(told)

    def _known(self, payment_id: str | None, money_id: str | None) -> Loaded:
        payments, money = ((payment_id,) if payment_id else ()), ((money_id,) if money_id else ())
        return self.store.load(self.practice_id, Wanted(payments=payments, money=money))

    def _waiting(self, told: MoneyBack) -> _Judged:
        """News of money wait for their payment; they must not where Stripe can tell which it is and it is known."""
        behind = payment_behind(self.api, told)
        if behind is None or not self._known(behind.payment_id, None).payments[behind.payment_id].version:
            return _FINE
        return _Judged(Verdict.DIFFERENT, f"waits for {behind.payment_id}")


def _as_parked(parked: Parked) -> _Judged:
    """What waits for staff is parked; what they resolved or dismissed is as it should be."""
    return _Judged(Verdict.PARKED, parked.reason) if _open(parked) else _FINE


def _open(parked: Parked | None) -> bool:
    return parked is not None and parked.state is ParkedState.OPEN


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


def _made(about: Answer, run: Reconciliation) -> bool:
    """Whether the object was made within the run's window."""
    made = about.get("created")
    return isinstance(made, int) and run.since.timestamp() <= made < run.until.timestamp()
