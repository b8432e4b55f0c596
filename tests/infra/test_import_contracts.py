"""The import contracts hold, and each is broken by an import, or a module, that it forbids."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

BREAKING = {
    "the domain asks the API": ("domain/ids.py", "import client_credits.http.front"),
    "a module stands loose at the root": ("loose.py", ""),
    "the ledger knows payments": ("domain/ledger/wallet.py", "import client_credits.domain.payments.facts"),
    "a module stands loose in the domain": ("domain/loose.py", ""),
    "committing knows what staff do": ("operations/committing.py", "import client_credits.operations.staff.editing"),
    "the context knows committing": ("operations/context.py", "import client_credits.operations.committing"),
    "a module stands loose in the operations": ("operations/loose.py", ""),
    "a schema knows a route": ("http/schemas/common.py", "import client_credits.http.routes.me"),
    "the key set knows who is asking": ("http/key_set.py", "import client_credits.http.identity"),
    "a module stands loose in the API": ("http/loose.py", ""),
}


@pytest.mark.prove
@pytest.mark.parametrize("fault", BREAKING)
def test_what_a_contract_forbids_breaks_it(fault: str, tmp_path: Path) -> None:
    file, line = BREAKING[fault]
    package = copied(tmp_path)
    with (package / file).open("a") as module:
        module.write(f"\n{line}\n")
    done = linted(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout or "loose" in done.stdout + done.stderr


@pytest.mark.prove
def test_the_package_as_it_stands_breaks_none(tmp_path: Path) -> None:
    copied(tmp_path)
    done = linted(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def copied(place: Path) -> Path:
    package = place / "client_credits"
    shutil.copytree(ROOT / "shared/client_credits", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    return package


def linted(place: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(place)}
    command = [str(LINT), "--no-cache"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, env=environment, check=False)
