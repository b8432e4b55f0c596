"""Records as the next release writes them: put into the table behind this release's back.

Finds every field of a record that holds a word of a fixed set, and where such words stand in its JSON.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import cycle
from typing import Any, get_args, get_origin

from client_credits.store import codec
from client_credits.store.keys import Key
from client_credits.store.store import Store

WORD = "of_a_later_release"


def rewrite(store: Store, key: Key, change: Callable[[Any], Any], **attributes: Any) -> dict[str, Any]:
    """Puts a record's item with its body changed, and with these attributes beside it. Returns the item."""
    client, name = store.table._client, store.table.name
    at = codec.to_attributes({"pk": key[0], "sk": key[1]})
    found = client.batch_get_item(RequestItems={name: {"Keys": [at], "ConsistentRead": True}})
    (item,) = found["Responses"][name]
    body = json.dumps(change(json.loads(codec.unpacked(codec.from_attributes(item)))))
    kept = {each: value for each, value in item.items() if each != "packed"}
    after: dict[str, Any] = kept | {"body": {"S": body}} | attributes
    client.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": after}}])
    return after


def saying(**words: Any) -> Callable[[Any], Any]:
    """A body with these fields."""
    return lambda body: body | words


def word_fields(kind: Any) -> Iterator[tuple[str, str, Any]]:
    """Record, name and type of each field that holds a word, of a record and of those within it."""
    for each in fields(kind) if is_dataclass(kind) else ():
        if any(isinstance(part, type) and issubclass(part, Enum) for part in (each.type, *get_args(each.type))):
            yield _name(kind), each.name, each.type
        yield from word_fields(each.type)
    for part in get_args(kind):
        yield from word_fields(part)


def words_within(kind: Any, body: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where words stand in a record's JSON: record and name of the field, and the object that it stands in."""
    if body is None:
        return
    if is_dataclass(kind):
        own = {name for record, name, _ in word_fields(kind) if record == _name(kind)}
        for each in fields(kind):
            if each.name in body and each.name in own:
                yield _name(kind), each.name, body
            yield from words_within(each.type, body.get(each.name))
    elif get_origin(kind) is dict:
        for value in body.values():
            yield from words_within(get_args(kind)[1], value)
    elif get_origin(kind) is tuple:
        for part, value in zip(cycle(part for part in get_args(kind) if part is not Ellipsis), body, strict=False):
            yield from words_within(part, value)
    else:
        for part in get_args(kind):
            yield from words_within(part, body)


def _name(kind: Any) -> str:
    return str(kind.__name__)
