"""Jobs, and what starts an export."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from client_credits.domain.practice.jobs import Job
from client_credits.http.schemas.common import Request, View
from client_credits.operations.queries.reports.every import REPORTS


def _known(name: str) -> str:
    if name not in REPORTS:
        raise PydanticCustomError("unknown_report", "there is no such report")
    return name


ReportName = Annotated[str, AfterValidator(_known), Field(strict=True, json_schema_extra={"enum": [*REPORTS]})]
DayOrInstant = Annotated[str | None, Field(strict=True, max_length=40)]


class ExportPost(Request):
    """The report, and its period as its own route takes it: local days, or instants."""

    report: ReportName
    since: DayOrInstant = Field(None, alias="from")
    until: DayOrInstant = Field(None, alias="to")


class StartedView(View):
    """`GET /v1/jobs/{job_id}` says what becomes of it."""

    job_id: str


class JobProblemView(View):
    """What did not work out, and whose credits it concerns."""

    code: str
    detail: str
    client_id: str | None


class JobView(View):
    """`state` is running, done or failed. `done` counts what is finished, of `total` where that is known; `problems`
    are the first 100.

    `url` is there while a file is: good for 5 minutes, made anew at each request.
    """

    state: str
    done: int
    total: int | None
    problems: list[JobProblemView]
    url: str | None


def job_view(job: Job, url: str | None) -> JobView:
    problems = [JobProblemView.model_validate(each, from_attributes=True) for each in job.problems]
    return JobView(state=job.state, done=job.done, total=job.total, problems=problems, url=url)
