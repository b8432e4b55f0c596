"""Stripe against the ledger: what no event brought is found and, on request, brought in; once, whatever happens."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from tests.support.api import Api
from tests.support.builders import NOW, a_catalogue, a_package
from tests.support.dumps import differences, dump
from tests.support.functions import World, load, own_clients, world
from tests.support.stock import balances, furnished
from tests.support.stripe_server import (
    LIVE_KEY,
    TEST_KEY,
    Fault,
    Object,
    StripeServer,
    a_charge,
    a_dispute,
    a_line,
    a_payment_intent,
    a_refund,
    a_session,
    an_event,
    an_invoice,
    an_invoice_payment,
    stripe_server,
)

from client_credits.aws import clients, secrets
from client_credits.domain.errors import Busy
from client_credits.domain.payments.reconciliation import Reconciliation, Verdict
from client_credits.domain.practice.records import Account
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import linking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import StripeApi, StripeKind
from client_credits.stripe.completing import completed_event, event_of
from client_credits.stripe.reconciling import (
    SAVED_EVERY,
    StripeSide,
    Window,
    reconcile,
    slices,
    steps,
    steps_done,
    window,
)

__all__ = ["own_clients", "world"]

SINCE, UNTIL = NOW - timedelta(days=5), NOW - timedelta(minutes=10)
HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400


def ago(days: float = 1.0) -> int:
    """Unix seconds of so many days before now."""
    return int((NOW - timedelta(days=days)).timestamp())


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with stripe_server(connected={"acct_clinic"}) as made:
        yield made


@pytest.fixture
def ours(api: Api) -> Api:
    return furnished(api)


class Killed(BaseException):
    """The process dies here."""


def asking(server: StripeServer, account: str | None = None, key: str = TEST_KEY) -> StripeApi:
    return StripeApi(key, account, server.url, retries=0, pause=lambda seconds: None)


def worker(store: Store, stripe: StripeApi, mode: Any = "test", practice_id: str = "p1") -> Callable[[Object], str]:
    """The way that every event takes."""
    return lambda event: stripe_work.handle(
        Context(store, practice_id, STRIPE, NOW), stripe, mode, event, json.dumps(event)
    )


def compared(
    ours: Api,
    server: StripeServer,
    *,
    repair: bool = False,
    account: str | None = None,
    key: str = TEST_KEY,
    mode: Any = "test",
    since: datetime = SINCE,
    until: datetime = UNTIL,
    progress: Callable[[Reconciliation], None] = lambda run: None,
    apply: Callable[[Object], str] | None = None,
    name: str | None = None,
    **more: Any,
) -> Reconciliation:
    stripe = asking(server, account, key)
    by = apply or worker(ours.store, stripe, mode)
    side, window = StripeSide(stripe, mode, by), Window(since, until, name)
    return reconcile(Context(ours.store, "p1", STRIPE, NOW), side, window, repair, progress, **more)


def delivered(ours: Api, server: StripeServer, kind: StripeKind, about: str, type_: str) -> None:
    """The webhook's event of an object arrives and is worked off."""
    stripe = asking(server)
    event = event_of(type_, stripe.retrieve(kind, about), stripe, f"evt_{about}", ago(0.5), False)
    event, _ = completed_event(event, "test", stripe)
    worker(ours.store, stripe)(event)


def verdicts(run: Reconciliation) -> dict[str, Verdict]:
    return {found.object_id: found.verdict for found in run.findings}


def dump_items(ours: Api) -> list[Any]:
    found: list[Any] = ours.store.table._client.scan(TableName=ours.store.table.name, ConsistentRead=True)["Items"]
    return found


def put(ours: Api, item: Any) -> None:
    ours.store.table._client.put_item(TableName=ours.store.table.name, Item=item)


def content(ours: Api) -> Any:
    """All that the table holds beside the runs' own places."""
    return [
        record for record in dump(ours.store.table, ours.store.table._client) if "reconciliation" not in str(record)
    ]


def balance(ours: Api) -> int:
    return balances(ours)["follow-up"]


# -- what is found -----------------------------------------------------------------------------


def test_with_nothing_at_stripe_there_is_nothing_to_find(ours: Api, server: StripeServer) -> None:
    run = compared(ours, server)
    assert (run.finished, run.counts, run.findings) == (True, {}, ())


def test_a_lost_webhook_is_found_and_changes_nothing_unless_asked_to(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()), an_invoice("in_2", ago(2)))
    delivered(ours, server, StripeKind.INVOICE, "in_2", "invoice.paid")
    before = content(ours)
    run = compared(ours, server)
    assert run.counts == {"fine": 1, "missing": 1}
    assert (verdicts(run), run.left, run.repaired) == ({"in_1": Verdict.MISSING}, 1, 0)
    assert not differences(before, content(ours))


def test_a_lost_webhook_is_repaired_as_if_it_had_come(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()), a_session("cs_1", ago(2)))
    run = compared(ours, server, repair=True)
    assert (run.counts, run.repaired, run.left) == ({"missing": 2}, 2, 0)
    assert [found.repaired for found in run.findings] == [True, True]
    assert balance(ours) == 6


def test_the_event_that_comes_after_its_repair_changes_nothing(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()), a_session("cs_1", ago()))
    compared(ours, server, repair=True)
    before = content(ours)
    delivered(ours, server, StripeKind.INVOICE, "in_1", "invoice.paid")
    delivered(ours, server, StripeKind.SESSION, "cs_1", "checkout.session.completed")
    assert not differences(before, content(ours))


def test_running_twice_changes_nothing(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()), a_session("cs_1", ago()), an_invoice("in_2", ago(), a_line(price="price_?")))
    compared(ours, server, repair=True)
    before = content(ours)
    again = compared(ours, server, repair=True)
    assert (again.counts, again.repaired) == ({"fine": 2, "parked": 1}, 0)
    assert not differences(before, content(ours))


def test_a_payment_of_many_lines_is_found_by_all_of_them(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(), *(a_line(f"il_{number}") for number in range(120))))
    run = compared(ours, server, repair=True)
    assert (run.repaired, balance(ours)) == (1, 360)


def test_a_payment_half_applied_is_missing_and_is_completed(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(), a_line("il_1")))
    compared(ours, server, repair=True)
    server.add(an_invoice("in_1", ago(), a_line("il_1"), a_line("il_2")))
    assert verdicts(compared(ours, server)) == {"in_1": Verdict.MISSING}
    assert compared(ours, server, repair=True).repaired == 1
    assert balance(ours) == 6


def test_a_payment_that_waits_for_staff_is_parked_and_one_they_settled_is_fine(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(), a_line(price="price_unknown")))
    run = compared(ours, server, repair=True)
    assert (run.counts, run.left) == ({"missing": 1}, 0), "it is parked now, as its event would have been"
    run = compared(ours, server)
    assert (verdicts(run), run.left) == ({"in_1": Verdict.PARKED}, 0)
    (parked,) = ours("GET", "/v1/parked").body["items"]
    assert ours("POST", f"/v1/parked/{parked['id']}/dismiss", {"reason": "a gift"}).status == 200
    assert compared(ours, server).counts == {"fine": 1}


def test_what_grants_nothing_is_fine(ours: Api, server: StripeServer) -> None:
    server.add(
        an_invoice("in_1", ago(), a_line(quantity=0)),
        a_session("cs_1", ago(), payment_status="unpaid"),
        a_session("cs_2", ago(), mode="setup", payment_status="no_payment_required"),
    )
    assert compared(ours, server).counts == {"fine": 3}


def test_a_subscription_s_checkout_tells_whose_the_customer_is(ours: Api, server: StripeServer) -> None:
    server.add(a_session("cs_1", ago(), mode="subscription", customer="cus_9", subscription="sub_9", invoice="in_9"))
    assert verdicts(compared(ours, server)) == {"cs_1": Verdict.MISSING}
    assert compared(ours, server, repair=True).repaired == 1
    pairs = (("customer", "cus_9"), ("subscription", "sub_9"))
    assert ours.store.load("p1", Wanted(links=pairs)).links == dict.fromkeys(pairs, "c1")
    assert compared(ours, server).counts == {"fine": 1}


def test_a_session_counts_from_when_it_was_paid(ours: Api, server: StripeServer) -> None:
    paid = ago(1) + HOUR_SECONDS
    server.add(
        a_session("cs_1", ago(1), payment_intent="pi_1"),
        a_payment_intent("pi_1", ago(1), "ch_1"),
        a_charge("ch_1", paid),
    )
    compared(ours, server, repair=True)
    (entry,) = ours("GET", "/v1/clients/c1/credits/follow-up/history").body["items"]
    assert entry["occurred_at"] == datetime.fromtimestamp(paid, UTC).isoformat().replace("+00:00", "Z")


# -- money back --------------------------------------------------------------------------------


def paid_by(server: StripeServer, number: int = 1, days: float = 2.0) -> None:
    """An invoice with the payment that paid it."""
    server.add(
        an_invoice(f"in_{number}", ago(days)),
        an_invoice_payment(f"inpay_{number}", f"in_{number}", f"pi_{number}", ago(days)),
    )


def test_a_lost_refund_is_found_and_claws_back(ours: Api, server: StripeServer) -> None:
    paid_by(server)
    compared(ours, server, repair=True)
    server.add(a_refund("re_1", ago(1)))
    assert verdicts(compared(ours, server)) == {"re_1": Verdict.MISSING}
    assert balance(ours) == 3
    run = compared(ours, server, repair=True)
    assert (run.repaired, run.left, balance(ours)) == (1, 0, 0)
    assert compared(ours, server, repair=True).counts == {"fine": 2}


def test_a_refund_of_the_same_run_comes_after_its_payment(ours: Api, server: StripeServer) -> None:
    paid_by(server)
    server.add(a_refund("re_1", ago(1)))
    assert (compared(ours, server, repair=True).left, balance(ours)) == (0, 0)


def test_a_refund_that_failed_is_different_and_gives_the_credits_back(ours: Api, server: StripeServer) -> None:
    paid_by(server)
    server.add(a_refund("re_1", ago(1)))
    compared(ours, server, repair=True)
    server.add(a_refund("re_1", ago(1), status="failed"))
    assert verdicts(compared(ours, server)) == {"re_1": Verdict.DIFFERENT}
    run = compared(ours, server, repair=True)
    assert (run.repaired, run.left, balance(ours)) == (1, 0, 3)


def test_a_dispute_is_followed_to_its_end(ours: Api, server: StripeServer) -> None:
    paid_by(server)
    compared(ours, server, repair=True)
    server.add(a_dispute("dp_1", ago(1)))
    assert compared(ours, server, repair=True).repaired == 1
    stated = next(
        c for c in ours("GET", "/v1/clients/c1/credits").body["credits"] if c["appointment_type"] == "follow-up"
    )
    assert (stated["balance"], stated["available"], stated["frozen"]) == (3, 0, 3)
    server.add(a_dispute("dp_1", ago(1), status="lost"))
    assert verdicts(compared(ours, server)) == {"dp_1": Verdict.DIFFERENT}
    assert (compared(ours, server, repair=True).left, balance(ours)) == (0, 0)


def test_a_refund_of_what_is_none_of_the_ledger_s_business_is_fine_once_heard_of(
    ours: Api, server: StripeServer
) -> None:
    server.add(a_refund("re_1", ago(1), "pi_elsewhere"))
    assert compared(ours, server, repair=True).left == 0
    before = content(ours)
    assert compared(ours, server, repair=True).counts == {"fine": 1}
    assert not differences(before, content(ours))


# -- what was made long ago and happened now ---------------------------------------------------


def test_an_invoice_made_before_the_window_and_paid_in_it_is_found_by_its_event(
    ours: Api, server: StripeServer
) -> None:
    late = an_invoice("in_late", ago(60), paid_at=ago(1))
    server.add(late, an_event("evt_1", "invoice.paid", ago(1), late))
    assert verdicts(compared(ours, server)) == {"in_late": Verdict.MISSING}
    assert compared(ours, server, repair=True).repaired == 1
    assert compared(ours, server).counts == {"fine": 1}


def test_a_dispute_made_before_the_window_is_looked_at_as_it_stands_now(ours: Api, server: StripeServer) -> None:
    paid_by(server, days=40)
    compared(ours, server, repair=True, since=NOW - timedelta(days=45))
    old = a_dispute("dp_1", ago(35))
    server.add(a_dispute("dp_1", ago(35), status="won"), an_event("evt_1", "charge.dispute.updated", ago(1), old))
    run = compared(ours, server, repair=True)
    assert (run.counts, run.left, balance(ours)) == ({"missing": 1}, 0, 3)


def test_what_was_made_and_heard_of_in_the_window_is_looked_at_once(ours: Api, server: StripeServer) -> None:
    invoice = an_invoice("in_1", ago(3), paid_at=ago(1))
    server.add(
        invoice, an_event("evt_1", "invoice.paid", ago(1), invoice), an_event("evt_2", "invoice.paid", ago(3), invoice)
    )
    assert compared(ours, server).counts == {"missing": 1}


def test_an_object_that_is_gone_keeps_no_other_from_its_turn(ours: Api, server: StripeServer) -> None:
    gone = an_invoice("in_gone", ago(60), paid_at=ago(1))
    long = an_invoice("in_long", ago(2), *(a_line(f"il_{number}") for number in range(15)))
    server.add(an_event("evt_1", "invoice.paid", ago(1), gone), long, an_invoice("in_1", ago(1)))
    server.faults.append(Fault(404, 99, "/v1/invoices/in_long/lines"))
    run = compared(ours, server, repair=True)
    assert (run.finished, run.seen, run.left) == (True, 2, 0)
    assert balance(ours) == 33, "the lines that its first page shows, and the other invoice"


# -- other accounts, other modes ---------------------------------------------------------------


def test_nothing_of_another_account_is_granted(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_clinic", ago()), account="acct_clinic")
    assert compared(ours, server, repair=True).counts == {}
    run = compared(ours, server, repair=True, account="acct_clinic")
    assert (run.left, balance(ours)) == (1, 0), "nobody has said whose the account is"
    linking.connect(ours.store, "p1", "acct_clinic", "p1")
    assert compared(ours, server, repair=True, account="acct_clinic").repaired == 1
    done = ours.store.load("p1", Wanted(source_ids=("stripe/acct_clinic/test/in_clinic/il_in_clinic",))).operations
    assert len(done) == 1
    assert balance(ours) == 3


def test_a_key_of_the_other_mode_is_refused_before_anything_is_asked(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(), livemode=True))
    with pytest.raises(StripeRefused) as refused:
        compared(ours, server, repair=True, key=LIVE_KEY)
    assert refused.value.code == "other_mode"
    assert server.requests == []


def test_what_says_that_it_is_of_the_other_mode_changes_nothing(ours: Api, server: StripeServer) -> None:
    """The server answers a test key with a live object."""
    server._objects["acct_own", False] = [an_invoice("in_1", ago(), livemode=True)]
    before = content(ours)
    run = compared(ours, server, repair=True)
    assert run.repaired == 0
    assert not differences(before, content(ours))


def test_the_same_id_in_live_mode_is_another_payment(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()))
    compared(ours, server, repair=True)
    server.add(an_invoice("in_2", ago(), livemode=True))
    assert verdicts(compared(ours, server, key=LIVE_KEY, mode="live")) == {"in_2": Verdict.MISSING}


# -- faults, ends and beginnings ---------------------------------------------------------------


def many(server: StripeServer, count: int = 130) -> None:
    """Payments over all of the window, several a day."""
    gap = int((UNTIL - SINCE).total_seconds()) // count
    server.add(*(an_invoice(f"in_{n:03}", int(SINCE.timestamp()) + n * gap) for n in range(count)))


def test_the_oldest_are_looked_at_first_over_pages_and_days(ours: Api, server: StripeServer) -> None:
    server.page = 10
    many(server)
    seen: list[str] = []
    run = compared(ours, server, apply=lambda event: seen.append(event["id"]) or "noted", repair=True)
    assert seen == [f"reconcile-in_{n:03}" for n in range(130)]
    assert (run.counts, run.repaired, run.left) == ({"missing": 130}, 0, 130)


@pytest.mark.parametrize("dies_at", [1, SAVED_EVERY, SAVED_EVERY + 1, 59])
def test_a_run_killed_in_the_middle_goes_on_and_ends_like_one_that_was_not(
    ours: Api, server: StripeServer, dies_at: int
) -> None:
    many(server, 60)
    alive: list[Reconciliation] = []

    def dying(run: Reconciliation) -> None:
        alive.append(run)
        if run.seen == dies_at:
            raise Killed

    with pytest.raises(Killed):
        compared(ours, server, repair=True, progress=dying)
    first = len(server.requests)
    run = compared(ours, server, repair=True)
    # What was repaired and not yet noted is looked at again, and is fine by then.
    assert run.seen == 60
    assert run.left == 0
    assert run.counts["missing"] + run.counts.get("fine", 0) == 60
    assert run.counts.get("fine", 0) < SAVED_EVERY
    assert balance(ours) == 180
    if dies_at > 50:
        assert len(server.requests) - first < first, "the days behind it are not asked for again"


def test_a_run_killed_in_between_the_table_and_stripe_is_safe(ours: Api, server: StripeServer) -> None:
    many(server, 12)
    stripe = asking(server)
    work, count = worker(ours.store, stripe), 0

    def dying(event: Object) -> str:
        nonlocal count
        count += 1
        done = work(event)
        if count % 5 == 0:
            raise Killed
        return done

    for _ in range(2):
        with pytest.raises(Killed):
            compared(ours, server, repair=True, apply=dying)
    run = compared(ours, server, repair=True, apply=dying)
    assert (run.finished, run.left, balance(ours)) == (True, 0, 36)


@pytest.mark.parametrize(
    "fault", [Fault(500), Fault(429, 99), Fault(drop=True), Fault(200, body="{}")], ids=["500", "429", "drop", "wrong"]
)
@pytest.mark.parametrize("path", ["/v1/invoices?", "/v1/refunds", "/v1/events", "/lines"])
def test_a_fault_ends_the_run_and_the_next_one_goes_on(
    ours: Api, server: StripeServer, fault: Fault, path: str
) -> None:
    many(server, 12)
    server.add(an_invoice("in_long", ago(1), *(a_line(f"il_{number}") for number in range(15))))
    struck = Fault(fault.status, fault.times, path, body=fault.body, drop=fault.drop)
    server.faults.append(struck)
    with pytest.raises(StripeUnavailable):
        compared(ours, server, repair=True)
    server.faults.clear()
    run = compared(ours, server, repair=True)
    assert (run.finished, run.left, balance(ours)) == (True, 0, 36 + 45)


def test_a_run_without_time_stops_and_goes_on(ours: Api, server: StripeServer) -> None:
    many(server, 60)
    runs = 0
    while True:
        left = iter(range(20))
        run = compared(ours, server, repair=True, may_go_on=lambda left=left: next(left, None) is not None)
        runs += 1
        if run.finished:
            break
    assert 3 <= runs <= 30
    assert (run.counts, run.repaired, balance(ours)) == ({"missing": 60}, 60, 180)


def test_a_report_that_was_cut_off_leaves_nothing_out_of_a_repair(ours: Api, server: StripeServer) -> None:
    many(server, 12)

    def dying(run: Reconciliation) -> None:
        if run.seen == 8:
            raise Killed

    with pytest.raises(Killed):
        compared(ours, server, progress=dying)
    assert compared(ours, server, repair=True).repaired == 12


# -- what fails for good -----------------------------------------------------------------------


def failing(ours: Api, server: StripeServer, about: str, error: Exception) -> Callable[[Object], str]:
    """The way that every event takes, but for one object's."""
    well = worker(ours.store, asking(server))

    def apply(event: Object) -> str:
        if event["data"]["object"]["id"] == about:
            raise error
        return well(event)

    return apply


@pytest.mark.parametrize("error", [ValueError("not a Wallet"), KeyError("price"), StripeRefused(400, "bad")])
def test_an_object_that_fails_for_good_is_set_aside_with_its_reason_and_the_run_goes_on(
    ours: Api, server: StripeServer, error: Exception
) -> None:
    server.add(*(an_invoice(f"in_{n}", ago(n)) for n in (1, 2, 3)))
    run = compared(ours, server, repair=True, apply=failing(ours, server, "in_2", error))
    assert (run.finished, run.counts, run.set_aside) == (True, {"missing": 2, "set_aside": 1}, 1)
    (found,) = [each for each in run.findings if each.verdict is Verdict.SET_ASIDE]
    assert found.object_id == "in_2"
    assert found.detail in ("ValueError", "KeyError", "Stripe refused: status 400, bad")
    assert balance(ours) == 6
    assert compared(ours, server, repair=True).repaired == 1, "and it is looked at again the next time"


def test_a_record_that_cannot_be_read_sets_one_object_aside(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago()), an_invoice("in_2", ago(2)))
    delivered(ours, server, StripeKind.INVOICE, "in_2", "invoice.paid")
    (broken,) = [i for i in dump_items(ours) if i["kind"]["S"] == "operation" and "in_2" in i["pk"]["S"]]
    put(ours, broken | {"body": {"S": "?"}})
    run = compared(ours, server, repair=True)
    assert verdicts(run) == {"in_1": Verdict.MISSING, "in_2": Verdict.SET_ASIDE}
    assert (run.finished, run.repaired) == (True, 1)


def test_an_object_that_stripe_will_not_show_is_set_aside(ours: Api, server: StripeServer) -> None:
    late = an_invoice("in_old", ago(60), paid_at=ago(1))
    server.add(late, an_event("evt_1", "invoice.paid", ago(1), late), an_invoice("in_1", ago()))
    server.faults.append(Fault(400, 1, "/v1/invoices/in_old"))
    run = compared(ours, server, repair=True)
    assert verdicts(run) == {"in_old": Verdict.SET_ASIDE, "in_1": Verdict.MISSING}
    assert (run.finished, balance(ours)) == (True, 3)


@pytest.mark.parametrize("error", [StripeUnavailable("429"), StripeRefused(403), Busy("often")])
def test_what_the_next_object_would_meet_too_stops_the_run(ours: Api, server: StripeServer, error: Exception) -> None:
    many(server, 3)
    with pytest.raises(type(error)):
        compared(ours, server, repair=True, apply=failing(ours, server, "in_001", error))


def test_a_finished_window_starts_anew(ours: Api, server: StripeServer) -> None:
    assert compared(ours, server).seen == 0
    server.add(an_invoice("in_1", ago()))
    assert compared(ours, server).seen == 1


def test_the_bounds_of_a_window_hold_to_the_second(ours: Api, server: StripeServer) -> None:
    first, last = int(SINCE.timestamp()), int(UNTIL.timestamp())
    server.add(*(an_invoice(f"in_{n}", at) for n, at in enumerate((first - 1, first, last - 1, last))))
    assert set(verdicts(compared(ours, server))) == {"in_1", "in_2"}


def test_progress_moves_forward_to_the_last_step(ours: Api, server: StripeServer) -> None:
    many(server, 12)
    stated: list[int] = []
    run = compared(ours, server, progress=lambda run: stated.append(steps_done(run)))
    assert stated == sorted(stated)
    assert stated[-1] == steps(SINCE, UNTIL) == steps_done(run)


@pytest.mark.parametrize(("length", "count"), [(0, 0), (1, 1), (3 * DAY_SECONDS, 1), (3 * DAY_SECONDS + 1, 2)])
def test_a_window_has_a_slice_for_each_three_days_begun(length: int, count: int) -> None:
    assert slices(NOW, NOW + timedelta(seconds=length)) == count


def test_what_is_young_is_left_to_its_event() -> None:
    since, until = window(NOW, 30)
    assert (NOW - until, until - since) == (timedelta(minutes=10), timedelta(days=30))


# -- the function ------------------------------------------------------------------------------


def furnish(store: Store, practice_id: str = "p1") -> None:
    account = Account(practice_id, created_at=NOW, catalogue_version=1, version=0)
    catalogue = a_catalogue(a_package())
    store.commit(
        [
            writes.account(account),
            writes.catalogue(practice_id, catalogue.__class__(0, catalogue.types, catalogue.packages)),
        ]
    )


@pytest.fixture
def _at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def daily(world: World, server: StripeServer, monkeypatch: pytest.MonkeyPatch, _at_noon: None) -> World:
    monkeypatch.setenv("STRIPE_API_BASE", server.url)
    return world


def context(*milliseconds: int) -> Any:
    """What Lambda tells of the time left, one number after the other; the last stays."""
    left = list(milliseconds or (900_000,))
    return SimpleNamespace(
        aws_request_id="lambda-1", get_remaining_time_in_millis=lambda: left.pop(0) if len(left) > 1 else left[0]
    )


def keyed(world: World, *practices: str, key: str = TEST_KEY) -> None:
    for practice_id in practices:
        name = secrets.api_key_name(os.environ["SECRETS_PREFIX"], practice_id)
        clients.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def granted(world: World, practice_id: str, client_id: str = "c1") -> int:
    wallets = world.api.store.load(practice_id, Wanted(client_id=client_id, types=("follow-up",))).wallets
    return wallets["follow-up"].balance


def ran(*milliseconds: int) -> Any:
    return load("reconcile").handler({"kind": "start"}, context(*milliseconds))


@pytest.mark.usefixtures("own_clients")
def test_every_practice_with_a_key_is_repaired_and_no_other(daily: World, server: StripeServer) -> None:
    for practice_id in ("p.1", "p:2", "q3"):
        furnish(daily.api.store, practice_id)
    keyed(daily, "p.1", "p:2")
    server.add(an_invoice("in_1", ago()))
    assert ran() == {"practices": 2}
    assert [granted(daily, practice_id) for practice_id in ("p.1", "p:2", "q3")] == [3, 3, 0]
    before = daily.items()
    ran()
    changed = {key for key, item in daily.items().items() if before.get(key) != item}
    assert {pk for pk, _ in changed} <= {f"{p}#reconciliation#own#test" for p in ("p.1", "p:2")}


@pytest.mark.usefixtures("own_clients")
def test_the_daily_run_finds_a_payment_and_its_refund(daily: World, server: StripeServer) -> None:
    furnish(daily.api.store, "q1")
    keyed(daily, "q1")
    paid_by(server)
    ran()
    assert granted(daily, "q1") == 3
    server.add(a_refund("re_1", ago(1)))
    ran()
    assert granted(daily, "q1") == 0


@pytest.mark.usefixtures("own_clients")
def test_more_practices_than_a_page_of_parameters_are_all_found(daily: World, server: StripeServer) -> None:
    practices = [f"p{n:02}" for n in range(23)]
    keyed(daily, *practices)
    assert secrets.practices_with_api_key(clients.client("ssm"), os.environ["SECRETS_PREFIX"]) == practices


@pytest.mark.usefixtures("own_clients")
def test_when_time_runs_out_the_next_run_goes_on_and_all_get_their_turn(daily: World, server: StripeServer) -> None:
    practices = ["q1", "q2", "q3"]
    for practice_id in practices:
        furnish(daily.api.store, practice_id)
    keyed(daily, *practices)
    server.add(*(an_invoice(f"in_{n}", ago(1 + n / 10)) for n in range(10)))
    for _ in range(20):
        ran(*[900_000] * 12, 10_000)
        if [granted(daily, practice_id) for practice_id in practices] == [30, 30, 30]:
            break
    else:
        raise AssertionError([granted(daily, practice_id) for practice_id in practices])


@pytest.mark.usefixtures("own_clients")
def test_a_practice_whose_key_is_refused_does_not_keep_the_others_from_theirs(
    daily: World, server: StripeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for practice_id in ("q1", "q2"):
        furnish(daily.api.store, practice_id)
    keyed(daily, "q1", "nobody", key="sk_test_" + "z" * 24)
    keyed(daily, "q2")
    server.add(an_invoice("in_1", ago()))
    assert ran() == {"practices": 3}
    assert (granted(daily, "q1"), granted(daily, "q2")) == (0, 3)
    out = capsys.readouterr().out
    assert "ReconcileFailed" in out
    assert "z" * 6 not in out


@pytest.mark.usefixtures("own_clients")
def test_stripe_being_away_fails_the_function_and_is_made_up_for(daily: World, server: StripeServer) -> None:
    furnish(daily.api.store, "q1")
    keyed(daily, "q1")
    server.add(an_invoice("in_1", ago()))
    server.faults.append(Fault(500, 3, "/v1/sessions"))
    server.faults.append(Fault(500, 3, "/v1/checkout"))
    with pytest.raises(StripeUnavailable):
        ran()
    server.faults.clear()
    ran()
    assert granted(daily, "q1") == 3


@pytest.mark.usefixtures("own_clients")
def test_days_in_which_nothing_ran_are_made_up_for(daily: World, server: StripeServer) -> None:
    furnish(daily.api.store, "q1")
    keyed(daily, "q1")
    ran()
    server.add(an_invoice("in_1", int(NOW.timestamp()) + HOUR_SECONDS))
    with time_machine.travel(NOW + timedelta(days=9), tick=False):
        ran()
    assert granted(daily, "q1") == 3


# -- a practice that fails for good ------------------------------------------------------------


def spoil(world: World, practice_id: str) -> None:
    """Its settings cannot be read any more."""
    item = world.items()[practice_id, "settings"]
    clients.client("dynamodb").put_item(TableName=world.table, Item=item | {"body": {"S": "?"}})


@pytest.mark.usefixtures("own_clients")
def test_a_practice_that_cannot_be_worked_off_is_counted_and_the_others_have_their_turn(
    daily: World, server: StripeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for practice_id in ("q1", "q2", "q3"):
        furnish(daily.api.store, practice_id)
    keyed(daily, "q1", "q2", "q3")
    server.add(an_invoice("in_1", ago()))
    spoil(daily, "q1")
    run = daily.api.store.reconciliation
    assert ran() == {"practices": 3}
    assert (granted(daily, "q2"), granted(daily, "q3")) == (3, 3)
    out = capsys.readouterr().out
    assert "set_aside" in out
    assert run("q2", "own", "test", "daily") is not None


@pytest.mark.usefixtures("own_clients")
def test_a_run_whose_record_cannot_be_read_is_begun_anew(daily: World, server: StripeServer) -> None:
    for practice_id in ("q1", "q2"):
        furnish(daily.api.store, practice_id)
    keyed(daily, "q1", "q2")
    server.add(an_invoice("in_1", ago()))
    ran()
    for key, item in daily.items().items():
        if key[0].startswith("q1#reconciliation"):
            broken = item | {"body": {"S": "?"}}
            clients.client("dynamodb").put_item(TableName=daily.table, Item=broken)
    server.add(an_invoice("in_2", ago(0.5)))
    assert ran() == {"practices": 2}
    assert (granted(daily, "q1"), granted(daily, "q2")) == (6, 6)


@pytest.mark.usefixtures("own_clients")
def test_a_practice_that_fails_every_time_is_not_first_every_time(daily: World, server: StripeServer) -> None:
    furnish(daily.api.store, "q1")
    keyed(daily, "a-refused", key="sk_test_" + "z" * 24)
    keyed(daily, "q1")
    server.add(an_invoice("in_1", ago()))
    one_practice = (900_000, 10_000)
    ran(*one_practice)
    assert granted(daily, "q1") == 0, "the refused one had the first turn"
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        ran(900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 10_000)
    assert granted(daily, "q1") == 3


@pytest.mark.usefixtures("own_clients")
def test_an_object_that_was_set_aside_is_counted_and_named(
    daily: World, server: StripeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    furnish(daily.api.store, "q1")
    keyed(daily, "q1")
    server.add(an_invoice("in_1", ago()), an_invoice("in_2", ago(0.5)))
    ran()
    operations = [i for k, i in daily.items().items() if k[0].startswith("q1#op#") and "in_1" in k[0]]
    for item in operations:
        clients.client("dynamodb").put_item(TableName=daily.table, Item=item | {"body": {"S": "?"}})
    capsys.readouterr()
    ran()
    stated = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [each for each in stated if each.get("message") == "set aside"]
    assert (line["object_id"], line["practice_id"]) == ("in_1", "q1")
    assert [each["reason"] for each in stated if "SetAside" in each] == ["object"]
