"""The directory of staff: which name stands behind an actor's id. For people to read, and erasable.

Entries and events carry the id alone. A worker writes a member at most once a day, and remembers the
names it has read for NAMES_SECONDS, so after an erasure a name may be shown for that long.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from client_credits.domain.practice.staff import StaffMember
from client_credits.operations.context import Context
from client_credits.store import writes

NAMES_SECONDS = 300
MAX_REMEMBERED = 5000

T = TypeVar("T")
_Key = tuple[str, str]  # practice and actor


@dataclass(slots=True)
class StaffDirectory:
    """One worker's view of the directory."""

    _noted: dict[_Key, tuple[date, StaffMember]] = field(default_factory=dict)
    _names: dict[_Key, tuple[str | None, datetime]] = field(default_factory=dict)

    def note(self, context: Context, member: StaffMember) -> None:
        """Keeps what a member's token says of them, once a day or when it has changed; safe to repeat.

        Raises Conflicted and what DynamoDB raises; who acts for the member goes on without it.
        """
        key, today = (context.practice_id, member.actor_id), (context.now.date(), member)
        if member.shown is None or self._noted.get(key) == today:
            return
        context.commit([writes.staff(context.practice_id, member)])
        _remember(self._noted, key, today)
        _remember(self._names, key, (member.shown, context.now))

    def names(self, context: Context, actor_ids: Iterable[str]) -> dict[str, str]:
        """The names of these actors, as far as known; at most one batch read, none for names just read."""
        wanted = set(actor_ids)
        unread = [each for each in sorted(wanted) if self._stale((context.practice_id, each), context.now)]
        found = context.store.staff(context.practice_id, unread) if unread else {}
        for each in unread:
            _remember(
                self._names, (context.practice_id, each), (found[each].shown if each in found else None, context.now)
            )
        named = {each: self._names[context.practice_id, each][0] for each in wanted}
        return {each: name for each, name in named.items() if name}

    def _stale(self, key: _Key, now: datetime) -> bool:
        known = self._names.get(key)
        return known is None or not 0 <= (now - known[1]).total_seconds() < NAMES_SECONDS


def forget_staff(context: Context, actor_id: str) -> bool:
    """Erases the name and e-mail behind an actor's id; False where none are kept. Their entries stay, with the id."""
    known = context.store.staff(context.practice_id, [actor_id]).get(actor_id)
    if known is None or known.shown is None:
        return False
    context.commit([writes.staff(context.practice_id, StaffMember(actor_id), ttl=int(context.now.timestamp()))])
    return True


def _remember(kept: dict[_Key, T], key: _Key, value: T) -> None:
    if len(kept) >= MAX_REMEMBERED:
        kept.clear()
    kept[key] = value
