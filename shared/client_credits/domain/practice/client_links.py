"""A link that staff send to a client, good once for a session of that client."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MAX_TRIES = 10
TRIES_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ClientLink:
    """Good until just before `expires_at`, or until it was used. `tries` are the instants of the newest exchanges
    that were asked for, those that were refused included."""

    link_id: str
    client_id: str
    expires_at: datetime
    used_at: datetime | None = None
    tries: tuple[datetime, ...] = ()
    version: int = 0

    def is_good(self, now: datetime) -> bool:
        """Whether it still opens a session."""
        return self.used_at is None and now < self.expires_at

    def tried(self, now: datetime) -> "ClientLink":
        """The link after one more try."""
        return replace(self, tries=(*self._lately(now), now))

    def seconds_until_try(self, now: datetime) -> int:
        """How long to wait until it may be tried; 0 where it may be tried now."""
        lately = self._lately(now)
        if len(lately) < MAX_TRIES:
            return 0
        return max(1, -((now - lately[-MAX_TRIES] - TRIES_WITHIN) // timedelta(seconds=1)))

    def used(self, now: datetime) -> "ClientLink":
        """The link after it opened a session."""
        assert self.is_good(now)
        return replace(self.tried(now), used_at=now)

    def _lately(self, now: datetime) -> tuple[datetime, ...]:
        return tuple(each for each in self.tries if now - each < TRIES_WITHIN)
