"""The practice that a local stack begins with: its secrets, and one client so that tokens name somebody."""

import base64
import json
import secrets as random_source
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from client_credits.aws.secrets import OWN_KEY_BYTES, cursor_key_name, session_key_name
from client_credits.local import loopback
from client_credits.local.errors import LocalStackError
from client_credits.operations.context import OPERATOR, Context
from client_credits.operations.staff.practices import create_practice
from client_credits.store.store import Store
from client_credits.store.table import Table

PRACTICE_ID = "demo"
CLIENT_ID = "c-17"


def ensure_secrets(ssm: Any, secrets_prefix: str, practice_id: str) -> str:
    """Make the stack's own keys and the practice's Stripe secret where they are missing; returns the Stripe secret."""
    for name in (cursor_key_name(secrets_prefix), session_key_name(secrets_prefix)):
        _ensure(ssm, name, lambda: base64.b64encode(random_source.token_bytes(OWN_KEY_BYTES)).decode())
    stored = _ensure(
        ssm,
        f"{secrets_prefix}/stripe/{practice_id}",
        lambda: json.dumps({"current": f"whsec_{random_source.token_hex(24)}", "previous": None}),
    )
    return str(json.loads(stored)["current"])


def ensure_practice(dynamodb: Any, table_name: str, practice_id: str) -> None:
    """Make the practice with default settings and an empty catalogue where it is missing."""
    create_practice(Context(Store(Table(dynamodb, table_name)), practice_id, OPERATOR, datetime.now(UTC)))


def ensure_client(api_url: str, admin_token: str, client_id: str) -> None:
    """Make the client through the API, as the practice itself would. Safe to repeat."""
    status, answer = loopback.request(
        f"{api_url}/v1/clients/{client_id}",
        method="PUT",
        body=json.dumps({"id": client_id}).encode(),
        headers={"authorization": f"Bearer {admin_token}", "content-type": "application/json"},
    )
    if status >= HTTPStatus.BAD_REQUEST:
        raise LocalStackError(f"The API refused to make client {client_id}: {status} {answer.decode(errors='replace')}")


def _ensure(ssm: Any, name: str, make: Callable[[], str]) -> str:
    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        value = make()
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        return value
