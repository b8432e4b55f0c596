"""`credits export`: everything of a practice's clients as CSV, cut off or not."""

import csv
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.builders import NOW, created
from tests.support.cli import Stack, moto_stack

from client_credits.cli import export
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, OPERATOR, Context
from client_credits.operations.staff import editing, practices
from client_credits.operations.staff.idempotent import Keyed


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Five clients: one has two types, one a name that a spreadsheet would run, one nothing at all."""
    with moto_stack(tmp_path) as made:
        context = Context(made.store, "p1", OPERATOR, NOW)
        practices.create_practice(context)
        for type_id in ("follow-up", "initial"):
            practices.put_appointment_type(made.store, "p1", AppointmentType(type_id, type_id))
        for number in range(1, 6):
            named = Client(f"c-{number}", name="=1+1" if number == 2 else f"Name {number}", created_at=NOW)
            practices.put_client(context, named)
        for number, kind in ((1, "follow-up"), (1, "initial"), (2, "follow-up"), (4, "follow-up")):
            editing.adjust(context, f"c-{number}", kind, number + 1, Keyed(f"k{number}{kind}", ""), "given")
        spending.book(Context(made.store, "p1", BOOKINGS, NOW), created("b1", client_id="c-4"))
        yield made


def read(directory: Path, name: str) -> list[dict[str, str]]:
    with (directory / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_has_every_client_lot_and_entry(stack: Stack, tmp_path: Path) -> None:
    ran = stack("--json", "export", str(tmp_path / "out"))
    assert (ran.code, ran.json["clients"], ran.json["lots"], ran.json["entries"]) == (0, 5, 4, 5)
    clients, lots, ledger = (read(tmp_path / "out", name) for name in export.FILES)
    assert [row["client_id"] for row in clients] == [f"c-{number}" for number in range(1, 6)]
    assert [row["name"] for row in clients][:3] == ["Name 1", "'=1+1", "Name 3"]
    assert [(row["client_id"], row["appointment_type"], row["remaining"]) for row in lots] == [
        ("c-1", "follow-up", "2"),
        ("c-1", "initial", "2"),
        ("c-2", "follow-up", "3"),
        ("c-4", "follow-up", "4"),
    ]
    assert [(row["client_id"], row["kind"], row["amount"], row["balance_after"]) for row in ledger][-2:] == [
        ("c-4", "adjusted", "5", "5"),
        ("c-4", "spent", "-1", "4"),
    ]
    assert not (tmp_path / "out" / export.PLACE).exists()


@pytest.mark.parametrize("dies_after", range(0, 15, 2))
def test_an_export_that_was_cut_off_goes_on_and_ends_as_one_that_was_not(
    stack: Stack, tmp_path: Path, dies_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack("export", str(tmp_path / "whole")).code == 0
    append, appended = export._Files._append, [0]

    def dying(files: "export._Files", name: str, text: str) -> None:
        append(files, name, text)
        appended[0] += 1
        if appended[0] > dies_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(export._Files, "_append", dying)
    ran = stack("export", str(tmp_path / "cut"))
    assert (ran.code, "Run the same command again to go on." in ran.err) == (1, True)
    monkeypatch.setattr(export._Files, "_append", append)
    assert stack("export", str(tmp_path / "cut")).code == 0
    for name in export.FILES:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def killed_at(stack: Stack, directory: Path, step: int) -> int:
    """Runs the export in a process of its own, killed before its `step`-th touch of the directory: how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    touched = [0]

    def touching(event: str, given: tuple[object, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate"):
            touched[0] += isinstance(given[0], int) or str(directory) in str(given[0])
            if touched[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(touching)
        os._exit(stack("export", str(directory)).code)
    finally:
        os._exit(70)


@pytest.mark.prove
def test_an_export_killed_at_any_step_goes_on_and_ends_as_one_that_was_not(stack: Stack, tmp_path: Path) -> None:
    assert stack("export", str(tmp_path / "whole")).code == 0
    for step in range(1, 1000):
        directory = tmp_path / f"killed-{step}"
        ended = killed_at(stack, directory, step)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL, step
        there = {path.name for path in directory.iterdir()} if directory.exists() else set()
        if there != set(export.FILES):  # what is finished is not begun again
            ran = stack("--json", "export", str(directory))
            assert (ran.code, ran.json["clients"], ran.json["entries"]) == (0, 5, 5), (step, ran.err)
        assert sorted(path.name for path in directory.iterdir()) == sorted(export.FILES), step
        for name in export.FILES:
            assert (directory / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (step, name)
    assert step > 30, "every file is opened for every client"


def test_an_export_whose_files_were_lost_meanwhile_says_so(stack: Stack, tmp_path: Path) -> None:
    assert killed_at(stack, tmp_path / "out", 25) == -signal.SIGKILL
    (tmp_path / "out" / "lots.csv").unlink()
    ran = stack("export", str(tmp_path / "out"))
    assert (ran.code, "lots.csv is shorter than the export left it" in ran.err) == (1, True)


def test_an_export_overwrites_nothing(stack: Stack, tmp_path: Path) -> None:
    assert stack("export", str(tmp_path / "out")).code == 0
    ran = stack("export", str(tmp_path / "out"))
    assert (ran.code, "exists already" in ran.err) == (1, True)
    assert stack("export", str(tmp_path / "other"), "--practice", "nobody").code == 1
    assert not (tmp_path / "other").exists()
