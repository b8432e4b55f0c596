"""Insurance authorisations over HTTP: written, replaced, deleted and listed by staff, and seen by nobody else."""

import json
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.stock import (
    booked,
    client,
    contents,
    furnished,
    later,
    listed,
    nothing_written,
    patch,
    put,
    read,
)

ALL = "/v1/clients/c1/authorizations"
AU_1 = f"{ALL}/au-1"
AUTHORIZED = {
    "payer": "Northern Health",
    "number": "NH-55-1207",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 2,
}
SHOWN = AUTHORIZED | {"id": "au-1", "client_id": "c1", "visits_used": 0, "visits_left": 2}


@pytest.fixture
def practice(api: Api) -> Api:
    furnished(api)
    patch(api, "/v1/settings", {"track_insurance_authorization": True})
    return api


def test_what_was_put_is_read_and_listed_with_its_visits(practice: Api) -> None:
    reply = practice("PUT", AU_1, AUTHORIZED, role="staff")
    assert (reply.status, reply.body) == (201, SHOWN)
    assert read(practice, AU_1) == SHOWN
    assert read(practice, ALL) == {"items": [SHOWN], "next_cursor": None}
    booked(practice)
    assert read(practice, AU_1) == SHOWN | {"visits_used": 1, "visits_left": 1}


def test_a_put_replaces_all_but_the_visits_used(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    booked(practice)
    changed = AUTHORIZED | {"payer": "Southern", "ends_on": "2026-12-31", "visits_authorized": 1}
    reply = practice("PUT", AU_1, changed)
    assert (reply.status, reply.body) == (
        200,
        changed | {"id": "au-1", "client_id": "c1", "visits_used": 1, "visits_left": 0},
    )
    with nothing_written(practice):
        assert practice("PUT", AU_1, changed).body == reply.body


def test_fewer_visits_than_were_used_are_refused(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    for booking in ("b1", "b2"):
        booked(practice, booking)
    with nothing_written(practice):
        reply = practice("PUT", AU_1, AUTHORIZED | {"visits_authorized": 1})
    assert (reply.status, reply.faults) == (422, {"/visits_authorized": "fewer_than_used"})


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"payer": ""}, "/payer"),
        ({"number": 7}, "/number"),
        ({"appointment_types": []}, "/appointment_types"),
        ({"appointment_types": ["follow-up", "yoga"]}, "/appointment_types/1"),
        ({"starts_on": "2026-02-30"}, "/starts_on"),
        ({"starts_on": "20260901"}, "/starts_on"),
        ({"ends_on": "2026-W09-1"}, "/ends_on"),
        ({"ends_on": "3000-01-01"}, "/ends_on"),
        ({"ends_on": "2026-08-31"}, "/ends_on"),
        ({"ends_on": 20270228}, "/ends_on"),
        ({"visits_authorized": 0}, "/visits_authorized"),
        ({"visits_authorized": 10_001}, "/visits_authorized"),
        ({"visits_used": 0}, "/visits_used"),
        ({"id": "au-2"}, "/id"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(practice: Api, wrong: Any, pointer: str) -> None:
    with nothing_written(practice):
        reply = practice("PUT", AU_1, AUTHORIZED | wrong)
    assert reply.status == 422
    assert pointer in reply.faults


def test_a_deleted_one_is_gone_and_covers_nothing_and_its_bookings_stay_covered(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    booked(practice)
    before = listed(practice, "/v1/clients/c1/credits/follow-up/history", kind="covered")
    reply = practice("DELETE", AU_1, role="staff")
    assert (reply.status, reply.body["visits_used"]) == (200, 1)
    assert practice("GET", AU_1).status == practice("DELETE", AU_1).status == 404
    assert read(practice, ALL)["items"] == []
    assert booked(practice, "b2").covered_by is None
    assert read(practice, "/v1/bookings/b1")["covered_by"] == "au-1"
    assert listed(practice, "/v1/clients/c1/credits/follow-up/history", kind="covered") == before


def test_one_that_is_put_anew_after_it_was_deleted_knows_the_visits_it_had_used(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    booked(practice)
    practice("DELETE", AU_1)
    assert practice("PUT", AU_1, AUTHORIZED).status == 201
    assert read(practice, AU_1) == SHOWN | {"visits_used": 1, "visits_left": 1}


def test_a_client_has_at_most_twenty(practice: Api) -> None:
    for number in range(20):
        put(practice, f"{ALL}/au-{number:02}", AUTHORIZED)
    with nothing_written(practice):
        reply = practice("PUT", f"{ALL}/au-20", AUTHORIZED)
    assert (reply.status, reply.code) == (409, "limit_reached")
    put(practice, f"{ALL}/au-00", AUTHORIZED | {"payer": "Another"})
    practice("DELETE", f"{ALL}/au-00")
    put(practice, f"{ALL}/au-20", AUTHORIZED)
    names = [item["id"] for item in listed(practice, ALL, limit=7)]
    assert names == [f"au-{number:02}" for number in range(1, 21)]


def test_authorizations_are_one_clients_alone(practice: Api) -> None:
    client(practice, "c2")
    put(practice, AU_1, AUTHORIZED)
    assert read(practice, "/v1/clients/c2/authorizations")["items"] == []
    assert practice("GET", "/v1/clients/c2/authorizations/au-1").status == 404
    assert booked(practice, client_id="c2").covered_by is None
    for call in (("GET", ALL), ("GET", AU_1), ("PUT", AU_1, AUTHORIZED), ("DELETE", AU_1)):
        path = call[1].replace("c1", "never")
        assert practice(call[0], path, *call[2:]).status == 404, call


def test_a_profile_that_is_put_anew_keeps_its_authorizations(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    client(practice, "c1", name="Ana")
    assert read(practice, ALL)["items"] == [SHOWN]


def test_a_merged_record_brings_its_authorizations(practice: Api) -> None:
    client(practice, "c2")
    put(practice, AU_1, AUTHORIZED | {"visits_authorized": 3})
    put(practice, "/v1/clients/c2/authorizations/au-2", AUTHORIZED)
    booked(practice, "b1")
    reply = practice("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "k"})
    assert reply.status == 200, reply
    for name in ("c1", "c2"):
        assert [item["id"] for item in listed(practice, f"/v1/clients/{name}/authorizations", limit=1)] == [
            "au-1",
            "au-2",
        ]
    booked(practice, "b2", client_id="c1")
    assert read(practice, "/v1/clients/c2/authorizations/au-1")["visits_used"] == 2
    put(practice, "/v1/clients/c2/authorizations/au-1", AUTHORIZED)
    assert practice("DELETE", "/v1/clients/c2/authorizations/au-1").body["visits_used"] == 2


def test_of_two_of_one_id_each_is_reached_by_the_client_it_was_put_under(practice: Api) -> None:
    client(practice, "c2")
    theirs = "/v1/clients/c2/authorizations/au-1"
    put(practice, AU_1, AUTHORIZED | {"payer": "Old"})
    put(practice, theirs, AUTHORIZED | {"payer": "New"})
    assert practice("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "k"}).status == 200
    for name in ("c1", "c2"):
        found = listed(practice, f"/v1/clients/{name}/authorizations", limit=1)
        assert [(item["client_id"], item["id"], item["payer"]) for item in found] == [
            ("c1", "au-1", "Old"),
            ("c2", "au-1", "New"),
        ]
    assert (read(practice, AU_1)["payer"], read(practice, theirs)["payer"]) == ("Old", "New")
    put(practice, AU_1, AUTHORIZED | {"payer": "Older"})
    assert (read(practice, AU_1)["payer"], read(practice, theirs)["payer"]) == ("Older", "New")
    assert practice("DELETE", AU_1).body["payer"] == "Older"
    with nothing_written(practice):
        assert (practice("DELETE", AU_1).status, practice("GET", AU_1).status) == (404, 404), "not the other one"
    assert [item["payer"] for item in listed(practice, ALL)] == ["New"]
    put(practice, AU_1, AUTHORIZED | {"payer": "Again"})
    assert practice("DELETE", theirs).body["payer"] == "New"
    with nothing_written(practice):
        assert practice("DELETE", theirs).status == 404
    assert [(item["client_id"], item["payer"]) for item in listed(practice, ALL)] == [("c1", "Again")]


def test_a_new_one_that_is_put_under_an_old_id_is_that_of_who_goes_on(practice: Api) -> None:
    client(practice, "c2")
    practice("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "k"})
    assert put(practice, AU_1, AUTHORIZED).body["client_id"] == "c2"
    assert read(practice, "/v1/clients/c2/authorizations/au-1") == read(practice, AU_1)


def test_a_merge_beyond_the_bound_is_refused(practice: Api) -> None:
    client(practice, "c2")
    for number in range(11):
        put(practice, f"{ALL}/one-{number}", AUTHORIZED)
        if number:
            put(practice, f"/v1/clients/c2/authorizations/two-{number}", AUTHORIZED)
    with nothing_written(practice):
        reply = practice("POST", "/v1/clients/c1/merge", {"into": "c2"}, headers={"idempotency-key": "k"})
    assert (reply.status, reply.code) == (409, "limit_reached")


def test_payer_and_number_stand_in_no_record_but_the_authorizations_own(practice: Api) -> None:
    put(practice, AU_1, AUTHORIZED)
    booked(practice)
    later(practice, days=1)
    practice("DELETE", AU_1)
    for word in ("Northern Health", "NH-55-1207"):
        held = [record for record in contents(practice) if word in json.dumps(record, default=str)]
        assert ["authorization#au-1" in json.dumps(record, default=str) for record in held] == [True]
