"""Identifiers that follow from what they name, so that a retry arrives at the same ones."""

import hmac
import re
from base64 import b32encode
from hashlib import sha256

ID_PATTERN = r"[A-Za-z0-9._:~-]{1,128}"
_ID = re.compile(ID_PATTERN)


def is_id(text: object) -> bool:
    """Whether `text` is a string of 1 to 128 of the characters A-Za-z0-9._:~-"""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


# What a page writes where it has no reference to give. Lower case.
_NOBODY = frozenset({"null", "undefined", "none", "nan"})


def names_something(text: object) -> bool:
    """Whether `text` can be an id that somebody gave: an id, and no word for nothing (`null`, `NaN` ...)."""
    return is_id(text) and str(text).lower() not in _NOBODY


def derived_id(prefix: str, *parts: str) -> str:
    """`prefix_` and 100 bits of a hash of `parts`; parts are kept apart, so ("a", "bc") != ("ab", "c")."""
    digest = sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{b32encode(digest)[:20].decode().lower()}"


def keyed_id(prefix: str, key: bytes, *parts: str) -> str:
    """As `derived_id`, but only who has the key can say which `parts` it stands for."""
    digest = hmac.new(key, "\x1f".join((prefix, *parts)).encode(), sha256).digest()
    return f"{prefix}_{b32encode(digest)[:20].decode().lower()}"


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key of its own for one purpose, 32 bytes, from which `key` cannot be learned."""
    return hmac.new(key, purpose.encode(), sha256).digest()


def people_key(key: bytes) -> bytes:
    """Our key for what stands in place of personal data, from one of the keys of cursors."""
    return derived_key(key, "client-credits/people/1")


def payment_key(payment_id: str, line_id: str) -> str:
    """How lots, debts and marks name the payment line they come from."""
    return f"{payment_id}/{line_id}"


def payment_of(key: str) -> str:
    """The payment whose line a key names; line ids hold no slash."""
    return key.rsplit("/", 1)[0]
