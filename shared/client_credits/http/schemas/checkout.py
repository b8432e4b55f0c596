"""Stripe's Checkout for one client and one package."""

from typing import Annotated

from pydantic import Field, StrictInt

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.practice.links import MAX_LINK, ORIGIN_AND_REST
from client_credits.http.schemas.common import Id, Request, View

Address = Annotated[str, Field(strict=True, max_length=MAX_LINK, pattern=f"^{ORIGIN_AND_REST}$")]


class CheckoutSessionPost(Request):
    """Both addresses must be of a configured origin. Stripe puts its session's id in place of
    `{CHECKOUT_SESSION_ID}`."""

    client_id: Id
    package_id: Id
    quantity: Annotated[StrictInt, Field(ge=1, le=MAX_CREDITS)] = 1
    success_url: Address
    cancel_url: Address


class CheckoutSessionView(View):
    """`url` is good for a day. A dry run has none."""

    url: str | None
