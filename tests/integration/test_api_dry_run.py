"""`?dry_run=true`: every write answers as it would, and nothing at all is written."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.api import PAGE_ORIGIN, Api
from tests.support.builders import DAY
from tests.support.stock import (
    booked,
    client,
    contents,
    furnished,
    later,
    nothing_written,
    package,
    paid,
    patch,
    put,
    read,
)

from client_credits.http.access import QUESTIONS, ROUTES

Call = tuple[str, str, Any]


def parked_id(api: Api) -> str:
    return str(read(api, "/v1/parked")["items"][0]["id"])


def lot_path(api: Api) -> str:
    (lot,) = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
    return f"/v1/clients/c1/credits/follow-up/lots/{lot['lot_id']}"


def undo_path(api: Api, path: str, body: dict[str, Any]) -> str:
    """Of the entry that this request of staff makes now."""
    reply = api("POST", path, body, headers={"idempotency-key": "before"})
    sequence = reply.body.get("sequence") or reply.body["entries"][0]["sequence"]
    return f"/v1/clients/c1/credits/follow-up/entries/{sequence}/undo"


def lasting(api: Api, **rule: Any) -> dict[str, Any]:
    """An extension by rule, once c1 has credits that end and some that have ended."""
    for days in (2, 1):
        body = ADDED | {"expires_at": (api.now[0] + days * DAY).isoformat()}
        assert (
            api("POST", "/v1/clients/c1/adjustments", body, headers={"idempotency-key": f"lasts-{days}"}).status == 200
        )
    later(api, days=1)
    return {"appointment_type": "follow-up", "by_days": 14, "reason": "a closure"} | rule


def changed(balance: int, type_id: str = "follow-up", version: int = 2) -> dict[str, Any]:
    return {"appointment_type": type_id, "balance": balance, "version": version}


ADDED = {"appointment_type": "follow-up", "amount": 2, "reason": "goodwill"}
MOVED = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 1}
CHECKOUT = {"client_id": "c1", "package_id": "three-pack", "success_url": PAGE_ORIGIN, "cancel_url": PAGE_ORIGIN}
AUTHORIZED = {
    "payer": "Northern Health",
    "number": "NH-1",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 12,
}
AU_1 = "/v1/clients/c1/authorizations/au-1"
KEYED = {"headers": {"idempotency-key": "key-1"}}

# What each write is asked, by its route; several where it can answer in several ways.
WRITES: dict[tuple[str, str], dict[str, Callable[[Api], Call]]] = {
    ("PATCH", "/v1/settings"): {
        "a change": lambda api: ("PATCH", "/v1/settings", {"max_negative": 3}),
        "no change": lambda api: ("PATCH", "/v1/settings", {"max_negative": 9}),
        "off, unconfirmed": lambda api: ("PATCH", "/v1/settings", {"enabled": False}),
        "off": lambda api: ("PATCH", "/v1/settings", {"enabled": False, "confirm": True}),
        "refused": lambda api: ("PATCH", "/v1/settings", {"max_negative": -1}),
    },
    ("PUT", "/v1/appointment-types/<type_id>"): {
        "a new one": lambda api: ("PUT", "/v1/appointment-types/massage", {"name": "Massage"}),
        "a known one": lambda api: ("PUT", "/v1/appointment-types/initial", {"name": "First", "archived": True}),
    },
    ("PUT", "/v1/packages/<package_id>"): {
        "a new one": lambda api: ("PUT", "/v1/packages/new", {"name": "New", "credits": {"initial": 1}}),
        "a known one": lambda api: ("PUT", "/v1/packages/three-pack", {"name": "Three"}),
        "archived": lambda api: ("PUT", "/v1/packages/three-pack", {"name": "Three", "archived": True}),
        "with a parked price": lambda api: ("PUT", "/v1/packages/new", {"name": "N", "stripe_prices": ["price_x"]}),
        "another's price": lambda api: ("PUT", "/v1/packages/new", {"name": "N", "stripe_prices": ["price_1"]}),
    },
    ("PUT", "/v1/clients/<client_id>"): {
        "a new one": lambda api: ("PUT", "/v1/clients/new", {"name": "New", "stripe_customers": ["cus_new"]}),
        "a known one": lambda api: ("PUT", "/v1/clients/c1", {"name": "Anna"}),
        "with a parked customer": lambda api: ("PUT", "/v1/clients/c1", {"stripe_customers": ["cus_x"]}),
        "another's customer": lambda api: ("PUT", "/v1/clients/c1", {"stripe_customers": ["cus_2"]}),
    },
    ("PATCH", "/v1/clients/<client_id>/settings"): {
        "a change": lambda api: ("PATCH", "/v1/clients/c1/settings", {"auto_repay": False}),
        "cleared": lambda api: ("PATCH", "/v1/clients/c1/settings", {"restore_on_cancel": None}),
        "unknown": lambda api: ("PATCH", "/v1/clients/never/settings", {"auto_repay": False}),
    },
    ("POST", "/v1/parked/<parked_id>/resolve"): {
        "granted": lambda api: ("POST", f"/v1/parked/{parked_id(api)}/resolve",
                                {"package_id": "three-pack", "client_id": "c1"}),
        "still unexplained": lambda api: ("POST", f"/v1/parked/{parked_id(api)}/resolve", {}),
        "unknown": lambda api: ("POST", "/v1/parked/prk_never/resolve", {}),
    },
    ("PUT", "/v1/clients/<client_id>/authorizations/<authorization_id>"): {
        "a new one": lambda api: ("PUT", "/v1/clients/c1/authorizations/au-2", AUTHORIZED),
        "a known one": lambda api: ("PUT", AU_1, AUTHORIZED | {"visits_authorized": 3}),
        "an unknown type": lambda api: ("PUT", AU_1, AUTHORIZED | {"appointment_types": ["yoga"]}),
    },
    ("DELETE", "/v1/clients/<client_id>/authorizations/<authorization_id>"): {
        "a known one": lambda api: ("DELETE", AU_1, None),
        "an unknown one": lambda api: ("DELETE", "/v1/clients/c1/authorizations/never", None),
    },
    ("PUT", "/v1/clients/<client_id>/credits"): {
        "raised": lambda api: ("PUT", "/v1/clients/c1/credits", {"changes": [changed(9), changed(1, "initial", 0)]}),
        "lowered": lambda api: ("PUT", "/v1/clients/c1/credits", {"changes": [changed(-2)], "reason": "counted"}),
        "a version that passed": lambda api: ("PUT", "/v1/clients/c1/credits", {"changes": [changed(9, version=1)]}),
    },
    ("POST", "/v1/clients/<client_id>/adjustments"): {
        "added": lambda api: ("POST", "/v1/clients/c1/adjustments", ADDED),
        "taken": lambda api: ("POST", "/v1/clients/c1/adjustments", ADDED | {"amount": -5}),
        "an unknown type": lambda api: ("POST", "/v1/clients/c1/adjustments", ADDED | {"appointment_type": "yoga"}),
    },
    ("POST", "/v1/clients/<client_id>/grants"): {
        "given": lambda api: ("POST", "/v1/clients/c1/grants", {"package_id": "three-pack", "quantity": 2}),
        "an unknown package": lambda api: ("POST", "/v1/clients/c1/grants", {"package_id": "never"}),
    },
    ("PATCH", "/v1/clients/<client_id>/credits/<type_id>/lots/<lot_id>"): {
        "voided": lambda api: ("PATCH", lot_path(api), {"void": True, "reason": "a mistake"}),
        "extended": lambda api: ("PATCH", lot_path(api), {"expires_at": "2028-01-01T00:00:00Z"}),
    },
    ("POST", "/v1/clients/<client_id>/credits/<type_id>/entries/<sequence>/undo"): {
        "an adjustment": lambda api: ("POST", undo_path(api, "/v1/clients/c1/adjustments", ADDED), {}),
        "a transfer": lambda api: ("POST", undo_path(api, "/v1/transfers", MOVED), {"reason": "a mistake"}),
        "what is not staff's": lambda api: ("POST", "/v1/clients/c1/credits/follow-up/entries/1/undo", {}),
    },
    ("POST", "/v1/clients/<client_id>/merge"): {
        "two records": lambda api: ("POST", "/v1/clients/c1/merge", {"into": "c2"}),
        "into itself": lambda api: ("POST", "/v1/clients/c1/merge", {"into": "c1"}),
    },
    ("POST", "/v1/transfers"): {
        "moved": lambda api: ("POST", "/v1/transfers", MOVED),
        "too much": lambda api: ("POST", "/v1/transfers", MOVED | {"amount": 99}),
    },
    ("POST", "/v1/extensions"): {
        "longer": lambda api: ("POST", "/v1/extensions", lasting(api)),
        "with what expired": lambda api: ("POST", "/v1/extensions", lasting(api, ends_from="2026-11-01T00:00:00Z",
                                                                           revive=True)),
        "of no package": lambda api: ("POST", "/v1/extensions", lasting(api, package_id="never")),
    },
    ("POST", "/v1/expirations"): {
        "by client": lambda api: ("POST", "/v1/expirations", {"client_id": "c1", "keep": 1}),
        "by type": lambda api: ("POST", "/v1/expirations", {"appointment_type": "follow-up"}),
    },
    ("POST", "/v1/client-sessions"): {
        "a session": lambda api: ("POST", "/v1/client-sessions", {"client_id": "c1"}),
    },
    ("POST", "/v1/checkout-sessions"): {
        "no key": lambda api: ("POST", "/v1/checkout-sessions", CHECKOUT),
        "no such package": lambda api: ("POST", "/v1/checkout-sessions", CHECKOUT | {"package_id": "never"}),
    },
    ("POST", "/v1/client-links"): {
        "a link": lambda api: ("POST", "/v1/client-links", {"client_id": "c1"}),
        "an unknown client": lambda api: ("POST", "/v1/client-links", {"client_id": "never"}),
    },
    ("POST", "/v1/client-links/exchange"): {
        "no link": lambda api: ("POST", "/v1/client-links/exchange", {"link": "never"}),
    },
    ("POST", "/v1/parked/<parked_id>/dismiss"): {
        "dismissed": lambda api: ("POST", f"/v1/parked/{parked_id(api)}/dismiss", {"reason": "a mistake"}),
    },
    ("POST", "/v1/reports/exports"): {
        "started": lambda api: ("POST", "/v1/reports/exports", {"report": "credits"}),
    },
}  # fmt: skip
CASES = [(route, name) for route, named in WRITES.items() for name in named]


def eventful(api: Api) -> Api:
    furnished(api)
    client(api, "c2", stripe_customers=["cus_2"])
    put(api, AU_1, AUTHORIZED)
    patch(api, "/v1/settings", {"max_negative": 9})
    patch(api, "/v1/clients/c1/settings", {"restore_on_cancel": False})
    paid(api)
    booked(api)
    paid(api, price="price_x", client_id=None, customer="cus_x")
    return api


def test_every_write_is_rehearsed_here() -> None:
    questions = {("POST", path) for path in QUESTIONS}
    assert {route for route in ROUTES if route[0] != "GET"} - questions == set(WRITES)


@pytest.mark.parametrize(("route", "name"), CASES, ids=[f"{r[0]} {r[1]}: {n}" for r, n in CASES])
def test_a_rehearsal_writes_nothing_and_answers_like_the_real_thing(
    api: Api, route: tuple[str, str], name: str
) -> None:
    eventful(api)
    call = WRITES[route][name](api)
    with nothing_written(api):
        rehearsed = api(*call, dry_run=True, **KEYED)
        again = api(*call, dry_run=True, **KEYED)
    real = api(*call, **KEYED)
    assert (rehearsed.status, rehearsed.headers, rehearsed.body) == (real.status, real.headers, real.body)
    assert again.text == rehearsed.text, "rehearsing leaves nothing behind in the worker either"


@pytest.mark.parametrize("route", WRITES, ids=[" ".join(route) for route in WRITES])
def test_what_is_neither_true_nor_false_is_refused_rather_than_guessed(api: Api, route: tuple[str, str]) -> None:
    eventful(api)
    call = next(iter(WRITES[route].values()))(api)
    with nothing_written(api):
        for text in ("True", "1", "yes", "on", "t", "TRUE", "", "false,true", "true,true", "maybe"):
            reply = api(*call, dry_run=text, **KEYED)
            assert (reply.status, set(reply.faults)) == (422, {"/query/dry_run"}), text


def test_false_is_the_real_thing(api: Api) -> None:
    before = contents(api)
    assert api("PUT", "/v1/clients/c1", {}, dry_run=False).status == 201
    assert contents(api) != before


def test_a_rehearsed_package_is_not_remembered_as_if_it_were_there(api: Api) -> None:
    furnished(api)
    assert api("PUT", "/v1/packages/new", {"name": "New"}, dry_run=True).status == 201
    assert api("GET", "/v1/packages/new").status == 404
    package(api, "new", stripe_prices=[])
    assert read(api, "/v1/packages/new")["name"] == "Three sessions"
