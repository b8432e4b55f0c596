"""What becomes of holds when staff void a lot or lower a number: never more is held than their lot has."""

import pytest
from tests.support.builders import HOUR, NOW, a_hold, a_lot, a_wallet, an_act, held_by_lot, stated

from client_credits.domain.ledger.adjusting import adjust, void
from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.settings import Settings

EARLY, LATE = NOW + HOUR, NOW + 2 * HOUR


def held(*parts: tuple[str, tuple[tuple[str, int], ...]]) -> Wallet:
    """Two lots of three, with an early hold and a late one of these parts."""
    holds = (a_hold(*own, until=EARLY if name == "early" else LATE, hold_id=name) for name, own in parts)
    return a_wallet(a_lot("1", 3), a_lot("2", 3), holds=tuple(holds))


def parts_of(wallet: Wallet) -> dict[str, tuple[tuple[str, int], ...]]:
    return {hold.hold_id: hold.parts for hold in wallet.holds}


def test_voiding_a_lot_takes_its_part_out_of_each_hold_and_leaves_the_parts_of_other_lots() -> None:
    before = held(("early", (("1", 1), ("2", 2))), ("late", (("1", 2),)))
    change = void(untouched(before), "1", an_act())
    assert stated(change) == [("voided", -3)]
    assert parts_of(change.wallet) == {"early": (("2", 2),), "late": ()}
    assert (change.wallet.held("1", NOW), change.wallet.held("2", NOW)) == (0, 2)


@pytest.mark.parametrize(
    ("taken", "early", "late"),
    [(3, 2, 1), (4, 2, 0), (5, 1, 0), (6, 0, 0)],
)
def test_lowering_takes_held_credits_last_and_those_of_the_newest_hold_first(taken: int, early: int, late: int) -> None:
    before = held(("early", (("1", 2),)), ("late", (("1", 1),)))
    change = adjust(untouched(before), -taken, None, an_act(), Settings(), 10)
    assert stated(change) == [("adjusted", -taken)]
    assert held_by_lot(change.wallet).get("1", 0) == 6 - taken
    assert {name: sum(n for _, n in own) for name, own in parts_of(change.wallet).items()} == {
        "early": early,
        "late": late,
    }
    assert change.wallet.held("1", NOW) == early + late
