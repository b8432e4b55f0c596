"""Staff remove leftovers by rule: what goes, what is kept, and a rehearsal that shows just that."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import Api, Reply
from tests.support.builders import DAY, NOW, a_hold
from tests.support.stock import (
    balances,
    booked,
    client,
    furnished,
    later,
    nothing_written,
    package,
    paid,
    read,
)

from client_credits.domain.invariants import breaches
from client_credits.store import writes
from client_credits.store.records import Wanted

LOTS = "/v1/clients/c1/credits/follow-up/lots"


@pytest.fixture
def shop(api: Api) -> Api:
    """c1 has three credits that end in five days and three without an end, c2 three without an end."""
    furnished(api)
    client(api, "c2")
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, price="price_2")
    paid(api)
    paid(api, client_id="c2")
    return api


def expires(api: Api, key: str = "e1", role: str = "admin", **rule: Any) -> Reply:
    return api("POST", "/v1/expirations", rule, headers={"idempotency-key": key}, role=role)


def expired(api: Api, key: str = "e1", **rule: Any) -> list[tuple[str, int]]:
    """Whose credits went, and how many of each lot; every law holds after it, and a rehearsal said the same."""
    rehearsed = api("POST", "/v1/expirations", rule, headers={"idempotency-key": key}, dry_run=True)
    reply = expires(api, key, **rule)
    assert (reply.status, reply.body) == (200, rehearsed.body), reply
    for each in ("c1", "c2"):
        wallet = api.store.load("p1", Wanted(client_id=each, types=("follow-up",))).wallets["follow-up"]
        assert breaches(wallet, api.store.entries_after("p1", each, "follow-up", 0)) == []
    return [(item["client_id"], item["amount"]) for item in reply.body["items"]]


def test_a_clients_leftovers_go_but_for_those_that_would_be_spent_last(shop: Api) -> None:
    assert expired(shop, client_id="c1", keep=2) == [("c1", 3), ("c1", 1)]
    assert [(lot["remaining"], lot["expires_at"]) for lot in read(shop, LOTS)["items"]] == [(2, None)]
    entry = read(shop, "/v1/clients/c1/credits/follow-up/history")["items"][0]
    assert (entry["kind"], entry["amount"], entry["cause"]) == ("expired", -4, {"kind": "staff", "keep": "2"})
    assert (entry["source_id"], entry["actor"]["id"]) == ("api/e1/c1", "admin-1")
    assert balances(shop, "c2")["follow-up"] == 3


def test_leftovers_of_a_package_go_whoever_has_them(shop: Api) -> None:
    assert expired(shop, package_id="three-pack") == [("c1", 3), ("c2", 3)]
    assert (balances(shop)["follow-up"], balances(shop, "c2")["follow-up"]) == (3, 0)


def test_leftovers_of_a_type_go_and_other_types_stay(shop: Api) -> None:
    body = {"appointment_type": "initial", "amount": 2, "reason": "a gift"}
    assert shop("POST", "/v1/clients/c2/adjustments", body, headers={"idempotency-key": "a"}).status == 200
    assert expired(shop, appointment_type="follow-up", keep=3) == [("c1", 3)]
    assert balances(shop, "c2") == {"follow-up": 3, "initial": 2}


def test_leftovers_of_cycles_that_have_ended_go(shop: Api) -> None:
    for number in range(2):
        start = NOW + number * 30 * DAY
        cycle = {"subscription_item": "si_1", "period_start": start, "period_end": start + 30 * DAY}
        paid(shop, client_id="c2", paid_at=start, **cycle)
        later(shop, days=30)
    until = (NOW + 30 * DAY).isoformat()
    assert expired(shop, cycle_ended_before=(NOW + 29 * DAY).isoformat()) == []
    assert expired(shop, "e2", cycle_ended_before=until) == [("c2", 3)]
    later(shop, days=-1)
    assert expired(shop, "e3", cycle_ended_before=(NOW + 90 * DAY).isoformat()) == [], "the second has not ended yet"
    later(shop, days=1)
    assert expired(shop, "e4", cycle_ended_before=(NOW + 90 * DAY).isoformat()) == [("c2", 3)]


def test_held_credits_are_no_leftovers(shop: Api) -> None:
    loaded = shop.store.load("p1", Wanted(client_id="c2", types=("follow-up",))).wallets["follow-up"]
    held = a_hold((loaded.lots[0].lot_id, 2), until=NOW + DAY)
    shop.store.commit([writes.wallet(replace(loaded, holds=(held,)), None)])
    assert expired(shop, client_id="c2") == [("c2", 1)]


def test_credits_that_fell_due_expire_by_themselves(shop: Api) -> None:
    later(shop, days=6)
    assert expired(shop, client_id="c1", keep=3) == []
    booked(shop, "b1", starts_at=NOW + 9 * DAY)
    assert expired(shop, "e2", client_id="c1") == [("c1", 2)]


def test_a_removal_sent_again_takes_nothing_more(shop: Api) -> None:
    first = expires(shop, client_id="c1", keep=2)
    paid(shop)
    with nothing_written(shop):
        repeated = expires(shop, client_id="c1", keep=2)
        assert expires(shop, client_id="c1").code == "idempotency_key_reused"
    assert (repeated.status, repeated.body) == (200, first.body)
    assert repeated.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({}, 422),
        ({"keep": 2}, 422),
        ({"client_id": "c1", "keep": -1}, 422),
        ({"client_id": "c1", "note": "x"}, 422),
        ({"package_id": "never"}, 422),
        ({"appointment_type": "never"}, 404),
        ({"client_id": "never"}, 404),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_writes_nothing(shop: Api, rule: dict[str, Any], status: int) -> None:
    with nothing_written(shop):
        assert expires(shop, **rule).status == status
