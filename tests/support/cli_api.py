"""`credits` at work on the API in this process, through its token alone, as on a deployed stack."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client_credits.cli.target import Target
from tests.support.api import Api, token
from tests.support.api_server import served
from tests.support.cli import Ran, credits

Run = Callable[..., Ran]


@pytest.fixture
def run(api: Api) -> Iterator[Run]:
    def no_aws(service: str) -> Any:
        raise AssertionError(f"{service} is not needed")

    with served(api) as url:
        target = Target("deployed", url, "t", "b", "/p", {}, no_aws, None, None)
        yield lambda *words, role="admin": credits(
            *words, target=target, env={"CREDITS_TOKEN": token(role, now=api.now[0])}
        )


def ok(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    return ran


def fits(ran: Ran) -> str:
    """What people read, which stays within 100 columns."""
    assert max(len(line.rstrip()) for line in ok(ran).out.splitlines()) <= 100, ran.out
    return ran.out
