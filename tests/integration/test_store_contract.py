"""What the rest of the system may rely on of the table, on every engine: reads, transactions, conditions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from tests.support.builders import DAY, NOW
from tests.support.counting import Meter
from tests.support.engines import Engine
from tests.support.faults import ALWAYS, Fault, Injector, Plan, cancelled, faulty
from tests.support.records import WALLET, a_change, a_parked, an_entry, an_item

from client_credits.domain.bookings.booking import (
    Booking,
    BookingState,
)
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.records import Account, Client
from client_credits.store import codec, keys, writes
from client_credits.store.keys import Key
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import BATCH, Conflicted, Table, Write
from client_credits.store.writes import sortable

pytestmark = pytest.mark.usefixtures("no_waiting")


# -- batch read --------------------------------------------------------------------------------


def test_a_batch_read_returns_what_exists_by_key_and_leaves_out_the_rest(table: Table) -> None:
    table.transact([an_item("a", n=1), an_item("b", n=-2, name="é")])
    found = table.get([("p", "a"), ("p", "b"), ("p", "missing"), ("other", "a")])
    assert found == {
        ("p", "a"): {"pk": "p", "sk": "a", "n": 1},
        ("p", "b"): {"pk": "p", "sk": "b", "n": -2, "name": "é"},
    }


def test_a_batch_read_of_nothing_asks_nothing(table: Table) -> None:
    assert table.get([]) == {}


def test_a_key_asked_for_twice_is_read_once(table: Table) -> None:
    table.transact([an_item("a")])
    assert list(table.get([("p", "a"), ("p", "a")])) == [("p", "a")]


def test_more_keys_than_a_batch_takes_are_read_in_several(engine: Engine, table: Table) -> None:
    client = engine.client()
    meter = Meter(client)
    wanted: list[Key] = [("p", f"{n:03d}") for n in range(BATCH + 30)]
    for start in range(0, len(wanted), 100):
        table.transact([an_item(sk) for _, sk in wanted[start : start + 100]])
    found = Table(client, table.name).get(wanted)
    assert list(map(str, sorted(found))) == list(map(str, wanted))
    assert meter.usage.calls == {"BatchGetItem": 2}


def test_keys_left_unprocessed_are_asked_for_again(engine: Engine) -> None:
    table, injector = injected(engine)
    table.transact([an_item(str(n)) for n in range(5)])
    injector.plan(Plan(Fault.UNPROCESSED, call=0, calls=2))
    assert len(table.get([("p", str(n)) for n in range(5)])) == 5
    assert injector.calls == ["BatchGetItem"] * 3


def test_keys_never_processed_are_a_conflict_and_not_an_absence(engine: Engine) -> None:
    table, injector = injected(engine)
    table.transact([an_item("a")])
    injector.plan(Plan(Fault.UNPROCESSED, call=0, calls=ALWAYS, attempts=ALWAYS))
    with pytest.raises(Conflicted):
        table.get([("p", "a")])


def injected(engine: Engine) -> tuple[Table, Injector]:
    through = faulty(engine)
    return Table(through.client, engine.fresh_table().name), through.injector


# -- transaction -------------------------------------------------------------------------------


def test_a_transaction_writes_all(table: Table) -> None:
    table.transact([an_item(f"{n:03d}") for n in range(100)])
    assert len(table.query("p").items) == 100


def test_a_transaction_with_one_failed_condition_writes_nothing(table: Table) -> None:
    table.transact([an_item("taken", n=1)])
    guarded = an_item("taken", n=2)
    guarded["Put"]["ConditionExpression"] = writes.ABSENT
    with pytest.raises(Conflicted):
        table.transact([an_item("a"), guarded, an_item("z")])
    assert [(item["sk"], item["n"]) for item in table.query("p").items] == [("taken", 1)]


def test_a_transaction_of_more_than_a_hundred_writes_or_of_none_is_a_programmers_mistake(
    table: Table,
) -> None:
    for count in (0, 101):
        with pytest.raises(AssertionError):
            table.transact([an_item(str(n)) for n in range(count)])


def test_a_transaction_that_names_an_item_twice_is_no_conflict(table: Table) -> None:
    with pytest.raises(ClientError):
        table.transact([an_item("a", n=1), an_item("a", n=2)])
    assert table.query("p").items == []


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.CONFLICT, Conflicted),
        (Fault.IN_PROGRESS, Conflicted),
        (Fault.THROTTLE, ClientError),
        (Fault.SERVER_ERROR, ClientError),
        (Fault.LOST_REQUEST, ReadTimeoutError),
        (Fault.LOST_RESPONSE, ReadTimeoutError),
    ],
)
def test_only_what_deciding_again_can_mend_is_a_conflict(engine: Engine, fault: Fault, raised: type[Exception]) -> None:
    table, injector = injected(engine)
    injector.plan(Plan(fault, call=0, attempts=ALWAYS))
    with pytest.raises(raised):
        table.transact([an_item("a")])


@pytest.mark.parametrize(
    ("codes", "raised"),
    [
        (["ConditionalCheckFailed", "None"], Conflicted),
        (["None", "TransactionConflict"], Conflicted),
        (["ConditionalCheckFailed", "TransactionConflict"], Conflicted),
        (["ThrottlingError", "None"], Conflicted),
        (["ProvisionedThroughputExceeded", "None"], Conflicted),
        (["ValidationError", "None"], ClientError),
        (["ConditionalCheckFailed", "ValidationError"], ClientError),
        (["ItemCollectionSizeLimitExceeded", "None"], ClientError),
    ],
)
def test_a_cancelled_transaction_is_a_conflict_by_its_reasons(
    moto: Engine, codes: list[str], raised: type[Exception]
) -> None:
    client = moto.client()
    client.meta.events.register_first("before-send.dynamodb", lambda request, **_: cancelled(request, codes))
    with pytest.raises(raised):
        Table(client, moto.fresh_table().name).transact([an_item("a"), an_item("b")])


# -- conditions --------------------------------------------------------------------------------

VERSIONED: dict[str, tuple[Any, Callable[[Any], Write]]] = {
    "wallet": (WALLET, lambda w: writes.wallet(w, None)),
    "booking": (Booking("b1", BookingState.BOOKED), lambda b: writes.booking("p1", b)),
    "client": (Client("c1"), lambda c: writes.client("p1", c)),
    "account": (Account("p9"), writes.account),
    "catalogue": (Catalogue(), lambda c: writes.catalogue("p9", c)),
    "parked": (a_parked(), lambda p: writes.parked("p1", p, NOW)),
}


@pytest.mark.parametrize("kind", VERSIONED)
def test_a_versioned_record_is_put_over_the_version_seen_and_no_other(table: Table, kind: str) -> None:
    record, write = VERSIONED[kind]
    new, first, second = (replace(record, version=n) for n in range(3))
    with pytest.raises(Conflicted):
        table.transact([write(first)])  # nothing is there to replace
    table.transact([write(new)])
    with pytest.raises(Conflicted):
        table.transact([write(new)])  # it is not new any more
    table.transact([write(first)])
    with pytest.raises(Conflicted):
        table.transact([write(first)])  # another has replaced it meanwhile
    table.transact([write(second)])
    ((_, item),) = table.get([_key_of(write(new))]).items()
    assert item["version"] == 3


WRITTEN_ONCE: dict[str, Callable[[], Write]] = {
    "entry": lambda: writes.entry(an_entry()),
    "operation": lambda: writes.operation("p1", Operation("s/1", "hash", "granted", "c1")),
    "settings change": lambda: writes.settings_change("p1", a_change("chg_1")),
    "raw event": lambda: writes.raw_event("p1", "prk_1", "{}", NOW),
}


@pytest.mark.parametrize("kind", WRITTEN_ONCE)
def test_what_is_written_once_is_never_written_over(table: Table, kind: str) -> None:
    table.transact([WRITTEN_ONCE[kind]()])
    with pytest.raises(Conflicted):
        table.transact([WRITTEN_ONCE[kind]()])


def _key_of(write: Write) -> Key:
    item = codec.from_attributes(write["Put"]["Item"])
    return item["pk"], item["sk"]


def link(client_id: str | None, seen: str | None) -> Write:
    return writes.link("p1", "customer", "cus_1", client_id, seen)


def owner(store: Store) -> str | None:
    pair = ("customer", "cus_1")
    return store.load("p1", Wanted(links=(pair,))).links.get(pair)


def test_a_link_belongs_to_whoever_claims_it_first(store: Store) -> None:
    store.commit([link("c1", None)])
    for seen in (None, "c2"):
        with pytest.raises(Conflicted):
            store.commit([link("c2", seen)])
    assert owner(store) == "c1"


def test_a_link_given_up_is_nobodys_and_may_be_claimed_again(store: Store) -> None:
    store.commit([link("c1", None)])
    with pytest.raises(Conflicted):
        store.commit([link(None, "c2")])
    store.commit([link(None, "c1")])
    assert owner(store) is None
    store.commit([link("c2", None)])
    assert owner(store) == "c2"


def test_a_wallets_place_among_what_is_due_moves_only_while_it_is_due_and_as_it_was_seen(
    table: Table,
) -> None:
    table.transact([writes.wallet(WALLET, NOW)])
    seen = replace(WALLET, version=1)
    for stale in (
        writes.due(replace(WALLET, version=7), NOW + DAY, NOW),  # another version
        writes.due(seen, NOW + DAY, NOW - DAY),  # not due yet
    ):
        with pytest.raises(Conflicted):
            table.transact([stale])
    table.transact([writes.due(seen, NOW + DAY, NOW)])
    (item,) = table.get([keys.wallet("p1", "c1", "follow-up")]).values()
    assert (item["due_at"], item["version"]) == (sortable(NOW + DAY), 1)
    table.transact([writes.due(seen, None, NOW + DAY)])
    (item,) = table.get([keys.wallet("p1", "c1", "follow-up")]).values()
    assert "due_at" not in item
    assert "due_shard" not in item
