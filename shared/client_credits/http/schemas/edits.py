"""What staff send to edit credits, and what they get back."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, model_validator

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ledger.wallet import MAX_TYPES
from client_credits.http.schemas.common import Id, Instant, Reason, Request, View
from client_credits.http.schemas.credits import EntryView, TypeCreditsView

Balance = Annotated[StrictInt, Field(ge=-MAX_CREDITS, le=MAX_CREDITS)]
Amount = Annotated[StrictInt, Field(ge=1, le=MAX_CREDITS)]


class BalanceChange(Request):
    """`version` as last seen, 0 for credits never touched; `expires_at` is the end of what is added."""

    appointment_type: Id
    balance: Balance
    version: Annotated[StrictInt, Field(ge=0)]
    expires_at: Instant | None = None


class BalancesPut(Request):
    changes: Annotated[list[BalanceChange], Field(min_length=1, max_length=MAX_TYPES)]
    reason: Reason | None = None


class AdjustmentPost(Request):
    """`amount` is added, or taken where it is negative; not 0."""

    appointment_type: Id
    amount: Balance
    reason: Reason
    expires_at: Instant | None = None


class GrantPost(Request):
    package_id: Id
    quantity: Annotated[StrictInt, Field(ge=1, le=MAX_CREDITS)] = 1
    expires_at: Instant | None = None
    reason: Reason | None = None


class LotPatch(Request):
    """Either `expires_at`, a later end (null: never), or `void: true` with a reason."""

    expires_at: Instant | None = None
    void: StrictBool = False
    reason: Reason | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "LotPatch":
        if self.void == ("expires_at" in self.model_fields_set):
            raise ValueError("give expires_at, or void: true")
        if self.void and self.reason is None:
            raise ValueError("voiding needs a reason")
        return self


class TransferPost(Request):
    from_client_id: Id
    to_client_id: Id
    appointment_type: Id
    amount: Amount
    reason: Reason | None = None


class UndoPost(Request):
    reason: Reason | None = None


class Edits(View):
    """The entries written, of every wallet concerned."""

    entries: list[EntryView]


class Replaced(Edits):
    """Also the credits of the types named, as they are after the change."""

    credits: list[TypeCreditsView]
