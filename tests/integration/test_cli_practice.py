"""`credits practice create`: an account, a secret that is shown once, and the key of list cursors."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.builders import NOW
from tests.support.cli import PREFIX, Stack, moto_stack

from client_credits.aws import secrets
from client_credits.operations.context import STRIPE, Context
from client_credits.store.records import Wanted
from client_credits.stripe import work as stripe_work

GIVEN = "whsec_fromStripe123"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with moto_stack(tmp_path) as made:
        yield made


def stored(stack: Stack, practice_id: str = "p2") -> dict[str, str | None]:
    value = secrets.parameter_reader(stack.client("ssm"))(secrets.parameter_name(PREFIX, practice_id))
    assert value is not None
    stated: dict[str, str | None] = json.loads(value)
    return stated


def own_keys(stack: Stack) -> tuple[bytes, ...]:
    """The stack's keys of cursors and of client sessions."""
    read = secrets.parameter_reader(stack.client("ssm"))
    names = (secrets.cursor_key_name(PREFIX), secrets.session_key_name(PREFIX))
    return tuple(key for name in names for key in secrets.own_keys(read, name))


def test_a_new_practice_exists_and_has_the_secret_that_was_shown(stack: Stack) -> None:
    stated = stack("practice", "create", "p2", "--json").json
    assert stated["created"]
    assert stated["webhook_url"].endswith("/webhooks/stripe/p2")
    assert stored(stack) == {"current": stated["secret"], "previous": None}
    assert len(b64decode(stated["secret"].removeprefix("whsec_") + "==")) >= 24
    assert stack.store.load("p2", Wanted()).account.version == 1
    assert [len(key) for key in own_keys(stack)] == [32, 32]
    assert len(set(own_keys(stack))) == 2, "each purpose has a key of its own"


def test_the_secret_is_encrypted_at_rest(stack: Stack) -> None:
    stack("practice", "create", "p2")
    own = (secrets.cursor_key_name(PREFIX), secrets.session_key_name(PREFIX))
    for name in (secrets.parameter_name(PREFIX, "p2"), *own):
        assert stack.client("ssm").get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"


def test_people_are_shown_the_address_and_once_the_secret(stack: Stack) -> None:
    first, second = stack("practice", "create", "p2"), stack("practice", "create", "p2")
    secret = stored(stack)["current"]
    assert str(secret) in first.out
    assert "/webhooks/stripe/p2" in second.out
    assert "exists" in second.out
    assert str(secret) not in second.out


def test_repeating_changes_nothing(stack: Stack) -> None:
    stack("practice", "create", "p2")
    before, key = stored(stack), own_keys(stack)
    again = stack("practice", "create", "p2", "--json").json
    assert (again["created"], again["secret"], again["secret_change"]) == (False, None, "kept")
    assert (stored(stack), own_keys(stack)) == (before, key)


def test_rotating_keeps_the_secret_before_valid_beside_the_new_one(stack: Stack) -> None:
    old = stack("practice", "create", "p2", "--json").json["secret"]
    new = stack("practice", "create", "p2", "--rotate-secret", "--json").json["secret"]
    assert new not in (None, old)
    assert stored(stack) == {"current": new, "previous": old}


def test_the_secret_that_stripe_gave_takes_the_place_of_the_one_made_here(stack: Stack) -> None:
    stack("practice", "create", "p2")
    ran = stack("practice", "create", "p2", "--secret", GIVEN)
    assert GIVEN not in ran.out, "who gave it knows it"
    assert stored(stack) == {"current": GIVEN, "previous": None}


def test_the_secret_that_stripe_rolled_to_is_valid_beside_the_one_before(stack: Stack) -> None:
    stack("practice", "create", "p2", "--secret", GIVEN)
    stack("practice", "create", "p2", "--secret", "whsec_rolled12345", "--rotate-secret")
    assert stored(stack) == {"current": "whsec_rolled12345", "previous": GIVEN}


def test_setting_the_same_secret_again_keeps_the_one_before(stack: Stack) -> None:
    stack("practice", "create", "p2", "--secret", GIVEN)
    stack("practice", "create", "p2", "--secret", "whsec_rolled12345", "--rotate-secret")
    stated = stack("practice", "create", "p2", "--secret", "whsec_rolled12345", "--rotate-secret", "--json").json
    assert stated["secret_change"] == "kept"
    assert stored(stack)["previous"] == GIVEN


def test_a_secret_need_not_stand_on_the_command_line(stack: Stack) -> None:
    assert stack("practice", "create", "p2", "--secret", "-", stdin=f"{GIVEN}\n").code == 0
    assert stored(stack)["current"] == GIVEN


def test_a_practice_whose_secret_is_missing_gets_one_by_repeating(stack: Stack) -> None:
    stack("practice", "create", "p2")
    stack.client("ssm").delete_parameter(Name=secrets.parameter_name(PREFIX, "p2"))
    stated = stack("practice", "create", "p2", "--json").json
    assert (stated["created"], stated["secret_change"]) == (False, "created")
    assert stored(stack)["current"] == stated["secret"]


def test_ids_that_ssm_does_not_allow_get_parameters_of_their_own(stack: Stack) -> None:
    names = [stack("practice", "create", practice_id, "--json").json["secret"] for practice_id in ("a:b", "a.b", "a~b")]
    assert [stored(stack, practice_id)["current"] for practice_id in ("a:b", "a.b", "a~b")] == names


def test_what_aws_refuses_is_one_sentence(stack: Stack) -> None:
    class Refusing:
        exceptions = stack.client("ssm").exceptions

        def put_parameter(self, **_: object) -> None:
            stated = {"Error": {"Code": "AccessDeniedException", "Message": "You may not."}}
            raise ClientError(stated, "PutParameter")

    stack.fakes["ssm"] = Refusing()
    ran = stack("practice", "create", "p2")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "AWS refused PutParameter: AccessDeniedException: You may not.\n"


# -- connected accounts ------------------------------------------------------------------------


def connected(stack: Stack, account: str = "acct_1", receiver: str = "p1") -> str | None:
    return stack.store.load(receiver, Wanted(links=(("account", account),))).links.get(("account", account))


def received(stack: Stack, event_id: str, account: str) -> str:
    """An event that reaches the endpoint of p1: the client of a customer is known."""
    session = {"id": f"cs_{event_id}", "object": "checkout.session", "mode": "subscription", "customer": "cus_1"}
    session |= {"subscription": f"sub_{event_id}", "client_reference_id": "c1", "payment_status": "paid"}
    event = {"id": event_id, "object": "event", "type": "checkout.session.completed", "livemode": False}
    event |= {"created": int(NOW.timestamp()), "account": account, "data": {"object": session}}
    return stripe_work.handle(Context(stack.store, "p1", STRIPE, NOW), None, "test", event, json.dumps(event))


def test_a_connected_account_is_given_to_the_practice_and_what_had_waited_is_worked_off(stack: Stack) -> None:
    stack("practice", "create", "p1")
    assert {received(stack, f"evt_{n}", "acct_1") for n in range(3)} == {"parked_unknown_account"}
    assert received(stack, "evt_other", "acct_2") == "parked_unknown_account"
    stated = stack("practice", "create", "p2", "--stripe-account", "acct_1", "--json").json
    assert (stated["stripe_account"], stated["endpoint_practice"]) == ("acct_1", "p1")
    assert (stated["created"], stated["connected"], stated["worked_off"]) == (True, True, 3)
    assert connected(stack) == "p2"
    client = stack.store.load("p2", Wanted(client_id="c1")).client
    assert client is not None
    assert client.stripe_customers == ("cus_1",)
    again = stack("practice", "create", "p2", "--stripe-account", "acct_1", "--json").json
    assert (again["connected"], again["worked_off"], again["secret_change"]) == (False, 0, "kept")
    assert received(stack, "evt_9", "acct_1") == "linked"


def test_people_see_what_was_connected(stack: Stack) -> None:
    stack("practice", "create", "p1")
    received(stack, "evt_1", "acct_1")
    out = stack("practice", "create", "p2", "--stripe-account", "acct_1").out
    assert "Stripe account  acct_1 connected by the endpoint of p1; 1 events that had waited are worked off" in out
    assert "acct_1 unchanged" in stack("practice", "create", "p2", "--stripe-account", "acct_1").out
    assert "Stripe account" not in stack("practice", "create", "p2").out


def test_an_account_that_is_another_practice_s_is_refused(stack: Stack) -> None:
    for practice in ("p1", "p2"):
        stack("practice", "create", practice)
    stack("practice", "create", "p2", "--stripe-account", "acct_1")
    ran = stack("practice", "create", "p3", "--stripe-account", "acct_1")
    assert (ran.code, ran.err) == (1, "Account acct_1 already belongs to practice p2.\n")
    assert connected(stack) == "p2"


def test_the_endpoint_s_practice_must_exist(stack: Stack) -> None:
    ran = stack("practice", "create", "p2", "--stripe-account", "acct_1", "--endpoint-practice", "p9")
    assert (ran.code, ran.err) == (1, "There is no such practice.\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--stripe-account", "clinic"),
        ("--stripe-account", "acct_"),
        ("--stripe-account", "acct_1#2"),
        ("--endpoint-practice", "p1"),
        ("--stripe-account", "acct_1", "--endpoint-practice", "a b"),
    ],
)
def test_what_names_no_account_or_practice_is_a_usage_error_and_creates_nothing(
    stack: Stack, words: tuple[str, ...]
) -> None:
    assert stack("practice", "create", "p2", *words).code == 2
    assert not stack.client("dynamodb").scan(TableName="credits")["Items"]


def test_on_a_deployed_stack_the_endpoint_s_practice_is_named(tmp_path: Path) -> None:
    with moto_stack(tmp_path, is_local=False) as stack:
        stack("practice", "create", "p1")
        assert stack("practice", "create", "p2", "--stripe-account", "acct_1").code == 2
        named = ("--stripe-account", "acct_1", "--endpoint-practice", "p1")
        assert stack("practice", "create", "p2", *named).code == 0
        assert connected(stack) == "p2"
