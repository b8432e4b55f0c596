"""Parked payments over HTTP: listed, resolved once, dismissed; whoever gets there first."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW, a_line, a_payment
from tests.support.dumps import items_of
from tests.support.stock import (
    balances,
    client,
    contents,
    furnished,
    listed,
    nothing_written,
    package,
    paid,
    paying,
    put,
    read,
)

from client_credits.domain.payments.facts import Unsupported
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.operations.payments import paying as payments
from client_credits.publishing.events import events_of
from client_credits.store import writes
from client_credits.store.codec import from_attributes

PARKED = "/v1/parked"


def the_parked(api: Api) -> dict[str, Any]:
    (parked,) = read(api, PARKED)["items"]
    return parked


def resolve(api: Api, parked_id: str, body: Any = None, **more: Any) -> Any:
    return api("POST", f"{PARKED}/{parked_id}/resolve", {} if body is None else body, **more)


def dismiss(api: Api, parked_id: str, **more: Any) -> Any:
    return api("POST", f"{PARKED}/{parked_id}/dismiss", {"reason": "paid back in cash"}, **more)


def unsupported(api: Api, number: int = 1) -> None:
    fact = Unsupported(f"evt_u{number}", "quantity_not_whole", f"in_u{number}", "cus_1", ("price_1",))
    parking.park_event(Context(api.store, "p1", STRIPE, api.now[0]), fact, json.dumps({"id": f"evt_u{number}"}))


# --- The list


def test_a_parked_payment_tells_what_is_needed_to_find_it(api: Api) -> None:
    furnished(api)
    lines = (a_line("il_1", price="price_x"), a_line("il_2", price="price_y"))
    payments.pay(Context(api.store, "p1", STRIPE, NOW), a_payment("in_9", *lines, event_id="evt_9"))
    stated = the_parked(api)
    assert stated | {"id": "-"} == {
        "id": "-",
        "reason": "unknown_package",
        "event_id": "evt_9",
        "customer": "cus_1",
        "payment": "in_9",
        "prices": ["price_x", "price_y"],
        "received_at": "2026-11-22T12:00:00Z",
        "state": "open",
    }


def test_each_reason_is_reported(api: Api) -> None:
    furnished(api)
    package(api, "cyclic", stripe_prices=["price_c"], expiry={"kind": "cycle_end"})
    package(api, "gone", stripe_prices=["price_g"], archived=True)
    package(api, "huge", stripe_prices=["price_h"], credits={"follow-up": 1_000_000})
    paid(api, price="price_unknown")
    paid(api, client_id=None, customer="cus_unknown")
    paid(api, price="price_c")
    paid(api, price="price_g")
    paid(api, price="price_h", quantity=2)
    unsupported(api)
    assert sorted(p["reason"] for p in listed(api, PARKED)) == [
        "no_cycle_to_end_with",
        "package_archived",
        "quantity_not_whole",
        "too_many_credits",
        "unknown_client",
        "unknown_package",
    ]


def test_the_same_payment_is_parked_once(api: Api) -> None:
    furnished(api)
    payment = paying(price="price_unknown")
    for _ in range(3):
        payments.pay(Context(api.store, "p1", STRIPE, api.now[0]), payment)
        api.now[0] += DAY
    assert the_parked(api)["received_at"] == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_the_list_is_paged_without_loss_or_duplicates_and_without_the_closed(api: Api, limit: int) -> None:
    furnished(api)
    for _ in range(7):
        paid(api, price="price_unknown")
    whole = [p["id"] for p in listed(api, PARKED)]
    assert len(set(whole)) == 7
    dismiss(api, whole[2])
    dismiss(api, whole[3])
    rest = [p["id"] for p in listed(api, PARKED, limit=limit)]
    assert rest == whole[:2] + whole[4:]


def test_clients_may_be_named_like_anything_of_ours(api: Api) -> None:
    """A client called parked shared the partition of the parked payments: their list and the stream failed on it."""
    furnished(api)
    for client_id in ("parked", "settings", "op", "due", "open", "waiting"):
        client(api, client_id)
        paid(api, client_id=client_id, customer=None)
        assert balances(api, client_id)["follow-up"] == 3
        assert resolve(api, "client").status == dismiss(api, "wallet:follow-up").status == 404
    paid(api, price="price_unknown")
    assert the_parked(api)["reason"] == "unknown_package"
    events = [event for item in images(api) for event in events_of(item, None)]
    assert sorted({event.detail_type for event in events}) == ["credits.granted", "credits.payment_parked"]


def images(api: Api) -> list[dict[str, Any]]:
    return [from_attributes(item) for item in items_of(api.store.table, api.store.table._client)]


# --- Resolving


def test_naming_the_client_grants_what_was_paid_and_closes_it(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    paid(api, client_id=None, customer="cus_unknown", quantity=2)
    parked = the_parked(api)
    reply = resolve(api, parked["id"], {"client_id": "c2"}, role="staff")
    assert reply.status == 200
    (line,) = reply.body["lines"]
    assert (reply.body["id"], line["outcome"]) == (parked["id"], "granted")
    (entry,) = reply.body["entries"]
    assert (entry["kind"], entry["amount"], entry["client_id"]) == ("granted", 6, "c2")
    assert entry["source_id"] == line["source_id"]
    assert entry["actor"] == {"kind": "staff", "id": "staff-1"}
    assert entry["occurred_at"] == "2026-11-22T12:00:00Z"
    assert balances(api, "c2")["follow-up"] == 6
    assert listed(api, "/v1/clients/c2/credits/follow-up/history") == [entry]
    assert read(api, PARKED)["items"] == []


def test_naming_the_package_grants_it_for_the_line_nobody_explained(api: Api) -> None:
    furnished(api)
    lines = (a_line("il_1"), a_line("il_2", price="price_x"))
    payments.pay(Context(api.store, "p1", STRIPE, NOW), a_payment("in_1", *lines))
    package(api, "six", credits={"initial": 6}, stripe_prices=[])
    assert balances(api) == {"follow-up": 3, "initial": 0}
    reply = resolve(api, the_parked(api)["id"], {"package_id": "six"})
    assert [(line["line"], line["outcome"]) for line in reply.body["lines"]] == [
        ("il_1", "granted"),
        ("il_2", "granted"),
    ]
    assert sorted((e["appointment_type"], e["amount"]) for e in reply.body["entries"]) == [
        ("follow-up", 3),
        ("initial", 6),
    ], "the entries of the whole payment, the earlier line's too"
    assert balances(api) == {"follow-up": 3, "initial": 6}


def test_what_is_still_missing_is_named_and_the_payment_stays_parked(api: Api) -> None:
    furnished(api)
    paid(api, client_id=None, customer="cus_unknown")
    paid(api, price="price_x")
    by_reason = {p["reason"]: p["id"] for p in listed(api, PARKED)}
    cases = [
        (by_reason["unknown_client"], {}, {"/client_id": "unknown_client"}),
        (by_reason["unknown_client"], {"package_id": "three-pack"}, {"/client_id": "unknown_client"}),
        (by_reason["unknown_package"], {}, {"/package_id": "unknown_package"}),
        (by_reason["unknown_package"], {"client_id": "c1"}, {"/package_id": "unknown_package"}),
        (by_reason["unknown_package"], {"package_id": "never"}, {"/package_id": "unknown_package"}),
    ]
    with nothing_written(api):
        for parked_id, body, faults in cases:
            reply = resolve(api, parked_id, body)
            assert (reply.status, reply.faults) == (422, faults)
    assert len(listed(api, PARKED)) == 2


def test_an_archived_package_cannot_be_the_answer(api: Api) -> None:
    furnished(api)
    package(api, "gone", stripe_prices=[], archived=True)
    paid(api, price="price_x")
    reply = resolve(api, the_parked(api)["id"], {"package_id": "gone"})
    assert (reply.status, reply.faults) == (422, {"/package_id": "package_archived"})


def test_an_event_that_no_payment_could_be_made_of_can_only_be_dismissed(api: Api) -> None:
    furnished(api)
    unsupported(api)
    parked = the_parked(api)
    with nothing_written(api):
        reply = resolve(api, parked["id"], {"client_id": "c1", "package_id": "three-pack"})
    assert (reply.status, set(reply.faults.values())) == (422, {"quantity_not_whole"})
    assert dismiss(api, parked["id"]).status == 200


def test_resolving_again_is_refused_and_grants_nothing_more(api: Api) -> None:
    furnished(api)
    paid(api, price="price_x")
    parked_id = the_parked(api)["id"]
    assert resolve(api, parked_id, {"package_id": "three-pack"}).status == 200
    with nothing_written(api):
        for again in (resolve(api, parked_id, {"package_id": "three-pack"}), dismiss(api, parked_id)):
            assert (again.status, again.code) == (409, "already_resolved")
    assert balances(api)["follow-up"] == 3


def test_a_mapping_that_got_there_first_has_resolved_it(api: Api) -> None:
    furnished(api)
    paid(api, price="price_x")
    paid(api, client_id=None, customer="cus_x")
    by_reason = {p["reason"]: p["id"] for p in listed(api, PARKED)}
    package(api, "mapped", credits={"initial": 2}, stripe_prices=["price_x"])
    put(api, "/v1/clients/c1", {"stripe_customers": ["cus_x"]})
    assert balances(api) == {"follow-up": 3, "initial": 2}
    for parked_id in by_reason.values():
        reply = resolve(api, parked_id, {"client_id": "c1", "package_id": "three-pack"})
        assert (reply.status, reply.code) == (409, "already_resolved")
    assert balances(api) == {"follow-up": 3, "initial": 2}


def test_a_payment_granted_by_its_redelivery_is_open_no_more(api: Api) -> None:
    furnished(api)
    payment = paying(client_id=None, customer="cus_x")
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    parked_id = the_parked(api)["id"]
    api.store.commit([writes.link("p1", "customer", "cus_x", "c1", None)])
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    assert balances(api)["follow-up"] == 3
    assert read(api, PARKED)["items"] == []
    reply = resolve(api, parked_id, {"client_id": "c1", "package_id": "three-pack"})
    assert (reply.status, reply.code) == (409, "already_resolved")
    assert balances(api)["follow-up"] == 3


def test_a_payment_granted_by_a_second_event_that_names_the_client_is_open_no_more(api: Api) -> None:
    furnished(api)
    payment = paying(client_id=None, customer="cus_x")
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    payments.pay(Context(api.store, "p1", STRIPE, NOW), replace(payment, client_id="c1", event_id="evt_second"))
    assert balances(api)["follow-up"] == 3
    assert read(api, PARKED)["items"] == []


def test_a_redelivered_event_reopens_nothing(api: Api) -> None:
    furnished(api)
    payment = paying(price="price_x")
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    assert dismiss(api, the_parked(api)["id"]).status == 200
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    assert read(api, PARKED)["items"] == []


def test_a_resolved_payments_redelivery_grants_nothing(api: Api) -> None:
    furnished(api)
    payment = paying(client_id=None, customer="cus_x")
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    resolve(api, the_parked(api)["id"], {"client_id": "c1"})
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    put(api, "/v1/clients/c2", {"stripe_customers": ["cus_x"]})
    payments.pay(Context(api.store, "p1", STRIPE, NOW), payment)
    assert (balances(api)["follow-up"], balances(api, "c2")["follow-up"]) == (3, 0)


def test_the_grant_is_timed_by_the_payment_and_not_by_its_resolving(api: Api) -> None:
    furnished(api)
    package(api, "short", stripe_prices=[], expiry={"kind": "days", "n": 1})
    paid(api, price="price_x")
    api.now[0] += 5 * DAY
    reply = resolve(api, the_parked(api)["id"], {"package_id": "short"})
    granted = reply.body["entries"][0]
    assert (granted["kind"], granted["occurred_at"]) == ("granted", "2026-11-22T12:00:00Z")
    history = listed(api, "/v1/clients/c1/credits/follow-up/history")
    assert [(e["kind"], e["occurred_at"]) for e in history] == [
        ("expired", "2026-11-24T00:00:00Z"),
        ("granted", "2026-11-22T12:00:00Z"),
    ]
    assert balances(api)["follow-up"] == 0


# --- Dismissing


def test_dismissing_closes_without_granting_and_keeps_the_reason(api: Api) -> None:
    furnished(api)
    paid(api, price="price_x")
    parked = the_parked(api)
    reply = dismiss(api, parked["id"], role="staff")
    assert (reply.status, reply.body) == (200, parked | {"state": "dismissed"})
    assert read(api, PARKED)["items"] == []
    assert balances(api)["follow-up"] == 0
    (record,) = [item["body"] for item in contents(api) if item.get("kind") == "parked"]
    assert (record["closed_by"], record["closed_reason"]) == ("staff/staff-1", "paid back in cash")
    with nothing_written(api):
        for again in (resolve(api, parked["id"]), dismiss(api, parked["id"])):
            assert (again.status, again.code) == (409, "already_resolved")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": None}, {"reason": 1}, {"reason": "x" * 501}])
def test_dismissing_takes_a_reason(api: Api, body: Any) -> None:
    furnished(api)
    paid(api, price="price_x")
    with nothing_written(api):
        reply = api("POST", f"{PARKED}/{the_parked(api)['id']}/dismiss", body)
    assert (reply.status, set(reply.faults)) == (422, {"/reason"})


@pytest.mark.parametrize("action", ["resolve", "dismiss"])
def test_a_parked_payment_that_does_not_exist_is_not_found(api: Api, action: str) -> None:
    with nothing_written(api):
        reply = api("POST", f"{PARKED}/prk_never/{action}", {"reason": "x"} if action == "dismiss" else {})
    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize("name", ["client_id", "package_id"])
@pytest.mark.parametrize("value", ["", "a b", 1, [], "x" * 129])
def test_what_staff_name_must_be_an_id(api: Api, name: str, value: Any) -> None:
    assert set(resolve(api, "prk_1", {name: value}).faults) == {f"/{name}"}
