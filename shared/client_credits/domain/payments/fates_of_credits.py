"""Read off the ledger: what became of the credits of each payment line, and when.

A credit is earned at its session, or when it was spent where that was later. A lot that repays a debt is earned at
the later of the session and the repayment. Credits that return leave what they had become before.
Owns no value: how much the credits are worth is for `domain.ledger.worth`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from client_credits.domain.ledger.entries import CauseKind, Entry, EntryKind, Posting
from client_credits.domain.ledger.wallet import Value
from client_credits.domain.ledger.worth import Fate, FateChange
from client_credits.domain.payments.returning import returns

_MOVES_ON = {
    EntryKind.TRANSFERRED_IN,
    EntryKind.TRANSFERRED_OUT,
    EntryKind.ROLLED_OVER,
    EntryKind.EXTENDED,
    EntryKind.FROZEN,
    EntryKind.UNFROZEN,
}
_TAKEN_FOR_MONEY = (CauseKind.REFUND, CauseKind.DISPUTE, CauseKind.SUBSCRIPTION, CauseKind.PACKAGE)


@dataclass(slots=True)
class SoldCredits:
    """The credits of one payment line, in whatever wallets they are: who bought them, and what became of them."""

    client_id: str
    package_id: str | None
    value: Value
    changes: list[FateChange] = field(default_factory=list)
    tally: Counter[Fate] = field(default_factory=Counter)

    def change(self, at: datetime, credits: int, since: Fate | None, to: Fate) -> None:
        if credits:
            self.changes.append(FateChange(at, credits, since, to))
            self.tally[to] += credits
            if since:
                self.tally[since] -= credits


@dataclass(slots=True)
class _Spent:
    """Credits that were spent at once: where among the changes they are to be earned, and how many never will be."""

    place: int
    earned_at: datetime
    credits: int
    back: int = 0  # how many came back
    back_before: int = 0  # of these, how many before they were earned


@dataclass(frozen=True, slots=True)
class BookedSession:
    """When a booking's session starts as known now, and under which id the booking began, where that is another."""

    starts_at: datetime
    began_as: str | None = None


def sold_credits(entries: Iterable[Entry], sessions: Mapping[str, BookedSession]) -> dict[str, SoldCredits]:
    """What became of the credits of each payment line, by a name of the line.

    `entries` are all those of some wallets; a line is followed as far as these go. `sessions` are those of the
    bookings that the entries name; where one is missing, its entry says when it starts. Lots without a value
    are left out.
    """
    reader = _Reader(sessions)
    for entry in sorted(entries, key=_in_order):
        reader.read(entry)
    reader.earn()
    return reader.sold


def _in_order(entry: Entry) -> tuple[datetime, str, str, int]:
    """As they were recorded; those of one wallet by number."""
    return entry.recorded_at, entry.client_id, entry.appointment_type, entry.sequence


class _Reader:
    def __init__(self, sessions: Mapping[str, BookedSession]) -> None:
        self.sold: dict[str, SoldCredits] = {}
        self._sessions = sessions
        self._lots: dict[str, str] = {}  # lot id -> name of its line
        self._spent: dict[tuple[str, str], list[_Spent]] = {}  # by line, and booking or debt
        self._stated: dict[str, datetime] = {}  # starts that entries state

    def read(self, entry: Entry) -> None:
        booking = entry.cause.ids.get("booking_id")
        if booking and (start := entry.cause.ids.get("starts_at")):
            self._stated[booking] = datetime.fromisoformat(start)
        for posting in entry.postings:
            self._know(posting, entry)
        if entry.kind in _MOVES_ON:
            return
        if entry.kind == EntryKind.REPAID:
            self._repaid(entry)
            return
        repaid = {id(lot): debt for lot, debt in returns(entry)}
        for posting in entry.postings:
            line = self._lots.get(posting.lot_id or "")
            if line is not None and posting.amount:
                self._posted(entry, posting, line, repaid.get(id(posting)), booking)

    def _know(self, posting: Posting, entry: Entry) -> None:
        """Which line a lot is of, and, where it was sold here, that there is such a line."""
        facts, lot_id = posting.facts, posting.lot_id
        if facts is None or lot_id is None or facts.value is None or not facts.value.credits:
            return
        line = facts.payment or self._lots.get(facts.parent or "") or f"lot {lot_id}"
        if facts.payment is None and not line.startswith("lot "):
            return  # made for what no lot of the line gave: it has the line's value and is worth nothing
        self._lots.setdefault(lot_id, line)
        if posting.amount > 0 and facts.parent is None and entry.kind != EntryKind.TRANSFERRED_IN:
            known = self.sold.setdefault(line, SoldCredits(entry.client_id, facts.package_id, facts.value))
            known.value = facts.value  # more of a line may be heard of later

    def _posted(self, entry: Entry, posting: Posting, line: str, debt: str | None, booking: str | None) -> None:
        sold, at, amount = self.sold.get(line), entry.occurred_at, posting.amount
        if sold is None:
            return
        if debt is not None:
            self._back(sold, line, debt, amount, at)
        elif amount > 0 and entry.kind == EntryKind.GRANTED:
            sold.change(at, amount, None, Fate.UNSPENT)
        elif booking is not None and amount > 0:
            self._back(sold, line, booking, amount, at)
        elif booking is not None and entry.kind == EntryKind.SPENT:
            self._spend(sold, line, booking, -amount, at)
        elif amount > 0:
            self._returned(sold, amount, at, entry.cause.kind in _TAKEN_FOR_MONEY)
        else:
            to = Fate.REFUNDED if entry.kind == EntryKind.CLAWED_BACK else Fate.EXPIRED
            sold.change(at, -amount, Fate.UNSPENT, to)

    def _repaid(self, entry: Entry) -> None:
        for lot, debt in pairwise(entry.postings):
            line = self._lots.get(lot.lot_id or "")
            if line is not None and debt.debt and line in self.sold:
                self._spend(self.sold[line], line, debt.debt, -lot.amount, entry.occurred_at)

    def _spend(self, sold: SoldCredits, line: str, on: str, credits: int, at: datetime) -> None:
        session = self._sessions.get(on)
        starts_at = session.starts_at if session else self._stated.get(on, at)
        sold.change(at, credits, Fate.UNSPENT, Fate.BOOKED)
        spent = _Spent(len(sold.changes), max(starts_at, at), credits)
        self._spent.setdefault((line, self._began_as(on)), []).append(spent)

    def _began_as(self, on: str) -> str:
        """A booking goes on under another id: what it spent under the first comes back under the last."""
        session = self._sessions.get(on)
        return session.began_as or on if session else on

    def _back(self, sold: SoldCredits, line: str, on: str, credits: int, at: datetime) -> None:
        """What comes back is what was spent last. Once it was earned, it is earned no more from now on."""
        for spent in reversed(self._spent.get((line, self._began_as(on)), [])):
            part = min(credits, spent.credits - spent.back)
            early = at < spent.earned_at
            spent.back += part
            spent.back_before += part if early else 0
            credits -= part
            sold.change(at, part, Fate.BOOKED if early else Fate.EARNED, Fate.UNSPENT)
        sold.change(at, credits, Fate.EARNED, Fate.UNSPENT)

    def _returned(self, sold: SoldCredits, credits: int, at: datetime, for_money: bool) -> None:
        """Credits that were taken or had ended are there again; what never was there is sold now."""
        order = (Fate.REFUNDED, Fate.EXPIRED) if for_money else (Fate.EXPIRED, Fate.REFUNDED)
        for fate in order:
            part = max(0, min(credits, sold.tally[fate]))
            credits -= part
            sold.change(at, part, fate, Fate.UNSPENT)
        sold.change(at, credits, None, Fate.UNSPENT)

    def earn(self) -> None:
        """Puts what is earned among the changes, each behind the spending that it belongs to."""
        coming: dict[str, list[_Spent]] = {}
        for (line, _), spent in self._spent.items():
            coming.setdefault(line, []).extend(spent)
        for line, spent in coming.items():
            changes = self.sold[line].changes
            for each in sorted(spent, key=lambda each: each.place, reverse=True):
                if credits := each.credits - each.back_before:
                    changes.insert(each.place, FateChange(each.earned_at, credits, Fate.BOOKED, Fate.EARNED))
