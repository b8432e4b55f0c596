"""Clients over HTTP: profiles, the Stripe customers they own, and the list over all shards with its cursors."""

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW
from tests.support.stock import (
    balances,
    booked,
    catalogue,
    client,
    furnished,
    listed,
    nothing_written,
    package,
    pages,
    paid,
    patch,
    put,
    read,
)

from client_credits.aws.secrets import CursorKeys
from client_credits.domain.payments.facts import CustomerLink
from client_credits.domain.practice.records import MAX_CUSTOMERS, Client, external_link
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.linking import apply_link
from client_credits.store import keys, writes
from client_credits.store.records import Wanted

ANNA = {
    "name": "Anna Ärger",
    "email": "anna@example.test",
    "stripe_customers": ["cus_a", "cus_b"],
    "external_ids": {"square": "sq-1"},
}
EMPTY = {"name": None, "email": None, "stripe_customers": [], "external_ids": {}}


# --- Profiles


def test_a_client_is_created_with_201_and_replaced_with_200(api: Api) -> None:
    first = put(api, "/v1/clients/c1", ANNA)
    assert (first.status, first.body) == (201, {"id": "c1"} | ANNA)
    assert read(api, "/v1/clients/c1") == first.body
    second = put(api, "/v1/clients/c1", {})
    assert (second.status, second.body) == (200, {"id": "c1"} | EMPTY), "omitted fields take their defaults"


def test_replacing_a_profile_keeps_the_clients_settings_and_credits(api: Api) -> None:
    furnished(api)
    paid(api)
    patch(api, "/v1/clients/c1/settings", {"max_negative": 2})
    put(api, "/v1/clients/c1", {"name": "Anna"})
    assert read(api, "/v1/clients/c1/settings")["max_negative"] == {"value": 2, "source": "client"}
    assert balances(api)["follow-up"] == 3


WRONG: list[tuple[str, Any, str]] = [
    ("name", "", "/name"),
    ("name", "x" * 201, "/name"),
    ("name", 1, "/name"),
    ("email", "anna", "/email"),
    ("email", "a b@example.test", "/email"),
    ("email", "a@b@example.test", "/email"),
    ("email", "@", "/email"),
    ("email", "a" * 65 + "@example.test", "/email"),
    ("stripe_customers", "cus_1", "/stripe_customers"),
    ("stripe_customers", ["cus 1"], "/stripe_customers/0"),
    ("stripe_customers", ["c" * 129], "/stripe_customers/0"),
    ("stripe_customers", [1], "/stripe_customers/0"),
    ("stripe_customers", [f"cus_{n}" for n in range(41)], "/stripe_customers"),
    ("external_ids", {"square": 1}, "/external_ids/square"),
    ("external_ids", {"a/b": "1"}, "/external_ids/a~1b"),
    ("external_ids", {f"s{n}": "x" for n in range(21)}, "/external_ids"),
    ("external_ids", [], "/external_ids"),
    ("overrides", {}, "/overrides"),
    ("created_at", "2026-01-01T00:00:00Z", "/created_at"),
]


@pytest.mark.parametrize(("name", "value", "pointer"), WRONG, ids=[f"{w[0]}={str(w[1])[:30]}" for w in WRONG])
def test_a_profile_that_cannot_be_meant_is_refused_where_the_fault_is(
    api: Api, name: str, value: Any, pointer: str
) -> None:
    with nothing_written(api):
        reply = api("PUT", "/v1/clients/c1", {name: value})
    assert reply.status == 422
    assert set(reply.faults) == {pointer}


# --- Stripe customers


def test_a_customer_is_one_clients_only(api: Api) -> None:
    client(api, "c1", stripe_customers=["cus_1"])
    with nothing_written(api):
        reply = api("PUT", "/v1/clients/c2", {"stripe_customers": ["cus_2", "cus_1"]})
    assert (reply.status, reply.code) == (409, "already_mapped")
    assert "c1" not in reply.body["detail"]


def test_a_customer_that_was_dropped_is_free_for_another(api: Api) -> None:
    client(api, "c1", stripe_customers=["cus_1", "cus_2"])
    client(api, "c1", stripe_customers=["cus_2"])
    client(api, "c2", stripe_customers=["cus_1"])
    assert api("PUT", "/v1/clients/c2", {"stripe_customers": ["cus_2"]}).code == "already_mapped"
    client(api, "c2")
    client(api, "c1", stripe_customers=["cus_1"])


def test_an_id_of_another_system_leads_to_one_client_and_is_free_once_dropped(api: Api) -> None:
    def owner(system: str, its_id: str) -> str | None:
        link = external_link(system, its_id)
        return api.store.load("p1", Wanted(links=(link,))).links.get(link)

    client(api, "c1", external_ids={"square": "S8", "healthie": "S8"})
    client(api, "c2", external_ids={"square": "S9"})
    assert (owner("square", "S8"), owner("healthie", "S8"), owner("square", "S9")) == ("c1", "c1", "c2")
    with nothing_written(api):
        reply = api("PUT", "/v1/clients/c2", {"external_ids": {"square": "S8"}})
    assert (reply.status, reply.code) == (409, "already_mapped")
    assert "c1" not in reply.body["detail"]
    client(api, "c1", external_ids={"healthie": "S8"})
    client(api, "c2", external_ids={"square": "S8"})
    assert (owner("square", "S8"), owner("square", "S9"), owner("healthie", "S8")) == ("c2", None, "c1")


def test_a_profile_may_change_every_link_that_it_may_have_at_once(api: Api) -> None:
    for turn in ("a", "b"):
        customers = [f"cus_{turn}{number}" for number in range(MAX_CUSTOMERS)]
        client(api, "c1", stripe_customers=customers, external_ids={f"s{n}": f"{turn}{n}" for n in range(20)})
    client(api, "c2", stripe_customers=[f"cus_a{number}" for number in range(MAX_CUSTOMERS)])


def test_a_customer_given_twice_counts_once(api: Api) -> None:
    given = {"stripe_customers": ["b", "a", "b"]}
    assert put(api, "/v1/clients/c1", given).body["stripe_customers"] == ["b", "a"]


def test_the_same_customer_in_two_practices_is_two_customers(api: Api) -> None:
    client(api, "c1", stripe_customers=["cus_1"])
    client(api, "c9", "p2", stripe_customers=["cus_1"])


def test_who_owns_a_customer_gets_what_its_payments_buy(api: Api) -> None:
    furnished(api)
    client(api, "c2", stripe_customers=["cus_1"])
    paid(api, client_id=None)
    assert balances(api, "c2")["follow-up"] == 3


def test_naming_a_customer_grants_what_was_parked_for_it_and_nothing_else(api: Api) -> None:
    furnished(api)
    paid(api, client_id=None)
    paid(api, client_id=None)
    paid(api, client_id=None, customer="cus_other")
    assert [p["reason"] for p in read(api, "/v1/parked")["items"]] == ["unknown_client"] * 3
    put(api, "/v1/clients/c1", {"stripe_customers": ["cus_1"]})
    assert balances(api)["follow-up"] == 6
    assert [p["customer"] for p in listed(api, "/v1/parked")] == ["cus_other"]
    put(api, "/v1/clients/c1", {"stripe_customers": ["cus_1"], "name": "Anna"})
    assert balances(api)["follow-up"] == 6, "once"


def test_a_client_who_collected_many_customers_by_checkout_can_still_be_replaced(api: Api) -> None:
    """Every checkout of a guest is a new Stripe customer; a transaction takes a hundred items."""
    customers = tuple(f"cus_{number}" for number in range(119))
    for some in (customers[:60], customers[60:]):
        api.store.commit([writes.link("p1", "customer", each, "c1", None) for each in some])
    api.store.commit([writes.client("p1", Client("c1", stripe_customers=customers))])
    apply_link(Context(api.store, "p1", STRIPE, NOW), CustomerLink("evt_1", "cus_119", "c1"))
    reply = api("PUT", "/v1/clients/c1", {"name": "Anna"})
    assert reply.status == 200, reply
    for customer in ("cus_0", "cus_118"):
        client(api, f"of-{customer}", stripe_customers=[customer])


# --- The list


def crowd(api: Api, size: int) -> list[str]:
    """So many clients, over every shard."""
    ids = [f"c-{number:03}" for number in range(size)]
    for start in range(0, size, 50):
        some = [Client(c, name=f"Client {c}", created_at=NOW) for c in ids[start : start + 50]]
        api.store.commit([writes.client("p1", each) for each in some])
    assert len({keys.roster_pk("p1", c) for c in ids}) == keys.ROSTER_SHARDS
    return ids


def test_the_list_carries_balances_per_type_and_those_without_packages(api: Api) -> None:
    furnished(api)
    put(api, "/v1/clients/c2", ANNA)
    paid(api)
    booked(api, "b1", client_id="c3", appointment_type="initial")
    found = {item["id"]: item for item in listed(api, "/v1/clients")}
    assert set(found) == {"c1", "c2", "c3"}
    assert found["c2"] == {"id": "c2"} | ANNA | {"balances": {}}
    assert found["c1"]["balances"] == {"follow-up": 3}
    assert found["c3"]["balances"] == {"initial": -1}


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
def test_the_list_is_paged_over_shards_without_loss_or_duplicates(api: Api, limit: int) -> None:
    catalogue(api)
    size = 40 if limit > 1 else 20
    ids = crowd(api, size)
    for client_id in ids[::5]:
        booked(api, f"b-{client_id}", client_id=client_id)
    sizes, found = [], []
    for page in pages(api, "/v1/clients", limit=limit):
        sizes.append(len(page))
        found += [item["id"] for item in page]
    assert found == ids, "in order of id, each once"
    assert sizes == [limit] * (size // limit) + ([size % limit] if size % limit else [])


def test_ids_that_begin_alike_are_kept_apart(api: Api) -> None:
    """`c`, `c-1` and `c~` sort around what belongs to one of them."""
    catalogue(api)
    ids = ["c", "c-1", "c.1", "c:1", "c_1", "c~", "c~~", "C", "c1", "c10"]
    for client_id in ids:
        client(api, client_id)
        booked(api, f"b-{client_id}", client_id=client_id)
    for limit in (1, 3):
        assert [item["id"] for item in listed(api, "/v1/clients", limit=limit)] == sorted(ids)
        alike = [item["id"] for item in listed(api, "/v1/clients", limit=limit, q="c~")]
        assert alike == ["c~", "c~~"]


def test_the_list_is_filtered_by_who_owes_who_holds_and_what_is_written(api: Api) -> None:
    furnished(api)
    put(api, "/v1/clients/c2", {"name": "Bruno Maß"})
    put(api, "/v1/clients/owing-1", {"name": "Anna"})
    paid(api)
    booked(api, "b1", client_id="owing-1")
    paid(api, client_id="both")
    booked(api, "b2", client_id="both", appointment_type="initial")

    def who(**query: Any) -> set[str]:
        return {item["id"] for item in listed(api, "/v1/clients", **query)}

    assert who(negative=True) == {"owing-1", "both"}
    assert who(negative=False) == {"c1", "c2"}
    assert who(holding=True) == {"c1", "both"}
    assert who(holding=False) == {"c2", "owing-1"}
    assert who(holding=True, negative=True) == {"both"}
    assert who(q="owing") == who(q="owing-1") == {"owing-1"}
    assert who(q="OWING") == who(q="wing") == who(q="anna") == set(), "only what an id begins with"
    assert who(q="c", negative=True) == set()
    assert who(q="b", negative=True, sort="name") == {"both"}
    assert who(sort="name", holding=True) == {"c1", "both"}
    for no_id in ("#", "c1#", "c1#wallet", "c 1"):
        assert who(q=no_id) == who(q=no_id, sort="name") == set(), "no part of a key is an id"


def test_a_filtered_list_is_paged_without_loss(api: Api) -> None:
    catalogue(api)
    ids = crowd(api, 40)
    owing = ids[::3]
    for client_id in owing:
        booked(api, f"b-{client_id}", client_id=client_id)
    found = [item["id"] for item in listed(api, "/v1/clients", limit=4, negative=True)]
    assert found == owing


def test_the_filters_are_about_settled_numbers_whatever_has_been_swept(api: Api) -> None:
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    paid(api, price="price_2")
    paid(api, client_id="c2")
    api.now[0] += 3 * DAY
    assert {i["id"]: i["balances"] for i in listed(api, "/v1/clients")} == {
        "c1": {"follow-up": 0},
        "c2": {"follow-up": 3},
    }
    assert [i["id"] for i in listed(api, "/v1/clients", holding=True)] == ["c2"]
    assert [i["id"] for i in listed(api, "/v1/clients", holding=False)] == ["c1"]


def test_a_lot_that_began_meanwhile_has_repaid_the_debt_that_the_filter_asks_for(api: Api) -> None:
    furnished(api)
    booked(api)
    begins = api.now[0] + DAY
    paid(api, subscription_item="si_1", period_start=begins, period_end=begins + 30 * DAY)
    assert [i["id"] for i in listed(api, "/v1/clients", negative=True)] == ["c1"]
    api.now[0] += 2 * DAY
    assert listed(api, "/v1/clients", negative=True) == []


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "1e1", "9" * 5000, "true"])
@pytest.mark.parametrize("path", ["/v1/clients", "/v1/packages", "/v1/appointment-types", "/v1/parked"])
def test_a_limit_outside_1_to_100_is_refused(api: Api, path: str, limit: str) -> None:
    reply = api("GET", path, limit=limit)
    assert (reply.status, set(reply.faults)) == (422, {"/query/limit"})


@pytest.mark.parametrize("name", ["negative", "holding"])
def test_a_filter_that_is_neither_true_nor_false_is_refused(api: Api, name: str) -> None:
    assert api("GET", "/v1/clients", **{name: "perhaps"}).faults.keys() == {f"/query/{name}"}


# --- Cursors


def test_a_cursor_is_good_for_its_practice_list_and_filters_only(api: Api) -> None:
    for practice in ("p1", "p2"):
        for number in range(4):
            client(api, f"c{number}", practice)
            put(api, f"/v1/appointment-types/t{number}", {"name": "T"}, practice=practice)
    cursor = read(api, "/v1/clients", limit=1)["next_cursor"]
    types = read(api, "/v1/appointment-types", limit=1)["next_cursor"]
    refused = [
        api("GET", "/v1/clients", cursor=cursor, practice="p2"),
        api("GET", "/v1/clients", cursor=cursor, negative=False),
        api("GET", "/v1/clients", cursor=cursor, holding=False),
        api("GET", "/v1/clients", cursor=cursor, q="c"),
        api("GET", "/v1/appointment-types", cursor=cursor),
        api("GET", "/v1/packages", cursor=types),
        api("GET", "/v1/parked", cursor=cursor),
        api("GET", "/v1/clients", cursor=types),
        api("GET", "/v1/appointment-types", cursor=types, practice="p2"),
    ]
    for reply in refused:
        assert (reply.status, reply.faults) == (422, {"/query/cursor": "bad_cursor"})
    assert api("GET", "/v1/clients", cursor=cursor).status == 200
    assert api("GET", "/v1/clients", cursor=cursor, limit=3).status == 200, "the limit may change"


def test_a_cursor_that_was_changed_is_refused_at_every_character(api: Api) -> None:
    for number in range(3):
        client(api, f"c{number}")
    cursor = read(api, "/v1/clients", limit=1)["next_cursor"]
    for place, letter in enumerate(cursor):
        other = "A" if letter != "A" else "B"
        changed = cursor[:place] + other + cursor[place + 1 :]
        reply = api("GET", "/v1/clients", cursor=changed)
        assert (reply.status, reply.faults) == (422, {"/query/cursor": "bad_cursor"}), place
    for odd in ("", "x", cursor[:-1], cursor + "A", cursor + "=", " " + cursor, "\x00", "ü", "A" * 5000, "A" * 5001):
        reply = api("GET", "/v1/clients", cursor=odd)
        assert (reply.status, set(reply.faults)) == (422, {"/query/cursor"}), odd


def test_a_cursor_tells_nobody_where_it_stands(api: Api) -> None:
    client(api, "secret-client-1", name="Zacharias")
    client(api, "secret-client-2", name="Zacharias")
    cursor = read(api, "/v1/clients", limit=1)["next_cursor"]
    assert "secret" not in cursor
    assert cursor == read(api, "/v1/clients", limit=1)["next_cursor"], "the same place, the same cursor"


def test_a_cursor_outlives_a_roll_of_its_key_whichever_worker_reads_it(api: Api) -> None:
    old, new = (b64encode(letter * 32).decode() for letter in (b"o", b"n"))
    stored = [old]

    def worker() -> Api:
        front = replace(api.front, cursor_keys=CursorKeys(lambda _: ",".join(stored), ""))
        return Api(front, api.store, api.now)

    for number in range(3):
        client(api, f"c{number}")
    late = worker()
    before = read(late, "/v1/clients", limit=1)["next_cursor"]
    stored[:] = [new, old]
    api.now[0] += timedelta(seconds=1)
    after = read(worker(), "/v1/clients", limit=1)["next_cursor"]
    assert before != after
    for cursor in (after, before):  # the late worker knows the old key only, until it sees the new cursor
        assert len(listed(late, "/v1/clients", limit=1, cursor=cursor)) == 2
        assert len(listed(worker(), "/v1/clients", limit=1, cursor=cursor)) == 2


def test_a_cursor_holds_for_as_long_as_the_list_is_read(api: Api) -> None:
    for number in range(3):
        client(api, f"c{number}")
    cursor = read(api, "/v1/clients", limit=1)["next_cursor"]
    api.now[0] += timedelta(days=30)
    assert len(listed(api, "/v1/clients", limit=1, cursor=cursor)) == 2
