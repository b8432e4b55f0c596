"""The comparison of rights granted and rights used, on mistakes made on purpose."""

from pathlib import Path

import pytest

from tests.infra.rights_used import POLLING, TIERS, USED_BY_LAMBDA, faults, granted, main, polled
from tests.support.rights import Right, Seen, append, read, rights_of

QUERY = Right("bookings", "dynamodb:Query", "table")


@pytest.fixture
def used() -> Seen:
    """A record in which every function used exactly what it may, but for what Lambda uses on its behalf."""
    own = {right for right in granted() if right.action not in USED_BY_LAMBDA} - set(polled())
    return dict.fromkeys(own, "tests/test_x.py::test_it")


def test_rights_that_are_all_used_and_all_granted_pass(used: Seen) -> None:
    assert len(used) > 20
    assert list(faults(granted(), used)) == []


def test_a_right_that_was_taken_away_is_named_with_the_test_that_used_it(used: Seen) -> None:
    assert QUERY in used
    (stated,) = faults(granted() - {QUERY}, used)
    assert stated == "bookings may not dynamodb:Query on table, but does, in tests/test_x.py::test_it"


def test_a_right_that_nothing_uses_is_named(used: Seen) -> None:
    (stated,) = faults(granted() | {Right("bookings", "dynamodb:DeleteItem", "table")}, used)
    assert stated == "bookings may dynamodb:DeleteItem on table, but no test saw it do so"


def test_a_right_of_one_function_or_resource_is_not_one_of_another(used: Seen) -> None:
    wrong = {
        Right("stripe_webhook", "dynamodb:Query", "table"): "t",
        Right("bookings", "dynamodb:Query", "index/due"): "t",
        Right("bookings", "sqs:SendMessage", "STRIPE_QUEUE_URL"): "t",
        Right("stripe_events", "ssm:GetParameter", "parameter/stripe/*"): "t",
    }
    assert len(list(faults(granted(), used | wrong))) == len(wrong)


def test_what_lambda_itself_uses_is_granted() -> None:
    assert {right.action for right in granted()} >= USED_BY_LAMBDA
    assert granted() >= set(polled())
    assert {right.function for right in polled()} == {
        *("stripe_events", "bookings", "sweep", "jobs", "publish_entries"),
    }


@pytest.mark.parametrize("action", [f"{service}:{name}" for service, names in POLLING.items() for name in names])
def test_reading_a_source_that_is_not_the_functions_own_must_be_seen(used: Seen, action: str) -> None:
    queue = action.startswith("sqs")
    for function in ("api", "stripe_webhook", "sweep"):
        right = Right(function, action, "STRIPE_QUEUE_URL" if queue else "stream/*")
        assert list(faults(granted() | {right}, used)) == [
            f"{function} may {action} on {right.resource}, but no test saw it do so"
        ]
        assert list(faults(granted() | {right}, used | {right: "t"})) == []


def test_a_queue_that_the_api_may_look_at_and_does_not_is_named(used: Seen) -> None:
    look = Right("api", "sqs:GetQueueAttributes", "JOBS_DLQ_URL")
    (stated,) = faults(granted(), {right: test for right, test in used.items() if right != look})
    assert stated == "api may sqs:GetQueueAttributes on JOBS_DLQ_URL, but no test saw it do so"


def test_a_source_that_lambda_may_not_read_is_named_with_its_mapping(used: Seen) -> None:
    receive = Right("bookings", "sqs:ReceiveMessage", "BookingsQueue")
    (stated,) = faults(granted() - {receive}, used)
    assert stated == "bookings may not sqs:ReceiveMessage on BookingsQueue, but does, in BookingsFunctionQueue"


@pytest.mark.parametrize("tier", TIERS)
def test_without_a_record_the_command_that_makes_it_is_named(
    tier: str, used: Seen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in TIERS:
        if other != tier:
            append(tmp_path / f"{other}.jsonl", used)
    assert main(tmp_path) == 1
    assert f"make {tier}" in capsys.readouterr().err


def test_a_right_used_in_either_tier_is_used(used: Seen, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(tmp_path / "test.jsonl", {right: test for right, test in used.items() if right != QUERY})
    append(tmp_path / "prove.jsonl", {QUERY: "tests/test_y.py::test_it"})
    assert main(tmp_path) == 0, capsys.readouterr().err


def test_a_fault_in_the_record_fails_the_command(
    used: Seen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    append(tmp_path / "test.jsonl", used)
    append(tmp_path / "prove.jsonl", {Right("sweep", "dynamodb:Scan", "table"): "tests/test_y.py::test_it"})
    assert main(tmp_path) == 1
    assert "sweep may not dynamodb:Scan on table" in capsys.readouterr().err


def test_processes_add_to_one_record(tmp_path: Path) -> None:
    first, second = {QUERY: "a"}, {QUERY: "b", Right("api", "dynamodb:Query", "index/due"): "c"}
    append(tmp_path / "log", first)
    append(tmp_path / "log", second)
    assert read(tmp_path / "log") == second | first


def test_each_write_of_a_transaction_is_a_right_of_its_own() -> None:
    writes = [{kind: {}} for kind in ("Put", "Update", "Delete", "ConditionCheck", "Put")]
    assert rights_of("dynamodb", "TransactWriteItems", {"TransactItems": writes}) == {
        (f"dynamodb:{action}", "table") for action in ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")
    }


def test_an_index_a_queue_a_parameter_and_the_bus_go_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_QUEUE_URL", "https://sqs/sweep-7")
    prefix = "/client-credits/test-1"
    for service, operation, asked, right in (
        ("dynamodb", "BatchGetItem", {"RequestItems": {}}, ("dynamodb:BatchGetItem", "table")),
        ("dynamodb", "Query", {"IndexName": "due"}, ("dynamodb:Query", "index/due")),
        ("sqs", "SendMessageBatch", {"QueueUrl": "https://sqs/sweep-7"}, ("sqs:SendMessage", "SWEEP_QUEUE_URL")),
        ("ssm", "GetParameter", {"Name": f"{prefix}/cursor-key"}, ("ssm:GetParameter", "parameter/cursor-key")),
        ("ssm", "GetParameter", {"Name": f"{prefix}/stripe/p1"}, ("ssm:GetParameter", "parameter/stripe/*")),
        ("events", "PutEvents", {"Entries": []}, ("events:PutEvents", "bus")),
        ("s3", "GetObject", {"Key": "files/p1/job_1.csv"}, ("s3:GetObject", "files/*")),
        ("s3", "UploadPart", {"Key": "files/p1/job_1.csv"}, ("s3:PutObject", "files/*")),
        ("ses", "SendEmail", {}, ("ses:SendEmail", "?")),
    ):
        assert rights_of(service, operation, asked) == {right}
