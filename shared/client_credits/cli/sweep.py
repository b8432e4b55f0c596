"""`credits sweep`: settles at once what the schedule would settle within the minute."""

from datetime import datetime
from typing import Annotated

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession
from client_credits.domain.instants import instant_text

MAX_IDLE_PAGES = 200  # an index that names for ever what is not due would keep us for ever


def an_instant(text: str) -> datetime:
    """An RFC 3339 instant; a usage error otherwise."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no instant; write it like 2026-12-01T09:00:00Z")
    return instant


def sweep(
    session: CliSession,
    at: Annotated[
        datetime | None,
        typer.Option(parser=an_instant, metavar="INSTANT", help="As if it were then; on the local stack only."),
    ] = None,
) -> None:
    """Settle every wallet that has something due, and wake the jobs that are. Repeating changes nothing."""
    from datetime import UTC  # noqa: PLC0415

    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.sweeping import shards  # noqa: PLC0415

    if at is not None and not session.target.is_local:
        raise CommandError("--at is for the local stack: on a deployed one the clock is the world's.")
    now = at.astimezone(UTC) if at else utc_now()
    wallets = entries = 0
    names = shards()
    with session.output.progress("Sweeping", len(names)) as advance:
        for shard in names:
            settled, written = _sweep(session, shard, now)
            wallets, entries = wallets + settled, entries + written
            advance(1)
    facts = {"at": instant_text(now), "wallets": wallets, "entries": entries}
    session.output.plain(facts, f"{wallets} wallets were due at {facts['at']}: {entries} entries written.")


def _sweep(session: CliSession, shard: str, now: datetime) -> tuple[int, int]:
    """Every page of one shard: how many wallets were looked at, and the entries written."""
    from client_credits.aws.job_queue import body_of  # noqa: PLC0415
    from client_credits.operations.sweeping import sweep_shard  # noqa: PLC0415

    wallets = entries = idle = 0
    while True:
        page = sweep_shard(session.store, shard, now)
        for job in page.jobs:
            url = session.target.outputs["JobsQueueUrl"]
            session.target.client("sqs").send_message(QueueUrl=url, MessageBody=body_of(job))
        wallets, entries = wallets + page.wallets, entries + page.entries
        idle = 0 if page.entries or page.replays else idle + 1
        if not page.more:
            return wallets, entries
        if idle > MAX_IDLE_PAGES:
            raise CommandError(f"Shard {shard} names wallets again that have nothing due: run `credits verify`.")
