"""Insurance authorisations as staff keep them: written, replaced, deleted, listed.

The client's profile names them, so that a booking, which reads it anyway, knows whether there are any.
Visits are used and returned by bookings alone. Each is addressed by the client under whose id it was put: clients
that were merged may have brought one of the same id each.
"""

from dataclasses import replace

from client_credits.domain.errors import ClientForgotten, Invalid, LimitReached, NotFound, Problem, pointer
from client_credits.domain.practice.authorizations import MAX_AUTHORIZATIONS, Authorization, AuthorizationRef
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.store import practice_writes, writes
from client_credits.store.records import Loaded, Wanted


def authorizations_of(context: Context, client_id: str) -> list[Authorization]:
    """All of a client, in order of their ids. Raises NotFound for an unknown client."""
    client = _client(context.store.load(context.practice_id, Wanted(client_id=client_id)))
    found = context.store.authorizations(context.practice_id, client.authorizations)
    return sorted(found, key=lambda a: (a.authorization_id, a.client_id))


def find(context: Context, client_id: str, authorization_id: str) -> Authorization:
    """Raises NotFound for an unknown client, and for an authorisation that is not there or was deleted."""
    client = _client(context.store.load(context.practice_id, Wanted(client_id=client_id)))
    return _standing(_found(context, client, client_id, authorization_id))


def put(context: Context, wanted: Authorization) -> tuple[Authorization, bool]:
    """Creates or replaces an authorisation; True when it is new. The visits used stay as they are. Safe to repeat.

    Raises NotFound for an unknown client, Invalid for types not in the catalogue, an end before the start and fewer
    visits than were used, ClientForgotten for a person who was erased, LimitReached for one more than a
    client may have.
    """

    def attempt() -> tuple[Authorization, bool]:
        loaded = context.load(Wanted(client_id=wanted.client_id))
        client = _client(loaded)
        if client.forgotten_at:
            raise ClientForgotten("This person was erased from the records. Use another id for a new client.")
        known = _found(context, client, wanted.client_id, wanted.authorization_id)
        ref = known.ref if known else AuthorizationRef(client.client_id, wanted.authorization_id)
        used, version = (known.visits_used, known.version) if known else (0, 0)
        changed = replace(wanted, client_id=ref.client_id, visits_used=used, version=version)
        _check(changed, loaded)
        is_new = ref not in client.authorizations
        if changed != known:
            items = [practice_writes.authorization(context.practice_id, changed)]
            if is_new:
                items.append(writes.client(context.practice_id, _naming(client, ref)))
            context.commit(items)
        return changed, is_new

    return once(attempt)


def delete(context: Context, client_id: str, authorization_id: str) -> Authorization:
    """It covers no booking any more; those that it covered stand as they are, and so does what the ledger says.

    Raises NotFound, and so for what was deleted before.
    """

    def attempt() -> Authorization:
        client = _client(context.load(Wanted(client_id=client_id)))
        known = _standing(_found(context, client, client_id, authorization_id))
        left = tuple(each for each in client.authorizations if each != known.ref)
        gone = replace(known, deleted_at=context.now)
        context.commit(
            [
                practice_writes.authorization(context.practice_id, gone),
                writes.client(context.practice_id, replace(client, authorizations=left)),
            ]
        )
        return gone

    return once(attempt)


def _client(loaded: Loaded) -> Client:
    if loaded.client is None:
        raise NotFound("There is no such client.")
    return loaded.client


def _found(context: Context, client: Client, asked: str, authorization_id: str) -> Authorization | None:
    """The one of this id that was put under the id `asked`, deleted or not; else that of who goes on, else the first
    of the merged records. So one that was deleted never makes way for another: a delete may be repeated."""
    owners = dict.fromkeys((asked, client.client_id, *client.merged_from))
    refs = [AuthorizationRef(owner, authorization_id) for owner in owners]
    found = {each.ref: each for each in context.store.authorizations(context.practice_id, refs)}
    return next((found[ref] for ref in refs if ref in found), None)


def _standing(found: Authorization | None) -> Authorization:
    if found is None or found.deleted_at:
        raise NotFound("There is no such authorization.")
    return found


def _naming(client: Client, ref: AuthorizationRef) -> Client:
    if len(client.authorizations) >= MAX_AUTHORIZATIONS:
        raise LimitReached(f"A client has at most {MAX_AUTHORIZATIONS} authorizations. Delete one that has ended.")
    return replace(client, authorizations=(*client.authorizations, ref))


def _check(wanted: Authorization, loaded: Loaded) -> None:
    faults = [
        Problem(pointer("appointment_types", str(place)), "unknown_appointment_type", "create this type first")
        for place, kind in enumerate(wanted.appointment_types)
        if kind not in loaded.catalogue.types
    ]
    if wanted.ends_on < wanted.starts_on:
        faults.append(Problem("/ends_on", "out_of_range", "not before starts_on"))
    if wanted.visits_left < 0:
        used = f"{wanted.visits_used} visits were used"
        faults.append(Problem("/visits_authorized", "fewer_than_used", used))
    if faults:
        raise Invalid("The authorization is not valid; see errors.", *faults)
