"""Works off booking events from the queue: read, then spend or restore.

An event nobody can ever understand goes to the dead letter queue with its reason, at once; one that
fails comes back. The rest of the batch goes on either way. Repeats are safe.
"""

from functools import cache
from typing import Any

from client_credits.aws.batches import Message, work_off
from client_credits.aws.clients import client
from client_credits.aws.config import BookingsConfig
from client_credits.aws.logs import count, logger
from client_credits.aws.worker import store_on, utc_now
from client_credits.booking_systems import work as booking_work
from client_credits.booking_systems.events import MalformedBooking, read_booking_event
from client_credits.domain.errors import NotFound

log = logger("bookings")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of the bookings queue; answers which messages must come back."""
    log.clear_state()
    _config()
    return work_off(event, work, log)


@cache
def _config() -> BookingsConfig:
    return BookingsConfig.from_environment()


def work(message: Message) -> None:
    """One event, exactly once in effect."""
    try:
        event = read_booking_event(message["body"])
        outcome = booking_work.apply(store_on(_config().table_name), event, utc_now())
    except MalformedBooking as malformed:
        _give_up(message, str(malformed))
        return
    except NotFound:
        _give_up(message, "practice_id: unknown")
        return
    became = outcome.booking.state if outcome else "ignored"
    count("Bookings", event=event.event, outcome=became)
    ids = {"practice_id": event.practice_id, "booking_id": event.booking_id, "outcome": became}
    entries = [entry.entry_id for entry in outcome.entries] if outcome else []
    log.info("booking event done", message_id=message["messageId"], entries=entries, **ids)


def _give_up(message: Message, reason: str) -> None:
    """To the dead letter queue with the reason; without one configured, SQS's own redrive takes it."""
    count("BookingsRefused", reason="malformed")
    log.warning("booking event not understood", message_id=message["messageId"], reason=reason)
    url = _config().bookings_dlq_url
    if url is None:
        raise MalformedBooking(reason)
    attributes = {"reason": {"DataType": "String", "StringValue": reason[:1000]}}
    client("sqs").send_message(QueueUrl=url, MessageBody=message["body"], MessageAttributes=attributes)
