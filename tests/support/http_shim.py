"""The HTTP API as a WSGI application, so that tools which speak HTTP can call it in this process."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from tests.support.api import Api

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Shim:
    """Turns WSGI calls into the events that API Gateway makes of them. `api` may be replaced at any time."""

    def __init__(self, api: Api | None = None) -> None:
        self.api = api

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        assert self.api is not None, "no API stands behind this"
        reply = self.api.front.handle(_event(environ), None)
        status = reply["statusCode"]
        start_response(f"{status} {HTTPStatus(status).phrase}", [(k, str(v)) for k, v in reply["headers"].items()])
        return [reply["body"].encode()]


def _event(environ: dict[str, Any]) -> dict[str, Any]:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    query: dict[str, str] = {}
    for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value  # as the gateway joins repeats
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = b64encode(body).decode(), True
    raw_path = str(environ["REQUEST_URI"]).partition("?")[0]
    return {
        "version": "2.0",
        "rawPath": raw_path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name == "CONTENT_TYPE"
        },
        "queryStringParameters": query or None,
        "requestContext": {
            "requestId": "req-1",
            "stage": "$default",
            "http": {"method": environ["REQUEST_METHOD"], "path": raw_path},
        },
        "body": text if size else None,
        "isBase64Encoded": encoded,
    }
