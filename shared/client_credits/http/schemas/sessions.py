"""Client sessions and client links."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt

from client_credits.http.schemas.common import Id, Request, View
from client_credits.http.sessions import MAX_SESSION_SECONDS

MAX_LINK_SECONDS = 7 * 86_400


class ClientSessionPost(Request):
    client_id: Id
    ttl_seconds: Annotated[StrictInt, Field(ge=1, le=MAX_SESSION_SECONDS)] = MAX_SESSION_SECONDS


class ClientSessionView(View):
    """A bearer token of role client. `renewable_until`: until then it may ask for its own successor, where it came
    from a link. A dry run of an exchange has no token."""

    token: str | None
    expires_at: datetime
    renewable_until: datetime | None


class ClientLinkPost(Request):
    client_id: Id
    ttl_seconds: Annotated[StrictInt, Field(ge=1, le=MAX_LINK_SECONDS)] = MAX_LINK_SECONDS


class ClientLinkView(View):
    url: str
    expires_at: datetime


class ClientLinkExchangePost(Request):
    """`link` is what stands behind `#link=` in the address."""

    link: Annotated[str, Field(strict=True, min_length=1, max_length=2000)]
