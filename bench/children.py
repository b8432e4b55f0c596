"""Processes like Lambda's: the layer and one function on the path, the template's variables, nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """
import sys
sys.path[:0] = {path!r}
{code}
import json
sys.__stdout__.write("\\n" + json.dumps(result))
"""


def run_child(code: str, path: list[Path], variables: dict[str, str], timeout_seconds: int = 120) -> Any:
    """Runs `code` in a fresh interpreter and returns what it left in `result`. Raises RuntimeError."""
    program = _PROGRAM.format(path=[str(p) for p in path], code=code)
    surroundings = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    # -S: no site-packages of the environment the bench itself runs in.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        env=surroundings | variables,
        check=False,
        timeout=timeout_seconds,
    )
    if done.returncode:
        raise RuntimeError(f"a child process failed: {done.stderr.strip()[-800:]}")
    return json.loads(done.stdout.splitlines()[-1])
