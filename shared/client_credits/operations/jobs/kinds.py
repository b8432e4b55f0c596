"""Which step carries out which kind of job: the one place where a kind is added."""

from functools import partial

from client_credits.aws.files import Files
from client_credits.domain.practice.jobs import JobKind
from client_credits.operations.jobs import bulk_edits, exporting
from client_credits.operations.jobs.running import Steps
from client_credits.operations.queries.reports.every import REPORTS


def steps(files: Files) -> Steps:
    """The step of each kind. A step takes the context, its actor being who started the job, and the job."""
    return {
        JobKind.EXPORT: partial(exporting.step, files, REPORTS),
        JobKind.EXTENSION: bulk_edits.step,
        JobKind.EXPIRATION: bulk_edits.step,
    }
