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


def test_where_clients_were_merged_the_record_has_to_be_named(practice: Api, run: Run) -> None:
    ok(run("adjust", "c1", "follow-up", "5", "--reason", "of the old record"))
    assert "record" not in ok(run("history", "c1", "follow-up", "--wide")).out
    ok(run("adjust", "c2", "follow-up", "7", "--reason", "of the other"))
    ok(run("client", "merge", "c1", "--into", "c2"))
    for asked in ("c1", "c2"):
        shown = fits(run("history", asked, "follow-up", "--wide"))
        numbered = {tuple(line.split()[:2]) for line in shown.splitlines() if line.split()[1:2] in (["1"], ["2"])}
        assert numbered == {("c1", "1"), ("c1", "2"), ("c2", "1"), ("c2", "2")}
        with nothing_written(practice):
            refused = run("undo", asked, "follow-up", "1")
        assert refused.code == 1 and "--record c2 or --record c1" in " ".join(refused.err.split())
    with nothing_written(practice):
        assert "no record of this client" in run("undo", "c2", "follow-up", "1", "--record", "c3").err
    (undone,) = ok(run("--json", "undo", "c2", "follow-up", "1", "--record", "c1")).json["entries"]
    assert (undone["client_id"], undone["amount"]) == ("c2", -5)
    assert (undone["cause"]["undoes"], undone["cause"]["undoes_client_id"]) == ("1", "c1")
    (undone,) = ok(run("--json", "undo", "c1", "follow-up", "1", "--record", "c2")).json["entries"]
    assert (undone["amount"], undone["cause"]["undoes_client_id"]) == (-7, "c2")


def test_a_number_that_one_record_alone_has_needs_no_record(practice: Api, run: Run) -> None:
    ok(run("adjust", "c1", "follow-up", "5", "--reason", "of the old record"))
    ok(run("adjust", "c1", "follow-up", "-5", "--reason", "nothing is left to move"))
    ok(run("client", "merge", "c1", "--into", "c2"))
    assert run("undo", "c2", "follow-up", "1").code == 1, "c2 has the entry of the merge"
    ok(run("adjust", "c2", "follow-up", "1", "--reason", "r"))
    for _ in range(2):
        ok(run("adjust", "c2", "follow-up", "1", "--reason", "r"))
    (undone,) = ok(run("--json", "undo", "c2", "follow-up", "4")).json["entries"]
    assert undone["cause"]["undoes_client_id"] == "c2"


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
