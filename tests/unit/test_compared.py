"""Every line of docs/compared.md names tests that exist, or says when it comes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LATER = {"S31", "S45", "S75"}


def test_every_line_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| (S\d+) \| .+ \| (.+) \|$", (ROOT / "docs/compared.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == [f"S{number}" for number in range(1, 79)]
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^ *def (test_\w+)", sources, re.MULTILINE))
    for name, shown in rows:
        named = set(re.findall(r"`(test_\w+)`", shown))
        assert named <= defined, (name, named - defined)
        assert bool(named) != (name in LATER), name
