"""Booking events in: what is read, what is refused, and that a refusal repeats no value."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.booking_systems.events import (
    MAX_REASON,
    BookingEvent,
    BookingEventKind,
    MalformedBooking,
    booking_event_of,
    read_booking_event,
)
from client_credits.domain.bookings.booking import BookedAs, CancelledBy, Origin

Json = dict[str, Any]

DETAIL: Json = {
    "practice_id": "p1",
    "booking_id": "b-981",
    "client_id": "c-17",
    "client_email": "client@example.com",
    "appointment_type": "follow-up",
    "starts_at": "2026-12-01T09:00:00Z",
    "occurred_at": "2026-11-22T10:00:00Z",
    "seats": 1,
    "kind": "appointment",
    "origin": "client",
    "cancelled_by": None,
    "rescheduled_by": None,
    "previous_booking_id": None,
    "series_id": None,
    "hold_id": None,
    "location_id": None,
    "provider_id": None,
    "reason": None,
}


def envelope(kind: str = "created", /, **over: Any) -> Json:
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "source": "booking.sample",
        "detail-type": f"booking.{kind}",
        "detail": DETAIL | over,
    }


def refusal(event: object) -> tuple[str, ...]:
    with pytest.raises(MalformedBooking) as refused:
        booking_event_of(event)
    assert str(refused.value) == "; ".join(refused.value.reasons)
    return refused.value.reasons


def test_a_whole_event_is_read() -> None:
    stated = read_booking_event(
        json.dumps(
            envelope(
                "cancelled",
                kind="event",
                seats=3,
                origin="staff",
                cancelled_by="practice",
                rescheduled_by="client",
                previous_booking_id="b-980",
                series_id="s-1",
                hold_id="h-1",
                location_id="room-7",
                provider_id="dr-3",
                reason="rain",
            )
        )
    )
    assert stated == BookingEvent(
        event=BookingEventKind.CANCELLED,
        source="booking.sample",
        practice_id="p1",
        booking_id="b-981",
        occurred_at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        client_id="c-17",
        appointment_type="follow-up",
        starts_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
        seats=3,
        kind=BookedAs.EVENT,
        origin=Origin.STAFF,
        cancelled_by=CancelledBy.PRACTICE,
        rescheduled_by=CancelledBy.CLIENT,
        previous_booking_id="b-980",
        series_id="s-1",
        hold_id="h-1",
        location_id="room-7",
        provider_id="dr-3",
        reason="rain",
    )


@pytest.mark.parametrize("kind", ["cancelled", "no_show", "no_show_reverted", "completed"])
def test_little_is_needed_to_end_a_booking(kind: str) -> None:
    needed = ("practice_id", "booking_id", "occurred_at")
    event = envelope(kind)
    event["detail"] = {name: DETAIL[name] for name in needed}
    stated = booking_event_of(event)
    assert stated.event == f"booking.{kind}"
    assert (stated.client_id, stated.appointment_type, stated.starts_at) == (None, None, None)
    assert (stated.seats, stated.kind, stated.origin) == (1, BookedAs.APPOINTMENT, None)


@pytest.mark.parametrize("kind", ["created", "rescheduled"])
def test_a_booking_needs_its_type_and_start(kind: str) -> None:
    nothing_booked = envelope(kind, appointment_type=None, starts_at=None)
    assert refusal(nothing_booked) == ("appointment_type: missing", "starts_at: missing")
    assert refusal(envelope(kind, starts_at=None)) == ("starts_at: missing",)


def test_null_is_as_good_as_absent() -> None:
    stated = booking_event_of(envelope(seats=None, kind=None, origin=None, client_id=None))
    assert (stated.seats, stated.kind, stated.origin, stated.client_id) == (1, "appointment", None, None)


def test_unknown_fields_are_ignored_and_the_email_goes_no_further() -> None:
    stated = booking_event_of(envelope(room="7", event="booking.cancelled", source="other"))
    assert stated == booking_event_of(envelope())
    assert "example.com" not in repr(stated)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-12-01T09:00:00+02:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ("2026-12-01T00:30:00-11:30", datetime(2026, 12, 1, 12, tzinfo=UTC)),
        ("2026-12-01t09:00:00z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01T09:00:00.5Z", datetime(2026, 12, 1, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-12-01T09:00:00.123456789Z", datetime(2026, 12, 1, 9, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_an_instant_is_stated_in_utc(written: str, instant: datetime) -> None:
    stated = booking_event_of(envelope(starts_at=written))
    assert stated.starts_at == instant
    assert stated.starts_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "written",
    [
        "2026-12-01T09:00:00",
        "2026-12-01",
        "2026-12-01 09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-12-01T09:00:60Z",
        "2026-12-01T09:00Z",
        "2026-12-01T09:00:00+99:00",
        "2026-12-01T09:00:00+24:00",
        "2026-12-01T09:00:00Z\n",
        "٢٠٢٦-12-01T09:00:00Z",
        "soon",
        "",
        1_800_000_000,
        True,
        ["2026-12-01T09:00:00Z"],
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(written: object) -> None:
    assert refusal(envelope(starts_at=written)) == ("starts_at: not_an_instant",)
    assert refusal(envelope("cancelled", occurred_at=written)) == ("occurred_at: not_an_instant",)


@pytest.mark.parametrize("written", ["1969-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_instants_keep_to_our_millennium(written: str) -> None:
    assert refusal(envelope(starts_at=written)) == ("starts_at: instant_out_of_range",)


@pytest.mark.parametrize(
    ("seats", "code"),
    [
        (0, "out_of_range"),
        (101, "out_of_range"),
        (-1, "out_of_range"),
        (10**30, "out_of_range"),
        (True, "not_whole"),
        (1.0, "not_whole"),
        ("2", "not_whole"),
        ([], "not_whole"),
    ],
)
def test_seats_are_one_to_a_hundred(seats: object, code: str) -> None:
    assert refusal(envelope(seats=seats)) == (f"seats: {code}",)


def test_a_hundred_seats_are_fine() -> None:
    assert booking_event_of(envelope(seats=100)).seats == 100


IDS = [
    "practice_id",
    "booking_id",
    "client_id",
    "appointment_type",
    "previous_booking_id",
    "series_id",
    "hold_id",
    "location_id",
    "provider_id",
]


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("value", ["", "a b", "a#b", "a/b", "é", "a\n", "x" * 129, "\ud800"])
def test_an_id_keeps_to_its_characters(name: str, value: str) -> None:
    (reason,) = refusal(envelope(**{name: value}))
    assert reason in (f"{name}: not_an_id", f"{name}: not_text")


@pytest.mark.parametrize("name", IDS)
def test_an_id_is_text(name: str) -> None:
    assert refusal(envelope(**{name: 7})) == (f"{name}: not_text",)


def test_ids_of_every_allowed_character_and_full_length_are_fine() -> None:
    assert booking_event_of(envelope(client_id="aZ09._:~-")).client_id == "aZ09._:~-"
    assert booking_event_of(envelope(client_id="x" * 128)).client_id == "x" * 128


@pytest.mark.parametrize("name", ["kind", "origin", "cancelled_by", "rescheduled_by"])
@pytest.mark.parametrize("value", ["nobody", "", 7, [], {}])
def test_only_known_words_count(name: str, value: object) -> None:
    assert refusal(envelope(**{name: value})) == (f"{name}: unknown",)


def test_a_note_is_no_cause_for_refusal_unless_it_is_no_text() -> None:
    assert booking_event_of(envelope(reason="n" * 2000)).reason == "n" * MAX_REASON
    assert booking_event_of(envelope(reason="half \ud83d")).reason == "half ?"
    assert refusal(envelope(reason={"text": "x"})) == ("reason: not_text",)


@pytest.mark.parametrize(
    ("over", "reasons"),
    [
        ({"detail-type": "booking.lost"}, ("detail-type: unknown",)),
        ({"detail-type": None}, ("detail-type: missing",)),
        ({"detail-type": 7}, ("detail-type: unknown",)),
        ({"source": "credits"}, ("source: not_an_id",)),
        ({"source": None}, ("source: missing",)),
        ({"detail": None}, ("detail: not_an_object",)),
        ({"detail": "{}"}, ("detail: not_an_object",)),
        (
            {"detail": {}},
            ("practice_id: missing", "booking_id: missing", "occurred_at: missing"),
        ),
    ],
)
def test_the_envelope_counts_too(over: Json, reasons: tuple[str, ...]) -> None:
    assert refusal(envelope() | over) == reasons


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "body: not_json"),
        ("{", "body: not_json"),
        (b"\xff", "body: not_json"),
        ("[" * 100_000, "body: not_json"),
        ("9" * 10_000, "body: not_json"),
        ("[]", "body: not_an_object"),
        ("null", "body: not_an_object"),
    ],
)
def test_a_body_that_is_no_object_is_malformed(body: str | bytes, reason: str) -> None:
    with pytest.raises(MalformedBooking) as refused:
        read_booking_event(body)
    assert refused.value.reasons == (reason,)


def test_every_fault_is_named_and_no_value_repeated() -> None:
    faulty = envelope(booking_id="Jane Doe", seats=1000, kind="jane@example.com", starts_at="at Jane's")
    reasons = refusal(faulty)
    assert reasons == (
        "booking_id: not_an_id",
        "starts_at: not_an_instant",
        "seats: out_of_range",
        "kind: unknown",
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(st.sampled_from([*DETAIL, "detail", "source", "detail-type"]), ANY_JSON)
@settings(max_examples=300, deadline=None)
def test_any_value_anywhere_is_read_or_refused(name: str, value: object) -> None:
    event = envelope(**({name: value} if name in DETAIL else {}))
    if name not in DETAIL:
        event[name] = value
    for reason in reasons_or_none(event):
        assert reason.split(": ")[0] in (*event, *DETAIL)


def reasons_or_none(event: Json) -> tuple[str, ...]:
    try:
        booking_event_of(event)
    except MalformedBooking as refused:
        return refused.reasons
    return ()
