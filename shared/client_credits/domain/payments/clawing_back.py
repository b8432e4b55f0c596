"""Credits follow the money: clawed back when it is given back, reinstated when that fails.

Per grant: target = granted x refunded / paid, rounded down until fully refunded. It is taken from the
lots that descend from the grant, wherever they are now; spent credits that the target reaches become
the buyer's debt, or are only reported. Everything follows from the records as they stand, so news in
any order, split in any way, and credits returning later, end in the same numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from client_credits.domain.ids import derived_id, payment_key
from client_credits.domain.ledger.entries import Act, Change, Entry, EntryKind, LotFacts, Posting, lot_of
from client_credits.domain.ledger.taking import taken_from
from client_credits.domain.ledger.tranches import (
    Ended,
    last_of,
    only_until,
    part_of_those_that_come,
    stop_tranches,
    withhold,
)
from client_credits.domain.ledger.wallet import Debt, DebtCause, Lot, Wallet
from client_credits.domain.payments.disputing import Wait, expired_too_soon, put_off
from client_credits.domain.payments.families import Family
from client_credits.domain.payments.payment_record import PaidGrant, Taken
from client_credits.domain.payments.replaced import given_back, undone_of
from client_credits.domain.payments.returning import Repaid, made_from, repayers

Pair = tuple[str, str]  # client id, appointment type: a wallet


def claw(
    books: "Books",
    payment_id: str,
    grant: PaidGrant,
    part: Fraction,
    of: Family,
    *,
    owe: bool,
    ends: tuple[Ended, ...] = (),
) -> PaidGrant:
    """What is undone of one grant becomes `part` (0 to 1) of what it owns, or what was given back with its period
    where that is more; returns the grant as it then stands.

    `books` hold the settled wallets of all who have had its credits, the buyer's included. With
    `owe` the buyer owes what was spent of the undone part; without, it is only reported. Tranches that no
    longer come since `ends` are undone first; of those that came all the same all that is left is taken,
    and what was spent of them counts as spent of those that came in time. What of the undone part expired
    with a tranche is neither owed nor taken from later ones, so that a repeat changes nothing.
    """
    key = payment_key(payment_id, grant.line_id)
    pairs = books.holding(grant)
    last = last_of(grant.plan, ends) if grant.plan else 1
    grant = books.take(pairs, grant, None, of.late)
    part, target = target_of(grant, of, part, ends)
    grant = books.come_back(pairs, grant, of)
    short = of.short(target, part, grant.owed + grant.reported)
    more_short = short - grant.owed - grant.reported
    if more_short > 0:  # the setting of today decides about what is new, not about what was decided before
        grant = books.owe(pairs[0], key, grant, more_short) if owe else books.report(pairs[0], grant, more_short)
    elif more_short < 0:
        grant = books.lessen(pairs[0], key, grant, of.kind, -more_short)
    remaining = sum(lot.remaining for pair in pairs for lot in _lots_of(books.wallets[pair], of.lots))
    taken_back = taken_so_far(grant, of)
    asked = target + of.late_spent - short
    standing = taken_back - sum(each.amount for each in grant.taken if each.by in books.failed)
    taken = max(0, min(asked, taken_back + remaining, max(standing, asked - of.lost(part))))
    if taken > taken_back:
        grant = books.take(pairs, grant, taken - taken_back, of.lots)
    elif taken < taken_back:
        grant = books.give_back(pairs[0], grant, of, taken_back - taken)
    books.mark(pairs, key, short=taken_so_far(grant, of) < target or of.late_spent > 0)
    books.bind_tranches(pairs, key, part, last if grant.plan else None)
    return grant


def target_of(grant: PaidGrant, of: Family, part: Fraction, ends: tuple[Ended, ...]) -> tuple[Fraction, int]:
    """Which part of the credits that come is to be undone, and how many that are of those that have come.

    Of each tranche what is beyond those the payment owns is undone; of these what was refunded or given back, first
    those that no longer come.
    """
    back, plan = given_back(grant.span, ends), grant.plan
    if not plan:
        return part, undone_of(of.granted, grant.owned, part, back)
    owned = plan.each if grant.owned is None else min(grant.owned, plan.each)
    every = plan.months * owned
    undone = undone_of(every, None, part, back)
    exact = part if undone == int(every * part) else Fraction(undone, every)
    come = part_of_those_that_come(replace(plan, each=owned), ends, exact)
    come = Fraction(plan.each - owned + owned * come) / plan.each
    return come, int(of.granted * come)


def taken_so_far(grant: PaidGrant, of: Family) -> int:
    """What is taken of the family's credits so far, or withheld of its tranches, those that came too late apart."""
    taken = sum(part.amount for part in grant.taken if part.lot_id not in of.late)
    return taken + sum(still_withheld(grant, of).values())


def still_withheld(grant: PaidGrant, of: Family) -> dict[str, int]:
    """What was withheld of tranches and has not come since, by their lots, the oldest first."""
    came = {part.lot_id: part.amount for part in grant.let_go}
    return {lot_id: kept - came.get(lot_id, 0) for lot_id, kept in of.withheld}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a payment's wallets tell, per type: their entries, each as far as it was loaded. `waits` are the
    times of its disputes that were won, `failed` its refunds that failed, and when."""

    entries: Mapping[str, list[Entry]] = field(default_factory=dict)
    waits: tuple[Wait, ...] = ()
    failed: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, appointment_type: str) -> list[Entry]:
        return self.entries.get(appointment_type, [])

    def dated(self, act: Act, lot_ids: Iterable[str | None]) -> datetime:
        """When what is done to these lots happened: not before they came, not later than now."""
        moved = set(lot_ids)
        every = (entry for entries in self.entries.values() for entry in entries)
        made = [e.occurred_at for e in every for p in e.postings if p.lot_id in moved and p.facts and p.amount > 0]
        return min(max([act.occurred_at, *made]), act.now)


class Books:
    """The wallets of a payment while it is clawed back: what is done to each, recorded as one entry each."""

    def __init__(
        self, before: Mapping[Pair, Change], act: Act, ledger: Ledger | None = None, taking: Act | None = None
    ) -> None:
        """`taking` is the act that what is taken is remembered by, where it is not the one that is recorded."""
        self.wallets = {pair: change.wallet for pair, change in before.items()}
        self._before = before
        self._act = act
        self._taking = taking or act
        self._ledger = ledger or Ledger()
        self._postings: dict[Pair, list[Posting]] = {}
        self._reported: dict[Pair, int] = {}

    @property
    def failed(self) -> Mapping[str, datetime]:
        return self._ledger.failed

    def holding(self, grant: PaidGrant) -> list[Pair]:
        """The wallets of the grant's type: the buyer's first, then the others' in the order of their ids."""
        buyer = (grant.client_id, grant.appointment_type)
        return [buyer, *sorted(pair for pair in self.wallets if pair[1] == buyer[1] and pair != buyer)]

    def owe(self, pair: Pair, key: str, grant: PaidGrant, amount: int) -> PaidGrant:
        before = _debt(self.wallets[pair], key)
        since = before.since if before else min(self._act.occurred_at, self._act.now)
        owed = Debt(DebtCause.PAYMENT, key, (before.amount if before else 0) + amount, since)
        self._set(pair, self.wallets[pair].with_debt(owed), Posting(-amount, debt=key))
        return replace(grant, owed=grant.owed + amount)

    def report(self, pair: Pair, grant: PaidGrant, amount: int) -> PaidGrant:
        """A shortfall that nobody owes is shown in the buyer's history."""
        grant = replace(grant, reported=grant.reported + amount)
        self._reported[pair] = self._reported.get(pair, 0) + grant.reported
        self._postings.setdefault(pair, [])
        return grant

    def lessen(self, pair: Pair, key: str, grant: PaidGrant, kind: LotFacts, amount: int) -> PaidGrant:
        """A smaller shortfall: less is owed, then less was reported. What lots had repaid of it returns to them."""
        less, debt = min(amount, grant.owed), _debt(self.wallets[pair], key)
        paid = min(less, debt.amount) if debt else 0
        if debt and paid:
            lessened = self.wallets[pair].with_debt(replace(debt, amount=debt.amount - paid))
            self._set(pair, lessened, Posting(paid, debt=key))
        reported = grant.reported - (amount - less)
        back = less - paid
        for repaid in repayers(self._ledger.of(pair[1]), pair[0], key) if back else ():
            if part := min(repaid.amount, back):
                back -= part
                self._return_repaid(pair, repaid, key, part)
        self._return_anew(pair, grant.lot_id, replace(kind, payment=None), back)
        return replace(grant, owed=grant.owed - less, reported=reported)

    def take(self, pairs: list[Pair], grant: PaidGrant, amount: int | None, lots: frozenset[str]) -> PaidGrant:
        """Takes so much, or all, from these lots, in the order of the wallets; the grant remembers which gave."""
        for pair in pairs:
            wallet = self.wallets[pair]
            own = _lots_of(wallet, lots)
            most = sum(lot.remaining for lot in own) if amount is None else amount
            after, parts = taken_from(wallet, most, self._act.now, own)
            amount = None if amount is None else amount - sum(part for _, part in parts)
            self._set(pair, after, *(Posting(-part, lot_id=lot.lot_id) for lot, part in parts))
            by, at = self._taking.cause.ids, self._ledger.dated(self._taking, (lot.lot_id for lot, _ in parts))
            about = by.get("refund") or by.get("dispute") or ""
            for lot, part in parts:
                grant = grant.with_taken(Taken(pair[0], lot.lot_id, part, about, at))
        return grant

    def come_back(self, pairs: list[Pair], grant: PaidGrant, of: Family) -> PaidGrant:
        """What expired in disputes that were won returns to its lots, as far as it was not spent or taken back.

        It does not roll over again.
        """
        if not self._ledger.waits:
            return grant
        remaining = sum(lot.remaining for pair in pairs for lot in _lots_of(self.wallets[pair], of.lots))
        left = of.granted - of.spent - remaining - taken_so_far(grant, of)
        known = {(t.client_id, t.lot_id): t.amount for t in grant.revived}
        for pair in pairs:
            entries = self._ledger.of(grant.appointment_type)
            lost = expired_too_soon(self.wallets[pair], entries, of.lots, self._ledger.waits)
            for lot_id, amount in sorted(lost.items()):
                back = min(left, amount - known.get((pair[0], lot_id), 0))
                if back > 0:
                    left -= back
                    self._return(pair, lot_id, back, rolls=False)
                    grant = grant.with_revived(pair[0], lot_id, back)
        return grant

    def give_back(self, buyer: Pair, grant: PaidGrant, of: Family, amount: int) -> PaidGrant:
        """Back to the lots that gave, first what a refund took that failed, then the last; what was withheld of
        tranches to a new lot for each."""
        failed = self._ledger.failed
        for part in _order(tuple(part for part in grant.taken if part.lot_id not in of.late), failed):
            if back := min(part.amount, amount):
                amount -= back
                until = failed.get(part.by) or failed.get(self._act.cause.ids.get("refund", ""))
                self._return_from(part, buyer[1], back, until)
                grant = grant.without_taken(part, back)
        for lot_id, kept in reversed(still_withheld(grant, of).items()):
            if back := min(kept, amount):
                amount -= back
                self._return_anew(buyer, lot_id, of.kind, back)
                grant = grant.with_let_go(buyer[0], lot_id, back)
        return grant

    def mark(self, pairs: list[Pair], key: str, *, short: bool) -> None:
        for pair in pairs:
            wallet = self.wallets[pair]
            self.wallets[pair] = wallet.with_mark(replace(wallet.mark(key), short=short))

    def bind_tranches(self, pairs: list[Pair], key: str, part: Fraction, last: int | None) -> None:
        """Of the tranches to come, up to `last`, the same part is withheld; fully refunded, none comes. Until a
        refund fails."""
        if last is None:
            return
        for pair in pairs:
            wallet = stop_tranches(self.wallets[pair], key, "refund", part == 1)
            self.wallets[pair] = only_until(withhold(wallet, key, part), key, last)

    def changes(self) -> dict[Pair, Change]:
        return {pair: self._recorded(pair) for pair in self.wallets}

    def _recorded(self, pair: Pair) -> Change:
        change, wallet = self._before[pair], self.wallets[pair]
        postings, reported = _netted(self._postings.get(pair, [])), pair in self._reported
        if not (postings or reported):
            return change if wallet is change.wallet else replace(change, wallet=wallet)
        act = self._act
        if reported:
            with_shortfall = act.cause.ids | {"shortfall": str(self._reported[pair])}
            act = replace(act, cause=replace(act.cause, ids=with_shortfall))
        returned = bool(postings) and all(posting.amount >= 0 for posting in postings)
        kind = EntryKind.REINSTATED if returned else EntryKind.CLAWED_BACK
        at = self._ledger.dated(act, (posting.lot_id for posting in postings))
        return change.record(wallet, kind, act, tuple(postings), at)

    def _return(self, pair: Pair, lot_id: str, amount: int, *, rolls: bool = True) -> None:
        """Credits come back to the lot that gave them."""
        wallet = self.wallets[pair]
        lot = wallet.lot(lot_id)
        assert lot is not None, lot_id
        lot = replace(lot, remaining=lot.remaining + amount)
        lot = lot if rolls else replace(lot, rollover=None)
        self._set(pair, wallet.with_lot(lot), Posting(amount, lot_id=lot.lot_id))

    def _return_from(self, part: Taken, kind: str, amount: int, until: datetime | None) -> None:
        """What a refund took that failed comes as a lot made from the one that gave, and ends later by as long.

        What else was taken, or of a lot that never ends or is void, comes back to that lot.
        """
        pair = part.client_id, kind
        lot = self.wallets[pair].lot(part.lot_id)
        assert lot is not None, part
        if until is None or part.at is None or until <= part.at or lot.expires_at is None or lot.voided:
            return self._return(pair, part.lot_id, amount)
        made = made_from(lot, amount, f"{self._act.source_id}/{part.by}", part.at, until)
        return self._make(pair, made)

    def _return_repaid(self, pair: Pair, repaid: Repaid, debt: str, amount: int) -> None:
        """What a lot repaid comes back to it, or where it had ended by then as a lot made from it."""
        lot = self.wallets[pair].lot(repaid.lot_id)
        assert lot is not None, repaid
        until = min(self._act.occurred_at, self._act.now)
        if lot.voided or until < lot.end:
            self._return(pair, repaid.lot_id, amount)
        else:
            self._make(pair, made_from(lot, amount, f"{self._act.source_id}/{debt}", repaid.at, until))
        self._postings[pair].append(Posting(0, debt=debt))  # tells whose debt it had repaid

    def _make(self, pair: Pair, lot: Lot) -> None:
        self._set(pair, self.wallets[pair].with_lot(lot), Posting(lot.remaining, lot_id=lot.lot_id))

    def _return_anew(self, pair: Pair, parent: str, like: LotFacts, amount: int) -> None:
        """Credits that no lot of the grant gave come as a lot of their own, of its kind."""
        if amount:
            lot_id = derived_id("lot", self._act.source_id, pair[0], parent, like.payment or "")
            self._make(pair, lot_of(replace(like, parent=parent), lot_id, amount))

    def _set(self, pair: Pair, wallet: Wallet, *postings: Posting) -> None:
        if postings:
            self.wallets[pair] = wallet
            self._postings.setdefault(pair, []).extend(postings)


def _order(taken: tuple[Taken, ...], failed: Mapping[str, datetime]) -> list[Taken]:
    """In which order what was taken returns."""
    last_first = taken[::-1]
    return [*(t for t in last_first if t.by in failed), *(t for t in last_first if t.by not in failed)]


def _netted(postings: list[Posting]) -> list[Posting]:
    """One posting a lot where credits come back to it and others of it are taken; what cancels out is left out."""
    repaid = {lot.lot_id for lot, debt in pairwise(postings) if debt.debt and not debt.amount}
    given = {p.lot_id for p in postings if p.lot_id and p.amount > 0} - repaid
    both = {p.lot_id for p in postings if p.lot_id in given and p.amount < 0}
    net = {lot_id: sum(p.amount for p in postings if p.lot_id == lot_id) for lot_id in both}
    kept = [p for p in postings if p.lot_id not in both]
    return [*kept, *(Posting(amount, lot_id=lot_id) for lot_id, amount in net.items() if amount)]


def waited_for(change: Change, families: Iterable[Family], ledger: Ledger, act: Act) -> Change:
    """A wallet whose lots of these families end later by what they waited in disputes that were won."""
    own = {lot.lot_id for lot in change.wallet.lots}
    lots = [lot_id for of in families for lot_id in of.lots & own]
    return put_off(change, lots, ledger.waits, act, ledger.dated(act, lots)) if lots else change


def _debt(wallet: Wallet, key: str) -> Debt | None:
    return next((d for d in wallet.debts if d.cause is DebtCause.PAYMENT and d.ref == key), None)


def _lots_of(wallet: Wallet, lots: frozenset[str]) -> list[Lot]:
    """The open ones of these lots, and those that were made from them just now."""
    return [lot for lot in wallet.open_lots if lot.lot_id in lots or lot.parent in lots]
