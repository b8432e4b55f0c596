"""Works off Stripe's events from the queue: translate, then grant, link, park or ignore.

They come from the webhook, which has checked their signature and names the practice beside them, or
from EventBridge, whose envelope is believed for the one source that is configured: there the source
takes the place of a signature.

A message is done when its effect is stored. One that fails comes back, and after its last try goes
to the dead letter queue; the rest of the batch goes on. Repeats are safe.
"""

import json
from functools import cache, partial
from typing import Any

from client_credits.aws.batches import Message, work_off
from client_credits.aws.clients import client
from client_credits.aws.config import StripeEventsConfig
from client_credits.aws.logs import count, logger
from client_credits.aws.secrets import parameter_reader, stripe_api_key
from client_credits.aws.worker import store_on, utc_now
from client_credits.domain.ids import is_id
from client_credits.operations.context import STRIPE, Context
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.errors import StripeUnavailable
from client_credits.stripe.api.queries import StripeApi

log = logger("stripe_events")

# A call may take 16 s: two tries with these limits. It is not begun with less than that left, so that
# a Stripe that does not answer costs one message a delivery, not the whole batch.
STRIPE_TIMEOUT_SECONDS = (2.0, 6.0)
STRIPE_RETRIES = 1
LEFT_SECONDS = 20


class NotFromStripe(Exception):
    """A message that neither the webhook nor the configured event source has sent."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of the Stripe queue; answers which messages must come back."""
    log.clear_state()
    _config()
    return work_off(event, partial(work, context), log)


@cache
def _config() -> StripeEventsConfig:
    return StripeEventsConfig.from_environment()


def work(context: Any, message: Message) -> None:
    """One event, exactly once in effect."""
    config = _config()
    practice_id, raw = _body_of(message)
    find = partial(_api, context)
    event = json.loads(raw)
    here = Context(store_on(config.table_name), practice_id, STRIPE, utc_now())
    outcome = stripe_work.handle(here, find, config.stripe_mode, event, raw)  # type: ignore[arg-type]
    count("StripeEvents", outcome=outcome)
    named = event.get("id") if isinstance(event, dict) else None
    ids = {"practice_id": practice_id, "event_id": named if is_id(named) else None}
    log.info("stripe event done", message_id=message["messageId"], outcome=outcome, **ids)


def _body_of(message: Message) -> tuple[str, str]:
    """The practice whose endpoint the event came to, and the event's body. Raises NotFromStripe."""
    named = message["messageAttributes"].get("practice_id")
    if named:
        return str(named["stringValue"]), str(message["body"])
    config = _config()
    if not config.stripe_event_source or not config.stripe_partner_practice:
        raise NotFromStripe("no practice beside it, and no event source is configured")
    envelope = json.loads(message["body"])
    source = envelope.get("source") if isinstance(envelope, dict) else None
    if source != config.stripe_event_source:
        raise NotFromStripe("no practice beside it, and not from the configured event source")
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        raise NotFromStripe("an envelope without an event")
    return config.stripe_partner_practice, json.dumps(detail)


def _api(context: Any, practice_id: str, account: str) -> StripeApi | None:
    """Stripe's API with the key of a practice, None where it has none. Raises StripeUnavailable late in a batch."""
    if context.get_remaining_time_in_millis() < LEFT_SECONDS * 1000:
        raise StripeUnavailable("no time left to ask")
    config = _config()
    key = stripe_api_key(parameter_reader(client("ssm")), config.secrets_prefix, practice_id)
    options = {"timeout_seconds": STRIPE_TIMEOUT_SECONDS, "retries": STRIPE_RETRIES}
    return StripeApi(key, account, config.stripe_api_base, **options) if key else None
