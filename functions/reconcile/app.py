"""Compares Stripe with the ledger once a day and brings in what no event brought: started by the schedule.

Every practice with an API key, the one tried longest ago first. A run that its time does not
suffice for goes on the next time where it stopped, and covers what happened since the last one that
came to its end. A practice that cannot be worked off is set aside and counted, and the others have their turn.
Doubled and overlapping runs are safe.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from client_credits.aws.clients import client
from client_credits.aws.config import ReconcileConfig
from client_credits.aws.logs import count, logger
from client_credits.aws.secrets import SecretsUnavailable, parameter_reader, practices_with_api_key, stripe_api_key
from client_credits.aws.worker import store_on, utc_now
from client_credits.domain.errors import Busy, NotFound
from client_credits.domain.payments.reconciliation import Reconciliation, Verdict
from client_credits.operations.context import STRIPE, Context
from client_credits.store.table import is_unavailable
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.errors import StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import StripeApi
from client_credits.stripe.reconciling import StripeSide, Window, last_run, reconcile, save, window

log = logger("reconcile")
NAME = "daily"
ATTEMPT = f"{NAME}:attempt"  # beside a practice's run: when it was begun last, whatever became of it
DAYS, MOST_DAYS = 3, 30
LEFT_SECONDS = 90  # no further object is begun with less time than this


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The schedule's event. Raises where Stripe or AWS was not there for some practice; all others are done by then."""
    log.clear_state()
    log.append_keys(request_id=context.aws_request_id)
    prefix, now = _config().secrets_prefix, utc_now()
    practices = sorted(practices_with_api_key(client("ssm"), prefix), key=_turn)
    unavailable = 0
    for practice_id in practices:
        if _seconds_left(context) < LEFT_SECONDS:
            log.warning("practices left for the next time", practices=len(practices))
            break
        try:
            _note_attempt(practice_id, now)
            _practice(practice_id, now, lambda: _seconds_left(context) >= LEFT_SECONDS)
        except (StripeUnavailable, SecretsUnavailable, Busy) as error:
            unavailable += 1
            _failed(practice_id, "unavailable", error)
        except (StripeRefused, NotFound) as error:
            _failed(practice_id, "refused", error)  # the practice's own to mend: its key, or what is left of it
        except Exception as error:  # whatever it is, the other practices' turn must come
            away = is_unavailable(error)
            unavailable += away
            _failed(practice_id, "unavailable" if away else "set_aside", type(error).__name__)
    if unavailable:
        raise StripeUnavailable(f"for {unavailable} of {len(practices)} practices")
    return {"practices": len(practices)}


@cache
def _config() -> ReconcileConfig:
    return ReconcileConfig.from_environment()


def _seconds_left(context: Any) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000


def _last(practice_id: str, name: str = NAME) -> Reconciliation | None:
    config = _config()
    return last_run(store_on(config.table_name), practice_id, "own", config.stripe_mode, name)


def _turn(practice_id: str) -> tuple[str, str]:
    """Sorts practices: those never tried first, then the longest ago; those tried at once by what was looked at."""
    tried, last = _last(practice_id, ATTEMPT), _last(practice_id)
    looked_at = (last.until if last.finished else last.since).isoformat() if last else ""
    return tried.until.isoformat() if tried else "", looked_at


def _note_attempt(practice_id: str, now: datetime) -> None:
    """Before all else: a practice that fails every time must not be first every time."""
    config = _config()
    attempt = Reconciliation(ATTEMPT, "own", config.stripe_mode, now, now, finished=True)
    save(Context(store_on(config.table_name), practice_id, STRIPE, now), attempt)


def _practice(practice_id: str, now: datetime, may_go_on: Callable[[], bool]) -> None:
    """First what a run before left unfinished, then what happened since."""
    last = _last(practice_id)
    run = _run(practice_id, last.since, last.until, now, may_go_on) if last and not last.finished else last
    if run is None or run.finished:
        since, until = window(now, DAYS)
        if run is not None:
            since = max(min(since, run.until), until - timedelta(days=MOST_DAYS))
        _run(practice_id, since, until, now, may_go_on)


def _run(
    practice_id: str, since: datetime, until: datetime, now: datetime, may_go_on: Callable[[], bool]
) -> Reconciliation:
    config = _config()
    context, mode = Context(store_on(config.table_name), practice_id, STRIPE, now), config.stripe_mode
    key = stripe_api_key(parameter_reader(client("ssm")), config.secrets_prefix, practice_id)
    if key is None:
        raise StripeRefused(401, "no_api_key")  # taken away since it was listed
    api = StripeApi(key, None, config.stripe_api_base)

    def apply(event: dict[str, Any]) -> str:
        return stripe_work.handle(context, api, mode, event, json.dumps(event))  # type: ignore[arg-type]

    stripe = StripeSide(api, mode, apply)  # type: ignore[arg-type]
    run = reconcile(context, stripe, Window(since, until, NAME), repair=True, may_go_on=may_go_on)
    _tell(practice_id, run)
    return run


def _tell(practice_id: str, run: Reconciliation) -> None:
    tell = log.warning if run.repaired or run.left or run.set_aside else log.info
    counts = {str(verdict): number for verdict, number in run.counts.items()}
    ids = {"practice_id": practice_id, "finished": run.finished}
    tell("compared with stripe", **ids, **counts, repaired=run.repaired, left=run.left)
    if run.repaired:
        count("ReconcileRepaired")
    if run.left:
        count("ReconcileLeft")
    if run.set_aside:
        count("SetAside", reason="object")
        for found in (each for each in run.findings if each.verdict is Verdict.SET_ASIDE):
            log.error("set aside", practice_id=practice_id, object_id=found.object_id, reason=found.detail)


def _failed(practice_id: str, why: str, error: Exception | str) -> None:
    count("ReconcileFailed", reason=why)
    log.error(f"not compared with stripe: {error}", practice_id=practice_id)
