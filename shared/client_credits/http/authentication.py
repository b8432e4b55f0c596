"""Why a caller is not known: its token is not believed, or nobody can say now."""


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
