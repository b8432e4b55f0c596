"""A job from its start to the download of its file, on the template deployed to the local stack."""

import csv
import io
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from client_credits.local.stack import running_stack
from tests.e2e.story import VISIBLE_WITHIN_SECONDS, listening, until
from tests.infra.checkout import free_port

pytestmark = [pytest.mark.timeout(240), pytest.mark.prove]


def test_an_export_is_started_done_and_downloaded_by_whoever_has_its_address(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack", free_port()) as stack:
        practice = listening(stack)
        practice.put("/v1/appointment-types/follow-up", {"name": "Follow-up"})
        for number in range(3):
            practice.put(f"/v1/clients/c{number}", {"name": "Somebody"})
            added = {"appointment_type": "follow-up", "amount": number + 1, "reason": "goodwill"}
            path, key = f"/v1/clients/c{number}/adjustments", f"added-{number}"
            assert practice.call("POST", path, added, **{"idempotency-key": key})[0] == 200
        wanted, key = {"report": "credits"}, {"idempotency-key": "export-1"}
        status, started = practice.call("POST", "/v1/reports/exports", wanted, role="staff", **key)
        assert (status, practice.call("POST", "/v1/reports/exports", wanted, role="staff", **key)[1]) == (202, started)
        path = f"/v1/jobs/{started['job_id']}"
        job = until(
            lambda: practice.call("GET", path, role="staff")[1],
            lambda seen: seen["state"] != "running",
            VISIBLE_WITHIN_SECONDS,
        )
        assert (job["state"], job["done"], job["problems"]) == ("done", 3, [])
        assert practice.call("GET", path, role="service")[0] == 404
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(job["url"], timeout=10) as answer:
            assert answer.headers["Content-Disposition"].startswith('attachment; filename="credits-')
            rows = list(csv.reader(io.StringIO(answer.read().decode(), newline="")))
        assert rows[0][:4] == ["client_id", "client_name", "appointment_type", "balance"]
        found = [row[:4] for row in rows if row[0] in ("c0", "c1", "c2")]
        assert found == [[f"c{number}", "Somebody", "follow-up", str(number + 1)] for number in range(3)]
        assert urlsplit(job["url"]).query.count("X-Amz-Signature=") == 1
