"""Secrets kept in SSM Parameter Store: Stripe's signing secrets and API keys by practice, and keys of our own.

Owns the parameters' names and shapes and how long they are believed. Values never reach a log line
or an error message; nothing here is written, the `credits` command does that.
"""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.domain.ids import is_id

CACHE_SECONDS = 300
STALE_SECONDS = 3600  # ... and at most, while the store cannot be read
REREAD_SECONDS = 10  # how often a failing signature may cost a read, per practice
STRANGERS_PER_SECOND = 5  # how many practices nobody knows one worker looks up
ABSENT_SECONDS = 10  # how long a practice without secrets is remembered as such
MAX_CACHED_PRACTICES = 10_000
OWN_KEY_BYTES = 32
MAX_OWN_KEYS = 2  # the one in use, and the one before it

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
    """The parameter that holds the keys of list cursors."""
    return f"{prefix}/cursor-key"


def session_key_name(prefix: str) -> str:
    """The parameter that holds the keys of client sessions and client links."""
    return f"{prefix}/session-key"


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


def own_keys(read: ReadParameter, name: str) -> tuple[bytes, ...]:
    """Keys of our own: base64 of 32 bytes each, the newest first, by commas. One, or two while one is being rolled.

    Raises SecretsUnavailable where they are absent or malformed.
    """
    value = read(name) or ""
    try:
        keys = tuple(b64decode(part.strip(), validate=True) for part in value.split(","))
    except (Base64Error, ValueError):
        keys = ()
    if not 1 <= len(keys) <= MAX_OWN_KEYS or any(len(key) != OWN_KEY_BYTES for key in keys):
        raise SecretsUnavailable("keys of our own are absent or not one or two of 32 bytes in base64")
    return keys


class OwnKeys:
    """The keys of one parameter, remembered for CACHE_SECONDS, and longer while they cannot be read.

    `now` is in seconds; a request passes the same value to both methods.
    """

    def __init__(self, read: ReadParameter, name: str) -> None:
        self._read = read
        self._name = name
        self._keys: tuple[bytes, ...] = ()
        self._read_at = float("-inf")
        self._tried_at = float("-inf")  # when a read failed, or was made for what no key fitted

    def active(self, now: float) -> tuple[bytes, ...]:
        """The keys, the newest first. Raises SecretsUnavailable where none was ever read."""
        waiting = bool(self._keys) and now - self._tried_at < REREAD_SECONDS
        if now - self._read_at >= CACHE_SECONDS and not waiting:
            self._refresh(now)
        return self._keys

    def reread(self, now: float) -> tuple[bytes, ...] | None:
        """The keys read anew because none of the active ones fitted.

        None where that could not help: they were read for this very request, are unchanged, or were
        read anew less than REREAD_SECONDS ago.
        """
        if self._read_at == now or now - self._tried_at < REREAD_SECONDS:
            return None
        before, self._tried_at = self._keys, now
        self._refresh(now)
        return self._keys if self._keys != before else None

    def _refresh(self, now: float) -> None:
        try:
            self._keys = own_keys(self._read, self._name)
        except SecretsUnavailable:
            self._tried_at = now
            if not self._keys:
                raise
        else:
            self._read_at = now


class CursorKeys(OwnKeys):
    """The keys of list cursors."""

    def __init__(self, read: ReadParameter, prefix: str) -> None:
        super().__init__(read, cursor_key_name(prefix))


class SessionKeys(OwnKeys):
    """The keys of client sessions, and of the links that lead to one."""

    def __init__(self, read: ReadParameter, prefix: str) -> None:
        super().__init__(read, session_key_name(prefix))


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


class TooManyStrangers(SecretsUnavailable):
    """This practice is new to the worker, which has looked up enough new ones this second."""


class _SecretsRead(NamedTuple):
    secrets: tuple[str, ...]
    read_at: float
    tried_at: float  # when a read beyond the first was last tried


class StripeSecrets:
    """The active signing secrets of each practice, remembered for CACHE_SECONDS.

    Anyone may post under invented practice ids. So two memories stand apart: practices that have
    secrets, and for ABSENT_SECONDS those that have none. An invented id never enters the first. A
    practice in neither is a stranger, and one worker looks up at most STRANGERS_PER_SECOND of these.

    `now` is in seconds on any clock that does not go back far; a request passes the same value to
    both methods.
    """

    def __init__(self, read: ReadParameter, prefix: str) -> None:
        self._read = read
        self._prefix = prefix
        self._held: dict[str, _SecretsRead] = {}  # the one unused longest comes first
        self._absent: dict[str, float] = {}  # since when; the oldest comes first
        self._lookups: deque[float] = deque(maxlen=STRANGERS_PER_SECOND)

    def active(self, practice_id: str, now: float) -> tuple[str, ...]:
        """The current and previous secret, as far as there are any.

        While the store cannot be read, secrets that were read before count for STALE_SECONDS.
        Raises TooManyStrangers, SecretsUnavailable, and ValueError where `practice_id` is not an id.
        """
        held = self._held.get(practice_id)
        if held is None:
            return self._of_a_stranger(practice_id, now)
        if now - held.read_at >= CACHE_SECONDS:
            return self._renewed(practice_id, held, now)
        self._hold(practice_id, held)
        return held.secrets

    def reread(self, practice_id: str, now: float) -> tuple[str, ...] | None:
        """The secrets read anew because a signature fitted none of the active ones.

        None where that could not help: the practice has none, they were read for this very request,
        are unchanged, or a read was tried less than REREAD_SECONDS ago. Raises SecretsUnavailable.
        """
        held = self._held.get(practice_id)
        if held is None or held.read_at == now or now - held.tried_at < REREAD_SECONDS:
            return None
        # Noted first: a read that fails counts too, or an outage would be hammered.
        self._hold(practice_id, held._replace(tried_at=now))
        secrets = self._refresh(practice_id, now, now)
        return secrets if secrets != held.secrets else None

    def _of_a_stranger(self, practice_id: str, now: float) -> tuple[str, ...]:
        since = self._absent.get(practice_id)
        if since is not None and now - since < ABSENT_SECONDS:
            return ()
        if len(self._lookups) == STRANGERS_PER_SECOND and 0 <= now - self._lookups[0] < 1:
            raise TooManyStrangers("too many unknown practices this second")
        self._lookups.append(now)
        return self._refresh(practice_id, now, float("-inf"))

    def _renewed(self, practice_id: str, held: _SecretsRead, now: float) -> tuple[str, ...]:
        stale = now - held.read_at >= STALE_SECONDS
        if not stale and now - held.tried_at < REREAD_SECONDS:
            return held.secrets
        self._hold(practice_id, held._replace(tried_at=now))
        try:
            return self._refresh(practice_id, now, held.tried_at)
        except SecretsUnavailable:
            if stale:
                raise
            return held.secrets

    def _refresh(self, practice_id: str, now: float, tried_at: float) -> tuple[str, ...]:
        secrets = _active(self._read(parameter_name(self._prefix, practice_id)))
        if secrets:
            self._hold(practice_id, _SecretsRead(secrets, now, tried_at))
        else:
            self._held.pop(practice_id, None)
            self._note_absent(practice_id, now)
        return secrets

    def _hold(self, practice_id: str, read: _SecretsRead) -> None:
        self._absent.pop(practice_id, None)
        self._held.pop(practice_id, None)
        if len(self._held) >= MAX_CACHED_PRACTICES:
            del self._held[next(iter(self._held))]
        self._held[practice_id] = read

    def _note_absent(self, practice_id: str, now: float) -> None:
        """What is over is forgotten, so there are about ABSENT_SECONDS * STRANGERS_PER_SECOND at most."""
        self._absent = {each: since for each, since in self._absent.items() if 0 <= now - since < ABSENT_SECONDS} | {
            practice_id: now
        }


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
