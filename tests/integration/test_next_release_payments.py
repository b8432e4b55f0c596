"""Catalogues, parked payments, jobs, subscriptions and money back as the next release wrote them.

What this release cannot decide on is left alone, and stops nobody else.
"""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import PAGE_ORIGIN, Api, api_beside
from tests.support.builders import DAY, HOUR, NOW, a_line, a_payment
from tests.support.later_release import rewrite, saying
from tests.support.stock import balances, booked, furnished, later, listed, package, paid, patch, read

from client_credits.domain.payments.facts import (
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
)
from client_credits.domain.practice.jobs import JobMessage
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.jobs.running import Ran, run
from client_credits.operations.payments import money_back, parking, paying, replaying
from client_credits.operations.sweeping import shards, sweep_shard
from client_credits.store import keys
from client_credits.store.records import Wanted

LATER = "needs_later_release"
WEEKS = {"kind": "weeks", "n": 2}
KEY = {"headers": {"idempotency-key": "key-1"}}


def here(api: Api) -> Context:
    return Context(api.store, "p1", STRIPE, api.now[0])


def outcomes(api: Api, payment: Payment) -> list[str]:
    return [outcome.fate for outcome in paying.pay(here(api), payment)]


# -- a package whose credits end as only the next release knows ------------------------------------------


def with_weeks(api: Api) -> Api:
    """The practice sells two packages; the second's credits last for weeks. A worker that has seen none of it."""
    package(furnished(api), "two-weeks", stripe_prices=["price_2"], price={"amount": 500, "currency": "eur"})
    rewrite(api.store, keys.catalogue("p1"), expiring(WEEKS))
    return api_beside(api)


def expiring(rule: dict[str, Any]) -> Any:
    def change(body: Any) -> Any:
        body["packages"]["two-weeks"]["expiry"] = rule
        return body

    return change


def test_a_package_that_expires_in_an_unknown_way_is_listed_beside_the_others(api: Api) -> None:
    api = with_weeks(api)
    rules = {each["id"]: each["expiry"] for each in listed(api, "/v1/packages")}
    assert rules == {"three-pack": {"kind": "never"}, "two-weeks": WEEKS}


def test_the_other_packages_of_its_practice_are_sold_and_granted(api: Api) -> None:
    api = with_weeks(api)
    assert [outcome.fate for outcome in paid(api)] == ["granted"]
    assert api("POST", "/v1/clients/c1/grants", {"package_id": "three-pack"}, **KEY).status == 200
    assert balances(api)["follow-up"] == 6


def test_its_payments_are_parked_until_the_release_that_knows_it(api: Api) -> None:
    api = with_weeks(api)
    assert [outcome.fate for outcome in paid(api, price="price_2")] == [LATER]
    (waiting,) = listed(api, "/v1/parked")
    refused = api("POST", f"/v1/parked/{waiting['id']}/resolve", {"client_id": "c1"})
    assert (waiting["reason"], refused.status, refused.faults) == (LATER, 422, {"/package_id": LATER})
    rewrite(api.store, keys.catalogue("p1"), expiring({"kind": "days", "n": 14}))
    assert replaying.replay_everything(here(api_beside(api))) == 1
    assert balances(api_beside(api))["follow-up"] == 3


def test_they_are_granted_by_themselves_once_the_package_is_put_with_a_known_rule(api: Api) -> None:
    api = with_weeks(api)
    paid(api, price="price_2")
    package(api, "two-weeks", stripe_prices=["price_2"])
    assert (balances(api)["follow-up"], listed(api, "/v1/parked")) == (3, [])


def test_it_is_not_on_sale_and_given_only_with_an_end_that_staff_name(api: Api) -> None:
    api = with_weeks(api)
    assert [each["id"] for each in listed(api, "/v1/packages", client="c1")] == ["three-pack"]
    assert api("GET", "/v1/packages/two-weeks", client="c1").status == 404
    refused = api("POST", "/v1/clients/c1/grants", {"package_id": "two-weeks"}, **KEY)
    assert (refused.status, refused.faults) == (422, {"/expires_at": "required"})
    ends = {"package_id": "two-weeks", "expires_at": "2027-01-01T00:00:00Z"}
    assert api("POST", "/v1/clients/c1/grants", ends, headers={"idempotency-key": "key-2"}).status == 200
    offers = read(api, "/v1/eligibility", client_id="c1", appointment_type="follow-up", seats=9)["packages"]
    assert "two-weeks" not in {each["id"] for each in offers}
    pages = {"success_url": f"{PAGE_ORIGIN}/ok", "cancel_url": f"{PAGE_ORIGIN}/no"}
    sale = {"client_id": "c1", "package_id": "two-weeks", **pages}
    assert api("POST", "/v1/checkout-sessions", sale, **KEY).faults == {"/package_id": "not_on_sale"}


def test_another_package_is_put_and_it_stays_as_it_was_stored(api: Api) -> None:
    api = with_weeks(api)
    package(api, "ten-pack", stripe_prices=["price_10"])
    assert read(api, "/v1/packages/two-weeks")["expiry"] == WEEKS


def test_a_monthly_tranche_that_ends_in_an_unknown_way_waits_and_the_wallet_goes_on(api: Api) -> None:
    package(furnished(api), "year", stripe_prices=["price_y"], monthly_tranches=True)
    period = {"period_start": NOW, "period_end": NOW + 365 * DAY, "subscription_item": "si_1"}
    paid(api, price="price_y", **period)
    rewrite(api.store, keys.wallet("p1", "c1", "follow-up"), tranches_expiring(WEEKS))
    later(api, days=40)
    assert balances(api)["follow-up"] == 3
    booked(api)
    assert [aside for shard in shards() for aside in sweep_shard(api.store, shard, api.now[0]).set_aside] == []
    rewrite(api.store, keys.wallet("p1", "c1", "follow-up"), tranches_expiring({"kind": "never"}))
    assert balances(api)["follow-up"] == 5
    newest, *_ = listed(api, "/v1/clients/c1/credits/follow-up/history")
    assert (newest["kind"], newest["occurred_at"]) == ("granted", "2026-12-22T12:00:00Z")


def tranches_expiring(rule: dict[str, Any]) -> Any:
    return lambda body: body | {"coming": [each | {"expiry": rule} for each in body["coming"]]}


# -- parked payments and jobs ----------------------------------------------------------------------------


def snoozed(api: Api) -> tuple[Payment, str]:
    """A payment that was parked and is now in a state of the next release; another one is open. Its parked id."""
    payment = paying_for("price_9")
    outcomes(furnished(api), payment)
    paid(api, price="price_8")
    parked_id = parking.id_of(payment)
    rewrite(api.store, keys.parked("p1", parked_id), saying(state="snoozed"))
    return payment, parked_id


def paying_for(price: str) -> Payment:
    return a_payment("in_9", a_line(price=price), event_id="evt_9")


def test_a_parked_payment_in_an_unknown_state_is_listed_beside_the_others(api: Api) -> None:
    _, parked_id = snoozed(api)
    states = {each["id"]: each["state"] for each in listed(api, "/v1/parked")}
    assert (states.pop(parked_id), [*states.values()]) == ("snoozed", ["open"])
    assert read(api, "/v1/status")["parked"]["count"] == 2


def test_it_is_left_alone_whatever_explains_it(api: Api) -> None:
    payment, parked_id = snoozed(api)
    before = api.store.parked("p1", [parked_id])
    package(api, "nine", stripe_prices=["price_8", "price_9"])
    assert balances(api)["follow-up"] == 3, "the other one was granted"
    assert outcomes(api, payment) == [LATER]
    for asked in ("resolve", "dismiss"):
        refused = api("POST", f"/v1/parked/{parked_id}/{asked}", {"reason": "r"} if asked == "dismiss" else {})
        assert (refused.status, refused.code) == (409, "already_resolved")
    replaying.replay_everything(here(api))
    assert api.store.parked("p1", [parked_id]) == before
    assert balances(api)["follow-up"] == 3
    rewrite(api.store, keys.parked("p1", parked_id), saying(state="open"))
    assert outcomes(api, payment) == ["granted"]


def test_a_job_in_an_unknown_state_is_shown_and_passed_over(api: Api) -> None:
    furnished(api)
    job_id = api("POST", "/v1/reports/exports", {"report": "credits"}, **KEY).body["job_id"]
    rewrite(api.store, keys.job("p1", job_id), saying(state="paused"))
    assert read(api, f"/v1/jobs/{job_id}")["state"] == "paused"
    assert run(api.store, JobMessage("p1", job_id, 1), api.now[0], {}).ran is Ran.PASSED_OVER
    later(api, days=1)
    swept = [sweep_shard(api.store, shard, api.now[0]) for shard in shards()]
    assert [aside.reason for each in swept for aside in each.set_aside] == ["ValueError"]
    assert [each.jobs for each in swept if each.jobs] == []
    assert read(api, f"/v1/jobs/{job_id}")["state"] == "paused"


# -- subscriptions and money back ------------------------------------------------------------------------


def test_a_subscription_of_an_unknown_status_is_paid_as_any_other(api: Api) -> None:
    furnished(api)
    period = {"period_start": NOW, "period_end": NOW + 30 * DAY, "subscription_item": "si_1"}
    outcomes(api, a_payment("in_1", a_line(**period)))
    news = SubscriptionNews("evt_2", "own", "test", NOW, "sub_1", SubscriptionStatus.PAST_DUE)
    paying.subscription_heard(here(api), news)
    rewrite(api.store, keys.subscription("p1", "sub_1"), saying(status="suspended"))
    assert outcomes(api, a_payment("in_2", a_line(**period), paid_at=NOW + HOUR)) == ["granted"]
    assert balances(api)["follow-up"] == 6
    paying.subscription_heard(here(api), news)
    assert standing(api) == "suspended", "news of the same instant do not replace it"
    paying.subscription_heard(here(api), replace(news, occurred_at=NOW + DAY))
    assert standing(api) == "past_due"


def test_credits_stay_as_frozen_as_they_are_while_the_status_is_unknown(api: Api) -> None:
    furnished(api)
    patch(api, "/v1/settings", {"past_due": "freeze"})
    period = {"period_start": NOW, "period_end": NOW + 30 * DAY, "subscription_item": "si_1"}
    outcomes(api, a_payment("in_1", a_line(**period)))
    news = SubscriptionNews("evt_2", "own", "test", NOW + HOUR, "sub_1", SubscriptionStatus.PAST_DUE)
    later(api, hours=2)
    paying.subscription_heard(here(api), news)
    rewrite(api.store, keys.subscription("p1", "sub_1"), saying(status="suspended"))
    paying.subscription_heard(here(api), news)
    (line,) = [each for each in read(api, "/v1/clients/c1/credits")["credits"] if each["balance"]]
    assert (line["frozen"], line["available"]) == (3, 0)


def standing(api: Api) -> str:
    return str(api.store.load("p1", Wanted(subscription="sub_1")).subscription.status)


REFUND = Refund("re_1", 4_500, RefundStatus.SUCCEEDED, NOW, NOW, "pi_1")
DISPUTE = Dispute("dp_1", 9_000, DisputeStatus.OPEN, NOW, money="pi_1")


def refunding(payment_id: str, number: int, amount: int = 9_000) -> MoneyBack:
    refund = Refund(f"re_{number}", amount, RefundStatus.SUCCEEDED, NOW, NOW)
    return MoneyBack(f"evt_{number}", "own", "test", NOW, payment_id, refunds=(refund,))


def heard(api: Api, kind: str, status: str) -> None:
    """Payment in_1 of three credits, half refunded and disputed, one of which is as the next release knows it."""
    outcomes(furnished(api), a_payment("in_1", paid=9_000, payment_intent="pi_1"))
    rows = {"refunds": (REFUND,), "disputes": (DISPUTE,)}
    news = MoneyBack("evt_2", "own", "test", NOW, "in_1", payment_intent="pi_1", **{kind: rows[kind]})
    money_back.apply_money_back(here(api), news)
    said(api, kind, status)


def said(api: Api, kind: str, status: str) -> None:
    def change(body: Any) -> Any:
        (one,) = body[kind]
        return body | {kind: [one | {"status": status}]}

    rewrite(api.store, keys.payment("p1", "in_1"), change)


UNKNOWN = pytest.mark.parametrize(("kind", "status"), [("refunds", "reversed"), ("disputes", "escalated")])


@UNKNOWN
def test_money_back_beside_an_unknown_status_waits_and_moves_no_credit(api: Api, kind: str, status: str) -> None:
    heard(api, kind, status)
    before = listed(api, "/v1/clients/c1/credits/follow-up/history")
    with pytest.raises(ValueError, match="in_1"):
        money_back.apply_money_back(here(api), refunding("in_1", 3))
    known = {"refunds": REFUND, "disputes": DISPUTE}[kind]
    again = MoneyBack("evt_4", "own", "test", NOW + DAY, "in_1", **{kind: (known,)})
    with pytest.raises(ValueError, match="only a later release knows"):
        money_back.apply_money_back(here(api), again)
    record = api.store.load("p1", Wanted(payments=("in_1",))).payments["in_1"]
    assert [str(each.status) for each in getattr(record, kind) if each.status == status] == [status]
    assert listed(api, "/v1/clients/c1/credits/follow-up/history") == before


@UNKNOWN
def test_it_stops_no_other_payment_and_no_booking(api: Api, kind: str, status: str) -> None:
    heard(api, kind, status)
    held = balances(api)["follow-up"]
    assert outcomes(api, a_payment("in_2", a_line("il_2"), paid=9_000)) == ["granted"]
    money_back.apply_money_back(here(api), refunding("in_2", 5))
    assert balances(api)["follow-up"] == held
    booked(api, "b9")
    news = SubscriptionNews("evt_6", "own", "test", NOW, "sub_1", SubscriptionStatus.ENDED, ended_at=NOW - DAY)
    paying.subscription_heard(here(api), news)
    assert read(api, "/v1/bookings/b9")["state"] == "booked"


@UNKNOWN
def test_the_same_message_is_followed_once_the_release_knows_the_status(api: Api, kind: str, status: str) -> None:
    heard(api, kind, status)
    with pytest.raises(ValueError):
        money_back.apply_money_back(here(api), refunding("in_1", 3))
    said_of(api, kind, status)
    assert money_back.apply_money_back(here(api), refunding("in_1", 3)) == "followed"
    assert balances(api)["follow-up"] == 0


def said_of(api: Api, kind: str, status: str) -> None:
    """The next release's own word is one that this release knows."""
    known = {"refunds": "failed", "disputes": "won"}[kind]

    def change(body: Any) -> Any:
        return body | {kind: [one | ({"status": known} if one["status"] == status else {}) for one in body[kind]]}

    rewrite(api.store, keys.payment("p1", "in_1"), change)


@UNKNOWN
def test_a_further_line_of_that_payment_is_parked(api: Api, kind: str, status: str) -> None:
    heard(api, kind, status)
    lines = (a_line(), a_line("il_2"))
    assert outcomes(api, a_payment("in_1", *lines, paid=18_000, payment_intent="pi_1")) == ["granted", LATER]


def test_a_purchase_of_which_that_is_unknown_counts_against_its_limit(api: Api) -> None:
    package(furnished(api), "once", stripe_prices=["price_1o"], limit_per_client=1)
    first = a_payment("in_1", a_line(price="price_1o"), subscription=None, paid=9_000)
    assert outcomes(api, first) == ["granted"]
    money_back.apply_money_back(here(api), refunding("in_1", 3))
    said(api, "refunds", "reversed")
    second = a_payment("in_2", a_line(price="price_1o"), subscription=None, paid=9_000)
    assert outcomes(api, second) == ["over_limit"]


def test_a_payment_line_whose_trial_is_unknown_stays_parked(api: Api) -> None:
    payment = paying_for("price_9")
    outcomes(furnished(api), payment)
    parked_id = parking.id_of(payment)

    def of_a_later_trial(body: Any) -> Any:
        body["payment"]["lines"][0] |= {"trial": "half_price"}
        return body

    rewrite(api.store, keys.parked("p1", parked_id), of_a_later_trial)
    package(api, "nine", stripe_prices=["price_9"])
    refused = api("POST", f"/v1/parked/{parked_id}/resolve", {})
    assert (refused.status, refused.faults) == (422, {"/package_id": LATER})
    assert [each["id"] for each in listed(api, "/v1/parked")] == [parked_id]
