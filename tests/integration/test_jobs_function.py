"""Jobs through the functions as Lambda runs them: the API starts one, the queue carries it, the bucket has its file."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from tests.infra.transformed import declared
from tests.support.api import AUDIENCE, CLIENT_PAGE, ISSUER, token
from tests.support.builders import NOW
from tests.support.functions import (
    CONTEXT,
    Event,
    World,
    failed,
    http_event,
    lines,
    load,
    own_clients,
    sqs_event,
    world,
)
from tests.support.key_server import issuer
from tests.support.stock import furnished, paid

from client_credits.aws import clients
from client_credits.aws.config import JobsConfig
from client_credits.aws.files import Bucket
from client_credits.domain.ledger.wallet import Wallet
from client_credits.operations.jobs.running import UNHEARD
from client_credits.operations.queries.reports import csv_rows
from client_credits.operations.queries.reports.every import REPORTS
from client_credits.store import keys, writes

__all__ = ["issuer", "own_clients", "world"]
pytestmark = pytest.mark.usefixtures("own_clients")
PIECE = b"x" * (5 * 2**20)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def stack(world: World, issuer: str, monkeypatch: pytest.MonkeyPatch) -> World:
    settings = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URL": issuer}
    for name, value in settings.items():
        monkeypatch.setenv(f"TOKEN_{name}", value)
    monkeypatch.setenv("CLIENT_PAGE_URL", CLIENT_PAGE)
    paid(furnished(world.api))
    return world


def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
    bearer = {"authorization": f"Bearer {token('staff')}"}
    return json.loads(load("api").handler(http_event(method, path, body, **headers, **bearer), CONTEXT)["body"])


def export(key: str = "key-1", report: str = "credits") -> str:
    return str(ask("POST", "/v1/reports/exports", {"report": report}, idempotency_key=key)["job_id"])


def delivered(world: World) -> list[Event]:
    """What waits in the queue of jobs, as Lambda gets it."""
    return [{"messageId": each["MessageId"], "body": each["Body"]} for each in world.received("jobs")]


def carried_out(world: World) -> None:
    while messages := delivered(world):
        for message in messages:
            assert failed(load("jobs").handler(sqs_event(message), CONTEXT)) == []


def test_an_export_is_started_carried_out_and_downloaded_by_an_address_good_for_five_minutes(stack: World) -> None:
    job_id = export()
    assert ask("GET", f"/v1/jobs/{job_id}")["state"] == "running"
    carried_out(stack)
    job = ask("GET", f"/v1/jobs/{job_id}")
    assert (job["state"], job["done"], job["problems"]) == ("done", 1, [])
    address = urlsplit(job["url"])
    query = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == ("300", "AWS4-HMAC-SHA256")
    assert query["response-content-disposition"] == 'attachment; filename="credits-2026-11-22.csv"'
    name = JobsConfig.from_environment().files_bucket
    stored = clients.client("s3").get_object(Bucket=name, Key=f"files/p1/{job_id}.csv")
    assert stored["ContentType"] == "text/csv; charset=utf-8"
    (head, row) = stored["Body"].read().decode().splitlines()
    assert head.startswith("client_id,client_name,appointment_type,balance,")
    assert row.startswith("c1,,follow-up,3,")


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_can_be_exported(stack: World, report: str) -> None:
    job_id = export(report=report)
    carried_out(stack)
    job = ask("GET", f"/v1/jobs/{job_id}")
    assert (job["state"], job["problems"]) == ("done", [])
    name = JobsConfig.from_environment().files_bucket
    stored = clients.client("s3").get_object(Bucket=name, Key=f"files/p1/{job_id}.csv")["Body"].read().decode()
    assert stored.splitlines()[0].split(",") == csv_rows.columns(REPORTS[report].row)


def test_an_export_of_more_than_a_step_goes_on_from_message_to_message(stack: World) -> None:
    clients_and_wallets = 2_700  # a step reads five pages of five hundred rows
    for start in range(0, clients_and_wallets, 100):
        wallets = (Wallet("p1", f"x{number:05}", "follow-up", sequence=1) for number in range(start, start + 100))
        stack.api.store.commit([writes.wallet(wallet, None) for wallet in wallets])
    job_id = export()
    (first,) = delivered(stack)
    load("jobs").handler(sqs_event(first), CONTEXT)
    job = ask("GET", f"/v1/jobs/{job_id}")
    assert (job["state"], job["done"]) == ("running", 2_500)
    carried_out(stack)
    job = ask("GET", f"/v1/jobs/{job_id}")
    assert (job["state"], job["done"]) == ("done", clients_and_wallets + 1)
    name = JobsConfig.from_environment().files_bucket
    text = clients.client("s3").get_object(Bucket=name, Key=f"files/p1/{job_id}.csv")["Body"].read().decode()
    lines = text.splitlines()
    assert lines[0].startswith("client_id,client_name,")
    assert [line.partition(",")[0] for line in lines[1:]] == ["c1", *(f"x{n:05}" for n in range(clients_and_wallets))]


def test_an_address_is_made_anew_at_each_request(stack: World, clock: Any) -> None:
    job_id = export()
    carried_out(stack)
    first = ask("GET", f"/v1/jobs/{job_id}")["url"]
    clock.shift(timedelta(seconds=200))
    second = ask("GET", f"/v1/jobs/{job_id}")["url"]
    dated = [parse_qs(urlsplit(url).query)["X-Amz-Date"] for url in (first, second)]
    assert dated == [["20261122T120000Z"], ["20261122T120320Z"]]


def test_a_message_that_got_lost_is_sent_again_by_the_sweep(stack: World, clock: Any) -> None:
    job_id = export()
    assert len(delivered(stack)) == 1, "and nobody takes it"
    clock.shift(UNHEARD)
    shard = keys.due_shard(keys.job("p1", job_id))
    event = sqs_event({"messageId": "m-1", "body": json.dumps({"shard": shard})})
    assert failed(load("sweep").handler(event, CONTEXT)) == []
    carried_out(stack)
    assert ask("GET", f"/v1/jobs/{job_id}")["state"] == "done"


def test_a_job_that_fails_leaves_the_others_of_its_batch_alone(
    stack: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = export("key-1"), export("key-2")
    spoil(stack, bad)
    messages = delivered(stack)
    assert failed(load("jobs").handler(sqs_event(*messages), CONTEXT)) == []
    job = ask("GET", f"/v1/jobs/{bad}")
    assert (job["state"], job["problems"][0]["code"], job["url"]) == ("failed", "internal_error", None)
    assert ask("GET", f"/v1/jobs/{good}")["state"] == "done"
    assert '"exception_name":"KeyError"' in capsys.readouterr().out


def test_a_failed_job_goes_over_the_line_of_its_alarm_and_one_that_is_done_does_not(
    stack: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    function = declared()["JobsFunction"]["Properties"]
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function["FunctionName"]["Fn::Sub"])
    for name in ("POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.setenv(name, function["Environment"]["Variables"][name])
    alarm = declared()["JobsFailedAlarm"]["Properties"]
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Sum", "GreaterThanThreshold")
    export("key-1")
    carried_out(stack)
    assert counted(alarm, capsys.readouterr().out) <= alarm["Threshold"]
    spoil(stack, export("key-2"))
    (message,) = delivered(stack)
    for _ in range(2):  # a message may come twice; the job fails once
        load("jobs").handler(sqs_event(message), CONTEXT)
    assert counted(alarm, capsys.readouterr().out) == alarm["Threshold"] + 1


def counted(alarm: dict[str, Any], logged: str) -> float:
    """What CloudWatch makes of these lines for the alarm's metric, of the very dimensions that it names."""
    dimensions = {
        each["Name"]: each["Value"]["Fn::Sub"] if isinstance(each["Value"], dict) else each["Value"]
        for each in alarm["Dimensions"]
    }
    total = 0.0
    for line in lines(logged):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            named = {name: line[name] for names in directive["Dimensions"] for name in names}
            metrics = {each["Name"] for each in directive["Metrics"]}
            if (directive["Namespace"], named) == (alarm["Namespace"], dimensions) and alarm["MetricName"] in metrics:
                total += line[alarm["MetricName"]]
    return total


def spoil(world: World, job_id: str) -> None:
    """A job that asks for what no release ever had."""
    pk, sk = keys.job("p1", job_id)
    item = world.items()[pk, sk]
    item["body"]["S"] = item["body"]["S"].replace('"report":"credits"', '"report":"weather"')
    clients.client("dynamodb").put_item(TableName=world.table, Item=item)


def test_a_message_that_is_none_of_a_job_comes_back(stack: World) -> None:
    event = sqs_event(
        *({"messageId": f"m-{n}", "body": body} for n, body in enumerate(("{}", "x", '{"version": "a"}')))
    )
    assert failed(load("jobs").handler(event, CONTEXT)) == ["m-0", "m-1", "m-2"]


# -- the bucket ------------------------------------------------------------------------------------


@pytest.fixture
def bucket(world: World) -> Bucket:
    return Bucket(JobsConfig.from_environment().files_bucket)


def test_a_file_in_parts_is_there_once_it_is_complete_and_completing_it_again_changes_nothing(bucket: Bucket) -> None:
    upload = bucket.begin("p1/job_1.csv")
    etags = [bucket.part("p1/job_1.csv", upload, 1, PIECE), bucket.part("p1/job_1.csv", upload, 2, b"the end")]
    assert bucket.part("p1/job_1.csv", upload, 2, b"the end") == etags[1], "a part sent twice is there once"
    s3 = clients.client("s3")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket.name)
    for _ in range(2):
        bucket.complete("p1/job_1.csv", upload, etags)
        assert s3.get_object(Bucket=bucket.name, Key="files/p1/job_1.csv")["Body"].read() == PIECE + b"the end"


def test_what_is_kept_between_steps_stands_apart_from_finished_files(bucket: Bucket) -> None:
    bucket.keep("p1/job_1/3", b"rest")
    assert bucket.kept("p1/job_1/3") == b"rest"
    (stored,) = clients.client("s3").list_objects_v2(Bucket=bucket.name)["Contents"]
    assert stored["Key"] == "unfinished/p1/job_1/3"
