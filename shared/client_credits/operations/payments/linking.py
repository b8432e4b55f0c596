"""Whose a Stripe customer, subscription or connected account is, and what had waited to know it.

A connected account belongs to the practice that the practice with the receiving endpoint says it does:
the link stands in that one's partition, where no other practice's endpoint ever looks.
"""

from dataclasses import replace

from client_credits.domain.errors import AlreadyMapped
from client_credits.domain.payments.facts import CustomerLink
from client_credits.domain.practice.records import MAX_CUSTOMERS, Client
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import replaying
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store


def apply_link(context: Context, link: CustomerLink) -> int:
    """Learns whose a subscription (and a customer not yet known) is, then grants what waited for it.

    Creates the client, unless the practice parks payments for clients it does not know.

    A customer or subscription that is already somebody's stays theirs. Returns how many parked
    payments were granted at once; of many, the sweep grants the rest. Safe to repeat.
    """

    def attempt() -> None:
        pairs = {"customer": link.customer, "subscription": link.subscription}
        named = tuple((kind, external) for kind, external in pairs.items() if external)
        loaded = context.load(Wanted(client_id=link.client_id, links=named))
        client_id = loaded.goes_on_as(link.client_id)
        items = [
            writes.link(context.practice_id, kind, external, client_id, None)
            for kind, external in named
            if (kind, external) not in loaded.links
        ]
        customer = link.customer
        known = loaded.client or Client(client_id, created_at=context.now)
        owner = loaded.links.get(("customer", customer or ""), client_id)
        listed = customer in known.stripe_customers or len(known.stripe_customers) >= MAX_CUSTOMERS
        if customer and owner in (client_id, *known.merged_from) and not listed:
            known = replace(known, stripe_customers=(*known.stripe_customers, customer))
        parks = loaded.client is None and loaded.settings.unknown_clients == "park"
        if known != loaded.client and not parks:
            items.append(writes.client(context.practice_id, known))
        if items:
            context.commit(items)

    once(attempt)
    known = [("customer", link.customer), ("subscription", link.subscription)]
    return replaying.replay(context, [(kind, each) for kind, each in known if each])


def connect(store: Store, receiver_id: str, account: str, owner_id: str) -> bool:
    """From now on, events of a connected account that reach the receiver's endpoint are the owner's.

    False where it was so before. Raises NotFound where either practice does not exist, AlreadyMapped
    where the account is another practice's at this endpoint, or reaches the owner by another endpoint.
    """
    there, back = ("account", account), ("endpoint", account)

    def attempt() -> bool:
        owner = store.load(receiver_id, Wanted(links=(there,))).links.get(there)
        receiver = store.load(owner_id, Wanted(links=(back,))).links.get(back)
        if owner not in (None, owner_id):
            raise AlreadyMapped(f"Account {account} already belongs to practice {owner}.")
        if receiver not in (None, receiver_id):
            raise AlreadyMapped(f"Account {account} already reaches this practice by the endpoint of {receiver}.")
        if owner and receiver:
            return False
        # Each side under what was seen, though only both together are ever written.
        store.commit(
            [
                writes.link(receiver_id, *there, owner_id, owner),
                writes.link(owner_id, *back, receiver_id, receiver),
            ]
        )
        return True

    return once(attempt)


def owner_of(store: Store, receiver_id: str, account: str) -> str | None:
    """The practice that a connected account's events at the receiver's endpoint belong to; None: nobody said."""
    link = ("account", account)
    return store.load(receiver_id, Wanted(links=(link,))).links.get(link)


def receiver_of(store: Store, owner_id: str, account: str) -> str | None:
    """The practice whose endpoint a connected account's events reach the owner by."""
    link = ("endpoint", account)
    return store.load(owner_id, Wanted(links=(link,))).links.get(link)
