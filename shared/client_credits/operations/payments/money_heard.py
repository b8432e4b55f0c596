"""What is said of money is stored first: with the payments it paid or, while none is known, with the money.

Owns which records news and links go to, all of them in one transaction. What follows from them for the
credits is `money_back`'s. Everything here may be repeated at will, and raises Conflicted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from client_credits.domain.payments.facts import MoneyBack, Payment, PaymentMade
from client_credits.domain.payments.folding import joined, learned, linked, misstated, waiting, with_overpaid
from client_credits.domain.payments.money import MAX_SHARES, Money, Share, names_of
from client_credits.domain.payments.payment_record import PaymentRecord, is_of
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.store import writes
from client_credits.store.records import Wanted

Records = Mapping[str, PaymentRecord]


@dataclass(frozen=True, slots=True)
class _Known:
    """A money, and the record of its other name where that does not lead to it yet."""

    money: Money
    other: Money | None = None

    def joined(self) -> tuple[Money, list[Money]]:
        """The money with what waits under its other name; and that name, leading to it, where this changes it."""
        if self.other is None:
            return self.money, []
        money, other = joined(self.money, self.other)
        return money, [other] if other != self.other else []


@dataclass(frozen=True, slots=True)
class Linked:
    """The payments that a link's news may change; `misstated`, that another money says it was overpaid with that."""

    payment_ids: tuple[str, ...] = ()
    misstated: bool = False


def learn(context: Context, news: MoneyBack) -> tuple[str, ...] | None:
    """Adds the news to the payments they are about, or to their money while nothing that it paid is known (None).

    Returns the payments' ids: none where they are another account's.
    """
    names, named = names_of(news), (news.payment_id,) if news.payment_id else ()
    loaded = context.load(Wanted(payments=named, money=names[:1]))
    if news.payment_id and (home := loaded.payments[news.payment_id].within):
        news, named = replace(news, payment_id=home), (home,)
    known = _known(context, names, loaded.money) if names else None
    of = dict.fromkeys((*named, *(known.money.payment_ids if known else ())))
    if not of:
        assert known is not None, "news name a payment or money"
        money, moneys = known.joined()
        _commit(context, {}, {}, [known.money], [*moneys, waiting(money, news)])
        return None
    before = _records(context, of, loaded.payments)
    records = {i: replace(r, account=news.account, mode=news.mode) for i, r in before.items() if is_of(r, news.account)}
    moneys = []
    if known and news.payment_id in records and _may_link(known.money, news.payment_id):
        records, moneys = _linked(known, records, Share(news.payment_id))
    if any(note.refunds for note in news.notes):
        sharing = [share.payment_id for r in records.values() for by in r.paid_by for share in by.shares]
        before = _records(context, sharing, before)
        records = before | records
    money_id = known.money.money if known else None
    after = {i: learned(record, news, money_id) for i, record in records.items()}
    _commit(context, before, after, [known.money] if known else [], moneys)
    return tuple(after)


def link(context: Context, made: PaymentMade) -> Linked:
    """Learns that a money paid a payment, or pays it no more.

    Changes nothing where the payment is another account's. Links beyond MAX_SHARES of one money are not made.
    """
    names = names_of(made)
    loaded = context.load(Wanted(payments=(made.payment_id,), money=names))
    if not is_of(loaded.payments[made.payment_id], made.account):
        return Linked()
    known = _known(context, names, loaded.money)
    if len(known.money.shares) >= MAX_SHARES and made.payment_id not in known.money.payment_ids:
        return Linked()
    before = _records(context, known.money.payment_ids, loaded.payments)
    share = Share(made.payment_id, made.amount, made.at, made.detached)
    own = replace(before[made.payment_id], account=made.account, mode=made.mode)
    records, moneys = _linked(known, {**before, own.payment_id: own}, share)
    if [money for money in moneys if money != known.money]:
        _commit(context, before, records, [known.money], moneys)
    return Linked(_eventful(records), misstated(records[made.payment_id]) is not None)


def learn_overpaid(context: Context, of: Payment | PaymentMade, overpaid: int = 0) -> tuple[str, ...]:
    """Learns what was overpaid of a payment: all that its moneys paid know it then, one money after the other.

    Returns the payments that this may change. Safe to repeat: a repeat completes what a worker left that died.
    """
    changed: set[str] = set()
    while (found := once(lambda: _overpaid_learned(context, of, overpaid))) is not None:
        changed |= set(found)
    return tuple(sorted(changed))


def _overpaid_learned(context: Context, of: Payment | PaymentMade, overpaid: int) -> tuple[str, ...] | None:
    """One step of it, and the payments that this may change; None where nothing is left to do."""
    known = context.load(Wanted(payments=(of.payment_id,))).payments
    home = known[of.payment_id].within or of.payment_id
    before = _records(context, [home], known)
    if not is_of(before[home], of.account):
        return None
    told = replace(before[home], account=of.account, mode=of.mode, overpaid=max(before[home].overpaid, overpaid))
    money_id = misstated(told)
    if money_id is None:
        _commit(context, before, {home: told}, [], [])
        return None
    money = context.load(Wanted(money=(money_id,))).money[money_id]
    before = _records(context, money.payment_ids, before)
    sharing = {i: before[i] for i in money.payment_ids}
    after, restated = with_overpaid({**sharing, home: told}, money, home)
    _commit(context, before, after, [money], [restated])
    return _eventful(after)


def _eventful(records: Records) -> tuple[str, ...]:
    return tuple(i for i, record in records.items() if record.eventful and record.grants)


def _may_link(money: Money, payment_id: str) -> bool:
    return payment_id not in money.payment_ids and len(money.shares) < MAX_SHARES


def _linked(known: _Known, records: Records, share: Share) -> tuple[dict[str, PaymentRecord], list[Money]]:
    """The records with the share, and the moneys as they then stand."""
    money, moneys = known.joined()
    sharing = {*money.payment_ids, share.payment_id}
    after, money = linked([record for i, record in records.items() if i in sharing], money, share)
    after, money = with_overpaid(after, money, share.payment_id)
    return {**records, **after}, [*moneys, money]


def _known(context: Context, names: tuple[str, ...], loaded: Mapping[str, Money]) -> _Known:
    """The money that goes by these names. The second is looked up only where the first leads to no payment."""

    def found(name: str) -> Money:
        return loaded.get(name) or context.load(Wanted(money=(name,))).money[name]

    first = found(names[0])
    if first.same_as:
        return _Known(found(first.same_as))
    if len(names) == 1 or (first.shares and names[1] not in loaded):
        return _Known(first)
    other = found(names[1])
    if other.same_as:
        return _Known(first if other.same_as == first.money or first.shares else found(other.same_as))
    return _Known(other, first) if other.shares and not first.shares else _Known(first, other)


def _records(context: Context, wanted: Iterable[str], known: Records) -> dict[str, PaymentRecord]:
    """These payments' records beside those already known."""
    missing = tuple(dict.fromkeys(i for i in wanted if i not in known))
    return {**known, **(context.load(Wanted(payments=missing)).payments if missing else {})}


def _commit(context: Context, before: Records, after: Records, known: Iterable[Money], moneys: Iterable[Money]) -> None:
    """Stores what changed, in one transaction."""
    items = [writes.payment(context.practice_id, record) for i, record in after.items() if record != before.get(i)]
    items += [writes.money(context.practice_id, money) for money in moneys if money not in known]
    if items:
        context.commit(items)
