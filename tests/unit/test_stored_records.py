"""docs/records.md shows what the store holds: of every kind of item an example that is exactly what it writes.

`python -m tests.support.documented` brings the examples up to date.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import cycle
from types import NoneType
from typing import Any, cast, get_args, get_origin

import pytest
from tests.support.documented import PAGE, PLANNED, examples, rendered, rewritten, with_shard
from tests.support.stored_again import BARE, RECORDS, stored_again
from tests.support.table import Index, declared_schema

from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind

EVERY = examples(PAGE.read_text())
STORED = {name: item for name, item in EVERY.items() if not name.startswith(PLANNED)}
TO_COME = {name: item for name, item in EVERY.items() if name.startswith(PLANNED)}


@pytest.mark.parametrize("name", STORED)
def test_a_documented_record_is_stored_just_so(name: str) -> None:
    """Its key, its attributes and its body: the codec reads it, and the store writes the same again."""
    right = stored_again(STORED[name])
    assert STORED[name] == right, f"docs/records.md, {name!r} is now:\n{rendered(right)}"


def test_every_kind_of_item_has_an_example_of_its_name() -> None:
    assert {item["kind"] for item in STORED.values()} == set(ItemKind)
    assert [name for name, item in STORED.items() if name.split()[0] != item["kind"]] == []


def test_every_kind_is_a_record_or_attributes_alone() -> None:
    assert RECORDS.keys() | BARE == set(ItemKind)
    assert not RECORDS.keys() & BARE


def test_the_examples_name_every_field_of_every_record() -> None:
    """Of the records within records, too. A new field makes this fail."""
    shown: dict[type, set[str]] = defaultdict(set)
    for item in STORED.values():
        if kind := RECORDS.get(item["kind"]):
            for record, names in _within(kind, item["body"]):
                shown[record] |= names
    assert shown.keys() >= set(RECORDS.values())
    bare = {record.__name__: {f.name for f in fields(record)} - {"version"} - names for record, names in shown.items()}
    assert {name: missing for name, missing in bare.items() if missing} == {}


def _within(kind: Any, value: Any) -> Iterator[tuple[type, set[str]]]:
    """Every record's type within a type, with the names that stand in the JSON of one."""
    if is_dataclass(kind):
        yield cast(type, kind), value.keys()
        parts = [(f.type, value[f.name]) for f in fields(kind) if f.name in value]
    elif isinstance(value, dict) and get_origin(kind) is dict:
        parts = [(get_args(kind)[1], each) for each in value.values()]
    elif isinstance(value, list):
        parts = [(part, each) for part, each in zip(cycle(_kinds(kind)), value, strict=False)]
    else:
        parts = [(part, value) for part in get_args(kind) if is_dataclass(part) and value is not None]
    for part, each in parts:
        yield from _within(part, each)


def _kinds(kind: Any) -> list[Any]:
    """Of what types a list's parts are."""
    found = get_args(kind) or (Any,)
    return [part for part in found if part not in (Ellipsis, NoneType)]


def test_no_two_examples_have_one_key() -> None:
    places = [keys.key_of(item) for item in EVERY.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("index", declared_schema().indexes, ids=lambda index: index.name)
def test_some_record_of_an_index_has_each_attribute_that_it_projects(index: Index) -> None:
    shown = {name for item in STORED.values() if item.keys() >= set(index.key) for name in item}
    assert (index.holds or set()) - shown == set()


def test_a_wrong_example_is_found_and_mended() -> None:
    """The check and the tool prove themselves on a page that says too much, and on one that cannot be read."""
    right = STORED["money"]
    page = "```json money\n" + json.dumps(right | {"body": right["body"] | {"gone": 1}}) + "\n```"
    mended, unread = rewritten(page)
    assert (examples(mended), unread) == ({"money": right}, [])
    assert examples(page)["money"] != stored_again(examples(page)["money"])
    senseless = page.replace('"money": "pi_1A"', '"money": 7')
    mended, unread = rewritten(senseless)
    assert examples(mended) == examples(senseless)
    assert [line.split(":")[0] for line in unread] == ["money"]


# -- what later releases will store ------------------------------------------------------------------


@pytest.mark.parametrize("name", TO_COME)
def test_a_planned_record_keeps_the_rules_of_the_table(name: str) -> None:
    """Its kind is new, or it has more of a known one; its key is of a shape that no id can take."""
    item = TO_COME[name]
    assert name.removeprefix(PLANNED).split()[0] == item["kind"]
    assert item["kind"] not in set(ItemKind) - {ItemKind.CLIENT, ItemKind.AUTHORIZATION}
    parts = item["pk"].split("#")
    assert len(parts) > 2 or "#" in item["sk"] or item["sk"] == "client"
    assert item == with_shard(item)
    assert "version" in item
    assert len(json.dumps(item, separators=(",", ":"))) <= codec.ONE_UNIT_BYTES


def test_planned_partitions_and_those_that_there_are_have_different_names() -> None:
    """The second part of a key says what is meant, and never two things."""
    named = [{p[1] for i in items.values() if len(p := i["pk"].split("#")) > 2} for items in (STORED, TO_COME)]
    assert named[0].isdisjoint(named[1])
