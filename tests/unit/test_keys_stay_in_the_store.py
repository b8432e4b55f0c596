"""Only `store/` knows the names of the table's key attributes, and what its keys begin with."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.table import declared_schema

from client_credits.store.keys import ItemKind

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "shared/client_credits/store"
SOURCES = [
    *(file for file in (ROOT / "shared/client_credits").rglob("*.py") if not file.is_relative_to(STORE)),
    *(ROOT / "functions").rglob("*.py"),
    *(ROOT / "bench").rglob("*.py"),
]
ATTRIBUTE = re.compile(r"(\w+_)?[ps]k")
PARTS = "|".join([*ItemKind, "op", "changed", "customer", "roster", "names", "sessions", "raw"])
PART_OF_KEY = re.compile(rf"(^|#)({PARTS})#|#(op|~)$|^#({PARTS})$")


def told(source: str) -> Iterator[str]:
    """The texts in a source that only the store may know. What documents something may say anything."""
    tree = ast.parse(source)
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documented)
    texts = (node.value for node in constants if isinstance(node.value, str))
    yield from (text for text in texts if ATTRIBUTE.fullmatch(text) or PART_OF_KEY.search(text))


def test_no_other_source_names_a_keys_attribute_or_begins_a_key() -> None:
    found = {str(file.relative_to(ROOT)): texts for file in SOURCES if (texts := [*told(file.read_text())])}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('item["pk"]', "pk"),
        ('{"pk": 1, "sk": 2}', "pk"),
        ('page.last["roster_sk"]', "roster_sk"),
        ('item.get("sessions_pk")', "sessions_pk"),
        ('query(begins="wallet#")', "wallet#"),
        ('f"entry#{kind}#"', "entry#"),
        ('f"{practice}#booking#{booking_id}"', "#booking#"),
        ('f"{client_id}#~"', "#~"),
    ],
)
def test_what_is_looked_for_is_found(source: str, text: str) -> None:
    assert text in [*told(source)]


@pytest.mark.parametrize("source", ['"""The sk of an item, wallet# and all."""', 'f"{place} #{number}"', '"sk_test_1"'])
def test_other_texts_may_stand(source: str) -> None:
    assert [*told(source)] == []


def test_every_key_of_the_table_is_named_so_but_for_what_falls_due() -> None:
    """Else what the test above looks for would be too little."""
    schema = declared_schema()
    names = {*schema.key, *(name for index in schema.indexes for name in index.key)}
    assert {name for name in names if not ATTRIBUTE.fullmatch(name)} == {"due_shard", "due_at"}
    assert {"pk", "wallet#", "#booking#"} <= {*told((STORE / "keys.py").read_text())}, "the store's would be found"
