"""Bookings listed by state over HTTP: merged over all shards, page by page, for the practice that asks."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, HOUR, NOW, a_booking
from tests.support.stock import booked, cancels, counted, furnished, listed, no_debt, pages, paid, patch, read

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.operations.queries import bookings as listing
from client_credits.store import keys, writes

BOOKINGS = "/v1/bookings"


@pytest.fixture
def practice(api: Api) -> Api:
    furnished(api)
    return api


def stored(api: Api, *bookings: Booking, practice: str = "p1") -> None:
    """Writes records as they are, a hundred at a time."""
    for start in range(0, len(bookings), 100):
        api.store.commit([writes.booking(practice, booking) for booking in bookings[start : start + 100]])


def at(number: int, state: BookingState = BookingState.REFUSED, **fields: Any) -> Booking:
    """A booking whose session starts `number` hours from now."""
    booking = a_booking(f"b{number:04}", starts_at=NOW + number * HOUR, **fields)
    return Booking(booking.booking_id, state, booking.client_id, booking.session)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["booking_id"] for item in items]


def test_the_refused_are_listed_as_each_is_answered_by_its_id(practice: Api) -> None:
    no_debt(practice)
    booked(practice, "b-refused", series_id="s1", location_id="room-7", provider_id="dr-3")
    paid(practice)
    booked(practice, "b-stands")
    (item,) = listed(practice, BOOKINGS, state="refused")
    assert item == read(practice, f"{BOOKINGS}/b-refused")
    assert item["refusal"]["reason"] == "insufficient_credits"
    assert (item["series_id"], item["location_id"], item["provider_id"]) == ("s1", "room-7", "dr-3")


def test_a_booking_is_listed_in_the_state_it_is_in_and_in_no_other(practice: Api) -> None:
    paid(practice)
    booked(practice)
    assert ids(listed(practice, BOOKINGS, state="booked")) == ["b1"]
    cancels(practice)
    assert {state: ids(listed(practice, BOOKINGS, state=state)) for state in BookingState} == {
        **{state: [] for state in BookingState},
        BookingState.CANCELLED: ["b1"],
    }


def test_a_refused_booking_that_was_let_through_is_listed_no_more(practice: Api) -> None:
    no_debt(practice)
    booked(practice)
    paid(practice)
    practice.now[0] += timedelta(minutes=1)
    booked(practice)
    assert listed(practice, BOOKINGS, state="refused") == []


def test_a_booking_whose_session_nobody_has_named_stands_in_no_list(practice: Api) -> None:
    cancels(practice)
    assert listed(practice, BOOKINGS, state="cancelled") == []
    booked(practice)
    assert ids(listed(practice, BOOKINGS, state="cancelled")) == ["b1"]


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_the_latest_session_comes_first_in_pages_of_any_size_over_all_shards(practice: Api, limit: int) -> None:
    refused = [at(n) for n in range(0, 40, 2)]
    stored(practice, *refused, *(at(n, BookingState.BOOKED) for n in range(1, 40, 2)))
    assert len({keys.sessions_pk("p1", b.booking_id) for b in refused}) > 4
    found = list(pages(practice, BOOKINGS, state="refused", limit=limit))
    assert all(len(page) <= limit for page in found)
    assert ids([item for page in found for item in page]) == [f"b{n:04}" for n in range(38, -1, -2)]


def test_bookings_of_one_instant_are_all_listed(practice: Api) -> None:
    stored(practice, *(a_booking(f"b{n}", starts_at=NOW + DAY) for n in range(9)))
    found = ids(listed(practice, BOOKINGS, state="booked", limit=2))
    assert found == [f"b{n}" for n in range(8, -1, -1)]


def test_a_page_takes_a_bounded_number_of_requests_and_the_pages_find_all(
    practice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 5)
    stored(practice, *(at(n, BookingState.REFUSED if n % 50 == 0 else BookingState.BOOKED) for n in range(300)))
    found, cursor, asked = [], None, 0
    while True:
        with counted(practice) as calls:
            page = read(practice, BOOKINGS, state="refused", **({"cursor": cursor} if cursor else {}))
        assert calls["Query"] <= 2 * keys.SESSION_SHARDS
        assert calls["BatchGetItem"] <= 2
        found, cursor, asked = found + ids(page["items"]), page["next_cursor"], asked + 1
        if cursor is None:
            break
    assert found == [f"b{n:04}" for n in range(250, -1, -50)]
    assert asked > 2


def test_shards_that_lie_far_apart_in_time_are_merged_in_order(practice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 3)
    one, other = keys.sessions_shard("p1", 0), keys.sessions_shard("p1", 1)
    soon = [n for n in range(100) if keys.sessions_pk("p1", f"b{n:04}") == one][:6]
    late = [n for n in range(100, 400) if keys.sessions_pk("p1", f"b{n:04}") == other][:20]
    stored(practice, *(at(n) for n in soon + late))
    found = list(pages(practice, BOOKINGS, state="refused", limit=5))
    assert ids([item for page in found for item in page]) == [f"b{n:04}" for n in sorted(soon + late, reverse=True)]


def test_a_list_of_few_bookings_asks_each_shard_once(practice: Api) -> None:
    stored(practice, *(at(n) for n in range(30)))
    with counted(practice) as calls:
        assert len(read(practice, BOOKINGS, state="refused", limit=100)["items"]) == 30
    assert calls == {"Query": keys.SESSION_SHARDS, "BatchGetItem": 1}


def test_a_practice_sees_its_own_bookings_only(practice: Api) -> None:
    stored(practice, at(1), at(2))
    stored(practice, at(1), practice="p2")
    assert ids(listed(practice, BOOKINGS, state="refused")) == ["b0002", "b0001"]
    assert ids(listed(practice, BOOKINGS, state="refused", practice="p2")) == ["b0001"]


def test_a_cursor_is_good_for_its_practice_and_state_only(practice: Api) -> None:
    stored(practice, at(1), at(2))
    cursor = read(practice, BOOKINGS, state="refused", limit=1)["next_cursor"]
    for asked in ({"state": "booked"}, {"state": "refused", "practice": "p2"}, {"state": "review"}):
        reply = practice("GET", BOOKINGS, cursor=cursor, **asked)
        assert (reply.status, reply.faults) == (422, {"/query/cursor": "bad_cursor"})
    other = practice("GET", "/v1/clients", cursor=cursor)
    assert (other.status, other.faults) == (422, {"/query/cursor": "bad_cursor"})
    assert ids(read(practice, BOOKINGS, state="refused", cursor=cursor)["items"]) == ["b0001"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/query/state"),
        ({"state": ""}, "/query/state"),
        ({"state": "Refused"}, "/query/state"),
        ({"state": "gone"}, "/query/state"),
        ({"state": "refused", "limit": 0}, "/query/limit"),
        ({"state": "refused", "limit": 101}, "/query/limit"),
        ({"state": "refused", "cursor": "x"}, "/query/cursor"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(practice: Api, query: dict[str, Any], pointer: str) -> None:
    reply = practice("GET", BOOKINGS, **query)
    assert (reply.status, set(reply.faults)) == (422, {pointer})


def test_a_booking_without_a_client_is_listed_like_any_other(practice: Api) -> None:
    patch(practice, "/v1/settings", {"unidentified_bookings": "refuse"})
    booked(practice, client_id=None)
    (item,) = listed(practice, BOOKINGS, state="refused")
    assert (item["client_id"], item["refusal"]["reason"]) == (None, "unidentified")
