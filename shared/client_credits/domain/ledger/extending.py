"""Staff give all lots of a package, or of a window of ends, a later end; what expired in the window may come back.

Knows one wallet. How much of an ended lot its payment still stands for is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting
from client_credits.domain.ledger.expiry import days_later
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot
from client_credits.domain.practice.dated_settings import SettingsOverTime


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """Which lots end later, and when. A lot is chosen by its package and by `ends_from <= end < ends_to`.

    The new end is `expires_at` (None: never) or, where `by_days` is given, that many local days after the lot's.
    With `revive`, what the lots of the window lost when they ended comes back.
    """

    package_id: str | None = None
    appointment_type: str | None = None
    ends_from: datetime | None = None
    ends_to: datetime | None = None
    expires_at: datetime | None = None
    by_days: int | None = None
    revive: bool = False

    def new_end(self, lot: Lot, timezone: str) -> datetime | None:
        """When a lot that has an end ends by this rule; None for never."""
        assert lot.expires_at is not None
        return self.expires_at if self.by_days is None else days_later(lot.expires_at, self.by_days, timezone)

    def extends(self, lot: Lot, now: datetime, timezone: str) -> bool:
        """Whether the rule gives this lot a later end, which is still to come. A void is final."""
        if lot.expires_at is None or lot.voided or not self._chooses(lot):
            return False
        ends = self.new_end(lot, timezone)
        return ends is None or ends > max(lot.expires_at, now)

    def _chooses(self, lot: Lot) -> bool:
        of_package = self.package_id in (None, lot.package_id)
        late_enough = self.ends_from is None or lot.end >= self.ends_from
        return of_package and late_enough and (self.ends_to is None or lot.end < self.ends_to)

    def named(self) -> dict[str, str]:
        """The rule as a cause says it."""
        ends = {"by_days": str(self.by_days)} if self.by_days else {"expires_at": _text(self.expires_at) or "never"}
        window = {"ends_from": _text(self.ends_from), "ends_to": _text(self.ends_to), "package_id": self.package_id}
        revives = {"revive": "true"} if self.revive else {}
        return ends | {name: text for name, text in window.items() if text} | revives


def _text(instant: datetime | None) -> str | None:
    return instant_text(instant) if instant else None


def extend_all(
    change: Change, rule: ExtensionRule, returning: Mapping[str, int], act: Act, settings: SettingsOverTime, room: int
) -> Change:
    """A settled wallet, all of whose lots the rule chooses among are known, with what it asks for.

    `returning` is what comes back to ended lots (`reinstated`); these and all that have not ended, emptied
    ones too, end later (`extended`). What comes back does not roll over again. Nothing chosen, nothing changes.
    """
    timezone, wallet = settings.at(act.now).timezone, change.wallet
    ended = [lot for lot in wallet.lots if returning.get(lot.lot_id)]
    running = [lot for lot in wallet.lots if lot.end > act.now and rule.extends(lot, act.now, timezone)]
    if ended:
        for lot in ended:
            wallet = wallet.with_lot(replace(lot, remaining=lot.remaining + returning[lot.lot_id], rollover=None))
        came = tuple(Posting(returning[lot.lot_id], lot_id=lot.lot_id) for lot in ended)
        change = change.record(wallet, EntryKind.REINSTATED, act, came)
    if not (ended or running):
        return change
    for lot in (*ended, *running):
        known = wallet.lot(lot.lot_id)
        assert known is not None
        wallet = wallet.with_lot(replace(known, expires_at=rule.new_end(lot, timezone), extended=True))
    postings = tuple(Posting(0, lot_id=lot.lot_id) for lot in (*ended, *running))
    change = change.record(replace(change.wallet, lots=wallet.lots), EntryKind.EXTENDED, act, postings)
    return settle(change, act.now, settings, act, limit=room)
