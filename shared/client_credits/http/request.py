"""What a route knows of the request beside its parameters: who asks, when, on which store."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.aws.queue_lengths import QueueLengths
from client_credits.aws.secrets import CursorKeys, OwnKeys
from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.domain.ids import is_id, keyed_id, people_key
from client_credits.domain.instants import read_instant
from client_credits.domain.ledger.entries import Actor, Entry
from client_credits.domain.practice.jobs import JobMessage
from client_credits.domain.practice.records import SettingsChange
from client_credits.domain.practice.staff import StaffMember
from client_credits.http import cursors
from client_credits.http.client_links import LinkTries
from client_credits.http.identity import Caller, Role
from client_credits.http.sessions import Sessions
from client_credits.operations.context import Context
from client_credits.operations.staff.directory import StaffDirectory
from client_credits.store.store import Store
from client_credits.stripe.checkout import Checkouts


@dataclass(frozen=True, slots=True)
class Outside:
    """What routes need of the outside, beside the store. `client_page_url` is where client links lead, `origins` are
    those of the pages that may call the API. `wake` queues a job's step; `address` is where a file can be downloaded
    under a name."""

    session_keys: OwnKeys
    client_page_url: str
    checkouts: Checkouts
    wake: Callable[[JobMessage], None]
    address: Callable[[str, str], str]
    stripe_mode: str
    dead_letters: QueueLengths
    origins: tuple[str, ...] = ()
    link_tries: LinkTries = field(default_factory=LinkTries)

    @property
    def page_origins(self) -> frozenset[str]:
        """The origins of pages that a client may be sent to."""
        parts = urlsplit(self.client_page_url)
        return frozenset({*self.origins, f"{parts.scheme}://{parts.netloc}".lower()})

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.session_keys)


@dataclass(frozen=True, slots=True)
class Ask:
    known: Caller | None
    store: Store
    now: datetime
    cursor_keys: CursorKeys
    directory: StaffDirectory
    outside: Outside

    @property
    def caller(self) -> Caller:
        """Who asks, on every route but those that anyone may call."""
        assert self.known is not None, "a route that anyone may call has no caller"
        return self.known

    @property
    def practice_id(self) -> str:
        return self.caller.practice_id

    @property
    def actor(self) -> Actor:
        """Who acts, by an id of ours: a subject of another form, an e-mail above all, becomes a keyed hash."""
        subject = self.caller.subject
        return Actor(
            str(self.caller.role), subject if is_id(subject) else keyed_id("actor", self.people_keys()[0], subject)
        )

    @property
    def context(self) -> Context:
        """What every operation takes first."""
        return Context(self.store, self.practice_id, self.actor, self.now)

    @property
    def for_staff(self) -> bool:
        return self.known is not None and self.known.role in (Role.ADMIN, Role.STAFF)

    @property
    def member(self) -> StaffMember:
        """The caller as the directory of staff keeps it: an id of ours, and what the token calls the person."""
        return StaffMember(self.actor.actor_id, self.caller.name, self.caller.email)

    def names_of(self, entries: Iterable[Entry | SettingsChange]) -> dict[str, str]:
        """The names of the staff who caused these entries, for staff; nobody else sees any."""
        return self.directory.names(self.context, _staff_of(entries)) if self.for_staff else {}

    def names_written(self, entries: Iterable[Entry]) -> dict[str, str]:
        """As `names_of`, for entries that the caller may just have written: their own name is the token's, so
        that only entries of others, which a repeat answers with, cost a read."""
        own, staff = self.member, _staff_of(entries)
        if not self.for_staff:
            return {}
        named = {own.actor_id: own.shown} if own.shown and own.actor_id in staff else {}
        return named | self.directory.names(self.context, staff - {own.actor_id})

    def people_keys(self) -> tuple[bytes, ...]:
        """Our keys for what stands in place of personal data, the one in use first."""
        keys = self.cursor_keys.active(self.now.timestamp())
        return tuple(people_key(key) for key in keys)

    @property
    def for_client(self) -> bool:
        return self.caller.role is Role.CLIENT

    def about(self, client_id: str) -> str:
        """The client asked about. Raises NotFound when a client asks about another."""
        if self.for_client and client_id != self.caller.client_id:
            raise NotFound("There is no such client.")
        return client_id

    def seal(self, query: str, position: dict[str, Any] | None) -> str | None:
        """The cursor for the next page, or None where there is none."""
        if position is None:
            return None
        return cursors.seal(self.cursor_keys.active(self.now.timestamp()), self.practice_id, query, position)

    def open(self, query: str, cursor: str | None) -> dict[str, Any] | None:
        """Where to go on. Raises Invalid for a cursor of another list, or one that was changed."""
        if cursor is None:
            return None
        try:
            return self._opened(query, cursor)
        except cursors.BadCursor as bad:
            fault = Problem("/query/cursor", "bad_cursor", "start again without a cursor")
            raise Invalid("This cursor does not belong to this list.", fault) from bad

    def _opened(self, query: str, cursor: str) -> dict[str, Any]:
        now = self.now.timestamp()
        try:
            return cursors.open(self.cursor_keys.active(now), self.practice_id, query, cursor)
        except cursors.BadCursor:
            # Another worker may have sealed it with a key that is new since.
            fresh = self.cursor_keys.reread(now)
            if fresh is None:
                raise
            return cursors.open(fresh, self.practice_id, query, cursor)


def _staff_of(entries: Iterable[Entry | SettingsChange]) -> set[str]:
    actors = [each.actor if isinstance(each, Entry) else Actor(each.actor_kind, each.actor_id) for each in entries]
    return {actor.actor_id for actor in actors if actor.kind in (Role.ADMIN, Role.STAFF)}


def asked(router: APIGatewayHttpRouter) -> Ask:
    ask = router.context["ask"]
    assert isinstance(ask, Ask)
    return ask


def instant_parameter(name: str, text: str | None) -> datetime | None:
    """An RFC 3339 instant of the query. A `+` that arrives as a space is read as it was meant."""
    if text is None:
        return None
    try:
        return read_instant(text.replace(" ", "+"))
    except ValueError as error:
        fault = Problem(f"/query/{name}", "not_an_instant", "write it like 2026-12-01T09:00:00Z")
        raise Invalid("An instant in the query is not valid.", fault) from error
