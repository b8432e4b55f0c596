"""Turns template.yaml and its nested templates into what CloudFormation can read: local paths become objects in S3.

Does what ``sam package`` does, for the few properties these templates use, so that a deployment needs no SAM CLI.
Nested templates are translated here, since the emulator translates the root alone. Archives are reproducible: the
same files give the same bytes and the same key, so an unchanged deployment is seen to be one.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

PACKAGE = "client_credits"
_CONTENTS = "layer.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)

Put = Callable[[str, bytes], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Region:
    """All that the transform asks of a boto3 session, which would read the caller's profile and files."""

    region_name: str


def read_template(path: Path) -> dict[str, Any]:
    """The template as data, the short forms of the intrinsic functions written out."""
    template: dict[str, Any] = yaml_parse(path.read_text())
    return template


def translate(template: dict[str, Any], region: str) -> dict[str, Any]:
    """The template after the SAM transform, made offline; unchanged where it names no transform."""
    if "Transform" not in template:
        return template
    translator = Translator({}, Parser(), boto_session=_Region(region))
    translated: dict[str, Any] = translator.translate(template, {})
    translator.metrics.publish()  # to nowhere; unpublished ones are complained about
    return translated


def package(template_path: Path, put: Put, *, region: str, built: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """The template at ``template_path`` with every local path replaced by an object that ``put`` stored.

    ``put(key, body)`` returns ``(bucket, key)``. ``built`` names, by logical id, directories to take in place of the
    paths that the templates give (the layer with its dependencies). Without it the layer holds our package alone,
    which is right where the interpreter brings the dependencies. Paths are relative to the template they stand in.
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
                nested = package(root / properties["TemplateURL"], put, region=region, built=built)
                properties["TemplateURL"] = put_template(put, logical_id, translate(nested, region), region)
            case _:
                pass
    return template


def put_template(put: Put, name: str, template: dict[str, Any], region: str) -> str:
    """Store the template under ``name`` and its digest; returns the address that CloudFormation reads it from."""
    body = json.dumps(template, sort_keys=True).encode()
    bucket, key = put(f"{name}-{_digest(body)}.json", body)
    return f"https://s3.{region}.amazonaws.com/{bucket}/{key}"


def archive(directory: Path) -> bytes:
    """A reproducible zip archive of every file below ``directory``."""
    return _zip((path.relative_to(directory).as_posix(), path) for path in _files(directory))


def package_archive(content_root: Path) -> bytes:
    """A layer of our own package alone, from the layer's content root."""
    return _zip((f"python/{path.relative_to(content_root).as_posix()}", path) for path in layer_files(content_root))


def layer_files(content_root: Path) -> list[Path]:
    """The files of our package that the layer holds: those that ``layer.txt`` in the content root lists."""
    listed = (content_root / PACKAGE / name for name in layer_contents(content_root))
    return [file for path in sorted(listed) for file in ([path] if path.is_file() else _sources(path))]


def layer_contents(content_root: Path) -> Iterator[str]:
    """What ``layer.txt`` lists: files and folders below the package."""
    for line in (content_root / _CONTENTS).read_text().splitlines():
        name = line.partition("#")[0].strip()
        if name:
            yield name


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


def _s3_uri(put: Put, logical_id: str, body: bytes) -> str:
    bucket, key = put(f"{logical_id}-{_digest(body)}.zip", body)
    return f"s3://{bucket}/{key}"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]
