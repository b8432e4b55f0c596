"""`credits verify`: silent on what the operations wrote, and loud about every single record lost or altered."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import NOW, a_line, a_package, a_payment, cancelled, created
from tests.support.cli import Stack, moto_stack

from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.operations.staff import practices

CLIENTS = ("c1", "c2", "c3")
STAFF = Actor("staff", "s1")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Three clients who bought two types, booked, cancelled, and one of whom owes a session."""
    with moto_stack(tmp_path) as made:
        store = made.store
        practices.create_practice(Context(store, "p1", STRIPE, NOW))
        for type_id in ("follow-up", "initial"):
            practices.put_appointment_type(store, "p1", AppointmentType(type_id, type_id))
        practices.put_package(
            Context(store, "p1", STRIPE, NOW), a_package(credits={"follow-up": 3, "initial": 1}), False
        )
        practices.change_account_settings(Context(store, "p1", STAFF, NOW), {"allow_booking_without_credits": True})
        for number, client_id in enumerate(CLIENTS, start=1):
            payment = a_payment(f"in_{number}", a_line(), client_id=client_id, customer=None, subscription=None)
            pay(Context(store, "p1", STRIPE, NOW), payment)
            for booking in range(2):
                bookings.book(Context(store, "p1", BOOKINGS, NOW), created(f"b{number}{booking}", client_id=client_id))
        bookings.cancel(Context(store, "p1", BOOKINGS, NOW), cancelled("b11"))
        for booking_id in ("b13", "b14"):
            owed = created(booking_id, client_id="c2", appointment_type="initial")
            bookings.book(Context(store, "p1", BOOKINGS, NOW), owed)
        yield made


def items(stack: Stack, begins: str = "") -> list[dict[str, Any]]:
    """Every item whose sort key begins so, in a stable order."""
    found = stack.client("dynamodb").scan(TableName="credits")["Items"]
    return sorted((i for i in found if i["sk"]["S"].startswith(begins)), key=lambda i: (i["pk"]["S"], i["sk"]["S"]))


def lose(stack: Stack, item: dict[str, Any]) -> None:
    stack.client("dynamodb").delete_item(TableName="credits", Key={"pk": item["pk"], "sk": item["sk"]})


def put(stack: Stack, item: dict[str, Any]) -> None:
    stack.client("dynamodb").put_item(TableName="credits", Item=item)


def found(stack: Stack, *words: str) -> list[dict[str, str]]:
    """The breaches of a run that must find some."""
    ran = stack("verify", "--json", *words)
    assert ran.code == 1, ran.out
    breaches: list[dict[str, str]] = ran.json["breaches"]
    return breaches


def owner(item: dict[str, Any]) -> str:
    """Whom a wallet's or entry's item belongs to, as breaches name it."""
    return str(item["pk"]["S"].replace("#", "/"))


def test_what_operations_wrote_holds_and_is_counted(stack: Stack) -> None:
    ran = stack("verify", "--json")
    assert ran.code == 0, ran.out
    counts = {name: ran.json[name] for name in ("practice_id", "clients", "wallets", "entries", "bookings")}
    assert counts == {"practice_id": "p1", "clients": 3, "wallets": 6, "entries": 15, "bookings": 8}
    assert ran.json["breaches"] == []


def test_people_see_the_counts_and_that_all_is_well(stack: Stack) -> None:
    ran = stack("verify")
    assert (ran.code, ran.err) == (0, "")
    assert "Every law holds." in ran.out


def test_payments_that_grant_nothing_yet_are_listed_by_name(stack: Stack) -> None:
    unknown = a_payment("in_9", a_line(price="price_9"), client_id="c1", customer=None, subscription=None)
    pay(Context(stack.store, "p1", STRIPE, NOW), unknown)
    listed = stack("verify", "--json").json["parked"]
    assert [(each["payment"], each["reason"]) for each in listed] == [("in_9", "unknown_package")]
    ran = stack("verify")
    assert ran.code == 0
    assert "in_9" in ran.out


def test_one_client_is_checked_alone(stack: Stack) -> None:
    (lost,) = (i for i in items(stack, "wallet#initial") if i["pk"]["S"] == "p1#c3")
    lose(stack, lost)
    assert stack("verify", "--client", "c1", "--json").json["clients"] == 1
    assert stack("verify", "--client", "c1").code == 0
    assert stack("verify", "--client", "c3").code == 1


def test_a_restored_table_is_checked_in_place_of_the_stacks_own_and_not_written(stack: Stack) -> None:
    """The restore cut through the last transactions; the stack's own table is well."""
    client = stack.client("dynamodb")
    stack.add_table("restored")
    for item in items(stack):
        if item["sk"]["S"] != "entry#initial#000000000001" or owner(item) != "p1/c3":
            client.put_item(TableName="restored", Item=item)
    before = client.scan(TableName="restored")["Items"]
    breaches = found(stack, "--table", "restored")
    assert {breach["where"].split()[0] for breach in breaches} == {"p1/c3/initial"}
    assert client.scan(TableName="restored")["Items"] == before
    assert stack("verify").code == 0


@pytest.mark.parametrize("words", [("--client", "c9"), ("--practice", "p9"), ("--table", "elsewhere")])
def test_what_is_not_there_is_one_sentence(stack: Stack, words: tuple[str, ...]) -> None:
    ran = stack("verify", *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1


def test_any_entry_or_wallet_that_is_lost_is_named(stack: Stack) -> None:
    for item in (*items(stack, "entry#"), *items(stack, "wallet#")):
        lose(stack, item)
        where = f"{owner(item)}/{item['sk']['S'].split('#')[1]}"
        assert where in {breach["where"].split()[0] for breach in found(stack)}, item["sk"]
        put(stack, item)
    assert stack("verify").code == 0, "everything is back"


def test_any_record_that_was_written_with_an_entry_and_is_lost_is_named(stack: Stack) -> None:
    records = [i for i in items(stack) if "#op#" in i["pk"]["S"] or i["sk"]["S"] == "client"]
    owing_or_paid = [i for i in items(stack, "op") if "#booking#" in i["pk"]["S"]]
    assert len(records) == 6
    for item in (*records, *owing_or_paid):
        lose(stack, item)
        assert {"recorded"} <= {breach["law"] for breach in found(stack)}, item["pk"]
        put(stack, item)


def test_an_entry_whose_amount_was_altered_is_named(stack: Stack) -> None:
    item = random.choice(items(stack, "entry#"))
    body = json.loads(item["body"]["S"])
    put(stack, item | {"body": {"S": json.dumps(body | {"amount": body["amount"] + 1})}})
    laws = {breach["law"] for breach in found(stack) if breach["where"].startswith(owner(item))}
    assert "conservation" in laws


@pytest.mark.parametrize("name", ["balance", "debt", "granted_total"])
def test_a_stored_number_that_is_not_the_wallets_is_named(stack: Stack, name: str) -> None:
    item = random.choice(items(stack, "wallet#"))
    put(stack, item | {name: {"N": str(int(item[name]["N"]) + 1)}})
    (breach,) = found(stack)
    assert breach["law"] == "conservation"
    assert f"the stored {name} is" in breach["detail"]


def test_an_entry_that_stands_in_anothers_place_is_named(stack: Stack) -> None:
    first, second = items(stack, "entry#follow-up")[:2]
    put(stack, second | {"pk": first["pk"], "sk": first["sk"]})
    assert "chain" in {breach["law"] for breach in found(stack)}


@pytest.mark.parametrize("begins", ["wallet#", "entry#"])
def test_a_record_that_cannot_be_read_is_named_and_the_others_are_still_checked(stack: Stack, begins: str) -> None:
    item, other = items(stack, begins)[0], items(stack, begins)[-1]
    put(stack, item | {"body": {"S": '{"kind": "?"'}})
    lose(stack, other)
    breaches = found(stack)
    assert "readable" in {breach["law"] for breach in breaches if breach["where"].startswith(owner(item))}
    assert owner(other) in {"/".join(breach["where"].split("/")[:2]) for breach in breaches}


def test_breaches_are_shown_as_a_table(stack: Stack) -> None:
    item = items(stack, "wallet#")[0]
    put(stack, item | {"balance": {"N": "99"}})
    ran = stack("verify")
    assert ran.code == 1
    assert "Breaches" in ran.out
    assert "the stored balance is 99" in ran.out
    assert "Every law holds" not in ran.out


def test_a_client_that_changes_while_it_is_read_is_no_breach(stack: Stack) -> None:
    """Between reading the wallet and reading its entries, a booking comes in."""

    class Busy:
        def __init__(self, real: Any) -> None:
            self.real = real
            self.late = False

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def query(self, **asked: Any) -> Any:
            values = asked.get("ExpressionAttributeValues", {})
            if values.get(":begins") == {"S": "entry#"} and values[":pk"] == {"S": "p1#c1"} and not self.late:
                self.late = True
                bookings.book(Context(stack.store, "p1", BOOKINGS, NOW), created("late"))
            return self.real.query(**asked)

    stack.fakes["dynamodb"] = Busy(stack.client("dynamodb"))
    ran = stack("verify", "--json")
    assert (ran.code, ran.json["breaches"]) == (0, [])
    assert ran.json["entries"] == 16


def test_what_a_check_of_the_whole_practice_came_to_is_kept_for_its_status(stack: Stack) -> None:
    facts = stack("verify", "--json").json
    kept = stack.store.verification("p1")
    assert kept is not None
    counts = (kept.clients, kept.wallets, kept.entries, kept.bookings)
    assert counts == tuple(facts[name] for name in ("clients", "wallets", "entries", "bookings"))
    assert kept.breaches == {}


def test_a_check_of_one_client_is_not_the_last_check_of_the_practice(stack: Stack) -> None:
    stack("verify", "--client", "c1")
    assert stack.store.verification("p1") is None


def test_breaches_are_kept_by_law(stack: Stack) -> None:
    item = items(stack, "wallet#")[0]
    put(stack, item | {"balance": {"N": str(int(item["balance"]["N"]) + 1)}})
    broken = found(stack)
    kept = stack.store.verification("p1")
    assert kept is not None
    assert kept.breaches == {"conservation": 1}
    assert [breach["law"] for breach in broken] == ["conservation"]
