"""How every operation is carried out: load, decide, commit, and again on conflict.

Owns the bounded retry and the composing of one transaction from changed wallets. A decision is a
plain function of what was loaded, so it may be made again at will; what makes the effect happen
once is the record written in the same transaction.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.errors import Busy
from client_credits.domain.ledger.entries import Change, Entry, Repayment, untouched
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.rolling import rolled_lots, with_cycles_of
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.operations.context import Unmoved
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.table import TRANSACTION, Conflicted, Write

ATTEMPTS = 10
T = TypeVar("T")


def pause(attempt: int) -> None:
    """Full jitter: between nothing and 10 ms x 2^attempt, at most 0.4 s."""
    time.sleep(random.uniform(0, min(0.4, 0.01 * 2**attempt)))


def once(attempt: Callable[[], T], wait: Callable[[int], None] = pause) -> T:
    """Runs load-decide-commit until it commits without conflict. Raises Busy after 10 attempts.

    Wallets that a merge has not reached yet, and that this is about, are moved first.
    """
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except Conflicted:
            wait(number)
        except Unmoved as left:
            _move(left, wait)
    raise Busy("Too many changes to the same credits at once. Send the same request again.")


def _move(left: Unmoved, wait: Callable[[int], None]) -> None:
    from client_credits.operations import moving  # noqa: PLC0415  few operations meet a client that is being merged

    if left.context.store.rehearsing:
        raise left
    for gone, kind in left.wallets:
        once(lambda: moving.move(left.context, gone, moving.goes_on_as(left.context, gone), kind), wait)  # noqa: B023


def room_for(wallets: int) -> int:
    """How many records settling may add for each of an operation's wallets, before and after deciding.

    Of a transaction's 100 items each wallet takes two (itself and an entry) and its emptied lots, the
    operation's records two, the client, the payment, its money, its subscription and its parked record one
    each, and one stays free.
    """
    each = 2 + closings_for(wallets)
    return max(0, (TRANSACTION - 8 - each * wallets) // (2 * max(1, wallets)) - 1)


def closings_for(wallets: int) -> int:
    """How many emptied lots each of an operation's wallets may store apart. More stay until the next operation."""
    return min(20, (TRANSACTION - 8 - 2 * wallets) // (2 * max(1, wallets)))


def knowing(store: Store, change: Change, lot_ids: Iterable[str]) -> Change:
    """The change whose wallet knows these lots, those stored apart from it included."""
    missing = [lot_id for lot_id in lot_ids if change.wallet.lot(lot_id) is None]
    if not missing:
        return change
    return replace(change, wallet=change.wallet.knowing(store.closed_lots(change.wallet, missing)))


def knowing_cycles(store: Store, change: Change, lots: Iterable[Lot], at: datetime, now: datetime) -> Change:
    """The change whose wallet knows what rolled over since, and which cycles were paid, where credits come to
    lots that rolled over between `at` and now. Only such late news cost these two reads."""
    late = [lot for lot in lots if lot.rollover and max(at, lot.effective_at) < lot.end <= now]
    if not late:
        return change
    begun = min(lot.cycle[0] if lot.cycle else lot.effective_at for lot in late)
    entries = store.entries_since(change.wallet, begun)
    change = knowing(store, change, rolled_lots(entries))
    return replace(change, wallet=with_cycles_of(change.wallet, entries))


def settled(
    store: Store, wallets: Iterable[Wallet], now: datetime, settings: SettingsOverTime, room: int
) -> dict[str, Change]:
    """Each wallet settled in memory. What would not fit beside the operation is committed first.

    Raises Conflicted after such a commit, since what was loaded is no longer so.
    """
    return {w.appointment_type: change for w, change in _settled(store, [(w, settings) for w in wallets], now, room)}


def settled_all(
    store: Store, loaded: Loaded, pairs: Iterable[tuple[str, str]], now: datetime, room: int
) -> dict[tuple[str, str], Change]:
    """The same for wallets of several clients, loaded as `also`, each by its client's settings."""
    wallets = [(loaded.also[pair], loaded.dated_of(pair[0])) for pair in pairs]
    return {(w.client_id, w.appointment_type): change for w, change in _settled(store, wallets, now, room)}


def _settled(
    store: Store, wallets: Iterable[tuple[Wallet, SettingsOverTime]], now: datetime, room: int
) -> list[tuple[Wallet, Change]]:
    changes = [(wallet, settle(untouched(wallet), now, settings), settings) for wallet, settings in wallets]
    overfull = [each for each in changes if len(each[1].entries) + len(each[1].repayments) > room]
    if overfull and not store.rehearsing:
        for wallet, _, settings in overfull:
            settle_wallet(store, wallet, now, settings)
        raise Conflicted("settled first")
    return [(wallet, change) for wallet, change, _ in changes]


def settle_wallet(store: Store, wallet: Wallet, now: datetime, settings: SettingsOverTime) -> int:
    """Commits what is due in one wallet, in complete transactions, oldest first. Returns the entries written.

    Raises Conflicted when the wallet has moved on meanwhile.
    """
    written = 0
    while True:
        change = settle(untouched(wallet), now, settings, limit=room_for(1))
        if not change.made:
            return written
        items = wallet_writes(store, [change], now, settings, settling=True)
        if change.before.version == 0 and not change.entries:
            return written
        store.commit(items)
        written += len(change.entries)
        left = change.wallet.without_closed(now, closings_for(1))[0]
        wallet = replace(left, version=wallet.version + 1, settlings=wallet.settlings + 1)


def wallet_writes(
    store: Store,
    changes: Iterable[Change],
    now: datetime,
    settings: SettingsOverTime,
    own_booking: str | None = None,
    wallets: int = 1,
    *,
    settling: bool = False,
) -> list[Write]:
    """The writes of changed wallets: each with its entries, its emptied lots, and the bookings whose debts were repaid.

    `own_booking` is being written by the operation itself and is left out here. `wallets` is how many
    the operation changes in all. `settling` says that these changes do nothing else.
    """
    items: list[Write] = []
    for change in changes:
        if not change.made:
            continue
        due = next_due(change.wallet, now, settings)
        if settle(untouched(change.wallet), now, settings).made:
            due = now  # more fell due than fitted: the next sweep or operation goes on
        settlings = change.before.settlings + 1 if settling else 0
        wallet, closed = change.wallet.without_closed(now, closings_for(wallets))
        items.append(writes.wallet(replace(wallet, settlings=settlings), due))
        items += [writes.closed_lot(wallet, lot) for lot in closed]
        items += [writes.entry(entry) for entry in change.entries]
        items += _repaid_bookings(store, change, own_booking)
    return items


def _repaid_bookings(store: Store, change: Change, own_booking: str | None) -> list[Write]:
    repayments: dict[str, tuple[Repayment, ...]] = {}
    for repayment in change.repayments:
        if repayment.booking_id != own_booking:
            repayments[repayment.booking_id] = (
                *repayments.get(repayment.booking_id, ()),
                repayment,
            )
    if not repayments:
        return []
    practice_id = change.wallet.practice_id
    loaded = store.load(practice_id, Wanted(bookings=tuple(repayments)))
    return [
        writes.booking(practice_id, loaded.bookings[booking_id].paid_by(change.wallet, made))
        for booking_id, made in repayments.items()
        if booking_id in loaded.bookings
    ]


def own_repayments(booking: Booking, change: Change) -> Booking:
    """The booking an operation is about, with what settling its wallet repaid of its debt."""
    return booking.paid_by(change.wallet, change.repayments)


def entries_of(store: Store, practice_id: str, done: Operation) -> list[Entry]:
    """The entries that an operation wrote."""
    return [
        entry
        for ref in done.entries
        for entry in store.entries(practice_id, ref.client_id or done.client_id, ref.appointment_type, [ref.sequence])
    ]
