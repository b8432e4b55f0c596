"""Bounds: what a caller asks for is refused beyond them; a wallet beyond them may shrink and can be stored."""

from dataclasses import replace
from random import Random
from string import ascii_letters, digits

import pytest
from tests.support.builders import DAY, NOW, a_debt, a_lot, a_wallet, an_act, freezes, stated
from tests.support.limits import size_of
from tests.support.records import LOT

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import LimitReached
from client_credits.domain.ledger.adjusting import adjust
from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.wallet import MAX_OPEN, Lot, Value, Wallet
from client_credits.domain.practice.settings import Settings
from client_credits.store import codec, writes
from client_credits.store.codec import from_attributes
from client_credits.store.store import wallet_of

BEYOND = 200
ITEM_BYTES = 400 * 1024  # that DynamoDB holds
RULES = Settings()


def adjusted(wallet: Wallet, delta: int) -> list[tuple[str, int]]:
    return stated(adjust(untouched(wallet), delta, None, an_act(), RULES, room=40))


def lots(count: int) -> Wallet:
    return a_wallet(*(a_lot(f"l{n}", 2) for n in range(count)))


# -- a wallet that undoing has filled beyond its bounds ----------------------------------------


def test_a_wallet_with_more_lots_than_callers_may_bring_takes_no_request_for_one_more() -> None:
    with pytest.raises(LimitReached):
        adjusted(lots(MAX_OPEN + BEYOND), 1)


def test_a_wallet_with_more_lots_than_callers_may_bring_can_be_lowered() -> None:
    assert adjusted(lots(MAX_OPEN + BEYOND), -3) == [("adjusted", -3)]


@pytest.mark.parametrize(("delta", "grows"), [(-1, False), (1, True)])
def test_a_balance_beyond_a_million_may_come_nearer_and_not_go_further(delta: int, grows: bool) -> None:
    rich = a_wallet(a_lot("all", MAX_CREDITS), a_lot("more", 5))
    owing = a_wallet(debts=(a_debt("b1", MAX_CREDITS + 5),))
    for wallet, change in ((rich, delta), (owing, -delta)):
        if grows:
            with pytest.raises(LimitReached):
                adjusted(wallet, change)
        else:
            assert adjusted(wallet, change)[0] == ("adjusted", change)


# -- what the store holds ----------------------------------------------------------------------


def longest(chance: Random) -> Lot:
    """A lot with everything a lot can have, each id as long as it comes and like no other."""

    def an_id(begins: str, length: int) -> str:
        return begins + "".join(chance.choices(ascii_letters + digits, k=length - len(begins)))

    return replace(
        LOT,
        lot_id=an_id("lot_", 24),
        parent=an_id("lot_", 24),
        granted=MAX_CREDITS,
        remaining=chance.randint(1, MAX_CREDITS),
        effective_at=NOW.replace(microsecond=chance.randrange(10**6)),
        expires_at=(NOW + DAY).replace(microsecond=chance.randrange(10**6)),
        package_id=an_id("", 128),
        payment=f"{an_id('cs_live_', 66)}/{an_id('li_', 30)}",
        subscription=an_id("sub_", 30),
        value=Value(chance.randrange(10**9), "eur", MAX_CREDITS),
        frozen=freezes(an_id("dispute/dp_", 38), an_id("past_due/sub_", 39)),
        cycle=(NOW, NOW),
    )


def stored_bytes(wallet: Wallet) -> int:
    item = writes.wallet(wallet, NOW)["Put"]["Item"]
    return size_of(item)


def test_twice_the_lots_that_callers_may_bring_fit_into_one_item_whatever_their_ids() -> None:
    chance = Random(1)
    wallet = a_wallet(*(longest(chance) for _ in range(2 * MAX_OPEN)))
    assert stored_bytes(wallet) < ITEM_BYTES
    assert len(codec.to_json(wallet)) > ITEM_BYTES, "else packing would not be needed"


@pytest.mark.parametrize("count", [0, 1, 4, MAX_OPEN, 2 * MAX_OPEN])
def test_a_wallet_of_any_size_is_read_back_as_it_was(count: int) -> None:
    chance = Random(2)
    wallet = a_wallet(*(longest(chance) for _ in range(count)))
    item = from_attributes(writes.wallet(wallet, None)["Put"]["Item"])
    assert ("body" in item, "packed" in item) == (count == 0, count > 0), "lots with ids of the longest are packed"
    key = ("p1#c1", "wallet#follow-up")
    assert wallet_of("p1", "c1", "follow-up", {key: item}) == replace(wallet, version=1)
