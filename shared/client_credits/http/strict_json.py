"""JSON that every reader takes alike: what readers would disagree on is refused, not guessed."""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64  # our own bodies need five levels, Stripe's deepest objects about a dozen


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for what is not JSON, for a key that occurs twice, and for
    NaN and numbers out of range; RecursionError for a text nested beyond the reader's own stack."""
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)


def too_deep(value: Any) -> bool:
    """Whether `value` nests more than MAX_DEPTH objects and arrays. Does not recurse; who reads it next may."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice")  # readers would disagree on which one counts
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number
