"""Whether a client may book: the question and the answer."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt

from client_credits.domain.credits import MAX_SEATS
from client_credits.http.schemas.catalogue import PackageOffer
from client_credits.http.schemas.common import Answer, Id, Instant, Request
from client_credits.http.schemas.settings import SettingsAnswer, settings_answer
from client_credits.operations.queries.eligibility import Eligibility


class SessionBody(Request):
    appointment_type: Id
    starts_at: Instant
    seats: Annotated[StrictInt, Field(ge=1, le=MAX_SEATS)] = 1


class EligibilityPost(Request):
    client_id: Id
    sessions: Annotated[list[SessionBody], Field(min_length=1, max_length=50)]


class WouldUse(Answer):
    lot_id: str
    amount: int
    expires_at: datetime | None


class OwnEligibilityAnswer(Answer):
    """What role client is told: all but the settings in effect."""

    appointment_type: str
    allowed: bool
    reason: str
    message: str
    balance: int
    available: int
    shortfall: int
    would_use: list[WouldUse]
    packages: list[PackageOffer]
    as_of: datetime


class EligibilityAnswer(OwnEligibilityAnswer):
    settings: SettingsAnswer


def own_eligibility_answer(told: Eligibility) -> OwnEligibilityAnswer:
    return OwnEligibilityAnswer(
        appointment_type=told.appointment_type,
        allowed=told.allowed,
        reason=told.reason,
        message=told.message,
        balance=told.balance,
        available=told.available,
        shortfall=told.shortfall,
        would_use=[WouldUse(lot_id=lot.lot_id, amount=part, expires_at=lot.expires_at) for lot, part in told.would_use],
        packages=[PackageOffer(id=p.package_id, name=p.name, url=p.url) for p in told.packages],
        as_of=told.as_of,
    )


def eligibility_answer(told: Eligibility) -> EligibilityAnswer:
    settings = settings_answer(told.settings, told.sources)
    return EligibilityAnswer(**dict(own_eligibility_answer(told)), settings=settings)


class EligibilityEach(Answer):
    items: list[EligibilityAnswer]


class OwnEligibilityEach(Answer):
    items: list[OwnEligibilityAnswer]


class EligibilityJointly(Answer):
    allowed: bool
    shortfall: int
    sessions: list[EligibilityAnswer]


class OwnEligibilityJointly(Answer):
    allowed: bool
    shortfall: int
    sessions: list[OwnEligibilityAnswer]
