"""Fourteen months of one subscription, as a test clock plays them: every month's numbers by hand.

A trial, cycles that roll over, an upgrade, a failed payment, a pause, a partial refund, a dispute that
is won, and the end. Sessions are booked on the way.
"""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.stripe_practice import ME, StripePractice

from client_credits.samples.stripe_account.checkout import VERSIONS

DAY = timedelta(days=1)


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, 12, tzinfo=UTC)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_month_has_the_numbers_reckoned_by_hand(version: str) -> None:
    practice = StripePractice(version)
    stripe = practice.stripe
    # January: a trial of 14 days. 5 a month, at most 3 of them roll over.
    practice.hear(stripe.subscribe("cus_1", "price_roll", metadata=ME, trial_days=14))
    subscription = stripe.last("subscription")
    assert practice.numbers() == (0, 0, 0)
    # February: the first paid cycle brings 5; two sessions leave 3.
    practice.hear(stripe.cycle(subscription))
    practice.at(day(2025, 2, 20)).book(1, 2)
    assert practice.numbers() == (3, 3, 0)
    # March: 3 roll over, 5 come; a session takes a rolled one.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (8, 8, 0)
    practice.at(day(2025, 3, 20)).book(3)
    assert practice.numbers() == (7, 7, 0)
    # April: of 2 rolled and 5 new the newest 3 stay, 5 come. The upgrade to 10 a month brings 5 more.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (8, 8, 0)
    practice.hear(practice.at(day(2025, 4, 20)).stripe.change(subscription, "price_roll_10"))
    assert practice.numbers() == (13, 13, 0)
    # May: the renewal fails. The cycle has ended all the same: at most 4 roll over now.
    practice.hear(stripe.cycle(subscription, pays=False))
    assert practice.numbers() == (4, 4, 0)
    practice.hear(practice.at(day(2025, 5, 17)).stripe.pay(stripe.last("invoice")))
    assert practice.numbers() == (14, 14, 0)
    # June: 4 of 14 stay, 10 come; three sessions take rolled ones.
    practice.hear(stripe.cycle(subscription))
    practice.at(day(2025, 6, 20)).book(4, 5, 6)
    assert practice.numbers() == (11, 11, 0)
    # July: collection is paused, so nothing is paid; 4 of 11 stay.
    practice.hear(practice.at(day(2025, 7, 1)).stripe.pause_collection(subscription))
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (4, 4, 0)
    # August: still paused. What rolled over once rolls over no more.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (0, 0, 0)
    # September: resumed, 10 come. 30 % of it is refunded: 3 go.
    practice.hear(practice.at(day(2025, 9, 1)).stripe.resume_collection(subscription))
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (10, 10, 0)
    practice.hear(practice.at(day(2025, 9, 20)).stripe.refund(stripe.last("invoice"), 30_000))
    assert practice.numbers() == (7, 7, 0)
    # October: 4 of 7 stay, 10 come, and these 10 are disputed.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (14, 14, 0)
    practice.hear(practice.at(day(2025, 10, 20)).stripe.dispute(stripe.last("invoice")))
    assert practice.numbers() == (14, 4, 10)
    # November: the newest 4 stay, frozen as they are; 10 come. Then the dispute is won: the 6 that ended on the
    # 14th come back for the 36 days that it took, until 20 December, and the 4 end 11 days later, on the 25th.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (14, 10, 4)
    practice.hear(practice.at(day(2025, 11, 25)).stripe.dispute_ends(stripe.last("dispute"), "won"))
    assert practice.numbers() == (20, 20, 0)
    # December: of November's 10 the newest 4 stay, 10 come, and the 6 and 4 still last. Then the 6 end, two
    # sessions take rolled ones, and the last 2 of those that waited end on the 25th.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (24, 24, 0)
    practice.at(day(2025, 12, 20)).book(7, 8)
    assert practice.numbers() == (16, 16, 0)
    assert practice.at(day(2025, 12, 26)).numbers() == (14, 14, 0)
    # January and February: 4 stay, 10 come. Then the subscription is cancelled at once: nothing is taken back.
    for _ in range(2):
        practice.hear(stripe.cycle(subscription))
        assert practice.numbers() == (14, 14, 0)
    practice.hear(practice.at(day(2026, 2, 20)).stripe.cancel(subscription))
    assert practice.numbers() == (14, 14, 0)
    # March: the last cycle rolls over once. April: that is gone, too.
    assert practice.at(day(2026, 3, 15)).numbers() == (4, 4, 0)
    assert practice.at(day(2026, 4, 15)).numbers() == (0, 0, 0)
    practice.book(9)
    assert practice.numbers() == (-1, 0, 0)
    assert practice.parked() == []
    assert sum(amount for _, amount in practice.entries()) == -1
