"""Every report: its name, its rows, its page and what its period is where none is named."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from client_credits.operations.context import Context
from client_credits.operations.queries.reports import credits, expiring, negative, parked, refusals
from client_credits.operations.queries.reports.pages import Period, ReportPage
from client_credits.operations.queries.reports.periods import PeriodRule

PageOf = Callable[[Context, Period, str | None, int], ReportPage[Any]]


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
        Report("negative", negative.NegativeRow, negative.page),
        Report("expiring", expiring.ExpiringRow, expiring.page, PeriodRule.AHEAD),
        Report("refusals", refusals.RefusalRow, refusals.page, PeriodRule.PAST),
        Report("parked", parked.ParkedRow, parked.page),
    )
}
