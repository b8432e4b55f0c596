"""Whom the body of an event names, wherever in it, also where nothing else of it is understood."""

import json

from client_credits.domain.ids import names_something
from client_credits.domain.payments.parked import Named
from client_credits.domain.payments.references import client_of_reference

_LINKS = {"customer": "customer", "customer_account": "customer", "subscription": "subscription"}


def named_in(raw: str) -> Named:
    """The clients, and the customers and subscriptions that may lead to clients. Never raises; may name nobody."""
    try:
        left: list[object] = [json.loads(raw)]
    except (ValueError, RecursionError):
        return Named()
    clients, links = set[str](), set[tuple[str, str]]()
    while left:
        match left.pop():
            case dict() as found:
                clients |= _clients(found)
                links |= _links(found)
                left += found.values()
            case list() as several:
                left += several
            case _:
                continue
    return Named(frozenset(clients), frozenset(links))


def _clients(found: dict[str, object]) -> set[str]:
    reference = found.get("client_reference_id")
    named = [found.get("client_id"), client_of_reference(reference) if isinstance(reference, str) else None]
    return {str(each) for each in named if names_something(each)}


def _links(found: dict[str, object]) -> set[tuple[str, str]]:
    """What it refers to, and what it is itself."""
    given = [(_LINKS[name], found[name]) for name in _LINKS if name in found]
    given += [(_LINKS[kind], found.get("id")) for kind in _LINKS if found.get("object") == kind]
    return {(kind, str(each)) for kind, each in given if names_something(each)}
