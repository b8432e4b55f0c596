"""What each line of a payment grants: trials wherever they stand, first payments, tiers, and what is paid late."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_catalogue, a_line, a_package
from tests.unit.test_money_back_histories import sell
from tests.unit.test_plan_changes import END, START, Practice, cycle

from client_credits.domain.payments.facts import PaymentLine, SubscriptionNews, SubscriptionStatus, Trial
from client_credits.domain.payments.plan_changes import Interval
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import paying
from client_credits.store.records import Wanted

NEXT = END + 30 * DAY


def hear(practice: Practice, trial: tuple[datetime, datetime] | None = None, at: datetime = NOW, **stated: Any) -> None:
    """The subscription's own event: it runs, and when it is or was in trial."""
    news = SubscriptionNews("evt", "own", "test", at, "sub_1", SubscriptionStatus.RUNNING, trial=trial, **stated)
    paying.subscription_heard(Context(practice.store, "p1", STRIPE, practice.now), news)


def free(starts: datetime = START, ends: datetime = END, trial: Trial = Trial.UNKNOWN, **fields: Any) -> PaymentLine:
    return cycle(starts=starts, ends=ends, amount=0, trial=trial, **fields)


def selling(practice: Practice, **package: Any) -> None:
    sell(
        practice.store, a_catalogue(a_package("four", credits={"follow-up": 4}, stripe_prices=("price_4",), **package))
    )


def test_a_zero_line_that_may_be_a_trials_waits_until_its_subscription_is_heard() -> None:
    practice = Practice()
    assert practice.pay("in_1", START, free()) == {"trial_not_known"}
    assert practice.parked() == ["trial_not_known"]
    hear(practice, trial=(START, END))
    assert (practice.wallet().balance, practice.parked()) == (0, [])


def test_a_zero_line_of_a_subscription_without_a_trial_is_a_free_cycle() -> None:
    practice = Practice()
    practice.pay("in_1", START, free())
    hear(practice)
    assert (practice.wallet().balance, practice.parked()) == (4, [])


@pytest.mark.parametrize("first", ["news", "payment"])
def test_a_trial_extended_on_a_later_invoice_grants_nothing_and_is_no_first_payment(first: str) -> None:
    practice = Practice(now=NEXT + DAY)
    selling(practice, renews_each_cycle=False)
    steps = [lambda: hear(practice, trial=(START, NEXT)), lambda: practice.pay("in_1", END, free(END, NEXT))]
    for step in steps if first == "news" else reversed(steps):
        step()
    assert practice.wallet().balance == 0
    practice.pay("in_2", NEXT, cycle(starts=NEXT, ends=NEXT + 30 * DAY))
    practice.pay("in_3", NEXT + DAY, cycle(starts=NEXT + 30 * DAY, ends=NEXT + 60 * DAY))
    assert (practice.wallet().balance, practice.parked()) == (4, [])


def test_free_months_given_to_a_paying_client_as_a_trial_grant_nothing() -> None:
    practice = Practice(now=END + DAY)
    practice.pay("in_1", START, cycle())
    hear(practice, trial=(END, NEXT))
    assert practice.pay("in_2", END, free(END, NEXT)) == {"trial"}
    assert practice.wallet().balance == 4


def test_a_package_that_grants_for_trials_grants_once_for_each_item() -> None:
    practice = Practice(now=NEXT + DAY)
    selling(practice, trial_grants=True)
    hear(practice, trial=(START, NEXT))
    assert practice.pay("in_1", START, free()) == {"granted"}
    assert practice.pay("in_2", END, free(END, NEXT)) == {"trial"}
    assert practice.pay("in_3", END, replace(free(END, NEXT), subscription_item="si_2")) == {"granted"}
    assert practice.wallet().balance == 8
    practice.pay("in_4", NEXT, cycle(starts=NEXT, ends=NEXT + 30 * DAY))
    assert practice.wallet().balance == 12


def test_a_free_package_and_a_trial_of_another_subscription_are_kept_apart() -> None:
    practice = Practice()
    hear(practice, trial=(START - 30 * DAY, START))
    assert practice.pay("in_1", START, free()) == {"granted"}


def test_a_package_that_grants_once_grants_all_lines_of_an_items_first_payment() -> None:
    practice = Practice(now=NEXT + DAY)
    selling(practice, renews_each_cycle=False)
    ahead = replace(cycle(starts=END, ends=NEXT), line_id="il_2")
    assert practice.pay("in_1", START, cycle(), ahead) == {"granted"}
    assert practice.pay("in_2", NEXT, cycle(starts=NEXT, ends=NEXT + 30 * DAY)) == {"not_renewing"}
    assert practice.pay("in_1", START, cycle(), ahead) == {"granted"}
    assert practice.wallet().balance == 8


def test_a_package_without_credits_does_not_use_up_the_first_payment() -> None:
    practice = Practice(now=NEXT + DAY)
    sell(
        practice.store, a_catalogue(a_package("four", credits={}, stripe_prices=("price_4",), renews_each_cycle=False))
    )
    assert practice.pay("in_1", START, cycle()) == {"no_credits"}
    selling(practice, renews_each_cycle=False)
    assert practice.pay("in_2", END, cycle(starts=END, ends=NEXT)) == {"granted"}
    assert practice.wallet().balance == 4


@pytest.mark.parametrize("item", ["si_1", None])
@pytest.mark.parametrize("renews", [False, True])
def test_a_first_part_of_a_period_is_its_items_first_payment(renews: bool, item: str | None) -> None:
    """Of a package that grants once it grants all, and no other payment of the item does. Here the package is sold
    as one that grants once from the second month on, or always was; the line names its item, or the event does."""
    practice = Practice(now=NEXT + DAY)
    selling(practice, renews_each_cycle=renews)
    hear(practice, prices=(("si_1", "price_4"),))
    part = cycle(starts=START + 15 * DAY, proration=True, interval=Interval(days=30))
    part = replace(part, subscription_item=item)
    assert practice.pay("in_1", START + 15 * DAY, part) == {"granted"}
    assert practice.wallet().balance == (2 if renews else 4)
    selling(practice, renews_each_cycle=False)
    assert practice.pay("in_2", END, cycle(starts=END, ends=NEXT)) == {"not_renewing"}
    assert practice.pay("in_1", START + 15 * DAY, part) == {"granted"}
    assert practice.wallet().balance == (2 if renews else 4)


@pytest.mark.parametrize("anchor", [None, datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 11, 12, tzinfo=UTC)])
def test_a_first_part_is_a_part_of_the_period_that_the_other_items_have(anchor: datetime | None) -> None:
    """The anchor may not be heard of yet, or be another by now. 18 of 28 days, not of the 31 since 28 January."""
    begins, ends = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)
    practice = Practice(now=ends - DAY)
    if anchor:
        hear(practice, at=begins, anchor=anchor)
    assert practice.pay("in_1", begins, cycle(starts=begins, ends=ends)) == {"granted"}
    part = cycle("price_8", begins + 10 * DAY, ends, proration=True, interval=Interval(months=1))
    part = replace(part, subscription_item="si_2")
    assert practice.pay("in_2", begins + 10 * DAY, part) == {"granted"}
    assert practice.wallet().balance == 4 + 6  # 5.14 of 8, rounded up


def test_a_first_part_waits_until_it_is_known_when_its_period_began() -> None:
    """Six of eight for 18 of 28 days, whether the period or the anchor is heard first or last."""
    begins, ends = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)
    part = cycle("price_8", begins + 10 * DAY, ends, proration=True, interval=Interval(months=1))
    part = replace(part, subscription_item="si_2")
    steps = {
        "part": lambda p: p.pay("in_2", begins + 10 * DAY, part),
        "period": lambda p: p.pay("in_1", begins, cycle(starts=begins, ends=ends)),
        "anchor": lambda p: hear(p, at=begins, anchor=begins),
        "anchor of later": lambda p: hear(p, at=ends + DAY, anchor=ends + DAY),
    }
    for order in permutations(steps):
        practice = Practice(now=ends + 2 * DAY)
        for heard, step in enumerate(order, start=1):
            steps[step](practice)
            if step == "part" and not {"period", "anchor"} & set(order[:heard]):
                assert practice.parked() == ["waits_for_interval"]
        granted = sum(e.amount for e in practice.store.entries_after("p1", "c1", "follow-up", 0) if e.amount > 0)
        assert (granted, practice.parked()) == (4 + 6, []), order


def test_a_first_part_heard_after_its_items_first_cycle_grants_nothing_where_the_package_grants_once() -> None:
    practice = Practice(now=NEXT + DAY)
    selling(practice, renews_each_cycle=False)
    part = cycle(starts=START + 15 * DAY, proration=True, interval=Interval(days=30))
    assert practice.pay("in_2", END, cycle(starts=END, ends=NEXT)) == {"granted"}
    assert practice.pay("in_1", START + 15 * DAY, part) == {"not_renewing"}
    assert (practice.wallet().balance, practice.parked()) == (4, [])


def test_an_invoice_for_two_subscriptions_tells_each_its_own() -> None:
    practice = Practice()
    other = replace(cycle(), line_id="il_2", subscription="sub_2", subscription_item="si_9")
    assert practice.pay("in_1", START, cycle(), other) == {"granted"}
    lots = practice.wallet().open_lots
    assert sorted(str(lot.subscription) for lot in lots) == ["sub_1", "sub_2"]


def test_a_proration_without_an_item_is_of_its_subscriptions_item_of_that_price() -> None:
    rest: dict[str, Any] = {"period_start": START + DAY, "period_end": END, "proration": True}
    change = (
        a_line("il_old", price="price_4", amount=-3_000, **rest),
        a_line("il_new", price="price_8", amount=6_000, **rest),
    )
    steps = {
        "cycle": lambda p: p.pay("in_1", START, cycle()),
        "news": lambda p: hear(p, prices=(("si_1", "price_8"),)),
        "change": lambda p: p.pay("in_2", START + DAY, *change),
    }
    for order in permutations(steps):
        practice = Practice()
        for step in order:
            steps[step](practice)
        assert (practice.wallet().balance, practice.parked()) == (8, []), order


def test_a_cycle_paid_after_its_end_lasts_as_long_from_the_payment_and_does_not_roll_over() -> None:
    practice = Practice(now=NEXT)
    selling(practice, expiry=Expiry(ExpiryKind.CYCLE_END), rollover_cap=None)
    practice.pay("in_1", END + 5 * DAY, cycle())
    (lot,) = practice.wallet().open_lots
    assert (lot.effective_at, lot.expires_at, lot.rollover) == (END + 5 * DAY, END + 35 * DAY, None)


def test_a_line_of_nothing_that_no_package_explains_parks_nothing() -> None:
    practice = Practice()
    assert practice.pay("in_1", START, a_line(price="price_unknown", quantity=0)) == {"no_quantity"}
    assert practice.parked() == []


def test_money_paid_for_use_within_a_cycle_leaves_a_record_that_says_why_it_grants_nothing() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    used = cycle(within_cycle=True)
    assert practice.pay("in_2", NOW, used) == {"within_cycle"}
    loaded = practice.store.load("p1", Wanted(source_ids=("stripe/own/test/in_2/il_1",)))
    assert loaded.operations["stripe/own/test/in_2/il_1"].outcome == "within_cycle"
    assert (practice.wallet().balance, practice.parked()) == (4, [])
