"""Refusals as RFC 9457 problem answers of an HTTP API (payload format 2.0).

Knows no error class: callers name status and code. `type` stays "about:blank", so that `title` is
the status in words and `code` is what programs go by.
"""

import json
from collections.abc import Mapping
from typing import Any

TITLES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    *,
    headers: Mapping[str, str] | None = None,
    retry_after_seconds: int | None = None,
    **members: object,
) -> dict[str, Any]:
    """The answer to a refused request.

    `detail` is a sentence for people, without personal data. `members` are the typed extras
    (available, shortfall, errors, ...). 429 and 503 must say when to come again.
    """
    assert status in TITLES, f"no title for status {status}"
    assert status not in (429, 503) or retry_after_seconds is not None, "when to retry?"
    body = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    assert not body.keys() & members.keys(), "a member would hide a standard field"
    answer_headers = {"content-type": "application/problem+json", "X-Request-Id": request_id}
    if retry_after_seconds is not None:
        answer_headers["Retry-After"] = str(retry_after_seconds)
    return {
        "statusCode": status,
        "headers": {**answer_headers, **(headers or {})},
        "body": json.dumps({**body, **members}, separators=(",", ":"), ensure_ascii=False),
        "isBase64Encoded": False,
    }


class Refused(Exception):
    """Status, code and sentence of the answer, with its headers. Nothing was written."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers
