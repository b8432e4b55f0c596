"""Jobs: what a 202 became, and the exports that start one."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import Invalid, Problem
from client_credits.domain.instants import instant_text
from client_credits.domain.practice.jobs import Job, JobKind
from client_credits.http.identity import Role
from client_credits.http.request import Ask, asked
from client_credits.http.responses import DryRun, PathId, reads, starts
from client_credits.http.routes.edits import IdempotencyKey, keyed
from client_credits.http.schemas.jobs import ExportPost, JobView, StartedView, job_view
from client_credits.operations.jobs import starting
from client_credits.operations.jobs.starting import Started
from client_credits.operations.queries.reports.every import REPORTS
from client_credits.operations.queries.reports.periods import PeriodRule, period_of
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def accepted(started: Started) -> Response[StartedView]:
    """The answer of every route that starts a job."""
    headers = {"Idempotency-Replayed": "true"} if started.repeated else {}
    body = StartedView(job_id=started.job_id)
    return Response(status_code=202, content_type="application/json", body=body, headers=headers)


@router.get("/v1/jobs/<job_id>", tags=["jobs"], summary="How far a job has come", responses=reads())
def get_job(job_id: PathId) -> JobView:
    ask = asked(router)
    job = starting.shown(ask.context, job_id, sees_all=ask.caller.role is Role.ADMIN)
    return job_view(job, _address(ask, job))


def _address(ask: Ask, job: Job) -> str | None:
    """Where its file can be downloaded, while there is one; under a name that says when it was made."""
    if job.file is None or not job.has_file(ask.now):
        return None
    named = str(job.asked.get("report", job.kind))
    return ask.outside.address(job.file, f"{named}-{job.created_at:%Y-%m-%d}.csv")


@router.post(
    "/v1/reports/exports",
    tags=["reports"],
    summary="Write a report of any size into a CSV file, as a job",
    responses=starts(),
    status_code=202,
)
def export_report(
    wanted: Annotated[ExportPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[StartedView]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "export", wanted)
    stated = {"report": wanted.report} | _period(ask, wanted)
    return accepted(starting.start(ask.context, JobKind.EXPORT, stated, key, ask.outside.wake))


def _period(ask: Ask, wanted: ExportPost) -> dict[str, str]:
    """The period as instants: one that ends now does not move while the job runs."""
    rule = REPORTS[wanted.report].period
    if rule is PeriodRule.NONE:
        if wanted.since is not None or wanted.until is not None:
            raise Invalid("This report has no period.", Problem("/from", "unknown_field", "leave out from and to"))
        return {}
    timezone = ask.store.load(ask.practice_id, Wanted()).settings.timezone
    period = period_of(rule, wanted.since, wanted.until, ask.now, timezone, within="")
    return {"since": instant_text(period.since), "until": instant_text(period.until)}
