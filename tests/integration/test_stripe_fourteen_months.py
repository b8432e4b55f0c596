"""Fourteen months of one subscription, as a test clock plays them: every month's numbers by hand.

A trial that is made longer, cycles that roll over, an upgrade, a failed payment, a pause, a partial refund, a dispute
that is won, more seats paid with the next cycle, a switch to a year and back, and the end. Sessions are booked on the
way. Upgrades bring their whole rise.
"""

from datetime import UTC, datetime

import pytest
from tests.support.builders import DAY
from tests.support.situations import SHAPES, in_tiers
from tests.support.stripe_practice import BEGINS, ME, StripePractice


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, 12, tzinfo=UTC)


@pytest.mark.parametrize("version", in_tiers(SHAPES))
def test_every_month_has_the_numbers_reckoned_by_hand(version: str) -> None:
    practice = StripePractice(version)
    stripe = practice.stripe
    # January: a trial of a week, made longer to 14 February. 5 a month, at most 3 of them roll over.
    practice.hear(stripe.subscribe("cus_1", "price_roll", metadata=ME, trial_days=7))
    subscription = stripe.last("subscription")
    practice.hear(practice.at(BEGINS + 5 * DAY).stripe.trial(subscription, days=9))
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
    # On the 27th a second seat is added, to be paid with the next cycle.
    practice.hear(practice.at(day(2025, 12, 27)).stripe.change(subscription, quantity=2, pending=True))
    assert practice.numbers() == (14, 14, 0)
    # January: of 14 the newest 4 stay, 20 come. The seat added rises December by 10; paid when that was over, they last
    # as long as the 17 days and 21.5 hours they were for, until 1 February, 7:00, and do not roll over.
    practice.hear(stripe.cycle(subscription))
    assert practice.numbers() == (34, 34, 0)
    # On the 20th both seats go over to a year, 2 a month each: 4 come. 24 days and 21.5 hours of the month's 31 days
    # are given back: 16.06 of 20, so 16 go.
    practice.hear(practice.at(day(2026, 1, 20)).stripe.change(subscription, "price_year"))
    assert practice.numbers() == (22, 22, 0)
    assert practice.at(day(2026, 2, 2)).numbers() == (12, 12, 0)
    # Two sessions take rolled ones. On 14 February the month would have ended: of its 4 and the 2 rolled ones the
    # newest 4 stay.
    practice.book(9, 10)
    assert practice.at(day(2026, 2, 15)).numbers() == (8, 8, 0)
    # On the 20th the year's second month brings 4.
    assert practice.at(day(2026, 2, 20)).numbers() == (12, 12, 0)
    # On the 25th both seats go back to 5 a month: 10 come. Of the year 329 of 365 days are given back: 43.27 of 48, of
    # which 40 had not come, so 3 go.
    practice.hear(practice.at(day(2026, 2, 25)).stripe.change(subscription, "price_roll"))
    assert practice.numbers() == (19, 19, 0)
    # March: what rolled over in February would have ended on the 14th, but ends with the month that runs now, on the
    # 25th. On the 20th the subscription is cancelled at once: nothing is taken back.
    assert practice.at(day(2026, 3, 15)).numbers() == (19, 19, 0)
    practice.hear(practice.at(day(2026, 3, 20)).stripe.cancel(subscription))
    assert practice.numbers() == (19, 19, 0)
    # The last month rolls over once: of its 10 and the 4 the newest 3 stay, for another month. The year's 5 stay.
    assert practice.at(day(2026, 3, 26)).numbers() == (8, 8, 0)
    assert practice.at(day(2026, 4, 26)).numbers() == (5, 5, 0)
    practice.book(*range(11, 17))
    assert practice.numbers() == (-1, 0, 0)
    assert practice.parked() == []
    assert sum(amount for _, amount in practice.entries()) == -1
