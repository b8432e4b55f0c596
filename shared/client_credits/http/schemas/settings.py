"""Settings: each value with its source, and changes of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, WithJsonSchema

from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.settings import Settings
from client_credits.http.schemas.common import Answer


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
