"""DynamoDB's expressions over top-level attributes: conditions, filters, key conditions and updates.

Owns their grammar and meaning. What it does not know (nested paths, lists, sets) raises AssertionError,
so that a test never rests on a meaning that was guessed.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any

Item = dict[str, dict[str, Any]]
Node = tuple[Any, ...]
Lookup = Callable[[Node], dict[str, Any] | None]

_TOKEN = re.compile(r"\s*(?:(<>|<=|>=|[=<>(),+-])|([:#]?[A-Za-z_][A-Za-z0-9_]*))")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD)\b", re.IGNORECASE)
_FUNCTIONS = frozenset({"attribute_exists", "attribute_not_exists", "begins_with", "contains", "size"})
_WORDS = frozenset({"AND", "OR", "NOT", "BETWEEN"})


class Invalid(Exception):
    """DynamoDB would refuse the expression: a ValidationException with this message."""


# -- grammar -----------------------------------------------------------------------------------


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def word(self) -> str:
        return self.peek().upper()

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        assert token and (expected is None or token.upper() == expected), (self.tokens, self.at, expected)
        self.at += 1
        return token

    def condition(self) -> Node:
        terms = [self._all()]
        while self.word() == "OR":
            self.take()
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else ("or", *terms)

    def _all(self) -> Node:
        terms = [self._term()]
        while self.word() == "AND":
            self.take()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else ("and", *terms)

    def _term(self) -> Node:
        if self.word() == "NOT":
            self.take()
            return ("not", self._term())
        if self.peek() == "(":
            self.take("(")
            inner = self.condition()
            self.take(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Node:
        left = self.operand()
        if left[0] in _FUNCTIONS - {"size"}:
            return left
        if self.word() == "BETWEEN":
            self.take()
            low = self.operand()
            self.take("AND")
            return ("between", left, low, self.operand())
        operator = self.take()
        assert operator in {"=", "<>", "<", "<=", ">", ">="}, f"an operator nobody taught this table: {operator}"
        return (operator, left, self.operand())

    def operand(self) -> Node:
        token = self.take()
        assert token.upper() not in _WORDS, (self.tokens, self.at)
        if self.peek() != "(":
            return ("value" if token.startswith(":") else "path", token)
        self.take("(")
        arguments = [self.operand()]
        while self.peek() == ",":
            self.take()
            arguments.append(self.operand())
        self.take(")")
        assert token in _FUNCTIONS | {"if_not_exists"}, f"a function nobody taught this table: {token}"
        return (token, *arguments)

    def sum(self) -> Node:
        """The right-hand side of an assignment."""
        left = self.operand()
        if self.peek() not in ("+", "-"):
            return left
        return (self.take(), left, self.operand())

    def end(self) -> None:
        assert self.at == len(self.tokens), (self.tokens, self.at)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match, f"an expression nobody taught this table: {text}"
        found.append(match.group(1) or match.group(2))
        at = match.end()
    return found


@cache
def condition(text: str) -> Node:
    """The parsed condition, filter or key condition."""
    parser = _Parser(text)
    found = parser.condition()
    parser.end()
    return found


@cache
def update(text: str) -> tuple[Node, ...]:
    """The actions of an update expression: ("SET", path, sum), ("REMOVE", path) or ("ADD", path, value)."""
    parts = _CLAUSE.split(text)
    assert not parts[0].strip(), f"an update nobody taught this table: {text}"
    return tuple(
        action
        for clause, body in zip(parts[1::2], parts[2::2], strict=True)
        for action in _actions(clause.upper(), body)
    )


def _actions(clause: str, body: str) -> Iterator[Node]:
    parser = _Parser(body)
    while True:
        path = parser.operand()
        assert path[0] == "path", body
        match clause:
            case "REMOVE":
                yield ("REMOVE", path)
            case "ADD":
                yield ("ADD", path, parser.operand())
            case _:
                parser.take("=")
                yield ("SET", path, parser.sum())
        if parser.peek() != ",":
            return parser.end()
        parser.take(",")


def mentioned(node: Any) -> Iterator[str]:
    """Every name and placeholder in it."""
    if node[0] in ("path", "value"):
        yield node[1]
        return
    for part in node[1:]:
        yield from mentioned(part)


# -- meaning -----------------------------------------------------------------------------------


class Scope:
    """The names and values that one request gave its expressions."""

    def __init__(self, names: dict[str, str] | None, values: Item | None) -> None:
        self._names, self._values = names or {}, values or {}

    def name(self, path: Node) -> str:
        """The attribute that a path means."""
        token: str = path[1]
        return self._names[token] if token.startswith("#") else token

    def check(self, *nodes: Any, reserved: frozenset[str] = frozenset()) -> None:
        """Raises Invalid for a placeholder that is not defined or not used, and for a reserved word."""
        used = {token for node in nodes for token in mentioned(node)}
        given = {*self._names, *self._values}
        for token in sorted(used):
            if token[0] in "#:" and token not in given:
                raise Invalid(f"An expression attribute {_kind(token)} used in expression is not defined: {token}")
            if token[0] not in "#:" and token.upper() in reserved:
                raise Invalid(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        if unused := given - used:
            raise Invalid(f"Value provided in expression attributes unused in expressions: {sorted(unused)}")

    def holds(self, node: Node, item: Item | None) -> bool:
        """Whether the condition holds for an item; None is an item that does not exist."""
        match node:
            case ("and", *terms):
                return all(self.holds(term, item) for term in terms)
            case ("or", *terms):
                return any(self.holds(term, item) for term in terms)
            case ("not", term):
                return not self.holds(term, item)
            case ("attribute_exists", path):
                return self.value(path, item) is not None
            case ("attribute_not_exists", path):
                return self.value(path, item) is None
            case (operator, *operands):
                return _compared(operator, [self.value(operand, item) for operand in operands])
        raise AssertionError(node)

    def value(self, operand: Node, item: Item | None) -> dict[str, Any] | None:
        """What an operand stands for; None where the item has no such attribute."""
        match operand:
            case ("path", _):
                return (item or {}).get(self.name(operand))
            case ("value", token):
                return self._values[token]
            case ("size", path):
                found = self.value(path, item)
                return None if found is None else {"N": str(len(found["S"].encode()))}
            case ("if_not_exists", path, default):
                return self.value(path, item) or self.value(default, item)
            case ("+" | "-" as sign, left, right):
                return self._added(left, right, item, 1 if sign == "+" else -1)
        raise AssertionError(operand)

    def _added(self, left: Node, right: Node, item: Item | None, sign: int) -> dict[str, Any]:
        first, second = self.value(left, item), self.value(right, item)
        if first is None or second is None:
            raise Invalid("The provided expression refers to an attribute that does not exist in the item")
        return {"N": str(Decimal(first["N"]) + sign * Decimal(second["N"]))}

    def updated(self, actions: tuple[Node, ...], item: Item) -> Item:
        """The item after the actions, each of which sees it as it was."""
        after = dict(item)
        for action in actions:
            name = self.name(action[1])
            match action:
                case ("REMOVE", _):
                    after.pop(name, None)
                case ("ADD", _, amount):
                    added = self._added(action[1], amount, item, 1) if name in item else None
                    after[name] = added or self._values[amount[1]]
                case ("SET", _, operand):
                    value = self.value(operand, item)
                    if value is None:
                        raise Invalid("The provided expression refers to an attribute that does not exist in the item")
                    after[name] = value
        return after


def _kind(token: str) -> str:
    return "name" if token.startswith("#") else "value"


def _compared(operator: str, operands: list[dict[str, Any] | None]) -> bool:
    if operator == "<>":
        return operands[0] != operands[1]
    if None in operands:
        return False
    given = [operand for operand in operands if operand]
    if all("S" in operand for operand in given):  # by code points, which is the order of their bytes in UTF-8
        return _holds(operator, [operand["S"] for operand in given])
    types = {next(iter(operand)) for operand in given}
    return len(types) == 1 and _holds(operator, [_ordered(operand) for operand in given])


def _holds(operator: str, values: list[Any]) -> bool:
    match operator:
        case "=":
            return bool(values[0] == values[1])
        case "<":
            return bool(values[0] < values[1])
        case "<=":
            return bool(values[0] <= values[1])
        case ">":
            return bool(values[0] > values[1])
        case ">=":
            return bool(values[0] >= values[1])
        case "between":
            return bool(values[1] <= values[0] <= values[2])
        case "begins_with":
            return bool(values[0].startswith(values[1]))
        case "contains":
            return bool(values[1] in values[0])
    raise AssertionError(f"an operator nobody taught this table: {operator}")


def _ordered(value: dict[str, Any]) -> Any:
    """A value in a form that orders as DynamoDB orders it."""
    ((kind, written),) = value.items()
    match kind:
        case "N":
            return Decimal(written)
        case "BOOL" | "NULL":
            return written
    raise AssertionError(f"a type nobody taught this table: {kind}")
