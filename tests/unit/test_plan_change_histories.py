"""Long histories of subscriptions: changes heard late or before their cycle, ends, staff's answers, and repeats."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, HOUR, a_catalogue, a_line, a_package
from tests.unit.test_money_back_histories import BEGINS, ENDS, JULY, MARCH, sell
from tests.unit.test_plan_changes import END, PLANS, STAFF, START, Practice, cycle, upgraded

from client_credits.domain.errors import Invalid
from client_credits.domain.payments.facts import PaymentLine, Trial
from client_credits.domain.payments.plan_changes import Interval
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.records import Client
from client_credits.operations import sweeping
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking, replaying, resolving
from client_credits.store import writes
from client_credits.store.records import Wanted


def proration(
    line_id: str, price: str, amount: int, at: datetime, ends: datetime = END, item: str = "si_1", quantity: int = 1
) -> PaymentLine:
    """What remained of a plan (an amount below zero) or what a new one costs, from `at` on."""
    where: dict[str, Any] = {"period_start": at, "period_end": ends, "subscription_item": item}
    return a_line(line_id, price=price, amount=amount, quantity=quantity, proration=True, **where)


def also_sold_as(package_id: str, price: str) -> Catalogue:
    """The plans, one of them under one more price."""
    plans = [
        replace(plan, stripe_prices=(*plan.stripe_prices, price)) if plan.package_id == package_id else plan
        for plan in PLANS
    ]
    return a_catalogue(*plans)


def waiting_one(practice: Practice) -> str:
    (parked,) = parking.every_open(practice.store, "p1")
    return parked.parked_id


def balance(practice: Practice, client: str = "c1") -> int:
    """Follow-up credits once everything due has come."""
    sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), client, "follow-up")
    return practice.store.load("p1", Wanted(client_id=client, types=("follow-up",))).wallets["follow-up"].balance


@pytest.mark.parametrize("stated_at", [MARCH + HOUR, JULY])
def test_an_upgrade_of_a_plan_by_the_month_grants_from_the_next_month_whenever_it_is_heard(stated_at: datetime) -> None:
    practice = Practice(now=BEGINS + HOUR)
    practice.pay("in_1", BEGINS, cycle("price_year", BEGINS, ENDS))
    practice.now = stated_at
    change = (
        proration("il_old", "price_year", -7_000, MARCH, ENDS),
        proration("il_new", "price_year", 14_000, MARCH, ENDS, quantity=2),
    )
    practice.pay("in_2", MARCH, *change)
    practice.now = ENDS + DAY
    assert balance(practice) == 12 * 2 + 9 * 2  # two more from April's tranche on


def test_an_upgrade_of_a_yearly_item_counts_from_its_own_level_after_a_monthly_items_renewal() -> None:
    practice = Practice()
    plans = [
        a_package("month", credits={"follow-up": 4}, stripe_prices=("price_m",)),
        a_package("twelve", credits={"follow-up": 12}, stripe_prices=("price_12",)),
        a_package("twenty-four", credits={"follow-up": 24}, stripe_prices=("price_24",)),
    ]
    sell(practice.store, a_catalogue(*plans))
    practice.now = END + 2 * DAY
    year = START + 365 * DAY
    monthly = replace(cycle("price_m"), line_id="il_m", subscription_item="si_m")
    practice.pay("in_1", START, monthly, cycle("price_12", START, year))
    practice.pay("in_2", END, replace(monthly, period_start=END, period_end=END + 30 * DAY))
    assert balance(practice) == 4 + 12 + 4
    change = (
        proration("il_old", "price_12", -7_000, END + DAY, year),
        proration("il_new", "price_24", 14_000, END + DAY, year),
    )
    practice.pay("in_3", END + DAY, *change)
    assert balance(practice) == 20 + 12


def test_a_payment_granted_after_it_was_parked_is_asked_about_again_once_its_end_is_heard() -> None:
    practice = Practice(now=END + 5 * DAY)
    ended = START + 20 * DAY
    assert practice.pay("in_2", END, cycle("price_new", END, END + 30 * DAY)) == {"unknown_package"}
    sell(practice.store, also_sold_as("four", "price_new"))
    replaying.replay(Context(practice.store, "p1", STRIPE, practice.now), [("price", "price_new")])
    assert (balance(practice), practice.parked()) == (4, [])
    practice.news("ended", ended, ended)
    assert (balance(practice), practice.parked()) == (0, ["subscription_ended"])
    resolving.resolve(Context(practice.store, "p1", STAFF, practice.now), waiting_one(practice))
    assert (balance(practice), practice.parked()) == (4, [])


def test_a_change_of_two_periods_waits_until_both_are_known() -> None:
    practice = Practice(now=END + 10 * DAY)
    practice.pay("in_1", START, cycle())
    next_end = END + 30 * DAY
    change = (
        proration("il_1", "price_4", -100, END - DAY),
        proration("il_2", "price_4", 200, END - DAY),
        proration("il_3", "price_4", -3_000, END + DAY, next_end),
        proration("il_4", "price_8", 6_000, END + DAY, next_end),
    )
    practice.pay("in_3", END + DAY, *change)
    assert (balance(practice), practice.parked()) == (4, ["waits_for_cycle"])
    practice.pay("in_2", END, cycle(starts=END, ends=next_end))
    assert (balance(practice), practice.parked()) == (4 + 4 + 4, [])


def test_an_upgrade_beside_a_line_nobody_knows_is_granted_whichever_invoice_comes_first() -> None:
    change = (
        a_line("il_fee", price="price_unknown"),
        proration("il_old", "price_4", -3_000, START + DAY),
        proration("il_new", "price_8", 6_000, START + DAY),
    )
    steps = {
        "first": lambda p: p.pay("in_1", START, cycle()),
        "up": lambda p: p.pay("in_2", START + DAY, *change),
    }
    for order in permutations(steps):
        practice = Practice()
        for step in order:
            steps[step](practice)
        assert (practice.wallet().balance, practice.wallet("initial").balance) == (8, 1), order
        assert len(practice.parked()) == 1, order  # the fee still waits for staff


@pytest.mark.parametrize("cycle_first", [True, False])
def test_an_upgrade_to_a_price_mapped_before_its_cycle_was_heard_is_granted(cycle_first: bool) -> None:
    practice = Practice()
    if cycle_first:
        practice.pay("in_1", START, cycle())
    upgraded(practice, "in_2", "price_4", "price_new", START + DAY)
    sell(practice.store, also_sold_as("eight", "price_new"))
    replaying.replay(Context(practice.store, "p1", STRIPE, practice.now), [("price", "price_new")])
    if not cycle_first:
        practice.pay("in_1", START, cycle())
    assert (practice.wallet().balance, practice.wallet("initial").balance, practice.parked()) == (8, 1, [])


def test_past_due_freezes_a_type_that_an_upgrade_brings_in_any_order() -> None:
    steps = {
        "first": lambda p: p.pay("in_1", START, cycle()),
        "up": lambda p: upgraded(p, "in_2", "price_4", "price_8", START + DAY),
        "due": lambda p: p.news("past_due", START + 2 * DAY),
    }
    for order in permutations(steps):
        practice = Practice(past_due="freeze")
        for step in order:
            steps[step](practice)
        lots = [*practice.wallet("follow-up").lots, *practice.wallet("initial").lots]
        held = [(lot.remaining, bool(lot.frozen)) for lot in lots]
        assert held == [(4, True), (4, True), (1, True)], order


def test_an_end_stops_the_tranches_of_every_client_of_the_subscription() -> None:
    month_three = datetime(2026, 3, 20, tzinfo=UTC)
    other = replace(cycle("price_year", BEGINS + DAY, ENDS), line_id="il_2", subscription_item="si_2")
    steps = {
        "c1": lambda p: p.pay("in_1", BEGINS, cycle("price_year", BEGINS, ENDS)),
        "c2": lambda p: p.pay("in_2", BEGINS + DAY, other, client_id="c2"),
    }
    for order in permutations(steps):
        practice = Practice(now=BEGINS + 2 * DAY)
        practice.store.commit([writes.client("p1", Client("c2", created_at=START))])
        for step in order:
            steps[step](practice)
        practice.now = month_three + HOUR
        practice.news("ended", month_three, month_three)
        practice.now = ENDS + DAY
        assert (balance(practice, "c1"), balance(practice, "c2")) == (6, 6), order  # three months each


@pytest.mark.parametrize("heard_after", [10 * DAY + HOUR, 33 * DAY])
def test_an_end_takes_back_the_last_tranche_that_came_before_it_was_heard(heard_after: timedelta) -> None:
    practice = Practice(now=BEGINS + HOUR)
    ended = BEGINS + 10 * DAY
    practice.pay("in_1", BEGINS, cycle("price_year", BEGINS, datetime(2026, 3, 5, 9, tzinfo=UTC)))
    practice.now = BEGINS + heard_after
    assert balance(practice) == (2 if heard_after < 31 * DAY else 4)
    practice.news("ended", ended, ended)
    practice.now = ENDS
    assert balance(practice) == 2


def test_a_change_that_waits_for_its_cycle_cannot_be_resolved_before_it_and_grants_with_it() -> None:
    practice = Practice()
    upgraded(practice, "in_2", "price_4", "price_8", START + DAY)
    with pytest.raises(Invalid):
        resolving.resolve(Context(practice.store, "p1", STAFF, practice.now), waiting_one(practice))
    assert (practice.wallet().balance, practice.parked()) == (0, ["waits_for_cycle"])
    practice.pay("in_1", START, cycle())
    assert (practice.wallet().balance, practice.parked()) == (8, [])


@pytest.mark.parametrize(("price", "granted"), [("price_8", 4 + 8), ("price_once", 4)])
def test_a_cycle_that_granted_nothing_is_no_level_an_upgrade_starts_from(price: str, granted: int) -> None:
    practice = Practice(now=END + 2 * DAY)
    once = a_package("once", credits={"follow-up": 4}, stripe_prices=("price_o",), renews_each_cycle=False)
    larger = a_package("larger", credits={"follow-up": 8}, stripe_prices=("price_once",), renews_each_cycle=False)
    sell(practice.store, a_catalogue(once, larger, *PLANS))
    next_end = END + 30 * DAY
    practice.pay("in_1", START, cycle("price_o"))
    assert practice.pay("in_2", END, cycle("price_o", END, next_end)) == {"not_renewing"}
    change = (
        proration("il_old", "price_o", -3_000, END + DAY, next_end),
        proration("il_new", price, 6_000, END + DAY, next_end),
    )
    practice.pay("in_3", END + DAY, *change)
    assert practice.wallet().balance == granted


@pytest.mark.parametrize(
    ("began", "price", "quantity"),
    [({"quantity": 0}, "price_4", 2), ({"trial": Trial.YES}, "price_8", 1)],
    ids=["quantity 0", "trial"],
)
def test_an_upgrade_of_a_period_that_began_with_nothing_grants_all_of_it(
    began: dict[str, Any], price: str, quantity: int
) -> None:
    practice = Practice()
    practice.pay("in_1", START, replace(cycle(), amount=0, **began))
    upgraded(practice, "in_2", "price_4", price, START + DAY, quantity)
    assert (practice.wallet().balance, practice.parked()) == (8, [])


def test_an_end_heard_after_staff_named_a_package_still_asks_them() -> None:
    practice = Practice(now=END + 5 * DAY)
    ended = START + 20 * DAY
    practice.pay("in_2", END, cycle("price_new", END, END + 30 * DAY))
    resolving.resolve(Context(practice.store, "p1", STAFF, practice.now), waiting_one(practice), package_id="four")
    assert practice.wallet().balance == 4
    practice.news("ended", ended, ended)
    assert (practice.wallet().balance, practice.parked()) == (0, ["subscription_ended"])


def test_a_dismissed_payment_stays_dismissed_when_it_is_heard_again() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle("price_new"))
    resolving.dismiss(Context(practice.store, "p1", STAFF, practice.now), waiting_one(practice), "not ours")
    sell(practice.store, also_sold_as("four", "price_new"))
    assert practice.pay("in_1", START, cycle("price_new")) == {"dismissed"}
    assert (practice.wallet().balance, practice.parked()) == (0, [])


def test_a_change_whose_cycle_staff_dismissed_waits_no_more() -> None:
    practice = Practice()
    sell(
        practice.store,
        a_catalogue(*(replace(p, archived_at=START - DAY) if p.package_id == "four" else p for p in PLANS)),
    )
    assert practice.pay("in_1", START, cycle()) == {"package_archived"}
    cycle_parked = waiting_one(practice)
    upgraded(practice, "in_2", "price_4", "price_8", START + DAY)
    assert sorted(practice.parked()) == ["package_archived", "waits_for_cycle"]
    resolving.dismiss(Context(practice.store, "p1", STAFF, practice.now), cycle_parked, "granted by hand")
    assert (practice.wallet().balance, practice.parked()) == (4, [])


def test_staff_name_the_package_of_an_upgrade_and_it_grants_the_difference() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    upgraded(practice, "in_2", "price_4", "price_new", START + DAY)
    resolving.resolve(Context(practice.store, "p1", STAFF, practice.now), waiting_one(practice), package_id="eight")
    assert (practice.wallet().balance, practice.wallet("initial").balance, practice.parked()) == (8, 1, [])


def test_a_plan_removed_and_added_again_as_another_item_mints_nothing() -> None:
    practice = Practice()
    practice.pay("in_1", START, replace(cycle(), subscription_item="si_0"))
    for number in range(1, 4):
        at = START + number * DAY
        gone = proration("il_old", "price_4", -3_000, at, item=f"si_{number - 1}")
        practice.pay(f"in_{number}a", at, gone)
        new = proration("il_new", "price_4", 3_000, at + HOUR, item=f"si_{number}")
        again = replace(new, interval=Interval(months=1))
        practice.pay(f"in_{number}b", at + HOUR, again)
        assert practice.wallet().balance == 4, number
