"""Where each item stands, what kind it is of, and what its key says. Keys are taken apart only here.

`#` never occurs in a practice's or client's id. A client's partition is `<practice>#<client>`, two parts;
every other partition beside the practice's own has three or more, so no client's id can name one of
them. What a key ends with may hold any character.

Every item carries its `kind`; readers go by that and never guess it from a key.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple
from zlib import crc32

from client_credits.domain.practice.names import LAST

DUE_SHARDS = 16
ROSTER_SHARDS = 8
SESSION_SHARDS = 8
SEQUENCE_DIGITS = 12

Key = tuple[str, str]


class ItemKind(StrEnum):
    """What an item is. A release reads items of kinds that it does not know, and leaves them alone."""

    ACCOUNT = "account"
    CATALOGUE = "catalogue"
    CLIENT = "client"
    CLIENT_LINK = "client_link"
    LOT = "lot"
    STAFF = "staff"
    EMAIL = "email"
    VERIFICATION = "verification"
    WALLET = "wallet"
    ENTRY = "entry"
    SETTINGS_CHANGE = "settings_change"
    OPERATION = "operation"
    BOOKING = "booking"
    LINK = "link"
    PAYMENT = "payment"
    MONEY = "money"
    SET_ASIDE = "set_aside"
    SUBSCRIPTION = "subscription"
    PARKED = "parked"
    WAITING = "waiting"
    REPLAY = "replay"
    RAW_EVENT = "raw_event"
    RECONCILIATION = "reconciliation"
    AUTHORIZATION = "authorization"
    JOB = "job"


_KINDS = {str(kind): kind for kind in ItemKind}


def kind_of(item: Mapping[str, Any]) -> ItemKind | None:
    """An item's kind; None for one of a kind that this release does not know."""
    return _KINDS.get(str(item.get("kind")))


def key_of(item: Mapping[str, Any]) -> Key:
    return str(item["pk"]), str(item["sk"])


def attributes(key: Key) -> dict[str, str]:
    """A key as the attributes of an item."""
    return {"pk": key[0], "sk": key[1]}


def practice_of(item: Mapping[str, Any]) -> str:
    """The practice that an item, or a key in an index, belongs to."""
    return str(item["pk"]).split("#", 1)[0]


class WalletPlace(NamedTuple):
    """Whose a wallet, or an entry, is."""

    practice_id: str
    client_id: str
    appointment_type: str


def wallet_place(item: Mapping[str, Any]) -> WalletPlace:
    """What the key of a wallet or an entry says. Raises ValueError for any other key."""
    practice_id, client_id = str(item["pk"]).split("#")
    return WalletPlace(practice_id, client_id, str(item["sk"]).split("#")[1])


def client_of(item: Mapping[str, Any]) -> str:
    """The client whose partition an item stands in. Raises ValueError where it is nobody's."""
    _, client_id = str(item["pk"]).split("#")
    return client_id


def sequence_of(item: Mapping[str, Any]) -> int:
    """An entry's number. Raises ValueError for any other key."""
    return int(str(item["sk"]).rpartition("#")[2])


def parked_id(item: Mapping[str, Any]) -> str:
    """Which parked payment an item's key names."""
    return str(item["pk"]).split("#", 2)[2]


def replay_place(item: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """The practice, and what its parked payments wait for, of a replay's key."""
    practice_id, _, kind, external_id = str(item["pk"]).split("#", 3)
    return practice_id, (kind, external_id)


def job_place(item: Mapping[str, Any]) -> tuple[str, str]:
    """The practice and the id that a job's key names."""
    practice_id, _, job_id = str(item["pk"]).split("#", 2)
    return practice_id, job_id


def listed_client(item: Mapping[str, Any]) -> str:
    """Whose profile or wallet an item of the roster is."""
    return str(item["roster_sk"]).partition("#")[0]


def email_client(item: Mapping[str, Any]) -> str:
    """Whose e-mail an item says that it is."""
    return str(item["sk"])


def where(key: Key) -> str:
    """A key for people to read: its ids, with slashes."""
    return "/".join(key).replace("#", "/")


def account(practice_id: str) -> Key:
    return practice_id, "settings"


def catalogue(practice_id: str) -> Key:
    return practice_id, "catalogue"


def client(practice_id: str, client_id: str) -> Key:
    return f"{practice_id}#{client_id}", "client"


WALLETS, ENTRIES = "wallet#", "entry#"  # how the sort keys of all of a client's begin


def wallet(practice_id: str, client_id: str, appointment_type: str) -> Key:
    return f"{practice_id}#{client_id}", f"{WALLETS}{appointment_type}"


def closed_lot(practice_id: str, client_id: str, appointment_type: str, lot_id: str) -> Key:
    """A lot that was emptied: what it is, for what returns to it."""
    return f"{practice_id}#{client_id}", f"{CLOSED_LOTS}{appointment_type}#{lot_id}"


CLOSED_LOTS = "lot#"  # how the sort keys of a client's emptied lots begin


def closed_lot_type(item: Mapping[str, Any]) -> str:
    """Which type's wallet an emptied lot belongs to."""
    return str(item["sk"]).split("#", 2)[1]


def authorization(practice_id: str, client_id: str, authorization_id: str) -> Key:
    return f"{practice_id}#{client_id}", f"authorization#{authorization_id}"


def entry(practice_id: str, client_id: str, appointment_type: str, sequence: int) -> Key:
    """Sequences are padded, so that their order as text is their order."""
    number = str(sequence).zfill(SEQUENCE_DIGITS)
    return f"{practice_id}#{client_id}", f"{entries_of(appointment_type)}{number}"


def entries_of(appointment_type: str) -> str:
    """The sort key's beginning that all entries of a type share."""
    return f"{ENTRIES}{appointment_type}#"


def settings_change(practice_id: str, client_id: str | None, occurred_at: str, change_id: str) -> Key:
    owner = f"{practice_id}#{client_id}" if client_id else practice_id
    return owner, f"changed#{occurred_at}#{change_id}"


def operation(practice_id: str, source_id: str) -> Key:
    return f"{practice_id}#op#{source_id}", "op"


def booking(practice_id: str, booking_id: str) -> Key:
    return f"{practice_id}#booking#{booking_id}", "op"


def link(practice_id: str, kind: str, external_id: str) -> Key:
    """Whose an external id is: `kind` is customer or subscription."""
    return f"{practice_id}#{kind}#{external_id}", "link"


def payment(practice_id: str, payment_id: str) -> Key:
    return f"{practice_id}#payment#{payment_id}", "payment"


def money(practice_id: str, money_id: str) -> Key:
    """What is known of a payment intent or charge."""
    return f"{practice_id}#money#{money_id}", "money"


def subscription(practice_id: str, subscription_id: str) -> Key:
    return f"{practice_id}#subscription#{subscription_id}", "state"


def parked(practice_id: str, parked_id: str) -> Key:
    return f"{practice_id}#parked#{parked_id}", "parked"


def waiting(practice_id: str, kind: str, external_id: str, parked_id: str) -> Key:
    """That a parked payment waits for news of a customer, a subscription, a package, a price or an account (`kind`)."""
    return f"{practice_id}#waiting#{kind}#{external_id}", parked_id


def replay(practice_id: str, kind: str, external_id: str) -> Key:
    """That what waits for this is still to be tried again."""
    return f"{practice_id}#replay#{kind}#{external_id}", "replay"


def client_link(practice_id: str, link_id: str) -> Key:
    """A link that staff sent to a client. Three parts, so that no client's id can name it."""
    return f"{practice_id}#client_link#{link_id}", "client_link"


def staff(practice_id: str, actor_id: str) -> Key:
    """The name behind an actor's id. Three parts, so that no client's id can name it."""
    return f"{practice_id}#staff#{actor_id}", "staff"


def email(practice_id: str, hashed: str, client_id: str) -> Key:
    """That a client has, or had, the e-mail of this keyed hash."""
    return f"{practice_id}#email#{hashed}", client_id


def raw_event(practice_id: str, parked_id: str) -> Key:
    return f"{practice_id}#raw#{parked_id}", "raw"


def reconciliation(practice_id: str, account: str, mode: str, name: str) -> Key:
    """How far a comparison with Stripe has come; `name` tells runs for different ends apart."""
    return f"{practice_id}#reconciliation#{account}#{mode}", name


def job(practice_id: str, job_id: str) -> Key:
    """Work that goes on behind an answer."""
    return f"{practice_id}#job#{job_id}", "job"


def verification(practice_id: str) -> Key:
    """What the last check of the practice's stored data came to."""
    return f"{practice_id}#verification#last", "verification"


def set_aside(practice_id: str, item: Key) -> Key:
    """That the sweep set an item of the practice aside."""
    return f"{practice_id}#set_aside#items", "#".join(item)


# Keys of the indexes: apart from the table's own, and from one another's.


def order_of(index: str) -> str:
    """The attribute that an index is in order of."""
    return "due_at" if index == "due" else f"{index}_sk"


def due_shard(key: Key) -> str:
    """Two digits, from the item's own key: items of any kind and owner spread over all shards."""
    return f"{crc32('#'.join(key).encode()) % DUE_SHARDS:02d}"


def roster_pk(practice_id: str, client_id: str) -> str:
    return roster_shard(practice_id, crc32(client_id.encode()) % ROSTER_SHARDS)


def roster_shard(practice_id: str, shard: int) -> str:
    return f"{practice_id}#roster#{shard:02d}"


_BEFORE_SPACES = "\x1f"  # sorts before all that a folded name holds, so that "anna" comes before "anna b"


def names_pk(practice_id: str) -> str:
    return f"{practice_id}#names#00"


def names_sk(folded: str, client_id: str) -> str:
    """By name, then by id; who has no name comes last."""
    return f"{folded or LAST}{_BEFORE_SPACES}{client_id}"


def named(key: str) -> tuple[str, str]:
    """The folded name, empty where there is none, and the client of a place in the index of names."""
    name, _, client_id = key.rpartition(_BEFORE_SPACES)
    return "" if name == LAST else name, client_id


def roster_sk(client_id: str, sort_key: str) -> str:
    """A client's profile comes first, its wallets follow."""
    return f"{client_id}#{sort_key}"


def behind_client(client_id: str) -> str:
    """The place in the roster behind all of a client."""
    return roster_sk(client_id, "~")


def sessions_pk(practice_id: str, booking_id: str) -> str:
    return sessions_shard(practice_id, crc32(booking_id.encode()) % SESSION_SHARDS)


def sessions_shard(practice_id: str, shard: int) -> str:
    return f"{practice_id}#sessions#{shard:02d}"


def sessions_sk(starts_at: str, booking_id: str) -> str:
    """Sessions by their start; bookings of one instant by their id, so that no two share a place."""
    return f"{starts_at}#{booking_id}"


def booking_at(sessions_sk: str) -> str:
    """The booking that stands at a place among the sessions."""
    return sessions_sk.partition("#")[2]


def open_parked_pk(practice_id: str) -> str:
    """Where the roster lists the parked payments that are open."""
    return f"{practice_id}#parked#open"


def open_parked_sk(received_at: str, parked_id: str) -> str:
    """The longest parked come first."""
    return f"{received_at}#{parked_id}"


def refused_pk(practice_id: str) -> str:
    """Where the roster lists the bookings that are refused."""
    return f"{practice_id}#booking#refused"


def refused_sk(refused_at: str, booking_id: str) -> str:
    """The earliest refusal comes first."""
    return f"{refused_at}#{booking_id}"


def refused_booking(refused_sk: str) -> str:
    """The booking that stands at a place among the refused."""
    return refused_sk.partition("#")[2]
