"""The engines that stand in for DynamoDB: moto in this process, the emulator, and dynoxide.

Owns starting and stopping them and how a request of a client reaches each. moto is single threaded
and keeps no request tokens; the emulator is the one `make run` uses; dynoxide, used by the bench
only, is the one whose capacity figures can be trusted.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from client_credits.local.emulator import Emulator
from client_credits.operations import committing
from client_credits.store.store import Store
from client_credits.store.table import Table
from tests.support.table import create_table

HOST = "127.0.0.1"
REGION = "us-east-1"
CONNECTIONS = 48  # more than the threads of any test
READY_WITHIN_SECONDS = 20

Send = Callable[[AWSPreparedRequest], AWSResponse]
_table_numbers = count(1)


@dataclass(frozen=True)
class Engine:
    """A running engine. `endpoint_url` is None for moto, which lives inside botocore."""

    name: str
    endpoint_url: str | None = None

    def client(self) -> Any:
        """A new client, so that what a test hooks into one disturbs no other."""
        return dynamodb(self.endpoint_url)

    @cached_property
    def shared_client(self) -> Any:
        """One client for all that hooks into none; making one takes longer than most tests."""
        return self.client()

    def fresh_table(self) -> Table:
        """An empty table of its own, as the template declares it."""
        name = f"credits-{next(_table_numbers)}"
        create_table(self.shared_client, name)
        return Table(self.shared_client, name)

    def fresh_store(self) -> Store:
        return Store(self.fresh_table())

    def sender(self, client: Any) -> Send:
        """How a prepared request of `client` reaches the engine, past every hook."""
        return moto_stubber() if self.endpoint_url is None else client._endpoint.http_session.send


@cache
def _session(in_process: bool) -> botocore.session.Session:
    """moto's handler enters the sessions made after its import, so its session is one of its own."""
    if in_process:
        moto_stubber()
    return botocore.session.Session()


def dynamodb(endpoint_url: str | None) -> Any:
    """A botocore client with the retries of the functions and room for many threads."""
    return _session(endpoint_url is None).create_client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            connect_timeout=2,
            read_timeout=20,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
            proxies={},
        ),
    )


def moto_stubber() -> Any:
    """moto's own `before-send` handler. Named late: importing moto hooks it into botocore."""
    from moto.core.models import botocore_stubber  # noqa: PLC0415

    return botocore_stubber


@contextlib.contextmanager
def moto_engine() -> Iterator[Engine]:
    from moto import mock_aws  # noqa: PLC0415

    with mock_aws():
        yield Engine("moto")


@contextlib.contextmanager
def emulator_engine(directory: Path) -> Iterator[Engine]:
    """The emulator, with nothing deployed, on a port of its own; its state is not kept."""
    emulator = Emulator(directory, free_port())
    emulator.start()
    try:
        yield Engine("emulator", emulator.endpoint_url)
    finally:
        emulator.kill()


@contextlib.contextmanager
def dynoxide_engine(binary: Path) -> Iterator[Engine]:
    """dynoxide in memory, on a port of its own, until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [str(binary), "serve", "--host", HOST, "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
    )
    try:
        _wait_for_port(port, process)
        yield Engine("dynoxide", f"http://{HOST}:{port}")
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the engine did not start")


# -- fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[Engine]:
    """One mock for a module, so that no other module's mock is nested in it."""
    with moto_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with emulator_engine(tmp_path_factory.mktemp("emulator")) as engine:
        yield engine


@pytest.fixture(scope="module", params=["moto", "emulator", "memory"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that the suite runs against in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once, botocore's and ours: the clock stands still for them, the code is the same."""
    still = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr(botocore.endpoint, "time", still)
    monkeypatch.setattr(committing, "time", still)
