"""Every operation, under every single fault at every call, delivered again, ends as if nothing had happened.

Each run starts from the same items. A worker that crashed or gave up is gone: the redelivery comes to
a new one, two minutes later. Afterwards the table must hold what it holds without any fault, but for
our own instants, and keep its laws; the caller must have learnt the same.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.builders import NOW, a_lot, a_payment, created
from tests.support.dumps import Record, broken_laws, differences, dump, items_of, records_of, timeless
from tests.support.engines import Engine
from tests.support.fault_cases import CASES, Case, stated
from tests.support.fault_steps import P, Step, founded, holding
from tests.support.faults import ALWAYS, Crash, Fault, Faulty, Plan, applicable, faulty

from client_credits.domain.errors import Busy
from client_credits.operations import committing
from client_credits.operations.bookings.spending import book
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, Table, Write

pytestmark = pytest.mark.usefixtures("no_waiting", "few_attempts")
RETRYABLE = (Crash, ClientError, BotoCoreError, Busy, Conflicted)

# How a fault strikes: one attempt of a call, which botocore may heal; all of them, so that the worker
# gives up; every call from there on, so that our own retries are used up. Where botocore's next
# attempt follows a failure that changed nothing, one attempt is left to the injector's own tests.
ONE = {"attempts": 1}
WHOLE_CALL = {"attempts": ALWAYS}
FROM_THERE_ON = {"attempts": ALWAYS, "calls": ALWAYS}
EVERY_ROUND = {"calls": 8}  # in which one batch read may ask for what was left undone
STRIKES: dict[Fault, tuple[dict[str, int], ...]] = {
    Fault.LOST_REQUEST: (WHOLE_CALL,),
    Fault.LOST_RESPONSE: (ONE, WHOLE_CALL),
    Fault.THROTTLE: (WHOLE_CALL,),
    Fault.SERVER_ERROR: (WHOLE_CALL,),
    Fault.CONFLICT: (ONE, FROM_THERE_ON),
    Fault.IN_PROGRESS: (WHOLE_CALL,),
    Fault.UNPROCESSED: (ONE, EVERY_ROUND),
    Fault.CRASH_BEFORE: (ONE,),
    Fault.CRASH_AFTER: (ONE,),
}


@dataclass(frozen=True)
class Run:
    """How one run ended: the table, what the caller learnt, and what the fault had to do with it."""

    records: list[Record]
    answer: Any
    calls: list[str]
    struck: int


def past(store: Store, case: Case) -> None:
    if case.founded:
        founded(store)
    for step in case.past:
        step(store, NOW)


class Stage:
    """Runs one case again and again from the same items."""

    def __init__(self, engine: Engine, through: Faulty, case: Case) -> None:
        self._through, self.case = through, case
        self._plain, self._table = engine.shared_client, engine.fresh_table()
        past(Store(self._table), case)
        self._items = items_of(self._table, self._plain)
        self._faulty_table = Table(through.client, self._table.name)

    def run(self, plan: Plan | None = None) -> Run:
        """Delivers under `plan`, and again undisturbed if that raised: what succeeds is not sent again."""
        injector = self._through.injector
        injector.plan(plan)
        try:
            answer, failed = stated(self._act(first=True)), False
        except RETRYABLE:
            answer, failed = None, True
        calls, struck = injector.calls, injector.struck
        injector.plan(None)
        assert plan or not failed, "failed without a fault"
        if failed or self.case.scheduled:
            answer = stated(self._act(first=False))
        return Run(self._cleared(), answer, calls, struck)

    def _act(self, first: bool) -> Any:
        try:
            return self.case.act(Store(self._faulty_table), NOW if first else NOW + self.case.later)
        except self.case.done:
            return None

    def _cleared(self) -> list[Record]:
        """What the table holds; afterwards it holds what it did at first."""
        found = items_of(self._table, self._plain)
        kept = {key_of(item) for item in self._items}
        undo = [{"DeleteRequest": {"Key": key_part(i)}} for i in found if key_of(i) not in kept]
        undo += [{"PutRequest": {"Item": item}} for item in self._items if item not in found]
        for start in range(0, len(undo), 25):
            self._plain.batch_write_item(RequestItems={self._table.name: undo[start : start + 25]})
        return records_of(found)

    def comparable(self, records: list[Record]) -> list[Record]:
        return timeless(records) if self.case.one_way else timeless(map(unversioned, records))


def key_part(item: dict[str, Any]) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


def key_of(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def unversioned(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "version"}


def plans(calls: list[str], faults: dict[Fault, tuple[dict[str, int], ...]]) -> Iterator[Plan]:
    for call, api in enumerate(calls):
        for fault, strikes in faults.items():
            if applicable(fault, api):
                for strike in strikes:
                    yield Plan(fault, call, **strike)


EVERY_THIRD = 3


def a_few(planned: list[Plan], calls: list[str], case: Case) -> list[Plan]:
    """Of the faults that strike the first call or the last, every third; all cases together have them all."""
    ends = [plan for plan in planned if plan.call in (0, len(calls) - 1)]
    return ends[CASES.index(case) % EVERY_THIRD :: EVERY_THIRD]


def check(stage: Stage, faults: dict[Fault, tuple[dict[str, int], ...]], few: bool = False) -> int:
    """Runs a case under every plan, or a few, and compares; returns how many there were, all of which struck."""
    smooth = stage.run()
    assert broken_laws(smooth.records) == []
    expected = stage.comparable(smooth.records)
    planned, wrong = list(plans(smooth.calls, faults)), []
    if few:
        planned = a_few(planned, smooth.calls, stage.case)
    for plan in planned:
        run = stage.run(plan)
        if not run.struck:
            wrong.append(f"{plan}: never struck")
        wrong += [f"{plan}: {d}" for d in differences(expected, stage.comparable(run.records))]
        if run.answer != smooth.answer and not stage.case.done:
            wrong.append(f"{plan}: said {run.answer} instead of {smooth.answer}")
        wrong += [f"{plan}: {law}" for law in broken_laws(run.records)]
    if wrong:
        pytest.fail("\n".join([f"{len(wrong)} wrong", *wrong[:12]]), pytrace=False)
    return len(planned)


@pytest.fixture
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contention that never ends is given up after three attempts instead of ten, to save time."""
    monkeypatch.setattr(committing, "ATTEMPTS", 3)


@pytest.fixture(scope="module", params=["memory", pytest.param("emulator", marks=pytest.mark.prove)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """In memory for every day, and on the emulator for proof."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def forgetful(engine: Engine) -> Faulty:
    """A repeated transaction is carried out again, as if its token were forgotten: the hardest case."""
    return faulty(engine, tokens=False)


@pytest.fixture(scope="module")
def remembering(engine: Engine) -> Faulty:
    return faulty(engine)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_faults_of_the_first_and_the_last_call_are_survived(memory: Engine, case: Case) -> None:
    assert check(Stage(memory, faulty(memory, tokens=False), case), STRIKES, few=True) > 0


def test_a_few_faults_of_each_case_are_all_faults_together() -> None:
    calls = ["BatchGetItem", "Query", "TransactWriteItems"]
    planned = list(plans(calls, STRIKES))
    chosen = {str(plan) for case in CASES for plan in a_few(planned, calls, case)}
    assert chosen == {str(plan) for plan in planned if plan.call != 1}


@pytest.mark.prove
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_single_fault_is_survived(engine: Engine, forgetful: Faulty, case: Case) -> None:
    assert check(Stage(engine, forgetful, case), STRIKES) > 0


@pytest.mark.prove
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_lost_response_is_survived_where_tokens_are_remembered(
    engine: Engine, remembering: Faulty, case: Case
) -> None:
    assert check(Stage(engine, remembering, case), {Fault.LOST_RESPONSE: (ONE,)}) > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_repeat_changes_nothing_and_gets_the_same_answer(engine: Engine, case: Case) -> None:
    through = Store(engine.fresh_table())
    past(through, case)
    first = stated(case.act(through, NOW))
    before = dump(through.table, engine.shared_client)
    try:
        for worker in (through, Store(through.table)):
            assert stated(case.act(worker, NOW + case.later)) == first
    except case.done:
        pass
    assert dump(through.table, engine.shared_client) == before


# -- positive controls: the check sees what it is there to see ---------------------------------------


class Careless(Table):
    """A table that leaves something out of each transaction."""

    def __init__(self, table: Table, left_out: str) -> None:
        super().__init__(table._client, table.name)
        self._left_out = left_out

    def transact(self, writes: Sequence[Write]) -> None:
        super().transact([w for w in writes if self._left_out not in str(w["Put"]["Item"]["pk"])])


def unrecorded(store: Store, now: datetime) -> None:
    """A payment granted without its operation record."""
    pay(Context(Store(Careless(store.table, "#op#")), P, STRIPE, now), a_payment())


def piecemeal(store: Store, now: datetime) -> None:
    """A booking whose record follows its wallet in a transaction of its own."""
    table = store.table
    table_in_parts = Store(table)
    table_in_parts.commit = lambda items: [table.transact([item]) for item in items]  # type: ignore[assignment,method-assign]
    book(Context(table_in_parts, P, BOOKINGS, now), created())


def swallowing(store: Store, now: datetime) -> None:
    """A payment whose worker takes contention for success."""
    with contextlib.suppress(Busy):
        pay(Context(store, P, STRIPE, now), a_payment())


@pytest.mark.parametrize("careless", [unrecorded, piecemeal, swallowing])
def test_carelessness_is_caught(engine: Engine, forgetful: Faulty, careless: Step) -> None:
    case = Case(careless.__name__, careless, past=(holding(a_lot()),))
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        check(Stage(engine, forgetful, case), STRIKES)
