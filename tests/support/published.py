"""Events on the bus against the schemas that docs/events.md promises."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from client_credits.domain.ledger.entries import EntryKind

EVENTS = Path(__file__).resolve().parents[2] / "docs/events.md"
ENTRY = "credits.entry"


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """The documented schemas by their `$id`, as they stand."""
    blocks = re.findall(r"```json\n(.*?)```", EVENTS.read_text(), re.DOTALL)
    found = [json.loads(block) for block in blocks]
    return {schema["$id"]: schema for schema in found}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(closed(schemas()[name]), format_checker=FormatChecker())


def closed(schema: Any) -> Any:
    """The schema without room for members that it does not name: receivers ignore those, the document must not."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return {"additionalProperties": False, **inner} if schema.get("type") == "object" else inner


def schema_of(detail_type: str) -> str:
    """Which schema an event is of. Raises LookupError for one that is not documented."""
    if detail_type in {f"credits.{kind}" for kind in EntryKind}:
        return ENTRY
    if detail_type not in schemas():
        raise LookupError(f"{detail_type} is not documented")
    return detail_type


def check(detail_type: str, detail: dict[str, Any]) -> None:
    """Raises AssertionError where an event is not as documented."""
    errors = [f"{error.json_path}: {error.message}" for error in _validator(schema_of(detail_type)).iter_errors(detail)]
    assert errors == [], f"{detail_type} {detail}"
    assert detail["event_id"]
    if schema_of(detail_type) == ENTRY:
        assert (f"credits.{detail['kind']}", detail["entry_id"]) == (detail_type, detail["event_id"])
