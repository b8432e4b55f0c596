"""The calls made without a client are the ones a client would have made, and as patient."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pytest
import time_machine
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)

from client_credits.aws import direct_calls as aws_calls
from client_credits.aws.direct_calls import MAX_ATTEMPTS, Parameters, Queues

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MESSAGE = {
    "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/stripe",
    "MessageBody": 'Jörg 😀 "\\u00e9"\r\n',
    "MessageAttributes": {"practice_id": {"DataType": "String", "StringValue": "p1"}},
}
CALLS: list[tuple[str, str, dict[str, Any], Callable[..., Any]]] = [
    ("ssm", "get_parameter", {"Name": "/a/b", "WithDecryption": True}, Parameters().get_parameter),
    ("sqs", "send_message", MESSAGE, Queues().send_message),
]
THROTTLED = (400, {"__type": "com.amazonaws.sqs#RequestThrottled"})
GONE = (400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no such queue"})
LOST = (0, {})  # the connection is closed without an answer
FINE = (200, {"MessageId": "m-1"})


@dataclass
class Aws:
    """A server that answers with what it was heard, in order, and remembers what it was asked."""

    url: str
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stated.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, answer = stated.answers.pop(0) if stated.answers else FINE
            if not status:
                self.close_connection = True
                return
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stated = Aws(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", stated.url)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setattr(aws_calls, "PAUSE_SECONDS", 0)
    aws_calls._transport.cache_clear()
    yield stated
    aws_calls._transport.cache_clear()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize(("service", "method", "asked", "call"), CALLS, ids=["ssm", "sqs"])
def test_a_call_is_the_one_a_client_would_send(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    service: str,
    method: str,
    asked: dict[str, Any],
    call: Callable[..., Any],
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    with time_machine.travel(NOW, tick=False):
        call(**asked)
        getattr(botocore.session.Session().create_client(service, region_name="eu-west-1"), method)(**asked)

    (path, own, body), (clients_path, clients, clients_body) = aws.requests
    assert (path, json.loads(body)) == (clients_path, json.loads(clients_body))
    for header in ("host", "x-amz-target", "content-type", "x-amz-date", "x-amz-security-token"):
        assert own.get(header) == clients.get(header), header
    scope, signed, signature = own["authorization"].split(", ")
    assert scope == clients["authorization"].split(", ")[0]
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(signed.partition("=")[2].split(";"))
    assert len(signature.removeprefix("Signature=")) == 64


def test_the_answer_is_the_services_own(aws: Aws) -> None:
    assert Queues().send_message(**MESSAGE) == {"MessageId": "m-1"}


@pytest.mark.parametrize("fault", [LOST, THROTTLED, (500, {}), (503, {"__type": "ServiceUnavailable"}), (429, {})])
def test_what_may_pass_is_tried_again(aws: Aws, fault: tuple[int, dict[str, Any]]) -> None:
    aws.answers = [fault, fault]

    assert Queues().send_message(**MESSAGE) == {"MessageId": "m-1"}
    assert len(aws.requests) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [(LOST, HTTPClientError, None), (THROTTLED, ClientError, "RequestThrottled"), ((502, {}), ClientError, "502")],
)
def test_what_does_not_pass_is_given_up_in_the_end(
    aws: Aws, fault: tuple[int, dict[str, Any]], error: type[Exception], code: str | None
) -> None:
    aws.answers = [fault] * 10

    with pytest.raises(error) as refused:
        Queues().send_message(**MESSAGE)
    assert len(aws.requests) == MAX_ATTEMPTS
    if isinstance(refused.value, ClientError):
        assert refused.value.response["Error"]["Code"] == code


def test_a_refusal_is_reported_as_a_client_tells_it_and_not_tried_again(aws: Aws) -> None:
    aws.answers = [GONE]

    with pytest.raises(ClientError) as refused:
        Queues().send_message(**MESSAGE)
    assert refused.value.response["Error"] == {"Code": "QueueDoesNotExist", "Message": "no such queue"}
    assert refused.value.operation_name == "SendMessage"
    assert len(aws.requests) == 1


def test_a_parameter_that_is_not_there_has_the_code_its_reader_goes_by(aws: Aws) -> None:
    aws.answers = [(400, {"__type": "ParameterNotFound"})]

    with pytest.raises(ClientError) as refused:
        Parameters().get_parameter(Name="/a/b")
    assert refused.value.response["Error"]["Code"] == "ParameterNotFound"


def test_nobody_listening_is_an_error_of_the_connection(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(EndpointConnectionError):
        Queues().send_message(**MESSAGE)


def test_the_address_of_one_service_goes_before_that_of_all(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert Queues().send_message(**MESSAGE) == {"MessageId": "m-1"}


@pytest.mark.parametrize(
    ("absent", "error"),
    [
        ("AWS_REGION", NoRegionError),
        ("AWS_ACCESS_KEY_ID", NoCredentialsError),
        ("AWS_SECRET_ACCESS_KEY", NoCredentialsError),
    ],
)
def test_nothing_is_sent_unsigned(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, absent: str, error: type[Exception]
) -> None:
    monkeypatch.setenv(absent, "")
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(error):
        Queues().send_message(**MESSAGE)
    assert aws.requests == []


@pytest.mark.parametrize("partition", botocore.session.Session().get_available_partitions())
@pytest.mark.parametrize("service", ["ssm", "sqs"])
def test_every_region_is_called_where_a_client_would_call_it(
    monkeypatch: pytest.MonkeyPatch, partition: str, service: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    session = botocore.session.Session()
    regions = session.get_available_regions(service, partition)
    assert regions or partition.startswith("aws-iso") or partition == "aws-eusc"
    for region in (*regions[:2], *regions[-1:]):
        client = session.create_client(service, region_name=region)
        assert aws_calls._endpoint(service, region) == f"{client.meta.endpoint_url}/"
