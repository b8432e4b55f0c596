"""A practice's settings: defaults, bounds, one switch with two names, and whose value holds."""

from typing import Any

import pytest

from client_credits.domain.errors import Invalid
from client_credits.domain.practice.settings import (
    ACCOUNT_ONLY,
    FIELDS,
    NOT_YET,
    Settings,
    checked_changes,
    effective,
    sources,
)


def faults(changes: dict[str, Any], for_client: bool = False) -> dict[str, str]:
    """Where and which, of every fault found."""
    with pytest.raises(Invalid) as refused:
        checked_changes(changes, for_client=for_client)
    return {problem.pointer: problem.code for problem in refused.value.errors}


# -- defaults ----------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_law() -> None:
    assert Settings() == Settings(
        enabled=True,
        allow_booking_without_credits=True,
        restore_on_cancel=True,
        credit_must_cover="session",
        restore_grace_days_client=0,
        restore_grace_days_practice=14,
        max_negative="unlimited",
        auto_repay=True,
        clawback_shortfall="debt",
        upgrade_grant="prorated",
        past_due="keep",
        unidentified_bookings="allow",
        unknown_clients="create",
        timezone="UTC",
        packages_url=None,
        name=None,
    )


# -- what may be stored ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enabled", False),
        ("restore_on_cancel", True),
        ("credit_must_cover", "booking"),
        ("restore_grace_days_client", 0),
        ("restore_grace_days_practice", 3650),
        ("max_negative", 0),
        ("max_negative", 1_000_000),
        ("max_negative", "unlimited"),
        ("auto_repay", False),
        ("clawback_shortfall", "report"),
        ("upgrade_grant", "none"),
        ("upgrade_grant", "prorated"),
        ("past_due", "freeze"),
        ("unidentified_bookings", "refuse"),
        ("timezone", "America/Argentina/Buenos_Aires"),
        ("packages_url", "https://example.com/packages?from=credits"),
        ("unknown_clients", "park"),
        ("name", "Praxis Zoë"),
        pytest.param("name", "n" * 200, id="longest-name"),
    ],
)
def test_a_value_within_its_bounds_is_taken(name: str, value: object) -> None:
    assert checked_changes({name: value}, for_client=False) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enabled", 1),
        ("enabled", "true"),
        ("allow_booking_without_credits", 0),
        ("credit_must_cover", "Session"),
        ("credit_must_cover", ["session"]),
        ("restore_grace_days_client", -1),
        ("restore_grace_days_client", 3651),
        ("restore_grace_days_practice", True),
        ("restore_grace_days_practice", 1.5),
        ("restore_grace_days_practice", 14.0),
        ("restore_grace_days_practice", "14"),
        ("max_negative", -1),
        ("max_negative", 1_000_001),
        pytest.param("max_negative", 10**5000, id="endless-number"),
        ("max_negative", "none"),
        ("max_negative", False),
        ("unidentified_bookings", "maybe"),
        ("timezone", "Berlin"),
        ("timezone", ""),
        ("timezone", "../../etc/passwd"),
        ("timezone", "Europe"),
        ("timezone", "Europe/Berlin\0"),
        pytest.param("timezone", "\ud800", id="half-a-character"),
        ("timezone", 1),
        ("packages_url", "javascript:alert(1)"),
        ("packages_url", "https://example.com/a b"),
        pytest.param("packages_url", "https://" + "a" * 2048, id="endless-url"),
        ("packages_url", {}),
        ("packages_url", "https://example.com/a\n"),
        ("unknown_clients", "refuse"),
        ("unidentified_bookings", "review"),
        ("name", ""),
        ("name", "  "),
        ("name", 5),
        pytest.param("name", "n" * 201, id="endless-name"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: object) -> None:
    assert faults({name: value}) == {f"/{name}": "out_of_range"}


def test_every_fault_is_reported_at_once() -> None:
    assert faults({"enabled": "no", "colour": "red", "max_negative": 1, "low_balance_at": 2}) == {
        "/enabled": "out_of_range",
        "/colour": "unknown_field",
        "/low_balance_at": "setting_without_effect",
    }


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_a_setting_without_effect_yet_is_refused_not_stored(name: str) -> None:
    assert faults({name: True}) == {f"/{name}": "setting_without_effect"}
    assert faults({name: None}) == {f"/{name}": "setting_without_effect"}


def test_no_setting_is_both_kept_and_without_effect() -> None:
    assert not NOT_YET & set(FIELDS)
    assert set(FIELDS) > ACCOUNT_ONLY


@pytest.mark.parametrize("name", sorted(ACCOUNT_ONLY))
def test_what_holds_for_the_whole_account_has_no_override(name: str) -> None:
    value = getattr(Settings(), name)
    assert faults({name: value}, for_client=True) == {f"/{name}": "account_only"}


def test_null_clears() -> None:
    assert checked_changes({"max_negative": None}, for_client=True) == {"max_negative": None}


# -- one switch, two names ---------------------------------------------------------------------


@pytest.mark.parametrize("prevent", [True, False])
def test_preventing_is_the_opposite_of_allowing(prevent: bool) -> None:
    wanted = {"allow_booking_without_credits": not prevent}
    assert checked_changes({"prevent_no_credit_booking": prevent}, for_client=True) == wanted


def test_clearing_one_name_clears_the_switch() -> None:
    wanted = {"allow_booking_without_credits": None}
    assert checked_changes({"prevent_no_credit_booking": None}, for_client=True) == wanted


def test_a_pair_that_agrees_is_taken_and_one_that_contradicts_is_not() -> None:
    pair = {"prevent_no_credit_booking": True, "allow_booking_without_credits": False}
    assert checked_changes(pair, for_client=False) == {"allow_booking_without_credits": False}
    contradiction = pair | {"allow_booking_without_credits": True}
    assert "/prevent_no_credit_booking" in faults(contradiction)


def test_the_other_name_takes_only_true_and_false() -> None:
    assert set(faults({"prevent_no_credit_booking": 0}).values()) == {"out_of_range"}


# -- whose value holds -------------------------------------------------------------------------


def test_the_clients_value_holds_before_the_accounts_and_that_before_the_default() -> None:
    account = {"max_negative": 5, "auto_repay": False}
    settings = effective(account, {"max_negative": 2})
    assert (settings.max_negative, settings.auto_repay, settings.restore_on_cancel) == (2, False, True)
    assert effective(account).max_negative == 5


def test_an_override_of_null_inherits() -> None:
    assert effective({"max_negative": 5}, {"max_negative": None}).max_negative == 5
    assert effective({"max_negative": None}, None).max_negative == "unlimited"


def test_an_override_of_false_or_zero_is_an_override() -> None:
    settings = effective({"auto_repay": True, "max_negative": 9}, {"auto_repay": False, "max_negative": 0})
    assert (settings.auto_repay, settings.max_negative) == (False, 0)


def test_an_account_only_value_is_never_taken_from_a_client() -> None:
    assert effective({}, {"timezone": "Europe/Berlin", "enabled": False}) == Settings()


def test_a_setting_of_a_newer_release_is_passed_over() -> None:
    assert effective({"late_cancel_hours": 24}, {"shiny": True}) == Settings()


def test_every_value_tells_its_source() -> None:
    stated = sources({"max_negative": 0, "auto_repay": None, "timezone": "UTC"})
    assert set(stated) == set(FIELDS)
    assert {name for name, source in stated.items() if source == "client"} == {"max_negative"}
    assert set(sources().values()) == {"account"}
