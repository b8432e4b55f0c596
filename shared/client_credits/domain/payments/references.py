"""A client's id as a reference that Stripe keeps, and back.

Stripe's own pay page keeps a reference of letters, digits, `-` and `_`, and drops any other without a word. An
id that has more is written in those.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from re import ASCII, compile
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from client_credits.domain.ids import names_something

PAY_PAGE = "buy.stripe.com"
PLACEHOLDER = "{client_reference}"
_PARAMETER = "client_reference_id"
_KEPT = compile(r"[A-Za-z0-9_-]{1,128}", ASCII)
_WRITTEN = "idb64_"  # what follows is an id's bytes in base64url


def reference_of(client_id: str) -> str:
    """At most 200 characters, of those that Stripe keeps; `client_of_reference` gives the id back."""
    if _KEPT.fullmatch(client_id) and not client_id.startswith(_WRITTEN):
        return client_id
    return _WRITTEN + urlsafe_b64encode(client_id.encode()).decode().rstrip("=")


def client_of_reference(reference: str | None) -> str | None:
    """The client that a reference names; None where it names nobody: no id, or a word for nothing."""
    if reference is None:
        return None
    found = _read(reference.removeprefix(_WRITTEN)) if reference.startswith(_WRITTEN) else None
    if found and reference_of(found) == reference:
        return found
    return reference if names_something(reference) else None


def _read(text: str) -> str | None:
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return found if names_something(found) else None


def link_for(url: str, client_id: str) -> str:
    """A package's link for one client: Stripe's own pay page gets the reference, any other where it asks for it."""
    reference = reference_of(client_id)
    if PLACEHOLDER in url:
        return url.replace(PLACEHOLDER, reference)
    parts = urlsplit(url)
    if parts.hostname != PAY_PAGE:
        return url
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != _PARAMETER]
    return urlunsplit(parts._replace(query=urlencode([*query, (_PARAMETER, reference)])))
