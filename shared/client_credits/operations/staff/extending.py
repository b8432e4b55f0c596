"""All lots of a package, or of a window of ends, end later: the bulk change that staff make for a closure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.domain.ledger.adjusting import check_end
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, Entry, EntryKind
from client_credits.domain.ledger.extending import ExtensionRule, extend_all
from client_credits.domain.ledger.lost import lost_at_ends
from client_credits.domain.ledger.wallet import Lot
from client_credits.domain.payments.standing import returning
from client_credits.operations.context import Context
from client_credits.operations.payments.standing import standings
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.staff.bulk_changes import LotChange
from client_credits.store.records import Loaded


@dataclass(frozen=True, slots=True)
class Extension:
    """The extension by one rule, as a change of many clients."""

    rule: ExtensionRule
    outcome: str = "extended"
    only_client: str | None = None

    @property
    def cause(self) -> Cause:
        return Cause(CauseKind.EXTENSION, self.rule.named())

    def check(self, loaded: Loaded, now: datetime) -> None:
        """Raises NotFound, and Invalid for an end that has passed."""
        if self.rule.by_days is None:
            check_end(self.rule.expires_at, now)
        check_known(loaded, self.rule.appointment_type, self.rule.package_id)

    def types(self, line: RosterLine, _now: datetime) -> tuple[str, ...]:
        """Every wallet there is: an emptied lot, which no list shows, may end later, too."""
        return tuple(t for t in line.balances if self.rule.appointment_type in (None, t))

    def decide(
        self, context: Context, loaded: Loaded, before: Mapping[str, Change], act: Act, room: int
    ) -> list[Change]:
        owners = dict.fromkeys(owner for change in before.values() for owner in change.wallet.owners)
        stored = {owner: context.store.all_closed_lots(context.practice_id, owner) for owner in owners}
        timezone, changes = loaded.dated.at(act.now).timezone, []
        for kind, settled in before.items():
            change = settled
            for owner in settled.wallet.owners:  # its own first: a lot may have been emptied once more since a merge
                chosen = [lot for lot in stored[owner].get(kind, []) if self.rule.extends(lot, act.now, timezone)]
                change = replace(change, wallet=change.wallet.knowing(chosen))
            ended = [x for x in change.wallet.lots if x.end <= act.now and self.rule.extends(x, act.now, timezone)]
            back = _returning(context, change, ended) if self.rule.revive and ended else {}
            changes.append(extend_all(change, self.rule, back, act, loaded.dated, room))
        return changes

    def lots(self, entries: Sequence[Entry]) -> list[LotChange]:
        came = {
            (e.client_id, p.lot_id): p.amount for e in entries if e.kind == EntryKind.REINSTATED for p in e.postings
        }
        return [
            LotChange(
                e.client_id, e.appointment_type, p.lot_id, came.get((e.client_id, p.lot_id), 0), p.facts.expires_at
            )
            for e in entries
            if e.kind == EntryKind.EXTENDED
            for p in e.postings
            if p.lot_id and p.facts
        ]


def check_known(loaded: Loaded, appointment_type: str | None, package_id: str | None) -> None:
    """Raises NotFound for a type, Invalid for a package that the catalogue does not have."""
    if appointment_type is not None and appointment_type not in loaded.catalogue.types:
        raise NotFound(f"There is no appointment type {appointment_type}.")
    if package_id is not None and package_id not in loaded.catalogue.packages:
        fault = Problem("/package_id", "unknown", "name a package of the catalogue")
        raise Invalid("This package does not exist.", fault)


def _returning(context: Context, change: Change, ended: list[Lot]) -> dict[str, int]:
    """What comes back to each of these lots: what it lost at its end, as far as its payment still stands for it."""
    wallet = change.wallet
    written = [
        entry
        for owner in reversed(wallet.owners)  # what was merged into it comes before its own
        for entry in context.store.entries_after(wallet.practice_id, owner, wallet.appointment_type, 0)
        if owner != wallet.client_id or entry.sequence <= change.before.sequence
    ]
    known = lost_at_ends([*written, *change.entries])
    lots = [lot for lot in sorted(ended, key=lambda lot: (lot.end, lot.lot_id)) if known[lot.lot_id] > 0]
    lost = {lot.lot_id: known[lot.lot_id] for lot in lots}
    paid = standings(context, wallet.appointment_type, {lot.payment for lot in lots if lot.payment})
    return returning(lost, wallet.client_id, paid, [lot.lot_id for lot in lots if not lot.payment])
