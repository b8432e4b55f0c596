"""What the rest of the system may rely on of the table, on every engine: loads and lists."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_catalogue
from tests.support.counting import Meter
from tests.support.engines import Engine
from tests.support.records import WALLET, a_change, a_parked, an_entry

from client_credits.domain.bookings.booking import (
    Booking,
    BookingState,
)
from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Debt, DebtCause, Wallet
from client_credits.domain.payments.parked import ParkedState
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.payments import parking
from client_credits.store import keys, writes
from client_credits.store.keys import DUE_SHARDS
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Table, Where
from client_credits.store.writes import sortable

pytestmark = pytest.mark.usefixtures("no_waiting")


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
            writes.parked("p1", parked, NOW),
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
    page, more = store.history_page("p1", "c1", "follow-up", None, 5)
    assert (page, more) == (entries[:-6:-1], True)
    before = keys.entry("p1", "c1", "follow-up", page[-1].sequence)[1]
    assert store.history_page("p1", "c1", "follow-up", before, 100) == (entries[6::-1], False)
    last = keys.entry("p1", "c1", "follow-up", 1)[1]
    assert store.history_page("p1", "c1", "follow-up", last, 5) == ([], False)


def test_entries_are_found_by_their_numbers(store: Store) -> None:
    store.commit([writes.entry(an_entry(n)) for n in (1, 2, 3)])
    assert store.entries("p1", "c1", "follow-up", (3, 9, 1)) == [an_entry(3), an_entry(1)]


def test_changes_of_settings_are_the_accounts_or_one_clients_newest_first(store: Store) -> None:
    of_account = [a_change(f"chg_{n}", NOW + n * DAY) for n in range(4)]
    of_client = [a_change("chg_c", NOW, "c1")]
    store.commit([writes.settings_change("p1", c) for c in of_account + of_client])
    assert store.settings_changes("p1", None, None, 3) == (of_account[:0:-1], True)
    before = keys.settings_change("p1", None, sortable(of_account[1].occurred_at), "chg_1")[1]
    assert store.settings_changes("p1", None, before, 3) == (of_account[:1], False)
    assert store.settings_changes("p1", "c1", None, 3) == (of_client, False)
    assert store.settings_changes("p1", "c2", None, 3) == ([], False)


def test_parked_payments_are_listed_while_open_and_by_customer(store: Store) -> None:
    records = [a_parked(f"prk_{n}", customer=f"cus_{n % 2}") for n in range(6)]
    records[2] = replace(records[2], state=ParkedState.DISMISSED)
    for record in records:
        store.commit(parking.record_writes("p1", record, NOW))
    store.commit(parking.record_writes("p2", a_parked("prk_other"), NOW))
    assert _parked_ids(store, limit=2) == ["prk_0", "prk_1", "prk_3", "prk_4", "prk_5"]
    assert [parked.parked_id for parked in parking.open_for(store, "p1", ("customer", "cus_0"))] == ["prk_0", "prk_4"]
    assert list(parking.open_for(store, "p1", ("subscription", "cus_0"))) == []


def test_one_parked_later_is_listed_later_and_one_closed_not_at_all(store: Store) -> None:
    early, late = a_parked("prk_2"), replace(a_parked("prk_1"), received_at=NOW + DAY)
    for record in (late, early):
        store.commit(parking.record_writes("p1", record, NOW))
    assert _parked_ids(store, limit=1) == ["prk_2", "prk_1"]
    closed = replace(early, state=ParkedState.RESOLVED, version=1)
    store.commit(parking.record_writes("p1", closed, NOW))
    assert _parked_ids(store, limit=1) == ["prk_1"]
    assert [parked.parked_id for parked in parking.open_for(store, "p1", ("customer", "cus_1"))] == ["prk_1"]


def _parked_ids(store: Store, limit: int) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page, after = store.parked_page("p1", after, limit)
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
    shard = keys.due_shard(keys.wallet("p1", "c1", "follow-up"))
    assert store.due_page(shard, sortable(NOW), 10).items == []


def test_what_is_due_comes_longest_due_first_up_to_and_including_the_instant(store: Store) -> None:
    shard = keys.due_shard(keys.wallet("p1", "c1", "t-0"))
    alike = [t for n in range(200) if keys.due_shard(keys.wallet("p1", "c1", t := f"t-{n}")) == shard]
    days = dict(zip(alike, (2, 0, -3, -1), strict=False))
    late, now, first, second = days
    store.commit([writes.wallet(replace(WALLET, appointment_type=t), NOW + n * DAY) for t, n in days.items()])
    page = store.due_page(shard, sortable(NOW), 10)
    assert [keys.wallet_place(i).appointment_type for i in page.items] == [first, second, now]
    assert {keys.kind_of(i) for i in page.items} == {keys.ItemKind.WALLET}
    assert late not in str(page.items)
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


def test_profiles_are_read_by_folded_name_and_by_the_beginning_of_one(store: Store) -> None:
    names = {"c1": "Zoë", "c2": None, "c3": "anna", "c4": "Ärger", "c5": "Anna B", "c6": "🙂"}
    store.commit([writes.client("p1", Client(client_id, name=name)) for client_id, name in names.items()])

    def read(limit: int, begins: str = "") -> list[str]:
        found: list[str] = []
        after: str | None = None
        while True:
            page = store.names_page("p1", after, limit, begins)
            found += [keys.named(item["names_sk"])[1] for item in page.items]
            if page.last is None:
                return found
            after = page.last["names_sk"]

    for limit in (1, 2, 10):
        assert read(limit) == ["c3", "c5", "c4", "c1", "c6", "c2"]
        assert read(limit, "an") == ["c3", "c5"]
        assert read(limit, "anna ") == ["c5"]
        assert read(limit, "x") == []


def test_one_shard_of_the_roster_is_read_by_the_beginning_of_ids(store: Store) -> None:
    same = [c for c in (f"c{n}" for n in range(400)) if _roster_shard(c) == 0]
    store.commit([writes.client("p1", Client(client_id)) for client_id in same])
    found: list[str] = []
    after: str | None = None
    while True:
        page = store.roster_page("p1", 0, after, 3, begins="c1")
        found += [item["roster_sk"].partition("#")[0] for item in page.items]
        if page.last is None:
            break
        after = page.last["roster_sk"]
    assert found == sorted(c for c in same if c.startswith("c1")) != []


def test_the_roster_holds_no_email_and_no_body(store: Store, engine: Engine) -> None:
    if engine.name == "moto":
        pytest.skip("moto projects every attribute into an index")
    store.commit([writes.client("p1", Client("c1", name="Ana", email="a@example.org"))])
    (item,) = store.roster_page("p1", _roster_shard("c1"), None, 10).items
    assert set(item) == {"pk", "sk", "kind", "roster_pk", "roster_sk", "name"}


def test_a_filtered_roster_page_may_be_short_and_still_not_the_last(store: Store) -> None:
    clients = [c for c in (f"c{n}" for n in range(200)) if _roster_shard(c) == 0][:4]
    for n, client_id in enumerate(clients):
        wallet = replace(WALLET, client_id=client_id, debts=_owing(n % 2))
        store.commit([writes.wallet(wallet, None)])
    page = store.roster_page("p1", 0, None, 3, Where("debt > :none", {":none": {"N": "0"}}))
    assert len(page.items) < 3
    assert page.last is not None


def test_a_page_of_holders_has_the_numbers_of_wallets_with_credits_debts_or_something_to_come(store: Store) -> None:
    clients = [c for c in (f"c{n}" for n in range(200)) if _roster_shard(c) == 0][:4]
    empty, owing, holding, due = (replace(WALLET, client_id=client_id, lots=()) for client_id in clients)
    for wallet, due_at in (
        (empty, None),
        (replace(owing, debts=_owing(1)), None),
        (replace(holding, lots=WALLET.lots), None),
        (due, NOW),
    ):
        store.commit([writes.client("p1", Client(wallet.client_id, name="Ana")), writes.wallet(wallet, due_at)])
    page = store.holders_page("p1", 0, None, 100)
    assert [item["roster_sk"].partition("#")[0] for item in page.items] == clients[1:]
    plain = {"pk", "sk", "kind", "roster_sk", "balance", "debt"}
    assert [set(item) for item in page.items] == [plain, plain, plain | {"due_at"}]
    assert page.last is None
    assert store.holders_page("p1", 0, None, 3).last is not None


def _owing(amount: int) -> tuple[Debt, ...]:
    return (Debt(DebtCause.STAFF, "s", amount, NOW),) if amount else ()


def test_text_of_every_script_comes_back(store: Store) -> None:
    name = 'Zoë Ünlü 李 🙂 \u0000 \\ " \u2028'
    store.commit([writes.client("p1", Client("c1", name=name))])
    assert store.load("p1", Wanted(client_id="c1")).client == Client("c1", name=name, version=1)
