"""Payments that were not granted, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import Payment
from client_credits.domain.words import Unknown


class ParkedState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Parked:
    """A payment not granted, with its reason. `payment` is None when the event made no payment of it.

    `missing` are the lines not granted yet: the record is closed with the last of them, and `unfinished`
    until all that follows from the grants is done. `account` is the connected account whose practice
    nobody has named. One in a state of a later release is neither open nor closed: it is listed, and left alone.
    """

    parked_id: str
    reason: str
    event_id: str
    received_at: datetime
    customer: str | None = None
    payment_id: str | None = None
    subscription: str | None = None
    prices: tuple[str, ...] = ()
    payment: Payment | None = None
    state: ParkedState | Unknown = ParkedState.OPEN
    closed_by: str | None = None
    closed_reason: str | None = None
    missing: tuple[str, ...] = ()
    unfinished: bool = False
    account: str | None = None
    client_id: str | None = None  # whose it is, where that client does not exist yet
    version: int = 0

    @property
    def is_open(self) -> bool:
        return self.state is ParkedState.OPEN

    @property
    def is_closed(self) -> bool:
        return self.state in (ParkedState.RESOLVED, ParkedState.DISMISSED)

    @property
    def is_payable(self) -> bool:
        """Whether granting its lines closes it: open, and a payment, not one whose grants were taken back."""
        return self.is_open and self.payment is not None

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Its own subscription, then those that its lines name, each once."""
        lines = self.payment.lines if self.payment else ()
        return tuple(dict.fromkeys(filter(None, (self.subscription, *(line.subscription for line in lines)))))

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that it names itself, as far as a package could have that id."""
        lines = self.payment.lines if self.payment else ()
        return tuple(dict.fromkeys(line.package_id for line in lines if line.package_id and is_id(line.package_id)))

    @property
    def waits_for(self) -> tuple[tuple[str, str], ...]:
        """What may explain it: (customer, subscription, account, client, package or price, its id), each once."""
        named = [("customer", self.customer), ("account", self.account), ("client", self.client_id)]
        named += [("subscription", subscription) for subscription in self.subscriptions]
        named += [("package", package_id) for package_id in self.packages]
        named += [("price", price) for price in self.prices]
        return tuple(dict.fromkeys((kind, external) for kind, external in named if external))


@dataclass(frozen=True, slots=True)
class Named:
    """Whom the body of an event names: clients, and links (kind, id) that may lead to clients."""

    clients: frozenset[str] = frozenset()
    links: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Replay:
    """Parked payments to be tried again, for news of what they wait for (kind, id): those behind `after`."""

    waits_for: tuple[str, str]
    after: str | None = None
    done: bool = False
    version: int = 0
