"""The HTTP API: staff's and widgets' questions and changes, over /v1. Routes are in client_credits.http."""

import json
from functools import cache
from typing import Any

from client_credits.aws.clients import client
from client_credits.aws.config import ApiConfig
from client_credits.aws.files import Bucket
from client_credits.aws.job_queue import JobQueue
from client_credits.aws.queue_lengths import QueueLengths
from client_credits.aws.secrets import CursorKeys, SessionKeys, parameter_reader
from client_credits.aws.worker import store_on, utc_now
from client_credits.http.front import Front, build, log, path_of, refusal, router
from client_credits.http.identity import Authenticator, ClaimNames
from client_credits.http.openapi import document
from client_credits.http.request import Outside
from client_credits.http.sessions import Sessions
from client_credits.stripe.checkout import Checkouts
from client_credits.stripe.events.frame import Mode


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request of the HTTP API, payload format 2.0."""
    request_id = str(event["requestContext"].get("requestId") or context.aws_request_id)
    if event["requestContext"]["http"]["method"] == "GET":
        match path_of(event):
            case "/healthz":
                return _plain({"status": "ok"}, request_id)
            case "/v1/openapi.json":
                return _plain(_document(), request_id)
    try:
        front = _front()
    except Exception as error:
        log.clear_state()
        log.append_keys(request_id=request_id)
        return refusal(error, request_id)
    return front.handle(event, context)


@cache
def _front() -> Front:
    config = ApiConfig.from_environment()
    claims = ClaimNames(config.claim_practice, config.claim_role, config.claim_client)
    keys = SessionKeys(_read_parameter, config.secrets_prefix)
    session = Sessions(keys).caller
    return Front(
        app=router(),
        authenticator=Authenticator(config.issuer, config.audience, config.jwks_url, claims, session=session),
        store=store_on(config.table_name),
        clock=utc_now,
        cursor_keys=CursorKeys(_read_parameter, config.secrets_prefix),
        outside=_outside(config, keys),
    )


def _outside(config: ApiConfig, keys: SessionKeys) -> Outside:
    mode: Mode = config.stripe_mode  # type: ignore[assignment]  # the configuration has checked it
    checkouts = Checkouts(_read_parameter, config.secrets_prefix, mode, config.stripe_api_base)
    return Outside(
        session_keys=keys,
        client_page_url=config.client_page_url.replace("API_ID", config.api_id),
        checkouts=checkouts,
        wake=JobQueue(config.jobs_queue_url).send,
        address=Bucket(config.files_bucket).address,
        stripe_mode=config.stripe_mode,
        dead_letters=QueueLengths(lambda: client("sqs"), config.dead_letters),
        origins=config.cors_origins,
    )


def _read_parameter(name: str) -> str | None:
    """Few requests read one, so the client is made when the first is asked for."""
    return parameter_reader(client("ssm"))(name)


@cache
def _document() -> dict[str, Any]:
    return document(build())


def _plain(body: dict[str, Any], request_id: str) -> dict[str, Any]:
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "X-Request-Id": request_id},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
