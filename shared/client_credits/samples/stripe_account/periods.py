"""When the periods of a subscription begin and end: counted from its anchor, months clipped to their last day."""

from datetime import datetime, timedelta

from client_credits.domain.dates import months_after, months_before
from client_credits.samples.stripe_account.books import Price

MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def period_at(anchor: datetime, price: Price, instant: datetime) -> tuple[datetime, datetime]:
    """The period that an instant, not before the anchor, is in: half open."""
    number = 0
    while _after(anchor, price, number + 1) <= instant:
        number += 1
    return _after(anchor, price, number), _after(anchor, price, number + 1)


def period_before(ends: datetime, price: Price) -> datetime:
    """When the period begins that ends then."""
    assert price.interval is not None, price.price_id
    if price.interval in DAYS:
        return ends - timedelta(days=DAYS[price.interval] * price.interval_count)
    return months_before(ends, MONTHS[price.interval] * price.interval_count)


def nth_end(anchor: datetime, price: Price, number: int) -> datetime:
    """When so many periods are over that begin at the anchor."""
    return _after(anchor, price, number)


def _after(anchor: datetime, price: Price, periods: int) -> datetime:
    assert price.interval is not None, price.price_id
    count = periods * price.interval_count
    if price.interval in DAYS:
        return anchor + timedelta(days=DAYS[price.interval] * count)
    return months_after(anchor, MONTHS[price.interval] * count, anchor.day)
