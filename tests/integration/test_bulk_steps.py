"""A change of many clients, step by step and rehearsed page by page: each goes on where the last one ended."""

from datetime import timedelta

import pytest
from tests.support.api import Api
from tests.support.stock import client, furnished, nothing_written, package, paid, read

from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.operations.context import Context
from client_credits.operations.staff.bulk import RehearsalBounds, rehearsed_page
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


def rehearsed(api: Api, package_id: str = "short", **bounds: int) -> list[list[str]]:
    """Whom each page of a rehearsal shows, with as many lots as theirs would change."""
    here, rule = (
        Context(api.store, "p1", Actor("staff", "s1"), api.now[0]),
        Extension(ExtensionRule(package_id, by_days=1)),
    )
    pages, after = [], None
    with nothing_written(api):
        for _ in range(100):
            page = rehearsed_page(here, rule, Keyed("k1", ""), "a closure", after, RehearsalBounds(**bounds))
            pages.append([lot.client_id for lot in page.lots])
            if page.after is None:
                return pages
            after = page.after
    raise AssertionError("a rehearsal without an end")


def test_a_page_of_a_rehearsal_changes_and_looks_at_bounded_many_clients(shop: Api) -> None:
    assert rehearsed(shop) == [CLIENTS]
    assert rehearsed(shop, clients=3) == [CLIENTS[:3], CLIENTS[3:6], CLIENTS[6:]]
    assert rehearsed(shop, looked_at=4) == [CLIENTS[:4], CLIENTS[4:]]
    assert rehearsed(shop, "three-pack", looked_at=4) == [[], []], "all have wallets, and none has lots of it"


def test_a_page_of_a_rehearsal_ends_with_the_client_who_brings_too_many_lots(shop: Api) -> None:
    paid(shop, price="price_2", client_id="c-1")
    assert rehearsed(shop, lots=2) == [["c-0", "c-1", "c-1"], ["c-2", "c-3"], ["c-4", "c-5"], ["c-6"]]


def test_a_page_of_a_rehearsal_that_finds_nobody_in_many_clients_goes_on_behind_them(shop: Api) -> None:
    for number in range(600):
        client(shop, f"b-{number}")  # without any credits
    pages = rehearsed(shop, roster_pages=8)
    assert [each for page in pages for each in page] == CLIENTS
    assert len(pages) > 2 and pages[0] == []
