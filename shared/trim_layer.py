"""Takes out of a layer what its functions never read; `shared/Makefile` runs it after pip.

    python trim_layer.py <site folder> <service>...

botocore describes four hundred services and documents each call of them. A cold start would read
and parse that, or at least carry it along. What stays is what a client needs to make calls, for
these services alone; every partition and region stays, so the layer works wherever Lambda does.
"""

import gzip
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROSE = frozenset({"documentation", "documentationUrl"})
UNREAD = ("examples-1.json", "completions-1.json")  # serve documentation and shells


def main(arguments: Sequence[str]) -> None:
    site, services = Path(arguments[0]), frozenset(arguments[1:])
    described = site / "botocore" / "data"
    unknown = services - {path.name for path in described.iterdir()}
    if not services or unknown:
        raise SystemExit(f"botocore does not describe: {', '.join(sorted(unknown)) or 'name a service'}")
    for service in (path for path in described.iterdir() if path.is_dir()):
        if service.name in services:
            _trim_service(service)
        else:
            shutil.rmtree(service)
    endpoints = described / "endpoints.json"
    endpoints.write_text(_json(_endpoints_of(services, json.loads(endpoints.read_text()))))


def _trim_service(service: Path) -> None:
    """Leaves the newest version, which is the one that botocore takes, without prose, unpacked."""
    *older, newest = sorted(service.iterdir())
    for version in older:
        shutil.rmtree(version)
    for name in UNREAD:
        for path in newest.glob(f"{name}*"):
            path.unlink()
    for packed in newest.glob("*.json.gz"):
        packed.with_suffix("").write_text(_json(_without_prose(json.loads(gzip.decompress(packed.read_bytes())))))
        packed.unlink()


def _without_prose(node: Any) -> Any:
    """A copy of a model without its documentation; a member that happens to be named so stays."""
    match node:
        case dict():
            kept = ((k, v) for k, v in node.items() if not (k in PROSE and isinstance(v, str)))
            return {name: _without_prose(value) for name, value in kept}
        case list():
            return [_without_prose(each) for each in node]
        case _:
            return node


def _endpoints_of(services: frozenset[str], endpoints: dict[str, Any]) -> dict[str, Any]:
    for partition in endpoints["partitions"]:
        partition["services"] = {name: paths for name, paths in partition["services"].items() if name in services}
    return endpoints


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
