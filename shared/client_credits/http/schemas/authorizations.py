"""Insurance authorisations: what staff write, and how they are shown to staff. Clients never see one."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt
from pydantic_core import PydanticCustomError

from client_credits.domain.instants import YEARS
from client_credits.domain.ledger.wallet import MAX_TYPES
from client_credits.domain.practice.authorizations import MAX_VISITS, Authorization
from client_credits.http.schemas.common import Id, Request, Text, View


def _day(value: object) -> date:
    """A day as YYYY-MM-DD and in no other way that ISO 8601 knows."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-12-01") else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value or day.year not in YEARS:
        raise PydanticCustomError("not_a_day", "A local day like 2026-12-01, years 1970 to 2999 only.")
    return day


Day = Annotated[date, BeforeValidator(_day)]


def _distinct(types: list[str]) -> list[str]:
    return sorted(set(types))


class AuthorizationPut(Request):
    """What an insurer authorised. The days are the practice's own, both inclusive."""

    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    payer: Text
    number: Text = Field(description="The insurer's; it stands in no key, log or event.")
    appointment_types: Annotated[list[Id], Field(min_length=1, max_length=MAX_TYPES), AfterValidator(_distinct)]
    starts_on: Day
    ends_on: Day
    visits_authorized: Annotated[StrictInt, Field(ge=1, le=MAX_VISITS)]

    def authorization(self, client_id: str, authorization_id: str) -> Authorization:
        return Authorization(
            client_id=client_id,
            authorization_id=authorization_id,
            payer=self.payer,
            number=self.number,
            appointment_types=tuple(self.appointment_types),
            starts_on=self.starts_on,
            ends_on=self.ends_on,
            visits_authorized=self.visits_authorized,
        )


class AuthorizationView(View):
    """`client_id` is the client under whose id it was put: where clients were merged, each may have brought one of the
    same `id`, and the path with its own client reaches it.
    """

    id: str
    client_id: str
    payer: str
    number: str
    appointment_types: list[str]
    starts_on: date
    ends_on: date
    visits_authorized: int
    visits_used: int
    visits_left: int


def authorization_view(record: Authorization) -> AuthorizationView:
    return AuthorizationView(
        id=record.authorization_id,
        client_id=record.client_id,
        payer=record.payer,
        number=record.number,
        appointment_types=list(record.appointment_types),
        starts_on=record.starts_on,
        ends_on=record.ends_on,
        visits_authorized=record.visits_authorized,
        visits_used=record.visits_used,
        visits_left=record.visits_left,
    )
