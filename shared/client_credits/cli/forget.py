"""`credits forget`: a person is erased everywhere outside the ledger, or the name behind a member of staff's id."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import Broken, CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client_credits.operations.context import Context
    from client_credits.operations.staff.forgetting import Erased, Person

DEAD_LETTERS = ("StripeDeadLettersUrl", "BookingsDeadLettersUrl")
KEPT = (
    "entries of the ledger, with their ids, numbers and reasons",
    "bookings and payments, with their ids",
    "Stripe's customers of the client, so that later payments find it",
)
OUT_OF_REACH = (
    "backups of the table, for 35 days, and exports in their bucket, for 7",
    "bodies of events, kept 30 days, that know the person by an e-mail of before alone: name it with --email",
    "what was delivered elsewhere: events on the bus, webhooks, files exported, Stripe itself",
    "names that workers remember, for up to 5 minutes",
)


def forget(
    session: CliSession,
    client: Annotated[str | None, typer.Argument(metavar="CLIENT", help="The client's id.")] = None,
    staff: Annotated[
        str | None, typer.Option("--staff", metavar="ID", help="Instead: the name behind this actor's id.")
    ] = None,
    email: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="An e-mail that the person had before; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    practice: PracticeId = None,
) -> None:
    """Erase a person everywhere outside the ledger, and say what cannot be reached. For good.

    If this is interrupted, run it again. Ends with 1 while dead letters name the person: work them off first.
    """
    if (client is None) == (staff is None):
        raise typer.BadParameter("name a client, or --staff with an actor's id")
    if not (dry_run or yes) and session.output.as_json:
        raise typer.BadParameter("erasing is for good: give --yes with --json", param_hint="--yes")
    context = _context(session, practice)
    if staff is not None:
        _forget_staff(session, context, staff, dry_run=dry_run, yes=yes)
    else:
        _forget_client(session, context, an_id(client or ""), email or [], dry_run=dry_run, yes=yes)


def _context(session: CliSession, practice: str | None) -> "Context":
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415

    return Context(session.store, session.practice_id(practice), OPERATOR, utc_now())


def _forget_client(
    session: CliSession, context: "Context", client: str, emails: list[str], *, dry_run: bool, yes: bool
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from client_credits.operations.staff.forgetting import forget as erase  # noqa: PLC0415
    from client_credits.operations.staff.forgetting import person_of  # noqa: PLC0415

    _, person = person_of(context, client, emails)
    if not (dry_run or yes):
        typer.confirm(f"Erase the person behind {client} in practice {context.practice_id}, for good?", abort=True)
    here = replace(context, store=context.store.rehearsal()) if dry_run else context
    with session.output.progress("Erasing", 1) as advance:
        erased = erase(here, client, emails)
        advance(1)
    letters = _dead_letters(session, person)
    facts = {
        "practice_id": context.practice_id,
        "client_id": erased.client_id,
        "dry_run": dry_run,
        "profile": list(erased.fields),
        "items": erased.items,
        "dead_letters": letters,
        "kept": KEPT,
        "out_of_reach": OUT_OF_REACH,
    }
    session.output.answer(facts, lambda: _shown(erased, letters, dry_run))
    if letters:
        raise Broken


def _dead_letters(session: CliSession, person: "Person") -> int:
    """How many messages that failed for good name the person. They stay: what they bring is not applied yet."""
    from client_credits.cli.replay_queues import Queue  # noqa: PLC0415

    count = 0
    for output in DEAD_LETTERS:
        queue = Queue(session.target.client("sqs"), session.target.outputs[output])
        for messages in queue.rounds(queue.count()):
            with queue.given_back(messages):
                count += sum(person.named_in(message["Body"]) for message in messages)
    return count


def _shown(erased: "Erased", letters: int, dry_run: bool) -> "RenderableType":
    verb = "would be erased" if dry_run else "erased"
    rows: list[tuple[Any, ...]] = [(f"profile: {name}", 1) for name in erased.fields]
    rows += [(kind.replace("_", " "), count) for kind, count in sorted(erased.items.items())]
    said = table((verb, "items #"), rows) if rows else "Nothing is left to erase."
    parts = [said, "Kept: " + "; ".join(KEPT) + ".", "Out of reach: " + "; ".join(OUT_OF_REACH) + "."]
    if letters:
        parts.append(f"{letters} dead letters name this person: run `credits replay`, then this again.")
    return lines(*parts)


def _forget_staff(session: CliSession, context: "Context", actor: str, *, dry_run: bool, yes: bool) -> None:
    from client_credits.operations.staff.directory import forget_staff  # noqa: PLC0415

    known = context.store.staff(context.practice_id, [actor]).get(actor)
    if known is None or known.shown is None:
        raise CommandError(f"Practice {context.practice_id} keeps no name for {actor}.")
    if not (dry_run or yes):
        typer.confirm(f"Erase the name behind {actor} in practice {context.practice_id}, for good?", abort=True)
    if not dry_run:
        forget_staff(context, actor)
    facts = {"practice_id": context.practice_id, "actor_id": actor, "forgotten": not dry_run, "dry_run": dry_run}
    said = "would be erased" if dry_run else "is erased"
    session.output.answer(facts, lambda: f"The name of {actor} {said}. Entries keep the id.")
