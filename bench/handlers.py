"""The functions as Lambda runs them, in this process, with the events they get."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.practice import NOW, TYPE, P, price
from client_credits.samples import events as samples

FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"
ISSUER, AUDIENCE = "https://issuer.bench/", "client-credits"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def load(name: str) -> ModuleType:
    """A function's module, fresh."""
    loader = SourceFileLoader(f"{name}_app", str(FUNCTIONS / name / "app.py"))
    module = ModuleType(loader.name)
    loader.exec_module(module)
    return module


class LambdaContext:
    """What Lambda hands a function beside the event."""

    aws_request_id = "request-1"


def environment(table: str, endpoint_url: str, jwks_url: str = "http://127.0.0.1:9/jwks") -> dict[str, str]:
    """What the template sets, for every function at once; credentials and region as Lambda gives them."""
    return {
        "TABLE_NAME": table,
        "STRIPE_MODE": "test",
        "STRIPE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/stripe",
        "SWEEP_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/sweep",
        "JOBS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/jobs",
        "FILES_BUCKET": "bench",
        "EVENT_BUS_NAME": "bench",
        "PUBLISH_FAILURES_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/publish-failures",
        "SECRETS_PREFIX": "/client-credits/bench",
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "TOKEN_JWKS_URL": jwks_url,
        "CLIENT_PAGE_URL": "https://credits.test/me",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
    }


@contextmanager
def living_in(variables: dict[str, str]) -> Iterator[None]:
    """This process as if started with these variables and no others of AWS."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# -- events ------------------------------------------------------------------------------------


def booking_created(client_id: str, booking_id: str) -> dict[str, Any]:
    """A batch of one booking event."""
    overrides = {"practice_id": P, "client_id": client_id, "booking_id": booking_id, "appointment_type": TYPE}
    return _batch(samples.booking_event("created", overrides, now=NOW))


def invoice_paid(client_id: str, number: int) -> dict[str, Any]:
    """A batch of one paid cycle of a package of one type."""
    overrides = {"client_id": client_id, "price": price("lasting", 1), "invoice": f"in_bench{number:06d}"}
    return _batch(samples.stripe_event("invoice-paid-cycle", overrides, now=NOW - timedelta(hours=1)))


def _batch(body: dict[str, Any]) -> dict[str, Any]:
    attributes = {"practice_id": {"stringValue": P, "dataType": "String"}}
    record = {"messageId": "m-1", "body": json.dumps(body), "messageAttributes": attributes}
    return {"Records": [record]}


def eligibility(client_id: str) -> dict[str, Any]:
    """A widget's question through the HTTP API, with its token."""
    return _get("/v1/eligibility", {"client_id": client_id, "appointment_type": TYPE})


def credits(client_id: str) -> dict[str, Any]:
    return _get(f"/v1/clients/{client_id}/credits", {})


def _get(path: str, query: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "&".join(f"{k}={v}" for k, v in query.items()),
        "queryStringParameters": query or None,
        "headers": {"authorization": f"Bearer {token()}"},
        "requestContext": {"requestId": "req-1", "stage": "$default", "http": {"method": "GET", "path": path}},
        "isBase64Encoded": False,
    }


def token() -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "staff-1",
        "exp": int(NOW.timestamp()) + 7200,
        "credits_role": "staff",
        "credits_practice": P,
    }
    return jwt.encode(claims, KEY, "RS256", {"kid": "k1"})


@contextmanager
def issuer() -> Iterator[str]:
    """The address of a key set on loopback, served until the block ends."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    key_set = json.dumps({"keys": [public | {"kid": "k1", "alg": "RS256", "use": "sig"}]}).encode()

    class KeySetHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(key_set)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), KeySetHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        server.server_close()
