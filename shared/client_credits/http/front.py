"""The front door of the API: what every request passes before a route sees it, and how refusals look.

In this order: the caller is known (401), the route and right checked (404, 405, 403), the body read
(413, 400), then the route runs, and every error it may raise becomes a problem answer.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import BotoCoreError, ClientError

from client_credits.aws.logs import logger
from client_credits.aws.secrets import CursorKeys, SecretsUnavailable
from client_credits.domain.errors import (
    Busy,
    Conflict,
    Invalid,
    NotFound,
    Problem,
    TooManyTries,
)
from client_credits.http import strict_json
from client_credits.http.access import QUESTIONS, ROUTES_OF, AccessVerdict, is_open, look_up, module_of
from client_credits.http.authentication import IdentityUnavailable, KeySetNotDue, Unauthenticated
from client_credits.http.identity import Authenticator, Caller, Role
from client_credits.http.problems import Refused, problem
from client_credits.http.request import Ask, Outside
from client_credits.operations.staff.directory import StaffDirectory
from client_credits.store.store import Store
from client_credits.store.table import Conflicted
from client_credits.stripe.api.errors import StripeUnavailable

MAX_BODY_BYTES = 256 * 1024
RETRY_AFTER_SECONDS = 1
MAX_FAULTS = 100  # listed in one refusal: Lambda takes no answer above 6 MB
WITH_BODY = {"POST", "PUT", "PATCH"}
WRITING = WITH_BODY | {"DELETE"}

GatewayResponse = dict[str, Any]
log = logger("api")


@cache
def router() -> APIGatewayHttpResolver:
    """The router without routes yet, and the answers for what routes refuse.

    One for the process: the modules of routes share its context, and a second one would take it from the first.
    """
    app = APIGatewayHttpResolver(enable_validation=True)
    app.exception_handler(RequestValidationError)(_invalid_request)
    app.not_found(_no_such_path)
    app.exception_handler(Exception)(_raised)  # or the router would log each refusal in words of its own
    return app


@cache
def include(module: str) -> None:
    """Loads a module of routes. Each takes a while, so that a new worker loads what its first request needs alone."""
    router().include_router(import_module(f"client_credits.http.routes.{module}").router)


def build() -> APIGatewayHttpResolver:
    """The router with every route."""
    for module in ROUTES_OF:
        include(module)
    return router()


@dataclass(frozen=True, slots=True)
class Front:
    """All that a request needs from the outside."""

    app: APIGatewayHttpResolver
    authenticator: Authenticator
    store: Store
    clock: Callable[[], datetime]
    cursor_keys: CursorKeys
    outside: Outside
    directory: StaffDirectory = field(default_factory=StaffDirectory)

    def handle(self, event: dict[str, Any], context: Any) -> GatewayResponse:
        """One request of an HTTP API, payload format 2.0; always an answer, never an exception."""
        http = event["requestContext"]["http"]
        request_id = str(event["requestContext"].get("requestId") or context.aws_request_id)
        log.clear_state()
        log.append_keys(request_id=request_id)
        try:
            answer = self._answer(event, context, request_id)
        except Exception as error:
            answer = refusal(error, request_id)
        log.info("answered", method=http["method"], status=answer["statusCode"])
        return answer

    def _answer(self, event: dict[str, Any], context: Any, request_id: str) -> GatewayResponse:
        # Decoded once and for all, so that who may call a path and which route it is are the same question.
        event = event | {"rawPath": unquote(str(event.get("rawPath", "/")))}
        method = event["requestContext"]["http"]["method"]
        caller = None if is_open(method, path_of(event)) else self._caller(event, method, path_of(event))
        if method in WITH_BODY:
            event = event | {"body": _checked_body(event), "isBase64Encoded": False}
            event["headers"] = event.get("headers", {}) | {"content-type": "application/json"}
        rehearsed = method in WRITING and _dry_run(event)
        store = self.store.rehearsal() if rehearsed else self.store
        ask = Ask(caller, store, self.clock(), self.cursor_keys, self.directory, self.outside)
        if module := module_of(method, path_of(event)):
            include(module)
        self.app.append_context(ask=ask)  # type: ignore[no-untyped-call]
        answer: GatewayResponse = self.app.resolve(event, context)
        writes = method in WRITING and not rehearsed and path_of(event) not in QUESTIONS
        if writes and ask.for_staff and answer["statusCode"] < 400:
            self._note(ask)
        answer.setdefault("headers", {})["X-Request-Id"] = request_id
        if answer["statusCode"] >= 400:
            answer["headers"]["content-type"] = "application/problem+json"
            answer["headers"].pop("Content-Type", None)
            content = json.loads(answer["body"]) | {"request_id": request_id}
            answer["body"] = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        return answer

    def _note(self, ask: Ask) -> None:
        """The name behind the actor of what was just written. The write stands whatever becomes of this."""
        if ask.caller.name is None and ask.caller.email is None:
            return
        try:
            self.directory.note(ask.context, ask.member)
        except (Conflicted, ClientError, BotoCoreError, SecretsUnavailable):
            log.warning("the directory of staff was not written")

    def _caller(self, event: dict[str, Any], method: str, path: str) -> Caller:
        """The caller, if it may call this route at all. Raises Refused, Unauthenticated, NotFound."""
        header = event.get("headers", {}).get("authorization")
        caller = self.authenticator.caller(header, self.clock().timestamp())
        access = look_up(method, path, caller.role)
        match access.verdict:
            case AccessVerdict.NO_SUCH_PATH:
                raise NotFound("There is no such path.")
            case AccessVerdict.NO_SUCH_METHOD:
                allow = ", ".join(access.methods)
                raise Refused(405, "method_not_allowed", f"Allowed methods for this path: {allow}.", Allow=allow)
            case AccessVerdict.FORBIDDEN:
                raise Refused(403, "forbidden", f"The role {caller.role} may not do this.")
            case AccessVerdict.ALLOWED:
                own = access.client_id in (None, caller.client_id)
                if caller.role is Role.CLIENT and not own:
                    raise NotFound("There is no such client.")
        return caller


def refusal(error: Exception, request_id: str) -> GatewayResponse:
    """The problem answer of an error: the one table of what each means over HTTP."""
    match error:
        case Refused():
            return problem(error.status, error.code, error.detail, request_id, headers=error.headers)
        case Unauthenticated():
            headers = {"WWW-Authenticate": error.www_authenticate}
            return problem(401, error.code, "Send a valid bearer token.", request_id, headers=headers)
        case Invalid():
            errors = [_listed(fault) for fault in error.errors]
            return problem(422, error.code, error.detail, request_id, errors=errors)
        case NotFound():
            return problem(404, error.code, error.detail, request_id)
        case Conflict():
            members: dict[str, Any] = error.facts
            return problem(409, error.code, error.detail, request_id, **members)
        case TooManyTries():
            return problem(429, error.code, error.detail, request_id, retry_after_seconds=error.retry_after_seconds)
        case KeySetNotDue():
            detail = "The token names a key that is not known yet. Send the same request again later."
            return problem(503, "unavailable", detail, request_id, retry_after_seconds=error.retry_after_seconds)
        case StripeUnavailable():
            log.exception("stripe")
            detail = "Stripe is not available. Send the same request again."
            return problem(503, "unavailable", detail, request_id, retry_after_seconds=RETRY_AFTER_SECONDS)
        case Busy() | IdentityUnavailable() | SecretsUnavailable() | ClientError() | BotoCoreError():
            log.exception("try again later")
            detail = "The service is busy. Send the same request again."
            return problem(503, "unavailable", detail, request_id, retry_after_seconds=RETRY_AFTER_SECONDS)
        case _:
            log.exception("unexpected")
            return problem(500, "internal_error", "An internal error occurred.", request_id)


def _listed(fault: Problem) -> dict[str, str]:
    return {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}


def _invalid_request(error: RequestValidationError) -> Response[str]:
    """Pydantic's faults as ours; what was sent is not repeated."""
    errors = [
        {"pointer": _pointer(fault["loc"]), "code": _CODES.get(fault["type"], fault["type"]), "detail": fault["msg"]}
        for fault in error.errors()[:MAX_FAULTS]
    ]
    return _response(problem(422, "invalid", "The request is not valid; see errors.", "", errors=errors))


def _no_such_path(_: Exception) -> Response[str]:
    """For a path that the router's own patterns do not take."""
    return _raised(NotFound("There is no such path."))


def _raised(error: Exception) -> Response[str]:
    return _response(refusal(error, ""))


def _response(answer: GatewayResponse) -> Response[str]:
    """A problem answer as the router takes it; the request's id is put in by the front."""
    headers = {k: v for k, v in answer["headers"].items() if k == "Retry-After"}
    return Response(answer["statusCode"], "application/problem+json", answer["body"], headers)


_CODES = {"extra_forbidden": "unknown_field"}


def _pointer(location: tuple[str | int, ...]) -> str:
    place, *rest = location or ("",)
    named = (step for step in rest if step != "[key]")  # how pydantic says: the key itself, not its value
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in named]
    return "/" + "/".join(steps if place == "body" else [str(place), *steps])


def path_of(event: dict[str, Any]) -> str:
    """The path without the stage, as it came."""
    path, stage = str(event.get("rawPath", "/")), event["requestContext"].get("stage", "$default")
    if stage != "$default" and path.startswith(f"/{stage}/"):
        return path[len(stage) + 1 :]
    return path


def _query(event: dict[str, Any]) -> dict[str, str]:
    return event.get("queryStringParameters") or {}


def _dry_run(event: dict[str, Any]) -> bool:
    """Whether a write is asked for without its effect. Raises Invalid for what is neither true nor false:
    to guess here could be to write what was not to be written."""
    given = _query(event).get("dry_run", "false")
    if given not in ("true", "false"):
        raise Invalid(
            "The request is not valid; see errors.", Problem("/query/dry_run", "bool_parsing", "true or false")
        )
    return given == "true"


def _checked_body(event: dict[str, Any]) -> str:
    """The body as JSON text that every reader takes alike. Raises Refused (413, 400)."""
    raw = event.get("body") or ""
    if len(raw) > 2 * MAX_BODY_BYTES:
        raise Refused(413, "body_too_large", "The body is larger than 256 KB.")
    try:
        body = base64.b64decode(raw, validate=True) if event.get("isBase64Encoded") else raw.encode()
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, "body_too_large", "The body is larger than 256 KB.")
        text = body.decode()
        parsed = strict_json.loads(text)
        json.dumps(parsed, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
    except (ValueError, RecursionError, binascii.Error) as error:
        raise Refused(400, "malformed_body", "The body is not valid JSON in UTF-8.") from error
    if not isinstance(parsed, dict):
        raise Refused(400, "malformed_body", "The body must be a JSON object.")
    if strict_json.too_deep(parsed):
        raise Refused(400, "malformed_body", f"The body nests more than {strict_json.MAX_DEPTH} levels deep.")
    return text
