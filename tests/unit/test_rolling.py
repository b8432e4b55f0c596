"""What remains at a cycle's end: how much of it moves on, until when, and what is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    a_catalogue,
    a_debt,
    a_line,
    a_lot,
    a_package,
    a_payment,
    a_wallet,
    an_act,
    freezes,
    plain,
    stated,
)

from client_credits.domain.dates import FOREVER, months_after
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.adjusting import extend
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, untouched
from client_credits.domain.ledger.rolling import one_interval_after, rollover_of
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.wallet import Cycle, Lot, LotSource, Rollover, Wallet
from client_credits.domain.payments.granting import decide_line, grant
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind, Package
from client_credits.domain.practice.settings import Settings

RULES = Settings()
CYCLE_END = Expiry(ExpiryKind.CYCLE_END)


def day(month: int, number: int, year: int = 2027, hour: int = 9) -> datetime:
    return datetime(year, month, number, hour, tzinfo=UTC)


JAN, FEB, MAR, APR, MAY = (day(month, 10) for month in range(1, 6))


def rolling_package(cap: int | None = 5, **fields: object) -> Package:
    return a_package("monthly", **({"expiry": CYCLE_END, "rollover_cap": cap} | fields))


def paid(
    wallet: Wallet,
    starts: datetime,
    ends: datetime,
    amount: int = 3,
    cap: int | None = 5,
    now: datetime | None = None,
    **fields: object,
) -> Change:
    """The wallet after a cycle's payment, an hour after its start unless said otherwise, was heard at `now`."""
    at = fields.pop("paid_at", starts + HOUR)
    item = fields.pop("item", "si_1")
    payment_id = str(fields.pop("payment_id", f"in_{starts:%m%d}"))
    package = fields.pop("package", rolling_package(cap))
    line = a_line("il_1", subscription_item=item, period_start=starts, period_end=ends, **fields.pop("line", {}))  # type: ignore[arg-type, call-overload]
    payment = a_payment(payment_id, line, paid_at=at, **fields)
    decision = decide_line(payment, line, a_catalogue(package))  # type: ignore[arg-type]
    stated_at = now or payment.paid_at
    act = Act(decision.grant_id, an_act().cause, an_act().actor, payment.paid_at, stated_at)
    before = settle(untouched(wallet), stated_at, RULES)
    return grant(before, amount, decision, payment, act, RULES, room=40)


def settled(wallet: Wallet, at: datetime, **more: object) -> Change:
    return settle(untouched(wallet), at, RULES, **more)  # type: ignore[arg-type]


def spent(wallet: Wallet, **left: int) -> Wallet:
    """The wallet after lots, named by what is left of them, were spent from."""
    for lot_id, remaining in left.items():
        lot = wallet.lot(lot_id)
        assert lot is not None
        wallet = wallet.with_lot(replace(lot, remaining=remaining))
    return wallet


def lots(wallet: Wallet) -> list[tuple[str, int, datetime, datetime]]:
    """Source, remaining, start and end of each lot, in the order of their starts."""
    found = [(str(lot.source), lot.remaining, lot.effective_at, lot.end) for lot in wallet.open_lots]
    return sorted(found, key=lambda each: (each[2], each[3], each[0], each[1]))


# -- the interval --------------------------------------------------------------------------------

MONTHS = [
    (day(1, 10), day(2, 10), 1, 10),
    (day(1, 31), day(2, 28), 1, 31),
    (day(1, 31, 2028), day(2, 29, 2028), 1, 31),
    (day(1, 30), day(2, 28), 1, 30),
    (day(2, 28), day(3, 31), 1, 31),
    (day(2, 28), day(3, 30), 1, 30),
    (day(2, 28), day(3, 28), 1, 28),
    (day(2, 29, 2028), day(3, 31, 2028), 1, 31),
    (day(4, 30), day(5, 31), 1, 31),
    (day(12, 31), day(1, 31, 2028), 1, 31),
    (day(1, 31), day(4, 30), 3, 31),
    (day(2, 28), day(2, 28, 2028), 12, 28),
    (day(2, 29, 2028), day(2, 28, 2029), 12, 29),
    (day(1, 1), day(1, 1, 2030), 36, 1),
]
DAYS = [
    (day(1, 10), day(1, 17), 7),
    (day(1, 10), day(2, 9), 30),
    (day(1, 31), day(3, 1), 29),
    (day(1, 10), day(2, 10, hour=10), 31),
    (day(1, 10), day(1, 10, hour=20), 1),
    (day(1, 10), day(1, 24, hour=20), 14),
    (day(1, 1), day(2, 1, 2030), 1127),
]


@pytest.mark.parametrize(("starts", "ends", "months", "anchor_day"), MONTHS)
def test_a_cycle_is_whole_months_where_one_anchor_day_explains_both_ends(
    starts: datetime, ends: datetime, months: int, anchor_day: int
) -> None:
    assert rollover_of(5, starts, starts, ends) == Rollover(5, starts, months=months, anchor_day=anchor_day)


@pytest.mark.parametrize(("starts", "ends", "days"), DAYS)
def test_any_other_cycle_is_whole_days_and_never_none(starts: datetime, ends: datetime, days: int) -> None:
    assert rollover_of(None, starts, starts, ends) == Rollover(None, starts, days=days)


def test_months_count_from_the_anchor_and_not_from_a_clipped_day() -> None:
    """31 January, 28 February, 31 March, 30 April, 31 May; in 2028 the 29th."""
    ends = [day(1, 31)]
    for _ in range(4):
        ends.append(one_interval_after(ends[-1], Rollover(None, JAN, months=1, anchor_day=31)))
    assert ends == [day(1, 31), day(2, 28), day(3, 31), day(4, 30), day(5, 31)]
    assert months_after(day(1, 31, 2028), 1, 31) == day(2, 29, 2028)
    assert months_after(day(2, 29, 2028), 12, 29) == day(2, 28, 2029)
    assert months_after(day(12, 31), 2, 31) == day(2, 29, 2028)


def test_days_count_in_utc_and_the_calendar_has_an_end() -> None:
    assert one_interval_after(day(1, 25), Rollover(None, JAN, days=14)) == day(2, 8)
    late = day(12, 1, 9999)
    assert one_interval_after(late, Rollover(None, JAN, days=400)) == FOREVER
    assert one_interval_after(late, Rollover(None, JAN, months=1, anchor_day=1)) == FOREVER


# -- the caps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "left", "expected"),
    [
        (0, 3, [("expired", -3)]),
        (1, 3, [("rolled_over", 0), ("expired", -2)]),
        (2, 3, [("rolled_over", 0), ("expired", -1)]),
        (3, 3, [("rolled_over", 0)]),
        (5, 3, [("rolled_over", 0)]),
        (None, 3, [("rolled_over", 0)]),
        (2, 1, [("rolled_over", 0)]),
        (2, 0, []),
    ],
)
def test_what_is_left_rolls_over_up_to_the_cap(cap: int | None, left: int, expected: list[tuple[str, int]]) -> None:
    wallet = paid(a_wallet(), JAN, FEB, 3, cap).wallet
    change = settled(spent(wallet, **{wallet.open_lots[0].lot_id: left}), FEB)
    assert stated(change) == expected
    kept = left if cap is None else min(cap, left)
    assert lots(change.wallet) == ([("rolled_over", kept, FEB, MAR)] if kept else [])


def test_use_or_lose_leaves_no_trace_of_cycles() -> None:
    wallet = paid(a_wallet(), JAN, FEB, cap=0).wallet
    assert (wallet.cycles, wallet.open_lots[0].rollover) == ((), None)


def test_a_package_that_does_not_end_with_the_cycle_rolls_nothing_over() -> None:
    never = rolling_package(None, expiry=Expiry())
    assert paid(a_wallet(), JAN, FEB, package=never).wallet.open_lots[0].rollover is None


def test_the_new_lot_is_the_old_one_under_another_name_for_one_more_interval() -> None:
    wallet = paid(a_wallet(), JAN, FEB, 8).wallet
    wallet = replace(wallet, lots=(replace(wallet.open_lots[0], frozen=freezes("dispute/dp_1")),))
    old, change = wallet.open_lots[0], settled(wallet, FEB + DAY)
    (new,) = (lot for lot in change.wallet.open_lots if lot.source is LotSource.ROLLED_OVER)
    assert (new.granted, new.remaining, new.priority, new.parent) == (5, 5, 40, old.lot_id)
    assert (new.effective_at, new.expires_at) == (FEB, MAR)
    assert (new.payment, new.value, new.subscription, new.package_id) == (
        old.payment,
        old.value,
        old.subscription,
        old.package_id,
    )
    assert new.frozen == freezes("dispute/dp_1")
    assert new.rollover == Rollover(5, JAN + HOUR, months=1, anchor_day=10)
    assert change.wallet.granted_total == 8


def test_both_entries_are_one_operation_of_the_schedule_dated_at_the_end() -> None:
    wallet = paid(a_wallet(), JAN, FEB, 8).wallet
    old = wallet.open_lots[0].lot_id
    change = settled(wallet, FEB + 3 * DAY)
    rolled, expired = change.entries
    new = change.wallet.open_lots[0].lot_id
    assert rolled.postings == (Posting(-5, lot_id=old), Posting(5, lot_id=new, facts=rolled.postings[1].facts))
    assert expired.postings == (Posting(-3, lot_id=old),)
    for entry in (rolled, expired):
        assert entry.source_id == f"expire/{old}/2027-02-10T09:00:00Z"
        assert (entry.occurred_at, entry.recorded_at) == (FEB, FEB + 3 * DAY)
        assert (str(entry.cause.kind), entry.actor.actor_id) == ("schedule", "schedule")


def test_only_what_was_there_at_the_end_rolls_over() -> None:
    """What was paid after its own cycle had ended lasts a cycle, and what came back to a lot after its end expires."""
    change = paid(a_wallet(), JAN, FEB, paid_at=FEB + DAY)
    assert stated(change) == [("granted", 3)]
    assert [(lot.expires_at, lot.rollover) for lot in change.wallet.open_lots] == [(FEB + DAY + (FEB - JAN), None)]
    lot = a_lot("l", 2, expires_at=FEB, effective_at=JAN, rollover=Rollover(None, JAN, months=1, anchor_day=10))
    act = an_act(FEB + DAY, source_id="cancel/1")
    assert stated(settled(a_wallet(lot), FEB + DAY, act=act)) == [("expired", -2)]


def test_what_came_back_before_the_end_rolls_over_under_the_operations_name_however_late_it_is_heard() -> None:
    """The lot may have rolled over under its own name already."""
    lot = a_lot("l", 2, expires_at=FEB, effective_at=JAN, rollover=Rollover(1, JAN, months=1, anchor_day=10))
    act = an_act(FEB + DAY, FEB - DAY, source_id="cancel/1")
    change = settled(a_wallet(lot, a_lot("other", 1, expires_at=FEB)), FEB + DAY, act=act)
    assert stated(change) == [("rolled_over", 0), ("expired", -2)]
    assert {e.source_id for e in change.entries} == {"cancel/1/2027-02-10T09:00:00Z"}


# -- trimming ------------------------------------------------------------------------------------


def a_rolling_lot(lot_id: str, remaining: int, since: datetime = JAN, **fields: object) -> Lot:
    cap = fields.pop("cap", 5)
    values: dict[str, object] = {
        "effective_at": since,
        "expires_at": FEB,
        "source": LotSource.CYCLE,
        "subscription": "sub_1",
        "rollover": Rollover(cap, since, months=1, anchor_day=10),  # type: ignore[arg-type]
    }
    return a_lot(lot_id, remaining, **(values | fields))


def kept(change: Change) -> dict[str, int]:
    """How many credits of each lot were kept."""
    moved = (e for e in change.entries if e.kind is EntryKind.ROLLED_OVER)
    return {p.lot_id or "": -p.amount for e in moved for p in e.postings if p.amount < 0}


@pytest.mark.parametrize(
    ("cap", "old", "mid", "new", "expected"),
    [
        (5, 4, 0, 3, {"old": 2, "new": 3}),
        (5, 4, 3, 3, {"mid": 2, "new": 3}),
        (5, 4, 0, 9, {"new": 5}),
        (6, 1, 2, 3, {"old": 1, "mid": 2, "new": 3}),
        (4, 1, 2, 3, {"mid": 1, "new": 3}),
        (None, 4, 3, 9, {"old": 4, "mid": 3, "new": 9}),
    ],
)
def test_the_oldest_credits_are_trimmed_first(
    cap: int | None, old: int, mid: int, new: int, expected: dict[str, int]
) -> None:
    all_lots = [
        a_rolling_lot("new", new, JAN, cap=cap),
        a_rolling_lot("old", old, JAN - 20 * DAY, cap=cap, source=LotSource.ROLLED_OVER, effective_at=JAN),
        a_rolling_lot("mid", mid, JAN - 10 * DAY, cap=cap),
    ]
    wallet = a_wallet(*(lot for lot in all_lots if lot.remaining), cycles=(Cycle("sub_1", JAN, FEB),))
    change = settled(wallet, FEB)
    assert kept(change) == expected
    assert change.wallet.balance == sum(expected.values())


def test_the_cap_is_that_of_the_newest_credits() -> None:
    wallet = a_wallet(a_rolling_lot("old", 9, JAN - DAY, cap=9), a_rolling_lot("new", 3, cap=2))
    assert kept(settled(wallet, FEB)) == {"new": 2}


def test_two_lots_of_one_cycle_share_the_cap_and_two_subscriptions_do_not() -> None:
    one, two = a_rolling_lot("one", 4), a_rolling_lot("two", 4)
    assert sum(kept(settled(a_wallet(one, two), FEB)).values()) == 5
    apart = settled(a_wallet(one, replace(two, subscription="sub_2")), FEB)
    assert kept(apart) == {"one": 4, "two": 4}
    assert len({e.source_id for e in apart.entries}) == 2


def test_lots_that_do_not_roll_over_end_beside_those_that_do() -> None:
    wallet = a_wallet(a_rolling_lot("rolls", 7), a_lot("gift", 2, effective_at=JAN, expires_at=FEB))
    change = settled(wallet, FEB)
    assert stated(change) == [("expired", -2), ("rolled_over", 0), ("expired", -2)]
    assert change.wallet.balance == 5


def test_credits_of_the_same_cycle_heard_after_its_end_share_the_cap_with_what_was_kept() -> None:
    """In time: 4 + 4 with a cap of 5, the newest kept whole. Late, what had been kept makes room, or has none."""
    early, late = {"paid_at": JAN + HOUR, "payment_id": "in_a"}, {"paid_at": JAN + 2 * HOUR, "payment_id": "in_b"}
    for first, second in ((early, late), (late, early)):
        wallet = settled(paid(a_wallet(), JAN, FEB, 4, **first).wallet, FEB).wallet  # type: ignore[arg-type]
        change = paid(wallet, JAN, FEB, 4, now=FEB + DAY, **second)  # type: ignore[arg-type]
        left = {(lot.payment or "")[:4]: lot.remaining for lot in change.wallet.open_lots}
        assert left == {"in_a": 1, "in_b": 4}


def test_what_one_subscription_rolls_over_is_never_parted_for_want_of_room() -> None:
    wallet = a_wallet(a_rolling_lot("a", 7), replace(a_rolling_lot("b", 7), subscription="sub_2"))
    first = settled(wallet, FEB, limit=3)
    assert stated(first) == [("rolled_over", 0), ("expired", -2)]
    assert stated(settled(first.wallet, FEB, limit=3)) == [("rolled_over", 0), ("expired", -2)]
    assert not settled(wallet, FEB, limit=1).made


# -- the last cycle ------------------------------------------------------------------------------


def test_the_last_cycle_rolls_over_once() -> None:
    wallet = paid(a_wallet(), JAN, FEB, 3).wallet
    change = settled(wallet, day(12, 1))
    assert stated(change) == [("rolled_over", 0), ("expired", -3)]
    assert [e.occurred_at for e in change.entries] == [FEB, MAR]
    assert change.wallet.open_lots == ()


def test_rolled_credits_roll_again_while_the_next_cycle_is_paid() -> None:
    """3 of January and 3 of February, none spent, cap 5: in March 2 of January's are left; in April all go."""
    wallet = paid(a_wallet(), JAN, FEB, 3).wallet
    wallet = paid(wallet, FEB, MAR, 3).wallet
    assert lots(wallet) == [("rolled_over", 3, FEB, MAR), ("cycle", 3, FEB + HOUR, MAR)]
    march = settled(wallet, MAR)
    assert stated(march) == [("rolled_over", 0), ("expired", -1)]
    assert lots(march.wallet) == [("rolled_over", 2, MAR, APR), ("rolled_over", 3, MAR, APR)]
    april = settled(march.wallet, APR)
    assert stated(april) == [("expired", -5)]
    assert april.wallet.open_lots == ()


def test_the_grant_never_depends_on_what_rolled_over() -> None:
    wallet = paid(a_wallet(), JAN, FEB, 3, None).wallet
    for starts, ends in ((FEB, MAR), (MAR, APR), (APR, MAY)):
        change = paid(wallet, starts, ends, 3, None)
        assert [e.amount for e in change.entries if e.kind is EntryKind.GRANTED] == [3]
        wallet = change.wallet
    assert wallet.balance == 12


# -- the provider's own instants -----------------------------------------------------------------


@pytest.mark.parametrize("drift", [-2 * DAY, -HOUR, HOUR, 2 * DAY])
def test_the_end_is_corrected_to_the_providers_once_it_is_heard(drift: timedelta) -> None:
    wallet = settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet
    change = paid(wallet, FEB, MAR + drift, 3)
    assert stated(change) == [("granted", 3), ("extended", 0)]
    granted, extended = change.entries
    assert extended.source_id == granted.source_id
    rolled = wallet.open_lots[0].lot_id
    assert plain(extended.postings) == (Posting(0, lot_id=rolled),)
    assert {lot.end for lot in change.wallet.open_lots} == {MAR + drift}


@pytest.mark.parametrize(("given", "kept"), [(MAY, MAY), (None, FOREVER), (MAR + HOUR, MAR + DAY)])
def test_the_next_cycle_brings_no_end_forward_that_staff_gave(given: datetime | None, kept: datetime) -> None:
    """It lasts until a day after 10 March."""
    wallet = settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet
    (rolled,) = wallet.open_lots
    given_on = extend(untouched(wallet), rolled.lot_id, given, an_act(FEB), RULES, room=40).wallet
    after = paid(given_on, FEB, MAR + DAY, 3).wallet
    lot = after.lot(rolled.lot_id)
    assert lot
    assert (lot.end, after.balance) == (kept, 6)


def test_an_end_that_is_right_already_is_not_heard_again() -> None:
    wallet = settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet
    assert stated(paid(wallet, FEB, MAR, 3)) == [("granted", 3)]


def test_known_cycles_give_the_end_at_once() -> None:
    wallet = paid(a_wallet(), JAN, FEB, 3).wallet
    wallet = paid(wallet, FEB, MAR + HOUR, 3, now=FEB - DAY, paid_at=FEB - DAY).wallet
    assert lots(settled(wallet, FEB).wallet) == [("cycle", 3, FEB, MAR + HOUR), ("rolled_over", 3, FEB, MAR + HOUR)]


def test_another_subscription_corrects_nothing() -> None:
    wallet = settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet
    change = paid(wallet, FEB, MAR + DAY, 3, subscription="sub_2")
    assert stated(change) == [("granted", 3)]
    assert len(change.wallet.cycles) == 2


def test_an_annual_item_of_the_same_subscription_does_not_stretch_what_rolls_over_monthly() -> None:
    wallet = settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet
    change = paid(wallet, FEB, day(2, 10, 2028), 3, item="si_2")
    assert ("rolled_over", 3, FEB, MAR) in lots(change.wallet)


def test_a_change_of_plan_counts_with_the_cycle_it_falls_into() -> None:
    """Its line names the rest of the cycle only; what it grants rolls over for a whole month."""
    wallet = paid(a_wallet(), JAN, FEB, 3).wallet
    line = {"proration": True}
    change = paid(wallet, JAN + 12 * DAY, FEB, 1, line=line, payment_id="in_up")
    assert change.wallet.cycles == (Cycle("sub_1", JAN, FEB),)
    assert lots(settled(change.wallet, FEB).wallet) == [("rolled_over", 1, FEB, MAR), ("rolled_over", 3, FEB, MAR)]


def test_only_the_cycles_that_last_and_the_newest_are_remembered() -> None:
    wallet = a_wallet()
    for starts, ends in ((JAN, FEB), (FEB, MAR), (MAR, APR)):
        wallet = paid(wallet, starts, ends).wallet
    assert wallet.cycles == (Cycle("sub_1", MAR, APR),)
    early = paid(wallet, APR, MAY, now=MAR + 2 * DAY).wallet
    assert early.cycles == (Cycle("sub_1", MAR, APR), Cycle("sub_1", APR, MAY))
    other = paid(early, day(9, 1, 2029), day(10, 1, 2029), subscription="sub_2").wallet
    assert [c.subscription for c in other.cycles] == ["sub_2"]


# -- any order -----------------------------------------------------------------------------------

CYCLES = {"jan": (day(1, 31), day(2, 28)), "feb": (day(2, 28), day(3, 31)), "mar": (day(3, 31), day(4, 30))}


def heard_in(order: tuple[str, ...], now: datetime, cap: int | None, sweeps: bool) -> tuple[Wallet, list[object]]:
    """All three payments, made when their cycles began, said a minute apart from `now` on."""
    wallet, entries = a_wallet(), []
    for number, name in enumerate(order):
        at = now + timedelta(minutes=number)
        if sweeps:
            swept = settled(wallet, at - timedelta(seconds=1))
            wallet, entries = swept.wallet, [*entries, *swept.entries]
        starts, ends = CYCLES[name]
        paid_at = min(starts, now)
        change = paid(wallet, starts, ends, 4, cap, at, payment_id=f"in_{name}", paid_at=paid_at)
        wallet, entries = change.wallet, [*entries, *change.entries]
    return wallet, entries  # type: ignore[return-value]


@pytest.mark.parametrize("cap", [0, 2, 5, None])
@pytest.mark.parametrize("now", [day(1, 31), day(2, 27), day(2, 28), day(3, 15), day(3, 31) - HOUR])
def test_payments_heard_in_any_order_with_or_without_sweeps_give_the_same_lots(now: datetime, cap: int | None) -> None:
    outcomes = set()
    for order in permutations(CYCLES):
        for sweeps in (False, True):
            wallet, entries = heard_in(order, now, cap, sweeps)
            for until in (day(4, 1), day(5, 1), day(6, 1)):
                change = settled(wallet, until)
                wallet, entries = change.wallet, [*entries, *change.entries]
                assert breaches(wallet, entries) == []  # type: ignore[arg-type]
                outcomes.add((until, frozenset(wallet.open_lots)))
    assert len(outcomes) == 3


def test_swept_in_time_or_not_the_lots_are_the_same() -> None:
    paid_in_time = a_wallet()
    for starts, ends in CYCLES.values():
        paid_in_time = paid(paid_in_time, starts, ends, 4).wallet
        for hours in range(1, 24 * 28, 23):
            paid_in_time = settled(paid_in_time, starts + hours * HOUR).wallet
    unswept = a_wallet()
    for starts, ends in CYCLES.values():
        unswept = paid(unswept, starts, ends, 4).wallet
    assert settled(paid_in_time, day(5, 15)).wallet.open_lots == settled(unswept, day(5, 15)).wallet.open_lots


# -- beside everything else ----------------------------------------------------------------------


def test_rolled_credits_repay_what_they_can_at_the_instant_they_roll() -> None:
    """The cycle's own lot ended before the session; the rolled one covers it."""
    debt = a_debt("b1", 2, since=JAN + DAY, starts_at=FEB + DAY)
    change = settled(a_wallet(a_rolling_lot("a", 4), debts=(debt,)), FEB + 3 * DAY)
    assert stated(change) == [("rolled_over", 0), ("repaid", 0)]
    assert [e.occurred_at for e in change.entries] == [FEB, FEB]
    assert change.wallet.balance == 2


def test_the_next_instant_due_is_the_cycles_end_then_the_rolled_lots() -> None:
    wallet = paid(a_wallet(), JAN, FEB).wallet
    assert next_due(wallet, JAN + DAY, RULES) == FEB
    assert next_due(settled(wallet, FEB).wallet, FEB, RULES) == MAR


def test_settling_in_one_go_or_month_by_month_writes_the_same() -> None:
    wallet = a_wallet()
    for starts, ends in ((JAN, FEB), (FEB, MAR), (MAR, APR)):
        wallet = paid(wallet, starts, ends, 3, now=JAN + 2 * HOUR, paid_at=JAN + HOUR).wallet
    whole = settled(wallet, day(12, 31))
    parts, at = untouched(wallet), JAN + DAY
    written = []
    while at <= day(12, 31):
        parts = settled(parts.wallet, at)
        written += parts.entries
        at += 5 * DAY
    parts = settled(parts.wallet, day(12, 31))
    written += parts.entries
    assert [(e.source_id, e.kind, e.postings, e.occurred_at) for e in written] == [
        (e.source_id, e.kind, e.postings, e.occurred_at) for e in whole.entries
    ]
    assert parts.wallet.open_lots == whole.wallet.open_lots == ()


# -- the finer points ----------------------------------------------------------------------------


def test_what_was_kept_and_spent_since_has_used_up_its_part_of_the_cap() -> None:
    wallet = settled(paid(a_wallet(), JAN, FEB, 5, paid_at=JAN + 2 * HOUR).wallet, FEB).wallet
    wallet = spent(wallet, **{wallet.open_lots[0].lot_id: 1})
    change = paid(wallet, JAN, FEB, 4, now=FEB + DAY, paid_at=JAN + HOUR, payment_id="in_late")
    assert stated(change) == [("granted", 4), ("expired", -4)]
    assert lots(change.wallet) == [("rolled_over", 1, FEB, MAR)]


def test_a_cycle_paid_ahead_does_not_stand_for_the_one_before_it() -> None:
    rolled = a_rolling_lot("r", 2, FEB, expires_at=MAR, source=LotSource.ROLLED_OVER)
    assert stated(settled(a_wallet(rolled, cycles=(Cycle("sub_1", MAR, APR),)), MAR)) == [("expired", -2)]
    assert stated(settled(a_wallet(rolled, cycles=(Cycle("sub_1", FEB, MAR),)), MAR)) == [("rolled_over", 0)]


def test_a_cycle_that_began_before_does_not_name_the_end() -> None:
    """The anchor was moved within the cycle: what rolls over lasts a month of its own."""
    wallet = a_wallet(a_rolling_lot("a", 2), cycles=(Cycle("sub_1", JAN + 5 * DAY, FEB + 5 * DAY),))
    assert lots(settled(wallet, FEB).wallet) == [("rolled_over", 2, FEB, MAR)]


def test_a_change_of_plan_leaves_the_length_of_what_rolled_over_alone() -> None:
    wallet = paid(settled(paid(a_wallet(), JAN, FEB, 3).wallet, FEB).wallet, FEB, MAR, 3).wallet
    update = {"line": {"proration": True}, "payment_id": "in_up"}
    change = paid(replace(wallet, cycles=()), FEB + 9 * DAY, MAR, 1, **update)  # type: ignore[arg-type]
    rolled = next(lot for lot in change.wallet.open_lots if lot.source is LotSource.ROLLED_OVER)
    assert rolled.rollover == Rollover(5, JAN + HOUR, months=1, anchor_day=10)


def test_a_cycle_heard_after_its_end_rolls_over_under_the_name_it_would_have_had() -> None:
    in_time = settled(paid(a_wallet(), JAN, FEB, 7).wallet, FEB)
    late = paid(a_wallet(), JAN, FEB, 7, now=FEB + DAY)
    assert [e.source_id for e in late.entries[1:]] == [e.source_id for e in in_time.entries]
    assert late.wallet.open_lots == in_time.wallet.open_lots
