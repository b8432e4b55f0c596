"""How much memory a warm function holds after 200 events, in a process of its own as on Lambda."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.engines import Engine

from bench import handlers
from bench.children import run_child
from bench.layer import functions, layer
from bench.practice import NOW, P, found, known, payment
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.store import writes
from client_credits.store.store import Store

EVENTS = 200
BUDGET_MB = 128

Event = dict[str, Any]


@dataclass(frozen=True)
class Memory:
    function: str
    megabytes: float

    @property
    def within(self) -> bool:
        return self.megabytes < BUDGET_MB


def memories(engine: Engine) -> Iterator[Memory]:
    """The most each function that reaches the table ever held in memory."""
    table = engine.fresh_table()
    _furnish(Store(table))
    site, folder = layer(), functions()
    with handlers.issuer() as keys, tempfile.TemporaryDirectory() as scratch:
        variables = handlers.environment(table.name, str(engine.endpoint_url), keys)
        for function, event in SUBJECTS:
            events = Path(scratch) / f"{function}.json"
            events.write_text(json.dumps([event(number) for number in range(EVENTS)]))
            code = _HELD.format(events=str(events))
            yield Memory(function, run_child(code, [folder / function, site], variables))


_HELD = """
import json, os
from types import SimpleNamespace
import app
context = SimpleNamespace(aws_request_id="request-1")
with open({events!r}) as file:
    events = json.load(file)
sys.stdout = open(os.devnull, "w")
for event in events:
    answer = app.handler(event, context)
    if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200:
        raise SystemExit(f"the handler failed: {{answer}}")
with open("/proc/self/status") as status:
    (line,) = (line for line in status if line.startswith("VmHWM:"))
result = int(line.split()[1]) / 1024
"""


def _client_id(number: int) -> str:
    return f"client-{number % 10:04d}"


def _furnish(store: Store) -> None:
    found(store)
    for number in range(10):
        client_id = _client_id(number)
        store.commit([writes.client(P, known(client_id))])
        for cycle in range(3):
            pay(Context(store, P, STRIPE, NOW), payment(client_id, 1, "lasting", number, 3 * number + cycle))


def _question(number: int) -> Event:
    ask = handlers.eligibility if number % 2 else handlers.credits
    return ask(_client_id(number))


SUBJECTS: list[tuple[str, Callable[[int], Event]]] = [
    ("bookings", lambda n: handlers.booking_created(_client_id(n), f"b-{n}")),
    ("stripe_events", lambda n: handlers.invoice_paid(_client_id(n), n)),
    ("api", _question),
]
