"""Turns template.yaml into what CloudFormation can read: local paths become objects in S3.

Does what ``sam package`` does, for the few properties this template uses, so that a deployment needs no SAM CLI.
Archives are reproducible: the same files give the same bytes and the same key, so an unchanged deployment is seen
to be one.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

# Never part of what runs: the parts of the package that serve this machine alone.
_LEFT_OUT = frozenset({"local", "cli"})
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_template(path: Path) -> dict[str, Any]:
    """The template as data, the short forms of the intrinsic functions written out."""
    template: dict[str, Any] = yaml_parse(path.read_text())
    return template


def package(
    template_path: Path,
    put: Callable[[str, bytes], tuple[str, str]],
    *,
    built: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """The template at ``template_path`` with every local path replaced by an object that ``put`` stored.

    ``put(key, body)`` returns ``(bucket, key)``. ``built`` names, by logical id, directories to take in place of the
    paths that the template gives (the layer with its dependencies). Without it the layer holds our package alone,
    which is right where the interpreter brings the dependencies.
    """
    root = template_path.parent
    template = read_template(template_path)
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        directory = (built or {}).get(logical_id)
        match resource["Type"]:
            case "AWS::Serverless::Function":
                body = archive(directory) if directory else _source_archive(root / properties["CodeUri"])
                properties["CodeUri"] = _s3_uri(put, logical_id, body)
            case "AWS::Serverless::LayerVersion":
                body = archive(directory) if directory else package_archive(root / properties["ContentUri"])
                properties["ContentUri"] = _s3_uri(put, logical_id, body)
            case "AWS::CloudFormation::Stack":
                nested = json.dumps(read_template(root / properties["TemplateURL"]), sort_keys=True).encode()
                bucket, key = put(f"{logical_id}-{_digest(nested)}.json", nested)
                properties["TemplateURL"] = f"https://s3.amazonaws.com/{bucket}/{key}"
            case _:
                pass
    return template


def archive(directory: Path) -> bytes:
    """A reproducible zip archive of every file below ``directory``."""
    return _zip((path.relative_to(directory).as_posix(), path) for path in _files(directory))


def package_archive(content_root: Path) -> bytes:
    """A layer of our own package alone, from the layer's content root."""
    source = content_root / "client_credits"
    kept = (path for path in _sources(source) if path.relative_to(source).parts[0] not in _LEFT_OUT)
    return _zip((f"python/client_credits/{path.relative_to(source).as_posix()}", path) for path in kept)


def _source_archive(directory: Path) -> bytes:
    return _zip((path.relative_to(directory).as_posix(), path) for path in _sources(directory))


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _sources(directory: Path) -> list[Path]:
    return [path for path in _files(directory) if "__pycache__" not in path.parts]


def _zip(members: Iterable[tuple[str, Path]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive_file:
        for name, path in members:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive_file.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _s3_uri(put: Callable[[str, bytes], tuple[str, str]], logical_id: str, body: bytes) -> str:
    bucket, key = put(f"{logical_id}-{_digest(body)}.zip", body)
    return f"s3://{bucket}/{key}"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]
