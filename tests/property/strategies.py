"""Small wallets on a coarse clock: few instants, few lots, so that ties and edges come up often."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from client_credits.domain.entries import Act, Actor, Cause, CauseKind, Entry, EntryKind, Posting
from client_credits.domain.settings import Settings
from client_credits.domain.wallet import Debt, DebtCause, Hold, Lot, LotSource, Wallet
from tests.support.builders import HOUR, NOW, an_act

Draw = Callable[[st.SearchStrategy[Any]], Any]
FIRST, LAST = -6, 12  # hours around NOW
LONG_AGO = NOW + (FIRST - 1) * HOUR


def hour(low: int = FIRST, high: int = LAST) -> st.SearchStrategy[datetime]:
    return st.integers(low, high).map(lambda n: NOW + n * HOUR)


@st.composite
def lots(draw: Draw, lot_id: str) -> Lot:
    granted = draw(st.integers(1, 4))
    effective_at = draw(hour(FIRST, 6))
    lasts = draw(st.none() | st.integers(1, 8))
    return Lot(
        lot_id=lot_id,
        granted=granted,
        remaining=draw(st.integers(1, granted)),
        effective_at=effective_at,
        expires_at=None if lasts is None else effective_at + lasts * HOUR,
        source=LotSource.PURCHASE,
        priority=draw(st.sampled_from([60, 100])),
        frozen=draw(st.sampled_from([(), (), (), ("dispute/1",)])),
    )


@st.composite
def debts(draw: Draw, ref: str) -> Debt:
    cause = draw(st.sampled_from([DebtCause.BOOKING, DebtCause.BOOKING, DebtCause.STAFF]))
    starts_at = draw(hour()) if cause is DebtCause.BOOKING else None
    return Debt(cause, ref, draw(st.integers(1, 3)), draw(hour(FIRST, 0)), starts_at)


@st.composite
def holds(draw: Draw, hold_id: str, held: list[Lot]) -> Hold:
    """A hold of part of some lots, never beyond their ends."""
    chosen = draw(st.lists(st.sampled_from(held), min_size=1, max_size=2, unique_by=lambda lot: lot.lot_id))
    parts = tuple((lot.lot_id, draw(st.integers(1, lot.remaining))) for lot in chosen)
    return Hold(hold_id, parts, min([draw(hour(-2, 6)), *(lot.end for lot in chosen)]))


@st.composite
def wallets(draw: Draw, max_lots: int = 5, with_holds: bool = True) -> Wallet:
    """Any wallet that could stand in the table: not settled, lots in any order, one hold at most."""
    open_lots = [draw(lots(f"lot-{n}")) for n in range(draw(st.integers(0, max_lots)))]
    owed = [draw(debts(f"debt-{n}")) for n in range(draw(st.integers(0, 4)))]
    held = with_holds and open_lots and draw(st.booleans())
    aside = (draw(holds("hold-1", open_lots)),) if held else ()
    return Wallet(
        "p1",
        "c1",
        "follow-up",
        version=1,
        lots=tuple(draw(st.permutations(open_lots))),
        debts=tuple(draw(st.permutations(owed))),
        holds=aside,
    )


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
                None,
                LONG_AGO,
                LONG_AGO,
            )
        )
        balance += amount

    for lot in wallet.lots:
        explain(EntryKind.GRANTED, Posting(lot.granted, lot_id=lot.lot_id))
        if lot.granted > lot.remaining:
            explain(EntryKind.SPENT, Posting(lot.remaining - lot.granted, lot_id=lot.lot_id))
    for debt in wallet.debts:
        explain(EntryKind.SPENT, Posting(-debt.amount, debt=debt.ref))
    return Wallet(**{**_fields(wallet), "sequence": len(entries)}), entries


def _fields(wallet: Wallet) -> dict[str, Any]:
    return {name: getattr(wallet, name) for name in Wallet.__dataclass_fields__}


def act_at(now: datetime, occurred_at: datetime | None = None, source_id: str = "op/1") -> Act:
    return an_act(now, occurred_at, source_id)
