"""What the practice owes sessions for, now: the worth of unspent credits, and of those booked for sessions to come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from client_credits.domain.ledger.worth import Fate, Worth, worth_before
from client_credits.operations.context import Context
from client_credits.operations.queries.reports.histories import Purchases, by_what_was_bought
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage

_INSTANT = timedelta(microseconds=1)  # what happens just now has happened


@dataclass(frozen=True, slots=True)
class OutstandingRow:
    """Amounts are in minor units of the currency. `client_id` bought the credits, whoever has them now."""

    client_id: str
    client_name: str | None
    package_id: str | None
    currency: str
    unspent_credits: int
    unspent_amount: int
    booked_credits: int
    booked_amount: int
    outstanding_amount: int


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[OutstandingRow]:
    """Rows in order of client, package and currency. They take no period. Raises what `by_what_was_bought` raises."""
    return by_what_was_bought(context, asked, after, limit, lambda bought: _row(bought, context.now + _INSTANT))


def _row(bought: Purchases, before: datetime) -> OutstandingRow | None:
    every = [worth for sold in bought.credits for worth in worth_before(sold.value, sold.changes, (before,))]
    unspent, booked = _sums(every, Fate.UNSPENT), _sums(every, Fate.BOOKED)
    if not any((*unspent, *booked)):
        return None
    return OutstandingRow(
        client_id=bought.client_id,
        client_name=bought.client_name,
        package_id=bought.package_id,
        currency=bought.currency,
        unspent_credits=unspent[0],
        unspent_amount=unspent[1],
        booked_credits=booked[0],
        booked_amount=booked[1],
        outstanding_amount=unspent[1] + booked[1],
    )


def _sums(every: list[Worth], fate: Fate) -> tuple[int, int]:
    """Credits and amount."""
    return sum(worth.credits[fate] for worth in every), sum(worth.amounts[fate] for worth in every)
