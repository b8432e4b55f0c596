"""What goes over the wire: request and answer models, and how records become them.

The published OpenAPI document is made from these. Requests refuse unknown fields; numbers and
booleans are taken as such and never guessed from text.
"""

from datetime import datetime
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from client_credits.domain.ids import ID_PATTERN
from client_credits.domain.instants import BadInstant, read_instant
from client_credits.domain.practice.links import LINK_PATTERN, MAX_LINK

Id = Annotated[str, Field(strict=True, pattern=f"^{ID_PATTERN}$")]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
Reason = Annotated[str, Field(strict=True, min_length=1, max_length=500)]
Link = Annotated[str, Field(strict=True, max_length=MAX_LINK, pattern=f"^{LINK_PATTERN}$")]
Price = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


def _instant(value: object) -> datetime:
    try:
        return read_instant(value)
    except BadInstant as bad:
        raise PydanticCustomError(bad.code, bad.detail) from None


Instant = Annotated[datetime, BeforeValidator(_instant)]


# A worker compiles a model when it first meets one: compiling all of them is a third of a cold start,
# and most workers never see half.


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class View(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class ErrorItem(View):
    pointer: str
    code: str
    detail: str


class ProblemView(BaseModel):
    """RFC 9457; further typed members (available, shortfall, reason, packages, ...) by code."""

    model_config = ConfigDict(defer_build=True)

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[ErrorItem] | None = None


# -- settings ----------------------------------------------------------------------------------


# -- catalogue ---------------------------------------------------------------------------------


# -- clients -----------------------------------------------------------------------------------


# -- credits -----------------------------------------------------------------------------------


# -- eligibility -------------------------------------------------------------------------------


# -- bookings and parked payments --------------------------------------------------------------
