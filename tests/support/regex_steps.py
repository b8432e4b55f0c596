"""Counts what a backtracking matcher does with a pattern: a cost that no clock disturbs.

Walks the parsed pattern as `re` does: greedy, leftmost, trying again from each place. Knows the
constructs that our patterns use; another one is a KeyError here, to be added.
"""

import re
from collections.abc import Iterator
from re import _constants as ops
from re import _parser as parser

_CATEGORIES = {ops.CATEGORY_WORD: r"\w", ops.CATEGORY_SPACE: r"\s", ops.CATEGORY_DIGIT: r"\d"}
_ONE = {ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY}


def steps_of(pattern: re.Pattern[str], text: str) -> int:
    """How many times a character or place is looked at while all matches in `text` are found."""
    matcher = _Matcher(text)
    parsed = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    at = 0
    while at <= len(text):
        end = next(matcher.ends(parsed, 0, at), None)
        at = end if end is not None and end > at else at + 1
    return matcher.steps


class _Matcher:
    def __init__(self, text: str) -> None:
        self.text = text
        self.steps = 0

    def ends(self, parts, index: int, at: int) -> Iterator[int]:
        """Where a match of the parts from `index` on can end, in the order in which they are tried."""
        if index == len(parts):
            yield at
            return
        for after in self._one(*parts[index], at):
            yield from self.ends(parts, index + 1, after)

    def _one(self, op, stated, at: int) -> Iterator[int]:
        self.steps += 1
        if op in _ONE:
            if at < len(self.text) and _fits(op, stated, self.text[at]):
                yield at + 1
        elif op is ops.MAX_REPEAT:
            yield from self._repeated(*stated, at)
        elif op is ops.BRANCH:
            for alternative in stated[1]:
                yield from self.ends(alternative, 0, at)
        elif op is ops.SUBPATTERN:
            yield from self.ends(stated[3], 0, at)
        elif op in (ops.ASSERT, ops.ASSERT_NOT):
            direction, inner = stated
            start = at if direction > 0 else at - inner.getwidth()[0]
            found = start >= 0 and next(self.ends(inner, 0, start), None) is not None
            if found is (op is ops.ASSERT):
                yield at
        else:
            assert (op, stated) == (ops.AT, ops.AT_BOUNDARY), f"{op} is not known here"
            before, after = self.text[at - 1 : at] if at else "", self.text[at : at + 1]
            if bool(re.match(r"\w", before)) is not bool(re.match(r"\w", after)):
                yield at

    def _repeated(self, least: int, most: int, inner, at: int) -> Iterator[int]:
        if len(inner) == 1 and inner[0][0] in _ONE:
            last = at
            while last - at < most and next(self._one(*inner[0], last), None) is not None:
                last += 1
            for end in range(last, at + least - 1, -1):
                self.steps += 1
                yield end
            return
        if most:
            for after in self.ends(inner, 0, at):
                if after > at:
                    yield from self._repeated(max(least - 1, 0), most - 1, inner, after)
        if not least:
            yield at


def _fits(op, stated, character: str) -> bool:
    if op is ops.LITERAL:
        return ord(character) == stated
    if op is ops.NOT_LITERAL:
        return ord(character) != stated
    if op is ops.ANY:
        return character != "\n"
    negated = stated[0][0] is ops.NEGATE
    return any(_is_in(*member, character) for member in stated[negated:]) is not negated


def _is_in(op, stated, character: str) -> bool:
    if op is ops.RANGE:
        return stated[0] <= ord(character) <= stated[1]
    if op is ops.CATEGORY:
        return re.match(_CATEGORIES[stated], character) is not None
    return ord(character) == stated
