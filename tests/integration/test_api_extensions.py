"""Staff give all lots of a package, a type or a window of ends a later end; what expired in it may come back."""

from typing import Any

import pytest
from tests.support.api import Api, Reply
from tests.support.builders import DAY, NOW
from tests.support.job_world import MemoryFiles
from tests.support.stock import (
    balances,
    booked,
    cancels,
    client,
    furnished,
    later,
    listed,
    nothing_written,
    package,
    paid,
    patch,
    paying,
    read,
)

from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.payments.facts import Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.jobs import bulk_edits, kinds
from client_credits.operations.jobs.running import run
from client_credits.operations.payments import money_back
from client_credits.operations.payments.paying import pay
from client_credits.store.records import Wanted

FIVE_DAYS = "2026-11-28T00:00:00Z"  # the end of a package of five days bought now
HISTORY = "/v1/clients/c1/credits/follow-up/history"
LONGER = {"package_id": "short", "by_days": 14, "reason": "a closure"}


@pytest.fixture
def shop(api: Api) -> Api:
    """c1 has three credits of a package that lasts five days."""
    furnished(api)
    client(api, "c2")
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, price="price_2")
    return api


def extends(api: Api, key: str = "x1", **rule: Any) -> Reply:
    return api("POST", "/v1/extensions", LONGER | rule, headers={"idempotency-key": key})


def extended(api: Api, key: str = "x1", **rule: Any) -> list[dict[str, Any]]:
    """The lots of an extension that must succeed; every law holds after it."""
    reply = extends(api, key, **rule)
    assert reply.status == 200, reply
    for each in ("c1", "c2"):
        wallet = api.store.load("p1", Wanted(client_id=each, types=("follow-up",))).wallets["follow-up"]
        assert breaches(wallet, api.store.entries_after("p1", each, "follow-up", 0)) == []
    return list(reply.body["items"])


def ends(api: Api, client_id: str = "c1") -> list[str | None]:
    return [lot["expires_at"] for lot in read(api, f"/v1/clients/{client_id}/credits/follow-up/lots")["items"]]


def kinds_of(api: Api, client_id: str = "c1") -> list[tuple[str, int]]:
    found = listed(api, f"/v1/clients/{client_id}/credits/follow-up/history")
    return [(entry["kind"], entry["amount"]) for entry in reversed(found)]


# -- which lots --------------------------------------------------------------------------------------


def test_all_lots_of_a_package_end_later_whoever_has_them(shop: Api) -> None:
    paid(shop, price="price_2", client_id="c2")
    paid(shop)  # of another package, without an end
    items = extended(shop)
    assert [(item["client_id"], item["revived"], item["expires_at"]) for item in items] == [
        ("c1", 0, "2026-12-12T00:00:00Z"),
        ("c2", 0, "2026-12-12T00:00:00Z"),
    ]
    assert (ends(shop), ends(shop, "c2")) == (["2026-12-12T00:00:00Z", None], ["2026-12-12T00:00:00Z"])
    entry = read(shop, HISTORY)["items"][0]
    assert (entry["kind"], entry["amount"], entry["reason"]) == ("extended", 0, "a closure")
    assert entry["cause"] == {"kind": "extension", "package_id": "short", "by_days": "14"}
    assert entry["source_id"] == "api/x1/c1"


@pytest.mark.parametrize(
    ("window", "count"),
    [
        ({"ends_from": FIVE_DAYS}, 1),
        ({"ends_from": FIVE_DAYS, "ends_to": "2026-11-28T00:00:01Z"}, 1),
        ({"ends_from": "2026-11-27T00:00:00Z", "ends_to": FIVE_DAYS}, 0),
        ({"ends_from": "2026-11-28T00:00:01Z"}, 0),
        ({"ends_to": FIVE_DAYS}, 0),
    ],
)
def test_a_window_holds_what_ends_from_its_beginning_until_before_its_end(
    shop: Api, window: dict[str, str], count: int
) -> None:
    assert len(extended(shop, package_id=None, **window)) == count


def test_a_day_is_one_of_the_practices_time_zone(shop: Api) -> None:
    """Clocks go forward on 28 March 2027: midnight there is an hour earlier in UTC."""
    patch(shop, "/v1/settings", {"timezone": "Europe/Berlin"})
    body = {"package_id": "short", "expires_at": "2027-03-26T23:00:00Z"}  # midnight
    assert shop("POST", "/v1/clients/c1/grants", body, headers={"idempotency-key": "g"}).status == 200
    (item,) = extended(shop, ends_from="2027-01-01T00:00:00Z", by_days=3)
    assert item["expires_at"] == "2027-03-29T22:00:00Z"


def test_a_lot_that_ends_later_than_the_fixed_end_is_left_alone(shop: Api) -> None:
    for until, count in (("2026-11-27T00:00:00Z", 0), (FIVE_DAYS, 0), ("2027-01-01T00:00:00Z", 1), (None, 1)):
        assert len(extended(shop, f"until-{count}-{until or 'never'}", by_days=None, expires_at=until)) == count
    assert ends(shop) == [None]


def test_voided_lots_and_those_that_have_ended_are_left_alone(shop: Api) -> None:
    (lot,) = read(shop, "/v1/clients/c1/credits/follow-up/lots")["items"]
    later(shop, days=1)
    paid(shop, price="price_2")
    assert shop("PATCH", f"/v1/clients/c1/credits/follow-up/lots/{lot['lot_id']}", {"void": True, "reason": "x"}).status
    later(shop, days=4, hours=13)
    assert [item["expires_at"] for item in extended(shop)] == ["2026-12-13T00:00:00Z"]
    later(shop, days=30)
    assert extended(shop, "x2") == []


def test_a_session_cancelled_after_a_closure_returns_to_a_lot_that_was_empty_and_ends_later(shop: Api) -> None:
    """Four lots are emptied: the older ones are stored apart from the wallet by then."""
    for _ in range(3):
        later(shop, minutes=1)
        paid(shop, price="price_2")
    booked(shop, "b1", seats=12, starts_at=NOW + 3 * DAY)
    assert len(extended(shop)) == 4
    later(shop, days=10)
    cancels(shop, "b1")
    assert balances(shop)["follow-up"] == 12
    assert set(ends(shop)) == {"2026-12-12T00:00:00Z"}


def test_an_extended_lot_repays_a_session_that_it_covers_now(shop: Api) -> None:
    booked(shop, "b1", starts_at=NOW + 9 * DAY)  # after the lot's end: owed
    assert read(shop, "/v1/clients/c1/credits")["credits"][0]["debt"] == 1
    extended(shop)
    assert kinds_of(shop)[-2:] == [("extended", 0), ("repaid", 0)]
    assert read(shop, "/v1/bookings/b1")["paid"][0]["amount"] == 1


# -- what expired in the window ------------------------------------------------------------------------


def test_without_revive_what_has_expired_stays_gone(shop: Api) -> None:
    later(shop, days=6)
    assert extended(shop) == []
    assert balances(shop)["follow-up"] == 0


REVIVE = {"package_id": None, "ends_from": "2026-11-27T00:00:00Z", "revive": True}


def test_what_expired_in_the_window_comes_back_with_a_later_end(shop: Api) -> None:
    booked(shop, "b1", starts_at=NOW + 2 * DAY)
    later(shop, days=6)
    (item,) = extended(shop, **REVIVE)
    assert (item["revived"], item["expires_at"]) == (2, "2026-12-12T00:00:00Z")
    assert kinds_of(shop) == [("granted", 3), ("spent", -1), ("expired", -2), ("reinstated", 2), ("extended", 0)]
    assert balances(shop)["follow-up"] == 2
    later(shop, days=30)
    (item,) = extended(shop, "x2", by_days=60, **{name: REVIVE[name] for name in ("package_id", "ends_from", "revive")})
    assert item["revived"] == 2, "what came back and expired again, once"


def test_a_gift_gets_back_what_it_lost_each_time_it_ends_and_no_more(shop: Api) -> None:
    body = {"package_id": "short"}
    assert shop("POST", "/v1/clients/c2/grants", body, headers={"idempotency-key": "g"}).status == 200
    booked(shop, "b1", client_id="c2", starts_at=NOW + 2 * DAY)
    for number in range(3):
        later(shop, days=15)
        revived = {
            item["client_id"]: item["revived"] for item in extended(shop, f"x{number}", **REVIVE | {"by_days": 20})
        }
        assert revived == {"c1": 3, "c2": 2}
        later(shop, days=5)


def test_what_would_have_ended_by_now_all_the_same_does_not_come_back(shop: Api) -> None:
    later(shop, days=30)
    assert extended(shop, **REVIVE) == []
    assert balances(shop)["follow-up"] == 0


def test_leftovers_that_staff_removed_do_not_come_back(shop: Api) -> None:
    body = {"client_id": "c1", "keep": 1}
    assert shop("POST", "/v1/expirations", body, headers={"idempotency-key": "e"}).status == 200
    later(shop, days=6)
    (item,) = extended(shop, **REVIVE)
    assert (item["revived"], balances(shop)["follow-up"]) == (1, 1)


def bought(api: Api) -> None:
    """c2 has three credits of five days, paid with an intent that may be refunded or disputed."""
    context = Context(api.store, "p1", STRIPE, api.now[0])
    payment = paying(paid_at=NOW, paid=9000, payment_intent="pi_1", subscription=None, client_id="c2", price="price_2")
    pay(context, payment)


def news(**fields: Any) -> MoneyBack:
    return MoneyBack("evt_r", "own", "test", occurred_at=NOW, payment_intent="pi_1", **fields)


def test_no_more_comes_back_than_a_refunded_payment_still_stands_for(shop: Api) -> None:
    bought(shop)
    booked(shop, "theirs", client_id="c2", starts_at=NOW + 2 * DAY)
    later(shop, days=6)
    refund = Refund("re_1", 3000, RefundStatus.SUCCEEDED, NOW)  # one of three credits, when two have expired
    money_back.apply_money_back(Context(shop.store, "p1", STRIPE, shop.now[0]), news(refunds=(refund,)))
    by_client = {item["client_id"]: item["revived"] for item in extended(shop, **REVIVE)}
    assert by_client == {"c1": 3, "c2": 2}
    assert kinds_of(shop, "c2")[-3:] == [("reinstated", 2), ("extended", 0), ("clawed_back", -1)]
    assert balances(shop, "c2")["follow-up"] == 1, "three less one spent and one refunded"


def test_nothing_comes_back_of_a_payment_that_was_refunded_in_full(shop: Api) -> None:
    bought(shop)
    later(shop, days=6)
    refund = Refund("re_1", 9000, RefundStatus.SUCCEEDED, NOW)
    money_back.apply_money_back(Context(shop.store, "p1", STRIPE, shop.now[0]), news(refunds=(refund,)))
    assert {item["client_id"] for item in extended(shop, **REVIVE)} == {"c1"}
    assert balances(shop, "c2")["follow-up"] == 0


def test_what_an_extension_brought_back_does_not_come_back_again_when_a_dispute_is_won(shop: Api) -> None:
    bought(shop)
    opened = Dispute("dp_1", 9000, DisputeStatus.OPEN, NOW + DAY, NOW + DAY)
    here = lambda: Context(shop.store, "p1", STRIPE, shop.now[0])  # noqa: E731
    later(shop, days=2)
    money_back.apply_money_back(here(), news(disputes=(opened,)))
    later(shop, days=4)
    assert {item["client_id"]: item["revived"] for item in extended(shop, **REVIVE)} == {"c1": 3, "c2": 3}
    later(shop, days=1)
    won = Dispute("dp_1", 9000, DisputeStatus.WON, shop.now[0], NOW + DAY)
    money_back.apply_money_back(here(), news(disputes=(won,)))
    assert balances(shop, "c2")["follow-up"] == 3
    assert [kind for kind, _ in kinds_of(shop, "c2")].count("reinstated") == 1


def test_leftovers_that_staff_removed_do_not_come_back_when_a_dispute_is_won(shop: Api) -> None:
    bought(shop)
    here = lambda: Context(shop.store, "p1", STRIPE, shop.now[0])  # noqa: E731
    later(shop, days=1)
    won = Dispute("dp_1", 9000, DisputeStatus.WON, NOW + DAY, NOW)
    money_back.apply_money_back(here(), news(disputes=(won,)))
    assert shop("POST", "/v1/expirations", {"client_id": "c2"}, headers={"idempotency-key": "e"}).status == 200
    refund = Refund("re_1", 1, RefundStatus.SUCCEEDED, NOW + DAY)  # any news has the payment followed
    money_back.apply_money_back(here(), news(refunds=(refund,)))
    assert balances(shop, "c2")["follow-up"] == 0


# -- once, and bounds ------------------------------------------------------------------------------------


def test_an_extension_sent_again_is_answered_as_the_first_time_whatever_came_since(shop: Api) -> None:
    first = extends(shop)
    paid(shop, price="price_2", client_id="c2")
    later(shop, days=1)
    with nothing_written(shop):
        repeated = extends(shop)
    assert (repeated.status, repeated.body) == (200, first.body)
    assert repeated.headers["Idempotency-Replayed"] == "true"
    with nothing_written(shop):
        other = extends(shop, by_days=15)
        assert (other.status, other.code) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "rule",
    [
        {"package_id": None},
        {"by_days": 0},
        {"by_days": None},
        {"expires_at": "2027-01-01T00:00:00Z"},
        {"by_days": None, "expires_at": "2026-11-22T12:00:00Z"},
        {"package_id": "never"},
        {"revive": True},
        {"ends_from": FIVE_DAYS, "ends_to": FIVE_DAYS},
        {"reason": None},
        {"note": "x"},
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_writes_nothing(shop: Api, rule: dict[str, Any]) -> None:
    with nothing_written(shop):
        assert extends(shop, **rule).status == 422
    assert extends(shop, appointment_type="never").status == 404


def carried_out(api: Api) -> None:
    """Works off what was sent, as functions/jobs does."""
    while api.woken:
        outcome = run(api.store, api.woken.pop(0), api.now[0], kinds.steps(MemoryFiles()))
        api.woken += [outcome.next] if outcome.next else []


def many(api: Api) -> list[str]:
    """With c1, one more client than a request takes."""
    clients = [f"c-{number}" for number in range(100)]
    for client_id in clients:
        paid(api, price="price_2", client_id=client_id)
    return ["c1", *clients]


def test_more_clients_than_one_request_takes_are_extended_by_a_job(shop: Api) -> None:
    clients = many(shop)
    started = extends(shop)
    assert started.status == 202, started
    assert {each for client_id in clients for each in ends(shop, client_id)} == {FIVE_DAYS}
    later(shop, minutes=1)
    carried_out(shop)
    job = shop("GET", f"/v1/jobs/{started.body['job_id']}").body
    assert (job["state"], job["done"], job["problems"]) == ("done", 101, [])
    assert {each for client_id in clients for each in ends(shop, client_id)} == {"2026-12-12T00:00:00Z"}
    entry = read(shop, "/v1/clients/c-7/credits/follow-up/history")["items"][0]
    assert (entry["source_id"], entry["actor"]["id"], entry["reason"]) == ("api/x1/c-7", "admin-1", "a closure")
    with nothing_written(shop):
        repeated = extends(shop)
    assert (repeated.status, repeated.body) == (202, started.body)
    assert extends(shop, by_days=15).code == "idempotency_key_reused"


def test_a_job_that_dies_between_two_clients_and_goes_on_extends_each_once(shop: Api) -> None:
    clients = many(shop)
    started = extends(shop)
    message = shop.woken[0]
    job = shop.store.job("p1", started.body["job_id"])
    assert job is not None
    here = Context(shop.store, "p1", Actor("admin", "admin-1"), shop.now[0])
    bulk_edits.step(here, job)  # carried out, and the worker dies before it says so
    later(shop, minutes=15)
    shop.woken[:] = [message]
    carried_out(shop)
    assert {each for client_id in clients for each in ends(shop, client_id)} == {"2026-12-12T00:00:00Z"}
    assert [kind for kind, _ in kinds_of(shop, "c-7")] == ["granted", "extended"]


def test_leftovers_of_more_clients_than_one_request_takes_are_removed_by_a_job(shop: Api) -> None:
    clients = many(shop)
    body = {"package_id": "short", "keep": 1}
    assert shop("POST", "/v1/expirations", body, headers={"idempotency-key": "e1"}).status == 202
    carried_out(shop)
    assert {balances(shop, client_id)["follow-up"] for client_id in clients} == {1}


# -- a rehearsal of more clients than one request takes ----------------------------------------------------


def rehearsed(api: Api, path: str = "/v1/extensions", body: dict[str, Any] = LONGER, key: str = "x1") -> list[Any]:
    """The pages of a rehearsal, which writes nothing and starts no job."""
    found, cursor = [], {}
    with nothing_written(api):
        while True:
            reply = api("POST", path, body, headers={"idempotency-key": key}, dry_run=True, **cursor)
            assert reply.status == 200, reply
            found.append(reply.body["items"])
            if reply.body["next_cursor"] is None:
                break
            cursor = {"cursor": reply.body["next_cursor"]}
    assert api.woken == []
    return found


def lots_of(api: Api, clients: list[str]) -> set[tuple[str, str, str]]:
    """The lots of these clients, each with its end."""
    return {
        (client_id, lot["lot_id"], lot["expires_at"])
        for client_id in clients
        for lot in read(api, f"/v1/clients/{client_id}/credits/follow-up/lots")["items"]
    }


def test_a_rehearsal_shows_page_by_page_just_what_a_job_then_does(shop: Api) -> None:
    clients = many(shop)
    pages = rehearsed(shop)
    assert [len(page) for page in pages] == [100, 1]
    assert sorted(item["client_id"] for page in pages for item in page) == sorted(clients)
    assert {(item["expires_at"], item["revived"]) for page in pages for item in page} == {("2026-12-12T00:00:00Z", 0)}
    before = lots_of(shop, clients)
    assert extends(shop).status == 202
    carried_out(shop)
    shown = {(item["client_id"], item["lot_id"], item["expires_at"]) for page in pages for item in page}
    assert shown == lots_of(shop, clients) - before


def test_a_rehearsal_shows_all_leftovers_that_a_job_then_removes(shop: Api) -> None:
    many(shop)
    body = {"package_id": "short", "keep": 1}
    pages = rehearsed(shop, "/v1/expirations", body, "e1")
    assert [len(page) for page in pages] == [100, 1]
    assert {item["amount"] for page in pages for item in page} == {2}
    assert shop("POST", "/v1/expirations", body, headers={"idempotency-key": "e1"}).status == 202
    carried_out(shop)
    assert sum(balances(shop, item["client_id"])["follow-up"] for page in pages for item in page) == 101


def test_a_cursor_goes_with_a_rehearsal_of_the_very_same_rule(shop: Api) -> None:
    many(shop)
    key = {"idempotency-key": "x1"}
    cursor = shop("POST", "/v1/extensions", LONGER, headers=key, dry_run=True).body["next_cursor"]
    with nothing_written(shop):
        written = shop("POST", "/v1/extensions", LONGER, headers=key, cursor=cursor)
        assert (written.status, written.faults) == (422, {"/query/cursor": "not_a_rehearsal"})
        for body in (LONGER | {"by_days": 15}, LONGER | {"package_id": "three-pack"}):
            other = shop("POST", "/v1/extensions", body, headers=key, dry_run=True, cursor=cursor)
            assert (other.status, other.faults) == (422, {"/query/cursor": "bad_cursor"})
        changed = shop("POST", "/v1/extensions", LONGER, headers=key, dry_run=True, cursor=cursor[:-2])
        assert changed.faults == {"/query/cursor": "bad_cursor"}


def test_a_rehearsal_under_a_key_that_was_used_is_answered_as_the_request_was(shop: Api) -> None:
    first = extends(shop)
    with nothing_written(shop):
        again = shop("POST", "/v1/extensions", LONGER, headers={"idempotency-key": "x1"}, dry_run=True)
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (200, first.body, "true")
    many(shop)
    started = extends(shop, "x2", by_days=15)
    with nothing_written(shop):
        body = LONGER | {"by_days": 15}
        again = shop("POST", "/v1/extensions", body, headers={"idempotency-key": "x2"}, dry_run=True)
        other = shop("POST", "/v1/extensions", LONGER, headers={"idempotency-key": "x2"}, dry_run=True)
    assert (again.status, again.body) == (202, started.body)
    assert other.code == "idempotency_key_reused"
