"""The sweep goes on past what it cannot work off: that is set aside, named, and tried again after growing pauses."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_lot
from tests.support.memory_table import MemoryDynamoDB, memory_store

from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.operations.sweeping import ItemSetAside, Swept, sweep_shard
from client_credits.store import keys, writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store

SHARD = "03"
HERE = [c for c in (f"c{n}" for n in range(400)) if keys.due_shard(keys.wallet("p1", c, "follow-up")) == SHARD][:4]
THERE = next(c for c in (f"c{n}" for n in range(400)) if keys.due_shard(keys.wallet("p2", c, "follow-up")) == SHARD)


@pytest.fixture
def place() -> tuple[Store, MemoryDynamoDB]:
    """Two practices; four wallets of the first and one of the second are due in one shard, c-first the longest."""
    store, table = memory_store()
    for practice_id in ("p1", "p2"):
        catalogue = replace(a_catalogue(), version=0)
        account = Account(practice_id, created_at=NOW, catalogue_version=1)
        store.commit([writes.account(account), writes.catalogue(practice_id, catalogue)])
    for days, (practice_id, client_id) in enumerate([("p2", THERE), *(("p1", c) for c in reversed(HERE))], 1):
        lot = a_lot("lot-1", 2, effective_at=NOW - 30 * DAY, expires_at=NOW - days * HOUR)
        wallet = Wallet(practice_id, client_id, "follow-up", lots=(lot,))
        store.commit([writes.client(practice_id, Client(client_id)), writes.wallet(wallet, NOW - days * HOUR)])
    return store, table


def spoil(table: MemoryDynamoDB, key: keys.Key, body: str = '{"lots": 7}') -> None:
    table.items[key] = table.items[key] | {"body": {"S": body}}


def first(place: tuple[Store, MemoryDynamoDB]) -> keys.Key:
    return keys.wallet("p1", HERE[0], "follow-up")


def balances(store: Store, *clients: str, practice_id: str = "p1") -> list[int]:
    wanted = Wanted(also=tuple((client_id, "follow-up") for client_id in clients))
    return [wallet.balance for wallet in store.load(practice_id, wanted).also.values()]


def due_at(table: MemoryDynamoDB, key: keys.Key) -> str:
    return table.items[key]["due_at"]["S"]


@pytest.mark.parametrize("body", ['{"lots": 7}', "no json", '{"lots": [{"lot_id": "x"}]}'])
def test_an_unreadable_wallet_that_is_the_longest_due_stops_no_other(place: Any, body: str) -> None:
    store, table = place
    spoil(table, first(place), body)
    swept = sweep_shard(store, SHARD, NOW)
    assert (swept.wallets, swept.entries) == (4, 4)
    ((aside),) = swept.set_aside
    assert (aside.place, aside.times) == (f"p1/{HERE[0]}/wallet/follow-up", 1)
    assert aside.reason in ("ValueError", "JSONDecodeError")
    assert balances(store, *HERE[1:]) == [0, 0, 0]
    assert sweep_shard(store, SHARD, NOW) == Swept(0, 0, more=False), "its pause has begun"


def test_one_by_one_the_others_have_their_turn(place: Any) -> None:
    """Pages of one: what is set aside goes behind the rest and comes back only later."""
    store, table = place
    spoil(table, first(place))
    pages = [sweep_shard(store, SHARD, NOW, limit=1) for _ in range(5)]
    assert [page.entries for page in pages] == [0, 1, 1, 1, 1]


def test_a_practice_whose_settings_cannot_be_read_stops_no_other_practice(place: Any) -> None:
    store, table = place
    spoil(table, keys.account("p1"), "{}")
    swept = sweep_shard(store, SHARD, NOW)
    assert (swept.entries, len(swept.set_aside)) == (1, 4)
    assert balances(store, THERE, practice_id="p2") == [0]


def test_pauses_grow_to_a_day(place: Any) -> None:
    store, table = place
    spoil(table, first(place))
    now, pauses = NOW, []
    for times in range(1, 13):
        (aside,) = sweep_shard(store, SHARD, now).set_aside
        assert aside.times == times
        later = now.fromisoformat(due_at(table, first(place)))
        pauses.append(later - now)
        assert sweep_shard(store, SHARD, later - timedelta(seconds=1)).set_aside == ()
        now = later
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert pauses[-1] == DAY == max(pauses)


def test_a_wallet_that_can_be_read_again_is_settled_and_set_aside_no_more(place: Any) -> None:
    store, table = place
    whole = table.items[first(place)]["body"]["S"]
    spoil(table, first(place))
    sweep_shard(store, SHARD, NOW)
    spoil(table, first(place), whole)
    assert sweep_shard(store, SHARD, NOW + sweeping.FIRST_PAUSE).entries == 1
    assert not {"set_aside", "set_aside_times", "due_at"} & table.items[first(place)].keys()


def test_what_only_the_next_release_can_work_off_waits_for_it(place: Any) -> None:
    store, table = place
    table.items["p1#hologram#1", "x"] = table.items[first(place)] | {
        "pk": {"S": "p1#hologram#1"},
        "sk": {"S": "x"},
        "kind": {"S": "hologram"},
    }
    swept = sweep_shard(store, SHARD, NOW)
    assert swept.set_aside == (ItemSetAside("p1/hologram/1/x", "_NotKnown", 1),)
    assert swept.entries == 5


def test_a_table_that_does_not_answer_sets_nothing_aside(place: Any) -> None:
    store, table = place
    before = dict(table.items)

    def refuse(moment: str, call: str) -> None:
        if call == "batch_get_item":
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": ""}}, call)

    table.watch = refuse
    with pytest.raises(ClientError):
        sweep_shard(store, SHARD, NOW)
    assert table.items == before


def test_a_wallet_whose_next_entry_stands_there_already_is_set_aside_at_its_second_turn(place: Any) -> None:
    """It conflicts for ever. A conflict may be mere contention, so the first one is known and tried again."""
    store, table = place
    table.items[keys.entry("p1", HERE[0], "follow-up", 1)] = {"pk": {"S": "x"}, "sk": {"S": "x"}}
    with pytest.raises(sweeping.Busy):
        sweep_shard(store, SHARD, NOW)
    assert balances(store, *HERE[1:]) == [0, 0, 0]
    (aside,) = sweep_shard(store, SHARD, NOW).set_aside
    assert (aside.reason, aside.times) == ("Busy", 2)
    assert sweep_shard(store, SHARD, NOW).set_aside == ()
