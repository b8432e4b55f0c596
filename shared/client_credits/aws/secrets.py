"""Secrets kept in SSM Parameter Store: Stripe's signing secrets and API keys by practice, and the cursor key.

Owns the parameters' names and shapes and how long they are believed. Values never reach a log line
or an error message; nothing here is written, the `credits` command does that.
"""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.domain.ids import is_id

CACHE_SECONDS = 300
REREAD_SECONDS = 10  # how often a failing signature may cost a read, per practice
MAX_CACHED_PRACTICES = 1000
CURSOR_KEY_BYTES = 32

# The value of a parameter by its name; None where there is none. Raises SecretsUnavailable.
ReadParameter = Callable[[str], str | None]


class SecretsUnavailable(Exception):
    """The secrets could not be read now, or are not in their documented shape. Try again later."""


def parameter_name(prefix: str, practice_id: str) -> str:
    """The parameter that holds the Stripe secrets of `practice_id`.

    SSM allows A-Za-z0-9_.- in a name, ids also `:` and `~`. Those two become `.3a` and `.7e`, and
    the escape character itself `.2e`, so that two ids never share a name and the name gives the id
    back. Raises ValueError where `practice_id` is not an id.
    """
    return f"{prefix}/stripe/{_escaped(practice_id)}"


def api_key_name(prefix: str, practice_id: str) -> str:
    """The parameter that may hold the Stripe API key of `practice_id`. Raises ValueError as `parameter_name` does."""
    return f"{_api_keys(prefix)}/{_escaped(practice_id)}"


def _api_keys(prefix: str) -> str:
    return f"{prefix}/stripe-api-key"


def _escaped(practice_id: str) -> str:
    if not is_id(practice_id):
        raise ValueError("not a practice id")
    return re.sub(r"[.:~]", lambda found: f".{ord(found.group()):02x}", practice_id)


def cursor_key_name(prefix: str) -> str:
    """The parameter that holds the key of list cursors, base64 of 32 bytes."""
    return f"{prefix}/cursor-key"


def parameter_reader(ssm: Any) -> ReadParameter:
    """Reads decrypted parameters through a botocore SSM client."""

    def read(name: str) -> str | None:
        try:
            found = ssm.get_parameter(Name=name, WithDecryption=True)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise SecretsUnavailable(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise SecretsUnavailable(type(error).__name__) from error
        value: str = found["Parameter"]["Value"]
        return value

    return read


def cursor_key(read: ReadParameter, prefix: str) -> bytes:
    """The key of list cursors. Raises SecretsUnavailable where it is absent or malformed."""
    value = read(cursor_key_name(prefix))
    try:
        key = b64decode(value or "", validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) != CURSOR_KEY_BYTES:
        raise SecretsUnavailable("the cursor key is absent or not base64 of 32 bytes")
    return key


def stripe_api_key(read: ReadParameter, prefix: str, practice_id: str) -> str | None:
    """The practice's Stripe API key; None where it has none, and then nothing is asked of Stripe.

    Raises SecretsUnavailable, and ValueError where `practice_id` is not an id.
    """
    value = (read(api_key_name(prefix, practice_id)) or "").strip()
    if not value.isascii() or any(character.isspace() for character in value):
        raise SecretsUnavailable("a practice's API key is not one word")
    return value or None


def practices_with_api_key(ssm: Any, prefix: str) -> list[str]:
    """The practices that have an API key, in order of their ids. Raises SecretsUnavailable."""
    begins = f"{_api_keys(prefix)}/"
    asked: dict[str, Any] = {"Path": _api_keys(prefix), "WithDecryption": False}
    found: list[str] = []
    try:
        while True:
            page = ssm.get_parameters_by_path(**asked)
            found += [each["Name"].removeprefix(begins) for each in page["Parameters"]]
            if not page.get("NextToken"):
                break
            asked["NextToken"] = page["NextToken"]
    except ClientError as error:
        raise SecretsUnavailable(error.response["Error"]["Code"]) from error
    except BotoCoreError as error:
        raise SecretsUnavailable(type(error).__name__) from error
    return sorted(re.sub(r"\.([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), name) for name in found)


class _Read(NamedTuple):
    secrets: tuple[str, ...]
    read_at: float
    reread_at: float  # when a failing signature last cost a read


class StripeSecrets:
    """The active signing secrets of each practice, remembered for CACHE_SECONDS.

    A practice without a parameter has no secrets, and is remembered as such. `now` is in seconds
    on any clock that does not go back far; a request passes the same value to both methods.
    """

    def __init__(self, read: ReadParameter, prefix: str) -> None:
        self._read = read
        self._prefix = prefix
        self._by_practice: dict[str, _Read] = {}

    def active(self, practice_id: str, now: float) -> tuple[str, ...]:
        """The current and previous secret, as far as there are any.

        Raises SecretsUnavailable, and ValueError where `practice_id` is not an id.
        """
        known = self._by_practice.get(practice_id)
        if known is not None and now - known.read_at < CACHE_SECONDS:
            self._remember(practice_id, known)
            return known.secrets
        return self._refresh(practice_id, now, known.reread_at if known else float("-inf"))

    def reread(self, practice_id: str, now: float) -> tuple[str, ...] | None:
        """The secrets read anew because a signature fitted none of the active ones.

        None where that could not help: they were read for this very request, are unchanged, or
        were read anew less than REREAD_SECONDS ago. Raises as `active` does.
        """
        known = self._by_practice.get(practice_id)
        if known is None or known.read_at == now or now - known.reread_at < REREAD_SECONDS:
            return None
        # Noted first: a read that fails counts too, or an outage would be hammered.
        self._remember(practice_id, _Read(known.secrets, known.read_at, now))
        secrets = self._refresh(practice_id, now, now)
        return secrets if secrets != known.secrets else None

    def _refresh(self, practice_id: str, now: float, reread_at: float) -> tuple[str, ...]:
        secrets = _active(self._read(parameter_name(self._prefix, practice_id)))
        self._remember(practice_id, _Read(secrets, now, reread_at))
        return secrets

    def _remember(self, practice_id: str, read: _Read) -> None:
        # Anyone may post under invented ids: the one unused longest makes room.
        self._by_practice.pop(practice_id, None)
        if len(self._by_practice) >= MAX_CACHED_PRACTICES:
            del self._by_practice[next(iter(self._by_practice))]
        self._by_practice[practice_id] = read


def _active(value: str | None) -> tuple[str, ...]:
    """The secrets of a parameter's JSON `{"current": "whsec_...", "previous": null}`."""
    if value is None:
        return ()
    try:
        stored = json.loads(value)
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        raise SecretsUnavailable("a practice's secrets are not a JSON object")
    held = (stored.get("current"), stored.get("previous"))
    if not all(secret is None or (isinstance(secret, str) and secret.isascii()) for secret in held):
        raise SecretsUnavailable("a practice's secrets are not ASCII strings")
    return tuple(secret for secret in held if secret and secret.strip())
