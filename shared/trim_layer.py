"""Takes out of a layer's site folder what its functions never read. `shared/Makefile` runs this after pip.

botocore describes four hundred services; these functions call a handful. At run time the rest would
be read and parsed on every cold start, or only carried along. Every partition and region stays, so
the layer works wherever Lambda does.

    python trim_layer.py <site folder> <service>...
"""

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# What only builders of documentation read; without it a service's model is a third as long to parse.
_PROSE = frozenset({"documentation", "documentationUrl"})
# Parts of a service's description that answer questions no function asks.
_UNUSED_FILES = ("examples-1.json", "completions-1.json", "waiters-2.json")


def main(arguments: Sequence[str]) -> None:
    site, services = Path(arguments[0]), frozenset(arguments[1:])
    assert services, "a layer for no service at all?"
    described = site / "botocore" / "data"
    _keep_services(described, services)
    _rewrite(described / "endpoints.json", lambda endpoints: _endpoints_of(endpoints, services))


def _keep_services(described: Path, services: frozenset[str]) -> None:
    """Of each service its newest API version, which is the one botocore takes; of the rest nothing."""
    missing = services - {path.name for path in described.iterdir() if path.is_dir()}
    if missing:
        raise SystemExit(f"botocore does not know {', '.join(sorted(missing))}")
    for service in (path for path in described.iterdir() if path.is_dir()):
        if service.name not in services:
            shutil.rmtree(service)
            continue
        *older, _newest = sorted(service.iterdir())
        for version in older:
            shutil.rmtree(version)


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text())), separators=(",", ":")))


def _endpoints_of(endpoints: dict[str, Any], services: frozenset[str]) -> dict[str, Any]:
    """The endpoints of every partition and region, for these services."""
    for partition in endpoints["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in sorted(services & known.keys())}
    return endpoints


if __name__ == "__main__":
    main(sys.argv[1:])
