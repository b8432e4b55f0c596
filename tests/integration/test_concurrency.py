"""Many workers on the same credits at once: exactly the right number succeed, and the ledger adds up.

Over the emulator's DynamoDB endpoint, which carries out one transaction at a time as DynamoDB does.
Each thread is a worker with a store of its own; who is known Busy comes again, as a redelivery would.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_line, a_lot, a_payment, cancelled, created
from tests.support.dumps import Record, broken_laws, dump
from tests.support.engines import Engine
from tests.support.fault_cases import INSURED
from tests.support.fault_steps import STAFF, P, founded, holding, setting

from client_credits.domain.bookings.booking import BookingState
from client_credits.domain.bookings.deciding import Reason
from client_credits.domain.errors import AlreadyMapped, AlreadyResolved, Busy, InsufficientCredits, VersionConflict
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.authorizations import AuthorizationRef
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings.spending import book, cancel
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.operations.staff.bulk import change_all
from client_credits.operations.staff.bulk_changes import LotChange
from client_credits.operations.staff.editing import NewBalance, adjust, set_balances, transfer
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.leftovers import Leftovers
from client_credits.operations.staff.practices import change_account_settings, change_client_settings, put_client
from client_credits.operations.staff.undoing import undo
from client_credits.operations.sweeping import settle_one, sweep_shard
from client_credits.store import keys
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Table, Write

THREADS = 32
REDELIVERIES = 20
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Place:
    """A practice in a table of its own, and the workers that share it."""

    engine: Engine
    table: Table

    def worker(self) -> Store:
        return Store(self.table)

    def dump(self) -> list[Record]:
        return dump(self.table, self.engine.shared_client)

    def wallet(self, client_id: str = "c1", appointment_type: str = "follow-up") -> Wallet:
        wanted = Wanted(client_id=client_id, types=(appointment_type,))
        return self.worker().load(P, wanted).wallets[appointment_type]

    def entries(self, client_id: str = "c1", appointment_type: str = "follow-up") -> Counter[str]:
        """How many entries of each kind the wallet has."""
        stored, _ = self.worker().history_page(P, client_id, appointment_type, None, 500)
        return Counter(str(entry.kind) for entry in stored)


@pytest.fixture
def place(emulator: Engine) -> Place:
    place = Place(emulator, emulator.fresh_table())
    founded(place.worker())
    return place


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """The jobs' answers, in order; all start together. A Busy one is sent again, like a redelivery."""
    start = Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait(timeout=30)
        for _ in range(REDELIVERIES):
            try:
                return job()
            except Busy:
                continue
        raise AssertionError("still busy after all redeliveries")

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def bookings_at_once(place: Place, stores: Iterator[Store], count: int = THREADS) -> list[Any]:
    return at_once(
        [
            lambda store=store, n=n: book(Context(store, P, BOOKINGS, NOW), created(f"b{n}")).booking
            for n, store in zip(range(count), stores, strict=False)
        ]
    )


def workers(place: Place) -> Iterator[Store]:
    while True:
        yield place.worker()


def test_of_32_bookings_of_the_last_five_credits_five_succeed(place: Place) -> None:
    setting(allow_booking_without_credits=False)(place.worker(), NOW)
    holding(a_lot("lot-1", 2, expires_at=NOW + 9 * DAY), a_lot("lot-2", 3))(place.worker(), NOW)
    made = bookings_at_once(place, workers(place))
    states = Counter(booking.state for booking in made)
    assert states == {BookingState.BOOKED: 5, BookingState.REFUSED: THREADS - 5}
    refusals = {b.refusal.reason for b in made if b.refusal}
    assert refusals == {Reason.INSUFFICIENT}
    assert place.wallet().balance == 0
    assert place.entries() == {"granted": 2, "spent": 5}
    assert broken_laws(place.dump()) == []


def test_of_32_bookings_of_the_last_two_visits_two_are_covered_and_credits_pay_for_the_rest(place: Place) -> None:
    for step in (*INSURED[1:], holding(a_lot("lot-1", 40))):
        step(place.worker(), NOW)
    made = bookings_at_once(place, workers(place))
    covered = [booking for booking in made if booking.covered_by]
    (authorization,) = place.worker().authorizations(P, [AuthorizationRef("c1", "au-1")])
    assert (len(covered), authorization.visits_used) == (2, 2)
    assert place.wallet().balance == 40 - (THREADS - 2)
    assert place.entries() == {"granted": 1, "covered": 2, "spent": THREADS - 2}
    cancellations = [
        lambda n=n: cancel(Context(place.worker(), P, BOOKINGS, NOW), cancelled(f"b{n}")) for n in range(8)
    ]
    at_once(cancellations * 2)
    (authorization,) = place.worker().authorizations(P, [AuthorizationRef("c1", "au-1")])
    assert authorization.visits_used == sum(int(booking.booking_id[1:]) >= 8 for booking in covered)
    assert broken_laws(place.dump()) == []


def test_with_debt_allowed_all_32_bookings_succeed_and_the_debt_is_exact(place: Place) -> None:
    holding(a_lot("lot-1", 5))(place.worker(), NOW)
    made = bookings_at_once(place, workers(place))
    assert {b.state for b in made} == {BookingState.BOOKED}
    wallet = place.wallet()
    assert (wallet.balance, wallet.debt) == (5 - THREADS, THREADS - 5)
    assert sum(1 for b in made if b.rule) == THREADS - 5
    assert broken_laws(place.dump()) == []


def test_a_limit_of_debt_holds_under_32_bookings(place: Place) -> None:
    setting(max_negative=4)(place.worker(), NOW)
    holding(a_lot("lot-1", 3))(place.worker(), NOW)
    made = bookings_at_once(place, workers(place))
    assert Counter(b.state for b in made)[BookingState.BOOKED] == 7
    assert {b.refusal.reason for b in made if b.refusal} == {Reason.LIMIT_REACHED}
    assert place.wallet().debt == 4
    assert broken_laws(place.dump()) == []


# -- positive control --------------------------------------------------------------------------


class Unguarded(Table):
    """A table that has lost the conditions of some writes: the fault the tests above must see."""

    def __init__(self, table: Table, *kinds: str) -> None:
        super().__init__(table._client, table.name)
        self._kinds = kinds

    def transact(self, writes: Sequence[Write]) -> None:
        super().transact([self._unguarded(write) for write in writes])

    def _unguarded(self, write: Write) -> Write:
        kind = write.get("Put", {}).get("Item", {}).get("sk", {}).get("S", "").partition("#")[0]
        if kind not in self._kinds:
            return write
        return {"Put": {"Item": write["Put"]["Item"]}}


def overspent(place: Place, *kinds: str) -> bool:
    """Whether the 32 bookings of five credits go wrong without the conditions of these items."""
    setting(allow_booking_without_credits=False)(place.worker(), NOW)
    holding(a_lot("lot-1", 5))(place.worker(), NOW)
    stores = (Store(Unguarded(place.table, *kinds)) for _ in range(THREADS))
    made = bookings_at_once(place, stores)
    booked = Counter(b.state for b in made)[BookingState.BOOKED]
    return booked != 5 or bool(broken_laws(place.dump()))


def test_without_the_conditions_of_wallet_and_entry_the_same_bookings_are_seen_to_overspend(
    place: Place,
) -> None:
    assert overspent(place, "wallet", "entry")


def test_an_entrys_own_condition_guards_a_wallet_whose_version_is_not_checked(place: Place) -> None:
    """Two workers that saw the same wallet write the same sequence number, so one of them fails."""
    assert not overspent(place, "wallet")


# -- duplicates --------------------------------------------------------------------------------


def test_a_booking_delivered_16_times_at_once_spends_once(place: Place) -> None:
    holding(a_lot("lot-1", 5))(place.worker(), NOW)
    jobs = [lambda: book(Context(place.worker(), P, BOOKINGS, NOW), created("b1", seats=2))] * 16
    answers = at_once(jobs)
    assert len({replace(a.booking, version=0) for a in answers}) == 1
    assert sum(not a.repeated for a in answers) == 1
    assert (place.wallet().balance, place.entries()) == (3, {"granted": 1, "spent": 1})
    assert broken_laws(place.dump()) == []


def test_a_payment_delivered_16_times_at_once_grants_once(place: Place) -> None:
    lines = [a_line("il_1"), a_line("il_2", price="price_2")]
    payments = [a_payment("in_1", *lines, event_id=f"evt_{n}") for n in range(16)]
    answers = at_once([lambda p=p: pay(Context(place.worker(), P, STRIPE, NOW), p) for p in payments])
    stated = {tuple(line.operation for line in answer) for answer in answers}
    assert len(stated) == 1
    assert (place.wallet().balance, place.entries()) == (5, {"granted": 2})
    assert place.wallet(appointment_type="initial").balance == 1
    assert broken_laws(place.dump()) == []


def test_16_payments_that_create_the_same_client_all_grant(place: Place) -> None:
    payments = [a_payment(f"in_{n}", client_id="c-new") for n in range(16)]
    at_once([lambda p=p: pay(Context(place.worker(), P, STRIPE, NOW), p) for p in payments])
    assert place.wallet("c-new").balance == 48
    assert broken_laws(place.dump()) == []


def test_a_booking_and_its_cancellation_delivered_together_end_with_nothing_spent(place: Place) -> None:
    holding(a_lot("lot-1", 5))(place.worker(), NOW)
    jobs: list[Callable[[], Any]] = []
    for _ in range(8):
        jobs.append(lambda: book(Context(place.worker(), P, BOOKINGS, NOW), created("b1")))
        jobs.append(lambda: cancel(Context(place.worker(), P, BOOKINGS, NOW), cancelled("b1")))
    at_once(jobs)
    assert place.wallet().balance == 5
    assert place.entries()["spent"] == place.entries()["restored"] <= 1
    assert broken_laws(place.dump()) == []


def test_16_payments_and_16_bookings_at_once_lose_nothing(place: Place) -> None:
    payments = [a_payment(f"in_{n}") for n in range(16)]
    jobs: list[Callable[[], Any]] = [
        *(lambda p=p: pay(Context(place.worker(), P, STRIPE, NOW), p) for p in payments),
        *(lambda n=n: book(Context(place.worker(), P, BOOKINGS, NOW), created(f"b{n}", seats=2)) for n in range(16)),
    ]
    at_once(jobs)
    wallet = place.wallet()
    assert (wallet.balance, wallet.debt, wallet.granted_total) == (16, 0, 48)
    assert broken_laws(place.dump()) == []


# -- expiry --------------------------------------------------------------------------------------


def test_at_a_lots_end_each_credit_is_either_spent_or_expired(place: Place) -> None:
    """Workers' clocks differ by an instant: some book just before the end, the sweep runs at it."""
    setting(allow_booking_without_credits=False)(place.worker(), NOW)
    holding(a_lot("lot-1", 8, effective_at=NOW - DAY, expires_at=NOW))(place.worker(), NOW - DAY)
    before = NOW - INSTANT
    starts = {"starts_at": before, "occurred_at": before - DAY}
    jobs: list[Callable[[], Any]] = []
    for n in range(8):
        event, late = created(f"b{n}", **starts), created(f"late{n}", **starts)
        jobs.append(lambda event=event: book(Context(place.worker(), P, BOOKINGS, before), event).booking)
        jobs.append(lambda late=late: book(Context(place.worker(), P, BOOKINGS, NOW), late).booking)
        jobs.append(lambda: settle_one(Context(place.worker(), P, STRIPE, NOW), "c1", "follow-up"))
        jobs.append(lambda: sweep_shard(place.worker(), keys.due_shard(keys.wallet(P, "c1", "follow-up")), NOW))
    at_once(jobs)
    settle_one(Context(place.worker(), P, STRIPE, NOW), "c1", "follow-up")
    stored, _ = place.worker().history_page(P, "c1", "follow-up", None, 100)
    amounts = Counter[str]()
    for entry in stored:
        amounts[str(entry.kind)] += abs(entry.amount)
    assert amounts["spent"] + amounts["expired"] == amounts["granted"] == 8
    assert place.wallet().balance == 0
    assert all(e.recorded_at < NOW for e in stored if e.kind == "spent")
    assert sum(e.kind == "expired" for e in stored) <= 1
    assert broken_laws(place.dump()) == []


def test_16_sweeps_at_once_write_each_expiry_once(place: Place) -> None:
    lots = [a_lot(f"lot-{n}", 1, effective_at=NOW - 9 * DAY, expires_at=NOW - n * DAY) for n in range(1, 6)]
    holding(*lots)(place.worker(), NOW)
    shard = keys.due_shard(keys.wallet(P, "c1", "follow-up"))
    at_once([lambda: sweep_shard(place.worker(), shard, NOW)] * 16)
    assert place.entries() == {"granted": 5, "expired": 5}
    assert place.wallet().balance == 0
    assert broken_laws(place.dump()) == []


# -- edits and transfers ---------------------------------------------------------------------------


def test_of_16_replacements_for_the_version_seen_one_holds(place: Place) -> None:
    holding(a_lot("lot-1", 5))(place.worker(), NOW)

    def replace_by(number: int) -> int | None:
        wanted = [NewBalance("follow-up", number, 1)]
        try:
            set_balances(Context(place.worker(), P, STAFF, NOW), "c1", wanted)
        except VersionConflict:
            return None
        return number

    kept = [n for n in at_once([lambda n=n: replace_by(n) for n in range(20, 36)]) if n is not None]
    assert len(kept) == 1
    assert place.wallet().balance == kept[0]
    assert broken_laws(place.dump()) == []


def test_an_adjustment_sent_16_times_at_once_under_one_key_is_made_once(place: Place) -> None:
    keyed = Keyed("k1", "two more")
    jobs = [lambda: adjust(Context(place.worker(), P, STAFF, NOW), "c1", "follow-up", 2, keyed, "a gift")] * 16
    answers = at_once(jobs)
    assert sum(not a.repeated for a in answers) == 1
    assert all(a.entries == answers[0].entries for a in answers)
    assert place.wallet().balance == 2
    assert broken_laws(place.dump()) == []


def test_of_16_undoings_of_one_entry_at_once_one_is_made(place: Place) -> None:
    """Each by another member of staff, under a key of their own."""
    holding(a_lot("lot-1", 5))(place.worker(), NOW)
    taken = adjust(Context(place.worker(), P, STAFF, NOW), "c1", "follow-up", -3, Keyed("k1", ""), "counted")
    (entry,) = taken.entries

    def undone(number: int) -> bool:
        try:
            undo(Context(place.worker(), P, STAFF, NOW), "c1", "follow-up", entry.sequence, Keyed(f"u{number}", ""))
        except AlreadyResolved:
            return False
        return True

    assert sum(at_once([lambda n=n: undone(n) for n in range(16)])) == 1
    assert place.wallet().balance == 5
    assert broken_laws(place.dump()) == []


def test_one_extension_sent_8_times_at_once_puts_off_each_end_once(place: Place) -> None:
    lots = [a_lot(f"lot-{n}", 1, expires_at=NOW + n * DAY) for n in range(1, 4)]
    holding(*lots)(place.worker(), NOW)
    rule = Extension(ExtensionRule(ends_from=NOW, by_days=14))

    def extended(_: int) -> list[LotChange]:
        return change_all(Context(place.worker(), P, STAFF, NOW), rule, Keyed("k1", "closed"), "a closure").lots

    answers = at_once([lambda n=n: extended(n) for n in range(8)])
    assert all(answer == answers[0] for answer in answers)
    assert [lot.expires_at for lot in place.wallet().lots] == [NOW + (n + 14) * DAY for n in range(1, 4)]
    assert broken_laws(place.dump()) == []


def test_leftovers_removed_by_8_staff_at_once_are_removed_once_and_what_is_kept_stays(place: Place) -> None:
    holding(a_lot("lot-1", 5), a_lot("lot-2", 4, expires_at=NOW + DAY))(place.worker(), NOW)
    rule = Leftovers(LeftoversRule(appointment_type="follow-up", keep=3))

    def removed(number: int) -> int:
        here = Context(place.worker(), P, STAFF, NOW)
        return sum(lot.amount for lot in change_all(here, rule, Keyed(f"k{number}", ""), None).lots)

    assert sum(at_once([lambda n=n: removed(n) for n in range(8)])) == 6
    assert place.wallet().balance == 3
    assert broken_laws(place.dump()) == []


def test_32_transfers_both_ways_at_once_change_no_sum(place: Place) -> None:
    put_client(Context(place.worker(), P, STRIPE, NOW), Client("c2"))
    holding(a_lot("lot-1", 5))(place.worker(), NOW)

    def give(number: int) -> int:
        giver, receiver = ("c1", "c2") if number % 2 else ("c2", "c1")
        keyed = Keyed(f"k{number}", str(number))
        try:
            transfer(Context(place.worker(), P, STAFF, NOW), giver, receiver, "follow-up", 1, keyed)
        except InsufficientCredits:
            return 0
        return 1 if giver == "c1" else -1

    moved = sum(at_once([lambda n=n: give(n) for n in range(THREADS)]))
    assert (place.wallet("c1").balance, place.wallet("c2").balance) == (5 - moved, moved)
    assert broken_laws(place.dump()) == []


# -- settings and profiles -------------------------------------------------------------------------


def test_two_changes_of_settings_at_once_are_both_kept(place: Place) -> None:
    changes = [{"max_negative": 3}, {"timezone": "Europe/Berlin"}]
    at_once([lambda c=c: change_account_settings(Context(place.worker(), P, STAFF, NOW), c, True) for c in changes])
    loaded = place.worker().load(P, Wanted())
    assert loaded.account.values == {"max_negative": 3, "timezone": "Europe/Berlin"}
    assert len(place.worker().settings_changes(P, None, None, 10)[0]) == 2


def test_eight_changes_of_one_clients_setting_leave_one_of_them_and_eight_records(place: Place) -> None:
    version = place.worker().load(P, Wanted(client_id="c1")).client.version  # type: ignore[union-attr]
    at_once(
        [
            lambda n=n: change_client_settings(Context(place.worker(), P, STAFF, NOW), "c1", {"max_negative": n})
            for n in range(8)
        ]
    )
    known = place.worker().load(P, Wanted(client_id="c1")).client
    changes, _ = place.worker().settings_changes(P, "c1", None, 20)
    assert known is not None
    assert known.version == version + 8
    assert len(changes) == 8
    followed = {(c.before["max_negative"], c.after["max_negative"]) for c in changes}
    assert {before for before, _ in followed} - {after for _, after in followed} == {None}
    ends = {after for _, after in followed} - {before for before, _ in followed}
    assert ends == {known.overrides["max_negative"]}


def test_a_customer_claimed_by_eight_clients_at_once_becomes_one_clients(place: Place) -> None:
    def claim(client_id: str) -> str | None:
        wanted = Client(client_id, stripe_customers=("cus_x",))
        try:
            return put_client(Context(place.worker(), P, STRIPE, NOW), wanted)[0].client_id
        except AlreadyMapped:
            return None

    claimed = at_once([lambda n=n: claim(f"c-{n}") for n in range(8)])
    (owner,) = (client_id for client_id in claimed if client_id)
    pair = ("customer", "cus_x")
    assert place.worker().load(P, Wanted(links=(pair,))).links == {pair: owner}
