"""Which records of a history are wanted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client_credits.store import writes


@dataclass(frozen=True, slots=True)
class HistoryPeriod:
    """Which records of a history are wanted: of one kind, with `since <= occurred_at < until`."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, kind: str, occurred_at: datetime) -> bool:
        late_enough = self.since is None or occurred_at >= self.since
        early_enough = self.until is None or occurred_at < self.until
        return late_enough and early_enough and self.kind in (None, kind)

    def filter(self) -> tuple[str | None, dict[str, Any] | None]:
        """The same as a filter expression with its values."""
        parts = [
            ("entry_kind = :kind", ":kind", self.kind),
            ("occurred_at >= :since", ":since", self.since and writes.sortable(self.since)),
            ("occurred_at < :until", ":until", self.until and writes.sortable(self.until)),
        ]
        wanted = [(text, name, value) for text, name, value in parts if value]
        if not wanted:
            return None, None
        values = {name: {"S": str(value)} for _, name, value in wanted}
        return " AND ".join(text for text, _, _ in wanted), values


EVERYTHING = HistoryPeriod()
