"""What each thing asks of AWS, counted request by request: no clock is looked at here.

The catalogue is warm: the worker has seen the practice before.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.support.api import Api, api_beside
from tests.support.builders import DAY, NOW
from tests.support.functions import CONTEXT, forget_clients, load
from tests.support.stock import (
    booked,
    cancels,
    client,
    counted,
    furnished,
    listed,
    no_debt,
    package,
    paid,
    patch,
    paying,
    put,
    read,
)

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.practice.jobs import JobKind, Progress
from client_credits.domain.practice.records import Client
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.jobs.running import run
from client_credits.operations.payments import paying as payments
from client_credits.operations.sweeping import sweep_shard
from client_credits.store import keys, writes
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.stripe.signature import sign

ONE_READ = Counter({"BatchGetItem": 1})
READ_AND_WRITE = {"BatchGetItem": 1, "TransactWriteItems": 1}
PAGE_OF_HISTORY = Counter({"BatchGetItem": 1, "Query": 3})
HISTORY = "/v1/clients/c1/credits/follow-up/history"


@pytest.fixture
def warm(api: Api) -> Api:
    furnished(api)
    read(api, "/v1/settings")
    return api


# --- Operations: one batch read, one transaction


def test_a_booking_reads_once_and_writes_once(warm: Api) -> None:
    paid(warm)
    with counted(warm) as calls:
        booked(warm)
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        booked(warm)
    assert calls == ONE_READ, "a repeat writes nothing"


def test_a_booking_on_credit_of_many_lots_or_of_a_new_client_costs_no_more(warm: Api) -> None:
    for _ in range(4):
        paid(warm)
    for booking in ({"seats": 9}, {"seats": 9, "client_id": "c-new"}, {"appointment_type": "massage"}):
        with counted(warm) as calls:
            booked(warm, f"b-{len(booking)}-{booking.get('seats')}", **booking)
        assert calls == READ_AND_WRITE, booking


AUTHORIZED = {
    "payer": "Northern Health",
    "number": "NH-1",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 1,
}


def test_a_covered_booking_reads_the_authorizations_beside_and_nobody_else_does(warm: Api) -> None:
    patch(warm, "/v1/settings", {"track_insurance_authorization": True})
    put(warm, "/v1/clients/c1/authorizations/au-1", AUTHORIZED)
    client(warm, "c2")
    for whose, reads in (("c1", 2), ("c1", 2), ("c2", 1)):
        with counted(warm) as calls:
            booking = booked(warm, f"b-{whose}-{warm.now[0]}", client_id=whose)
        assert calls == {"BatchGetItem": reads, "TransactWriteItems": 1}
        warm.now[0] += DAY
    assert booking.covered_by is None
    with counted(warm) as calls:
        cancels(warm, f"b-c1-{NOW}")
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 1}
    patch(warm, "/v1/settings", {"track_insurance_authorization": False})
    with counted(warm) as calls:
        booked(warm, "b-off")
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        read(warm, "/v1/eligibility", client_id="c1")
    assert calls == ONE_READ


def test_a_refused_booking_costs_the_same(warm: Api) -> None:
    no_debt(warm)
    with counted(warm) as calls:
        booked(warm)
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        booked(warm)
    assert calls == ONE_READ


def test_a_cancellation_reads_once_and_writes_once(warm: Api) -> None:
    paid(warm)
    booked(warm, seats=3)
    with counted(warm) as calls:
        cancels(warm, by=CancelledBy.CLIENT)
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        cancels(warm, by=CancelledBy.CLIENT)
    assert calls == ONE_READ


def test_a_cancellation_before_its_booking_costs_the_same(warm: Api) -> None:
    with counted(warm) as calls:
        cancels(warm)
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        booked(warm)
    assert calls == READ_AND_WRITE


@pytest.mark.parametrize("types", [1, 2, 10, 25])
def test_a_grant_of_any_number_of_types_reads_once_and_writes_once(warm: Api, types: int) -> None:
    names = [f"t{number}" for number in range(types)]
    for name in names:
        put(warm, f"/v1/appointment-types/{name}", {"name": name})
    package(warm, "many", credits=dict.fromkeys(names, 2), stripe_prices=["price_many"])
    read(warm, "/v1/settings")
    payment = paying(price="price_many", paid_at=NOW)
    with counted(warm) as calls:
        (first,) = payments.pay(Context(warm.store, "p1", STRIPE, NOW), payment)
    assert (first.fate, calls) == ("granted", READ_AND_WRITE)
    with counted(warm) as calls:
        (again,) = payments.pay(Context(warm.store, "p1", STRIPE, NOW), payment)
    assert (again.operation, calls) == (first.operation, ONE_READ)


def test_a_grant_for_whoever_a_customer_is_looks_that_up_first(warm: Api) -> None:
    client(warm, "c2", stripe_customers=["cus_2"])
    with counted(warm) as calls:
        paid(warm, client_id=None, customer="cus_2")
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 1}


def test_a_worker_that_knows_nothing_reads_the_catalogue_along_the_way(warm: Api) -> None:
    paid(warm)
    cold = api_beside(warm)
    with counted(cold) as calls:
        booked(cold)
    assert calls == READ_AND_WRITE
    other = api_beside(warm)
    with counted(other) as calls:
        paid(other)
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 1}, "which wallets, only the catalogue says"


def test_a_wallet_with_something_due_is_settled_in_the_same_transaction(warm: Api) -> None:
    package(warm, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    for _ in range(5):
        paid(warm, price="price_2")
    paid(warm)
    warm.now[0] += 5 * DAY
    with counted(warm) as calls:
        booked(warm)
    assert calls == READ_AND_WRITE
    assert len(listed(warm, HISTORY, kind="expired")) == 5


# --- Answers: one read


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/clients/c1/credits", {}),
        ("/v1/clients/c1/credits/follow-up/lots", {}),
        ("/v1/eligibility", {"client_id": "c1", "appointment_type": "follow-up"}),
        ("/v1/eligibility", {"client_id": "c1"}),
        ("/v1/eligibility", {"client_id": "never"}),
        ("/v1/clients/c1", {}),
        ("/v1/clients/c1/settings", {}),
        ("/v1/settings", {}),
        ("/v1/packages", {}),
        ("/v1/packages/three-pack", {}),
        ("/v1/appointment-types", {}),
        ("/v1/bookings/b1", {}),
    ],
)
def test_an_answer_takes_one_read_and_one_more_after_a_change_of_the_catalogue(
    warm: Api, path: str, query: dict[str, Any]
) -> None:
    paid(warm)
    booked(warm)
    other = api_beside(warm)
    read(other, path, **query)
    with counted(other) as calls:
        read(other, path, **query)
    assert calls == ONE_READ
    put(warm, "/v1/appointment-types/initial", {"name": "Renamed"})
    with counted(other) as calls:
        read(other, path, **query)
    assert calls == {"BatchGetItem": 2}
    with counted(other) as calls:
        read(other, path, **query)
    assert calls == ONE_READ


def test_a_new_type_is_answered_with_two_reads_at_most_three(warm: Api) -> None:
    """The catalogue, and then the wallet that it is the first to name."""
    other = api_beside(warm)
    read(other, "/v1/clients/c1/credits")
    put(warm, "/v1/appointment-types/massage", {"name": "Massage"})
    with counted(other) as calls:
        stated = read(other, "/v1/clients/c1/credits")
    assert [c["appointment_type"] for c in stated["credits"]] == ["follow-up", "initial", "massage"]
    assert calls["BatchGetItem"] <= 3
    assert set(calls) == {"BatchGetItem"}


def test_sessions_together_take_one_read_whatever_their_number(warm: Api) -> None:
    sessions = [{"appointment_type": t, "starts_at": "2026-12-01T09:00:00Z"} for t in ("follow-up", "initial")]
    for number in (1, 10):
        with counted(warm) as calls:
            reply = warm("POST", "/v1/eligibility", {"client_id": "c1", "sessions": sessions * number})
        assert (reply.status, calls) == (200, ONE_READ)


@pytest.mark.parametrize("entries", [0, 3, 30])
def test_a_page_of_history_takes_four_requests_however_long_it_is(warm: Api, entries: int) -> None:
    for number in range(entries):
        booked(warm, f"b{number}")
    patch(warm, "/v1/settings", {"max_negative": 999})
    with counted(warm) as calls:
        read(warm, HISTORY, limit=10, client="c1")
    assert calls == PAGE_OF_HISTORY
    with counted(warm) as calls:
        read(warm, HISTORY, limit=100)
    assert calls == PAGE_OF_HISTORY + ONE_READ, "the names of staff that this worker has not read lately"
    with counted(warm) as calls:
        page = read(warm, HISTORY, limit=10)
    assert calls == PAGE_OF_HISTORY
    if page["next_cursor"]:
        with counted(warm) as calls:
            read(warm, HISTORY, limit=10, cursor=page["next_cursor"])
        assert calls == PAGE_OF_HISTORY


def test_the_four_requests_of_a_page_of_history_go_side_by_side(warm: Api) -> None:
    """None of them ends before all have begun: a page is one round trip in time."""
    together = threading.Barrier(4)
    events = warm.store.table._client.meta.events

    def wait(**_: Any) -> None:
        together.wait(timeout=10)

    events.register("before-call.dynamodb", wait)
    try:
        assert warm("GET", HISTORY).status == 200
    finally:
        events.unregister("before-call.dynamodb", wait)


@pytest.mark.parametrize("size", [5, 90])
def test_a_list_of_clients_reads_each_shard_once_and_the_clients_together(warm: Api, size: int) -> None:
    some = [writes.client("p1", Client(f"c-{n:03}", created_at=NOW)) for n in range(size)]
    warm.store.commit(some)
    with counted(warm) as calls:
        assert len(read(warm, "/v1/clients", limit=100)["items"]) == size + 1
    assert calls["Query"] == keys.ROSTER_SHARDS
    assert calls["BatchGetItem"] <= 3
    assert set(calls) == {"Query", "BatchGetItem"}


# --- Changes over HTTP


def test_a_change_over_http_reads_once_and_writes_once(warm: Api) -> None:
    for method, path, body in (
        ("PATCH", "/v1/settings", {"name": "Praxis", "packages_url": "https://practice.test"}),
        ("PUT", "/v1/appointment-types/massage", {"name": "Massage"}),
        ("PUT", "/v1/clients/c2", {"name": "Anna"}),
    ):
        with counted(warm) as calls:
            assert warm(method, path, body).status in (200, 201)
        assert calls == READ_AND_WRITE, path
        with counted(warm) as calls:
            assert warm(method, path, body).status == 200
        assert set(calls) == {"BatchGetItem"}, "what holds already is not written again"


def test_a_package_on_sale_costs_one_look_at_what_waits_for_it_more(warm: Api) -> None:
    body = {"name": "New", "stripe_prices": ["price_new", "price_newer"]}
    with counted(warm) as calls:
        assert warm("PUT", "/v1/packages/new", body).status == 201
    assert calls == READ_AND_WRITE | Counter(Query=3), "one for the package, one for each price"
    with counted(warm) as calls:
        assert warm("PUT", "/v1/packages/new", body).status == 200
    assert calls["Query"] == 3, "a request that died before it looked is completed by its repeat"
    assert set(calls) == {"BatchGetItem", "Query"}, "what holds already is not written again"
    with counted(warm) as calls:
        assert warm("PUT", "/v1/packages/new", body | {"archived": True}).status == 200
    assert calls == READ_AND_WRITE, "nothing is granted by a package that is not on sale"


@pytest.mark.parametrize("path", ["/v1/settings", "/v1/clients/c1/settings"])
def test_a_setting_whose_past_counts_is_changed_after_a_look_whether_there_are_entries(warm: Api, path: str) -> None:
    paid(warm)
    with counted(warm) as calls:
        assert warm("PATCH", path, {"max_negative": 3}).status == 200
    assert calls["BatchGetItem"] == calls["TransactWriteItems"] == 1
    assert 1 <= calls["Query"] <= (1 if "c1" in path else ROSTER_SHARDS)
    assert sum(calls.values()) == 2 + calls["Query"]
    with counted(warm) as calls:
        assert warm("PATCH", path, {"max_negative": 3}).status == 200
    assert set(calls) == {"BatchGetItem"}, "what holds already is not written again"


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/clients/c1", "/v1/clients/c2/credits", "/v1/settings"])
def test_whoever_may_not_ask_costs_no_request(warm: Api, path: str) -> None:
    for who in ({"bearer": None}, {"client": "c1"}):
        with counted(warm) as calls:
            assert warm("GET", path, **who).status in (401, 403, 404)
        assert not calls


# --- The sweep


def test_a_shard_with_nothing_due_costs_one_query(warm: Api) -> None:
    paid(warm)
    with counted(warm) as calls:
        sweep_shard(warm.store, keys.due_shard(keys.wallet("p1", "c1", "follow-up")), warm.now[0])
    assert calls == {"Query": 1}


def test_a_wallet_that_is_due_costs_a_read_and_a_write_and_none_once_settled(warm: Api) -> None:
    package(warm, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 1})
    for _ in range(5):
        paid(warm, price="price_2")
    warm.now[0] += 5 * DAY
    with counted(warm) as calls:
        sweep_shard(warm.store, keys.due_shard(keys.wallet("p1", "c1", "follow-up")), warm.now[0])
    assert calls == READ_AND_WRITE | {"Query": 1}
    with counted(warm) as calls:
        sweep_shard(warm.store, keys.due_shard(keys.wallet("p1", "c1", "follow-up")), warm.now[0])
    assert calls == {"Query": 1}


# --- The webhook


SECRET = "whsec_current"
EVENT = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {}}}'


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An endpoint that stands for all of AWS and keeps a list of what is asked of it, by operation."""
    asked: list[str] = []

    class Aws(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.headers.get("X-Amz-Target", "?").rpartition(".")[2])
            secrets = json.dumps({"current": SECRET, "previous": None})
            stated = {
                "GetParameter": {"Parameter": {"Name": "x", "Value": secrets, "Type": "SecureString", "Version": 1}},
                "SendMessage": {"MessageId": "m-1", "MD5OfMessageBody": "0" * 32},
            }.get(asked[-1])
            body = json.dumps(stated or {"__type": "com.amazonaws#AccessDeniedException"}).encode()
            self.send_response(200 if stated else 400)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("STRIPE_QUEUE_URL", f"{address}/123456789012/stripe")
    monkeypatch.setenv("SECRETS_PREFIX", "/client-credits/test")
    forget_clients()
    yield asked
    forget_clients()
    server.shutdown()
    server.server_close()


def delivery(secret: str = SECRET) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/webhooks/stripe/p1",
        "headers": {"stripe-signature": sign(EVENT, secret, int(time.time()))},
        "pathParameters": {"practice_id": "p1"},
        "requestContext": {"requestId": "req-1", "http": {"method": "POST"}},
        "body": EVENT.decode(),
        "isBase64Encoded": False,
    }


def test_a_webhook_sends_one_message_and_asks_nothing_else(aws: list[str]) -> None:
    app = load("stripe_webhook")
    assert app.handler(delivery(), CONTEXT)["statusCode"] == 200
    assert aws == ["GetParameter", "SendMessage"], "the secret, once for this worker"
    aws.clear()
    for _ in range(3):
        assert app.handler(delivery(), CONTEXT)["statusCode"] == 200
    assert aws == ["SendMessage"] * 3


def test_a_forged_webhook_sends_nothing(aws: list[str]) -> None:
    app = load("stripe_webhook")
    assert app.handler(delivery(), CONTEXT)["statusCode"] == 200
    aws.clear()
    for _ in range(5):
        assert app.handler(delivery("whsec_forged"), CONTEXT)["statusCode"] == 400
    assert aws.count("SendMessage") == 0
    assert aws.count("GetParameter") <= 1


# --- Jobs


def test_starting_a_job_reads_once_and_writes_once_and_a_repeat_reads_once(warm: Api) -> None:
    ask = ("POST", "/v1/reports/exports", {"report": "negative"})
    key = {"idempotency-key": "key-1"}
    with counted(warm) as calls:
        assert warm(*ask, headers=key).status == 202
    assert calls == READ_AND_WRITE
    with counted(warm) as calls:
        assert warm(*ask, headers=key).status == 202
    assert calls == ONE_READ


def test_a_step_of_a_job_reads_once_and_writes_twice_beside_its_own_work(warm: Api) -> None:
    assert (
        warm("POST", "/v1/reports/exports", {"report": "credits"}, headers={"idempotency-key": "key-1"}).status == 202
    )
    (message,) = warm.woken
    with counted(warm) as calls:
        run(warm.store, message, NOW, {JobKind.EXPORT: lambda context, job: Progress({"after": "c1"})})
    assert calls == {"BatchGetItem": 1, "TransactWriteItems": 2}


def test_how_far_a_job_has_come_costs_one_read(warm: Api) -> None:
    started = warm("POST", "/v1/reports/exports", {"report": "credits"}, headers={"idempotency-key": "key-1"})
    with counted(warm) as calls:
        assert warm("GET", f"/v1/jobs/{started.body['job_id']}").status == 200
    assert calls == ONE_READ


# --- A client that was merged into another one: one read more, and for nobody else


@pytest.fixture
def merged(warm: Api) -> Api:
    """c1 went on as c2, with three credits and a booking."""
    client(warm, "c2")
    paid(warm)
    booked(warm)
    reply = warm("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "m"})
    assert reply.status == 200
    return warm


THREE = {"BatchGetItem": 2, "TransactWriteItems": 1}


def test_an_operation_on_a_merged_id_costs_one_read_more_and_on_who_goes_on_none(merged: Api) -> None:
    for client_id, cost in (("c1", THREE), ("c2", READ_AND_WRITE)):
        with counted(merged) as calls:
            booked(merged, f"b-{client_id}", client_id=client_id)
        assert calls == cost, client_id
        with counted(merged) as calls:
            cancels(merged, f"b-{client_id}", client_id=client_id, by=CancelledBy.CLIENT)
        assert calls == cost, client_id
        with counted(merged) as calls:
            paid(merged, client_id=client_id)
        assert calls == cost, client_id
        with counted(merged) as calls:
            read(merged, f"/v1/clients/{client_id}/credits")
        assert calls == {"BatchGetItem": cost["BatchGetItem"]}, client_id


def test_a_booking_of_before_the_merge_is_cancelled_by_who_goes_on_at_no_more_cost(merged: Api) -> None:
    with counted(merged) as calls:
        cancels(merged, client_id="c2", by=CancelledBy.CLIENT)
    assert calls == READ_AND_WRITE


def test_a_page_of_history_of_merged_records_takes_one_query_more_for_each(merged: Api) -> None:
    read(merged, "/v1/clients/c2/credits/follow-up/history")  # so that the names of staff are known
    with counted(merged) as calls:
        read(merged, "/v1/clients/c2/credits/follow-up/history")
    assert calls == PAGE_OF_HISTORY + Counter({"Query": 1})
