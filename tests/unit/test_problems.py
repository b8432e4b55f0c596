"""The form of every refusal."""

import json

import pytest

from client_credits.http.problems import TITLES, problem


def test_a_problem_has_the_documented_members() -> None:
    answer = problem(409, "insufficient_credits", "Too few credits.", "req-1", available=1)

    assert answer["statusCode"] == 409
    assert answer["headers"] == {
        "content-type": "application/problem+json",
        "X-Request-Id": "req-1",
    }
    assert json.loads(answer["body"]) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "insufficient_credits",
        "detail": "Too few credits.",
        "request_id": "req-1",
        "available": 1,
    }


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_be_retried_says_when(status: int) -> None:
    answer = problem(status, "unavailable", "Later.", "req-1", retry_after_seconds=5)

    assert answer["headers"]["Retry-After"] == "5"
    with pytest.raises(AssertionError):
        problem(status, "unavailable", "Later.", "req-1")


def test_further_headers_are_kept() -> None:
    answer = problem(401, "no", "No.", "req-1", headers={"WWW-Authenticate": "Bearer"})

    assert answer["headers"]["WWW-Authenticate"] == "Bearer"


def test_a_member_never_hides_a_standard_one() -> None:
    with pytest.raises(AssertionError):
        problem(409, "conflict", "No.", "req-1", title="Mine")


def test_every_documented_status_has_a_title() -> None:
    assert set(TITLES) >= {400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503}
