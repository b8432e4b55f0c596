"""Every report: its name, its rows, its page and what its period is where none is named."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from client_credits.operations.context import Context
from client_credits.operations.queries.reports import (
    credits,
    expiring,
    movements,
    negative,
    outstanding,
    parked,
    refusals,
    revenue,
)
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage
from client_credits.operations.queries.reports.periods import PeriodRule

PageOf = Callable[[Context, ReportAsk, str | None, int], ReportPage[Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """`row` is a dataclass: its fields are the columns. `page` gives at most so many rows from a place on."""

    name: str
    row: type
    page: PageOf
    period: PeriodRule = PeriodRule.NONE


REPORTS = {
    report.name: report
    for report in (
        Report("credits", credits.CreditsRow, credits.page),
        Report("movements", movements.MovementsRow, movements.page, PeriodRule.PAST),
        Report("negative", negative.NegativeRow, negative.page),
        Report("expiring", expiring.ExpiringRow, expiring.page, PeriodRule.AHEAD),
        Report("outstanding", outstanding.OutstandingRow, outstanding.page),
        Report("revenue", revenue.RevenueRow, revenue.page, PeriodRule.PAST),
        Report("refusals", refusals.RefusalRow, refusals.page, PeriodRule.PAST),
        Report("parked", parked.ParkedRow, parked.page),
    )
}
