"""Every line of docs/compared.md names tests that exist, one at least through the interfaces, or says when it comes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LATER = {"S31", "S45", "S75"}
INSIDE: dict[str, str] = {}  # lines that no interface can show, with the reason


def rows() -> list[tuple[str, set[str]]]:
    """Each line's name, and the tests it names."""
    found = re.findall(r"^\| (S\d+) \| .+ \| (.+) \|$", (ROOT / "docs/compared.md").read_text(), re.MULTILINE)
    return [(name, set(re.findall(r"`(test_\w+)`", shown))) for name, shown in found]


def defined(*below: str) -> set[str]:
    """The tests that there are below these directories."""
    sources = "\n".join(path.read_text() for each in below for path in (ROOT / each).rglob("test_*.py"))
    return set(re.findall(r"^ *def (test_\w+)", sources, re.MULTILINE))


def test_every_line_names_tests_that_exist() -> None:
    assert [name for name, _ in rows()] == [f"S{number}" for number in range(1, 79)]
    tests = defined("tests")
    for name, named in rows():
        assert named <= tests, (name, named - tests)
        assert bool(named) != (name in LATER), name


def test_every_line_is_shown_through_the_interfaces() -> None:
    outside = defined("tests/integration", "tests/e2e")
    inside = {name for name, named in rows() if named and named.isdisjoint(outside)}
    assert inside == set(INSIDE)
