"""Reports over the practice, page by page: JSON, or CSV where the caller accepts `text/csv`."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import Invalid, Problem
from client_credits.domain.instants import read_instant
from client_credits.http.cursors import query_of
from client_credits.http.request import Ask, asked
from client_credits.http.responses import Cursor, Limit, reads
from client_credits.http.schemas.reports import (
    CreditsReport,
    ExpiringReport,
    MovementsReport,
    NegativeReport,
    OutstandingReport,
    ParkedReport,
    RefusalsReport,
    RevenueReport,
)
from client_credits.operations.queries.reports import csv_rows
from client_credits.operations.queries.reports.every import REPORTS, Report
from client_credits.operations.queries.reports.pages import Period, ReportAsk, ReportPage
from client_credits.operations.queries.reports.periods import PeriodRule, period_of
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

Since = Annotated[
    str | None,
    Query(alias="from", max_length=40, description="A local day, or an instant, with which the period begins."),
]
Until = Annotated[
    str | None,
    Query(
        alias="to",
        max_length=40,
        description="A local day, which is part of the period, or an instant, which is not.",
    ),
]


def _report(path: str, summary: str) -> Callable[[Any], Any]:
    route: Callable[[Any], Any] = router.get(path, tags=["reports"], summary=summary, responses=reads())
    return route


@_report("/v1/reports/credits", "Credits per client and appointment type")
def report_credits(limit: Limit = 50, cursor: Cursor = None) -> Response[CreditsReport | str]:
    return _page(asked(router), REPORTS["credits"], CreditsReport, limit, cursor)


@_report("/v1/reports/movements", "What moved each balance over a period, by kind of entry")
def report_movements(
    limit: Limit = 50, cursor: Cursor = None, since: Since = None, until: Until = None
) -> Response[MovementsReport | str]:
    return _page(asked(router), REPORTS["movements"], MovementsReport, limit, cursor, since, until)


@_report("/v1/reports/outstanding", "What the practice owes sessions for: the value of credits unspent and booked")
def report_outstanding(limit: Limit = 50, cursor: Cursor = None) -> Response[OutstandingReport | str]:
    return _page(asked(router), REPORTS["outstanding"], OutstandingReport, limit, cursor)


@_report("/v1/reports/revenue", "What became of the value of credits over a period")
def report_revenue(
    limit: Limit = 50, cursor: Cursor = None, since: Since = None, until: Until = None
) -> Response[RevenueReport | str]:
    return _page(asked(router), REPORTS["revenue"], RevenueReport, limit, cursor, since, until)


@_report("/v1/reports/negative", "Who owes credits")
def report_negative(limit: Limit = 50, cursor: Cursor = None) -> Response[NegativeReport | str]:
    return _page(asked(router), REPORTS["negative"], NegativeReport, limit, cursor)


@_report("/v1/reports/expiring", "Credits that end within a period, by default the next 30 days")
def report_expiring(
    limit: Limit = 50, cursor: Cursor = None, since: Since = None, until: Until = None
) -> Response[ExpiringReport | str]:
    return _page(asked(router), REPORTS["expiring"], ExpiringReport, limit, cursor, since, until)


@_report("/v1/reports/refusals", "Bookings refused within a period, by default the last 30 days")
def report_refusals(
    limit: Limit = 50, cursor: Cursor = None, since: Since = None, until: Until = None
) -> Response[RefusalsReport | str]:
    return _page(asked(router), REPORTS["refusals"], RefusalsReport, limit, cursor, since, until)


@_report("/v1/reports/parked", "Payments that are not granted and wait for staff")
def report_parked(limit: Limit = 50, cursor: Cursor = None) -> Response[ParkedReport | str]:
    return _page(asked(router), REPORTS["parked"], ParkedReport, limit, cursor)


def _page(
    ask: Ask,
    report: Report,
    view: type[Any],
    limit: int,
    cursor: str | None,
    since: str | None = None,
    until: str | None = None,
) -> Response[Any]:
    """The page behind a cursor, which keeps the period: one that ends now does not move from page to page."""
    _refuse_period(report)
    query = query_of("report", report.name, since, until)
    place = ask.open(query, cursor)
    if place:
        period = Period(read_instant(place["since"]), read_instant(place["until"]))
    else:
        period = _period(ask, report, since, until)
    found = report.page(ask.context, ReportAsk(period), place["after"] if place else None, limit)
    following = ask.seal(query, _place(found, period))
    if _wants_csv():
        return _csv(report, found, following)
    return Response(200, "application/json", view(items=found.rows, next_cursor=following))


def _refuse_period(report: Report) -> None:
    """Raises Invalid where a period is asked of a report that has none."""
    named = [name for name in ("from", "to") if name in (router.current_event.query_string_parameters or {})]
    if report.period is PeriodRule.NONE and named:
        faults = (Problem(f"/query/{name}", "unknown_field", "leave out from and to") for name in named)
        raise Invalid("This report has no period.", *faults)


def _period(ask: Ask, report: Report, since: str | None, until: str | None) -> Period:
    if report.period is PeriodRule.NONE:
        return Period(ask.now, ask.now)
    timezone = ask.store.load(ask.practice_id, Wanted()).settings.timezone
    return period_of(report.period, since, until, ask.now, timezone)


def _place(found: ReportPage[Any], period: Period) -> dict[str, str] | None:
    if found.next is None:
        return None
    return {"after": found.next, "since": period.since.isoformat(), "until": period.until.isoformat()}


def _wants_csv() -> bool:
    accepts = str(router.current_event.headers.get("accept") or "")
    return "text/csv" in accepts.lower()


def _csv(report: Report, found: ReportPage[Any], following: str | None) -> Response[Any]:
    text = csv_rows.header(report.row) + csv_rows.lines(report.row, found.rows)
    headers = {"X-Next-Cursor": following} if following else {}
    return Response(200, "text/csv; charset=utf-8", text, headers)
