"""The writes of records beside the ledger: client links, authorisations, the last check, what the sweep set aside."""

from dataclasses import replace
from datetime import datetime, timedelta

from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.client_links import ClientLink
from client_credits.domain.practice.verification import Verification
from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind, Key
from client_credits.store.table import Write
from client_credits.store.writes import _item, _put_version

LINK_KEPT = timedelta(days=1)  # a client link behind its end
ASIDE_KEPT = timedelta(days=2)  # a note of what was set aside, behind the instant at which it is due again


def client_link(practice_id: str, link: ClientLink) -> Write:
    """The table drops it a day after its end, whether it was used or not."""
    attributes: dict[str, str | int | bytes | None] = {
        "kind": ItemKind.CLIENT_LINK,
        "body": codec.to_json(replace(link, version=0)),
        "ttl": int((link.expires_at + LINK_KEPT).timestamp()),
    }
    return _put_version(keys.client_link(practice_id, link.link_id), link.version, attributes)


def authorization(practice_id: str, record: Authorization) -> Write:
    key = keys.authorization(practice_id, record.client_id, record.authorization_id)
    attributes: dict[str, str | int | bytes | None] = {
        "kind": ItemKind.AUTHORIZATION,
        "body": codec.to_json(replace(record, version=0)),
    }
    return _put_version(key, record.version, attributes)


def verification(practice_id: str, done: Verification) -> Write:
    """Over whatever is there: the check that ended last is the last."""
    item = {
        **keys.attributes(keys.verification(practice_id)),
        "kind": ItemKind.VERIFICATION,
        "body": codec.to_json(done),
    }
    return {"Put": {"Item": _item(item)}}


def set_aside(key: Key, due_at: datetime) -> Write:
    """Notes for its practice that an item was set aside; the item itself says why, for as long as it is so."""
    note = keys.set_aside(keys.practice_of(keys.attributes(key)), key)
    attributes: dict[str, str | int | bytes | None] = {
        **keys.attributes(note),
        "kind": ItemKind.SET_ASIDE,
        "item_pk": key[0],
        "item_sk": key[1],
        "ttl": int((due_at + ASIDE_KEPT).timestamp()),
    }
    return {"Put": {"Item": _item(attributes)}}
