"""What a practice offers: appointment types and the packages that grant credits for them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from client_credits.domain.words import Unknown


class ExpiryKind(StrEnum):
    NEVER = "never"
    DAYS = "days"
    MONTHS = "months"
    CYCLE_END = "cycle_end"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a package's credits last. `n` for days (1..3650) and months (1..120); `date` is an
    ISO local day (the credits end at the next midnight) or an RFC 3339 instant."""

    kind: ExpiryKind | Unknown = ExpiryKind.NEVER
    n: int | None = None
    date: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether this release knows when such credits end."""
        return isinstance(self.kind, ExpiryKind)


@dataclass(frozen=True, slots=True)
class AppointmentType:
    type_id: str
    name: str
    bookable_without_credits: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class PackagePrice:
    """What a package costs once, for people to read; `amount` in minor units of `currency`, lower case."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Package:
    """What is sold: credits per appointment type, and how they renew and expire."""

    package_id: str
    name: str
    credits: dict[str, int] = field(default_factory=dict)
    renews_each_cycle: bool = True
    expiry: Expiry = Expiry()
    trial_grants: bool = False
    rollover_cap: int | None = 0  # None: everything left at a cycle's end rolls over
    monthly_tranches: bool = False  # `credits` are then those of each month
    stripe_prices: tuple[str, ...] = ()
    url: str | None = None
    archived_at: datetime | None = None
    description: str | None = None
    price: PackagePrice | None = None
    limit_per_client: int | None = None  # how often one client may buy it; None: without bound

    @property
    def archived(self) -> bool:
        return self.archived_at is not None

    @property
    def on_sale(self) -> bool:
        """Not archived, and this release knows when its credits end."""
        return not self.archived and self.expiry.is_known


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of a practice's types and packages. A price belongs to at most one package."""

    version: int = 0
    types: dict[str, AppointmentType] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)

    def package_for_price(self, price: str) -> Package | None:
        return next((p for p in self.packages.values() if price in p.stripe_prices), None)

    def packages_granting(self, type_id: str) -> list[Package]:
        """The packages on sale that would help a client short of this type, the smallest first."""
        helping = [p for p in self.packages.values() if p.on_sale and p.credits.get(type_id)]
        return sorted(helping, key=lambda p: (p.credits[type_id], p.package_id))
