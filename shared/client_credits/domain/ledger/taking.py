"""Taking credits away otherwise than by spending: which lots give, in which order, and what becomes of holds."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from client_credits.domain.ledger.wallet import Hold, Lot, Wallet, burn_order, take


def taken_from(wallet: Wallet, amount: int, at: datetime, among: Iterable[Lot]) -> tuple[Wallet, list[tuple[Lot, int]]]:
    """The wallet without `amount` credits of these lots, or without all they have, and what each lot gave."""
    parts: dict[str, int] = {}
    lots = {lot.lot_id: lot for lot in among}
    for lot, part in take(_takeable(wallet, at, lots.values()), amount):
        parts[lot.lot_id] = parts.get(lot.lot_id, 0) + part
    for lot_id, part in parts.items():
        lot = lots[lot_id]
        wallet = without_excess_holds(wallet.with_lot(replace(lot, remaining=lot.remaining - part)), lot_id)
    return wallet, [(lots[lot_id], part) for lot_id, part in parts.items()]


def _takeable(wallet: Wallet, at: datetime, among: Iterable[Lot]) -> Iterator[tuple[Lot, int]]:
    """Lots with what may be taken away from each: usable credits, then future, then frozen, then held ones."""
    lots = burn_order(among)
    usable = [lot for lot in lots if lot.usable(at)]
    frozen = [lot for lot in lots if lot.frozen]
    future = [lot for lot in lots if lot not in usable and lot not in frozen]
    for lot in (*usable, *future, *frozen):
        yield lot, wallet.free(lot, at)
    for lot in lots:
        yield lot, wallet.held(lot.lot_id, at)


def without_excess_holds(wallet: Wallet, lot_id: str) -> Wallet:
    """Holds shrink to what their lot still has, the newest first, so that held <= remaining."""
    lot = wallet.lot(lot_id)
    left = lot.remaining if lot else 0
    holds = []
    for hold in sorted(wallet.holds, key=lambda h: (h.expires_at, h.hold_id)):
        parts = []
        for part_lot, part in hold.parts:
            kept = min(part, left) if part_lot == lot_id else part
            left -= kept if part_lot == lot_id else 0
            if kept:
                parts.append((part_lot, kept))
        holds.append(Hold(hold.hold_id, tuple(parts), hold.expires_at))
    return replace(wallet, holds=tuple(holds))
