"""The `credits` command in this process, on a stack of moto's: the same calls, no emulator."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from moto import mock_aws
from typer.testing import CliRunner

from client_credits.cli.main import app
from client_credits.cli.session import Given
from client_credits.cli.target import LocalStack, Target
from client_credits.store.store import Store
from client_credits.store.table import Table
from tests.support.memory_engine import memory_engine
from tests.support.memory_table import MemoryDynamoDB

API_URL = "http://127.0.0.1:9"  # nobody listens on the discard port
PREFIX = "/client-credits/test"
QUEUES = ("Stripe", "Bookings", "Sweep", "Jobs")


@dataclass
class Ran:
    """What one run of the command left: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def credits(*words: str, target: Target | None = None, stdin: str = "", env: Mapping[str, str] | None = None) -> Ran:
    """Runs `credits` with these words. An exception that is no exit is raised here: no test overlooks a traceback."""
    result = CliRunner().invoke(
        app, list(words), obj=Given(target=target), input=stdin, env=dict(env or {}), catch_exceptions=False
    )
    return Ran(result.exit_code, result.stdout, result.stderr)


@dataclass
class Stack:
    """A target on moto, and its store. `fakes` stand in for services that moto cannot play, by name."""

    target: Target
    store: Store
    client: Callable[[str], Any]
    add_table: Callable[[str], str]
    table: MemoryDynamoDB
    fakes: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *words: str, **more: Any) -> Ran:
        return credits(*words, target=self.target, **more)

    def queue(self, output: str) -> str:
        return self.target.outputs[output]

    def waiting(self, output: str) -> int:
        name = "ApproximateNumberOfMessages"
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.queue(output), AttributeNames=[name])
        return int(found["Attributes"][name])


@cache
def _moto_client(service: str) -> Any:
    """One for all tests: making one takes longer than most of them, and moto forgets by itself."""
    return botocore.session.Session().create_client(service, region_name="us-east-1")


@contextmanager
def moto_stack(directory: Path, *, is_local: bool = True) -> Iterator[Stack]:
    """A table, queues and a bus as the template declares them; local or, by name alone, deployed."""
    with mock_aws(), memory_engine() as engine:
        fakes: dict[str, Any] = {}

        def client(service: str) -> Any:
            return fakes.get(service) or _moto_client(service)

        table = engine.tables.by_name[engine.add_table("credits")]
        client("events").create_event_bus(Name="credits-bus")
        outputs = {"PublishEntriesFunctionName": "publish-entries"}
        for name in (*(f"{q}Queue" for q in QUEUES), *(f"{q}DeadLetters" for q in QUEUES), "PublishFailures"):
            outputs[f"{name}Url"] = client("sqs").create_queue(QueueName=name)["QueueUrl"]
        target = Target(
            name="the stack of the test",
            api_url=API_URL,
            table_name="credits",
            event_bus_name="credits-bus",
            secrets_prefix=PREFIX,
            outputs=outputs,
            client=client,
            practice_id="p1" if is_local else None,
            local=LocalStack(directory, {}, "c1") if is_local else None,
        )
        yield Stack(target, Store(Table(client("dynamodb"), "credits")), client, engine.add_table, table, fakes)
