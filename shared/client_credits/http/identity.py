"""Who is asking: an RS256 access token of the configured issuer becomes a Caller.

Owns the token's checks and the issuer's key set. Knows no routes and no permissions. Tenancy comes
from the token alone.
"""

import json
import logging
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPException
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from client_credits.domain.ids import is_id

LEEWAY_SECONDS = 30
MAX_TOKEN_CHARACTERS = 8192
MAX_SUBJECT_CHARACTERS = 255  # OpenID Connect's own bound
MAX_LIFE_SECONDS = 86_400  # from a token's iat, or from now where it has none, to its exp
MAX_INSTANT = 253_402_300_799  # the end of the year 9999, in unix seconds

FETCH_TIMEOUT_SECONDS = 2
KEY_SET_SECONDS = 600  # how long a key set is believed before it is read again
KEY_SET_STALE_SECONDS = 86_400  # ... and at most, while it cannot be read
REFETCH_SECONDS = 60  # how often unknown key ids may cost a fetch
REFETCH_EMPTY_SECONDS = 5  # the same while no key is known at all, and nobody can be served
MAX_KEY_SET_BYTES = 262_144
MIN_KEY_BITS = 2048


class Role(StrEnum):
    ADMIN = "admin"
    STAFF = "staff"
    SERVICE = "service"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. `client_id` is set for role client and for no other."""

    practice_id: str
    role: Role
    client_id: str | None
    subject: str
    name: str | None = None  # what the token calls the person; never part of entries, keys, events or logs
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Under which names the issuer's tokens carry what we need.

    Never `client_id`: access tokens use it for the application (RFC 9068).
    """

    practice: str = "credits_practice"
    role: str = "credits_role"
    client: str = "credits_client"


class Unauthenticated(Exception):
    """The token is missing or not valid: 401. `code` is stable and never holds contents of the token."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def www_authenticate(self) -> str:
        """The WWW-Authenticate header of the answer (RFC 6750: no error code without a token)."""
        return "Bearer" if self.code == "missing_token" else 'Bearer error="invalid_token"'


class IdentityUnavailable(Exception):
    """The issuer's keys cannot be read now, so a token can be neither believed nor refused: 503."""


class KeySetNotDue(IdentityUnavailable):
    """The token names a key we do not know, and the key set may not be read again yet.

    The key may be a new one, so the caller is to try again after `retry_after_seconds`.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("an unknown key while the key set may not be read again")
        self.retry_after_seconds = retry_after_seconds


# The bytes of the key set. Raises IdentityUnavailable.
FetchKeySet = Callable[[], bytes]


class Authenticator:
    """Turns Authorization headers into Callers. One per process, for its cache of keys."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str,
        claims: ClaimNames,
        fetch: FetchKeySet | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._keys = _KeySet(fetch or (lambda: fetch_key_set(jwks_url)))

    def caller(self, authorization_header: str | None, now: float) -> Caller:
        """The caller whom the header's bearer token proves at `now` (unix seconds).

        Raises Unauthenticated, or IdentityUnavailable, and nothing else, whatever the header holds.
        """
        token = _bearer_token(authorization_header)
        key = self._keys.get(_key_id(token), now)
        return self._caller(self._verified(token, key, now))

    def _verified(self, token: str, key: RSAPublicKey, now: float) -> Mapping[str, Any]:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    # The library reads its own clock; ours is an argument.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError as error:
            raise Unauthenticated("wrong_audience") from error
        except jwt.InvalidIssuerError as error:
            raise Unauthenticated("wrong_issuer") from error
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated("missing_claim") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("invalid_token") from error
        _check_times(claims, now)
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        practice_id = _id(claims.get(self._claims.practice), otherwise="no_practice")
        role = _role(claims.get(self._claims.role))
        client_id = None
        if role is Role.CLIENT:
            # Other tokens may carry OAuth's own client_id, which names an application.
            client_id = _id(claims.get(self._claims.client), otherwise="no_client")
        subject, email = _subject(claims["sub"]), _text(claims.get("email"))
        email = email or (subject if "@" in subject else None)
        return Caller(practice_id, role, client_id, subject, _text(claims.get("name")), email)


def _bearer_token(header: str | None) -> str:
    if not header:
        raise Unauthenticated("missing_token")
    if len(header) > MAX_TOKEN_CHARACTERS + len("Bearer "):
        raise Unauthenticated("token_too_large")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("not_a_bearer_token")
    if not token.isascii() or token.count(".") != 2 or not token.isprintable() or " " in token:
        raise Unauthenticated("malformed_token")
    return token


def _key_id(token: str) -> str:
    """The id of the key that the token claims to be signed with."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise Unauthenticated("malformed_token") from error
    if header.get("alg") != "RS256":
        raise Unauthenticated("wrong_algorithm")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise Unauthenticated("no_key_id")
    return key_id


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """From `nbf` until just before `exp`, each with the leeway; and no longer life than MAX_LIFE_SECONDS."""
    times = {name: _instant(claims[name]) for name in ("exp", "nbf", "iat") if name in claims}
    expires_at = times["exp"]
    if now >= expires_at + LEEWAY_SECONDS:
        raise Unauthenticated("token_expired")
    if now < times.get("nbf", 0) - LEEWAY_SECONDS:
        raise Unauthenticated("token_not_yet_valid")
    # An iat that lies ahead lengthens no life.
    if expires_at - min(times.get("iat", now), now) > MAX_LIFE_SECONDS + LEEWAY_SECONDS:
        raise Unauthenticated("token_lives_too_long")


def _instant(value: object) -> float:
    """Unix seconds up to the year 9999. Raises Unauthenticated for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_INSTANT:
        return value
    raise Unauthenticated("invalid_token")


def _id(value: object, otherwise: str) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise Unauthenticated(otherwise)
    return value


def _role(value: object) -> Role:
    if not isinstance(value, str) or value not in {*Role}:
        raise Unauthenticated("unknown_role")
    return Role(value)


def _subject(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_SUBJECT_CHARACTERS:
        raise Unauthenticated("invalid_subject")
    if not (value.isascii() and value.isprintable()):
        raise Unauthenticated("invalid_subject")
    return value


def _text(value: object) -> str | None:
    """A claim for people to read; what is no short text is as if it were not there."""
    fine = isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT_CHARACTERS and value.isprintable()
    return str(value) if fine else None


class _KeySet:
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
        IdentityUnavailable if that cannot be told: the set cannot be read, or not again yet.
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
