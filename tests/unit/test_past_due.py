"""Past due freezes by the setting, at any moment, wherever the credits went."""

from dataclasses import replace
from datetime import timedelta

from tests.support.builders import HOUR, a_debt, a_lot, a_wallet, an_act, created, stated
from tests.support.builders import NOW as BUILT
from tests.unit.test_plan_changes import START, Practice, cycle

from client_credits.domain.ledger.entries import Actor, untouched
from client_credits.domain.ledger.freezing import past_due
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Coming, Mark, Wallet
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.catalogue import Expiry
from client_credits.domain.practice.dated_settings import DatedSettings, Earlier
from client_credits.domain.practice.records import Client
from client_credits.domain.practice.settings import Settings
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.queries.credits import credits_of
from client_credits.operations.staff import editing, practices
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes

DAY = timedelta(days=1)
STAFF = Actor("staff", "s-1")


def numbers(practice: Practice, client_id: str = "c1") -> tuple[int, int]:
    """What a client may spend, and what is frozen."""
    credits = credits_of(Context(practice.store, "p1", STRIPE, practice.now), client_id).credits
    (line,) = [each for each in credits if each.appointment_type == "follow-up"]
    return line.available, line.frozen


def sets(practice: Practice, past_due: str) -> None:
    practice.now += HOUR
    practices.change_account_settings(Context(practice.store, "p1", STAFF, practice.now), {"past_due": past_due})


def a_subscription(**settings: object) -> Practice:
    practice = Practice(**settings)
    practice.pay("in_1", START, cycle())
    assert numbers(practice) == (4, 0)
    return practice


def test_credits_frozen_for_being_past_due_are_free_once_the_practice_keeps_them() -> None:
    practice = a_subscription(past_due="freeze")
    practice.news("past_due", START + DAY)
    assert numbers(practice) == (0, 4)
    sets(practice, "keep")
    assert numbers(practice) == (4, 0)
    sets(practice, "freeze")
    assert numbers(practice) == (0, 4)


def test_a_practice_that_begins_to_freeze_freezes_what_is_past_due_already() -> None:
    practice = a_subscription()
    practice.news("past_due", START + DAY)
    assert numbers(practice) == (4, 0)
    assert practice.kinds() == [("granted", 4)]
    sets(practice, "freeze")
    assert numbers(practice) == (0, 4)
    practice.news("running", START + 2 * DAY)
    assert numbers(practice) == (4, 0)


def test_credits_given_away_freeze_by_the_setting_of_the_client_who_has_them() -> None:
    practice = a_subscription()
    for receiver in ("c2", "c3"):
        practice.store.commit([writes.client("p1", Client(receiver, created_at=START))])
        practices.change_client_settings(
            Context(practice.store, "p1", STAFF, practice.now), receiver, {"past_due": "freeze"}
        )
    editing.transfer(Context(practice.store, "p1", STAFF, practice.now), "c1", "c2", "follow-up", 1, Keyed("k1", ""))
    practice.news("past_due", START + DAY)
    assert (numbers(practice), numbers(practice, "c2")) == ((3, 0), (0, 1))
    editing.transfer(Context(practice.store, "p1", STAFF, practice.now), "c1", "c3", "follow-up", 1, Keyed("k2", ""))
    assert (numbers(practice), numbers(practice, "c3")) == ((2, 0), (0, 1))
    practice.news("running", START + 2 * DAY)
    assert (numbers(practice), numbers(practice, "c2"), numbers(practice, "c3")) == ((2, 0), (1, 0), (1, 0))


def test_settling_a_wallet_that_is_past_due_and_settled_changes_nothing() -> None:
    practice = a_subscription(past_due="freeze")
    practice.news("past_due", START + DAY)
    version = practice.wallet().version
    numbers(practice)
    practice.news("past_due", START + DAY)
    assert practice.wallet().version == version


LATE = past_due("sub_1", BUILT - DAY)  # reported a subscription whose practice keeps its credits


def test_what_is_granted_while_past_due_and_kept_repays_at_once() -> None:
    owing = a_wallet(debts=(a_debt(),), marks=(Mark("sub_1", (LATE,)),))
    granted = add_lot(untouched(owing), a_lot(subscription="sub_1", effective_at=BUILT), an_act(), Settings(), room=40)
    assert stated(granted) == [("granted", 3), ("repaid", 0)]


def owing_before_a_tranche() -> Wallet:
    """A debt of thirty days; the second tranche of a subscription that is past due comes ten days ago."""
    first = replace(a_lot(effective_at=BUILT - 40 * DAY, subscription="sub_1"), payment="in_1/il_1")
    plan = Coming("pay/1", first, BUILT - 40 * DAY, 2, 3, Expiry(), BUILT + 400 * DAY)
    return a_wallet(debts=(a_debt(since=BUILT - 30 * DAY),), marks=(Mark("sub_1", (LATE,)),), coming=(plan,))


def test_a_tranche_that_comes_while_past_due_and_kept_repays_when_it_comes_however_late_the_sweep() -> None:
    (granted, repaid) = settle(untouched(owing_before_a_tranche()), BUILT, Settings()).entries
    assert (granted.kind, repaid.kind) == ("granted", "repaid")
    assert repaid.occurred_at == granted.occurred_at


def test_a_tranche_that_comes_while_past_due_and_frozen_repays_nothing() -> None:
    settled = settle(untouched(owing_before_a_tranche()), BUILT, Settings(past_due="freeze"))
    assert stated(settled) == [("granted", 3)]
    assert [lot.frozen for lot in settled.wallet.lots] == [(LATE,)]


def test_credits_that_were_frozen_before_they_began_repay_when_they_begin() -> None:
    """The practice keeps them since, and nobody looked before they had begun."""
    kept = DatedSettings({}, account_earlier=(Earlier(BUILT - 20 * DAY, {"past_due": "freeze"}),))
    ahead = a_lot(subscription="sub_1", effective_at=BUILT - 10 * DAY, frozen=(LATE,))
    owing = a_wallet(ahead, debts=(a_debt(since=BUILT - 30 * DAY),), marks=(Mark("sub_1", (LATE,)),))
    (repaid,) = settle(untouched(owing), BUILT, kept).entries
    assert (repaid.kind, repaid.occurred_at) == ("repaid", BUILT - 10 * DAY)


def test_a_tranche_that_comes_while_a_kept_subscription_is_past_due_repays_when_it_comes() -> None:
    """Two credits pay two of three sessions. Two more come a month later and one of them repays; nobody looks
    before the third two have come."""
    practice = Practice(START)
    practice.pay("in_1", START, cycle("price_year", START, START + 365 * DAY))
    event = created(occurred_at=START, starts_at=START + 90 * DAY, seats=3)
    spending.book(Context(practice.store, "p1", STRIPE, practice.now), event)
    practice.now += DAY
    practice.news("past_due", START + DAY)
    month_later, practice.now = START + 30 * DAY, START + 65 * DAY  # November has 30 days, December 31
    assert numbers(practice) == (3, 0)
    sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), "c1", "follow-up")
    assert practice.kinds()[2:] == [("granted", 2), ("repaid", 0), ("granted", 2)]
    (repaid,) = [e for e in practice.store.entries_after("p1", "c1", "follow-up", 0) if e.kind == "repaid"]
    assert repaid.occurred_at == month_later


def test_credits_that_come_while_a_kept_subscription_is_past_due_repay_at_once() -> None:
    """An older invoice of it learns of late: four credits, one of them for the fifth session."""
    practice = Practice(START + 2 * DAY)
    practice.pay("in_1", START, cycle())
    practice.news("past_due", START + DAY)
    event = created(occurred_at=practice.now, starts_at=START + 90 * DAY, seats=5)
    spending.book(Context(practice.store, "p1", STRIPE, practice.now), event)
    practice.pay("in_2", START + HOUR, cycle(line_id="il_2"))
    assert practice.kinds() == [("granted", 4), ("spent", -5), ("granted", 4), ("repaid", 0)]
    assert numbers(practice) == (3, 0)
