"""What was paid for credits, for staff beside the package in a client's history, and for nobody else."""

from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW, a_line, a_payment
from tests.support.stock import booked, client, counted, furnished, listed, package, paid, read

from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.paying import pay

HISTORY = "/v1/clients/c1/credits/follow-up/history"


@pytest.fixture
def shop(api: Api) -> Api:
    return furnished(api)


def amounts(api: Api, path: str = HISTORY, **query: Any) -> list[tuple[str, int | None, str | None]]:
    """What happened, each with the amount paid, oldest first."""
    found = listed(api, path, **({"role": "staff"} | query))
    causes = [(entry["kind"], entry["cause"]) for entry in reversed(found)]
    return [(kind, cause.get("amount"), cause.get("currency")) for kind, cause in causes]


def test_staff_see_beside_the_package_what_was_paid(shop: Api) -> None:
    paid(shop, amount=9000, currency="eur")
    booked(shop)
    paid(shop, amount=12_500, currency="chf", charged=10_000)  # after a discount
    assert amounts(shop) == [("granted", 9000, "eur"), ("spent", None, None), ("granted", 10_000, "chf")]
    assert amounts(shop, role="admin", limit=1) == amounts(shop)
    newest = read(shop, HISTORY, role="staff")["items"][0]["cause"]
    assert (newest["package_id"], newest["amount"], newest["currency"]) == ("three-pack", 10_000, "chf")


def test_of_several_types_each_history_says_what_the_whole_line_cost(shop: Api) -> None:
    package(shop, "both", credits={"follow-up": 3, "initial": 1}, stripe_prices=["price_2"])
    paid(shop, price="price_2", amount=20_000)
    for each in ("follow-up", "initial"):
        assert amounts(shop, f"/v1/clients/c1/credits/{each}/history") == [("granted", 20_000, "eur")]


def test_of_several_lines_each_grant_says_its_own(shop: Api) -> None:
    package(shop, "short", stripe_prices=["price_2"])
    lines = a_line("il_1", amount=9000), a_line("il_2", price="price_2", amount=4000)
    pay(Context(shop.store, "p1", STRIPE, shop.now[0]), a_payment("in_1", *lines, subscription=None))
    assert sorted(amounts(shop)) == [("granted", 4000, "eur"), ("granted", 9000, "eur")]


def test_a_month_of_a_yearly_plan_says_what_the_year_cost_also_before_it_is_written(shop: Api) -> None:
    package(shop, "yearly", stripe_prices=["price_2"], monthly_tranches=True)
    cycle = {"subscription_item": "si_1", "period_start": NOW, "period_end": NOW + 365 * DAY}
    paid(shop, price="price_2", amount=36_000, **cycle)
    shop.now[0] += 40 * DAY
    assert amounts(shop) == [("granted", 36_000, "eur")] * 2


def test_what_nothing_was_paid_for_names_no_amount(shop: Api) -> None:
    client(shop, "c2")
    key = {"idempotency-key": "g"}
    assert shop("POST", "/v1/clients/c1/grants", {"package_id": "three-pack"}, headers=key).status == 200
    give = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 1}
    assert shop("POST", "/v1/transfers", give, headers={"idempotency-key": "t"}).status == 200
    paid(shop, client_id="c2")
    give = give | {"from_client_id": "c2", "to_client_id": "c1"}
    assert shop("POST", "/v1/transfers", give, headers={"idempotency-key": "t2"}).status == 200
    assert amounts(shop) == [(kind, None, None) for kind in ("granted", "transferred_out", "transferred_in")]


def test_a_free_payment_says_that_it_was_free(shop: Api) -> None:
    package(shop, "free", stripe_prices=["price_2"])
    paid(shop, price="price_2", amount=9000, charged=0, subscription=None)
    assert amounts(shop) == [("granted", 0, "eur")]


def test_the_client_and_a_service_see_no_amount(shop: Api) -> None:
    paid(shop, amount=4321)
    for asks in ({"client": "c1"}, {"role": "service"}):
        reply = shop("GET", HISTORY, **asks)
        assert reply.status == 200
        (entry,) = reply.body["items"]
        assert entry["cause"]["package_id"] == "three-pack"
        assert not {"amount", "currency"} & set(entry["cause"])
        assert "4321" not in reply.text


def test_a_merged_record_keeps_what_was_paid_for_it(shop: Api) -> None:
    client(shop, "old")
    paid(shop, client_id="old", amount=7000)
    merge = shop("POST", "/v1/clients/old/merge", {"into": "c1"}, headers={"idempotency-key": "m"})
    assert merge.status == 200
    assert ("granted", 7000, "eur") in amounts(shop)


def test_staff_who_resolve_a_parked_payment_see_what_was_paid(shop: Api) -> None:
    paid(shop, client_id=None, customer="cus_9", subscription=None, amount=5000)
    (parked,) = read(shop, "/v1/parked")["items"]
    done = shop("POST", f"/v1/parked/{parked['id']}/resolve", {"client_id": "c1"}, role="staff")
    assert [entry["cause"]["amount"] for entry in done.body["entries"]] == [5000]


def test_the_amount_costs_no_request_more(shop: Api) -> None:
    paid(shop)
    read(shop, HISTORY, role="service")  # the catalogue is known from then on
    with counted(shop) as without:
        read(shop, HISTORY, role="service")
    with counted(shop) as with_amount:
        read(shop, HISTORY, role="staff")
    assert with_amount == without
