"""Short histories through operations and table, said one by one: what is written, and what a repeat finds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from client_credits.domain.bookings.booking import Booking, BookingState, CancelledBy, Payer
from client_credits.domain.bookings.deciding import Reason
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.wallet import Debt, Lot, Wallet
from client_credits.domain.payments.facts import Payment
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Table, Write
from tests.property.memory import PRACTICE, Stored, a_practice, everything, sweep, the_catalogue
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_booking,
    a_debt,
    a_line,
    a_lot,
    a_payment,
    cancelled,
    created,
    held_by_lot,
)

WALLET = "c1", "follow-up"


@pytest.fixture
def store() -> Iterator[Store]:
    with a_practice() as fresh:
        yield fresh


@pytest.fixture
def strict() -> Iterator[Store]:
    with a_practice(allow_booking_without_credits=False) as fresh:
        yield fresh


def paid(number: int = 1, price: str = "price_three", **fields: Any) -> Payment:
    """A one-off purchase; with `item`, one cycle of that subscription item."""
    line = a_line(price=price, quantity=fields.pop("quantity", 1))
    item = fields.pop("item", None)
    if item:
        line = replace(line, subscription_item=item, period_start=NOW, period_end=NOW + 30 * DAY)
    return a_payment(f"in_{number}", line, **({"customer": None} | fields))


def pay(store: Store, payment: Payment, now: Any = NOW) -> payments.LineOutcome:
    (outcome,) = payments.pay(Context(store, PRACTICE, STRIPE, now), payment)
    return outcome


def wallet(stored: Stored, key: tuple[str, str] = WALLET) -> Wallet:
    return stored.wallets[key]


def history(stored: Stored, key: tuple[str, str] = WALLET) -> list[tuple[str, int]]:
    return [(str(entry.kind), entry.amount) for entry in stored.entries[key]]


def put(store: Store, *items: Write) -> None:
    for start in range(0, len(items), 100):
        store.commit(items[start : start + 100])


def a_stored_wallet(*lots: Lot, debts: tuple[Debt, ...] = ()) -> Wallet:
    return Wallet(PRACTICE, *WALLET, lots=lots, debts=debts)


# -- once --------------------------------------------------------------------------------------


def test_a_payment_heard_twice_grants_once_and_answers_with_the_first_outcome(store: Store) -> None:
    first, again = pay(store, paid()), pay(store, paid(), NOW + HOUR)
    assert (first.repeated, again.repeated) == (False, True)
    assert first.operation == again.operation
    assert history(everything(store)) == [("granted", 3)]


def test_the_first_outcome_stands_also_when_the_event_says_otherwise_later(store: Store) -> None:
    first, again = pay(store, paid(quantity=1)), pay(store, paid(quantity=9))
    assert again.operation == first.operation
    assert wallet(everything(store)).balance == 3


def test_a_package_that_does_not_renew_grants_for_the_first_cycle_alone(store: Store) -> None:
    cycles = [paid(n, "price_once", item="si_1") for n in (1, 2)]
    assert [pay(store, cycle).fate for cycle in cycles] == ["granted", "not_renewing"]
    assert wallet(everything(store)).balance == 5
    other = paid(3, "price_once", item="si_2")
    assert pay(store, other).fate == "granted"


@pytest.mark.parametrize("renews", [True, False])
def test_a_payment_heard_again_after_its_package_was_edited_grants_nothing_more(store: Store, renews: bool) -> None:
    """Whether it renews holds from the next cycle on: what was granted, or not, stays so."""
    package = the_catalogue().packages["once"]
    practices.put_package(Context(store, PRACTICE, STRIPE, NOW), replace(package, renews_each_cycle=renews), False)
    cycles = [paid(n, "price_once", item="si_1") for n in (1, 2)]
    for cycle in cycles:
        pay(store, cycle)
    before = wallet(everything(store)).balance
    assert before == (10 if renews else 5)
    practices.put_package(Context(store, PRACTICE, STRIPE, NOW), replace(package, renews_each_cycle=not renews), False)
    for cycle in cycles:
        assert pay(store, cycle, NOW + HOUR).repeated
    assert wallet(everything(store)).balance == before


def test_a_package_without_credits_grants_nothing_and_says_so_once(store: Store) -> None:
    assert pay(store, paid(price="price_nothing")).fate == "no_credits"
    assert pay(store, paid(price="price_nothing")).repeated
    assert everything(store).wallets == {}


def test_a_payment_nobody_explains_is_parked_once_and_grants_nothing(store: Store) -> None:
    for _ in range(2):
        assert pay(store, paid(1, "price_unheard_of")).fate == "unknown_package"
        assert pay(store, paid(2, client_id=None, subscription=None)).fate == "unknown_client"
    stored = everything(store)
    assert len(stored.parked) == 2
    assert stored.wallets == {}


def test_all_types_of_one_line_come_in_one_transaction(store: Store) -> None:
    outcome = pay(store, paid(price="price_starter", quantity=2))
    stored = everything(store)
    assert {key: w.balance for key, w in stored.wallets.items()} == {WALLET: 4, ("c1", "initial"): 2}
    assert outcome.operation
    assert {(ref.appointment_type, ref.amount) for ref in outcome.operation.entries} == {
        ("follow-up", 4),
        ("initial", 2),
    }


def test_a_booking_heard_again_spends_once_and_a_cancellation_heard_again_returns_once(store: Store) -> None:
    pay(store, paid())
    for _ in range(2):
        bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created())
    for _ in range(2):
        bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW + HOUR), cancelled())
    stored = everything(store)
    assert history(stored) == [("granted", 3), ("spent", -1), ("restored", 1)]
    assert stored.bookings["b1"].state is BookingState.CANCELLED


def test_a_refusal_writes_no_entry_touches_no_wallet_and_binds_nobody(strict: Store) -> None:
    refused = bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW), created())
    assert refused.booking.refusal
    assert (refused.booking.state, refused.booking.refusal.reason) == (BookingState.REFUSED, Reason.INSUFFICIENT)
    assert bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW), created()).repeated
    assert everything(strict).wallets == {}
    pay(strict, paid())
    assert bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW), created()).booking.state is BookingState.REFUSED
    again = bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW + HOUR), created(occurred_at=NOW + HOUR))
    assert again.booking.state is BookingState.BOOKED
    assert history(everything(strict)) == [("granted", 3), ("spent", -1)]


def test_cancelled_before_created_spends_nothing_and_writes_no_entry(store: Store) -> None:
    pay(store, paid())
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW + HOUR), cancelled())
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW + HOUR), created())
    stored = everything(store)
    assert history(stored) == [("granted", 3)]
    assert stored.bookings["b1"].session == created().session


# -- who pays, and who is paid back --------------------------------------------------------------


def test_a_debt_names_its_rule_and_the_next_payment_becomes_the_bookings_payer(store: Store) -> None:
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created(seats=2))
    pay(store, paid(paid_at=NOW + HOUR), NOW + HOUR)
    stored = everything(store)
    assert history(stored) == [("spent", -2), ("granted", 3), ("repaid", 0)]
    assert stored.entries[WALLET][0].cause.ids["rule"] == "allow_booking_without_credits"
    assert [p.amount for p in stored.bookings["b1"].payers] == [2]
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW + 2 * HOUR), cancelled(occurred_at=NOW + 2 * HOUR))
    stored = everything(store)
    assert (wallet(stored).balance, wallet(stored).debts) == (3, ())
    assert stored.breaches() == []


def test_the_oldest_debt_is_repaid_first(store: Store) -> None:
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created("young", seats=2, occurred_at=NOW - HOUR))
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created("old", seats=2, occurred_at=NOW - DAY))
    pay(store, paid())
    assert [(d.ref, d.amount) for d in wallet(everything(store)).debts] == [("young", 1)]


def test_credits_return_to_the_very_lot_that_paid(store: Store) -> None:
    pay(store, paid(1))
    pay(store, paid(2, "price_starter"))  # ends in two days, so it burns first
    before = held_by_lot(wallet(everything(store)))
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created(starts_at=NOW + DAY, seats=3))
    assert list(held_by_lot(wallet(everything(store))).values()) == [2]
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW + HOUR), cancelled(occurred_at=NOW + HOUR))
    assert held_by_lot(wallet(everything(store))) == before


def test_a_practice_that_cancels_leaves_time_to_use_what_would_have_ended(store: Store) -> None:
    pay(store, paid(1, "price_starter"))
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created(starts_at=NOW + DAY))
    late = NOW + 5 * DAY
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, late), cancelled(by=CancelledBy.PRACTICE, occurred_at=late))
    stored = everything(store)
    assert history(stored) == [("granted", 2), ("spent", -1), ("expired", -1), ("restored", 1)]
    (grace,) = wallet(stored).open_lots
    assert (grace.source, grace.expires_at) == ("grace", late + 14 * DAY)


# -- what falls due ------------------------------------------------------------------------------


def test_what_falls_due_is_found_by_the_sweep_once(store: Store) -> None:
    pay(store, paid(price="price_starter"))
    ends = wallet(everything(store)).lots[0].expires_at
    assert ends
    assert sweep(store, ends - HOUR / 3600) == 0
    assert sweep(store, ends) == 2  # one wallet of each type
    assert sweep(store, ends) == 0
    assert history(everything(store)) == [("granted", 2), ("expired", -2)]


def test_an_ended_lot_is_worth_nothing_even_if_no_sweep_ever_runs(strict: Store) -> None:
    pay(strict, paid(price="price_starter"))
    late = NOW + 9 * DAY
    event = created(occurred_at=late, starts_at=late + DAY)
    assert bookings.book(Context(strict, PRACTICE, BOOKINGS, late), event).booking.state is BookingState.REFUSED


def test_an_operation_first_writes_off_what_had_ended(store: Store) -> None:
    pay(store, paid(1, "price_starter"))
    pay(store, paid(2))
    late = NOW + 9 * DAY
    bookings.book(Context(store, PRACTICE, BOOKINGS, late), created(occurred_at=late, starts_at=late + DAY))
    stored = everything(store)
    assert history(stored) == [("granted", 2), ("granted", 3), ("expired", -2), ("spent", -1)]
    assert stored.entries[WALLET][2].occurred_at < late == stored.entries[WALLET][3].occurred_at


def test_what_does_not_fit_beside_an_operation_is_settled_before_it_oldest_first(store: Store) -> None:
    lots = [a_lot(f"l{n:03}", 1, expires_at=NOW - n * HOUR) for n in range(1, 121)]
    put(store, writes.wallet(a_stored_wallet(*lots), NOW))
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created())
    entries = everything(store).entries[WALLET]
    assert [e.sequence for e in entries] == list(range(1, 122))
    assert [str(e.kind) for e in entries] == ["expired"] * 120 + ["spent"]
    assert [e.occurred_at for e in entries[:120]] == sorted(e.occurred_at for e in entries[:120])


def test_a_grant_that_repays_more_bookings_than_fit_is_finished_by_the_sweep(store: Store) -> None:
    """Seventy bookings owe a credit each; one payment brings seventy-two."""
    debts = tuple(a_debt(f"b{n:03}", 1, since=NOW - (n + 1) * HOUR, starts_at=NOW + DAY) for n in range(70))
    owing = [writes.booking(PRACTICE, a_booking(debt.ref, starts_at=NOW + DAY)) for debt in debts]
    put(store, writes.wallet(a_stored_wallet(debts=debts), None), *owing)
    pay(store, paid(quantity=24))
    while sweep(store, NOW):
        pass
    stored = everything(store)
    assert (wallet(stored).balance, wallet(stored).debts) == (2, ())
    assert all(sum(p.amount for p in booking.payers) == 1 for booking in stored.bookings.values())


def test_a_booking_that_many_ended_lots_paid_is_restored_and_expired_in_two_entries(store: Store) -> None:
    lots = [a_lot(f"l{n:02}", 1, granted=2, expires_at=NOW - HOUR) for n in range(60)]
    payers = tuple(Payer("c1", "follow-up", lot.lot_id, 1) for lot in lots)
    booking: Booking = a_booking(seats=60, payers=payers)
    put(store, writes.booking(PRACTICE, booking), writes.client(PRACTICE, Client("c1", created_at=NOW)))
    put(store, *(writes.closed_lot(Wallet(PRACTICE, "c1", "follow-up"), replace(lot, remaining=0)) for lot in lots))
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW), cancelled())
    assert history(everything(store)) == [("restored", 60), ("expired", -60)]


# -- two at once ---------------------------------------------------------------------------------


class Between:
    """A DynamoDB client that lets something else happen just before its first transaction."""

    def __init__(self, client: Any, happens: Callable[[], object]) -> None:
        self._client, self._happens = client, happens

    def transact_write_items(self, **request: Any) -> Any:
        happens, self._happens = self._happens, lambda: None
        happens()
        return self._client.transact_write_items(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def interrupted(store: Store, happens: Callable[[], object]) -> Store:
    return Store(Table(Between(store.table._client, happens), store.table.name))


def test_of_two_at_once_for_the_last_credit_one_gets_it(strict: Store) -> None:
    pay(strict, paid())
    bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW), created("b0", seats=2))
    slow = interrupted(strict, lambda: bookings.book(Context(strict, PRACTICE, BOOKINGS, NOW), created("quick")))
    outcome = bookings.book(Context(slow, PRACTICE, BOOKINGS, NOW), created("slow"))
    stored = everything(strict)
    assert outcome.booking.state is BookingState.REFUSED
    assert stored.bookings["quick"].state is BookingState.BOOKED
    assert history(stored) == [("granted", 3), ("spent", -2), ("spent", -1)]
    assert stored.breaches() == []


def test_of_one_payment_heard_twice_at_once_one_grants_and_both_answer_alike(store: Store) -> None:
    first: list[payments.LineOutcome] = []
    slow = interrupted(store, lambda: first.append(pay(store, paid())))
    again = pay(slow, paid())
    assert (again.repeated, again.operation) == (True, first[0].operation)
    assert history(everything(store)) == [("granted", 3)]


def test_of_one_cancellation_heard_twice_at_once_one_returns(store: Store) -> None:
    pay(store, paid())
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created())
    slow = interrupted(store, lambda: bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW), cancelled()))
    assert bookings.cancel(Context(slow, PRACTICE, BOOKINGS, NOW), cancelled()).repeated
    assert history(everything(store)) == [("granted", 3), ("spent", -1), ("restored", 1)]


def test_a_sweep_and_a_booking_at_once_write_an_end_once(store: Store) -> None:
    pay(store, paid(price="price_starter"))
    late = NOW + 9 * DAY
    slow = interrupted(store, lambda: sweep(store, late))
    bookings.book(Context(slow, PRACTICE, BOOKINGS, late), created(occurred_at=late, starts_at=late + DAY))
    assert history(everything(store)) == [("granted", 2), ("expired", -2), ("spent", -1)]


def test_a_cancellation_between_a_grant_and_the_debt_it_would_repay_leaves_nothing_owed(store: Store) -> None:
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created())
    slow = interrupted(store, lambda: bookings.cancel(Context(store, PRACTICE, BOOKINGS, NOW), cancelled()))
    pay(slow, paid())
    stored = everything(store)
    assert history(stored) == [("spent", -1), ("restored", 1), ("granted", 3)]
    assert (wallet(stored).balance, stored.bookings["b1"].payers) == (3, ())


def test_a_profile_saved_while_settings_change_keeps_both(store: Store) -> None:
    actor = Actor("staff", "s1")
    practices.put_client(Context(store, PRACTICE, STRIPE, NOW), Client("c1", name="Ada"))
    change = {"max_negative": 3}
    slow = interrupted(
        store, lambda: practices.change_client_settings(Context(store, PRACTICE, actor, NOW), "c1", change)
    )
    practices.put_client(Context(slow, PRACTICE, STRIPE, NOW), Client("c1", name="Ada L."))
    known = store.load(PRACTICE, Wanted(client_id="c1")).client
    assert known
    assert (known.name, known.overrides) == ("Ada L.", change)


def test_two_appointment_types_put_at_once_are_both_there(store: Store) -> None:
    slow = interrupted(
        store, lambda: practices.put_appointment_type(store, PRACTICE, AppointmentType("massage", "Massage"))
    )
    practices.put_appointment_type(slow, PRACTICE, AppointmentType("yoga", "Yoga"))
    types = store.load(PRACTICE, Wanted()).catalogue.types
    assert set(types) == {"follow-up", "initial", "massage", "yoga"}


def test_what_is_read_back_is_what_was_decided(store: Store) -> None:
    """An entry and a wallet survive the table unchanged, to the microsecond."""
    odd = NOW + HOUR / 7
    pay(store, paid(paid_at=odd), odd)
    answer = bookings.book(Context(store, PRACTICE, BOOKINGS, odd), created(occurred_at=odd, starts_at=odd + DAY))
    assert everything(store).entries[WALLET][1:] == list(answer.entries)
    assert store.load(PRACTICE, Wanted(booking_id="b1")).booking == replace(answer.booking, version=1)
