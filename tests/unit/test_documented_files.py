"""Pages name files, functions and classes that there are, and decisions stand in their order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = (ROOT, ROOT / "shared/client_credits")
NAMED = re.compile(r"`([a-z0-9_/]+\.py)(?:: ([^`]+))?`")
FILES = [path for folder in ("shared", "functions", "tests", "infra") for path in (ROOT / folder).rglob("*.py")]


def found(name: str) -> list[Path]:
    """A file named with its folders stands there; one named after another of its folder stands somewhere."""
    if "/" in name:
        return [folder / name for folder in FOLDERS if (folder / name).is_file()]
    return [path for path in FILES if path.name == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_that_a_page_names_is_there_with_what_is_named_of_it(page: Path) -> None:
    for name, parts in NAMED.findall(page.read_text()):
        texts = [path.read_text() for path in found(name)]
        assert texts, name
        for part in parts.split(", ") if parts else ():
            own = part.rpartition(".")[2]
            assert any(re.search(rf"(def|class) {own}\b", text) for text in texts), f"{name}: {part}"


def test_the_page_on_architecture_names_files_with_their_folders() -> None:
    named = NAMED.findall((ROOT / "docs/architecture.md").read_text())
    assert [name for name, _ in named if "/" not in name] == []


def test_decisions_are_in_the_order_of_their_dates() -> None:
    _, *entries = (ROOT / "docs/decisions.md").read_text().split("\n\n**")
    dates = [entry[:10] for entry in entries]
    assert dates == sorted(dates)
    assert all(re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", date) for date in dates)
    assert not [entry for entry in entries if "\n**" in entry], "a decision begins without a blank line"
