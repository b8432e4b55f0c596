"""What the OpenAPI document says of every route alike: refusals, lists, parameters."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from client_credits.domain.ids import ID_PATTERN
from client_credits.schemas import Problem

_TOLD = {
    400: "The request is malformed.",
    401: "No token, or one that proves nothing.",
    403: "The caller's role may not do this.",
    404: "There is no such thing for this caller.",
    409: "The state forbids it: `code` says how.",
    413: "The body is larger than 256 KB.",
    422: "The request cannot be meant: `errors` lists every fault.",
    503: "Try again after `Retry-After` seconds; nothing is lost by repeating the request.",
}


def refusals(*statuses: int) -> dict[int, Any]:
    """The problem answers of a route: the ones every route has, and `statuses`."""
    every = (400, 401, 403, 404, 422, 503)
    return {
        status: {
            "description": _TOLD[status],
            "content": {"application/problem+json": {"model": Problem}},
        }
        for status in sorted({*every, *statuses})
    }


def reads() -> dict[int, Any]:
    return refusals()


def writes() -> dict[int, Any]:
    return refusals(409, 413)


PathId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$")]
QueryId = Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$")]
Limit = Annotated[int, Query(ge=1, le=100, description="At most this many items.")]
Cursor = Annotated[str | None, Query(max_length=5000, description="`next_cursor` of the page before.")]
DryRun = Annotated[bool, Query(description="Answer as if, and write nothing.")]
