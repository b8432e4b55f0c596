"""Faults between a DynamoDB client and its engine, one HTTP attempt at a time.

Botocore runs every `before-send` handler and keeps the first answer, so a fault registered beside
moto's own handler would leave moto applying what the client believes failed. Here moto's handler is
taken off, and the one handler that remains decides whether the request is sent, and what comes back.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any
from uuid import uuid4

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from tests.support.engines import Engine, Send, moto_stubber

ALWAYS = 1_000
TOKEN_SECONDS = 600


class Crash(BaseException):
    """The process dies here: nothing in the code under test may catch it."""


class Fault(StrEnum):
    LOST_REQUEST = "lost request"  # never arrives; the client times out
    LOST_RESPONSE = "lost response"  # is carried out; the client times out
    THROTTLE = "throttle"
    SERVER_ERROR = "server error"
    CONFLICT = "conflict"  # another transaction is in the way; botocore does not retry it
    IN_PROGRESS = "in progress"  # the same transaction is still being carried out
    UNPROCESSED = "unprocessed"  # a batch read leaves the second half of its keys undone
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"


_TRANSACTIONS_ONLY = frozenset({Fault.CONFLICT, Fault.IN_PROGRESS})
_APPLIES = frozenset({Fault.LOST_RESPONSE, Fault.CRASH_AFTER})


def applicable(fault: Fault, api: str) -> bool:
    """Whether DynamoDB could answer a call of this API so."""
    if fault in _TRANSACTIONS_ONLY:
        return api == "TransactWriteItems"
    return api == "BatchGetItem" if fault is Fault.UNPROCESSED else True


@dataclass(frozen=True, slots=True)
class Plan:
    """Strikes the attempts of call number `call` (from 0), at most `attempts` of them.

    `calls` > 1 strikes the calls that follow, too. Botocore makes 3 attempts of its own.
    """

    fault: Fault
    call: int
    attempts: int = 1
    calls: int = 1

    def __str__(self) -> str:
        many = f", {self.calls} calls" if self.calls > 1 else ""
        return f"{self.fault} at call {self.call}, {self.attempts} attempts{many}"


class Injector:
    """The one `before-send` handler of a client. Not thread-safe: faults are planned call by call."""

    def __init__(self, client: Any, send: Send) -> None:
        self._send = send
        self._plan: Plan | None = None
        self.calls: list[str] = []  # APIs called since the last plan, in order
        self.struck = 0  # attempts that a fault has hit since then
        self._attempts = 0
        client.meta.events.unregister("before-send", moto_stubber())
        client.meta.events.register("before-call.dynamodb", self._begin)
        client.meta.events.register("before-send.dynamodb", self._attempt)

    def plan(self, plan: Plan | None) -> None:
        """Forgets what was counted, and strikes as planned from here on."""
        self._plan, self.calls, self.struck = plan, [], 0

    def _begin(self, model: Any, **_: Any) -> None:
        self.calls.append(model.name)
        self._attempts = 0

    def _attempt(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self._attempts += 1
        plan, call = self._plan, len(self.calls) - 1
        within = plan and plan.call <= call < plan.call + plan.calls
        if plan is None or not within or self._attempts > plan.attempts:
            return self._send(request)
        if not applicable(plan.fault, self.calls[call]):
            return self._send(request)
        self.struck += 1
        return self._strike(plan.fault, request)

    def _strike(self, fault: Fault, request: AWSPreparedRequest) -> AWSResponse:
        if fault in _APPLIES:
            self._send(request)
        match fault:
            case Fault.LOST_REQUEST | Fault.LOST_RESPONSE:
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.CRASH_BEFORE | Fault.CRASH_AFTER:
                raise Crash(fault)
            case Fault.THROTTLE:
                return refusal(request, "ProvisionedThroughputExceededException")
            case Fault.SERVER_ERROR:
                return refusal(request, "InternalServerError", status=500)
            case Fault.IN_PROGRESS:
                return refusal(request, "TransactionInProgressException")
            case Fault.UNPROCESSED:
                return _half_done(request, self._send(request))
            case Fault.CONFLICT:
                items = len(json.loads(request.body)["TransactItems"])
                codes = ["TransactionConflict", *["None"] * (items - 1)]
                return cancelled(request, codes)


def refusal(request: AWSPreparedRequest, code: str, status: int = 400, **members: Any) -> AWSResponse:
    """An error answer as DynamoDB words it."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return _answer(request, status, {"__type": kind, "message": code, **members})


def cancelled(request: AWSPreparedRequest, codes: list[str]) -> AWSResponse:
    """A transaction refused, with one reason per item."""
    reasons = [{"Code": code} for code in codes]
    return refusal(request, "TransactionCanceledException", CancellationReasons=reasons)


def _half_done(request: AWSPreparedRequest, answer: AWSResponse) -> AWSResponse:
    """A batch read's answer without the second half of the keys asked for."""
    ((table, asked),) = json.loads(request.body)["RequestItems"].items()
    half = len(asked["Keys"]) // 2
    done, undone = asked["Keys"][:half], asked["Keys"][half:]
    found = json.loads(answer.content)["Responses"].get(table, [])
    kept = [item for item in found if any(key.items() <= item.items() for key in done)]
    left = {table: asked | {"Keys": undone}}
    return _answer(request, 200, {"Responses": {table: kept}, "UnprocessedKeys": left})


def _answer(request: AWSPreparedRequest, status: int, body: dict[str, Any]) -> AWSResponse:
    return _response(request, status, {}, json.dumps(body).encode())


def _response(request: AWSPreparedRequest, status: int, headers: Any, content: bytes) -> AWSResponse:
    return AWSResponse(request.url, status, headers, _Body(content))


class _Body(BytesIO):
    """What AWSResponse reads its content from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class RememberedTokens:
    """What DynamoDB does with ClientRequestToken and moto does not.

    For ten minutes, the token of a transaction that succeeded gets that success again, and is refused
    with other content.
    """

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._done: dict[str, tuple[float, dict[str, Any], AWSResponse]] = {}

    def __call__(self, request: AWSPreparedRequest) -> AWSResponse:
        body = json.loads(request.body)
        token = body.get("ClientRequestToken")
        if token is None:
            return self._send(request)
        at, before, answer = self._done.get(token, (float("-inf"), {}, None))
        if self._clock() - at < TOKEN_SECONDS and answer is not None:
            if before != body:
                return refusal(request, "IdempotentParameterMismatchException")
            return _response(request, answer.status_code, answer.headers, answer.content)
        answer = self._send(request)
        if answer.status_code == 200:
            self._done[token] = (self._clock(), body, answer)
        return answer


class ForgottenTokens:
    """An engine that keeps tokens, as one that keeps none: each attempt comes with a token of its own.

    So is DynamoDB once ten minutes have passed: what a write is guarded by then is its conditions alone.
    """

    def __init__(self, send: Send) -> None:
        self._send = send

    def __call__(self, request: AWSPreparedRequest) -> AWSResponse:
        token = json.loads(request.body).get("ClientRequestToken")
        if token:  # of the same length, so that the headers hold
            request.body = request.body.replace(token.encode(), str(uuid4()).encode())
        return self._send(request)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A client whose requests pass through its injector. `clock` is the tokens', in seconds."""

    client: Any
    injector: Injector
    clock: list[float]


def faulty(engine: Engine, *, tokens: bool = True) -> Faulty:
    """A new client of `engine` with an injector. `tokens`: what becomes of a repeated transaction's."""
    client = engine.client()
    clock = [0.0]
    wire = _wire(engine.sender(client))
    if engine.endpoint_url is None:
        wire = RememberedTokens(wire, lambda: clock[0]) if tokens else wire
    elif not tokens:
        wire = ForgottenTokens(wire)
    return Faulty(client, Injector(client, wire), clock)


def _wire(send: Any) -> Send:
    """moto's handler is called by keyword and with an event's name, an HTTP session with a request."""
    if send is not moto_stubber():
        return send  # type: ignore[no-any-return]

    def through_moto(request: AWSPreparedRequest) -> AWSResponse:
        answer = send("before-send", request)
        assert answer is not None, "moto did not take the request: no mock is active"
        return answer

    return through_moto
