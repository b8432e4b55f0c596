"""Every operation, under every single fault at every call, delivered again, ends as if nothing had happened.

Each run starts from the same items. A worker that crashed or gave up is gone: the redelivery comes to
a new one, two minutes later. Afterwards the table must hold what it holds without any fault, but for
our own instants, and keep its laws; the caller must have learnt the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.builders import NOW
from tests.support.dumps import Record, broken_laws, differences, dump, timeless
from tests.support.engines import Engine
from tests.support.fault_cases import CASES, Case, founded, told
from tests.support.faults import ALWAYS, Crash, Fault, Faulty, Plan, applicable, faulty

from client_credits.domain.errors import Busy
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, Table

pytestmark = pytest.mark.usefixtures("no_waiting")
LATER = timedelta(minutes=2)
RETRYABLE = (Crash, ClientError, BotoCoreError, Busy, Conflicted)

# How a fault strikes: one attempt, which botocore may heal; every attempt of the call, so that the
# worker gives up; every call from there on, so that our own retries are used up.
ONE = {"attempts": 1}
WHOLE_CALL = {"attempts": ALWAYS}
FROM_THERE_ON = {"attempts": ALWAYS, "calls": ALWAYS}
STRIKES: dict[Fault, tuple[dict[str, int], ...]] = {
    Fault.LOST_REQUEST: (ONE, WHOLE_CALL),
    Fault.LOST_RESPONSE: (ONE, WHOLE_CALL),
    Fault.THROTTLE: (ONE, WHOLE_CALL),
    Fault.SERVER_ERROR: (ONE, WHOLE_CALL),
    Fault.CONFLICT: (ONE, FROM_THERE_ON),
    Fault.IN_PROGRESS: (ONE, FROM_THERE_ON),
    Fault.UNPROCESSED: (ONE, FROM_THERE_ON),
    Fault.CRASH_BEFORE: (ONE,),
    Fault.CRASH_AFTER: (ONE,),
}


@dataclass(frozen=True)
class Run:
    """How one run ended: the table, what the caller learnt, and what the fault had to do with it."""

    records: list[Record]
    answer: Any
    repeated: Any
    calls: list[str]
    struck: int


class Stage:
    """Runs one case again and again from the same items."""

    def __init__(self, engine: Engine, through: Faulty, case: Case) -> None:
        self._engine, self._through, self._case = engine, through, case
        table = engine.fresh_table()
        if case.founded:
            founded(Store(table))
        for step in case.past:
            step(Store(table), NOW)
        self._items = engine.shared_client.scan(TableName=table.name)["Items"]

    def run(self, plan: Plan | None = None) -> Run:
        table = self._table()
        injector = self._through.injector
        injector.plan(plan)
        try:
            answer, failed = told(self._act(table, first=True)), False
        except RETRYABLE:
            answer, failed = None, True
        calls, struck = injector.calls, injector.struck
        injector.plan(None)
        assert plan or not failed, "failed without a fault"
        repeated = told(self._act(table, first=False))
        records = dump(table, self._engine.shared_client)
        self._engine.shared_client.delete_table(TableName=table.name)
        return Run(records, repeated if failed else answer, repeated, calls, struck)

    def _act(self, table: Table, first: bool) -> Any:
        try:
            return self._case.act(Store(table), NOW if first else NOW + LATER)
        except self._case.done:
            return None

    def _table(self) -> Table:
        client = self._engine.shared_client
        name = self._engine.fresh_table().name
        for start in range(0, len(self._items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in self._items[start : start + 25]]
            client.batch_write_item(RequestItems={name: puts})
        return Table(self._through.client, name)


def plans(calls: list[str], faults: dict[Fault, tuple[dict[str, int], ...]]) -> Iterator[Plan]:
    for call, api in enumerate(calls):
        for fault, strikes in faults.items():
            if applicable(fault, api):
                for strike in strikes:
                    yield Plan(fault, call, **strike)


def check(stage: Stage, faults: dict[Fault, tuple[dict[str, int], ...]]) -> int:
    """Runs a case under every plan and compares; returns how often a fault struck."""
    smooth = stage.run()
    assert broken_laws(smooth.records) == []
    assert smooth.repeated == smooth.answer, "a repeat is not told what the first one was"
    expected = timeless(smooth.records)
    struck, wrong = 0, []
    for plan in plans(smooth.calls, faults):
        run = stage.run(plan)
        struck += run.struck
        if not run.struck:
            wrong.append(f"{plan}: never struck")
        wrong += [f"{plan}: {d}" for d in differences(expected, timeless(run.records))]
        if run.answer != smooth.answer:
            wrong.append(f"{plan}: told {run.answer} instead of {smooth.answer}")
        wrong += [f"{plan}: {law}" for law in broken_laws(run.records)]
    if wrong:
        pytest.fail("\n".join([f"{len(wrong)} wrong", *wrong[:12]]), pytrace=False)
    return struck


@pytest.fixture(scope="module")
def forgetful(moto: Engine) -> Faulty:
    """moto as it is: a repeated transaction is carried out again, which is the hardest case."""
    return faulty(moto)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_single_fault_is_survived(moto: Engine, forgetful: Faulty, case: Case) -> None:
    assert check(Stage(moto, forgetful, case), STRIKES) > 0
