"""Everything a table holds, in a form that two runs can be compared by, and the laws it must keep.

Owns what is left out of a comparison: the instants at which we happened to decide.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from client_credits.store.codec import from_attributes, unpacked
from client_credits.store.table import Table

Record = dict[str, Any]
# When we happened to decide. A booking's own `created_at` is the event's, and is compared.
_OUR_INSTANTS = frozenset({"recorded_at", "last_at", "created_at", "received_at", "archived_at", "ttl", "until"})
_CHANGED_AT = re.compile(r"^changed#[^#]+#")


def items_of(table: Table, client: Any) -> list[dict[str, Any]]:
    """Every item as DynamoDB writes it."""
    found: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    while True:
        page = client.scan(TableName=table.name, ConsistentRead=True, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def records_of(items: Iterable[dict[str, Any]]) -> list[Record]:
    """The items with their bodies parsed, in key order."""
    return sorted(map(_parsed, items), key=lambda record: (record["pk"], record["sk"]))


def dump(table: Table, client: Any) -> list[Record]:
    return records_of(items_of(table, client))


def _parsed(item: dict[str, Any]) -> Record:
    plain = from_attributes(item)
    if "body" in plain or "packed" in plain:
        body = json.loads(unpacked(plain))
        plain = {name: value for name, value in plain.items() if name != "packed"} | {"body": body}
    return plain


def timeless(records: Iterable[Record]) -> list[Record]:
    """The records without the instants at which they were written, however often that was tried."""
    apart = [each for record in records for each in _emptied_apart(record)]
    once = {(record["pk"], record["sk"]): record for record in map(_timeless, apart)}
    return [once[key] for key in sorted(once)]


def _emptied_apart(record: Record) -> list[Record]:
    """A wallet with each emptied lot as the record that it becomes. How many still stand in the wallet
    depends on how many transactions it took, and nothing else does."""
    if not record["sk"].startswith("wallet#") or "lots" not in record.get("body", {}):
        return [record]
    lots = record["body"]["lots"]
    emptied = [
        {name: value for name, value in lot.items() if name != "frozen"} for lot in lots if "remaining" not in lot
    ]
    place = f"lot#{record['sk'].partition('#')[2]}"
    own = [{"pk": record["pk"], "sk": f"{place}#{lot['lot_id']}", "kind": "lot", "body": lot} for lot in emptied]
    left = [lot for lot in lots if "remaining" in lot]
    body = {name: value for name, value in record["body"].items() if name != "lots"} | ({"lots": left} if left else {})
    return [record | {"body": body}, *own]


def _timeless(record: Record) -> Record:
    ours = _OUR_INSTANTS - ({"created_at"} if "#booking#" in record["pk"] else set())
    if record["sk"].startswith("changed#"):  # a change of settings happens when we carry it out
        ours |= {"occurred_at"}
        record = record | {"sk": _CHANGED_AT.sub("changed#", record["sk"])}
    if record.get("kind") == "job":  # woken by when it last moved
        ours |= {"moved_at", "finished_at", "due_at"}
    if record.get("kind") == "parked":  # listed by when we received it
        ours |= {"roster_sk"}
    kept: Record = _without(record, ours)
    return kept


def _without(value: Any, names: frozenset[str] | set[str]) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, names) for k, v in value.items() if k not in names}
    return [_without(v, names) for v in value] if isinstance(value, list) else value


def differences(expected: list[Record], found: list[Record]) -> list[str]:
    """Where two dumps differ, one sentence per item; empty when they do not."""
    before, after = _by_key(expected), _by_key(found)
    return [
        f"{'/'.join(key)}: {_leaves(before.get(key))} became {_leaves(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _by_key(records: list[Record]) -> dict[tuple[str, str], list[Record]]:
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        found[record["pk"], record["sk"]].append(record)
    return found


def _leaves(records: list[Record] | None) -> str:
    return json.dumps(records)[:400] if records else "nothing"


def broken_laws(records: Iterable[Record]) -> list[str]:
    """Sentences about what contradicts itself, per wallet and authorisation; empty when all is well.

    Sums, the chain of before and after, sequence without gaps, lots within what they were granted,
    no lot and no source granted twice; visits used as bookings are covered.
    """
    records = list(records)
    wallets: dict[str, Record] = {}
    entries: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        owner, (kind, _, rest) = record["pk"], record["sk"].partition("#")
        if kind == "wallet":
            wallets[f"{owner}/{rest}"] = record
        elif kind == "entry":
            entries[f"{owner}/{rest.rpartition('#')[0]}"].append(record["body"])
    faults = [f"{name}: entries without a wallet" for name in entries.keys() - wallets.keys()]
    for name, record in wallets.items():
        own = sorted(entries[name], key=lambda e: e["sequence"])
        faults += [f"{name}: {fault}" for fault in _wallet_faults(record, own)]
    return faults + _visit_faults(records)


def _visit_faults(records: list[Record]) -> list[str]:
    bodies = {kind: [r["body"] for r in records if r.get("kind") == kind] for kind in ("authorization", "booking")}
    covered = Counter(
        (each["covered_by"]["client_id"], each["covered_by"]["authorization_id"])
        for each in bodies["booking"]
        if "covered_by" in each and not each.get("visit_returned")
    )
    used = Counter({(a["client_id"], a["authorization_id"]): a.get("visits_used", 0) for a in bodies["authorization"]})
    return [] if +used == covered else [f"visits used {dict(+used)}, bookings covered {dict(covered)}"]


def _wallet_faults(record: Record, entries: list[Record]) -> list[str]:
    body, faults = record["body"], []
    lots = body.get("lots", [])
    held = sum(lot.get("remaining", 0) for lot in lots) - sum(d["amount"] for d in body.get("debts", []))
    total = sum(e["amount"] for e in entries)
    if not held == total == record["balance"]:
        faults.append(f"lots less debts {held}, entries {total}, balance {record['balance']}")
    numbers = [e["sequence"] for e in entries]
    if numbers != list(range(1, len(entries) + 1)) or body.get("sequence", 0) != len(entries):
        faults.append(f"sequences {numbers}, the wallet's {body.get('sequence', 0)}")
    before = 0
    for e in entries:
        if e["balance_before"] != before or e["balance_after"] != before + e["amount"]:
            faults.append(f"entry {e['sequence']} goes from {e['balance_before']} after {before}")
        if e["amount"] != sum(p["amount"] for p in e["postings"]):
            faults.append(f"entry {e['sequence']} is not the sum of its postings")
        before = e["balance_after"]
    faults += [
        f"lot {lot['lot_id']} holds {lot['remaining']} of {lot['granted']}"
        for lot in lots
        if not 0 <= lot.get("remaining", 0) <= lot["granted"]
    ]
    granted = [e["source_id"] for e in entries if e["kind"] == "granted"]
    if len(granted) != len(set(granted)):
        faults.append(f"a source granted twice: {granted}")
    return faults
