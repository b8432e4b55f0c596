"""What goes over the wire: request and answer models, and how records become them.

The published OpenAPI document is made from these. Requests refuse unknown fields; numbers and
booleans are taken as such and never guessed from text.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from client_credits import telling
from client_credits.domain import settings as rules
from client_credits.domain.booking import Booking
from client_credits.domain.catalogue import AppointmentType, Expiry, ExpiryKind, Package
from client_credits.domain.entries import Entry
from client_credits.domain.expiry import fixed_end
from client_credits.domain.ids import ID_PATTERN
from client_credits.domain.records import MAX_CUSTOMERS, Client, Parked, SettingsChange
from client_credits.domain.settings import Settings
from client_credits.domain.wallet import MAX_CREDITS, MAX_TYPES, Lot, Wallet
from client_credits.instants import YEARS, BadInstant, read_instant
from client_credits.operations.answers import Eligibility

Id = Annotated[str, Field(strict=True, pattern=f"^{ID_PATTERN}$")]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
Reason = Annotated[str, Field(strict=True, min_length=1, max_length=500)]
Url = Annotated[str, Field(strict=True, pattern=r"^https?://\S{1,2040}$")]
Price = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


def _instant(value: object) -> datetime:
    try:
        return read_instant(value)
    except BadInstant as bad:
        raise PydanticCustomError(bad.code, bad.detail) from None


Instant = Annotated[datetime, BeforeValidator(_instant)]


# A worker compiles a model when it first meets one: compiling all of them is a third of a cold start,
# and most workers never see half.


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class ErrorItem(Answer):
    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457; further typed members (available, shortfall, reason, packages, ...) by code."""

    model_config = ConfigDict(defer_build=True)

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[ErrorItem] | None = None


# -- settings ----------------------------------------------------------------------------------


class SettingValue(Answer):
    value: bool | int | str | None
    source: Literal["account", "client"]


SettingsAnswer = dict[str, SettingValue]


def settings_answer(settings: Settings, sources: Mapping[str, str]) -> dict[str, SettingValue]:
    """Every setting in effect, with where its value comes from; the switch with two names under both."""
    answer = {
        name: SettingValue(value=getattr(settings, name), source=sources[name])  # type: ignore[arg-type]
        for name in rules.FIELDS
    }
    switch = answer[rules.ALIAS_OF]
    answer[rules.ALIAS] = SettingValue(value=not switch.value, source=switch.source)
    return answer


# Judged by the rules alone: a union would name each of its members in the pointer of a fault.
MaxNegative = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": rules.MAX_CREDITS},
                {"type": "string", "const": "unlimited"},
                {"type": "null"},
            ]
        }
    ),
]


class ClientSettingsPatch(BaseModel):
    """The settings to change; null clears an override. Anything else is refused by name."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False}, defer_build=True)

    allow_booking_without_credits: StrictBool | None = None
    prevent_no_credit_booking: StrictBool | None = None
    restore_on_cancel: StrictBool | None = None
    credit_must_cover: Literal["session", "booking"] | None = None
    restore_grace_days_client: StrictInt | None = None
    restore_grace_days_practice: StrictInt | None = None
    max_negative: MaxNegative = None
    auto_repay: StrictBool | None = None

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class SettingsPatch(ClientSettingsPatch):
    """As for a client, and what holds for the whole account. `confirm` goes with `enabled: false`."""

    enabled: StrictBool | None = None
    unidentified_bookings: Literal["allow", "refuse"] | None = None
    timezone: str | None = None
    packages_url: str | None = None
    confirm: StrictBool = False

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"confirm"})


# -- catalogue ---------------------------------------------------------------------------------


class AppointmentTypePut(Request):
    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text
    bookable_without_credits: StrictBool = False
    archived: StrictBool = False


class AppointmentTypeAnswer(Answer):
    id: str
    name: str
    bookable_without_credits: bool
    archived: bool


def appointment_type_answer(kind: AppointmentType) -> AppointmentTypeAnswer:
    return AppointmentTypeAnswer(
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


Credits = Annotated[StrictInt, Field(ge=0, le=MAX_CREDITS)]


class PackagePut(Request):
    """`rollover_cap` is for what expires with `cycle_end`: 0 use or lose, null no bound. With
    `monthly_tranches` the `credits` are those of each month."""

    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text
    url: Url | None = None
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
        )


class PackageAnswer(Answer):
    id: str
    name: str
    url: str | None
    credits: dict[str, int]
    renews_each_cycle: bool
    expiry: dict[str, str | int]
    rollover_cap: int | None
    trial_grants: bool
    monthly_tranches: bool
    stripe_prices: list[str]
    archived: bool


def package_answer(package: Package) -> PackageAnswer:
    told = {"kind": str(package.expiry.kind), "n": package.expiry.n, "date": package.expiry.date}
    return PackageAnswer(
        id=package.package_id,
        name=package.name,
        url=package.url,
        credits=package.credits,
        renews_each_cycle=package.renews_each_cycle,
        expiry={k: v for k, v in told.items() if v is not None},
        rollover_cap=package.rollover_cap,
        trial_grants=package.trial_grants,
        monthly_tranches=package.monthly_tranches,
        stripe_prices=list(package.stripe_prices),
        archived=package.archived,
    )


class PackageOffer(Answer):
    id: str
    name: str
    url: str | None


# -- clients -----------------------------------------------------------------------------------


class ClientPut(Request):
    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text | None = None
    email: Annotated[str, Field(strict=True, pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")] | None = None
    stripe_customers: Annotated[list[Id], Field(max_length=MAX_CUSTOMERS)] = Field(default_factory=list)
    external_ids: Annotated[dict[Id, Id], Field(max_length=20)] = Field(default_factory=dict)

    def client(self, client_id: str) -> Client:
        return Client(
            client_id=client_id,
            name=self.name,
            email=self.email,
            stripe_customers=tuple(dict.fromkeys(self.stripe_customers)),
            external_ids=dict(sorted(self.external_ids.items())),
        )


class ClientAnswer(Answer):
    id: str
    name: str | None
    email: str | None
    stripe_customers: list[str]
    external_ids: dict[str, str]


def client_answer(client: Client) -> ClientAnswer:
    return ClientAnswer(
        id=client.client_id,
        name=client.name,
        email=client.email,
        stripe_customers=list(client.stripe_customers),
        external_ids=client.external_ids,
    )


class ListedClient(ClientAnswer):
    balances: dict[str, int]


# -- credits -----------------------------------------------------------------------------------


class TypeCreditsAnswer(Answer):
    appointment_type: str
    name: str
    balance: int
    available: int
    held: int
    frozen: int
    not_yet_effective: int
    debt: int
    granted_total: int
    next_expiry: datetime | None
    version: int


class CreditsAnswer(Answer):
    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[TypeCreditsAnswer]


class LotAnswer(Answer):
    lot_id: str
    granted: int
    remaining: int
    held: int
    effective_at: datetime
    expires_at: datetime | None
    priority: int
    source: str
    package_id: str | None
    frozen: bool


def lot_answer(wallet: Wallet, lot: Lot, now: datetime) -> LotAnswer:
    return LotAnswer(
        lot_id=lot.lot_id,
        granted=lot.granted,
        remaining=lot.remaining,
        held=wallet.held(lot.lot_id, now),
        effective_at=lot.effective_at,
        expires_at=lot.expires_at,
        priority=lot.priority,
        source=lot.source,
        package_id=lot.package_id,
        frozen=bool(lot.frozen),
    )


class PostingAnswer(BaseModel):
    """Exactly one of `lot_id` and `debt` says what the amount is of."""

    lot_id: str | None = None
    debt: str | None = None
    amount: int


class ActorAnswer(Answer):
    kind: str
    id: str | None = None


class EntryAnswer(Answer):
    """One change. `sequence` is null for a change of settings, which moves no credits."""

    entry_id: str
    source_id: str
    client_id: str | None
    appointment_type: str | None
    sequence: int | None
    kind: str
    amount: int
    balance_before: int | None
    balance_after: int | None
    postings: list[dict[str, str | int]]
    cause: dict[str, Any]
    actor: ActorAnswer | None
    reason: str | None
    occurred_at: datetime
    recorded_at: datetime


def entry_answer(entry: Entry | SettingsChange, *, for_client: bool = False) -> EntryAnswer:
    """An entry as it is told; a client sees neither who acted nor the reason given."""
    told = telling.settings_change(entry) if isinstance(entry, SettingsChange) else telling.entry(entry)
    return EntryAnswer(**told | ({"actor": None, "reason": None} if for_client else {}))


# -- eligibility -------------------------------------------------------------------------------


class SessionBody(Request):
    appointment_type: Id
    starts_at: Instant
    seats: Annotated[StrictInt, Field(ge=1, le=100)] = 1


class EligibilityPost(Request):
    client_id: Id
    sessions: Annotated[list[SessionBody], Field(min_length=1, max_length=50)]


class WouldUse(Answer):
    lot_id: str
    amount: int
    expires_at: datetime | None


class EligibilityAnswer(Answer):
    appointment_type: str
    allowed: bool
    reason: str
    message: str
    balance: int
    available: int
    shortfall: int
    would_use: list[WouldUse]
    packages: list[PackageOffer]
    settings: SettingsAnswer
    as_of: datetime


def eligibility_answer(told: Eligibility) -> EligibilityAnswer:
    return EligibilityAnswer(
        appointment_type=told.appointment_type,
        allowed=told.allowed,
        reason=told.reason,
        message=told.message,
        balance=told.balance,
        available=told.available,
        shortfall=told.shortfall,
        would_use=[WouldUse(lot_id=lot.lot_id, amount=part, expires_at=lot.expires_at) for lot, part in told.would_use],
        packages=[PackageOffer(id=p.package_id, name=p.name, url=p.url) for p in told.packages],
        settings=settings_answer(told.settings, told.sources),
        as_of=told.as_of,
    )


class EligibilityEach(Answer):
    items: list[EligibilityAnswer]


class EligibilityJointly(Answer):
    allowed: bool
    shortfall: int
    sessions: list[EligibilityAnswer]


# -- bookings and parked payments --------------------------------------------------------------


class RefusalAnswer(Answer):
    reason: str
    available: int
    shortfall: int
    occurred_at: datetime


class BookingAnswer(Answer):
    booking_id: str
    state: str
    client_id: str | None
    appointment_type: str | None
    starts_at: datetime | None
    seats: int | None
    kind: str
    origin: str
    paid: list[dict[str, str | int]]
    returned: int
    rule: str | None
    free: str | None
    refusal: RefusalAnswer | None
    created_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str | None


def booking_answer(booking: Booking) -> BookingAnswer:
    session, cancellation, refusal = booking.session, booking.cancellation, booking.refusal
    return BookingAnswer(
        booking_id=booking.booking_id,
        state=booking.state,
        client_id=booking.client_id,
        appointment_type=session.appointment_type if session else None,
        starts_at=session.starts_at if session else None,
        seats=session.seats if session else None,
        kind=booking.kind,
        origin=booking.origin,
        paid=[{"lot_id": payer.lot.lot_id, "amount": payer.amount} for payer in booking.payers],
        returned=booking.returned,
        rule=booking.rule,
        free=booking.free,
        refusal=RefusalAnswer(
            reason=refusal.reason,
            available=refusal.available,
            shortfall=refusal.shortfall,
            occurred_at=refusal.occurred_at,
        )
        if refusal
        else None,
        created_at=booking.created_at,
        cancelled_at=cancellation.occurred_at if cancellation else None,
        cancelled_by=cancellation.by if cancellation else None,
    )


class ParkedAnswer(Answer):
    id: str
    reason: str
    event_id: str
    customer: str | None
    payment: str | None
    prices: list[str]
    received_at: datetime
    state: str


def parked_answer(parked: Parked) -> ParkedAnswer:
    return ParkedAnswer(**telling.parked(parked))


class ResolveBody(Request):
    client_id: Id | None = None
    package_id: Id | None = None


class DismissBody(Request):
    reason: Reason


class ResolvedLine(Answer):
    line: str
    outcome: str
    source_id: str | None


class Resolved(Answer):
    id: str
    lines: list[ResolvedLine]
    entries: list[EntryAnswer]
