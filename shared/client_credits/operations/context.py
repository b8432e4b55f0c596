"""What every operation stands in: the store, the practice, who acts, and when.

These four travel together. The context is made once, where a request, a message or a command comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.errors import Busy
from client_credits.domain.ledger.entries import Actor
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.table import Write

STRIPE = Actor("system", "stripe")
BOOKINGS = Actor("system", "bookings")
OPERATOR = Actor("system", "operator")  # whoever runs a command


@dataclass(frozen=True, slots=True)
class Context:
    """`now` has a time zone. `actor` stands in the entries that are written on its behalf."""

    store: Store
    practice_id: str
    actor: Actor
    now: datetime

    def by(self, actor: Actor) -> "Context":
        """The same practice and instant with another actor."""
        return replace(self, actor=actor)

    def of(self, practice_id: str) -> "Context":
        """The same actor and instant in another practice."""
        return replace(self, practice_id=practice_id)

    def load(self, wanted: Wanted) -> Loaded:
        """What `Store.load` reads of the practice. Raises NotFound where there is no such practice, Unmoved where
        a wallet belongs to a client that is being merged."""
        loaded = self.store.load(self.practice_id, wanted)
        if loaded.unmoved:
            raise Unmoved(self, loaded.unmoved)
        return loaded

    def commit(self, items: Sequence[Write]) -> None:
        """All or nothing, as `Store.commit`. Raises Conflicted."""
        self.store.commit(items)


class Unmoved(Busy):
    """Wallets (client, type) of clients that were merged are still to be moved, and this operation is about them.

    `once` moves them and tries again: whoever comes by completes a merge that was cut short. Who only reads
    is to ask again.
    """

    def __init__(self, context: Context, wallets: tuple[tuple[str, str], ...]) -> None:
        super().__init__("This client is being merged into another one. Send the same request again.")
        self.context, self.wallets = context, wallets
