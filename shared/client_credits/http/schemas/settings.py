"""Settings: each value with its source, and changes of them. Which there are, the domain's list says."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool

from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.settings import Settings
from client_credits.http.schemas.common import View


class SettingValue(View):
    value: bool | int | str | None
    source: Literal["account", "client"]


SettingsView = dict[str, SettingValue]


def settings_view(settings: Settings, sources: Mapping[str, str]) -> dict[str, SettingValue]:
    """Every setting in effect, with where its value comes from; the switch with two names under both."""
    answer = {
        name: SettingValue(value=getattr(settings, name), source=sources[name])  # type: ignore[arg-type]
        for name in rules.FIELDS
    }
    switch = answer[rules.ALIAS_OF]
    answer[rules.ALIAS] = SettingValue(value=not switch.value, source=switch.source)
    return answer


def _properties(*, for_client: bool) -> dict[str, Any]:
    """What a change may name, in JSON Schema; null clears each."""
    known = {name: each.schema for name, each in rules.SETTINGS.items() if not (for_client and each.account_only)}
    known[rules.ALIAS] = known[rules.ALIAS_OF]
    return {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in known.items()}


def _of_client(schema: dict[str, Any]) -> None:
    schema |= {"additionalProperties": False, "properties": _properties(for_client=True)}


def _of_account(schema: dict[str, Any]) -> None:
    schema |= {"additionalProperties": False, "properties": _properties(for_client=False) | schema["properties"]}


class ClientSettingsPatch(BaseModel):
    """The settings to change; null clears an override. Anything else is refused by name."""

    # Values are judged by the domain's list alone, whose faults name each setting as it was sent.
    model_config = ConfigDict(extra="allow", json_schema_extra=_of_client, defer_build=True)

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class SettingsPatch(ClientSettingsPatch):
    """As for a client, and what holds for the whole account. `confirm` goes with `enabled: false`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_of_account, defer_build=True)

    confirm: StrictBool = False

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"confirm"})
