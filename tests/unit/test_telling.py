"""The API's answers and the bus's events tell the same record in the same words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client_credits.domain.ledger.entries import Actor, Cause, CauseKind, Entry, EntryKind, Posting
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.records import SettingsChange
from client_credits.http.schemas.credits import entry_view
from client_credits.http.schemas.parked import parked_view
from client_credits.publishing import events as published
from client_credits.publishing import plain as telling

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
CAUSE = Cause(CauseKind.BOOKING, {"booking_id": "b1"})
POSTINGS = (Posting(-1, lot_id="l1"), Posting(-1, debt="b1"))
ENTRY = Entry(
    *("p1", "c1", "follow-up", 4, "b1/created", EntryKind.SPENT, -2, 1, -1, POSTINGS, CAUSE),
    *(Actor("staff", "s1"), NOW.replace(microsecond=5), NOW, "a note"),
)
CHANGE = SettingsChange("chg_1", None, {"enabled": None}, {"enabled": False}, "staff", "s1", NOW)
PARKED = Parked("prk_1", "unknown_client", "evt_1", NOW, "cus_1", "in_1", prices=("price_1",))
HEARD: list[tuple[Any, Any]] = [
    (telling.entry(ENTRY), entry_view(ENTRY, {}, for_staff=False)),
    (telling.settings_change(CHANGE), entry_view(CHANGE, {}, for_staff=False)),
    (telling.parked(PARKED), parked_view(PARKED)),
]


@pytest.mark.parametrize(("stated", "answer"), HEARD, ids=["entry", "change", "parked"])
def test_an_event_says_what_the_api_answers(stated: telling.Fields, answer: Any) -> None:
    said = {name: value for name, value in stated.items() if name != "event_id"}  # of a payment: Stripe's event
    event = published._of("credits.any", "p1", "evt_1", said)
    answered = {name: value for name, value in answer.model_dump(mode="json").items() if name in said}
    assert event.detail == answered | {"practice_id": "p1", "event_id": "evt_1"}
    assert set(answer.model_dump()) - set(said) <= {"event_id"}
