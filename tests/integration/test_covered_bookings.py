"""Bookings that an insurance authorisation covers: one visit each, before any credit, returned with the booking."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import NOW
from tests.support.published import check
from tests.support.stock import (
    balances,
    booked,
    cancels,
    client,
    furnished,
    later,
    listed,
    no_debt,
    nothing_written,
    paid,
    patch,
    put,
    read,
)

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.domain.invariants import visit_breaches
from client_credits.domain.practice.authorizations import AuthorizationRef
from client_credits.operations.queries.verifying import check_client
from client_credits.publishing.events import events_of
from client_credits.store import practice_writes
from client_credits.store.codec import from_attributes

ALL = "/v1/clients/c1/authorizations"
HISTORY = "/v1/clients/c1/credits/follow-up/history"
AUTHORIZED = {
    "payer": "Northern Health",
    "number": "NH-55-1207",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 2,
}


@pytest.fixture
def practice(api: Api) -> Api:
    """Client c1 has three credits, and authorisations are tracked."""
    furnished(api)
    paid(api)
    patch(api, "/v1/settings", {"track_insurance_authorization": True})
    return api


def authorized(api: Api, authorization_id: str = "au-1", client_id: str = "c1", **fields: Any) -> None:
    put(api, f"/v1/clients/{client_id}/authorizations/{authorization_id}", AUTHORIZED | fields)


def used(api: Api, client_id: str = "c1") -> dict[str, int]:
    return {each["id"]: each["visits_used"] for each in listed(api, f"/v1/clients/{client_id}/authorizations")}


def covered_by(booking: Booking) -> str | None:
    return booking.covered_by.authorization_id if booking.covered_by else None


def entries(api: Api, **only: Any) -> list[tuple[Any, ...]]:
    """The history, oldest first, without the purchase."""
    shown = reversed(listed(api, HISTORY, **only))
    kinds = [(e["kind"], e["amount"], e["cause"]["kind"]) for e in shown]
    return [each for each in kinds if each[0] not in ("granted", "settings_changed")]


COVERED = ("covered", 0, "authorization")
RETURNED = ("restored", 0, "authorization")
SPENT = ("spent", -1, "booking")


def test_a_covered_booking_uses_a_visit_and_no_credit(practice: Api) -> None:
    authorized(practice)
    booking = booked(practice)
    assert (booking.state, covered_by(booking), booking.payers) == (BookingState.BOOKED, "au-1", ())
    assert (used(practice), balances(practice)["follow-up"]) == ({"au-1": 1}, 3)
    (entry,) = listed(practice, HISTORY, kind="covered")
    assert (entry["amount"], entry["balance_before"], entry["balance_after"], entry["postings"]) == (0, 3, 3, [])
    assert entry["cause"] == {
        "kind": "authorization",
        "authorization_id": "au-1",
        "booking_id": "b1",
        "starts_at": entry["cause"]["starts_at"],
    }


def test_a_booking_of_several_seats_uses_one_visit(practice: Api) -> None:
    authorized(practice)
    booked(practice, seats=5)
    assert (used(practice), balances(practice)["follow-up"]) == ({"au-1": 1}, 3)
    cancels(practice)
    assert (used(practice), balances(practice)["follow-up"]) == ({"au-1": 0}, 3)


def test_a_covered_booking_needs_no_credits_and_owes_nothing(practice: Api) -> None:
    client(practice, "c2")
    no_debt(practice)
    authorized(practice, client_id="c2", visits_authorized=1)
    assert booked(practice, "b1", client_id="c2").state is BookingState.BOOKED
    assert booked(practice, "b2", client_id="c2").state is BookingState.REFUSED
    assert balances(practice, "c2")["follow-up"] == 0
    assert used(practice, "c2") == {"au-1": 1}


def test_once_the_visits_are_used_credits_pay(practice: Api) -> None:
    authorized(practice)
    found = [covered_by(booked(practice, f"b{n}")) for n in range(3)]
    assert (found, balances(practice)["follow-up"]) == (["au-1", "au-1", None], 2)


def test_the_authorization_that_ends_first_is_used_first(practice: Api) -> None:
    authorized(practice, "au-1", ends_on="2027-06-30")
    authorized(practice, "au-2", ends_on="2027-01-31", visits_authorized=1)
    authorized(practice, "au-3", ends_on="2027-02-28", visits_authorized=1)
    assert [covered_by(booked(practice, f"b{n}")) for n in range(4)] == ["au-2", "au-3", "au-1", "au-1"]


def test_only_its_own_types_are_covered(practice: Api) -> None:
    authorized(practice, appointment_types=["initial"])
    assert covered_by(booked(practice)) is None
    assert covered_by(booked(practice, "b2", appointment_type="initial")) == "au-1"
    assert covered_by(booked(practice, "b3", appointment_type="massage")) is None, "a type that is not tracked"


@pytest.mark.parametrize(
    ("starts_at", "is_covered"),
    [
        ("2026-12-09T23:00:00+01:00", False),
        ("2026-12-10T00:00:00+01:00", True),
        ("2026-12-20T23:59:59+01:00", True),
        ("2026-12-21T00:00:00+01:00", False),
    ],
)
def test_the_first_and_the_last_day_are_the_practices_own_and_both_count(
    practice: Api, starts_at: str, is_covered: bool
) -> None:
    patch(practice, "/v1/settings", {"timezone": "Europe/Berlin"})
    authorized(practice, starts_on="2026-12-10", ends_on="2026-12-20")
    starts = datetime.fromisoformat(starts_at).astimezone(UTC)
    assert (covered_by(booked(practice, starts_at=starts)) is not None) == is_covered


def test_without_the_setting_credits_pay_and_one_client_may_differ(practice: Api) -> None:
    authorized(practice)
    patch(practice, "/v1/settings", {"track_insurance_authorization": None})
    assert covered_by(booked(practice, "b1")) is None
    patch(practice, "/v1/clients/c1/settings", {"track_insurance_authorization": True})
    assert covered_by(booked(practice, "b2")) == "au-1"


def test_a_visit_returns_once_with_its_booking_whatever_was_switched_off_since(practice: Api) -> None:
    authorized(practice)
    booked(practice)
    patch(practice, "/v1/settings", {"track_insurance_authorization": False})
    practice("DELETE", f"{ALL}/au-1")
    cancelled = cancels(practice)
    assert (covered_by(cancelled), cancelled.visit_returned, cancelled.returned) == ("au-1", True, 0)
    with nothing_written(practice):
        cancels(practice)
    authorized(practice)
    assert used(practice) == {"au-1": 0}
    assert entries(practice) == [COVERED, RETURNED]


def test_a_visit_stays_used_where_nothing_is_restored_on_cancel(practice: Api) -> None:
    authorized(practice)
    patch(practice, "/v1/settings", {"restore_on_cancel": False})
    booked(practice)
    assert not cancels(practice).visit_returned
    assert used(practice) == {"au-1": 1}
    assert entries(practice) == [COVERED, ("forfeited", 0, "authorization")]
    assert sound(practice)


def test_a_visit_that_returned_covers_another_booking(practice: Api) -> None:
    authorized(practice, visits_authorized=1)
    booked(practice, "b1")
    cancels(practice, "b1")
    assert covered_by(booked(practice, "b2")) == "au-1"
    assert entries(practice) == [COVERED, RETURNED, COVERED]


def test_a_booking_heard_twice_or_late_uses_one_visit(practice: Api) -> None:
    authorized(practice)
    for _ in range(3):
        booked(practice)
        later(practice, hours=1)
        booked(practice, occurred_at=NOW - timedelta(days=1))
    assert (used(practice), entries(practice)) == ({"au-1": 1}, [COVERED])


def test_a_booking_heard_after_its_cancellation_uses_none(practice: Api) -> None:
    authorized(practice)
    cancels(practice)
    booked(practice)
    assert (used(practice), entries(practice)) == ({"au-1": 0}, [])


def test_a_refused_booking_is_covered_when_it_is_tried_again(practice: Api) -> None:
    no_debt(practice)
    booked(practice, seats=9)
    authorized(practice)
    assert used(practice) == {"au-1": 0}
    later(practice, hours=1)
    booking = booked(practice, seats=9)
    assert (booking.state, covered_by(booking), booking.refusal) == (BookingState.BOOKED, "au-1", None)


def test_nothing_is_used_while_the_system_is_off(practice: Api) -> None:
    authorized(practice)
    patch(practice, "/v1/settings", {"enabled": False, "confirm": True})
    assert covered_by(booked(practice)) is None
    patch(practice, "/v1/settings", {"enabled": True})
    assert used(practice) == {"au-1": 0}


def between(api: Api, happens: Callable[[], Any]) -> None:
    """Lets something happen once, after the next booking has read its authorisations and before it commits."""
    plain = api.store.commit

    def commit(items: Any) -> None:
        api.store.commit = plain  # type: ignore[method-assign]
        happens()
        plain(items)

    api.store.commit = commit  # type: ignore[method-assign]


def test_of_two_bookings_of_the_last_visit_one_is_covered_and_the_other_pays_with_credits(practice: Api) -> None:
    authorized(practice, visits_authorized=1, appointment_types=["follow-up", "initial"])
    between(practice, lambda: booked(practice, "b2", appointment_type="initial"))
    first = booked(practice, "b1")
    assert (covered_by(first), read(practice, "/v1/bookings/b2")["covered_by"]) == (None, "au-1")
    assert (used(practice), balances(practice)) == ({"au-1": 1}, {"follow-up": 2, "initial": 0})


def test_an_authorization_deleted_meanwhile_covers_nothing(practice: Api) -> None:
    authorized(practice)
    between(practice, lambda: practice("DELETE", f"{ALL}/au-1"))
    assert covered_by(booked(practice)) is None
    assert balances(practice)["follow-up"] == 2


def test_a_visit_used_meanwhile_is_not_lost_to_a_replacement(practice: Api) -> None:
    authorized(practice)
    between(practice, lambda: booked(practice))
    authorized(practice, visits_authorized=7)
    assert used(practice) == {"au-1": 1}


def test_a_booking_covered_before_its_client_was_merged_returns_its_visit(practice: Api) -> None:
    client(practice, "c2")
    authorized(practice)
    booked(practice)
    merged = practice("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "k"})
    assert merged.status == 200
    assert used(practice, "c2") == {"au-1": 1}
    assert sound(practice, "c2")
    cancels(practice)
    assert used(practice, "c2") == {"au-1": 0}
    assert sound(practice, "c2")


def test_a_client_sees_that_a_booking_was_covered_and_nothing_of_the_insurer(practice: Api) -> None:
    authorized(practice, "NH-55-1207")
    booked(practice)
    reply = practice("GET", HISTORY, client="c1", kind="covered")
    (entry,) = reply.body["items"]
    assert (entry["kind"], entry["amount"], entry["cause"]["kind"]) == ("covered", 0, "authorization")
    assert (entry["cause"]["booking_id"], entry["cause"]["package_id"]) == ("b1", None)
    asked = practice("GET", "/v1/eligibility", client="c1", client_id="c1", appointment_type="follow-up")
    assert asked.body["covered"]
    for text in (reply.text, asked.text):
        assert "Northern" not in text
        assert "NH-55" not in text


def test_a_covered_booking_is_published_without_payer_and_number(practice: Api) -> None:
    authorized(practice)
    booked(practice)
    items = practice.store.table._client.scan(TableName=practice.store.table.name, ConsistentRead=True)["Items"]
    published = [event for item in items for event in events_of(from_attributes(item), None)]
    (event,) = [each for each in published if each.detail_type == "credits.covered"]
    check(event.detail_type, event.detail)
    assert event.detail["cause"]["authorization_id"] == "au-1"
    assert "Northern" not in str(published)


# -- asked before --------------------------------------------------------------------------------


def eligible(api: Api, **query: Any) -> Any:
    return read(api, "/v1/eligibility", client_id="c1", **({"appointment_type": "follow-up"} | query))


def test_eligibility_says_that_an_authorization_would_pay(practice: Api) -> None:
    no_debt(practice)
    authorized(practice)
    stated = eligible(practice, seats=9)
    assert (stated["allowed"], stated["reason"], stated["shortfall"], stated["would_use"]) == (True, "ok", 0, [])
    assert (stated["covered"], stated["covered_by"], stated["available"]) == (True, "au-1", 3)
    assert stated["message"] == "You can book Follow-Up. Your insurance covers this visit."
    too_late = eligible(practice, seats=9, starts_at="2027-03-01T00:00:00Z")
    assert (too_late["allowed"], too_late["covered"], too_late["covered_by"]) == (False, False, None)


def test_each_type_is_asked_on_its_own(practice: Api) -> None:
    authorized(practice, appointment_types=["follow-up", "initial"], visits_authorized=1)
    items = read(practice, "/v1/eligibility", client_id="c1")["items"]
    assert [item["covered_by"] for item in items] == ["au-1", "au-1"]
    patch(practice, "/v1/clients/c1/settings", {"track_insurance_authorization": False})
    items = read(practice, "/v1/eligibility", client_id="c1")["items"]
    assert [item["covered_by"] for item in items] == [None, None]


def test_sessions_asked_together_use_the_visits_in_order_and_then_credits(practice: Api) -> None:
    no_debt(practice)
    authorized(practice)
    session = {"appointment_type": "follow-up", "starts_at": "2026-12-01T09:00:00Z"}
    body = {"client_id": "c1", "sessions": [session] * 6}
    reply = practice("POST", "/v1/eligibility", body)
    assert [each["covered_by"] for each in reply.body["sessions"]] == ["au-1", "au-1", None, None, None, None]
    assert [each["allowed"] for each in reply.body["sessions"]] == [True] * 5 + [False]
    assert (reply.body["allowed"], reply.body["shortfall"]) == (False, 1)
    patch(practice, "/v1/settings", {"enabled": False, "confirm": True})
    off = practice("POST", "/v1/eligibility", body)
    assert {(each["reason"], each["covered"]) for each in off.body["sessions"]} == {("credits_disabled", False)}


# -- verified ------------------------------------------------------------------------------------


def sound(api: Api, client_id: str = "c1") -> bool:
    checked = check_client(api.store, "p1", client_id)
    assert checked
    return checked.breaches == ()


def test_verify_counts_the_visits(practice: Api) -> None:
    authorized(practice)
    for booking in ("b1", "b2"):
        booked(practice, booking)
    cancels(practice, "b1")
    assert sound(practice)
    for wrong in (0, 2):
        rewritten(practice, visits_used=wrong)
        checked = check_client(practice.store, "p1", "c1")
        assert checked
        assert [(each.law, each.where) for each in checked.breaches] == [("visits", "p1/c1 au-1")]
    practice("DELETE", f"{ALL}/au-1")
    assert not sound(practice), "one that was deleted is counted, too"
    ref = AuthorizationRef("c1", "au-1")
    (known,) = practice.store.authorizations("p1", [ref])
    covered = [Booking(name, BookingState.BOOKED, covered_by=ref) for name in ("b1", "b2", "b3")]
    assert [b.detail for b in visit_breaches("p1", [], covered)] == ["None visits used, 3 bookings are covered"]
    assert visit_breaches("p1", [replace(known, visits_used=3)], covered), "more than were authorised"


def rewritten(api: Api, **fields: Any) -> None:
    (known,) = api.store.authorizations("p1", [AuthorizationRef("c1", "au-1")])
    api.store.commit([practice_writes.authorization("p1", replace(known, **fields))])
