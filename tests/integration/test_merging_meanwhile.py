"""What begins before a merge and ends after it, and merges that meet: nothing is lost or left behind."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.api import Api
from tests.support.builders import DAY, NOW, a_payment, cancelled, created
from tests.support.stock import balances, booked, client, contents, furnished, package, paid

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.errors import CreditsError
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, OPERATOR, STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.operations.queries.verifying import check_client
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.merging import _say_so, merge_clients
from client_credits.operations.sweeping import shards, sweep_shard
from client_credits.store.store import Store


class Meanwhile(Store):
    """A worker's store in which something happens between its first read and its first write."""

    def __init__(self, store: Store, happens: Callable[[], object]) -> None:
        super().__init__(store.table)
        self._happens: Callable[[], object] | None = happens

    def commit(self, items: object) -> None:
        happens, self._happens = self._happens, None
        if happens:
            happens()
        super().commit(items)  # type: ignore[arg-type]


def at(store: Store) -> Context:
    return Context(store, "p1", OPERATOR, NOW)


def merge(store: Store, gone: str = "old", into: str = "c1") -> None:
    merge_clients(at(store), gone, into, Keyed(f"{gone}-{into}", "merge"))


def lawful(api: Api, client_id: str = "c1") -> None:
    checked = check_client(api.store, "p1", client_id)
    assert checked is not None and checked.breaches == ()
    left = [r for r in contents(api) if r["pk"] == "p1#old" and r["kind"] == "wallet"]
    assert all("merged_into" in record["body"] and "roster_pk" not in record for record in left)


def two(api: Api, *, bought: bool = True) -> Api:
    furnished(api)
    client(api, "old")
    if bought:
        paid(api, client_id="old")
    return api


@pytest.mark.parametrize("bought", [True, False])
def test_a_booking_that_began_before_a_merge_spends_from_who_goes_on(api: Api, bought: bool) -> None:
    two(api, bought=bought)
    worker = Meanwhile(api.store, lambda: merge(api.store))
    event = created("b1", client_id="old", occurred_at=NOW)
    booking = spending.book(Context(worker, "p1", BOOKINGS, NOW), event).booking
    assert booking.client_id == "c1"
    assert balances(api)["follow-up"] == (2 if bought else -1)
    lawful(api)


@pytest.mark.parametrize("bought", [True, False])
def test_a_payment_that_began_before_a_merge_grants_to_who_goes_on(api: Api, bought: bool) -> None:
    two(api, bought=bought)
    worker = Meanwhile(api.store, lambda: merge(api.store))
    pay(Context(worker, "p1", STRIPE, NOW), a_payment("in_late", client_id="old"))
    assert balances(api)["follow-up"] == (6 if bought else 3)
    lawful(api)


def test_a_cancellation_that_began_before_a_merge_gives_back_to_who_goes_on(api: Api) -> None:
    two(api)
    booked(api, "b1", client_id="old")
    worker = Meanwhile(api.store, lambda: merge(api.store))
    event = cancelled("b1", CancelledBy.PRACTICE, client_id="old", occurred_at=NOW)
    spending.cancel(Context(worker, "p1", BOOKINGS, NOW), event)
    assert balances(api)["follow-up"] == 3
    lawful(api)


def test_a_merge_that_meets_a_booking_moves_what_it_left(api: Api) -> None:
    two(api)
    merge(Meanwhile(api.store, lambda: booked(api, "b1", client_id="old")))
    assert balances(api)["follow-up"] == 2
    lawful(api)


def test_two_merges_that_cross_leave_one_client(api: Api) -> None:
    two(api)
    paid(api)
    with pytest.raises(CreditsError):
        merge(Meanwhile(api.store, lambda: merge(api.store, "c1", "old")), "old", "c1")
    assert balances(api, "old") == balances(api, "c1") == {"follow-up": 6, "initial": 0}


def test_a_merge_into_a_client_that_is_merged_meanwhile_is_refused_and_moves_nothing(api: Api) -> None:
    two(api)
    client(api, "c3")
    with pytest.raises(CreditsError):
        merge(Meanwhile(api.store, lambda: merge(api.store, "c1", "c3")))
    assert balances(api, "old")["follow-up"] == 3
    assert balances(api, "c3")["follow-up"] == 0


def test_the_sweep_moves_what_a_merge_that_was_cut_short_has_left_once_it_is_due(api: Api) -> None:
    two(api, bought=False)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 2})
    paid(api, client_id="old", price="price_2")
    _say_so(at(api.store), "old", "c1", None)
    assert balances(api)["follow-up"] == 0, "not moved yet"
    checked = check_client(api.store, "p1", "old")
    assert checked and [(b.where, b.detail) for b in checked.breaches] == [
        ("p1/old/follow-up", "the client was merged, and this was not moved")
    ]
    later = NOW + 4 * DAY
    for shard in shards():
        while sweep_shard(api.store, shard, later).more:
            pass
    api.now[0] = later + timedelta(minutes=1)
    lawful(api)
    assert balances(api)["follow-up"] == 0
    assert all(sweep_shard(api.store, shard, later).wallets == 0 for shard in shards()), "nothing is due any more"


def test_a_dry_run_on_a_client_that_is_being_merged_asks_to_come_again(api: Api) -> None:
    two(api)
    _say_so(at(api.store), "old", "c1", None)
    add = {"appointment_type": "follow-up", "amount": 1, "reason": "goodwill"}
    rehearsed = api("POST", "/v1/clients/old/adjustments", add, headers={"idempotency-key": "k"}, dry_run=True)
    assert (rehearsed.status, "Retry-After" in rehearsed.headers) == (503, True)
    assert api("POST", "/v1/clients/old/adjustments", add, headers={"idempotency-key": "k"}).status == 200
    assert balances(api)["follow-up"] == 4
    lawful(api)
