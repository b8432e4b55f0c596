"""The function that accepts Stripe's events, with a parameter store and a queue behind it."""

import base64
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import time_machine
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.core.models import botocore_stubber

from client_credits.aws import clients
from client_credits.aws.secrets import parameter_name
from client_credits.stripe.signature import sign

APP = Path(__file__).parents[2] / "functions/stripe_webhook/app.py"
PREFIX = "/client-credits/test"
SECRET = "whsec_current"
NOW = 1_795_000_000
CONTEXT = SimpleNamespace(aws_request_id="lambda-1")
EVENT = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {}}}'

Reply = dict[str, Any]


@pytest.fixture
def app() -> ModuleType:
    """A function just started: a module of its own, with nothing remembered."""
    spec = importlib.util.spec_from_file_location("stripe_webhook_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class World:
    """What stands behind the function: a queue and the secrets of practice p1."""

    def __init__(self) -> None:
        self.sqs = clients.client("sqs")
        self.ssm = clients.client("ssm")
        self.queue_url = self.sqs.create_queue(QueueName="stripe")["QueueUrl"]
        self.put_secrets("p1", SECRET)
        self.called: list[str] = []  # what the function called, by operation

    def answer(self, request: AWSPreparedRequest) -> AWSResponse | None:
        """What stands here answers a request of the function; None where that goes elsewhere."""
        self.called.append(str(request.headers["X-Amz-Target"]))
        answer: AWSResponse | None = botocore_stubber("before-send", request)
        return answer

    def put_secrets(self, practice_id: str, current: str, previous: str | None = None) -> None:
        self.ssm.put_parameter(
            Name=parameter_name(PREFIX, practice_id),
            Value=json.dumps({"current": current, "previous": previous}),
            Type="SecureString",
            Overwrite=True,
        )

    def messages(self) -> list[Reply]:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        received: list[Reply] = answer.get("Messages", [])
        return received


def forget_clients() -> None:
    clients.client.cache_clear()
    clients._session.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def _clients_of_our_own() -> Iterator[None]:
    """Making clients is what takes time: one set for all tests here, and none for others."""
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mock_aws(), time_machine.travel(NOW, tick=False):
        behind = World()
        send = URLLib3Session.send
        monkeypatch.setattr(URLLib3Session, "send", lambda to, request: behind.answer(request) or send(to, request))
        monkeypatch.setenv("STRIPE_QUEUE_URL", behind.queue_url)
        monkeypatch.setenv("SECRETS_PREFIX", PREFIX)
        yield behind


def request(
    body: bytes = EVENT,
    practice_id: str = "p1",
    secret: str = SECRET,
    at: int = NOW,
    header: str | None = None,
    encoded: bool = False,
) -> Reply:
    """The event of an HTTP API (payload 2.0) for a signed delivery."""
    signature = sign(body, secret, at) if header is None else header
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/stripe/{practice_id}",
        "rawPath": f"/webhooks/stripe/{practice_id}",
        "headers": {"content-type": "application/json", "stripe-signature": signature},
        "pathParameters": {"practice_id": practice_id},
        "requestContext": {"requestId": "req-1", "http": {"method": "POST"}},
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
    }


def is_problem(answer: Reply, status: int, code: str) -> bool:
    body = json.loads(answer["body"])
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["X-Request-Id"] == body["request_id"] == "req-1"
    return (answer["statusCode"], body["status"], body["code"]) == (status, status, code)


# --- Accepting


@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_event_is_queued_as_it_came(world: World, app: ModuleType, encoded: bool) -> None:
    body = b'{ "object":"event",\n\t"id": "evt_1", "name": "J\xc3\xb6rg \\u00e9 \xf0\x9f\x98\x80"}\r\n'

    answer = app.handler(request(body, encoded=encoded), CONTEXT)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"received": True}
    assert answer["headers"]["X-Request-Id"] == "req-1"
    (message,) = world.messages()
    assert message["Body"].encode() == body
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"practice_id": "p1", "received_at": "2026-11-18T11:06:40.000Z"}


def test_the_largest_body_allowed_is_queued(world: World, app: ModuleType) -> None:
    padding = b"x" * (256_000 - len(b'{"object":"event","p":""}'))

    answer = app.handler(request(b'{"object":"event","p":"' + padding + b'"}'), CONTEXT)

    assert answer["statusCode"] == 200
    assert len(world.messages()[0]["Body"]) == 256_000


def test_text_that_the_queue_refuses_is_escaped_and_means_the_same(world: World, app: ModuleType) -> None:
    body = '{"object": "event", "text": "a\ufffe\uffff\x7f\ud7ffz"}'.encode()

    assert app.handler(request(body), CONTEXT)["statusCode"] == 200
    (message,) = world.messages()
    assert "\ufffe" not in message["Body"]
    assert json.loads(message["Body"]) == json.loads(body)


def test_an_event_that_nobody_understands_is_accepted(world: World, app: ModuleType) -> None:
    for body in (b'{"object":"event"}', b'{"object":"event","id":5,"type":null}', b'{"object":"v2.core.event"}'):
        assert app.handler(request(body), CONTEXT)["statusCode"] == 200
    assert len(world.messages()) == 3


@pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
def test_both_secrets_are_good_while_one_is_rolled(world: World, app: ModuleType, secret: str) -> None:
    world.put_secrets("p1", "whsec_new", "whsec_old")

    assert app.handler(request(secret=secret), CONTEXT)["statusCode"] == 200


def test_a_new_secret_works_from_the_next_event_on(world: World, app: ModuleType) -> None:
    app.handler(request(), CONTEXT)
    world.put_secrets("p1", "whsec_new")

    with time_machine.travel(NOW + 1, tick=False):
        assert app.handler(request(secret="whsec_new"), CONTEXT)["statusCode"] == 200
        assert app.handler(request(secret=SECRET), CONTEXT)["statusCode"] == 400


def test_a_forged_event_is_refused_by_new_secrets_too(world: World, app: ModuleType) -> None:
    app.handler(request(), CONTEXT)
    world.put_secrets("p1", "whsec_new")
    world.messages()

    with time_machine.travel(NOW + 1, tick=False):
        answer = app.handler(request(secret="whsec_forged"), CONTEXT)
    assert is_problem(answer, 400, "bad_signature")
    assert world.messages() == []


def test_each_practice_has_its_own_secret(world: World, app: ModuleType) -> None:
    world.put_secrets("p:2~x.y", "whsec_two")

    assert app.handler(request(practice_id="p:2~x.y", secret="whsec_two"), CONTEXT)["statusCode"] == 200
    assert app.handler(request(practice_id="p:2~x.y"), CONTEXT)["statusCode"] == 400
    assert app.handler(request(secret="whsec_two"), CONTEXT)["statusCode"] == 400
    (message,) = world.messages()
    assert message["MessageAttributes"]["practice_id"]["StringValue"] == "p:2~x.y"


def test_an_id_that_arrives_encoded_is_the_same_id(world: World, app: ModuleType) -> None:
    world.put_secrets("p:2", "whsec_two")

    answer = app.handler(request(practice_id="p%3A2", secret="whsec_two"), CONTEXT)

    assert answer["statusCode"] == 200


@pytest.mark.parametrize("skew", [-300, 300])
def test_a_clock_off_by_five_minutes_is_tolerated(world: World, app: ModuleType, skew: int) -> None:
    assert app.handler(request(at=NOW + skew), CONTEXT)["statusCode"] == 200


# --- Refusing


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "whsec_other"},
        {"at": NOW - 301},
        {"at": NOW + 301},
        {"header": ""},
        {"header": "junk"},
        {"header": "t=1,v1=\u00e9"},
        {"header": f"t={NOW},v1=" + "0" * 64},
        {"header": sign(EVENT + b" ", SECRET, NOW)},
        {"header": "," * 100_000},
        {"practice_id": "nobody"},
        {"practice_id": ""},
        {"practice_id": "p1#"},
        {"practice_id": "../../client-credits/test/stripe/p1"},
        {"practice_id": "p1%2F..%2Fp1"},
        {"practice_id": "%ff%00"},
        {"practice_id": "a" * 129},
        {"practice_id": "p1\n"},
    ],
)
def test_what_is_not_proven_is_refused_in_the_same_words(world: World, app: ModuleType, changes: Reply) -> None:
    answer = app.handler(request(**changes), CONTEXT)

    assert is_problem(answer, 400, "bad_signature")
    assert answer["body"] == app.handler(request(header=""), CONTEXT)["body"]
    assert world.messages() == []


@pytest.mark.parametrize("missing", ["headers", "pathParameters", "body"])
@pytest.mark.parametrize("value", [None, {}])
def test_a_request_without_its_parts_is_refused(world: World, app: ModuleType, missing: str, value: object) -> None:
    event = request()
    event[missing] = value or ("" if missing == "body" else value)
    if missing == "headers" and value is None:
        del event["headers"]

    assert is_problem(app.handler(event, CONTEXT), 400, "bad_signature")
    assert world.messages() == []


NOT_AN_EVENT = [
    b"",
    b" ",
    b"null",
    b"true",
    b"5",
    b'"event"',
    b"[]",
    b"{}",
    b'[{"object":"event"}]',
    b'{"object":"invoice"}',
    b'{"object":"v2.core.event_destination"}',
    b'{"object":["event"]}',
    b'{"object":null}',
    b'{"Object":"event"}',
    b'{"object":"event"',
    b'{"object":"event"}}',
    b'{"object":"event"} {"object":"event"}',
    b"{'object':'event'}",
    b'{"object":"event",}',
    b'{"object":"event","a":NaN}',
    b'{"object":"event","a":-Infinity}',
    b'{"object":"event","a":1e999}',
    b'{"object":"event","a":' + b"9" * 5000 + b"}",
    b'{"object":"event","object":"event"}',
    b'{"object":"event","a":{"b":1,"b":2}}',
    b'{"object":"invoice","object":"event"}',
    b'{"object":"event","a":"\\ud800"}',
    b'{"object":"event","\\uDFFF":1}',
    b'{"object":"event","a":"\\x"}',
    b'{"object":"event","a":"\x00"}',
    b'{"object":"event","a":"\n"}',
    b'\xef\xbb\xbf{"object":"event"}',
    b'{"object":"event","a":' + b"[" * 64 + b"]" * 64 + b"}",
    b'{"object":"event","a":' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}",
    b'{"object":"event","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 250_000,
    b"object=event&id=evt_1",
    b"<event/>",
]


@pytest.mark.parametrize("body", NOT_AN_EVENT)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_body_that_is_no_event_object_is_refused(
    world: World, app: ModuleType, body: bytes, encoded: bool
) -> None:
    answer = app.handler(request(body, encoded=encoded), CONTEXT)

    assert is_problem(answer, 400, "malformed_body")
    assert world.messages() == []


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"object":"event","a":"\xed\xa0\x80"}', EVENT.decode().encode("utf-16")]
)
def test_a_signed_body_that_is_not_utf_8_is_refused(world: World, app: ModuleType, body: bytes) -> None:
    assert is_problem(app.handler(request(body, encoded=True), CONTEXT), 400, "malformed_body")
    assert world.messages() == []


@pytest.mark.parametrize(
    ("body", "encoded"),
    [("not base64!", True), ("eyJ", True), ("!!!!", True), ("\u00e9", True), ("\ud800", False)],
)
def test_a_body_that_cannot_be_decoded_is_refused(world: World, app: ModuleType, body: str, encoded: bool) -> None:
    event = {**request(), "body": body, "isBase64Encoded": encoded}

    assert is_problem(app.handler(event, CONTEXT), 400, "malformed_body")
    assert world.messages() == []


def test_just_deep_enough_is_accepted(world: World, app: ModuleType) -> None:
    body = b'{"object":"event","a":' + b"[" * 63 + b"]" * 63 + b"}"

    assert app.handler(request(body), CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("character", ["x", "é"])
def test_an_oversized_body_is_refused_whoever_signed_it(
    world: World, app: ModuleType, encoded: bool, character: str
) -> None:
    frame = '{"object":"event","p":"%s"}'
    room = 256_001 - len(frame % "")
    width = len(character.encode())
    body = (frame % ("x" * (room % width) + character * (room // width))).encode()
    assert len(body) == 256_001

    assert is_problem(app.handler(request(body, encoded=encoded), CONTEXT), 413, "body_too_large")
    unsigned = request(body, encoded=encoded, header="")
    assert is_problem(app.handler(unsigned, CONTEXT), 413, "body_too_large")
    assert world.messages() == []


def test_text_that_outgrows_the_queue_when_escaped_is_refused(world: World, app: ModuleType) -> None:
    body = f'{{"object":"event","p":"{chr(0xFFFE) * 50_000}"}}'.encode()

    assert is_problem(app.handler(request(body), CONTEXT), 413, "body_too_large")
    assert world.messages() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=100), header=st.text(max_size=100), practice_id=st.text(max_size=20))
def test_arbitrary_requests_are_refused_and_raise_nothing(
    world: World, app: ModuleType, body: bytes, header: str, practice_id: str
) -> None:
    event = request(body, practice_id=practice_id, header=header, encoded=True)

    assert is_problem(app.handler(event, CONTEXT), 400, "bad_signature")
    assert world.messages() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=100) | st.text(max_size=50).map(str.encode))
def test_arbitrary_signed_bodies_are_refused_and_raise_nothing(world: World, app: ModuleType, body: bytes) -> None:
    assert is_problem(app.handler(request(body, encoded=True), CONTEXT), 400, "malformed_body")
    assert world.messages() == []


# --- When something behind it fails


def test_without_the_queue_nothing_is_accepted_and_stripe_comes_again(world: World, app: ModuleType) -> None:
    world.sqs.delete_queue(QueueUrl=world.queue_url)

    answer = app.handler(request(), CONTEXT)

    assert is_problem(answer, 503, "unavailable")
    assert int(answer["headers"]["Retry-After"]) > 0


@pytest.fixture
def unplugged(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the function reaches nothing from then on."""
    return lambda: monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")


def test_with_the_queue_out_of_reach_stripe_comes_again(
    app: ModuleType, unplugged: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.handler(request(), CONTEXT)["statusCode"] == 200
    unplugged()

    assert is_problem(app.handler(request(), CONTEXT), 503, "unavailable")
    assert "not queued: EndpointConnectionError" in capsys.readouterr().out


def test_with_the_secrets_out_of_reach_stripe_comes_again(
    app: ModuleType, unplugged: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    unplugged()

    assert is_problem(app.handler(request(), CONTEXT), 503, "unavailable")
    assert "secrets unavailable: EndpointConnectionError" in capsys.readouterr().out


def test_malformed_secrets_are_our_fault_and_nothing_is_lost(world: World, app: ModuleType) -> None:
    world.ssm.put_parameter(Name=parameter_name(PREFIX, "p1"), Value="whsec_raw", Type="SecureString", Overwrite=True)

    assert is_problem(app.handler(request(), CONTEXT), 503, "unavailable")


def test_missing_settings_are_all_logged_and_none_is_answered(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRIPE_QUEUE_URL", raising=False)
    monkeypatch.delenv("SECRETS_PREFIX", raising=False)

    answer = app.handler(request(), CONTEXT)

    assert is_problem(answer, 500, "misconfigured")
    assert "QUEUE" not in answer["body"]
    line = json.loads(capsys.readouterr().out)
    assert line["level"] == "ERROR"
    assert "STRIPE_QUEUE_URL" in line["message"]
    assert "SECRETS_PREFIX" in line["message"]


def test_settings_that_arrive_later_are_read(world: World, app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.delenv("STRIPE_QUEUE_URL")
        assert app.handler(request(), CONTEXT)["statusCode"] == 500

    assert app.handler(request(), CONTEXT)["statusCode"] == 200


# --- What it costs and what it tells


def test_the_secrets_are_read_once_for_many_events(world: World, app: ModuleType) -> None:
    calls = counting(world)
    for _ in range(5):
        app.handler(request(), CONTEXT)

    assert calls() == 1


def test_forged_events_cost_at_most_one_read_in_ten_seconds(world: World, app: ModuleType) -> None:
    app.handler(request(), CONTEXT)
    calls = counting(world)
    for second in range(1, 10):
        with time_machine.travel(NOW + second, tick=False):
            app.handler(request(secret="whsec_forged"), CONTEXT)
            app.handler(request(header="t=1,v1=0"), CONTEXT)

    assert calls() == 1


def test_a_header_that_no_secret_could_mend_costs_no_second_read(world: World, app: ModuleType) -> None:
    app.handler(request(), CONTEXT)
    calls = counting(world)
    with time_machine.travel(NOW + 1, tick=False):
        for header in ("", "junk", sign(EVENT, SECRET, NOW - 1000)):
            app.handler(request(header=header), CONTEXT)

    assert calls() == 0


def test_a_header_of_the_wrong_form_or_time_costs_no_read_at_all(world: World, app: ModuleType) -> None:
    calls = counting(world)
    for practice_id in ("p1", "nobody"):
        for header in ("", "junk", f"t={NOW},v1=00", sign(EVENT, SECRET, NOW - 301), sign(EVENT, SECRET, NOW + 301)):
            assert is_problem(
                app.handler(request(practice_id=practice_id, header=header), CONTEXT), 400, "bad_signature"
            )

    assert calls() == 0


def test_2000_forged_posts_in_ten_seconds_cost_few_reads_and_delay_no_practice_known(
    world: World, app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.handler(request(), CONTEXT)["statusCode"] == 200
    calls = counting(world)
    header = f"t={NOW},v1=" + "0" * 64
    statuses = []
    for number in range(2000):
        with time_machine.travel(NOW + number / 200, tick=False):
            answer = app.handler(request(practice_id=f"invented-{number}", header=header), CONTEXT)
            statuses.append(answer["statusCode"])
            assert answer["statusCode"] != 503 or int(answer["headers"]["Retry-After"]) > 0
            if number % 100 == 99:
                assert app.handler(request(), CONTEXT)["statusCode"] == 200

    assert calls() <= 60
    assert set(statuses) == {400, 503}
    assert statuses.count(400) <= 60
    assert "ERROR" not in capsys.readouterr().out


def test_forged_posts_to_a_known_practice_delay_none_of_its_own(world: World, app: ModuleType) -> None:
    app.handler(request(), CONTEXT)
    calls = counting(world)
    for tenth in range(300):
        with time_machine.travel(NOW + tenth / 10, tick=False):
            assert app.handler(request(secret="whsec_forged"), CONTEXT)["statusCode"] == 400
            assert app.handler(request(), CONTEXT)["statusCode"] == 200

    assert calls() <= 4


def counting(world: World) -> Callable[[], int]:
    """How often the function has read secrets since."""
    before = len(world.called)
    return lambda: world.called[before:].count("AmazonSSM.GetParameter")


def test_each_request_logs_one_line_of_ids_and_nothing_else(
    world: World, app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b'{"object":"event","id":"evt_9","email":"erika@example.org"}'
    app.handler(request(body), CONTEXT)
    app.handler(request(body, secret="whsec_forged"), CONTEXT)
    app.handler(request(b'{"email":"erika@example.org"}'), CONTEXT)

    out = capsys.readouterr().out
    accepted, forged, malformed = [json.loads(line) for line in out.splitlines()]
    assert accepted.pop("timestamp") == "2026-11-18T11:06:40.000+00:00"
    assert accepted == {
        "level": "INFO",
        "message": "event accepted",
        "service": "stripe_webhook",
        "request_id": "req-1",
        "practice_id": "p1",
        "event_id": "evt_9",
    }
    assert (forged["message"], forged["event_id"]) == ("signature mismatch", None)
    assert malformed["message"] == "not an event object"
    for private in ("erika", "whsec", "v1="):
        assert private not in out


def test_an_event_id_that_is_no_id_is_not_logged(
    world: World, app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    app.handler(request(b'{"object":"event","id":"erika@example.org"}'), CONTEXT)

    assert "erika" not in capsys.readouterr().out


def test_without_a_gateway_id_the_answer_carries_the_functions_own(world: World, app: ModuleType) -> None:
    event = {**request(header=""), "requestContext": {}}

    assert app.handler(event, CONTEXT)["headers"]["X-Request-Id"] == "lambda-1"


def test_a_cold_start_loads_no_library_it_does_not_use() -> None:
    script = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("app", {str(APP)!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
unwanted = ("boto3", "stripe", "pydantic", "aws_lambda_powertools", "jwt", "cryptography",
            "botocore.session", "botocore.client", "client_credits.store", "client_credits.domain.ledger.wallet")
print([module for module in unwanted if module in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert answer.stdout.decode().strip() == "[]"
