"""How entries, changes of settings and parked payments are shown to the outside, as plain values.

The API's answers and the events on the bus are made from the same members, so they cannot differ.
Instants are datetimes here: each of the two writes them its own way.
"""

from typing import Any

from client_credits.domain.ledger.entries import Entry, Posting
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.records import SettingsChange

Fields = dict[str, Any]


def entry(entry: Entry) -> Fields:
    return {
        "entry_id": entry.entry_id,
        "source_id": entry.source_id,
        "client_id": entry.client_id,
        "appointment_type": entry.appointment_type,
        "sequence": entry.sequence,
        "kind": str(entry.kind),
        "amount": entry.amount,
        "balance_before": entry.balance_before,
        "balance_after": entry.balance_after,
        "postings": [_posting(posting) for posting in entry.postings],
        "cause": {"kind": str(entry.cause.kind), **entry.cause.ids},
        "actor": {"kind": entry.actor.kind, "id": entry.actor.actor_id},
        "reason": entry.reason,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
    }


def _posting(posting: Posting) -> dict[str, str | int]:
    owner = {"lot_id": posting.lot_id} if posting.lot_id else {"debt": posting.debt or ""}
    return {**owner, "amount": posting.amount}


def settings_change(change: SettingsChange) -> Fields:
    """In the shape of an entry that moves no credits."""
    return {
        "entry_id": change.change_id,
        "source_id": f"settings/{change.change_id}",
        "client_id": change.client_id,
        "appointment_type": None,
        "sequence": None,
        "kind": "settings_changed",
        "amount": 0,
        "balance_before": None,
        "balance_after": None,
        "postings": [],
        "cause": {"kind": "settings", "before": change.before, "after": change.after},
        "actor": {"kind": change.actor_kind, "id": change.actor_id},
        "reason": None,
        "occurred_at": change.occurred_at,
        "recorded_at": change.occurred_at,
    }


def parked(parked: Parked) -> Fields:
    return {
        "id": parked.parked_id,
        "reason": parked.reason,
        "event_id": parked.event_id,
        "customer": parked.customer,
        "payment": parked.payment_id,
        "prices": list(parked.prices),
        "received_at": parked.received_at,
        "state": str(parked.state),
    }
