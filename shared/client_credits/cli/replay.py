"""`credits replay`: what was set aside is tried again: dead letters, publish failures, parked payments."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from client_credits.cli.errors import Broken
from client_credits.cli.output import Advance, lines, table
from client_credits.cli.session import CliSession, PracticeId

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client_credits.cli.replay_queues import Queue


class Kind(StrEnum):
    STRIPE = "stripe"
    BOOKINGS = "bookings"
    SWEEP = "sweep"
    JOBS = "jobs"
    PUBLISH = "publish"
    PARKED = "parked"


# The stack's outputs that name a queue of dead letters and the queue that they come from.
QUEUES = {
    Kind.STRIPE: ("StripeDeadLettersUrl", "StripeQueueUrl"),
    Kind.BOOKINGS: ("BookingsDeadLettersUrl", "BookingsQueueUrl"),
    Kind.SWEEP: ("SweepDeadLettersUrl", "SweepQueueUrl"),
    Kind.JOBS: ("JobsDeadLettersUrl", "JobsQueueUrl"),
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One kind: how many waited at the start, how many were replayed (would be, in a dry run), and what to know."""

    kind: Kind
    found: int
    replayed: int
    notes: tuple[str, ...] = ()


def replay(
    session: CliSession,
    queue: Annotated[Kind | None, typer.Option(help="Only this kind.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    practice: PracticeId = None,
) -> None:
    """Send dead letters back to their queues, publish again what failed, try parked payments again.

    Each message once per run: one that comes straight back waits for the next. Ends with 1 if a publish failure
    had to be kept. Parked payments are one practice's, events not understood included, as long as their body is
    kept; what is still unexplained stays parked.
    """
    outcomes = [_replay(session, kind, practice, dry_run) for kind in ([queue] if queue else list(Kind))]
    facts = {
        "dry_run": dry_run,
        "kinds": {o.kind.value: {k: v for k, v in asdict(o).items() if k != "kind"} for o in outcomes},
    }
    session.output.answer(facts, lambda: _shown(outcomes, dry_run))
    if any(o.kind is Kind.PUBLISH and o.notes for o in outcomes):
        raise Broken


def _replay(session: CliSession, kind: Kind, practice: str | None, dry_run: bool) -> Replayed:
    match kind:
        case Kind.PARKED:
            return _parked(session, practice, dry_run)
        case Kind.PUBLISH:
            return _publish_failures(session, dry_run)
        case _:
            return _dead_letters(session, kind, dry_run)


def _queue(session: CliSession, output: str) -> "Queue":
    from client_credits.cli.replay_queues import Queue  # noqa: PLC0415

    return Queue(session.target.client("sqs"), session.target.outputs[output])


def _dead_letters(session: CliSession, kind: Kind, dry_run: bool) -> Replayed:
    from client_credits.cli.replay_queues import move_back  # noqa: PLC0415

    dead_letters, source = (_queue(session, output) for output in QUEUES[kind])
    found = dead_letters.count()
    if dry_run or not found:
        return Replayed(kind, found, found)
    with session.output.progress(f"Replaying {kind}", found) as advance:
        return Replayed(kind, found, move_back(dead_letters, source, found, lambda: advance(1)))


def _publish_failures(session: CliSession, dry_run: bool) -> Replayed:
    failures = _queue(session, "PublishFailuresUrl")
    found = failures.count()
    if dry_run or not found:
        return Replayed(Kind.PUBLISH, found, found)
    with session.output.progress("Publishing again", found) as advance:
        return _publish(session, failures, found, advance)


def _publish(session: CliSession, failures: "Queue", found: int, advance: Advance) -> Replayed:
    """Each message on its own: one that cannot be published is kept with its reason, the others go on."""
    from client_credits.cli.replay_stream import NotPublished, republish  # noqa: PLC0415

    target = session.target
    streams, functions, table = target.client("dynamodbstreams"), target.client("lambda"), session.store.table
    name = target.outputs["PublishEntriesFunctionName"]
    replayed, notes = 0, list[str]()
    for messages in failures.rounds(found):
        with failures.given_back(messages) as left:
            for message in tuple(left):
                try:
                    republish(streams, functions, name, table, message["Body"])
                except NotPublished as kept:
                    notes.append(f"{message['MessageId']} kept: {kept}")
                else:
                    failures.delete(message)
                    left.remove(message)
                    replayed += 1
                advance(1)
    return Replayed(Kind.PUBLISH, found, replayed, tuple(notes))


def _parked(session: CliSession, practice: str | None, dry_run: bool) -> Replayed:
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.cli.stripe_api import retry  # noqa: PLC0415
    from client_credits.operations.context import STRIPE, Context  # noqa: PLC0415
    from client_credits.operations.payments import parking, replaying  # noqa: PLC0415

    if practice is None and not session.target.is_local:
        return Replayed(Kind.PARKED, 0, 0, ("name a practice with --practice to try its parked payments",))
    practice_id = session.practice_id(practice)
    store = session.store.rehearsal() if dry_run else session.store
    found = sum(1 for _ in parking.every_open(store, practice_id))
    context = Context(store, practice_id, STRIPE, utc_now())
    granted = replaying.replay_everything(context) + retry(context, session)
    notes = (f"{found - granted} still unexplained: see GET /v1/parked",) if found > granted else ()
    return Replayed(Kind.PARKED, found, granted, notes)


def _shown(outcomes: list[Replayed], dry_run: bool) -> "RenderableType":
    rows = [(o.kind.value, o.found, o.replayed) for o in outcomes]
    counts = table(("kind", "found #", "would be replayed #" if dry_run else "replayed #"), rows)
    return lines(counts, *(f"{o.kind}: {note}" for o in outcomes for note in o.notes))
