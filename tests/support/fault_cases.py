"""Every operation that writes, each with the past it starts from: what the fault tests run through.

A case's `act` is what a source delivers: it is delivered again, with the same content and a later
`now`, until it succeeds. Its answer is what the caller learns, without our own instants.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.errors import AlreadyResolved, LotClosed, NotFound
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.domain.ledger.wallet import Rollover
from client_credits.domain.payments.facts import (
    CustomerLink,
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    PaymentMade,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Unsupported,
)
from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.catalogue import AppointmentType, Package
from client_credits.domain.practice.jobs import Job, JobKind, JobMessage, Progress
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings.spending import BookingOutcome
from client_credits.operations.committing import once
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.jobs.running import STEP_LEASE, run, woken
from client_credits.operations.jobs.starting import Started, start
from client_credits.operations.payments.linking import apply_link
from client_credits.operations.payments.money_back import apply_money_back, apply_payment_made
from client_credits.operations.payments.outcomes import LineOutcome
from client_credits.operations.payments.parking import park_event
from client_credits.operations.payments.paying import pay
from client_credits.operations.payments.subscriptions import apply_news
from client_credits.operations.staff import authorizations
from client_credits.operations.staff.bulk import BulkOutcome, change_all
from client_credits.operations.staff.bulk_changes import BulkChange
from client_credits.operations.staff.client_links import LinkMade, make_link
from client_credits.operations.staff.editing import (
    NewBalance,
    adjust,
    change_lot,
    grant_by_hand,
    set_balances,
    transfer,
)
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Edited, Keyed
from client_credits.operations.staff.leftovers import Leftovers
from client_credits.operations.staff.merging import Merged, _say_so, merge_clients
from client_credits.operations.staff.practices import (
    change_client_settings,
    create_practice,
    put_appointment_type,
    put_client,
    put_package,
)
from client_credits.operations.staff.undoing import undo
from client_credits.operations.sweeping import settle_one
from client_credits.store.store import Store
from client_credits.stripe.checkout import CheckoutOpened, Purchase, open_checkout
from tests.support.builders import DAY, HOUR, NOW, a_line, a_lot, a_package, a_payment
from tests.support.fault_steps import (
    MANY,
    OVERFULL,
    STAFF,
    P,
    Step,
    before,
    booking,
    cancelling,
    dismissing,
    due_now,
    ended,
    ending,
    holding,
    paying,
    resolving,
    setting,
    sweeping,
)


@dataclass(frozen=True)
class Case:
    """`past` is carried out in order, undisturbed. `done` is how a repeat may say that it was done.

    `one_way`: there is one way to do it, so that versions, which count transactions, end the same.
    `scheduled`: it comes again whatever became of it, so it need not be finished the first time.
    `later` is how long the redelivery takes; none where an entry's own instant is our `now`.
    """

    name: str
    act: Step
    past: tuple[Step, ...] = ()
    done: tuple[type[Exception], ...] = ()
    founded: bool = True  # the practice, its catalogue and client c1 exist
    one_way: bool = True
    scheduled: bool = False
    later: timedelta = timedelta(minutes=2)


BUNDLES = a_payment("in_many", *(a_line(f"il_{n}", price=f"price_{n}") for n in (1, 2, 0)))
UNKNOWN_CLIENT = a_payment("in_lost", client_id=None, customer="cus_new", subscription="sub_new")
UNKNOWN_PRICE = a_payment("in_odd", a_line("il_1"), a_line("il_2", price="price_new"))
TO_CLIENT_LINK = CustomerLink("evt_link", "cus_new", "c1", "sub_new")


def insuring(store: Store, now: datetime) -> Any:
    months = date(2026, 9, 1), date(2027, 2, 28)
    wanted = Authorization("c1", "au-1", "Northern Health", "NH-1", ("follow-up",), *months, 2)
    return authorizations.put(Context(store, P, STAFF, now), wanted)


INSURED = (paying(a_payment()), setting(track_insurance_authorization=True), insuring)
PRACTICE = [
    Case("create a practice", lambda s, now: create_practice(Context(s, P, STRIPE, now)), founded=False),
    Case(
        "put a new appointment type",
        lambda s, now: put_appointment_type(s, P, AppointmentType("yoga", "Yoga")),
    ),
    Case(
        "put a new package",
        lambda s, now: put_package(Context(s, P, STRIPE, now), Package("new", "New", {"initial": 1}), False),
    ),
    Case(
        "archive a package",
        lambda s, now: put_package(Context(s, P, STRIPE, now), a_package("three-pack"), True),
    ),
    Case(
        "put a package whose price a parked payment waits for",
        lambda s, now: put_package(Context(s, P, STRIPE, now), a_package("new", stripe_prices=("price_new",)), False),
        past=(paying(UNKNOWN_PRICE),),
    ),
    Case(
        "put a new client",
        lambda s, now: put_client(Context(s, P, STRIPE, now), Client("c2", "Bo", stripe_customers=("cus_2",))),
    ),
    Case(
        "put a client with other customers than before",
        lambda s, now: put_client(Context(s, P, STRIPE, now), Client("c1", stripe_customers=("cus_8", "cus_9"))),
    ),
    Case(
        "put a client whose customer a parked payment waits for",
        lambda s, now: put_client(Context(s, P, STRIPE, now), Client("c2", stripe_customers=("cus_new",))),
        past=(paying(UNKNOWN_CLIENT),),
    ),
    Case("change the account's settings", setting(max_negative=3, auto_repay=False)),
    Case("switch credits off", setting(enabled=False), past=(paying(a_payment()),)),
    Case("put an authorisation", insuring),
    Case(
        "delete an authorisation",
        lambda s, now: authorizations.delete(Context(s, P, STAFF, now), "c1", "au-1"),
        past=(insuring,),
        done=(NotFound,),
        later=timedelta(0),
    ),
    Case(
        "change a client's settings",
        lambda s, now: change_client_settings(Context(s, P, STAFF, now), "c1", {"max_negative": 1}),
    ),
]

PAYMENTS = [
    Case("a payment of one line", paying(a_payment())),
    Case("a payment of several lines and types", paying(BUNDLES)),
    Case("a payment for a client not yet known", paying(a_payment(client_id="c-new"))),
    Case("a payment found by its customer", paying(a_payment(client_id=None, subscription=None))),
    Case(
        "the first payment of a package that grants once",
        paying(
            a_payment(
                "in_1",
                a_line(price="price_s", subscription_item="si_1", period_start=NOW, period_end=NOW + DAY),
            )
        ),
    ),
    Case(
        "a payment heard of a second time by another event",
        paying(a_payment(event_id="evt_2")),
        past=(paying(a_payment()),),
    ),
    Case("a payment that repays two bookings", paying(a_payment()), past=(booking("b1"), booking("b2"))),
    Case(
        "a payment into a wallet with lots that have ended",
        paying(a_payment()),
        past=(holding(ending("lot-1", 2, DAY), ending("lot-2", 1, HOUR), a_lot("lot-3", 4)),),
    ),
    Case(
        "a payment whose credits have ended before it arrives",
        paying(a_payment("in_1", a_line(price="price_day"), paid_at=NOW - 9 * DAY)),
    ),
    Case(
        "a payment into a wallet that must be settled first",
        paying(a_payment()),
        past=(ended(OVERFULL),),
        one_way=False,
    ),
    Case("a payment for no known client", paying(UNKNOWN_CLIENT)),
    Case("a payment with an unknown price beside a known one", paying(UNKNOWN_PRICE)),
    Case(
        "an event that makes no payment",
        lambda s, now: park_event(Context(s, P, STRIPE, now), Unsupported("evt_9", "no_lines", "in_9", "cus_1"), "{}"),
    ),
    Case(
        "resolve a parked payment by its client",
        resolving(UNKNOWN_CLIENT, client_id="c1"),
        past=(paying(UNKNOWN_CLIENT),),
        done=(AlreadyResolved,),
    ),
    Case(
        "resolve a parked payment by its package",
        resolving(UNKNOWN_PRICE, package_id="bundle"),
        past=(paying(UNKNOWN_PRICE),),
        done=(AlreadyResolved,),
    ),
    Case(
        "dismiss a parked payment", dismissing(UNKNOWN_CLIENT), past=(paying(UNKNOWN_CLIENT),), done=(AlreadyResolved,)
    ),
    Case("link a customer and a subscription", lambda s, now: apply_link(Context(s, P, STRIPE, now), TO_CLIENT_LINK)),
    Case(
        "link what a parked payment waits for",
        lambda s, now: apply_link(Context(s, P, STRIPE, now), TO_CLIENT_LINK),
        past=(paying(UNKNOWN_CLIENT),),
    ),
]

NO_DEBT = setting(allow_booking_without_credits=False)
TWO_LOTS = holding(a_lot("lot-1", 2, expires_at=NOW + 9 * DAY), a_lot("lot-2", 3))
ENDED = holding(a_lot("lot-1", 2, effective_at=NOW - 9 * DAY, expires_at=NOW - DAY))
SOON = holding(a_lot("lot-1", 2, expires_at=NOW + 3 * DAY))

BOOKINGS = [
    Case("a booking paid by one lot", booking(), past=(paying(a_payment()),)),
    Case("a booking paid by two lots", booking(seats=4), past=(TWO_LOTS,)),
    Case("a booking that becomes debt", booking(seats=2)),
    Case("a booking paid in part", booking(seats=5), past=(paying(a_payment()),)),
    Case("a booking refused", booking(), past=(NO_DEBT,)),
    Case(
        "a booking refused once and asked for again",
        booking(),
        past=(NO_DEBT, booking(occurred_at=NOW - HOUR), paying(a_payment())),
    ),
    Case("a booking of a type that is not tracked", booking(appointment_type="yoga")),
    Case("a booking of nobody we know", booking(client_id=None)),
    Case("a booking by a client not yet known", booking(client_id="c-new")),
    Case("a booking while credits are off", booking(), past=(setting(enabled=False),)),
    Case(
        "a booking in a wallet with lots that have ended",
        booking(),
        past=(holding(ending("lot-1", 2, DAY), ending("lot-2", 1, HOUR), a_lot("lot-3", 4)),),
    ),
    Case(
        "a booking in a wallet that must be settled first",
        booking(),
        past=(ended(OVERFULL),),
        one_way=False,
    ),
    Case("a booking that an authorisation covers", booking(seats=2), past=INSURED),
    Case("a cancellation of a covered booking", cancelling(), past=(*INSURED, booking())),
    Case("a booking heard twice", booking(), past=(paying(a_payment()), booking())),
    Case("a booking said after its cancellation", booking(), past=(paying(a_payment()), cancelling())),
    Case("a cancellation of a paid booking", cancelling(), past=(TWO_LOTS, booking(seats=4))),
    Case(
        "a cancellation by the practice, with grace",
        cancelling(by=CancelledBy.PRACTICE),
        past=(SOON, booking(seats=2)),
    ),
    Case(
        "a cancellation after its lot has ended",
        cancelling(),
        past=(ENDED, before(3 * DAY, booking(seats=2, starts_at=NOW - 2 * DAY, occurred_at=NOW - 3 * DAY))),
    ),
    Case("a cancellation of a debt", cancelling(), past=(booking(seats=2),)),
    Case(
        "a cancellation of what a payment has repaid",
        cancelling(),
        past=(booking(), booking("b2"), paying(a_payment())),
    ),
    Case(
        "a cancellation that gives nothing back",
        cancelling(),
        past=(setting(restore_on_cancel=False), paying(a_payment()), booking()),
    ),
    Case("a cancellation before the booking", cancelling()),
    Case("a cancellation of a refused booking", cancelling(), past=(NO_DEBT, booking())),
    Case(
        "a cancellation that does not say whose booking it is",
        cancelling(client_id=None, appointment_type=None),
        past=(paying(a_payment()), booking()),
    ),
    Case(
        "a cancellation that repays another booking",
        cancelling(),
        past=(holding(a_lot("lot-1", 1)), booking("b1"), booking("b2")),
    ),
]

MONTH = (NOW - 31 * DAY, NOW - DAY)
OF_A_CYCLE = a_lot(
    "lot-1",
    3,
    effective_at=MONTH[0],
    expires_at=MONTH[1],
    subscription="sub_1",
    cycle=MONTH,
    rollover=Rollover(2, MONTH[0], days=30),
)

SWEEPS = [
    Case("a sweep with nothing due", sweeping, past=(TWO_LOTS,)),
    Case("a sweep of what rolls over", sweeping, past=(holding(OF_A_CYCLE),)),
    Case(
        "a sweep of two wallets",
        sweeping,
        past=(
            holding(ending("lot-1", 2, DAY), a_lot("lot-2", 1)),
            holding(ending("lot-3", 2, HOUR), appointment_type="initial"),
        ),
    ),
    Case("a sweep of more than a transaction holds", sweeping, past=(ended(MANY),)),
    Case(
        "settling one wallet",
        lambda s, now: settle_one(Context(s, P, STRIPE, now), "c1", "follow-up"),
        past=(holding(ending("lot-1", 2, DAY), ending("lot-2", 2, HOUR)),),
    ),
    Case(
        "a sweep of a debt that a lot could not repay when it began",
        sweeping,
        past=(
            holding(a_lot("lot-1", 1, effective_at=NOW - HOUR, expires_at=NOW + DAY)),
            booking(seats=2),
            lambda s, now: due_now(s),
        ),
        scheduled=True,
    ),
]


def keyed(key: str = "k1") -> Keyed:
    return Keyed(key, f"the request of {key}")


def edit(name: str, act: Step, *past: Step, done: tuple[type[Exception], ...] = ()) -> Case:
    """What staff ask for by a call: it happens when we carry it out."""
    return Case(name, act, past, done, later=timedelta(0))


def extending(store: Store, now: datetime) -> None:
    """Tells nothing: a repeat finds the lot as it should be and has no entry to show."""
    change_lot(Context(store, P, STAFF, now), "c1", "follow-up", "lot-1", expires_at=NOW + 99 * DAY)


TYPES_AT = [NewBalance("follow-up", 9, 1), NewBalance("initial", 2, 0, NOW + DAY)]
CLIENT_2: Step = lambda s, now: put_client(Context(s, P, STRIPE, now), Client("c2"))  # noqa: E731
EDITS = [
    edit(
        "replace the balances of two types",
        lambda s, now: set_balances(Context(s, P, STAFF, now), "c1", TYPES_AT),
        TWO_LOTS,
    ),
    edit(
        "raise a balance out of debt",
        lambda s, now: set_balances(Context(s, P, STAFF, now), "c1", [NewBalance("follow-up", 1, 1)]),
        booking(seats=2),
    ),
    edit(
        "add credits",
        lambda s, now: adjust(Context(s, P, STAFF, now), "c1", "follow-up", 4, keyed(), "a gift"),
        TWO_LOTS,
    ),
    edit(
        "take more credits than there are",
        lambda s, now: adjust(Context(s, P, STAFF, now), "c1", "follow-up", -7, keyed(), "a mistake"),
        TWO_LOTS,
    ),
    edit(
        "add credits that repay a booking",
        lambda s, now: adjust(Context(s, P, STAFF, now), "c1", "follow-up", 4, keyed(), "a gift"),
        booking(seats=2),
    ),
    edit(
        "grant a package of two types by hand",
        lambda s, now: grant_by_hand(Context(s, P, STAFF, now), "c1", "bundle", 3, keyed()),
        TWO_LOTS,
    ),
    edit(
        "void a lot",
        lambda s, now: change_lot(Context(s, P, STAFF, now), "c1", "follow-up", "lot-1", void=True, reason="fraud"),
        TWO_LOTS,
        done=(LotClosed, NotFound),
    ),
    edit(
        "extend a lot",
        extending,
        TWO_LOTS,
    ),
    edit(
        "transfer credits of two lots",
        lambda s, now: transfer(Context(s, P, STAFF, now), "c1", "c2", "follow-up", 4, keyed()),
        TWO_LOTS,
        CLIENT_2,
    ),
    edit(
        "transfer credits that repay the receiver's booking",
        lambda s, now: transfer(Context(s, P, STAFF, now), "c1", "c2", "follow-up", 2, keyed()),
        TWO_LOTS,
        booking(client_id="c2", seats=1),
    ),
]


YEAR = {"period_start": NOW - DAY, "period_end": NOW + 364 * DAY, "subscription_item": "si_1"}
WHOLE = a_payment("in_1", a_line(**YEAR), paid=9_000, payment_intent="pi_1")
UPGRADE = a_payment(
    "in_2",
    a_line("il_old", amount=-4_000, proration=True, **YEAR),
    a_line("il_new", price="price_2", quantity=2, amount=8_000, proration=True, **YEAR),
)


def _rest(hours: int) -> dict[str, Any]:
    return YEAR | {"period_start": NOW - hours * HOUR, "proration": True}


def rise(payment_id: str, hours: int, before: int, after: int) -> Payment:
    """More of the same plan, so many hours ago, paid by money of its own."""
    lines = (
        a_line("il_old", quantity=before, amount=-3_000, **_rest(hours)),
        a_line("il_new", quantity=after, amount=6_000, **_rest(hours)),
    )
    at = NOW - hours * HOUR
    return a_payment(payment_id, *lines, paid=9_000, payment_intent=f"pi_{payment_id}", paid_at=at)


EARLIER, LATER = rise("in_e", 20, 1, 2), rise("in_l", 10, 2, 4)
RESTART = a_payment(
    "in_r",
    a_line("il_old", amount=-8_000, **_rest(5)),
    a_line("il_full", **(YEAR | {"period_start": NOW - 5 * HOUR, "period_end": NOW + 365 * DAY})),
)


def earlier_refunded(store: Store, now: datetime) -> None:
    refunds = (Refund("re_e", 9_000, RefundStatus.SUCCEEDED, NOW - 15 * HOUR),)
    news = MoneyBack("evt_e", "own", "test", NOW, None, "pi_in_e", None, refunds)
    apply_money_back(Context(store, P, STRIPE, now), news)


def money_back(amount: int, status: str = "succeeded") -> Step:
    refunds = (Refund("re_1", amount, RefundStatus(status), NOW - HOUR),)
    return lambda s, now: apply_money_back(
        Context(s, P, STRIPE, now), MoneyBack("evt_b", "own", "test", NOW, "in_1", "pi_1", None, refunds)
    )


def disputing(status: str) -> Step:
    disputes = (Dispute("dp_1", 9_000, DisputeStatus(status), NOW - HOUR),)
    news = MoneyBack("evt_d", "own", "test", NOW, None, "pi_1", None, (), disputes)
    return lambda s, now: apply_money_back(Context(s, P, STRIPE, now), news)


def standing(status: str, ended_at: datetime | None = None) -> Step:
    news = SubscriptionNews("evt_s", "own", "test", NOW - HOUR, "sub_1", SubscriptionStatus(status), ended_at)
    return lambda s, now: apply_news(Context(s, P, STRIPE, now), news)


GIVEN_AWAY = (
    lambda s, now: put_client(Context(s, P, STRIPE, now), Client("c2")),
    lambda s, now: transfer(Context(s, P, STAFF, now), "c1", "c2", "follow-up", 1, Keyed("gift", "gift")),
)

MONEY_BACK = [
    Case("a refund of what is spent", money_back(9_000), past=(paying(WHOLE), booking(seats=3))),
    Case("a refund of what was given away", money_back(9_000), past=(paying(WHOLE), *GIVEN_AWAY)),
    Case("a refund before its payment", money_back(9_000)),
    Case("a payment after its refund", paying(WHOLE), past=(money_back(3_000),)),
    Case("a refund that failed", money_back(9_000, "failed"), past=(paying(WHOLE), booking(), money_back(9_000))),
    Case("a dispute opened", disputing("open"), past=(paying(WHOLE), booking())),
    Case("a dispute lost", disputing("lost"), past=(paying(WHOLE), booking(), disputing("open"))),
    Case("a dispute won", disputing("won"), past=(paying(WHOLE), booking(), disputing("open"))),
    Case(
        "a cancellation that lessens a refund's debt", cancelling(), past=(paying(WHOLE), booking(), money_back(9_000))
    ),
    Case(
        "what paid an invoice, after its refund",
        lambda s, now: apply_payment_made(
            Context(s, P, STRIPE, now), PaymentMade("evt_m", "own", "test", "in_1", "pi_1")
        ),
        past=(paying(replace(WHOLE, payment_intent=None)), disputing("lost")),
    ),
    Case("a change of plan", paying(UPGRADE), past=(paying(WHOLE),)),
    Case("a change of plan before its cycle", paying(UPGRADE)),
    Case(
        "a cycle that a change of plan waits for",
        lambda s, now: pay(Context(s, P, STRIPE, now), WHOLE),
        past=(paying(UPGRADE),),
    ),
    Case("an earlier change of plan after a later one", paying(EARLIER), past=(paying(WHOLE), paying(LATER))),
    Case(
        "a refund of a change of plan before the next one",
        earlier_refunded,
        past=(paying(WHOLE), paying(EARLIER), paying(LATER)),
    ),
    Case("a period restarted", paying(RESTART), past=(paying(WHOLE), paying(EARLIER))),
    Case("a subscription past due", standing("past_due"), past=(setting(past_due="freeze"), paying(WHOLE))),
    Case("a subscription that ended before it was paid", standing("ended", NOW - 2 * DAY), past=(paying(WHOLE),)),
]


def adjusting(amount: int, key: str = "before") -> Step:
    return lambda s, now: adjust(Context(s, P, STAFF, now), "c1", "follow-up", amount, keyed(key), "counted")


def giving(amount: int) -> Step:
    return lambda s, now: transfer(Context(s, P, STAFF, now), "c1", "c2", "follow-up", amount, keyed("before"))


def undoing(sequence: int) -> Step:
    return lambda s, now: undo(Context(s, P, STAFF, now), "c1", "follow-up", sequence, keyed())


def of_many(change: BulkChange) -> Step:
    return lambda s, now: change_all(Context(s, P, STAFF, now), change, keyed(), "a closure")


DAY_PASSES = (before(2 * DAY, paying(a_payment("in_3", a_line(price="price_day"), paid_at=NOW - 2 * DAY))), sweeping)
THREE_CLIENTS = [
    paying(a_payment(f"in_{each}", a_line(price="price_day"), client_id=each, customer=None)) for each in ("c3", "c4")
]
LATER_ENDS = Extension(ExtensionRule(package_id="day-pass", ends_from=NOW - 9 * DAY, by_days=14, revive=True))
STAFF_UNDO = [
    edit("undo a lowering into debt", undoing(3), TWO_LOTS, adjusting(-7)),
    edit("undo a raising that was spent", undoing(1), adjusting(2), booking(seats=2)),
    edit("undo a transfer", undoing(2), paying(a_payment()), CLIENT_2, giving(2)),
    edit("undo what a refund takes again", undoing(2), paying(WHOLE), adjusting(-3), money_back(6_000)),
    edit("extend the lots of many clients", of_many(LATER_ENDS), *DAY_PASSES, *THREE_CLIENTS),
    edit(
        "remove the leftovers of many clients",
        of_many(Leftovers(LeftoversRule(appointment_type="follow-up", keep=1))),
        TWO_LOTS,
        *THREE_CLIENTS,
    ),
]


def merging_clients(store: Store, now: datetime) -> Any:
    return merge_clients(Context(store, P, STAFF, now), "c1", "c2", keyed("merge"))


def merging_cut_short(store: Store, now: datetime) -> None:
    """Both records say that they are one; no wallet has moved yet."""
    once(partial(_say_so, Context(store, P, STAFF, now), "c1", "c2", None))


def known(client_id: str) -> Step:
    return lambda s, now: put_client(Context(s, P, STRIPE, now), Client(client_id))


TWO_RECORDS = (
    known("c2"),
    paying(replace(WHOLE, subscription=None)),
    booking("b1", seats=2),
    paying(a_payment("in_2", client_id="c2", subscription=None, payment_intent="pi_2")),
    booking("b2", client_id="c2", appointment_type="initial"),
)
MERGES = [
    edit("merge two records", merging_clients, *TWO_RECORDS),
    edit(
        "merge two records of which one owes what the other has",
        merging_clients,
        TWO_LOTS,
        booking("b2", client_id="c2"),
    ),
    edit(
        "merge one that took in another one",
        merging_clients,
        known("c0"),
        *TWO_RECORDS,
        lambda s, now: merge_clients(Context(s, P, STAFF, now), "c0", "c1", keyed("first")),
    ),
    edit("finish a merge that was cut short", merging_clients, *TWO_RECORDS, merging_cut_short),
    edit("a booking of a client whose merge was cut short", booking("b3"), *TWO_RECORDS, merging_cut_short),
    edit(
        "a cancellation whose client's merge was cut short",
        cancelling("b1", CancelledBy.PRACTICE),
        *TWO_RECORDS,
        merging_cut_short,
    ),
    edit("a refund whose client's merge was cut short", money_back(9_000), *TWO_RECORDS, merging_cut_short),
    Case("a refund of what a merged record bought", money_back(9_000), past=(*TWO_RECORDS, merging_clients)),
    Case("a payment of a client that was merged", paying(a_payment("in_3")), past=(*TWO_RECORDS, merging_clients)),
]

JOB_ID = derived_id("job", P, "k1")


def starting_a_job(store: Store, now: datetime) -> Any:
    return start(Context(store, P, STAFF, now), JobKind.EXPORT, {}, keyed(), lambda message: None)


def working_on_the_job(store: Store, now: datetime) -> None:
    """Its first message and, later, whatever the sweep sends for it."""
    message = JobMessage(P, JOB_ID, 1) if now == NOW else woken(store, P, JOB_ID, now)
    if message:
        run(store, message, now, {JobKind.EXPORT: giving})


def giving(context: Context, job: Job) -> Progress:
    """A step that changes a wallet, dated by what it is about."""
    pay(context, a_payment())
    return Progress({}, 1, finished=True)


JOBS = [
    Case("start a job", starting_a_job),
    Case(
        "a step of a job",
        working_on_the_job,
        past=(starting_a_job,),
        one_way=False,
        scheduled=True,
        later=STEP_LEASE + timedelta(minutes=1),
    ),
]


class OneCheckout:
    """Stripe's API, as far as a checkout asks it: one page for one key."""

    def retrieve(self, kind: str, object_id: str) -> dict[str, str]:
        return {"id": object_id, "object": kind, "type": "one_time"}

    def open_checkout(self, session: dict[str, Any], idempotency_key: str) -> dict[str, str]:
        return {"url": f"https://checkout.test/{idempotency_key}"}


BOUGHT = Purchase("c1", "three-pack", 1, "https://practice.test/", "https://practice.test/")
LINKS = [
    edit("make a client link", lambda s, now: make_link(Context(s, P, STAFF, now), "c1", DAY, keyed())),
    edit(
        "open a checkout",
        lambda s, now: open_checkout(Context(s, P, STAFF, now), lambda _: OneCheckout(), BOUGHT, keyed()),  # type: ignore[arg-type,return-value]
    ),
]

CASES = [*PRACTICE, *PAYMENTS, *BOOKINGS, *EDITS, *STAFF_UNDO, *SWEEPS, *MONEY_BACK, *MERGES, *LINKS, *JOBS]


def stated(answer: Any) -> Any:
    """What a caller learns from an answer, in a form in which the first one and a repeat are alike."""
    if isinstance(answer, BookingOutcome):
        return replace(answer.booking, version=0)
    if isinstance(answer, Started):
        return answer.job_id
    if isinstance(answer, Edited | Merged):
        return answer.entries
    if isinstance(answer, LinkMade | CheckoutOpened):
        return replace(answer, repeated=False)
    if isinstance(answer, BulkOutcome):
        return answer.lots
    if isinstance(answer, list) and answer and isinstance(answer[0], LineOutcome):
        return [(o.line_id, o.fate, o.operation and replace(o.operation, recorded_at=None)) for o in answer]
    return None
