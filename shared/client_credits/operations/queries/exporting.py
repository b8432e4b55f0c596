"""Everything of a practice's clients as rows: their profiles, the lots they have left, and every ledger entry.

A client at a time, in order of id, so that memory does not grow with the practice. Balances and lots are those of the
settled wallet; the entries are those that are written.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import Lot, Wallet, burn_order
from client_credits.domain.practice.records import Client
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine, roster, settled_wallet
from client_credits.store.records import Wanted

TOGETHER = 90  # wallets and profiles of one batch read


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """`stripe_customers` and `external_ids` are divided by spaces, the latter as system=id."""

    client_id: str
    name: str | None
    email: str | None
    stripe_customers: str
    external_ids: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class LotRow:
    """`value` is minor units of `value_currency` for `value_credits` credits; `frozen` names the causes."""

    client_id: str
    appointment_type: str
    lot_id: str
    granted: int
    remaining: int
    effective_at: datetime
    expires_at: datetime | None
    priority: int
    source: str
    package_id: str | None
    payment: str | None
    frozen: str
    value: int | None
    value_currency: str | None
    value_credits: int | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """`cause_ids` is JSON; `postings` are lots and debts with what each gained or lost, divided by spaces."""

    client_id: str
    appointment_type: str
    sequence: int
    kind: str
    amount: int
    balance_before: int
    balance_after: int
    occurred_at: datetime
    recorded_at: datetime
    source_id: str
    cause: str
    cause_ids: str
    actor_kind: str
    actor_id: str
    reason: str | None
    postings: str


@dataclass(frozen=True, slots=True)
class Exported:
    """One client's rows."""

    client_id: str
    profile: ProfileRow
    lots: list[LotRow]
    entries: list[EntryRow]


def exported(context: Context, after: str | None = None) -> Iterator[Exported]:
    """Every client behind the id `after`. One batch read for some ninety records, one query for each wallet."""
    lines = roster(context.store, context.practice_id, after)
    while some := _some(lines):
        pairs = tuple((line.client_id, kind) for line in some for kind in line.balances)
        loaded = context.store.load(
            context.practice_id, Wanted(others=tuple(line.client_id for line in some), also=pairs)
        )
        for line in some:
            if loaded.goes_on_as(line.client_id) != line.client_id:
                continue  # merged a moment ago: it is in the other one's rows
            client = loaded.others.get(line.client_id) or Client(line.client_id)
            lots, entries = [], []
            for kind in sorted(line.balances):
                wallet = settled_wallet(loaded, line.client_id, kind, context.now)
                lots += [_lot(wallet, lot) for lot in burn_order(wallet.open_lots)]
                for owner in (*wallet.owners[1:], line.client_id):
                    written = context.store.entries_after(context.practice_id, owner, kind, 0)
                    entries += [_entry(entry) for entry in written]
            yield Exported(line.client_id, _profile(client), lots, entries)


def _some(lines: Iterator[RosterLine]) -> list[RosterLine]:
    """As many clients as one batch read takes with their wallets; one at least."""
    found: list[RosterLine] = []
    records = 0
    for line in islice(lines, TOGETHER):
        found.append(line)
        records += 1 + len(line.balances)
        if records + 1 + max(len(each.balances) for each in found) > TOGETHER:
            break
    return found


def _profile(client: Client) -> ProfileRow:
    others = " ".join(f"{system}={its_id}" for system, its_id in sorted(client.external_ids.items()))
    customers = " ".join(client.stripe_customers)
    return ProfileRow(client.client_id, client.name, client.email, customers, others, client.created_at)


def _lot(wallet: Wallet, lot: Lot) -> LotRow:
    return LotRow(
        client_id=wallet.client_id,
        appointment_type=wallet.appointment_type,
        lot_id=lot.lot_id,
        granted=lot.granted,
        remaining=lot.remaining,
        effective_at=lot.effective_at,
        expires_at=lot.expires_at,
        priority=lot.priority,
        source=str(lot.source),
        package_id=lot.package_id,
        payment=lot.payment,
        frozen=" ".join(freeze.cause for freeze in lot.frozen),
        value=lot.value.amount if lot.value else None,
        value_currency=lot.value.currency if lot.value else None,
        value_credits=lot.value.credits if lot.value else None,
    )


def _entry(entry: Entry) -> EntryRow:
    return EntryRow(
        client_id=entry.client_id,
        appointment_type=entry.appointment_type,
        sequence=entry.sequence,
        kind=str(entry.kind),
        amount=entry.amount,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
        source_id=entry.source_id,
        cause=str(entry.cause.kind),
        cause_ids=json.dumps(entry.cause.ids, sort_keys=True),
        actor_kind=entry.actor.kind,
        actor_id=entry.actor.actor_id,
        reason=entry.reason,
        postings=" ".join(f"{posting.lot_id or posting.debt}={posting.amount:+}" for posting in entry.postings),
    )
