"""Deploys the built template to AWS without the SAM CLI: ``make deploy`` runs this after ``make build``.

``package`` only checks that what was built can be packaged and prints the sizes. ``deploy`` uploads it and applies a
change set; parameters that are not given keep the values the stack has.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3

from client_credits.deploying.deploy import deploy, upload_package
from client_credits.deploying.errors import DeploymentFailed
from client_credits.deploying.packaging import package

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
BUILT = {"SharedLayer": ROOT / "build" / "SharedLayer"}
# Where templates are translated for that are only packaged; it stands in their addresses and nowhere else.
REGION = "us-east-1"
# Lambda takes no larger layer.
_LAYER_LIMIT_BYTES = 250 * 1024 * 1024


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "package":
        return _package()
    session = boto3.Session(region_name=options.region)
    prefix = f"client-credits/{options.stack}"
    try:
        url = upload_package(session.client("s3"), options.bucket, TEMPLATE, prefix=prefix, built=BUILT)
        outputs = deploy(
            session.client("cloudformation"), options.stack, url, dict(options.parameters), keep_previous=True
        )
    except DeploymentFailed as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in sorted(outputs.items()):
        print(f"{name:<28} {value}")
    return 0


def _package() -> int:
    def write(key: str, body: bytes) -> tuple[str, str]:
        (ROOT / "build" / key).write_bytes(body)
        print(f"{len(body):>12,} bytes  build/{key}")
        return "build", key

    package(TEMPLATE, write, region=REGION, built=BUILT)
    unpacked = sum(path.stat().st_size for path in BUILT["SharedLayer"].rglob("*") if path.is_file())
    print(f"{unpacked:>12,} bytes  the layer, unpacked")
    return 0 if unpacked < _LAYER_LIMIT_BYTES else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="infra/deploy.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("package")
    deployment = commands.add_parser("deploy")
    deployment.add_argument("--stack", required=True)
    deployment.add_argument("--bucket", required=True)
    deployment.add_argument("--region")
    deployment.add_argument("parameters", nargs="*", type=_parameter, metavar="Name=value")
    return parser


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not Name=value")
    return name, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
