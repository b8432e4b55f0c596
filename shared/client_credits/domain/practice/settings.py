"""A practice's settings: names, defaults, bounds, and which value holds for a client.

Two levels: the account's default and a client's override; an override of null means inherit.
`ACCOUNT_ONLY` names have no override. A setting that has no effect in this release is not in
`FIELDS`, and so is refused rather than stored.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from zoneinfo import ZoneInfo

from client_credits.domain.errors import Invalid, Problem, pointer

MAX_GRACE_DAYS = 3650
MAX_CREDITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that hold for one client, or for the account where no client is meant."""

    enabled: bool = True
    allow_booking_without_credits: bool = True
    restore_on_cancel: bool = True
    credit_must_cover: Literal["session", "booking"] = "session"
    restore_grace_days_client: int = 0
    restore_grace_days_practice: int = 14
    max_negative: int | Literal["unlimited"] = "unlimited"
    auto_repay: bool = True
    clawback_shortfall: Literal["debt", "report"] = "debt"
    upgrade_grant: Literal["difference", "none", "prorated"] = "difference"
    past_due: Literal["keep", "freeze"] = "keep"
    unidentified_bookings: Literal["allow", "refuse"] = "allow"
    timezone: str = "UTC"
    packages_url: str | None = None


ACCOUNT_ONLY = frozenset({"enabled", "timezone", "unidentified_bookings", "packages_url"})
NOT_YET = frozenset(
    {
        "track_insurance_authorization",
        "late_cancel_hours",
        "low_balance_at",
        "expiring_notice_days",
        "max_hold_minutes",
    }
)
ALIAS = "prevent_no_credit_booking"
ALIAS_OF = "allow_booking_without_credits"


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _whole(low: int, high: int) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        fine = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fine else f"must be a whole number from {low} to {high}"

    return check


def _one_of(*choices: str) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        return None if value in choices else "must be one of: " + ", ".join(choices)

    return check


def _limit(value: object) -> str | None:
    if value == "unlimited":
        return None
    fault = _whole(0, MAX_CREDITS)(value)
    return fault and f'{fault}, or "unlimited"'


def _timezone(value: object) -> str | None:
    try:
        ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError below
        return "must be an IANA time zone such as Europe/Berlin"
    except KeyError:
        return "must be an IANA time zone such as Europe/Berlin"
    return None


_URL = re.compile(r"https?://[^\s/?#]+\S*")


def _url(value: object) -> str | None:
    fine = isinstance(value, str) and len(value) <= 2048 and _URL.fullmatch(value)
    return None if fine else "must be an http(s) URL"


_CHECKS: dict[str, Callable[[object], str | None]] = {
    "enabled": _boolean,
    "allow_booking_without_credits": _boolean,
    "restore_on_cancel": _boolean,
    "credit_must_cover": _one_of("session", "booking"),
    "restore_grace_days_client": _whole(0, MAX_GRACE_DAYS),
    "restore_grace_days_practice": _whole(0, MAX_GRACE_DAYS),
    "max_negative": _limit,
    "auto_repay": _boolean,
    "clawback_shortfall": _one_of("debt", "report"),
    "upgrade_grant": _one_of("difference", "none", "prorated"),
    "past_due": _one_of("keep", "freeze"),
    "unidentified_bookings": _one_of("allow", "refuse"),
    "timezone": _timezone,
    "packages_url": _url,
}
FIELDS = tuple(field.name for field in fields(Settings))
assert set(FIELDS) == set(_CHECKS)


def checked_changes(changes: Mapping[str, Any], *, for_client: bool) -> dict[str, Any]:
    """The changes under their one name, `prevent_no_credit_booking` turned into its opposite.

    null clears: an override inherits again, an account value returns to its default.
    Raises Invalid listing every fault.
    """
    faults: list[Problem] = []
    wanted = dict(changes)
    if ALIAS in wanted:
        prevent = wanted.pop(ALIAS)
        allow = None if prevent is None else not prevent if isinstance(prevent, bool) else prevent
        if ALIAS_OF in wanted and wanted[ALIAS_OF] != allow:
            faults.append(
                Problem(
                    f"/{ALIAS}",
                    "contradiction",
                    f"{ALIAS} and {ALIAS_OF} are one switch and contradict",
                )
            )
        wanted.setdefault(ALIAS_OF, allow)
    for name, value in wanted.items():
        fault = _fault(name, value, for_client)
        if fault:
            faults.append(fault)
    if faults:
        raise Invalid("Some settings cannot be changed as asked.", *faults)
    return wanted


def _fault(name: str, value: object, for_client: bool) -> Problem | None:
    where = pointer(name)
    if name in NOT_YET:
        return Problem(
            where,
            "setting_without_effect",
            "this release does not act on this setting, so it is not stored",
        )
    if name not in _CHECKS:
        return Problem(where, "unknown_field", "there is no such setting")
    if for_client and name in ACCOUNT_ONLY:
        return Problem(
            where,
            "account_only",
            "this setting holds for the whole account: change it at /v1/settings",
        )
    if value is None:
        return None
    fault = _CHECKS[name](value)
    return Problem(where, "out_of_range", fault) if fault else None


def effective(account: Mapping[str, Any], client: Mapping[str, Any] | None = None) -> Settings:
    """The values that hold: the client's override, else the account's value, else the default."""
    own = {k: v for k, v in (client or {}).items() if v is not None and k not in ACCOUNT_ONLY}
    merged = {k: v for k, v in account.items() if v is not None} | own
    return Settings(**{k: v for k, v in merged.items() if k in _CHECKS})


def sources(client: Mapping[str, Any] | None = None) -> dict[str, str]:
    """For each setting, where its effective value comes from: `account` or `client`."""
    own = client or {}
    return {name: "client" if name not in ACCOUNT_ONLY and own.get(name) is not None else "account" for name in FIELDS}
