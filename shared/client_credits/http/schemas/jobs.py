"""Jobs, and what starts an export."""

from typing import Annotated, Literal

from pydantic import Field

from client_credits.domain.practice.jobs import Job
from client_credits.http.schemas.common import Request, View

ReportName = Literal["credits"]


class ExportPost(Request):
    """The report, and its parameters as its own route takes them."""

    report: Annotated[ReportName, Field(description="Which report the file holds.")]


class StartedView(View):
    """`GET /v1/jobs/{job_id}` says what becomes of it."""

    job_id: str


class JobProblemView(View):
    """What did not work out, and whose credits it concerns."""

    code: str
    detail: str
    client_id: str | None


class JobView(View):
    """`done` counts what is finished, of `total` where that is known; `problems` are the first 100.

    `url` is there while a file is: good for 5 minutes, made anew at each request.
    """

    state: Literal["running", "done", "failed"]
    done: int
    total: int | None
    problems: list[JobProblemView]
    url: str | None


def job_view(job: Job, url: str | None) -> JobView:
    problems = [JobProblemView.model_validate(each, from_attributes=True) for each in job.problems]
    return JobView(state=job.state.value, done=job.done, total=job.total, problems=problems, url=url)
