"""A person is erased everywhere outside the ledger: by operators, from the command line.

Entries, wallets, bookings and payments stay: they hold ids and numbers, and the words that staff gave as reasons of
entries, which the ledger keeps. Stripe's customers stay, too: what such a customer pays later must still find its
client. First the profile says that its person is forgotten, so that nothing comes back; then what names the person
is found and goes; the profile's own words go last, for they are what all else is found by. So one that was cut short
is completed by the same command again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from client_credits.domain.errors import NotFound
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.names import folded_email
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.store import codec, erasing, keys, writes
from client_credits.store.keys import ItemKind
from client_credits.store.records import Wanted
from client_credits.store.table import TRANSACTION, Item, Write

SEARCHED = (ItemKind.EMAIL, ItemKind.RAW_EVENT, ItemKind.PARKED, ItemKind.AUTHORIZATION)
EXTERNAL = "external."


@dataclass(frozen=True, slots=True)
class Person:
    """What a person is found by: the ids of all their records, what Stripe calls them, and their e-mails."""

    client_ids: frozenset[str]
    customers: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    def named_in(self, text: str) -> bool:
        """Whether a text in JSON, such as an event's body, names the person."""
        quoted = (json.dumps(each, ensure_ascii=False) for each in (*self.client_ids, *self.customers))
        if any(each in text for each in quoted):
            return True
        plain = folded_email(text)
        return any(folded_email(each) in plain for each in self.emails)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be: the profile's fields by name, and how many items of each kind."""

    client_id: str
    fields: tuple[str, ...] = ()
    items: dict[str, int] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        return not (self.fields or self.items)


def person_of(context: Context, client_id: str, emails: Iterable[str] = ()) -> tuple[Client, Person]:
    """The client who goes on for this id, and what names its person: `emails` beside the profile's. Raises NotFound."""
    client = context.store.load(context.practice_id, Wanted(client_id=client_id)).client
    if client is None:
        raise NotFound("There is no such client.")
    ids = frozenset({client_id, client.client_id, *client.merged_from})
    return client, Person(ids, frozenset(client.stripe_customers), frozenset({*emails, client.email or ""} - {""}))


def forget(context: Context, client_id: str, emails: Iterable[str] = ()) -> Erased:
    """Erases the person behind a client, who had these e-mails before. Safe to repeat; a rehearsal says what would go.

    Raises NotFound.
    """
    client, person = person_of(context, client_id, emails)
    once(lambda: _say_forgotten(context, client.client_id))
    found = once(lambda: _erase(context, person))
    return Erased(client.client_id, _fields(client), found | once(lambda: _wipe(context, client.client_id)))


def _erase(context: Context, person: Person) -> dict[str, int]:
    """Everything but the profile: searched for, then erased, so many at a time. Says how many of each kind."""
    found = list(_found(context, person))
    for first in range(0, len(found), TRANSACTION):
        context.commit([write for _, write in found[first : first + TRANSACTION]])
    return dict(Counter(kind for kind, _ in found))


def _fields(client: Client) -> tuple[str, ...]:
    return tuple(name for name in ("name", "email", "external_ids") if getattr(client, name))


def _say_forgotten(context: Context, client_id: str) -> None:
    client = context.store.load(context.practice_id, Wanted(client_id=client_id)).client
    if client and client.forgotten_at is None:
        context.commit([writes.client(context.practice_id, replace(client, forgotten_at=context.now))])


def _wipe(context: Context, client_id: str) -> dict[str, int]:
    """The profile's own words go, with the links from other systems' ids; says how many of these there were."""
    client = context.store.load(context.practice_id, Wanted(client_id=client_id)).client
    if client is None or not _fields(client):
        return {}
    bare = replace(client, name=None, email=None, external_ids={})
    links = [pair for pair in client.links if pair[0].startswith(EXTERNAL)]
    gone = [erasing.deleted(keys.link(context.practice_id, *pair)) for pair in links]
    context.commit([writes.client(context.practice_id, bare), *gone])
    return {"external_id": len(gone)} if gone else {}


def _found(context: Context, person: Person) -> Iterator[tuple[str, Write]]:
    """What names the person, by kind, with the write that erases it."""
    raw: list[tuple[str, Item]] = []
    theirs: set[str] = set()
    for item in context.store.items_of_kinds(context.practice_id, SEARCHED):
        match keys.kind_of(item):
            case ItemKind.EMAIL if keys.email_client(item) in person.client_ids:
                yield "email", erasing.deleted(keys.key_of(item))
            case ItemKind.AUTHORIZATION if keys.client_of(item) in person.client_ids:
                if bare := erasing.without_insurer(item):
                    yield "authorization", bare
            case ItemKind.RAW_EVENT:
                raw.append((keys.parked_id(item), item))
            case ItemKind.PARKED if _is_theirs(item, person):
                theirs.add(keys.parked_id(item))
                if bare := erasing.without_words(item):
                    yield "note", bare
            case _:
                continue
    for parked_id, item in raw:
        if parked_id in theirs or person.named_in(str(item["raw"])):
            yield "raw_event", erasing.deleted(keys.key_of(item))


def _is_theirs(item: Item, person: Person) -> bool:
    """Whether a parked payment is the person's. One that this release cannot read is taken by its text."""
    try:
        record = codec.from_item(Parked, item)
    except (ValueError, LookupError):
        return person.named_in(codec.unpacked(item))
    payment = record.payment
    clients = {record.client_id, payment.client_id if payment else None} - {None}
    return bool(clients & person.client_ids) or record.customer in person.customers
