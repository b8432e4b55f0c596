"""`credits forget`: afterwards nothing but the ledger knows the person, and what comes later brings nothing back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.api import Api, api_on
from tests.support.builders import NOW
from tests.support.cli import Stack, moto_stack
from tests.support.dumps import dump
from tests.support.stock import booked, client, furnished, listed, paid, put, read

from client_credits.cli import replay_queues
from client_credits.domain.errors import Busy
from client_credits.domain.payments.facts import CustomerLink, Unsupported
from client_credits.domain.payments.parked import ParkedState
from client_credits.domain.practice.staff import StaffMember
from client_credits.operations import committing
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import linking, parking
from client_credits.operations.staff.directory import StaffDirectory
from client_credits.operations.staff.forgetting import Person, forget
from client_credits.store.store import Store
from client_credits.store.table import Conflicted
from client_credits.stripe import work as stripe_work

# What a person, or who deals with them, can fill in: each is looked for everywhere afterwards.
NAME, EMAIL, EXTERNAL = "Zora Canaryname", "zora.canary@example.test", "EXT-canary-1"
ADDRESS, NOTE, OLD_EMAIL = "7 Canary Lane", "a note about Zora Canaryname", "older.canary@example.test"
PAYER, NUMBER = "Canary Mutual", "CM-canary-7"
CANARIES = (NAME, "canaryname", EMAIL, EXTERNAL, ADDRESS, NOTE, OLD_EMAIL, PAYER, NUMBER)
AUTHORIZED = {
    "payer": PAYER,
    "number": NUMBER,
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 2,
}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setattr(replay_queues, "WAIT_SECONDS", 0)  # moto's messages are there at once
    with moto_stack(tmp_path) as made:
        yield made


def planted(stack: Stack) -> Api:
    """Client c1 with a canary in every place that keeps words of or about a person, and c2 beside it."""
    api = furnished(api_on(stack.store))
    put(api, "/v1/clients/c1", {"name": NAME, "email": OLD_EMAIL})
    profile = {"name": NAME, "email": EMAIL, "external_ids": {"square": EXTERNAL}, "stripe_customers": ["cus_1"]}
    put(api, "/v1/clients/c1", profile)
    put(api, "/v1/clients/c2", {"name": "Bo", "email": "bo@example.test", "external_ids": {"square": "EXT-2"}})
    put(api, "/v1/clients/c1/authorizations/au-1", AUTHORIZED)
    paid(api)
    booked(api)
    event(api, "evt_own", customer="cus_1", closed=True)
    event(api, "evt_of_another_account", customer=None)
    event(api, "evt_of_another", customer="cus_2", email="bo@example.test")
    return api


def event(api: Api, event_id: str, customer: str | None, email: str = EMAIL, *, closed: bool = False) -> None:
    """An event that nothing could be made of, with its body as Stripe sent it."""
    whose = (
        {"name": NAME, "email": email.upper(), "address": {"line1": ADDRESS}} if email == EMAIL else {"email": email}
    )
    raw = json.dumps({"id": event_id, "data": {"object": {"customer": customer, "customer_details": whose}}})
    context = Context(api.store, "p1", STRIPE, NOW)
    parking.park_event(context, Unsupported(event_id, "unknown", customer=customer), raw)
    if closed:
        parking.close(context, parking.id_of_event(event_id), ParkedState.DISMISSED, NOTE)


def kept_of(stack: Stack) -> str:
    """All that the table holds, as text, without case."""
    records = dump(stack.store.table, stack.client("dynamodb"))
    return json.dumps(records, ensure_ascii=False, default=str).casefold()


def left(stack: Stack) -> list[str]:
    text = kept_of(stack)
    return [canary for canary in CANARIES if canary.casefold() in text]


def test_after_forgetting_the_whole_table_holds_no_word_of_the_person(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(stack)
    assert set(left(stack)) == set(CANARIES) - {OLD_EMAIL}, "each canary was planted"
    ran = stack("forget", "c1", "--yes", "--json")
    assert (ran.code, left(stack)) == (0, [])
    assert ran.json["profile"] == ["name", "email", "external_ids"]
    assert ran.json["items"] == {"authorization": 1, "email": 2, "external_id": 1, "note": 1, "raw_event": 2}
    logged = capsys.readouterr().out.casefold()
    assert [canary for canary in CANARIES if canary.casefold() in logged] == [], "nor do the logs"
    for queue in ("StripeQueueUrl", "BookingsQueueUrl", "StripeDeadLettersUrl", "BookingsDeadLettersUrl"):
        assert stack.waiting(queue) == 0


def test_forgetting_leaves_the_ledger_and_everybody_else(stack: Stack) -> None:
    api = planted(stack)
    before = listed(api, "/v1/clients/c1/credits/follow-up/history")
    stack("forget", "c1", "--yes")
    assert listed(api, "/v1/clients/c1/credits/follow-up/history") == before
    assert read(api, "/v1/clients/c2")["name"] == "Bo"
    assert "bo@example.test" in kept_of(stack) and "ext-2" in kept_of(stack)
    assert "evt_of_another" in kept_of(stack)
    assert stack("verify").code == 0


def test_nobody_finds_a_person_who_was_forgotten(stack: Stack) -> None:
    api = planted(stack)
    stack("forget", "c1", "--yes")
    for wanted in ({"email": EMAIL}, {"q": "zora"}):
        assert api("POST", "/v1/clients/search", wanted).body["items"] == []
    assert [each["id"] for each in listed(api, "/v1/clients")] == ["c1", "c2"]


def test_later_events_count_and_bring_no_profile_back(stack: Stack) -> None:
    api = planted(stack)
    stack("forget", "c1", "--yes")
    paid(api, client_id=None, customer="cus_1")
    booked(api, "b2")
    event(api, "evt_late", customer="cus_1")
    insured = api("PUT", "/v1/clients/c1/authorizations/au-2", AUTHORIZED)
    assert (insured.status, insured.code) == (409, "client_forgotten")
    refused = api("PUT", "/v1/clients/c1", {"name": NAME})
    assert (refused.status, refused.code) == (409, "client_forgotten")
    assert api("PUT", "/v1/clients/c1", {"stripe_customers": ["cus_1", "cus_9"]}).status == 200
    assert left(stack) == []
    assert read(api, "/v1/clients/c1/credits")["credits"][0]["balance"] == 4
    headers = {"idempotency-key": "m"}
    into = api("POST", "/v1/clients/c2/merge", {"into": "c1"}, headers=headers)
    assert into.faults == {"/into": "forgotten"}, "the other's profile would come to stand for it"


UNREADABLE = {"id": "evt_late", "object": "event", "type": "invoice.paid", "livemode": False}


@pytest.mark.parametrize(
    "about",
    [
        {"customer": "cus_1"},
        {"customer": {"id": "cus_1", "object": "customer", "email": EMAIL, "name": NAME}},
        {"metadata": {"client_id": "c1"}},
        {"client_reference_id": "c1"},
        {"parent": {"subscription_details": {"subscription": "sub_1", "metadata": {"client_id": "c1"}}}},
        {"parent": {"subscription_details": {"subscription": "sub_1"}}},
        {"lines": {"data": [{"metadata": {"client_id": "c1"}}]}},
        {"object": "customer", "id": "cus_1"},
        {"customer": "cus_1", "customer_address": {"line1": ADDRESS}, "lines": [[[["deep"]]]]},
    ],
)
def test_an_event_of_a_forgotten_person_that_is_not_understood_is_parked_without_its_body(
    stack: Stack, about: dict[str, Any]
) -> None:
    api = planted(stack)
    context = Context(api.store, "p1", STRIPE, NOW)
    linking.apply_link(context, CustomerLink("evt_link", "cus_1", "c1", "sub_1"))
    stack("forget", "c1", "--yes")
    body = UNREADABLE | {"data": {"object": {"customer_name": NAME, "customer_email": EMAIL, **about}}}
    assert stripe_work.handle(context, None, "test", body, json.dumps(body)) == "parked_not_understood"
    assert left(stack) == []
    assert "evt_late" in {each["event_id"] for each in listed(api, "/v1/parked")}, "it is not lost"


def test_the_body_is_kept_of_an_event_of_everybody_else(stack: Stack) -> None:
    api = planted(stack)
    stack("forget", "c1", "--yes")
    about = {"metadata": {"client_id": "c2"}, "customer": "cus_1x", "note": "c1 cus_1", "customer_name": "Bo Kept"}
    body = UNREADABLE | {"data": {"object": about}}
    stripe_work.handle(Context(api.store, "p1", STRIPE, NOW), None, "test", body, json.dumps(body))
    assert "bo kept" in kept_of(stack)


def test_an_event_that_is_parked_while_its_person_is_being_forgotten_leaves_no_body(stack: Stack) -> None:
    api = planted(stack)

    class Meanwhile(Store):
        """The person is forgotten between what a decision read and what it commits."""

        asked = False

        def commit(self, items: Any) -> None:
            if not self.asked:
                self.asked = True
                forget(Context(stack.store, "p1", STRIPE, NOW), "c1")
            super().commit(items)

    body = UNREADABLE | {"data": {"object": {"customer": "cus_1", "customer_email": EMAIL, "customer_name": NAME}}}
    context = Context(Meanwhile(api.store.table), "p1", STRIPE, NOW)
    stripe_work.handle(context, None, "test", body, json.dumps(body))
    assert left(stack) == []


def test_a_dry_run_lists_what_would_go_and_erases_nothing(stack: Stack) -> None:
    planted(stack)
    before = kept_of(stack)
    rehearsed = stack("forget", "c1", "--dry-run", "--json")
    assert kept_of(stack) == before
    done = stack("forget", "c1", "--yes", "--json")
    assert {**rehearsed.json, "dry_run": False} == done.json
    assert "would be erased" in stack("forget", "c2", "--dry-run").out


def test_forgetting_asks_first_and_says_what_it_cannot_reach(stack: Stack) -> None:
    planted(stack)
    asked = stack("forget", "c1", stdin="n\n")
    assert asked.code == 1 and left(stack) != []
    assert stack("forget", "c1", "--json").code == 2, "a program has to say --yes"
    done = stack("forget", "c1", stdin="y\n")
    assert done.code == 0 and left(stack) == []
    assert "backups of the table, for 35 days" in done.out and "exports in their bucket" in done.out
    assert "delivered elsewhere" in done.out
    assert "Nothing is left to erase" in stack("forget", "c1", "--yes").out, "a repeat finds nothing"


def test_dead_letters_that_name_the_person_are_counted_and_kept_until_they_are_worked_off(stack: Stack) -> None:
    planted(stack)
    bodies = (json.dumps({"customer": "cus_1"}), json.dumps({"client_id": "c10"}), json.dumps({"e": EMAIL}))
    for body in bodies:
        stack.client("sqs").send_message(QueueUrl=stack.queue("StripeDeadLettersUrl"), MessageBody=body)
    ran = stack("forget", "c1", "--yes", "--json")
    assert (ran.code, ran.json["dead_letters"]) == (1, 2)
    assert stack.waiting("StripeDeadLettersUrl") == 3
    assert left(stack) == [], "all else is gone"


def test_a_merged_record_is_forgotten_by_either_id(stack: Stack) -> None:
    api = planted(stack)
    client(api, "c3")
    headers = {"idempotency-key": "m"}
    assert api("POST", "/v1/clients/c1/merge", {"into": "c3"}, headers=headers).status == 200
    ran = stack("forget", "c1", "--email", EMAIL, "--yes", "--json")
    assert (ran.code, ran.json["client_id"]) == (0, "c3")
    assert left(stack) == []


def test_an_unknown_client_is_said_to_be_unknown(stack: Stack) -> None:
    planted(stack)
    ran = stack("forget", "nobody", "--yes")
    assert ran.code == 1 and "no such client" in ran.err


def test_the_name_behind_a_member_of_staff_is_erased_by_its_id(stack: Stack) -> None:
    api = planted(stack)
    StaffDirectory().note(Context(api.store, "p1", STRIPE, NOW), StaffMember("s-4", "Noor Canary", "noor@x.test"))
    assert "noor canary" in kept_of(stack)
    assert stack("forget", "--staff", "s-4", "--dry-run").code == 0
    assert "noor canary" in kept_of(stack)
    assert stack("forget", "--staff", "s-4", "--yes").code == 0
    assert "noor" not in kept_of(stack)
    assert stack("forget", "--staff", "s-4", "--yes").code == 1, "there is nothing left to forget"
    assert stack("forget").code == stack("forget", "c1", "--staff", "s-4").code == 2


@pytest.mark.parametrize("whole_calls", range(8))
def test_a_forgetting_that_was_cut_short_is_completed_by_the_next(
    stack: Stack, whole_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(stack)
    monkeypatch.setattr(committing, "pause", lambda number: None)
    made = 0

    class Dying(Store):
        def commit(self, items: Any) -> None:
            nonlocal made
            made += 1
            if made > whole_calls:
                raise Conflicted("the worker is gone")
            super().commit(items)

    try:
        forget(Context(Dying(stack.store.table), "p1", STRIPE, NOW), "c1")
    except (Busy, Conflicted):
        assert whole_calls < 3
    forget(Context(stack.store, "p1", STRIPE, NOW), "c1")
    assert left(stack) == []


def test_a_text_names_a_person_by_whole_ids_and_by_the_email_in_either_case() -> None:
    person = Person(frozenset({"c1"}), frozenset({"cus_1"}), frozenset({"Zora@Example.test"}))
    assert person.named_in('{"client_id": "c1"}') and person.named_in('{"customer":"cus_1"}')
    assert person.named_in('{"email": "ZORA@example.TEST"}')
    assert not person.named_in('{"client_id": "c10", "customer": "cus_11"}')
