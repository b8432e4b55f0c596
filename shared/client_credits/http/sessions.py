"""Client sessions: short tokens of our own for one client, which a practice's page hands to the browser.

They have an issuer, a key and an algorithm of their own (HS256), so that no token of the practices' issuer can
pass for one, nor the other way round. They are verified with our keys alone. A session that came from a client
link says until when it may renew itself.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from client_credits.aws.secrets import OwnKeys, SecretsUnavailable
from client_credits.domain.ids import is_id
from client_credits.http.authentication import IdentityUnavailable, Unauthenticated
from client_credits.http.identity import MAX_INSTANT, SESSION_ALGORITHM, Caller, Role

ISSUER = "client-credits/session"
MAX_SESSION_SECONDS = 900
RENEWABLE = timedelta(hours=12)  # from the exchange of a link


class Sessions:
    """Signs with the newest key, and believes what any of the keys signed."""

    def __init__(self, keys: OwnKeys) -> None:
        self._keys = keys

    def sign(
        self,
        practice_id: str,
        client_id: str,
        now: datetime,
        expires_at: datetime,
        renewable_until: datetime | None = None,
    ) -> str:
        """A token of role client for this client. Same input, same token. Raises SecretsUnavailable."""
        assert now < expires_at <= now + timedelta(seconds=MAX_SESSION_SECONDS)
        claims = {
            "iss": ISSUER,
            "sub": client_id,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "practice": practice_id,
            "renewable_until": int(renewable_until.timestamp()) if renewable_until else None,
        }
        stated = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(stated, self._keys.active(now.timestamp())[0], SESSION_ALGORITHM)

    def caller(self, token: str, now: float) -> Caller:
        """The client whom the token proves at `now` (unix seconds), without leeway: the clock is our own.

        Raises Unauthenticated, or IdentityUnavailable where our keys cannot be read.
        """
        try:
            return _caller(self._verified(token, now), now)
        except SecretsUnavailable as error:
            raise IdentityUnavailable("the keys of sessions cannot be read") from error

    def _verified(self, token: str, now: float) -> Mapping[str, Any]:
        try:
            return _claims(token, self._keys.active(now))
        except Unauthenticated:
            # Another worker may have signed it with a key that is new since.
            fresh = self._keys.reread(now)
            if fresh is None:
                raise
            return _claims(token, fresh)


def _claims(token: str, keys: tuple[bytes, ...]) -> Mapping[str, Any]:
    for key in keys:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[SESSION_ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "iss", "sub"],
                    # The library reads its own clock; ours is an argument.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError):
            continue
        return claims
    raise Unauthenticated("invalid_token")


def _caller(claims: Mapping[str, Any], now: float) -> Caller:
    """What was signed is checked all the same: a key may be used by another release."""
    practice_id, client_id = claims.get("practice"), claims["sub"]
    instants = (claims["exp"], claims["iat"], claims.get("renewable_until", 0))
    if not (is_id(practice_id) and is_id(client_id) and all(map(_is_instant, instants))):
        raise Unauthenticated("invalid_token")
    expires_at, issued_at, renewable_until = instants
    if expires_at - issued_at > MAX_SESSION_SECONDS:
        raise Unauthenticated("token_lives_too_long")
    if now >= expires_at:
        raise Unauthenticated("token_expired")
    return Caller(str(practice_id), Role.CLIENT, client_id, client_id, renewable_until=renewable_until)


def _is_instant(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INSTANT
