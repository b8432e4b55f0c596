"""Holds the rights that the templates grant against those that the functions used in the tests.

`python -m tests.infra.rights_used` reads what `make test` and `make prove` recorded below .local/rights.
"""

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.infra.roles import allowed, resource_name
from tests.infra.transformed import ROOT, resources
from tests.support.rights import Right, Seen, read

LOGS = ROOT / ".local" / "rights"
TIERS = ("test", "prove")
TABLE = ":table/${TableName}"
FILES = re.compile(r"(\$\{Files\.Arn\}|arn:.*:s3:::\$\{FilesBucket\})/")
PARAMETERS = ":parameter/client-credits/${Prefix}/"

# Granted to each function and used by the service that runs it: it writes the log and sends the traces.
USED_BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}
# How that service reads what a function is given from: a queue, or the table's stream.
POLLING = {
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"),
}


def granted() -> set[Right]:
    """What each function's role grants it, named as the recorder names it."""
    roles, found = resources("AWS::IAM::Role"), set()
    for function in resources("AWS::Lambda::Function").values():
        settings = function["Environment"]["Variables"]
        role = roles[function["Role"]["Fn::GetAtt"][0]]
        found |= {
            Right(settings["POWERTOOLS_SERVICE_NAME"], action, _resource(name, settings))
            for name, actions in allowed(role).items()
            for action in actions
        }
    return found


def polled() -> Seen:
    """What Lambda reads for each function by the function's own event sources, with the name of each."""
    functions, aliases = resources("AWS::Lambda::Function"), resources("AWS::Lambda::Alias")
    found: Seen = {}
    for name, mapping in resources("AWS::Lambda::EventSourceMapping").items():
        function = functions[aliases[mapping["FunctionName"]["Ref"]]["FunctionName"]["Ref"]]
        settings = function["Environment"]["Variables"]
        source = resource_name(mapping["EventSourceArn"])
        is_stream = source == "TableStreamArn"
        resource, service = ("stream/*", "dynamodb") if is_stream else (_resource(source, settings), "sqs")
        for action in POLLING[service]:
            found[Right(settings["POWERTOOLS_SERVICE_NAME"], f"{service}:{action}", resource)] = name
    return found


def _resource(name: str, settings: dict[str, Any]) -> str:
    """What stands in a statement, such as `StripeQueue.Arn`; a queue is called by the setting that names it."""
    if PARAMETERS in name:
        return f"parameter/{name.partition(PARAMETERS)[2]}"
    if TABLE in name:
        return name.partition(TABLE)[2].removeprefix("/") or "table"
    if name == "EventBusArn":
        return "bus"
    if FILES.match(name):
        return FILES.sub("", name)
    logical_id = name.removesuffix(".Arn")
    called = {"Ref": logical_id}, {"Ref": f"{name.removesuffix('Arn')}Url"}  # of its own stack, or passed to it
    return next((setting for setting, value in settings.items() if value in called), logical_id)


def faults(granted: set[Right], used: Seen) -> Iterator[str]:
    """A sentence for each right that is missing, and each that neither a test nor an event source used."""
    used = polled() | used
    for right, test in sorted(used.items(), key=str):
        if not any(_covers(each, right) for each in granted):
            yield f"{right.function} may not {right.action} on {right.resource}, but does, in {test}"
    for right in sorted(granted, key=str):
        if right.action not in USED_BY_LAMBDA and not any(_covers(right, each) for each in used):
            yield f"{right.function} may {right.action} on {right.resource}, but no test saw it do so"


def _covers(granted: Right, used: Right) -> bool:
    same = (granted.function, granted.action) == (used.function, used.action)
    return same and fnmatchcase(used.resource, granted.resource)


def main(logs: Path = LOGS) -> int:
    """The exit code; what is wrong goes to standard error."""
    missing = [tier for tier in TIERS if not (logs / f"{tier}.jsonl").exists()]
    for tier in missing:
        print(f"No record of the rights used: run `make {tier}`, which writes {logs / tier}.jsonl.", file=sys.stderr)
    if missing:
        return 1
    used: Seen = {}
    for tier in TIERS:
        used = read(logs / f"{tier}.jsonl") | used
    found = list(faults(granted(), used))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
