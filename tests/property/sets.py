"""Random sets of what happens to a practice's clients, and the exceptions of the law as what they leave out.

Totals depend on order by rule in some cases. The sets keep clear of just these:
- refusals: bookings without credits are allowed;
- late cancellations: restoring stays on;
- settings given before a first entry: every client has an entry before anything else happens;
- a shortfall that is only reported tells what was short when it was heard: shortfalls are debts;
- news heard after an end they would have come before, see `ending` and `spent_before_they_end`;
- credits that end unspent because a booking heard before them was paid by others, see `spent_before_they_end`;
- pools: there are none here.
"""

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from client_credits.domain.bookings.booking import CancelledBy
from tests.property.happenings import (
    BEGINS,
    PAID,
    Draw,
    Names,
    Story,
    between,
    change,
    cycle,
    day,
    dispute,
    fails,
    money_back,
    month,
    of,
    of_ending,
    often,
    purchase,
    refunded,
    standing,
    two,
    upgrade,
)
from tests.property.hearing import Change, Fact, Happening
from tests.support.builders import DAY, HOUR, cancelled, created

# -- credits that never end --------------------------------------------------------------------

LAST_HEARD = day(120)  # by then everything that happened was heard of
YEAR_OVER = BEGINS + 380 * DAY


@st.composite
def lasting(draw: Draw) -> Story:
    """One client's purchases, subscription and year in tranches, with everything else that may happen."""
    names, story = Names(), []
    kinds = draw(
        st.lists(st.sampled_from([_by_year, _by_month, _bought, _sessions, _sessions]), min_size=3, max_size=5)
    )
    for kind in kinds:
        story += of(kind(draw, names), LAST_HEARD)
    settings: dict[str, list[Any]] = {
        "auto_repay": [True, False],
        "credit_must_cover": ["booking", "session"],
        "past_due": ["freeze", "keep"],
        "restore_grace_days_client": [0, 30],
        "timezone": ["Asia/Tokyo", "America/Los_Angeles"],
        "upgrade_grant": ["difference", "prorated", "none"],
    }
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(settings)))
        client = None if name == "timezone" else draw(st.sampled_from([None, "c1"]))
        story.append(change(draw, client, name, draw(st.sampled_from(settings[name])), day(1), day(110)))
    return story


def _bought(draw: Draw, names: Names) -> list[Fact]:
    number, at = names.next(), between(draw, day(0), day(40))
    paid = purchase(number, "c1", "price_three", at, draw(st.integers(1, 2)))
    return [paid, *money_back(draw, names, number, at, day(110), disputes=True)]


def _by_month(draw: Draw, names: Names) -> list[Fact]:
    sub, facts = f"sub_{names.next()}", []
    for n in range(draw(st.integers(1, 3))):
        number = names.next()
        facts += [cycle(number, "c1", "price_month", sub, (month(n), month(n + 1)))]
        facts += money_back(draw, names, number, month(n) + HOUR, day(110), disputes=True)
    if draw(st.booleans()):
        number, at = names.next(), between(draw, day(1), month(1))
        facts.append(upgrade(number, "c1", "price_month", "price_more", sub, at, month(1), 1))
    return facts + _standings(draw, sub)


def _by_year(draw: Draw, names: Names) -> list[Fact]:
    sub, number, ends = f"sub_{names.next()}", names.next(), month(12)
    facts: list[Fact] = [cycle(number, "c1", "price_year", sub, (BEGINS, ends))]
    facts += money_back(draw, names, number, day(1), day(110), disputes=True)
    if draw(st.booleans()):
        number, at = names.next(), between(draw, day(1), day(100))
        facts.append(upgrade(number, "c1", "price_year", "price_year", sub, at, ends, 2))
        facts += money_back(draw, names, number, at, day(110), disputes=True)
    return facts + _standings(draw, sub)


def _standings(draw: Draw, sub: str) -> list[Fact]:
    """Past due, running again, ended: any of these, in this order."""
    first, then = two(draw, day(1), day(100))
    facts: list[Fact] = []
    if draw(st.booleans()):
        facts += [standing(sub, "past_due", first)]
        facts += [standing(sub, "running", then)] if draw(st.booleans()) else []
    if draw(often):  # said to have ended, and now and then at another instant
        ends = [between(draw, then, day(115)) for _ in range(draw(st.sampled_from([1, 1, 2])))]
        facts += [standing(sub, "ended", at) for at in dict.fromkeys(ends)]
    return facts


def _sessions(draw: Draw, names: Names) -> list[Fact]:
    return [fact for _ in range(draw(st.integers(1, 4))) for fact in _session(draw, names, day(0), day(110))]


def _session(draw: Draw, names: Names, since: datetime, until: datetime, starts: datetime | None = None) -> list[Fact]:
    """A booking of one to three seats; half of them are cancelled."""
    booking_id, (at, then) = f"b{names.next()}", two(draw, since, until)
    starts_at = starts or then + draw(st.integers(1, 40)) * DAY
    booked = created(booking_id, seats=draw(st.integers(1, 3)), starts_at=starts_at, occurred_at=at)
    if not draw(st.booleans()):
        return [booked]
    return [booked, cancelled(booking_id, draw(st.sampled_from(CancelledBy)), occurred_at=then)]


# -- credits that end and are not booked -------------------------------------------------------


@st.composite
def ending(draw: Draw) -> Story:
    """One client's credits that end or roll over, with money given back, ends of subscriptions and settings.

    Nothing is booked, and all that happens in a month is heard in it, so before the ends it would have come
    before. Only that a dispute was opened or won may be heard at any time later. See `of_ending`, too.
    """
    names, story = Names(), []
    for kind in draw(st.lists(st.sampled_from([_cycles, _months, _forty_days, _cycles]), min_size=2, max_size=3)):
        story += kind(draw, names)
    for _ in range(draw(st.integers(1, 3))):
        name, value = draw(
            st.sampled_from([("timezone", "Asia/Tokyo"), ("timezone", "America/Los_Angeles"), ("past_due", "freeze")])
        )
        story.append(change(draw, None, name, value, day(1), day(100)))
    return story


def _within(number: int) -> tuple[datetime, datetime]:
    """A month without the days on which credits end, whatever the time zone."""
    return month(number) + 2 * DAY, month(number + 1) - 3 * DAY


def _heard_by(number: int) -> datetime:
    return month(number + 1) - 2 * DAY


def _forty_days(draw: Draw, names: Names) -> Story:
    number, (since, until) = names.next(), _within(0)
    at = between(draw, since, until - DAY)
    paid = purchase(number, "c1", "price_forty", at)
    story = of_ending([paid, *money_back(draw, names, number, at, until, disputes=False)], _heard_by(0))
    return story + _disputes(draw, names, number, at)


def _cycles(draw: Draw, names: Names) -> Story:
    sub, price = f"sub_{names.next()}", draw(st.sampled_from(["price_lost", "price_capped", "price_kept"]))
    story: Story = []
    for n in range(draw(st.integers(1, 3))):
        number, (since, until) = names.next(), _within(n)
        paid = cycle(number, "c1", price, sub, (month(n), month(n + 1)))
        story += of_ending([paid, *money_back(draw, names, number, since, until, disputes=False)], _heard_by(n))
        story += _disputes(draw, names, number, month(n) + HOUR)
    return story + _standings_in(draw, sub)


def _months(draw: Draw, names: Names) -> Story:
    sub, number = f"sub_{names.next()}", names.next()
    facts: list[Fact] = [cycle(number, "c1", "price_monthly", sub, (BEGINS, month(12)))]
    story: Story = []
    for n in range(draw(st.integers(1, 2))):
        facts += money_back(draw, names, number, *_within(n), disputes=False)
        story, facts = story + of_ending(facts, _heard_by(n)), []
    return story + _disputes(draw, names, number, BEGINS + HOUR) + _standings_in(draw, sub)


def _disputes(draw: Draw, names: Names, payment: int, since: datetime) -> Story:
    if not draw(often):
        return []
    facts = dispute(draw, names, payment, since, day(110), closes=("won",))
    return of(facts, LAST_HEARD)


def _standings_in(draw: Draw, sub: str) -> Story:
    """How a subscription stands, each heard in its month."""
    n = draw(st.integers(0, 2))
    since, until = _within(n)
    first, then = two(draw, since, until)
    facts: list[Fact] = []
    if draw(st.booleans()):
        facts.append(standing(sub, "past_due", first))
    if draw(st.booleans()):
        facts.append(standing(sub, draw(st.sampled_from(["running", "ended", "ended"])), then))
    return of(facts, _heard_by(n))


# -- credits that are booked before they end ---------------------------------------------------

BOOKED_BY = day(60)


@st.composite
def spent_before_they_end(draw: Draw) -> Story:
    """Credits that all end on one day, booked, given back and disputed before it.

    All is heard before that day, all sessions are before it, and debts may be repaid again by then. Since
    the lots end together, it is all the same who paid.
    """
    names, facts = Names(), []
    for _ in range(draw(st.integers(1, 3))):
        number, at = names.next(), between(draw, day(0), day(30))
        facts.append(purchase(number, "c1", "price_closing", at, draw(st.integers(1, 2))))
        facts += [f for f in money_back(draw, names, number, at, day(55), disputes=False) if not fails(f)]
        if draw(st.booleans()):
            facts += dispute(draw, names, number, at, day(55), closes=("lost",))
    for _ in range(draw(st.integers(1, 4))):
        facts += _session(draw, names, day(0), day(50), starts=day(75))
    story = of(facts, BOOKED_BY)
    if draw(st.booleans()):
        off, on = two(draw, day(1), day(58))
        story += [Happening(off, Change("c1", "auto_repay", False)), Happening(on, Change("c1", "auto_repay", True))]
    if draw(st.booleans()):
        name, value = draw(st.sampled_from([("credit_must_cover", "booking"), ("restore_grace_days_client", 10)]))
        story.append(change(draw, draw(st.sampled_from([None, "c1"])), name, value, day(1), day(50)))
    return story


@st.composite
def heard_in_order_of_their_ends(draw: Draw) -> Story:
    """Credits that end one after the other, heard in that order, and bookings that stand, in any.

    So a lot heard after a booking that it could have paid ends no sooner than those that paid.
    """
    names, story = Names(), []
    for price in ["price_forty", "price_sixty", "price_ninety"]:
        paid = [purchase(names.next(), "c1", price, BEGINS + HOUR) for _ in range(draw(st.integers(0, 1)))]
        story += [Happening(BEGINS + HOUR, each, day(38), queue="purchases") for each in paid]
    for _ in range(draw(st.integers(1, 8))):
        booking_id, at = f"b{names.next()}", between(draw, day(1), day(35))
        starts_at = day(draw(st.sampled_from([38, 50, 70, 100])))
        event = created(booking_id, seats=draw(st.integers(1, 4)), starts_at=starts_at, occurred_at=at)
        story += of([event], day(38))
    return story


# -- sets that found something once, or show a bug at once --------------------------------------

_SUB = "sub_1"


def a_refund_that_failed() -> Story:
    """Four days without credits: they end four days later, by the time zone of the day they were bought on."""
    paid = purchase(1, "c1", "price_forty", day(3))
    back = [refunded(1, 2, PAID // 2, "pending", day(5)), refunded(1, 2, PAID // 2, "failed", day(9))]
    moved = Happening(day(4), Change(None, "timezone", "Asia/Tokyo"))
    return [*of_ending([paid, *back], _heard_by(0)), moved]


def a_year_that_ended_early() -> Story:
    """Three of twelve tranches come, and a third is given back: of those that do not come."""
    paid = cycle(1, "c1", "price_year", _SUB, (BEGINS, month(12)))
    booked = [created(f"b{n}", seats=2, starts_at=day(100 + n), occurred_at=day(74 + n)) for n in range(2)]
    ends = [standing(_SUB, "ended", day(95)), standing(_SUB, "ended", day(70))]  # corrected
    others: list[Fact] = [*ends, refunded(1, 2, PAID // 3, "succeeded", day(72)), *booked]
    return of([paid, *others], LAST_HEARD)
