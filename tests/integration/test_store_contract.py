"""What the rest of the system may rely on of the table, shown on every engine the tests use."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from tests.support.builders import DAY, NOW, a_catalogue, a_lot, a_payment
from tests.support.counting import Meter
from tests.support.engines import Engine
from tests.support.faults import ALWAYS, Fault, Injector, Plan, cancelled, faulty

from client_credits.domain.booking import (
    Booking,
    BookingState,
    Cancelled,
    CancelledBy,
    Payer,
    Refusal,
)
from client_credits.domain.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind, Package
from client_credits.domain.deciding import Reason, Session
from client_credits.domain.entries import Actor, Cause, CauseKind, Entry, EntryKind, Posting
from client_credits.domain.errors import NotFound
from client_credits.domain.payments import Payment, PaymentKind, PaymentLine
from client_credits.domain.records import (
    Account,
    Client,
    EntryRef,
    Operation,
    Parked,
    ParkedState,
    SettingsChange,
)
from client_credits.domain.wallet import Debt, DebtCause, Hold, Lot, LotSource, Value, Wallet
from client_credits.store import codec, keys, writes
from client_credits.store.keys import DUE_SHARDS, Key
from client_credits.store.store import Period, Store, Wanted
from client_credits.store.table import BATCH, Conflicted, Table, Write
from client_credits.store.writes import sortable

pytestmark = pytest.mark.usefixtures("no_waiting")
STAFF = Actor("staff", "s1")


@pytest.fixture
def table(engine: Engine) -> Table:
    return engine.fresh_table()


@pytest.fixture
def store(table: Table) -> Store:
    store = Store(table)
    store.commit([writes.account(Account("p1", created_at=NOW))])
    return store


def an_item(sk: str, pk: str = "p", **attributes: str | int) -> Write:
    return {"Put": {"Item": codec.to_attributes({"pk": pk, "sk": sk, **attributes})}}


def an_entry(sequence: int = 1, appointment_type: str = "follow-up", **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "practice_id": "p1",
        "client_id": "c1",
        "source_id": f"test/{sequence}",
        "kind": EntryKind.GRANTED,
        "amount": 3,
        "balance_before": 0,
        "balance_after": 3,
        "postings": (Posting(3, lot_id="lot-1"),),
        "cause": Cause(CauseKind.PACKAGE, {"package_id": "three-pack"}),
        "actor": Actor("system", "stripe"),
        "reason": None,
        "occurred_at": NOW,
        "recorded_at": NOW,
    }
    return Entry(appointment_type=appointment_type, sequence=sequence, **(values | fields))


def a_parked(parked_id: str = "prk_1", **fields: Any) -> Parked:
    return Parked(parked_id, "unknown_client", "evt_1", NOW, **({"customer": "cus_1"} | fields))


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

WALLET = Wallet("p1", "c1", "follow-up", lots=(a_lot(),))
VERSIONED: dict[str, tuple[Any, Callable[[Any], Write]]] = {
    "wallet": (WALLET, lambda w: writes.wallet(w, None)),
    "booking": (Booking("b1", BookingState.BOOKED), lambda b: writes.booking("p1", b)),
    "client": (Client("c1"), lambda c: writes.client("p1", c)),
    "account": (Account("p9"), writes.account),
    "catalogue": (Catalogue(), lambda c: writes.catalogue("p9", c)),
    "parked": (a_parked(), lambda p: writes.parked("p1", p)),
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


def a_change(change_id: str, at: datetime = NOW, client_id: str | None = None) -> SettingsChange:
    return SettingsChange(change_id, client_id, {"a": 1}, {"a": 2}, "staff", "s1", at)


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


# -- load --------------------------------------------------------------------------------------


def test_an_unknown_practice_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.load("p2", Wanted(client_id="c1"))


def test_a_load_brings_every_record_wanted_and_says_which_are_missing(store: Store) -> None:
    parked, operation = a_parked(), Operation("s/1", "hash", "granted", "c1")
    known, booking = Client("c1", name="Ana"), Booking("b1", BookingState.BOOKED, "c1")
    store.commit(
        [
            writes.wallet(WALLET, None),
            writes.client("p1", known),
            writes.booking("p1", booking),
            writes.parked("p1", parked),
            writes.operation("p1", operation),
            writes.link("p1", "subscription", "sub_1", "c1", None),
            writes.client("p1", Client("c2", overrides={"max_negative": 7})),
            writes.wallet(replace(WALLET, client_id="c2"), None),
        ]
    )
    loaded = store.load(
        "p1",
        Wanted(
            client_id="c1",
            types=("follow-up", "initial"),
            source_ids=("s/1", "s/2"),
            booking_id="b1",
            bookings=("b1", "b2"),
            links=(("subscription", "sub_1"), ("customer", "cus_1")),
            parked_id="prk_1",
            others=("c2", "c3"),
            also=(("c2", "follow-up"), ("c3", "follow-up")),
        ),
    )
    assert loaded.account == Account("p1", created_at=NOW, version=1)
    assert loaded.client == replace(known, version=1)
    assert loaded.wallets == {
        "follow-up": replace(WALLET, version=1),
        "initial": Wallet("p1", "c1", "initial"),
    }
    assert loaded.operations == {"s/1": operation}
    assert loaded.booking == replace(booking, version=1)
    assert loaded.bookings == {"b1": replace(booking, version=1)}
    assert loaded.links == {("subscription", "sub_1"): "c1"}
    assert loaded.parked == replace(parked, version=1)
    assert list(loaded.others) == ["c2"]
    assert loaded.settings_of("c2").max_negative == 7
    assert loaded.also == {
        ("c2", "follow-up"): replace(WALLET, client_id="c2", version=1),
        ("c3", "follow-up"): Wallet("p1", "c3", "follow-up"),
    }


def test_nothing_of_another_practice_is_loaded(store: Store) -> None:
    store.commit([writes.account(Account("p2")), writes.client("p2", Client("c1", name="Bo"))])
    store.commit([writes.wallet(replace(WALLET, practice_id="p2"), None)])
    loaded = store.load("p1", Wanted(client_id="c1", types=("follow-up",)))
    assert (loaded.client, loaded.wallets["follow-up"].lots) == (None, ())


def test_a_clients_override_holds_over_the_accounts_value(store: Store) -> None:
    account = Account("p1", {"auto_repay": False, "max_negative": 5}, version=1)
    known = Client("c1", overrides={"max_negative": 0})
    store.commit([writes.account(account), writes.client("p1", known)])
    loaded = store.load("p1", Wanted(client_id="c1"))
    assert (loaded.settings.auto_repay, loaded.settings.max_negative) == (False, 0)
    assert store.load("p1", Wanted()).settings.max_negative == 5


def test_a_load_is_one_request_and_one_more_after_the_catalogue_changed(engine: Engine) -> None:
    client = engine.client()
    meter = Meter(client)
    store = Store(Table(client, engine.fresh_table().name))
    other = Store(Table(engine.shared_client, store.table.name))
    other.commit([writes.account(Account("p1"))])
    _change_catalogue(other, a_catalogue(types=("follow-up",)))
    store.load("p1", Wanted())
    wanted = Wanted(client_id="c1", every_type=True)
    with meter.measuring() as warm:
        assert list(store.load("p1", wanted).wallets) == ["follow-up"]
    _change_catalogue(other, a_catalogue(types=("follow-up", "initial")))
    with meter.measuring() as changed:
        loaded = store.load("p1", Wanted(client_id="c1", types=("follow-up",)))
    assert list(loaded.catalogue.types) == ["follow-up", "initial"]
    _change_catalogue(other, a_catalogue(types=("follow-up", "initial")))
    with meter.measuring() as changed_alike:
        store.load("p1", wanted)
    assert (warm.requests, changed.requests, changed_alike.requests) == (1, 2, 2)


def test_a_type_added_by_another_worker_is_among_every_type_at_once(store: Store) -> None:
    _change_catalogue(store, a_catalogue(types=("follow-up",)))
    store.load("p1", Wanted(client_id="c1", every_type=True))
    initial = replace(WALLET, appointment_type="initial")
    other = Store(store.table)
    _change_catalogue(other, a_catalogue(types=("follow-up", "initial")))
    other.commit([writes.wallet(initial, None)])
    loaded = store.load("p1", Wanted(client_id="c1", every_type=True))
    assert loaded.wallets["initial"] == replace(initial, version=1)


def _change_catalogue(store: Store, catalogue: Catalogue) -> None:
    loaded = store.load("p1", Wanted())
    seen = loaded.catalogue.version
    store.commit(
        [
            writes.catalogue("p1", replace(catalogue, version=seen)),
            writes.account(replace(loaded.account, catalogue_version=seen + 1)),
        ]
    )


def test_a_practice_without_a_catalogue_has_an_empty_one(store: Store) -> None:
    assert store.catalogue("p1") == Catalogue()
    assert store.load("p1", Wanted(client_id="c1", every_type=True)).wallets == {}


def test_a_rehearsal_reads_the_same_and_writes_nothing(store: Store) -> None:
    store.commit([writes.wallet(WALLET, None)])
    rehearsal = store.rehearsal()
    rehearsal.commit([writes.wallet(replace(WALLET, version=1, lots=()), None)])
    for reader in (rehearsal, store):
        loaded = reader.load("p1", Wanted(client_id="c1", types=("follow-up",)))
        assert loaded.wallets["follow-up"] == replace(WALLET, version=1)


# -- lists -------------------------------------------------------------------------------------


def test_history_is_newest_first_in_pages_and_of_one_type_only(store: Store) -> None:
    entries = [an_entry(n) for n in range(1, 13)]
    others = [an_entry(1, "follow-up-long"), replace(an_entry(1), client_id="c11")]
    store.commit([writes.entry(e) for e in (*entries, *others)])
    page = store.history_page("p1", "c1", "follow-up", None, 5)
    assert page == entries[:-6:-1]
    before = keys.entry("p1", "c1", "follow-up", page[-1].sequence)[1]
    assert store.history_page("p1", "c1", "follow-up", before, 100) == entries[6::-1]
    last = keys.entry("p1", "c1", "follow-up", 1)[1]
    assert store.history_page("p1", "c1", "follow-up", last, 5) == []


def test_a_history_of_one_kind_and_period_is_filled_whatever_lies_between(store: Store) -> None:
    kinds = [EntryKind.SPENT if n % 4 else EntryKind.EXPIRED for n in range(1, 25)]
    entries = [an_entry(n, kind=kind, occurred_at=NOW + n * DAY) for n, kind in enumerate(kinds, start=1)]
    store.commit([writes.entry(e) for e in entries])
    only = Period("expired", NOW + 8 * DAY, NOW + 24 * DAY)
    expired = [e for e in entries if e.kind is EntryKind.EXPIRED]
    assert store.history_page("p1", "c1", "follow-up", None, 10, only) == expired[4:0:-1]
    assert store.history_page("p1", "c1", "follow-up", None, 2, only) == expired[4:2:-1]


def test_entries_are_found_by_their_numbers(store: Store) -> None:
    store.commit([writes.entry(an_entry(n)) for n in (1, 2, 3)])
    assert store.entries("p1", "c1", "follow-up", (3, 9, 1)) == [an_entry(3), an_entry(1)]


def test_changes_of_settings_are_the_accounts_or_one_clients_newest_first(store: Store) -> None:
    of_account = [a_change(f"chg_{n}", NOW + n * DAY) for n in range(4)]
    of_client = [a_change("chg_c", NOW, "c1")]
    store.commit([writes.settings_change("p1", c) for c in of_account + of_client])
    assert store.settings_changes("p1", None, None, 3) == of_account[:0:-1]
    before = keys.settings_change("p1", None, sortable(of_account[1].occurred_at), "chg_1")[1]
    assert store.settings_changes("p1", None, before, 3) == of_account[:1]
    assert store.settings_changes("p1", "c1", None, 3) == of_client
    assert store.settings_changes("p1", "c2", None, 3) == []


def test_parked_payments_are_listed_while_open_and_by_customer(store: Store) -> None:
    records = [a_parked(f"prk_{n}", customer=f"cus_{n % 2}") for n in range(6)]
    records[2] = replace(records[2], state=ParkedState.DISMISSED)
    store.commit([writes.parked("p1", p) for p in records])
    store.commit([writes.parked("p2", a_parked("prk_other"))])
    assert _parked_ids(store, limit=2) == ["prk_0", "prk_1", "prk_3", "prk_4", "prk_5"]
    assert _parked_ids(store, limit=2, customer="cus_0") == ["prk_0", "prk_4"]


def _parked_ids(store: Store, limit: int, customer: str | None = None) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page, after = store.parked_page("p1", after, limit, customer)
        assert len(page) <= limit
        found += [p.parked_id for p in page]
        if after is None:
            return found


def test_only_wallets_that_will_fall_due_stand_in_the_index_of_what_is_due(store: Store) -> None:
    idle = replace(WALLET, client_id="c-idle")
    store.commit([writes.wallet(WALLET, NOW), writes.wallet(idle, None)])
    shards = [store.due_page(f"{n:02d}", sortable(NOW), 10).items for n in range(DUE_SHARDS)]
    assert [(i["pk"], i["sk"]) for shard in shards for i in shard] == [("p1#c1", "wallet#follow-up")]
    store.commit([writes.wallet(replace(WALLET, version=1), None)])
    assert store.due_page(keys.due_shard("p1", "c1"), sortable(NOW), 10).items == []


def test_what_is_due_comes_longest_due_first_up_to_and_including_the_instant(store: Store) -> None:
    days = {"t-late": 2, "t-now": 0, "t-first": -3, "t-second": -1}
    store.commit([writes.wallet(replace(WALLET, appointment_type=t), NOW + n * DAY) for t, n in days.items()])
    shard = keys.due_shard("p1", "c1")
    page = store.due_page(shard, sortable(NOW), 10)
    assert [i["sk"] for i in page.items] == ["wallet#t-first", "wallet#t-second", "wallet#t-now"]
    assert page.last is None
    first = store.due_page(shard, sortable(NOW), 2)
    assert len(first.items) == 2
    assert first.last is not None


def test_the_roster_lists_each_profile_and_its_wallets_in_pages(store: Store) -> None:
    shard = next(n for n in range(8) if keys.roster_pk("p1", "c1") == keys.roster_shard("p1", n))
    same = [c for c in (f"c{n}" for n in range(1, 200)) if _roster_shard(c) == shard][:3]
    for client_id in same:
        profile = Client(client_id, name=f"Name {client_id}", email="a@example.org")
        wallet = replace(WALLET, client_id=client_id, granted_total=5)
        store.commit([writes.client("p1", profile), writes.wallet(wallet, None)])
    store.commit([writes.client("p2", Client(same[0]))])
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = store.roster_page("p1", shard, after, 4)
        items += page.items
        if page.last is None:
            break
        after = page.last["roster_sk"]
    expected = [f"{c}#{what}" for c in sorted(same) for what in ("client", "wallet#follow-up")]
    assert [item["roster_sk"] for item in items] == expected
    assert items[0]["name"] == f"name {sorted(same)[0]}"
    numbers = {name: items[1][name] for name in ("balance", "debt", "granted_total")}
    assert numbers == {"balance": 3, "debt": 0, "granted_total": 5}


def _roster_shard(client_id: str) -> int:
    return int(keys.roster_pk("p1", client_id)[-2:])


def test_the_roster_holds_no_email_and_no_body(store: Store, engine: Engine) -> None:
    if engine.name == "moto":
        pytest.skip("moto projects every attribute into an index")
    store.commit([writes.client("p1", Client("c1", name="Ana", email="a@example.org"))])
    (item,) = store.roster_page("p1", _roster_shard("c1"), None, 10).items
    assert set(item) == {"pk", "sk", "roster_pk", "roster_sk", "name"}


def test_a_filtered_roster_page_may_be_short_and_still_not_the_last(store: Store) -> None:
    clients = [c for c in (f"c{n}" for n in range(200)) if _roster_shard(c) == 0][:4]
    for n, client_id in enumerate(clients):
        wallet = replace(WALLET, client_id=client_id, debts=_owing(n % 2))
        store.commit([writes.wallet(wallet, None)])
    page = store.roster_page("p1", 0, None, 3, "debt > :none", {":none": {"N": "0"}})
    assert len(page.items) < 3
    assert page.last is not None


def _owing(amount: int) -> tuple[Debt, ...]:
    return (Debt(DebtCause.STAFF, "s", amount, NOW),) if amount else ()


# -- stored form -------------------------------------------------------------------------------

LOT = Lot(
    lot_id="lot_1",
    granted=10,
    remaining=4,
    effective_at=NOW,
    expires_at=NOW + DAY,
    source=LotSource.GRACE,
    priority=60,
    package_id="ten-pack",
    payment="in_1/il_1",
    subscription="sub_1",
    value=Value(9000, "eur", 10),
    parent="lot_0",
    frozen=("dispute/dp_1",),
)
SESSION = Session("follow-up", NOW + DAY, 2)
CANCELLED = Cancelled("b1", "c1", NOW.replace(microsecond=123456), CancelledBy.PRACTICE, "follow-up")
LINE = PaymentLine("il_1", "price_1", 2, 9000, "eur", "p", "si_1", NOW, NOW + DAY, True, True)
PAYMENT = Payment(
    *("in_1", PaymentKind.CYCLE, "own", "test", "evt_1", NOW, "cus_1", "c1", "sub_1", "pi_1"),
    lines=(LINE, PaymentLine("il_2", None, 1, 0, "usd")),
    lines_missing=True,
)
FULL: list[Any] = [
    Wallet(
        "p1",
        "c1",
        "follow-up",
        sequence=7,
        granted_total=13,
        lots=(LOT, a_lot()),
        debts=(
            Debt(DebtCause.BOOKING, "b1", 2, NOW, NOW + DAY),
            Debt(DebtCause.STAFF, "api/1", 1, NOW),
        ),
        holds=(Hold("h1", (("lot_1", 2), ("lot-1", 1)), NOW + DAY),),
    ),
    an_entry(cause=Cause(CauseKind.BOOKING, {"booking_id": "b1"}), reason="a reason"),
    an_entry(postings=(Posting(-1, debt="b1"), Posting(4, lot_id="lot_1", made_from="lot_0"))),
    Operation(
        *("stripe/own/test/in_1/il_1", "abc", "granted", "c1"),
        entries=(EntryRef("follow-up", 3, 10, "c2"), EntryRef("initial", 1, 1)),
        recorded_at=NOW,
    ),
    Booking(
        booking_id="b1",
        state=BookingState.CANCELLED,
        client_id="c1",
        session=SESSION,
        kind="event",
        origin="staff",
        created_at=NOW,
        cancellation=CANCELLED,
        payers=(Payer(LOT, 1), Payer(a_lot(), 1)),
        rule="allow_booking_without_credits",
        free=Reason.NOT_TRACKED,
        returned=2,
    ),
    Booking(
        "b2",
        BookingState.REFUSED,
        session=SESSION,
        refusal=Refusal(Reason.INSUFFICIENT, 0, 2, NOW),
    ),
    Client(
        client_id="c1",
        name="Ana Ünlü",
        email="ana@example.org",
        stripe_customers=("cus_1", "cus_2"),
        external_ids={"square": "sq_1"},
        overrides={"max_negative": 0, "auto_repay": False, "credit_must_cover": "booking"},
        created_at=NOW,
    ),
    Account("p1", {"timezone": "Europe/Berlin", "enabled": False}, NOW, 4),
    Catalogue(
        types={"follow-up": AppointmentType("follow-up", "Follow-up", True, True)},
        packages={
            "ten-pack": Package(
                package_id="ten-pack",
                name="Ten",
                credits={"follow-up": 10},
                renews_each_cycle=False,
                expiry=Expiry(ExpiryKind.DATE, 3, "2026-12-31"),
                trial_grants=True,
                stripe_prices=("price_1", "price_2"),
                url="https://example.org/ten",
                archived_at=NOW,
            )
        },
    ),
    SettingsChange("chg_1", "c1", {"max_negative": None}, {"max_negative": 3}, "staff", "s1", NOW),
    Parked(
        *("prk_1", "unknown_client", "evt_1", NOW, "cus_1", "in_1", "sub_1", ("price_1",)),
        payment=PAYMENT,
        state=ParkedState.RESOLVED,
        closed_by="staff/s1",
        closed_reason="done",
    ),
]
PLAIN: list[Any] = [
    Wallet("p1", "c1", "follow-up"),
    an_entry(),
    Operation("s/1", "abc", "no_credits", "c1"),
    Booking("b1", BookingState.BOOKED),
    Client("c1"),
    Account("p1"),
    Catalogue(),
    SettingsChange("chg_1", None, {}, {}, "staff", "s1", NOW),
    Parked("prk_1", "lines_missing", "evt_1", NOW),
]


def _named(record: Any) -> str:
    return type(record).__name__


@pytest.mark.parametrize("record", [*FULL, *PLAIN], ids=_named)
def test_a_record_comes_back_from_its_stored_form_as_it_was(record: Any) -> None:
    again = codec.from_json(type(record), codec.to_json(record))
    assert again == record
    assert repr(again) == repr(record)  # the same types all the way down, not only equal values


def test_the_full_examples_leave_no_field_of_any_record_at_its_default() -> None:
    """So that the test above covers every field; a new one makes this fail."""
    covered: dict[type, set[str]] = defaultdict(set)
    for record in FULL:
        for part in _parts(record):
            covered[type(part)] |= {f.name for f in fields(part) if getattr(part, f.name) != _default(f)}
    bare = {kind: {f.name for f in fields(kind)} - names - {"version"} for kind, names in covered.items()}
    assert {kind.__name__: missing for kind, missing in bare.items() if missing} == {}


def _parts(value: Any) -> Iterator[Any]:
    """Every record within a record, itself included."""
    if is_dataclass(value):
        yield value
        value = [getattr(value, f.name) for f in fields(value)]
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _parts(each)


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@pytest.mark.parametrize("record", PLAIN, ids=_named)
def test_fields_at_their_defaults_are_left_out(record: Any) -> None:
    stored = codec.to_json(record)
    assert [f.name for f in fields(record) if f'"{f.name}"' in stored and not _required(f)] == []


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@pytest.mark.parametrize("record", [*FULL, *PLAIN], ids=_named)
def test_fields_a_reader_does_not_know_are_ignored(record: Any) -> None:
    newer = '{"a_later_field": {"x": [1]}, ' + codec.to_json(record)[1:]
    newer = newer.replace(", }", "}")
    assert codec.from_json(type(record), newer) == record


def test_an_unknown_field_inside_a_lot_is_ignored_too() -> None:
    wallet = FULL[0]
    newer = codec.to_json(wallet).replace('"lot_id":', '"later":true,"lot_id":')
    assert codec.from_json(Wallet, newer) == wallet


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "7", '"c1"', "{}", "", "{"),
        *('{"client_id": 7}', '{"client_id": null}', '{"client_id": ["c1"]}'),
        *('{"client_id": "c1", "name": 7}', '{"client_id": "c1", "stripe_customers": "cus_1"}'),
        *('{"client_id": "c1", "version": true}', '{"client_id": "c1", "version": 1.0}'),
        *('{"client_id": "c1", "created_at": "yesterday"}', '{"client_id": "c1", "created_at": 5}'),
        '{"client_id": "c1", "created_at": "2026-11-22T12:00:00"}',
    ],
)
def test_what_is_no_such_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        codec.from_json(Client, text)


def test_a_word_that_is_no_member_is_refused() -> None:
    with pytest.raises(ValueError):
        codec.from_json(Booking, '{"booking_id": "b1", "state": "somewhere"}')


def test_text_of_every_script_comes_back(store: Store) -> None:
    name = 'Zoë Ünlü 李 🙂 \u0000 \\ " \u2028'
    store.commit([writes.client("p1", Client("c1", name=name))])
    assert store.load("p1", Wanted(client_id="c1")).client == Client("c1", name=name, version=1)


def test_instants_sort_as_text_in_their_order_in_time() -> None:
    instants = [NOW, NOW.replace(microsecond=1), NOW.replace(second=1), NOW + DAY]
    assert sorted(map(sortable, instants)) == [sortable(i) for i in sorted(instants)]
    assert len({len(sortable(i)) for i in instants}) == 1


# -- sizes: a write of up to 1 KB costs one unit --------------------------------------------------

STRIPE = "1PqTRsLkdIwHu7ixhA3vbQeN"  # as long as Stripe's own
REAL_LINE = replace(LINE, line_id=f"il_{STRIPE}", price=f"price_{STRIPE}", proration=False, trial=False)
REAL_PAYMENT = a_payment(
    f"in_{STRIPE}",
    REAL_LINE,
    event_id=f"evt_{STRIPE}",
    customer="cus_QhVtKx12345678",
    subscription=f"sub_{STRIPE}",
    client_id="client-104311",
)


def stored_bytes(write: Write) -> int:
    """An item's size as DynamoDB counts it: names, UTF-8 text, and numbers at about half a byte a digit."""
    size = 0
    for name, attribute in write["Put"]["Item"].items():
        ((kind, value),) = attribute.items()
        size += len(name) + (len(value.encode()) if kind == "S" else (len(value) + 1) // 2 + 1)
    return size


def real_lot(number: int) -> Lot:
    return Lot(
        lot_id=f"lot_ab3vbhpqjtdfkbrkm3f{number}",
        granted=10,
        remaining=7,
        effective_at=NOW,
        expires_at=NOW + 180 * DAY,
        source=LotSource.CYCLE,
        package_id="monthly-follow-ups",
        payment=f"in_{STRIPE}/il_{STRIPE}",
        subscription=f"sub_{STRIPE}",
        value=Value(12900, "eur", 10),
    )


def test_a_wallet_of_two_lots_is_one_write_unit() -> None:
    wallet = Wallet("riverside-clinic", "client-104311", "follow-up-60", 12, 12, 40)
    wallet = replace(wallet, lots=(real_lot(1), real_lot(2)))
    assert stored_bytes(writes.wallet(wallet, NOW)) <= 1024


def test_an_entry_is_one_write_unit() -> None:
    ids = {
        "package_id": "monthly-follow-ups",
        "payment": REAL_PAYMENT.payment_id,
        "line": REAL_LINE.line_id,
        "event_id": REAL_PAYMENT.event_id,
        "subscription": REAL_PAYMENT.subscription or "",
        "customer": REAL_PAYMENT.customer or "",
    }
    entry = an_entry(
        practice_id="riverside-clinic",
        client_id="client-104311",
        source_id=f"stripe/own/live/in_{STRIPE}/il_{STRIPE}",
        cause=Cause(CauseKind.PACKAGE, ids),
        postings=tuple(Posting(-1, lot_id=real_lot(n).lot_id) for n in range(2)),
    )
    assert stored_bytes(writes.entry(entry)) <= 1024


def test_a_booking_paid_by_two_lots_is_one_write_unit() -> None:
    payers = tuple(Payer(replace(real_lot(n), remaining=0), 1) for n in range(2))
    session = Session("follow-up-60", NOW + DAY, 2)
    booking = Booking("booking-9f8c2c1e4a5b4c3d", BookingState.BOOKED, "client-104311", session)
    booking = replace(booking, created_at=NOW, payers=payers)
    assert stored_bytes(writes.booking("riverside-clinic", booking)) <= 1024


def test_an_operation_is_one_write_unit() -> None:
    refs = tuple(EntryRef(f"appointment-type-{n}", 12, 10) for n in range(5))
    source = f"stripe/own/live/in_{STRIPE}/il_{STRIPE}"
    done = Operation(source, "0123456789abcdef", "granted", "client-104311", refs, NOW)
    assert stored_bytes(writes.operation("riverside-clinic", done)) <= 1024


def test_a_wallet_at_its_limit_fits_into_an_item() -> None:
    lots = tuple(replace(real_lot(n % 10), lot_id=f"lot_{n:020d}") for n in range(500))
    wallet = Wallet("p" * 128, "c" * 128, "t" * 128, lots=lots)
    assert stored_bytes(writes.wallet(wallet, NOW)) < 400 * 1024
