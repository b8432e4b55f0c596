"""Waits for a job that a command started, with what it has done so far."""

import time
from typing import Any

from client_credits.cli.api import PracticeApi
from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession

PAUSE_SECONDS = 1.0


def ended(session: CliSession, api: PracticeApi, job_id: str, what: str, go_on: str) -> dict[str, Any]:
    """The job once it is done or failed. Raises CommandError where somebody stops waiting; `go_on` says how to look
    again."""
    seen = 0
    try:
        with session.output.counter(what) as advance:
            while True:
                job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}")
                advance(job["done"] - seen)
                seen = job["done"]
                if job["state"] != "running":
                    return job
                pause(PAUSE_SECONDS)
    except KeyboardInterrupt:
        raise CommandError(f"The job {job_id} goes on by itself. {go_on}") from None


def pause(seconds: float) -> None:
    time.sleep(seconds)
