"""Buying a package on Stripe's own page."""

import re
from collections.abc import Iterator
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import Invalid, Problem
from client_credits.domain.ids import derived_id
from client_credits.domain.practice.links import ORIGIN_AND_REST
from client_credits.http.request import Ask, asked
from client_credits.http.responses import DryRun, writes
from client_credits.http.routes.edits import IdempotencyKey, keyed
from client_credits.http.schemas.checkout import CheckoutSessionPost, CheckoutSessionView
from client_credits.operations.staff.idempotent import Keyed
from client_credits.stripe.checkout import Purchase, open_checkout

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
_ADDRESS = re.compile(ORIGIN_AND_REST)


@router.post(
    "/v1/checkout-sessions",
    tags=["checkout"],
    summary="Open Stripe's Checkout for a client and a package",
    responses=writes(),
)
def create_checkout_session(
    wanted: Annotated[CheckoutSessionPost, Body()], idempotency_key: IdempotencyKey = None, dry_run: DryRun = False
) -> Response[CheckoutSessionView]:
    ask = asked(router)
    ask.about(wanted.client_id)
    key = _own(ask, keyed(ask, idempotency_key, "checkout", wanted))
    faults = list(_foreign(ask, wanted))
    if faults:
        raise Invalid("The success and cancel addresses must belong to a configured origin.", *faults)
    purchase = Purchase(**wanted.model_dump())
    opened = open_checkout(ask.context, ask.outside.checkouts.api, purchase, key)
    headers = {"Idempotency-Replayed": "true"} if opened.repeated else {}
    body = CheckoutSessionView(url=opened.url)
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)


def _own(ask: Ask, key: Keyed) -> Keyed:
    """A client's keys are apart from the practice's and other clients': none can take or find another's."""
    return Keyed(derived_id("client", str(ask.caller.client_id), key.key), key.content) if ask.for_client else key


def _foreign(ask: Ask, wanted: CheckoutSessionPost) -> Iterator[Problem]:
    """The addresses that lead elsewhere: whoever pays would be sent there."""
    for name in ("success_url", "cancel_url"):
        if origin_of(getattr(wanted, name)) not in ask.outside.page_origins:
            yield Problem(f"/{name}", "foreign_origin", "an address of one of the origins that this stack allows")


def origin_of(address: str) -> str | None:
    """The origin of an http or https address; None where it is none that all read alike."""
    found = _ADDRESS.fullmatch(address)
    return found[1].lower() if found else None
