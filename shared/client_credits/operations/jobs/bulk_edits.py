"""Carries a change of many clients on as a job: a page of clients a step, each an operation `api/<key>/<client>`."""

import json
from typing import Any

from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.domain.practice.jobs import Job, JobKind, JobProblem, Progress
from client_credits.operations.context import Context
from client_credits.operations.staff import bulk_steps
from client_credits.operations.staff.bulk_changes import BulkChange
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.leftovers import Leftovers
from client_credits.store.codec import from_json, to_json


def asked(change: Extension | Leftovers, reason: str | None) -> dict[str, Any]:
    """What the job's record keeps of the request, as JSON."""
    return {"rule": json.loads(to_json(change.rule)), "reason": reason}


def kind_of(change: Extension | Leftovers) -> JobKind:
    return JobKind.EXTENSION if isinstance(change, Extension) else JobKind.EXPIRATION


def step(context: Context, job: Job) -> Progress:
    """Changes a page of the clients that may be concerned. `done` counts those changed. Safe to repeat."""
    keyed, reason = Keyed(job.key, ""), job.asked["reason"]
    made = bulk_steps.step(context, _change(job), keyed, reason, job.position.get("after"))
    problems = tuple(JobProblem(each.code, each.detail, each.client_id) for each in made.problems)
    position = {"after": made.after} if made.after else {}
    return Progress(position, made.clients, problems=problems, finished=made.after is None)


def _change(job: Job) -> BulkChange:
    rule = json.dumps(job.asked["rule"])
    if job.kind is JobKind.EXTENSION:
        return Extension(from_json(ExtensionRule, rule))
    return Leftovers(from_json(LeftoversRule, rule))
