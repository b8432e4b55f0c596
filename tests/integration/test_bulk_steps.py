"""A change of many clients, step by step: each goes on where the last one ended, and none is changed twice."""

from datetime import timedelta

import pytest
from tests.support.api import Api
from tests.support.stock import client, furnished, nothing_written, package, paid, read

from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.operations.context import Context
from client_credits.operations.staff.bulk_steps import BulkStep, step
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import codec

LATER = Extension(ExtensionRule(package_id="short", by_days=14))
CLIENTS = [f"c-{n}" for n in range(7)]


@pytest.fixture
def shop(api: Api) -> Api:
    """Seven clients with credits of five days, and one without any."""
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    for each in CLIENTS:
        client(api, each)
        paid(api, price="price_2", client_id=each)
    return api


def stepped(api: Api, after: str | None, clients: int = 3) -> BulkStep:
    here = Context(api.store, "p1", Actor("staff", "s1"), api.now[0])
    return step(here, LATER, Keyed("k1", ""), "a closure", after, clients)


def ends(api: Api) -> set[str]:
    return {read(api, f"/v1/clients/{each}/credits/follow-up/lots")["items"][0]["expires_at"] for each in CLIENTS}


def test_each_step_goes_on_where_the_last_one_ended(shop: Api) -> None:
    after, changed = None, []
    while True:
        made = stepped(shop, after)
        changed.append(made.clients)
        if made.after is None:
            break
        after = made.after
    assert changed == [3, 3, 1]
    assert ends(shop) == {"2026-12-12T00:00:00Z"}


def test_a_step_that_is_carried_out_twice_changes_nobody_twice(shop: Api) -> None:
    first = stepped(shop, None)
    shop.now[0] += timedelta(minutes=10)
    with nothing_written(shop):
        assert stepped(shop, None) == first
    assert stepped(shop, None, clients=100).after is None
    assert ends(shop) == {"2026-12-12T00:00:00Z"}


def test_a_client_that_cannot_be_changed_is_named_and_stops_no_other(shop: Api) -> None:
    key = "p1#c-2", "wallet#follow-up"
    item = shop.store.table.get([key])[key]
    broken = codec.to_attributes(item | {"body": '{"lots": 7}'})
    shop.store.table._client.put_item(TableName=shop.store.table.name, Item=broken)
    made = stepped(shop, None, clients=100)
    assert (made.clients, made.after) == (6, None)
    assert [(each.client_id, each.code) for each in made.problems] == [("c-2", "internal_error")]
