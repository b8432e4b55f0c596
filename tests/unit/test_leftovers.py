"""Which lots are leftovers, and in which order they go."""

from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_lot, a_wallet, held_by_lot, stated

from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, untouched
from client_credits.domain.ledger.leftovers import LeftoversRule, expire_leftovers
from client_credits.domain.ledger.wallet import Freeze, LotSource
from client_credits.domain.practice.settings import Settings

ACT = Act("api/e1/c1", Cause(CauseKind.STAFF), Actor("staff", "s1"), NOW, NOW)


def left(*lots: Any, **rule: Any) -> dict[str, int]:
    change = expire_leftovers(untouched(a_wallet(*lots)), LeftoversRule(**rule), ACT, Settings(), 10)
    return held_by_lot(change.wallet)


@pytest.mark.parametrize(
    "more",
    [
        {"frozen": (Freeze("dispute/dp_1", NOW),)},
        {"source": LotSource.ROLLED_OVER, "priority": 40},
    ],
    ids=["frozen", "rolled over"],
)
def test_frozen_and_rolled_over_lots_are_no_leftovers_and_are_not_counted_as_kept(more: dict[str, Any]) -> None:
    lots = a_lot("other", 5, **more), a_lot("plain", 3)
    assert left(*lots) == {"other": 5}
    assert left(*lots, keep=2) == {"other": 5, "plain": 2}


def test_what_is_kept_would_be_spent_last() -> None:
    soon, late, gift = a_lot("soon", 2, expires_at=NOW + DAY), a_lot("late", 2), a_lot("gift", 2, priority=60)
    for keep, kept in [(1, {"late": 1}), (3, {"late": 2, "soon": 1}), (5, {"late": 2, "soon": 2, "gift": 1})]:
        assert left(late, soon, gift, keep=keep) == kept


def test_where_no_more_is_left_over_than_is_kept_nothing_happens() -> None:
    before = untouched(a_wallet(a_lot("lot-1", 3)))
    assert expire_leftovers(before, LeftoversRule(keep=3), ACT, Settings(), 10) is before
    assert stated(expire_leftovers(before, LeftoversRule(keep=2), ACT, Settings(), 10)) == [("expired", -1)]
