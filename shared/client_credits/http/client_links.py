"""The text of a client link: which link of which practice, signed, so that nobody can make one up.

Nothing in it is personal: whose link it is, how long it is good and whether it was used stand in its record.
Signed with the newest key, opened with any.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256

from client_credits.domain.errors import TooManyTries
from client_credits.domain.ids import derived_key, is_id
from client_credits.domain.practice.client_links import MAX_TRIES, TRIES_WITHIN

MAX_CHARACTERS = 400
MAX_REMEMBERED = 10_000  # texts whose tries one worker counts
_PURPOSE = "client-credits/client-link/1"


def text_of(key: bytes, practice_id: str, link_id: str) -> str:
    """The link, of letters, digits and `._-`, so that no mail program cuts it. Same input, same text."""
    signed = hmac.new(derived_key(key, _PURPOSE), f"{practice_id}!{link_id}".encode(), sha256).digest()
    return f"{_written(practice_id.encode())}.{link_id}.{_written(signed)}"


def opened(keys: Iterable[bytes], text: str) -> tuple[str, str] | None:
    """The practice and the id of the link; None for what is no link of ours."""
    practice, _, rest = text.partition(".")
    practice_id, link_id = _read(practice), rest.partition(".")[0]
    if len(text) > MAX_CHARACTERS or not (practice_id and is_id(link_id)):
        return None
    for key in keys:
        if hmac.compare_digest(text_of(key, practice_id, link_id).encode(), text.encode()):
            return practice_id, link_id
    return None


def _written(plain: bytes) -> str:
    return urlsafe_b64encode(plain).decode().rstrip("=")


def _read(text: str) -> str | None:
    """The id written so, in whatever other way base64 may be written; the signature takes one alone."""
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return found if is_id(found) else None


class LinkTries:
    """Counts the tries of any text in this worker, so that a made-up link is answered like one of ours.

    The record of a link of ours counts its tries over all workers. `now` is in seconds.
    """

    def __init__(self) -> None:
        self._tries: dict[bytes, list[float]] = {}  # by hash; the text tried longest ago comes first

    def count(self, text: str, now: float) -> None:
        """Notes one more try. Raises TooManyTries for one beyond those allowed within a minute."""
        name, within = sha256(text.encode(errors="surrogatepass")).digest(), TRIES_WITHIN.total_seconds()
        lately = [each for each in self._tries.pop(name, []) if 0 <= now - each < within]
        self._tries[name] = lately
        if len(self._tries) > MAX_REMEMBERED:
            del self._tries[next(iter(self._tries))]
        if len(lately) >= MAX_TRIES:
            raise TooManyTries(max(1, round(lately[0] + within - now)))
        lately.append(now)
