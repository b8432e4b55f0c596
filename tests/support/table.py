"""The table as the template declares it, for any engine that speaks DynamoDB."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
_DECLARED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@dataclass(frozen=True, slots=True)
class Index:
    """A sparse index: its key, and what it holds of an item (None: everything)."""

    name: str
    key: tuple[str, ...]
    holds: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Schema:
    """The table's own key, hash first, and its indexes. Every key attribute is a string."""

    key: tuple[str, ...]
    indexes: tuple[Index, ...]

    def index(self, name: str) -> Index | None:
        return next((index for index in self.indexes if index.name == name), None)


@cache
def declared_table() -> dict[str, Any]:
    """The table's keys and indexes, read from template.yaml so that tests cannot drift from it."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    (table,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::DynamoDB::Table")
    return {name: table["Properties"][name] for name in _DECLARED}


@cache
def declared_schema() -> Schema:
    """The same, as far as a table in memory needs it."""
    declared = declared_table()
    assert {each["AttributeType"] for each in declared["AttributeDefinitions"]} == {"S"}
    key = _key(declared)
    indexes = (_index(each, key) for each in declared["GlobalSecondaryIndexes"])
    return Schema(key, tuple(indexes))


def _key(of: dict[str, Any]) -> tuple[str, ...]:
    by_type = {part["KeyType"]: part["AttributeName"] for part in of["KeySchema"]}
    return tuple(by_type[kind] for kind in ("HASH", "RANGE") if kind in by_type)


def _index(declared: dict[str, Any], table_key: tuple[str, ...]) -> Index:
    projection, key = declared["Projection"], _key(declared)
    extra = projection.get("NonKeyAttributes", [])
    whole = projection["ProjectionType"] == "ALL"
    return Index(declared["IndexName"], key, None if whole else frozenset((*table_key, *key, *extra)))


def create_table(client: Any, name: str) -> None:
    client.create_table(TableName=name, **declared_table())
