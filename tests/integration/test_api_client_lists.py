"""Clients by name and the search for them: the order, what is found, and how much one answer may cost."""

from typing import Any

import pytest
from tests.support.api import Api, Reply
from tests.support.builders import NOW
from tests.support.crowd import Crowd
from tests.support.stock import booked, client, contents, furnished, listed, paid, put, read

from client_credits.domain.practice.names import MAX_FOLDED, folded
from client_credits.operations.queries.clients import ROSTER_REQUESTS

SEARCH = "/v1/clients/search"


def named(api: Api, **names: str | None) -> None:
    """Clients of these names; `c_1` is written for `c-1`."""
    for client_id, name in names.items():
        client(api, client_id.replace("_", "-"), **({"name": name} if name else {}))


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def search(api: Api, **wanted: Any) -> Reply:
    reply = api("POST", SEARCH, wanted, role="staff")
    assert reply.status == 200, reply
    return reply


def searched(api: Api, **wanted: Any) -> list[str]:
    """The ids of all pages of a search."""
    found: list[str] = []
    for _ in range(100):
        page = search(api, **wanted).body
        found += ids(page["items"])
        if page["next_cursor"] is None:
            return found
        wanted["cursor"] = page["next_cursor"]
    raise AssertionError("a search without an end")


# --- Names


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Anna  Ärger", "anna arger"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Zoë\tÉ", "zoe e"),
        ("李小龙", "李小龙"),
        ("a#b", "a#b"),
        ("\u0301\u200b", ""),
        ("ﬁx", "fix"),
        ("x" * 200, "x" * MAX_FOLDED),
    ],
)
def test_names_are_compared_without_case_accents_and_spaces(name: str, plain: str) -> None:
    assert folded(name) == plain
    assert folded(plain) == plain


def test_clients_are_listed_by_name_and_those_without_one_last(api: Api) -> None:
    named(api, c_1="Zoë", c_2=None, c_3="anna", c_4="Ärger", c_5="Anna", c_6="🙂", c_7="李", c_0=None)
    in_order = ["c-3", "c-5", "c-4", "c-1", "c-7", "c-6", "c-0", "c-2"]
    for limit in (1, 3, 100):
        assert ids(listed(api, "/v1/clients", sort="name", limit=limit)) == in_order
    assert ids(listed(api, "/v1/clients", limit=3)) == [f"c-{number}" for number in range(8)]


def test_a_new_name_moves_a_client_in_the_list(api: Api) -> None:
    named(api, a="Xaver", b="Bruno")
    assert ids(listed(api, "/v1/clients", sort="name")) == ["b", "a"]
    named(api, a="Adele")
    assert ids(listed(api, "/v1/clients", sort="name")) == ["a", "b"]
    named(api, a=None)
    assert ids(listed(api, "/v1/clients", sort="name")) == ["b", "a"]


def test_the_list_by_name_carries_settled_balances_and_takes_the_filters(api: Api) -> None:
    furnished(api)
    named(api, c1="Bruno", c2="Anna", c3="Carla")
    paid(api)
    booked(api, "b1", client_id="c3", appointment_type="initial")
    found = {item["id"]: item["balances"] for item in listed(api, "/v1/clients", sort="name", limit=2)}
    assert found == {"c2": {}, "c1": {"follow-up": 3}, "c3": {"initial": -1}}
    assert ids(listed(api, "/v1/clients", sort="name", negative=False, limit=1)) == ["c2", "c1"]
    assert ids(listed(api, "/v1/clients", sort="name", negative=True)) == ["c3"]


def test_a_cursor_of_one_order_is_none_of_the_other(api: Api) -> None:
    named(api, a="A", b="B")
    cursor = read(api, "/v1/clients", sort="name", limit=1)["next_cursor"]
    assert api("GET", "/v1/clients", cursor=cursor).faults == {"/query/cursor": "bad_cursor"}
    assert api("GET", "/v1/clients", sort="age").faults.keys() == {"/query/sort"}


# --- The search


def test_a_search_finds_what_a_name_or_an_id_begins_with_each_client_once(api: Api) -> None:
    named(api, anna="Anna Bauer", an_1="Zoë", an_2=None, c_3="Bea Anna", c_4="ANDREA", An_5="Änne")
    for limit in (1, 2, 100):
        assert searched(api, q="an", limit=limit) == ["c-4", "anna", "An-5", "an-1", "an-2"]
    assert searched(api, q="Anna B") == ["anna"]
    assert searched(api, q="zoe") == ["an-1"]
    assert searched(api, q="AN-") == [], "an id is taken as it is written"
    assert searched(api, q="anna#") == searched(api, q="#") == searched(api, q="\u0301") == []


def test_a_search_for_nothing_in_particular_is_the_list_by_name(api: Api) -> None:
    named(api, a="Xaver", b="Bruno", c=None)
    assert searched(api, limit=1) == ["b", "a", "c"]


def test_a_client_is_found_by_its_whole_email_in_either_case(api: Api) -> None:
    for client_id, name in (("c2", "Zoë"), ("c1", "Anna"), ("c3", "Carl")):
        put(api, f"/v1/clients/{client_id}", {"name": name, "email": "Family@Example.test"})
    put(api, "/v1/clients/c4", {"email": "other@example.test"})
    assert searched(api, email="family@example.TEST") == ["c1", "c3", "c2"]
    assert searched(api, email="family@example.test", q="zo") == ["c2"]
    assert searched(api, email="family") == searched(api, email="fam@example.test") == []
    assert api("POST", SEARCH, {"email": "family@example.test"}, practice="p2").body["items"] == []


def test_an_email_that_was_changed_finds_nobody_any_more(api: Api) -> None:
    put(api, "/v1/clients/c1", {"email": "old@example.test"})
    put(api, "/v1/clients/c1", {"email": "new@example.test"})
    assert searched(api, email="old@example.test") == []
    assert searched(api, email="new@example.test") == ["c1"]
    put(api, "/v1/clients/c1", {})
    assert searched(api, email="new@example.test") == []
    hashes = [record for record in contents(api) if "#email#" in record["pk"]]
    assert [record["ttl"] for record in hashes] == [int(NOW.timestamp())] * 2, "the table drops them"


def test_no_key_and_no_cursor_holds_an_email_or_more_of_a_name_than_one_index(api: Api) -> None:
    put(api, "/v1/clients/c1", {"name": "Zacharias", "email": "zach@example.test"})
    put(api, "/v1/clients/c2", {"name": "Zacharias", "email": "zach@example.test"})
    for record in contents(api):
        readable = {name: value for name, value in record.items() if name not in ("body", "name", "names_sk")}
        assert "zach" not in str(readable).lower()
    assert "zach" not in search(api, q="zach", limit=1).body["next_cursor"].lower()


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"q": ""}, "/q"),
        ({"q": 1}, "/q"),
        ({"q": "x" * 201}, "/q"),
        ({"email": ""}, "/email"),
        ({"limit": 0}, "/limit"),
        ({"limit": 101}, "/limit"),
        ({"limit": True}, "/limit"),
        ({"cursor": "x"}, "/query/cursor"),
        ({"name": "Anna"}, "/name"),
    ],
)
def test_a_search_that_is_not_valid_is_refused_where_the_fault_is(
    api: Api, wanted: dict[str, Any], pointer: str
) -> None:
    reply = api("POST", SEARCH, wanted)
    assert (reply.status, set(reply.faults)) == (422, {pointer})


def test_a_cursor_of_one_search_is_none_of_another(api: Api) -> None:
    named(api, a="A", b="B", c="C")
    cursor = search(api, limit=1).body["next_cursor"]
    for other in ({"q": "a"}, {"email": "a@example.test"}):
        assert api("POST", SEARCH, other | {"cursor": cursor}).faults == {"/query/cursor": "bad_cursor"}


def test_signs_in_a_search_do_not_make_its_cursor_that_of_another(api: Api) -> None:
    named(api, a="n|x@y", b="n|x@y z")
    cursor = search(api, q="n|x@y", limit=1).body["next_cursor"]
    assert cursor is not None
    for other in ({"q": "n", "email": "x@y|"}, {"q": "n", "email": "x@y"}):
        assert api("POST", SEARCH, other | {"cursor": cursor}).faults == {"/query/cursor": "bad_cursor"}
    assert [each["id"] for each in search(api, q="n|x@y", cursor=cursor).body["items"]] == ["b"]


# --- What one answer may cost


def test_a_thousand_clients_without_a_match_cost_a_bounded_number_of_requests() -> None:
    crowd = Crowd(1000)
    for query in ({"negative": True}, {"holding": False}, {"negative": True, "q": "c-"}):
        with crowd.counted() as calls:
            reply = read(crowd.api, "/v1/clients", **query)
        assert reply == {"items": [], "next_cursor": None}
        assert calls["query"] <= ROSTER_REQUESTS
        assert calls["batch_get_item"] == 0, "nothing is due, so nothing is settled"
    with crowd.counted() as calls:
        assert search(crowd.api, q="nobody").body == {"items": [], "next_cursor": None}
        assert ids(search(crowd.api, q="c-0999").body["items"]) == ["c-0999"]
    assert calls["query"] <= 2 * (1 + 8)


def test_what_is_due_is_settled_in_batches_and_not_client_by_client() -> None:
    crowd = Crowd(1000, due=True)
    with crowd.counted() as calls:
        found = read(crowd.api, "/v1/clients", holding=True)
    assert found == {"items": [], "next_cursor": None}
    assert calls["batch_get_item"] <= 2 * len(crowd.ids) / 98 + 2
    with crowd.counted() as calls:
        page = read(crowd.api, "/v1/clients", holding=False, limit=100)
    assert ids(page["items"]) == crowd.ids[:100]
    assert sum(calls.values()) <= 8 + 8 + 5 + 3


@pytest.mark.parametrize("negative", [True, False])
def test_a_list_too_long_for_one_answer_goes_on_with_short_pages(negative: bool) -> None:
    crowd = Crowd(1000, types=6)
    query: dict[str, Any] = {"negative": negative, "limit": 100}
    found, sizes, requests = [], [], []
    while query.get("cursor", "") is not None:
        with crowd.counted() as calls:
            page = read(crowd.api, "/v1/clients", **query)
        found += ids(page["items"])
        sizes.append(len(page["items"]))
        requests.append(calls["query"])
        query["cursor"] = page["next_cursor"]
    assert found == ([] if negative else crowd.ids)
    assert len(sizes) > 1 and max(requests) <= ROSTER_REQUESTS
    assert not negative or sizes[0] == 0, "a page may be empty and not the last"


def test_a_page_in_order_of_name_costs_the_same_whatever_exists() -> None:
    crowd = Crowd(1000)
    with crowd.counted() as calls:
        page = read(crowd.api, "/v1/clients", sort="name", limit=50)
    assert ids(page["items"]) == crowd.ids[:50]
    assert calls["query"] == 1 and calls["batch_get_item"] <= 2
    with crowd.counted() as calls:
        page = read(crowd.api, "/v1/clients", sort="name", negative=True, limit=20)
    assert page["items"] == [] and page["next_cursor"] is not None
    assert calls["query"] <= 10 and calls["batch_get_item"] <= 10
