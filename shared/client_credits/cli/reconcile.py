"""`credits reconcile`: Stripe against the ledger."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from client_credits.cli.errors import Broken, CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.cli.sweep import an_instant
from client_credits.domain.instants import instant_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client_credits.domain.payments.reconciliation import Reconciliation
    from client_credits.stripe.api.queries import StripeApi

DAYS = 30


def reconcile(
    session: CliSession,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=an_instant, metavar="INSTANT", help=f"By default {DAYS} days before --to."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=an_instant, metavar="INSTANT", help="By default ten minutes ago.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Bring in what is missing, as its event would have.")
    ] = False,
    practice: PracticeId = None,
    account: Annotated[
        str | None, typer.Option(metavar="acct_…", help="A connected account of the practice; its own by default.")
    ] = None,
) -> None:
    """Compare what Stripe was paid and gave back with the ledger; ends with 1 if anything is left missing or set aside.

    Paid invoices, completed checkouts, sales by payment intents, refunds, disputes, credit notes, and how subscriptions
    stand. A run that was interrupted goes on where it stopped.
    """
    from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable  # noqa: PLC0415

    practice_id = session.practice_id(practice)
    receiver = _receiver(session, practice_id, account)
    api = _api(session, receiver, account)
    try:
        run = _run(session, api, practice_id, receiver, since, until, repair)
    except StripeUnavailable as error:
        raise CommandError(f"{error}. What was done stays done: run this again to go on.") from error
    except StripeRefused as error:
        raise CommandError(_why(error, receiver, session.target.outputs.get("StripeMode", "test"))) from error
    facts = _facts(practice_id, run, repair)
    session.output.answer(facts, lambda: _shown(practice_id, run, repair))
    if run.left or run.set_aside:
        raise Broken


def _receiver(session: CliSession, practice_id: str, account: str | None) -> str:
    """The practice with whose API key Stripe is asked: for a connected account, the one whose endpoint serves it."""
    from client_credits.operations.payments import linking  # noqa: PLC0415

    if account is None:
        return practice_id
    receiver = linking.receiver_of(session.store, practice_id, an_id(account))
    if receiver is None:
        raise CommandError(f"Account {account} is not connected to practice {practice_id}.")
    return receiver


def _api(session: CliSession, practice_id: str, account: str | None) -> "StripeApi":
    from client_credits.aws.config import STRIPE_API  # noqa: PLC0415
    from client_credits.aws.secrets import parameter_reader, stripe_api_key  # noqa: PLC0415
    from client_credits.stripe.api.queries import StripeApi  # noqa: PLC0415

    target = session.target
    key = stripe_api_key(parameter_reader(target.client("ssm")), target.secrets_prefix, practice_id)
    if key is None:
        raise CommandError(
            f"Practice {practice_id} has no Stripe API key, so Stripe cannot be asked: "
            f"give it one with `credits practice create {practice_id} --stripe-api-key`."
        )
    return StripeApi(key, account, target.outputs.get("StripeApiBase", STRIPE_API))


def _run(
    session: CliSession,
    api: "StripeApi",
    practice_id: str,
    receiver: str,
    since: datetime | None,
    until: datetime | None,
    repair: bool,
) -> "Reconciliation":
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.context import STRIPE, Context  # noqa: PLC0415
    from client_credits.stripe import reconciling  # noqa: PLC0415
    from client_credits.stripe import work as stripe_work  # noqa: PLC0415

    context = Context(session.store, practice_id, STRIPE, utc_now())
    mode = cast(Literal["test", "live"], session.target.outputs.get("StripeMode", "test"))
    name = None if since or until else f"last-{DAYS}-days:{'repair' if repair else 'report'}"
    begun = reconciling.last_run(context.store, practice_id, api.account, mode, name) if name else None
    if begun and not begun.finished:
        first, last = begun.since, begun.until
    else:
        first, last = _window(since, until, context.now)

    def apply(event: dict[str, Any]) -> str:
        return stripe_work.handle(context.of(receiver), api, mode, event, json.dumps(event))

    with session.output.progress("Comparing", reconciling.steps(first, last)) as advance:
        stripe, window = reconciling.StripeSide(api, mode, apply), reconciling.Window(first, last, name)
        return reconciling.reconcile(context, stripe, window, repair, _advancing(advance))


def _window(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    from datetime import UTC  # noqa: PLC0415

    from client_credits.stripe import reconciling  # noqa: PLC0415

    last = until.astimezone(UTC) if until else reconciling.window(now, DAYS)[1]
    first = since.astimezone(UTC) if since else last - timedelta(days=DAYS)
    if not first < last:
        raise typer.BadParameter("it must be before --to", param_hint="--from")
    if last > now:
        raise typer.BadParameter("it must not be in the future", param_hint="--to")
    return first, last


def _advancing(advance: Callable[[int], None]) -> Callable[["Reconciliation"], None]:
    """Moves the bar by what was gone through since its last call."""
    from client_credits.stripe.reconciling import steps_done  # noqa: PLC0415

    shown = 0

    def progress(run: "Reconciliation") -> None:
        nonlocal shown
        done = steps_done(run)
        advance(done - shown)
        shown = done

    return progress


def _why(refused: Any, practice_id: str, mode: str) -> str:
    if refused.code == "other_mode":
        return f"The API key of practice {practice_id} is not one of {mode} mode, which this stack serves."
    if refused.status == 401:
        return f"Stripe does not accept the API key of practice {practice_id}: give it another with --stripe-api-key."
    if refused.status == 403:
        return f"The API key of practice {practice_id} may not read this, or not this account: {refused}."
    return f"{refused}."


def _facts(practice_id: str, run: "Reconciliation", repair: bool) -> dict[str, Any]:
    from client_credits.domain.payments.reconciliation import Verdict  # noqa: PLC0415

    return {
        "practice_id": practice_id,
        "account": run.account,
        "mode": run.mode,
        "from": instant_text(run.since),
        "to": instant_text(run.until),
        "repair": repair,
        "counts": {verdict.value: run.counts.get(verdict, 0) for verdict in Verdict},
        "repaired": run.repaired,
        "left": run.left,
        "findings": [
            {
                "kind": found.kind,
                "id": found.object_id,
                "verdict": found.verdict,
                "detail": found.detail,
                "repaired": found.repaired,
            }
            for found in run.findings
        ],
    }


def _shown(practice_id: str, run: "Reconciliation", repair: bool) -> "RenderableType":
    from client_credits.domain.payments.reconciliation import Verdict  # noqa: PLC0415

    rows: list[tuple[Any, ...]] = [(verdict.value, f"{run.counts.get(verdict, 0):,}") for verdict in Verdict]
    title = f"Practice {practice_id}, {instant_text(run.since)} to {instant_text(run.until)}"
    counts = table(("found", "count #"), [*rows, ("repaired", f"{run.repaired:,}")], title)
    if not run.findings:
        return lines(counts, "Stripe and the ledger agree.")
    columns = ("what", "id", "found", "detail", "repaired")
    found = [(f.kind, f.object_id, f.verdict, f.detail, "yes" if f.repaired else None) for f in run.findings]
    text = lines(counts, table(columns, found, "Not fine"))
    return text if repair or not run.left else lines(text, "--repair brings in what is missing.")
