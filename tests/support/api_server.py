"""The API in one process behind a real address, for what speaks HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from urllib.parse import parse_qsl, urlsplit

from tests.support.api import Api


@contextmanager
def served(api: Api) -> Iterator[str]:
    """The address, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(size).decode() if size else None
            bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ") or None
            headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"}
            query = dict(parse_qsl(parts.query))
            with redirect_stdout(StringIO()):  # who asks in this process waits meanwhile, and wants no log of the API's
                reply = api(self.command, parts.path, raw=raw, bearer=bearer, headers=headers, **query)
            self.send_response(reply.status)
            self.end_headers()
            self.wfile.write(reply.text.encode())

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
