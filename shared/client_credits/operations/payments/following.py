"""What a payment's record asks for reaches the wallets: credits clawed back, reinstated, put off, frozen.

What to do follows from the record and the wallets alone, step by step, each step one transaction under
their versions. So it may be repeated at will, and a repeat completes what a worker left that died.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from client_credits.domain.errors import Busy
from client_credits.domain.ids import payment_of
from client_credits.domain.ledger.entries import Act, Entry, untouched
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.clawing_back import Pair
from client_credits.domain.payments.disputing import waits
from client_credits.domain.payments.folding import disowned
from client_credits.domain.payments.news import news_of
from client_credits.domain.payments.payment_record import MAX_HOLDERS, PaymentRecord
from client_credits.operations.committing import ATTEMPTS, knowing, once, room_for, settled_all, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.payments import parking, steps
from client_credits.operations.payments.steps import SettledPayment, Step, When
from client_credits.store import writes
from client_credits.store.records import Wanted

Followed = tuple[list[Entry], set[str]]  # the entries written, and the payments that may have to be followed after


def follow(context: Context, payment_id: str, returned_at: datetime | None = None) -> list[Entry]:
    """Writes what a payment's record asks for and the wallets do not show yet; returns the entries.

    `returned_at` is when credits came back, where that is what it follows from, not news. Freezes first
    and unfreezes last, so that nothing is spent in between. Raises Busy under contention. Safe to
    repeat: then there is nothing left to write. News that were followed for another payment cannot be
    true of this one: they are parked, and count here no more. A record with words that only a later release knows
    is left to that one.

    Payments given back beyond their lots, whose credits these wallets have again, are followed after it: a
    refund that fails gives credits back to lots of others that had repaid its debt. So is a repeat, whose
    first try may have died in between.
    """
    entries, short = _followed(context, payment_id, returned_at)
    seen, waiting = {payment_id}, sorted(short)
    while waiting:
        also = waiting.pop(0)
        own, short = _followed(context, also, None)
        entries += own
        seen = {also} if own else {*seen, also}  # what was written may be news for those seen before
        waiting += sorted(short - seen - {*waiting})
    return entries


def _followed(context: Context, payment_id: str, returned_at: datetime | None) -> Followed:
    """The entries of one payment's steps, and the payments that its wallets are short of and have credits of."""
    for _ in range(ATTEMPTS):
        try:
            return _steps_taken(context, payment_id, returned_at)
        except _BelongsToAnother as news:  # each at most once: the record refuses them from here on
            _disown(context, payment_id, news.about)
    raise Busy("This payment was named by too much that is another's. Send the same request again.")


def follow_what_came(context: Context, entries: Iterable[Entry]) -> list[Entry]:
    """Credits that these entries brought to lots of payments belong to what was given back of these payments first.

    Also where nothing was missing before: what staff had lowered was neither taken nor owed, and is there again.
    Returns the entries written. Safe to repeat.
    """
    came: dict[Pair, list[str]] = {}
    for entry in entries:
        lots = [p.lot_id for p in entry.postings if p.lot_id and p.amount > 0]
        if lots:
            came.setdefault((entry.client_id, entry.appointment_type), []).extend(lots)
    wallets = context.load(Wanted(also=tuple(came))).also if came else {}
    found: set[str] = set()
    for pair, lot_ids in came.items():
        lots_known = knowing(context.store, untouched(wallets[pair]), lot_ids).wallet.lots
        found |= {payment_of(lot.payment) for lot in lots_known if lot.lot_id in lot_ids and lot.payment}
    return [entry for payment_id in sorted(found) for entry in follow(context, payment_id, returned_at=context.now)]


class _BelongsToAnother(Exception):
    """A refund or dispute that was followed for another payment."""

    def __init__(self, about: str) -> None:
        super().__init__(about)
        self.about = about


def _disown(context: Context, payment_id: str, about: str) -> None:
    parking.park_news(context, payment_id, about)

    def attempt() -> None:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        context.commit([writes.payment(context.practice_id, disowned(record, about))])

    once(attempt)


def _steps_taken(context: Context, payment_id: str, returned_at: datetime | None) -> Followed:
    record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
    if not record.grants or not record.is_understood:
        return [], set()
    ending = (steps.put_off,) if waits(record.disputes) else ()
    in_turn: tuple[Step, ...] = (steps.take_back,)
    if record.disputes:
        in_turn = (steps.freeze_more, *ending, steps.take_back, steps.freeze_exactly)
    when = When(context.now, returned_at)
    entries: list[Entry] = []
    short: set[str] = set()
    for types in _together(record):
        for step in in_turn:
            own, also = _carried_out(context, record, types, when, step)
            entries += own
            short |= also
    return entries, short


def _short_of(wallets: Iterable[Wallet], payment_id: str) -> set[str]:
    """Other payments that these wallets have credits of, though more of them was given back than their lots held."""
    held = {lot.payment for of in wallets for lot in of.open_lots if lot.payment and of.mark(lot.payment).short}
    return {payment_of(key) for key in held} - {payment_id}


def _together(record: PaymentRecord) -> list[frozenset[str]]:
    """The payment's appointment types, as many at a time as one transaction holds the wallets of."""
    wallets = Counter(holder.appointment_type for holder in record.holders)
    batches: list[frozenset[str]] = []
    room = 0
    for kind, count in sorted(wallets.items()):
        if count > room or not batches:
            batches.append(frozenset())
            room = MAX_HOLDERS
        batches[-1] |= {kind}
        room -= count
    return batches


def _carried_out(context: Context, known: PaymentRecord, types: frozenset[str], when: When, step: Step) -> Followed:
    """One step for some types, decided anew on conflict, and when somebody was given some of the credits meanwhile."""
    holders, tried = known.holders, 0

    def attempt() -> Followed:
        nonlocal holders, tried
        tried += 1
        pairs = tuple((h.client_id, h.appointment_type) for h in holders if h.appointment_type in types)
        clients = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
        loaded = context.load(Wanted(payments=(known.payment_id,), also=pairs, others=clients))
        record = loaded.payments[known.payment_id]
        if record.holders != holders:
            holders = record.holders
            return attempt()
        pairs = tuple(dict.fromkeys((loaded.goes_on_as(client_id), kind) for client_id, kind in pairs))
        before = settled_all(context.store, loaded, pairs, when.now, room_for(len(pairs)))
        record = record.owned_by(loaded.merged)
        return _step(context, SettledPayment(record, loaded, before, when, is_repeated=tried > 1), step)

    return once(attempt)


def _step(context: Context, payment: SettledPayment, step: Step) -> Followed:
    record, changes, act = step(context.store, payment)
    short = _short_of((change.wallet for change in changes.values()), record.payment_id)
    own = [e for change in changes.values() for e in change.entries if e.source_id == act.source_id]
    touched = [pair for pair in changes if changes[pair] is not payment.changes[pair]]
    if not touched and record == payment.record:
        return [], short
    if own and payment.is_repeated:  # something was in the way: only mere contention may be tried again
        _check_own(context, payment.record, act)
    items = [writes.payment(context.practice_id, record)]
    if own:
        items.append(writes.operation(context.practice_id, _done(act, own)))
    for pair in touched:
        settings = payment.loaded.dated_of(pair[0])
        change = settle(changes[pair], act.now, settings, act, limit=room_for(len(changes)))
        items += wallet_writes(context.store, [change], act.now, settings, wallets=len(changes))
    context.commit(items)
    return own, short


def _check_own(context: Context, record: PaymentRecord, act: Act) -> None:
    """Raises _BelongsToAnother where this act is on record and the payment, unchanged, knows nothing of it."""
    about = act.source_id.split("/")[1]
    if about not in {what.split("/")[0] for _, what in news_of(record)}:
        return
    if act.source_id not in context.load(Wanted(source_ids=(act.source_id,))).operations:
        return
    now = context.load(Wanted(payments=(record.payment_id,))).payments[record.payment_id]
    if now.version == record.version:
        raise _BelongsToAnother(about)


def _done(act: Act, own: list[Entry]) -> Operation:
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount, e.client_id) for e in own)
    return Operation(act.source_id, "", str(own[0].kind), own[0].client_id, refs, act.now)
