"""A handler's own CPU time next to that of the bare boto3 calls it makes, in pairs, in one run.

The calls of each event are recorded and made again, by a plain boto3 client, on a twin of the table
that held the same before: they do the same work there, conditions included.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from tests.support.engines import Engine

from bench import handlers
from bench.practice import NOW, P, found, known, payment
from client_credits.aws.worker import store_on
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.store import writes
from client_credits.store.store import Store
from client_credits.store.table import Table

BLOCKS, EVENTS = 10, 8  # pairs of blocks, events in each; the first pair warms up
CONTEXT = handlers.LambdaContext()
CALLS = ("batch_get_item", "transact_write_items", "query")
BUDGET = 1.15  # what a handler does beyond its calls, as a multiple of them

Event = dict[str, Any]


@dataclass(frozen=True)
class Ratio:
    """CPU beyond the bare calls, as a multiple of them; milliseconds per event of both."""

    name: str
    beyond: float
    handler_ms: float
    bare_ms: float


class Recorder:
    """A client that remembers the calls made through it."""

    def __init__(self, client: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        for name in CALLS:
            setattr(self, name, self._remembering(name, getattr(client, name)))

    def _remembering(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def remembered(**asked: Any) -> Any:
            self.calls.append((name, asked))
            return call(**asked)

        return remembered


def ratios(engine: Engine) -> Iterator[Ratio]:
    """Each handler that reaches the table, on events of clients who have bought twice."""
    own, twin = engine.fresh_table(), engine.fresh_table()
    for table in (own, twin):
        _furnish(Store(table))
    with handlers.issuer() as keys:
        variables = handlers.environment(own.name, str(engine.endpoint_url), keys)
        with handlers.living_in(variables), Path(os.devnull).open("w") as nowhere:
            bare = boto3.client("dynamodb")
            for name, function, event in SUBJECTS:
                with redirect_stdout(nowhere):
                    ratio = _ratio(name, handlers.load(function).handler, event, own, twin, bare)
                yield ratio


def _client_id(number: int) -> str:
    return f"client-{number:04d}"


def _furnish(store: Store) -> None:
    found(store)
    for number in range(BLOCKS * EVENTS):
        client_id = _client_id(number)
        store.commit([writes.client(P, known(client_id))])
        for cycle in (0, 1):
            pay(Context(store, P, STRIPE, NOW), payment(client_id, 1, "lasting", number, 2 * number + cycle))


SUBJECTS: list[tuple[str, str, Callable[[int], Event]]] = [
    ("bookings: a booking that spends", "bookings", lambda n: handlers.booking_created(_client_id(n), f"b-{n}")),
    ("stripe_events: a paid cycle", "stripe_events", lambda n: handlers.invoice_paid(_client_id(n), n)),
    ("api: eligibility of one type", "api", lambda n: handlers.eligibility(_client_id(n))),
    ("api: credits of 25 types", "api", lambda n: handlers.credits(_client_id(n))),
]


def _ratio(
    name: str,
    handler: Callable[[Event, Any], Any],
    event: Callable[[int], Event],
    own: Table,
    twin: Table,
    bare: Any,
) -> Ratio:
    recorder = _recording(own.name)
    pairs = []
    for block in range(BLOCKS):
        events = [event(block * EVENTS + number) for number in range(EVENTS)]
        recorder.calls.clear()
        handled = _cpu_ms(partial(_handle, handler, events))
        calls = [(getattr(bare, call), _on(twin.name, asked)) for call, asked in recorder.calls]
        called = _cpu_ms(partial(_call, calls))
        pairs.append((handled / EVENTS, called / EVENTS))
    pairs = pairs[1:]
    beyond = median(handled / called - 1 for handled, called in pairs)
    return Ratio(name, beyond, median(h for h, _ in pairs), median(c for _, c in pairs))


def _recording(table: str) -> Recorder:
    """The worker's own client from here on, seen through a recorder."""
    held = store_on(table).table
    if not isinstance(held._client, Recorder):
        held._client = Recorder(held._client)  # type: ignore[assignment]
    recorder: Recorder = held._client  # type: ignore[assignment]
    return recorder


def _handle(handler: Callable[[Event, Any], Any], events: list[Event]) -> None:
    for event in events:
        _done(handler(event, CONTEXT))


def _call(calls: list[tuple[Callable[..., Any], dict[str, Any]]]) -> None:
    for call, asked in calls:
        call(**asked)


def _done(answer: dict[str, Any]) -> None:
    """Refuses to measure a failure."""
    if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200:
        raise RuntimeError(f"the handler failed: {answer}")


def _on(table: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The same call on another table."""
    if "RequestItems" in asked:
        return {"RequestItems": {table: next(iter(asked["RequestItems"].values()))}}
    if "TransactItems" in asked:
        items = [{kind: body | {"TableName": table} for kind, body in item.items()} for item in asked["TransactItems"]]
        return {"TransactItems": items}
    return asked | {"TableName": table}


def _cpu_ms(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000
