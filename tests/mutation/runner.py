"""Runs tests against copies of the package: one warm process, forked for each run, two at a time.

What every run needs and no copy changes (pytest, Hypothesis, the DynamoDB in memory) is imported
once. The package itself is imported by the forks alone, each from its own copy.

Reads `[[copy, [pytest arguments]], ...]` from standard input; prints `[[exit code, output], ...]`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

AT_ONCE = 2
UNUSED = ("-p", "no:schemathesis", "-p", "no:anyio")  # plugins that only take time to load


def warm_up() -> None:
    import _pytest.assertion.rewrite  # noqa: F401, PLC0415
    import botocore.session  # noqa: PLC0415
    import hypothesis.stateful  # noqa: F401, PLC0415
    import pytest  # noqa: F401, PLC0415
    import samtranslator.yaml_helper  # noqa: F401, PLC0415
    from moto import mock_aws  # noqa: PLC0415

    with mock_aws():  # loads the service's description and the engine
        client = botocore.session.Session().create_client("dynamodb", region_name="us-east-1")
        client.list_tables()


def run(copy: str, arguments: list[str], output: Path) -> int:
    """In the fork: the tests' exit code."""
    with output.open("w") as stated:
        os.dup2(stated.fileno(), 1)
        os.dup2(stated.fileno(), 2)
    sys.path.insert(0, copy)
    import pytest  # noqa: PLC0415

    import client_credits  # noqa: PLC0415

    assert client_credits.__path__[0].startswith(copy), client_credits.__path__
    return int(pytest.main(["-x", "-q", "--no-header", *UNUSED, *arguments]))


def main() -> None:
    jobs = json.load(sys.stdin)
    warm_up()
    assert "client_credits" not in sys.modules
    outputs = [Path(tempfile.mkstemp()[1]) for _ in jobs]
    waiting, running, codes = list(range(len(jobs))), {}, {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number = waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                code = 70
                try:
                    code = run(*jobs[number], outputs[number])
                finally:
                    os._exit(code)
            running[pid] = number
        pid, status = os.wait()
        codes[running.pop(pid)] = os.waitstatus_to_exitcode(status)
    print(json.dumps([[codes[number], output.read_text()] for number, output in enumerate(outputs)]))
    for output in outputs:
        output.unlink()


if __name__ == "__main__":
    main()
