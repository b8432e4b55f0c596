"""The HTTP API in one process on moto: real routes, real tokens, a clock that the test sets."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto import mock_aws

from client_credits.aws.queue_lengths import QueueLengths
from client_credits.aws.secrets import CursorKeys, ReadParameter, SessionKeys
from client_credits.domain.practice.jobs import JobMessage
from client_credits.domain.practice.records import Account
from client_credits.http.front import Front, build
from client_credits.http.identity import Authenticator, ClaimNames
from client_credits.http.request import Outside
from client_credits.http.sessions import Sessions
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.store import Store
from client_credits.store.table import Table
from client_credits.stripe.checkout import Checkouts
from tests.support.builders import NOW
from tests.support.engines import Engine
from tests.support.table import create_table

ROOT = Path(__file__).resolve().parents[2]
ISSUER, AUDIENCE = "https://issuer.test/", "client-credits"
CLIENT_PAGE = "https://credits.test/me"
PAGE_ORIGIN = "https://practice.test"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set() -> bytes:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [public | {"kid": "k1", "alg": "RS256", "use": "sig"}]}).encode()


def token(
    role: str = "staff",
    practice_id: str | None = "p1",
    client: str | None = None,
    *,
    key: Any = KEY,
    now: datetime = NOW,
    **claims: Any,
) -> str:
    """An access token; `claims` replace others by name, None leaves one out."""
    stated = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"{role}-1",
        "exp": int(now.timestamp()) + 600,
        "credits_role": role,
        "credits_practice": practice_id,
        "credits_client": client,
    } | claims
    return jwt.encode({k: v for k, v in stated.items() if v is not None}, key, "RS256", {"kid": "k1"})


@dataclass
class Reply:
    """An answer: `body` is its JSON, `text` is the very text of it."""

    status: int
    headers: dict[str, str]
    body: Any
    text: str = ""

    @property
    def code(self) -> str | None:
        """The code of a refusal."""
        return self.body.get("code")

    @property
    def faults(self) -> dict[str, str]:
        """A refusal's faults: each pointer with its code."""
        return {fault["pointer"]: fault["code"] for fault in self.body.get("errors", [])}


@dataclass
class Api:
    """Calls the front door as API Gateway would. `woken` are the messages for jobs that were sent."""

    front: Front
    store: Store
    now: list[datetime] = field(default_factory=lambda: [NOW])
    woken: list[JobMessage] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "admin",
        bearer: str | None = "",
        raw: str | None = None,
        headers: dict[str, str] | None = None,
        client: str | None = None,
        practice: str = "p1",
        encoded: bool = False,
        **query: Any,
    ) -> Reply:
        """`client` asks as that client; `raw` is a body sent as it stands, base64 where `encoded`."""
        stated = {"content-type": "application/json"} | (headers or {})
        if bearer is not None:
            stated["authorization"] = f"Bearer {bearer or self._token(role, practice, client)}"
        parts = urlsplit(path)
        text = raw if raw is not None else None if body is None else json.dumps(body)
        query = {k: str(v).lower() if isinstance(v, bool) else v for k, v in query.items()}
        event = {
            "version": "2.0",
            "rawPath": quote(parts.path, safe="/%"),
            "rawQueryString": urlencode(query),
            "headers": stated,
            "queryStringParameters": {k: str(v) for k, v in query.items()} or None,
            "requestContext": {
                "requestId": "req-1",
                "stage": "$default",
                "http": {"method": method, "path": parts.path},
            },
            "body": text,
            "isBase64Encoded": encoded,
        }
        return self.send(event)

    def send(self, event: dict[str, Any]) -> Reply:
        """An event as it stands, for what no well-behaved caller would send."""
        answer = self.front.handle(event, None)
        unseen = {name.lower() for name in answer["headers"]} - exposed_headers() - {"content-type"}
        assert not unseen, f"no page of another origin could read {unseen}: template.yaml does not expose it"
        text = answer["body"]
        is_json = "json" in str(answer["headers"].get("content-type") or answer["headers"]["Content-Type"])
        return Reply(answer["statusCode"], dict(answer["headers"]), json.loads(text) if is_json else None, text)

    def _token(self, role: str, practice: str, client: str | None) -> str:
        if client is not None:
            return token("client", practice, client, now=self.now[0])
        return token(role, practice, now=self.now[0])


@cache
def exposed_headers() -> set[str]:
    """What the template lets pages of other origins read."""
    (names,) = re.findall(r"ExposeHeaders: \[(.+)\]", (ROOT / "template.yaml").read_text())
    return set(names.split(", "))


def cursor_keys() -> CursorKeys:
    return CursorKeys(lambda _: b64encode(b"k" * 32).decode(), "")


def session_keys() -> SessionKeys:
    return SessionKeys(lambda _: b64encode(b"s" * 32).decode(), "")


def outside(
    keys: SessionKeys,
    read_secret: ReadParameter = lambda _: None,
    stripe: str = "",
    dead_letters: dict[str, int] | None = None,
    wake: Callable[[JobMessage], None] = lambda _: None,
) -> Outside:
    """What the API reaches; `stripe` is the address of a server in Stripe's place, `dead_letters` what queues hold."""
    checkouts = Checkouts(read_secret, "", "test", stripe)
    queues = QueueLengths(lambda: HeldQueues(dead_letters or {}), {name: name for name in dead_letters or {}})
    return Outside(keys, CLIENT_PAGE, checkouts, wake, address, "test", queues, (PAGE_ORIGIN,))


@dataclass(frozen=True)
class HeldQueues:
    """SQS, as far as it is asked how much a queue holds."""

    lengths: dict[str, int]

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        (name,) = AttributeNames
        return {"Attributes": {name: str(self.lengths[QueueUrl])}}


@contextmanager
def running_api() -> Iterator[Api]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "credits")
        store = Store(Table(client, "credits"))
        practices.create_practice(Context(store, "p1", STRIPE, NOW))
        practices.create_practice(Context(store, "p2", STRIPE, NOW))
        yield _behind_a_front(store, [NOW])


def api_on(store: Store) -> Api:
    """The front door before a store, with the practices p1 and p2."""
    store.commit([writes.account(Account(practice, created_at=NOW)) for practice in ("p1", "p2")])
    return _behind_a_front(store, [NOW])


def api_beside(api: Api) -> Api:
    """Another worker on the same table and clock, which remembers nothing yet."""
    return _behind_a_front(Store(api.store.table), api.now)


def _behind_a_front(store: Store, now: list[datetime]) -> Api:
    keys = session_keys()
    woken: list[JobMessage] = []
    authenticator = Authenticator(ISSUER, AUDIENCE, "", ClaimNames(), key_set, Sessions(keys).caller)
    given = outside(keys, wake=woken.append)
    return Api(Front(build(), authenticator, store, lambda: now[0], cursor_keys(), given), store, now, woken)


def address(name: str, shown_as: str) -> str:
    """Where a file would be downloaded."""
    return f"https://files.test/{name}?as={shown_as}"


@pytest.fixture
def api(memory: Engine) -> Api:
    """The front door before an empty table of its own."""
    return api_on(memory.fresh_store())
