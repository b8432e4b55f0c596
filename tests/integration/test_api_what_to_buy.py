"""What a client is offered: packages that it may buy, with links that name it, and nothing while the system is off."""

from typing import Any

import pytest
from tests.support.api import Api, api_on
from tests.support.builders import NOW
from tests.support.engines import Engine
from tests.support.stock import booked, client, counted, furnished, no_debt, nothing_written, package, paid, patch, read

from client_credits.domain.payments.facts import MoneyBack, Refund, RefundStatus
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.money_back import apply_money_back

INTRO: dict[str, Any] = {"name": "Intro", "credits": {"follow-up": 1}, "stripe_prices": ["price_intro"]}


@pytest.fixture
def api(memory: Engine) -> Api:
    """A practice with a package that one client may buy once, and one without a limit."""
    api = furnished(api_on(memory.fresh_store()))
    package(api, "intro", **INTRO, limit_per_client=1)
    client(api, "c2")
    no_debt(api)
    return api


def listed(api: Api, client_id: str = "c1") -> list[str]:
    return [each["id"] for each in read(api, "/v1/packages", client=client_id)["items"]]


def helping(api: Api, client_id: str = "c1", **who: Any) -> list[str]:
    """The packages that eligibility names to a client short of credits."""
    query = {"client_id": client_id, "appointment_type": "follow-up", "seats": 9}
    return [each["id"] for each in read(api, "/v1/eligibility", **query, **who)["packages"]]


def buys_intro(api: Api, client_id: str = "c1") -> None:
    (outcome,) = paid(
        api, price="price_intro", client_id=client_id, payment_intent="pi_1", subscription=None, paid=9_000
    )
    assert outcome.fate == "granted"


def test_a_package_bought_as_often_as_it_may_be_is_offered_no_more(api: Api) -> None:
    assert (listed(api), helping(api)) == (["intro", "three-pack"], ["intro", "three-pack"])
    buys_intro(api)
    assert (listed(api), helping(api), helping(api, client="c1")) == (["three-pack"],) * 3
    assert (listed(api, "c2"), helping(api, "c2")) == (["intro", "three-pack"],) * 2
    jointly = {"client_id": "c1", "sessions": [{"appointment_type": "follow-up", "starts_at": "2027-01-01T09:00:00Z"}]}
    booked(api)
    (one,) = api("POST", "/v1/eligibility", jointly).body["sessions"]
    assert [each["id"] for each in one["packages"]] == ["three-pack"]


def test_staff_see_every_package_whoever_bought_it(api: Api) -> None:
    buys_intro(api)
    assert [each["id"] for each in read(api, "/v1/packages", role="staff")["items"]] == ["intro", "three-pack"]


def test_what_was_refunded_in_full_may_be_bought_again(api: Api) -> None:
    buys_intro(api)
    refund = Refund("re_1", 9_000, RefundStatus.SUCCEEDED, NOW)
    news = MoneyBack("evt_r", "own", "test", NOW, payment_intent="pi_1", refunds=(refund,))
    apply_money_back(Context(api.store, "p1", STRIPE, NOW), news)
    assert (listed(api), helping(api)) == (["intro", "three-pack"],) * 2


def test_asking_costs_one_read_until_a_limit_is_reached(api: Api) -> None:
    listed(api)
    for ask in (listed, helping):
        with counted(api) as calls:
            ask(api)
        assert calls == {"BatchGetItem": 1}
    buys_intro(api)
    for ask in (listed, helping):
        with counted(api) as calls:
            ask(api)
        assert calls == {"BatchGetItem": 2}


def test_an_archived_package_is_not_offered(api: Api) -> None:
    package(api, "intro", **INTRO, archived=True)
    assert (listed(api), helping(api)) == (["three-pack"], ["three-pack"])


def test_a_client_reads_a_packages_description_and_price(api: Api) -> None:
    given = {"description": "Your first visit.", "price": {"amount": 4_900, "currency": "eur"}}
    package(api, "intro", **INTRO, **given)
    shown = read(api, "/v1/packages/intro", client="c1")
    assert {name: shown[name] for name in given} == given
    assert "stripe_prices" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://p.test/buy",
        "https://user:word@p.test/",
        "https://buy.stripe.com@p.test/",
        "https://p.test\\@buy.stripe.com/",
        "https://p.test/\\evil",
        "https://p.test/a b",
        "https://p.test/\n",
        "https://p.test/\x00",
        "https://p.test/\x85",
        "https://p.test/\u202e",
        "https://p.test/<script>",
        'https://p.test/"onclick',
        "https://{client_reference}/",
        "https://[p.test/",
        "https://p\u2100.test/",
        "https:///buy",
        "https:p.test",
        "//p.test/buy",
        "javascript:alert(1)//https://p.test",
        "https://p.test:port/",
    ],
)
def test_a_link_that_is_not_https_or_may_be_read_two_ways_is_refused(api: Api, url: str) -> None:
    package(api, "intro", **INTRO)
    with nothing_written(api):
        assert api("PUT", "/v1/packages/intro", {**INTRO, "url": url}).faults.keys() == {"/url"}
        assert api("PATCH", "/v1/settings", {"packages_url": url}).faults.keys() == {"/packages_url"}


@pytest.mark.parametrize(
    "url", ["https://p.test", "https://p.test:8443?a=b", "https://xn--pcks-0qa.test/#päckchen", "https://p.test/{x}"]
)
def test_any_other_https_link_is_taken_as_it_is(api: Api, url: str) -> None:
    package(api, "intro", **INTRO, url=url)
    patch(api, "/v1/settings", {"packages_url": url})
    assert read(api, "/v1/packages/intro", client="c1")["url"] == url


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://buy.stripe.com/x", "https://buy.stripe.com/x?client_reference_id=idb64_YS5-Yg"),
        ("https://p.test/buy?c={client_reference}", "https://p.test/buy?c=idb64_YS5-Yg"),
        ("https://p.test/buy", "https://p.test/buy"),
    ],
)
def test_links_name_the_client_in_characters_that_stripe_keeps(api: Api, url: str, link: str) -> None:
    client(api, "a.~b")
    package(api, "intro", **INTRO, url=url)
    patch(api, "/v1/settings", {"packages_url": url})
    shown = {each["id"]: each["url"] for each in read(api, "/v1/packages", client="a.~b")["items"]}
    assert shown == {"intro": link, "three-pack": None}
    assert read(api, "/v1/packages/intro", client="a.~b")["url"] == link
    assert read(api, "/v1/me", client="a.~b")["practice"]["packages_url"] == link
    assert read(api, "/v1/packages/intro")["url"] == read(api, "/v1/me")["practice"]["packages_url"] == url
    query = {"client_id": "a.~b", "appointment_type": "follow-up"}
    for who in ({"client": "a.~b"}, {"role": "service"}):
        assert {each["url"] for each in read(api, "/v1/eligibility", **query, **who)["packages"]} == {link}


# -- off -----------------------------------------------------------------------------------------


def off(api: Api) -> Api:
    paid(api)
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    return api


def session(api: Api) -> dict[str, str]:
    reply = api("POST", "/v1/client-sessions", {"client_id": "c1"}, role="service")
    assert reply.status == 200, reply
    return {"bearer": reply.body["token"]}


@pytest.mark.parametrize("by_session", [False, True], ids=["a token of the issuer", "a session"])
def test_while_the_system_is_off_a_client_sees_that_and_nothing_else(api: Api, by_session: bool) -> None:
    off(api)
    who: dict[str, str] = session(api) if by_session else {"client": "c1"}
    assert read(api, "/v1/me", **who)["practice"]["enabled"] is False
    credits = read(api, "/v1/clients/c1/credits", **who)
    assert (credits["enabled"], credits["credits"]) == (False, [])
    assert read(api, "/v1/packages", **who) == {"items": [], "next_cursor": None}
    shown, absent = (api("GET", f"/v1/packages/{each}", **who) for each in ("three-pack", "never"))
    assert (shown.status, shown.text) == (404, absent.text)
    for what in ("history", "lots"):
        assert read(api, f"/v1/clients/c1/credits/follow-up/{what}", **who)["items"] == []


@pytest.mark.parametrize("who", [{"client": "c1"}, {"role": "service"}, {"role": "staff"}])
def test_while_the_system_is_off_every_booking_is_allowed_and_nothing_is_said_of_credits(
    api: Api, who: dict[str, str]
) -> None:
    off(api)
    each = read(api, "/v1/eligibility", client_id="c1", seats=9, **who)["items"]
    assert [one["appointment_type"] for one in each] == ["follow-up", "initial"]
    for one in each:
        assert (one["allowed"], one["reason"]) == (True, "credits_disabled")
        assert (one["balance"], one["available"], one["shortfall"]) == (0, 0, 0)
        assert (one["would_use"], one["packages"]) == ([], [])


def test_on_again_everything_is_there_as_before(api: Api) -> None:
    before = [read(api, path, client="c1") for path in ("/v1/packages", "/v1/clients/c1/credits/follow-up/lots")]
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    patch(api, "/v1/settings", {"enabled": True})
    assert [
        read(api, path, client="c1") for path in ("/v1/packages", "/v1/clients/c1/credits/follow-up/lots")
    ] == before
