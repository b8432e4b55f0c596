"""Deploys the packaged template through a CloudFormation change set, to the emulator or to AWS."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client_credits.deploying.errors import DeploymentFailed
from client_credits.deploying.packaging import package, put_template

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
_REVISION = "SettingsRevision"
_NOTHING_TO_CHANGE = ("didn't contain changes", "No updates are to be performed", "no changes")


def upload_package(
    s3: Any, bucket: str, template_path: Path, *, prefix: str, built: Mapping[str, Path] | None = None
) -> str:
    """Put code and templates below ``prefix`` in ``bucket``; returns the address of the root template."""

    def put(name: str, body: bytes) -> tuple[str, str]:
        key = f"{prefix}/{name}"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return bucket, key

    region = s3.meta.region_name
    return put_template(put, "template", package(template_path, put, region=region, built=built), region)


def deploy(
    cloudformation: Any,
    stack_name: str,
    template_url: str,
    parameters: Mapping[str, str],
    *,
    keep_previous: bool = False,
    poll_seconds: float = 5.0,
    within_seconds: float = 1800.0,
) -> dict[str, str]:
    """Create or update the stack and return its outputs. Safe to repeat: without changes nothing happens.

    Parameters that are not given take the template's defaults, or with ``keep_previous`` what the stack has now.
    Raises DeploymentFailed with CloudFormation's reasons.
    """
    exists = _exists(cloudformation, stack_name)
    values = _parameter_values(cloudformation, stack_name if exists and keep_previous else None, template_url)
    values |= parameters
    values[_REVISION] = parameters.get(_REVISION) or _digest_of_settings(values)
    name = f"deploy-{time.time_ns()}"
    try:
        cloudformation.create_change_set(
            StackName=stack_name,
            ChangeSetName=name,
            ChangeSetType="UPDATE" if exists else "CREATE",
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=list(CAPABILITIES),
        )
    except cloudformation.exceptions.ClientError as error:
        raise DeploymentFailed(f"CloudFormation refused the template of {stack_name}: {error}") from error
    deadline = time.monotonic() + within_seconds
    if _change_set_is_ready(cloudformation, stack_name, name, deadline, poll_seconds):
        cloudformation.execute_change_set(StackName=stack_name, ChangeSetName=name)
        _wait_until_done(cloudformation, stack_name, deadline, poll_seconds)
    else:
        cloudformation.delete_change_set(StackName=stack_name, ChangeSetName=name)
    return outputs(cloudformation, stack_name)


def outputs(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """What the deployed stack says about itself."""
    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _parameter_values(cloudformation: Any, stack_name: str | None, template_url: str) -> dict[str, str]:
    """What the template's parameters are when nothing is given: the stack's values, else the defaults."""
    known = cloudformation.get_template_summary(TemplateURL=template_url)["Parameters"]
    values = {each["ParameterKey"]: each["DefaultValue"] for each in known if "DefaultValue" in each}
    if stack_name is not None:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        names = {each["ParameterKey"] for each in known}
        for each in stack.get("Parameters", []):
            if each["ParameterKey"] in names:
                values[each["ParameterKey"]] = each["ParameterValue"]
    return values


def _digest_of_settings(values: Mapping[str, str]) -> str:
    """Another word for other settings, so that versions with these settings are published."""
    settings = {name: value for name, value in values.items() if name != _REVISION}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _exists(cloudformation: Any, stack_name: str) -> bool:
    try:
        stacks = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    # A first deployment that never got past its change set left only the name behind.
    return any(stack["StackStatus"] not in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE") for stack in stacks)


def _change_set_is_ready(cloudformation: Any, stack_name: str, name: str, deadline: float, poll_seconds: float) -> bool:
    """Whether there is anything to execute."""
    while time.monotonic() < deadline:
        change_set = cloudformation.describe_change_set(StackName=stack_name, ChangeSetName=name)
        status, reason = change_set["Status"], change_set.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return True
        if status == "FAILED":
            if any(words in reason for words in _NOTHING_TO_CHANGE):
                return False
            raise DeploymentFailed(f"The change set of {stack_name} failed: {reason}")
        time.sleep(poll_seconds)
    raise DeploymentFailed(f"The change set of {stack_name} was not ready in time.")


def _wait_until_done(cloudformation: Any, stack_name: str, deadline: float, poll_seconds: float) -> None:
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if not status.endswith("_IN_PROGRESS"):
            raise DeploymentFailed(f"{stack_name} ended as {status}: {'; '.join(_reasons(cloudformation, stack_name))}")
        time.sleep(poll_seconds)
    raise DeploymentFailed(f"{stack_name} was not deployed in time.")


def _reasons(cloudformation: Any, stack_name: str) -> list[str]:
    """Why the newest few resources failed; of a nested stack its own resources, which say more than it does."""
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    reasons: list[str] = []
    for event in [each for each in events if each["ResourceStatus"].endswith("_FAILED")][:5]:
        stack = event.get("PhysicalResourceId", "") if event["ResourceType"] == "AWS::CloudFormation::Stack" else ""
        own = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"]
        reasons += (_reasons(cloudformation, stack) if stack not in ("", event["StackId"]) else []) or own
    return reasons
