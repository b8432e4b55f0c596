"""Every way the domain says no.

One tree; each leaf has a stable `code` that callers may rely on. `facts` are typed members for the
answer (numbers and ids, never names). Nothing here knows HTTP.

CreditsError
├── Invalid            the request is not valid: an unknown field, a value out of bounds
├── NotFound           there is no such thing for this caller
├── Conflict           the state forbids it; reading again may help
│   ├── InsufficientCredits, VersionConflict, LimitReached, ConfirmationRequired
│   ├── AlreadyResolved, AlreadyMapped, LotClosed, KeyReused, NothingToUndo, CreditsDisabled
│   └── ClientForgotten
├── TooManyTries       asked too often; it may be sent again after a while
└── Busy               too much contention; the same request may be sent again
"""

from dataclasses import dataclass
from typing import ClassVar


def pointer(*steps: str) -> str:
    """The JSON pointer (RFC 6901) to a member, step by step."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a request: where (a JSON pointer), which (a code), and what to do."""

    pointer: str
    code: str
    detail: str


class CreditsError(Exception):
    """The root. `detail` is a sentence for people, free of personal data."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class Invalid(CreditsError):
    """A request that is well formed but not valid. `errors` lists every fault found."""

    code = "invalid"

    def __init__(self, detail: str, *errors: Problem) -> None:
        super().__init__(detail)
        self.errors = errors


class NotFound(CreditsError):
    code = "not_found"


class Conflict(CreditsError):
    code = "conflict"


class InsufficientCredits(Conflict):
    code = "insufficient_credits"


class VersionConflict(Conflict):
    code = "version_conflict"


class LotClosed(Conflict):
    code = "lot_closed"


class KeyReused(Conflict):
    """An idempotency key that stands for another request already."""

    code = "idempotency_key_reused"


class LimitReached(Conflict):
    code = "limit_reached"


class ConfirmationRequired(Conflict):
    code = "confirmation_required"


class AlreadyResolved(Conflict):
    code = "already_resolved"


class ClientForgotten(Conflict):
    """The person behind the client was erased; nothing about them is taken in."""

    code = "client_forgotten"


class AlreadyMapped(Conflict):
    code = "already_mapped"


class NothingToUndo(Conflict):
    code = "nothing_to_undo"


class CreditsDisabled(Conflict):
    """The practice has turned the whole system off."""

    code = "credits_disabled"


class TooManyTries(CreditsError):
    """Tried too often. Nothing was looked at; send it again after `retry_after_seconds`."""

    code = "too_many_tries"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many tries. Send the same request again later.")
        self.retry_after_seconds = retry_after_seconds


class Busy(CreditsError):
    """Contention outlasted the retries. Nothing was written by the last attempt; send it again."""

    code = "busy"
