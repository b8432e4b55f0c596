"""Deploying again: what changed is published, what did not change is not. On the emulator, with the real templates."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from client_credits.deploying.deploy import deploy, upload_package
from client_credits.deploying.errors import DeploymentFailed
from client_credits.local.aws import client
from client_credits.local.emulator import Emulator
from client_credits.local.stack import local_parameters
from client_credits.local.tokens import TokenIssuer
from tests.infra.checkout import FUNCTIONS, Checkout
from tests.support.table import declared_table

BUCKET = "artifacts"
_names = itertools.count(1)


@dataclass(frozen=True)
class Live:
    """What the alias of a function points to."""

    version: str
    layer: str
    variables: dict[str, str]


@dataclass(frozen=True)
class Deployment:
    """A stack of a checkout's templates, deployed by nothing but the deploying code."""

    checkout: Checkout
    emulator: Emulator
    name: str

    def client(self, service: str) -> Any:
        return client(service, self.emulator.endpoint_url)

    def deploy(self, **parameters: str) -> dict[str, str]:
        template = self.checkout.root / "template.yaml"
        url = upload_package(self.client("s3"), BUCKET, template, prefix=self.name)
        issuer = TokenIssuer(self.checkout.directory / "keys", f"{self.emulator.endpoint_url}/identity")
        values = local_parameters(issuer, self.emulator.port) | parameters
        return deploy(self.client("cloudformation"), self.name, url, values, poll_seconds=0.1, within_seconds=60)

    def live(self) -> dict[str, Live]:
        """By function, what runs when its alias is called."""
        functions = self.client("lambda")
        found = {}
        for name in (f"{self.name}-{each.replace('_', '-')}" for each in FUNCTIONS):
            version = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
            at = functions.get_function_configuration(FunctionName=name, Qualifier=version)
            found[name] = Live(version, at["Layers"][0]["Arn"], at["Environment"]["Variables"])
        return found

    def published(self) -> dict[str, int]:
        """By function, how many versions there are, the unpublished one aside."""
        functions = self.client("lambda")
        return {
            name: len(functions.list_versions_by_function(FunctionName=name)["Versions"]) - 1 for name in self.live()
        }


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    checkout = Checkout.make(tmp_path_factory.mktemp("deploying") / "emulator")
    started = Emulator(checkout.directory, checkout.port)
    checkout.directory.mkdir()
    started.start()
    client("s3", started.endpoint_url).create_bucket(Bucket=BUCKET)
    yield started
    started.kill()


@pytest.fixture
def deployment(emulator: Emulator, tmp_path: Path) -> Deployment:
    """Not deployed yet; its name is its own."""
    return Deployment(Checkout.make(tmp_path / "checkout"), emulator, f"credits-{next(_names)}")


def test_deploying_again_without_a_change_publishes_nothing(deployment: Deployment) -> None:
    first = deployment.deploy()
    before, published = deployment.live(), deployment.published()
    assert deployment.deploy() == first
    assert deployment.live() == before
    assert deployment.published() == published == dict.fromkeys(before, 1)


def test_after_a_change_of_the_layer_alone_every_alias_points_to_a_new_version_that_has_it(
    deployment: Deployment,
) -> None:
    deployment.deploy()
    before = deployment.live()
    module = deployment.checkout.root / "shared" / "client_credits" / "domain" / "ids.py"
    module.write_text(module.read_text() + "\n# changed\n")
    deployment.deploy()
    after = deployment.live()
    (old,), (new,) = ({each.layer for each in live.values()} for live in (before, after))
    assert new != old
    content = deployment.client("lambda").get_layer_version_by_arn(Arn=new)["Content"]["CodeSha256"]
    assert content != deployment.client("lambda").get_layer_version_by_arn(Arn=old)["Content"]["CodeSha256"]
    assert not [name for name in after if after[name].version == before[name].version]


def test_after_a_change_of_one_parameter_alone_every_alias_points_to_a_new_version_that_has_it(
    deployment: Deployment,
) -> None:
    deployment.deploy(LogLevel="INFO")
    before = deployment.live()
    deployment.deploy(LogLevel="DEBUG")
    after = deployment.live()
    assert {each.variables["POWERTOOLS_LOG_LEVEL"] for each in before.values()} == {"INFO"}
    assert {each.variables["POWERTOOLS_LOG_LEVEL"] for each in after.values()} == {"DEBUG"}
    assert not [name for name in after if after[name].version == before[name].version]


def test_after_a_change_of_one_function_s_code_its_alias_alone_points_to_a_new_version(deployment: Deployment) -> None:
    deployment.deploy()
    before = deployment.live()
    code = deployment.checkout.root / "functions" / "sweep" / "app.py"
    code.write_text(code.read_text() + "\n# changed\n")
    deployment.deploy()
    after = deployment.live()
    changed = [name for name in after if after[name] != before[name]]
    assert changed == [f"{deployment.name}-sweep"]


def test_a_stack_takes_a_restored_table_in_place_of_its_own_which_is_kept(deployment: Deployment) -> None:
    own = deployment.deploy()["TableName"]
    tables = deployment.client("dynamodb")
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    restored = f"{deployment.name}-restored"
    described = tables.create_table(TableName=restored, StreamSpecification=stream, **declared_table())
    arn = described["TableDescription"]["LatestStreamArn"]
    outputs = deployment.deploy(ExistingTableName=restored, ExistingTableStreamArn=arn)
    assert outputs["TableName"] == restored
    stated = {each.variables["TABLE_NAME"] for each in deployment.live().values() if "TABLE_NAME" in each.variables}
    assert stated == {restored}
    mappings = deployment.client("lambda").list_event_source_mappings(
        FunctionName=outputs["PublishEntriesFunctionName"]
    )
    assert [each["EventSourceArn"] for each in mappings["EventSourceMappings"]] == [arn]
    assert {own, restored} <= set(tables.list_tables()["TableNames"])


def test_an_existing_table_without_its_stream_is_refused(deployment: Deployment) -> None:
    with pytest.raises(DeploymentFailed, match="ExistingTableStreamArn"):
        deployment.deploy(ExistingTableName="restored")
