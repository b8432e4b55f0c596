"""The writes of jobs, and how the sweep moves one that it woke."""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.practice.jobs import KEPT, Job, JobState
from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind, Key
from client_credits.store.table import Write
from client_credits.store.writes import _put_version, sortable


def job(practice_id: str, record: Job, due_at: datetime) -> Write:
    """A job under its version: until it is finished it is due at `due_at`, for the sweep to wake it; then the table
    drops it with its file."""
    key = keys.job(practice_id, record.job_id)
    attributes: dict[str, str | int | bytes | None] = {
        "kind": ItemKind.JOB,
        "body": codec.to_json(replace(record, version=0)),
    }
    assert record.finished_at or record.state not in (JobState.DONE, JobState.FAILED), "it ended at some instant"
    if record.finished_at:
        attributes["ttl"] = int((record.finished_at + KEPT).timestamp())
    else:
        attributes |= {"due_shard": keys.due_shard(key), "due_at": sortable(due_at)}
    return _put_version(key, record.version, attributes)


def due_later(key: Key, due_at: datetime, now: datetime) -> Write:
    """Moves an item that is due at `now` in the index of what is due, and leaves its record as it is."""
    update = {
        "Key": codec.to_attributes(keys.attributes(key)),
        "UpdateExpression": "SET due_at = :due",
        "ConditionExpression": "due_at <= :now",
        "ExpressionAttributeValues": codec.to_attributes({":due": sortable(due_at), ":now": sortable(now)}),
    }
    return {"Update": update}
