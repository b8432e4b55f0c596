"""Pages of reports. Their rows are those of the reports themselves, field by field."""

from client_credits.http.schemas.common import View
from client_credits.operations.queries.reports.credits import CreditsRow
from client_credits.operations.queries.reports.expiring import ExpiringRow
from client_credits.operations.queries.reports.negative import NegativeRow
from client_credits.operations.queries.reports.parked import ParkedRow
from client_credits.operations.queries.reports.refusals import RefusalRow


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
