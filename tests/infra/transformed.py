"""The template as CloudFormation sees it after the SAM transform, made offline."""

import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from samtranslator.translator.transform import transform

from client_credits.local.packaging import package, read_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
MONITORING = ROOT / "infra" / "monitoring.yaml"


class _NoManagedPolicies:
    """SAM asks AWS for its managed policies by name; the template names none."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def transformed() -> dict[str, Any]:
    """Do not change what this returns: it is made once."""
    packaged = package(TEMPLATE, lambda name, body: ("artifacts", name))
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        result: dict[str, Any] = transform(packaged, {}, _NoManagedPolicies())
    return result


@cache
def monitoring() -> dict[str, Any]:
    return read_template(MONITORING)


def resources(kind: str, template: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Properties of all resources of the type, by logical id."""
    found = (template or transformed())["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}
