"""The Stripe sandbox: the lines of prices with tiers, of trials, of units returned and of first parts of a period."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.test_stripe_sandbox import BASIL, DAY, NEW, START, a_sandbox, every_version, the_payment, types

from client_credits.domain.payments.facts import Trial
from client_credits.samples.stripe_account.books import Price, Tier
from client_credits.samples.stripe_account.checkout import Events, Sandbox

NEWS = "customer.subscription.updated"


def tiered_sandbox(version: str = NEW) -> Sandbox:
    """Ten units for 40.00 each and 20.00 once, those beyond for 30.00."""
    sandbox = a_sandbox(version)
    sandbox.tiered_price("price_tiers", "month", Tier(10, 4000, 2000), Tier(None, 3000))
    return sandbox


def invoice_of(events: Events) -> dict[str, Any]:
    (found,) = [event["data"]["object"] for event in events if event["type"] == "invoice.paid"]
    assert isinstance(found, dict)
    return found


def written(events: Events) -> list[tuple[str, int, int]]:
    """Each line as (description, quantity, amount)."""
    return [(line["description"], line["quantity"], line["amount"]) for line in invoice_of(events)["lines"]["data"]]


# -- tiers -------------------------------------------------------------------------------------


@every_version
def test_each_tier_and_its_flat_amount_has_a_line(version: str) -> None:
    events = tiered_sandbox(version).subscribe("cus_1", ("price_tiers", 12))
    assert written(events) == [
        ("10 × price_tiers (Tier 1 at $40.00 / month)", 10, 40_000),  # noqa: RUF001 as Stripe writes
        ("price_tiers (Tier 1 at $20.00 / month)", 0, 2_000),
        ("2 × price_tiers (Tier 2 at $30.00 / month)", 2, 6_000),  # noqa: RUF001 as Stripe writes
    ]
    payment = the_payment(events)
    (line,) = payment.lines
    assert (line.quantity, line.amount, line.trial, payment.paid) == (12, 48_000, Trial.NO, 48_000)


@every_version
def test_a_price_with_tiers_does_not_tell_what_a_unit_costs(version: str) -> None:
    line = invoice_of(tiered_sandbox(version).subscribe("cus_1", ("price_tiers", 12)))["lines"]["data"][0]
    if version in (BASIL, NEW):
        assert line["pricing"]["unit_amount_decimal"] == "4000", "of the tier, not of the price"
        return
    assert (line["price"]["billing_scheme"], line["price"]["tiers_mode"]) == ("tiered", "graduated")
    assert (line["price"]["unit_amount"], line["price"]["unit_amount_decimal"]) == (None, None)
    assert (line["plan"]["amount"], line["plan"]["tiers_mode"]) == (None, "graduated")


@pytest.mark.parametrize(("quantity", "amount"), [(1, 6_000), (10, 42_000), (11, 45_000), (12, 48_000)])
def test_tiers_are_graduated(quantity: int, amount: int) -> None:
    price = Price("price_1", 0, "month", tiers=(Tier(10, 4000, 2000), Tier(None, 3000)))
    assert price.amount(quantity) == amount


@every_version
def test_another_quantity_of_tiers_is_charged_in_one_line_each_way(version: str) -> None:
    sandbox = tiered_sandbox(version)
    sandbox.subscribe("cus_1", ("price_tiers", 12))
    sandbox.advance_to(START + 14 * DAY)
    events = sandbox.change("sub_Sandbox1", quantity=16)
    assert [(quantity, amount) for _, quantity, amount in written(events)] == [(12, -24_000), (16, 30_000)]


# -- trials ------------------------------------------------------------------------------------


@every_version
def test_a_trial_made_longer_has_an_invoice_of_nothing_and_moves_the_anchor(version: str) -> None:
    sandbox = a_sandbox(version)
    sandbox.subscribe("cus_1", "price_4", trial_days=14)
    sandbox.advance_to(START + 10 * DAY)
    events = sandbox.trial("sub_Sandbox1", days=10)
    assert types(events) == [NEWS, "invoice.paid", "invoice.payment_succeeded"]
    about = events[0]["data"]["object"]
    started, ends = START.timestamp(), (START + 20 * DAY).timestamp()
    assert (about["status"], about["trial_start"], about["trial_end"]) == ("trialing", started, ends)
    assert about["billing_cycle_anchor"] == ends
    assert events[0]["data"]["previous_attributes"]["trial_end"] == (START + 14 * DAY).timestamp()
    invoice, payment = invoice_of(events), the_payment(events)
    (line,) = payment.lines
    assert (invoice["billing_reason"], payment.paid) == ("subscription_update", 0)
    assert (line.amount, line.trial, line.proration) == (0, Trial.YES, False)
    assert (line.period_start, line.period_end) == (START + 10 * DAY, START + 20 * DAY)
    first = the_payment(sandbox.cycle("sub_Sandbox1"))
    assert (first.paid_at, first.lines[0].period_end) == (START + 20 * DAY, (START + 20 * DAY).replace(month=3))


@every_version
@pytest.mark.parametrize("prorates", [False, True])
def test_a_paid_period_may_give_way_to_a_trial(version: str, prorates: bool) -> None:
    sandbox = a_sandbox(version)
    sandbox.subscribe("cus_1", "price_4")
    sandbox.advance_to(START + 7 * DAY)
    events = sandbox.trial("sub_Sandbox1", days=30, prorates=prorates)
    assert events[0]["data"]["object"]["trial_start"] == (START + 7 * DAY).timestamp()
    given_back = [(-2_325, True)] if prorates else []  # 21 of 28 days
    assert [(line.amount, line.proration) for line in the_payment(events).lines] == [*given_back, (0, False)]


@every_version
def test_what_changes_in_a_trial_costs_nothing(version: str) -> None:
    sandbox = a_sandbox(version)
    sandbox.subscribe("cus_1", "price_4", trial_days=14)
    sandbox.advance_to(START + 4 * DAY)
    (added,) = the_payment(sandbox.add_item("sub_Sandbox1", ("price_8", 2))).lines
    (more,) = the_payment(sandbox.change("sub_Sandbox1", quantity=3)).lines
    for line, quantity in ((added, 2), (more, 3)):
        assert (line.quantity, line.amount, line.trial, line.proration) == (quantity, 0, Trial.YES, False)
        assert (line.period_start, line.period_end) == (START + 4 * DAY, START + 14 * DAY)
    assert added.subscription_item != more.subscription_item


# -- units returned ----------------------------------------------------------------------------


@every_version
def test_a_unit_is_returned_on_an_invoice_by_hand(version: str) -> None:
    events = a_sandbox(version).invoice("cus_1", ("price_pack", 3), returned=("price_pack",))
    assert [amount for _, _, amount in written(events)] == [27_000, -9_000]
    (line,) = the_payment(events).lines
    assert (line.quantity, line.amount, the_payment(events).paid) == (2, 18_000, 18_000)


@every_version
def test_a_unit_is_returned_with_the_next_cycle(version: str) -> None:
    sandbox = a_sandbox(version)
    sandbox.subscribe("cus_1", ("price_4", 3))
    sandbox.return_units("sub_Sandbox1", "price_4")
    events = sandbox.cycle("sub_Sandbox1")
    assert [(quantity, amount) for _, quantity, amount in written(events)] == [(1, -3_100), (3, 9_300)]
    assert [line.quantity for line in the_payment(events).lines] == [2]
    assert [line.quantity for line in the_payment(sandbox.cycle("sub_Sandbox1")).lines] == [3]


# -- the first part of a period ----------------------------------------------------------------


@every_version
def test_a_proration_does_not_carry_its_subscriptions_metadata(version: str) -> None:
    """From 2024-06-20 on the invoice does, so that in the oldest shape nothing of a stub's says whose it is."""
    sandbox = a_sandbox(version)
    events = sandbox.subscribe("cus_1", "price_4", metadata={"client_id": "c1"}, anchor=START + timedelta(days=10))
    (line,) = invoice_of(events)["lines"]["data"]
    assert (line["metadata"], line["amount"]) == ({}, 1_000)  # 10 of 31 days
    assert the_payment(events).client_id == (None if version == "2022-11-15" else "c1")
    about = events[0]["data"]["object"]
    assert (about["metadata"], about["billing_cycle_anchor"]) == (
        {"client_id": "c1"},
        (START + timedelta(days=10)).timestamp(),
    )


@every_version
def test_a_subscription_through_checkout_may_have_its_anchor_ahead(version: str) -> None:
    events = a_sandbox(version).checkout_subscription("cus_1", "price_4", anchor=START + timedelta(days=10))
    assert [(line.amount, line.proration) for line in the_payment(events).lines] == [(1_000, True)]
