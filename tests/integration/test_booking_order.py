"""What becomes of a booking does not depend on which of its events is heard first."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, HOUR, NOW, a_lot, cancelled, created
from tests.support.stock import balances, booked, cancels, furnished, listed, no_debt, package, paid, patch, read

from client_credits.domain.bookings.booking import BookingState, Cancelled, CancelledBy, Created
from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ledger.wallet import MAX_OPEN
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, Context
from client_credits.store import writes
from client_credits.store.records import Wanted

ADD_ONE = {"appointment_type": "follow-up", "amount": 1, "reason": "a gift"}
HISTORY = "/v1/clients/c1/credits/follow-up/history"
UNNAMED = created(client_id=None)


@pytest.fixture
def practice(api: Api) -> Api:
    furnished(api)
    paid(api)
    return api


def tell(api: Api, *events: Created | Cancelled) -> dict[str, Any]:
    """The booking after these events, in this order."""
    for event in events:
        api.now[0] += timedelta(minutes=1)
        operation: Any = bookings.book if isinstance(event, Created) else bookings.cancel
        operation(Context(api.store, "p1", BOOKINGS, api.now[0]), event)
    return read(api, "/v1/bookings/b1")


# -- who the client is -------------------------------------------------------------------------


@pytest.mark.parametrize("unidentified", ["allow", "refuse"])
@pytest.mark.parametrize("later", [timedelta(0), HOUR, -HOUR], ids=["at once", "later", "earlier"])
@pytest.mark.parametrize("named_first", [True, False])
def test_a_booking_spends_once_its_client_is_named_whenever_that_is_heard(
    practice: Api, unidentified: str, later: timedelta, named_first: bool
) -> None:
    patch(practice, "/v1/settings", {"unidentified_bookings": unidentified})
    stated = [created(occurred_at=NOW + later), UNNAMED]
    booking = tell(practice, *(stated if named_first else reversed(stated)), *stated)
    assert (booking["state"], booking["client_id"], booking["free"]) == ("booked", "c1", None)
    assert balances(practice)["follow-up"] == 2
    assert [entry["kind"] for entry in listed(practice, HISTORY, kind="spent")] == ["spent"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_cancelled_booking_costs_nothing_in_any_order_and_knows_its_client(
    practice: Api, order: tuple[int, ...]
) -> None:
    stated = [UNNAMED, created(), cancelled(client_id=None, appointment_type=None)]
    booking = tell(practice, *(stated[n] for n in order))
    assert (booking["state"], booking["client_id"]) == ("cancelled", "c1")
    assert balances(practice)["follow-up"] == 3


def test_a_booking_is_refused_for_the_client_that_is_named_later_as_if_it_were_new(practice: Api) -> None:
    no_debt(practice)
    booking = tell(practice, UNNAMED, created(seats=4))
    assert (booking["state"], booking["refusal"]["reason"], booking["refusal"]["shortfall"]) == (
        *("refused", "insufficient_credits"),
        1,
    )


def test_a_booking_made_while_credits_were_off_stays_free_when_its_client_is_named(practice: Api) -> None:
    patch(practice, "/v1/settings", {"enabled": False, "confirm": True})
    tell(practice, UNNAMED)
    patch(practice, "/v1/settings", {"enabled": True})
    booking = tell(practice, created(occurred_at=NOW + HOUR))
    assert (booking["client_id"], booking["free"]) == ("c1", "credits_disabled")
    assert balances(practice)["follow-up"] == 3


def test_a_client_named_by_a_second_event_is_created_where_nobody_knows_it(practice: Api) -> None:
    tell(practice, UNNAMED, created(client_id="c-new"))
    assert read(practice, "/v1/clients/c-new")["id"] == "c-new"
    assert balances(practice, "c-new")["follow-up"] == -1


# -- events dated ahead ------------------------------------------------------------------------


def test_a_cancellation_dated_years_ahead_counts_as_now(practice: Api) -> None:
    booked(practice, seats=3, starts_at=NOW + DAY)
    cancels(practice, by=CancelledBy.PRACTICE, occurred_at=NOW.replace(year=2035))
    booking = read(practice, "/v1/bookings/b1")
    assert booking["cancelled_at"] == "2026-11-22T12:00:00Z"
    (entry,) = listed(practice, HISTORY, kind="restored")
    assert entry["occurred_at"] == "2026-11-22T12:00:00Z"


def test_no_grace_lasts_until_a_cancellations_far_date(practice: Api) -> None:
    package(practice, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(practice, price="price_2", client_id="c2")
    booked(practice, client_id="c2", starts_at=NOW + DAY)
    cancels(practice, by=CancelledBy.PRACTICE, occurred_at=NOW.replace(year=2035))
    lots = listed(practice, "/v1/clients/c2/credits/follow-up/lots")
    assert sorted(lot["expires_at"] for lot in lots) == ["2026-11-28T00:00:00Z", "2026-12-06T12:00:00Z"]


def test_a_refusal_dated_years_ahead_blocks_no_later_created(practice: Api) -> None:
    no_debt(practice)
    ahead = created(seats=9, occurred_at=NOW.replace(year=2035))
    refused = tell(practice, ahead)
    assert (refused["state"], refused["refusal"]["occurred_at"]) == ("refused", "2026-11-22T12:01:00Z")
    assert tell(practice, ahead) == refused, "the same event again tries nothing anew"
    paid(practice, quantity=5)
    again = tell(practice, created(seats=9, occurred_at=practice.now[0] + timedelta(minutes=1)))
    assert again["state"] == BookingState.BOOKED


# -- a wallet that is full ---------------------------------------------------------------------


def test_a_cancellation_is_carried_out_where_the_wallet_is_full(practice: Api) -> None:
    booked(practice, seats=3)
    wallet = practice.store.load("p1", Wanted(client_id="c1", types=("follow-up",))).wallets["follow-up"]
    assert wallet.open_lots == ()
    full = replace(wallet, lots=(*wallet.lots, *(a_lot(f"l{n}", 2000) for n in range(MAX_OPEN))))
    practice.store.commit([writes.wallet(full, None)])
    cancels(practice)
    assert balances(practice)["follow-up"] == MAX_CREDITS + 3
    assert len(listed(practice, "/v1/clients/c1/credits/follow-up/lots")) == MAX_OPEN + 1
    refused = practice("POST", "/v1/clients/c1/adjustments", ADD_ONE, headers={"idempotency-key": "k"})
    assert (refused.status, refused.body["code"]) == (409, "limit_reached")


# -- what a booking keeps ----------------------------------------------------------------------


def test_the_entry_of_a_booking_says_when_where_and_by_whom_the_session_is_held(practice: Api) -> None:
    tell(practice, created(location_id="room-7", provider_id="dr-3"), cancelled(by=CancelledBy.PRACTICE))
    cause = {
        **{"kind": "booking", "booking_id": "b1", "starts_at": "2026-11-24T12:00:00Z"},
        **{"location_id": "room-7", "provider_id": "dr-3"},
    }
    for kind in ("spent", "restored"):
        (entry,) = listed(practice, HISTORY, kind=kind)
        assert entry["cause"] == cause
