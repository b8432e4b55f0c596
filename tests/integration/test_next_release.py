"""Records that the next release wrote are read without harm by this one, as after going back a release.

Words that it does not know (an entry's kind and cause, a lot's source, a booking's state) pass through as they are.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support import later_release
from tests.support.api import Api
from tests.support.builders import DAY, NOW, created
from tests.support.published import schemas
from tests.support.stock import balances, booked, cancels, furnished, later, listed, paid, read

from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.queries.verifying import check_client
from client_credits.operations.sweeping import settle_one, shards, sweep_shard
from client_credits.publishing.events import events_of
from client_credits.store.codec import from_attributes

HISTORY = "/v1/clients/c1/credits/follow-up/history"
CREDITS = {"kind": "sponsored", "cause": {"kind": "sponsor", "ids": {"sponsor_id": "a1"}}, "visit": 7}


@pytest.fixture
def ours(api: Api) -> Api:
    """A client who bought three sessions and booked one; the newest entry is as the next release writes it."""
    furnished(api)
    paid(api)
    booked(api)
    rewrite(api, "entry#follow-up#000000000002", lambda body: body | CREDITS, entry_kind={"S": "sponsored"})
    return api


def items(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.store.table._client.scan(TableName=api.store.table.name, ConsistentRead=True)[
        "Items"
    ]
    return found


def rewrite(api: Api, sk: str, change: Callable[[Any], Any], **attributes: Any) -> dict[str, Any]:
    """Puts a record as another release would have written it."""
    (item,) = [each for each in items(api) if each["sk"]["S"] == sk and "#op#" not in each["pk"]["S"]]
    return later_release.rewrite(api.store, (item["pk"]["S"], sk), change, **attributes)


def of_a_later_source(body: Any) -> Any:
    return body | {"lots": [lot | {"source": "gift", "wrapped": True} for lot in body["lots"]], "pooled": True}


def test_a_history_shows_an_entry_of_an_unknown_kind_as_it_is(ours: Api) -> None:
    newest, granted = listed(ours, HISTORY)
    assert (newest["kind"], newest["sequence"], newest["amount"]) == ("sponsored", 2, -1)
    assert newest["cause"] == {"kind": "sponsor", "sponsor_id": "a1"}
    assert granted["kind"] == "granted"
    assert [each["kind"] for each in listed(ours, HISTORY, kind="granted")] == ["granted"]


def test_verify_holds_an_entry_of_an_unknown_kind_to_what_binds_every_kind(ours: Api) -> None:
    checked = check_client(ours.store, "p1", "c1")
    assert checked is not None
    assert checked.entries == 2
    assert [breach.law for breach in checked.breaches if breach.law in ("readable", "chain", "conservation")] == []
    rewrite(ours, "entry#follow-up#000000000002", lambda body: body | {"balance_after": 9})
    checked = check_client(ours.store, "p1", "c1")
    assert checked is not None
    assert "chain" in {breach.law for breach in checked.breaches}


def test_a_wallet_with_a_lot_of_an_unknown_source_is_listed_spent_and_swept(ours: Api) -> None:
    ends = (NOW + DAY).isoformat().replace("+00:00", "Z")
    rewrite(
        ours,
        "wallet#follow-up",
        lambda body: of_a_later_source(body) | {"lots": [of_a_later_source(body)["lots"][0] | {"expires_at": ends}]},
    )
    (lot,) = listed(ours, "/v1/clients/c1/credits/follow-up/lots")
    assert lot["source"] == "gift"
    booked(ours, "b2", starts_at=NOW + timedelta(hours=2))
    assert balances(ours)["follow-up"] == 1
    assert settle_one(Context(ours.store, "p1", STRIPE, later(ours, days=2)), "c1", "follow-up") == 1
    assert balances(ours)["follow-up"] == 0


def test_the_sweep_passes_over_no_one_for_a_record_of_the_next_release(ours: Api) -> None:
    rewrite(ours, "wallet#follow-up", of_a_later_source)
    swept = [sweep_shard(ours.store, shard, NOW + DAY) for shard in shards()]
    assert len(swept) == len(shards())


def test_a_booking_in_an_unknown_state_is_shown_as_it_is_and_left_alone(ours: Api) -> None:
    rewrite(ours, "op", lambda body: body | {"state": "waitlisted", "place": 3})
    assert read(ours, "/v1/bookings/b1")["state"] == "waitlisted"
    before = items(ours)
    with pytest.raises(ValueError, match="waitlisted"):
        cancels(ours)
    with pytest.raises(ValueError, match="waitlisted"):
        bookings.book(Context(ours.store, "p1", BOOKINGS, NOW), created("b1", occurred_at=NOW + DAY))
    assert items(ours) == before, "whatever it means, the next release knows it"


def test_a_booking_of_an_unknown_kind_and_origin_is_shown_and_cancelled_as_any_other(ours: Api) -> None:
    rewrite(ours, "op", lambda body: body | {"kind": "waitlist", "origin": "kiosk"})
    assert read(ours, "/v1/bookings/b1")["state"] == "booked"
    cancels(ours)
    assert read(ours, "/v1/bookings/b1")["state"] == "cancelled"


def test_an_entry_that_makes_a_lot_of_an_unknown_source_is_read(ours: Api) -> None:
    def of_a_gift(body: Any) -> Any:
        (posting,) = body["postings"]
        return body | {"postings": [posting | {"facts": posting["facts"] | {"source": "gift"}}]}

    rewrite(ours, "entry#follow-up#000000000001", of_a_gift)
    assert [entry["kind"] for entry in listed(ours, HISTORY)] == ["sponsored", "granted"]


def test_a_refusal_for_an_unknown_reason_is_published_and_shown(ours: Api) -> None:
    refusal = {"reason": "pool_is_empty", "available": 0, "shortfall": 1, "occurred_at": "2026-11-22T12:00:00Z"}
    item = rewrite(ours, "op", lambda body: body | {"state": "refused", "refusal": refusal})
    (event,) = events_of(from_attributes(item), None)
    assert (event.detail_type, event.detail["reason"]) == ("credits.booking_refused", "pool_is_empty")
    assert event.detail_type in schemas()
    assert read(ours, "/v1/bookings/b1")["refusal"]["reason"] == "pool_is_empty"


def test_an_entry_of_an_unknown_kind_is_published_under_its_own_name(ours: Api) -> None:
    (item,) = [each for each in items(ours) if each["sk"]["S"].startswith("entry#") and "sponsored" in str(each)]
    (event,) = events_of(from_attributes(item), None)
    assert (event.detail_type, event.detail["cause"]["kind"]) == ("credits.sponsored", "sponsor")
