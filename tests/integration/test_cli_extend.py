"""`credits extend`: all lots of a package, a type or a window of ends end later, by one command."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.cli_api import Run, fits, ok, run
from tests.support.job_world import MemoryFiles
from tests.support.stock import booked, furnished, later, nothing_written, package, paid, patch, read

from client_credits.cli import jobs
from client_credits.operations.jobs import kinds
from client_credits.operations.jobs.running import run as run_job
from client_credits.store import codec

__all__ = ["run"]

CLOSED = ("--by-days", "14", "--reason", "a closure")
LATER = "2026-12-12T00:00:00Z"


@pytest.fixture
def practice(api: Api) -> Api:
    """c1 has three credits that last five days, and three without an end."""
    furnished(api)
    package(api, "short", stripe_prices=["price_2"], expiry={"kind": "days", "n": 5})
    paid(api, price="price_2")
    paid(api)
    return api


def ends(api: Api, client_id: str = "c1") -> list[str | None]:
    return [lot["expires_at"] for lot in read(api, f"/v1/clients/{client_id}/credits/follow-up/lots")["items"]]


def changed(ran: Any) -> list[tuple[str, str, int]]:
    return [(item["client_id"], item["expires_at"], item["revived"]) for item in ok(ran).json["items"]]


def test_the_lots_of_a_package_end_later(practice: Api, run: Run) -> None:
    assert changed(run("--json", "extend", "--package", "short", *CLOSED, role="staff")) == [("c1", LATER, 0)]
    assert ends(practice) == [LATER, None]
    entry = read(practice, "/v1/clients/c1/credits/follow-up/history")["items"][0]
    assert (entry["kind"], entry["reason"]) == ("extended", "a closure")


def test_the_lots_of_a_window_get_an_end_or_lose_it(practice: Api, run: Run) -> None:
    window = ("--ends-from", "2026-11-25T00:00:00Z", "--ends-to", "2026-12-01T00:00:00Z", "--reason", "a closure")
    until = "2027-01-01T00:00:00Z"
    assert changed(run("--json", "extend", *window, "--expires-at", until)) == [("c1", until, 0)]
    found = changed(run("--json", "extend", "--type", "follow-up", "--expires-at", "never", "--reason", "goodwill"))
    assert found == [("c1", None, 0)]
    assert ends(practice) == [None, None]


def test_what_expired_in_the_window_comes_back_with_revive(practice: Api, run: Run) -> None:
    booked(practice)
    later(practice, days=6)
    window = ("--ends-from", "2026-11-25T00:00:00Z", *CLOSED)
    assert changed(run("--json", "extend", *window)) == []
    assert changed(run("--json", "extend", *window, "--revive")) == [("c1", LATER, 2)]


def test_people_read_names_and_local_times_within_a_hundred_columns(practice: Api, run: Run) -> None:
    patch(practice, "/v1/settings", {"timezone": "Europe/Berlin"})
    with nothing_written(practice):
        shown = fits(run("extend", "--package", "short", *CLOSED, "--dry-run"))
    assert all(said in shown for said in ("Follow-Up", "2026-12-12 01:00", "Europe/Berlin", "Nothing was written"))
    (lot,) = (lot["lot_id"] for lot in read(practice, "/v1/clients/c1/credits/follow-up/lots")["items"][:1])
    assert lot not in shown
    assert lot in ok(run("extend", "--package", "short", *CLOSED, "--wide")).out
    assert "No lot" in ok(run("extend", "--ends-to", "2026-11-01T00:00:00Z", *CLOSED)).out


def test_a_rule_that_cannot_be_meant_is_refused_with_what_helps(practice: Api, run: Run) -> None:
    for words, said in [
        (("extend", "--package", "shor", *CLOSED), "Did you mean short?"),
        (("extend", "--type", "folow-up", *CLOSED), "Did you mean follow-up?"),
        (("extend", *CLOSED), "choose lots by"),
        (("extend", "--package", "short", "--reason", "x"), "either expires_at or by_days"),
        (("extend", "--package", "short", "--revive", *CLOSED), "revive needs ends_from"),
        (("extend", "--package", "short", "--by-days", "2"), "--reason"),
        (("extend", "--ends-from", "tomorrow", *CLOSED), "is no instant"),
    ]:
        ran = run(*words)
        assert ran.code in (1, 2)
        assert said in ran.err, ran.err


# -- more clients than one request takes -------------------------------------------------------------------


@pytest.fixture
def many(practice: Api) -> Api:
    """c1 and a hundred others."""
    for number in range(100):
        paid(practice, price="price_2", client_id=f"c-{number}")
    return practice


@contextmanager
def working(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Works off what is sent, beside whoever waits for it."""
    monkeypatch.setattr(jobs, "PAUSE_SECONDS", 0.01)
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            while api.woken:
                outcome = run_job(api.store, api.woken.pop(0), api.now[0], kinds.steps(MemoryFiles()))
                api.woken += [outcome.next] if outcome.next else []
            time.sleep(0.005)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def test_a_rehearsal_shows_every_client_however_many(many: Api, run: Run) -> None:
    with nothing_written(many):
        found = changed(run("--json", "extend", "--package", "short", *CLOSED, "--dry-run"))
    assert len({client_id for client_id, _, _ in found}) == 101
    assert many.woken == []


def test_more_clients_than_one_request_takes_are_waited_for(
    many: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(many, monkeypatch):
        ran = ok(run("--json", "extend", "--package", "short", *CLOSED, "--key", "k1"))
    assert (ran.json["state"], ran.json["done"], ran.json["problems"]) == ("done", 101, [])
    assert {end for number in range(100) for end in ends(many, f"c-{number}")} == {LATER}
    with working(many, monkeypatch), nothing_written(many):
        assert "101 clients" in fits(run("extend", "--package", "short", *CLOSED, "--key", "k1"))


def test_a_job_need_not_be_waited_for_and_is_found_again_by_its_key(
    many: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = fits(run("extend", "--package", "short", *CLOSED, "--no-wait", "--key", "k1"))
    assert ("job_" in shown, "--key k1" in shown) == (True, True)
    assert set(ends(many, "c-7")) == {"2026-11-28T00:00:00Z"}
    with working(many, monkeypatch):
        assert ok(run("--json", "extend", "--package", "short", *CLOSED, "--key", "k1")).json["state"] == "done"


def test_whoever_stops_waiting_is_told_that_the_job_goes_on_and_how_to_look(
    many: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "pause", stopped)
    ran = run("extend", "--package", "short", *CLOSED, "--key", "k1")
    assert (ran.code, ran.out) == (1, "")
    assert ("goes on by itself" in ran.err, "--key k1" in ran.err) == (True, True)


def test_a_client_that_could_not_be_changed_is_named_and_the_command_says_so(
    many: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(many, price="price_2", client_id="c-100")
    key = "p1#c1", "wallet#follow-up"  # the last of them: a request would stop at an earlier one
    broken = codec.to_attributes(many.store.table.get([key])[key] | {"body": '{"lots": 7}'})
    many.store.table._client.put_item(TableName=many.store.table.name, Item=broken)
    with working(many, monkeypatch):
        ran = run("extend", "--package", "short", *CLOSED)
    assert ran.code == 1
    assert all(said in ran.out for said in ("101 clients", "c1", "error of ours"))
