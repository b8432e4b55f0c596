"""Annual plans with monthly credits: a tranche each month, dated by the calendar and never by the sweep."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    a_catalogue,
    a_debt,
    a_line,
    a_package,
    a_payment,
    a_wallet,
    an_act,
    freezes,
    plain,
    stated,
)

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import LimitReached
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, EntryKind, Posting, untouched
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.tranches import (
    Ended,
    Plan,
    last_of,
    months_in,
    only_until,
    starts_of,
    stop_tranches,
    withhold,
)
from client_credits.domain.ledger.wallet import Coming, Mark, Value, Wallet
from client_credits.domain.payments.granting import decide_line, grant
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.dated_settings import DatedSettings, Earlier
from client_credits.domain.practice.settings import Settings

RULES = Settings()
FOR_A_MONTH = Expiry(ExpiryKind.MONTHS, 1)
CAUSE = Cause(CauseKind.PACKAGE, {"package_id": "annual", "payment": "in_1", "line": "il_1"})
LINE = "stripe/own/test/in_1/il_1"


def day(month: int, number: int, year: int = 2027, hour: int = 9) -> datetime:
    return datetime(year, month, number, hour, tzinfo=UTC)


START, END = day(1, 31), day(1, 31, 2028)
DATES = [  # of a plan that began on 31 January 2027
    *(day(1, 31), day(2, 28), day(3, 31), day(4, 30), day(5, 31), day(6, 30)),
    *(day(7, 31), day(8, 31), day(9, 30), day(10, 31), day(11, 30), day(12, 31)),
]


def paid(
    wallet: Wallet | None = None,
    now: datetime | None = None,
    starts: datetime | None = START,
    ends: datetime | None = END,
    amount: int = 2,
    room: int = 40,
    within: datetime | None = None,
    **fields: object,
) -> Change:
    """The wallet after a year was paid, said at `now` (else at once)."""
    package = a_package(
        "annual",
        credits={"follow-up": 2},
        monthly_tranches=fields.pop("monthly_tranches", True),
        expiry=fields.pop("expiry", Expiry()),
        rollover_cap=fields.pop("cap", 0),
    )
    proration = fields.pop("proration", False)
    item = None if starts is None else "si_1"
    line = a_line("il_1", subscription_item=item, period_start=starts, period_end=ends, proration=proration)
    payment = a_payment(str(fields.pop("payment_id", "in_1")), line, **({"paid_at": starts or START} | fields))
    decision = replace(decide_line(payment, line, a_catalogue(package)), within=within)
    stated_at = now or payment.paid_at
    act = Act(decision.grant_id, CAUSE, an_act().actor, payment.paid_at, stated_at)
    return grant(settle(untouched(wallet or a_wallet()), stated_at, RULES), amount, decision, payment, act, RULES, room)


def settled(wallet: Wallet, at: datetime, **more: object) -> Change:
    return settle(untouched(wallet), at, RULES, **more)  # type: ignore[arg-type]


# -- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "ends", "months"),
    [
        (day(1, 31), day(1, 31, 2028), 12),
        (day(1, 15), day(2, 15), 1),
        (day(1, 31), day(2, 28), 1),
        (day(2, 28), day(3, 31), 1),
        (day(1, 15), day(4, 15), 3),
        (day(2, 29, 2028), day(2, 28, 2029), 12),
        (day(1, 15), day(1, 15, 2030), 36),
        (day(1, 15), day(1, 29), 1),
        (day(1, 15), day(2, 15, hour=10), 2),  # a second month has begun
        (day(1, 15), day(3, 1), 2),
        (day(1, 15), day(1, 15, 2040), 36),
    ],
)
def test_a_period_brings_a_tranche_for_each_month_that_begins_in_it(
    starts: datetime, ends: datetime, months: int
) -> None:
    assert months_in(starts, ends) == months


def test_each_tranche_comes_on_the_day_of_the_first_clipped_to_its_month() -> None:
    (coming,) = paid().wallet.coming
    assert [starts_of(coming, n) for n in range(1, 13)] == DATES
    leap = replace(coming, starts=day(1, 31, 2028), cycle_end=day(1, 31, 2029))
    assert starts_of(leap, 2) == day(2, 29, 2028)
    from_leap_day = replace(coming, starts=day(2, 29, 2028), cycle_end=day(2, 28, 2029))
    assert [starts_of(from_leap_day, n) for n in (1, 2, 12)] == [day(2, 29, 2028), day(3, 29, 2028), day(1, 29, 2029)]


def test_a_payment_brings_the_first_tranche_at_once() -> None:
    change = paid()
    assert stated(change) == [("granted", 2)]
    assert change.entries[0].source_id == LINE
    (coming,), (lot,) = change.wallet.coming, change.wallet.open_lots
    assert (coming.number, coming.count, coming.starts, coming.cycle_end) == (2, 12, START, END)
    assert coming.lot == lot
    assert next_due(change.wallet, START, RULES) == day(2, 28)
    assert change.wallet.granted_total == 2


def test_a_years_worth_is_what_was_paid_for() -> None:
    assert paid().wallet.open_lots[0].value == Value(9000, "eur", 24)


def test_the_others_come_each_at_its_own_instant_and_then_no_more() -> None:
    wallet = paid().wallet
    change = settled(wallet, END + 90 * DAY)
    assert stated(change) == [("granted", 2)] * 11
    assert [e.occurred_at for e in change.entries] == DATES[1:]
    assert [e.source_id for e in change.entries] == [f"{LINE}/{n}" for n in range(2, 13)]
    assert (change.wallet.balance, change.wallet.granted_total, change.wallet.coming) == (24, 24, ())
    assert next_due(change.wallet, END, RULES) is None


def test_a_tranche_says_what_it_comes_from() -> None:
    (entry,) = settled(paid().wallet, day(3, 1)).entries
    assert entry.cause == CAUSE
    assert (entry.actor.kind, entry.actor.actor_id) == ("system", "schedule")
    assert (entry.occurred_at, entry.recorded_at) == (day(2, 28), day(3, 1))


def test_a_tranche_is_there_from_its_very_instant() -> None:
    wallet = paid().wallet
    assert not settled(wallet, day(2, 28) - timedelta(microseconds=1)).made
    assert settled(wallet, day(2, 28)).wallet.balance == 4


def test_a_lot_of_a_tranche_is_like_the_first_from_its_own_start() -> None:
    wallet = settled(paid(expiry=FOR_A_MONTH).wallet, day(2, 28)).wallet
    first, second = paid(expiry=FOR_A_MONTH).wallet.open_lots[0], wallet.open_lots[-1]
    assert (second.effective_at, second.expires_at) == (day(2, 28), day(3, 29, hour=0))
    assert second.lot_id != first.lot_id
    same = {"lot_id": first.lot_id, "effective_at": first.effective_at, "expires_at": first.expires_at}
    assert replace(second, **same) == first  # type: ignore[arg-type]


@pytest.mark.parametrize("paid_months", [1, 3, 12])
def test_a_package_without_tranches_grants_once_for_the_whole_period(paid_months: int) -> None:
    change = paid(ends=[*DATES, END][paid_months], monthly_tranches=False)
    assert (change.wallet.balance, change.wallet.coming) == (2, ())
    assert change.wallet.open_lots[0].value == Value(9000, "eur", 2)


def test_a_month_or_a_one_off_purchase_brings_one_tranche() -> None:
    assert paid(ends=day(2, 28)).wallet.coming == ()
    once = paid(starts=None, ends=None, subscription=None)
    assert (once.wallet.coming, once.wallet.balance) == ((), 2)


def test_each_year_brings_its_own_tranches() -> None:
    wallet = settled(paid().wallet, END).wallet
    again = paid(wallet, starts=END, ends=day(1, 31, 2029), payment_id="in_2").wallet
    assert settled(again, day(3, 1, 2029)).wallet.balance == 48


# -- late ----------------------------------------------------------------------------------------


def test_heard_months_late_each_is_dated_at_its_own_instant() -> None:
    change = paid(now=day(5, 2))
    assert [(e.source_id, e.occurred_at) for e in change.entries] == [
        (LINE, START),
        (f"{LINE}/2", day(2, 28)),
        (f"{LINE}/3", day(3, 31)),
        (f"{LINE}/4", day(4, 30)),
    ]


def test_heard_late_or_swept_late_the_lots_are_the_same() -> None:
    in_time = paid(expiry=FOR_A_MONTH).wallet
    for month in range(2, 8):
        in_time = settled(in_time, day(month, 20)).wallet
    swept_late = settled(paid(expiry=FOR_A_MONTH).wallet, day(7, 20)).wallet
    heard_late = paid(now=day(7, 20), expiry=FOR_A_MONTH).wallet
    assert in_time.open_lots == swept_late.open_lots == heard_late.open_lots
    assert in_time.coming == swept_late.coming
    assert [replace(c, lot=in_time.coming[0].lot) for c in heard_late.coming] == list(in_time.coming)


def test_a_tranche_swept_late_ends_by_the_time_zone_that_held_when_it_came() -> None:
    moved = DatedSettings({"timezone": "Pacific/Auckland"}, account_earlier=(Earlier(day(3, 15), {"timezone": "UTC"}),))
    wallet = paid(expiry=FOR_A_MONTH).wallet
    change = settle(untouched(wallet), day(3, 30), moved)
    ended = [(entry.kind, entry.occurred_at) for entry in change.entries if entry.kind is EntryKind.EXPIRED]
    # January's ends on 1 March, February's on 29 March: by UTC both.
    assert ended == [("expired", day(3, 1, hour=0)), ("expired", day(3, 29, hour=0))]


def test_paid_late_nothing_comes_before_the_payment() -> None:
    change = paid(paid_at=day(3, 10))
    assert stated(change) == [("granted", 2)] * 2
    assert [lot.effective_at for lot in change.wallet.open_lots] == [day(3, 10)] * 2
    assert next_due(change.wallet, day(3, 10), RULES) == day(3, 31)


def test_what_does_not_fit_into_one_transaction_stays_due() -> None:
    change = paid(now=END, room=3)
    assert stated(change) == [("granted", 2)] * 4
    assert settled(change.wallet, END, limit=5).wallet.balance == 18
    assert settled(change.wallet, END).wallet.balance == 24


def test_more_than_a_wallet_may_hold_is_refused_and_nothing_is_granted() -> None:
    with pytest.raises(LimitReached):
        paid(now=END, amount=MAX_CREDITS // 2)


# -- in order with everything else ---------------------------------------------------------------


def test_at_one_instant_credits_end_then_come_then_repay() -> None:
    """30 days from 15 January are over at the very start of 15 February, for a debt since the 1st."""
    wallet = paid(starts=day(1, 15, hour=0), ends=day(1, 15, 2028, hour=0), expiry=Expiry(ExpiryKind.DAYS, 30)).wallet
    debt = a_debt("b1", 1, since=day(2, 1), starts_at=day(2, 20))
    change = settled(replace(wallet, debts=(debt,)), day(2, 16))
    assert stated(change) == [("expired", -2), ("granted", 2), ("repaid", 0)]
    assert change.wallet.balance == 1


def test_tranches_that_end_with_the_year_roll_over_together() -> None:
    wallet = paid(expiry=Expiry(ExpiryKind.CYCLE_END), cap=5).wallet
    change = settled(wallet, END)
    assert stated(change) == [*[("granted", 2)] * 11, ("rolled_over", 0), ("expired", -19)]
    assert {lot.end for lot in change.wallet.open_lots} == {day(1, 31, 2029)}
    assert sorted(lot.remaining for lot in change.wallet.open_lots) == [1, 2, 2]


def test_a_tranche_that_had_ended_when_it_came_ends_at_once() -> None:
    until = Expiry(ExpiryKind.DATE, date="2027-03-15")
    change = settled(paid(expiry=until).wallet, day(4, 1))
    assert stated(change) == [("granted", 2), ("expired", -2), ("expired", -2), ("granted", 2), ("expired", -2)]
    assert not settled(change.wallet, day(4, 1)).made


def test_settling_day_by_day_or_at_once_writes_the_same() -> None:
    wallet = replace(paid(expiry=FOR_A_MONTH).wallet, debts=(a_debt("b1", 3, since=day(3, 1), starts_at=day(4, 1)),))
    whole, parts, written = settled(wallet, END), untouched(wallet), []
    for days in range(1, 366):
        parts = settled(parts.wallet, START + days * DAY)
        written += parts.entries
    assert [replace(e, recorded_at=END) for e in written] == list(whole.entries)
    assert replace(parts.wallet, last_at=END) == whole.wallet


def test_every_law_holds_of_a_year_with_tranches() -> None:
    change = paid(expiry=FOR_A_MONTH, now=day(7, 20))
    later = settled(change.wallet, END + 90 * DAY)
    assert breaches(later.wallet, [*change.entries, *later.entries]) == []


# -- stopped -------------------------------------------------------------------------------------


def test_while_something_stops_them_none_comes_and_none_is_due() -> None:
    wallet = stop_tranches(paid().wallet, "in_1/il_1", "dispute/dp_1", stopped=True)
    assert not settled(wallet, END).made
    assert next_due(wallet, START, RULES) is None


def test_when_nothing_stops_them_any_more_those_left_out_come_with_their_own_dates() -> None:
    wallet = stop_tranches(paid().wallet, "in_1/il_1", "dispute/dp_1", stopped=True)
    wallet = stop_tranches(wallet, "in_1/il_1", "dispute/dp_2", stopped=True)
    one_left = stop_tranches(wallet, "in_1/il_1", "dispute/dp_1", stopped=False)
    assert not settled(one_left, day(4, 1)).made
    free = stop_tranches(one_left, "in_1/il_1", "dispute/dp_2", stopped=False)
    act = an_act(day(4, 1), source_id="stripe/dispute")
    for change in (settled(free, day(4, 1)), settled(free, day(4, 1), act=act)):
        assert [(e.source_id, e.occurred_at) for e in change.entries] == [
            (f"{LINE}/2", day(2, 28)),
            (f"{LINE}/3", day(3, 31)),
        ]
        assert [lot.effective_at for lot in change.wallet.open_lots] == DATES[:3]


def test_stopping_twice_or_stopping_others_changes_nothing() -> None:
    wallet = paid().wallet
    once = stop_tranches(wallet, "in_1/il_1", "c", stopped=True)
    assert stop_tranches(once, "in_1/il_1", "c", stopped=True) is once
    assert stop_tranches(wallet, "in_2/il_1", "c", stopped=True) is wallet
    assert stop_tranches(wallet, "in_1/il_1", "c", stopped=False) is wallet
    assert stop_tranches(wallet, "sub_1", "c", stopped=True) == once
    assert stop_tranches(once, "in_1/il_1", "c", stopped=False) == wallet


def test_new_lots_are_frozen_by_what_freezes_their_payment_or_subscription() -> None:
    marked = replace(
        paid().wallet, marks=(Mark("in_1/il_1", freezes("dispute/dp_1")), Mark("sub_1", freezes("past_due")))
    )
    assert settled(marked, day(2, 28)).wallet.open_lots[-1].frozen == freezes("dispute/dp_1", "past_due")
    fresh = paid(a_wallet(marks=(Mark("sub_1", freezes("past_due")),))).wallet
    assert fresh.lots[0].frozen == freezes("past_due")
    unmarked = replace(settled(fresh, START).wallet, marks=())
    assert settled(unmarked, day(2, 28)).wallet.open_lots[-1].frozen == ()


# -- ended ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "dates"),
    [
        (START, DATES[:1]),
        (day(2, 28), DATES[:1]),
        (day(2, 28) + timedelta(microseconds=1), DATES[:2]),
        (day(6, 1), DATES[:5]),
        (day(12, 31) + HOUR, DATES),
        (END, DATES),
    ],
)
def test_no_tranche_comes_at_or_after_the_subscriptions_end(ended: datetime, dates: list[datetime]) -> None:
    plan = Plan(START, END, first=1, count=12, each=2, item="si_1")
    wallet = only_until(paid().wallet, "in_1/il_1", last_of(plan, [Ended("sub_1", ended)]))
    after = settled(wallet, END + DAY).wallet
    assert [lot.effective_at for lot in after.open_lots] == dates
    assert after.coming == ()


def test_an_end_cuts_no_plan_of_another_payment_nor_one_that_is_over() -> None:
    wallet = paid().wallet
    assert only_until(wallet, "in_2/il_1", 1) is wallet
    assert only_until(wallet, "in_1/il_1", 12) is wallet


def test_of_several_ends_the_earliest_that_concerns_the_plan_counts() -> None:
    plan = Plan(START, END, first=1, count=12, each=2, item="si_1")
    ends = [Ended("sub_1", day(6, 1)), Ended("sub_1", day(3, 1), "si_2"), Ended("sub_1", START, "si_1")]
    assert last_of(plan, ends) == 5  # another item's, and one from before the plan began, do not
    assert last_of(plan, [*ends, Ended("sub_1", day(4, 1), "si_1")]) == 3


# -- a change of plan ----------------------------------------------------------------------------


def test_what_a_change_of_plan_adds_comes_with_the_tranches_of_its_year() -> None:
    """Two more a month from 10 April: nothing at once, then on 30 April with the fourth tranche, and so on."""
    wallet = settled(paid().wallet, day(4, 10)).wallet
    change = paid(wallet, starts=day(4, 10), ends=END, payment_id="in_2", proration=True, within=START)
    added = change.wallet.coming[-1]
    assert (added.starts, added.number, added.count) == (START, 4, 12)
    assert (change.wallet.balance, added.lot.value) == (wallet.balance, Value(9000, "eur", 18))
    after = settled(change.wallet, END)
    assert after.wallet.balance == 24 + 18
    assert after.entries[1].source_id == "stripe/own/test/in_2/il_1/4"
    assert [e.occurred_at for e in after.entries[:2]] == [day(4, 30)] * 2


def test_credits_to_come_hold_all_they_need() -> None:
    """So that no later edit of the package changes what was paid for."""
    (coming,) = paid(expiry=FOR_A_MONTH).wallet.coming
    lot = paid(expiry=FOR_A_MONTH).wallet.open_lots[0]
    assert coming == Coming(LINE, lot, START, 2, 12, FOR_A_MONTH, END, CAUSE.ids, item="si_1")


def test_each_tranche_is_one_lot_and_one_posting() -> None:
    change = settled(paid().wallet, day(2, 28))
    assert plain(change.entries[0].postings) == (Posting(2, lot_id=change.wallet.open_lots[-1].lot_id),)


def test_a_tranche_that_is_withheld_whole_makes_no_lot() -> None:
    """Three quarters were refunded: of each two credits first one is withheld, then both, then one again."""
    wallet = paid(expiry=FOR_A_MONTH, now=START).wallet
    change = settled(withhold(wallet, "in_1/il_1", Fraction(3, 4)), day(3, 31))
    assert [(e.kind, e.amount) for e in change.entries if e.kind == "granted"] == [("granted", 0), ("granted", 1)]
    assert [lot.granted for lot in change.wallet.lots] == [2, 1]


def test_what_returns_to_a_tranches_lot_that_has_ended_since_ends_as_part_of_its_operation() -> None:
    """In one transaction the tranche comes, ends, and has a credit given back."""
    change = settled(paid(expiry=FOR_A_MONTH).wallet, day(4, 1))
    gone = next(e for e in change.entries if e.kind == "granted").postings[0].lot_id
    lot = replace(change.wallet.open_lots[0], lot_id=str(gone), remaining=1, expires_at=day(3, 29))
    back = change.record(change.wallet.with_lot(lot), EntryKind.RESTORED, an_act(day(4, 1)), (Posting(1, lot_id=gone),))
    after = settle(back, day(4, 1), RULES, an_act(day(4, 1)))
    assert (after.entries[-1].kind, after.entries[-1].source_id) == (EntryKind.EXPIRED, "test/1")


# -- the finer points ----------------------------------------------------------------------------


def test_the_anchor_may_be_a_later_day_than_the_first() -> None:
    """From the last of February to the last of August: the 31st where there is one."""
    (coming,) = paid(starts=day(2, 28), ends=day(8, 31)).wallet.coming
    assert [starts_of(coming, n) for n in (2, 3, 6)] == [day(3, 31), day(4, 30), day(7, 31)]


def test_what_stops_one_plan_stops_no_other() -> None:
    wallet = paid(paid().wallet, payment_id="in_2", subscription="sub_2").wallet
    change = settled(stop_tranches(wallet, "in_1/il_1", "dispute/dp_1", stopped=True), day(2, 28))
    assert [e.source_id for e in change.entries] == ["stripe/own/test/in_2/il_1/2"]


def test_each_tranche_is_as_old_as_itself_when_the_year_rolls_over() -> None:
    wallet = settled(paid(expiry=Expiry(ExpiryKind.CYCLE_END), cap=3).wallet, day(4, 1)).wallet
    assert [lot.rollover and lot.rollover.since for lot in wallet.open_lots] == DATES[:3]


def test_debts_repaid_by_tranches_that_were_left_out_are_each_an_entry_of_its_own() -> None:
    debts = tuple(a_debt(f"b{n}", 2, since=START, starts_at=START + DAY) for n in range(3))
    opened = paid().wallet
    wallet = stop_tranches(opened, "in_1/il_1", "dispute/dp_1", stopped=True)
    free = stop_tranches(wallet, "in_1/il_1", "dispute/dp_1", stopped=False)
    owing = replace(free, debts=debts, lots=())
    change = settled(owing, day(4, 1), act=an_act(day(4, 1), source_id="stripe/dispute"))
    assert stated(change) == [("granted", 2), ("repaid", 0)] * 2
    names = [e.source_id for e in change.entries if e.kind is EntryKind.REPAID]
    assert names == ["stripe/dispute/2027-02-28T09:00:00Z", "stripe/dispute/2027-03-31T09:00:00Z"]
