"""The `credits` command as such: its commands, its options, the stack it finds, and how it fails."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.support.cli import Ran, credits

from client_credits.cli import target as targets
from client_credits.local.tokens import AUDIENCE, TokenIssuer

ISSUER = "http://127.0.0.1:9/identity"


@pytest.fixture
def no_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder below which no local stack runs, whatever runs in this repository."""
    monkeypatch.setattr(targets, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def described(no_repository: Path) -> Path:
    """stack.json of a local stack whose process lives: this one."""
    return describe(no_repository)


@cache
def signing_keys() -> Path:
    """One key for all tests, since making one takes longer than most of them."""
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory)
    TokenIssuer(directory, ISSUER).key_set()
    return directory


def describe(folder: Path, **changes: Any) -> Path:
    directory = folder / ".local"
    directory.mkdir(exist_ok=True)
    (directory / "keys").symlink_to(signing_keys())
    issuer = TokenIssuer(directory / "keys", ISSUER)
    stated = {
        "api_url": "http://127.0.0.1:9",
        "aws_endpoint_url": "http://127.0.0.1:9",
        "region": "us-east-1",
        "table_name": "credits",
        "event_bus_name": "bus",
        "secrets_prefix": "/client-credits/test",
        "practice_id": "demo",
        "stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe/demo",
        "stripe_webhook_secret": "whsec_unused",
        "tokens": {"staff": issuer.mint("staff", "demo")},
        "client_id": "c-17",
        "pid": os.getpid(),
        "outputs": {},
    } | changes
    path = directory / "stack.json"
    path.write_text(json.dumps(stated))
    return path


def claims(ran: Ran, described: Path) -> dict[str, Any]:
    """What a token says, after checking it against the published keys."""
    keys = jwt.PyJWKSet.from_dict(TokenIssuer(described.parent / "keys", ISSUER).key_set())
    text = ran.out.strip()
    key = keys[jwt.get_unverified_header(text)["kid"]]
    stated: dict[str, Any] = jwt.decode(text, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
    return stated


def test_help_names_the_commands_of_this_release_and_no_others() -> None:
    ran = credits("--help")
    assert ran.code == 0
    shown = ("practice", "token", "trigger", "sweep", "balance", "history", "eligibility")
    more = (
        "verify",
        "replay",
        "reconcile",
        "import",
        "export",
        "clients",
        "types",
        "packages",
        "parked",
        "client",
        "forget",
    )
    for name in (
        *shown,
        *more,
        "client",
        "forget",
        "grant",
        "adjust",
        "transfer",
        "undo",
        "extend",
        "authorizations",
        "settings",
        "events",
    ):
        assert f" {name} " in ran.out
    for later in ("open", "story"):
        assert credits(later).code == 2
        assert f" {later} " not in ran.out


@pytest.mark.parametrize(
    "words",
    [
        "practice create",
        "token",
        "trigger stripe",
        "trigger booking",
        "sweep",
        "balance",
        "history",
        "eligibility",
        "forget",
        "undo",
        "extend",
        "authorizations put",
        "authorizations delete",
    ],
)
def test_every_command_has_the_shared_options(words: str) -> None:
    ran = credits(*words.split(), "--help", env={"COLUMNS": "200"})
    assert ran.code == 0
    for option in ("--json", "--stack", "--region"):
        assert option in ran.out


def test_help_loads_nothing_heavy() -> None:
    heavy = ("botocore", "pydantic", "cryptography", "client_credits.operations", "client_credits.store")
    code = f"import sys, client_credits.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_without_a_local_stack_one_sentence_says_what_to_do(no_repository: Path) -> None:
    ran = credits("verify")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "make run" in ran.err


def test_a_stack_whose_process_is_gone_is_not_used(no_repository: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    describe(no_repository, pid=gone.pid)
    ran = credits("sweep")
    assert ran.code == 1
    assert "not running any more" in ran.err
    assert "make run" in ran.err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x"}', "null"])
def test_a_description_that_is_none_is_one_sentence(no_repository: Path, content: str) -> None:
    path = describe(no_repository)
    path.write_text(content)
    ran = credits("verify")
    assert ran.code == 1
    assert "does not describe a local stack" in ran.err


def test_a_stack_that_does_not_answer_is_one_sentence(described: Path) -> None:
    for words in (
        ("verify",),
        ("balance", "c-17"),
        ("practice", "create", "p2"),
        ("trigger", "stripe", "checkout-completed"),
    ):
        ran = credits(*words)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.count("\n") == 1, ran.err


def test_the_stack_is_found_from_a_folder_further_down(described: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = described.parents[1] / "docs" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert credits("token", "--role", "staff").code == 0


def test_the_stack_of_the_repository_is_found_from_anywhere(
    described: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert credits("token", "--role", "staff").code == 0


def test_a_token_is_printed_alone_and_names_the_stacks_practice(described: Path) -> None:
    ran = credits("token", "--role", "staff")
    assert (ran.code, ran.err) == (0, "")
    stated = claims(ran, described)
    assert (stated["credits_role"], stated["credits_practice"]) == ("staff", "demo")
    assert "credits_client" not in stated


def test_a_token_is_for_the_role_client_practice_and_time_asked_for(described: Path) -> None:
    words = ("token", "--role", "client", "--client", "c-5", "--practice", "p2", "--ttl", "60")
    stated = claims(credits(*words), described)
    assert (stated["credits_role"], stated["credits_client"], stated["credits_practice"]) == ("client", "c-5", "p2")
    assert 0 < stated["exp"] - time.time() <= 60


def test_a_clients_token_is_the_demo_clients_unless_another_is_named(described: Path) -> None:
    assert claims(credits("token", "--role", "client"), described)["credits_client"] == "c-17"
    assert credits("token", "--role", "client", "--practice", "p2").code == 2


def test_json_holds_the_token_wherever_the_option_stands(described: Path) -> None:
    for words in (("--json", "token", "--role", "admin"), ("token", "--role", "admin", "--json")):
        stated = credits(*words).json
        assert stated.keys() == {"token", "expires_at"}


@pytest.mark.parametrize(
    "words",
    [
        ("token",),
        ("token", "--role", "owner"),
        ("token", "--role", "staff", "--client", "c-1"),
        ("token", "--role", "staff", "--ttl", "0"),
        ("token", "--role", "client", "--client", "a#b"),
        ("token", "--role", "staff", "--practice", "a b"),
        ("balance",),
        ("balance", "a/b"),
        ("history", "c-1"),
        ("history", "c-1", "follow-up", "--limit", "0"),
        ("eligibility", "c-1", "--starts-at", "tomorrow"),
        ("eligibility", "c-1", "--seats", "0"),
        ("sweep", "--at", "2026-12-01T09:00:00"),
        ("trigger", "stripe"),
        ("trigger", "stripe", "one", "two"),
        ("trigger", "booking"),
        ("practice", "create", "a#b"),
        ("practice", "create", "p2", "--secret", "sk_live_1234567890"),
        ("replay", "--queue", "other"),
        ("verify", "--region", "eu-central-1"),
        ("nothing",),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(described: Path, words: tuple[str, ...]) -> None:
    ran = credits(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_a_mistake_of_ours_keeps_its_traceback(described: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(targets, "local", broken)
    with pytest.raises(ZeroDivisionError):
        credits("verify")
