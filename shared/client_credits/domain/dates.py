"""The calendar: months on an anchor day, and the end of time."""

from calendar import monthrange
from datetime import UTC, date, datetime, time

FOREVER = datetime.max.replace(tzinfo=UTC)


def months_after(instant: datetime, months: int, anchor_day: int) -> datetime:
    """The same time of day `months` later, on the anchor day or the last that the month has.

    Months are 0 or more. What lies beyond the calendar is the end of it.
    """
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    if year > FOREVER.year or months < 0:
        return FOREVER
    return on_anchor(instant.replace(year=year, month=month + 1, day=1), anchor_day)


def months_before(instant: datetime, months: int) -> datetime:
    """The same time and day so many months earlier, or the last day that the month has. Months are 0 or more,
    and do not reach beyond the year 1."""
    year, month = divmod(instant.year * 12 + instant.month - 1 - months, 12)
    return on_anchor(instant.replace(year=year, month=month + 1, day=1), instant.day)


def day_months_after(day: date, months: int) -> date:
    """The same day of the month `months` later, or the last that the month has. Months are 0 to 120."""
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return months_after(midnight, months, day.day).date()


def on_anchor(instant: datetime, anchor_day: int) -> datetime:
    return instant.replace(day=min(anchor_day, monthrange(instant.year, instant.month)[1]))
