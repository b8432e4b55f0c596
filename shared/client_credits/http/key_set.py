"""The issuer's keys: fetched when needed, remembered, and fetched again as they rotate."""

import json
import logging
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from client_credits.http.authentication import IdentityUnavailable, KeySetNotDue, Unauthenticated

FETCH_TIMEOUT_SECONDS = 2
KEY_SET_SECONDS = 600  # how long a key set is believed before it is read again
KEY_SET_STALE_SECONDS = 86_400  # ... and at most, while it cannot be read
REFETCH_SECONDS = 60  # how often unknown key ids may cost a fetch
REFETCH_EMPTY_SECONDS = 5  # the same while no key is known at all, and nobody can be served
MAX_KEY_SET_BYTES = 262_144
MIN_KEY_BITS = 2048


# The bytes of the key set. Raises IdentityUnavailable.
FetchKeySet = Callable[[], bytes]


class KeySet:
    """The issuer's RSA keys by id, fetched when needed and again as they rotate."""

    def __init__(self, fetch: FetchKeySet) -> None:
        self._fetch = fetch
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._asked_at = float("-inf")  # when an unknown key id last cost a fetch
        self._failed = False

    def get(self, key_id: str, now: float) -> RSAPublicKey:
        """The key of that id. Raises Unauthenticated if the issuer has none at `now`, or
        IdentityUnavailable if that cannot be said: the set cannot be read, or not again yet.
        """
        if now - self._fetched_at >= KEY_SET_STALE_SECONDS:
            self._keys = {}  # keys withdrawn meanwhile must not live for ever
        due = self._is_due(key_id, now)
        if due:
            self._refresh(now)
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if self._failed:
            raise IdentityUnavailable("the issuer's key set cannot be read")
        if due:
            raise Unauthenticated("unknown_key")
        raise KeySetNotDue(self._seconds_until_due(now))

    def _seconds_until_due(self, now: float) -> int:
        """When an unknown key id may cost a fetch again: 1 to REFETCH_SECONDS."""
        return min(max(math.ceil(self._asked_at + REFETCH_SECONDS - now), 1), REFETCH_SECONDS)

    def _is_due(self, key_id: str, now: float) -> bool:
        """Whether to fetch now. Anyone may send invented key ids, so these have a clock apart."""
        if not self._keys:
            return now - self._tried_at >= REFETCH_EMPTY_SECONDS
        if now - self._fetched_at >= KEY_SET_SECONDS:
            return now - self._tried_at >= REFETCH_SECONDS
        if key_id in self._keys or now - self._asked_at < REFETCH_SECONDS:
            return False
        self._asked_at = now
        return True

    def _refresh(self, now: float) -> None:
        self._tried_at = now
        try:
            keys = _rsa_keys(self._fetch())
        except IdentityUnavailable as error:
            # The only sign of an issuer that fails while its keys are still remembered.
            logging.getLogger(__name__).warning("key set not read: %s", error)
            self._failed = True
            return
        self._keys, self._fetched_at, self._failed = keys, now, False


def _rsa_keys(key_set: bytes) -> dict[str, RSAPublicKey]:
    """The usable keys of a JSON Web Key Set; other kinds are skipped. None at all is a failure."""
    try:
        members = json.loads(key_set)["keys"]
        keys = {each["kid"]: _rsa_key(each) for each in members if _is_for_rs256(each)}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IdentityUnavailable("not a key set") from error
    usable = {key_id: key for key_id, key in keys.items() if key is not None}
    if not usable:
        raise IdentityUnavailable("a key set without a usable key")
    return usable


def _is_for_rs256(member: Any) -> bool:
    return (
        isinstance(member, dict)
        and member.get("kty") == "RSA"
        and isinstance(member.get("kid"), str)
        and member.get("use", "sig") == "sig"
        and member.get("alg", "RS256") == "RS256"
    )


def _rsa_key(member: Mapping[str, Any]) -> RSAPublicKey | None:
    """The public key of one member, or None where it is broken or too small to trust."""
    try:
        public_half = {"kty": "RSA", "n": member["n"], "e": member["e"]}
        key = RSAAlgorithm.from_jwk(public_half)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        return None
    return key


def fetch_key_set(url: str) -> bytes:
    """GET `url`, at most MAX_KEY_SET_BYTES and about FETCH_TIMEOUT_SECONDS.

    Raises IdentityUnavailable for anything but a whole answer with status 200.
    """
    deadline = time.monotonic() + FETCH_TIMEOUT_SECONDS
    body = b""
    try:
        with _opener().open(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
            while piece := answer.read1(65_536):
                body += piece
                if len(body) > MAX_KEY_SET_BYTES or time.monotonic() > deadline:
                    raise IdentityUnavailable("the key set is too large or too slow")
    except urllib.error.HTTPError as error:
        raise IdentityUnavailable(f"the key set answers {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise IdentityUnavailable(type(error).__name__) from error
    return body


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https and nothing else, and follows no redirect: one address is trusted."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
