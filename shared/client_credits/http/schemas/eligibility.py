"""Whether a client may book: the question and the answer."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt

from client_credits.domain.credits import MAX_SEATS
from client_credits.http.schemas.catalogue import PackageOffer
from client_credits.http.schemas.common import Id, Instant, Request, View
from client_credits.http.schemas.settings import SettingsView, settings_view
from client_credits.operations.queries.eligibility import Eligibility


class SessionBody(Request):
    appointment_type: Id
    starts_at: Instant
    seats: Annotated[StrictInt, Field(ge=1, le=MAX_SEATS)] = 1


class EligibilityPost(Request):
    client_id: Id
    sessions: Annotated[list[SessionBody], Field(min_length=1, max_length=50)]


class WouldUse(View):
    lot_id: str
    amount: int
    expires_at: datetime | None


class OwnEligibilityView(View):
    """What role client sees: all but the settings in effect, and which authorisation would pay."""

    appointment_type: str
    allowed: bool
    reason: str
    message: str
    balance: int
    available: int
    shortfall: int
    would_use: list[WouldUse]
    covered: bool
    packages: list[PackageOffer]
    as_of: datetime


class EligibilityView(OwnEligibilityView):
    """`covered_by` is the id of the insurance authorisation that would pay."""

    covered_by: str | None
    settings: SettingsView


def own_eligibility_view(decided: Eligibility) -> OwnEligibilityView:
    return OwnEligibilityView(
        appointment_type=decided.appointment_type,
        allowed=decided.allowed,
        reason=decided.reason,
        message=decided.message,
        balance=decided.balance,
        available=decided.available,
        shortfall=decided.shortfall,
        would_use=[
            WouldUse(lot_id=lot.lot_id, amount=part, expires_at=lot.expires_at) for lot, part in decided.would_use
        ],
        covered=decided.covered_by is not None,
        packages=[PackageOffer(id=p.package_id, name=p.name, url=p.url) for p in decided.packages],
        as_of=decided.as_of,
    )


def eligibility_view(decided: Eligibility) -> EligibilityView:
    settings = settings_view(decided.settings, decided.sources)
    covered_by = decided.covered_by.authorization_id if decided.covered_by else None
    return EligibilityView(**dict(own_eligibility_view(decided)), covered_by=covered_by, settings=settings)


class EligibilityEach(View):
    items: list[EligibilityView]


class OwnEligibilityEach(View):
    items: list[OwnEligibilityView]


class EligibilityJointly(View):
    allowed: bool
    shortfall: int
    sessions: list[EligibilityView]


class OwnEligibilityJointly(View):
    allowed: bool
    shortfall: int
    sessions: list[OwnEligibilityView]
