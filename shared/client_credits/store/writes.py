"""Each record as the write that stores it, with the condition that keeps it right.

A wallet is put under its version, an entry and an operation only where none is yet: this is the
one place that writes entries, and nothing rewrites them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Coming, Cycle, Debt, Hold, Lot, Mark, TakenIn, Wallet
from client_credits.domain.payments.money import Money
from client_credits.domain.payments.parked import Parked, Replay
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.reconciliation import Reconciliation
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.names import folded
from client_credits.domain.practice.records import Account, Client, SettingsChange
from client_credits.domain.practice.staff import StaffMember
from client_credits.store import codec, keys, projected
from client_credits.store.keys import ItemKind, Key
from client_credits.store.table import Write

ABSENT = "attribute_not_exists(pk)"
CLOSED_KEPT = timedelta(days=400)  # a parked payment that was granted or dismissed
NOT_WAITING_KEPT = timedelta(days=1)  # a note that nothing waits any more


def sortable(instant: datetime) -> str:
    """An instant as text of one width, so that order as text is order in time."""
    return instant_text(instant, timespec="microseconds")


@dataclass(frozen=True, slots=True)
class WalletBody:
    """A wallet without what its key says already, which keeps the usual one within a kilobyte."""

    sequence: int = 0
    granted_total: int = 0
    last_at: datetime | None = None
    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()
    holds: tuple[Hold, ...] = ()
    marks: tuple[Mark, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    coming: tuple[Coming, ...] = ()
    settled_at: datetime | None = None
    settlings: int = 0
    merged_into: str | None = None
    taken_in: tuple[TakenIn, ...] = ()


Versioned = Booking | Client | Account | Catalogue | Parked | Replay | PaymentRecord | Money | SubscriptionState


def _body(record: Versioned) -> str:
    """The record without its version, which is the item's own attribute."""
    return codec.to_json(replace(record, version=0))


def _put(key: Key, attributes: Mapping[str, str | int | bytes | None], condition: str = ABSENT) -> Write:
    return {"Put": {"Item": _item({**keys.attributes(key), **attributes}), "ConditionExpression": condition}}


def _item(values: Mapping[str, str | int | bytes | None]) -> codec.Attributes:
    assert "kind" in values, "readers go by an item's kind"
    return codec.to_attributes(codec.packed(values))


def _put_version(key: Key, seen: int, attributes: Mapping[str, str | int | bytes | None]) -> Write:
    """Puts a versioned record over the version that was seen; 0 means there was none."""
    write = _put(key, {"version": seen + 1, **attributes})
    if seen:
        write["Put"]["ConditionExpression"] = "version = :seen"
        write["Put"]["ExpressionAttributeValues"] = {":seen": {"N": str(seen)}}
    return write


WALLET_BODY = tuple(each.name for each in fields(WalletBody))


def _wallet_body(of: Wallet) -> WalletBody:
    return WalletBody(**{name: getattr(of, name) for name in WALLET_BODY})


def wallet(after: Wallet, due_at: datetime | None) -> Write:
    """`after.version` is the version that was loaded; it is stored raised by one."""
    key = keys.wallet(after.practice_id, after.client_id, after.appointment_type)
    attributes: dict[str, str | int | bytes | None] = {
        "kind": ItemKind.WALLET,
        "body": codec.to_json(_wallet_body(after)),
        "balance": after.balance,
        "debt": after.debt,
        "granted_total": after.granted_total,
        # Left out while nothing is held or frozen, which keeps the usual wallet within a kilobyte.
        "held": sum(amount for hold in after.holds for _, amount in hold.parts) or None,
        "frozen": sum(lot.remaining for lot in after.open_lots if lot.frozen) or None,
        "next_expiry": projected.next_expiry(after),
        "packages": projected.packages_text(after) or None,
        "value": projected.value(after),
        "last_at": sortable(after.last_at) if after.last_at else None,
    }
    if not after.merged_into:  # else it stands in no list
        attributes["roster_pk"] = keys.roster_pk(after.practice_id, after.client_id)
        attributes["roster_sk"] = keys.roster_sk(after.client_id, key[1])
    if due_at:
        attributes["due_shard"] = keys.due_shard(key)
        attributes["due_at"] = sortable(due_at)
    return _put_version(key, after.version, attributes)


def closed_lot(of: Wallet, lot: Lot) -> Write:
    """An emptied lot leaves the wallet for an item of its own. The wallet, written with it, guards it."""
    key = keys.closed_lot(of.practice_id, of.client_id, of.appointment_type, lot.lot_id)
    item = {**keys.attributes(key), "kind": ItemKind.LOT, "body": codec.to_json(lot)}
    return {"Put": {"Item": _item(item)}}


def entry(written: Entry) -> Write:
    key = keys.entry(written.practice_id, written.client_id, written.appointment_type, written.sequence)
    attributes: dict[str, str | int | None] = {
        "kind": ItemKind.ENTRY,
        "entry_kind": written.kind,
        "amount": written.amount,
        "occurred_at": sortable(written.occurred_at),
        "recorded_at": sortable(written.recorded_at),
        "body": codec.to_json(written),
    }
    return _put(key, attributes)


def operation(practice_id: str, done: Operation) -> Write:
    return _put(keys.operation(practice_id, done.source_id), {"kind": ItemKind.OPERATION, "body": codec.to_json(done)})


def booking(practice_id: str, folded: Booking) -> Write:
    """With what the index of sessions shows of it; a booking whose session is not known stands in no list of
    sessions. While it is refused, the roster lists it by when it was."""
    key = keys.booking(practice_id, folded.booking_id)
    attributes: dict[str, str | int | None] = {"kind": ItemKind.BOOKING, "body": _body(folded)}
    if folded.refusal and folded.state is BookingState.REFUSED:
        attributes["roster_pk"] = keys.refused_pk(practice_id)
        attributes["roster_sk"] = keys.refused_sk(sortable(folded.refusal.occurred_at), folded.booking_id)
    if folded.session:
        starts_at = sortable(folded.session.starts_at)
        attributes |= {
            "sessions_pk": keys.sessions_pk(practice_id, folded.booking_id),
            "sessions_sk": keys.sessions_sk(starts_at, folded.booking_id),
            "client_id": folded.client_id,
            "owner": projected.owner(folded),
            "appointment_type": folded.session.appointment_type,
            "seats": folded.session.seats,
            "state": folded.state,
            "series_id": folded.series_id,
        }
    return _put_version(key, folded.version, attributes)


def client(practice_id: str, known: Client) -> Write:
    key, name = keys.client(practice_id, known.client_id), folded(known.name or "")
    attributes: dict[str, str | int | None] = {
        "kind": ItemKind.CLIENT,
        "body": _body(known),
        "name": name or None,
    }
    if not known.merged_into:  # else it stands in no list
        attributes["names_pk"] = keys.names_pk(practice_id)
        attributes["names_sk"] = keys.names_sk(name, known.client_id)
        attributes["roster_pk"] = keys.roster_pk(practice_id, known.client_id)
        attributes["roster_sk"] = keys.roster_sk(known.client_id, key[1])
    return _put_version(key, known.version, attributes)


def email(practice_id: str, hashed: str, client_id: str, ttl: int | None = None) -> Write:
    """Leads from an e-mail's keyed hash to a client; with `ttl` the table drops it. Readers ask the profile."""
    key = keys.email(practice_id, hashed, client_id)
    item = {**keys.attributes(key), "kind": ItemKind.EMAIL, "ttl": ttl}
    return {"Put": {"Item": _item(item)}}


def account(changed: Account) -> Write:
    attributes: dict[str, str | int | None] = {
        "kind": ItemKind.ACCOUNT,
        "body": _body(changed),
        "catalogue_version": changed.catalogue_version,
    }
    return _put_version(keys.account(changed.practice_id), changed.version, attributes)


def catalogue(practice_id: str, changed: Catalogue) -> Write:
    attributes: dict[str, str | int | None] = {"kind": ItemKind.CATALOGUE, "body": _body(changed)}
    return _put_version(keys.catalogue(practice_id), changed.version, attributes)


def payment(practice_id: str, record: PaymentRecord) -> Write:
    key = keys.payment(practice_id, record.payment_id)
    return _put_version(key, record.version, {"kind": ItemKind.PAYMENT, "body": _body(record)})


def money(practice_id: str, known: Money) -> Write:
    attributes: dict[str, str | int | None] = {"kind": ItemKind.MONEY, "body": _body(known)}
    return _put_version(keys.money(practice_id, known.money), known.version, attributes)


def subscription(practice_id: str, state: SubscriptionState) -> Write:
    key = keys.subscription(practice_id, state.subscription)
    return _put_version(key, state.version, {"kind": ItemKind.SUBSCRIPTION, "body": _body(state)})


def settings_change(practice_id: str, change: SettingsChange) -> Write:
    key = keys.settings_change(practice_id, change.client_id, sortable(change.occurred_at), change.change_id)
    attributes: dict[str, str | int | None] = {
        "kind": ItemKind.SETTINGS_CHANGE,
        "entry_kind": "settings_changed",
        "occurred_at": sortable(change.occurred_at),
        "body": codec.to_json(change),
    }
    return _put(key, attributes)


def link(practice_id: str, kind: str, external_id: str, client_id: str | None, seen: str | None) -> Write:
    """Says whose an external id is, given whose it was seen to be; None on either side is nobody's."""
    write = _put(keys.link(practice_id, kind, external_id), {"kind": ItemKind.LINK, "client_id": client_id})
    if seen:
        write["Put"]["ConditionExpression"] = "client_id = :seen"
        write["Put"]["ExpressionAttributeValues"] = {":seen": {"S": seen}}
    else:
        write["Put"]["ConditionExpression"] = "attribute_not_exists(client_id)"
    return write


def parked(practice_id: str, record: Parked, now: datetime) -> Write:
    """A parked payment; the roster lists it until it is closed, and the table drops it a while after that."""
    attributes: dict[str, str | int | None] = {"kind": ItemKind.PARKED, "body": _body(record)}
    if not record.is_closed:
        attributes["roster_pk"] = keys.open_parked_pk(practice_id)
        attributes["roster_sk"] = keys.open_parked_sk(sortable(record.received_at), record.parked_id)
    else:
        attributes["ttl"] = int((now + CLOSED_KEPT).timestamp())
    return _put_version(keys.parked(practice_id, record.parked_id), record.version, attributes)


def waiting(practice_id: str, waits_for: tuple[str, str], record: Parked, now: datetime) -> Write:
    """That a parked payment waits for something, or does no more. Over whatever is there: the record itself
    is written under its version, and one that is closed is passed over by whoever finds it here."""
    is_open = not record.is_closed
    attributes: dict[str, str | int | None] = {
        **keys.attributes(keys.waiting(practice_id, *waits_for, record.parked_id)),
        "kind": ItemKind.WAITING,
        "state": "open" if is_open else "closed",
        "ttl": None if is_open else int((now + NOT_WAITING_KEPT).timestamp()),
    }
    return {"Put": {"Item": _item(attributes)}}


def replay(practice_id: str, left: Replay, due_at: datetime) -> Write:
    """What is left to be tried again, due at once; done, the table drops it."""
    key = keys.replay(practice_id, *left.waits_for)
    attributes: dict[str, str | int | None] = {"kind": ItemKind.REPLAY, "body": _body(left)}
    if left.done:
        attributes["ttl"] = int((due_at + NOT_WAITING_KEPT).timestamp())
    else:
        attributes |= {"due_shard": keys.due_shard(key), "due_at": sortable(due_at)}
    return _put_version(key, left.version, attributes)


def reconciliation(practice_id: str, run: Reconciliation, until: datetime) -> Write:
    """Over whatever is there: two runs over one window find the same, and either may go on from the other's place."""
    attributes: dict[str, str | int | None] = {
        **keys.attributes(keys.reconciliation(practice_id, run.account, run.mode, run.name)),
        "kind": ItemKind.RECONCILIATION,
        "body": codec.to_json(run),
        "ttl": int(until.timestamp()),
    }
    return {"Put": {"Item": _item(attributes)}}


def staff(practice_id: str, member: StaffMember, ttl: int | None = None) -> Write:
    """Over whatever is there: the newest name is the right one. With `ttl` the table drops it."""
    key = keys.staff(practice_id, member.actor_id)
    item = {**keys.attributes(key), "kind": ItemKind.STAFF, "body": codec.to_json(member), "ttl": ttl}
    return {"Put": {"Item": _item(item)}}


def raw_event(practice_id: str, parked_id: str, raw: str, until: datetime) -> Write:
    """The body of an event that was not understood; the table drops it after `until`."""
    attributes: dict[str, str | int | None] = {
        "kind": ItemKind.RAW_EVENT,
        "raw": raw,
        "ttl": int(until.timestamp()),
    }
    return _put(keys.raw_event(practice_id, parked_id), attributes)


def set_aside(key: Key, due_at: datetime, reason: str, times: int, now: datetime) -> Write:
    """Moves an item that could not be worked off behind all that can: due again at `due_at`.

    Only while it is still due at `now`: one that somebody worked off meanwhile is left alone.
    """
    update = {
        "Key": codec.to_attributes(keys.attributes(key)),
        "UpdateExpression": "SET due_at = :due, set_aside = :reason, set_aside_times = :times",
        "ConditionExpression": "due_at <= :now",
        "ExpressionAttributeValues": codec.to_attributes(
            {":due": sortable(due_at), ":reason": reason, ":times": times, ":now": sortable(now)}
        ),
    }
    return {"Update": update}


def due(wallet_seen: Wallet, due_at: datetime | None, now: datetime) -> Write:
    """Moves a wallet in the index of what is due, without touching the wallet itself.

    For one that was due by `now` and turned out to have nothing to settle.
    """
    key = keys.wallet(wallet_seen.practice_id, wallet_seen.client_id, wallet_seen.appointment_type)
    values = {":seen": {"N": str(wallet_seen.version)}, ":now": {"S": sortable(now)}}
    if due_at:
        values[":due"] = {"S": sortable(due_at)}
    update = {
        "Key": codec.to_attributes(keys.attributes(key)),
        "UpdateExpression": "SET due_at = :due" if due_at else "REMOVE due_shard, due_at",
        "ConditionExpression": "version = :seen AND due_at <= :now",
        "ExpressionAttributeValues": values,
    }
    return {"Update": update}
