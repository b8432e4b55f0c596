"""What goes over a whole practice: as many requests for a client in a large one as in a small one, and no page of
unbounded work. Memory and time stand in `make bench`."""

from collections import Counter

import pytest
from tests.support.builders import DAY, NOW
from tests.support.crowd import Crowd
from tests.support.stock import patch, read

from client_credits.domain.errors import Invalid
from client_credits.domain.ledger.wallet import Debt, DebtCause, Wallet
from client_credits.operations.context import OPERATOR, Context
from client_credits.operations.jobs.exporting import MOST_READS
from client_credits.operations.queries import exporting
from client_credits.operations.queries.clients import COUNTED, CountBounds, count_holding
from client_credits.operations.queries.reports.every import REPORTS
from client_credits.operations.queries.reports.pages import READS, Period, ReportAsk
from client_credits.store import writes
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.store.lists import ENTRIES_AT_ONCE

SETTINGS = "/v1/settings"
SMALL, LARGE = 300, 1_200
PAGE = 100


def context(crowd: Crowd) -> Context:
    return Context(crowd.api.store, "p1", OPERATOR, NOW)


def requests_of(name: str, crowd: Crowd) -> int:
    """The requests of a report to its end. No page makes more than its bounds add up to."""
    after, asked, total = None, ReportAsk(Period(NOW - DAY, NOW + DAY)), 0
    while True:
        with crowd.counted() as calls:
            page = REPORTS[name].page(context(crowd), asked, after, PAGE)
        assert calls.total() <= 500, name
        after, total = page.next, total + calls.total()
        if after is None:
            return total


def exported(crowd: Crowd) -> None:
    assert sum(1 for _ in exporting.exported(context(crowd))) == len(crowd.ids)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_row_of_a_report_costs_as_much_in_a_large_practice_as_in_a_small_one(name: str) -> None:
    small, large = (requests_of(name, Crowd(size)) / size for size in (SMALL, LARGE))
    assert large <= 1.05 * small


def test_an_export_asks_once_for_each_wallet_and_once_for_some_ninety_records() -> None:
    crowd = Crowd(LARGE)
    with crowd.counted() as calls:
        exported(crowd)
    assert calls["query"] <= LARGE + 4 * ROSTER_SHARDS
    assert calls["batch_get_item"] <= 2 * LARGE / 88 + 2


# --- Too long for one answer


@pytest.mark.parametrize("name", ["outstanding", "revenue"])
def test_a_history_too_long_for_one_answer_is_refused_before_any_of_it_is_read(name: str) -> None:
    crowd = Crowd(2)
    crowd.put(writes.wallet(Wallet("p1", crowd.ids[1], "type-0", sequence=READS * ENTRIES_AT_ONCE + 1), None))
    asked = ReportAsk(Period(NOW - DAY, NOW + DAY))
    first = REPORTS[name].page(context(crowd), asked, None, PAGE)
    assert first.next == crowd.ids[0], "the page ends before that client"
    with crowd.counted() as calls, pytest.raises(Invalid) as refused:
        REPORTS[name].page(context(crowd), asked, first.next, PAGE)
    (fault,) = refused.value.errors
    assert (fault.code, "POST /v1/reports/exports" in fault.detail) == ("too_long_for_one_answer", True)
    assert calls == {"query": ROSTER_SHARDS, "batch_get_item": 1}


def test_what_an_export_reads_for_one_client_is_more_than_an_answer_may_and_fits_a_steps_memory() -> None:
    entry_kilobytes = 2
    assert 2 * READS < MOST_READS
    assert MOST_READS * ENTRIES_AT_ONCE * entry_kilobytes < 512 * 1024


# --- Off and on


def test_the_count_shown_first_reads_the_roster_in_large_pages_and_no_wallet_that_is_settled() -> None:
    crowd = Crowd(1000, types=2)
    read(crowd.api, SETTINGS)
    with crowd.counted() as calls:
        reply = crowd.api("PATCH", SETTINGS, {"enabled": False})
    assert reply.body["clients_with_credits"] == 1000
    assert calls["query"] == ROSTER_SHARDS
    assert calls["batch_get_item"] == 1
    assert calls["transact_write_items"] == 0


def test_credits_of_one_type_beside_debts_of_another_type_need_no_settling() -> None:
    crowd = Crowd(100, types=2)
    debt = (Debt(DebtCause.STAFF, "s-1", 1, NOW - DAY),)
    for client_id in crowd.ids:
        crowd.put(writes.wallet(Wallet("p1", client_id, "type-1", debts=debt), None))
    context(crowd).store.catalogue("p1")
    with crowd.counted() as calls:
        assert count_holding(context(crowd)).clients == 100
    assert calls == {"query": ROSTER_SHARDS}


def test_the_count_settles_what_fell_due_in_batches_as_far_as_they_go() -> None:
    crowd = Crowd(1000, due=True)
    with crowd.counted() as calls:
        assert count_holding(context(crowd)).clients == 0
    assert calls["batch_get_item"] <= 2 * 1000 / 96 + 2
    with crowd.counted() as calls:
        found = count_holding(context(crowd), CountBounds(settled=3))
    assert calls["batch_get_item"] <= 3
    assert 0 < found.clients < 1000, "beyond three batches clients count as stored"


def test_a_count_that_takes_too_many_requests_says_that_there_may_be_more() -> None:
    crowd = Crowd(1000)
    found = count_holding(context(crowd), CountBounds(page=10, requests=20))
    assert found.at_least
    assert 0 < found.clients <= 10 * 20
    assert not count_holding(context(crowd)).at_least


def test_a_hundred_thousand_clients_with_three_types_each_are_counted_to_the_end() -> None:
    assert COUNTED.page * (COUNTED.requests - ROSTER_SHARDS) >= 100_000 * (1 + 3)


def test_switching_off_and_on_asks_as_little_in_a_large_practice_and_loses_nothing() -> None:
    few, many = (_switched(Crowd(size)) for size in (10, 1000))
    assert few == many


def _switched(crowd: Crowd) -> list[Counter[str]]:
    asked = []
    before = [read(crowd.api, f"/v1/clients/{each}/credits")["credits"] for each in crowd.ids[:5]]
    for change in ({"enabled": False, "confirm": True}, {"enabled": True}):
        with crowd.counted() as calls:
            patch(crowd.api, SETTINGS, change)
        asked.append(calls)
    assert [read(crowd.api, f"/v1/clients/{each}/credits")["credits"] for each in crowd.ids[:5]] == before
    return asked
