"""The domain stands alone: it imports the standard library and itself, and asks the world for nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import client_credits.domain

PACKAGE = client_credits.domain.__name__
DOMAIN = Path(client_credits.domain.__file__).parent
MODULES = {
    ".".join(path.relative_to(DOMAIN).with_suffix("").parts): path
    for path in DOMAIN.rglob("*.py")
    if path.name != "__init__.py"
}
SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"client_credits.domain.{name}")
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""

# Where a clock, a die or the machine could be asked. Whoever asks inside the domain cannot be replayed.
WORLDLY = frozenset(
    {
        *("time", "random", "secrets", "uuid", "os", "io", "socket", "platform", "getpass", "locale"),
        *("tempfile", "subprocess", "threading", "asyncio", "pathlib"),
    }
)
CLOCKS = frozenset({"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "urandom", "getenv", "environ"})
ASKING = frozenset({"open", "input", "__import__", "exec", "eval"})
REFLECTION = frozenset({"getattr", "attrgetter", "methodcaller"})  # with a name of a clock as text


def worldly(source: str) -> Iterator[str]:
    """Everything in a module's source that asks the clock, chance or the machine, under whatever name.

    An attribute `now` is a clock when it is called, or when it is one of `datetime`; an act's own is none.
    """
    tree = ast.parse(source)
    dates = _date_classes(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"imports {each.name}" for each in names if each.name.partition(".")[0] in WORLDLY)
            case ast.ImportFrom(module=module, names=names):
                if (module or "").partition(".")[0] in WORLDLY:
                    yield f"imports from {module}"
                yield from (f"imports {each.name}" for each in names if each.name in CLOCKS)
            case ast.Attribute(value=of, attr=name) if name in CLOCKS and (name != "now" or _root(of) in dates):
                yield f"uses .{name}"
            case ast.Call(func=ast.Attribute(attr="now")):
                yield "calls .now"
            case ast.Name(id=name, ctx=ast.Load()) if name in ASKING:
                yield f"uses {name}"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in REFLECTION:
                texts = {each.value for each in arguments if isinstance(each, ast.Constant)}
                yield from (f"uses {text} by {name}" for text in sorted(texts & CLOCKS))


def _date_classes(tree: ast.AST) -> set[str]:
    """The names that stand for `datetime` or a class of it: as imported, and what they were assigned to."""
    nodes = list(ast.walk(tree))
    pairs = [pair for node in nodes for pair in _assigned(node)]
    found = {
        each.asname or each.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
        if "datetime" in (each.name, getattr(node, "module", None))
    }
    while more := {name for name, value in pairs if _root(value) in found} - found:
        found |= more
    return found


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a node binds, each with its value; defaults of arguments too."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case (
            ast.AnnAssign(target=ast.Name(id=name), value=value) | ast.NamedExpr(target=ast.Name(id=name), value=value)
        ):
            if value:
                yield name, value
        case ast.arguments(posonlyargs=first, args=then, defaults=values, kwonlyargs=named, kw_defaults=theirs):
            positional = [*first, *then]
            yield from ((each.arg, value) for each, value in zip(positional[::-1], values[::-1], strict=False))
            yield from ((each.arg, value) for each, value in zip(named, theirs, strict=True) if value)


def _root(of: ast.AST) -> str | None:
    """The name that a dotted expression begins with."""
    while isinstance(of, ast.Attribute):
        of = of.value
    return of.id if isinstance(of, ast.Name) else None


def imported(source: str) -> set[str]:
    """The modules that a source imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(("." * node.level) + (node.module or ""))
    return found


def foreign(module: str) -> bool:
    """Whether the domain may not import this: neither itself nor the standard library."""
    root = module.partition(".")[0]
    return root not in sys.stdlib_module_names and module != PACKAGE and not module.startswith((f"{PACKAGE}.", "."))


@pytest.mark.parametrize("module", MODULES)
def test_the_domain_imports_the_standard_library_and_itself_alone(module: str) -> None:
    assert [name for name in sorted(imported(MODULES[module].read_text())) if foreign(name)] == []


@pytest.mark.parametrize("module", MODULES)
def test_the_domain_reads_no_clock(module: str) -> None:
    """`now` and ids are arguments: nothing asks the clock, chance, the environment or a file."""
    assert list(worldly(MODULES[module].read_text())) == []


def test_importing_the_domain_loads_nothing_foreign() -> None:
    assert {"ledger.wallet", "invariants"} <= set(MODULES)
    command = [sys.executable, "-c", SCRIPT, *MODULES]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "client_credits" in loaded
    at_start = set(subprocess.run([*command[:2], SCRIPT], capture_output=True, text=True, check=True).stdout.split())
    ours = {name for name in loaded - at_start if foreign(name) and not name.startswith("_")}  # _: Python's own build
    assert ours == {"client_credits"}


# -- controls: what the tests above would see ---------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import time as clock",
        "from time import time as instant",
        "from time import monotonic",
        "import datetime as d\nd.datetime.now()",
        "from datetime import datetime as D\nD.now",
        "from datetime import datetime\nread = datetime.utcnow",
        "from datetime import date\ndate.today()",
        "from datetime import datetime\nD = datetime\nread = D.now",
        "from datetime import datetime\ndef f(clock=datetime):\n    return clock.now",
        "from datetime import datetime\ndef f(*, clock: type = datetime):\n    return map(clock.now, [])",
        "def f(clock): return clock.now()",
        "from datetime import datetime\ngetattr(datetime, 'now')()",
        "import operator\noperator.methodcaller('now')",
        "def inside():\n    import random",
        "from random import choice",
        "import os\nos.environ['TZ']",
        "from os import environ as e",
        "import os.path",
        "from uuid import uuid4",
        "import uuid",
        "from secrets import token_hex",
        "open('/etc/timezone')",
        "clock = __import__('time')",
    ],
)
def test_a_clock_is_seen_under_any_name(source: str) -> None:
    assert list(worldly(source)) != []


@pytest.mark.parametrize(
    "source", ["from datetime import datetime, timedelta\ndef f(act): return act.now + timedelta(1)", "now = 1"]
)
def test_an_instant_given_as_an_argument_is_no_clock(source: str) -> None:
    assert list(worldly(source)) == []


@pytest.mark.parametrize(
    ("module", "is_foreign"),
    [
        ("botocore", True),
        ("client_credits.store.keys", True),
        ("client_credits", True),
        ("client_credits.domain_else", True),
        ("client_credits.domain.ids", False),
        ("zoneinfo", False),
    ],
)
def test_a_foreign_module_is_known_from_our_own(module: str, is_foreign: bool) -> None:
    assert foreign(module) is is_foreign
