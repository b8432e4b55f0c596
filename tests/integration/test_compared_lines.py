"""Lines of docs/compared.md as stories over HTTP, each in the words of its line."""

from typing import Any

import pytest
from tests.support.api import Api, api_on
from tests.support.engines import Engine
from tests.support.stock import balances, booked, cancels, furnished, listed, no_debt, paid, patch, read

from client_credits.domain.bookings.booking import BookingState, CancelledBy

HISTORY = "/v1/clients/c1/credits/follow-up/history"


@pytest.fixture
def api(memory: Engine) -> Api:
    return furnished(api_on(memory.fresh_store()))


def asked(api: Api, **query: Any) -> tuple[bool, str]:
    said = read(api, "/v1/eligibility", client_id="c1", **{"appointment_type": "follow-up"} | query)
    return said["allowed"], said["reason"]


def test_credits_of_one_type_never_pay_a_session_of_another(api: Api) -> None:
    paid(api)
    booked(api, "owed", appointment_type="initial")
    assert balances(api) == {"follow-up": 3, "initial": -1}
    assert read(api, "/v1/bookings/owed")["paid"] == []
    no_debt(api)
    assert asked(api, appointment_type="initial") == (False, "insufficient_credits")
    assert booked(api, "refused", appointment_type="initial").state is BookingState.REFUSED
    assert asked(api) == (True, "ok")
    booked(api, "paid")
    assert balances(api) == {"follow-up": 2, "initial": -1}


def test_prevented_from_booking_a_client_waits_for_a_package_or_for_staff(api: Api) -> None:
    no_debt(api)
    assert asked(api) == (False, "insufficient_credits")
    assert booked(api, "b1").state is BookingState.REFUSED
    paid(api)
    assert asked(api) == (True, "ok")
    assert booked(api, "b2", seats=3).state is BookingState.BOOKED
    assert booked(api, "b3").state is BookingState.REFUSED
    gift = {"appointment_type": "follow-up", "amount": 1, "reason": "a gift"}
    given = api("POST", "/v1/clients/c1/adjustments", gift, role="staff", headers={"idempotency-key": "k1"})
    assert given.status == 200
    assert asked(api) == (True, "ok")
    assert booked(api, "b4").state is BookingState.BOOKED
    assert balances(api)["follow-up"] == 0


@pytest.mark.parametrize("by", [CancelledBy.CLIENT, CancelledBy.PRACTICE, None])
def test_a_cancelled_booking_gives_its_credit_back_unless_restoring_is_off(api: Api, by: CancelledBy | None) -> None:
    paid(api)
    booked(api, "b1")
    cancels(api, "b1", by)
    assert balances(api)["follow-up"] == 3
    patch(api, "/v1/settings", {"restore_on_cancel": False})
    booked(api, "b2")
    cancels(api, "b2", by)
    assert balances(api)["follow-up"] == 2
    assert [(e["kind"], e["amount"]) for e in listed(api, HISTORY) if e["kind"] != "settings_changed"] == [
        ("forfeited", 0),
        ("spent", -1),
        ("restored", 1),
        ("spent", -1),
        ("granted", 3),
    ]


def test_once_prevented_nothing_more_is_owed_and_what_is_owed_stays(api: Api) -> None:
    booked(api, "b1", seats=2)
    no_debt(api)
    assert balances(api)["follow-up"] == -2
    assert asked(api) == (False, "insufficient_credits")
    assert booked(api, "b2").state is BookingState.REFUSED
    assert balances(api)["follow-up"] == -2
    assert read(api, "/v1/bookings/b1")["state"] == "booked"
    (owing,) = read(api, "/v1/reports/negative")["items"]
    assert (owing["client_id"], owing["balance"]) == ("c1", -2)


def test_a_debt_and_the_payment_that_repaid_it_stand_side_by_side(api: Api) -> None:
    booked(api, "b1", seats=2)
    (owing,) = read(api, "/v1/reports/negative")["items"]
    assert (owing["client_id"], owing["balance"]) == ("c1", -2)
    paid(api, amount=9_000, currency="eur")
    assert read(api, "/v1/reports/negative")["items"] == []
    repaid, granted, spent = listed(api, HISTORY)
    assert (spent["kind"], spent["cause"]["booking_id"], spent["balance_after"]) == ("spent", "b1", -2)
    assert (granted["kind"], granted["cause"]["amount"], granted["balance_after"]) == ("granted", 9_000, 1)
    assert (repaid["kind"], repaid["amount"], repaid["balance_after"]) == ("repaid", 0, 1)
    (lot,) = {p["lot_id"] for p in granted["postings"]}
    assert {(p.get("lot_id"), p.get("debt"), p["amount"]) for p in repaid["postings"]} == {
        (lot, None, -2),
        (None, "b1", 2),
    }
    assert [(p["lot_id"], p["amount"]) for p in read(api, "/v1/bookings/b1")["paid"]] == [(lot, 2)]
