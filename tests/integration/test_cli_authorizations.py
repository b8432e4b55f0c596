"""`credits authorizations`: a client's insurance authorisations, by commands."""

import pytest
from tests.support.api import Api
from tests.support.cli_api import Run, fits, ok, run
from tests.support.stock import booked, client, furnished, nothing_written, patch

__all__ = ["run"]

PUT = ("authorizations", "put", "c1", "au-1")
ALL = (
    *("--payer", "Northern Health", "--number", "NH-55-1207", "--type", "follow-up"),
    *("--starts-on", "2026-09-01", "--ends-on", "2027-02-28", "--visits", "2"),
)
SHOWN = {
    "id": "au-1",
    "client_id": "c1",
    "payer": "Northern Health",
    "number": "NH-55-1207",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 2,
    "visits_used": 0,
    "visits_left": 2,
}


@pytest.fixture
def practice(api: Api) -> Api:
    furnished(api)
    patch(api, "/v1/settings", {"track_insurance_authorization": True})
    return api


def test_an_authorization_is_added_shown_and_listed_with_its_visits(practice: Api, run: Run) -> None:
    assert ok(run("--json", *PUT, *ALL, role="staff")).json == SHOWN
    booked(practice)
    used = SHOWN | {"visits_used": 1, "visits_left": 1}
    assert ok(run("--json", "authorizations", "show", "c1", "au-1")).json == used
    assert ok(run("--json", "authorizations", "list", "c1")).json == {"items": [used], "more": False}


def test_what_is_put_again_changes_what_is_named_and_keeps_the_rest(practice: Api, run: Run) -> None:
    ok(run(*PUT, *ALL))
    booked(practice)
    ended = ok(run("--json", *PUT, "--ends-on", "2026-12-31")).json
    assert ended == SHOWN | {"ends_on": "2026-12-31", "visits_used": 1, "visits_left": 1}
    more = ok(run("--json", *PUT, "--type", "initial", "--type", "follow-up", "--visits", "5")).json
    assert (more["appointment_types"], more["visits_left"]) == (["follow-up", "initial"], 4)


def test_a_deleted_authorization_is_in_the_list_no_more(practice: Api, run: Run) -> None:
    ok(run(*PUT, *ALL))
    assert ok(run("--json", "authorizations", "delete", "c1", "au-1")).json == SHOWN
    assert "No authorization." in ok(run("authorizations", "list", "c1")).out
    gone = run("authorizations", "delete", "c1", "au-1")
    assert (gone.code, gone.err.startswith("404")) == (1, True)


def test_where_clients_were_merged_the_list_says_whose_each_is(practice: Api, run: Run) -> None:
    client(practice, "c2")
    ok(run(*PUT, *ALL))
    ok(run("authorizations", "put", "c2", "au-1", *ALL))
    assert "c1" not in ok(run("authorizations", "list", "c1")).out
    ok(run("client", "merge", "c1", "--into", "c2"))
    rows = [line.split()[:2] for line in fits(run("authorizations", "list", "c2", "--wide")).splitlines()]
    assert ["c1", "au-1"] in rows and ["c2", "au-1"] in rows
    ok(run(*PUT, "--visits", "9"))
    assert ok(run("--json", "authorizations", "show", "c1", "au-1")).json["visits_authorized"] == 9
    assert ok(run("--json", "authorizations", "show", "c2", "au-1")).json["visits_authorized"] == 2


def test_tables_name_the_types_and_stay_within_a_hundred_columns(practice: Api, run: Run) -> None:
    ok(run(*PUT, *ALL))
    ok(run("authorizations", "put", "c1", "au-2", *ALL, "--type", "initial", "--payer", "Southern Health Insurance"))
    plain = fits(run("authorizations", "list", "c1"))
    assert all(said in plain for said in ("Northern Health", "Follow-Up", "2027-02-28"))
    assert "follow-up" not in plain
    assert "follow-up" in ok(run("authorizations", "list", "c1", "--wide")).out
    assert "NH-55-1207" in fits(run("authorizations", "show", "c1", "au-1"))


def test_a_rehearsal_shows_the_authorization_and_writes_nothing(practice: Api, run: Run) -> None:
    with nothing_written(practice):
        assert ok(run("--json", *PUT, *ALL, "--dry-run")).json == SHOWN
    ok(run(*PUT, *ALL))
    with nothing_written(practice):
        assert "Nothing was written" in ok(run("authorizations", "delete", "c1", "au-1", "--dry-run")).out


def test_a_slip_is_answered_with_what_may_have_been_meant(practice: Api, run: Run) -> None:
    client(practice, "c2")
    for words, meant in [
        (("authorization", "list", "c1"), "Did you mean 'authorizations'"),
        ((*PUT, *ALL[:4], "--type", "followup", *ALL[6:]), "Did you mean follow-up?"),
        (PUT, "/payer"),
        ((*PUT, *ALL, "--ends-on", "tomorrow"), "/ends_on"),
    ]:
        ran = run(*words)
        assert ran.code in (1, 2)
        assert meant in ran.err, ran.err
