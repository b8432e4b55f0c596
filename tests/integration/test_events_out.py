"""What is known on the bus is as docs/events.md says, whatever operation it comes from."""

import json
from contextlib import suppress
from typing import Any

import pytest
from tests.support.builders import NOW
from tests.support.dumps import items_of
from tests.support.engines import Engine
from tests.support.fault_cases import CASES, Case
from tests.support.fault_steps import founded
from tests.support.published import ENTRY, EVENTS, check, closed, schema_of, schemas
from tests.support.records import an_entry

from client_credits.domain.ledger.entries import EntryKind
from client_credits.publishing import plain
from client_credits.publishing.events import Published, events_of
from client_credits.store import writes
from client_credits.store.codec import from_attributes


def heard_of(case: Case, engine: Engine) -> list[Published]:
    """All events of what a case, past included, leaves in the table."""
    store = engine.fresh_store()
    if case.founded:
        founded(store)
    for step in (*case.past, case.act):
        with suppress(*case.done):
            step(store, NOW)
    return [
        event
        for item in items_of(store.table, engine.shared_client)
        for event in events_of(from_attributes(item), None)
    ]


@pytest.mark.prove
def test_every_event_of_every_operation_is_as_documented_and_every_kind_is_among_them(moto: Engine) -> None:
    seen = set()
    for case in CASES:
        events = heard_of(case, moto)
        for event in events:
            check(event.detail_type, event.detail)
        seen |= {event.detail_type for event in events}
        ids = [event.detail["event_id"] for event in events]
        assert len(set(ids)) == len(ids), case.name
    documented = {f"credits.{kind}" for kind in EntryKind} | set(schemas()) - {ENTRY}
    assert seen == documented


@pytest.mark.parametrize("kind", EntryKind)
def test_every_kind_of_entry_has_a_schema(kind: EntryKind) -> None:
    assert schema_of(f"credits.{kind}") == ENTRY


def test_the_document_names_every_kind_of_entry_once() -> None:
    listed = EVENTS.read_text().split("Kinds: ")[1].split(". Not published yet")[0]
    assert sorted(word.strip().strip("`") for word in listed.replace("\n", " ").split(",")) == sorted(EntryKind)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": "Anna was ill"},
        {"actor": {"kind": "staff", "id": "anna@example.com"}},
        {"actor": {"kind": "staff", "id": "s1", "name": "Anna"}},
        {"cause": {"kind": "booking", "client_email": "anna@example.com"}},
        {"sequence": None},
        {"occurred_at": "2026-11-22T12:00:00"},
        {"postings": [{"amount": 1}]},
    ],
)
def test_the_schemas_refuse_notes_names_and_addresses(wrong: dict[str, Any]) -> None:
    (event,) = events_of(stored(), None)
    check(event.detail_type, event.detail)
    with pytest.raises(AssertionError):
        check(event.detail_type, event.detail | wrong)


def stored() -> dict[str, Any]:
    return from_attributes(writes.entry(an_entry())["Put"]["Item"])


def test_an_event_that_nobody_documented_is_noticed() -> None:
    with pytest.raises(LookupError):
        check("credits.made_up", {"event_id": "1"})


def test_history_and_events_tell_of_an_entry_in_the_same_members() -> None:
    (event,) = events_of(stored(), None)
    assert set(plain.entry(an_entry())) - {"reason"} == set(event.detail) - {"practice_id", "event_id"}
    assert set(schemas()[ENTRY]["properties"]) == set(event.detail)


def test_the_closed_schema_refuses_what_the_open_one_lets_pass() -> None:
    open_schema = {"type": "object", "properties": {"a": {"type": "object"}}}
    assert json.dumps(closed(open_schema)).count('"additionalProperties": false') == 2
