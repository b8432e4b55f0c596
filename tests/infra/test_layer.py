"""What the layer holds: what the functions need, by a list of what is in it, and nothing else."""

import ast
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from client_credits.deploying.packaging import layer_contents, package_archive

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "shared"
FUNCTIONS = sorted((ROOT / "functions").glob("*/app.py"))
PACKAGE = "client_credits"

NEVER = {"cli", "local", "samples", "deploying"}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer of the local stack, unpacked: the folder for sys.path."""
    folder = tmp_path_factory.mktemp("layer")
    zipfile.ZipFile(io.BytesIO(package_archive(SHARED))).extractall(folder)
    return folder / "python"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_layer_holds_what_the_list_names_and_nothing_else(layer: Path) -> None:
    assert files(layer)
    listed = set(layer_contents(SHARED))
    assert {name.split("/")[1] for name in files(layer)} == listed
    assert {path.name for path in layer.iterdir()} == {PACKAGE}
    assert not [name for name in files(layer) if not name.endswith((".py", "/py.typed"))]
    for room in (name for name in listed if (SHARED / PACKAGE / name).is_dir()):
        assert files(layer / PACKAGE / room) == {n for n in files(SHARED / PACKAGE / room) if "__pycache__" not in n}


def test_everything_in_the_package_either_ships_or_never_does() -> None:
    listed = set(layer_contents(SHARED))
    assert not listed & NEVER
    there = {path.name for path in (SHARED / PACKAGE).iterdir() if path.name != "__pycache__"}
    assert there - listed - NEVER == set(), "name it in shared/layer.txt, or here among what never ships"
    assert listed <= there


def test_the_layer_for_aws_holds_the_same_files_as_the_local_one(layer: Path, tmp_path: Path) -> None:
    command = ["make", "-C", SHARED, "copy-package", f"ARTIFACTS_DIR={tmp_path}"]
    subprocess.run(command, check=True, capture_output=True)
    assert files(tmp_path / "python") == files(layer)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file may load, in functions too; for `from x import y` both x and x.y."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str() as module, names=names, level=0):
                yield module
                yield from (f"{module}.{each.name}" for each in names)
            case ast.ImportFrom(level=level):
                assert level == 0, f"{path} imports by a relative path"


def module_file(layer: Path, module: str) -> Path | None:
    place = layer.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def defined_in(path: Path) -> set[str]:
    """Names that a module binds at its top, imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {each.asname or each.name.split(".")[0] for each in names}
    return found


def test_every_import_of_our_own_in_a_function_or_the_layer_is_in_the_layer(layer: Path) -> None:
    missing = []
    for path in (*FUNCTIONS, *layer.rglob("*.py")):
        for module in imported(path):
            if module.split(".")[0] == PACKAGE and module_file(layer, module) is None:
                owner = module_file(layer, module.rpartition(".")[0])
                if owner is None or module.rpartition(".")[2] not in defined_in(owner):
                    missing.append(f"{path.parent.name}/{path.name}: {module}")
    assert FUNCTIONS
    assert not missing


def plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_every_other_import_is_python_s_own_or_pinned_for_the_layer(layer: Path) -> None:
    pinned = set(
        map(plain, re.findall(r"^([A-Za-z0-9_.-]+)==", (SHARED / "requirements.txt").read_text(), re.MULTILINE))
    )
    brought = {name for name, of in metadata.packages_distributions().items() if pinned & set(map(plain, of))}
    top = {module.split(".")[0] for path in (*FUNCTIONS, *layer.rglob("*.py")) for module in imported(path)}
    assert top - {PACKAGE} - sys.stdlib_module_names - brought == set()


@pytest.mark.parametrize("app", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_starts_with_the_layer_alone(app: Path, layer: Path) -> None:
    code = "import app, client_credits; print(client_credits.__file__)"
    environment = {"PYTHONPATH": f"{app.parent}:{layer}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=layer, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(layer / PACKAGE / "__init__.py"), done.stderr
