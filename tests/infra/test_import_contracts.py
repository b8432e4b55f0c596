"""The import contracts hold, and each is broken by an import, or a module, that it forbids."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

CONTRACTS = {
    contract["name"]: contract["containers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
ROOMS, DOMAIN, OPERATIONS, API = "", ".domain", ".operations", ".http"  # what each contract orders, below the package

# Whose contracts what is added to which file breaks. The first makes a circle through all of them.
BREAKING = {
    "the domain asks the API": (
        {ROOMS, DOMAIN, OPERATIONS, API},
        "domain/ids.py",
        "import client_credits.http.front",
    ),
    "a module stands loose at the root": ({ROOMS}, "loose.py", ""),
    "the ledger knows payments": (
        {DOMAIN},
        "domain/ledger/wallet.py",
        "import client_credits.domain.payments.facts",
    ),
    "a module stands loose in the domain": ({DOMAIN}, "domain/loose.py", ""),
    "committing knows what staff do": (
        {OPERATIONS},
        "operations/committing.py",
        "import client_credits.operations.staff.editing",
    ),
    "the context knows committing": (
        {OPERATIONS},
        "operations/context.py",
        "import client_credits.operations.committing",
    ),
    "a module stands loose in the operations": ({OPERATIONS}, "operations/loose.py", ""),
    "a schema knows a route": ({API}, "http/schemas/common.py", "import client_credits.http.routes.me"),
    "the key set knows who is asking": ({API}, "http/key_set.py", "import client_credits.http.identity"),
    "a module stands loose in the API": ({API}, "http/loose.py", ""),
}


@pytest.mark.prove
@pytest.mark.parametrize("fault", BREAKING)
def test_what_a_contract_forbids_breaks_just_that_contract(fault: str, tmp_path: Path) -> None:
    breaks, file, line = BREAKING[fault]
    package = copied(tmp_path)
    with (package / file).open("a") as module:
        module.write(f"\n{line}\n")
    done = linted(tmp_path)
    assert done.returncode == 1, done.stdout
    stated = " ".join(done.stdout.split())  # long names are folded
    broken = [containers for name, containers in CONTRACTS.items() if f"{name} BROKEN" in stated]
    assert sorted(broken) == sorted([f"client_credits{room}"] for room in breaks), done.stdout


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
