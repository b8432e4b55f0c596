"""What an override replaces in a sample of Stripe's, and what it is known where it cannot."""

from datetime import UTC, datetime

import pytest

from client_credits.domain.payments.facts import (
    CreditNote,
    MoneyBack,
    Payment,
    PaymentLine,
    QuantityFrom,
    Refund,
)
from client_credits.samples.events import (
    stripe_event,
)
from client_credits.samples.places import SampleError
from client_credits.stripe.events.translate import translate

NOW = datetime(2027, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
OLD, NEW = VERSIONS = ("2024-06-20", "2026-10-28.endive")
both_shapes = pytest.mark.parametrize("version", VERSIONS)


def test_the_same_invoice_is_the_same_payment_again() -> None:
    one, again = (stripe_event("invoice-paid-cycle", {"invoice": "in_7"}) for _ in range(2))
    ids = [[line["id"] for line in event["data"]["object"]["lines"]["data"]] for event in (one, again)]
    assert ids[0] == ids[1]
    assert one["data"]["object"]["id"] == "in_7"
    assert one["id"] != again["id"]


@pytest.mark.parametrize("paid", [{"invoice": "in_5"}, {"session": "cs_test_5"}, {"payment_intent": "pi_5"}])
@both_shapes
def test_a_refund_or_dispute_follows_the_payment_it_names(version: str, paid: dict[str, str]) -> None:
    for case in ("charge-refunded", "refund-full", "refund-failed", "dispute-opened"):
        stated = translate(stripe_event(case, {**paid, "api_version": version}), "test")
        assert isinstance(stated, MoneyBack)
        assert stated.payment_intent == "pi_5", case
        assert (stated.payment_id == "in_5") is (version == OLD and case == "charge-refunded" and "session" not in paid)


def test_a_payment_has_one_refund_unless_another_is_named() -> None:
    def refund_of(case: str, **given: str) -> Refund:
        stated = translate(stripe_event(case, {"invoice": "in_5", **given}), "test")
        assert isinstance(stated, MoneyBack)
        return stated.refunds[0]

    assert refund_of("refund-pending").refund_id == refund_of("refund-failed").refund_id == "re_5"
    assert refund_of("refund-partial", refund="re_9", amount="4000").refund_id == "re_9"
    assert refund_of("refund-partial", amount="4000").amount == 4000


@both_shapes
def test_a_credit_note_follows_the_line_of_the_sample_with_several(version: str) -> None:
    paid = translate(stripe_event("invoice-paid-several-lines", {"invoice": "in_5", "api_version": version}), "test")
    given = {"invoice": "in_5", "credit_note": "cn_9", "refund": "re_9", "amount": "500", "api_version": version}
    stated = translate(stripe_event("credit-note", given), "test")
    assert isinstance(paid, Payment) and isinstance(stated, MoneyBack)
    noted = CreditNote("cn_9", 500, ((paid.lines[2].line_id, 500),), ("re_9",), at=stated.notes[0].at)
    assert stated.notes == (noted,)


@both_shapes
@pytest.mark.parametrize(("amount", "whole"), [("18000", True), ("600", False)])
def test_an_amount_is_what_was_given_back_or_disputed(version: str, amount: str, whole: bool) -> None:
    charge = stripe_event("charge-refunded", {"amount": amount, "api_version": version})["data"]["object"]
    assert (charge["amount"], charge["amount_refunded"], charge["refunded"]) == (18000, int(amount), whole)
    dispute = translate(stripe_event("dispute-opened", {"amount": amount, "dispute": "dp_9"}), "test")
    assert isinstance(dispute, MoneyBack)
    assert (dispute.disputes[0].dispute_id, dispute.disputes[0].amount) == ("dp_9", int(amount))


@both_shapes
def test_a_discount_stays_the_same_part_of_a_line(version: str) -> None:
    stated = stripe_event("invoice-paid-full-discount", {"amount": "500", "api_version": version})["data"]["object"]
    assert (stated["subtotal"], stated["total"], stated["amount_paid"]) == (500, 0, 0)
    assert stated["lines"]["data"][0]["discount_amounts"][0]["amount"] == 500


def test_an_invoice_not_paid_stays_so() -> None:
    stated = stripe_event("invoice-payment-failed", {"quantity": "2"})["data"]["object"]
    assert (stated["total"], stated["amount_paid"]) == (36000, 0)


def test_a_thin_event_moves_in_time_and_names_another_invoice() -> None:
    stated = stripe_event("invoice-paid-thin", {"invoice": "in_5", "paid_at": "2026-12-01T09:00:00+01:00"})
    assert (stated["created"], stated["related_object"]["id"]) == ("2026-12-01T08:00:00.000Z", "in_5")
    assert stated["related_object"]["url"] == "/v1/invoices/in_5"


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
    stated = translate(event, "live")
    assert isinstance(stated, Payment)
    assert stated.event_id == "evt_9"
    assert stated.payment_id == "in_9"
    assert (stated.subscription, stated.customer, stated.client_id) == ("sub_9", "cus_9", "c-9")
    assert (stated.account, stated.mode) == ("acct_9", "live")
    assert stated.paid_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    line = stated.lines[2]
    assert (line.price, line.quantity, line.amount) == ("price_9", 3, 100)
    assert line.period_start == datetime(2026, 12, 1, tzinfo=UTC)
    assert line.period_end == datetime.fromtimestamp(1_800_000_000, UTC)
    assert event["data"]["object"]["total"] == -9000 + 18000 + 100 + 2500


@both_shapes
def test_an_empty_override_removes(version: str) -> None:
    given = {"api_version": version, "client_id": "", "price": "", "customer": ""}
    event = stripe_event("invoice-paid-manual", {**given, "package_id": "pack"})
    stated = translate(event, "test")
    assert isinstance(stated, Payment)
    assert (stated.client_id, stated.customer) == (None, None)
    assert (stated.lines[0].price, stated.lines[0].package_id) == (None, "pack")


@both_shapes
def test_more_of_a_line_costs_more(version: str) -> None:
    event = stripe_event("invoice-paid-first", {"quantity": "3", "api_version": version})
    stated = translate(event, "test")
    assert isinstance(stated, Payment)
    assert (stated.lines[0].quantity, stated.lines[0].amount) == (3, 54000)
    assert event["data"]["object"]["amount_paid"] == 54000


def test_a_session_takes_its_overrides() -> None:
    given = {"session": "cs_9", "package_id": "p9", "client_id": "c-9", "amount": "5"}
    stated = translate(stripe_event("checkout-completed", given, now=NOW), "test")
    assert isinstance(stated, Payment)
    assert (stated.payment_id, stated.client_id, stated.paid_at) == ("cs_9", "c-9", SECOND)
    assert stated.lines == (PaymentLine("p9", None, 1, 5, "usd", package_id="p9", quantity_from=QuantityFrom.ASSUMED),)


@pytest.mark.parametrize("version", ["2024-06-20", "2026-10-28.endive"])
@pytest.mark.parametrize(("case", "named"), [("terminal-sale", "payment_intent"), ("checkout-quantity", "session")])
def test_a_sale_that_names_its_package_takes_its_overrides(case: str, named: str, version: str) -> None:
    given = {named: "pi_9", "package_id": "p9", "client_id": "c-9", "amount": "500", "quantity": "4"}
    stated = translate(stripe_event(case, given | {"api_version": version}, now=NOW), "test")
    assert isinstance(stated, Payment)
    assert (stated.payment_id, stated.client_id, stated.paid_at, stated.paid) == ("pi_9", "c-9", SECOND, 500)
    assert stated.lines == (
        PaymentLine("p9", None, 4, 500, "usd", package_id="p9", quantity_from=QuantityFrom.METADATA),
    )
    assert translate(stripe_event(case, {"quantity": "", "package_id": "p9"}), "test").lines[0].quantity == 1


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
        ("invoice-paid", {}, "There is no case invoice-paid. Known cases: charge-refunded, "),
        ("../bookings/created", {}, "There is no case"),
        ("invoice-payment-paid", {"api_version": OLD}, "There is no case invoice-payment-paid"),
        ("invoice-paid-thin", {"client_id": "c"}, "client_id has no place in invoice-paid-thin."),
        ("refund-full", {"client_id": "c"}, "client_id has no place in refund-full."),
        ("refund-full", {"package_id": "p"}, "package_id has no place in refund-full."),
        ("refund-full", {"quantity": "2"}, "quantity has no place in refund-full."),
        ("credit-note", {"price": "p"}, "price has no place in credit-note."),
        ("credit-note", {"session": "cs_1"}, "session has no place in credit-note."),
        ("dispute-won", {"refund": "re_1"}, "refund has no place in dispute-won."),
        ("invoice-paid-first", {"payment_intent": "pi_1"}, "payment_intent has no place in invoice-paid-first."),
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
def test_a_slip_in_the_overrides_is_reported(case: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SampleError) as stated:
        stripe_event(case, given)
    assert sentence in str(stated.value)


@both_shapes
def test_another_price_or_quantity_of_tiers(version: str) -> None:
    """Their lines are of one item: the price is that of all, the quantity that of the first tier."""
    given = {"price": "price_seats", "quantity": "9", "api_version": version}
    paid = translate(stripe_event("invoice-paid-tiers", given), "test")
    assert isinstance(paid, Payment)
    assert [(line.price, line.quantity, line.amount) for line in paid.lines] == [("price_seats", 11, 106_500)]
    assert paid.paid == 106_500
    fee = translate(stripe_event("invoice-paid-setup-fee", {"price": "price_seats", "api_version": version}), "test")
    assert isinstance(fee, Payment)
    assert [line.price for line in fee.lines] == ["price_seats", "price_SetUpFee"]
