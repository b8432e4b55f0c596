"""The sample events: each says what its name says, in both shapes, and takes its overrides."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from client_credits.booking_events import BookedAs, Party, booking_event_of
from client_credits.domain.payments import (
    CustomerLink,
    Facts,
    Ignored,
    Payment,
    PaymentKind,
    PaymentLine,
)
from client_credits.samples import (
    SampleError,
    booking_cases,
    booking_event,
    events_folder,
    stripe_cases,
    stripe_event,
)
from client_credits.stripe_events import translate

NOW = datetime(2027, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
OLD, NEW = VERSIONS = ("2024-06-20", "2026-10-28.endive")
MONTH_LATER = datetime(2027, 4, 3, 5, 6, 7, tzinfo=UTC)
TRIAL_ENDS = datetime(2027, 3, 18, 5, 6, 7, tzinfo=UTC)
IDS = {"event": "evt_1", "invoice": "in_1"}
both_shapes = pytest.mark.parametrize("version", VERSIONS)


def payment(kind: PaymentKind, *lines: PaymentLine, **over: Any) -> Payment:
    told: dict[str, Any] = {
        "payment_id": "in_1",
        "kind": kind,
        "account": "own",
        "mode": "test",
        "event_id": "evt_1",
        "paid_at": SECOND,
        "customer": "cus_SampleRiverside",
        "client_id": "c-17",
        "subscription": "sub_SampleFollowUps",
        "payment_intent": None,
        "lines": lines,
    }
    return Payment(**(told | over))


def plan(name: str, **over: Any) -> PaymentLine:
    told: dict[str, Any] = {
        "line_id": f"il_1_{name}",
        "price": "price_FollowUpMonthly",
        "quantity": 1,
        "amount": 18000,
        "currency": "usd",
        "subscription_item": "si_SampleFollowUps",
        "period_start": SECOND,
        "period_end": MONTH_LATER,
    }
    return PaymentLine(**(told | over))


def item(name: str, price: str, amount: int, **over: Any) -> PaymentLine:
    return PaymentLine(f"il_1_{name}", price, over.pop("quantity", 1), amount, "usd", **over)


HALF_A_MONTH = {
    "period_start": datetime(2027, 2, 17, 5, 6, 7, tzinfo=UTC),
    "period_end": SECOND,
    "proration": True,
    "quantity": 0,
}
PACK = PaymentLine("follow-up-3", None, 1, 18000, "usd", package_id="follow-up-3")
IN_SESSION = {"payment_id": "cs_test_1", "subscription": None}

SAYS: dict[str, Facts] = {
    "checkout-completed": payment(PaymentKind.CHECKOUT, PACK, **IN_SESSION, payment_intent="pi_1"),
    "checkout-completed-free": payment(PaymentKind.CHECKOUT, PACK, **IN_SESSION),
    "checkout-unpaid": Ignored("evt_1", "not_yet_paid"),
    "checkout-subscription-link": CustomerLink("evt_1", "cus_SampleRiverside", "c-17", "sub_SampleFollowUps"),
    "invoice-paid-first": payment(PaymentKind.FIRST, plan("First")),
    "invoice-paid-cycle": payment(PaymentKind.CYCLE, plan("Cycle")),
    "invoice-paid-manual": payment(PaymentKind.MANUAL, item("Manual", "price_FollowUpPack", 18000), subscription=None),
    "invoice-paid-trial": payment(PaymentKind.FIRST, plan("Trial", amount=0, period_end=TRIAL_ENDS, trial=True)),
    "invoice-paid-several-lines": payment(
        PaymentKind.CYCLE,
        item("SeveralUnused", "price_FollowUpMonthly", -9000, **HALF_A_MONTH),
        item("SeveralRemaining", "price_FollowUpMonthly", 18000, **HALF_A_MONTH),
        plan("SeveralPlan", quantity=2, amount=36000),
        item("SeveralFee", "price_LateFee", 2500),
    ),
    "invoice-payment-succeeded": Ignored("evt_1", "twin_of_invoice_paid"),
    "subscription-updated": Ignored("evt_1", "type_not_handled"),
}


@both_shapes
@pytest.mark.parametrize("case", SAYS)
def test_a_stripe_sample_says(case: str, version: str) -> None:
    ids = {"event": "evt_1", "session": "cs_test_1"} if case.startswith("checkout") else IDS
    event = stripe_event(case, {**ids, "api_version": version}, now=NOW)
    says = SAYS[case]
    if isinstance(says, Payment) and says.payment_id == "in_1" and version == OLD:
        says = payment(
            says.kind,
            *says.lines,
            subscription=says.subscription,
            payment_intent=None if case == "invoice-paid-trial" else "pi_1",
        )
    assert event["api_version"] == version
    assert translate(event, "test") == says


def test_every_stripe_sample_exists_in_both_shapes() -> None:
    for version in VERSIONS:
        files = events_folder().glob(f"stripe/{version}/*.json")
        assert {file.stem for file in files} == set(SAYS) == set(stripe_cases())


@both_shapes
@pytest.mark.parametrize("case", SAYS)
def test_a_sample_is_a_new_payment_each_time_and_leaves_no_sample_id(case: str, version: str) -> None:
    one, other = (stripe_event(case, {"api_version": version}) for _ in range(2))
    assert one["id"] != other["id"]
    about, another = one["data"]["object"], other["data"]["object"]
    assert (about["id"] == another["id"]) is (case == "subscription-updated")
    for prefix in ("evt", "in", "cs_test", "il", "ii", "pi", "ch"):
        assert f'"{prefix}_Sample' not in json.dumps(one)


def test_the_same_invoice_is_the_same_payment_again() -> None:
    one, again = (stripe_event("invoice-paid-cycle", {"invoice": "in_7"}) for _ in range(2))
    ids = [[line["id"] for line in event["data"]["object"]["lines"]["data"]] for event in (one, again)]
    assert ids[0] == ids[1]
    assert one["data"]["object"]["id"] == "in_7"
    assert one["id"] != again["id"]


@both_shapes
def test_an_invoice_takes_its_overrides(version: str) -> None:
    event = stripe_event(
        "invoice-paid-several-lines",
        {
            "api_version": version,
            "event": "evt_9",
            "invoice": "in_9",
            "subscription": "sub_9",
            "customer": "cus_9",
            "client_id": "c-9",
            "price": "price_9",
            "quantity": "3",
            "amount": "100",
            "paid_at": "2026-12-01T09:00:00+01:00",
            "period_start": "2026-12-01T00:00:00Z",
            "period_end": "1800000000",
            "account": "acct_9",
            "livemode": "true",
        },
    )
    told = translate(event, "live")
    assert isinstance(told, Payment)
    assert told.event_id == "evt_9"
    assert told.payment_id == "in_9"
    assert (told.subscription, told.customer, told.client_id) == ("sub_9", "cus_9", "c-9")
    assert (told.account, told.mode) == ("acct_9", "live")
    assert told.paid_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    line = told.lines[2]
    assert (line.price, line.quantity, line.amount) == ("price_9", 3, 100)
    assert line.period_start == datetime(2026, 12, 1, tzinfo=UTC)
    assert line.period_end == datetime.fromtimestamp(1_800_000_000, UTC)
    assert event["data"]["object"]["total"] == -9000 + 18000 + 100 + 2500


@both_shapes
def test_an_empty_override_removes(version: str) -> None:
    given = {"api_version": version, "client_id": "", "price": "", "customer": ""}
    event = stripe_event("invoice-paid-manual", {**given, "package_id": "pack"})
    told = translate(event, "test")
    assert isinstance(told, Payment)
    assert (told.client_id, told.customer) == (None, None)
    assert (told.lines[0].price, told.lines[0].package_id) == (None, "pack")


@both_shapes
def test_more_of_a_line_costs_more(version: str) -> None:
    event = stripe_event("invoice-paid-first", {"quantity": "3", "api_version": version})
    told = translate(event, "test")
    assert isinstance(told, Payment)
    assert (told.lines[0].quantity, told.lines[0].amount) == (3, 54000)
    assert event["data"]["object"]["amount_paid"] == 54000


def test_a_session_takes_its_overrides() -> None:
    given = {"session": "cs_9", "package_id": "p9", "client_id": "c-9", "amount": "5"}
    told = translate(stripe_event("checkout-completed", given, now=NOW), "test")
    assert isinstance(told, Payment)
    assert (told.payment_id, told.client_id, told.paid_at) == ("cs_9", "c-9", SECOND)
    assert told.lines == (PaymentLine("p9", None, 1, 5, "usd", package_id="p9"),)


def test_a_dotted_path_reaches_everything() -> None:
    event = stripe_event(
        "invoice-paid-manual",
        {
            "data.object.metadata.client_id": "7",
            "data.object.metadata.note": "true",
            "data.object.status": "open",
            "data.object.lines.data.0.quantity": "2",
            "data.object.lines.data.0.amount": "many",
            "data.object.parent": '{"type": "none"}',
        },
    )
    about = event["data"]["object"]
    assert about["metadata"] == {"client_id": "7", "note": "true"}
    assert about["status"] == "open"
    assert (about["lines"]["data"][0]["quantity"], about["parent"]) == (2, {"type": "none"})
    assert about["lines"]["data"][0]["amount"] == "many"


@pytest.mark.parametrize(
    ("case", "given", "sentence"),
    [
        ("invoice-paid", {}, "There is no case invoice-paid. Known cases: checkout-completed, "),
        ("../bookings/created", {}, "There is no case"),
        ("checkout-completed", {"api_version": "2020-01-01"}, "none in events/stripe/2020-01-01"),
        ("checkout-completed", {"clint_id": "c"}, "Unknown: clint_id. Known: account, amount, "),
        ("checkout-completed", {"price": "p"}, "price has no place in checkout-completed."),
        ("checkout-completed", {"period_end": "1"}, "period_end has no place in"),
        ("checkout-completed", {"invoice": "in_1"}, "invoice has no place in"),
        ("invoice-paid-first", {"session": "cs_1"}, "session has no place in invoice-paid-first."),
        ("invoice-paid-manual", {"subscription": "sub_1"}, "subscription has no place in"),
        ("subscription-updated", {"amount": "1"}, "amount has no place in subscription-updated."),
        ("invoice-paid-first", {"quantity": "two"}, "quantity is a whole number."),
        ("invoice-paid-first", {"paid_at": "2026-12-01"}, "paid_at is an RFC 3339 instant"),
        ("invoice-paid-first", {"paid_at": "soon"}, "paid_at is an RFC 3339 instant"),
        ("invoice-paid-first", {"livemode": "yes"}, "livemode is true or false."),
        ("invoice-paid-first", {"data.subject.id": "x"}, "The event has no place data.subject.id."),
        ("invoice-paid-first", {"data.object.lines.data.9.id": "x"}, "The event has no place"),
    ],
)
def test_a_slip_in_the_overrides_is_told(case: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SampleError) as told:
        stripe_event(case, given)
    assert sentence in str(told.value)


# Bookings


@pytest.mark.parametrize("case", booking_cases())
def test_a_booking_sample_is_well_formed_and_happens_now(case: str) -> None:
    told = booking_event_of(booking_event(case, now=NOW))
    assert told.occurred_at == SECOND
    assert told.starts_at is not None
    assert abs((told.starts_at - NOW).days) < 30
    assert booking_event(case)["detail"]["booking_id"] != told.booking_id


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
    assert read["cancelled-by-client"].cancelled_by is Party.CLIENT
    assert read["cancelled-by-practice"].cancelled_by is Party.PRACTICE


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
def test_a_slip_in_a_bookings_overrides_is_told(case: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SampleError) as told:
        booking_event(case, given)
    assert sentence in str(told.value)
