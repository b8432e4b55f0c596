"""Links that staff send to clients: made once per key, used up once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from client_credits.domain.errors import KeyReused, NotFound, TooManyTries
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.practice.client_links import ClientLink
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.staff.idempotent import Keyed, known_client
from client_credits.store import practice_writes, writes
from client_credits.store.codec import from_json, to_json
from client_credits.store.store import Store
from client_credits.store.table import Write

OUTCOME = "client_link"


@dataclass(frozen=True, slots=True)
class LinkMade:
    """What its request is answered with, and whether it had been made by an earlier one."""

    link_id: str
    expires_at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a repeat of the request is answered from."""

    link_id: str
    expires_at: datetime


def make_link(context: Context, client_id: str, ttl: timedelta, keyed: Keyed) -> LinkMade:
    """A link for a known client, once per key. Raises NotFound, KeyReused, Busy."""

    def attempt() -> LinkMade:
        loaded = known_client(context, client_id, (), (keyed.source_id,))
        done = loaded.operations.get(keyed.source_id)
        if done:
            return _made_before(done, keyed)
        kept = _Kept(derived_id("link", context.practice_id, keyed.source_id), context.now + ttl)
        link = ClientLink(kept.link_id, client_id, kept.expires_at)
        record = Operation(keyed.source_id, keyed.digest, OUTCOME, client_id, (), context.now, to_json(kept))
        context.commit(
            [
                writes.operation(context.practice_id, record),
                practice_writes.client_link(context.practice_id, link),
            ]
        )
        return LinkMade(kept.link_id, kept.expires_at)

    return once(attempt)


def _made_before(done: Operation, keyed: Keyed) -> LinkMade:
    if done.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    assert done.answer is not None
    kept = from_json(_Kept, done.answer)
    return LinkMade(kept.link_id, kept.expires_at, repeated=True)


def use_link(store: Store, practice_id: str, link_id: str, now: datetime) -> str:
    """Uses a link up and names its client: of all who try, exactly one is answered.

    Raises NotFound alike for a link that is not there, was used or is over, and TooManyTries. Every try is
    noted, at most ten a minute.
    """

    def attempt() -> str | None:
        link = store.client_link(practice_id, link_id)
        if link is None:
            return None
        pause = link.seconds_until_try(now)
        if pause:
            raise TooManyTries(pause)
        is_good = link.is_good(now)
        tried: Write = practice_writes.client_link(practice_id, link.used(now) if is_good else link.tried(now))
        store.commit([tried])
        return link.client_id if is_good else None

    client_id = once(attempt)
    if client_id is None:
        raise NotFound("This link is not valid.")
    return client_id
