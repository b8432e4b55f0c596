"""Insurance authorisations: so many visits that an insurer pays, of named types, from one day to another.

Visits are not credits. Owns the record, which authorisation covers a session, and the counting of visits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

MAX_AUTHORIZATIONS = 20  # of one client, those that were deleted not counted
MAX_VISITS = 10_000  # of one authorisation


@dataclass(frozen=True, slots=True)
class AuthorizationRef:
    """Which authorisation: whose partition it stands in, and its id there."""

    client_id: str
    authorization_id: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an insurer authorised. `starts_on` and `ends_on` are local days of the practice, both inclusive.

    0 <= `visits_used` <= `visits_authorized`. One that was deleted covers nothing and stands in no list, but its
    visits are counted on, for the bookings it covered may still be cancelled.
    """

    client_id: str
    authorization_id: str
    payer: str
    number: str
    appointment_types: tuple[str, ...]
    starts_on: date
    ends_on: date
    visits_authorized: int
    visits_used: int = 0
    deleted_at: datetime | None = None
    version: int = 0

    @property
    def ref(self) -> AuthorizationRef:
        return AuthorizationRef(self.client_id, self.authorization_id)

    @property
    def visits_left(self) -> int:
        return self.visits_authorized - self.visits_used

    def covers(self, appointment_type: str, starts_at: datetime, timezone: str) -> bool:
        """Whether a session of this type, on its local day, is one that it has a visit for."""
        day = starts_at.astimezone(ZoneInfo(timezone)).date()
        lasts = self.starts_on <= day <= self.ends_on
        stands = self.deleted_at is None and self.visits_left > 0
        return stands and lasts and appointment_type in self.appointment_types

    def with_visit_used(self) -> "Authorization":
        assert self.visits_left > 0, "a visit is used only where one is left"
        return replace(self, visits_used=self.visits_used + 1)

    def with_visit_returned(self) -> "Authorization":
        assert self.visits_used > 0, "a visit returns once"
        return replace(self, visits_used=self.visits_used - 1)


def covering(
    authorizations: Iterable[Authorization], appointment_type: str, starts_at: datetime, timezone: str
) -> Authorization | None:
    """The authorisation that covers a session: of several the one that ends first, then begins first, then by id."""
    able = [each for each in authorizations if each.covers(appointment_type, starts_at, timezone)]
    return min(able, key=lambda a: (a.ends_on, a.starts_on, a.authorization_id, a.client_id), default=None)
