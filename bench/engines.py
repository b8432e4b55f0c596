"""Where the bench measures: dynoxide, fetched by npm, or else the emulator, whose units mean nothing."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from tests.support.engines import Engine, dynoxide_engine, emulator_engine

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, VERSION = "@dynoxide/linux-x64", "1.2.1"
HOME = ROOT / ".local" / "bench"
BINARY = HOME / "node_modules" / PACKAGE / "dynoxide"


class NoDynoxide(Exception):
    """dynoxide cannot be had here; the message says why."""


@contextmanager
def running_engine(console: Console) -> Iterator[Engine]:
    """The engine to measure on, until the block ends. Its name is `dynoxide` where units count."""
    try:
        binary = dynoxide()
    except NoDynoxide as why:
        console.print(f"[yellow]{why} Counting requests on the emulator; units are not measured.[/]")
        with tempfile.TemporaryDirectory() as folder, emulator_engine(Path(folder)) as engine:
            yield engine
    else:
        with dynoxide_engine(binary) as engine:
            yield engine


def dynoxide() -> Path:
    """The binary, installed by npm into .local/bench when it is not there. Raises NoDynoxide."""
    if BINARY.exists():
        return BINARY
    npm = shutil.which("npm")
    if npm is None:
        raise NoDynoxide("npm is missing, which brings dynoxide.")
    HOME.mkdir(parents=True, exist_ok=True)
    options = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error", f"--prefix={HOME}"]
    done = subprocess.run(  # noqa: S603
        [npm, "install", *options, f"{PACKAGE}@{VERSION}"], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode or not BINARY.exists():
        raise NoDynoxide(f"npm could not install {PACKAGE}: {done.stderr.strip()[-200:]}")
    return BINARY
