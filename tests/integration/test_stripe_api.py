"""Stripe's API through Stripe's own library, against a server on this machine: pages, faults, refusals."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.stripe_server import (
    LIVE_KEY,
    TEST_KEY,
    Fault,
    StripeServer,
    a_charge,
    a_dispute,
    a_line,
    a_payment_intent,
    a_refund,
    a_session,
    an_event,
    an_invoice,
    an_invoice_payment,
    an_item,
    stripe_server,
)

from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import StripeApi, StripeKind, is_api_key

START = datetime(2026, 11, 1, tzinfo=UTC)
T0 = int(START.timestamp())
DAY_SECONDS = 86_400
QUICK = {"retries": 0}  # the library's own retries wait for half a second and more


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with stripe_server(connected={"acct_clinic"}) as made:
        yield made


def api(server: StripeServer, key: str = TEST_KEY, account: str | None = None, **options: Any) -> StripeApi:
    return StripeApi(key, account, server.url, **options)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "requests"), [(1, 1), (10, 1), (100, 1), (101, 2), (250, 3)])
def test_all_lines_of_an_invoice_are_read_whatever_their_number(
    server: StripeServer, count: int, requests: int
) -> None:
    lines = [a_line(f"il_{number}") for number in range(count)]
    server.add(an_invoice("in_1", T0, *lines))
    assert ids(api(server).invoice_lines("in_1")) == [f"il_{number}" for number in range(count)]
    assert server.asked() == {"/v1/invoices/in_1/lines": requests}


def test_a_server_that_gives_fewer_rows_than_asked_for_is_read_to_its_end(server: StripeServer) -> None:
    server.page = 7
    server.add(a_session("cs_1", T0, *(an_item(f"li_{number}") for number in range(30))))
    assert len(api(server).line_items("cs_1")) == 30
    assert server.asked() == {"/v1/checkout/sessions/cs_1/line_items": 5}


def test_a_window_is_listed_oldest_first_with_its_start_and_without_its_end(server: StripeServer) -> None:
    server.add(*(an_invoice(f"in_{n:03}", T0 + n) for n in range(230)), an_invoice("in_open", T0 + 5, status="open"))
    found = api(server).made_within(StripeKind.INVOICE, START + timedelta(seconds=10), START + timedelta(seconds=220))
    assert ids(found) == [f"in_{n:03}" for n in range(10, 220)]


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (StripeKind.SESSION, lambda: a_session("obj_1", T0)),
        (StripeKind.REFUND, lambda: a_refund("obj_1", T0)),
        (StripeKind.DISPUTE, lambda: a_dispute("obj_1", T0)),
    ],
)
def test_sessions_refunds_and_disputes_are_listed_like_invoices(
    server: StripeServer, kind: StripeKind, make: Callable[[], dict[str, Any]]
) -> None:
    server.add(make())
    day = timedelta(days=1)
    assert ids(api(server).made_within(kind, START, START + day)) == ["obj_1"]
    assert api(server).made_within(kind, START + day, START + 2 * day) == []


def test_events_name_what_changed_in_a_window_each_object_once(server: StripeServer) -> None:
    late, other = an_invoice("in_late", T0 - 50 * DAY_SECONDS), an_invoice("in_other", T0)
    server.add(
        an_event("evt_1", "invoice.paid", T0 + 1, late),
        an_event("evt_2", "invoice.paid", T0 + 2, other),
        an_event("evt_3", "invoice.paid", T0 + 3, late),
        an_event("evt_4", "invoice.finalized", T0 + 4, an_invoice("in_untold", T0)),
        an_event("evt_5", "invoice.paid", T0 + DAY_SECONDS, an_invoice("in_tomorrow", T0)),
    )
    stated = api(server).heard_within(START, START + timedelta(days=1))
    assert stated[StripeKind.INVOICE] == ["in_late", "in_other"]
    assert stated[StripeKind.REFUND] == stated[StripeKind.DISPUTE] == []
    assert server.asked() == {"/v1/events": 1}


# -- single objects ----------------------------------------------------------------------------


def test_an_object_comes_as_plain_values_with_what_it_is_asked_to_bring(server: StripeServer) -> None:
    server.add(
        an_invoice("in_1", T0),
        an_invoice_payment("inpay_1", "in_1", "pi_1", T0),
        a_session("cs_1", T0, payment_intent="pi_1"),
        a_payment_intent("pi_1", T0, "ch_1"),
        a_charge("ch_1", T0 + 9),
    )
    invoice = api(server).retrieve(StripeKind.INVOICE, "in_1")
    assert json.loads(json.dumps(invoice)) == invoice
    assert invoice["payments"]["data"][0]["payment"]["payment_intent"] == "pi_1"
    session = api(server).retrieve(StripeKind.SESSION, "cs_1")
    assert session["payment_intent"]["latest_charge"]["created"] == T0 + 9


def test_the_payment_of_an_intent_is_found_among_invoices_paid_ones_first_and_among_sessions(
    server: StripeServer,
) -> None:
    server.add(
        an_invoice_payment("inpay_2", "in_2", "pi_1", T0, status="canceled"),
        an_invoice_payment("inpay_1", "in_1", "pi_1", T0),
        a_session("cs_1", T0, payment_intent="pi_2"),
    )
    asked = api(server)
    assert [invoice for invoice, _ in asked.invoices_paid_by("pi_1")] == ["in_1"]
    assert asked.invoices_paid_by("pi_2") == []
    session = asked.session_paid_by("pi_2")
    assert session is not None
    assert session["id"] == "cs_1"
    assert asked.session_paid_by("pi_1") is None


def test_the_invoice_of_an_old_charge_is_found_in_the_older_shape_of_the_charge(server: StripeServer) -> None:
    server.add(a_charge("ch_1", T0, invoice="in_1"))
    assert "invoice" not in api(server).retrieve(StripeKind.CHARGE, "ch_1")
    assert api(server).invoice_of_charge("ch_1") == "in_1"


# -- accounts, modes, keys ---------------------------------------------------------------------


def test_each_account_and_mode_shows_its_own_objects_alone(server: StripeServer) -> None:
    server.add(an_invoice("in_own", T0), an_invoice("in_live", T0, livemode=True))
    server.add(an_invoice("in_clinic", T0), account="acct_clinic")

    def listed(asked: StripeApi) -> list[str]:
        return ids(asked.made_within(StripeKind.INVOICE, START, START + timedelta(days=1)))

    assert listed(api(server)) == ["in_own"]
    assert listed(api(server, account="own")) == ["in_own"]
    assert listed(api(server, LIVE_KEY)) == ["in_live"]
    assert listed(api(server, account="acct_clinic")) == ["in_clinic"]
    assert server.accounts == [None, None, None, "acct_clinic"]
    with pytest.raises(StripeRefused) as refused:
        api(server).retrieve(StripeKind.INVOICE, "in_clinic")
    assert refused.value.status == 404
    with pytest.raises(StripeRefused) as refused:
        listed(api(server, account="acct_stranger"))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("key", "mode"), [(TEST_KEY, "test"), (LIVE_KEY, "live"), ("rk_live_" + "c" * 20, "live"), ("another", None)]
)
def test_a_key_tells_its_mode(key: str, mode: str | None) -> None:
    assert StripeApi(key).mode == mode
    assert is_api_key(key) is (mode is not None)


def test_a_wrong_key_is_refused_for_good_and_stays_out_of_the_message(server: StripeServer) -> None:
    key = "sk_test_" + "z" * 24
    with pytest.raises(StripeRefused) as refused:
        api(server, key).retrieve(StripeKind.INVOICE, "in_1")
    assert refused.value.status == 401
    stated = f"{refused.value} {refused.value!r} {refused.value.__cause__} {api(server, key)!r}"
    assert "z" * 6 not in stated
    assert len(server.requests) == 1


@pytest.mark.parametrize("object_id", ["in_missing", "../charges/ch_1", "", "in 1"])
def test_what_is_not_there_is_refused(server: StripeServer, object_id: str) -> None:
    server.add(a_charge("ch_1", T0))
    with pytest.raises(StripeRefused) as refused:
        api(server).retrieve(StripeKind.INVOICE, object_id)
    assert refused.value.status == 404


# -- faults ------------------------------------------------------------------------------------


def waits() -> tuple[list[float], Callable[[float], None]]:
    noted: list[float] = []
    return noted, noted.append


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(409), Fault(drop=True)], ids=str)
def test_a_passing_fault_is_ridden_out_in_the_middle_of_a_list(server: StripeServer, fault: Fault) -> None:
    fault.path = "starting_after"
    server.faults.append(fault)
    server.add(an_invoice("in_1", T0, *(a_line(f"il_{number}") for number in range(150))))
    assert len(api(server).invoice_lines("in_1")) == 150
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "fault", [Fault(500, 9), Fault(502, 9, body="<html>Bad gateway"), Fault(drop=True, times=9)], ids=str
)
def test_a_lasting_fault_is_an_error_to_come_back_after(server: StripeServer, fault: Fault) -> None:
    server.faults.append(fault)
    with pytest.raises(StripeUnavailable):
        api(server, **QUICK).retrieve(StripeKind.INVOICE, "in_1")
    assert len(server.requests) == 1


def test_nobody_listening_is_an_error_to_come_back_after() -> None:
    with pytest.raises(StripeUnavailable):
        StripeApi(TEST_KEY, None, "http://127.0.0.1:9", **QUICK).retrieve(StripeKind.INVOICE, "in_1")


def test_an_answer_that_takes_too_long_is_given_up_and_asked_for_again(server: StripeServer) -> None:
    server.add(an_invoice("in_1", T0))
    server.faults.append(Fault(slow_seconds=2.0))
    asked = api(server, timeout_seconds=(1.0, 0.3), retries=1)
    assert asked.retrieve(StripeKind.INVOICE, "in_1")["id"] == "in_1"
    assert len(server.requests) == 2


def test_an_answer_that_always_takes_too_long_is_an_error_to_come_back_after(server: StripeServer) -> None:
    server.faults.append(Fault(slow_seconds=2.0))
    with pytest.raises(StripeUnavailable):
        api(server, timeout_seconds=(1.0, 0.3), retries=0).retrieve(StripeKind.INVOICE, "in_1")


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(server: StripeServer) -> None:
    server.add(an_invoice("in_1", T0))
    server.faults += [Fault(429, headers={"Retry-After": "7"}), Fault(429)]
    noted, pause = waits()
    assert api(server, pause=pause, **QUICK).retrieve(StripeKind.INVOICE, "in_1")["id"] == "in_1"
    assert noted == [7.0, 1.0]


def test_a_rate_limit_without_end_is_an_error_to_come_back_after(server: StripeServer) -> None:
    server.faults.append(Fault(429, 99))
    noted, pause = waits()
    with pytest.raises(StripeUnavailable):
        api(server, pause=pause).retrieve(StripeKind.INVOICE, "in_1")
    assert noted == [0.5, 1.0, 2.0]
    assert len(server.requests) == 4


def test_a_rate_limit_that_asks_for_a_long_wait_is_left_to_a_later_run(server: StripeServer) -> None:
    server.faults.append(Fault(429, headers={"Retry-After": "600"}))
    noted, pause = waits()
    with pytest.raises(StripeUnavailable):
        api(server, pause=pause).retrieve(StripeKind.INVOICE, "in_1")
    assert noted == []


@pytest.mark.parametrize(
    "body",
    [
        *("", "nonsense", "[]", "[1]", '"text"', "7", "null", "{}"),
        *('{"object": "list"}', '{"object": "list", "data": 5}', '{"object": "list", "data": [1]}'),
        '{"object": "list", "data": [{"id": 5}], "has_more": true}',
        '{"object": "list", "data": [], "has_more": true}',
        '{"data": [{"id": "il_1"}], "has_more": true}',
    ],
)
def test_an_answer_that_is_no_list_is_an_error_to_come_back_after(server: StripeServer, body: str) -> None:
    server.faults.append(Fault(200, 99, body=body))
    with pytest.raises(StripeUnavailable):
        api(server, **QUICK).invoice_lines("in_1")


@pytest.mark.parametrize("status", [400, 402, 404])
@pytest.mark.parametrize("body", [None, "nonsense", "{}", '{"error": {"code": 5, "type": []}}'])
def test_a_refusal_is_one_whatever_it_says(server: StripeServer, status: int, body: str | None) -> None:
    server.faults.append(Fault(status, body=body))
    with pytest.raises(StripeRefused) as refused:
        api(server, **QUICK).retrieve(StripeKind.INVOICE, "in_1")
    assert refused.value.status == status


def test_the_library_is_loaded_with_the_first_call_and_not_before() -> None:
    code = (
        "import sys; from client_credits.stripe.api.queries import StripeApi; import client_credits.stripe.completing;"
        "import client_credits.stripe.reconciling; StripeApi('sk_test_1'); assert 'stripe' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
