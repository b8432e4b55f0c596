"""What credits are worth: exact sums over any history, held against a model that knows each credit by itself."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import DAY, NOW

from client_credits.domain.ledger.wallet import Value
from client_credits.domain.ledger.worth import OWED, Fate, FateChange, Revenue, revenue, worth_before

HUNDRED = Value(10_000, "eur", 3)  # 33.33, 33.33 and 33.34
EPOCH = NOW - 10_000 * DAY


def change(days: int, credits: int, since: Fate | None, to: Fate) -> FateChange:
    return FateChange(NOW + days * DAY, credits, since, to)


def sold(credits: int = 3, days: int = 0) -> FateChange:
    return change(days, credits, None, Fate.UNSPENT)


def test_the_last_credit_carries_what_the_division_leaves() -> None:
    changes = [
        sold(),
        change(1, 1, Fate.UNSPENT, Fate.BOOKED),
        change(2, 1, Fate.BOOKED, Fate.EARNED),
        change(3, 1, Fate.UNSPENT, Fate.EXPIRED),
        change(4, 1, Fate.UNSPENT, Fate.REFUNDED),
    ]
    assert revenue(HUNDRED, changes, NOW, NOW + 9 * DAY) == Revenue(0, 10_000, 3_333, 3_333, 3_334, 0)
    days = [revenue(HUNDRED, changes, NOW + n * DAY, NOW + (n + 1) * DAY) for n in range(5)]
    assert [day.closing for day in days] == [10_000, 10_000, 6_667, 3_334, 0]
    assert [day.earned for day in days] == [0, 0, 3_333, 0, 0]
    assert days[4].refunded == 3_334


def test_a_booked_session_is_owed_and_not_unspent() -> None:
    changes = [sold(), change(1, 2, Fate.UNSPENT, Fate.BOOKED), change(2, 1, Fate.UNSPENT, Fate.BOOKED)]
    before, after = worth_before(HUNDRED, changes, (NOW + 2 * DAY, NOW + 3 * DAY))
    assert (before.amounts[Fate.UNSPENT], before.amounts[Fate.BOOKED]) == (3_334, 6_666)
    assert (after.amounts[Fate.UNSPENT], after.amounts[Fate.BOOKED]) == (0, 10_000)
    assert before.owed == after.owed == 10_000


def test_a_credit_that_comes_back_brings_the_remainder_from_whoever_has_it() -> None:
    changes = [
        sold(),
        change(1, 1, Fate.UNSPENT, Fate.EXPIRED),
        change(2, 2, Fate.UNSPENT, Fate.EARNED),
        change(3, 1, Fate.EXPIRED, Fate.UNSPENT),
    ]
    assert revenue(HUNDRED, changes, EPOCH, NOW + 3 * DAY) == Revenue(0, 10_000, 6_667, 3_333, 0, 0)
    third = revenue(HUNDRED, changes, NOW + 3 * DAY, NOW + 4 * DAY)
    assert third == Revenue(0, 0, -1, -3_333, 0, 3_334)


def test_the_remainder_of_tranches_is_sold_with_the_last_of_them() -> None:
    year = Value(1_000, "eur", 24)  # 41 each, and 16
    changes = [sold(2, days=30 * n) for n in range(12)]
    months = [revenue(year, changes, NOW + 30 * n * DAY, NOW + 30 * (n + 1) * DAY) for n in range(12)]
    assert [month.sold for month in months] == [82] * 11 + [98]
    assert months[-1].closing == 1_000


def test_an_instant_belongs_to_the_period_that_begins_with_it() -> None:
    assert revenue(HUNDRED, [sold()], NOW - DAY, NOW).sold == 0
    assert revenue(HUNDRED, [sold()], NOW, NOW + DAY).sold == 10_000


# --- The model: each credit by itself, and the remainder as a coin that lies with one of them

WAYS = [(a, b) for a in Fate for b in Fate if a != b]


class Credits:
    """Fates of single credits. The coin is with the ones that are owed, else with the last that left these."""

    def __init__(self, value: Value) -> None:
        self.value, self.fates, self.coin_left_as = value, [], Fate.UNSPENT  # type: ignore[var-annotated]

    def apply(self, change: FateChange) -> None:
        for _ in range(change.credits):
            if change.since is None:
                self.fates.append(change.to)
                continue
            self.fates[self.fates.index(change.since)] = change.to
            if change.since in OWED and change.to not in OWED and not any(f in OWED for f in self.fates):
                self.coin_left_as = change.to

    def amount(self, fate: Fate) -> int:
        each, coin = divmod(self.value.amount, self.value.credits)
        owed = [f for f in OWED if f in self.fates]
        holder = owed[0] if owed else self.coin_left_as
        all_came = len(self.fates) >= self.value.credits
        return each * self.fates.count(fate) + (coin if all_came and holder is fate else 0)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Value, list[FateChange]]:
    """Credits sold at once or in parts, and then moved about, each step at the hour of the one before or later."""
    parts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    value = Value(draw(st.integers(0, 500)), "eur", sum(parts))
    at, fates, changes = NOW, [Fate.UNSPENT] * 0, []
    coming = list(parts)
    for _ in range(draw(st.integers(1, 14))):
        at += timedelta(hours=draw(st.integers(0, 3)))
        if coming and (not fates or draw(st.booleans())):
            credits, since, to = coming.pop(), None, Fate.UNSPENT
        elif fates:
            since = draw(st.sampled_from(fates))
            to = draw(st.sampled_from([fate for fate in Fate if fate is not since]))
            credits = draw(st.integers(1, fates.count(since)))
        changes.append(FateChange(at, credits, since, to))
        for _ in range(credits if since else 0):
            fates.remove(since)
        fates += [to] * credits
    return value, changes


@given(histories())
def test_amounts_are_those_of_credits_counted_one_by_one(history: tuple[Value, list[FateChange]]) -> None:
    value, changes = history
    instants = sorted({c.at for c in changes} | {c.at + timedelta(hours=1) for c in changes})
    for instant, worth in zip(instants, worth_before(value, changes, instants), strict=True):
        model = Credits(value)
        for each in changes:
            if each.at < instant:
                model.apply(each)
        assert worth.credits == {fate: model.fates.count(fate) for fate in Fate}
        assert worth.amounts == {fate: model.amount(fate) for fate in Fate}


@given(histories(), st.lists(st.integers(-2, 45), min_size=3, max_size=3))
def test_opening_and_what_happens_make_closing_however_a_period_is_cut(
    history: tuple[Value, list[FateChange]], hours: list[int]
) -> None:
    value, changes = history
    first, between, last = (NOW + timedelta(hours=each) for each in sorted(hours))
    parts = [revenue(value, changes, first, between), revenue(value, changes, between, last)]
    every = revenue(value, changes, first, last)
    for each in (*parts, every):
        assert each.opening + each.sold - each.earned - each.expired - each.refunded == each.closing
    assert parts[0].closing == parts[1].opening
    assert (every.opening, every.closing) == (parts[0].opening, parts[1].closing)
    for name in ("sold", "earned", "expired", "refunded"):
        assert getattr(every, name) == sum(getattr(part, name) for part in parts)


@given(histories())
def test_all_that_was_paid_is_accounted_for_once_all_credits_have_come(
    history: tuple[Value, list[FateChange]],
) -> None:
    value, changes = history
    every = revenue(value, changes, EPOCH, NOW + 99 * DAY)
    came = sum(change.credits for change in changes if change.since is None)
    assert every.opening == 0
    assert every.sold == (value.amount if came == value.credits else came * (value.amount // value.credits))
