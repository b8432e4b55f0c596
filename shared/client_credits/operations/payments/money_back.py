"""Credits follow the money: what was heard of a payment is stored first, its consequences are written after.

Both steps may be repeated at will. The payment's record says what is known and what was done about
it, under a version; what to do follows from that record and the wallets alone, so a worker that died
between the steps, or in the middle of either, is completed by the redelivery.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.errors import Busy
from client_credits.domain.ids import payment_key, payment_of
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Change, Entry
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.ledger.wallet import Freeze
from client_credits.domain.payments.clawing_back import (
    Books,
    Family,
    Ledger,
    Pair,
    claw,
    family,
    refreeze,
    waited_for,
)
from client_credits.domain.payments.disputing import lots_by_client, waits
from client_credits.domain.payments.facts import DisputeStatus, MoneyBack, PaymentMade, RefundStatus
from client_credits.domain.payments.payment_record import (
    MAX_HOLDERS,
    Money,
    PaidGrant,
    PaymentRecord,
    disowned,
    is_of,
    learned,
    linked,
    money_of,
    waiting,
)
from client_credits.domain.payments.returning import repayers, returns
from client_credits.operations.committing import ATTEMPTS, knowing, once, room_for, settled_all, wallet_writes
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.table import Write

STRIPE = Actor("system", "stripe")
EXTEND = "extend"  # what only disputes that were won do
ELSEWHERE = ""  # in place of a payment's id: it is another account's


def apply_money_back(store: Store, practice_id: str, news: MoneyBack, now: datetime) -> str:
    """Stores what the news tell, then claws back, reinstates, freezes or unfreezes as it all stands.

    While nobody knows which payment it is about, the news wait with the money: `waiting`. Else
    `followed`. Raises Busy under contention. Safe to repeat.
    """
    payment_id = once(lambda: _learn(store, practice_id, news))
    if payment_id is None:
        return "waiting"
    if payment_id == ELSEWHERE:
        return "of_another_account"
    follow(store, practice_id, payment_id, now)
    return "followed"


def apply_payment_made(store: Store, practice_id: str, made: PaymentMade, now: datetime) -> str:
    """Learns which money paid a payment; what had waited for it takes effect. Safe to repeat."""
    money_id = money_of(made)
    if money_id is None:
        return "nothing_named"

    def attempt() -> bool:
        loaded = store.load(practice_id, Wanted(payments=(made.payment_id,), money=(money_id,)))
        record, money = loaded.payments[made.payment_id], loaded.money[money_id]
        if not is_of(record, made.account):
            return False
        if money.payment_id is None:
            record = replace(record, account=made.account, mode=made.mode)
            record, money = linked(record, money)
            store.commit([writes.payment(practice_id, record), writes.money(practice_id, money)])
        return bool(record.eventful and record.grants)

    if once(attempt):
        follow(store, practice_id, made.payment_id, now)
    return "linked"


def _learn(store: Store, practice_id: str, news: MoneyBack) -> str | None:
    """Adds the news to the payment's record, or to the money's while its payment is not known (None).

    ELSEWHERE when the payment is another account's.
    """
    money_id = money_of(news)
    named = (news.payment_id,) if news.payment_id else ()
    loaded = store.load(practice_id, Wanted(payments=named, money=(money_id,) if money_id else ()))
    money = loaded.money.get(money_id or "")
    payment_id = news.payment_id or (money.payment_id if money else None)
    if payment_id is None:
        assert money is not None, "news name a payment or money"
        _commit_changed(store, money, waiting(money, news), lambda told: writes.money(practice_id, told))
        return None
    if payment_id in loaded.payments and (home := loaded.payments[payment_id].within):
        payment_id = home
    if payment_id not in loaded.payments:
        loaded = store.load(practice_id, Wanted(payments=(payment_id,)))
    if not is_of(loaded.payments[payment_id], news.account):
        return ELSEWHERE
    record = replace(loaded.payments[payment_id], account=news.account, mode=news.mode)
    items = []
    if money and money.payment_id is None:
        record, money = linked(record, money)
        items.append(writes.money(practice_id, money))
    record = learned(record, news)
    if record != loaded.payments[payment_id]:
        store.commit([*items, writes.payment(practice_id, record)])
    return payment_id


def _commit_changed(store: Store, before: Money, after: Money, write: Callable[[Money], Write]) -> None:
    if after != before:
        store.commit([write(after)])


def revoke(store: Store, practice_id: str, payment_id: str, reason: str, now: datetime) -> bool:
    """Takes back all that a payment granted which should not have counted, unless staff upheld it.

    Says whether it is revoked now. Safe to repeat.
    """

    def attempt() -> bool:
        record = store.load(practice_id, Wanted(payments=(payment_id,))).payments[payment_id]
        if not record.upheld and record.revoked is None:
            store.commit([writes.payment(practice_id, replace(record, revoked=reason))])
        return not record.upheld

    revoked = once(attempt)
    if revoked:
        follow(store, practice_id, payment_id, now)
    return revoked


def uphold(store: Store, practice_id: str, payment_id: str, now: datetime) -> list[Entry]:
    """A payment counts after all: what revoking it took is reinstated. Returns the entries; safe to repeat."""

    def attempt() -> bool:
        record = store.load(practice_id, Wanted(payments=(payment_id,))).payments[payment_id]
        if record.revoked is not None:
            store.commit([writes.payment(practice_id, replace(record, revoked=None, upheld=True))])
        return record.revoked is not None or record.upheld

    return follow(store, practice_id, payment_id, now) if once(attempt) else []


def end(store: Store, practice_id: str, payment_id: str, ends: tuple[Ended, ...], now: datetime) -> None:
    """A payment learns since when its plans bring no more tranches; what follows is written. Safe to repeat."""

    def attempt() -> None:
        record = store.load(practice_id, Wanted(payments=(payment_id,))).payments[payment_id]
        if record.ends != ends:
            store.commit([writes.payment(practice_id, replace(record, ends=ends))])

    once(attempt)
    follow(store, practice_id, payment_id, now)


# The consequences


def follow(
    store: Store, practice_id: str, payment_id: str, now: datetime, returned_at: datetime | None = None
) -> list[Entry]:
    """Writes what a payment's record asks for and the wallets do not show yet; returns the entries.

    `returned_at` is when credits came back, where that is what it follows from, not news. Freezes first
    and unfreezes last, so that nothing is spent in between. Raises Busy under contention. Safe to
    repeat: then there is nothing left to write. News that were followed for another payment cannot be
    true of this one: they are parked, and count here no more.
    """
    for _ in range(ATTEMPTS):
        try:
            return _followed(store, practice_id, payment_id, now, returned_at)
        except _ToldOfAnother as news:  # each at most once: the record refuses them from here on
            _disown(store, practice_id, payment_id, news.about, now)
    raise Busy("This payment was told of too much that is another's. Send the same request again.")


class _ToldOfAnother(Exception):
    """A refund or dispute that was followed for another payment."""

    def __init__(self, about: str) -> None:
        super().__init__(about)
        self.about = about


def _disown(store: Store, practice_id: str, payment_id: str, about: str, now: datetime) -> None:
    parking.park_news(store, practice_id, payment_id, about, now)

    def attempt() -> None:
        record = store.load(practice_id, Wanted(payments=(payment_id,))).payments[payment_id]
        store.commit([writes.payment(practice_id, disowned(record, about))])

    once(attempt)


def _followed(
    store: Store, practice_id: str, payment_id: str, now: datetime, returned_at: datetime | None
) -> list[Entry]:
    record = store.load(practice_id, Wanted(payments=(payment_id,))).payments[payment_id]
    if not record.grants:
        return []
    ending = (_put_off,) if waits(record.disputes) else ()
    steps = (_freeze_more, *ending, _claw, _freeze_exactly) if record.disputes else (_claw,)
    when = _When(now, returned_at)
    entries = [
        entry
        for types in _together(record)
        for step in steps
        for entry in _carried_out(store, practice_id, record, types, when, step)
    ]
    for also in _short_payments(store, practice_id, entries):
        entries += follow(store, practice_id, also, now)
    return entries


def _short_payments(store: Store, practice_id: str, entries: list[Entry]) -> list[str]:
    """Payments given back whose lots had repaid a debt and have the credits again: these belong to them first."""
    returned = [(e.client_id, e.appointment_type, p.lot_id) for e in entries for p, _ in returns(e)]
    wallets = store.load(practice_id, Wanted(also=tuple({pair[:2] for pair in returned}))).also if returned else {}
    lots = [(wallets[pair[:2]], wallets[pair[:2]].lot(pair[2] or "")) for pair in returned]
    short = {payment_of(lot.payment) for of, lot in lots if lot and lot.payment and of.mark(lot.payment).short}
    return sorted(short)


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


def _carried_out(
    store: Store, practice_id: str, known: PaymentRecord, types: frozenset[str], when: "_When", step: "Step"
) -> list[Entry]:
    """One step for some types, decided anew on conflict, and when somebody was given some of the credits meanwhile."""
    holders, tried = known.holders, 0

    def attempt() -> list[Entry]:
        nonlocal holders, tried
        tried += 1
        pairs = tuple((h.client_id, h.appointment_type) for h in holders if h.appointment_type in types)
        clients = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
        loaded = store.load(practice_id, Wanted(payments=(known.payment_id,), also=pairs, others=clients))
        record = loaded.payments[known.payment_id]
        if record.holders != holders:
            holders = record.holders
            return attempt()
        before = settled_all(store, loaded, pairs, when.now, room_for(len(pairs)))
        return _step(store, practice_id, _View(record, loaded, before, when, is_repeated=tried > 1), step)

    return once(attempt)


@dataclass(frozen=True, slots=True)
class _When:
    """When we decide, and when credits came back, where that is what is followed."""

    now: datetime
    returned_at: datetime | None


@dataclass(frozen=True, slots=True)
class _View:
    """A payment's record with all its wallets, settled."""

    record: PaymentRecord
    loaded: Loaded
    changes: dict[Pair, Change]
    when: _When
    is_repeated: bool = False


Step = Callable[[Store, _View], tuple[PaymentRecord, dict[Pair, Change], Act]]


def _step(store: Store, practice_id: str, view: _View, step: Step) -> list[Entry]:
    record, changes, act = step(store, view)
    own = [e for change in changes.values() for e in change.entries if e.source_id == act.source_id]
    touched = [pair for pair in changes if changes[pair] is not view.changes[pair]]
    if not touched and record == view.record:
        return []
    if own and view.is_repeated:  # something was in the way: only mere contention may be tried again
        _check_own(store, practice_id, view.record, act)
    items = [writes.payment(practice_id, record)]
    if own:
        items.append(writes.operation(practice_id, _done(act, own)))
    for pair in touched:
        settings = view.loaded.dated_of(pair[0])
        change = settle(changes[pair], act.now, settings, act, limit=room_for(len(changes)))
        items += wallet_writes(store, [change], act.now, settings, wallets=len(changes))
    store.commit(items)
    return own


def _check_own(store: Store, practice_id: str, record: PaymentRecord, act: Act) -> None:
    """Raises _ToldOfAnother where this act is on record and the payment, unchanged, knows nothing of it."""
    about = act.source_id.split("/")[1]
    if about not in {what.split("/")[0] for _, what in record.news}:
        return
    if act.source_id not in store.load(practice_id, Wanted(source_ids=(act.source_id,))).operations:
        return
    now = store.load(practice_id, Wanted(payments=(record.payment_id,))).payments[record.payment_id]
    if now.version == record.version:
        raise _ToldOfAnother(about)


def _done(act: Act, own: list[Entry]) -> Operation:
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount, e.client_id) for e in own)
    return Operation(act.source_id, "", str(own[0].kind), own[0].client_id, refs, act.now)


def _claw(store: Store, view: _View) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    act, record = _named(view.record, "clawback", view)
    known, families, ledger = _told(store, view)
    books, grants = Books(known, act, ledger), []
    for grant in record.grants:
        if grant in families:
            part = record.part_undone(grant.line_id, grant.amount)
            owe = view.loaded.dated_of(grant.client_id).at(act.occurred_at).clawback_shortfall == "debt"
            known_family = families[grant]
            grants.append(claw(books, record.payment_id, grant, part, known_family, owe=owe, ends=record.ends))
        else:
            grants.append(grant)
    after = books.changes()
    made = {pair: change if change is not known[pair] else view.changes[pair] for pair, change in after.items()}
    if any(made[pair] is not view.changes[pair] for pair in made) or tuple(grants) != record.grants:
        return replace(record, grants=tuple(grants)), made, act
    return view.record, made, act


def _put_off(store: Store, view: _View) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    """Lots end later by what they waited in disputes that were won."""
    act, record = _named(view.record, EXTEND, view)
    known, families, ledger = _told(store, view)
    after = {pair: waited_for(change, families.values(), ledger, act) for pair, change in known.items()}
    made = {pair: change if change is not known[pair] else view.changes[pair] for pair, change in after.items()}
    return (record if any(made[pair] is not view.changes[pair] for pair in made) else view.record), made, act


def _told(store: Store, view: _View) -> tuple[dict[Pair, Change], dict[PaidGrant, Family], Ledger]:
    """The wallets knowing every lot that credits may return to, and what their entries tell of each grant."""
    record, types = view.record, {appointment_type for _, appointment_type in view.changes}
    ledger = Ledger(
        {kind: _ledger(store, view, kind) for kind in sorted(types)},
        waits(record.disputes),
        {r.refund_id: r.at for r in record.refunds if r.status is RefundStatus.FAILED},
    )
    grants = [grant for grant in record.grants if grant.appointment_type in types]
    families = {
        grant: family(record.payment_id, grant, ledger.of(grant.appointment_type), record.ends) for grant in grants
    }
    lots = _concerned(record, families, ledger)
    known = {pair: knowing(store, change, lots.get(pair, ())) for pair, change in view.changes.items()}
    return known, families, ledger


def _concerned(record: PaymentRecord, families: dict[PaidGrant, Family], ledger: Ledger) -> dict[Pair, list[str]]:
    """The lots of each wallet that credits may return to, or whose ends may move."""
    found: dict[Pair, list[str]] = {}
    for grant, of in families.items():
        kind, entries = grant.appointment_type, ledger.of(grant.appointment_type)
        for taken in grant.taken:
            found.setdefault((taken.client_id, kind), []).append(taken.lot_id)
        if grant.owed:
            repaid = repayers(entries, grant.client_id, payment_key(record.payment_id, grant.line_id))
            found.setdefault((grant.client_id, kind), []).extend(each.lot_id for each in repaid)
        if ledger.waits:
            for client_id, lots in lots_by_client(entries, of.lots).items():
                found.setdefault((client_id, kind), []).extend(lots)
    return found


def _ledger(store: Store, view: _View, appointment_type: str) -> list[Entry]:
    """The entries of all wallets of a type that have had credits of the payment, each as far as it was loaded."""
    found: list[Entry] = []
    for holder in view.record.holders:
        if holder.appointment_type == appointment_type:
            change = view.changes[holder.client_id, appointment_type]
            of = change.before
            stored = store.entries_after(of.practice_id, holder.client_id, appointment_type, holder.since)
            found += [entry for entry in stored if entry.sequence <= of.sequence]
            found += change.entries
    return found


def _freeze_more(store: Store, view: _View) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    """Adds the causes that freeze; those that are over stay until what they cost is taken."""
    return _freeze(view, lambda causes: tuple(dict.fromkeys((*causes, *view.record.open_disputes))))


def _freeze_exactly(store: Store, view: _View) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    return _freeze(view, lambda causes: view.record.open_disputes)


def _freeze(
    view: _View, causes: Callable[[tuple[Freeze, ...]], tuple[Freeze, ...]]
) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    act, named = _named(view.record, "freeze", view)
    changes = dict(view.changes)
    for (client_id, kind), change in view.changes.items():
        keys = [payment_key(named.payment_id, g.line_id) for g in named.grants if g.appointment_type == kind]
        frozen = {k: causes(change.wallet.mark(k).frozen) for k in keys}
        changes[client_id, kind] = refreeze(change, frozen, act, view.loaded.settings_of(client_id))
    made = any(changes[pair] is not view.changes[pair] for pair in changes)
    return (named if made else view.record), changes, act


def _named(record: PaymentRecord, verb: str, view: _View) -> tuple[Act, PaymentRecord]:
    """The act, named after the newest news not followed yet: `clawback/<refund or dispute>/<status>`.

    What follows from the same news again, when credits return later, is numbered by the record's version.
    """
    now = view.when.now
    paid_at = record.paid_at or now
    own = [(paid_at, standing) for standing in record.standing] + record.cut_short
    told = sorted([(at, f"{record.payment_id}/{what}") for at, what in own] + record.news)
    if verb == EXTEND:
        told = [(at, what) for at, what in told if what.endswith(f"/{DisputeStatus.WON}")]
    new = [(at, what) for at, what in told if f"{verb}/{what}" not in record.followed]
    at, what = (new or told or [(paid_at, record.payment_id)])[-1]
    source_id = f"{verb}/{what}"
    if new:
        record = replace(record, followed=(*record.followed, source_id))
    else:
        source_id, at = f"{source_id}/{record.version}", view.when.returned_at or now
    return Act(source_id, _cause(record, what.split("/")[0]), STRIPE, min(max(at, paid_at), now), now), record


def _cause(record: PaymentRecord, about: str) -> Cause:
    ids = {"payment": record.payment_id}
    if about == record.payment_id and record.within:
        return Cause(CauseKind.PACKAGE, ids | {"granted_by": record.within})
    if about == record.payment_id:
        return Cause(CauseKind.SUBSCRIPTION, ids | {"subscription": record.subscription or ""})
    if about in {dispute.dispute_id for dispute in record.disputes}:
        return Cause(CauseKind.DISPUTE, ids | {"dispute": about})
    return Cause(CauseKind.REFUND, ids | {"refund": about})
