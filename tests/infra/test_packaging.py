"""What is uploaded, and how a deployment tells that nothing or only a setting has changed."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from client_credits.local.deploy import deploy
from client_credits.local.errors import DeploymentFailed
from client_credits.local.packaging import package
from tests.infra.transformed import TEMPLATE


class Bucket(dict[str, bytes]):
    def put(self, name: str, body: bytes) -> tuple[str, str]:
        self[name] = body
        return "bucket", f"prefix/{name}"

    def names(self, logical_id: str) -> list[str]:
        (body,) = (body for name, body in self.items() if name.startswith(f"{logical_id}-"))
        return zipfile.ZipFile(io.BytesIO(body)).namelist()


class CloudFormation:
    """As much of CloudFormation as a deployment talks to; ``reason`` is why its change sets fail, if they do."""

    class exceptions:
        ClientError = ClientError

    def __init__(self, current: dict[str, str] | None, reason: str | None = None) -> None:
        self.current, self.reason = current, reason
        self.sent: dict[str, Any] = {}
        self.executed = False

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if self.current is None and not self.executed:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (self.current or {}).items()]
        outputs = [{"OutputKey": "ApiId", "OutputValue": "a1"}]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": given, "Outputs": outputs}]}

    def get_template_summary(self, TemplateURL: str) -> dict[str, Any]:
        return {
            "Parameters": [
                {"ParameterKey": "LogLevel", "DefaultValue": "INFO"},
                {"ParameterKey": "TokenIssuer"},
                {"ParameterKey": "SettingsRevision", "DefaultValue": "1"},
            ]
        }

    def create_change_set(self, **request: Any) -> None:
        self.sent = {each["ParameterKey"]: each["ParameterValue"] for each in request["Parameters"]}
        self.kind = request["ChangeSetType"]

    def describe_change_set(self, **request: Any) -> dict[str, Any]:
        return {"Status": "FAILED", "StatusReason": self.reason} if self.reason else {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **request: Any) -> None:
        self.executed = True

    def delete_change_set(self, **request: Any) -> None:
        pass


def revision(current: dict[str, str] | None, **parameters: str) -> str:
    cloudformation = CloudFormation(current)
    deploy(cloudformation, "stack", "url", parameters, keep_previous=True)
    return str(cloudformation.sent["SettingsRevision"])


def test_no_path_of_this_machine_is_left_in_the_packaged_template() -> None:
    bucket = Bucket()
    resources = package(TEMPLATE, bucket.put)["Resources"].values()
    paths = [each["Properties"].get(key) for each in resources for key in ("CodeUri", "ContentUri", "TemplateURL")]
    given = [path for path in paths if path is not None]
    assert len(given) == 9
    assert all(path.startswith(("s3://bucket/prefix/", "https://s3.amazonaws.com/bucket/prefix/")) for path in given)


def test_the_same_files_are_uploaded_under_the_same_names_with_the_same_bytes() -> None:
    first, second = Bucket(), Bucket()
    package(TEMPLATE, first.put)
    package(TEMPLATE, second.put)
    assert first == second


def test_the_layer_holds_what_runs_and_not_what_serves_this_machine() -> None:
    bucket = Bucket()
    package(TEMPLATE, bucket.put)
    names = bucket.names("SharedLayer")
    assert "python/client_credits/aws/config.py" in names
    assert not [
        name for name in names if name.startswith(("python/client_credits/local/", "python/client_credits/cli/"))
    ]
    assert not [name for name in names if "__pycache__" in name]
    assert bucket.names("SweepFunction") == ["app.py"]


def test_a_built_directory_takes_the_place_of_the_template_s_path(tmp_path: Path) -> None:
    (tmp_path / "python" / "__pycache__").mkdir(parents=True)
    (tmp_path / "python" / "__pycache__" / "module.pyc").touch()
    bucket = Bucket()
    package(TEMPLATE, bucket.put, built={"SharedLayer": tmp_path})
    assert bucket.names("SharedLayer") == ["python/__pycache__/module.pyc"]


def test_other_settings_have_another_revision_and_the_same_settings_the_same() -> None:
    issuer = {"TokenIssuer": "https://a"}
    assert revision(issuer) == revision(issuer) == revision(None, **issuer)
    assert revision(issuer, LogLevel="DEBUG") != revision(issuer)
    assert revision(issuer | {"SettingsRevision": "typed by hand"}) == revision(issuer)
    assert revision(issuer, SettingsRevision="mine") == "mine"


def test_a_parameter_that_is_not_given_keeps_its_value_and_a_forgotten_one_is_dropped() -> None:
    cloudformation = CloudFormation({"TokenIssuer": "https://a", "LogLevel": "DEBUG", "Gone": "x"})
    assert deploy(cloudformation, "stack", "url", {"TokenIssuer": "https://b"}, keep_previous=True) == {"ApiId": "a1"}
    assert cloudformation.kind == "UPDATE"
    assert cloudformation.executed
    assert {"TokenIssuer": "https://b", "LogLevel": "DEBUG"}.items() <= cloudformation.sent.items()
    assert "Gone" not in cloudformation.sent


def test_a_change_set_without_changes_means_done() -> None:
    cloudformation = CloudFormation({"TokenIssuer": "a"}, "The submitted information didn't contain changes.")
    assert deploy(cloudformation, "stack", "url", {}, keep_previous=True) == {"ApiId": "a1"}
    assert not cloudformation.executed


def test_a_change_set_that_failed_for_another_reason_is_told() -> None:
    cloudformation = CloudFormation({"TokenIssuer": "a"}, "Transform failed: no such property")
    with pytest.raises(DeploymentFailed, match="no such property"):
        deploy(cloudformation, "stack", "url", {}, keep_previous=True)
