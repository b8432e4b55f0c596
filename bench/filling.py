"""Fills a table with clients as if each had bought once, through the store's own writes.

Straight over HTTP, since botocore would take longer than the engine. One client in five holds a lot
that ends some day, so that the index of what is due is not empty.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from itertools import islice
from threading import local
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.practice import DAY, NOW, TYPE, TYPES, P, booked, known, payment
from client_credits.domain.bookings.booking import Booking, BookingState, Refusal
from client_credits.domain.bookings.deciding import Reason
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, untouched
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.wallet import Debt, DebtCause, Lot, LotSource, Value, Wallet
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.settings import Settings
from client_credits.store import writes
from client_credits.store.table import Write

BATCH = 25
CLIENTS_AT_ONCE = 500
CONNECTIONS = 2
SYSTEM = Actor("system", "stripe")


def fill(
    endpoint_url: str,
    table: str,
    first: int,
    last: int,
    console: Console,
    writes_of: Callable[[int], list[Write]] | None = None,
) -> None:
    """Writes clients number `first` to `last` - 1, 4 items each; takes about 1 ms per client.

    `writes_of` says what is written for each, where it is more than that.
    """
    write_client = writes_of or bought_once
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    connections = _Connections(endpoint_url, table)
    with Progress(*columns, console=console, transient=True) as progress, ThreadPoolExecutor(CONNECTIONS) as pool:
        task = progress.add_task("filling the table with clients", total=last - first)
        for start in range(first, last, CLIENTS_AT_ONCE):
            numbers = range(start, min(start + CLIENTS_AT_ONCE, last))
            items = (write["Put"]["Item"] for number in numbers for write in write_client(number))
            list(pool.map(connections.put, _batches(items)))
            progress.advance(task, len(numbers))


def client_id_of(number: int) -> str:
    return f"client-{number:07d}"


def bought_once(number: int) -> list[Write]:
    """A client with ten credits of one type: profile, wallet, entry and operation."""
    client_id = client_id_of(number)
    paid = payment(client_id, 1, "lasting", number % 10_000, number % 10_000)
    source_id = f"stripe/own/live/{paid.payment_id}/{client_id}"
    ends = NOW + timedelta(days=100 + number % 200) if number % 5 == 0 else None
    lot = Lot(
        lot_id=f"lot_{number:020d}",
        granted=10,
        remaining=10,
        effective_at=paid.paid_at,
        expires_at=ends,
        source=LotSource.CYCLE,
        package_id="lasting-1",
        payment=f"{paid.payment_id}/{paid.lines[0].line_id}",
        subscription=paid.subscription,
        value=Value(12900, "eur", 10),
    )
    cause = Cause(CauseKind.PACKAGE, {"package_id": "lasting-1", "payment": paid.payment_id})
    act = Act(source_id, cause, SYSTEM, paid.paid_at, paid.paid_at)
    change = add_lot(untouched(Wallet(P, client_id, TYPE)), lot, act, Settings(), room=10)
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount) for e in change.entries)
    return [
        writes.client(P, known(client_id)),
        writes.wallet(change.wallet, ends),
        *map(writes.entry, change.entries),
        writes.operation(P, Operation(source_id, "0123456789abcdef", "granted", client_id, refs, NOW)),
    ]


def with_more(number: int) -> list[Write]:
    """As `bought_once`; and of ten clients one owes a session, one has credits that end within 30 days, one was
    refused a booking, and a payment of one is parked."""
    client_id, others = client_id_of(number), list[Write]()
    match number % 10:
        case 1:
            debt = Debt(DebtCause.BOOKING, f"b-{number:07d}", 1, NOW - DAY, NOW + DAY)
            others.append(writes.wallet(Wallet(P, client_id, TYPES[1], debts=(debt,)), None))
        case 2:
            ends = NOW + timedelta(days=1 + number % 29)
            lot = Lot(
                lot_id=f"lot_{number:020d}",
                granted=2,
                remaining=2,
                effective_at=NOW - DAY,
                expires_at=ends,
                source=LotSource.COMPLIMENTARY,
            )
            others.append(writes.wallet(Wallet(P, client_id, TYPES[1], lots=(lot,)), ends))
        case 3:
            asked = booked(client_id, f"b-{number:07d}")
            refusal = Refusal(Reason.INSUFFICIENT, 0, 1, NOW - timedelta(seconds=number))
            refused = Booking(asked.booking_id, BookingState.REFUSED, client_id, asked.session, refusal=refusal)
            others.append(writes.booking(P, refused))
        case 4:
            parked_at = NOW - timedelta(seconds=number)
            record = Parked(
                f"parked-{number:07d}", "unknown_package", f"evt_{number:07d}", parked_at, prices=("price_x",)
            )
            others.append(writes.parked(P, record, NOW))
    return [*bought_once(number), *others]


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    taken = iter(items)
    while batch := list(islice(taken, BATCH)):
        yield batch


class _Connections:
    """One connection per thread. The engine asks for a signature but does not check it."""

    def __init__(self, endpoint_url: str, table: str) -> None:
        self._host, self._port = urlsplit(endpoint_url).hostname or "", urlsplit(endpoint_url).port
        self._table = table
        self._own = local()

    def put(self, items: list[Any]) -> None:
        asked = {"RequestItems": {self._table: [{"PutRequest": {"Item": item}} for item in items]}}
        body = json.dumps(asked, default=lambda packed: b64encode(packed).decode())
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "X-Amz-Date": "20261122T000000Z",
        }
        if not hasattr(self._own, "connection"):
            self._own.connection = HTTPConnection(self._host, self._port, timeout=60)
        self._own.connection.request("POST", "/", body, headers)
        answer = self._own.connection.getresponse()
        answered = json.loads(answer.read())
        if answer.status != 200 or answered.get("UnprocessedItems"):
            raise RuntimeError(f"the engine refused a batch: {answer.status} {answered}")
