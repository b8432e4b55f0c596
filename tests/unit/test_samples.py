"""The sample events: each says what its name says, in every shape there is of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from client_credits.booking_systems.events import booking_event_of
from client_credits.domain.bookings.booking import BookedAs, CancelledBy
from client_credits.domain.payments.facts import (
    CreditNote,
    CustomerLink,
    Dispute,
    DisputeStatus,
    Facts,
    Ignored,
    MoneyBack,
    Payment,
    PaymentLine,
    PaymentMade,
    QuantityFrom,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Trial,
    Unsupported,
)
from client_credits.domain.payments.plan_changes import Interval
from client_credits.samples.events import (
    booking_cases,
    booking_event,
    events_folder,
    stripe_cases,
    stripe_event,
)
from client_credits.samples.places import SampleError
from client_credits.stripe.events.translate import translate

NOW = datetime(2027, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
OLD, NEW = "2024-06-20", "2026-10-28.endive"
OLDEST, BASIL = "2022-11-15", "2025-03-31.basil"
BEFORE_BASIL = (OLDEST, OLD)
MONTH_LATER = datetime(2027, 4, 3, 5, 6, 7, tzinfo=UTC)
TRIAL_ENDS = datetime(2027, 3, 18, 5, 6, 7, tzinfo=UTC)
IDS = {"event": "evt_1", "invoice": "in_1"}


def payment(*lines: PaymentLine, **over: Any) -> Payment:
    stated: dict[str, Any] = {
        "payment_id": "in_1",
        "account": "own",
        "mode": "test",
        "event_id": "evt_1",
        "paid_at": SECOND,
        "customer": "cus_SampleRiverside",
        "client_id": "c-17",
        "subscription": "sub_SampleFollowUps",
        "payment_intent": None,
        "lines": lines,
        "paid": 18000,
    }
    return Payment(**(stated | over))


def plan(name: str, **over: Any) -> PaymentLine:
    stated: dict[str, Any] = {
        "line_id": f"il_1_{name}",
        "price": "price_FollowUpMonthly",
        "quantity": 1,
        "amount": 18000,
        "currency": "usd",
        "subscription_item": "si_SampleFollowUps",
        "period_start": SECOND,
        "period_end": MONTH_LATER,
    }
    return PaymentLine(**(stated | over))


def item(name: str, price: str, amount: int, **over: Any) -> PaymentLine:
    return PaymentLine(f"il_1_{name}", price, over.pop("quantity", 1), amount, "usd", **over)


HALF_A_MONTH = {
    "period_start": datetime(2027, 2, 17, 5, 6, 7, tzinfo=UTC),
    "period_end": SECOND,
    "proration": True,
}
PACK = PaymentLine(
    *("follow-up-3", None, 1, 18000, "usd"), package_id="follow-up-3", quantity_from=QuantityFrom.ASSUMED
)
IN_SESSION = {"payment_id": "cs_test_1", "subscription": None}
BY_HAND: dict[str, Any] = {"subscription": None}


def pack(name: str) -> PaymentLine:
    return item(name, "price_FollowUpPack", 18000)


def back(**fields: Any) -> MoneyBack:
    stated = {"payment_intent": "pi_1", "charge": "ch_1"} | fields
    return MoneyBack("evt_1", "own", "test", SECOND, **stated)


def refunded(amount: int, status: RefundStatus) -> MoneyBack:
    return back(refunds=(Refund("re_1", amount, status, SECOND, SECOND),))


def disputed(status: DisputeStatus) -> MoneyBack:
    return back(disputes=(Dispute("dp_1", 18000, status, SECOND, SECOND),))


def credited(voided: bool = False) -> MoneyBack:
    """The newer shapes; the older name the refund without its amount."""
    note = CreditNote("cn_1", 18000, (("il_1_SeveralPlan", 18000),), ("re_1",), voided, at=SECOND)
    announced = () if voided else (Refund("re_1", 18000, RefundStatus.PENDING, SECOND),)
    return back(payment_id="in_1", payment_intent=None, charge=None, refunds=announced, notes=(note,))


def stands(status: SubscriptionStatus, ended_at: datetime | None = None) -> SubscriptionNews:
    named = ("sub_SampleFollowUps", status, ended_at, "cus_SampleRiverside")
    prices = (("si_SampleFollowUps", "price_FollowUpMonthly"),)
    intervals = {"price_FollowUpMonthly": Interval(months=1)}
    news = SubscriptionNews("evt_1", "own", "test", SECOND, *named, prices=prices, intervals=intervals)
    return replace(news, client_id="c-17")


CHANGED = {"period_start": SECOND, "period_end": datetime(2027, 3, 24, 5, 6, 7, tzinfo=UTC), "proration": True}

WITHIN = {
    "period_start": datetime(2027, 2, 22, 5, 6, 7, tzinfo=UTC),
    "period_end": datetime(2027, 3, 24, 5, 6, 7, tzinfo=UTC),
}

SAYS: dict[str, Facts] = {
    "charge-refunded": back(refunded_total=18000),
    "checkout-async-failed": Ignored("evt_1", "payment_failed"),
    "checkout-async-succeeded": payment(PACK, **IN_SESSION, payment_intent="pi_1"),
    "checkout-completed": payment(PACK, **IN_SESSION, payment_intent="pi_1"),
    "checkout-completed-free": payment(PACK, **IN_SESSION, paid=0),
    "checkout-expired": Ignored("evt_1", "checkout_expired"),
    "checkout-payment-link": payment(PACK, **IN_SESSION, payment_intent="pi_1", customer=None),
    "checkout-quantity": payment(
        replace(PACK, quantity=2, amount=36000, quantity_from=QuantityFrom.METADATA),
        **IN_SESSION,
        payment_intent="pi_1",
        paid=36000,
    ),
    "checkout-several-items": Unsupported(
        *("evt_1", "line_items_not_in_event", "cs_test_1", "cus_SampleRiverside"),
        related="cs_test_1",
        event_type="checkout.session.completed",
        account="own",
    ),
    "checkout-subscription-link": CustomerLink("evt_1", "cus_SampleRiverside", "c-17", "sub_SampleFollowUps"),
    "checkout-unpaid": Ignored("evt_1", "not_yet_paid"),
    "checkout-with-invoice": CustomerLink("evt_1", "cus_SampleRiverside", "c-17"),
    "credit-note": credited(),
    "credit-note-voided": credited(voided=True),
    "customer-deleted": Ignored("evt_1", "customer_deleted"),
    "dispute-lost": disputed(DisputeStatus.LOST),
    "dispute-opened": disputed(DisputeStatus.OPEN),
    "dispute-warned": disputed(DisputeStatus.WARNED),
    "dispute-won": disputed(DisputeStatus.WON),
    "invoice-paid-connected": payment(pack("Connected"), **BY_HAND, account="acct_SampleConnected"),
    "invoice-paid-cycle": payment(plan("Cycle")),
    "invoice-paid-first": payment(plan("First")),
    "invoice-paid-full-discount": payment(plan("FullDiscount", charged=0), paid=0),
    "invoice-paid-manual": payment(pack("Manual"), **BY_HAND),
    "invoice-paid-many-lines": payment(
        *(pack(f"ManyLines{n}") for n in "ABCDEFGHIJ"), **BY_HAND, paid=216000, lines_missing=True
    ),
    "invoice-paid-out-of-band": payment(pack("OutOfBand"), **BY_HAND),
    "invoice-paid-setup-fee": payment(plan("SetUpFeeA"), item("SetUpFeeB", "price_SetUpFee", 2500), paid=20500),
    "invoice-paid-several-lines": payment(
        item("SeveralUnused", "price_FollowUpMonthly", -9000, **HALF_A_MONTH),
        item("SeveralRemaining", "price_FollowUpMonthly", 18000, quantity=2, **HALF_A_MONTH),
        plan("SeveralPlan", quantity=2, amount=36000),
        item("SeveralFee", "price_LateFee", 2500),
        paid=47500,
    ),
    "invoice-paid-thin": Unsupported(
        *("evt_1", "thin_event", "in_1"), related="in_1", event_type="invoice.paid", account="own"
    ),
    "invoice-paid-threshold": payment(plan("Threshold", **WITHIN, within_cycle=True)),
    "invoice-paid-tiers": payment(
        plan("TiersA", quantity=12, amount=116000, charged=116000, also=("il_1_TiersB", "il_1_TiersC")), paid=116000
    ),
    "invoice-paid-trial-extended": payment(
        plan("Longer", amount=0, period_end=SECOND + timedelta(days=18), trial=Trial.YES), paid=0
    ),
    "invoice-paid-trial": payment(plan("Trial", amount=0, period_end=TRIAL_ENDS, trial=Trial.YES), paid=0),
    "invoice-paid-update": payment(
        plan("UpdateA", amount=-12000, **CHANGED),
        plan("UpdateB", price="price_FollowUpEight", amount=22667, **CHANGED),
        paid=10667,
    ),
    "invoice-payment-failed": Ignored("evt_1", "payment_failed"),
    "invoice-payment-paid": PaymentMade("evt_1", "own", "test", "in_1", "pi_1", None, 18000, SECOND),
    "invoice-payment-succeeded": Ignored("evt_1", "twin_of_invoice_paid"),
    "invoice-uncollectible": Ignored("evt_1", "invoice_uncollectible"),
    "invoice-voided": Ignored("evt_1", "invoice_voided"),
    "refund-failed": refunded(18000, RefundStatus.FAILED),
    "refund-full": refunded(18000, RefundStatus.SUCCEEDED),
    "refund-partial": refunded(9000, RefundStatus.SUCCEEDED),
    "refund-pending": refunded(18000, RefundStatus.PENDING),
    "subscription-collection-paused": stands(SubscriptionStatus.RUNNING),
    "subscription-created": stands(SubscriptionStatus.RUNNING),
    "subscription-deleted": stands(SubscriptionStatus.ENDED, SECOND),
    "subscription-past-due-thin": Unsupported(
        *("evt_1", "thin_event"),
        related="sub_SampleFollowUps",
        event_type="customer.subscription.past_due",
        account="own",
    ),
    "subscription-past-due": stands(SubscriptionStatus.PAST_DUE),
    "subscription-paused": stands(SubscriptionStatus.PAUSED),
    "subscription-resumed": stands(SubscriptionStatus.RUNNING),
    "terminal-sale": payment(PACK, payment_id="pi_1", subscription=None, payment_intent="pi_1", charge="ch_1"),
    "subscription-updated": stands(SubscriptionStatus.RUNNING),
}

# What no charge paid: the older shapes say nothing of one.
FREE = {"invoice-paid-trial", "invoice-paid-trial-extended", "invoice-paid-full-discount", "invoice-paid-out-of-band"}
# Cases that only newer shapes have, and those whose oldest or first newer shape there is a sample of, too.
ONLY_NEW = {"invoice-paid-thin", "invoice-payment-paid", "subscription-past-due-thin"}
MORE = {
    OLDEST: {
        *("charge-refunded", "checkout-completed", "checkout-payment-link", "credit-note", "invoice-paid-cycle"),
        *("invoice-paid-first", "invoice-paid-setup-fee", "invoice-paid-update", "refund-full"),
        *("subscription-created", "subscription-deleted", "subscription-updated"),
        *("invoice-paid-tiers", "invoice-paid-trial-extended"),
    },
    BASIL: {
        *("charge-refunded", "checkout-completed", "checkout-payment-link", "credit-note", "dispute-opened"),
        *("invoice-paid-cycle", "invoice-paid-first", "invoice-paid-setup-fee", "invoice-paid-update"),
        *("invoice-payment-paid", "subscription-created", "subscription-deleted", "subscription-updated"),
        *("invoice-paid-tiers", "invoice-paid-trial-extended"),
    },
}
SHAPES = {OLD: set(SAYS) - ONLY_NEW, NEW: set(SAYS)} | MORE
EVERY_SHAPE = [(case, version) for version, cases in SHAPES.items() for case in sorted(cases)]
# The event is about something that stays the same, or names its object alone.
LASTING = {case for case in SAYS if case.startswith(("subscription-", "customer-"))}


def with_interval(line: PaymentLine) -> PaymentLine:
    return replace(line, interval=Interval(months=1)) if line.proration or line.subscription_item else line


def said(case: str, version: str) -> Facts:
    """What a sample says in the shape of a version."""
    says = SAYS[case]
    if version not in BEFORE_BASIL:
        return says
    if isinstance(says, Payment) and says.payment_id == "in_1" and case not in FREE:
        says = replace(says, payment_intent="pi_1", charge="ch_1")
    if isinstance(says, Payment):  # they tell how long a price lasts
        says = replace(says, lines=tuple(map(with_interval, says.lines)))
    if case == "invoice-paid-update" and version == OLDEST:
        return replace(says, client_id=None)  # type: ignore[call-arg]
    if case == "charge-refunded":
        return back(refunded_total=18000, payment_id="in_1")
    return replace(says, refunds=()) if case == "credit-note" else says  # type: ignore[call-arg]


def ids_for(case: str) -> dict[str, str]:
    if case == "terminal-sale":
        return {"event": "evt_1", "payment_intent": "pi_1"}
    return {"event": "evt_1", "session": "cs_test_1"} if case.startswith("checkout") else IDS


def made(case: str, version: str) -> dict[str, Any]:
    given = {} if case in LASTING else ids_for(case)
    return stripe_event(case, {"event": "evt_1", **given, "api_version": version}, now=NOW)


@pytest.mark.parametrize(("case", "version"), EVERY_SHAPE)
def test_a_stripe_sample_says(case: str, version: str) -> None:
    event = made(case, version)
    assert event.get("api_version") == (None if case.endswith("-thin") else version)
    stated = translate(event, "test")
    stated = replace(stated, anchor=None) if isinstance(stated, SubscriptionNews) else stated  # each has another
    assert stated == said(case, version)


@pytest.mark.parametrize("version", SHAPES)
def test_every_stripe_sample_stands_here(version: str) -> None:
    files = events_folder().glob(f"stripe/{version}/*.json")
    assert {file.stem for file in files} == SHAPES[version]
    assert set(stripe_cases()) == set(SAYS)


@pytest.mark.parametrize(("case", "version"), EVERY_SHAPE)
def test_a_sample_is_a_new_payment_each_time_and_leaves_no_sample_id(case: str, version: str) -> None:
    one, other = (stripe_event(case, {"api_version": version}) for _ in range(2))
    assert one["id"] != other["id"]
    about, another = (event["related_object"] if "thin" in case else event["data"]["object"] for event in (one, other))
    assert (about["id"] == another["id"]) is (case in LASTING)
    for prefix in ("evt", "in", "cs_test", "il", "ii", "li", "pi", "ch", "re", "dp", "cn", "cnli", "inpay"):
        assert f"{prefix}_Sample" not in json.dumps(one).replace("link_Sample", "")


# Bookings


@pytest.mark.parametrize("case", booking_cases())
def test_a_booking_sample_is_well_formed_and_happens_now(case: str) -> None:
    stated = booking_event_of(booking_event(case, now=NOW))
    assert stated.occurred_at == SECOND
    assert stated.starts_at is not None
    assert abs((stated.starts_at - NOW).days) < 30
    assert booking_event(case)["detail"]["booking_id"] != stated.booking_id


def test_the_booking_samples_say_what_their_names_say() -> None:
    assert {case: booking_event(case)["detail-type"] for case in booking_cases()} == {
        "created": "booking.created",
        "created-for-event": "booking.created",
        "created-share-link": "booking.created",
        "cancelled-by-client": "booking.cancelled",
        "cancelled-by-practice": "booking.cancelled",
        "rescheduled": "booking.rescheduled",
        "no-show": "booking.no_show",
        "no-show-reverted": "booking.no_show_reverted",
        "completed": "booking.completed",
        "identified": "booking.identified",
    }
    read = {case: booking_event_of(booking_event(case)) for case in booking_cases()}
    assert read["created-for-event"].kind is BookedAs.EVENT
    assert read["created-share-link"].client_id is None
    assert read["cancelled-by-client"].cancelled_by is CancelledBy.CLIENT
    assert read["cancelled-by-practice"].cancelled_by is CancelledBy.PRACTICE


def test_a_booking_takes_its_overrides() -> None:
    given = {
        "practice_id": "p9",
        "booking_id": "b9",
        "client_id": "",
        "appointment_type": "t9",
        "starts_at": "2026-12-01T09:00:00Z",
        "occurred_at": "2026-11-01T09:00:00Z",
        "seats": "4",
        "origin": "embed",
        "cancelled_by": "client",
        "detail.room": "7",
    }
    entry = booking_event("created", given)
    expected: dict[str, Any] = dict(given) | {"client_id": None, "seats": 4, "room": 7}
    del expected["detail.room"]
    assert expected.items() <= entry["detail"].items()


@pytest.mark.parametrize(
    ("case", "given", "sentence"),
    [
        ("booked", {}, "There is no case booked. Known cases: cancelled-by-client, "),
        ("created", {"price": "p"}, "Unknown: price. Known: appointment_type, booking_id, "),
        ("created", {"seats": "two"}, "seats is a whole number."),
    ],
)
def test_a_slip_in_a_bookings_overrides_is_reported(case: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SampleError) as stated:
        booking_event(case, given)
    assert sentence in str(stated.value)
