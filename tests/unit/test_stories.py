"""The stories: said in every version, in order or shuffled, they end with the balances written here."""

import json
import random
from datetime import UTC, datetime
from itertools import permutations

import pytest
from tests.support.situations import in_tiers
from tests.support.story_practice import StoryPractice

from client_credits.domain.payments.facts import Ignored
from client_credits.samples.stories import STORIES, Own, StoryError, steps_of
from client_credits.samples.storyteller import ASSESSMENT, FOUR, OFFERS, SESSION, TEN, Event, Step
from client_credits.samples.stripe_account.checkout import VERSIONS
from client_credits.stripe.events.translate import translate

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

# (sessions, assessments) in the end, and why a payment is parked, where one is
ENDS: dict[str, tuple[int, int]] = {
    "first-year": (45, 0),
    "trial": (4, 0),
    "trial-extended": (8, 0),
    "stub": (10, 0),
    "tiers": (26, 0),
    "checkout-pack": (8, 0),
    "terminal-sale": (17, 0),
    "async-payment": (10, 0),
    "free-by-coupon": (10, 0),
    "upgrade-mid-cycle": (7, 1),
    "up-down-up": (7, 1),
    "changed-with-the-next-invoice": (15, 2),
    "month-to-year-and-back": (7, 0),
    "two-invoices-one-payment": (0, 0),
    "annual-tranches": (4, 0),
    "rollover": (6, 0),
    "failed-then-recovered": (8, 0),
    "past-due": (4, 0),
    "paused-collection": (8, 0),
    "cancelled-at-once": (2, 0),
    "cancelled-at-the-end": (4, 0),
    "paid-after-the-end": (4, 0),
    "refund-after-sessions": (-3, 0),
    "partial-refund": (4, 0),
    "refund-failed": (10, 0),
    "refund-before-payment": (5, 0),
    "dispute-won": (9, 0),
    "dispute-lost": (-2, 0),
    "several-lines-credit-note": (10, 0),
}
PARKED = {"paid-after-the-end": ["subscription_ended"]}


def played(name: str, version: str) -> list[Step]:
    return steps_of(name, version, NOW, "c1", "p1", "T")


def heard_of(steps: list[Step]) -> list[Event]:
    return [event for step in steps for event in (*step.events, *step.bookings)]


def test_every_story_has_its_end_written_here() -> None:
    assert ENDS.keys() == STORIES.keys()


@pytest.mark.parametrize("version", in_tiers(VERSIONS))
@pytest.mark.parametrize("name", ENDS)
def test_a_story_ends_as_written_and_each_step_with_the_balance_it_says(name: str, version: str) -> None:
    practice = StoryPractice(NOW)
    for step in played(name, version):
        for event in (*step.events, *step.bookings):
            practice.hear(event)
        sessions, assessments = practice.balances()
        assert {SESSION: sessions, ASSESSMENT: assessments} == step.balances, step.says
    assert practice.balances() == ENDS[name]
    assert practice.parked() == PARKED.get(name, [])


@pytest.mark.parametrize("version", in_tiers(VERSIONS))
@pytest.mark.parametrize("name", ENDS)
def test_a_story_heard_in_any_order_and_twice_ends_the_same(name: str, version: str) -> None:
    events = heard_of(played(name, version))
    for seed in range(5):
        shuffled = [*events, *random.Random(seed).sample(events, len(events) // 2)]
        random.Random(seed).shuffle(shuffled)
        practice = StoryPractice(NOW)
        for event in shuffled:
            practice.hear(event)
        assert practice.balances() == ENDS[name], seed
        assert practice.parked() == PARKED.get(name, []), seed


@pytest.mark.parametrize("name", ENDS)
def test_a_story_is_the_same_each_time_and_lies_within_the_last_year(name: str) -> None:
    events = heard_of(played(name, VERSIONS[-1]))
    assert json.dumps(events) == json.dumps(heard_of(played(name, VERSIONS[-1])))
    instants = [event["created"] for event in events if event.get("object") == "event"]
    assert min(instants) > NOW.timestamp() - 366 * 86_400
    assert max(instants) <= NOW.timestamp()
    ids = [event["id"] for event in events if event.get("object") == "event"]
    assert len(set(ids)) == len(ids)


def test_each_step_says_in_a_sentence_what_happens() -> None:
    for name, story in STORIES.items():
        steps = played(name, VERSIONS[0])
        assert len(steps) > 1 or name == "free-by-coupon"
        assert all(step.says[0].isupper() and step.says.endswith(".") for step in steps), name
        assert all(step.events or step.bookings for step in steps), name
        assert set(story.offers) <= set(OFFERS)


def test_a_package_of_ones_own_takes_the_place_of_the_storys() -> None:
    own = {TEN: Own("our-ten", "price_ours")}
    (bought, *_) = steps_of("checkout-pack", VERSIONS[-1], NOW, "c1", "p1", "T", own)
    assert bought.events[-1]["data"]["object"]["metadata"] == {"client_id": "c1", "package_id": "our-ten"}
    (paid, *_) = steps_of("partial-refund", VERSIONS[0], NOW, "c1", "p1", "T", own)
    (invoice,) = [event["data"]["object"] for event in paid.events if event["type"] == "invoice.paid"]
    assert invoice["lines"]["data"][0]["price"]["id"] == "price_ours"


@pytest.mark.parametrize(
    ("name", "version", "own", "sentence"),
    [
        ("last-year", VERSIONS[0], {}, "There is no story last-year. Known: first-year, "),
        ("trial", "2020-01-01", {}, "There is no version 2020-01-01. Known: 2022-11-15, "),
        ("trial", VERSIONS[0], {TEN: Own("a", "b")}, f"There is no package {TEN}. Known: {FOUR}."),
    ],
)
def test_what_cannot_be_said_is_a_sentence(name: str, version: str, own: dict[str, Own], sentence: str) -> None:
    with pytest.raises(StoryError, match=sentence.replace(".", r"\.")):
        steps_of(name, version, NOW, "c1", "p1", "T", own)


# What happens to periods and to shared payments, and is said by several events that may pass each other.
PASSING = [
    *((name, VERSIONS[0]) for name in ("trial-extended", "stub", "tiers")),
    *((name, VERSIONS[-1]) for name in ("trial-extended", "stub", "tiers", "changed-with-the-next-invoice")),
    *((name, VERSIONS[-1]) for name in ("month-to-year-and-back", "two-invoices-one-payment", "terminal-sale")),
]
FIVE, APART = 5, 3


def in_passing(heard: list[Event]) -> list[int]:
    """Where five events in a row begin, so that every one of them is among some five."""
    last = max(0, len(heard) - FIVE)
    return sorted({*range(0, last, APART), last})


@pytest.mark.prove
@pytest.mark.parametrize(("name", "version"), PASSING)
def test_five_events_in_a_row_heard_in_every_order_and_twice_end_the_same(name: str, version: str) -> None:
    heard = [event for event in heard_of(played(name, version)) if says_something(event)]
    for first in in_passing(heard):
        before, passing, after = heard[:first], heard[first : first + FIVE], heard[first + FIVE :]
        for order in permutations(passing):
            practice = StoryPractice(NOW)
            for event in (*before, *order, *order[::-1], *after):
                practice.hear(event)
            assert practice.balances() == ENDS[name], [event.get("type") for event in order]
            assert practice.parked() == PARKED.get(name, [])


def says_something(event: Event) -> bool:
    return event.get("object") != "event" or not isinstance(translate(event, "test"), Ignored)
