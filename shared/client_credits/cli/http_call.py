"""One HTTP call to the stack, and a sentence for every way it can end badly."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from client_credits.cli.errors import CommandError

TIMEOUT_SECONDS = 35  # the gateway gives up after 30
_LOOPBACK = "http://127.0.0.1:"


class ProblemAnswered(CommandError):
    """The API answered with a problem: its status, and the members of the problem."""

    def __init__(self, status: int, problem: Any) -> None:
        super().__init__(_problem(status, problem))
        self.status = status
        self.problem: dict[str, Any] = problem if isinstance(problem, dict) else {}


def call(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The JSON of a good answer. Raises CommandError: no answer, or ProblemAnswered with the problem answered."""
    status, answer = _request(url, method, body, headers or {})
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = None
    if status >= 400:
        raise ProblemAnswered(status, parsed)
    if parsed is None:
        raise CommandError(f"{url} answered {status} with something that is not JSON.")
    return parsed


def _request(url: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    if not url.startswith(("https://", _LOOPBACK)):
        raise CommandError(f"{url} is neither HTTPS nor on this machine: nothing secret is sent there.")
    # A proxy that the environment names must not get what is meant for this machine.
    proxies = [urllib.request.ProxyHandler({})] if url.startswith(_LOOPBACK) else []
    opener = urllib.request.build_opener(*proxies)
    asked = urllib.request.Request(url, data=body, method=method, headers=dict(headers))  # noqa: S310 checked above
    try:
        with opener.open(asked, timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError) as error:
        raise CommandError(f"{url} does not answer: {getattr(error, 'reason', None) or error}") from None


def _problem(status: int, parsed: Any) -> str:
    """The detail of a problem answer with its errors, or what the gateway says by itself."""
    if not isinstance(parsed, dict):
        return f"The API answered {status}."
    detail = parsed.get("detail") or parsed.get("message") or parsed.get("title") or ""
    errors = [f"{each.get('pointer')}: {each.get('detail')}." for each in parsed.get("errors") or []]
    request_id = f" (request {parsed['request_id']})" if parsed.get("request_id") else ""
    return " ".join([f"{status}: {detail}", *errors]) + request_id
