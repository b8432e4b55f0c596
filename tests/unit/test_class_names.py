"""A class's name says what it is wherever it is read: no two classes share one."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def classes(*folders: Path) -> dict[str, list[str]]:
    """Where each class is defined, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in (file for folder in folders for file in sorted(folder.rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(file.name)
    return found


def test_no_two_classes_share_a_name() -> None:
    found = classes(ROOT / "shared/client_credits", ROOT / "functions", ROOT / "bench")
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_two_classes_of_one_name_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class Page:\n    pass\n")
    (tmp_path / "b.py").write_text("def page():\n    class Page:\n        pass\n")
    assert classes(tmp_path) == {"Page": ["a.py", "b.py"]}
