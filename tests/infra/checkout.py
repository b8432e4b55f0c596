"""A checkout of the template and the local stack with functions that only log, for tests of the stack itself."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client_credits.local.aws import client

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("api", "stripe_webhook", "stripe_events", "bookings", "sweep", "reconcile", "publish_entries")
LOGGING_FUNCTION = """
import json
import os
import client_credits

def handler(event, context):
    said = {"package": client_credits.__file__, "event": event, "keys": os.environ.get("TOKEN_JWKS_URL")}
    print(json.dumps(said, default=str))
    return {"statusCode": 200, "body": "{}"}
"""


@dataclass
class Run:
    """One ``python -m client_credits.local`` and what it printed."""

    process: subprocess.Popen[str]
    directory: Path
    output: str = field(default="")

    def wait_until_ready(self, within_seconds: float = 60.0) -> dict[str, Any]:
        """What stack.json says, as soon as it is there."""
        wait_until(lambda: self._description() or self.process.poll() is not None, within_seconds)
        described = self._description()
        assert described, self.finish()
        return described

    def _description(self) -> dict[str, Any]:
        """What stack.json says, unless a killed run left it."""
        with contextlib.suppress(FileNotFoundError):
            described: dict[str, Any] = json.loads((self.directory / "stack.json").read_text())
            return described if described["pid"] == self.process.pid else {}
        return {}

    def finish(self, number: int | None = None, within_seconds: float = 60.0) -> tuple[int, str]:
        """Send the signal, wait for the end; exit status and everything printed."""
        if number is not None:
            self.process.send_signal(number)
        self.output, _ = self.process.communicate(timeout=within_seconds)
        return self.process.returncode, self.output


@dataclass(frozen=True)
class Checkout:
    """The checkout at ``root``."""

    root: Path
    port: int
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def make(cls, root: Path) -> "Checkout":
        """Copy what a local stack needs to ``root``."""
        shutil.copytree(ROOT / "infra", root / "infra")
        shutil.copy(ROOT / "template.yaml", root)
        package = root / "shared" / "client_credits"
        package.parent.mkdir()
        shutil.copy(ROOT / "shared" / "layer.txt", package.parent)
        shutil.copytree(ROOT / "shared" / "client_credits", package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "local" / "demo.py").unlink(missing_ok=True)
        for name in FUNCTIONS:
            (root / "functions" / name).mkdir(parents=True)
            (root / "functions" / name / "app.py").write_text(LOGGING_FUNCTION)
        return cls(root, free_port())

    @property
    def directory(self) -> Path:
        return self.root / ".local"

    def start(self, **environment: str) -> Run:
        """Start the stack of this checkout as ``make run`` does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "client_credits.local"],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root / "shared"), "PORT": str(self.port)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        run = Run(process, self.directory)
        self.runs.append(run)
        return run

    def kill(self) -> None:
        """End every run that a failed test left."""
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
                run.process.communicate()

    @contextlib.contextmanager
    def running(self, **environment: str) -> Iterator["Running"]:
        """The stack while the block runs; stopped by Ctrl-C after it."""
        run = self.start(**environment)
        yield Running(self, run, run.wait_until_ready())
        status, output = run.finish(signal.SIGINT)
        assert status == 0, output

    def processes(self) -> list[str]:
        """Command lines and working directories of processes that belong to this checkout."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if str(self.root) in command or str(self.root) in str((entry / "cwd").readlink()):
                        found.append(command)
        return found


@dataclass(frozen=True)
class Running:
    """A ready stack of a checkout."""

    checkout: Checkout
    run: Run
    described: dict[str, Any]

    def client(self, service: str) -> Any:
        return client(service, self.described["aws_endpoint_url"])

    def logged(self, function: str) -> str:
        """Everything the function logged."""
        group = f"/aws/lambda/{self.described['stack_name']}-{function}"
        return "\n".join(
            event["message"] for event in self.client("logs").filter_log_events(logGroupName=group)["events"]
        )

    def put(self, sk: str) -> None:
        """Write an item, so that the stream has something to tell."""
        item = {"pk": {"S": "test"}, "sk": {"S": sk}}
        self.client("dynamodb").put_item(TableName=self.described["table_name"], Item=item)

    def get(self, sk: str) -> dict[str, Any] | None:
        key = {"pk": {"S": "test"}, "sk": {"S": sk}}
        found: dict[str, Any] | None = (
            self.client("dynamodb").get_item(TableName=self.described["table_name"], Key=key).get("Item")
        )
        return found


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], object], within_seconds: float = 15.0) -> None:
    """Wait until it holds; fails when it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_seconds} s"
        time.sleep(0.1)
