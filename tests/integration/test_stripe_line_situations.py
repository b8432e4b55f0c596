"""What the lines of an invoice are for, in every event shape: the exact entries, written by hand.

Tiers and flat fees, units returned, trials that are made longer, first parts of a period, and prorations
that wait for the next cycle. The first month begins on 31 January 2025 and has 28 days, the second 31.
"""

import pytest
from tests.support.builders import DAY
from tests.support.situations import SHAPES, Table, in_tiers
from tests.support.stripe_practice import BEGINS, ME, StripePractice

SITUATIONS = Table()
situation = SITUATIONS.row

STARTER = "price_starter"  # of a package that grants ten, once


def _begun(practice: StripePractice, *plans: str | tuple[str, int], **more: int) -> str:
    """A subscription of these plans, begun and paid, or in trial; its id."""
    practice.hear(practice.stripe.subscribe("cus_1", *plans, metadata=ME, **more))
    return practice.stripe.last("subscription")


def _cycle(practice: StripePractice, subscription: str) -> None:
    practice.hear(practice.stripe.cycle(subscription))


# -- tiers -----------------------------------------------------------------------------------------


@situation(("granted", 12), ("granted", 12))
def tiers_of_one_price_count_together(practice: StripePractice) -> None:
    _cycle(practice, _begun(practice, ("price_tiers", 12)))


@situation(("granted", 3))
def a_flat_fee_beside_its_units_counts_for_none(practice: StripePractice) -> None:
    _begun(practice, ("price_tiers", 3))


@situation(("granted", 7), ("granted", 7))
def units_of_a_free_tier_count_beside_those_that_cost(practice: StripePractice) -> None:
    _cycle(practice, _begun(practice, ("price_free_tier", 7)))


@situation(("granted", 4), ("granted", 4))
def units_of_a_free_tier_count_alone(practice: StripePractice) -> None:
    _cycle(practice, _begun(practice, ("price_free_tier", 4)))


@situation(("granted", 12))
def a_package_that_grants_once_grants_all_tiers_of_its_first_payment(practice: StripePractice) -> None:
    _cycle(practice, _begun(practice, ("price_tiers_once", 12)))


@situation(("granted", 12))
def tiers_grant_after_their_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_tiers", 12), trial_days=14)
    assert practice.entries() == []
    _cycle(practice, subscription)


@situation(("granted", 12), ("granted", 4), ("granted", 16))
def more_units_of_tiers_grant_the_rise(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_tiers", 12))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, quantity=16))
    _cycle(practice, subscription)


@situation(("granted", 8), ("granted", 3), upgrade_grant="prorated")
def more_units_reach_another_tier(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_tiers", 8))
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, quantity=12))  # 21 of 28 days: 3 of 4


@situation(("granted", 12), ("clawed_back", -6))
def half_of_what_tiers_cost_is_refunded(practice: StripePractice) -> None:
    _begun(practice, ("price_tiers", 12))
    practice.hear(practice.at(BEGINS + DAY).stripe.refund(practice.stripe.last("invoice"), 24_000))


@situation(("granted", 12), ("granted", 8), ("clawed_back", -3), initial=[("granted", 1)])
def a_credit_note_for_one_line_of_tiers(practice: StripePractice) -> None:
    """120.00 for three of the units of 40.00 are a quarter of the 480.00 that the twelve cost. What else the invoice
    is for stays."""
    _begun(practice, ("price_tiers", 12), "price_eight")
    invoice = practice.stripe.last("invoice")
    *refund, note = practice.at(BEGINS + DAY).stripe.credit_note(
        invoice, {practice.stripe.lines_of(invoice)[0]: 12_000}
    )
    practice.hear([note, *refund])


# -- prorations of what cost nothing -----------------------------------------------------------------


@situation(("granted", 8), ("granted", 12), ("granted", 20))
def more_seats_of_a_plan_that_costs_nothing(practice: StripePractice) -> None:
    """Two seats, then five, then one, then five once more."""
    subscription = _begun(practice, ("price_nothing", 2))
    for days, seats in ((7, 5), (8, 1), (9, 5)):
        practice.hear(practice.at(BEGINS + days * DAY).stripe.change(subscription, quantity=seats))
    _cycle(practice, subscription)


@situation(("granted", 8), ("granted", 9), upgrade_grant="prorated")  # 21 of 28 days: 3 of 4
def more_seats_of_a_plan_that_costs_nothing_for_the_rest_of_a_month(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_nothing", 2))
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, quantity=5))


@situation(("granted", 4), ("granted", 6), ("granted", 10))
def more_units_than_a_free_tier_has(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_free_tier", 4))
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, quantity=10))
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 4), ("clawed_back", -3), ("granted", 4))  # 21 of 28 days
def a_plan_that_costs_nothing_is_taken_out_and_the_rest_of_its_month_given_back(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", "price_nothing")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.remove_item(subscription))
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 8), ("granted", 12))
def seats_are_added_to_a_month_that_a_coupon_paid_with_flexible_billing(practice: StripePractice) -> None:
    subscription = _month_by_coupon(practice)
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, quantity=3))
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 3), upgrade_grant="prorated", initial=[("granted", 1)])  # 3 of 4 more
def a_plan_takes_the_place_of_one_that_a_coupon_paid_with_flexible_billing(practice: StripePractice) -> None:
    subscription = _month_by_coupon(practice)
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.swap(subscription, "price_eight"))


@situation(("granted", 4), ("granted", 4))
def the_same_plan_takes_the_place_of_one_that_a_coupon_paid_with_flexible_billing(practice: StripePractice) -> None:
    subscription = _month_by_coupon(practice)
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.swap(subscription, "price_four"))
    _cycle(practice, subscription)


def _month_by_coupon(practice: StripePractice) -> str:
    practice.stripe.flexible = True
    return _begun(practice, "price_four", percent_off=100)


# -- units returned --------------------------------------------------------------------------------


@situation(("granted", 20))
def a_unit_is_returned_on_the_same_invoice(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", ("price_ten", 3), metadata=ME, returned=("price_ten",)))


@situation()
def all_units_are_returned_on_the_same_invoice(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", ("price_ten", 2), metadata=ME, returned=(("price_ten", 2),)))


@situation(("granted", 10))
def what_no_package_explains_is_returned(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME, returned=("price_unknown",)))


@situation(("granted", 12), ("granted", 8), ("granted", 12))
def a_unit_is_returned_with_the_next_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_four", 3))
    practice.stripe.return_units(subscription, "price_four")
    _cycle(practice, subscription)
    _cycle(practice, subscription)


@situation(("granted", 20), ("clawed_back", -5))
def what_was_left_after_a_unit_was_returned_is_refunded_in_part(practice: StripePractice) -> None:
    """450.00 of the 1,800.00 that were paid."""
    practice.hear(practice.stripe.invoice("cus_1", ("price_ten", 3), metadata=ME, returned=("price_ten",)))
    practice.hear(practice.at(BEGINS + DAY).stripe.refund(practice.stripe.last("invoice"), 45_000))


# -- trials ----------------------------------------------------------------------------------------


@situation(("granted", 4))
def a_trial_is_extended(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", trial_days=14)
    practice.hear(practice.at(BEGINS + 10 * DAY).stripe.trial(subscription, days=14))
    assert practice.entries() == []
    _cycle(practice, subscription)


@situation(("granted", 1), ("granted", 1))
def a_trial_that_grants_is_extended_twice(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_taste", trial_days=14)
    for days in (5, 10):
        practice.hear(practice.at(BEGINS + days * DAY).stripe.trial(subscription, days=14))
    assert practice.entries() == [("granted", 1)]
    _cycle(practice, subscription)


@situation(("granted", 10))
def a_package_that_grants_once_is_granted_after_an_extended_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, STARTER, trial_days=14)
    practice.hear(practice.at(BEGINS + 10 * DAY).stripe.trial(subscription, days=14))
    _cycle(practice, subscription)
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 4))
def free_weeks_are_given_to_a_paying_client(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.trial(subscription, days=30))
    _cycle(practice, subscription)


@situation(("granted", 4), ("clawed_back", -3), ("granted", 4))  # 21 of 28 days
def free_weeks_are_given_and_the_rest_of_the_month_given_back(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.trial(subscription, days=30, prorates=True))
    _cycle(practice, subscription)


@situation(("granted", 12))
def seats_are_added_in_a_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", trial_days=14)
    practice.hear(practice.at(BEGINS + 4 * DAY).stripe.change(subscription, quantity=3))
    assert practice.entries() == []
    _cycle(practice, subscription)


@situation(("granted", 8), initial=[("granted", 1)])
def a_plan_is_changed_in_a_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", trial_days=14)
    practice.hear(practice.at(BEGINS + 4 * DAY).stripe.change(subscription, "price_eight"))
    assert practice.entries() == []
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 8), initial=[("granted", 1)])
def a_plan_is_added_in_a_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", trial_days=14)
    practice.hear(practice.at(BEGINS + 4 * DAY).stripe.add_item(subscription, "price_eight"))
    assert practice.entries() == []
    _cycle(practice, subscription)


@situation(("granted", 1), ("granted", 4), ("granted", 1))
def a_plan_that_grants_for_trials_is_added_in_a_trial(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", trial_days=14)
    practice.hear(practice.at(BEGINS + 4 * DAY).stripe.add_item(subscription, "price_taste"))
    assert practice.entries() == [("granted", 1)]
    practice.hear(practice.at(BEGINS + 8 * DAY).stripe.trial(subscription, days=14))
    _cycle(practice, subscription)


# -- several periods at once -----------------------------------------------------------------------


@situation(("granted", 12), ("granted", 4))
def three_months_are_billed_ahead(practice: StripePractice) -> None:
    _cycle(practice, _begun(practice, "price_four", periods=3))


@situation(("granted", 12), ("clawed_back", -6))
def half_of_three_months_is_refunded(practice: StripePractice) -> None:
    _begun(practice, "price_four", periods=3)
    practice.hear(practice.at(BEGINS + DAY).stripe.refund(practice.stripe.last("invoice"), 60_000))


@situation(("granted", 12), ("granted", 8), ("granted", 8), upgrade_grant="prorated")  # 59 of 89 days of 12
def a_seat_is_added_within_three_months_billed_ahead(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", periods=3)
    practice.hear(practice.at(BEGINS + 30 * DAY).stripe.change(subscription, quantity=2))
    _cycle(practice, subscription)


@situation(("granted", 12), ("clawed_back", -8))  # 59 of 89 days
def a_plan_billed_three_months_ahead_is_cancelled_and_the_rest_given_back(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", periods=3)
    practice.hear(practice.at(BEGINS + 30 * DAY).stripe.cancel(subscription, prorates=True))


# -- the first part of a period --------------------------------------------------------------------

AHEAD = BEGINS + 10 * DAY  # of an interval of 31 days


def _part(practice: StripePractice, *plans: str | tuple[str, int]) -> str:
    practice.hear(practice.stripe.subscribe("cus_1", *plans, metadata=ME, anchor=AHEAD))
    return practice.stripe.last("subscription")


@situation(("granted", 2), ("clawed_back", -2), ("granted", 4))  # 1.29, rounded up
def a_first_part_is_refunded(practice: StripePractice) -> None:
    subscription = _part(practice, "price_four")
    practice.hear(practice.at(BEGINS + DAY).stripe.refund(practice.stripe.last("invoice")))
    _cycle(practice, subscription)


@situation(("granted", 10))
def a_first_part_of_a_package_that_grants_once_grants_all(practice: StripePractice) -> None:
    _cycle(practice, _part(practice, STARTER))


@situation(("granted", 4), ("granted", 10), ("granted", 4))
def a_plan_added_that_grants_once_grants_all_and_no_more(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.add_item(subscription, STARTER))
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 12))  # 3.87
def a_first_part_of_tiers(practice: StripePractice) -> None:
    _cycle(practice, _part(practice, ("price_tiers", 12)))


# 1.29 and 2.58; 0.32
@situation(("granted", 2), ("granted", 3), ("granted", 4), ("granted", 8), initial=[("granted", 1), ("granted", 1)])
def a_first_part_of_two_plans(practice: StripePractice) -> None:
    _cycle(practice, _part(practice, "price_four", "price_eight"))


@situation(("granted", 2), ("granted", 4))
def a_first_part_is_bought_at_checkout(practice: StripePractice) -> None:
    practice.hear(practice.stripe.checkout_subscription("cus_1", "price_four", client_reference="c1", anchor=AHEAD))
    _cycle(practice, practice.stripe.last("subscription"))


# -- prorations that wait for the next cycle -------------------------------------------------------


@situation(("granted", 4), ("granted", 4), ("granted", 8))
def more_seats_are_paid_with_the_next_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, quantity=2, pending=True))
    _cycle(practice, subscription)


@situation(("granted", 12), ("granted", 3), ("granted", 16), upgrade_grant="prorated")  # 21 of 28 days: 3 of 4
def more_units_of_tiers_are_paid_with_the_next_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_tiers", 12))
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.change(subscription, quantity=16, pending=True))
    _cycle(practice, subscription)


# 21 of 28 days of the plan added: 6 of 8, and 0.75
@situation(("granted", 4), ("granted", 6), ("granted", 4), ("granted", 8), initial=[("granted", 1), ("granted", 1)])
def a_plan_added_is_paid_with_the_next_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.add_item(subscription, "price_eight", pending=True))
    assert practice.entries() == [("granted", 4)]
    _cycle(practice, subscription)


# 21 of 28 days of the plan that went: 6 of 8, and 0.75
@situation(
    *(("granted", 4), ("granted", 8), ("granted", 4), ("clawed_back", -6)),
    initial=[("granted", 1), ("clawed_back", -1)],
)
def a_plan_that_went_is_given_back_with_the_next_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four", "price_eight")
    practice.hear(practice.at(BEGINS + 7 * DAY).stripe.remove_item(subscription, pending=True))
    assert practice.entries() == [("granted", 4), ("granted", 8)]
    _cycle(practice, subscription)


@situation(("granted", 2), ("granted", 1), ("granted", 8), initial=[("granted", 1)], upgrade_grant="prorated")
def an_upgrade_of_a_first_part_is_paid_with_the_next_cycle(practice: StripePractice) -> None:
    """Four more for 5 of 31 days: 0.65, and 0.16 of an assessment."""
    subscription = _part(practice, "price_four")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", pending=True))
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 2), ("clawed_back", -2))
def an_upgrade_not_billed_yet_gives_way_to_a_year(practice: StripePractice) -> None:
    """The invoice leaves nothing of the month, so that it rises to nothing. 16 of its 28 days are given back: 2.29."""
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", pending=True))
    practice.hear(practice.at(BEGINS + 12 * DAY).stripe.change(subscription, "price_year"))


@situation(("granted", 4), ("clawed_back", -2))
def an_upgrade_not_billed_yet_ends_with_its_subscription(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_eight", pending=True))
    practice.hear(practice.at(BEGINS + 12 * DAY).stripe.cancel(subscription, prorates=True))  # 2.29


# Twice four, of which 23 of 28 days are given back: 6.57. Of twice two a month by the year 322 of 365 days: 42.35
# of 48, of which 40 had not come.
@situation(
    *(("granted", 8), ("granted", 4), ("clawed_back", -7), ("granted", 4), ("granted", 8), ("clawed_back", -2)),
)
def two_seats_go_from_months_to_a_year_and_back(practice: StripePractice) -> None:
    subscription = _begun(practice, ("price_four", 2))
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.change(subscription, "price_year"))
    practice.hear(practice.at(BEGINS + 48 * DAY).stripe.change(subscription, "price_four"))


@situation(("granted", 4), ("granted", 4))
def use_is_billed_within_the_cycle(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 3 * DAY).stripe.threshold(subscription, "price_four"))
    assert practice.entries() == [("granted", 4)]
    _cycle(practice, subscription)


@situation(("granted", 4), ("granted", 4), ("clawed_back", -2))  # 14 of 28 days
def so_much_is_used_that_the_cycle_is_billed_and_begins_anew(practice: StripePractice) -> None:
    subscription = _begun(practice, "price_four")
    practice.hear(practice.at(BEGINS + 14 * DAY).stripe.restart(subscription, used=True))


@pytest.mark.parametrize("version", in_tiers(SHAPES))
@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_of_lines_makes_exactly_these_entries(name: str, version: str) -> None:
    assert SITUATIONS[name].played(version) == SITUATIONS[name].leaves


def test_what_an_offer_lets_a_client_try_for_nothing_is_a_trial_of_that_item_alone() -> None:
    """Both plans cost nothing; one of them is tried for two weeks, and paid in the end by its next cycle."""
    practice = StripePractice(SHAPES[-1])
    practice.hear(practice.stripe.subscribe("cus_1", "price_nothing", metadata=ME, offer_days=14))
    assert (practice.entries(), practice.parked()) == ([], [])
    practice.hear(practice.stripe.subscribe("cus_1", "price_nothing", metadata=ME))
    assert practice.entries() == [("granted", 4)]


def test_an_offer_at_a_lower_price_is_paid_for() -> None:
    practice = StripePractice(SHAPES[-1])
    practice.hear(practice.stripe.subscribe("cus_1", "price_four", metadata=ME, offer_days=14))
    assert practice.entries() == [("granted", 4)]
