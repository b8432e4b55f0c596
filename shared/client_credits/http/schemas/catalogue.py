"""The catalogue: appointment types and packages."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.instants import YEARS, read_instant
from client_credits.domain.ledger.expiry import fixed_end
from client_credits.domain.ledger.wallet import MAX_TYPES
from client_credits.domain.payments.references import link_for
from client_credits.domain.practice.catalogue import AppointmentType, Expiry, ExpiryKind, Package, PackagePrice
from client_credits.http.schemas.common import Id, Link, Price, Request, Text, View


class AppointmentTypePut(Request):
    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text
    bookable_without_credits: StrictBool = False
    archived: StrictBool = False


class AppointmentTypeView(View):
    id: str
    name: str
    bookable_without_credits: bool
    archived: bool


def appointment_type_view(kind: AppointmentType) -> AppointmentTypeView:
    return AppointmentTypeView(
        id=kind.type_id,
        name=kind.name,
        bookable_without_credits=kind.bookable_without_credits,
        archived=kind.archived,
    )


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _a_day_or_instant(value: str) -> str:
    """What `fixed_end` can read in any time zone, and nothing laxer. The refusal does not repeat it."""
    try:
        if not _DAY.fullmatch(value):
            read_instant(value)
        end = fixed_end(value, "UTC")
    except (ValueError, OverflowError):
        end = None
    if end is None or end.year not in YEARS:
        raise ValueError("must be a day such as 2026-12-31 or an RFC 3339 instant, in the years 1970 to 2999")
    return value


class ExpiryBody(Request):
    """`days` and `months` need `n`, `date` needs `date`: a local day or an RFC 3339 instant."""

    kind: ExpiryKind = ExpiryKind.NEVER
    n: Annotated[StrictInt, Field(ge=1, le=3650)] | None = None
    date: Annotated[str, AfterValidator(_a_day_or_instant)] | None = None

    def model_post_init(self, _: Any) -> None:
        counted = self.kind in (ExpiryKind.DAYS, ExpiryKind.MONTHS)
        if counted != (self.n is not None) or (self.kind is ExpiryKind.DATE) != (self.date is not None):
            raise ValueError("days and months need n, date needs date, the others neither")
        if self.kind is ExpiryKind.MONTHS and (self.n or 0) > 120:
            raise ValueError("at most 120 months")


MAX_PRICE = 999_999_999_999  # minor units: twelve digits, as at Stripe
Credits = Annotated[StrictInt, Field(ge=0, le=MAX_CREDITS)]
Description = Annotated[str, Field(strict=True, min_length=1, max_length=2000)]


class PackagePriceBody(Request):
    """What a package costs once: minor units, and an ISO 4217 code in lower case."""

    amount: Annotated[StrictInt, Field(ge=0, le=MAX_PRICE)]
    currency: Annotated[str, Field(strict=True, pattern=r"^[a-z]{3}$")]


class PackagePut(Request):
    """`limit_per_client`: what one client buys beyond it is parked. A `url` may hold `{client_reference}`;
    Stripe's own pay page gets it by itself. `rollover_cap` is for what expires with `cycle_end`: 0 use or lose,
    null no bound. With `monthly_tranches` the `credits` are those of each month."""

    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text
    description: Description | None = None
    price: PackagePriceBody | None = None
    limit_per_client: Annotated[StrictInt, Field(ge=1, le=MAX_CREDITS)] | None = None
    url: Link | None = None
    credits: Annotated[dict[Id, Credits], Field(max_length=MAX_TYPES)] = Field(default_factory=dict)
    renews_each_cycle: StrictBool = True
    expiry: ExpiryBody = ExpiryBody()
    rollover_cap: Credits | None = 0
    trial_grants: StrictBool = False
    monthly_tranches: StrictBool = False
    stripe_prices: Annotated[list[Price], Field(max_length=40)] = Field(default_factory=list)
    archived: StrictBool = False

    def package(self, package_id: str) -> Package:
        return Package(
            package_id=package_id,
            name=self.name,
            credits=dict(sorted(self.credits.items())),
            renews_each_cycle=self.renews_each_cycle,
            expiry=Expiry(self.expiry.kind, self.expiry.n, self.expiry.date),
            trial_grants=self.trial_grants,
            rollover_cap=self.rollover_cap,
            monthly_tranches=self.monthly_tranches,
            stripe_prices=tuple(dict.fromkeys(self.stripe_prices)),
            url=self.url,
            description=self.description,
            price=PackagePrice(self.price.amount, self.price.currency) if self.price else None,
            limit_per_client=self.limit_per_client,
        )


class PackagePriceView(View):
    amount: int
    currency: str


class PackageOnSale(View):
    """A package as clients may see it."""

    id: str
    name: str
    description: str | None
    price: PackagePriceView | None
    limit_per_client: int | None
    url: str | None
    credits: dict[str, int]
    renews_each_cycle: bool
    expiry: dict[str, str | int]
    rollover_cap: int | None
    monthly_tranches: bool


class PackageView(PackageOnSale):
    trial_grants: bool
    stripe_prices: list[str]
    archived: bool


def package_on_sale(package: Package, client_id: str | None = None) -> PackageOnSale:
    """The package, with a link for this client. Field by field: what is not named here is not shown."""
    price, url = package.price, package.url
    rule = {"kind": str(package.expiry.kind), "n": package.expiry.n, "date": package.expiry.date}
    return PackageOnSale(
        id=package.package_id,
        name=package.name,
        description=package.description,
        price=PackagePriceView(amount=price.amount, currency=price.currency) if price else None,
        limit_per_client=package.limit_per_client,
        url=link_for(url, client_id) if url and client_id else url,
        credits=package.credits,
        renews_each_cycle=package.renews_each_cycle,
        expiry={k: v for k, v in rule.items() if v is not None},
        rollover_cap=package.rollover_cap,
        monthly_tranches=package.monthly_tranches,
    )


def package_view(package: Package) -> PackageView:
    return PackageView(
        **dict(package_on_sale(package)),
        trial_grants=package.trial_grants,
        stripe_prices=list(package.stripe_prices),
        archived=package.archived,
    )


class PackageOffer(View):
    id: str
    name: str
    url: str | None
