"""What the store writes for the record of a documented item: read with the codec, written by the real writes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.money import Money
from client_credits.domain.payments.parked import Parked, ParkedState, Replay
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.reconciliation import Reconciliation
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.client_links import ClientLink
from client_credits.domain.practice.jobs import Job
from client_credits.domain.practice.records import Account, Client, SettingsChange
from client_credits.domain.practice.staff import StaffMember
from client_credits.domain.practice.verification import Verification
from client_credits.store import codec, job_writes, keys, practice_writes, writes
from client_credits.store.keys import ItemKind
from client_credits.store.store import wallet_of
from client_credits.store.table import Item, Write

RECORDS: dict[ItemKind, type[Any]] = {
    ItemKind.ACCOUNT: Account,
    ItemKind.AUTHORIZATION: Authorization,
    ItemKind.BOOKING: Booking,
    ItemKind.CATALOGUE: Catalogue,
    ItemKind.CLIENT: Client,
    ItemKind.CLIENT_LINK: ClientLink,
    ItemKind.ENTRY: Entry,
    ItemKind.JOB: Job,
    ItemKind.LOT: Lot,
    ItemKind.MONEY: Money,
    ItemKind.OPERATION: Operation,
    ItemKind.PARKED: Parked,
    ItemKind.PAYMENT: PaymentRecord,
    ItemKind.RECONCILIATION: Reconciliation,
    ItemKind.REPLAY: Replay,
    ItemKind.SETTINGS_CHANGE: SettingsChange,
    ItemKind.STAFF: StaffMember,
    ItemKind.SUBSCRIPTION: SubscriptionState,
    ItemKind.VERIFICATION: Verification,
    ItemKind.WALLET: writes.WalletBody,
}
BARE = {
    ItemKind.EMAIL,
    ItemKind.LINK,
    ItemKind.RAW_EVENT,
    ItemKind.SET_ASIDE,
    ItemKind.WAITING,
}  # their attributes say all


def stored_again(shown: Item) -> Item:
    """The item that the store makes of a documented one, shown alike. Raises ValueError where that is no record."""
    write = _WRITES[ItemKind(shown["kind"])](_as_read(shown))
    item = codec.from_attributes(write["Put"]["Item"])
    body = {"body": json.loads(codec.unpacked(item))} if "body" in item or "packed" in item else {}
    plain = {name: value for name, value in item.items() if name not in ("body", "packed")}
    return plain | body


def _as_read(shown: Item) -> Item:
    """A documented item as the table gives it: its body is text."""
    return shown | ({"body": json.dumps(shown["body"])} if "body" in shown else {})


def _practice(item: Item) -> str:
    return keys.practice_of(item)


def _record(item: Item) -> Any:
    return codec.from_item(RECORDS[ItemKind(item["kind"])], item)


def _versioned(item: Item) -> Any:
    """As it was seen by who wrote this version."""
    return replace(_record(item), version=item["version"] - 1)


def _instant(item: Item, name: str) -> datetime:
    return datetime.fromisoformat(item[name])


def _named(item: Item) -> list[str]:
    """The key's parts behind the practice and what kind of thing it names."""
    return str(item["pk"]).split("#")[2:]


def _ttl(item: Item) -> datetime:
    return datetime.fromtimestamp(item["ttl"], UTC)


def _wallet(item: Item) -> Write:
    place = keys.wallet_place(item)
    wallet = wallet_of(*place, {keys.wallet(*place): item})
    due_at = _instant(item, "due_at") if "due_at" in item else None
    return writes.wallet(replace(wallet, version=wallet.version - 1), due_at)


def _closed_lot(item: Item) -> Write:
    appointment_type = str(item["sk"]).split("#")[1]
    practice_id, client_id = str(item["pk"]).split("#")
    return writes.closed_lot(Wallet(practice_id, client_id, appointment_type), _record(item))


def _link(item: Item) -> Write:
    practice_id, kind, external_id = str(item["pk"]).split("#", 2)
    return writes.link(practice_id, kind, external_id, item.get("client_id"), None)


def _parked(item: Item) -> Write:
    record = _versioned(item)
    is_open = record.state is ParkedState.OPEN
    return writes.parked(_practice(item), record, record.received_at if is_open else _ttl(item) - writes.CLOSED_KEPT)


def _waiting(item: Item) -> Write:
    kind, external_id = _named(item)
    is_open = item["state"] == "open"
    state, now = ParkedState.OPEN, datetime.now(UTC)
    if not is_open:
        state, now = ParkedState.RESOLVED, _ttl(item) - writes.NOT_WAITING_KEPT
    record = Parked(item["sk"], "unknown_client", "evt_1", now, state=state)
    return writes.waiting(_practice(item), (kind, external_id), record, now)


def _replay(item: Item) -> Write:
    left = _versioned(item)
    return writes.replay(
        _practice(item), left, _ttl(item) - writes.NOT_WAITING_KEPT if left.done else _instant(item, "due_at")
    )


def _job(item: Item) -> Write:
    job = _versioned(item)
    return job_writes.job(_practice(item), job, _instant(item, "due_at") if "due_at" in item else job.moved_at)


_WRITES: dict[ItemKind, Callable[[Item], Write]] = {
    ItemKind.ACCOUNT: lambda item: writes.account(_versioned(item)),
    ItemKind.AUTHORIZATION: lambda item: practice_writes.authorization(_practice(item), _versioned(item)),
    ItemKind.BOOKING: lambda item: writes.booking(_practice(item), _versioned(item)),
    ItemKind.CATALOGUE: lambda item: writes.catalogue(_practice(item), _versioned(item)),
    ItemKind.CLIENT: lambda item: writes.client(_practice(item), _versioned(item)),
    ItemKind.CLIENT_LINK: lambda item: practice_writes.client_link(_practice(item), _versioned(item)),
    ItemKind.EMAIL: lambda item: writes.email(_practice(item), _named(item)[0], item["sk"], item.get("ttl")),
    ItemKind.ENTRY: lambda item: writes.entry(_record(item)),
    ItemKind.JOB: _job,
    ItemKind.LINK: _link,
    ItemKind.LOT: _closed_lot,
    ItemKind.MONEY: lambda item: writes.money(_practice(item), _versioned(item)),
    ItemKind.OPERATION: lambda item: writes.operation(_practice(item), _record(item)),
    ItemKind.PARKED: _parked,
    ItemKind.PAYMENT: lambda item: writes.payment(_practice(item), _versioned(item)),
    ItemKind.RAW_EVENT: lambda item: writes.raw_event(_practice(item), _named(item)[0], item["raw"], _ttl(item)),
    ItemKind.RECONCILIATION: lambda item: writes.reconciliation(_practice(item), _record(item), _ttl(item)),
    ItemKind.REPLAY: _replay,
    ItemKind.SET_ASIDE: lambda item: practice_writes.set_aside(
        (item["item_pk"], item["item_sk"]), _ttl(item) - practice_writes.ASIDE_KEPT
    ),
    ItemKind.SETTINGS_CHANGE: lambda item: writes.settings_change(_practice(item), _record(item)),
    ItemKind.STAFF: lambda item: writes.staff(_practice(item), _record(item), item.get("ttl")),
    ItemKind.SUBSCRIPTION: lambda item: writes.subscription(_practice(item), _versioned(item)),
    ItemKind.VERIFICATION: lambda item: practice_writes.verification(_practice(item), _record(item)),
    ItemKind.WAITING: _waiting,
    ItemKind.WALLET: _wallet,
}
