"""When credits end. Calendar arithmetic happens in the practice's time zone; results are UTC."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from client_credits.domain.dates import FOREVER, day_months_after
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind


def expires_at(expiry: Expiry, starts: datetime, timezone: str, cycle_end: datetime | None = None) -> datetime | None:
    """The first instant at which the credits are gone, or None for never.

    N days and N months end at the first instant of the local date after the N-th: months are
    counted from the start's own day and clipped to the month (31 January + 1 month is the last of
    February). `cycle_end` is the provider's own instant, copied. Raises ValueError when the rule
    is `cycle_end` and the payment has no cycle, and for a rule that only a later release knows.
    """
    zone = ZoneInfo(timezone)
    local_day = starts.astimezone(zone).date()
    match expiry.kind:
        case ExpiryKind.NEVER:
            return None
        case ExpiryKind.DAYS:
            return _midnight_after(local_day + timedelta(days=expiry.n or 0), zone)
        case ExpiryKind.MONTHS:
            return _midnight_after(day_months_after(local_day, expiry.n or 0), zone)
        case ExpiryKind.CYCLE_END:
            if cycle_end is None:
                raise ValueError("a package that expires at cycle end was paid without a cycle")
            return cycle_end
        case ExpiryKind.DATE:
            return fixed_end(expiry.date or "", timezone)
        case _:
            raise ValueError(f"credits whose end only a later release knows: {expiry.kind}")


def days_later(instant: datetime, days: int, timezone: str) -> datetime:
    """The same time of day in that time zone so many days later; what lies beyond the calendar is the end of it."""
    try:
        local = instant.astimezone(ZoneInfo(timezone)) + timedelta(days=days)
        return local.astimezone(UTC)
    except OverflowError:
        return FOREVER


def fixed_end(day_or_instant: str, timezone: str) -> datetime:
    """A local day ends at the next local midnight; an RFC 3339 instant is itself.

    Raises ValueError when the text is neither.
    """
    if len(day_or_instant) == len("2026-12-31"):
        return _midnight_after(date.fromisoformat(day_or_instant), ZoneInfo(timezone))
    instant = datetime.fromisoformat(day_or_instant)
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    return instant.astimezone(UTC)


def _midnight_after(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of the local date after `day`.

    Where clocks skip midnight, zoneinfo reads it with the offset before the jump, which is the jump
    itself: the first instant that date has. Where midnight comes twice, it reads the first.
    """
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone).astimezone(UTC)
