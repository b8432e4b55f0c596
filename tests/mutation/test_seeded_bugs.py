"""The tests notice bugs: each seed is put into a copy of the package, and its tests must fail there.

First the same tests pass on a copy without any.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.seeds import SEEDS, Seed

# All seeds are run together, when the first of them is asked for.
pytestmark = [pytest.mark.prove, pytest.mark.timeout(1_500)]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "shared" / "client_credits"
PASSED, FAILED = 0, 1  # pytest's own exit codes; others mean that it could not run the tests


class Outcome(NamedTuple):
    exit_code: int
    output: str


def run(*jobs: tuple[Path, list[str]]) -> list[Outcome]:
    """Runs each job's tests against the package in its copy, in place of the installed one.

    With as many examples as in `make test`: a bug that takes more to be noticed is noticed too late.
    """
    stated = subprocess.run(
        [sys.executable, "-m", "tests.mutation.runner"],
        cwd=ROOT,
        input=json.dumps([[str(copy), arguments] for copy, arguments in jobs]),
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "HYPOTHESIS_PROFILE"},
        timeout=1_480,
        check=False,
    )
    assert stated.returncode == 0, stated.stdout + stated.stderr
    return [Outcome(*outcome) for outcome in json.loads(stated.stdout)]


def a_copy(original: Path, into: Path) -> Path:
    """A folder to put on the path, with the package in it; what was compiled is kept."""
    shutil.copytree(original, into / "client_credits")
    return into


def planted(seed: Seed, copy: Path) -> Path:
    """The copy with the bug in it. Fails when the text to replace does not stand there exactly once."""
    file = copy / "client_credits" / seed.file
    source = file.read_text()
    found = source.count(seed.old)
    assert found == 1, f"{seed.bug}: its text stands {found} times in {seed.file}; move the seed along"
    file.write_text(source.replace(seed.old, seed.new))
    return copy


def arguments(seed: Seed) -> list[str]:
    return [seed.tests, *(["-k", seed.only] if seed.only else [])]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What each seed's tests said; only after all of them have passed without any bug."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "events").symlink_to(ROOT / "events")  # where copies look for sample events
    sound = a_copy(PACKAGE, folder / "sound")
    whole = sorted({seed.tests for seed in SEEDS if not seed.only})
    parts = sorted({(seed.tests, seed.only) for seed in SEEDS if seed.only})
    jobs = [(sound, whole), *((sound, [tests, "-k", only]) for tests, only in parts)]
    for outcome in run(*jobs):
        assert outcome.exit_code == PASSED, outcome.output
    copies = [planted(seed, a_copy(sound / "client_credits", folder / str(n))) for n, seed in enumerate(SEEDS)]
    results = run(*((copy, arguments(seed)) for copy, seed in zip(copies, SEEDS, strict=True)))
    return {seed.bug: outcome for seed, outcome in zip(SEEDS, results, strict=True)}


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.bug.replace(" ", "-"))
def test_a_seeded_bug_is_noticed(seed: Seed, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[seed.bug]
    assert outcome.exit_code == FAILED, f"nobody noticed: {seed.bug}\n{outcome.output}"


def test_every_seed_has_a_name_of_its_own() -> None:
    assert len({seed.bug for seed in SEEDS}) == len(SEEDS)
