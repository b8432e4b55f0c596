"""The stack a command works on: the local one by its stack.json, or a deployed one by its CloudFormation outputs."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from client_credits.cli.errors import RUN_IT, CommandError
from client_credits.local import aws

REPOSITORY = Path(__file__).resolve().parents[3]
DESCRIPTION = Path(".local") / "stack.json"
READ_TIMEOUT_SECONDS = 60  # a function may take as long


@dataclass(frozen=True, slots=True)
class LocalStack:
    """What only a stack on this machine has: its folder with the signing keys, tokens, and a client that exists."""

    directory: Path
    tokens: Mapping[str, str]
    client_id: str


@dataclass(frozen=True, slots=True)
class Target:
    """A stack. `client` makes the client of an AWS service; `practice_id` is the practice meant where none is named."""

    name: str
    api_url: str
    table_name: str
    event_bus_name: str
    secrets_prefix: str
    outputs: Mapping[str, str]
    client: Callable[[str], Any]
    practice_id: str | None = None
    local: LocalStack | None = None

    @property
    def is_local(self) -> bool:
        return self.local is not None

    def webhook_url(self, practice_id: str) -> str:
        """Where Stripe sends this practice's events."""
        return f"{self.api_url}/webhooks/stripe/{quote(practice_id, safe=':~')}"


def local() -> Target:
    """The running local stack of this checkout. Raises CommandError where none runs."""
    path = next((each for each in _places() if each.is_file()), None)
    if path is None:
        raise CommandError(f"No local stack is running: {RUN_IT}.")
    try:
        written = json.loads(path.read_text())
        pid = int(written["pid"])
        endpoint_url = str(written["aws_endpoint_url"])
        target = Target(
            name="the local stack",
            api_url=str(written["api_url"]),
            table_name=str(written["table_name"]),
            event_bus_name=str(written["event_bus_name"]),
            secrets_prefix=str(written["secrets_prefix"]),
            outputs=dict(written["outputs"]),
            client=cache(lambda service: aws.client(service, endpoint_url)),
            practice_id=str(written["practice_id"]),
            local=LocalStack(path.parent, dict(written["tokens"]), str(written["client_id"])),
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise CommandError(f"{path} does not describe a local stack: {RUN_IT}.") from None
    if not _is_alive(pid):
        raise CommandError(f"The local stack of {path.parent.parent} is not running any more: {RUN_IT}.")
    return target


def _places() -> Iterator[Path]:
    """Upwards from the working directory, then the repository that this command belongs to."""
    here = Path.cwd()
    for folder in (here, *here.parents, REPOSITORY):
        yield folder / DESCRIPTION


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def deployed(stack_name: str, region: str | None) -> Target:
    """A stack on AWS. Raises CommandError where there is none of this name, or one that is something else."""
    session = botocore.session.Session()
    config = Config(
        connect_timeout=5,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=16,
    )

    @cache
    def client(service: str) -> Any:
        return session.create_client(service, region_name=region, config=config)

    outputs = _outputs(client("cloudformation"), stack_name)
    try:
        return Target(
            name=f"the stack {stack_name}",
            api_url=outputs["ApiUrl"].rstrip("/"),
            table_name=outputs["TableName"],
            event_bus_name=outputs["EventBusName"],
            secrets_prefix=outputs["SecretsPrefix"],
            outputs=outputs,
            client=client,
        )
    except KeyError as missing:
        raise CommandError(f"The stack {stack_name} is none of Client Credits: it has no output {missing}.") from None


def _outputs(cloudformation: Any, stack_name: str) -> dict[str, str]:
    try:
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        where = cloudformation.meta.region_name
        raise CommandError(
            f"There is no stack {stack_name} in {where}: name another with --stack or --region."
        ) from None
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
