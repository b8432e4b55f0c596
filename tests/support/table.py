"""The table as the template declares it, for any engine that speaks DynamoDB."""

from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
_DECLARED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def declared_table() -> dict[str, Any]:
    """The table's keys and indexes, read from template.yaml so that tests cannot drift from it."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    (table,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::DynamoDB::Table")
    return {name: table["Properties"][name] for name in _DECLARED}


def create_table(client: Any, name: str) -> None:
    client.create_table(TableName=name, **declared_table())
