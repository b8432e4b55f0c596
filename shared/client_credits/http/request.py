"""What a route knows of the request beside its parameters: who asks, when, on which store."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.aws.secrets import CursorKeys, OwnKeys
from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.domain.ids import derived_key, is_id, keyed_id
from client_credits.domain.instants import read_instant
from client_credits.domain.ledger.entries import Actor, Entry
from client_credits.domain.practice.jobs import JobMessage
from client_credits.domain.practice.records import SettingsChange
from client_credits.http import cursors
from client_credits.http.client_links import LinkTries
from client_credits.http.identity import Caller, Role
from client_credits.http.sessions import Sessions
from client_credits.operations.context import Context
from client_credits.operations.staff.directory import StaffDirectory
from client_credits.store.store import Store


@dataclass(frozen=True, slots=True)
class Outside:
    """What routes need of the outside. `client_page_url` is where client links lead; `wake` queues a job's step;
    `address` is where a file of this name can be downloaded, to be kept under another."""

    session_keys: OwnKeys
    client_page_url: str
    wake: Callable[[JobMessage], None]
    address: Callable[[str, str], str]
    link_tries: LinkTries = field(default_factory=LinkTries)

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

    def names_of(self, entries: Iterable[Entry | SettingsChange]) -> dict[str, str]:
        """The names of the staff who caused these entries, for staff; nobody else sees any."""
        if not self.for_staff:
            return {}
        actors = [each.actor if isinstance(each, Entry) else Actor(each.actor_kind, each.actor_id) for each in entries]
        staff = {actor.actor_id for actor in actors if actor.kind in (Role.ADMIN, Role.STAFF)}
        return self.directory.names(self.context, staff)

    def people_keys(self) -> tuple[bytes, ...]:
        """Our keys for what stands in place of personal data, the one in use first."""
        keys = self.cursor_keys.active(self.now.timestamp())
        return tuple(derived_key(key, "client-credits/people/1") for key in keys)

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
