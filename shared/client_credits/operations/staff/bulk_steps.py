"""A change of many clients carried on page by page, for whoever goes on with it behind an answer."""

from dataclasses import dataclass

from client_credits.domain.errors import Busy, CreditsError
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import Requests, Spent, roster
from client_credits.operations.staff.bulk_changes import BulkChange, change_client
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store.table import Conflicted, is_unavailable

STEP_REQUESTS = 48  # pages of the roster that one step reads


@dataclass(frozen=True, slots=True)
class BulkProblem:
    """A client that could not be changed: a stable code, and a sentence for people."""

    client_id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BulkStep:
    """How many clients one step changed, and whom it could not; it goes on behind the client `after`, None where
    that was all."""

    clients: int
    problems: tuple[BulkProblem, ...]
    after: str | None


def step(
    context: Context, change: BulkChange, keyed: Keyed, reason: str | None, after: str | None, clients: int = 100
) -> BulkStep:
    """Carries the change out for at most so many clients that may be concerned, behind the id `after`. Safe to repeat.

    A client that cannot be changed stops no other. Raises Busy, and what the table raises where it is away.
    """
    changed, looked_at, requests = 0, 0, Requests(STEP_REQUESTS)
    problems: list[BulkProblem] = []
    try:
        for line in roster(context.store, context.practice_id, after, requests=requests):
            if looked_at == clients:
                return BulkStep(changed, tuple(problems), after)
            if types := change.types(line, context.now):
                made = _tried(context, change, line.client_id, types, keyed, reason)
                problems += [made] if isinstance(made, BulkProblem) else []
                changed += made is True
                looked_at += 1
            after = line.client_id
    except Spent:
        return BulkStep(changed, tuple(problems), after)
    return BulkStep(changed, tuple(problems), None)


def _tried(
    context: Context, change: BulkChange, client_id: str, types: tuple[str, ...], keyed: Keyed, reason: str | None
) -> bool | BulkProblem:
    """Whether anything of the client's was changed, or why it could not be."""
    try:
        return bool(change_client(context, change, client_id, types, keyed, reason))
    except Exception as error:  # whatever it is, the others' turn must come
        if is_unavailable(error) or isinstance(error, Busy | Conflicted):
            raise
        if isinstance(error, CreditsError):
            return BulkProblem(client_id, error.code, error.detail)
        detail = f"This client could not be changed by an error of ours: {type(error).__name__}."
        return BulkProblem(client_id, "internal_error", detail)
