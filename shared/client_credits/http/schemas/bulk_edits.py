"""What staff send to change the lots of many clients at once, and what they get back."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, model_validator

from client_credits.domain.credits import MAX_CREDITS
from client_credits.http.schemas.common import Id, Instant, Reason, Request, View


class ExtensionPost(Request):
    """At least one of `package_id`, `appointment_type`, `ends_from` and `ends_to` chooses the lots: a lot is in the
    window while `ends_from` <= its end < `ends_to`. Either `expires_at`, a later end (null: never), or `by_days`, so
    many days of the practice's time zone beyond each lot's own. `revive` needs `ends_from`.
    """

    package_id: Id | None = None
    appointment_type: Id | None = None
    ends_from: Instant | None = None
    ends_to: Instant | None = None
    expires_at: Instant | None = None
    by_days: Annotated[StrictInt, Field(ge=1, le=3650)] | None = None
    revive: StrictBool = False
    reason: Reason

    @model_validator(mode="after")
    def _is_one_rule(self) -> "ExtensionPost":
        if not (self.package_id or self.appointment_type or self.ends_from or self.ends_to):
            raise ValueError("choose lots by package_id, appointment_type, ends_from or ends_to")
        if ("expires_at" in self.model_fields_set) == (self.by_days is not None):
            raise ValueError("give either expires_at or by_days")
        if self.ends_from and self.ends_to and self.ends_from >= self.ends_to:
            raise ValueError("ends_from is before ends_to")
        if self.revive and self.ends_from is None:
            raise ValueError("revive needs ends_from: since when what expired comes back")
        return self


class ExpirationPost(Request):
    """At least one of `client_id`, `appointment_type`, `package_id` and `cycle_ended_before` chooses the leftovers;
    each client keeps `keep` of them per type, those that would be spent last."""

    client_id: Id | None = None
    appointment_type: Id | None = None
    package_id: Id | None = None
    cycle_ended_before: Instant | None = None
    keep: Annotated[StrictInt, Field(ge=0, le=MAX_CREDITS)] = 0

    @model_validator(mode="after")
    def _chooses(self) -> "ExpirationPost":
        if not (self.client_id or self.appointment_type or self.package_id or self.cycle_ended_before):
            raise ValueError("choose leftovers by client_id, appointment_type, package_id or cycle_ended_before")
        return self


class ExtendedLot(View):
    """A lot that ends at `expires_at` now (null: never); `revived` of its credits had expired and are there again."""

    client_id: str
    appointment_type: str
    lot_id: str
    revived: int
    expires_at: datetime | None


class Extended(View):
    """`next_cursor` is there where a rehearsal goes on; send it with the same request and `dry_run`."""

    items: list[ExtendedLot]
    next_cursor: str | None


class ExpiredLot(View):
    """A lot, and how many of its credits expired."""

    client_id: str
    appointment_type: str
    lot_id: str
    amount: int


class Expired(View):
    """`next_cursor` is there where a rehearsal goes on; send it with the same request and `dry_run`."""

    items: list[ExpiredLot]
    next_cursor: str | None
