"""`credits practice create`: the practice, its Stripe secret and connected account, and the stack's own keys."""

import json
import re
import sys
from typing import Annotated, Any

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, an_id

FROM_STDIN = "-"
ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{1,120}")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,192}")


def create(
    session: CliSession,
    practice: Annotated[str, typer.Argument(metavar="ID", help="The practice's id, as tokens name it.")],
    rotate_secret: Annotated[
        bool, typer.Option("--rotate-secret", help="A new Stripe secret; the one before stays valid beside it.")
    ] = False,
    secret: Annotated[
        str | None,
        typer.Option(metavar="whsec_…", help="Stripe's own secret of the endpoint; - reads it from standard input."),
    ] = None,
    stripe_api_key: Annotated[
        bool,
        typer.Option(
            "--stripe-api-key", help="Ask for a Stripe API key (standard input, where that is no terminal) and keep it."
        ),
    ] = False,
    stripe_account: Annotated[
        str | None, typer.Option(metavar="acct_…", help="The practice's account, connected to another's platform.")
    ] = None,
    endpoint_practice: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Whose endpoint receives that account's events; locally the stack's own."),
    ] = None,
) -> None:
    """Create a practice; print where Stripe sends its events, and once its signing secret.

    Repeating changes nothing. On real Stripe: create the endpoint with the address printed, then repeat this with
    --secret and what Stripe shows as the endpoint's signing secret; with --rotate-secret when it is being rolled.
    With --stripe-account, what the endpoint practice receives of that connected account is this practice's, and what
    it had received before is worked off. One way in for each account: its own endpoint, or the platform's.
    """
    from client_credits.aws.secrets import api_key_name  # noqa: PLC0415

    practice_id, wanted = an_id(practice), _checked(secret)
    receiver = _receiver(session, stripe_account, endpoint_practice)
    api_key = _given_api_key() if stripe_api_key else None
    target = session.target
    ssm = target.client("ssm")
    created, change, secret_state = make(session, practice_id, wanted, rotate_secret)
    if api_key:
        _put(ssm, api_key_name(target.secrets_prefix, practice_id), api_key, replacing=True)
    facts = {
        "practice_id": practice_id,
        "created": created,
        "webhook_url": target.webhook_url(practice_id),
        "secret_change": change,
        "secret": secret_state,
        "stripe_api_key": "set" if api_key else "unchanged",
    }
    if stripe_account and receiver:
        facts |= _connect(session, receiver, stripe_account, practice_id)
    session.output.plain(facts, _text(facts))


def make(
    session: CliSession, practice_id: str, secret: str | None = None, rotate_secret: bool = False
) -> tuple[bool, str, str | None]:
    """A practice with its secret and the stack's own keys: whether it is new, and what became of its secret.

    Safe to repeat.
    """
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415
    from client_credits.operations.staff.practices import create_practice  # noqa: PLC0415

    ssm, prefix = session.target.client("ssm"), session.target.secrets_prefix
    _ensure_own_keys(ssm, prefix)
    # The secret goes first: a practice that exists always has one.
    change, state = _set_secret(ssm, prefix, practice_id, secret, rotate_secret)
    return create_practice(Context(session.store, practice_id, OPERATOR, utc_now())), change, state


def _receiver(session: CliSession, account: str | None, named: str | None) -> str | None:
    """The practice whose endpoint receives the account's events; None where no account is given."""
    if account is None:
        if named is not None:
            raise typer.BadParameter("it goes with --stripe-account", param_hint="--endpoint-practice")
        return None
    if not ACCOUNT.fullmatch(account):
        raise typer.BadParameter("a Stripe account begins with acct_", param_hint="--stripe-account")
    if named is None and session.target.practice_id is None:
        raise typer.BadParameter("whose endpoint receives that account's events?", param_hint="--endpoint-practice")
    return session.practice_id(named)


def _connect(session: CliSession, receiver: str, account: str, practice_id: str) -> dict[str, Any]:
    """Gives the practice the account, and what had waited for that."""
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.cli.stripe_api import retry  # noqa: PLC0415
    from client_credits.operations.context import STRIPE, Context  # noqa: PLC0415
    from client_credits.operations.payments.linking import connect  # noqa: PLC0415

    made = connect(session.store, receiver, account, practice_id)
    # Also where it was connected before: the run that did it may have been cut off.
    worked_off = retry(Context(session.store, receiver, STRIPE, utc_now()), session, account)
    return {"stripe_account": account, "endpoint_practice": receiver, "connected": made, "worked_off": worked_off}


def _checked(secret: str | None) -> str | None:
    text = sys.stdin.readline().strip() if secret == FROM_STDIN else secret
    if text is not None and not SECRET.fullmatch(text):
        raise typer.BadParameter("a Stripe signing secret begins with whsec_", param_hint="--secret")
    return text


def _given_api_key() -> str:
    """A Stripe API key as typed, unseen, or from standard input: never from the command line, which others can read."""
    from client_credits.stripe.api.queries import is_api_key  # noqa: PLC0415

    text = typer.prompt("Stripe API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not is_api_key(text.strip()):
        raise typer.BadParameter("a Stripe API key begins with sk_ or rk_ and its mode", param_hint="--stripe-api-key")
    return str(text.strip())


def _ensure_own_keys(ssm: Any, prefix: str) -> None:
    from base64 import b64encode  # noqa: PLC0415
    from secrets import token_bytes  # noqa: PLC0415

    from client_credits.aws.secrets import OWN_KEY_BYTES, cursor_key_name, session_key_name  # noqa: PLC0415

    for name in (cursor_key_name(prefix), session_key_name(prefix)):
        _put(ssm, name, b64encode(token_bytes(OWN_KEY_BYTES)).decode(), replacing=False)


def _set_secret(ssm: Any, prefix: str, practice_id: str, wanted: str | None, rotate: bool) -> tuple[str, str | None]:
    """What was done (created, set, rotated, kept), and the secret where a new one was made here."""
    from secrets import token_hex  # noqa: PLC0415

    from client_credits.aws.secrets import parameter_name, parameter_reader  # noqa: PLC0415

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
            *(["Stripe API key  set to the one given"] if facts["stripe_api_key"] == "set" else []),
            *([_connected(facts)] if "stripe_account" in facts else []),
        )
    )


def _connected(facts: dict[str, Any]) -> str:
    done = f"connected by the endpoint of {facts['endpoint_practice']}" if facts["connected"] else "unchanged"
    late = f"; {facts['worked_off']} events that had waited are worked off" if facts["worked_off"] else ""
    return f"Stripe account  {facts['stripe_account']} {done}{late}"


_SECRETS = {  # by what was done and whether the secret was made here
    ("created", True): "  (shown this once)",
    ("set", False): "set to the one given",
    ("rotated", True): "  (shown this once; the one before stays valid until the next rotation)",
    ("rotated", False): "set to the one given; the one before stays valid until the next rotation",
    ("kept", False): "unchanged; --rotate-secret makes a new one",
}
