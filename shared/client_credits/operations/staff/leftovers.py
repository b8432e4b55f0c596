"""Leftovers by rule expire: the bulk change by which staff remove what is left of lots, but for some to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, Entry, EntryKind
from client_credits.domain.ledger.leftovers import LeftoversRule, expire_leftovers
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.staff.bulk_changes import LotChange
from client_credits.operations.staff.extending import check_known
from client_credits.store.records import Loaded


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The removal of leftovers by one rule, as a change of many clients."""

    rule: LeftoversRule
    outcome: str = "expired"

    @property
    def cause(self) -> Cause:
        return Cause(CauseKind.STAFF, self.rule.named())

    @property
    def only_client(self) -> str | None:
        return self.rule.client_id

    def check(self, loaded: Loaded, _now: datetime) -> None:
        check_known(loaded, self.rule.appointment_type, self.rule.package_id)

    def types(self, line: RosterLine, now: datetime) -> tuple[str, ...]:
        """The wallets that have credits, or may have some once they are settled."""
        kinds = [t for t in line.balances if self.rule.appointment_type in (None, t)]
        return tuple(t for t in kinds if line.may_differ(now) or line.balances[t] + line.debts.get(t, 0) > 0)

    def decide(
        self, _context: Context, loaded: Loaded, before: Mapping[str, Change], act: Act, room: int
    ) -> list[Change]:
        return [expire_leftovers(change, self.rule, act, loaded.dated, room) for change in before.values()]

    def lots(self, entries: Sequence[Entry]) -> list[LotChange]:
        return [
            LotChange(entry.client_id, entry.appointment_type, posting.lot_id, -posting.amount)
            for entry in entries
            if entry.kind == EntryKind.EXPIRED
            for posting in entry.postings
            if posting.lot_id
        ]
