"""The local stack as one thing: started, described in a file while it runs, drained and stopped.

A start that does not reach readiness, for whatever reason, kills what it started and saves nothing; what the last
clean stop saved stays as it was.
"""

import contextlib
import fcntl
import importlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from client_credits.deploying.deploy import deploy, upload_package
from client_credits.deploying.packaging import read_template
from client_credits.local import practice
from client_credits.local.aws import REGION, client
from client_credits.local.drain import drain
from client_credits.local.emulator import HOST, Emulator
from client_credits.local.errors import AlreadyRunning
from client_credits.local.tokens import AUDIENCE, TokenIssuer

ROOT = Path(__file__).resolve().parents[3]
STACK_NAME = "client-credits"
# Where a developer's pages are likely to be served from, beside the API's own origin.
PAGE_PORTS = (3000, 5173, 8000, 8080)
_ARTIFACTS = "client-credits-artifacts"
_IDENTITY = "client-credits-identity"
_KEY_SET = "jwks.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running local stack: what stands in stack.json, and what the processes of this machine need beside it."""

    api_url: str
    aws_endpoint_url: str
    region: str
    stack_name: str
    table_name: str
    event_bus_name: str
    secrets_prefix: str
    practice_id: str
    stripe_webhook_url: str
    stripe_webhook_secret: str
    tokens: Mapping[str, str]
    client_id: str
    pid: int
    outputs: Mapping[str, str]
    directory: Path
    issuer: TokenIssuer
    emulator: Emulator

    def client(self, service: str) -> Any:
        """A client of one of the stack's AWS services."""
        return client(service, self.aws_endpoint_url)

    def publish_keys(self) -> None:
        """Publish the issuer's keys as they are now; call after rotating them."""
        publish_keys(self.client("s3"), self.issuer)

    def description(self) -> dict[str, Any]:
        """What stack.json says."""
        hidden = {"directory", "issuer", "emulator"}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in hidden}


@contextlib.contextmanager
def running_stack(
    directory: Path,
    port: int,
    *,
    parameters: Mapping[str, str] | None = None,
    fresh: bool = False,
    demo: bool = False,
) -> Iterator[Stack]:
    """Run the stack while the block runs; its state stays in ``directory`` for the next time.

    ``parameters`` override those of the template, ``fresh`` sets aside the state of the last run, ``demo`` loads
    the demo practice when there is no state. Raises LocalStackError when it cannot be started.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    with _locked(directory):
        description = directory / "stack.json"
        description.unlink(missing_ok=True)
        emulator = Emulator(directory, port)
        if fresh:
            _set_aside(emulator.state_directory)
        is_first = not emulator.has_state
        if is_first:
            emulator.discard_state()
        emulator.start()
        stack: Stack | None = None
        try:
            started = _set_up(emulator, directory, parameters or {})
            if demo and is_first:
                _load_demo(started)
            _write_atomically(description, started.description())
            stack = started
            yield stack
        finally:
            description.unlink(missing_ok=True)
            if stack is None or not emulator.is_running:
                emulator.kill()
            else:
                drain(stack.client, stack.outputs)
                emulator.stop()


def publish_keys(s3: Any, issuer: TokenIssuer) -> None:
    """Put the key set where the functions fetch it."""
    body = json.dumps(issuer.key_set()).encode()
    s3.put_object(Bucket=_IDENTITY, Key=_KEY_SET, Body=body, ContentType="application/json")


def _set_up(emulator: Emulator, directory: Path, parameters: Mapping[str, str]) -> Stack:
    endpoint = emulator.endpoint_url
    s3 = client("s3", endpoint)
    for bucket in (_ARTIFACTS, _IDENTITY):
        s3.create_bucket(Bucket=bucket)
    issuer = TokenIssuer(directory / "keys", f"{endpoint}/{_IDENTITY}")
    publish_keys(s3, issuer)
    values = {**local_parameters(issuer, emulator.port), **parameters}
    outputs = deploy(
        client("cloudformation", endpoint),
        STACK_NAME,
        upload_package(s3, _ARTIFACTS, ROOT / "template.yaml", prefix=STACK_NAME),
        values,
        poll_seconds=0.2,
        within_seconds=60,
    )
    # The emulator's CloudFormation drops the API's CORS rules, so they are given once more.
    gateway = client("apigatewayv2", endpoint)
    gateway.update_api(ApiId=outputs["ApiId"], CorsConfiguration=cors_rules(values["CorsOrigins"]))
    api_url = f"http://{HOST}:{emulator.port}/_aws/execute-api/{outputs['ApiId']}"
    practice_id, client_id = practice.PRACTICE_ID, practice.CLIENT_ID
    stripe_secret = practice.ensure_secrets(client("ssm", endpoint), outputs["SecretsPrefix"], practice_id)
    tokens = {role: issuer.mint(role, practice_id) for role in ("admin", "staff", "service")}
    tokens["client"] = issuer.mint("client", practice_id, client_id)
    practice.ensure_practice(client("dynamodb", endpoint), outputs["TableName"], practice_id)
    practice.ensure_client(api_url, tokens["admin"], client_id)
    return Stack(
        api_url=api_url,
        aws_endpoint_url=endpoint,
        region=REGION,
        stack_name=STACK_NAME,
        table_name=outputs["TableName"],
        event_bus_name=outputs["EventBusName"],
        secrets_prefix=outputs["SecretsPrefix"],
        practice_id=practice_id,
        stripe_webhook_url=f"{api_url}/webhooks/stripe/{practice_id}",
        stripe_webhook_secret=stripe_secret,
        tokens=tokens,
        client_id=client_id,
        pid=os.getpid(),
        outputs=outputs,
        directory=directory,
        issuer=issuer,
        emulator=emulator,
    )


def local_origins(port: int) -> list[str]:
    """Exact origins of the pages that may call the local API: its own, and this machine on some ports."""
    return [f"http://{host}:{each}" for each in (port, *PAGE_PORTS) for host in (HOST, "localhost")]


def local_parameters(issuer: TokenIssuer, port: int) -> dict[str, str]:
    """What differs from AWS; the head of template.yaml and the README list it too."""
    return {
        "TokenIssuer": issuer.issuer,
        "TokenAudience": AUDIENCE,
        "TokenJwksUrl": f"{issuer.issuer}/{_KEY_SET}",
        "CorsOrigins": ",".join(local_origins(port)),
        "ClientPageUrl": f"http://{HOST}:{port}/_aws/execute-api/API_ID/me",
        "TableDeletionProtection": "false",
        "LogRetentionDays": "1",
    }


def cors_rules(origins: str) -> dict[str, Any]:
    """The template's own rules, for these origins."""
    api = read_template(ROOT / "template.yaml")["Resources"]["Api"]["Properties"]
    stated: dict[str, Any] = api["CorsConfiguration"]["Fn::If"][1]
    return stated | {"AllowOrigins": origins.split(",") if origins else []}


def _load_demo(stack: Stack) -> None:
    name = "client_credits.local.demo"
    if importlib.util.find_spec(name) is not None:
        importlib.import_module(name).load(stack)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory for this process; the lock goes with the process, however it ends."""
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(directory, _first_number(file)) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _first_number(file: IO[str]) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _set_aside(state: Path) -> None:
    if state.exists():
        before = state.with_name("state-before-empty")
        shutil.rmtree(before, ignore_errors=True)
        state.rename(before)


def _write_atomically(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.chmod(0o600)
    partial.replace(path)
