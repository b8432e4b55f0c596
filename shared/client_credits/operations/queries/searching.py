"""Clients by name: the list in order of name, and the search by the beginning of a name or id, or by e-mail.

Names are compared folded (domain.practice.names). The index of names may lag a write by a moment.
"""

from collections.abc import Callable
from dataclasses import dataclass

from client_credits.domain.ids import is_id
from client_credits.domain.practice.names import folded, folded_email, hashed_email
from client_credits.domain.practice.records import Client
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import (
    ROSTER_REQUESTS,
    Filter,
    ListedClient,
    Requests,
    RosterLine,
    chunks,
    listed,
    roster,
    settled_wallet,
)
from client_credits.store import keys
from client_credits.store.records import Wanted

NAMES_PAGES = 10  # pages of the index of names for one answer
MAX_KEYS = 2500  # wallets looked for at a time: every type of the catalogue for each client


ANYONE = Filter()


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where a search goes on: behind `after`, a place in the index of names or, `by_id`, a client's id."""

    after: str | None = None
    by_id: bool = False


Found = tuple[list[ListedClient], SearchPlace | None]


def by_name(context: Context, start: SearchPlace, limit: int, only: Filter = ANYONE, begins: str = "") -> Found:
    """Clients in order of name, those without one last, and where the next page begins (None: this was the last).

    `begins` is a folded name's beginning. A page may be short, or empty, and not be the last.
    """
    if only.impossible:
        return [], None
    chosen: list[ListedClient] = []
    after, rows = (
        start.after,
        max(1, min(limit, MAX_KEYS // (1 + len(context.store.catalogue(context.practice_id).types)))),
    )
    for _ in range(NAMES_PAGES):
        page = context.store.names_page(context.practice_id, after, rows, begins)
        read = _read(context, [keys.named(place)[1] for place in page.places])
        for place, (line, client) in zip(page.places, read, strict=True):
            if only.lets(line) and _stands(client, line):
                if len(chosen) == limit:
                    return chosen, SearchPlace(after)
                chosen.append(client)
            after = place
        if page.last is None:
            return chosen, None
        if len(chosen) == limit:
            break
    return chosen, SearchPlace(after)


def _read(context: Context, client_ids: list[str]) -> list[tuple[RosterLine, ListedClient]]:
    """The clients with the settled numbers of all their wallets, in this order."""
    if not client_ids:
        return []
    types = tuple(context.store.catalogue(context.practice_id).types)
    pairs = tuple((client_id, t) for client_id in client_ids for t in types)
    loaded = context.load(Wanted(others=tuple(client_ids), also=pairs))
    shown = loaded.account.values.get("enabled", True)
    found = []
    for each in client_ids:
        wallets = [settled_wallet(loaded, each, t, context.now) for t in types if loaded.also[each, t].version]
        balances = {wallet.appointment_type: wallet.balance for wallet in wallets}
        line = RosterLine(each, balances=balances, debts={w.appointment_type: w.debt for w in wallets})
        found.append((line, ListedClient(loaded.others.get(each) or Client(each), balances if shown else {})))
    return found


def search(
    context: Context,
    start: SearchPlace,
    limit: int,
    text: str | None,
    email: str | None,
    email_keys: Callable[[], tuple[bytes, ...]],
) -> Found:
    """Clients whose name, then those whose id, begins with `text`, each once; all where nothing is asked.

    With `email` only those who have it, which may be written in either case.
    """
    if email is not None:
        return having_email(context, email, email_keys(), text), None
    wanted = folded(text or "")
    if text and not wanted:
        return [], None
    found: list[ListedClient] = []
    if not start.by_id:
        found, more = by_name(context, start, limit, begins=wanted)
        if more or not text:
            return found, more
        start = SearchPlace(by_id=True)
        if len(found) == limit:
            return found, start
    rest, more = _by_id(context, start, limit - len(found), text or "")
    return found + rest, more


def _by_id(context: Context, start: SearchPlace, limit: int, text: str) -> Found:
    """Those whose id begins so and whose name does not: these were listed before."""
    if not is_id(text):
        return [], None
    requests, wanted = Requests(ROSTER_REQUESTS), folded(text)
    chosen: list[RosterLine] = []
    after = start.after
    for lines in chunks(roster(context.store, context.practice_id, after, text, requests), context.now):
        for line in lines:
            if not (line.name or "").startswith(wanted):
                if len(chosen) == limit:
                    return listed(context, chosen), SearchPlace(after, by_id=True)
                chosen.append(line)
            after = line.client_id
    return listed(context, chosen), SearchPlace(after, by_id=True) if requests.spent else None


def having_email(
    context: Context, email: str, email_keys: tuple[bytes, ...], text: str | None = None
) -> list[ListedClient]:
    """Who has this e-mail, by name; a key that is being replaced is tried, too."""
    hashes = {hashed_email(key, email) for key in email_keys}
    ids = {
        client_id for each in sorted(hashes) for client_id in context.store.clients_of_email(context.practice_id, each)
    }
    found = (client for line, client in _read(context, sorted(ids)) if _stands(client, line))
    having = [each for each in found if _has(each.client, email) and _begins(each.client, text)]
    return sorted(having, key=lambda each: keys.names_sk(folded(each.client.name or ""), each.client.client_id))


def _stands(client: ListedClient, line: RosterLine) -> bool:
    """Whether a client stands by itself: one that was merged is listed as the other one."""
    return client.client.client_id == line.client_id


def _has(client: Client, email: str) -> bool:
    return client.email is not None and folded_email(client.email) == folded_email(email)


def _begins(client: Client, text: str | None) -> bool:
    return not text or client.client_id.startswith(text) or folded(client.name or "").startswith(folded(text))
