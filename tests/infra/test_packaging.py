"""What is uploaded, and how a deployment tells that nothing or only a setting has changed."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from client_credits.deploying.deploy import deploy
from client_credits.deploying.errors import DeploymentFailed
from client_credits.deploying.packaging import package
from tests.infra.transformed import REGION, TEMPLATE, Bucket


def names(bucket: Bucket, logical_id: str) -> list[str]:
    """What the one archive of this resource holds."""
    (body,) = (body for name, body in bucket.items() if name.startswith(f"{logical_id}-") and name.endswith(".zip"))
    return zipfile.ZipFile(io.BytesIO(body)).namelist()


class CloudFormation:
    """As much of CloudFormation as a deployment talks to; ``reason`` is why its change sets fail, if they do."""

    class exceptions:
        ClientError = ClientError

    def __init__(self, current: dict[str, str] | None, reason: str | None = None) -> None:
        self.current, self.reason = current, reason
        self.sent: dict[str, Any] = {}
        self.executed = False
        self.status = "UPDATE_COMPLETE"
        self.events: dict[str, list[dict[str, str]]] = {}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        return {"StackEvents": self.events[StackName]}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if self.current is None and not self.executed:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (self.current or {}).items()]
        outputs = [{"OutputKey": "ApiId", "OutputValue": "a1"}]
        return {"Stacks": [{"StackStatus": self.status, "Parameters": given, "Outputs": outputs}]}

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


def test_no_path_of_this_machine_and_no_transform_of_a_nested_stack_is_left_in_the_packaged_templates() -> None:
    bucket = Bucket()
    root = package(TEMPLATE, bucket.put, region=REGION)
    uploaded = [json.loads(body) for name, body in bucket.items() if name.endswith(".json")]
    assert "Transform" in root and not [each for each in uploaded if "Transform" in each]
    properties = [each.get("Properties", {}) for one in (root, *uploaded) for each in one["Resources"].values()]
    paths = [each[key] for each in properties for key in ("CodeUri", "ContentUri", "TemplateURL") if key in each]
    objects = [
        *paths,
        *(f"s3://{each['Code']['S3Bucket']}/{each['Code']['S3Key']}" for each in properties if "Code" in each),
    ]
    addresses = ("s3://bucket/prefix/", f"https://s3.{REGION}.amazonaws.com/bucket/prefix/")
    assert all(path.startswith(addresses) for path in objects), objects
    assert sorted(path.rsplit("/", 1)[1] for path in objects) == sorted(bucket)


def test_the_same_files_are_uploaded_under_the_same_names_with_the_same_bytes() -> None:
    first, second = Bucket(), Bucket()
    package(TEMPLATE, first.put, region=REGION)
    package(TEMPLATE, second.put, region=REGION)
    assert first == second


def test_nothing_of_the_caller_s_profile_is_read_to_translate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    bucket = Bucket()
    package(TEMPLATE, bucket.put, region=REGION)
    assert names(bucket, "SweepFunction") == ["app.py"]


def test_a_built_directory_takes_the_place_of_the_template_s_path(tmp_path: Path) -> None:
    (tmp_path / "python" / "__pycache__").mkdir(parents=True)
    (tmp_path / "python" / "__pycache__" / "module.pyc").touch()
    bucket = Bucket()
    package(TEMPLATE, bucket.put, region=REGION, built={"SharedLayer": tmp_path})
    assert names(bucket, "SharedLayer") == ["python/__pycache__/module.pyc"]


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


def test_a_change_set_that_failed_for_another_reason_is_reported() -> None:
    cloudformation = CloudFormation({"TokenIssuer": "a"}, "Transform failed: no such property")
    with pytest.raises(DeploymentFailed, match="no such property"):
        deploy(cloudformation, "stack", "url", {}, keep_previous=True)


def failed(logical_id: str, reason: str, kind: str = "AWS::SQS::Queue", physical_id: str = "") -> dict[str, str]:
    stack = {"StackId": "arn:root", "ResourceType": kind, "PhysicalResourceId": physical_id}
    return stack | {"LogicalResourceId": logical_id, "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": reason}


def test_a_failure_inside_a_nested_stack_is_reported_with_its_own_reason() -> None:
    stack = "AWS::CloudFormation::Stack"
    events = {
        "stack": [
            failed("stack", "failed: [Sweep]", stack, "arn:root"),
            failed("Sweep", "was not created", stack, "n"),
        ],
        "n": [failed("SweepQueue", "no such property")],
    }
    cloudformation = CloudFormation({"TokenIssuer": "a"})
    cloudformation.status, cloudformation.events = "ROLLBACK_COMPLETE", events
    with pytest.raises(
        DeploymentFailed, match=r"ROLLBACK_COMPLETE: stack: failed: \[Sweep\]; SweepQueue: no such prop"
    ):
        deploy(cloudformation, "stack", "url", {}, keep_previous=True)
