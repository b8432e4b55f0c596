"""docs/quickstart.md, command by command, on the template deployed to the local stack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from client_credits.local.stack import running_stack
from tests.infra.checkout import free_port

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(600), pytest.mark.prove]


def test_every_command_of_the_quickstart_does_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs/quickstart.md").read_text(), re.MULTILINE | re.DOTALL)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    with running_stack(tmp_path / ".local", free_port()):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "100"}
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ran.returncode == 0, (ran.stdout[-3000:], ran.stderr[-3000:])
    for says in (
        "It ended as granted.",
        "Parked: unknown_client.",
        "The booking is booked.",
        "The booking is cancelled.",
        "transferred_out",
        '"allowed":true',
        "Every law holds.",
    ):
        assert says in ran.stdout, says
    assert max(len(line.rstrip()) for line in ran.stdout.splitlines() if not line.startswith(("{", "Stripe"))) <= 130
