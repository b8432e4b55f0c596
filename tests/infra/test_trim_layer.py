"""What is taken out of the layer is not missed: clients call the same places in the same way."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.loaders import Loader

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "shared/trim_layer.py"
DESCRIBED = Path(botocore.__file__).parent / "data"
SERVICES = ("dynamodb", "events", "sqs", "ssm", "sts")
OTHERS = ("s3", "xray")


def trim(site: Path, *services: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, site, *services], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("layer")
    described = site / "botocore/data"
    described.mkdir(parents=True)
    for path in DESCRIBED.glob("*.json"):
        shutil.copy(path, described)
    for service in SERVICES + OTHERS:
        shutil.copytree(DESCRIBED / service, described / service)
    trimmed = trim(site, *SERVICES)
    assert trimmed.returncode == 0, trimmed.stderr
    return site


@pytest.fixture
def trimmed(site: Path) -> Iterator[botocore.session.Session]:
    session = botocore.session.Session()
    loader = Loader(extra_search_paths=[str(site / "botocore/data")], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    yield session


def members(shape: Any, seen: tuple[str, ...] = ()) -> Any:
    """A shape with all it holds, for comparison."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    seen = (*seen, shape.name)
    inner = {name: members(member, seen) for name, member in getattr(shape, "members", {}).items()}
    for part in ("member", "key", "value"):
        if shape.type_name in ("list", "map") and hasattr(shape, part):
            inner[f"<{part}>"] = members(getattr(shape, part), seen)
    return (shape.type_name, shape.serialization, tuple(shape.required_members), inner) if inner else shape.type_name


def test_no_other_service_stays_and_nothing_is_packed(site: Path) -> None:
    described = site / "botocore/data"
    assert {path.name for path in described.iterdir() if path.is_dir()} == set(SERVICES)
    assert list(described.rglob("*.gz")) == []
    assert all(len(list(service.iterdir())) == 1 for service in described.iterdir() if service.is_dir())
    assert (described / "endpoints.json").stat().st_size < 50_000


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_calls_the_same_operations_in_the_same_words(trimmed: botocore.session.Session, service: str) -> None:
    whole = botocore.session.Session()
    assert trimmed.get_service_model(service).metadata == whole.get_service_model(service).metadata
    ours, theirs = trimmed.get_service_model(service), whole.get_service_model(service)
    assert ours.operation_names == theirs.operation_names
    for name in ours.operation_names:
        mine, other = ours.operation_model(name), theirs.operation_model(name)
        assert mine.http == other.http
        assert members(mine.input_shape) == members(other.input_shape), name
        assert members(mine.output_shape) == members(other.output_shape), name


@pytest.mark.parametrize("service", SERVICES)
def test_every_partition_and_region_stays(trimmed: botocore.session.Session, service: str) -> None:
    whole = botocore.session.Session()
    assert trimmed.get_available_partitions() == whole.get_available_partitions()
    for partition in whole.get_available_partitions():
        regions = whole.get_available_regions(service, partition)
        assert trimmed.get_available_regions(service, partition) == regions
        for region in regions[:1]:
            ours, theirs = (each.create_client(service, region_name=region) for each in (trimmed, whole))
            assert ours.meta.endpoint_url == theirs.meta.endpoint_url


def test_a_service_that_botocore_does_not_know_stops_the_build(site: Path) -> None:
    refused = trim(site, "dynamodb", "dynamite")
    assert refused.returncode != 0
    assert "dynamite" in refused.stderr
    assert (site / "botocore/data/sqs").is_dir(), "nothing was taken out"
