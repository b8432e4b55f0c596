"""Staff's edits, gifts and transfers: each one transaction, those with a key at most once.

An idempotency key becomes the source id `api/<key>`: the same request again is answered with the
entries it wrote then, another request under the same key is refused. Replacing numbers needs no
key, because it holds only for the versions that were seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import Invalid, LimitReached, NotFound, Problem
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger import adjusting as editing
from client_credits.domain.ledger.entries import CauseKind, Change, Entry, EntryKind, untouched
from client_credits.domain.ledger.expiry import expires_at as end_of
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.transferring import payments_moved
from client_credits.domain.ledger.transferring import transfer as move
from client_credits.domain.ledger.wallet import MAX_TYPES, Wallet
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.payments.payment_record import MAX_HOLDERS
from client_credits.operations.committing import entries_of, knowing, once, room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.queries.credits import TypeCredits, type_credits
from client_credits.operations.staff.idempotent import (
    Edited,
    Keyed,
    act_of,
    check_known,
    first_answer,
    known_client,
    once_per_key,
    own_entries,
    record_of,
)
from client_credits.store import writes
from client_credits.store.codec import from_json, to_json
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import TRANSACTION, Write


@dataclass(frozen=True, slots=True)
class NewBalance:
    """The number staff want for one type, for the version they saw (0: never touched)."""

    appointment_type: str
    balance: int
    version: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What staff were shown after a replacement, kept with its record."""

    credits: tuple[TypeCredits, ...] = ()


def set_balances(context: Context, client_id: str, wanted: list[NewBalance], reason: str | None = None) -> Edited:
    """Makes each balance exactly as given, all or none. Raises VersionConflict, Invalid, LimitReached.

    Safe to repeat: the same numbers, ends and reason for the same versions are written once, and answered
    as they were then.
    """
    types = tuple(change.appointment_type for change in wanted)
    if len(set(types)) != len(types) or not 0 < len(types) <= MAX_TYPES:
        fault = Problem("/changes", "out_of_range", f"name 1 to {MAX_TYPES} types, each once")
        raise Invalid("These changes cannot be saved together.", fault)
    keyed = Keyed(derived_id("set", client_id, *sorted(map(to_json, wanted)), reason or ""), "")

    def attempt() -> Edited:
        loaded = known_client(context, client_id, types, (keyed.source_id,))
        done = loaded.operations.get(keyed.source_id)
        if done:
            first = from_json(_Numbers, done.answer or "{}")
            return Edited(entries_of(context.store, context.practice_id, done), repeated=True, credits=first.credits)
        act = act_of(keyed.source_id, CauseKind.STAFF, {}, context.actor, context.now, reason)
        room = room_for(len(wanted))
        # A stale version is reported before anything else is done about these wallets.
        for change in wanted:
            editing.check_version(loaded.wallets[change.appointment_type], change.version)
        before = settled(context.store, loaded.wallets.values(), context.now, loaded.dated, room)
        changes = [
            editing.set_balance(before[w.appointment_type], w.balance, w.version, w.expires_at, act, loaded.dated, room)
            for w in wanted
        ]
        entries = own_entries(changes, keyed.source_id)
        items = wallet_writes(context.store, changes, context.now, loaded.dated, wallets=len(changes))
        after = [replace(c.wallet, version=c.before.version + int(c.made)) for c in changes]
        credits = _credits(loaded, after, context.now)
        if items:
            done = record_of(keyed, loaded.goes_on_as(client_id), "replaced", entries, context.now)
            done = replace(done, answer=to_json(_Numbers(credits)))
            context.commit([writes.operation(context.practice_id, done), *items])
        return Edited(entries, credits=credits)

    return once(attempt)


def _credits(loaded: Loaded, wallets: Iterable[Wallet], now: datetime) -> tuple[TypeCredits, ...]:
    """The numbers of these wallets, settled."""
    names = {type_id: kind.name for type_id, kind in loaded.catalogue.types.items()}
    now_settled = [settle(untouched(wallet), now, loaded.dated).wallet for wallet in wallets]
    return tuple(type_credits(w, names[w.appointment_type], now, loaded.settings) for w in now_settled)


def adjust(
    context: Context,
    client_id: str,
    appointment_type: str,
    amount: int,
    keyed: Keyed,
    reason: str,
    expires_at: datetime | None = None,
) -> Edited:
    """Adds or takes credits, once per key. Raises Invalid, KeyReused, LimitReached, NotFound."""
    if not 0 < abs(amount) <= MAX_CREDITS:
        fault = Problem("/amount", "out_of_range", f"a whole number within {MAX_CREDITS}, not 0")
        raise Invalid("This amount cannot be added.", fault)

    def decide(loaded: Loaded) -> list[Change]:
        act = act_of(keyed.source_id, CauseKind.STAFF, {}, context.actor, context.now, reason)
        room, settings = room_for(1), loaded.dated
        before = settled(context.store, loaded.wallets.values(), context.now, settings, room)[appointment_type]
        return [editing.adjust(before, amount, expires_at, act, settings, room)]

    return once_per_key(context, client_id, (appointment_type,), keyed, decide)


def grant_by_hand(
    context: Context,
    client_id: str,
    package_id: str,
    quantity: int,
    keyed: Keyed,
    reason: str | None = None,
    expires_at: datetime | None = None,
) -> Edited:
    """Grants a package as a gift or sold elsewhere, all its types in one, once per key.

    Its own rule says when it ends unless `expires_at` does; a package that ends with a billing cycle,
    or as only a later release knows, needs it. Raises Invalid, NotFound, KeyReused, LimitReached.
    """
    package = known_client(context, client_id, ()).catalogue.packages.get(package_id)
    if package is None or package.archived:
        trouble = "is archived" if package else "does not exist"
        fault = Problem("/package_id", "not_on_sale", "name a package that is on sale")
        raise Invalid(f"This package {trouble}.", fault)
    credits = {t: n * quantity for t, n in package.credits.items() if n}
    if not credits or max(credits.values()) > MAX_CREDITS:
        fault = Problem("/quantity", "out_of_range", f"a package with 1 to {MAX_CREDITS} credits")
        raise Invalid("This grants no credits, or too many.", fault)
    if package.expiry.kind == "cycle_end" and expires_at is None:
        fault = Problem("/expires_at", "required", "this package ends with a billing cycle: name its end")
        raise Invalid("There is no billing cycle to end with.", fault)
    if not package.expiry.is_known and expires_at is None:
        fault = Problem("/expires_at", "required", "a later release stored when this package ends: name its end")
        raise Invalid("When these credits end is not known.", fault)

    def decide(loaded: Loaded) -> list[Change]:
        act = act_of(keyed.source_id, CauseKind.PACKAGE, {"package_id": package_id}, context.actor, context.now, reason)
        room, settings = room_for(len(credits)), loaded.dated
        end = expires_at or end_of(package.expiry, context.now, settings.at(context.now).timezone)
        before = settled(context.store, loaded.wallets.values(), context.now, settings, room)
        changes = []
        for appointment_type, amount in credits.items():
            lot = editing.a_complimentary_lot(before[appointment_type].wallet, amount, end, act)
            lot = replace(lot, package_id=package_id)
            changes.append(add_lot(before[appointment_type], lot, act, settings, room))
        return changes

    return once_per_key(context, client_id, tuple(credits), keyed, decide)


def change_lot(
    context: Context,
    client_id: str,
    appointment_type: str,
    lot_id: str,
    *,
    void: bool = False,
    expires_at: datetime | None = None,
    reason: str | None = None,
) -> Edited:
    """Voids a lot, or gives it a later end (None: never); an emptied one, too. Raises LotClosed, Invalid, NotFound."""

    def attempt() -> Edited:
        loaded = known_client(context, client_id, (appointment_type,))
        wallet, settings, room = loaded.wallets[appointment_type], loaded.dated, room_for(1)
        source_id = f"api/{derived_id('edit', wallet.client_id, lot_id, str(wallet.version))}"
        act = act_of(source_id, CauseKind.STAFF, {"lot_id": lot_id}, context.actor, context.now, reason)
        before = settled(context.store, [wallet], context.now, settings, room)[appointment_type]
        before = knowing(context.store, before, [lot_id])
        if void:
            change = editing.void(before, lot_id, act)
        else:
            change = editing.extend(before, lot_id, expires_at, act, settings, room)
        items = wallet_writes(context.store, [change], context.now, settings)
        if items:
            context.commit(items)
        return Edited(own_entries([change], source_id))

    return once(attempt)


def transfer(
    context: Context,
    giver_id: str,
    receiver_id: str,
    appointment_type: str,
    amount: int,
    keyed: Keyed,
    reason: str | None = None,
) -> Edited:
    """Moves credits from one client to another in one transaction, once per key.

    Raises InsufficientCredits when the giver has fewer, Invalid, NotFound, KeyReused, LimitReached.
    """
    if not 0 < amount <= MAX_CREDITS:
        fault = Problem("/amount", "out_of_range", f"a whole number from 1 to {MAX_CREDITS}")
        raise Invalid("This amount cannot be moved.", fault)
    pair = (receiver_id, appointment_type)

    def attempt() -> Edited:
        wanted = Wanted(
            client_id=giver_id,
            types=(appointment_type,),
            source_ids=(keyed.source_id,),
            others=(receiver_id,),
            also=(pair,),
        )
        loaded = context.load(wanted)
        check_known(loaded, appointment_type)
        if receiver_id not in loaded.others:
            raise NotFound("There is no such client to receive them.")
        done = loaded.operations.get(keyed.source_id)
        if done:
            return first_answer(context, done, keyed)
        ends = loaded.goes_on_as(giver_id), loaded.goes_on_as(receiver_id)
        if ends[0] == ends[1]:
            fault = Problem("/to_client_id", "out_of_range", "name another client")
            raise Invalid("A client cannot give credits to itself.", fault)
        cause = {"from_client_id": ends[0], "to_client_id": ends[1]}
        act = act_of(keyed.source_id, CauseKind.TRANSFER, cause, context.actor, context.now, reason)
        settings, theirs, room = loaded.dated, loaded.dated_of(receiver_id), room_for(2)
        giver = settled(context.store, loaded.wallets.values(), context.now, settings, room)[appointment_type]
        receiver = settled(context.store, [loaded.also[pair]], context.now, theirs, room)[appointment_type]
        before = giver
        giver, receiver = move(giver, receiver, amount, act, settings, theirs, room)
        entries = own_entries([giver, receiver], keyed.source_id)
        items = [writes.operation(context.practice_id, record_of(keyed, ends[0], "transferred", entries, context.now))]
        items += wallet_writes(context.store, [giver], context.now, settings, wallets=2)
        items += wallet_writes(context.store, [receiver], context.now, theirs, wallets=2)
        came = next(entry for entry in entries if entry.kind is EntryKind.TRANSFERRED_IN)
        items += _new_holder(context, payments_moved(before, giver), came)
        if len(items) > TRANSACTION:
            raise LimitReached("These credits come from too many payments to move at once. Move fewer at a time.")
        context.commit(items)
        return Edited(entries)

    return once(attempt)


def _new_holder(context: Context, payment_ids: list[str], came: Entry) -> list[Write]:
    """Each payment whose credits were moved learns who has some now. Raises LimitReached beyond 40 wallets."""
    if not payment_ids:
        return []
    items = []
    for record in context.load(Wanted(payments=tuple(payment_ids))).payments.values():
        after = record.with_holders([(came.client_id, came.appointment_type, came.sequence - 1)])
        if len(after.holders) > MAX_HOLDERS:
            raise LimitReached(f"One payment's credits are kept in at most {MAX_HOLDERS} wallets.")
        if record.grants and after != record:
            items.append(writes.payment(context.practice_id, after))
    return items
