"""Lots that bookings have emptied: their end can still move, and what returns finds it as last set."""

from collections.abc import Iterator
from datetime import datetime
from itertools import permutations

import pytest
from tests.property.memory import PRACTICE, a_practice, everything
from tests.support.builders import DAY, NOW, cancelled, created

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.errors import LotClosed
from client_credits.domain.ledger.entries import Actor, Entry
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.staff import editing
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.store import Store

STAFF = Actor("staff", "s-1")
WALLET = "c1", "follow-up"
YEAR = NOW + 365 * DAY


@pytest.fixture
def store() -> Iterator[Store]:
    with a_practice(auto_repay=False) as fresh:
        fresh.commit([writes.client(PRACTICE, Client("c1", created_at=NOW))])
        yield fresh


def wallet(store: Store) -> Wallet:
    return everything(store).wallets[WALLET]


def entries(store: Store) -> list[Entry]:
    return everything(store).entries[WALLET]


def stated(store: Store) -> list[tuple[str, int]]:
    return [(str(entry.kind), entry.amount) for entry in entries(store)]


def give(store: Store, amount: int, ends: datetime | None = None, key: str = "k1", now: datetime = NOW) -> str:
    """Staff add credits; returns the lot's id."""
    edited = editing.adjust(
        Context(store, PRACTICE, STAFF, now), "c1", "follow-up", amount, Keyed(key, ""), "a gift", ends
    )
    return str(edited.entries[0].postings[0].lot_id)


def change(store: Store, lot_id: str, ends: datetime | None = None, *, void: bool = False) -> None:
    here = Context(store, PRACTICE, STAFF, NOW)
    editing.change_lot(here, *WALLET, lot_id, void=void, expires_at=ends, reason="a closure")


def book(store: Store, booking_id: str) -> None:
    bookings.book(Context(store, PRACTICE, BOOKINGS, NOW), created(booking_id, starts_at=NOW + DAY))


def cancel(store: Store, booking_id: str, at: datetime) -> None:
    bookings.cancel(Context(store, PRACTICE, BOOKINGS, at), cancelled(booking_id, CancelledBy.CLIENT, occurred_at=at))


@pytest.mark.parametrize("order", permutations(("b1", "b2")))
def test_credits_that_return_to_an_emptied_lot_end_as_staff_last_said(store: Store, order: tuple[str, str]) -> None:
    lot = give(store, 2, NOW + 10 * DAY)
    book(store, "b1")
    change(store, lot, YEAR)
    book(store, "b2")
    assert wallet(store).open_lots == ()
    cancel(store, order[0], NOW + 20 * DAY)
    cancel(store, order[1], NOW + 20 * DAY)
    assert [(each.lot_id, each.remaining, each.expires_at) for each in wallet(store).open_lots] == [(lot, 2, YEAR)]
    assert stated(store)[-2:] == [("restored", 1), ("restored", 1)]
    assert everything(store).breaches() == []


def test_an_emptied_lot_can_be_extended_for_what_returns_to_it(store: Store) -> None:
    lot = give(store, 1, NOW + 10 * DAY)
    book(store, "b1")
    change(store, lot, YEAR)
    cancel(store, "b1", NOW + 20 * DAY)
    assert [each.expires_at for each in wallet(store).open_lots] == [YEAR]
    assert everything(store).breaches() == []


def test_the_entry_that_extends_a_lot_tells_its_new_end(store: Store) -> None:
    lot = give(store, 1, NOW + 10 * DAY)
    change(store, lot, YEAR)
    facts = [posting.facts and posting.facts.expires_at for entry in entries(store) for posting in entry.postings]
    assert facts == [NOW + 10 * DAY, YEAR]


def test_what_returns_to_a_voided_lot_is_restored_and_voided(store: Store) -> None:
    lot = give(store, 2)
    book(store, "b1")
    change(store, lot, void=True)
    cancel(store, "b1", NOW + DAY)
    assert stated(store) == [("adjusted", 2), ("spent", -1), ("voided", -1), ("restored", 1), ("voided", -1)]
    assert wallet(store).balance == 0
    assert everything(store).breaches() == []


def test_an_emptied_lot_can_be_voided_once_and_for_good(store: Store) -> None:
    lot = give(store, 1)
    book(store, "b1")
    change(store, lot, void=True)
    with pytest.raises(LotClosed):
        change(store, lot, void=True)
    with pytest.raises(LotClosed):
        change(store, lot, YEAR)
    cancel(store, "b1", NOW + DAY)
    assert stated(store)[-2:] == [("restored", 1), ("voided", -1)]


def test_a_session_that_staff_cleared_of_debt_comes_back_when_it_is_cancelled(store: Store) -> None:
    book(store, "b1")
    lot = give(store, 3)
    assert stated(store) == [("spent", -1), ("adjusted", 3), ("repaid", 0)]
    assert [(p.lot_id, p.kept) for p in everything(store).bookings["b1"].payers] == [(lot, 1)]
    cancel(store, "b1", NOW + DAY)
    assert [(each.lot_id, each.remaining) for each in wallet(store).open_lots] == [(lot, 3)]
    assert everything(store).breaches() == []


def test_without_repaying_what_is_available_is_what_may_be_booked(store: Store) -> None:
    from client_credits.operations.queries.credits import credits_of  # noqa: PLC0415

    book(store, "b1")
    editing.grant_by_hand(Context(store, PRACTICE, STAFF, NOW), "c1", "three", 1, Keyed("k2", ""))
    (line,) = [
        c for c in credits_of(Context(store, PRACTICE, STRIPE, NOW), "c1").credits if c.appointment_type == "follow-up"
    ]
    assert (line.balance, line.available, line.debt) == (2, 3, 1)
