"""How a practice stands: its last checks, what is parked or set aside, and the stack's dead letters."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.api import Api, api_on, outside, session_keys
from tests.support.builders import DAY, HOUR, NOW, a_lot
from tests.support.engines import Engine
from tests.support.stock import contents, counted, furnished, later, nothing_written, paid, read

from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.reconciliation import Finding, Place, Reconciliation, Verdict
from client_credits.domain.practice.records import Account, Client
from client_credits.domain.practice.verification import Verification
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.queries.status import status_of
from client_credits.operations.sweeping import sweep_shard
from client_credits.store import keys, practice_writes, writes
from client_credits.stripe.reconciling import save

EMPTY = {"count": 0, "more": False}
HELD = {"stripe": 3, "bookings": 0, "sweep": 1, "publishing": 0}


@pytest.fixture
def api(memory: Engine) -> Api:
    api = furnished(api_on(memory.fresh_store()))
    return replace(api, front=replace(api.front, outside=outside(session_keys(), dead_letters=HELD)))


def stated(api: Api, practice: str = "p1") -> dict[str, Any]:
    found: dict[str, Any] = read(api, "/v1/status", practice=practice)
    return found


def test_a_new_practice_has_been_checked_never_and_nothing_waits(api: Api) -> None:
    with nothing_written(api):
        assert stated(api) == {
            "verify": None,
            "reconcile": None,
            "parked": EMPTY,
            "set_aside": EMPTY | {"items": []},
            "failing_endpoints": [],
            "dead_letters": HELD,
        }


# -- checks --------------------------------------------------------------------------------------


def checked(api: Api, at: datetime, **breaches: int) -> None:
    done = Verification(at, 10, 20, 300, 40, breaches)
    api.store.commit([practice_writes.verification("p1", done)])


def test_the_last_check_is_shown_with_its_counts(api: Api) -> None:
    checked(api, NOW - DAY, chain=2)
    assert stated(api)["verify"] == {
        "at": "2026-11-21T12:00:00Z",
        "clients": 10,
        "wallets": 20,
        "entries": 300,
        "bookings": 40,
        "breaches": {"chain": 2},
    }
    checked(api, NOW)
    assert stated(api)["verify"]["breaches"] == {}
    assert stated(api, "p2")["verify"] is None


def compared(api: Api, name: str, hours: int, **fields: Any) -> None:
    """A comparison that was stored so many hours ago."""
    window: dict[str, Any] = {"since": NOW - 3 * DAY, "until": NOW - DAY, "finished": True}
    run = Reconciliation(name, "own", "test", **(window | fields))
    save(Context(api.store, "p1", STRIPE, NOW - timedelta(hours=hours)), run)


def test_the_comparison_stored_last_is_shown_whatever_its_name(api: Api) -> None:
    counts: dict[str, int] = {Verdict.FINE: 300, Verdict.MISSING: 3, Verdict.SET_ASIDE: 1}
    found = (Finding("invoice", "in_1", Verdict.MISSING, "no_grant"),)
    compared(api, "last-30-days:repair", 5, counts={Verdict.FINE: 1})
    compared(api, "daily", 2, counts=counts, repaired=2, findings=found)
    compared(api, "report:2026..2027", 9)
    compared(api, "daily:attempt", 1, since=NOW, until=NOW)  # noted before anything is compared
    shown = stated(api)["reconcile"]
    assert shown == {
        "name": "daily",
        "at": "2026-11-22T10:00:00Z",
        "since": "2026-11-19T12:00:00Z",
        "until": "2026-11-21T12:00:00Z",
        "finished": True,
        "counts": {"fine": 300, "missing": 3, "different": 0, "parked": 0, "set_aside": 1},
        "repaired": 2,
        "left": 1,
    }
    compared(api, "last-30-days:repair", 0, place=Place(1), finished=False)
    assert (stated(api)["reconcile"]["name"], stated(api)["reconcile"]["finished"]) == ("last-30-days:repair", False)


def test_a_comparison_of_the_other_mode_or_another_account_is_not_this_one(api: Api) -> None:
    for account, mode in (("own", "live"), ("acct_1", "test")):
        run = Reconciliation("daily", account, mode, NOW - DAY, NOW, finished=True)
        save(Context(api.store, "p1", STRIPE, NOW), run)
    assert stated(api)["reconcile"] is None


def test_a_comparison_that_cannot_be_read_hides_no_other(api: Api) -> None:
    compared(api, "daily", 2)
    pk, _ = keys.reconciliation("p1", "own", "test", "")
    client = api.store.table._client
    spoilt = {"pk": {"S": pk}, "sk": {"S": "aaa"}, "kind": {"S": "reconciliation"}, "body": {"S": '{"name": 7}'}}
    client.transact_write_items(TransactItems=[{"Put": {"TableName": api.store.table.name, "Item": spoilt}}])
    assert stated(api)["reconcile"]["name"] == "daily"


# -- what waits ----------------------------------------------------------------------------------


def test_open_parked_payments_are_counted_up_to_a_bound(api: Api) -> None:
    for _ in range(3):
        paid(api, price="price_unknown")
    assert stated(api)["parked"] == {"count": 3, "more": False}
    (first, *_) = read(api, "/v1/parked")["items"]
    assert api("POST", f"/v1/parked/{first['id']}/dismiss", {"reason": "refunded"}).status == 200
    assert stated(api)["parked"] == {"count": 2, "more": False}
    bounded = status_of(Context(api.store, "p1", STRIPE, NOW), "test", most_parked=1)
    assert (bounded.parked, bounded.more_parked) == (1, True)
    assert stated(api, "p2")["parked"] == EMPTY


def spoilt(api: Api, client_id: str) -> keys.Key:
    """A wallet that is due and that nobody can read."""
    lot = a_lot("lot-1", 2, effective_at=NOW - 30 * DAY, expires_at=NOW - HOUR)
    wallet = Wallet("p1", client_id, "follow-up", lots=(lot,))
    api.store.commit([writes.client("p1", Client(client_id)), writes.wallet(wallet, NOW - HOUR)])
    key = keys.wallet("p1", client_id, "follow-up")
    client, name = api.store.table._client, api.store.table.name
    client.transact_write_items(
        TransactItems=[
            {
                "Update": {
                    "TableName": name,
                    "Key": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
                    "UpdateExpression": "SET body = :body",
                    "ExpressionAttributeValues": {":body": {"S": '{"lots": 7}'}},
                }
            }
        ]
    )
    return key


def test_what_the_sweep_set_aside_is_named_until_somebody_worked_it_off(api: Api) -> None:
    key = spoilt(api, "c7")
    for times in (1, 2):
        (aside,) = sweep_shard(api.store, keys.due_shard(key), api.now[0]).set_aside
        item = {"item": "p1/c7/wallet/follow-up", "reason": aside.reason, "times": times}
        assert stated(api)["set_aside"] == {"count": 1, "more": False, "items": [item]}
        later(api, minutes=5)
    assert stated(api, "p2")["set_aside"]["count"] == 0
    mended = Wallet("p1", "c7", "follow-up", version=1)
    api.store.commit([writes.wallet(mended, None)])
    assert stated(api)["set_aside"]["items"] == []
    assert [record for record in contents(api) if "set_aside" in str(record)], "its note is still there"


def test_a_full_page_of_notes_says_that_there_may_be_more(api: Api) -> None:
    for number in range(3):
        key = spoilt(api, f"c{number}-aside")
        sweep_shard(api.store, keys.due_shard(key), NOW)
    bounded = status_of(Context(api.store, "p1", STRIPE, NOW), "test", most_aside=2)
    assert (len(bounded.set_aside), bounded.more_set_aside) == (2, True)


def test_a_status_costs_six_requests_whatever_the_practice_holds(api: Api) -> None:
    checked(api, NOW)
    for number in range(30):
        compared(api, f"window-{number:02}", 1)
        paid(api, price="price_unknown")
        key = spoilt(api, f"c{number}-aside")
        sweep_shard(api.store, keys.due_shard(key), NOW)
    with counted(api) as calls:
        assert stated(api)["set_aside"]["count"] == 30
    assert calls == {"BatchGetItem": 3, "Query": 3}


def test_a_practice_that_is_not_there_has_no_status(api: Api) -> None:
    assert api("GET", "/v1/status", practice="p-unknown").status == 404
    api.store.commit([writes.account(Account("p9", created_at=NOW))])
    assert stated(api, "p9")["parked"] == EMPTY
