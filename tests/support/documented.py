"""The examples of docs/records.md, and how they are written into the page.

`python -m tests.support.documented` brings the examples of all kinds, or of those named, to what the store
makes of them now. One that cannot be read any more stays as it is and is named.
"""

import json
import re
import sys
from pathlib import Path

from client_credits.store import keys
from client_credits.store.table import Item
from tests.support.stored_again import stored_again

PAGE = Path(__file__).resolve().parents[2] / "docs/records.md"
WIDTH = 106  # closing brackets come on top
PLANNED = "planned "
_FENCED = re.compile(r"```json (?P<name>[^\n]+)\n(?P<text>.*?)```", re.DOTALL)


def examples(page: str) -> dict[str, Item]:
    """The page's examples by name: items as the table holds them, `body` as JSON."""
    found = [(each["name"], json.loads(each["text"])) for each in _FENCED.finditer(page)]
    assert len({name for name, _ in found}) == len(found), "two examples have one name"
    return dict(found)


def rendered(value: object, indent: int = 0, before: int = 0) -> str:
    """JSON that a page can hold: on one line where that fits behind `before` characters, else its parts filled up."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    parts = value.values() if isinstance(value, dict) else value
    first, last = "{}" if isinstance(value, dict) else "[]"
    lines = [""]
    for name, part in zip(names, parts, strict=True):
        text = name + rendered(part, indent + 2, len(name)) + ","
        fits = "\n" not in text and "\n" not in lines[-1] and indent + len(lines[-1]) + len(text) + 2 <= WIDTH
        lines = [*lines[:-1], f"{lines[-1]} {text}"] if fits else [*lines, f" {text}"]
    return first + f"\n{' ' * indent}".join(lines)[1 if lines[0] else indent + 2 :][:-1] + last


def in_order_of(shown: Item, item: Item) -> Item:
    """The item, its attributes in the order they are shown in, new ones last but for the body."""
    order = [name for name in shown if name != "body"]
    plain = sorted(
        (name for name in item if name != "body"), key=lambda n: order.index(n) if n in order else len(order)
    )
    return {name: item[name] for name in [*plain, *(["body"] if "body" in item else [])]}


def with_shard(shown: Item) -> Item:
    """A planned item with its place in the index of what falls due, as the store would write it."""
    place = {"due_shard": keys.due_shard(keys.key_of(shown))} if "due_at" in shown else {}
    return in_order_of(shown, shown | place)


def rewritten(page: str) -> tuple[str, list[str]]:
    """The page with every example as the store writes it, and those that could not be read."""
    unread: list[str] = []

    def fresh(found: re.Match[str]) -> str:
        name, shown = found["name"], json.loads(found["text"])
        if name.startswith(PLANNED):
            shown = with_shard(shown)
        else:
            try:
                shown = in_order_of(shown, stored_again(shown))
            except (ValueError, KeyError, TypeError) as error:
                unread.append(f"{name}: {error!r}")
        return f"```json {name}\n{rendered(shown)}\n```"

    return _FENCED.sub(fresh, page), unread


def main() -> int:
    page, unread = rewritten(PAGE.read_text())
    PAGE.write_text(page)
    print("\n".join(unread) or f"{len(examples(page))} examples are as the store writes them.")
    return bool(unread)


if __name__ == "__main__":
    sys.exit(main())
