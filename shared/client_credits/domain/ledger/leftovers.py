"""Staff remove leftovers by a rule: what is left of the lots it chooses expires, but for what would be spent last."""

from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, LotSource, burn_order, take
from client_credits.domain.practice.dated_settings import SettingsOverTime


@dataclass(frozen=True, slots=True)
class LeftoversRule:
    """Which lots are leftovers, and how many of their credits each wallet keeps, those that would be spent last.

    Of a client, a type, a package, or of billing cycles that had ended by `cycle_ended_before`, inclusive, and have
    ended by now. Held credits, frozen lots and rolled-over ones are none, and are not counted as kept.
    """

    client_id: str | None = None
    appointment_type: str | None = None
    package_id: str | None = None
    cycle_ended_before: datetime | None = None
    keep: int = 0

    def chooses(self, lot: Lot, now: datetime) -> bool:
        if lot.frozen or lot.source is LotSource.ROLLED_OVER or self.package_id not in (None, lot.package_id):
            return False
        if self.cycle_ended_before is None:
            return True
        return lot.cycle is not None and lot.cycle[1] <= min(self.cycle_ended_before, now)

    def named(self) -> dict[str, str]:
        """The rule as a cause says it."""
        until = {"cycle_ended_before": instant_text(self.cycle_ended_before)} if self.cycle_ended_before else {}
        return {"keep": str(self.keep)} | until | ({"package_id": self.package_id} if self.package_id else {})


def expire_leftovers(change: Change, rule: LeftoversRule, act: Act, settings: SettingsOverTime, room: int) -> Change:
    """Takes the leftovers of a settled wallet: one `expired` entry. Nothing left over, nothing changes."""
    wallet = change.wallet
    chosen = [(lot, wallet.free(lot, act.now)) for lot in burn_order(wallet.open_lots) if rule.chooses(lot, act.now)]
    postings = []
    for lot, part in take(chosen, sum(free for _, free in chosen) - rule.keep):
        wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
        postings.append(Posting(-part, lot_id=lot.lot_id))
    if not postings:
        return change
    change = change.record(wallet, EntryKind.EXPIRED, act, tuple(postings))
    return settle(change, act.now, settings, act, limit=room)
