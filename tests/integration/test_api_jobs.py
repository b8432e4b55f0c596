"""Jobs over HTTP: started with a key, read by who started them, their file downloaded by an address made anew."""

from functools import partial
from typing import Any

import pytest
from tests.support.api import Api, token
from tests.support.builders import DAY, HOUR
from tests.support.job_world import MemoryFiles
from tests.support.stock import furnished, paid

from client_credits.operations.jobs import kinds
from client_credits.operations.jobs.running import run
from client_credits.store import keys

EXPORT = {"report": "credits"}


def export(api: Api, key: str = "key-1", **more: Any) -> Any:
    return api("POST", "/v1/reports/exports", EXPORT, headers={"idempotency-key": key}, **more)


def carried_out(api: Api, files: MemoryFiles | None = None) -> None:
    """Works off what was sent, as functions/jobs does."""
    steps = kinds.steps(files or MemoryFiles())
    while api.woken:
        outcome = run(api.store, api.woken.pop(0), api.now[0], steps)
        api.woken += [outcome.next] if outcome.next else []


def test_an_export_is_accepted_as_a_job_that_is_running_until_it_is_done(api: Api) -> None:
    paid(furnished(api))
    started = export(api, role="staff")
    assert (started.status, started.headers.get("Idempotency-Replayed")) == (202, None)
    job = api("GET", f"/v1/jobs/{started.body['job_id']}", role="staff")
    assert job.body == {"state": "running", "done": 0, "total": None, "problems": [], "url": None}
    files = MemoryFiles()
    carried_out(api, files)
    job = api("GET", f"/v1/jobs/{started.body['job_id']}", role="staff").body
    assert (job["state"], job["done"], job["problems"]) == ("done", 1, [])
    assert job["url"] == f"https://files.test/p1/{started.body['job_id']}.csv?as=credits-2026-11-22.csv"
    (content,) = files.files.values()
    assert content.decode() == api("GET", "/v1/reports/credits", headers={"accept": "text/csv"}).text


def test_the_same_key_answers_the_same_job(api: Api) -> None:
    first, second = export(api), export(api)
    assert (second.status, second.body) == (202, first.body)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(api.woken) == 1


@pytest.mark.parametrize(
    ("headers", "code"), [({}, "idempotency_key_required"), ({"idempotency-key": "a b"}, "idempotency_key_malformed")]
)
def test_an_export_needs_a_key(api: Api, headers: dict[str, str], code: str) -> None:
    reply = api("POST", "/v1/reports/exports", EXPORT, headers=headers)
    assert (reply.status, reply.code) == (400, code)


def test_a_key_that_adjusted_credits_starts_no_job(api: Api) -> None:
    furnished(api)
    added = {"appointment_type": "follow-up", "amount": 1, "reason": "goodwill"}
    assert api("POST", "/v1/clients/c1/adjustments", added, headers={"idempotency-key": "key-1"}).status == 200
    reply = export(api)
    assert (reply.status, reply.code) == (409, "idempotency_key_reused")
    export(api, "key-2")
    reply = api("POST", "/v1/clients/c1/adjustments", added, headers={"idempotency-key": "key-2"})
    assert (reply.status, reply.code) == (409, "idempotency_key_reused")


@pytest.mark.parametrize("body", [{}, {"report": "nothing"}, {"report": 1}, EXPORT | {"more": True}])
def test_an_export_of_what_is_no_report_is_refused(api: Api, body: dict[str, Any]) -> None:
    reply = api("POST", "/v1/reports/exports", body, headers={"idempotency-key": "key-1"})
    assert reply.status == 422
    assert api.woken == []


def test_the_period_of_an_export_is_fixed_when_it_is_asked_for(api: Api) -> None:
    wanted = {"report": "expiring", "from": "2026-11-01", "to": "2026-11-30"}
    started = api("POST", "/v1/reports/exports", wanted, headers={"idempotency-key": "key-1"})
    job = api.store.job("p1", started.body["job_id"])
    assert job
    assert job.asked == {"report": "expiring", "since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    usual = api("POST", "/v1/reports/exports", {"report": "refusals"}, headers={"idempotency-key": "key-2"})
    job = api.store.job("p1", usual.body["job_id"])
    assert job
    assert job.asked["until"] == "2026-11-22T12:00:00.000001Z"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"report": "expiring", "from": "soon"}, "/from"),
        ({"report": "expiring", "from": "2026-11-02", "to": "2026-11-01T00:00:00Z"}, "/to"),
        ({"report": "negative", "from": "2026-11-01"}, "/from"),
        ({"report": "weather"}, "/report"),
    ],
)
def test_what_is_wrong_with_an_export_is_named_by_its_place_in_the_body(api: Api, body: Any, pointer: str) -> None:
    reply = api("POST", "/v1/reports/exports", body, headers={"idempotency-key": "key-1"})
    assert (reply.status, set(reply.faults)) == (422, {pointer})
    assert api.woken == []


def test_a_dry_run_starts_nothing_and_answers_alike(api: Api) -> None:
    rehearsed = export(api, dry_run=True)
    assert (rehearsed.status, api.woken) == (202, [])
    assert api("GET", f"/v1/jobs/{rehearsed.body['job_id']}").status == 404
    assert export(api).body == rehearsed.body


def test_a_job_is_there_for_who_started_it_and_for_an_admin_and_for_nobody_else(api: Api) -> None:
    job_id = export(api, role="staff").body["job_id"]
    path, never = f"/v1/jobs/{job_id}", api("GET", "/v1/jobs/job_never", role="staff")
    assert api("GET", path, role="staff").status == 200
    assert api("GET", path, role="admin").status == 200
    strangers = [
        api("GET", path, role="service"),
        api("GET", path, bearer=token("staff", sub="staff-2")),
        api("GET", path, role="admin", practice="p2"),
    ]
    assert {(reply.status, reply.text) for reply in strangers} == {(404, never.text)}


def test_a_failed_job_says_why(api: Api) -> None:
    job_id = export(api).body["job_id"]

    def broken(*_: Any) -> Any:
        raise RuntimeError("anna@example.org")

    run(api.store, api.woken.pop(), api.now[0], dict.fromkeys(kinds.steps(MemoryFiles()), broken))
    job = api("GET", f"/v1/jobs/{job_id}")
    assert (job.body["state"], job.body["url"]) == ("failed", None)
    (problem,) = job.body["problems"]
    assert (problem["code"], problem["client_id"]) == ("internal_error", None)
    assert "anna" not in job.text


def test_an_address_is_made_anew_for_a_week_and_then_no_more(api: Api) -> None:
    job_id = export(api).body["job_id"]
    carried_out(api)
    address = partial(api, "GET", f"/v1/jobs/{job_id}")
    started = api.now[0]
    assert address().body["url"]
    api.now[0] = started + 7 * DAY - HOUR
    assert address().body["url"]
    api.now[0] = started + 7 * DAY
    assert (address().status, address().body["url"]) == (200, None)


def test_a_job_s_id_cannot_name_another_item(api: Api) -> None:
    assert keys.job("p1", "x")[0].count("#") == 2
    assert api("GET", "/v1/jobs/a%23b").status in (404, 422)
