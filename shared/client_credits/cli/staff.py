"""`credits forget-staff`: the name behind an actor's id is erased."""

from typing import Annotated

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, PracticeId


def forget(
    session: CliSession,
    actor: Annotated[str, typer.Argument(metavar="ID", help="The actor's id, as entries name it.")],
    practice: PracticeId = None,
) -> None:
    """Erase the name and e-mail of a member of staff. Entries keep the id. Shown for up to 5 minutes more."""
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415
    from client_credits.operations.staff.directory import forget_staff  # noqa: PLC0415

    practice_id = session.practice_id(practice)
    if not forget_staff(Context(session.store, practice_id, OPERATOR, utc_now()), actor):
        raise CommandError(f"Practice {practice_id} keeps no name for {actor}.")
    facts = {"practice_id": practice_id, "actor_id": actor, "forgotten": True}
    session.output.answer(facts, lambda: f"The name of {actor} is erased.")
