"""May this client book? Every reason, for one type, for each, and for several sessions together."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW, freezes
from tests.support.stock import (
    balances,
    booked,
    client,
    furnished,
    no_debt,
    nothing_written,
    package,
    paid,
    patch,
    put,
    read,
)

from client_credits.domain.bookings.booking import BookingState
from client_credits.store import writes
from client_credits.store.records import Wanted


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


SOON, LATE = instant(NOW + DAY), instant(NOW + 100 * DAY)


def ask(api: Api, type_id: str = "follow-up", **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = read(
        api, "/v1/eligibility", **({"client_id": "c1", "appointment_type": type_id, "starts_at": SOON} | query)
    )
    return answer


def together(api: Api, *sessions: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = [{"appointment_type": "follow-up", "starts_at": SOON} | each for each in sessions]
    reply = api("POST", "/v1/eligibility", {"client_id": "c1", "sessions": given}, **more)
    assert reply.status == 200, reply
    answer: dict[str, Any] = reply.body
    return answer


def verdict(answer: dict[str, Any]) -> tuple[bool, str]:
    return answer["allowed"], answer["reason"]


def strict(api: Api) -> Api:
    """A furnished practice where booking needs credits."""
    furnished(api)
    no_debt(api)
    return api


# --- Every reason


def test_ok_with_the_lots_that_would_pay_in_burn_order(api: Api) -> None:
    strict(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 30})
    paid(api)
    paid(api, price="price_2")
    lots = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
    answer = ask(api, seats=4)
    assert verdict(answer) == (True, "ok")
    assert answer["would_use"] == [
        {"lot_id": lots[0]["lot_id"], "amount": 3, "expires_at": lots[0]["expires_at"]},
        {"lot_id": lots[1]["lot_id"], "amount": 1, "expires_at": None},
    ]
    assert (answer["balance"], answer["available"], answer["shortfall"]) == (6, 6, 0)
    assert (answer["packages"], answer["message"]) == ([], "You can book Follow-Up.")
    assert answer["as_of"] == "2026-11-22T12:00:00Z"
    booked(api, seats=4)
    assert [p["amount"] for p in read(api, "/v1/bookings/b1")["paid"]] == [3, 1]


def test_ok_on_credit_says_what_is_missing(api: Api) -> None:
    furnished(api)
    paid(api)
    answer = ask(api, seats=5)
    assert verdict(answer) == (True, "ok")
    assert (answer["available"], answer["shortfall"], len(answer["would_use"])) == (3, 2, 1)
    assert answer["packages"] == []
    assert answer["message"] == "You can book Follow-Up. 2 sessions are not covered by credits and will be owed."
    one = ask(api, seats=4)["message"]
    assert one == "You can book Follow-Up. 1 session is not covered by credits and will be owed."


def test_a_refusal_says_how_many_credits_are_left_and_needed(api: Api) -> None:
    strict(api)
    assert ask(api)["message"] == "You have no credits left for Follow-Up. This booking needs 1."
    package(api, "one", credits={"follow-up": 1}, stripe_prices=["price_2"])
    paid(api, price="price_2")
    assert ask(api, seats=2)["message"] == "You have 1 credit left for Follow-Up. This booking needs 2."


def test_insufficient_credits_with_shortfall_message_and_packages(api: Api) -> None:
    strict(api)
    package(api, "big", name="Ten", credits={"follow-up": 10}, stripe_prices=[], url="https://p.test/big")
    package(api, "other", credits={"initial": 1}, stripe_prices=[])
    package(api, "gone", stripe_prices=[], archived=True)
    paid(api)
    answer = ask(api, seats=5)
    assert verdict(answer) == (False, "insufficient_credits")
    assert (answer["balance"], answer["available"], answer["shortfall"], answer["would_use"]) == (3, 3, 2, [])
    assert answer["message"] == "You have 3 credits left for Follow-Up. This booking needs 5."
    assert answer["packages"] == [
        {"id": "three-pack", "name": "Three sessions", "url": None},
        {"id": "big", "name": "Ten", "url": "https://p.test/big"},
    ], "the smallest first, with their links"


def test_packages_without_a_link_of_their_own_take_the_practices(api: Api) -> None:
    strict(api)
    package(api, "big", name="Ten", credits={"follow-up": 10}, stripe_prices=[], url="https://p.test/big")
    patch(api, "/v1/settings", {"packages_url": "https://p.test/all"})
    assert [p["url"] for p in ask(api)["packages"]] == ["https://p.test/all", "https://p.test/big"]
    assert read(api, "/v1/packages/three-pack")["url"] is None, "the package itself has none"


def test_expires_before_session(api: Api) -> None:
    strict(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 30})
    paid(api, price="price_2")
    answer = ask(api, starts_at=LATE)
    assert verdict(answer) == (False, "expires_before_session")
    assert (answer["balance"], answer["available"], answer["shortfall"]) == (3, 0, 1)
    assert answer["message"] == "Your credits for Follow-Up end before this session starts."
    ends = datetime(2026, 12, 23, tzinfo=NOW.tzinfo)
    assert verdict(ask(api, starts_at=instant(ends)))[0] is False, "a lot must outlast the start"
    assert verdict(ask(api, starts_at=instant(ends - timedelta(seconds=1))))[0] is True
    patch(api, "/v1/settings", {"credit_must_cover": "booking"})
    assert verdict(ask(api, starts_at=LATE)) == (True, "ok")


def test_not_effective_yet(api: Api) -> None:
    strict(api)
    paid(api, subscription_item="si_1", period_start=NOW + DAY, period_end=NOW + 31 * DAY)
    answer = ask(api, starts_at=LATE)
    assert verdict(answer) == (False, "not_effective_yet")
    assert answer["message"] == "Your credits for Follow-Up cannot be used yet."
    api.now[0] += DAY
    assert verdict(ask(api, starts_at=LATE)) == (True, "ok")


def test_frozen(api: Api) -> None:
    """No operation freezes yet; a lot frozen by what comes later is already honoured."""
    strict(api)
    paid(api)
    wallet = api.store.load("p1", Wanted(client_id="c1", types=("follow-up",))).wallets["follow-up"]
    cold = replace(wallet, lots=tuple(replace(lot, frozen=freezes("dispute/dp_1")) for lot in wallet.open_lots))
    api.store.commit([writes.wallet(cold, None)])
    answer = ask(api)
    assert verdict(answer) == (False, "frozen")
    assert (answer["balance"], answer["available"]) == (3, 0)
    (stated,) = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
    assert stated["frozen"] is True
    assert [c["frozen"] for c in read(api, "/v1/clients/c1/credits")["credits"]] == [3, 0]


def test_limit_reached(api: Api) -> None:
    furnished(api)
    patch(api, "/v1/settings", {"max_negative": 2})
    booked(api, seats=2)
    answer = ask(api)
    assert verdict(answer) == (False, "limit_reached")
    assert (answer["balance"], answer["available"], answer["shortfall"]) == (-2, 0, 1)
    assert [p["id"] for p in answer["packages"]] == ["three-pack"]
    assert booked(api, "b2").state is BookingState.REFUSED


def test_credits_disabled(api: Api) -> None:
    strict(api)
    paid(api)
    patch(api, "/v1/settings", {"enabled": False, "confirm": True})
    answer = ask(api)
    assert verdict(answer) == (True, "credits_disabled")
    assert (answer["balance"], answer["available"], answer["would_use"]) == (0, 0, [])
    assert verdict(ask(api, "massage")) == (True, "credits_disabled")
    assert together(api, {}, {})["allowed"] is True


def test_not_tracked(api: Api) -> None:
    strict(api)
    answer = ask(api, "massage")
    assert verdict(answer) == (True, "not_tracked")
    assert (answer["appointment_type"], answer["balance"], answer["shortfall"]) == ("massage", 0, 0)
    assert answer["message"] == "massage can be booked without credits."


def test_unknown_client(api: Api) -> None:
    strict(api)
    with nothing_written(api):
        answer = ask(api, client_id="never")
    assert verdict(answer) == (False, "unknown_client")
    assert (answer["balance"], answer["available"], answer["shortfall"]) == (0, 0, 1)
    assert [p["id"] for p in answer["packages"]] == ["three-pack"]
    assert api("GET", "/v1/clients/never").status == 404, "asking makes no client"


def test_an_unknown_client_may_book_on_credit_where_anyone_may(api: Api) -> None:
    furnished(api)
    assert verdict(ask(api, client_id="never")) == (True, "ok")


def test_a_type_bookable_without_credits_needs_none(api: Api) -> None:
    strict(api)
    put(api, "/v1/appointment-types/follow-up", {"name": "Follow-up", "bookable_without_credits": True})
    assert verdict(ask(api)) == (True, "ok")
    assert verdict(ask(api, "initial")) == (False, "insufficient_credits")


def test_a_clients_own_settings_decide_and_their_source_is_reported(api: Api) -> None:
    furnished(api)
    client(api, "c2")
    patch(api, "/v1/clients/c1/settings", {"prevent_no_credit_booking": True})
    strict_one, easy_one = ask(api), ask(api, client_id="c2")
    assert verdict(strict_one) == (False, "insufficient_credits")
    assert verdict(easy_one) == (True, "ok")
    assert strict_one["settings"] == read(api, "/v1/clients/c1/settings")
    assert strict_one["settings"]["allow_booking_without_credits"] == {"value": False, "source": "client"}
    assert easy_one["settings"]["allow_booking_without_credits"] == {"value": True, "source": "account"}


def test_expired_credits_make_nobody_eligible_even_where_no_sweep_has_run(api: Api) -> None:
    strict(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    paid(api, price="price_2")
    api.now[0] += 5 * DAY
    answer = ask(api, starts_at=instant(api.now[0]))
    assert verdict(answer) == (False, "insufficient_credits")
    assert (answer["balance"], answer["available"]) == (0, 0)


# --- The three ways to ask


def test_without_a_start_the_session_is_now(api: Api) -> None:
    strict(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    paid(api, price="price_2")
    assert verdict(read(api, "/v1/eligibility", client_id="c1", appointment_type="follow-up")) == (True, "ok")


def test_without_a_type_each_type_is_answered_on_its_own(api: Api) -> None:
    strict(api)
    put(api, "/v1/appointment-types/old", {"name": "Old", "archived": True})
    paid(api)
    stated = read(api, "/v1/eligibility", client_id="c1", starts_at=SOON, seats=2)
    assert list(stated) == ["items"]
    assert [(i["appointment_type"], i["allowed"]) for i in stated["items"]] == [("follow-up", True), ("initial", False)]
    assert stated["items"][0] == ask(api, seats=2)


def test_sessions_together_are_refused_where_each_alone_would_be_allowed(api: Api) -> None:
    strict(api)
    paid(api)
    alone = [together(api, {"seats": 2}), together(api, {"seats": 2, "starts_at": LATE})]
    assert [a["allowed"] for a in alone] == [True, True]
    stated = together(api, {"seats": 2}, {"seats": 2, "starts_at": LATE})
    assert (stated["allowed"], stated["shortfall"]) == (False, 1)
    assert [verdict(s) for s in stated["sessions"]] == [(True, "ok"), (False, "insufficient_credits")]
    assert [s["available"] for s in stated["sessions"]] == [3, 1]


def test_sessions_of_several_types_do_not_compete(api: Api) -> None:
    strict(api)
    package(api, "mixed", credits={"initial": 1, "follow-up": 1}, stripe_prices=["price_2"])
    paid(api, price="price_2")
    stated = together(api, {}, {"appointment_type": "initial"}, {"appointment_type": "massage"})
    assert (stated["allowed"], stated["shortfall"]) == (True, 0)
    assert [s["reason"] for s in stated["sessions"]] == ["ok", "ok", "not_tracked"]


def test_together_each_lot_pays_the_sessions_it_can_cover(api: Api) -> None:
    """A late session first must not leave the early one without the lot that only it can use."""
    strict(api)
    package(api, "short", credits={"follow-up": 1}, stripe_prices=["price_2"], expiry={"kind": "days", "n": 30})
    package(api, "long", credits={"follow-up": 1}, stripe_prices=["price_3"])
    paid(api, price="price_2")
    paid(api, price="price_3")
    for sessions in ([{"starts_at": LATE}, {}], [{}, {"starts_at": LATE}]):
        stated = together(api, *sessions)
        assert (stated["allowed"], stated["shortfall"]) == (True, 0), sessions


def test_together_the_limit_of_debt_counts_for_all(api: Api) -> None:
    furnished(api)
    patch(api, "/v1/settings", {"max_negative": 2})
    assert together(api, {}, {})["allowed"] is True
    stated = together(api, {}, {}, {})
    assert stated["allowed"] is False
    assert [s["reason"] for s in stated["sessions"]] == ["ok", "ok", "limit_reached"]


def test_asking_together_writes_nothing_and_the_bookings_then_go_the_same_way(api: Api) -> None:
    strict(api)
    paid(api)
    with nothing_written(api):
        stated = together(api, {"seats": 2}, {}, {"seats": 1})
    assert [s["allowed"] for s in stated["sessions"]] == [True, True, False]
    states = [booked(api, f"b{n}", seats=seats).state for n, seats in enumerate((2, 1, 1))]
    assert states == ["booked", "booked", "refused"]
    assert balances(api)["follow-up"] == 0


WRONG_QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"client_id": ""}, "/query/client_id"),
    ({"client_id": "a/b"}, "/query/client_id"),
    ({"client_id": "c" * 129}, "/query/client_id"),
    ({"client_id": "c1,c2"}, "/query/client_id"),
    ({"appointment_type": "a b"}, "/query/appointment_type"),
    ({"appointment_type": ""}, "/query/appointment_type"),
    ({"seats": 0}, "/query/seats"),
    ({"seats": 101}, "/query/seats"),
    ({"seats": "one"}, "/query/seats"),
    ({"seats": "1.5"}, "/query/seats"),
    ({"starts_at": "tomorrow"}, "/query/starts_at"),
    ({"starts_at": "2026-12-01"}, "/query/starts_at"),
    ({"starts_at": "2026-12-01T09:00:00"}, "/query/starts_at"),
    ({"starts_at": "9999-12-31T23:59:59-14:00"}, "/query/starts_at"),
]


@pytest.mark.parametrize(("query", "pointer"), WRONG_QUERIES, ids=str)
def test_a_question_that_cannot_be_meant_is_refused(api: Api, query: dict[str, Any], pointer: str) -> None:
    furnished(api)
    reply = api("GET", "/v1/eligibility", **({"client_id": "c1"} | query))
    assert (reply.status, set(reply.faults)) == (422, {pointer})


def test_nobody_in_particular_cannot_be_asked_about(api: Api) -> None:
    assert api("GET", "/v1/eligibility").faults == {"/query/client_id": "missing"}


WRONG_SESSIONS: list[tuple[Any, str]] = [
    ([], "/sessions"),
    ([{"appointment_type": "follow-up", "starts_at": SOON}] * 51, "/sessions"),
    ({"appointment_type": "follow-up", "starts_at": SOON}, "/sessions"),
    ([{"appointment_type": "follow-up"}], "/sessions/0/starts_at"),
    ([{"starts_at": SOON}], "/sessions/0/appointment_type"),
    ([{"appointment_type": 1, "starts_at": SOON}], "/sessions/0/appointment_type"),
    ([{"appointment_type": "follow-up", "starts_at": SOON, "seats": 0}], "/sessions/0/seats"),
    ([{"appointment_type": "follow-up", "starts_at": SOON, "seats": 101}], "/sessions/0/seats"),
    ([{"appointment_type": "follow-up", "starts_at": SOON, "seats": True}], "/sessions/0/seats"),
    ([{"appointment_type": "follow-up", "starts_at": SOON, "seats": 1.0}], "/sessions/0/seats"),
    ([{"appointment_type": "follow-up", "starts_at": SOON, "room": 5}], "/sessions/0/room"),
    ([{"appointment_type": "follow-up", "starts_at": 1_790_000_000}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": "1790000000"}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": "2026-12-01T09:00:00"}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": "2026-12-01"}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": "0001-01-01T00:00:00+14:00"}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": "9999-12-31T23:59:59-14:00"}], "/sessions/0/starts_at"),
    ([{"appointment_type": "follow-up", "starts_at": None}], "/sessions/0/starts_at"),
    ([None], "/sessions/0"),
    ("soon", "/sessions"),
]


@pytest.mark.parametrize(("sessions", "pointer"), WRONG_SESSIONS, ids=[str(w[0])[:70] for w in WRONG_SESSIONS])
def test_sessions_that_cannot_be_meant_are_refused_where_the_fault_is(api: Api, sessions: Any, pointer: str) -> None:
    reply = api("POST", "/v1/eligibility", {"client_id": "c1", "sessions": sessions})
    assert (reply.status, set(reply.faults)) == (422, {pointer})
