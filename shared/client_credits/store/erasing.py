"""How an operator erases items, and rewrites those that stay, while nobody else changes them.

No function of the stack may delete: this is for the command line alone.
"""

from dataclasses import replace

from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.authorizations import Authorization
from client_credits.store import codec, keys, practice_writes
from client_credits.store.keys import Key
from client_credits.store.table import Item, Write


def deleted(key: Key) -> Write:
    """The item of this key goes, whatever it has become since it was read. Safe to repeat."""
    return {"Delete": {"Key": codec.to_attributes(keys.attributes(key))}}


def without_words(item: Item) -> Write | None:
    """A parked payment without what staff wrote when it was closed; None where they wrote nothing.

    Under its version, and it keeps the attributes that lists go by.
    """
    record = codec.versioned(Parked, item)
    if record is None or record.closed_reason is None:
        return None
    kept = {name: value for name, value in item.items() if name not in ("body", "packed", "version")}
    seen = record.version
    bare = codec.to_json(replace(record, closed_reason=None, version=0))
    attributes = codec.packed({**kept, "version": seen + 1, "body": bare})
    return {
        "Put": {
            "Item": codec.to_attributes(attributes),
            "ConditionExpression": "version = :seen",
            "ExpressionAttributeValues": {":seen": {"N": str(seen)}},
        }
    }


def without_insurer(item: Item) -> Write | None:
    """An authorisation without payer and number: its visits are counted on. None where it has neither."""
    record = codec.versioned(Authorization, item)
    if record is None or not (record.payer or record.number):
        return None
    return practice_writes.authorization(keys.practice_of(item), replace(record, payer="", number=""))
