"""Starts and stops the AWS emulator on loopback, with its state in a directory.

State is saved by a clean stop only (``stop``); ``kill`` leaves what the last clean stop saved. The emulator sees
nothing of the caller's environment: no AWS profile, no proxy, no Docker, no configuration files.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from client_credits.local import loopback
from client_credits.local.aws import ACCOUNT_ID, REGION
from client_credits.local.errors import EmulatorFailed, PortInUse

HOST = "127.0.0.1"
READY_WITHIN_SECONDS = 40.0
STOPPED_WITHIN_SECONDS = 30.0
_PORT = "port"


class Emulator:
    """One emulator process. ``directory`` is its own: state, temporary files, log."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.log_path = self.directory / "emulator.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def state_directory(self) -> Path:
        return self.directory / "state"

    @property
    def has_state(self) -> bool:
        """Whether a clean stop has saved a stack here."""
        return (self.state_directory / "cloudformation.json").exists()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until ready. Raises PortInUse or EmulatorFailed, leaving nothing running."""
        _refuse_port_in_use(self.port)
        temporary = self.directory / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in (temporary, self.directory / "home", self.state_directory):
            folder.mkdir(parents=True, exist_ok=True)
        _mend(self.state_directory, self.port)
        with self.log_path.open("wb") as log:
            self._process = _spawn(self._environment(temporary), self.directory, log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop cleanly, which saves the state. Raises EmulatorFailed when it had to be killed."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise EmulatorFailed("The emulator did not stop in time and was killed; its state is lost.") from None
        (self.state_directory / _PORT).write_text(str(self.port))
        self._clean_up()

    def kill(self) -> None:
        """Stop at once and save nothing."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._clean_up()

    def discard_state(self) -> None:
        """Forget what was saved. Only while stopped."""
        assert not self.is_running
        shutil.rmtree(self.state_directory, ignore_errors=True)

    def _clean_up(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process is not None:
                # Workers that outlived the emulator, busy with a last call.
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)

    def _environment(self, temporary: Path) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Workers find the emulator by this: it is the only endpoint they can reach.
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state_directory),
            "LAMBDA_EXECUTOR": "local",
            # No container engine and no listeners beside the one port.
            "DOCKER_HOST": f"unix://{self.directory}/no-docker.sock",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise EmulatorFailed(f"The emulator ended while starting; its log is {self.log_path}.")
            if _answers(f"{self.endpoint_url}/_ministack/ready"):
                return
            time.sleep(0.1)
        raise EmulatorFailed(f"The emulator was not ready in time; its log is {self.log_path}.")


def _spawn(environment: dict[str, str], directory: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the emulator after draining it.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "client_credits.local.guard"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=environment,
        start_new_session=True,
    )


def _refuse_port_in_use(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortInUse(port) from None


def _answers(url: str) -> bool:
    try:
        status, _ = loopback.request(url, timeout_seconds=2)
    except OSError:
        return False
    return status == HTTPStatus.OK


def _mend(state: Path, port: int) -> None:
    """Make saved state fit to be started from: what the emulator saves does not quite add up."""
    _forget_stream_positions(state / "lambda.json")
    note = state / _PORT
    saved_port = note.read_text() if note.exists() else str(port)
    if saved_port != str(port):
        _move_addresses(state, f"{HOST}:{saved_port}", f"{HOST}:{port}")
        note.write_text(str(port))


def _move_addresses(state: Path, old: str, new: str) -> None:
    """Queues are known by their addresses, which hold the port; after a start on another one nobody found them."""
    for path in state.glob("*.json"):
        text = path.read_text()
        if old in text:
            _replace(path, text.replace(old, new))


def _forget_stream_positions(path: Path) -> None:
    """Let streams be read from their start again.

    The emulator saves how far each stream was read but not the stream's records, whose count starts again at zero:
    with the old position nothing would be delivered until as many new records had come.
    """
    if not path.exists():
        return
    saved: dict[str, Any] = json.loads(path.read_text())
    if saved.get("payload", {}).pop("dynamodb_stream_positions", None) is not None:
        _replace(path, json.dumps(saved))


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)
