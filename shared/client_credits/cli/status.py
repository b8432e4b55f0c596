"""`credits status`: how a practice stands."""

from typing import TYPE_CHECKING, Any

from client_credits.cli.api import PracticeApi, local_time
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId
from client_credits.cli.tokens import TokenRole

if TYPE_CHECKING:
    from rich.console import RenderableType


def status(session: CliSession, practice: PracticeId = None) -> None:
    """Show the last checks, and what waits for somebody: payments, items set aside, dead letters of the stack."""
    api = PracticeApi(session, practice, TokenRole.ADMIN)
    stated = api.get("/v1/status")
    session.output.answer(stated, lambda: _shown(stated, api.timezone()))


def _shown(stated: dict[str, Any], zone: str) -> "RenderableType":
    rows = [
        ("last verify", *_verified(stated["verify"], zone)),
        ("last reconcile", *_reconciled(stated["reconcile"], zone)),
        ("parked payments", *_counted(stated["parked"], "credits parked list")),
        ("set aside", *_counted(stated["set_aside"], "credits verify --client ID")),
        ("failing endpoints", f"{len(stated['failing_endpoints']):,}", None),
        *((f"dead letters: {name}", f"{count:,}", count and "credits replay") for name, count in _dead(stated)),
    ]
    shown = table(("what", "stands", "next"), [(what, text, step or None) for what, text, step in rows], "Status")
    aside = stated["set_aside"]["items"]
    if not aside:
        return shown
    named = [(each["item"], each["reason"], str(each["times"])) for each in aside]
    return lines(shown, table(("set aside", "reason", "times #"), named))


def _verified(last: dict[str, Any] | None, zone: str) -> tuple[str, str | None]:
    if last is None:
        return "never", "credits verify"
    breaches = sum(last["breaches"].values())
    text = f"{local_time(last['at'], zone)}: {last['clients']:,} clients, {last['entries']:,} entries"
    return f"{text}, {breaches:,} breaches", "credits verify" if breaches else None


def _reconciled(last: dict[str, Any] | None, zone: str) -> tuple[str, str | None]:
    if last is None:
        return "never", "credits reconcile"
    aside, seen = last["counts"]["set_aside"], sum(last["counts"].values())
    ended = "" if last["finished"] else ", not finished"
    text = f"{local_time(last['at'], zone)}: {seen:,} objects, {last['left']:,} left, {aside:,} set aside{ended}"
    return text, "credits reconcile --repair" if last["left"] or aside else None


def _counted(waiting: dict[str, Any], step: str) -> tuple[str, str | None]:
    return f"{waiting['count']:,}{' or more' if waiting['more'] else ''}", step if waiting["count"] else None


def _dead(stated: dict[str, Any]) -> list[tuple[str, int]]:
    return list(stated["dead_letters"].items())
