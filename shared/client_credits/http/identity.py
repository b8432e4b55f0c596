"""Who is asking: an RS256 access token of the configured issuer becomes a Caller.

Owns the token's checks; the keys are `key_set`'s, and tokens of client sessions are for `sessions` to judge.
Knows no routes and no permissions. Tenancy comes from the token alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from client_credits.domain.ids import is_id
from client_credits.http.authentication import Unauthenticated
from client_credits.http.key_set import FetchKeySet, KeySet, fetch_key_set

LEEWAY_SECONDS = 30
MAX_TOKEN_CHARACTERS = 8192
MAX_SUBJECT_CHARACTERS = 255  # OpenID Connect's own bound
MAX_LIFE_SECONDS = 86_400  # from a token's iat, or from now where it has none, to its exp
MAX_INSTANT = 253_402_300_799  # the end of the year 9999, in unix seconds


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
    renewable_until: int = 0  # unix seconds; until when a client session that came from a link renews itself


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Under which names the issuer's tokens carry what we need.

    Never `client_id`: access tokens use it for the application (RFC 9068).
    """

    practice: str = "credits_practice"
    role: str = "credits_role"
    client: str = "credits_client"


# The caller whom a token of a client session proves; raises as `Authenticator.caller` does.
Session = Callable[[str, float], Caller]
SESSION_ALGORITHM = "HS256"  # which the issuer's tokens never have


class Authenticator:
    """Turns Authorization headers into Callers. One per process, for its cache of keys."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str,
        claims: ClaimNames,
        fetch: FetchKeySet | None = None,
        session: Session | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._keys = KeySet(fetch or (lambda: fetch_key_set(jwks_url)))
        self._session = session

    def caller(self, authorization_header: str | None, now: float) -> Caller:
        """The caller whom the header's bearer token proves at `now` (unix seconds).

        Raises Unauthenticated, or IdentityUnavailable, and nothing else, whatever the header holds.
        """
        token = _bearer_token(authorization_header)
        header = _header(token)
        if self._session and header.get("alg") == SESSION_ALGORITHM:
            return self._session(token, now)
        key = self._keys.get(_key_id(header), now)
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


def _header(token: str) -> Mapping[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise Unauthenticated("malformed_token") from error


def _key_id(header: Mapping[str, Any]) -> str:
    """The id of the key that the token claims to be signed with."""
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
