"""The recorder of used rights notes what functions ask of AWS, and nothing that a test asks itself."""

import pytest
from tests.support.api import Api
from tests.support.functions import CONTEXT, World, load, own_clients, sqs_event, sqs_message, world
from tests.support.rights import Right, recording

__all__ = ["own_clients", "world"]


@pytest.mark.usefixtures("own_clients")
def test_a_function_s_calls_are_noted_with_their_test_and_a_test_s_own_are_not(world: World) -> None:
    with recording() as seen:
        world.items()
        world.received("sweep")
        load("sweep").handler({"kind": "start"}, CONTEXT)
        load("sweep").handler(sqs_event(sqs_message({"shard": "00"})), CONTEXT)
    assert set(seen) == {
        Right("sweep", "sqs:SendMessage", "SWEEP_QUEUE_URL"),
        Right("sweep", "dynamodb:Query", "index/due"),
    }
    assert {test.rpartition("::")[2] for test in seen.values()} == {
        "test_a_function_s_calls_are_noted_with_their_test_and_a_test_s_own_are_not"
    }


def test_what_the_front_asks_counts_as_the_api_s_in_threads_of_a_pool_as_well(api: Api) -> None:
    assert api("PUT", "/v1/appointment-types/initial", {"name": "Initial"}).status in (200, 201)
    assert api("PUT", "/v1/clients/c1", {}).status == 201
    with recording() as seen:
        assert api("GET", "/v1/clients/c1/credits/initial/history").status == 200
    assert set(seen) == {Right("api", f"dynamodb:{name}", "table") for name in ("BatchGetItem", "Query")}


def test_nothing_is_noted_once_the_block_has_ended(api: Api) -> None:
    with recording() as seen:
        pass
    assert api("GET", "/v1/settings").status == 200
    assert seen == {}
