"""The layer as `shared/Makefile` builds it, for this machine's interpreter: trimmed and compiled.

Taken from what is installed here instead of from a registry, so that it takes no network.
"""

import compileall
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from py_compile import PycInvalidationMode

from bench.engines import HOME, ROOT
from client_credits.deploying.packaging import layer_files

SHARED = ROOT / "shared"
FUNCTIONS = ROOT / "functions"
LAYER = HOME / "layer"
OWN = "client_credits"


def layer() -> Path:
    """The layer's folder for sys.path; what others wrote is kept until the requirements change."""
    wanted = sha256(b"".join(p.read_bytes() for p in _decides()) + sys.version.encode()).hexdigest()
    stamp = LAYER / ".stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(LAYER, ignore_errors=True)
        LAYER.mkdir(parents=True)
        _copy_requirements()
        _trim()
        _compile(LAYER)
        stamp.write_text(wanted)
    shutil.rmtree(LAYER / OWN, ignore_errors=True)
    for file in layer_files(SHARED):
        _copy(file, LAYER / file.relative_to(SHARED))
    _compile(LAYER / OWN)
    return LAYER


def functions() -> Path:
    """The functions' folders as Lambda gets them: sources without bytecode."""
    folder = HOME / "functions"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FUNCTIONS, folder, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    return folder


def _decides() -> list[Path]:
    return [SHARED / "requirements.txt", SHARED / "trim_layer.py", SHARED / "Makefile", Path(__file__)]


def _copy_requirements() -> None:
    for line in (SHARED / "requirements.txt").read_text().splitlines():
        pinned = re.match(r"([A-Za-z0-9_.-]+)==", line)
        if pinned is None:
            continue
        for file in metadata.distribution(pinned[1]).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                _copy(Path(str(file.locate())), LAYER / file)


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def _trim() -> None:
    (services,) = re.findall(r"^SERVICES := (.+)$", (SHARED / "Makefile").read_text(), re.MULTILINE)
    subprocess.run([sys.executable, SHARED / "trim_layer.py", LAYER, *services.split()], check=True)  # noqa: S603


def _compile(folder: Path) -> None:
    compileall.compile_dir(folder, quiet=2, workers=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
