"""`credits undo`: an adjustment, a gift or a transfer, by the number of its entry."""

from typing import Any

import pytest
from tests.support.api import Api
from tests.support.cli_api import Run, fits, ok, run
from tests.support.stock import balances, client, furnished, nothing_written

__all__ = ["run"]


@pytest.fixture
def practice(api: Api) -> Api:
    furnished(api)
    client(api, "c2")
    return api


def newest(run: Run, client_id: str = "c1") -> dict[str, Any]:
    entry: dict[str, Any] = ok(run("--json", "history", client_id, "follow-up")).json["items"][0]
    return entry


@pytest.mark.parametrize(
    ("words", "undone"),
    [
        (("adjust", "c1", "follow-up", "4", "--reason", "sold elsewhere"), [("c1", -4)]),
        (("grant", "c1", "three-pack", "--reason", "a gift"), [("c1", -3)]),
        (("transfer", "c1", "c2", "follow-up", "2"), [("c1", 2), ("c2", -2)]),
    ],
)
def test_what_staff_did_is_undone_by_the_number_of_its_entry(
    practice: Api, run: Run, words: tuple[str, ...], undone: list[tuple[str, int]]
) -> None:
    ok(run("grant", "c1", "three-pack"))
    before = balances(practice), balances(practice, "c2")
    ok(run(*words))
    number = str(newest(run)["sequence"])
    assert number in ok(run("history", "c1", "follow-up", "--wide")).out
    entries = ok(run("--json", "undo", "c1", "follow-up", number, "--reason", "a mistake", role="staff")).json[
        "entries"
    ]
    assert sorted((entry["client_id"], entry["amount"]) for entry in entries) == undone
    assert {entry["reason"] for entry in entries} == {"a mistake"}
    assert (balances(practice), balances(practice, "c2")) == before
    again = run("undo", "c1", "follow-up", number)
    assert (again.code, again.err.startswith("409")) == (1, True)


def test_an_undoing_is_rehearsed_and_repeated_under_one_key(practice: Api, run: Run) -> None:
    ok(run("adjust", "c1", "follow-up", "4", "--reason", "sold elsewhere"))
    with nothing_written(practice):
        shown = fits(run("undo", "c1", "follow-up", "1", "--dry-run"))
    assert ("-4" in shown, "Nothing was written" in shown) == (True, True)
    first = ok(run("--json", "undo", "c1", "follow-up", "1", "--key", "u1")).json
    with nothing_written(practice):
        assert ok(run("--json", "undo", "c1", "follow-up", "1", "--key", "u1")).json == first


def test_what_is_no_entry_or_type_is_said_so(practice: Api, run: Run) -> None:
    for words, said in [
        (("undo", "c1", "folow-up", "1"), "Did you mean follow-up?"),
        (("undo", "c1", "follow-up", "7"), "There is no such entry."),
        (("undo", "c1", "follow-up", "0"), "greater than or equal to 1"),
        (("undoo", "c1", "follow-up", "1"), "Did you mean 'undo'"),
    ]:
        ran = run(*words)
        assert ran.code in (1, 2)
        assert said in ran.err, ran.err
