"""Checkout sessions: Stripe's own page for one client and one package, opened with the practice's key."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import CLIENT_PAGE, PAGE_ORIGIN, Api, Reply, api_beside, api_on, outside, session_keys
from tests.support.builders import NOW
from tests.support.engines import Engine
from tests.support.stock import (
    balances,
    client,
    furnished,
    listed,
    nothing_written,
    package,
    paid,
    patch,
    read,
)
from tests.support.stripe_server import (
    CHECKOUT,
    LIVE_KEY,
    TEST_KEY,
    Fault,
    Object,
    StripeServer,
    a_price,
    stripe_server,
)

from client_credits.http.routes.checkout import origin_of
from client_credits.operations.context import STRIPE, Context
from client_credits.samples.events import stripe_event
from client_credits.store.store import Store
from client_credits.store.table import Write
from client_credits.stripe import work

T0 = int(NOW.timestamp())
PAGES = {"success_url": f"{PAGE_ORIGIN}/thanks?s={{CHECKOUT_SESSION_ID}}", "cancel_url": f"{CLIENT_PAGE}#buy"}
WANTED: dict[str, Any] = {"client_id": "c1", "package_id": "three-pack", **PAGES}


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    with stripe_server() as server:
        server.add(a_price("price_1"), a_price("price_m", "recurring"), a_price("price_old", active=False))
        yield server


def with_keys(api: Api, stripe: StripeServer, **keys: str) -> Api:
    """The API, whose practices have these keys."""
    held = {f"/stripe-api-key/{practice}": key for practice, key in keys.items()}
    reached = outside(session_keys(), held.get, stripe.url)
    return replace(api, front=replace(api.front, outside=reached))


@pytest.fixture
def api(memory: Engine, stripe: StripeServer) -> Api:
    api = with_keys(furnished(api_on(memory.fresh_store())), stripe, p1=TEST_KEY)
    client(api, "c2")
    return api


def buy(api: Api, key: str | None = "key-1", *, dry_run: bool = False, **more: Any) -> Reply:
    who = {name: more.pop(name) for name in ("role", "client", "bearer", "practice") if name in more}
    headers = {"idempotency-key": key} if key else {}
    return api("POST", "/v1/checkout-sessions", WANTED | more, headers=headers, dry_run=dry_run, **who)


def opened(api: Api, **more: Any) -> str:
    reply = buy(api, **more)
    assert reply.status == 200, reply
    return str(reply.body["url"])


# -- what Stripe is asked ------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"role": "service"}, {"role": "staff"}, {"client": "c1"}])
def test_the_page_sells_the_package_and_names_its_client_in_all_that_may_be_heard_of(
    api: Api, stripe: StripeServer, who: dict[str, str]
) -> None:
    assert opened(api, quantity=2, **who).startswith(f"{CHECKOUT}/c/pay/cs_test_1")
    ((key, session),) = stripe.opened
    metadata = {"client_id": "c1", "package_id": "three-pack", "quantity": "2"}
    assert session["mode"] == "payment"
    assert session["metadata"] == session["payment_intent_data"]["metadata"] == metadata
    assert session["client_reference_id"] == "c1"
    assert (session["success_url"], session["cancel_url"]) == tuple(PAGES.values())
    ((line,),) = [session["_lines"]]
    assert (line["price"]["id"], line["quantity"]) == ("price_1", 2)
    assert key.startswith("checkout_")


def test_a_recurring_price_is_sold_as_a_subscription(api: Api, stripe: StripeServer) -> None:
    package(api, stripe_prices=["price_m", "price_1"])
    opened(api)
    ((_, session),) = stripe.opened
    assert session["mode"] == "subscription"
    assert session["subscription_data"]["metadata"] == session["metadata"]
    assert "payment_intent_data" not in session


def test_a_package_without_a_price_at_stripe_is_sold_for_its_own(api: Api, stripe: StripeServer) -> None:
    package(api, stripe_prices=[], price={"amount": 9_000, "currency": "eur"})
    opened(api)
    ((_, session),) = stripe.opened
    assert (session["mode"], session["amount_total"]) == ("payment", 9_000)
    assert not [path for path in stripe.asked() if "prices" in path]


def test_a_client_of_any_id_is_named_so_that_its_payment_finds_it(api: Api, stripe: StripeServer) -> None:
    client(api, "a.~b")
    opened(api, client_id="a.~b")
    ((_, session),) = stripe.opened
    assert session["metadata"]["client_id"] == "a.~b"
    assert session["client_reference_id"] == "idb64_YS5-Yg"


def is_paid(api: Api, session: Object, **fields: Any) -> str:
    """The event of a session that was paid, worked off as if Stripe had sent it."""
    about = {name: value for name, value in session.items() if not name.startswith("_")}
    about |= {"payment_status": "paid", "status": "complete", "payment_intent": "pi_1", "created": T0}
    return hears(api, "checkout.session.completed", about | fields)


def hears(api: Api, type_: str, about: Object) -> str:
    event = {
        "id": f"evt_{type_}",
        "object": "event",
        "type": type_,
        "created": T0,
        "livemode": False,
        "data": {"object": about},
    }
    return work.handle(Context(api.store, "p1", STRIPE, NOW), None, "test", event, json.dumps(event))


@pytest.mark.parametrize(
    "sold", [{"stripe_prices": ["price_1"]}, {"stripe_prices": [], "price": {"amount": 1, "currency": "eur"}}]
)
def test_what_is_paid_on_the_page_is_granted_to_its_client(
    api: Api, stripe: StripeServer, sold: dict[str, Any]
) -> None:
    package(api, **sold)
    opened(api, client_id="c2", quantity=2)
    ((_, session),) = stripe.opened
    assert is_paid(api, session) == is_paid(api, session)
    assert balances(api, "c2")["follow-up"] == 6
    assert listed(api, "/v1/parked") == []


@pytest.mark.parametrize("session_first", [True, False])
def test_a_subscription_bought_on_the_page_is_granted_by_its_invoice_once(
    api: Api, stripe: StripeServer, session_first: bool
) -> None:
    package(api, stripe_prices=["price_FollowUpMonthly"])
    stripe.add(a_price("price_FollowUpMonthly", "recurring"))
    opened(api, client_id="c2", quantity=2)
    ((_, session),) = stripe.opened
    invoice = stripe_event("invoice-paid-first", {"client_id": "", "customer": "cus_new"})["data"]["object"]
    details = invoice["parent"]["subscription_details"]
    details["metadata"] = session["subscription_data"]["metadata"]
    (line,) = invoice["lines"]["data"]
    line |= {"quantity": 2, "quantity_decimal": "2"}
    steps = [
        lambda: is_paid(api, session, subscription=details["subscription"], customer="cus_new", payment_intent=None),
        lambda: hears(api, "invoice.paid", invoice),
    ]
    for step in steps if session_first else steps[::-1]:
        step()
    assert balances(api, "c2")["follow-up"] == 6
    assert listed(api, "/v1/parked") == []


def test_opening_a_page_grants_nothing(api: Api) -> None:
    opened(api)
    assert balances(api)["follow-up"] == 0


# -- once ----------------------------------------------------------------------------------------


def test_the_same_request_again_finds_the_page_it_opened(api: Api, stripe: StripeServer) -> None:
    first, again = buy(api), buy(api_with(api, stripe))
    assert (again.status, again.text) == (200, first.text)
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert len(stripe.opened) == 1
    for other in ({"quantity": 2}, {"client_id": "c2"}, {"cancel_url": PAGE_ORIGIN}):
        reused = buy(api, **other)
        assert (reused.status, reused.code) == (409, "idempotency_key_reused")
    missing = buy(api, None)
    assert (missing.status, missing.code) == (400, "idempotency_key_required")


def api_with(api: Api, stripe: StripeServer) -> Api:
    """Another worker."""
    return with_keys(api_beside(api), stripe, p1=TEST_KEY)


def test_eight_requests_at_once_open_one_page(api: Api, stripe: StripeServer) -> None:
    workers = [api_with(api, stripe) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(buy, workers))
    assert {(reply.status, reply.text) for reply in replies} == {(200, replies[0].text)}
    assert len(stripe.opened) == 1


def test_a_worker_that_died_after_stripe_answered_is_completed_by_the_same_request(
    api: Api, stripe: StripeServer
) -> None:
    class Dying(Store):
        def commit(self, items: Sequence[Write]) -> None:
            raise RuntimeError("the worker dies here")

    died = replace(api, front=replace(api.front, store=Dying(api.store.table)))
    with nothing_written(api):
        assert buy(died).status == 500
    (_, session) = stripe.opened[0]
    assert opened(api) == session["url"]
    assert len(stripe.opened) == 1
    assert buy(died, "key-2").status == 500
    changed = buy(api, "key-2", quantity=2)
    assert (changed.status, changed.code) == (409, "idempotency_key_reused"), "Stripe knows the key otherwise"


def test_a_clients_keys_are_apart_from_the_practices_and_from_other_clients(api: Api, stripe: StripeServer) -> None:
    urls = {
        opened(api, client="c1"),
        opened(api, client="c2", client_id="c2"),
        opened(api, role="staff"),
    }
    assert (len(urls), len(stripe.opened)) == (3, 3)
    assert len({key for key, _ in stripe.opened}) == 3, "at Stripe, too"


# -- who, and what -------------------------------------------------------------------------------


def test_a_client_buys_for_itself_alone_and_a_session_does_too(api: Api) -> None:
    others, absent = buy(api, client="c2"), buy(api, client="c2", client_id="never")
    assert (others.status, others.text) == (404, absent.text)
    session = api("POST", "/v1/client-sessions", {"client_id": "c1"}, role="service").body["token"]
    assert opened(api, bearer=session)


def test_a_client_not_yet_known_may_buy_where_its_payment_creates_it(api: Api) -> None:
    assert opened(api, client_id="c-new")
    patch(api, "/v1/settings", {"unknown_clients": "park"})
    assert buy(api, "key-2", client_id="c-new").status == 404


@pytest.mark.parametrize("quantity", [1, 2])
def test_what_would_pass_the_limit_is_refused_before_anyone_pays(api: Api, stripe: StripeServer, quantity: int) -> None:
    package(api, limit_per_client=2)
    paid(api, subscription=None, quantity=3 - quantity)
    reply = buy(api, quantity=quantity)
    assert (reply.status, reply.code, reply.body["limit_per_client"]) == (409, "limit_reached", 2)
    assert stripe.opened == []
    assert opened(api, key="key-2", client_id="c2", quantity=quantity), "another client has a count of its own"


def test_a_subscription_counts_once_whatever_its_quantity(api: Api, stripe: StripeServer) -> None:
    package(api, stripe_prices=["price_m"], limit_per_client=1)
    assert opened(api, quantity=3)
    paid(api, price="price_m", subscription_item="si_1")
    reply = buy(api, "key-2")
    assert (reply.status, reply.code) == (409, "limit_reached")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"package_id": "never"}, {"/package_id": "not_on_sale"}),
        ({"package_id": "old"}, {"/package_id": "not_on_sale"}),
        ({"package_id": "unpriced"}, {"/package_id": "no_price"}),
        ({"package_id": "p of another shape"}, {"/package_id": "string_pattern_mismatch"}),
        ({"quantity": 400_000}, {"/quantity": "out_of_range"}),
        ({"quantity": 0}, {"/quantity": "greater_than_equal"}),
        ({"client_id": "null"}, {"/client_id": "names_nobody"}),
        ({"success_url": "https://elsewhere.test/"}, {"/success_url": "foreign_origin"}),
        ({"cancel_url": f"{PAGE_ORIGIN}.evil.test/"}, {"/cancel_url": "foreign_origin"}),
        ({"price": "price_1"}, {"/price": "unknown_field"}),
    ],
)
def test_what_cannot_be_sold_is_refused_where_the_fault_is(
    api: Api, stripe: StripeServer, wrong: dict[str, Any], fault: dict[str, str]
) -> None:
    package(api, "old", stripe_prices=["price_2"], archived=True)
    package(api, "unpriced", stripe_prices=[])
    with nothing_written(api):
        reply = buy(api, **wrong)
    assert (reply.status, reply.faults) == (422, fault)
    assert stripe.requests == []


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://practice.test", "https://practice.test"),
        ("https://practice.test/a?b#c", "https://practice.test"),
        ("https://Practice.Test/A", "https://practice.test"),
        ("https://practice.test:8443/", "https://practice.test:8443"),
        ("https://practice.test?x", "https://practice.test"),
        ("https://practice.test@evil.test/", None),
        ("https://evil.test\\@practice.test/", None),
        ("https://practice.test\\.evil.test/", None),
        ("https://practice.test/\\evil", None),
        ("https:practice.test", None),
        ("//practice.test", None),
        ("javascript:alert(1)//https://practice.test", None),
        ("https://practice.test/ x", None),
        ("https://practice.test\n.evil.test", None),
    ],
)
def test_an_address_has_the_origin_that_a_browser_reads(address: str, origin: str | None) -> None:
    assert origin_of(address) == origin


def test_while_the_system_is_off_nothing_is_sold(api: Api, stripe: StripeServer) -> None:
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    reply = buy(api, client="c1")
    assert (reply.status, reply.code) == (409, "credits_disabled")
    assert stripe.requests == []


def test_a_rehearsal_checks_everything_and_opens_nothing(api: Api, stripe: StripeServer) -> None:
    with nothing_written(api):
        assert buy(api, dry_run=True).body == {"url": None}
        assert buy(api, dry_run=True, package_id="never").status == 422
    assert stripe.opened == []
    package(api, limit_per_client=1)
    assert buy(api, dry_run=True, quantity=2).code == "limit_reached"


# -- keys and Stripe's own trouble -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({}, "stripe_key_missing"),
        ({"p2": TEST_KEY}, "stripe_key_missing"),
        ({"p1": LIVE_KEY}, "stripe_key_mode"),
        ({"p1": "rk_test_" + "x" * 24}, "stripe_key_refused"),
    ],
)
def test_without_a_key_that_serves_the_answer_says_what_to_do(
    api: Api, stripe: StripeServer, keys: dict[str, str], code: str
) -> None:
    api = with_keys(api, stripe, **keys)
    with nothing_written(api):
        reply = buy(api)
    assert (reply.status, reply.code, reply.faults) == (422, "invalid", {"": code})
    assert TEST_KEY not in reply.text


def test_a_key_that_may_not_write_says_so(api: Api, stripe: StripeServer) -> None:
    stripe.faults.append(Fault(status=403, path="checkout/sessions"))
    assert buy(api).faults == {"": "stripe_key_refused"}


@pytest.mark.parametrize(("prices", "code"), [(["price_old"], "price_inactive"), (["price_gone"], "resource_missing")])
def test_what_stripe_refuses_is_422_with_stripes_code(
    api: Api, prices: list[str], code: str, stripe: StripeServer
) -> None:
    package(api, stripe_prices=prices)
    with nothing_written(api):
        reply = buy(api)
    assert (reply.status, reply.faults) == (422, {"/package_id": "stripe_refused"})
    assert code in reply.body["errors"][0]["detail"]


FAULTS = [
    Fault(status=500),
    Fault(status=503),
    Fault(status=429, headers={"Retry-After": "9"}),
    Fault(status=409),
    Fault(drop=True),
    Fault(status=200, body="<html>"),
    Fault(status=200, body='{"object": "checkout.session", "id": "cs_1", "url": null}'),
]


@pytest.mark.parametrize("path", ["prices", "checkout/sessions"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.body or fault.drop or fault.status))
def test_while_stripe_is_away_the_same_request_is_to_be_sent_again(
    api: Api, stripe: StripeServer, fault: Fault, path: str
) -> None:
    stripe.faults.append(replace(fault, path=path))
    with nothing_written(api):
        reply = buy(api)
    assert (reply.status, reply.code, reply.headers["Retry-After"]) == (503, "unavailable", "1")
    assert len(stripe.requests) <= 2, "nothing is tried twice within one request"
    assert opened(api)


def test_nothing_of_the_key_or_of_stripes_words_is_logged_or_answered(
    api: Api, stripe: StripeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    package(api, stripe_prices=["price_gone"])
    replies = [buy(api), buy(with_keys(api, stripe, p1="rk_test_" + "x" * 24))]
    stripe.faults.append(Fault(status=500))
    replies.append(buy(api))
    url = opened(with_priced(api))
    logged = capsys.readouterr().out
    for hidden in (TEST_KEY, "xxxxxxxx", "No such price", url):
        assert hidden not in logged
        assert not [reply for reply in replies if hidden in reply.text]
    assert read(api, "/v1/clients/c1")["id"] == "c1"


def with_priced(api: Api) -> Api:
    package(api, stripe_prices=["price_1"])
    return api
