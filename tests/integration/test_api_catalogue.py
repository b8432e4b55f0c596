"""Appointment types and packages over HTTP: created, replaced, mapped to prices, archived, listed."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import Api, api_beside
from tests.support.builders import DAY, NOW, a_package
from tests.support.stock import (
    OFFERED,
    balances,
    catalogue,
    client,
    furnished,
    listed,
    nothing_written,
    package,
    pages,
    paid,
    put,
    read,
)

from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.records import Account
from client_credits.store import writes
from client_credits.store.codec import to_json

PACKAGE = "/v1/packages/ten-pack"
DEFAULTS: dict[str, Any] = {
    "description": None,
    "price": None,
    "limit_per_client": None,
    "url": None,
    "credits": {},
    "renews_each_cycle": True,
    "expiry": {"kind": "never"},
    "rollover_cap": 0,
    "trial_grants": False,
    "monthly_tranches": False,
    "stripe_prices": [],
    "archived": False,
}
FULL: dict[str, Any] = {
    "name": "Ten sessions",
    "description": "Ten sessions within half a year",
    "price": {"amount": 90_000, "currency": "eur"},
    "limit_per_client": 2,
    "url": "https://practice.test/ten",
    "credits": {"follow-up": 9, "initial": 1},
    "renews_each_cycle": False,
    "expiry": {"kind": "months", "n": 6},
    "rollover_cap": 0,
    "trial_grants": True,
    "monthly_tranches": True,
    "stripe_prices": ["price_a", "price_b"],
    "archived": False,
}


# --- Appointment types


def test_an_appointment_type_is_created_with_201_and_replaced_with_200(api: Api) -> None:
    path = "/v1/appointment-types/follow-up"
    first = put(api, path, {"name": "Follow-up", "bookable_without_credits": True})
    assert first.status == 201
    assert first.body == {
        "id": "follow-up",
        "name": "Follow-up",
        "bookable_without_credits": True,
        "archived": False,
    }
    second = put(api, path, {"name": "Follow-up 50'", "archived": True})
    assert second.status == 200
    assert second.body["bookable_without_credits"] is False, "an omitted field takes its default"
    assert read(api, path) == second.body


def test_the_id_may_be_repeated_and_not_changed(api: Api) -> None:
    put(api, "/v1/appointment-types/initial", {"id": "initial", "name": "Initial"})
    put(api, "/v1/packages/p", {"id": "p", "name": "P"})
    put(api, "/v1/clients/c", {"id": "c"})
    for path, body in (
        ("/v1/appointment-types/initial", {"name": "Initial"}),
        ("/v1/packages/p", {"name": "P"}),
        ("/v1/clients/c", {}),
    ):
        reply = api("PUT", path, body | {"id": "other"})
        assert (reply.status, reply.faults) == (422, {"/id": "mismatch"})


def test_putting_the_same_again_writes_nothing(api: Api) -> None:
    catalogue(api)
    put(api, PACKAGE, FULL)
    put(api, "/v1/clients/c1", {"name": "Anna", "stripe_customers": ["cus_1"]})
    with nothing_written(api):
        assert put(api, PACKAGE, FULL).status == 200
        assert put(api, "/v1/appointment-types/initial", {"name": "Initial"}).status == 200
        assert put(api, "/v1/clients/c1", {"name": "Anna", "stripe_customers": ["cus_1"]}).status == 200


def test_an_archived_type_keeps_its_credits_and_is_no_longer_offered(api: Api) -> None:
    furnished(api)
    paid(api)
    put(api, "/v1/appointment-types/follow-up", {"name": "Follow-up", "archived": True})
    assert balances(api)["follow-up"] == 3
    assert [i["appointment_type"] for i in read(api, "/v1/eligibility", client_id="c1")["items"]] == ["initial"]


# --- Packages


def test_a_package_is_created_with_201_and_replaced_with_200(api: Api) -> None:
    catalogue(api)
    first = put(api, PACKAGE, FULL)
    assert (first.status, first.body) == (201, {"id": "ten-pack"} | FULL)
    second = put(api, PACKAGE, {"name": "Bare"})
    assert (second.status, second.body) == (200, {"id": "ten-pack", "name": "Bare"} | DEFAULTS)
    assert read(api, PACKAGE) == second.body


@pytest.mark.parametrize(
    "expiry",
    [
        {"kind": "never"},
        {"kind": "days", "n": 1},
        {"kind": "days", "n": 3650},
        {"kind": "months", "n": 120},
        {"kind": "cycle_end"},
        {"kind": "date", "date": "2027-12-31"},
        {"kind": "date", "date": "2028-02-29"},
        {"kind": "date", "date": "2027-12-31T23:59:59+02:00"},
        {"kind": "date", "date": "2027-12-31T23:59:59.5Z"},
    ],
    ids=str,
)
def test_every_kind_of_expiry_is_reported_back_as_it_was_given(api: Api, expiry: dict[str, Any]) -> None:
    catalogue(api)
    assert put(api, PACKAGE, {"name": "P", "expiry": expiry}).body["expiry"] == expiry
    assert read(api, PACKAGE)["expiry"] == expiry


WRONG: list[tuple[str, Any, str]] = [
    ("name", "", "/name"),
    ("name", "x" * 201, "/name"),
    ("name", 7, "/name"),
    ("name", None, "/name"),
    ("url", "ftp://practice.test", "/url"),
    ("url", "https://a b", "/url"),
    ("url", "https://x/" + "a" * 2041, "/url"),
    ("credits", {"follow-up": -1}, "/credits/follow-up"),
    ("credits", {"follow-up": 1_000_001}, "/credits/follow-up"),
    ("credits", {"follow-up": 1.0}, "/credits/follow-up"),
    ("credits", {"follow-up": True}, "/credits/follow-up"),
    ("credits", {"follow-up": "3"}, "/credits/follow-up"),
    ("credits", {"a b": 1}, "/credits/a b"),
    ("credits", {f"t{n}": 1 for n in range(26)}, "/credits"),
    ("credits", ["follow-up"], "/credits"),
    ("renews_each_cycle", 1, "/renews_each_cycle"),
    ("trial_grants", "yes", "/trial_grants"),
    ("archived", 0, "/archived"),
    ("expiry", {"kind": "weeks", "n": 1}, "/expiry/kind"),
    ("expiry", {"kind": "days"}, "/expiry"),
    ("expiry", {"kind": "days", "n": 0}, "/expiry/n"),
    ("expiry", {"kind": "days", "n": 3651}, "/expiry/n"),
    ("expiry", {"kind": "days", "n": "3"}, "/expiry/n"),
    ("expiry", {"kind": "days", "n": 10**1000}, "/expiry/n"),
    ("expiry", {"kind": "months", "n": 121}, "/expiry"),
    ("expiry", {"kind": "never", "n": 3}, "/expiry"),
    ("expiry", {"kind": "never", "date": "2027-01-01"}, "/expiry"),
    ("expiry", {"kind": "cycle_end", "n": 1}, "/expiry"),
    ("expiry", {"kind": "date"}, "/expiry"),
    ("expiry", {"kind": "date", "date": "2027-02-29"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "2027-W01-1"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "20271231"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "2027-12-31T12:00:00"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "9999-12-31"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "0001-01-01T00:00:00+14:00"}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": 20271231}, "/expiry/date"),
    ("expiry", {"kind": "date", "date": "soon"}, "/expiry/date"),
    ("expiry", "never", "/expiry"),
    ("stripe_prices", "price_1", "/stripe_prices"),
    ("stripe_prices", ["price 1"], "/stripe_prices/0"),
    ("stripe_prices", [""], "/stripe_prices/0"),
    ("stripe_prices", [None], "/stripe_prices/0"),
    ("stripe_prices", [f"price_{n}" for n in range(41)], "/stripe_prices"),
    ("rollover_cap", -1, "/rollover_cap"),
    ("rollover_cap", 1_000_001, "/rollover_cap"),
    ("rollover_cap", 1.0, "/rollover_cap"),
    ("rollover_cap", "3", "/rollover_cap"),
    ("rollover_cap", False, "/rollover_cap"),
    ("rollover_cap", 3, "/rollover_cap"),  # without an end at a cycle's end
    ("rollover_cap", None, "/rollover_cap"),
    ("monthly_tranches", 1, "/monthly_tranches"),
    ("monthly_tranches", None, "/monthly_tranches"),
    ("price", "price_1", "/price"),
    ("price", {"amount": 1}, "/price/currency"),
    ("price", {"amount": 1, "currency": "EUR"}, "/price/currency"),
    ("price", {"amount": -1, "currency": "eur"}, "/price/amount"),
    ("price", {"amount": 1.5, "currency": "eur"}, "/price/amount"),
    ("price", {"amount": 10**12, "currency": "eur"}, "/price/amount"),
    ("limit_per_client", 0, "/limit_per_client"),
    ("limit_per_client", "1", "/limit_per_client"),
    ("limit_per_client", 1.0, "/limit_per_client"),
    ("limit_per_client", 1_000_001, "/limit_per_client"),
    ("description", "", "/description"),
    ("description", "a" * 2001, "/description"),
]


@pytest.mark.parametrize(("name", "value", "pointer"), WRONG, ids=[f"{w[0]}={str(w[1])[:40]}" for w in WRONG])
def test_a_package_that_cannot_be_meant_is_refused_where_the_fault_is(
    api: Api, name: str, value: Any, pointer: str
) -> None:
    catalogue(api)
    with nothing_written(api):
        reply = api("PUT", PACKAGE, {"name": "P"} | {name: value})
    assert (reply.status, reply.code) == (422, "invalid")
    assert set(reply.faults) == {pointer}


@pytest.mark.parametrize("cap", [0, 1, 1_000_000, None])
def test_a_cap_on_what_rolls_over_is_reported_back_as_it_was_given(api: Api, cap: int | None) -> None:
    catalogue(api)
    wanted = {"name": "P", "expiry": {"kind": "cycle_end"}, "rollover_cap": cap, "monthly_tranches": True}
    for stated in (put(api, PACKAGE, wanted).body, read(api, PACKAGE)):
        assert (stated["rollover_cap"], stated["monthly_tranches"]) == (cap, True)


@pytest.mark.parametrize(
    "expiry", [{"kind": "never"}, {"kind": "months", "n": 1}, {"kind": "date", "date": "2027-01-31"}]
)
@pytest.mark.parametrize("cap", [1, None])
def test_only_what_ends_with_a_cycle_rolls_over(api: Api, expiry: dict[str, Any], cap: int | None) -> None:
    catalogue(api)
    with nothing_written(api):
        reply = api("PUT", PACKAGE, {"name": "P", "expiry": expiry, "rollover_cap": cap})
    assert (reply.status, reply.code) == (422, "invalid")
    assert reply.faults == {"/rollover_cap": "needs_cycle_end"}


def test_a_refusal_repeats_nothing_of_what_was_sent(api: Api) -> None:
    """A fault names its place; a value may be a secret that went astray."""
    reply = api("PUT", PACKAGE, {"name": 5, "url": "sk_live_x", "expiry": {"kind": "date", "date": "sk_live_y"}})
    assert reply.status == 422
    assert "sk_live" not in reply.text


def test_every_fault_is_named_up_to_a_hundred(api: Api) -> None:
    reply = api("PUT", PACKAGE, {f"field{n}": n for n in range(3)} | {"credits": {"x y": -1}})
    assert {"/name", "/field0", "/field1", "/field2", "/credits/x y"} <= set(reply.faults)
    crowd = api("PUT", PACKAGE, {"name": "P", "credits": {f"!{n}": -1 for n in range(18_000)}})
    assert crowd.status == 422
    assert len(crowd.body["errors"]) <= 100
    assert len(crowd.text) < 100_000


def test_types_that_are_not_in_the_catalogue_are_refused_each_by_name(api: Api) -> None:
    catalogue(api, "follow-up")
    with nothing_written(api):
        reply = api("PUT", PACKAGE, {"name": "P", "credits": {"follow-up": 1, "massage": 2, "yoga": 3}})
    assert reply.status == 422
    assert reply.faults == {
        "/credits/massage": "unknown_appointment_type",
        "/credits/yoga": "unknown_appointment_type",
    }


def test_a_price_belongs_to_one_package(api: Api) -> None:
    furnished(api)
    with nothing_written(api):
        reply = api("PUT", PACKAGE, {"name": "P", "stripe_prices": ["price_2", "price_1"]})
    assert (reply.status, reply.code, reply.body["package_id"]) == (409, "already_mapped", "three-pack")
    put(api, "/v1/packages/three-pack", {"name": "Three", "stripe_prices": []})
    assert put(api, PACKAGE, {"name": "P", "stripe_prices": ["price_1"]}).status == 201


def test_an_archived_package_still_holds_its_price(api: Api) -> None:
    """A late payment of the old price must be parked, not granted as another package's."""
    furnished(api)
    package(api, archived=True)
    assert api("PUT", PACKAGE, {"name": "P", "stripe_prices": ["price_1"]}).code == "already_mapped"


def test_a_price_given_twice_counts_once(api: Api) -> None:
    assert put(api, PACKAGE, {"name": "P", "stripe_prices": ["b", "a", "b"]}).body["stripe_prices"] == ["b", "a"]


def test_archiving_hides_a_package_from_clients_and_parks_later_payments(api: Api) -> None:
    furnished(api)
    package(api, "other", credits={"initial": 1}, stripe_prices=["price_2"])
    paid(api)
    api.now[0] += DAY
    package(api, archived=True)
    assert read(api, "/v1/packages/three-pack")["archived"] is True
    assert [p["id"] for p in read(api, "/v1/packages")["items"]] == ["other", "three-pack"]
    assert [p["id"] for p in read(api, "/v1/packages", client="c1")["items"]] == ["other"]
    assert read(api, "/v1/eligibility", client_id="c1", appointment_type="follow-up")["packages"] == []
    paid(api)
    assert balances(api)["follow-up"] == 3, "nothing is taken back and nothing granted"
    (parked,) = read(api, "/v1/parked")["items"]
    assert parked["reason"] == "package_archived"


def test_a_payment_from_before_the_archiving_still_grants(api: Api) -> None:
    furnished(api)
    api.now[0] += DAY
    package(api, archived=True)
    paid(api, paid_at=NOW)
    assert balances(api)["follow-up"] == 3


def test_archiving_twice_keeps_the_first_instant(api: Api) -> None:
    furnished(api)
    package(api, archived=True)
    api.now[0] += 2 * DAY
    package(api, archived=True, name="Three, renamed")
    paid(api, paid_at=NOW + DAY)
    assert read(api, "/v1/parked")["items"][0]["reason"] == "package_archived"


def test_unarchiving_brings_a_package_back_on_sale(api: Api) -> None:
    furnished(api)
    package(api, archived=True)
    package(api)
    paid(api)
    assert balances(api)["follow-up"] == 3


def test_editing_a_package_changes_no_lot_already_granted(api: Api) -> None:
    furnished(api)
    paid(api)
    before = read(api, "/v1/clients/c1/credits/follow-up/lots")
    package(api, credits={"follow-up": 7}, expiry={"kind": "days", "n": 1})
    assert read(api, "/v1/clients/c1/credits/follow-up/lots") == before
    paid(api)
    assert balances(api)["follow-up"] == 10


def test_a_package_without_credits_grants_nothing_and_says_so(api: Api) -> None:
    furnished(api)
    package(api, "bare", credits={}, stripe_prices=["price_2"])
    (outcome,) = paid(api, price="price_2")
    assert outcome.fate == "no_credits"
    assert balances(api) == {"follow-up": 0, "initial": 0}
    assert read(api, "/v1/parked")["items"] == []


def crowd(size: int, letter: str) -> dict[str, Package]:
    ids = [f"p{number:04}" for number in range(size)]
    return {p: a_package(p, name=letter * 200, credits={}, stripe_prices=()) for p in ids}


@pytest.mark.parametrize("letter", ["n", "\N{SEEDLING}"], ids=["one byte", "four bytes"])
def test_a_full_catalogue_is_refused_with_limit_reached(api: Api, letter: str) -> None:
    """One item, of at most 400 KB in bytes, holds it: what would not fit is refused, not broken."""
    furnished(api)
    full = replace(OFFERED, packages=crowd(1000, letter), version=1)
    each = len(to_json(full).encode()) // 1000
    full = replace(full, packages=crowd(349_900 // each, letter))
    account = Account("p1", created_at=NOW, catalogue_version=2, version=2)
    api.store.commit([writes.account(account), writes.catalogue("p1", full)])
    with nothing_written(api):
        reply = api("PUT", PACKAGE, {"name": letter * 200})
    assert (reply.status, reply.code) == (409, "limit_reached")
    assert put(api, "/v1/packages/p0000", {"name": "short"}).status == 200


# --- Lists


@pytest.mark.parametrize("what", ["appointment-types", "packages"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_list_is_paged_without_loss_or_duplicates(api: Api, what: str, limit: int) -> None:
    ids = ["a", "B", "c", "~", "0"]
    for each in ids:
        put(api, f"/v1/{what}/{each}", {"name": each})
    found = [item["id"] for item in listed(api, f"/v1/{what}", limit=limit)]
    assert sorted(found) == sorted(ids)
    sizes = [len(page) for page in pages(api, f"/v1/{what}", limit=limit)]
    assert all(size == limit for size in sizes[:-1])
    assert len(sizes) == -(-len(ids) // limit), "no empty page at the end"


def test_what_is_added_while_paging_does_not_disturb_what_follows(api: Api) -> None:
    for each in ("b", "d"):
        put(api, f"/v1/appointment-types/{each}", {"name": each})
    first = read(api, "/v1/appointment-types", limit=1)
    put(api, "/v1/appointment-types/a", {"name": "a"})
    put(api, "/v1/appointment-types/c", {"name": "c"})
    rest = listed(api, "/v1/appointment-types", limit=1, cursor=first["next_cursor"])
    assert [item["id"] for item in rest] == ["c", "d"]


def test_a_clients_page_of_packages_skips_archived_ones_and_stays_full(api: Api) -> None:
    client(api)
    for number in range(6):
        package(api, f"p{number}", credits={}, stripe_prices=[], archived=number % 2 == 0)
    found = [[p["id"] for p in page] for page in pages(api, "/v1/packages", limit=2, client="c1")]
    assert found == [["p1", "p3"], ["p5"]]


def test_a_write_is_seen_by_every_later_request_of_any_worker(api: Api) -> None:
    """Each worker keeps a copy of the catalogue; the settings name its version."""
    other = api_beside(api)
    furnished(api)
    assert read(other, "/v1/packages/three-pack")["name"] == "Three sessions"
    package(api, name="Three, renamed")
    assert read(other, "/v1/packages/three-pack")["name"] == "Three, renamed"
    assert [p["name"] for p in read(other, "/v1/packages")["items"]] == ["Three, renamed"]
    package(api, credits={"follow-up": 5})
    paid(other)
    assert balances(other)["follow-up"] == balances(api)["follow-up"] == 5
    put(other, "/v1/appointment-types/massage", {"name": "Massage"})
    assert balances(api)["massage"] == 0
