"""The local stack itself: started, used, stopped, started again, interrupted, killed.

`make test` starts it, stops it and starts it again; the ways in which that goes wrong are for `make prove`.
"""

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.checkout import Checkout, free_port, wait_until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout.make(tmp_path / "a checkout")
    yield made
    made.kill()
    wait_until(lambda: not made.processes(), 10)


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], Any]:
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
        body = response.read()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, body


def test_everything_of_the_template_works_and_survives_a_stop_and_a_new_start(checkout: Checkout) -> None:
    with checkout.running() as stack:
        described = stack.described
        assert fetch(f"{described['api_url']}/healthz")[0] == 200
        assert fetch(f"{described['aws_endpoint_url']}/client-credits-identity/jwks.json")[0] == 200

        for origin in (described["aws_endpoint_url"], "http://localhost:3000", "http://127.0.0.1:5173"):
            preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            status, headers, _ = fetch(f"{described['api_url']}/v1/holds", "OPTIONS", **preflight)
            assert status in (200, 204)
            assert headers["access-control-allow-origin"] == origin
            assert "idempotency-key" in headers["access-control-allow-headers"]

        event = {
            "EventBusName": described["event_bus_name"],
            "Source": "booking.probe",
            "DetailType": "booking.created",
        }
        stack.client("events").put_events(Entries=[event | {"Detail": json.dumps({"probe": "booking-one"})}])
        stack.client("sqs").send_message(QueueUrl=described["outputs"]["StripeQueueUrl"], MessageBody="a stripe event")
        stack.put("first")
        wait_until(lambda: "booking-one" in stack.logged("bookings"))
        wait_until(lambda: "a stripe event" in stack.logged("stripe-events"))
        wait_until(lambda: "first" in stack.logged("publish-entries"))
        assert str(checkout.directory) in stack.logged("bookings"), "the functions run with the layer's package"
        table = described["table_name"]

    assert not (checkout.directory / "stack.json").exists()
    assert not checkout.processes()

    with checkout.running(PORT=str(free_port())) as stack:
        assert stack.described["table_name"] == table
        assert stack.described["api_url"] != described["api_url"], "it runs on another port"
        assert stack.described["stripe_webhook_secret"] == described["stripe_webhook_secret"]
        assert stack.get("first") is not None
        stack.put("second")
        queue = stack.described["outputs"]["StripeQueueUrl"]
        stack.client("sqs").send_message(QueueUrl=queue, MessageBody="another stripe event")
        stack.client("events").put_events(Entries=[event | {"Detail": json.dumps({"probe": "booking-two"})}])
        wait_until(lambda: "second" in stack.logged("publish-entries"))
        wait_until(lambda: "another stripe event" in stack.logged("stripe-events"))
        wait_until(lambda: "booking-two" in stack.logged("bookings"))
        assert stack.described["aws_endpoint_url"] in stack.logged("api"), "the functions are known the new addresses"
        assert fetch(f"{stack.described['api_url']}/healthz")[0] == 200
        # The schedule itself firing is waited for once, end to end.
        schedules = stack.client("scheduler").list_schedules()["Schedules"]
        assert sorted((schedule["Name"], schedule["State"]) for schedule in schedules) == [
            ("client-credits-reconcile", "ENABLED"),
            ("client-credits-sweep", "ENABLED"),
        ]

    with checkout.running(EMPTY="1") as stack:
        assert stack.get("first") is None


@pytest.mark.prove
def test_changed_code_is_running_after_the_next_start(checkout: Checkout) -> None:
    with checkout.running():
        pass
    package = checkout.root / "shared" / "client_credits" / "domain"
    (package / "marker.py").write_text("WORD = 'changed in the layer'\n")
    code = (
        "from client_credits.domain.marker import WORD\ndef handler(event, context):\n    print(WORD)\n    return {}\n"
    )
    (checkout.root / "functions" / "api" / "app.py").write_text(code)
    with checkout.running() as stack:
        assert fetch(f"{stack.described['api_url']}/healthz")[0] == 200
        assert "changed in the layer" in stack.logged("api")
    (package / "marker.py").write_text("WORD = 'changed in the layer alone'\n")
    with checkout.running() as stack:
        assert fetch(f"{stack.described['api_url']}/healthz")[0] == 200
        assert "changed in the layer alone" in stack.logged("api")


def test_a_port_in_use_is_said_in_one_sentence_and_leaves_nothing_running(checkout: Checkout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", checkout.port))
        taken.listen()
        status, output = checkout.start().finish()
    assert status == 1
    assert output.splitlines()[-1].startswith(f"Port {checkout.port} is in use")
    assert "Traceback" not in output
    assert not checkout.processes()


@pytest.mark.prove
@pytest.mark.parametrize(
    ("number", "after_seconds"), [(signal.SIGKILL, 0.6), (signal.SIGKILL, 2.0), (signal.SIGTERM, 1.5)]
)
def test_a_start_that_is_cut_short_leaves_nothing_behind(
    checkout: Checkout, number: signal.Signals, after_seconds: float
) -> None:
    run = checkout.start()
    time.sleep(after_seconds)
    status, output = run.finish(number)
    assert status != 0 or "Stopped; the state is kept" in output
    wait_until(lambda: not checkout.processes(), 10)
    with checkout.running() as stack:
        assert fetch(f"{stack.described['api_url']}/healthz")[0] == 200


@pytest.mark.prove
def test_a_killed_stack_starts_again_from_its_last_clean_stop(checkout: Checkout) -> None:
    with checkout.running() as stack:
        stack.put("kept")
    run = checkout.start()
    run.wait_until_ready()
    run.finish(signal.SIGKILL)
    wait_until(lambda: not checkout.processes(), 10)
    assert not (checkout.directory / "stack.json").exists()
    with checkout.running() as stack:
        assert stack.get("kept") is not None
        assert stack.described["pid"] != run.process.pid


@pytest.mark.prove
def test_nothing_of_the_caller_s_environment_reaches_the_stack_and_a_second_one_is_refused(
    checkout: Checkout, tmp_path: Path
) -> None:
    stray = {
        "AWS_PROFILE": "nobody-has-this",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_CONFIG_FILE": str(tmp_path / "missing"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    with checkout.running(**stray) as stack:
        assert fetch(f"{stack.described['api_url']}/healthz")[0] == 200

        status, output = checkout.start().finish()
        assert status == 1
        assert f"process {stack.described['pid']}" in output
        assert (checkout.directory / "stack.json").exists()


@pytest.mark.parametrize(
    ("file", "sound", "broken"),
    [
        ("template.yaml", "AWS::Events::EventBus", "AWS::Events::Nothing"),
        ("infra/sweep.yaml", "AWS::SQS::Queue", "AWS::SQS::Nothing"),
        ("functions/api/app.py", "import json", "import nothing_of_this_name"),
    ],
)
def test_a_stack_that_cannot_work_is_reported_and_leaves_nothing_running(
    checkout: Checkout, file: str, sound: str, broken: str
) -> None:
    path = checkout.root / file
    path.write_text(path.read_text().replace(sound, broken))
    status, output = checkout.start().finish(within_seconds=60)
    assert status == 1, output
    assert "Traceback" not in output, output
    assert not checkout.processes()
