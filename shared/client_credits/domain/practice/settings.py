"""A practice's settings: names, defaults, bounds, and which value holds for a client.

Two levels: the account's default and a client's override; an override of null means inherit.
`ACCOUNT_ONLY` names have no override. `SETTINGS` is the one list: the checks, the HTTP schemas and the
OpenAPI document follow from it. A setting that has no effect in this release is not in it, and so is
refused rather than stored.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import Invalid, Problem, pointer
from client_credits.domain.practice.links import LINK_PATTERN, MAX_LINK

MAX_GRACE_DAYS = 3650
MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that hold for one client, or for the account where no client is meant."""

    enabled: bool = True
    allow_booking_without_credits: bool = True
    restore_on_cancel: bool = True
    track_insurance_authorization: bool = False
    credit_must_cover: Literal["session", "booking"] = "session"
    restore_grace_days_client: int = 0
    restore_grace_days_practice: int = 14
    max_negative: int | Literal["unlimited"] = "unlimited"
    auto_repay: bool = True
    clawback_shortfall: Literal["debt", "report"] = "debt"
    upgrade_grant: Literal["prorated", "difference", "none"] = "prorated"
    past_due: Literal["keep", "freeze"] = "keep"
    unidentified_bookings: Literal["allow", "refuse"] = "allow"
    unknown_clients: Literal["create", "park"] = "create"
    timezone: str = "UTC"
    packages_url: str | None = None
    name: str | None = None

    def at(self, _instant: datetime) -> "Settings":
        """Themselves: these never changed."""
        return self

    def changed(self, *_names: str) -> tuple[datetime, ...]:
        return ()


# -- the one list of settings ------------------------------------------------------------------

Check = Callable[[object], str | None]
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """Which values a setting takes: `check` names the fault of one that it does not, `schema` says it in
    JSON Schema. `account_only` has no override. `dated`: what it was in the past still counts."""

    check: Check
    schema: Schema
    account_only: bool = False
    dated: bool = True


def _boolean(**more: bool) -> Setting:
    def check(value: object) -> str | None:
        return None if isinstance(value, bool) else "must be true or false"

    return Setting(check, {"type": "boolean"}, **more)


def _integer(low: int, high: int, **more: bool) -> Setting:
    def check(value: object) -> str | None:
        fine = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fine else f"must be a whole number from {low} to {high}"

    return Setting(check, {"type": "integer", "minimum": low, "maximum": high}, **more)


def _one_of(*choices: str, **more: bool) -> Setting:
    def check(value: object) -> str | None:
        return None if value in choices else "must be one of: " + ", ".join(choices)

    return Setting(check, {"type": "string", "enum": list(choices)}, **more)


def _limit() -> Setting:
    number = _integer(0, MAX_CREDITS)

    def check(value: object) -> str | None:
        fault = None if value == "unlimited" else number.check(value)
        return fault and f'{fault}, or "unlimited"'

    return Setting(check, {"anyOf": [number.schema, {"type": "string", "const": "unlimited"}]})


def _text(longest: int, pattern: str, fault: str, **more: bool) -> Setting:
    shape = re.compile(pattern)

    def check(value: object) -> str | None:
        fine = isinstance(value, str) and 0 < len(value) <= longest and shape.fullmatch(value)
        return None if fine else fault

    return Setting(check, {"type": "string", "minLength": 1, "maxLength": longest, "pattern": f"^{pattern}$"}, **more)


# What the machine calls its own zone, and none at all. They name no place, and mean another time elsewhere.
_NO_PLACE = frozenset({"localtime", "posixrules", "Factory"})
_OTHER_SECONDS = ("right/", "posix/")  # the same places once more, those of right/ with leap seconds


def _timezone(**more: bool) -> Setting:
    def check(value: object) -> str | None:
        if isinstance(value, str) and (value in _NO_PLACE or value.startswith(_OTHER_SECONDS)):
            return "must be an IANA time zone such as Europe/Berlin"
        try:
            ZoneInfo(value if isinstance(value, str) else "")
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            return "must be an IANA time zone such as Europe/Berlin"
        return None

    return Setting(check, {"type": "string", "examples": ["Europe/Berlin"]}, **more)


SETTINGS: dict[str, Setting] = {
    "enabled": _boolean(account_only=True),
    "allow_booking_without_credits": _boolean(),
    "restore_on_cancel": _boolean(),
    "track_insurance_authorization": _boolean(),
    "credit_must_cover": _one_of("session", "booking"),
    "restore_grace_days_client": _integer(0, MAX_GRACE_DAYS),
    "restore_grace_days_practice": _integer(0, MAX_GRACE_DAYS),
    "max_negative": _limit(),
    "auto_repay": _boolean(),
    "clawback_shortfall": _one_of("debt", "report"),
    "upgrade_grant": _one_of("prorated", "difference", "none"),
    "past_due": _one_of("keep", "freeze"),
    "unidentified_bookings": _one_of("allow", "refuse", account_only=True),
    "unknown_clients": _one_of("create", "park", account_only=True, dated=False),
    "timezone": _timezone(account_only=True),
    "packages_url": _text(
        MAX_LINK,
        LINK_PATTERN,
        "must be a link that begins with https:// and a host",
        account_only=True,
        dated=False,
    ),
    "name": _text(
        MAX_NAME, r"[\s\S]*\S[\s\S]*", f"must be text of 1 to {MAX_NAME} characters", account_only=True, dated=False
    ),
}
FIELDS = tuple(field.name for field in fields(Settings))
assert set(FIELDS) == set(SETTINGS)
ACCOUNT_ONLY = frozenset(name for name, setting in SETTINGS.items() if setting.account_only)
DATED = frozenset(name for name, setting in SETTINGS.items() if setting.dated)
NOT_YET = frozenset(
    {
        "late_cancel_hours",
        "low_balance_at",
        "expiring_notice_days",
        "max_hold_minutes",
    }
)
ALIAS = "prevent_no_credit_booking"
ALIAS_OF = "allow_booking_without_credits"


def checked_changes(changes: Mapping[str, Any], *, for_client: bool) -> dict[str, Any]:
    """The changes under their one name, `prevent_no_credit_booking` turned into its opposite.

    null clears: an override inherits again, an account value returns to its default.
    Raises Invalid listing every fault.
    """
    wanted = dict(changes)
    faults = _under_one_name(wanted)
    for name, value in wanted.items():
        fault = _fault(name, value, for_client)
        if fault:
            faults.append(fault)
    if faults:
        raise Invalid("Some settings cannot be changed as asked.", *faults)
    return wanted


def _under_one_name(wanted: dict[str, Any]) -> list[Problem]:
    """Turns the switch's other name into its own, in place; what speaks against that."""
    if ALIAS not in wanted:
        return []
    prevent = wanted.pop(ALIAS)
    if prevent is not None and (fault := SETTINGS[ALIAS_OF].check(prevent)):
        return [Problem(f"/{ALIAS}", "out_of_range", fault)]
    allow = None if prevent is None else not prevent
    if wanted.setdefault(ALIAS_OF, allow) == allow:
        return []
    return [Problem(f"/{ALIAS}", "contradiction", f"{ALIAS} and {ALIAS_OF} are one switch and contradict")]


def _fault(name: str, value: object, for_client: bool) -> Problem | None:
    where = pointer(name)
    if name in NOT_YET:
        return Problem(
            where,
            "setting_without_effect",
            "this release does not act on this setting, so it is not stored",
        )
    if name not in SETTINGS:
        return Problem(where, "unknown_field", "there is no such setting")
    if for_client and name in ACCOUNT_ONLY:
        return Problem(
            where,
            "account_only",
            "this setting holds for the whole account: change it at /v1/settings",
        )
    if value is None:
        return None
    fault = SETTINGS[name].check(value)
    return Problem(where, "out_of_range", fault) if fault else None


def effective(account: Mapping[str, Any], client: Mapping[str, Any] | None = None) -> Settings:
    """The values that hold: the client's override, else the account's value, else the default."""
    own = {k: v for k, v in (client or {}).items() if v is not None and k not in ACCOUNT_ONLY}
    merged = {k: v for k, v in account.items() if v is not None} | own
    return Settings(**{k: v for k, v in merged.items() if k in SETTINGS})


def sources(client: Mapping[str, Any] | None = None) -> dict[str, str]:
    """For each setting, where its effective value comes from: `account` or `client`."""
    own = client or {}
    return {name: "client" if name not in ACCOUNT_ONLY and own.get(name) is not None else "account" for name in FIELDS}
