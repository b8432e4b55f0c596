"""Situation by shape: what each Stripe event says, written out by hand."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import (
    CustomerLink,
    Facts,
    Ignored,
    PaidWith,
    Payment,
    PaymentLine,
    QuantityFrom,
    Trial,
    Unsupported,
)
from client_credits.samples.events import events_folder
from client_credits.stripe.events.translate import asks, translate

SHAPES = ["2022-11-15", "2024-06-20", "2025-03-31.basil", "2026-10-28.endive"]
OLD_SHAPES = ("2022-11-15", "2024-06-20")

CREATED, PAID = 1_800_000_100, 1_800_000_000
STARTS, ENDS = 1_800_000_000, 1_802_592_000

Json = dict[str, Any]
shape_by_shape = pytest.mark.parametrize("shape", SHAPES)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# Builders: the same situation in each shape


def event(kind: str, about: object, **over: Any) -> Json:
    return {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "data": {"object": about},
        "livemode": False,
        "type": kind,
    } | over


def session(**over: Any) -> Json:
    return {
        "id": "cs_test_1",
        "object": "checkout.session",
        "amount_subtotal": 18000,
        "amount_total": 15000,
        "client_reference_id": None,
        "currency": "usd",
        "customer": "cus_1",
        "invoice": None,
        "invoice_creation": {"enabled": False},
        "metadata": {"client_id": "c1", "package_id": "pack"},
        "mode": "payment",
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "subscription": None,
    } | over


def line(
    shape: str,
    line_id: str = "il_1",
    price: str | None = "price_1",
    item: str | None = "si_1",
    proration: bool = False,
    unit: int = 18000,
    **over: Any,
) -> Json:
    """A line of a subscription item, or of an invoice item where `item` is None."""
    common = {
        "id": line_id,
        "object": "line_item",
        "amount": 18000,
        "currency": "usd",
        "description": "1 x Follow-ups (at $180.00 / month)",
        "discount_amounts": [],
        "discounts": [],
        "metadata": {},
        "period": {"start": STARTS, "end": ENDS},
        "quantity": 1,
    }
    if shape in OLD_SHAPES:
        stated: Json = {
            "plan": {"id": price, "amount": unit} if price and item else None,
            "price": {"id": price, "unit_amount": unit} if price else None,
            "proration": proration,
            "subscription": "sub_1",
            "type": "subscription" if item else "invoiceitem",
        }
        stated |= {"subscription_item": item} if item else {}
    else:
        # A trial's line tells no unit amount in these shapes.
        per_unit = None if over.get("amount") == 0 else str(unit)
        kind = "subscription_item_details" if item else "invoice_item_details"
        details = {"proration": proration, "subscription": "sub_1"}
        stated = {
            "parent": {
                "subscription_item_details": None,
                "invoice_item_details": None,
                "type": kind,
                kind: details | ({"subscription_item": item} if item else {}),
            },
            "pricing": {
                "type": "price_details",
                "price_details": {"price": price, "product": "prod_1"},
                "unit_amount_decimal": per_unit,
            }
            if price
            else None,
            "subscription": None,
        }
    return common | stated | over


def invoice(shape: str, reason: str, *lines: Json, **over: Any) -> Json:
    only = line(shape, item=None if reason == "manual" else "si_1")
    common = {
        "id": "in_1",
        "object": "invoice",
        "amount_paid": 18000,
        "billing_reason": reason,
        "currency": "usd",
        "customer": "cus_1",
        "lines": {"object": "list", "data": list(lines) or [only], "has_more": False},
        "metadata": {},
        "status": "paid",
        "status_transitions": {"paid_at": PAID},
    }
    subscription = None if reason == "manual" else "sub_1"
    metadata = {"client_id": "c1"}
    if shape in OLD_SHAPES:
        stated: Json = {"subscription": subscription, "payment_intent": "pi_1", "charge": "ch_1"}
        if shape != "2022-11-15":
            stated["subscription_details"] = {"metadata": metadata}
    else:
        details = {"subscription": subscription, "metadata": metadata}
        stated = {
            "subscription": None,  # still there, and null, in some bodies
            "parent": None if reason == "manual" else {"type": "subscription_details", "subscription_details": details},
        }
    if shape == "2022-11-15" or reason == "manual":
        stated["metadata"] = metadata
    return common | stated | over


def paid(shape: str, reason: str, *lines: Json, **over: Any) -> Facts:
    return translate(event("invoice.paid", invoice(shape, reason, *lines, **over)), "test")


def completed(**over: Any) -> Facts:
    return translate(event("checkout.session.completed", session(**over)), "test")


def expected_line(**over: Any) -> PaymentLine:
    stated: Json = {
        "line_id": "il_1",
        "price": "price_1",
        "quantity": 1,
        "amount": 18000,
        "currency": "usd",
        "subscription_item": "si_1",
        "period_start": at(STARTS),
        "period_end": at(ENDS),
    }
    return PaymentLine(**(stated | over))


def expected(shape: str, *lines: PaymentLine, by_hand: bool = False, **over: Any) -> Payment:
    item = None if by_hand else "si_1"
    stated: Json = {
        "payment_id": "in_1",
        "account": "own",
        "mode": "test",
        "event_id": "evt_1",
        "paid_at": at(PAID),
        "customer": "cus_1",
        "client_id": "c1",
        "subscription": None if by_hand else "sub_1",
        "payment_intent": "pi_1" if shape in OLD_SHAPES else None,
        "lines": lines or (expected_line(subscription_item=item),),
        "paid": 18000,
        "charge": "ch_1" if shape in OLD_SHAPES else None,
    }
    return Payment(**(stated | over))


def lines_of(facts: Facts) -> tuple[PaymentLine, ...]:
    assert isinstance(facts, Payment), facts
    return facts.lines


# Invoices


@shape_by_shape
@pytest.mark.parametrize(
    "reason",
    ["subscription_create", "subscription_cycle", "subscription", "quote_accept", "upcoming", "nobody_knows"],
)
def test_what_a_paid_invoice_bought_never_depends_on_why_it_was_made(shape: str, reason: str) -> None:
    assert paid(shape, reason) == expected(shape)


@shape_by_shape
def test_an_invoice_by_hand_is_of_no_subscription(shape: str) -> None:
    assert paid(shape, "manual") == expected(shape, by_hand=True)


@shape_by_shape
def test_every_line_is_reported_with_prorations_and_one_offs_apart(shape: str) -> None:
    facts = paid(
        shape,
        "subscription_cycle",
        line(shape, "il_1", "price_old", item=None, proration=True, amount=-9000),
        line(shape, "il_2", "price_new", proration=True, amount=12000, quantity=3),
        line(shape, "il_3", "price_new", quantity=3, amount=54000),
        line(shape, "il_4", "price_fee", item=None, period={"start": PAID, "end": PAID}),
        line(shape, "il_5", None, item=None, amount=500),
        line(shape, "il_6", "price_seat", item="si_2", quantity=0, amount=0),
        line(shape, "il_7", "price_meter", item="si_3", quantity=None),
    )
    assert facts == expected(
        shape,
        expected_line(price="price_old", amount=-9000, subscription_item=None, proration=True),
        expected_line(line_id="il_2", price="price_new", quantity=3, amount=12000, proration=True),
        expected_line(line_id="il_3", price="price_new", quantity=3, amount=54000),
        expected_line(
            line_id="il_4",
            price="price_fee",
            subscription_item=None,
            period_start=None,
            period_end=None,
        ),
        expected_line(line_id="il_5", price=None, amount=500, subscription_item=None),
        expected_line(line_id="il_6", price="price_seat", subscription_item="si_2", quantity=0, amount=0),
        expected_line(line_id="il_7", price="price_meter", subscription_item="si_3"),
    )


@shape_by_shape
def test_a_trials_zero_line_is_kept_apart_by_its_wording(shape: str) -> None:
    for wording in ("Trial period for Follow-ups", "Free trial for 1 x Follow-ups"):
        zero = line(shape, amount=0, unit=0, description=wording)
        assert lines_of(paid(shape, "subscription_create", zero))[0].trial is Trial.YES


@shape_by_shape
def test_a_zero_line_of_a_free_package_is_no_trial(shape: str) -> None:
    zero = line(shape, amount=0, unit=0)
    if shape not in OLD_SHAPES:
        zero["pricing"]["unit_amount_decimal"] = "0"
    assert lines_of(paid(shape, "subscription_create", zero))[0].trial is Trial.NO


def test_a_price_that_costs_something_is_on_trial_when_its_line_is_zero() -> None:
    in_old_words = line("2024-06-20", amount=0, description="Essai gratuit")
    assert lines_of(paid("2024-06-20", "subscription_create", in_old_words))[0].trial is Trial.YES
    plan_only = in_old_words | {"price": None, "plan": {"id": "price_1", "amount": 700}}
    assert lines_of(paid("2024-06-20", "subscription_create", plan_only))[0].trial is Trial.YES
    newest = line("2026-10-28.endive", description="Essai gratuit") | {"amount": 0}
    assert lines_of(paid("2026-10-28.endive", "subscription_create", newest))[0].trial is Trial.YES


@pytest.mark.parametrize(
    "over",
    [
        {"discount_amounts": [{"amount": 18000, "discount": "di_1"}]},
        {"discounts": ["di_1"]},
        {"quantity": 0},
        {"amount": 1},
        {"price": {"id": "price_1", "unit_amount": None, "unit_amount_decimal": "0.4"}},
    ],
)
def test_a_discount_no_quantity_or_a_price_that_rounds_to_nothing_is_no_trial(over: Json) -> None:
    zero = line("2024-06-20") | {"amount": 0, "plan": None} | over
    assert lines_of(paid("2024-06-20", "subscription_create", zero))[0].trial is Trial.NO


@shape_by_shape
def test_a_fully_discounted_line_keeps_its_amount_and_is_no_trial(shape: str) -> None:
    off = line(shape, discount_amounts=[{"amount": 18000, "discount": "di_1"}], discounts=["di_1"])
    assert paid(shape, "subscription_create", off, amount_paid=0) == expected(shape, expected_line(charged=0), paid=0)


@shape_by_shape
@pytest.mark.parametrize("reason", ["subscription_create", "subscription_cycle", "subscription_update"])
def test_a_trials_zero_line_is_heard_on_any_invoice(shape: str, reason: str) -> None:
    zero = line(shape, amount=0, description="Trial period for Follow-ups")
    assert lines_of(paid(shape, reason, zero))[0].trial is Trial.YES


@shape_by_shape
def test_a_zero_line_whose_price_is_not_shown_may_be_a_trials_or_free(shape: str) -> None:
    zero = line(shape, amount=0, unit=None, description="Follow-ups")
    assert lines_of(paid(shape, "subscription_cycle", zero))[0].trial is Trial.UNKNOWN


# Lines that count together


@shape_by_shape
def test_the_tiers_and_the_flat_fee_of_one_item_count_together(shape: str) -> None:
    facts = paid(
        shape,
        "subscription_cycle",
        line(shape, "il_2", amount=50000, quantity=10),
        line(shape, "il_1", amount=20000, quantity=5),
        line(shape, "il_3", amount=900, quantity=None),
        line(shape, "il_4", "price_2", item="si_2", quantity=None),
    )
    together = expected_line(quantity=15, amount=70900, charged=70900, also=("il_2", "il_3"))
    assert lines_of(facts) == (together, expected_line(line_id="il_4", price="price_2", subscription_item="si_2"))


@shape_by_shape
def test_a_free_tier_beside_a_paid_one_is_no_trial(shape: str) -> None:
    free = line(shape, "il_1", amount=0, unit=None, quantity=5)
    facts = paid(shape, "subscription_cycle", free, line(shape, "il_2", amount=20000, quantity=10))
    (stated,) = lines_of(facts)
    assert (stated.trial, stated.quantity) == (Trial.NO, 15)


@shape_by_shape
def test_units_that_are_given_back_are_taken_away_with_their_amount(shape: str) -> None:
    facts = paid(
        shape,
        "manual",
        line(shape, "il_1", item=None, quantity=3, amount=54000),
        line(shape, "il_2", item=None, quantity=1, amount=-18000),
        line(shape, "il_3", "price_other", item=None, quantity=1, amount=100),
        line(shape, "il_4", "price_gone", item=None, quantity=1, amount=-100),
    )
    kept = expected_line(quantity=2, amount=36000, charged=36000, subscription_item=None)
    other = expected_line(line_id="il_3", price="price_other", amount=100, subscription_item=None)
    assert lines_of(facts) == (kept, other)


@shape_by_shape
def test_an_invoice_that_only_gives_back_bought_nothing(shape: str) -> None:
    facts = paid(shape, "manual", line(shape, item=None, amount=-18000), amount_paid=0)
    assert facts == Ignored("evt_1", "nothing_bought")


@shape_by_shape
def test_the_tiers_of_a_change_of_plan_count_together_what_is_given_back_apart(shape: str) -> None:
    facts = paid(
        shape,
        "subscription_update",
        line(shape, "il_1", proration=True, amount=-9000, quantity=5),
        line(shape, "il_2", proration=True, amount=15000, quantity=10),
        line(shape, "il_3", proration=True, amount=3000, quantity=5),
    )
    assert [(each.quantity, each.amount, each.also) for each in lines_of(facts)] == [
        (5, -9000, ()),
        (15, 18000, ("il_3",)),
    ]


@shape_by_shape
@pytest.mark.parametrize("says", ["credited_items", "wording"])
def test_a_free_tier_that_is_given_back_counts_with_what_is_given_back(shape: str, says: str) -> None:
    """Of five free units and two that cost, to five free and five that cost."""
    unused = line(shape, "il_1", proration=True, amount=0, unit=0, quantity=5)
    if says == "wording":
        unused["description"] = "Unused time on 5 x Pieces after 14 Mar 2026"
    else:
        place = unused if shape in OLD_SHAPES else unused["parent"]["subscription_item_details"]
        place["proration_details"] = {"credited_items": {"invoice": "in_0", "invoice_line_items": ["il_0"]}}
    facts = paid(
        shape,
        "subscription_update",
        unused,
        line(shape, "il_2", proration=True, amount=-1000, quantity=2),
        line(shape, "il_3", proration=True, amount=0, unit=0, quantity=5),
        line(shape, "il_4", proration=True, amount=2500, quantity=5),
    )
    assert [(each.quantity, each.amount, each.gives_back, each.also) for each in lines_of(facts)] == [
        (7, -1000, True, ("il_2",)),
        (10, 2500, False, ("il_4",)),
    ]


@shape_by_shape
def test_a_line_is_worth_what_was_charged_for_it_after_discounts_and_without_tax(shape: str) -> None:
    taxes = {"taxes": [{"amount": 1000, "tax_behavior": "inclusive"}, {"amount": 7, "tax_behavior": "exclusive"}]}
    if shape in OLD_SHAPES:
        taxes = {"tax_amounts": [{"amount": 1000, "inclusive": True}, {"amount": 7, "inclusive": False}]}
    stated = line(shape, discount_amounts=[{"amount": 4000, "discount": "di_1"}], **taxes)
    (read,) = lines_of(paid(shape, "subscription_cycle", stated))
    assert (read.amount, read.worth) == (18000, 13000)


@shape_by_shape
@pytest.mark.parametrize("reason", ["quote_accept", "automatic_pending_invoice_item_invoice", None])
def test_invoices_of_items_alone_are_as_made_by_hand(shape: str, reason: str | None) -> None:
    stated = invoice(shape, "manual") | {"billing_reason": reason}
    assert translate(event("invoice.paid", stated), "test") == expected(shape, by_hand=True)


@shape_by_shape
def test_an_accepted_quote_of_items_beside_a_subscription_is_as_made_by_hand(shape: str) -> None:
    stated = expected_line(subscription_item=None)
    facts = paid(shape, "quote_accept", line(shape, item=None))
    assert facts == expected(shape, stated)


@shape_by_shape
def test_items_of_a_subscription_billed_ahead_of_its_cycle_are_no_cycle(shape: str) -> None:
    facts = paid(shape, "automatic_pending_invoice_item_invoice", line(shape, item=None))
    one_off = expected_line(subscription_item=None)
    assert facts == expected(shape, one_off)


@shape_by_shape
def test_an_update_tells_all_its_lines_with_the_old_plan_as_negative(shape: str) -> None:
    facts = paid(
        shape,
        "subscription_update",
        line(shape, "il_1", "price_old", proration=True, amount=-9000, quantity=2),
        line(shape, "il_2", "price_new", proration=True, amount=27000, quantity=3),
        line(shape, "il_3", "price_new", quantity=3, amount=54000),
        line(shape, "il_4", "price_fee", item=None),
        amount_paid=72000,
    )
    assert facts == expected(
        shape,
        expected_line(price="price_old", quantity=2, amount=-9000, proration=True),
        expected_line(line_id="il_2", price="price_new", quantity=3, amount=27000, proration=True),
        expected_line(line_id="il_3", price="price_new", quantity=3, amount=54000),
        expected_line(line_id="il_4", price="price_fee", subscription_item=None),
        paid=72000,
    )


@shape_by_shape
def test_an_update_of_prorations_alone_is_a_payment(shape: str) -> None:
    prorated = line(shape, proration=True, amount=500)
    stated = expected_line(amount=500, proration=True)
    assert paid(shape, "subscription_update", prorated) == expected(shape, stated)


@pytest.mark.parametrize("shape", OLD_SHAPES)
def test_an_old_updates_proration_is_an_invoice_item_and_still_names_its_subscription_item(shape: str) -> None:
    prorated = line(shape, item=None, proration=True, amount=-500) | {"subscription_item": "si_1"}
    stated = expected_line(amount=-500, proration=True)
    assert paid(shape, "subscription_update", prorated) == expected(shape, stated)
    in_cycle = lines_of(paid(shape, "subscription_cycle", prorated, line(shape, "il_2")))
    assert (in_cycle[0].quantity, in_cycle[0].subscription_item) == (1, "si_1")


@shape_by_shape
def test_a_prorations_quantity_counts_in_an_update(shape: str) -> None:
    half = line(shape, proration=True, quantity=1, quantity_decimal="0.5")
    parked = Unsupported("evt_1", "quantity_not_whole", "in_1", "cus_1", ("price_1",))
    assert paid(shape, "subscription_update", half) == parked


@shape_by_shape
def test_a_threshold_bills_use_within_a_cycle_and_only_its_items_count(shape: str) -> None:
    used = line(shape, "il_1", "price_plan", quantity=70)
    prorated = line(shape, "il_2", "price_plan", proration=True)
    new = line(shape, "il_4", "price_new", period={"start": CREATED, "end": ENDS})
    facts = paid(shape, "subscription_threshold", used, prorated, line(shape, "il_3", item=None), new, created=CREATED)
    assert {stated.line_id: stated.within_cycle for stated in lines_of(facts)} == {
        "il_1": True,
        "il_2": False,
        "il_3": False,
        "il_4": False,
    }


@shape_by_shape
def test_a_threshold_with_lines_beyond_the_event_says_so(shape: str) -> None:
    some: Json = {"data": [line(shape)], "has_more": True}
    facts = paid(shape, "subscription_threshold", lines=some)
    assert isinstance(facts, Payment)
    assert (facts.lines, facts.lines_missing) == ((), True)


# What was paid, and by what


@shape_by_shape
@pytest.mark.parametrize(
    ("over", "means"),
    [
        ({"amount_paid": 18000, "total": 18000}, {"paid": 18000}),
        ({"amount_paid": 13000, "total": 18000, "starting_balance": -5000}, {"paid": 18000, "by_balance": 5000}),
        (
            {"amount_paid": 13000, "total": 18000, "starting_balance": -5000, "ending_balance": 0},
            {"paid": 18000, "by_balance": 5000},
        ),
        (  # more credit than it took
            {"amount_paid": 0, "total": 18000, "starting_balance": -20000, "ending_balance": -2000},
            {"paid": 18000, "by_balance": 18000},
        ),
        ({"amount_paid": 0, "total": 18000, "starting_balance": -20000}, {"paid": 18000, "by_balance": 18000}),
        (  # the customer owed 1000 from before
            {"amount_paid": 19000, "total": 18000, "starting_balance": 1000, "ending_balance": 0},
            {"paid": 18000, "overpaid": 1000},
        ),
        (  # too little to charge: owed from now on
            {"amount_paid": 0, "total": 30, "starting_balance": 0, "ending_balance": 30},
            {"paid": 30, "by_balance": 30},
        ),
        ({"amount_paid": 20000, "total": 18000, "amount_overpaid": 2000}, {"paid": 18000, "overpaid": 2000}),
        ({"amount_paid": 18000, "total": 18000, "amount_overpaid": 2000}, {"paid": 18000, "overpaid": 2000}),
        (
            {"amount_paid": 12000, "total": 18000, "pre_payment_credit_notes_amount": 6000},
            {"paid": 12000, "credited_before": 6000},
        ),
        (
            {"amount_paid": 18000, "total": 18000, "post_payment_credit_notes_amount": 6000},
            {"paid": 18000, "credited_after": 6000},
        ),
        ({"amount_paid": 0, "total": 18000, "paid_out_of_band": True}, {"paid": 18000}),
        ({"amount_paid": None, "total": 16500}, {"paid": 16500}),
        ({"amount_paid": None, "total": -500}, {"paid": 0}),
        ({"amount_paid": None, "total": None}, {"paid": 0}),
    ],
)
def test_what_paid_an_invoice_is_money_and_balance_and_nothing_else(shape: str, over: Json, means: Json) -> None:
    assert paid(shape, "subscription_cycle", **over) == expected(shape, **means)


@shape_by_shape
def test_expanded_payments_tell_what_paid(shape: str) -> None:
    payments = [
        {"status": "open", "payment": {"type": "payment_intent", "payment_intent": "pi_7"}},
        {"status": "paid", "payment": {"type": "payment_record", "payment_record": "pr_1"}, "amount_paid": 500},
        {"status": "paid", "payment": {"type": "charge", "charge": "ch_8"}},
        {
            "status": "paid",
            "payment": {"type": "payment_intent", "payment_intent": {"id": "pi_8", "latest_charge": "ch_9"}},
            "amount_paid": 700,
        },
    ]
    facts = paid(shape, "subscription_cycle", payments={"object": "list", "data": payments, "has_more": False})
    moneys = (PaidWith(None, "pr_1", 500), PaidWith(None, "ch_8", None), PaidWith("pi_8", "ch_9", 700))
    stated = expected(shape, payment_intent="pi_8", charge="ch_8", paid_with=moneys)
    assert facts == stated
    assert stated.moneys == moneys


@pytest.mark.parametrize("shape", OLD_SHAPES)
def test_an_invoice_paid_out_of_band_names_nothing_that_paid(shape: str) -> None:
    facts = paid(shape, "manual", payment_intent=None, charge=None, paid_out_of_band=True)
    assert facts == expected(shape, by_hand=True, payment_intent=None, charge=None)


@shape_by_shape
def test_an_invoice_of_many_lines_is_whole_once_they_are_put_into_its_event(shape: str) -> None:
    lines = [line(shape, f"il_{n}", item=f"si_{n}") for n in range(12)]
    stated = event("invoice.paid", invoice(shape, "subscription_cycle"))
    stated["data"]["object"]["lines"] = {"data": lines[:10], "has_more": True}
    before = translate(stated, "test")
    assert isinstance(before, Payment)
    assert before.lines_missing
    stated["data"]["object"]["lines"] = {"data": lines, "has_more": False}
    twelve = (expected_line(line_id=f"il_{n}", subscription_item=f"si_{n}") for n in range(12))
    assert translate(stated, "test") == expected(shape, *twelve)


@shape_by_shape
def test_lines_beyond_the_event_are_reported_as_missing(shape: str) -> None:
    lines = {"data": [line(shape, proration=True)], "has_more": True}
    facts = paid(shape, "subscription_cycle", lines=lines)
    assert facts == expected(shape, lines=(), lines_missing=True)


@shape_by_shape
def test_an_event_that_carries_no_line_of_many_says_that_they_are_missing(shape: str) -> None:
    facts = paid(shape, "subscription_cycle", lines={"data": [], "has_more": True})
    assert isinstance(facts, Payment)
    assert (facts.lines, facts.lines_missing) == ((), True)


def test_an_invoice_without_lines_changes_nothing() -> None:
    lines: Json = {"data": [], "has_more": False}
    assert paid("2024-06-20", "manual", lines=lines) == Ignored("evt_1", "no_lines")


@shape_by_shape
@pytest.mark.parametrize(
    ("stated", "quantity"),
    [
        ({"quantity": 11}, 11),
        ({"quantity": 1_000_000}, 1_000_000),
        ({"quantity": 2, "quantity_decimal": "2"}, 2),
        ({"quantity": 2, "quantity_decimal": "2.000"}, 2),
        ({"quantity": None, "quantity_decimal": "7"}, 7),
        ({"quantity": None, "quantity_decimal": None}, 1),
    ],
)
def test_a_line_counts_its_quantity(shape: str, stated: Json, quantity: int) -> None:
    assert lines_of(paid(shape, "manual", line(shape, **stated)))[0].quantity == quantity


@shape_by_shape
@pytest.mark.parametrize(
    "stated",
    [
        {"quantity": 2, "quantity_decimal": "2.5"},
        {"quantity": 0.5},
        {"quantity": -1},
        {"quantity": 1_000_001},
        {"quantity": 10**40},
        {"quantity": 1, "quantity_decimal": "-1"},
    ],
)
def test_a_quantity_that_is_not_whole_or_out_of_bounds_is_parked(shape: str, stated: Json) -> None:
    facts = paid(shape, "manual", line(shape, "il_0", "price_0"), line(shape, **stated))
    assert facts == Unsupported("evt_1", "quantity_not_whole", "in_1", "cus_1", ("price_0", "price_1"))


@shape_by_shape
def test_nobody_reads_the_quantity_of_what_a_proration_gives_back(shape: str) -> None:
    prorated = line(shape, "il_0", proration=True, amount=-500, quantity=1, quantity_decimal="0.5")
    assert len(lines_of(paid(shape, "subscription_cycle", prorated, line(shape)))) == 2


@pytest.mark.parametrize("status", ["draft", "open", "void", "uncollectible"])
def test_an_invoice_that_says_it_is_not_paid_is_parked(status: str) -> None:
    facts = paid("2024-06-20", "manual", status=status)
    assert facts == Unsupported("evt_1", "not_paid", "in_1", "cus_1", ("price_1",))


def test_without_a_paid_instant_the_events_own_counts() -> None:
    for transitions in (None, {}, {"paid_at": None}):
        facts = paid("2024-06-20", "manual", status_transitions=transitions, status=None)
        assert isinstance(facts, Payment)
        assert facts.paid_at == at(CREATED)


def test_the_successful_twin_of_a_paid_invoice_changes_nothing() -> None:
    twin = event("invoice.payment_succeeded", invoice("2024-06-20", "manual"))
    assert translate(twin, "test") == Ignored("evt_1", "twin_of_invoice_paid")


def test_a_price_or_a_subscription_may_be_expanded() -> None:
    endive = invoice("2026-10-28.endive", "subscription_cycle")
    endive["parent"]["subscription_details"]["subscription"] = {"id": "sub_1", "metadata": {}}
    endive["lines"]["data"][0]["pricing"]["price_details"]["price"] = {"id": "price_1"}
    endive["payments"] = {
        "data": [
            {"status": "canceled", "payment": {"payment_intent": "pi_0"}},
            {"status": "paid", "payment": {"payment_intent": {"id": "pi_1"}}},
        ]
    }
    facts = translate(event("invoice.paid", endive), "test")
    one = (PaidWith("pi_1", None, None),)
    assert facts == expected("2026-10-28.endive", payment_intent="pi_1", paid_with=one)


@shape_by_shape
def test_a_subscription_only_its_lines_name_is_found(shape: str) -> None:
    bare = invoice(shape, "subscription_cycle", metadata={"client_id": "c1"})
    bare |= {"subscription": None, "parent": None, "subscription_details": None}
    assert translate(event("invoice.paid", bare), "test") == expected(shape)


def test_when_both_details_of_a_line_are_filled_its_type_decides() -> None:
    both = line("2026-10-28.endive", item=None)
    both["parent"]["subscription_item_details"] = {"proration": True, "subscription_item": "si_9"}
    facts = paid("2026-10-28.endive", "manual", both)
    assert lines_of(facts) == (expected_line(subscription_item=None),)


def test_an_invoice_item_stays_one_whatever_subscription_item_it_names() -> None:
    beside = line("2024-06-20", item=None) | {"subscription_item": "si_1"}
    facts = paid("2024-06-20", "subscription_cycle", beside)
    assert lines_of(facts) == (expected_line(subscription_item=None),)


def test_a_plan_whose_name_is_no_id_leaves_its_line_without_a_price() -> None:
    named = line("2022-11-15", "il_0") | {"price": None, "plan": {"id": "Gold plan / yearly"}}
    facts = paid("2022-11-15", "subscription_cycle", named, line("2022-11-15"))
    assert [stated.price for stated in lines_of(facts)] == [None, "price_1"]


# Checkout sessions


def pack(amount: int = 18000, currency: str = "usd", quantity: int = 1, stated_by: str = "assumed") -> PaymentLine:
    """The line of the package that a payment names."""
    from_ = QuantityFrom(stated_by)
    return PaymentLine("pack", None, quantity, amount, currency, package_id="pack", quantity_from=from_)


PACK = pack()


def one_off(*lines: PaymentLine, **over: Any) -> Payment:
    stated: Json = {
        "payment_id": "cs_test_1",
        "account": "own",
        "mode": "test",
        "event_id": "evt_1",
        "paid_at": at(CREATED),
        "customer": "cus_1",
        "client_id": "c1",
        "subscription": None,
        "payment_intent": "pi_1",
        "lines": lines or (PACK,),
        "paid": 15000,
    }
    return Payment(**(stated | over))


ITEM = {
    "id": "li_1",
    "object": "item",
    "amount_subtotal": 36000,
    "amount_total": 30000,
    "currency": "usd",
    "price": {"id": "price_1"},
    "quantity": 2,
}
NAMED = {"client_id": "c1", "package_id": "pack"}
NOT_WHOLE = Unsupported("evt_1", "quantity_not_whole", "cs_test_1", "cus_1")
BOUGHT = PaymentLine("li_1", "price_1", 2, 36000, "usd")
WITHOUT_ITEMS = Unsupported(
    *("evt_1", "line_items_not_in_event", "cs_test_1", "cus_1"),
    related="cs_test_1",
    event_type="checkout.session.completed",
    account="own",
)


@pytest.mark.parametrize(
    ("over", "facts"),
    [
        ({}, one_off()),
        ({"amount_subtotal": None}, one_off(pack(15000))),
        (
            {"amount_subtotal": None, "amount_total": None, "currency": None},
            one_off(pack(0, "xxx"), paid=0),
        ),
        ({"amount_total": None}, one_off(paid=18000)),
        (
            {"payment_status": "no_payment_required", "payment_intent": None, "amount_total": 0},
            one_off(payment_intent=None, paid=0),
        ),
        ({"invoice_creation": None}, one_off()),
        ({"line_items": {"data": [ITEM], "has_more": False}}, one_off(items=(BOUGHT,))),
        ({"line_items": {"data": [ITEM], "has_more": True}}, one_off()),
        (
            {"metadata": {"client_id": "c1"}, "line_items": {"data": [ITEM]}},
            one_off(BOUGHT),
        ),
        (
            {"line_items": {"data": [ITEM | {"price": None, "quantity": 1}]}},
            one_off(items=(PaymentLine("li_1", None, 1, 36000, "usd"),)),
        ),
        (
            {"line_items": {"data": [ITEM | {"quantity": 0.5}]}},
            Unsupported("evt_1", "quantity_not_whole", "cs_test_1", "cus_1"),
        ),
        (
            {"metadata": {"client_id": "c1"}},
            WITHOUT_ITEMS,
        ),
        (
            {"metadata": {"client_id": "c1"}, "line_items": {"data": [ITEM], "has_more": True}},
            WITHOUT_ITEMS,
        ),
        ({"metadata": NAMED | {"quantity": "3"}}, one_off(pack(quantity=3, stated_by="metadata"))),
        ({"metadata": NAMED | {"quantity": ""}}, one_off()),
        *(({"metadata": NAMED | {"quantity": odd}}, NOT_WHOLE) for odd in ("0", "-1", "2.5", "three", "1000001", 3)),
        ({"optional_items": []}, one_off()),
        ({"optional_items": [{"price": "price_2", "quantity": 1}]}, one_off(lines_missing=True)),
        (
            {"optional_items": [{"price": "price_2"}], "line_items": {"data": [ITEM], "has_more": False}},
            one_off(items=(BOUGHT,)),
        ),
        ({"payment_status": "unpaid"}, Ignored("evt_1", "not_yet_paid")),
        ({"invoice_creation": {"enabled": True}}, CustomerLink("evt_1", "cus_1", "c1")),
        ({"invoice": "in_1"}, CustomerLink("evt_1", "cus_1", "c1")),
        ({"invoice": "in_1", "customer": None}, Ignored("evt_1", "its_invoice_grants")),
        ({"mode": "subscription"}, CustomerLink("evt_1", "cus_1", "c1")),
        (
            {"mode": "subscription", "metadata": {}, "client_reference_id": "c9"},
            CustomerLink("evt_1", "cus_1", "c9"),
        ),
        ({"mode": "subscription", "metadata": {}}, Ignored("evt_1", "its_invoice_grants")),
        ({"mode": "setup"}, Ignored("evt_1", "nothing_paid")),
        ({"mode": "later"}, Unsupported("evt_1", "not_understood", "cs_test_1", "cus_1")),
        (
            {"payment_status": "later"},
            Unsupported("evt_1", "not_understood", "cs_test_1", "cus_1"),
        ),
    ],
)
def test_a_completed_session_says(over: Json, facts: Facts) -> None:
    assert completed(**over) == facts


# Who and what


@pytest.mark.parametrize(
    ("over", "client"),
    [
        ({}, "c-session"),
        (
            {"invoice": None, "customer": {"id": "cus_1", "metadata": {"client_id": "c-x"}}},
            "c-session",
        ),
        ({"metadata": {"package_id": "pack", "client_id": ""}}, "c-reference"),
        ({"metadata": {"package_id": "pack", "client_id": "not an id"}}, "c-reference"),
        (
            {
                "metadata": {"package_id": "pack"},
                "customer": {"id": "cus_1", "metadata": {"client_id": "c-customer"}},
            },
            "c-customer",
        ),
        ({"metadata": {"package_id": "pack"}, "client_reference_id": "é"}, None),
        ({"metadata": {"package_id": "pack"}, "client_reference_id": "idb64_Yy4x"}, "c.1"),
        ({"metadata": {"package_id": "pack"}, "client_reference_id": "idb64_c1"}, "idb64_c1"),
        *(
            ({"metadata": {"package_id": "pack", "client_id": word}, "client_reference_id": word}, None)
            for word in ("null", "undefined", "None", "NaN", "NULL", "")
        ),
        ({"metadata": {"package_id": "pack", "client_id": "undefined"}, "client_reference_id": "c2"}, "c2"),
        ({"metadata": {"package_id": "pack"}, "client_reference_id": "c" * 129}, None),
    ],
)
def test_the_beneficiary_of_a_session(over: Json, client: str | None) -> None:
    named = {"metadata": {"client_id": "c-session", "package_id": "pack"}}
    facts = completed(**{"client_reference_id": "c-reference", **named, **over})
    assert isinstance(facts, Payment)
    assert facts.client_id == client


@shape_by_shape
def test_the_beneficiary_of_an_invoice_is_the_first_of_four_places_that_name_one(
    shape: str,
) -> None:
    body = invoice(
        shape,
        "subscription_cycle",
        line(shape, "il_0", item=None, metadata={"client_id": "c-item"}),
        line(shape, metadata={"client_id": "c-line"}),
        metadata={"client_id": "c-invoice"},
        customer={"id": "cus_1", "metadata": {"client_id": "c-customer"}},
    )
    names = {"client_id": "c-subscription"}
    if shape in OLD_SHAPES:
        body["subscription_details"] = {"metadata": names}
    else:
        body["parent"]["subscription_details"]["metadata"] = names
    assert _client(body) == "c-invoice"
    body["metadata"] = None
    assert _client(body) == "c-subscription"
    names.clear()
    assert _client(body) == "c-line"
    body["lines"]["data"][1]["metadata"] = {}
    assert _client(body) == "c-customer"
    body["customer"] = "cus_1"
    assert _client(body) is None


def _client(body: Json) -> str | None:
    facts = translate(event("invoice.paid", body), "test")
    assert isinstance(facts, Payment)
    assert facts.customer == "cus_1"
    return facts.client_id


def test_a_customer_may_be_an_account_or_nobody() -> None:
    assert completed(customer=None, customer_account="acct_9") == one_off(customer="acct_9")
    assert completed(customer=None) == one_off(customer=None)


@shape_by_shape
def test_a_package_named_beside_an_invoice_without_prices_is_bought_once(shape: str) -> None:
    facts = paid(
        shape,
        "manual",
        line(shape, "il_1", None, item=None, amount=-500),
        line(shape, "il_2", None, item=None, amount=18000, quantity=2),
        line(shape, "il_3", None, item=None, amount=18000),
        metadata={"package_id": "pack"},
    )
    assert [stated.package_id for stated in lines_of(facts)] == ["pack", None]


@shape_by_shape
def test_a_package_named_beside_a_price_does_not_count(shape: str) -> None:
    lines = [line(shape, "il_1", None, item=None), line(shape, "il_2")]
    facts = paid(shape, "manual", *lines, metadata={"package_id": "pack"})
    assert [stated.package_id for stated in lines_of(facts)] == [None, None]


# Which events matter


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("invoice.payment_succeeded", "twin_of_invoice_paid"),
        ("invoice.created", "not_yet_paid"),
        ("invoice.finalized", "not_yet_paid"),
        ("invoice.upcoming", "not_yet_paid"),
        ("invoice.overdue", "not_yet_paid"),
        ("invoice.payment_action_required", "not_yet_paid"),
        ("invoice.payment_failed", "payment_failed"),
        ("invoice.voided", "invoice_voided"),
        ("invoice.marked_uncollectible", "invoice_uncollectible"),
        ("checkout.session.async_payment_failed", "payment_failed"),
        ("checkout.session.expired", "checkout_expired"),
        ("charge.succeeded", "its_invoice_or_session_grants"),
        ("payment_intent.payment_failed", "payment_failed"),
        ("charge.failed", "payment_failed"),
        ("customer.deleted", "customer_deleted"),
        ("customer.subscription.trial_will_end", "trial_will_end"),
        ("radar.early_fraud_warning.created", "fraud_warning"),
        ("radar.early_fraud_warning.updated", "fraud_warning"),
        ("customer.created", "type_not_handled"),
        ("nobody.knows", "type_not_handled"),
        ("v2.core.account.updated", "type_not_handled"),
    ],
)
def test_other_types_change_nothing_whatever_they_carry(kind: str, reason: str) -> None:
    bodies: list[object] = [{}, {"id": 7}, None, []]
    for about in bodies:
        assert translate(event(kind, about), "test") == Ignored("evt_1", reason)
        if not asks(kind):
            assert translate(event("v1." + kind, about), "test") == Ignored("evt_1", reason)


def thin(kind: str, about: object, **over: Any) -> Json:
    return {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": kind,
        "livemode": False,
        "created": "2026-11-22T10:00:00.000Z",
        "related_object": about,
        "snapshot_event": "evt_2",
    } | over


def parked_thin(kind: str, related: str | None, payment: str | None = None, account: str = "own") -> Unsupported:
    return Unsupported("evt_1", "thin_event", payment, related=related, event_type=kind, account=account)


@pytest.mark.parametrize(
    ("kind", "about", "payment"),
    [
        ("invoice.paid", {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"}, "in_1"),
        ("checkout.session.completed", {"id": "cs_1", "type": "checkout.session"}, "cs_1"),
        ("checkout.session.async_payment_succeeded", {"id": "cs_1", "type": "checkout.session"}, "cs_1"),
        ("invoice_payment.paid", {"id": "inpay_1", "type": "invoice_payment"}, None),
        ("charge.refunded", {"id": "ch_1", "type": "charge"}, None),
        ("refund.created", {"id": "re_1", "type": "refund"}, None),
        ("charge.dispute.closed", {"id": "dp_1", "type": "dispute"}, None),
        ("credit_note.created", {"id": "cn_1", "type": "credit_note"}, None),
        ("customer.subscription.deleted", {"id": "sub_1", "type": "subscription"}, None),
    ],
)
def test_a_thin_event_is_parked_with_what_it_takes_to_fetch_its_object(
    kind: str, about: Json, payment: str | None
) -> None:
    expected = parked_thin(kind, about["id"], payment)
    assert translate(thin("v1." + kind, about), "test") == expected
    assert translate(thin(kind, about), "test") == expected
    assert translate(event("v1." + kind, {"id": about["id"]}), "test") == expected


@pytest.mark.parametrize(
    ("context", "account"),
    [(None, "own"), ("", "own"), ("acct_7", "acct_7"), ("org_1/acct_7", "acct_7"), ("org_1/not an id", "own")],
)
def test_a_thin_event_names_its_account_in_its_context(context: str | None, account: str) -> None:
    stated = thin("v1.refund.failed", {"id": "re_1"}, context=context)
    assert translate(stated, "test") == parked_thin("refund.failed", "re_1", account=account)


def test_a_thin_event_about_nothing_is_parked() -> None:
    assert translate(thin("v1.invoice.paid", None), "test") == parked_thin("invoice.paid", None)
    wrong = thin("v1.invoice.paid", {"id": 7})
    assert translate(wrong, "test") == Unsupported("evt_1", "not_understood")


@pytest.mark.parametrize("items", [[ITEM], [ITEM, ITEM | {"id": "li_2"}]])
def test_a_session_is_a_payment_once_its_items_are_put_into_its_event(items: list[Json]) -> None:
    stated = event("checkout.session.completed", session(metadata={"client_id": "c1"}), account="acct_7")
    lacking = translate(stated, "test")
    assert isinstance(lacking, Unsupported)
    assert (lacking.account, lacking.related) == ("acct_7", "cs_test_1")
    stated["data"]["object"]["line_items"] = {"data": items, "has_more": False}
    bought = [PaymentLine(item["id"], "price_1", 2, 36000, "usd") for item in items]
    assert translate(stated, "test") == one_off(*bought, account="acct_7")


@shape_by_shape
def test_an_event_made_of_a_retrieved_invoice_says_what_its_own_event_says(shape: str) -> None:
    retrieved = invoice(shape, "subscription_cycle")
    if shape not in OLD_SHAPES:
        paid_with = {"status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}
        retrieved["payments"] = {"object": "list", "data": [paid_with], "has_more": False}
    made = {
        "object": "event",
        "type": "invoice.paid",
        "id": "reconcile-in_1",
        "livemode": False,
        "created": CREATED,
        "data": {"object": retrieved},
    }
    listed = () if shape in OLD_SHAPES else (PaidWith("pi_1"),)
    stated = expected(shape, event_id="reconcile-in_1", payment_intent="pi_1", paid_with=listed)
    assert translate(made, "test") == stated


def test_events_of_the_other_mode_change_nothing() -> None:
    for about in (invoice("2024-06-20", "manual"), None):
        live = event("invoice.paid", about, livemode=True)
        assert translate(live, "test") == Ignored("evt_1", "other_mode")
        assert translate(live | {"livemode": False}, "live") == Ignored("evt_1", "other_mode")


def test_a_connected_account_and_live_mode_are_reported() -> None:
    live = event("checkout.session.completed", session(), livemode=True, account="acct_7", context=None)
    assert translate(live, "live") == one_off(account="acct_7", mode="live")


# What is not understood


@pytest.mark.parametrize(
    "over",
    [
        {"object": "invoice"},
        {"type": None},
        {"type": 7},
        {"livemode": None},
        {"livemode": "false"},
        {"account": 7},
        {"account": "not an id"},
        {"created": None},
        {"created": 10**20},
        {"created": -1},
        {"created": True},
        {"data": None},
        {"data": {"object": {"id": "in_1", "object": "invoice"}}},
    ],
)
def test_a_session_event_with_a_wrong_frame_is_parked(over: Json) -> None:
    facts = translate(event("checkout.session.completed", session(), **over), "test")
    assert isinstance(facts, Unsupported)
    assert (facts.event_id, facts.reason) == ("evt_1", "not_understood")


@shape_by_shape
@pytest.mark.parametrize(
    "over",
    [
        {"id": None},
        {"id": "in/1"},
        {"lines": None},
        {"lines": {"data": {}}},
        {"lines": {"data": [None]}},
        {"metadata": []},
        {"billing_reason": 7},
        {"status": True},
        {"status_transitions": {"paid_at": "today"}},
        {"customer": 7},
    ],
)
def test_an_invoice_with_a_wrong_value_is_parked(shape: str, over: Json) -> None:
    facts = paid(shape, "subscription_cycle", **over)
    assert isinstance(facts, Unsupported)
    assert facts.reason == "not_understood"


@shape_by_shape
@pytest.mark.parametrize(
    "over",
    [
        {"id": None},
        {"amount": None},
        {"amount": "18000"},
        {"amount": 10**16},
        {"currency": "dollars"},
        {"quantity": "1"},
        {"quantity": True},
        {"quantity_decimal": "many"},
        {"period": {"start": 1.5, "end": 2}},
        {"period": {"start": 0, "end": 10**18}},
        {"discount_amounts": [7], "amount": 0},
    ],
)
def test_an_invoice_line_with_a_wrong_value_is_parked(shape: str, over: Json) -> None:
    facts = paid(shape, "subscription_create", line(shape, **over))
    assert facts == Unsupported("evt_1", "not_understood", "in_1", "cus_1")


def test_two_lines_of_one_id_are_not_understood() -> None:
    facts = paid("2024-06-20", "manual", line("2024-06-20"), line("2024-06-20"))
    assert facts == Unsupported("evt_1", "not_understood", "in_1", "cus_1")


def test_an_event_without_an_id_gets_one_from_its_content() -> None:
    nameless = event("invoice.paid", {}, id="not an id")
    first, again = translate(nameless, "test"), translate(copy.deepcopy(nameless), "test")
    other = translate(nameless | {"created": 1}, "test")
    assert first == again
    assert is_id(first.event_id)
    assert first.event_id != other.event_id


@pytest.mark.parametrize("body", [None, [], "evt_1", 7, {}, {"id": "evt_1"}])
def test_a_body_that_is_no_event_is_parked(body: object) -> None:
    facts = translate(body, "test")
    assert isinstance(facts, Unsupported)
    assert facts.reason == "not_understood"


def test_a_body_nested_without_end_is_parked() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert isinstance(translate({"data": nested}, "test"), Unsupported)


# Nothing raises: the sample events, bent in every way


SAMPLES: list[Json] = [json.loads(file.read_text()) for file in sorted(events_folder().glob("stripe/*/*.json"))]
SAMPLES += [event("invoice.paid", invoice(shape, "subscription_update")) for shape in SHAPES]
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 10**30, CREATED, 1.0])
    | st.floats()
    | st.text(max_size=8)
    | st.text(st.characters(codec=None, categories=["Cs"]), max_size=2)
    | st.sampled_from(["", "c1", "paid", "payment", "0.5", "1e9", "price_1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) within `value`."""
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        keys = list(range(len(value)))
    found: list[tuple[Any, Any]] = [(value, key) for key in keys]
    return found + [deep for key in keys for deep in _places(value[key])]  # type: ignore[index]


def _remove(container: Any, key: Any, _: object) -> None:
    del container[key]


def _replace(container: Any, key: Any, value: object) -> None:
    container[key] = value


def _repeat(container: Any, key: Any, _: object) -> None:
    container[key] = [container[key], container[key]]


BENDS: list[Callable[[Any, Any, object], None]] = [_remove, _replace, _replace, _repeat]


@st.composite
def bent_events(draw: st.DrawFn) -> Json:
    bent = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(bent)
        if places:
            container, key = draw(st.sampled_from(places))
            draw(st.sampled_from(BENDS))(container, key, draw(ANY_JSON))
    return bent


def _is_sound(facts: Facts) -> None:
    assert isinstance(facts, Facts)
    assert is_id(facts.event_id)
    if isinstance(facts, Payment):
        ids = [facts.payment_id, facts.account, *(stated.line_id for stated in facts.lines)]
        maybe = [facts.customer, facts.client_id, facts.subscription, facts.payment_intent, facts.charge]
        maybe += [stated.price for stated in facts.lines] + [stated.package_id for stated in facts.lines]
        assert all(is_id(named) for named in ids)
        assert all(named is None or is_id(named) for named in maybe)
        assert all(0 <= stated.quantity <= 1_000_000 for stated in facts.lines)
        assert 0 <= facts.paid <= 10**15
        assert facts.paid_at.tzinfo is UTC
    if isinstance(facts, Unsupported):
        assert all(named is None or is_id(named) for named in (facts.payment_id, facts.related, facts.account))


@given(bent_events())
@settings(max_examples=400, deadline=None)
def test_no_bent_event_raises(bent: Json) -> None:
    _is_sound(translate(bent, "test"))


@given(ANY_JSON)
@settings(max_examples=200, deadline=None)
def test_no_json_raises(body: object) -> None:
    _is_sound(translate(body, "test"))
    _is_sound(translate(event("invoice.paid", body), "test"))
    _is_sound(translate(event("checkout.session.completed", body), "test"))
    _is_sound(translate(thin("v1.invoice.paid", body, context=body), "test"))


def test_a_session_paid_later_is_the_same_payment_as_one_paid_at_once() -> None:
    at_once = translate(event("checkout.session.completed", session()), "test")
    later = translate(event("checkout.session.async_payment_succeeded", session()), "test")
    assert isinstance(at_once, Payment)
    assert later == at_once


def test_a_subscription_checkout_says_whose_the_subscription_is() -> None:
    stated = completed(mode="subscription", subscription="sub_9", customer=None)
    assert stated == CustomerLink("evt_1", None, "c1", "sub_9")
