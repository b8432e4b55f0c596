"""The fault injector proves itself before anything is proven with it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from tests.support.counting import Meter, Usage
from tests.support.engines import Engine
from tests.support.faults import ALWAYS, Crash, Fault, Plan, RememberedTokens, faulty, refusal

pytestmark = pytest.mark.usefixtures("no_waiting")
APPLIED, NOT_APPLIED = 1, 0


class Counter:
    """A naive counter: one `ADD` per call, so that whatever is carried out twice is seen."""

    def __init__(self, engine: Engine, *, tokens: bool = True) -> None:
        self.faulty = faulty(engine, tokens=tokens)
        self.injector = self.faulty.injector
        self.client = self.faulty.client
        self.table = engine.fresh_table().name
        self._reader = engine.shared_client

    def add(self) -> None:
        update = {
            "TableName": self.table,
            "Key": {"pk": {"S": "counter"}, "sk": {"S": "counter"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        self.client.transact_write_items(TransactItems=[{"Update": update}])

    def put_once(self) -> None:
        put: dict[str, Any] = {
            "TableName": self.table,
            "Item": {"pk": {"S": "counter"}, "sk": {"S": "counter"}, "n": {"N": "1"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        self.client.transact_write_items(TransactItems=[{"Put": put}])

    def value(self) -> int:
        """Read by another client, past the injector."""
        key = {"pk": {"S": "counter"}, "sk": {"S": "counter"}}
        item = self._reader.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        return int(item["n"]["N"]) if item else 0


@pytest.fixture
def counter(engine: Engine) -> Counter:
    return Counter(engine)


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault.LOST_RESPONSE, APPLIED),
        (Fault.LOST_REQUEST, NOT_APPLIED),
        (Fault.THROTTLE, NOT_APPLIED),
        (Fault.SERVER_ERROR, NOT_APPLIED),
        (Fault.CONFLICT, NOT_APPLIED),
        (Fault.IN_PROGRESS, NOT_APPLIED),
        (Fault.CRASH_BEFORE, NOT_APPLIED),
        (Fault.CRASH_AFTER, APPLIED),
    ],
)
def test_a_fault_leaves_the_write_applied_or_not_as_its_name_says(counter: Counter, fault: Fault, left: int) -> None:
    counter.injector.plan(Plan(fault, call=0, attempts=ALWAYS))
    with pytest.raises((ClientError, ReadTimeoutError, Crash)):
        counter.put_once()
    assert counter.value() == left
    assert counter.injector.struck >= 1


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.LOST_RESPONSE, "ReadTimeoutError"),
        (Fault.LOST_REQUEST, "ReadTimeoutError"),
        (Fault.THROTTLE, "ProvisionedThroughputExceededException"),
        (Fault.SERVER_ERROR, "InternalServerError"),
        (Fault.CONFLICT, "TransactionCanceledException"),
        (Fault.IN_PROGRESS, "TransactionInProgressException"),
        (Fault.CRASH_BEFORE, "Crash"),
        (Fault.CRASH_AFTER, "Crash"),
    ],
)
def test_the_caller_sees_what_dynamodb_would_have_raised(counter: Counter, fault: Fault, raised: str) -> None:
    counter.injector.plan(Plan(fault, call=0, attempts=ALWAYS))
    with pytest.raises((ClientError, ReadTimeoutError, Crash)) as caught:
        counter.put_once()
    assert type(caught.value).__name__ == raised


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault.LOST_REQUEST, 3),
        (Fault.THROTTLE, 3),
        (Fault.SERVER_ERROR, 3),
        (Fault.IN_PROGRESS, 3),
        (Fault.CONFLICT, 1),
        (Fault.CRASH_BEFORE, 1),
    ],
)
def test_botocore_retries_all_but_a_conflict_and_a_crash(counter: Counter, fault: Fault, attempts: int) -> None:
    counter.injector.plan(Plan(fault, call=0, attempts=ALWAYS))
    with pytest.raises((ClientError, ReadTimeoutError, Crash)):
        counter.put_once()
    assert counter.injector.struck == attempts


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.THROTTLE, Fault.SERVER_ERROR])
def test_a_fault_that_strikes_one_attempt_is_healed_by_the_next(counter: Counter, fault: Fault) -> None:
    counter.injector.plan(Plan(fault, call=0))
    counter.put_once()
    assert (counter.value(), counter.injector.struck) == (1, 1)


def test_a_fault_strikes_the_call_it_names_and_no_other(counter: Counter) -> None:
    counter.injector.plan(Plan(Fault.CRASH_BEFORE, call=1))
    counter.add()
    with pytest.raises(Crash):
        counter.add()
    counter.add()
    assert counter.value() == 2
    assert counter.injector.calls == ["TransactWriteItems"] * 3


def test_a_fault_for_transactions_leaves_reads_alone(engine: Engine) -> None:
    table = engine.fresh_table()
    reader = faulty(engine)
    reader.injector.plan(Plan(Fault.CONFLICT, call=0, attempts=ALWAYS))
    keys = {"Keys": [{"pk": {"S": "a"}, "sk": {"S": "b"}}]}
    answer = reader.client.batch_get_item(RequestItems={table.name: keys})
    assert answer["Responses"][table.name] == []
    assert reader.injector.struck == 0


def test_unprocessed_keys_are_the_second_half_of_those_asked_for(engine: Engine) -> None:
    table = engine.fresh_table()
    reader = faulty(engine)
    items = [{"pk": {"S": "a"}, "sk": {"S": str(n)}} for n in range(5)]
    table.transact([{"Put": {"Item": item}} for item in items])
    reader.injector.plan(Plan(Fault.UNPROCESSED, call=0))
    answer = reader.client.batch_get_item(RequestItems={table.name: {"Keys": items}})
    assert answer["Responses"][table.name] == items[:2]
    assert answer["UnprocessedKeys"] == {table.name: {"Keys": items[2:]}}


# -- request tokens ----------------------------------------------------------------------------


def test_without_tokens_a_naive_write_is_applied_again_by_botocores_own_retry(engine: Engine) -> None:
    counter = Counter(engine, tokens=False)
    counter.injector.plan(Plan(Fault.LOST_RESPONSE, call=0))
    counter.add()
    assert counter.value() == 2


def test_with_tokens_botocores_retry_gets_the_first_success(engine: Engine) -> None:
    counter = Counter(engine, tokens=True)
    counter.injector.plan(Plan(Fault.LOST_RESPONSE, call=0))
    counter.add()
    assert counter.value() == 1


def test_a_new_call_has_a_new_token(engine: Engine) -> None:
    counter = Counter(engine)
    counter.add()
    counter.add()
    assert counter.value() == 2


def test_a_token_is_forgotten_after_ten_minutes(moto: Engine) -> None:
    counter = Counter(moto)
    update = {
        "TableName": counter.table,
        "Key": {"pk": {"S": "counter"}, "sk": {"S": "counter"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    asked = {"TransactItems": [{"Update": update}], "ClientRequestToken": "one-token"}
    for minutes, value in ((0, 1), (9, 1), (11, 2)):
        counter.faulty.clock[0] = minutes * 60.0
        counter.client.transact_write_items(**asked)
        assert counter.value() == value, minutes


def test_a_token_with_other_content_is_refused(moto: Engine) -> None:
    counter = Counter(moto)
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    put = {"TableName": counter.table, "Item": item}
    other = {"TableName": counter.table, "Item": item | {"n": {"N": "1"}}}
    asked = {"ClientRequestToken": "one-token"}
    counter.client.transact_write_items(TransactItems=[{"Put": put}], **asked)
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        counter.client.transact_write_items(TransactItems=[{"Put": other}], **asked)


def test_the_shim_lets_reads_through(moto: Engine) -> None:
    counter = Counter(moto)
    assert isinstance(counter.injector._send, RememberedTokens)
    counter.add()
    key = {"pk": {"S": "counter"}, "sk": {"S": "counter"}}
    assert counter.client.get_item(TableName=counter.table, Key=key)["Item"]["n"] == {"N": "1"}


# -- the trap ----------------------------------------------------------------------------------


def test_a_fault_registered_beside_motos_handler_would_still_let_moto_write(moto: Engine) -> None:
    """Why the injector takes moto's handler off: this is the plausible injector that injects nothing."""
    counter = Counter(moto)
    counter.client = client = moto.client()

    def throttle(request: Any, **_: Any) -> Any:
        return refusal(request, "ProvisionedThroughputExceededException")

    client.meta.events.register("before-send.dynamodb", throttle)
    with pytest.raises(ClientError):
        counter.add()
    assert counter.value() > NOT_APPLIED


# -- the counter proves itself, too ------------------------------------------------------------


def test_the_meter_counts_calls_and_the_attempts_they_take(engine: Engine) -> None:
    client, table = engine.client(), engine.fresh_table().name
    meter = Meter(client)
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    with meter.measuring() as usage:
        client.get_item(TableName=table, Key=key)
        client.put_item(TableName=table, Item=key)
    client.get_item(TableName=table, Key=key)
    assert (usage.calls, usage.attempts, usage.requests) == ({"GetItem": 1, "PutItem": 1}, 2, 2)


@pytest.mark.parametrize(
    ("spans", "trips"),
    [
        ([], 0),
        ([(0, 1)], 1),
        ([(0, 1), (1, 2), (2, 3)], 3),
        ([(0, 3), (0.1, 2), (0.2, 2.5)], 1),
        ([(0, 2), (0, 1), (2, 3), (2.5, 3.5)], 2),
        ([(3, 4), (0, 1)], 2),
    ],
)
def test_what_is_asked_side_by_side_is_one_round_trip(spans: list[tuple[float, float]], trips: int) -> None:
    assert Usage(spans=spans).round_trips == trips
