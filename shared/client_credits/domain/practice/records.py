"""The records beside wallets: practices, clients, operations, links and parked payments."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from client_credits.domain.practice.authorizations import AuthorizationRef
from client_credits.domain.practice.dated_settings import Earlier

MAX_MERGED = 100  # records of one person that one client took in
MAX_CUSTOMERS = 40  # listed with one client; a customer linked beyond is the client's all the same


@dataclass(frozen=True, slots=True)
class Account:
    """A practice's settings as set (no defaults), what they were earlier, and the version of its catalogue."""

    practice_id: str
    values: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    catalogue_version: int = 0
    version: int = 0
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True, slots=True)
class Bought:
    """So many units of a package with a limit, by the payment that paid; `key` names the purchase: a payment's
    line, or a subscription."""

    package_id: str
    key: str
    payment_id: str
    units: int


@dataclass(frozen=True, slots=True)
class Client:
    """A person who books, by the practice's own id; `overrides` are this client's settings,
    `earlier` what they were."""

    client_id: str
    name: str | None = None
    email: str | None = None
    stripe_customers: tuple[str, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    version: int = 0
    earlier: tuple[Earlier, ...] = ()
    bought: tuple[Bought, ...] = ()  # of packages that one client may buy so often and no more
    merged_into: str | None = None  # which client goes on for it; then it has no profile and stands in no list
    merged_at: datetime | None = None
    forgotten_at: datetime | None = None  # the person was erased: no name, e-mail or external id comes back
    merged_from: tuple[str, ...] = ()  # the records of the same person that it took in, and theirs
    authorizations: tuple[AuthorizationRef, ...] = ()  # those that were not deleted

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """What leads back to this client: its Stripe customers and its ids in other systems, as (kind, id)."""
        customers = [("customer", customer) for customer in self.stripe_customers]
        return (*customers, *(external_link(system, its_id) for system, its_id in self.external_ids.items()))


def external_link(system: str, external_id: str) -> tuple[str, str]:
    """The link of an id in another system."""
    return f"external.{system}", external_id


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """One change of settings, of the account (`client_id` None) or of one client."""

    change_id: str
    client_id: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    actor_kind: str
    actor_id: str
    occurred_at: datetime
