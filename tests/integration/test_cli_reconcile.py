"""`credits reconcile`, and how a practice is given its API key."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from tests.support.builders import NOW, a_catalogue, a_package
from tests.support.cli import PREFIX, Stack, moto_stack
from tests.support.stripe_server import LIVE_KEY, TEST_KEY, Fault, StripeServer, an_invoice, stripe_server

from client_credits.aws import secrets
from client_credits.domain.practice.records import Account
from client_credits.operations.payments import linking
from client_credits.store import writes
from client_credits.store.store import Store


def ago(days: float = 1.0) -> int:
    """Unix seconds of so many days before now."""
    return int((NOW - timedelta(days=days)).timestamp())


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with stripe_server(connected={"acct_clinic"}) as made:
        yield made


@pytest.fixture
def stack(tmp_path: Path, server: StripeServer) -> Iterator[Stack]:
    with moto_stack(tmp_path) as made, time_machine.travel(NOW, tick=False):
        furnish(made.store)
        made.target.outputs.update({"StripeApiBase": server.url, "StripeMode": "test"})  # type: ignore[attr-defined]
        yield made


def furnish(store: Store, practice_id: str = "p1") -> None:
    account = Account(practice_id, created_at=NOW, catalogue_version=1, version=0)
    catalogue = a_catalogue(a_package())
    store.commit(
        [
            writes.account(account),
            writes.catalogue(practice_id, catalogue.__class__(0, catalogue.types, catalogue.packages)),
        ]
    )


def with_key(stack: Stack, key: str = TEST_KEY) -> Stack:
    assert stack("practice", "create", "p1", "--stripe-api-key", stdin=f"{key}\n").code == 0
    return stack


def test_the_command_finds_repairs_and_is_content(stack: Stack, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(20)))
    ran = with_key(stack)("reconcile", "--json")
    assert (ran.code, ran.json["counts"], ran.json["left"]) == (
        1,
        {"fine": 0, "missing": 1, "different": 0, "parked": 0, "set_aside": 0},
        1,
    )
    assert ran.json["findings"][0]["id"] == "in_1"
    shown = stack("reconcile")
    assert shown.code == 1
    assert "in_1" in shown.out
    assert "--repair" in shown.out
    ran = stack("reconcile", "--repair", "--json")
    assert (ran.code, ran.json["repaired"], ran.json["left"]) == (0, 1, 0)
    ran = stack("reconcile")
    assert ran.code == 0
    assert "agree" in ran.out


def test_the_command_takes_a_window(stack: Stack, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(20)), an_invoice("in_2", ago(2)))
    with_key(stack)
    ran = stack("reconcile", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-05T01:00:00+01:00", "--json")
    assert [found["id"] for found in ran.json["findings"]] == ["in_1"]
    assert (ran.json["from"], ran.json["to"]) == ("2026-11-01T00:00:00Z", "2026-11-05T00:00:00Z")
    for words in (["--from", "2026-11-05T00:00:00Z", "--to", "2026-11-01T00:00:00Z"], ["--to", "2027-01-01T00:00:00Z"]):
        assert stack("reconcile", *words).code == 2


def test_the_command_looks_into_a_connected_account_with_the_key_of_whose_endpoint_serves_it(
    stack: Stack, server: StripeServer
) -> None:
    server.add(an_invoice("in_1", ago()), account="acct_clinic")
    with_key(stack)
    furnish(stack.store, "p2")
    linking.connect(stack.store, "p1", "acct_clinic", "p2")
    assert stack("reconcile", "--json").json["counts"]["missing"] == 0
    words = ("reconcile", "--practice", "p2", "--account", "acct_clinic", "--json")
    assert stack(*words).json["counts"]["missing"] == 1
    ran = stack(*words, "--repair")
    assert (ran.code, ran.json["account"], ran.json["repaired"]) == (0, "acct_clinic", 1)
    assert stack(*words).json["counts"]["fine"] == 1
    ran = stack("reconcile", "--account", "acct_stranger")
    assert ran.code == 1
    assert "not connected" in ran.err


def test_without_an_api_key_the_command_says_how_to_give_one(stack: Stack) -> None:
    ran = stack("reconcile")
    assert ran.code == 1
    assert "--stripe-api-key" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(("key", "word"), [(LIVE_KEY, "test mode"), ("sk_test_" + "z" * 24, "does not accept")])
def test_a_key_that_does_not_fit_is_said_in_a_sentence_without_it(stack: Stack, key: str, word: str) -> None:
    ran = with_key(stack, key)("reconcile")
    assert ran.code == 1
    assert word in ran.err
    assert key[8:] not in ran.err + ran.out


def test_stripe_not_being_there_is_said_in_a_sentence_and_the_next_run_goes_on(
    stack: Stack, server: StripeServer
) -> None:
    server.add(an_invoice("in_1", ago(20)), an_invoice("in_2", ago(2)))
    with_key(stack)
    server.faults.append(Fault(503, 99, "/v1/disputes"))
    ran = stack("reconcile", "--repair")
    assert ran.code == 1
    assert "again" in ran.err
    server.faults.clear()
    assert stack("reconcile", "--repair", "--json").json["left"] == 0


def test_an_api_key_is_kept_encrypted_never_shown_and_must_look_like_one(stack: Stack) -> None:
    ran = stack("practice", "create", "p1", "--stripe-api-key", stdin=f"  {TEST_KEY} \n")
    assert TEST_KEY not in ran.out + ran.err
    ssm = stack.client("ssm")
    assert ssm.get_parameter(Name=secrets.api_key_name(PREFIX, "p1"))["Parameter"]["Type"] == "SecureString"
    assert secrets.stripe_api_key(secrets.parameter_reader(ssm), PREFIX, "p1") == TEST_KEY
    assert stack("practice", "create", "p1", "--stripe-api-key", stdin="pk_test_no\n").code == 2
    assert secrets.stripe_api_key(secrets.parameter_reader(ssm), PREFIX, "p1") == TEST_KEY
    assert secrets.stripe_api_key(secrets.parameter_reader(ssm), PREFIX, "p2") is None


@pytest.mark.parametrize("value", ["sk_test_ü", "sk_test_a b", "sk_test\nx"])
def test_a_key_that_is_no_word_is_unavailable_and_never_shown(value: str) -> None:
    with pytest.raises(secrets.SecretsUnavailable) as caught:
        secrets.stripe_api_key(lambda name: value, PREFIX, "p1")
    assert value not in str(caught.value)


@pytest.mark.parametrize("practice_id", ["p1", "stripe", "stripe-api-key", "a.b:c~d", "x" * 128])
def test_the_parameter_of_a_key_gives_the_practice_back_and_is_no_other_s(stack: Stack, practice_id: str) -> None:
    ssm = stack.client("ssm")
    assert stack("practice", "create", practice_id, "--stripe-api-key", stdin=TEST_KEY).code == 0
    assert secrets.practices_with_api_key(ssm, PREFIX) == [practice_id]
    assert secrets.api_key_name(PREFIX, practice_id) != secrets.parameter_name(PREFIX, practice_id)
