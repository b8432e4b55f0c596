"""What role client is known: by a list of what it may see, so that nothing else shows, now or later."""

from dataclasses import dataclass, fields
from typing import Any

import pytest
from tests.support.api import Api, token
from tests.support.builders import DAY, NOW
from tests.support.stock import booked, cancels, client, furnished, package, paid, patch, put

from client_credits.domain.ledger.entries import Actor, Cause, CauseKind, Entry, EntryKind, Posting
from client_credits.domain.payments.facts import Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.domain.practice.records import SettingsChange
from client_credits.http.access import ROUTES
from client_credits.http.identity import Role
from client_credits.http.schemas.credits import own_entry_view
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.money_back import apply_money_back

SECRET = "SECRET"
OTHER = f"{SECRET}-other-client"
STAFF = token("admin", sub=f"{SECRET}-staff")
CREDITS = "/v1/clients/c1/credits"

# Every route that role client may call, with what it sends; a new one is missed by the first test below.
CALLS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("GET", "/v1/me"): ("/v1/me", {}),
    ("GET", "/v1/packages"): ("/v1/packages", {}),
    ("GET", "/v1/packages/<package_id>"): ("/v1/packages/three-pack", {}),
    ("GET", "/v1/clients/<client_id>/credits"): (CREDITS, {}),
    ("GET", "/v1/clients/<client_id>/credits/<type_id>/history"): (f"{CREDITS}/follow-up/history", {"limit": 100}),
    ("GET", "/v1/clients/<client_id>/credits/<type_id>/lots"): (f"{CREDITS}/follow-up/lots", {}),
    ("GET", "/v1/eligibility"): ("/v1/eligibility", {"client_id": "c1"}),
    ("POST", "/v1/eligibility"): (
        "/v1/eligibility",
        {"client_id": "c1", "sessions": [{"appointment_type": "follow-up", "starts_at": "2026-12-01T09:00:00Z"}]},
    ),
}


# What tells nothing of what is stored: renewing a session, and opening Stripe's page.
SILENT = {("POST", "/v1/client-sessions"), ("POST", "/v1/checkout-sessions")}


def test_the_calls_above_are_all_that_a_client_may_make() -> None:
    assert {*CALLS, *SILENT} == {route for route, roles in ROUTES.items() if Role.CLIENT in roles}


def edit(api: Api, path: str, **body: Any) -> None:
    """A change by a member of staff whose name, key and reason nobody else may learn."""
    headers = {"idempotency-key": f"{SECRET}-{path.rsplit('/', 1)[1]}-{body.get('amount', 0)}"}
    reply = api("POST", path, body | {"reason": f"{SECRET} reason"}, bearer=STAFF, headers=headers)
    assert reply.status == 200, reply


def give(api: Api, giver: str, receiver: str) -> None:
    named = {"from_client_id": giver, "to_client_id": receiver, "appointment_type": "follow-up"}
    edit(api, "/v1/transfers", **named, amount=1 if giver == "c1" else 2)


def money_back(api: Api, payment: str, **news: Any) -> None:
    stated = MoneyBack(f"evt_{SECRET}", "own", "test", api.now[0], payment_id=payment, **news)
    apply_money_back(Context(api.store, "p1", STRIPE, api.now[0]), stated)


def secretive(api: Api) -> None:
    """One of everything that may happen to c1's credits, and no id, name or reason that c1 may see beyond its own."""
    furnished(api)
    package(api, stripe_prices=[f"price_{SECRET}"])
    client(api, OTHER, name=f"{SECRET} name", email=f"{SECRET}@example.test")
    put(api, "/v1/clients/c1", {"name": f"{SECRET} name", "stripe_customers": [f"cus_{SECRET}"]})
    for number, client_id in enumerate(("c1", "c1", OTHER)):
        stripe = {"price": f"price_{SECRET}", "line_id": f"il_{SECRET}", "payment_intent": f"pi_{SECRET}_{number}"}
        own = {"customer": f"cus_{SECRET}", "subscription": f"sub_{SECRET}_{number}", "event_id": f"evt_{SECRET}"}
        paid(api, client_id=client_id, **stripe, **own)
    booked(api, "b1")
    cancels(api, "b1")
    booked(api, "b2")
    give(api, "c1", OTHER)
    give(api, OTHER, "c1")
    edit(api, "/v1/clients/c1/adjustments", appointment_type="follow-up", amount=1)
    edit(api, "/v1/clients/c1/adjustments", appointment_type="follow-up", amount=-2)
    edit(api, "/v1/clients/c1/grants", package_id="three-pack")
    (taken,) = (e for e in api("GET", f"{CREDITS}/follow-up/history", limit=100).body["items"] if e["amount"] == -2)
    edit(api, f"{CREDITS}/follow-up/entries/{taken['sequence']}/undo")
    edit(api, "/v1/extensions", appointment_type="follow-up", by_days=9)
    expiring = {"idempotency-key": f"{SECRET}-expire"}
    assert api("POST", "/v1/expirations", {"client_id": "c1", "keep": 4}, bearer=STAFF, headers=expiring).status == 200
    (*_, lot) = api("GET", f"{CREDITS}/follow-up/lots").body["items"]
    api("PATCH", f"{CREDITS}/follow-up/lots/{lot['lot_id']}", {"void": True, "reason": SECRET}, bearer=STAFF)
    patch(api, "/v1/clients/c1/settings", {"max_negative": 7}, bearer=STAFF)


def payments_of(api: Api) -> list[str]:
    stated = api("GET", f"{CREDITS}/follow-up/history", limit=100).body["items"]
    return sorted({e["cause"]["payment"] for e in stated if "payment" in e["cause"]})


@pytest.mark.parametrize("route", CALLS, ids=[" ".join(route) for route in CALLS])
def test_no_answer_to_a_client_holds_what_is_not_the_clients(api: Api, route: tuple[str, str]) -> None:
    secretive(api)
    first, second = payments_of(api)
    api.now[0] += DAY
    refund = Refund(f"re_{SECRET}", 3000, RefundStatus.SUCCEEDED, api.now[0])
    money_back(api, first, refunds=(refund,))
    money_back(api, second, disputes=(Dispute(f"dp_{SECRET}", 9000, DisputeStatus.OPEN, api.now[0]),))
    path, given = CALLS[route]
    asks = {"client": "c1"} | (given if route[0] == "GET" else {})
    reply = api(route[0], path, None if route[0] == "GET" else given, **asks)
    assert reply.status == 200, reply
    for hidden in (SECRET, first, second, "max_negative", "api/", "stripe/"):
        assert hidden not in reply.text, hidden


def test_staff_see_what_the_client_does_not(api: Api) -> None:
    """Or the test above would look for what is nowhere."""
    secretive(api)
    text = api("GET", f"{CREDITS}/follow-up/history", limit=100).text
    for shown in (f"{SECRET}-staff", f"api/{SECRET}-", OTHER, f"{SECRET} reason", f"sub_{SECRET}_0", "max_negative"):
        assert shown in text, shown


def test_a_clients_history_is_of_every_kind_that_staff_see(api: Api) -> None:
    secretive(api)
    for_staff, own = (
        api("GET", f"{CREDITS}/follow-up/history", limit=100, **who).body["items"]
        for who in ({"role": "staff"}, {"client": "c1"})
    )
    assert [e["kind"] for e in own] == [e["kind"] for e in for_staff]
    assert {"granted", "spent", "restored", "transferred_in", "transferred_out", "adjusted", "voided"} <= {
        e["kind"] for e in own
    }


@dataclass(frozen=True, slots=True)
class WiderEntry(Entry):
    """An entry as a later release may make it."""

    location_id: str = SECRET


@dataclass(frozen=True, slots=True)
class WiderChange(SettingsChange):
    location_id: str = SECRET


def an_entry(cause: Cause, kind: type[Entry] = Entry) -> Entry:
    return kind(
        practice_id="p1",
        client_id="c1",
        appointment_type="follow-up",
        sequence=1,
        source_id=f"api/{SECRET}",
        kind=EntryKind.SPENT,
        amount=-1,
        balance_before=2,
        balance_after=1,
        postings=(Posting(-1, debt=SECRET),),
        cause=cause,
        actor=Actor("staff", SECRET),
        occurred_at=NOW,
        recorded_at=NOW,
        reason=SECRET,
    )


def test_what_an_entry_learns_to_say_is_not_shown_to_clients_by_itself() -> None:
    ids = {"booking_id": "b1", "starts_at": "2026-12-01T09:00:00Z", "member": SECRET, "location_id": SECRET}
    wider = own_entry_view(an_entry(Cause(CauseKind.BOOKING, ids), WiderEntry))
    assert wider == own_entry_view(an_entry(Cause(CauseKind.BOOKING, ids)))
    assert SECRET not in wider.model_dump_json()
    assert wider.cause.model_dump() == {
        "kind": "booking",
        "package_id": None,
        "booking_id": "b1",
        "starts_at": "2026-12-01T09:00:00Z",
    }


OWN_BOOKING = {CauseKind.BOOKING, CauseKind.AUTHORIZATION}


def test_of_an_authorization_the_client_sees_the_booking_and_no_id_of_the_insurers() -> None:
    ids = {"booking_id": "b1", "starts_at": "2026-12-01T09:00:00Z", "authorization_id": SECRET}
    answer = own_entry_view(an_entry(Cause(CauseKind.AUTHORIZATION, ids)))
    assert SECRET not in answer.model_dump_json()
    assert (answer.cause.kind, answer.cause.booking_id) == ("authorization", "b1")


@pytest.mark.parametrize("kind", [kind for kind in CauseKind if kind not in OWN_BOOKING])
def test_only_of_a_booking_is_the_booking_named(kind: CauseKind) -> None:
    """A transfer or a merge may name the booking of another client."""
    answer = own_entry_view(an_entry(Cause(kind, {"booking_id": SECRET, "starts_at": SECRET})))
    assert SECRET not in answer.model_dump_json()


def test_a_change_of_settings_is_shown_to_a_client_without_the_settings() -> None:
    values = {each.name: SECRET for each in fields(SettingsChange)} | {
        "change_id": "chg_1",
        "before": {"max_negative": 1},
        "after": {SECRET: 2},
        "occurred_at": NOW,
    }
    answer = own_entry_view(WiderChange(**values))  # type: ignore[arg-type]
    assert SECRET not in answer.model_dump_json() and "max_negative" not in answer.model_dump_json()
    assert (answer.kind, answer.cause.kind, answer.occurred_at) == ("settings_changed", "settings", NOW)
