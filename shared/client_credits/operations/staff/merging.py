"""Two records of one person become one: every later event of the old id counts for the other.

The records of both say so first, in one transaction; from then on whoever asks for the old one gets the other.
Then the wallets move, one operation each (`operations.moving`), and the record of the request comes last. So a
merge that was cut short is completed by the same request again, or by whatever meets a wallet that is left.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import AlreadyResolved, Invalid, LimitReached, NotFound, Problem
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import MAX_OPEN, Wallet
from client_credits.domain.practice.authorizations import MAX_AUTHORIZATIONS
from client_credits.domain.practice.names import hashed_email
from client_credits.domain.practice.records import MAX_CUSTOMERS, MAX_MERGED, Client
from client_credits.operations import moving
from client_credits.operations.committing import entries_of, once
from client_credits.operations.context import Context
from client_credits.operations.staff.idempotent import Keyed, first_answer, record_of
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import Write


@dataclass(frozen=True, slots=True)
class Merged:
    """Who goes on for both, the entries that moved the wallets, and whether an earlier request had done it."""

    client: Client
    entries: list[Entry]
    repeated: bool = False


def merge_clients(
    context: Context, gone: str, into: str, keyed: Keyed, email_key: Callable[[], bytes] | None = None
) -> Merged:
    """Merges the client `gone` into the client `into`, whose profile and settings stand. Safe to repeat.

    With `email_key`, nobody finds `gone` by its e-mail any more. Raises Invalid where a client would be merged into
    itself or one that was merged, AlreadyResolved where `gone` was merged into another one, NotFound, KeyReused,
    and LimitReached where both together pass a bound.
    """
    if gone == into:
        fault = Problem("/into", "out_of_range", "name another client")
        raise Invalid("A client cannot be merged into itself.", fault)
    if done := _done_before(context, keyed):
        return done
    client = once(partial(_say_so, context, gone, into, email_key))
    types = _types(context, gone)
    moved = [entry for each in types for entry in once(partial(moving.move, context, gone, into, each))]
    for earlier in client.merged_from:
        once(partial(_point, context, earlier, into))
    if context.store.rehearsing:
        return Merged(client, moved)
    entries = _entries(context, gone, types)
    context_record = record_of(keyed, into, "merged", entries, context.now)
    once(partial(_note_done, context, context_record.source_id, writes.operation(context.practice_id, context_record)))
    return Merged(client, entries)


def _done_before(context: Context, keyed: Keyed) -> Merged | None:
    """The first answer of this request. Raises KeyReused for another request."""
    done = _as_stored(context, source_ids=(keyed.source_id,)).operations.get(keyed.source_id)
    if done is None:
        return None
    edited = first_answer(context, done, keyed)
    client = context.store.load(context.practice_id, Wanted(client_id=done.client_id)).client
    assert client is not None, "who goes on stays"
    return Merged(client, edited.entries, repeated=True)


def _as_stored(context: Context, **wanted: tuple[str, ...] | tuple[tuple[str, str], ...]) -> Loaded:
    """The records of clients as they are, whoever goes on for them."""
    return context.store.load(context.practice_id, Wanted(as_stored=True, **wanted))  # type: ignore[arg-type]


def _say_so(context: Context, gone: str, into: str, email_key: Callable[[], bytes] | None) -> Client:
    """Both records say who goes on; the maps of the old one's customers lead to it. Safe to repeat."""
    known = _as_stored(context, others=(gone, into)).others
    if gone not in known or into not in known:
        raise NotFound("There is no such client.")
    old, staying = known[gone], known[into]
    if staying.merged_into:
        fault = Problem("/into", "merged", "name the client that goes on for it")
        raise Invalid("This client was itself merged into another one.", fault)
    if old.merged_into == into:
        return staying
    if staying.forgotten_at:
        fault = Problem("/into", "forgotten", "merge the other way")
        raise Invalid("The person behind this client was erased: nothing about them is taken in.", fault)
    if old.merged_into:
        raise AlreadyResolved("This client was merged into another one before.")
    merged_from = (*staying.merged_from, *old.merged_from, gone)
    if len(merged_from) > MAX_MERGED:
        raise LimitReached(f"A client takes in at most {MAX_MERGED} records.")
    if old.authorizations and len(staying.authorizations) + len(old.authorizations) > MAX_AUTHORIZATIONS:
        raise LimitReached(f"A client has at most {MAX_AUTHORIZATIONS} authorizations. Delete those that have ended.")
    _check_bounds(context, gone, into)
    after = replace(_with_maps_of(staying, old), merged_from=merged_from)
    # What settles in the old wallets until they move goes by the settings that held for them.
    kept = {name: getattr(old, name) for name in ("overrides", "earlier", "created_at", "version")}
    left = Client(gone, merged_into=into, merged_at=context.now, **kept)
    items = [writes.client(context.practice_id, each) for each in (left, after)]
    items += _links(context, old, into)
    if email_key and old.email:
        dropped = int(context.now.timestamp())
        items.append(writes.email(context.practice_id, hashed_email(email_key(), old.email), gone, dropped))
    context.commit(items)
    return after


def _with_maps_of(staying: Client, old: Client) -> Client:
    """The client with what leads to the old record. What it has of its own stands."""
    customers = tuple(dict.fromkeys((*staying.stripe_customers, *old.stripe_customers)))
    bought = {(each.package_id, each.key): each for each in (*old.bought, *staying.bought)}
    return replace(
        staying,
        stripe_customers=customers[:MAX_CUSTOMERS],
        external_ids=dict(sorted((old.external_ids | staying.external_ids).items())),
        bought=tuple(bought.values()),
        authorizations=(*staying.authorizations, *old.authorizations),
    )


def _links(context: Context, old: Client, into: str) -> list[Write]:
    """What the old record's profile lists leads to who goes on; other links of it are followed when they are read."""
    pairs = old.links
    owners = _as_stored(context, links=pairs).links if pairs else {}
    owned = [pair for pair, owner in owners.items() if owner == old.client_id]
    return [writes.link(context.practice_id, *pair, into, old.client_id) for pair in owned]


def _check_bounds(context: Context, gone: str, into: str) -> None:
    """Raises LimitReached where the wallets of a type would together hold more than one may."""
    types = _types(context, gone)
    pairs = tuple((each, kind) for each in (gone, into) for kind in types)
    wallets = _as_stored(context, also=pairs).also
    for kind in types:
        _check_both(wallets[gone, kind], wallets[into, kind])


def _check_both(old: Wallet, staying: Wallet) -> None:
    if old.open_count and old.open_count + staying.open_count > max(MAX_OPEN, staying.open_count):
        raise LimitReached(f"A wallet holds at most {MAX_OPEN} open lots, debts and holds.")
    if abs(old.balance + staying.balance) > MAX_CREDITS:
        raise LimitReached(f"A wallet's balance stays within {MAX_CREDITS:,} credits.")


def _types(context: Context, client_id: str) -> tuple[str, ...]:
    """Every type of the catalogue, and those that the client has a wallet of."""
    catalogue = context.store.load(context.practice_id, Wanted()).catalogue
    own = context.store.types_of(context.practice_id, client_id)
    return tuple(sorted({*catalogue.types, *own}))


def _point(context: Context, earlier: str, into: str) -> None:
    """A record that was merged before leads to who goes on now, in one step."""
    known = _as_stored(context, others=(earlier,)).others.get(earlier)
    if known and known.merged_into not in (None, into):
        context.commit([writes.client(context.practice_id, replace(known, merged_into=into))])


def _entries(context: Context, gone: str, types: Iterable[str]) -> list[Entry]:
    """What moved the wallets, whoever moved them."""
    names = tuple(moving.source_id_of(gone, kind) for kind in types)
    done = _as_stored(context, source_ids=names).operations
    return [e for name in names if name in done for e in entries_of(context.store, context.practice_id, done[name])]


def _note_done(context: Context, source_id: str, record: Write) -> None:
    if source_id not in _as_stored(context, source_ids=(source_id,)).operations:
        context.commit([record])
