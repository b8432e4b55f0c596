"""The report `credits`: what each client has of each type, as it stands when the page is read."""

from collections.abc import Mapping
from typing import Any

from client_credits.operations.context import Context
from client_credits.operations.jobs.exporting import ReportPage
from client_credits.operations.queries.clients import Requests, chunks, roster, settled

REQUESTS = 48  # pages of the roster read for one page of the report


class CreditsReport:
    """A row per client and type, in order of id. Reads a bounded part of the roster for a page."""

    columns = ("client_id", "appointment_type", "balance", "debt")

    def page(self, context: Context, asked: Mapping[str, Any], after: str | None, limit: int) -> ReportPage:
        """Rows of the clients behind the id `after`; the last client's rows may pass `limit`."""
        requests = Requests(REQUESTS)
        rows: list[tuple[str | int | None, ...]] = []
        for lines in chunks(roster(context.store, context.practice_id, after, requests=requests), context.now):
            for line in settled(context, lines):
                if len(rows) >= limit:
                    return ReportPage(rows, after)
                rows += [(line.client_id, t, line.balances[t], line.debts[t]) for t in sorted(line.balances)]
                after = line.client_id
        return ReportPage(rows, after if requests.spent else None)
