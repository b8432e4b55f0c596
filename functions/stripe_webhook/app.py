"""Accepts Stripe's events: checks the signature of the raw body, queues it, then says yes.

Knows nothing of credits, of Stripe's fields but `object` and `id`, or of the table. A request whose
signature header is malformed or old costs no read. 200 means that SQS holds the event. Sending the
same event again is safe: the worker applies it once.
"""

import base64
import binascii
import json
import re
import time
import urllib.parse
from datetime import UTC, datetime
from functools import cache
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.aws.config import ConfigError, StripeWebhookConfig
from client_credits.aws.direct_calls import Parameters, Queues
from client_credits.aws.logs import logger
from client_credits.aws.secrets import SecretsUnavailable, StripeSecrets, TooManyStrangers, parameter_reader
from client_credits.domain.ids import is_id
from client_credits.domain.instants import instant_text
from client_credits.http import strict_json
from client_credits.http.problems import problem
from client_credits.stripe import signature as stripe_signature
from client_credits.stripe.signature import BadSignature, Fault

MAX_BODY_BYTES = 256_000
MAX_MESSAGE_BYTES = 261_000  # what a queue of 256 KiB takes, the two attributes aside
RETRY_AFTER_SECONDS = 30
EVENT_OBJECTS = ("event", "v2.core.event")  # a snapshot, and a thin event, which names an object to ask for

log = logger("stripe_webhook")

# An escape of half a surrogate pair: the only way to write text that cannot be stored as UTF-8.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Legal in JSON, refused by SQS.
_NOT_FOR_SQS = re.compile("[\ufffe\uffff]")


class WebhookRefused(Exception):
    """The request gets a problem answer. `reason` is for our log only; `provoked`: no fault of ours."""

    def __init__(self, status: int, code: str, detail: str, reason: str, *, provoked: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.detail = detail
        self.reason = reason
        self.provoked = provoked or status < 500


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """POST /webhooks/stripe/{practice_id} of an HTTP API, payload format 2.0."""
    request_id = event.get("requestContext", {}).get("requestId") or context.aws_request_id
    practice_id = _practice_id(event)
    try:
        event_id = _accept(event, practice_id, time.time())
    except WebhookRefused as refused:
        tell = log.warning if refused.provoked else log.error
        tell(refused.reason, request_id=request_id, practice_id=practice_id, event_id=None)
        return problem(
            refused.status,
            refused.code,
            refused.detail,
            request_id,
            retry_after_seconds=RETRY_AFTER_SECONDS if refused.status == 503 else None,
        )
    log.info("event accepted", request_id=request_id, practice_id=practice_id, event_id=event_id)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "X-Request-Id": request_id},
        "body": '{"received": true}',
        "isBase64Encoded": False,
    }


def _accept(event: dict[str, Any], practice_id: str | None, now: float) -> str | None:
    """Check and queue the event; its id. Raises WebhookRefused, and then nothing was sent."""
    config, secrets = _settings()
    body = _body(event)
    if len(body) > MAX_BODY_BYTES:
        raise WebhookRefused(413, "body_too_large", "The body exceeds 256,000 bytes.", "body too large")
    if practice_id is None:
        _refuse_signature("not a practice id")
    header = event.get("headers", {}).get("stripe-signature", "")
    try:
        _verify(body, header, practice_id, secrets, now)
    except BadSignature as bad:
        _refuse_signature(str(bad))
    except TooManyStrangers as many:
        raise WebhookRefused(503, "unavailable", "Try again later.", str(many), provoked=True) from many
    except SecretsUnavailable as unavailable:
        raise WebhookRefused(
            503, "unavailable", "Try again later.", f"secrets unavailable: {unavailable}"
        ) from unavailable
    text, event_id = _stripe_event(body)
    _send(config.stripe_queue_url, text, practice_id, now)
    return event_id


@cache
def _settings() -> tuple[StripeWebhookConfig, StripeSecrets]:
    try:
        config = StripeWebhookConfig.from_environment()
    except ConfigError as error:
        raise WebhookRefused(500, "misconfigured", "The service is not fully configured.", str(error)) from error
    return config, StripeSecrets(parameter_reader(Parameters()), config.secrets_prefix)


def _refuse_signature(reason: str) -> NoReturn:
    # One answer for every reason: nobody learns which practices exist.
    raise WebhookRefused(400, "bad_signature", "The Stripe-Signature header does not match the body.", reason)


def _practice_id(event: dict[str, Any]) -> str | None:
    """The id in the path, or None where it is no id. `%` is in no id, so decoding is safe."""
    text = urllib.parse.unquote((event.get("pathParameters") or {}).get("practice_id", ""))
    return text if is_id(text) else None


def _body(event: dict[str, Any]) -> bytes:
    """The body's bytes as Stripe signed them."""
    body: str = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            return base64.b64decode(body, validate=True)
        return body.encode()
    except (binascii.Error, ValueError) as error:
        raise WebhookRefused(400, "malformed_body", "The body cannot be decoded.", "undecodable body") from error


def _verify(body: bytes, header: str, practice_id: str, secrets: StripeSecrets, now: float) -> None:
    """Judge form and time first, which costs nothing; then the remembered secrets, then fresh ones.

    Raises BadSignature, TooManyStrangers, SecretsUnavailable.
    """
    claimed = stripe_signature.read_header(header, int(now))
    if stripe_signature.fits(body, claimed, secrets.active(practice_id, now)):
        return
    fresh = secrets.reread(practice_id, now)
    if fresh is None or not stripe_signature.fits(body, claimed, fresh):
        raise BadSignature(Fault.MISMATCH)


def _stripe_event(body: bytes) -> tuple[str, str | None]:
    """The body as text that SQS takes, and the event's id where it is a plain one."""
    try:
        text = body.decode()
        parsed = strict_json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _not_an_event("not JSON") from error
    if not isinstance(parsed, dict) or parsed.get("object") not in EVENT_OBJECTS:
        raise _not_an_event("not an event object")
    if strict_json.too_deep(parsed):
        raise _not_an_event("nested too deep")
    text = _NOT_FOR_SQS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise WebhookRefused(413, "body_too_large", "The body is too large to queue.", "text too large")
    event_id = parsed.get("id")
    return text, event_id if is_id(event_id) else None


def _not_an_event(reason: str) -> WebhookRefused:
    return WebhookRefused(400, "malformed_body", "The body is not a Stripe event object in JSON.", reason)


def _send(queue_url: str, text: str, practice_id: str, now: float) -> None:
    received_at = instant_text(datetime.fromtimestamp(now, UTC), "milliseconds")
    try:
        Queues().send_message(
            QueueUrl=queue_url,
            MessageBody=text,
            MessageAttributes={
                "practice_id": {"DataType": "String", "StringValue": practice_id},
                "received_at": {"DataType": "String", "StringValue": received_at},
            },
        )
    except (ClientError, BotoCoreError) as error:
        raise WebhookRefused(503, "unavailable", "Try again later.", f"not queued: {type(error).__name__}") from error
