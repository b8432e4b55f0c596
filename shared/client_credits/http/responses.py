"""What the OpenAPI document says of every route alike: refusals, lists, parameters."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from client_credits.domain import errors
from client_credits.domain.errors import Invalid
from client_credits.domain.ids import ID_PATTERN
from client_credits.http.schemas.common import ProblemView

_DESCRIPTIONS = {
    200: "The record or list asked for, or the changed record.",
    201: "Created.",
    202: "A job was started; `GET /v1/jobs/{job_id}` says what becomes of it.",
    400: "The request is malformed.",
    401: "The bearer token is missing or not valid.",
    403: "The caller's role may not do this.",
    404: "Not found, or not within reach of this caller.",
    409: "The current state does not allow this; `code` says why.",
    413: "The body is larger than 256 KB.",
    422: "The request is not valid; `errors` lists every fault.",
    429: "Tried too often. Send the same request again after `Retry-After` seconds.",
    503: "Send the same request again after `Retry-After` seconds. A repeat is safe.",
}


_EVERY = (200, 400, 401, 403, 404, 422, 503)


def answers(*statuses: int) -> dict[int, Any]:
    """The answers of a route: the ones every route has, and `statuses`.

    A success says nothing of its content: the router puts what the route returns there.
    """
    return {
        status: {"description": _DESCRIPTIONS[status]} | (_PROBLEM if status >= 400 else {})
        for status in sorted({*_EVERY, *statuses})
    }


_PROBLEM = {"content": {"application/problem+json": {"model": ProblemView}}}


def reads() -> dict[int, Any]:
    return answers()


def asks() -> dict[int, Any]:
    """A question with a body."""
    return answers(413)


def writes() -> dict[int, Any]:
    return answers(409, 413)


def starts() -> dict[int, Any]:
    """A write that is carried out behind its answer."""
    return {status: stated for status, stated in answers(202, 409, 413).items() if status != 200}


def puts() -> dict[int, Any]:
    """A write that creates what was not there."""
    return answers(201, 409, 413)


PathId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$")]
EntryNumber = Annotated[str, Path(pattern="^[1-9][0-9]{0,11}$", description="An entry's `sequence`.")]
QueryId = Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$")]
Limit = Annotated[int, Query(ge=1, le=100, description="At most this many items.")]
Cursor = Annotated[str | None, Query(max_length=5000, description="`next_cursor` of the page before.")]
DryRun = Annotated[bool, Query(description="Give the usual answer, but write nothing.")]


def check_same_id(in_body: str | None, in_path: str) -> None:
    if in_body not in (None, in_path):
        raise Invalid(
            "The id in the body differs from the id in the path.", errors.Problem("/id", "mismatch", "leave it out")
        )


def answer(status: int, body: object) -> Response:  # type: ignore[type-arg]
    return Response(status_code=status, content_type="application/json", body=body)
