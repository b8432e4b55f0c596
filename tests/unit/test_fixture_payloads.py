"""Bodies nobody here wrote, recorded from Stripe or made by vendors, each with its outcome by hand.

They lie beside the repository, not in it; without that folder these tests are skipped.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client_credits.booking_systems.events import MalformedBooking, booking_event_of
from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    Facts,
    Ignored,
    MoneyBack,
    Payment,
    PaymentLine,
    PaymentMade,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Trial,
    Unsupported,
)
from client_credits.domain.payments.plan_changes import Interval
from client_credits.stripe.events.translate import translate

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no fixture folder beside the project")

Json = dict[str, Any]
CREATED = 1_800_000_000


def read(name: str) -> Json:
    """The body of a file; recorded ones stand in an envelope with their headers."""
    body: Json = json.loads((FOLDER / name).read_text())
    inner: Json = body.get("body", body)
    return inner


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def back(event_id: str, seconds: int, **stated: Any) -> MoneyBack:
    return MoneyBack(event_id, "own", "test", at(seconds), **stated)


def news(event_id: str, seconds: int, *stated: Any, **more: Any) -> SubscriptionNews:
    """`said`: subscription, status, when it ended, customer; `more`: its trial, anchor and prices, all monthly."""
    more["intervals"] = dict.fromkeys((price for _, price in more["prices"]), Interval(months=1))
    return SubscriptionNews(event_id, "own", "test", at(seconds), *stated, **more)


def ignored(event_id: str, reason: str = "type_not_handled") -> Ignored:
    return Ignored(event_id, reason)


# Whole events


A_TRIAL_OF_ELEVEN_SEATS = Payment(
    payment_id="in_1MhUT5E0b6fckueSfPlY05Fw",
    account="own",
    mode="test",
    event_id="evt_1MhUT7E0b6fckueShdwYrsWN",
    paid_at=datetime(2023, 3, 3, 8, 59, 59, tzinfo=UTC),
    customer="cus_NSPHp4fOlXGw8P",
    client_id=None,
    subscription="sub_1MhUT5E0b6fckueSYAo1LoiF",
    payment_intent=None,
    lines=(
        PaymentLine(
            line_id="il_1MhUT5E0b6fckueSJCaQVbIe",
            price="price_1M3wjkE0b6fckueSKPgfRMSG",
            quantity=11,
            amount=0,
            currency="usd",
            subscription_item="si_NSPHIHu3GFH1sj",
            period_start=datetime(2023, 3, 3, 8, 59, 59, tzinfo=UTC),
            period_end=datetime(2023, 4, 2, 8, 59, 59, tzinfo=UTC),
            trial=Trial.YES,
            interval=Interval(months=1),
        ),
    ),
)

# The vendor's events of one refund and one dispute; only their types differ.
DISPUTED = back(
    "evt_3KtQThJDPojXS6LN0E06aNxq",
    1619701111,
    payment_intent="pi_1IqtG9JDPojXS6LNOGnYrIqq",
    charge="ch_1IqtGAJDPojXS6LNstgEfUji",
    disputes=(Dispute("dp_1MLuxQJDPojXS6LNrukJCBBG", 1000, DisputeStatus.WARNED, at(1619701111), at(1672692608)),),
)


def refunded(status: RefundStatus) -> MoneyBack:
    return back(
        "evt_1KJrGtJDPojXS6LN15fcthM3",
        1642649111,
        payment_intent="pi_1GszsK2eZvKYlo2CfhZyoZLp",
        charge="ch_1NirD82eZvKYlo2CIvbtLWuY",
        refunds=(Refund("re_1Nispe2eZvKYlo2Cd31jOCgZ", 1000, status, at(1642649111), at(1692942318)),),
    )


NOTED_BEFORE_PAYMENT = back(
    "evt_1KJrLuJDPojXS6LNKLCh0CEr",
    1642649422,
    payment_id="in_1MxvRkLkdIwHu7ixABNtI99m",
    notes=(
        CreditNote(
            "cn_1MxvRqLkdIwHu7ixY0xbUcxk",
            1099,
            (("il_1MxvRlLkdIwHu7ixnkbntxUV", 1099),),
            refunds=(),
            before_payment=1099,
            at=at(1681750958),
        ),
    ),
)

EVENTS: dict[str, Facts] = {
    "recorded-2022-11-15/checkout.session.completed": ignored("evt_1MhUT6E0b6fckueSlc4GyvIi", "its_invoice_grants"),
    "recorded-2022-11-15/customer.created": ignored("evt_1MhUT6E0b6fckueSqWR0Bec4"),
    "recorded-2022-11-15/customer.subscription.created": news(
        *("evt_1MhUZtE0b6fckueSDaOf1oJ8", 1677834420, "sub_1MhUZrE0b6fckueSZfQ2Ytz6"),
        *(SubscriptionStatus.RUNNING, None, "cus_NSPOMxl5eL01qM"),
        trial=(at(1677834419), at(1680426419)),
        prices=(("si_NSPOg1R6mHTgyg", "price_1M3wjkE0b6fckueSKPgfRMSG"),),
        anchor=at(1680426419),
    ),
    "recorded-2022-11-15/invoice.paid": A_TRIAL_OF_ELEVEN_SEATS,
    "recorded-2022-11-15/invoice.payment_succeeded": ignored("evt_1MhUT7E0b6fckueSTtEJC9R4", "twin_of_invoice_paid"),
    "recorded-2026-06-24.dahlia/charge.refunded": back(
        "evt_3Tsk6F2fVmBzG7em1vcPqaG5",
        1783950049,
        payment_intent="pi_3Tsk6F2fVmBzG7em18ezCuXU",
        charge="ch_3Tsk6F2fVmBzG7em12pRYjqb",
        refunded_total=100,
    ),
    "recorded-2026-06-24.dahlia/customer.subscription.deleted": news(
        *("evt_1Tsk6h2fVmBzG7emqrOvINIF", 1783950075, "sub_1Tsk6c2fVmBzG7emSj6bpdd7"),
        *(SubscriptionStatus.ENDED, at(1783950075), "cus_UsV69VpWwIJqjF"),
        prices=(("si_UsV6Hf3DSXDeP5", "price_1Tsk6c2fVmBzG7emVNx3lXhv"),),
        anchor=at(1783950070),
    ),
    "recorded-2026-06-24.dahlia/customer.subscription.updated": news(
        *("evt_1Tsk6Y2fVmBzG7em73eHobf3", 1783950065, "sub_1Tsk6U2fVmBzG7em2SW1Pnox"),
        *(SubscriptionStatus.RUNNING, None, "cus_UsV6bblNTiPV0B"),
        prices=(("si_UsV6FV9BtJA7xC", "price_1Tsk6S2fVmBzG7em44DW3Qvr"),),
        anchor=at(1783950062),
    ),
    "recorded-2026-06-24.dahlia/payment_intent.succeeded": ignored(
        "evt_3Tsk6D2fVmBzG7em12aUmBez", "its_invoice_or_session_grants"
    ),
    "test-2020-03-02/charge_dispute_closed": DISPUTED,
    "test-2020-03-02/charge_dispute_created": DISPUTED,
    "test-2020-03-02/charge_dispute_funds_withdrawn": DISPUTED,
    "test-2020-03-02/credit_note_created": NOTED_BEFORE_PAYMENT,
    "test-2020-03-02/invoice_payment_paid": PaymentMade(
        *("evt_test_invoice_payment_paid", "own", "test"),
        *("in_103Q0w2eZvKYlo2C5PYwf6Wf", "pi_103Q0w2eZvKYlo2C364X582Z", None, 2000, at(1642649111)),
    ),
    "test-2020-03-02/refund_created": refunded(RefundStatus.SUCCEEDED),
    "test-2020-03-02/refund_failed": refunded(RefundStatus.FAILED),
    "test-2020-03-02/refund_updated": refunded(RefundStatus.SUCCEEDED),
    "test-2020-03-02/subscription_deleted": news(
        *("evt_1J02QdJDPojXS6LNnOJB09Xb", 1623149102, "sub_JdIzvfy6o5GZRd"),
        *(SubscriptionStatus.ENDED, at(1623149102), "cus_IhGfebO16cMIGN"),
        prices=(("si_JdIzi4Tn5jV9PD", "price_1IDQm5JDPojXS6LNM31hxKzp"),),
        anchor=at(1623148918),
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_recorded_event_says(name: str) -> None:
    body = read(f"stripe/{name}.json")
    assert translate(body, "test") == EVENTS[name]
    assert translate(body, "live") == Ignored(EVENTS[name].event_id, "other_mode")


# Objects alone, put into an event of ours


SESSION = "cs_test_a1YS1URlnyQCN5fUUduORoQ7Pw41PJqDWkIVQCpJPqkfIhd6tVY8XB1OLY"
INVOICE = "in_1Pgc6tB7WZ01zgkWu9fdqL6I"
CUSTOMER = "cus_QXg1o8vcGmoR32"
PRICE = "price_1PgafmB7WZ01zgkW02Hf9z6c"


def handmade(line_id: str, price: str | None, subscription: str | None = None, overpaid: int = 0) -> Payment:
    """The vendor's example of an invoice, paid; its one line has an empty period, and in a subscription is a
    proration of no price."""
    return Payment(
        payment_id=INVOICE,
        account="own",
        mode="test",
        event_id="evt_1",
        paid_at=datetime.fromtimestamp(CREATED, UTC),
        customer=CUSTOMER,
        client_id=None,
        subscription=subscription,
        payment_intent=None,
        lines=(PaymentLine(line_id, price, 1, 1000, "usd", proration=subscription is not None),),
        overpaid=overpaid,
    )


LINE = "il_1Pgc6sB7WZ01zgkWFnxLrLCq"
BARE_LINE = "il_tmp_1Pgc6sB7WZ01zgkWrG16hkdl"
NO_ITEMS = Unsupported(
    *("evt_1", "line_items_not_in_event", SESSION),
    related=SESSION,
    event_type="checkout.session.completed",
    account="own",
)

# By version: the invoice as it is, the invoice paid, an invoice of the line alone, the session paid
OBJECTS: dict[str, tuple[Facts, Facts, Facts, Facts]] = {
    "2024-06-20": (
        Unsupported("evt_1", "not_paid", INVOICE, CUSTOMER, (PRICE,)),
        handmade(LINE, PRICE),
        handmade(BARE_LINE, PRICE),
        NO_ITEMS,
    ),
    "2025-03-31.basil": (
        Unsupported("evt_1", "not_paid", INVOICE, CUSTOMER),
        handmade(LINE, None, overpaid=149300825),
        handmade(BARE_LINE, None, overpaid=149300825),
        NO_ITEMS,
    ),
    "2026-06-24.dahlia": (
        Unsupported("evt_1", "not_paid", INVOICE, CUSTOMER),
        handmade(LINE, None, "subscription", overpaid=149300825),
        handmade(BARE_LINE, None, "subscription", overpaid=149300825),
        Ignored("evt_1", "its_invoice_grants"),
    ),
}
OTHER_OBJECTS = {
    "charge",
    "credit_note",
    "dispute",
    "invoice_payment",
    "refund",
    "subscription",
    "subscription_item",
}


def stated(kind: str, about: Json) -> Facts:
    event = {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "livemode": False,
        "type": kind,
        "data": {"object": about},
    }
    return translate(event, "test")


@pytest.mark.parametrize("version", OBJECTS)
def test_an_example_object_in_a_paid_event_says(version: str) -> None:
    folder = f"stripe/objects-{version}"
    invoice, session = read(f"{folder}/invoice.json"), read(f"{folder}/checkout.session.json")
    alone = {"data": [read(f"{folder}/line_item.json")], "has_more": False}
    paid = invoice | {"status": "paid"}
    assert (
        stated("invoice.paid", invoice),
        stated("invoice.paid", paid),
        stated("invoice.paid", paid | {"lines": alone}),
        stated("checkout.session.completed", session | {"payment_status": "paid"}),
    ) == OBJECTS[version]
    assert stated("checkout.session.completed", session) == Ignored("evt_1", "not_yet_paid")


CHARGE = "ch_1PgafuB7WZ01zgkWXYmPNZs8"
SUBSCRIPTION = "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw"
PRICES = (("si_QXhVnC2h0Jczwc", "price_1PgafmB7WZ01zgkW6dKueIc5"),)
NOTED = back(
    "evt_1",
    CREATED,
    payment_id="in_1Pgc75B7WZ01zgkWYv4iMwt7",
    refunds=(Refund("obj_123", 1387154914, RefundStatus.PENDING, at(1234567890)),),
    notes=(
        CreditNote(
            "cn_1Pgc75B7WZ01zgkWJMPt5riP",
            1690,
            (("il_1Pgc74B7WZ01zgkWWh45tUBA", 1190), ("", 500)),
            refunds=("obj_123",),
            at=at(1234567890),
        ),
    ),
)
BEFORE_PAYMENT = replace(NOTED, refunds=(), notes=(replace(NOTED.notes[0], refunds=(), before_payment=1690),))
BOTH = replace(NOTED, notes=(replace(NOTED.notes[0], before_payment=1690),))
A_REFUND = (Refund("re_1Pgc72B7WZ01zgkWqPvrRrPE", 100, RefundStatus.SUCCEEDED, at(CREATED), at(1234567890)),)
A_FAILED_REFUND = (Refund("re_1Pgc72B7WZ01zgkWqPvrRrPE", 100, RefundStatus.FAILED, at(CREATED), at(1234567890)),)
AN_INQUIRY = (Dispute("dp_1Pgc71B7WZ01zgkWMevJiAUx", 1000, DisputeStatus.WARNED, at(CREATED), at(1234567890)),)

# By event type: the object it is about, and what it says in each of the versions above. The examples are
# not all of one piece: the subscription runs and has ended, the newer notes are issued and were voided.
WRAPPED: dict[str, tuple[str, list[Facts]]] = {
    "charge.refunded": ("charge", [back("evt_1", CREATED, charge=CHARGE, refunded_total=0)] * 3),
    "refund.created": ("refund", [back("evt_1", CREATED, charge=CHARGE, refunds=A_REFUND)] * 3),
    "charge.refund.updated": ("refund", [back("evt_1", CREATED, charge=CHARGE, refunds=A_REFUND)] * 3),
    "refund.failed": ("refund", [back("evt_1", CREATED, charge=CHARGE, refunds=A_FAILED_REFUND)] * 3),
    "charge.dispute.created": ("dispute", [back("evt_1", CREATED, charge=CHARGE, disputes=AN_INQUIRY)] * 3),
    "charge.dispute.funds_reinstated": ("dispute", [back("evt_1", CREATED, charge=CHARGE, disputes=AN_INQUIRY)] * 3),
    "credit_note.created": ("credit_note", [BEFORE_PAYMENT, NOTED, BOTH]),
    "invoice_payment.paid": ("invoice_payment", [Ignored("evt_1", "payment_not_named")] * 3),
    "customer.subscription.updated": (
        "subscription",
        [
            news(
                "evt_1",
                CREATED,
                SUBSCRIPTION,
                SubscriptionStatus.RUNNING,
                None,
                CUSTOMER,
                prices=PRICES,
                anchor=at(1234567890),
            )
        ]
        * 3,
    ),
    "customer.subscription.deleted": (
        "subscription",
        [
            news(
                "evt_1",
                CREATED,
                SUBSCRIPTION,
                SubscriptionStatus.ENDED,
                at(1234567890),
                CUSTOMER,
                prices=PRICES,
                anchor=at(1234567890),
            )
        ]
        * 3,
    ),
    "subscription_item.updated": ("subscription_item", [Ignored("evt_1", "type_not_handled")] * 3),
}


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (version, kind)
        for version in OBJECTS
        for kind, (name, _) in WRAPPED.items()
        if (version, name) != ("2024-06-20", "invoice_payment")  # it came with basil
    ],
)
def test_an_example_object_in_an_event_about_it_says(version: str, kind: str) -> None:
    name, says = WRAPPED[kind]
    assert stated(kind, read(f"stripe/objects-{version}/{name}.json")) == says[list(OBJECTS).index(version)]


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (version, name)
        for version in OBJECTS
        for name in sorted(OTHER_OBJECTS)
        if (version, name) != ("2024-06-20", "invoice_payment")  # it came with basil
    ],
)
def test_another_object_where_a_payment_belongs_is_parked(version: str, name: str) -> None:
    about = read(f"stripe/objects-{version}/{name}.json")
    for kind in ("invoice.paid", "checkout.session.completed"):
        facts = stated(kind, about)
        assert isinstance(facts, Unsupported)
        assert facts.reason == "not_understood"


def test_every_file_has_an_outcome_here() -> None:
    objects = {"invoice", "line_item", "checkout.session", *(name for name, _ in WRAPPED.values())}
    assert objects >= OTHER_OBJECTS
    for file in (FOLDER / "stripe").glob("*/*.json"):
        version = file.parent.name.removeprefix("objects-")
        known = file.stem in objects if version in OBJECTS else False
        assert known or f"{file.parent.name}/{file.stem}" in EVENTS, file


# Other booking systems' own bodies are not booking events


BOOKINGS = [
    "calendly.invitee.canceled",
    "calendly.invitee.created",
    "square.booking.created",
    "square.booking.updated",
]


@pytest.mark.parametrize("name", BOOKINGS)
def test_another_systems_booking_is_malformed_and_its_values_stay_unsaid(name: str) -> None:
    body = read(f"bookings/{name}.json")
    with pytest.raises(MalformedBooking) as bare:
        booking_event_of(body)
    assert bare.value.reasons == ("detail: not_an_object",)
    with pytest.raises(MalformedBooking) as wrapped:
        booking_event_of({"source": "booking.other", "detail-type": "booking.created", "detail": body})
    assert wrapped.value.reasons == (
        "practice_id: missing",
        "booking_id: missing",
        "occurred_at: missing",
    )
