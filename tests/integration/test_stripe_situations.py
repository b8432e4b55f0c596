"""Everything a Stripe account can do to a package it sold, in every supported event shape: the exact entries.

Each situation is played in a Stripe account in miniature; the expected entries are written by hand.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.situations import SHAPES, Table, in_tiers
from tests.support.stripe_practice import BEGINS, CYCLE_END, ME, PACKAGES, StripePractice

from client_credits.domain.practice.records import Client
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.staff.practices import put_client, put_package
from client_credits.samples.stripe_account.checkout import Events
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.queries import StripeApi, StripeKind
from client_credits.stripe.completing import event_of

DAY = timedelta(days=1)
BASIL = ("2025-03-31.basil", "2026-10-28.endive")
SITUATIONS = Table()
situation = SITUATIONS.row

TEN = {"client_id": "c1", "package_id": "ten"}


# -- ways to pay -----------------------------------------------------------------------------------


@situation(("granted", 10))
def a_package_is_bought_once_at_checkout(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", customer="cus_1", metadata=TEN))


@situation(("granted", 10))
def a_checkout_is_paid_later(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", customer="cus_1", metadata=TEN, later=True))
    assert practice.entries() == []
    session = practice.stripe.last("checkout.session")
    practice.hear(practice.at(BEGINS + 3 * DAY).stripe.arrives(session))


@situation()
def a_checkout_whose_money_never_comes(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", customer="cus_1", metadata=TEN, later=True))
    practice.hear(practice.stripe.arrives(practice.stripe.last("checkout.session"), succeeds=False))
    practice.hear(practice.stripe.abandon("price_ten", metadata=TEN))


@situation(("granted", 10))
def a_checkout_is_free_by_coupon(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata=TEN, percent_off=100))


@situation(("granted", 10))
def a_payment_link_is_paid_by_somebody_named_in_its_address(practice: StripePractice) -> None:
    link = {"metadata": {"package_id": "ten"}, "client_reference": "c1", "payment_link": "plink_1"}
    practice.hear(practice.stripe.checkout("price_ten", **link))  # type: ignore[arg-type]


@situation(parked=("unknown_client",))
def a_payment_link_is_paid_by_nobody_known(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata={"package_id": "ten"}, payment_link="plink_1"))


@situation(("granted", 10))
def a_checkout_that_makes_an_invoice_is_granted_by_that_alone(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", customer="cus_1", metadata=TEN, makes_invoice=True))


@situation(("granted", 10))
def an_invoice_is_sent_by_hand(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME))


@situation(("granted", 30))
def three_are_bought_at_once(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", ("price_ten", 3), metadata=ME))


@situation(("granted", 10))
def an_invoice_is_paid_out_of_band(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME, out_of_band=True))


@situation(("granted", 10))
def an_invoice_is_discounted_to_nothing(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME, percent_off=100))


@situation(("granted", 4), ("granted", 8), initial=[("granted", 1)])
def a_subscription_of_two_plans(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", "price_eight", metadata=ME))


@situation(("granted", 4))
def a_set_up_fee_beside_a_plan_grants_nothing(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, beside=("price_setup",)))


@situation(("granted", 4), parked=("unknown_package",))
def an_unknown_price_beside_a_plan_is_parked_and_the_plan_granted(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, beside=("price_unknown",)))


@situation(("granted", 4))
def whose_it_is_was_stated_by_the_subscriptions_checkout(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout_subscription("cus_1", "price_four", client_reference="c1"))


@situation(("granted", 30))
def a_session_says_how_many(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_pair", metadata=TEN | {"quantity": "3"}))


@situation(("granted", 30))
def a_sessions_items_say_how_many(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout(("price_ten", 3), metadata=TEN), Answering(practice))


@situation(("granted", 10))
def a_session_of_three_without_a_key_or_a_price_grants_one(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout(("price_ten", 3), metadata=TEN))


@situation(("granted", 6))
def what_was_charged_says_how_many(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout(("price_pair", 3), metadata=ME | {"package_id": "priced"}))


@situation(("granted", 2))
def what_was_charged_does_not_come_out_whole(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata=ME | {"package_id": "priced"}))


@situation(("granted", 10), ("granted", 16), initial=[("granted", 2)])
def an_optional_item_is_bought_beside_the_package(practice: StripePractice) -> None:
    bought = ("price_ten", ("price_eight", 2))
    practice.hear(practice.stripe.checkout(*bought, metadata=TEN, offered=("price_eight",)), Answering(practice))


@situation(("granted", 10))
def a_terminal_sale(practice: StripePractice) -> None:
    practice.hear(practice.stripe.sell(90_000, TEN))


@situation(("granted", 20), ("clawed_back", -10))
def a_terminal_sale_of_two_half_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.sell(180_000, TEN | {"quantity": "2"}))
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 90_000))


@situation()
def an_intent_without_our_metadata(practice: StripePractice) -> None:
    practice.hear(practice.stripe.sell(90_000))
    practice.hear(practice.stripe.sell(90_000, ME))
    practice.hear(practice.stripe.sell(90_000, {"package_id": "ten"}))


@situation(parked=("unknown_client",))
def a_terminal_sale_for_nobody(practice: StripePractice) -> None:
    practice.hear(practice.stripe.sell(90_000, {"client_id": "undefined", "package_id": "ten"}))


@situation(parked=("unknown_client",))
def a_payment_link_with_the_reference_null(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata={"package_id": "ten"}, client_reference="null"))


@situation(("granted", 10))
def a_session_and_its_intent_are_one_sale(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata=TEN))
    practice.hear(practice.stripe.intent_of(practice.stripe.last("checkout.session"), TEN))


@situation(("granted", 10), ("granted", 10), ("clawed_back", -20))
def an_intent_of_more_than_its_session_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", metadata=TEN))
    session = practice.stripe.last("checkout.session")
    practice.hear(practice.stripe.intent_of(session, TEN | {"quantity": "2"}))
    practice.hear(practice.stripe.refund(session))


@situation(("granted", 10))
def an_invoice_and_its_intent_are_one_sale(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME))
    practice.hear(practice.stripe.intent_of(practice.stripe.last("invoice"), TEN))


@situation(("granted", 1), parked=("over_limit",))
def a_package_is_bought_more_often_than_one_client_may(practice: StripePractice) -> None:
    for _ in range(2):
        practice.hear(practice.stripe.checkout("price_intro", metadata=ME | {"package_id": "intro"}))


@situation(("granted", 1), ("clawed_back", -1), ("granted", 1))
def what_was_refunded_in_full_may_be_bought_again(practice: StripePractice) -> None:
    intro = ME | {"package_id": "intro"}
    practice.hear(practice.stripe.checkout("price_intro", metadata=intro))
    practice.hear(practice.stripe.refund(practice.stripe.last("checkout.session")))
    practice.hear(practice.stripe.checkout("price_intro", metadata=intro))


def _comes(practice: StripePractice, client_id: str) -> None:
    """The practice creates a client."""
    put_client(Context(practice.store, "p1", STRIPE, practice.now), Client(client_id))


@situation(unknown_clients="park")
def a_subscription_for_an_unknown_client_waits_for_that_client(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata={"client_id": "c2"}))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))
    assert practice.parked() == ["unknown_client"] * 2
    _comes(practice, "c2")
    assert practice.entries(client_id="c2") == [("granted", 4), ("granted", 4)]


@situation(unknown_clients="park")
def what_waits_for_its_client_is_half_refunded_meanwhile(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata={"client_id": "c2"}))
    practice.hear(practice.at(BEGINS + DAY).stripe.refund(practice.stripe.last("invoice"), 45_000))
    assert practice.parked() == ["unknown_client"]
    _comes(practice, "c2")
    assert practice.entries(client_id="c2") == [("granted", 10), ("clawed_back", -5)]


# -- renewals --------------------------------------------------------------------------------------


@situation(("granted", 4), ("granted", 4), ("granted", 4))
def a_subscription_renews_twice(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    for _ in range(2):
        practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 4))
def a_trial_grants_nothing_and_its_first_paid_cycle_does(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, trial_days=14))
    assert practice.entries() == []
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 1), ("granted", 1))
def a_trial_of_a_package_that_grants_for_trials(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_taste", metadata=ME, trial_days=14))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 4), ("granted", 4))
def a_renewal_fails_and_is_paid_later(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription"), pays=False))
    assert practice.entries() == [("granted", 4)]
    practice.stripe.advance_to(practice.stripe.now + 3 * DAY)
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))


@situation(("granted", 4), ("frozen", 0), ("granted", 4), ("unfrozen", 0), past_due="freeze")
def past_due_credits_are_frozen_until_paid(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription"), pays=False))
    assert practice.numbers() == (4, 0, 4)
    practice.stripe.advance_to(practice.stripe.now + 3 * DAY)
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))
    assert practice.numbers() == (8, 8, 0)


@situation(("granted", 4), ("granted", 4))
def a_paused_collection_brings_nothing_while_it_lasts(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.stripe.pause_collection(subscription))
    practice.hear(practice.stripe.cycle(subscription))
    practice.hear(practice.stripe.resume_collection(subscription))
    practice.hear(practice.stripe.cycle(subscription))


@situation(("granted", 4))
def a_subscription_is_cancelled_at_its_periods_end(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.stripe.cancel_at_period_end(subscription))
    practice.hear(practice.stripe.cycle(subscription))


@situation(("granted", 4), parked=("subscription_ended",))
def an_open_invoice_is_paid_after_the_subscription_was_cancelled(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.stripe.cycle(subscription, pays=False))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.cancel(subscription))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))


@situation(("granted", 4), ("granted", 4))
def a_subscription_is_paused_and_resumed(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.stripe.pause(subscription))
    practice.hear(practice.stripe.resume(subscription))
    practice.hear(practice.stripe.cycle(subscription))


# -- changes of plan -------------------------------------------------------------------------------


def _changed(practice: StripePractice, *prices: str) -> None:
    """From four a month to each of these plans, five days apart."""
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    for price in prices:
        practice.stripe.advance_to(practice.stripe.now + 5 * DAY)
        practice.hear(practice.stripe.change(practice.stripe.last("subscription"), price))


@situation(("granted", 4), ("granted", 4), initial=[("granted", 1)])
def an_upgrade_grants_the_difference(practice: StripePractice) -> None:
    _changed(practice, "price_eight")


@situation(("granted", 4), ("granted", 4), initial=[("granted", 1)])
def up_down_and_up_mints_nothing(practice: StripePractice) -> None:
    _changed(practice, "price_eight", "price_four", "price_eight")


@situation(("granted", 4), upgrade_grant="none")
def an_upgrade_grants_nothing_by_the_setting(practice: StripePractice) -> None:
    _changed(practice, "price_eight")


@situation(("granted", 4), ("granted", 3), initial=[("granted", 1)], upgrade_grant="prorated")
def an_upgrade_is_prorated_to_the_nearest(practice: StripePractice) -> None:
    _changed(practice, "price_eight")  # 23 of 28 days remain: 3.29 and 0.82


@situation(("granted", 4), ("granted", 8))
def a_higher_quantity_grants_the_difference(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(practice.stripe.last("subscription"), quantity=3))


@situation(("granted", 4), ("granted", 7), initial=[("granted", 1)])  # 23 of 28 days: 6.57 and 0.82, rounded up
def another_plan_is_added(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.add_item(practice.stripe.last("subscription"), "price_eight"))


@situation(("granted", 4), ("granted", 2), ("clawed_back", -3))  # 23 of 28 days were given back: 3.29
def another_interval_begins_a_cycle_of_its_own(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(practice.stripe.last("subscription"), "price_year"))


@situation(("granted", 4), ("granted", 4), ("granted", 8), initial=[("granted", 1), ("granted", 1)])
def the_cycle_after_an_upgrade_is_a_whole_one(practice: StripePractice) -> None:
    _changed(practice, "price_eight")
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 4), ("granted", 4), ("granted", 8), initial=[("granted", 1), ("granted", 1)])
def an_upgrade_is_paid_with_the_next_cycle(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", pending=True))
    assert practice.entries() == [("granted", 4)]
    practice.hear(practice.stripe.cycle(subscription))


@situation(("granted", 4), ("granted", 2), initial=[("granted", 1)], upgrade_grant="prorated")
def an_upgrade_is_invoiced_by_hand(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 12 * DAY).stripe.change(subscription, "price_eight", pending=True))
    practice.hear(practice.at(BEGINS + 20 * DAY).stripe.invoice_pending(subscription))  # 16 of 28 days: 2.29 and 0.57


@situation(("granted", 4))
def up_and_down_on_one_invoice_grants_nothing(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", pending=True))
    practice.hear(practice.at(BEGINS + 8 * DAY).stripe.change(subscription, "price_four", pending=True))
    practice.hear(practice.at(BEGINS + 9 * DAY).stripe.invoice_pending(subscription))


@situation(("granted", 4), ("granted", 4), initial=[("granted", 1)])
def an_upgrade_under_a_full_discount_grants_like_any_other(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", percent_off=100))


@situation(("granted", 4), ("granted", 4), initial=[("granted", 1)])
def another_item_takes_the_place_of_the_first(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.swap(practice.stripe.last("subscription"), "price_eight"))


# 23 of 28 days: 3.29 of 4. Then 322 of 365: 21.17 of 24, of which 20 had not come.
@situation(("granted", 4), ("granted", 2), ("clawed_back", -3), ("granted", 2), ("granted", 4), ("clawed_back", -1))
def from_months_to_a_year_and_back(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_year"))
    practice.hear(practice.at(BEGINS + 48 * DAY).stripe.change(subscription, "price_four"))


@situation(("granted", 4), ("granted", 4), ("clawed_back", -3))  # 18 of 28 days: 2.57
def the_billing_anchor_is_restarted(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    practice.hear(practice.at(BEGINS + 10 * DAY).stripe.restart(practice.stripe.last("subscription")))


@situation(("granted", 4), ("granted", 4), ("clawed_back", -1), ("clawed_back", -1), initial=[("granted", 1)])
def a_subscription_is_cancelled_with_the_rest_given_back(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, "price_eight"))
    # A week is left: a quarter of the cycle's 4, a third of the upgrade's 4 and 1. 1, 1.33 and 0.33.
    practice.hear(practice.at(BEGINS + 21 * DAY).stripe.cancel(subscription, prorates=True))


@situation(("granted", 2), ("granted", 4))  # 10 of 31 days: 1.29, rounded up
def a_first_invoice_until_an_anchor_ahead_grants_its_part(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, anchor=BEGINS + 10 * DAY))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 2), ("granted", 1), upgrade_grant="prorated")  # 4 more for 5 of 31 days: 0.65; and 0.16
def an_upgrade_before_an_anchor_ahead_grants_its_part(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, anchor=BEGINS + 10 * DAY))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(practice.stripe.last("subscription"), "price_eight"))


# -- cycle ends and tranches -----------------------------------------------------------------------


@situation(("granted", 5), ("spent", -1), ("rolled_over", 0), ("expired", -1), ("granted", 5))
def what_is_left_rolls_over_up_to_the_cap(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_roll", metadata=ME))
    practice.book(1)
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))
    assert practice.numbers() == (8, 8, 0)


# Three of the five roll over, and end unused. Those paid on 5 April last as long as 28 February to 31 March: 31 days.
@situation(
    *(("granted", 5), ("rolled_over", 0), ("expired", -2), ("expired", -3), ("granted", 5), ("expired", -5)),
    ("spent", -1),
)
def a_cycle_is_paid_after_its_end(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_roll", metadata=ME))
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription"), pays=False))
    practice.at(datetime(2025, 4, 5, 9, 30, tzinfo=UTC))
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))
    practice.at(datetime(2025, 5, 6, 9, 24, tzinfo=UTC))  # five minutes later: the last minute
    assert practice.numbers() == (5, 5, 0)
    practice.at(datetime(2025, 5, 6, 9, 25, tzinfo=UTC)).book(1)


@situation(("granted", 2), ("granted", 2), ("granted", 2), ("granted", 2), ("spent", -1))
def a_year_brings_its_tranches_month_by_month(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_year", metadata=ME))
    practice.stripe.advance_to(datetime(2025, 4, 30, 9, 29, tzinfo=UTC))
    assert practice.numbers() == (8, 8, 0)  # five minutes later: the fourth is there
    practice.book(1)


def _second_year_unpaid(practice: StripePractice) -> None:
    """A year that brought 24; the second, from 31 January 2026 on, is not paid yet and would end its credits."""
    practice.hear(practice.stripe.subscribe("cus_1", "price_year", metadata=ME))
    _edited(practice, "year", expiry=CYCLE_END)
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription"), pays=False))


# The months that begin on 31 January, 28 February and 31 March at once, then that of 30 April.
@situation(*[("granted", 2)] * 12, *[("granted", 2)] * 3, ("granted", 2), ("spent", -1))
def a_year_is_paid_in_its_third_month(practice: StripePractice) -> None:
    _second_year_unpaid(practice)
    practice.at(datetime(2026, 4, 5, 9, 30, tzinfo=UTC))
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))
    assert practice.numbers() == (30, 30, 0)
    practice.at(datetime(2026, 4, 30, 9, 30, tzinfo=UTC)).book(1)


# All twelve at once. That of 31 December 2026 lasts 31 days from 10 February, to 13 March; that of 30 November 62.
@situation(*[("granted", 2)] * 12, *[("granted", 2)] * 12, ("expired", -2), ("spent", -1))
def a_year_is_paid_after_its_end(practice: StripePractice) -> None:
    _second_year_unpaid(practice)
    practice.at(datetime(2027, 2, 10, 9, 30, tzinfo=UTC))
    practice.hear(practice.stripe.pay(practice.stripe.last("invoice")))
    practice.at(datetime(2027, 3, 13, 9, 24, tzinfo=UTC))
    assert practice.numbers() == (48, 48, 0)
    practice.at(datetime(2027, 4, 13, 9, 24, tzinfo=UTC)).book(1)


@situation(("granted", 2), ("granted", 2), ("spent", -1))
def a_cancelled_year_brings_no_more(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_year", metadata=ME))
    practice.hear(practice.at(datetime(2025, 3, 1, tzinfo=UTC)).stripe.cancel(practice.stripe.last("subscription")))
    practice.at(datetime(2025, 9, 1, tzinfo=UTC)).book(1)


# 327.4 of 365 days were given back: 21.5 of 24, of which 20 had not come.
@situation(("granted", 2), ("granted", 2), ("granted", 4), ("clawed_back", -2), ("spent", -1))
def a_year_changed_to_months_brings_no_more(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_year", metadata=ME))
    subscription = practice.stripe.last("subscription")
    practice.hear(practice.at(datetime(2025, 3, 10, tzinfo=UTC)).stripe.change(subscription, "price_four"))
    practice.at(datetime(2025, 9, 1, tzinfo=UTC)).book(1)


@situation(("granted", 2), ("clawed_back", -2), ("spent", -1))
def a_refunded_year_brings_no_more(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_year", metadata=ME))
    practice.hear(practice.at(datetime(2025, 2, 10, tzinfo=UTC)).stripe.refund(practice.stripe.last("invoice")))
    practice.at(datetime(2025, 9, 1, tzinfo=UTC)).book(1)


def _edited(practice: StripePractice, package_id: str, **changes: object) -> None:
    edited = replace(next(p for p in PACKAGES if p.package_id == package_id), **changes)  # type: ignore[arg-type]
    put_package(Context(practice.store, "p1", STRIPE, practice.now), edited, bool(changes.get("archived_at")))


@situation(("granted", 4), ("granted", 6))
def a_package_is_edited_between_two_cycles(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    _edited(practice, "four", credits={"follow-up": 6})
    assert practice.numbers() == (4, 4, 0)
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


@situation(("granted", 4), parked=("package_archived",))
def a_package_is_archived_between_two_cycles(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME))
    _edited(practice, "four", archived_at=practice.now)
    practice.hear(practice.stripe.cycle(practice.stripe.last("subscription")))


# -- money back ------------------------------------------------------------------------------------


def _bought(practice: StripePractice) -> str:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    return practice.stripe.last("invoice")


@situation(("granted", 10), ("clawed_back", -10))
def a_full_refund(practice: StripePractice) -> None:
    practice.hear(practice.stripe.refund(_bought(practice)))


@situation(("granted", 10), ("clawed_back", -3), ("clawed_back", -3), ("clawed_back", -4))
def three_partial_refunds(practice: StripePractice) -> None:
    invoice = _bought(practice)
    for amount in (30_000, 30_000, 30_000):
        practice.stripe.advance_to(practice.stripe.now + DAY)
        practice.hear(practice.stripe.refund(invoice, amount))


@situation(("granted", 10), ("clawed_back", -5), ("reinstated", 5))
def a_pending_refund_that_fails(practice: StripePractice) -> None:
    practice.hear(practice.stripe.refund(_bought(practice), 45_000, pending=True))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.refund_ends(practice.stripe.last("refund"), succeeds=False))


@situation(("granted", 10), ("clawed_back", -5))
def a_pending_refund_that_succeeds(practice: StripePractice) -> None:
    practice.hear(practice.stripe.refund(_bought(practice), 45_000, pending=True))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.refund_ends(practice.stripe.last("refund")))


@situation(("granted", 10), ("clawed_back", -10))
def a_checkout_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout("price_ten", customer="cus_1", metadata=TEN))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.refund(practice.stripe.last("checkout.session")))


@situation(("granted", 10), ("spent", -1), ("spent", -1), ("clawed_back", -10), ("restored", 1), ("repaid", 0))
def spent_credits_are_owed_and_a_cancellation_lessens_that(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.book(1, 2)
    practice.hear(practice.stripe.refund(invoice))
    assert practice.numbers() == (-2, 0, 0)
    practice.cancel(1)
    assert practice.numbers() == (-1, 0, 0)


@situation(
    ("granted", 10),
    ("spent", -1),
    ("clawed_back", -9),
    ("restored", 1),
    ("clawed_back", -1),
    clawback_shortfall="report",
)
def a_shortfall_is_only_reported(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.book(1)
    practice.hear(practice.stripe.refund(invoice))
    assert practice.numbers() == (0, 0, 0)
    practice.cancel(1)


@situation(("granted", 4), ("granted", 8), ("clawed_back", -8), initial=[("granted", 1), ("clawed_back", -1)])
def a_credit_note_for_one_of_two_lines(practice: StripePractice) -> None:
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", "price_eight", metadata=ME))
    invoice = practice.stripe.last("invoice")
    practice.stripe.advance_to(practice.stripe.now + DAY)
    stated = practice.stripe.credit_note(invoice, {practice.stripe.lines_of(invoice)[1]: 80_000})
    note = [event for event in stated if event["type"].startswith("credit_note")]
    practice.hear(note + [event for event in stated if event not in note])


@situation(("granted", 10), ("frozen", 0), ("unfrozen", 0))
def a_dispute_is_won(practice: StripePractice) -> None:
    practice.hear(practice.stripe.dispute(_bought(practice)))
    assert practice.numbers() == (10, 0, 10)
    practice.stripe.advance_to(practice.stripe.now + 30 * DAY)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "won"))
    assert practice.numbers() == (10, 10, 0)


@situation(("granted", 10), ("frozen", 0), ("clawed_back", -10))
def a_dispute_is_lost(practice: StripePractice) -> None:
    practice.hear(practice.stripe.dispute(_bought(practice)))
    practice.stripe.advance_to(practice.stripe.now + 30 * DAY)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "lost"))


@situation(("granted", 10))
def an_inquiry_comes_to_nothing(practice: StripePractice) -> None:
    practice.hear(practice.stripe.dispute(_bought(practice), inquiry=True))
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "warning_closed"))


@situation(("granted", 10), ("frozen", 0), ("clawed_back", -10))
def an_inquiry_becomes_a_dispute_that_is_lost(practice: StripePractice) -> None:
    practice.hear(practice.stripe.dispute(_bought(practice), inquiry=True))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.escalate(practice.stripe.last("dispute")))
    practice.stripe.advance_to(practice.stripe.now + DAY)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "lost"))


@situation(("granted", 10), ("clawed_back", -5), ("frozen", 0), ("clawed_back", -5))
def a_refund_and_a_lost_dispute_of_the_same_money(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.hear(practice.stripe.refund(invoice, 45_000))
    practice.hear(practice.stripe.dispute(invoice))
    practice.stripe.advance_to(practice.stripe.now + 30 * DAY)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "lost"))


@pytest.mark.parametrize("version", in_tiers(SHAPES))
@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_makes_exactly_these_entries(name: str, version: str) -> None:
    assert SITUATIONS[name].played(version) == SITUATIONS[name].leaves


# -- one payment, described in many ways -----------------------------------------------------------


class Answering(StripeApi):
    """Stripe's API as far as it is asked about what the account in miniature holds."""

    def __init__(self, practice: StripePractice) -> None:
        super().__init__("sk_test_" + "a" * 24)
        self._objects = practice.stripe.objects

    def retrieve(self, kind: StripeKind, object_id: str, version: str | None = None) -> dict[str, Any]:
        return dict(self._objects[object_id])

    def line_items(self, session_id: str) -> list[dict[str, Any]]:
        return list(self._objects[session_id]["line_items"]["data"])


def _bought_once(version: str) -> tuple[StripePractice, Events]:
    practice = StripePractice(version)
    return practice, practice.stripe.subscribe("cus_1", "price_four", "price_eight", metadata=ME)


def _descriptions(practice: StripePractice, stated: Events) -> dict[str, dict[str, Any]]:
    """Every event that may tell of the same payment, by what it is."""
    paid, twin = (next(e for e in stated if e["type"] == f"invoice.{kind}") for kind in ("paid", "payment_succeeded"))
    _, of_old_endpoint = _bought_once("2022-11-15")
    invoice = paid["data"]["object"]
    thin = {"object": "v2.core.event", "id": "evt_thin", "type": "v1.invoice.paid", "livemode": False}
    related = {"id": invoice["id"], "type": "invoice", "url": f"/v1/invoices/{invoice['id']}"}
    api = Answering(practice)
    reconciled = event_of(
        "invoice.paid", api.retrieve(StripeKind.INVOICE, invoice["id"]), api, "evt_r", paid["created"], False
    )
    return {
        "the event": paid,
        "sent again under another id": paid | {"id": "evt_again"},
        "its twin": twin,
        "a second endpoint of an older version": next(e for e in of_old_endpoint if e["type"] == "invoice.paid"),
        "a thin event": thin | {"created": "2025-01-31T09:30:00.000Z", "related_object": related},
        "the reconciler": reconciled,
    }


@pytest.mark.parametrize("first", range(6))
def test_a_payment_described_in_many_ways_grants_once(first: int) -> None:
    practice, stated = _bought_once("2026-10-28.endive")
    described = list(_descriptions(practice, stated).values())
    for event in [described[first], *described, *described[::-1]]:
        stripe_work.handle(
            Context(practice.store, "p1", STRIPE, practice.now), Answering(practice), "test", event, "{}"
        )
    assert (practice.entries(), practice.entries("initial")) == ([("granted", 4), ("granted", 8)], [("granted", 1)])
    assert practice.parked() == []
