"""Settings over time: what held at any instant, the client's values over the account's.

Records keep, beside the values that hold now, what some of them were until earlier instants. The last
100 changes of the account and of each client are kept; what is older counts as always.
Owns no record and decides nothing: whoever dates an entry asks for the settings of that instant.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

from client_credits.domain.practice.settings import DATED, Settings, effective

MAX_CHANGES = 100  # kept of the account, and of each client

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What some settings were until an instant, exclusive; None where they were not set."""

    until: datetime
    values: dict[str, Any] = field(default_factory=dict)


class SettingsOverTime(Protocol):
    """Plain `Settings` are those that never changed."""

    def at(self, instant: datetime) -> Settings:
        """What held at an instant; what holds now, for every instant after the last change."""
        ...

    def changed(self, *names: str) -> tuple[datetime, ...]:
        """The instants at which one of these settings changed, in order."""
        ...


@dataclass(frozen=True)
class DatedSettings:
    """What held for one client, or for the account where no client is meant."""

    account: Values
    client: Values = field(default_factory=dict)
    account_earlier: tuple[Earlier, ...] = ()
    client_earlier: tuple[Earlier, ...] = ()

    @cached_property
    def now(self) -> Settings:
        return effective(self.account, self.client)

    def at(self, instant: datetime) -> Settings:
        passed = bisect_right(self._until, instant)
        return self.now if passed == len(self._until) else self._held[passed]

    def changed(self, *names: str) -> tuple[datetime, ...]:
        steps = zip(self._until, pairwise(self._held), strict=True)
        return tuple(t for t, (one, next_) in steps if any(getattr(one, n) != getattr(next_, n) for n in names))

    @cached_property
    def _until(self) -> list[datetime]:
        return sorted({each.until for each in (*self.account_earlier, *self.client_earlier)})

    @cached_property
    def _held(self) -> list[Settings]:
        """What held before each of `_until`, and last what holds now."""
        account, client, held = dict(self.account), dict(self.client), [self.now]
        for instant in reversed(self._until):
            account |= _values_until(self.account_earlier, instant)
            client |= _values_until(self.client_earlier, instant)
            held.append(effective(account, client))
        return held[::-1]


def _values_until(earlier: tuple[Earlier, ...], instant: datetime) -> dict[str, Any]:
    return next((each.values for each in earlier if each.until == instant), {})


def remembered(earlier: tuple[Earlier, ...], before: Values, after: Values, now: datetime) -> tuple[Earlier, ...]:
    """The earlier values, with what this change replaces. It counts from the start of the second it is made in.

    Unchanged where the past would be the same: the change is of nothing that is dated.
    """
    replaced = {name: before.get(name) for name in sorted(changed_values(before, after))}
    if not replaced:
        return earlier
    until = now.replace(microsecond=0)
    if earlier and until <= earlier[-1].until:  # within one second; or another worker's clock is ahead
        last = earlier[-1]
        return (*earlier[:-1], Earlier(last.until, replaced | last.values))
    return (*earlier, Earlier(until, replaced))[-MAX_CHANGES:]


def changed_values(before: Values, after: Values) -> set[str]:
    """The names of dated settings that differ."""
    return {name for name in DATED if before.get(name) != after.get(name)}
