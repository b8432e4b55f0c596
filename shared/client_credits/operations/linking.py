"""Whose a Stripe customer or subscription is, and what had waited to know it."""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.payments import CustomerLink
from client_credits.domain.records import MAX_CUSTOMERS, Client
from client_credits.operations import resolving
from client_credits.operations.committing import once
from client_credits.store import writes
from client_credits.store.store import Store, Wanted


def apply_link(store: Store, practice_id: str, link: CustomerLink, now: datetime) -> int:
    """Learns whose a subscription (and a customer not yet known) is, then grants what waited for it.

    A customer or subscription that is already somebody's stays theirs. Returns how many parked
    payments were resolved. Safe to repeat.
    """

    def attempt() -> None:
        pairs = {"customer": link.customer, "subscription": link.subscription}
        named = tuple((kind, external) for kind, external in pairs.items() if external)
        loaded = store.load(practice_id, Wanted(client_id=link.client_id, links=named))
        items = [
            writes.link(practice_id, kind, external, link.client_id, None)
            for kind, external in named
            if (kind, external) not in loaded.links
        ]
        customer = link.customer
        known = loaded.client or Client(link.client_id, created_at=now)
        owner = loaded.links.get(("customer", customer or ""), link.client_id)
        listed = customer in known.stripe_customers or len(known.stripe_customers) >= MAX_CUSTOMERS
        if customer and owner == link.client_id and not listed:
            known = replace(known, stripe_customers=(*known.stripe_customers, customer))
        if known != loaded.client:
            items.append(writes.client(practice_id, known))
        if items:
            store.commit(items)

    once(attempt)
    return resolving.replay(store, practice_id, now, customer=link.customer, subscription=link.subscription)
