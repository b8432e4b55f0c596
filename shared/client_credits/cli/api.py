"""The practice's HTTP API, asked as staff or admin: the one way in which commands read and change a practice."""

from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, an_id
from client_credits.domain.instants import read_instant

if TYPE_CHECKING:
    from client_credits.cli.tokens import TokenRole

PAGE = 100  # the most that the API gives at once
REHEARSED = "Nothing was written: this was a rehearsal."

Wide = Annotated[bool, typer.Option("--wide", help="Show ids beside names.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, and write nothing.")]
Reason = Annotated[str | None, typer.Option(help="Why; it stands in the history.")]
Key = Annotated[
    str | None, typer.Option("--key", help="An idempotency key, to repeat the command safely; a new one if left out.")
]


class PracticeApi:
    """One practice's API. On a deployed stack the practice and the role are those of the token in CREDITS_TOKEN."""

    def __init__(self, session: CliSession, practice: str | None, role: "TokenRole | None" = None) -> None:
        from client_credits.cli.tokens import TokenRole, bearer  # noqa: PLC0415

        self._url = session.target.api_url
        self._bearer = bearer(session, practice, role or TokenRole.STAFF)

    def get(self, path: str, **query: Any) -> Any:
        """The answer. Raises CommandError with the problem that was answered instead."""
        return self._call("GET", path, None, {}, query)

    def pages(self, path: str, limit: int, **query: Any) -> tuple[list[Any], bool]:
        """At most `limit` items of a list, and whether there are more."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=max(1, min(PAGE, limit - len(items))), cursor=cursor, **query)
            items, cursor = items + page["items"], page["next_cursor"]
            if cursor is None or len(items) >= limit:
                return items[:limit], cursor is not None or len(items) > limit

    def put(self, path: str, body: Any, dry_run: bool = False) -> Any:
        return self._call("PUT", path, body, {}, _rehearsed(dry_run))

    def patch(self, path: str, body: Any, dry_run: bool = False) -> Any:
        return self._call("PATCH", path, body, {}, _rehearsed(dry_run))

    def post(self, path: str, body: Any, dry_run: bool = False, key: str | None = None, **query: Any) -> Any:
        """Under an idempotency key, a new one where none is given."""
        return self._call("POST", path, body, {"idempotency-key": key or str(uuid4())}, _rehearsed(dry_run) | query)

    def delete(self, path: str, dry_run: bool = False) -> Any:
        return self._call("DELETE", path, None, {}, _rehearsed(dry_run))

    def known(self, what: str, named: str) -> str:
        """The id of a thing of the catalogue (`appointment-types` or `packages`). Raises CommandError, with the one
        that may have been meant."""
        ids = [str(each["id"]) for each in self.pages(f"/v1/{what}", 10_000)[0]]
        if named in ids:
            return named
        noun = what.replace("-", " ").removesuffix("s")
        raise CommandError(f"There is no {noun} {named}.{meant(named, ids)}")

    def names(self, what: str) -> dict[str, str]:
        """The names of a catalogue's things, by id."""
        return {each["id"]: each["name"] for each in self.pages(f"/v1/{what}", 10_000)[0]}

    def timezone(self) -> str:
        return str(self.get("/v1/settings")["timezone"]["value"])

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str], query: dict[str, Any]) -> Any:
        import json  # noqa: PLC0415

        from client_credits.cli.http_call import call  # noqa: PLC0415

        asked = urlencode({name: _text(value) for name, value in query.items() if value is not None})
        url = f"{self._url}{path}{'?' if asked else ''}{asked}"
        sent = None if body is None else json.dumps(body).encode()
        return call(url, method=method, body=sent, headers={"authorization": f"Bearer {self._bearer}", **headers})


def _rehearsed(dry_run: bool) -> dict[str, Any]:
    return {"dry_run": True} if dry_run else {}


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def path_id(text: str) -> str:
    """An id as a part of a path; a usage error where it can be none."""
    return quote(an_id(text), safe=":~")


def meant(word: str, words: "list[str]") -> str:
    """A question behind an error, where some word is close to the one that was typed; else nothing."""
    close = get_close_matches(word, words, 1)
    return f" Did you mean {close[0]}?" if close else ""


def local_time(text: str | None, timezone: str) -> str | None:
    """An instant of the API as people of the practice read it, to the minute."""
    if text is None:
        return None
    instant: datetime = read_instant(text)
    return instant.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")
