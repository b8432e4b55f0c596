"""Small wallets on a coarse clock: few instants, few lots, so that ties and edges come up often."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Entry, EntryKind, Posting, facts_of
from client_credits.domain.ledger.wallet import Coming, Cycle, Debt, DebtCause, Hold, Lot, LotSource, Rollover, Wallet
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.settings import Settings
from tests.support.builders import HOUR, NOW, an_act

FIRST, LAST = -6, 12  # hours around NOW
LONG_AGO = NOW + (FIRST - 1) * HOUR


def hour(low: int = FIRST, high: int = LAST) -> st.SearchStrategy[datetime]:
    return st.integers(low, high).map(lambda n: NOW + n * HOUR)


# Plain numbers first, values after: far quicker to draw and to shrink than strategies within strategies.
_LOT = st.tuples(
    st.integers(1, 4),  # remaining
    st.integers(0, 2),  # gone already
    st.integers(FIRST, 6),  # start
    st.integers(0, 8),  # length in hours, 0: without end
    st.sampled_from([60, 100]),  # priority
    st.sampled_from([(), (), (), ("dispute/1",)]),
)
_DEBT = st.tuples(st.integers(1, 3), st.integers(FIRST, 0), st.integers(FIRST, LAST), st.integers(0, 2))
_HOLD = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(-2, 6))


def _lot(lot_id: str, drawn: tuple[int, int, int, int, int, tuple[str, ...]]) -> Lot:
    remaining, gone, start, length, priority, frozen = drawn
    effective_at = NOW + start * HOUR
    expires_at = effective_at + length * HOUR if length else None
    return Lot(
        lot_id=lot_id,
        granted=remaining + gone,
        remaining=remaining,
        effective_at=effective_at,
        expires_at=expires_at,
        source=LotSource.PURCHASE,
        priority=priority,
        frozen=frozen,
    )


def _debt(ref: str, drawn: tuple[int, int, int, int]) -> Debt:
    amount, since, start, cause = drawn
    if cause == 0:
        return Debt(DebtCause.STAFF, ref, amount, NOW + since * HOUR)
    return Debt(DebtCause.BOOKING, ref, amount, NOW + since * HOUR, NOW + start * HOUR)


def _hold(open_lots: list[Lot], drawn: tuple[int, int, int, int]) -> Hold:
    """A hold of part of one or two lots, never beyond their ends."""
    one, other, amount, until = drawn
    chosen = {lot.lot_id: lot for lot in (open_lots[one % len(open_lots)], open_lots[other % len(open_lots)])}
    parts = tuple((lot_id, min(amount, lot.remaining)) for lot_id, lot in chosen.items())
    return Hold("hold-1", parts, min([NOW + until * HOUR, *(lot.end for lot in chosen.values())]))


def _wallet(drawn_lots: list[Any], drawn_debts: list[Any], hold: Any, backwards: bool) -> Wallet:
    open_lots = [_lot(f"lot-{n}", drawn) for n, drawn in enumerate(drawn_lots)]
    owed = [_debt(f"debt-{n}", drawn) for n, drawn in enumerate(drawn_debts)]
    aside = (_hold(open_lots, hold),) if hold and open_lots else ()
    step = -1 if backwards else 1
    return Wallet("p1", "c1", "follow-up", 1, lots=tuple(open_lots[::step]), debts=tuple(owed[::step]), holds=aside)


# A subscription whose cycles begin and end at these hours: which lots are of it (0: not, 1: a cycle's
# own, 2: rolled over), which of its cycles are known, and the cap.
_CYCLES = st.tuples(
    st.lists(st.integers(FIRST, LAST), min_size=2, max_size=4, unique=True),
    st.lists(st.sampled_from([0, 1, 1, 2]), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.sampled_from([0, 1, 2, 4, None]),
)
_TRANCHES = st.tuples(
    st.integers(1, 3),  # credits of each
    st.integers(FIRST, LAST),  # when the first comes
    st.sampled_from([None, 0, 1, 3]),  # when they end, hours after that
    st.integers(1, 2),  # how many
    st.sampled_from([(), (), ("dispute/1",)]),
)


def _rolling(wallet: Wallet, drawn: tuple[list[int], list[int], list[bool], int | None]) -> Wallet:
    hours, kinds, known, cap = drawn
    bounds = [NOW + n * HOUR for n in sorted(hours)]
    cycles = [Cycle("sub_1", *pair) for pair, stated in zip(pairwise(bounds), known, strict=False) if stated]
    changed = list(wallet.open_lots)
    for number, (lot, kind) in enumerate(zip(wallet.open_lots, kinds, strict=False)):
        if kind:
            end = bounds[1 + number % (len(bounds) - 1)]
            changed[number] = replace(
                lot,
                subscription="sub_1",
                source=LotSource.ROLLED_OVER if kind == 2 else LotSource.CYCLE,
                effective_at=min(lot.effective_at, end - HOUR),
                expires_at=end,
                rollover=Rollover(cap, lot.effective_at, days=1),
            )
    return replace(wallet, lots=tuple(changed), cycles=tuple(cycles), holds=())


def _expecting(wallet: Wallet, number: int, drawn: tuple[int, int, int | None, int, tuple[str, ...]]) -> Wallet:
    amount, start, length, count, stopped = drawn
    begins = NOW + start * HOUR
    end = None if length is None else begins + length * HOUR
    expiry = Expiry() if end is None else Expiry(ExpiryKind.DATE, date=end.isoformat())
    lot = Lot("first", amount, begins, end, LotSource.CYCLE, remaining=amount, payment=f"in_{number}/il_1")
    coming = Coming(f"tranches/{number}", lot, begins, 1, count, expiry, begins + 1000 * HOUR, stopped=stopped)
    return replace(wallet, coming=(*wallet.coming, coming))


def _with_schedules(wallet: Wallet, cycles: Any, tranches: list[Any]) -> Wallet:
    wallet = _rolling(wallet, cycles) if cycles else wallet
    for number, drawn in enumerate(tranches):
        wallet = _expecting(wallet, number, drawn)
    return wallet


def lots(lot_id: str) -> st.SearchStrategy[Lot]:
    return _LOT.map(lambda drawn: _lot(lot_id, drawn))


_WALLETS = st.builds(_wallet, st.lists(_LOT, max_size=5), st.lists(_DEBT, max_size=4), st.none() | _HOLD, st.booleans())


_SCHEDULED = st.builds(_with_schedules, _WALLETS, st.none() | _CYCLES, st.lists(_TRANCHES, max_size=2))


def wallets() -> st.SearchStrategy[Wallet]:
    """Any wallet that could stand in the table: not settled, one hold at most; with or without credits that
    roll over or are still to come."""
    return _SCHEDULED


def plain_wallets() -> st.SearchStrategy[Wallet]:
    """The same without anything that makes new lots by itself."""
    return _WALLETS


def rules(**fixed: object) -> st.SearchStrategy[Settings]:
    choices: dict[str, st.SearchStrategy[Any]] = {
        "allow_booking_without_credits": st.booleans(),
        "restore_on_cancel": st.booleans(),
        "credit_must_cover": st.sampled_from(["session", "booking"]),
        "restore_grace_days_client": st.sampled_from([0, 0, 1]),
        "restore_grace_days_practice": st.sampled_from([0, 1, 14]),
        "max_negative": st.sampled_from(["unlimited", "unlimited", 0, 2]),
        "auto_repay": st.booleans(),
    }
    return st.builds(Settings, **(choices | {name: st.just(value) for name, value in fixed.items()}))


def opened(wallet: Wallet) -> tuple[Wallet, list[Entry]]:
    """The wallet with a first few entries that explain it, as if it had been made by operations."""
    cause, actor = Cause(CauseKind.BOOKING, {"rule": "test"}), Actor("system", "test")
    entries: list[Entry] = []
    balance = 0

    def explain(kind: EntryKind, *postings: Posting) -> None:
        nonlocal balance
        amount = sum(posting.amount for posting in postings)
        entries.append(
            Entry(
                wallet.practice_id,
                wallet.client_id,
                wallet.appointment_type,
                len(entries) + 1,
                f"opening/{len(entries)}",
                kind,
                amount,
                balance,
                balance + amount,
                postings,
                cause,
                actor,
                LONG_AGO,
                LONG_AGO,
            )
        )
        balance += amount

    for lot in wallet.open_lots:
        explain(EntryKind.GRANTED, Posting(lot.granted, lot_id=lot.lot_id, facts=facts_of(lot)))
        if lot.granted > lot.remaining:
            explain(EntryKind.SPENT, Posting(lot.remaining - lot.granted, lot_id=lot.lot_id))
    for debt in wallet.debts:
        explain(EntryKind.SPENT, Posting(-debt.amount, debt=debt.ref))
    granted = sum(lot.granted for lot in wallet.open_lots)
    last_at = LONG_AGO if entries else None
    return replace(wallet, sequence=len(entries), granted_total=granted, last_at=last_at), entries


def act_at(now: datetime, occurred_at: datetime | None = None, source_id: str = "op/1") -> Act:
    """An operation about the booking `new`."""
    act = an_act(now, occurred_at, source_id)
    return replace(act, cause=Cause(CauseKind.BOOKING, {"booking_id": "new"}))
