"""Records which rights the functions use: every call to AWS that a function's code makes in this process.

A call counts where a function's file, or the API's front, stands in the stack above it. What tests ask of AWS
themselves counts for nobody.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import botocore.client
import botocore.signers
import pytest

from client_credits.aws import direct_calls

ROOT = Path(__file__).resolve().parents[2]
FRONT = ROOT / "shared" / "client_credits" / "http" / "front.py"
WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
# A file in parts is put, whatever the call.
PARTS = dict.fromkeys(("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"), "PutObject")
_submitter: ContextVar[str | None] = ContextVar("submitter", default=None)


@dataclass(frozen=True, slots=True)
class Right:
    """What a function does to what: "bookings", "dynamodb:Query", "table".

    Resources are table, index/<name>, bus, parameter/<path below the stack's>, files by the folder they are in,
    and queues by their setting.
    """

    function: str
    action: str
    resource: str


Seen = dict[Right, str]  # with the first test that used it


def rights_of(service: str, operation: str, asked: dict[str, Any]) -> set[tuple[str, str]]:
    """The actions and resources that IAM judges one call by. What is not known here keeps its own name."""
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            return {(f"dynamodb:{WRITES[kind]}", "table") for write in asked["TransactItems"] for kind in write}
        case "dynamodb", _:
            index = asked.get("IndexName")
            return {(f"dynamodb:{operation}", f"index/{index}" if index else "table")}
        case "sqs", _:
            return {(f"sqs:{operation.removesuffix('Batch')}", _queue(asked["QueueUrl"]))}
        case "ssm", _:
            return {(f"ssm:{operation}", _parameter(asked.get("Name") or asked["Path"]))}
        case "events", _:
            return {(f"events:{operation}", "bus")}
        case "s3", _:
            return {(f"s3:{PARTS.get(operation, operation)}", f"{str(asked['Key']).partition('/')[0]}/*")}
    return {(f"{service}:{operation}", "?")}


def _queue(url: str) -> str:
    """A queue goes by the setting that names it."""
    return next((name for name, value in os.environ.items() if name.endswith("_URL") and value == url), url)


def _parameter(name: str) -> str:
    """/client-credits/<stack>/stripe/p1 is parameter/stripe/*: each practice has one of its own."""
    kind, *practice = name.split("/")[3:]
    return f"parameter/{kind}{'/*' if practice else ''}"


@contextmanager
def recording() -> Iterator[Seen]:
    """Notes the rights used until the block ends, each once."""
    seen: Seen = {}

    def note(service: str, operation: str, asked: dict[str, Any]) -> None:
        if function := _function():
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
            for action, resource in rights_of(service, operation, asked):
                seen.setdefault(Right(function, action, resource), test)

    with pytest.MonkeyPatch.context() as patched:
        _watch(patched, note)
        yield seen


def _watch(patched: pytest.MonkeyPatch, note: Callable[[str, str, dict[str, Any]], None]) -> None:
    client, direct, pool = botocore.client.BaseClient, direct_calls._Service, ThreadPoolExecutor
    by_client, directly, submit = client._make_api_call, direct._call, pool.submit
    signer = botocore.signers.RequestSigner
    sign_address = signer.generate_presigned_url

    def call(self: Any, operation: str, asked: dict[str, Any]) -> Any:
        note(self.meta.service_model.service_name, operation, asked)
        return by_client(self, operation, asked)

    def call_directly(self: Any, operation: str, asked: dict[str, Any]) -> Any:
        note(self.name, operation, asked)
        return directly(self, operation, asked)

    def submit_for(self: Any, work: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        return submit(self, _on_behalf_of(_function(), work), *args, **named)

    def sign(self: Any, request_dict: dict[str, Any], *, operation_name: str, **named: Any) -> Any:
        """An address that is signed is a call that somebody else makes with the function's rights."""
        _, _, name = request_dict["url_path"].partition("/files/")
        note(self._service_id.hyphenize(), operation_name, {"Key": f"files/{name}" if name else "?"})
        return sign_address(self, request_dict, operation_name=operation_name, **named)

    patched.setattr(client, "_make_api_call", call)
    patched.setattr(signer, "generate_presigned_url", sign)
    patched.setattr(direct, "_call", call_directly)
    patched.setattr(pool, "submit", submit_for)


def _on_behalf_of(function: str | None, work: Callable[..., Any]) -> Callable[..., Any]:
    """A thread of a pool works for the function that submitted the work."""

    def run(*args: Any, **named: Any) -> Any:
        before = _submitter.set(function)
        try:
            return work(*args, **named)
        finally:
            _submitter.reset(before)

    return run


def _function() -> str | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if name := _function_in(frame.f_code.co_filename):
            return name
        frame = frame.f_back
    return _submitter.get()


@cache
def _function_in(file: str) -> str | None:
    path = Path(file)
    if path == FRONT:
        return "api"
    return path.parent.name if path.parent.parent == ROOT / "functions" else None


# --- The log


def append(log: Path, seen: Seen) -> None:
    """Add what one process saw, a line of JSON for each right."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write("".join(json.dumps(asdict(right) | {"test": test}) + "\n" for right, test in seen.items()))


def read(log: Path) -> Seen:
    seen: Seen = {}
    for line in log.read_text().splitlines():
        stated = json.loads(line)
        test = stated.pop("test")
        seen.setdefault(Right(**stated), test)
    return seen
