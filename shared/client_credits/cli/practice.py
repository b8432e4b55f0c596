"""`credits practice create`: the practice's account, its Stripe signing secret, and the key of list cursors."""

import json
import re
import sys
from typing import Annotated, Any

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.everywhere import Session, an_id

FROM_STDIN = "-"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,192}")


def create(
    session: Session,
    practice: Annotated[str, typer.Argument(metavar="ID", help="The practice's id, as tokens name it.")],
    rotate_secret: Annotated[
        bool, typer.Option("--rotate-secret", help="A new Stripe secret; the one before stays valid beside it.")
    ] = False,
    secret: Annotated[
        str | None,
        typer.Option(metavar="whsec_…", help="Stripe's own secret of the endpoint; - reads it from standard input."),
    ] = None,
) -> None:
    """Create a practice; print where Stripe sends its events, and once its signing secret.

    Repeating changes nothing. On real Stripe: create the endpoint with the address printed, then repeat this with
    --secret and what Stripe shows as the endpoint's signing secret; with --rotate-secret when it is being rolled.
    """
    from client_credits.operations.practices import create_practice  # noqa: PLC0415
    from client_credits.runtime import utc_now  # noqa: PLC0415

    practice_id, wanted = an_id(practice), _checked(secret)
    target = session.target
    ssm = target.client("ssm")
    _ensure_cursor_key(ssm, target.secrets_prefix)
    # The secret goes first: a practice that exists always has one.
    change, told = _set_secret(ssm, target.secrets_prefix, practice_id, wanted, rotate_secret)
    created = create_practice(session.store, practice_id, utc_now())
    facts = {
        "practice_id": practice_id,
        "created": created,
        "webhook_url": target.webhook_url(practice_id),
        "secret_change": change,
        "secret": told,
    }
    session.output.plain(facts, _text(facts))


def _checked(secret: str | None) -> str | None:
    text = sys.stdin.readline().strip() if secret == FROM_STDIN else secret
    if text is not None and not SECRET.fullmatch(text):
        raise typer.BadParameter("a Stripe signing secret begins with whsec_", param_hint="--secret")
    return text


def _ensure_cursor_key(ssm: Any, prefix: str) -> None:
    from base64 import b64encode  # noqa: PLC0415
    from secrets import token_bytes  # noqa: PLC0415

    from client_credits.secrets import CURSOR_KEY_BYTES, cursor_key_name  # noqa: PLC0415

    _put(ssm, cursor_key_name(prefix), b64encode(token_bytes(CURSOR_KEY_BYTES)).decode(), replacing=False)


def _set_secret(ssm: Any, prefix: str, practice_id: str, wanted: str | None, rotate: bool) -> tuple[str, str | None]:
    """What was done (created, set, rotated, kept), and the secret where a new one was made here."""
    from secrets import token_hex  # noqa: PLC0415

    from client_credits.secrets import parameter_name, parameter_reader  # noqa: PLC0415

    name = parameter_name(prefix, practice_id)
    stored = parameter_reader(ssm)(name)
    before = json.loads(stored)["current"] if stored else None
    if before and (wanted == before or not (wanted or rotate)):
        return "kept", None
    made = None if wanted else f"whsec_{token_hex(24)}"
    previous = before if rotate else None
    value = json.dumps({"current": wanted or made, "previous": previous})
    if not _put(ssm, name, value, replacing=before is not None):
        raise CommandError(f"Another run has just made the secret of {practice_id}: nothing was changed here.")
    return ("rotated" if previous else "set" if wanted else "created"), made


def _put(ssm: Any, name: str, value: str, *, replacing: bool) -> bool:
    """Whether it was written; an existing one stays unless `replacing`."""
    try:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=replacing)
    except ssm.exceptions.ParameterAlreadyExists:
        return False
    return True


def _text(facts: dict[str, Any]) -> str:
    exists = "created" if facts["created"] else "exists"
    return "\n".join(
        (
            f"Practice        {facts['practice_id']} {exists}",
            f"Stripe webhook  {facts['webhook_url']}",
            f"Stripe secret   {facts['secret'] or ''}{_SECRETS[facts['secret_change'], facts['secret'] is not None]}",
        )
    )


_SECRETS = {  # by what was done and whether the secret was made here
    ("created", True): "  (shown this once)",
    ("set", False): "set to the one given",
    ("rotated", True): "  (shown this once; the one before stays valid until the next rotation)",
    ("rotated", False): "set to the one given; the one before stays valid until the next rotation",
    ("kept", False): "unchanged; --rotate-secret makes a new one",
}
