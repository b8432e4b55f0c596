"""`credits token`: access tokens of the local stack, and the token that the other commands ask with."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.domain.instants import instant_text

if TYPE_CHECKING:
    from client_credits.cli.target import Target

VARIABLE = "CREDITS_TOKEN"
DAY_SECONDS = 86_400
ASKING_SECONDS = 300


class TokenRole(StrEnum):
    ADMIN = "admin"
    STAFF = "staff"
    SERVICE = "service"
    CLIENT = "client"


def token(
    session: CliSession,
    role: Annotated[TokenRole, typer.Option(help="What its bearer may do.")],
    client: Annotated[str | None, typer.Option(metavar="ID", help="The client, for role client.")] = None,
    practice: PracticeId = None,
    ttl: Annotated[
        int, typer.Option(min=1, max=DAY_SECONDS, metavar="SECONDS", help="How long it is valid.")
    ] = DAY_SECONDS // 2,
) -> None:
    """Print an access token of the local stack, and nothing else."""
    target = session.target
    if target.local is None:
        raise CommandError(
            f"Tokens for a deployed stack come from the issuer it was deployed with: get one there and set {VARIABLE}."
        )
    practice_id = session.practice_id(practice)
    client_id = _client(target, role, practice_id, client)
    made = _mint(target, role, practice_id, client_id, ttl)
    expires_at = instant_text(datetime.fromtimestamp(_claims(made)["exp"], UTC))
    session.output.plain({"token": made, "expires_at": expires_at}, made)


def bearer(session: CliSession, practice: str | None, role: TokenRole = TokenRole.STAFF) -> str:
    """The token to ask the API with: of the local stack one for the role, else the one in CREDITS_TOKEN."""
    if session.target.is_local:
        return _mint(session.target, role, session.practice_id(practice), None, ASKING_SECONDS)
    if practice is not None:
        raise typer.BadParameter(f"the token in {VARIABLE} says which practice", param_hint="--practice")
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        raise CommandError(f"Set {VARIABLE} to an access token of the issuer this stack was deployed with.")
    return given


def _client(target: "Target", role: TokenRole, practice_id: str, client: str | None) -> str | None:
    if role is not TokenRole.CLIENT:
        if client is not None:
            raise typer.BadParameter("only role client is one client's", param_hint="--client")
        return None
    if client is not None:
        return an_id(client)
    if target.local is None or practice_id != target.practice_id:
        raise typer.BadParameter("role client needs the client's id", param_hint="--client")
    return target.local.client_id


def _mint(target: "Target", role: TokenRole, practice_id: str, client_id: str | None, ttl_seconds: int) -> str:
    from client_credits.local.tokens import TokenIssuer  # noqa: PLC0415 cryptography takes a while to load

    assert target.local is not None
    # The stack's own tokens say who issues them and for whom.
    claims = _claims(target.local.tokens["staff"])
    issuer = TokenIssuer(target.local.directory / "keys", claims["iss"], claims["aud"])
    return issuer.mint(role, practice_id, client_id, ttl_seconds=ttl_seconds)


def _claims(text: str) -> dict[str, Any]:
    import jwt  # noqa: PLC0415 see above

    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims
