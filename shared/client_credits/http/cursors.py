"""List cursors: where a page ended, sealed, so that callers can neither read nor make one.

Sealed with the newest key, opened with any, so that rolling a key breaks no list being read.

AES-SIV encrypts and authenticates in one step and needs no nonce. Encrypted, not only signed:
a position holds index keys, one of which may be a folded name, and a cursor travels in URLs.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES = 32
MAX_POSITION_BYTES = 3072
MAX_CURSOR_CHARACTERS = 4118  # base64 of a position and its 16 bytes of authentication

_PURPOSE = b"client-credits/cursor/1"


class BadCursor(Exception):
    """Not a cursor of this practice and query, or one that was changed."""


def query_of(*parts: object) -> str:
    """The name of a list from what selects its items: other parts, another name, whatever they hold."""
    return json.dumps([None if part is None else str(part) for part in parts])


def seal(keys: Sequence[bytes], practice_id: str, query: str, position: dict[str, Any]) -> str:
    """The cursor for `position`: URL-safe text of at most MAX_CURSOR_CHARACTERS, no padding.

    `query` names the list with everything that selects its items (route, client, type, filters;
    not the limit). `position` is JSON of at most MAX_POSITION_BYTES. Same input, same cursor.
    """
    plain = json.dumps(position, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    assert len(plain) <= MAX_POSITION_BYTES, "a position is a key, not a page"
    return _text(AESSIV(_checked(keys[0])).encrypt(plain, _scope(practice_id, query)))


def open(keys: Sequence[bytes], practice_id: str, query: str, cursor: str) -> dict[str, Any]:
    """The position sealed in `cursor`. Raises BadCursor and nothing else, whatever `cursor` is."""
    if not cursor or len(cursor) > MAX_CURSOR_CHARACTERS:
        raise BadCursor
    try:
        sealed = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_")
        if _text(sealed) != cursor:
            raise BadCursor  # base64 forgives what we never write
    except (Base64Error, ValueError) as error:
        raise BadCursor from error
    position = json.loads(_decrypted(keys, sealed, _scope(practice_id, query)))
    assert isinstance(position, dict), "only seal() makes what decrypts"
    return position


def _decrypted(keys: Sequence[bytes], sealed: bytes, scope: list[bytes]) -> bytes:
    for key in keys:
        with suppress(InvalidTag, ValueError):
            return AESSIV(_checked(key)).decrypt(sealed, scope)
    raise BadCursor


def _text(sealed: bytes) -> str:
    return b64encode(sealed, altchars=b"-_").rstrip(b"=").decode()


def _checked(key: bytes) -> bytes:
    assert len(key) == KEY_BYTES
    return key


def _scope(practice_id: str, query: str) -> list[bytes]:
    """What a cursor is good for; the parts are kept apart by the cipher."""
    return [_PURPOSE, practice_id.encode(), query.encode(errors="surrogatepass")]
