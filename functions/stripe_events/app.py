"""Works off Stripe's events from the queue: translate, then grant, link, park or ignore.

A message is done when its effect is stored. One that fails comes back, and after its last try goes
to the dead letter queue; the rest of the batch goes on. Repeats are safe.
"""

import json
from functools import cache
from typing import Any

from client_credits.batches import Message, work_off
from client_credits.config import StripeEventsConfig
from client_credits.domain.payments import CustomerLink, Facts, Ignored, Payment, Unsupported
from client_credits.observability import count, logger
from client_credits.operations import linking, parking
from client_credits.operations.payments import apply_payment
from client_credits.runtime import store_on, utc_now
from client_credits.store.store import Store
from client_credits.stripe_events import translate

log = logger("stripe_events")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of the Stripe queue; answers which messages must come back."""
    log.clear_state()
    _config()
    return work_off(event, work, log)


@cache
def _config() -> StripeEventsConfig:
    return StripeEventsConfig.from_environment()


def work(message: Message) -> None:
    """One event, exactly once in effect."""
    config = _config()
    practice_id = str(message["messageAttributes"]["practice_id"]["stringValue"])
    facts = translate(json.loads(message["body"]), config.stripe_mode)  # type: ignore[arg-type]
    outcome = _apply(store_on(config.table_name), practice_id, facts, message["body"])
    count("StripeEvents", outcome=outcome)
    ids = {"practice_id": practice_id, "event_id": facts.event_id, "outcome": outcome}
    log.info("stripe event done", message_id=message["messageId"], **ids)


def _apply(store: Store, practice_id: str, facts: Facts, raw: str) -> str:
    now = utc_now()
    match facts:
        case Payment():
            lines = apply_payment(store, practice_id, facts, now)
            return ",".join(sorted({line.fate for line in lines})) or "no_lines"
        case CustomerLink():
            linking.apply_link(store, practice_id, facts, now)
            return "linked"
        case Unsupported():
            parking.park_event(store, practice_id, facts, raw, now)
            return f"parked_{facts.reason}"
        case Ignored():
            return f"ignored_{facts.reason}"
