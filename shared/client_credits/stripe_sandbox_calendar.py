"""When the periods of a subscription begin and end: counted from its anchor, months clipped to their last day."""

from calendar import monthrange
from datetime import datetime, timedelta

from client_credits.stripe_sandbox_books import Price

MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def period_at(anchor: datetime, price: Price, instant: datetime) -> tuple[datetime, datetime]:
    """The period that an instant, not before the anchor, is in: half open."""
    number = 0
    while _after(anchor, price, number + 1) <= instant:
        number += 1
    return _after(anchor, price, number), _after(anchor, price, number + 1)


def _after(anchor: datetime, price: Price, periods: int) -> datetime:
    assert price.interval is not None, price.price_id
    count = periods * price.interval_count
    if price.interval in DAYS:
        return anchor + timedelta(days=DAYS[price.interval] * count)
    return months_after(anchor, MONTHS[price.interval] * count)


def months_after(anchor: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day that month has."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))
