"""Who holds what: clients by package, those without any, those who owe; and lists while clients come and go."""

from typing import Any

import pytest
from tests.integration.test_api_client_lists import Crowd
from tests.support.api import Api
from tests.support.builders import DAY
from tests.support.stock import booked, client, furnished, listed, package, paid, put, read

from client_credits.operations.queries.clients import ROSTER_REQUESTS

OF_THREE_PACK = "/v1/packages/three-pack/clients"


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def with_lots(api: Api) -> Api:
    """c1 and c3 hold lots of three-pack, c2 of another package, c4 spent all; c5 never bought."""
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    for client_id, price in (("c1", "price_1"), ("c2", "price_2"), ("c3", "price_1"), ("c4", "price_1")):
        paid(api, client_id=client_id, price=price)
    booked(api, "b4", client_id="c4", seats=3)
    client(api, "c5")
    return api


# --- Clients of a package


def test_the_clients_of_a_package_are_those_with_credits_left_of_it(api: Api) -> None:
    with_lots(api)
    found = listed(api, OF_THREE_PACK)
    assert ids(found) == ["c1", "c3"]
    assert [each["balances"] for each in found] == [{"follow-up": 3}] * 2
    assert ids(listed(api, "/v1/packages/short/clients")) == ["c2"]
    assert api("GET", "/v1/packages/three/clients").status == 404, "a package's id is not its beginning"


def test_a_package_whose_id_begins_another_is_not_taken_for_it(api: Api) -> None:
    furnished(api)
    package(api, "three", stripe_prices=["price_3"])
    paid(api, price="price_3", client_id="c3")
    paid(api)
    assert ids(listed(api, "/v1/packages/three/clients")) == ["c3"]
    assert ids(listed(api, OF_THREE_PACK)) == ["c1"]


def test_a_lot_that_has_ended_counts_no_more_whatever_has_been_swept(api: Api) -> None:
    with_lots(api)
    api.now[0] += 3 * DAY
    assert listed(api, "/v1/packages/short/clients") == []


def test_credits_that_were_given_away_count_for_who_has_them(api: Api) -> None:
    with_lots(api)
    body = {"from_client_id": "c1", "to_client_id": "c5", "appointment_type": "follow-up", "amount": 3}
    assert api("POST", "/v1/transfers", body, headers={"idempotency-key": "k"}).status == 200
    assert ids(listed(api, OF_THREE_PACK)) == ["c3", "c5"]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_clients_of_a_package_are_paged_without_loss(api: Api, limit: int) -> None:
    furnished(api)
    holding = [f"c-{number:02}" for number in range(0, 12, 3)]
    for number in range(12):
        client(api, f"c-{number:02}")
    for client_id in holding:
        paid(api, client_id=client_id)
    assert ids(listed(api, OF_THREE_PACK, limit=limit)) == holding


def test_a_cursor_of_one_package_is_none_of_another(api: Api) -> None:
    with_lots(api)
    cursor = read(api, OF_THREE_PACK, limit=1)["next_cursor"]
    for path in ("/v1/packages/short/clients", "/v1/clients"):
        assert api("GET", path, cursor=cursor).faults == {"/query/cursor": "bad_cursor"}


def test_a_rare_package_among_many_clients_costs_a_bounded_number_of_requests() -> None:
    crowd = Crowd(1000, types=6)
    put(crowd.api, "/v1/packages/rare", {"name": "Rare", "credits": {"type-0": 1}})
    query: dict[str, Any] = {}
    pages = 0
    while query.get("cursor", "") is not None:
        with crowd.counted() as calls:
            page = read(crowd.api, "/v1/packages/rare/clients", **query)
        assert page["items"] == []
        assert calls["query"] <= ROSTER_REQUESTS and calls["batch_get_item"] <= 2
        query["cursor"] = page["next_cursor"]
        pages += 1
    assert pages > 1


# --- Clients without packages, and who owes (the practice's own lists)


def test_clients_with_no_package_are_listed_with_no_credits(api: Api) -> None:
    with_lots(api)
    (without,) = (each for each in listed(api, "/v1/clients") if each["id"] == "c5")
    assert without["balances"] == {}
    assert ids(listed(api, "/v1/clients", holding=False)) == ["c4", "c5"]


def test_credits_that_staff_gave_show_though_there_is_no_package(api: Api) -> None:
    with_lots(api)
    body = {"appointment_type": "follow-up", "amount": 2, "reason": "goodwill"}
    assert api("POST", "/v1/clients/c5/adjustments", body, headers={"idempotency-key": "k"}).status == 200
    (given,) = (each for each in listed(api, "/v1/clients") if each["id"] == "c5")
    assert given["balances"] == {"follow-up": 2}
    assert "c5" in ids(listed(api, "/v1/clients", holding=True))


def test_staff_list_who_owes_to_verify_payment(api: Api) -> None:
    with_lots(api)
    booked(api, "b5", client_id="c5", seats=2)
    owing = listed(api, "/v1/clients", negative=True)
    assert [(each["id"], each["balances"]) for each in owing] == [("c5", {"follow-up": -2})]
    paid(api, client_id="c5")
    assert listed(api, "/v1/clients", negative=True) == [], "paid, so listed no more"


# --- Paging while clients come, buy and spend


@pytest.mark.parametrize("path", ["/v1/clients", OF_THREE_PACK])
def test_who_was_there_all_along_is_listed_once_though_data_change_between_pages(api: Api, path: str) -> None:
    furnished(api)
    stayed = [f"c-{number:02}" for number in range(0, 20, 2)]
    for client_id in stayed:
        paid(api, client_id=client_id)
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    for number in range(1, 20, 2):
        page = read(api, path, **query)
        found += ids(page["items"])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        paid(api, client_id=f"c-{number:02}")  # one that comes in between
        booked(api, f"b-{number}", client_id=stayed[number // 2])  # one that changes
    assert len(found) == len(set(found)), "nobody twice"
    assert [each for each in found if each in stayed] == stayed, "in order, nobody lost"


def test_the_list_by_name_loses_nobody_who_kept_their_name_while_others_come(api: Api) -> None:
    for number in range(0, 20, 2):
        client(api, f"c-{number:02}", name=f"Name {number:02}")
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3, "sort": "name"}
    for number in range(1, 20, 2):
        page = read(api, "/v1/clients", **query)
        found += ids(page["items"])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        client(api, f"c-{number:02}", name=f"Name {number:02}")
    assert len(found) == len(set(found))
    assert [each for each in found if int(each[2:]) % 2 == 0] == [f"c-{number:02}" for number in range(0, 20, 2)]
