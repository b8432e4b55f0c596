"""`credits balance`, `history`, `eligibility` against a server on loopback that answers like the API."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from tests.support.cli import Ran, credits

from client_credits.cli import output
from client_credits.cli.target import LocalStack, Target
from client_credits.local.tokens import TokenIssuer

BALANCE = {
    "appointment_type": "follow-up",
    "name": "Follow-up session",
    "balance": -2,
    "available": 0,
    "held": 0,
    "frozen": 0,
    "not_yet_effective": 0,
    "debt": 2,
    "granted_total": 3,
    "next_expiry": None,
    "version": 7,
}
CREDITS = {"client_id": "c-1", "enabled": True, "as_of": "2026-11-22T12:00:00Z", "credits": [BALANCE]}
ANSWER = {
    "appointment_type": "follow-up",
    "allowed": False,
    "reason": "insufficient_credits",
    "message": "You have no credits left for Follow-up session. This booking needs 1.",
    "balance": 0,
    "available": 0,
    "shortfall": 1,
    "would_use": [],
    "packages": [{"id": "three-pack", "name": "Three", "url": None}],
    "settings": {},
    "as_of": "2026-11-22T12:00:00Z",
}


# What tables need beside the answer: names, and the practice's time zone.
SHOWN: dict[str, Any] = {
    "/v1/settings": {"timezone": {"value": "Europe/Berlin", "source": "account"}},
    "/v1/packages": {"items": [{"id": "three-pack", "name": "Three"}], "next_cursor": None},
    "/v1/appointment-types": {"items": [{"id": "follow-up", "name": "Follow-up session"}], "next_cursor": None},
}


def entry(sequence: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "kind": "granted",
        "amount": 3,
        "balance_after": 3 * sequence,
        "cause": {"kind": "package", "package_id": "three-pack"},
        "actor": {"kind": "staff", "id": "s-1", "name": "Dr. Gray"},
        "reason": None,
        "occurred_at": "2026-11-22T12:00:00Z",
    }


def setting() -> dict[str, Any]:
    cause = {"kind": "settings", "before": {"auto_repay": None}, "after": {"auto_repay": False}}
    return entry(0) | {"sequence": None, "kind": "settings_changed", "amount": 0, "balance_after": None, "cause": cause}


class Api:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.sent: list[tuple[Any, str]] = []


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path in SHOWN:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(SHOWN[parts.path]).encode())
                return
            stated.asked.append((parts.path, dict(parse_qsl(parts.query)), self.headers["authorization"]))
            status, body = stated.answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            stated.sent.append((json.loads(self.rfile.read(length)), self.headers["idempotency-key"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stated = Api(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield stated
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local stack's folder with its signing key, which takes a while to make."""
    return tmp_path_factory.mktemp("local")


@pytest.fixture
def local(api: Api, directory: Path) -> Target:
    tokens = {"staff": TokenIssuer(directory / "keys", "issuer").mint("staff", "demo")}

    def client(service: str) -> Any:
        raise AssertionError(f"{service} is not needed")

    return Target("local", api.url, "t", "b", "/p", {}, client, "demo", LocalStack(directory, tokens, "c-1"))


@pytest.fixture
def deployed(local: Target) -> Target:
    return replace(local, practice_id=None, local=None)


def run(target: Target, *words: str, **env: str) -> Ran:
    return credits(*words, target=target, env=env)


def test_balance_asks_as_staff_of_the_practice_and_shows_every_number(api: Api, local: Target) -> None:
    api.answers = [(200, CREDITS)]
    ran = run(local, "balance", "c-1", "--practice", "p2")
    assert ran.code == 0
    assert "Follow-up session" in ran.out
    assert "follow-up " not in ran.out, "ids only on demand"
    assert " -2 " in ran.out
    assert "at 2026-11-22 13:00 (Europe/Berlin)" in ran.out
    ((path, _, authorization),) = api.asked
    assert path == "/v1/clients/c-1/credits"
    claims = jwt.decode(authorization.removeprefix("Bearer "), options={"verify_signature": False})
    assert (claims["credits_role"], claims["credits_practice"]) == ("staff", "p2")


def test_json_is_the_answer_of_the_api_and_nothing_else(api: Api, local: Target) -> None:
    api.answers = [(200, CREDITS)]
    assert run(local, "--json", "balance", "c-1").json == CREDITS


def test_a_past_balance_is_asked_for_in_utc_and_shown_by_type(api: Api, local: Target) -> None:
    line = {"appointment_type": "follow-up", "name": "Follow-up session", "balance": -2}
    then = "2026-11-01T00:00:00Z"
    api.answers = [(200, {"client_id": "c-1", "enabled": True, "as_of": then, "credits": [line]})]
    ran = run(local, "balance", "c-1", "--as-of", "2026-11-01T01:00:00+01:00")
    assert (ran.code, then in ran.out, " -2 " in ran.out) == (0, True, True)
    assert api.asked[0][:2] == ("/v1/clients/c-1/credits", {"as_of": "2026-11-01T00:00:00+00:00"})


def test_a_client_without_credits_hears_so(api: Api, local: Target) -> None:
    api.answers = [(200, CREDITS | {"enabled": False, "credits": []})]
    assert "switched off" in run(local, "balance", "c-1").out


def test_a_negative_number_is_red(api: Api, local: Target) -> None:
    api.answers = [(200, CREDITS)]
    ran = run(local, "balance", "c-1", FORCE_COLOR="1")
    assert re.search(r"\x1b\[1;31m *-2", ran.out)


def test_history_follows_the_pages_up_to_the_limit(api: Api, local: Target) -> None:
    first = [entry(n) for n in range(205, 105, -1)]
    second = [entry(n) for n in range(105, 85, -1)]
    api.answers = [(200, {"items": first, "next_cursor": "more"}), (200, {"items": second, "next_cursor": "even"})]
    ran = run(local, "history", "c-1", "follow-up", "--limit", "120", "--json")
    assert ran.json == {"items": first + second, "more": True}
    assert [query for _, query, _ in api.asked] == [{"limit": "100"}, {"limit": "20", "cursor": "more"}]
    assert api.asked[0][0] == "/v1/clients/c-1/credits/follow-up/history"


def test_history_ends_with_the_last_page_and_shows_settings_too(api: Api, local: Target) -> None:
    api.answers = [(200, {"items": [entry(1), setting()], "next_cursor": None})]
    ran = run(local, "history", "c-1", "follow-up")
    assert ran.code == 0
    assert "Three" in ran.out
    assert "Dr. Gray" in ran.out
    assert "2026-11-22 13:00" in ran.out
    assert "auto_repay=False" in ran.out
    assert max(len(line.rstrip()) for line in ran.out.splitlines()) <= 100
    assert "There is more" not in ran.out


def test_history_names_each_id_of_a_cause_whole_at_100_columns(
    api: Api, local: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "WIDE_WIDTH", 100)
    stripe = "1PqTRsLkdIwHu7ixhA3vbQeN"  # as long as Stripe's own
    ids = {"package_id": "monthly", "payment": f"in_{stripe}", "line": f"il_{stripe}", "event_id": f"evt_{stripe}"}
    ids |= {"subscription": f"sub_{stripe}", "customer": f"cus_{stripe}", "charge": f"ch_{stripe}"}
    stated = entry(7) | {"kind": "transferred_out", "amount": -1000, "cause": {"kind": "package"} | ids}
    api.answers = [(200, {"items": [stated], "next_cursor": None})]
    lines = run(local, "history", "c-1", "follow-up", "--wide").out.splitlines()
    assert max(map(len, lines)) <= 100
    for name, value in ids.items():
        assert [line for line in lines if line.rstrip().endswith(f" {name}={value}")], name
    assert any(line.split() == ["transferred_out", "package_id=monthly"] for line in lines)


def test_eligibility_says_what_a_session_that_is_let_through_will_owe(api: Api, local: Target) -> None:
    api.answers = [(200, ANSWER | {"allowed": True, "reason": "ok", "shortfall": 2})]
    row = next(line for line in run(local, "eligibility", "c-1", "follow-up").out.splitlines() if " yes " in line)
    assert "will owe 2" in row
    assert " ok " not in row


def test_eligibility_of_one_type_says_why_and_what_helps(api: Api, local: Target) -> None:
    api.answers = [(200, ANSWER)]
    ran = run(local, "eligibility", "c-1", "follow-up", "--starts-at", "2026-12-01T10:00:00+01:00", "--seats", "2")
    assert ran.code == 0
    assert re.search(r" insufficient .*\n.* credits ", ran.out), "folded within 100 columns"
    assert "Three" in ran.out
    assert ANSWER["message"] in ran.out
    ((path, query, _),) = api.asked
    assert path == "/v1/eligibility"
    assert query == {
        "client_id": "c-1",
        "appointment_type": "follow-up",
        "starts_at": "2026-12-01T10:00:00+01:00",
        "seats": "2",
    }


def test_eligibility_without_a_type_shows_every_type(api: Api, local: Target) -> None:
    used = {"allowed": True, "reason": "ok", "would_use": [{"lot_id": "lot_1", "amount": 1, "expires_at": None}]}
    api.answers = [(200, {"items": [ANSWER, ANSWER | used | {"appointment_type": "initial"}]})]
    ran = run(local, "eligibility", "c-1")
    assert "initial" in ran.out
    assert "1 without end" in ran.out
    assert api.asked[0][1] == {"client_id": "c-1", "seats": "1"}


@pytest.mark.parametrize(
    ("status", "body", "stated"),
    [
        (
            404,
            {"status": 404, "detail": "There is no such client.", "request_id": "req-7"},
            "no such client. (request req-7)",
        ),
        (
            422,
            {"detail": "Not so.", "errors": [{"pointer": "/query/limit", "code": "x", "detail": "at most 100"}]},
            "422: Not so. /query/limit: at most 100.",
        ),
        (503, {"message": "Service Unavailable"}, "503: Service Unavailable"),
        (502, b"<html>", "The API answered 502."),
        (200, b"<html>", "not JSON"),
    ],
)
def test_a_problem_answer_is_one_sentence(api: Api, local: Target, status: int, body: Any, stated: str) -> None:
    api.answers = [(status, body)]
    ran = run(local, "balance", "c-1", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert stated in ran.err
    assert ran.err.count("\n") == 1


def test_nobody_listening_is_one_sentence(api: Api, local: Target) -> None:
    ran = run(replace(local, api_url="http://127.0.0.1:9"), "balance", "c-1")
    assert (ran.code, ran.out) == (1, "")
    assert "does not answer" in ran.err


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(api: Api, local: Target) -> None:
    api.answers = [(200, CREDITS)]
    assert run(local, "balance", "c-1", http_proxy="http://127.0.0.1:9").code == 0


def test_a_deployed_stack_is_asked_with_the_token_of_the_environment(api: Api, deployed: Target) -> None:
    api.answers = [(200, CREDITS)]
    assert run(deployed, "balance", "c-1", CREDITS_TOKEN="theirs").code == 0
    assert api.asked[0][2] == "Bearer theirs"


def test_a_deployed_stack_without_a_token_is_one_sentence(api: Api, deployed: Target) -> None:
    ran = run(deployed, "balance", "c-1", CREDITS_TOKEN="")
    assert (ran.code, ran.out) == (1, "")
    assert "CREDITS_TOKEN" in ran.err
    assert run(deployed, "balance", "c-1", "--practice", "p1", CREDITS_TOKEN="theirs").code == 2
    assert not api.asked


def test_tokens_of_a_deployed_stack_come_from_its_issuer(deployed: Target) -> None:
    ran = run(deployed, "token", "--role", "staff")
    assert (ran.code, ran.out) == (1, "")
    assert "issuer" in ran.err
    assert "CREDITS_TOKEN" in ran.err


def test_a_token_is_sent_to_nobody_in_the_clear(deployed: Target) -> None:
    ran = run(replace(deployed, api_url="http://api.example.com"), "balance", "c-1", CREDITS_TOKEN="theirs")
    assert ran.code == 1
    assert "neither HTTPS nor on this machine" in ran.err


MOVED = [
    entry(4) | {"kind": kind, "amount": n, "appointment_type": "follow-up"}
    for kind, n in (("transferred_out", -2), ("transferred_in", 2))
]
GOES_ON = {"client": {"id": "c-2", "name": "Anna"}, "entries": MOVED}


def test_a_merge_is_asked_under_one_key_however_often_it_is_run(api: Api, local: Target) -> None:
    api.answers = [(200, GOES_ON)] * 3
    ran = run(local, "client", "merge", "c-1", "--into", "c-2")
    assert (ran.code, "c-1 goes on as c-2." in ran.out, "Anna" in ran.out) == (0, True, False)
    assert run(local, "client", "merge", "c-1", "--into", "c-2", "--json").json == GOES_ON | {"dry_run": False}
    rehearsed = run(local, "client", "merge", "c-1", "--into", "c-2", "--dry-run")
    assert "nothing is written" in rehearsed.out
    assert [(path, query) for path, query, _ in api.asked] == [
        ("/v1/clients/c-1/merge", {}),
        ("/v1/clients/c-1/merge", {}),
        ("/v1/clients/c-1/merge", {"dry_run": "true"}),
    ]
    assert [body for body, _ in api.sent] == [{"into": "c-2"}] * 3
    assert len({key for _, key in api.sent}) == 1, "a repeat goes on where the first stopped"


def test_a_merge_that_is_refused_is_one_sentence(api: Api, local: Target) -> None:
    api.answers = [(409, {"detail": "This client was merged into another one before.", "request_id": "r"})]
    ran = run(local, "client", "merge", "c-1", "--into", "c-2")
    assert (ran.code, ran.err) == (1, "409: This client was merged into another one before. (request r)\n")
    assert run(local, "client", "merge", "c 1", "--into", "c-2").code == 2
    assert run(local, "client", "merge", "c-1").code == 2
