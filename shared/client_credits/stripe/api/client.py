"""The official Stripe library, as this package uses it: the only module that imports it.

Imported when a call is made and not before: loading the library takes longer than most functions'
whole start. Owns timeouts, retries and what Stripe's errors mean; knows no field of any object.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import stripe

from client_credits.stripe.api.errors import KEY_REUSED, StripeRefused, StripeUnavailable

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 10.0
NETWORK_RETRIES = 2  # of a lost connection, a timeout or a 5xx; the first attempt not included
RATE_LIMIT_TRIES = 4  # the first attempt included
LONGEST_PAUSE_SECONDS = 10.0  # Stripe asking for more than this is an error that comes back later

TOO_MANY_REQUESTS = 429
TEMPORARY = frozenset({409, TOO_MANY_REQUESTS})  # beside 5xx: somebody else holds the object, or too many calls

StripeObject = dict[str, Any]

# Off: it would send facts about this machine along with each call, and keep an id in a file.
stripe.enable_telemetry = False


class _Waiting(stripe.RequestsClient):  # type: ignore[misc]
    """The library retries lost connections and 5xx by itself; this waits as a 429 asks for, which it does not."""

    def __init__(self, timeout: tuple[float, float], pause: Callable[[float], None], longest: float) -> None:
        super().__init__(timeout=timeout)
        self._pause = pause
        self._longest = longest

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None) -> Any:
        for attempt in range(1, RATE_LIMIT_TRIES):
            answer = super().request(method, url, headers, post_data)
            seconds = _asked_pause(answer[2], attempt)
            if answer[1] != TOO_MANY_REQUESTS or seconds > self._longest:
                return answer
            self._pause(seconds)
        return super().request(method, url, headers, post_data)


def _asked_pause(headers: Mapping[str, str], attempt: int) -> float:
    """Seconds to wait: what Retry-After says, else half a second, doubled with each attempt."""
    wait = headers.get("Retry-After") or ""
    return float(wait) if wait.isdecimal() else 0.5 * 2 ** (attempt - 1)


def connect(
    key: str,
    account: str | None,
    base: str,
    *,
    timeout_seconds: tuple[float, float] = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
    retries: int = NETWORK_RETRIES,
    pause: Callable[[float], None] = time.sleep,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
) -> Any:
    """A client for the calls of one practice; `account` is a connected one, None the key's own.

    With `longest_pause_seconds` of 0 nothing is waited for: whoever calls has no time for that.
    """
    return stripe.StripeClient(
        key,
        stripe_account=account,
        base_addresses={"api": base.rstrip("/")},
        max_network_retries=retries,
        http_client=_Waiting(timeout_seconds, pause, longest_pause_seconds),
    )


def ask(call: Callable[[], Any]) -> StripeObject:
    """The answer of one call as plain JSON values. Raises StripeUnavailable or StripeRefused.

    The library's own messages go no further: they repeat what was asked and part of the key.
    """
    try:
        answer = call()
    except stripe.StripeError as error:
        raise _ours(error) from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # JSON, but no object of Stripe's: something between here and Stripe has answered.
        raise StripeUnavailable(f"an answer that cannot be read ({type(error).__name__})") from None
    if not isinstance(answer, stripe.StripeObject):
        raise StripeUnavailable("an answer that is no object")
    fields: StripeObject = answer.to_dict(for_json=True)
    return fields


def _ours(error: stripe.StripeError) -> StripeRefused | StripeUnavailable:
    status, kind = error.http_status, type(error).__name__
    code = error.code if isinstance(error.code, str) else None
    if isinstance(error, stripe.IdempotencyError):
        code = code or KEY_REUSED
    if status is None or status < 400 or status >= 500 or status in TEMPORARY or kind == "RateLimitError":
        return StripeUnavailable(f"{kind}, status {status}", error.request_id)
    return StripeRefused(status, code, error.request_id)
