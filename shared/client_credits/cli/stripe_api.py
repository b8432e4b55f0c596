"""Parked events of Stripe tried again from the command line, with the practices' own API keys."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession

if TYPE_CHECKING:
    from client_credits.operations.context import Context
    from client_credits.stripe.api.queries import StripeApi


def retry(context: "Context", session: CliSession, account: str | None = None) -> int:
    """As `stripe_work.retry`, on the session's stack. Raises CommandError where Stripe is not available."""
    from client_credits.stripe import work as stripe_work  # noqa: PLC0415 loaded by the commands that need it
    from client_credits.stripe.api.errors import StripeUnavailable  # noqa: PLC0415

    mode = cast(Literal["test", "live"], session.target.outputs.get("StripeMode", "test"))
    try:
        return stripe_work.retry(context, finder(session), mode, account)
    except StripeUnavailable as error:
        raise CommandError(f"{error}. What was done stays done: run this again to go on.") from error


def finder(session: CliSession) -> "Callable[[str, str], StripeApi | None]":
    """Stripe's API for an account, with the key of the practice whose endpoint it comes by; None without a key."""
    from client_credits.aws.config import STRIPE_API  # noqa: PLC0415
    from client_credits.aws.secrets import parameter_reader, stripe_api_key  # noqa: PLC0415
    from client_credits.stripe.api.queries import StripeApi  # noqa: PLC0415

    target = session.target

    @cache
    def find(receiver_id: str, of: str) -> "StripeApi | None":
        key = stripe_api_key(parameter_reader(target.client("ssm")), target.secrets_prefix, receiver_id)
        return StripeApi(key, of, target.outputs.get("StripeApiBase", STRIPE_API)) if key else None

    return find
