"""`credits status`: how a practice stands, and the next step where something waits."""

from dataclasses import replace

import pytest
from tests.support.api import Api, api_on, outside, session_keys
from tests.support.builders import DAY, NOW
from tests.support.cli import Ran
from tests.support.cli_api import Run, run
from tests.support.engines import Engine
from tests.support.stock import furnished, paid

from client_credits.domain.payments.reconciliation import Reconciliation, Verdict
from client_credits.domain.practice.verification import Verification
from client_credits.operations.context import STRIPE, Context
from client_credits.store import practice_writes
from client_credits.stripe.reconciling import save

__all__ = ["run"]

HELD = {"stripe": 2, "bookings": 0, "sweep": 0, "publishing": 0}


@pytest.fixture
def api(memory: Engine) -> Api:
    api = furnished(api_on(memory.fresh_store()))
    return replace(api, front=replace(api.front, outside=outside(session_keys(), dead_letters=HELD)))


def rows(ran: Ran) -> dict[str, str]:
    """What stands behind each name of the table, its folded lines put together."""
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    head = next(line for line in lines if line.split() == ["what", "stands", "next"])
    places = [slice(head.index("what"), head.index("stands")), slice(head.index("stands"), head.index("next"))]
    named: dict[str, list[str]] = {}
    for line in lines[lines.index(head) + 2 :]:
        name, stands, step = line[places[0]].strip(), line[places[1]].strip(), line[places[1].stop :].strip()
        if name:
            row = named.setdefault(name, ["", ""])
        row[0], row[1] = f"{row[0]} {stands}".strip(), f"{row[1]} {step}".strip()
    return {name: f"{stands} {step}" for name, (stands, step) in named.items()}


def test_a_new_practice_is_told_what_to_run(run: Run) -> None:
    shown = rows(run("status"))
    assert shown["last verify"].split() == ["never", "credits", "verify"]
    assert shown["last reconcile"].split() == ["never", "credits", "reconcile"]
    assert shown["parked payments"].split() == ["0", "-"]
    assert shown["dead letters: stripe"].split() == ["2", "credits", "replay"]
    assert shown["dead letters: sweep"].split() == ["0", "-"]


def test_the_last_checks_are_shown_with_what_is_left(api: Api, run: Run) -> None:
    done = Verification(NOW, 10, 20, 3_000, 40, {"chain": 2})
    api.store.commit([practice_writes.verification("p1", done)])
    counts: dict[str, int] = {Verdict.FINE: 300, Verdict.MISSING: 3}
    compared = Reconciliation("daily", "own", "test", NOW - DAY, NOW, counts=counts, finished=True)
    save(Context(api.store, "p1", STRIPE, NOW), compared)
    paid(api, price="price_unknown")
    shown = rows(run("status"))
    assert "10 clients, 3,000 entries, 2 breaches" in shown["last verify"]
    assert "303 objects, 3 left, 0 set aside" in shown["last reconcile"]
    assert "--repair" in shown["last reconcile"]
    assert shown["parked payments"].split() == ["1", "credits", "parked", "list"]


def test_programs_get_the_answer_as_it_is(api: Api, run: Run) -> None:
    stated = run("--json", "status").json
    assert stated == api("GET", "/v1/status").body


def test_who_is_no_admin_is_refused(run: Run) -> None:
    ran = run("status", role="staff")
    assert (ran.code, "may not do this" in ran.err) == (1, True)
