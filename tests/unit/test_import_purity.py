"""The domain stands alone: importing all of it loads neither AWS nor web nor Stripe libraries."""

import subprocess
import sys
from pathlib import Path

import client_credits.domain

DOMAIN = Path(client_credits.domain.__file__).parent
FOREIGN = ("boto3", "botocore", "pydantic", "aws_lambda_powertools", "stripe", "jwt", "typer", "rich")
SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"client_credits.domain.{name}")
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_importing_the_domain_loads_nothing_foreign() -> None:
    names = (path.relative_to(DOMAIN).with_suffix("").parts for path in DOMAIN.rglob("*.py"))
    modules = [".".join(parts) for parts in names if parts[-1] != "__init__"]
    assert "ledger.wallet" in modules
    assert "invariants" in modules
    command = [sys.executable, "-c", SCRIPT, *modules]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "client_credits" in loaded
    assert not loaded & set(FOREIGN)


def test_the_domain_reads_no_clock() -> None:
    """`now` and ids are arguments; whoever reads the clock inside cannot be replayed."""
    for path in DOMAIN.rglob("*.py"):
        source = path.read_text()
        for clock in ("datetime.now(", "utcnow(", "time.time(", "date.today(", "uuid", "random"):
            assert clock not in source, f"{path.name} uses {clock}"
