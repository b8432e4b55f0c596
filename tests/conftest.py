"""Every test runs without a stray AWS environment, and searches its properties as hard as its tier says.

`make test` repeats the same few examples, `make prove` the same many, and a soak draws new ones each time.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    POWERTOOLS_TRACE_DISABLED="true",
)

settings.register_profile(
    "test",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    stateful_step_count=25,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.register_profile("prove", settings.get_profile("test"), max_examples=400)
settings.register_profile(
    "search",
    settings.get_profile("test"),
    derandomize=False,
    max_examples=2000,
    stateful_step_count=40,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

# Workers share the tests of a file, but for these: one run of all seeds, one stack for a story.
FILES_OF_ONE_WORKER = frozenset({"tests/mutation/test_seeded_bugs.py", "tests/e2e/test_story.py"})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `--dist loadgroup`; xdist's own marker for groups has no effect with this pytest."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415

    class Shared(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in FILES_OF_ONE_WORKER else nodeid

    return Shared(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session", autouse=True)
def rights_recorded() -> Iterator[None]:
    """Where RIGHTS_LOG names a file, the rights that functions used in this process are added to it."""
    named = os.environ.pop("RIGHTS_LOG", None)  # what tests start, seeded bugs among it, adds nothing
    if not named:
        yield
        return
    log = Path(named).absolute()
    from tests.support import rights  # noqa: PLC0415

    with rights.recording() as seen:
        yield
    rights.append(log, seen)
