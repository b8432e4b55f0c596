"""The writes of records beside the ledger: client links."""

from dataclasses import replace
from datetime import timedelta

from client_credits.domain.practice.client_links import ClientLink
from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind
from client_credits.store.table import Write
from client_credits.store.writes import _put_version

LINK_KEPT = timedelta(days=1)  # a client link behind its end


def client_link(practice_id: str, link: ClientLink) -> Write:
    """The table drops it a day after its end, whether it was used or not."""
    attributes: dict[str, str | int | bytes | None] = {
        "kind": ItemKind.CLIENT_LINK,
        "body": codec.to_json(replace(link, version=0)),
        "ttl": int((link.expires_at + LINK_KEPT).timestamp()),
    }
    return _put_version(keys.client_link(practice_id, link.link_id), link.version, attributes)
