"""The templates as CloudFormation sees them after the SAM transform, made offline."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from client_credits.deploying.packaging import package, read_template, translate

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
TEMPLATES = [TEMPLATE, *sorted((ROOT / "infra").glob("*.yaml"))]
REGION = "eu-central-1"


class Bucket(dict[str, bytes]):
    """What was uploaded, by name."""

    def put(self, name: str, body: bytes) -> tuple[str, str]:
        self[name] = body
        return "bucket", f"prefix/{name}"


@cache
def transformed() -> dict[str, Any]:
    """The root template. Do not change what this returns: it is made once."""
    return translate(package(TEMPLATE, Bucket().put, region=REGION), REGION)


@cache
def nested() -> dict[str, dict[str, Any]]:
    """Each nested template as it was uploaded, by the logical id of its stack."""
    bucket = Bucket()
    package(TEMPLATE, bucket.put, region=REGION)
    uploaded = {name.rpartition("-")[0]: json.loads(body) for name, body in bucket.items() if name.endswith(".json")}
    stacks = read_template(TEMPLATE)["Resources"].items()
    return {name: uploaded[name] for name, each in stacks if each["Type"] == "AWS::CloudFormation::Stack"}


def templates() -> list[dict[str, Any]]:
    """The root and all nested templates."""
    return [transformed(), *nested().values()]


@cache
def declared() -> dict[str, dict[str, Any]]:
    """All resources of all templates, whole, by logical id."""
    found: dict[str, dict[str, Any]] = {}
    for template in templates():
        assert not set(found) & set(template["Resources"]), "a logical id is used twice"
        found |= template["Resources"]
    return found


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Properties of all resources of the type, by logical id."""
    return {name: each.get("Properties", {}) for name, each in declared().items() if each["Type"] == kind}
