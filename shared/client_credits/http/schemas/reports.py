"""Pages of reports. Their rows are those of the reports themselves, field by field."""

from client_credits.http.schemas.common import View
from client_credits.operations.queries.reports.credits import CreditsRow
from client_credits.operations.queries.reports.expiring import ExpiringRow
from client_credits.operations.queries.reports.movements import MovementsRow
from client_credits.operations.queries.reports.negative import NegativeRow
from client_credits.operations.queries.reports.outstanding import OutstandingRow
from client_credits.operations.queries.reports.parked import ParkedRow
from client_credits.operations.queries.reports.refusals import RefusalRow
from client_credits.operations.queries.reports.revenue import RevenueRow


class CreditsReport(View):
    items: list[CreditsRow]
    next_cursor: str | None


class NegativeReport(View):
    items: list[NegativeRow]
    next_cursor: str | None


class ExpiringReport(View):
    items: list[ExpiringRow]
    next_cursor: str | None


class RefusalsReport(View):
    items: list[RefusalRow]
    next_cursor: str | None


class ParkedReport(View):
    items: list[ParkedRow]
    next_cursor: str | None


class MovementsReport(View):
    items: list[MovementsRow]
    next_cursor: str | None


class OutstandingReport(View):
    items: list[OutstandingRow]
    next_cursor: str | None


class RevenueReport(View):
    items: list[RevenueRow]
    next_cursor: str | None
