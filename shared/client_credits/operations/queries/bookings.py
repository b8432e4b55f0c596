"""Lists over a practice's bookings, the latest session first. They may lag a write by a moment."""

from dataclasses import dataclass, field

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.store.keys import SESSION_SHARDS, booking_at
from client_credits.store.records import Wanted
from client_credits.store.store import Store

LOOKED_AT = 250  # bookings that one query looks at
MAX_QUERIES = 2 * SESSION_SHARDS  # for one page; at least one a shard, so that every page gets on
LATEST = "~"  # behind every instant


@dataclass(slots=True)
class _Shard:
    """How far back one shard has been read, and the places found in it. `reached` None: to its end."""

    number: int
    reached: str | None
    found: list[str] = field(default_factory=list)


def bookings_in(
    store: Store, practice_id: str, state: BookingState, before: str | None, limit: int
) -> tuple[list[Booking], str | None]:
    """At most `limit` bookings in a state, and the place before which the list goes on (None: its end).

    A page takes a bounded number of requests, whatever is stored: it may be short, or empty, and still
    not the last.
    """
    shards = [_Shard(number, before or LATEST) for number in range(SESSION_SHARDS)]
    for _ in range(MAX_QUERIES):
        behind = max((shard for shard in shards if shard.reached), key=_reached, default=None)
        if behind is None or len(_seen(shards)) >= limit:
            break
        _read_on(store, practice_id, state, behind)
    seen, horizon = _seen(shards), _horizon(shards)
    page = seen[:limit]
    more = page[-1] if len(seen) > limit else horizon
    return _loaded(store, practice_id, state, page), more


def _read_on(store: Store, practice_id: str, state: BookingState, shard: _Shard) -> None:
    before = None if shard.reached == LATEST else shard.reached
    page = store.sessions_page(practice_id, shard.number, before, LOOKED_AT, state)
    shard.found += page.places
    shard.reached = page.after


def _reached(shard: _Shard) -> str:
    return shard.reached or ""


def _horizon(shards: list[_Shard]) -> str | None:
    """The place down to which every shard has been read; None when all have been to the end."""
    return max(map(_reached, shards)) or None


def _seen(shards: list[_Shard]) -> list[str]:
    """The places found down to the horizon, the latest first: nothing can come between them any more."""
    horizon = _horizon(shards) or ""
    return sorted((place for shard in shards for place in shard.found if place >= horizon), reverse=True)


def _loaded(store: Store, practice_id: str, state: BookingState, places: list[str]) -> list[Booking]:
    """The bookings as they stand now; one that has left the state since the index saw it is left out."""
    named = tuple(map(booking_at, places))
    found = store.load(practice_id, Wanted(bookings=named)).bookings
    return [found[booking_id] for booking_id in named if booking_id in found and found[booking_id].state is state]
