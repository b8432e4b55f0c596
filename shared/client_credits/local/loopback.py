"""Plain HTTP to this machine, past any proxy that the environment names."""

import urllib.error
import urllib.request
from collections.abc import Mapping

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 30.0,
) -> tuple[int, bytes]:
    """Status and body of the answer, whatever the status. Raises OSError when there is no answer."""
    assert url.startswith("http://127.0.0.1:"), "nothing but this machine"
    asked = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310 see above
    try:
        with _OPENER.open(asked, timeout=timeout_seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
