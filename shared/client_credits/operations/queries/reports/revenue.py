"""What became of the worth of credits over a period: opening + sold - earned - expired - refunded = closing."""

from dataclasses import astuple, dataclass
from datetime import timedelta

from client_credits.domain.ledger.worth import Revenue, revenue
from client_credits.operations.context import Context
from client_credits.operations.queries.reports.histories import Purchases, by_what_was_bought
from client_credits.operations.queries.reports.pages import Period, ReportAsk, ReportPage

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RevenueRow:
    """Amounts are in minor units of the currency. `client_id` bought the credits, whoever has them now."""

    client_id: str
    client_name: str | None
    package_id: str | None
    currency: str
    opening: int
    sold: int
    earned: int
    expired: int
    refunded: int
    closing: int


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[RevenueRow]:
    """Rows in order of client, package and currency; a period ends now at the latest, for what comes is not earned.

    Raises what `by_what_was_bought` raises.
    """
    until = min(asked.period.until, context.now + _INSTANT)
    period = Period(min(asked.period.since, until), until)
    return by_what_was_bought(context, asked, after, limit, lambda bought: _row(bought, period))


def _row(bought: Purchases, period: Period) -> RevenueRow | None:
    each = (revenue(sold.value, sold.changes, period.since, period.until) for sold in bought.credits)
    every = sum(each, start=Revenue())
    if not any(astuple(every)):
        return None
    return RevenueRow(
        client_id=bought.client_id,
        client_name=bought.client_name,
        package_id=bought.package_id,
        currency=bought.currency,
        opening=every.opening,
        sold=every.sold,
        earned=every.earned,
        expired=every.expired,
        refunded=every.refunded,
        closing=every.closing,
    )
