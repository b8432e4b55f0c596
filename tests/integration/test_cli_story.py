"""`credits trigger story`: a whole story through the webhook, the bus and the API of a practice in memory."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.support.api import Api, api_on
from tests.support.cli import Ran, Stack, credits, moto_stack
from tests.support.memory_table import memory_store
from tests.support.story_practice import book

from client_credits.local.tokens import TokenIssuer
from client_credits.operations.context import STRIPE, Context
from client_credits.samples.stories import STORIES, StoryError
from client_credits.samples.storyteller import ASSESSMENT, SESSION
from client_credits.samples.stripe_account.checkout import VERSIONS
from client_credits.stripe import signature as stripe_signature
from client_credits.stripe.work import handle

SECRET = "whsec_ofPractice1"


class World:
    """The webhook, the API and the bus of one practice; events take effect at once, or never while `deaf`."""

    def __init__(self) -> None:
        self.store = memory_store()[0]
        self.api: Api = api_on(self.store)
        self.api.now[0] = datetime.now(UTC)
        self.deaf = False
        self.heard: list[str] = []
        self.puts: list[tuple[str, str]] = []
        self.url = ""

    def hear(self, body: bytes, signature: str) -> None:
        stripe_signature.verify(body, signature, [SECRET], int(time.time()))
        event = json.loads(body)
        self.heard.append(event["type"])
        if not self.deaf:
            handle(Context(self.store, "p1", STRIPE, datetime.now(UTC)), None, "test", event, body.decode())

    def ask(self, method: str, path: str, body: bytes, authorization: str) -> tuple[int, str]:
        claims = jwt.decode(authorization.removeprefix("Bearer "), options={"verify_signature": False})
        if method == "PUT":
            self.puts.append((claims["credits_role"], path))
        reply = self.api(method, path, json.loads(body) if body else None, role=claims["credits_role"])
        return reply.status, reply.text

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        for entry in Entries:
            stated = {
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "detail": json.loads(entry["Detail"]),
            }
            book(self.store, stated, datetime.now(UTC))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "event-1"}] * len(Entries)}


@pytest.fixture
def world() -> Iterator[World]:
    made = World()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/webhooks/stripe/p1"
            made.hear(self._body(), self.headers["stripe-signature"])
            self._reply(200, '{"received": true}')

        def do_GET(self) -> None:
            self._reply(*made.ask(self.command, self.path, self._body(), self.headers["authorization"]))

        do_PUT = do_GET

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["content-length"] or 0))

        def _reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local stack's folder with its signing key, which takes a while to make."""
    return tmp_path_factory.mktemp("local")


@pytest.fixture
def stack(directory: Path, world: World) -> Iterator[Stack]:
    with moto_stack(directory) as made:
        made("practice", "create", "p1", "--secret", SECRET)
        assert made.target.local
        tokens = {"staff": TokenIssuer(directory / "keys", "issuer").mint("staff", "p1")}
        local = replace(made.target.local, tokens=tokens)
        made.target = replace(made.target, api_url=world.url, local=local)
        made.fakes["events"] = world
        yield made


def tell(stack: Stack, *words: str) -> Ran:
    """What the command wrote; the API runs in the same process here and logs to the same place."""
    named = () if "--practice" in words else ("--practice", "p1")
    ran = stack("trigger", "story", *words, *named)
    own = [line for line in ran.out.splitlines(keepends=True) if not line.startswith('{"level"')]
    return replace(ran, out="".join(own))


@pytest.mark.parametrize("name", STORIES)
def test_every_story_is_played_to_an_empty_practice_and_seen_as_it_says(stack: Stack, name: str) -> None:
    ran = tell(stack, name, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["story"], ran.json["api_version"], ran.json["practice_id"]) == (name, VERSIONS[-1], "p1")
    assert all(step["as_expected"] for step in ran.json["steps"])


def test_each_step_is_shown_with_its_events_and_the_balances_after_it(stack: Stack) -> None:
    ran = tell(stack, "several-lines-credit-note", "--api-version", "2024-06-20")
    assert ran.code == 0, ran.err
    assert re.search(rf"step +events +{SESSION} +{ASSESSMENT}", ran.out)
    assert re.search(r"Ten sessions and an assessment are bought\. +3 +10 +1\b", ran.out)
    assert re.search(r"A credit note gives back the assessment\. +3 +10 +0\b", ran.out)


def test_the_webhook_hears_the_events_of_the_version_in_their_order(stack: Stack, world: World) -> None:
    stated = tell(stack, "partial-refund", "--api-version", "2022-11-15", "--json").json
    assert world.heard == [event["type"] for step in stated["steps"] for event in step["events"]]
    assert world.heard[:3] == ["charge.succeeded", "invoice.paid", "invoice.payment_succeeded"]
    assert world.heard[3:] == ["charge.refunded", "charge.refund.updated"] * 2


def test_what_a_story_needs_is_made_by_an_admin_and_may_be_there(stack: Stack, world: World) -> None:
    assert tell(stack, "upgrade-mid-cycle").code == 0
    assert tell(stack, "upgrade-mid-cycle").code == 0
    roles, paths = {role for role, _ in world.puts}, [path for _, path in world.puts]
    assert roles == {"admin"}
    kinds, packages = [f"/v1/appointment-types/{kind}" for kind in (SESSION, ASSESSMENT)], ["story-four", "story-eight"]
    assert paths[:4] == [*kinds, *(f"/v1/packages/{package}" for package in packages)]
    assert re.fullmatch(r"/v1/clients/story-upgrade-mid-cycle-[0-9a-f]{12}", paths[4])
    assert paths[5:9] == paths[:4] and paths[9] != paths[4]


def test_a_story_of_a_client_that_has_credits_counts_from_there(stack: Stack, world: World) -> None:
    assert world.api("PUT", "/v1/clients/c-1", {}).status == 201
    balances = []
    for _ in range(2):
        ran = tell(stack, "partial-refund", "--client", "c-1", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["client_id"] == "c-1"
        balances.append([step["balances"][SESSION] for step in ran.json["steps"]])
    assert balances == [[10, 7, 4], [14, 11, 8]]


def test_a_package_of_the_practices_own_takes_the_storys_place(stack: Stack, world: World) -> None:
    world.api("PUT", "/v1/appointment-types/yoga", {"name": "Yoga"})
    body = {"name": "Six", "credits": {"yoga": 6}, "stripe_prices": ["price_six"]}
    assert world.api("PUT", "/v1/packages/six", body).status == 201
    ran = tell(stack, "free-by-coupon", "--package", "story-ten=six", "--json")
    assert ran.code == 0, ran.err
    assert [step["balances"] for step in ran.json["steps"]] == [{"yoga": 6}]
    assert not any("story-ten" in path for _, path in world.puts)


def test_a_stack_that_hears_nothing_is_reported(stack: Stack, world: World) -> None:
    world.deaf = True
    ran = tell(stack, "free-by-coupon", "--wait", "0.3", "--json")
    assert ran.code == 1
    assert ran.err == "Within 0.3 s the balance was not what the story says: step 1.\n"
    assert [step["as_expected"] for step in ran.json["steps"]] == [False]


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        (("nope",), "There is no story nope. Known: first-year, "),
        (("trial", "--api-version", "2020-01-01"), "There is no version 2020-01-01."),
        (("trial", "--package", "story-ten=six"), "There is no package story-ten. Known: story-four."),
        (("free-by-coupon", "--package", "story-ten=none"), "404: "),
        (("trial", "--client", "c-9"), "404: "),
        (("trial", "--practice", "p2"), "`credits practice create p2`"),
    ],
)
def test_what_cannot_be_said_is_one_sentence_and_sends_nothing(
    stack: Stack, world: World, words: tuple[str, ...], stated: str
) -> None:
    ran = tell(stack, *words)
    assert (ran.code, ran.out) == (1, "")
    assert stated in ran.err
    assert ran.err.count("\n") == 1
    assert not world.heard


@pytest.mark.parametrize("words", [(), ("trial", "--package", "story-four"), ("trial", "--client", "a b")])
def test_what_cannot_be_meant_is_a_usage_error(stack: Stack, words: tuple[str, ...]) -> None:
    assert tell(stack, *words).code == 2


def test_the_stories_are_listed_without_any_stack() -> None:
    listed = credits("trigger", "story", "--list")
    assert all(f" {name} " in listed.out for name in STORIES)
    stated = credits("trigger", "story", "--list", "--json").json
    assert [each["name"] for each in stated["stories"]] == list(STORIES)
    assert stated["api_versions"] == list(VERSIONS)


def test_without_a_practice_named_a_story_plays_in_one_of_its_own(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[str | None] = []

    class Played:
        def __init__(self, *given: object) -> None:
            played.append(str(given[4]))
            raise StoryError("played elsewhere")

    monkeypatch.setattr("client_credits.cli.story._Played", Played)
    for _ in range(2):
        assert stack("trigger", "story", "trial").code == 1
    assert played == ["stories", "stories"]
    assert stack.store.catalogue("stories").packages == {}
    assert stack("trigger", "story", "no-such-story").code == 1
    assert len(played) == 2, "nothing is made for a story that there is not"
