"""Runs checkov over the transformed templates, with a written reason for every complaint that is accepted.

``make check`` calls it with the path of checkov, which lives in an environment of its own. A new complaint fails,
and so does a reason that is no longer needed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.infra.transformed import nested, transformed

ACCEPTED = {
    "CKV_AWS_18": "Who downloads a file has an address that the API made and logged by the job's id; a log of accesses "
    "would need a bucket of its own.",
    "CKV_AWS_21": "No versions are kept: what a practice exported is to be gone after a week.",
    "CKV_AWS_27": "The queues are encrypted with keys of SQS (SqsManagedSseEnabled), which this check does not know.",
    "CKV_AWS_115": "Reserved concurrency takes from the account's pool; the sweep is bounded at its queue, the API by "
    "the stage's throttles, and the rest must keep up with what is paid and booked.",
    "CKV_AWS_116": "What runs from a queue or the stream has its dead letters there; the API and the webhook are "
    "called synchronously, and a missed tick of the sweep is made up for by the next.",
    "CKV_AWS_117": "The functions talk to AWS and to the token issuer's key set alone; a VPC would add NAT and reach.",
    "CKV_AWS_119": "The table is encrypted with the account's DynamoDB key; a key of one's own is a policy of the "
    "account, to be added where it is required.",
    "CKV_AWS_158": "Logs hold ids, never names, addresses or secrets, and are encrypted with CloudWatch's own key.",
    "CKV_AWS_173": "The variables hold names and addresses, no secrets; these are in SSM.",
}


def main(checkov: str) -> int:
    """Returns the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        for name, template in (("template", transformed()), *nested().items()):
            (Path(directory) / f"{name}.json").write_text(json.dumps(template, indent=2))
        command = [checkov, "--directory", directory, "--framework", "cloudformation", "--output", "json"]
        result = subprocess.run([*command, "--skip-download", "--quiet"], capture_output=True, text=True, check=False)
    report = json.loads(result.stdout)
    complaints: list[dict[str, Any]] = report["results"]["failed_checks"]
    news = [each for each in complaints if each["check_id"] not in ACCEPTED]
    for each in news:
        print(f"{each['check_id']} {each['check_name']}: {each['resource']}", file=sys.stderr)
    stale = set(ACCEPTED) - {each["check_id"] for each in complaints}
    for check in sorted(stale):
        print(f"{check} is accepted with a reason but no longer complained about", file=sys.stderr)
    print(f"checkov: {report['summary']['passed']} passed, {len(complaints) - len(news)} accepted, {len(news)} new")
    return 1 if news or stale or report["summary"]["parsing_errors"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
