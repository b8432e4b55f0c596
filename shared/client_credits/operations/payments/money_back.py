"""What is heard of a payment is stored first: money given back, which money paid it, whether it counts.

What follows from it for the credits is written after (`following`). Both may be repeated at will: the
record says what is known and what was done about it, under a version.
"""

from dataclasses import replace

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.facts import MoneyBack, PaymentMade
from client_credits.domain.payments.payment_record import (
    Money,
    is_of,
    learned,
    linked,
    money_of,
    waiting,
)
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import following
from client_credits.store import writes
from client_credits.store.records import Wanted

ELSEWHERE = ""  # in place of a payment's id: it is another account's


def apply_money_back(context: Context, news: MoneyBack) -> str:
    """Stores what the news tell, then claws back, reinstates, freezes or unfreezes as it all stands.

    While nobody knows which payment it is about, the news wait with the money: `waiting`. Else
    `followed`. Raises Busy under contention. Safe to repeat.
    """
    payment_id = once(lambda: _learn(context, news))
    if payment_id is None:
        return "waiting"
    if payment_id == ELSEWHERE:
        return "of_another_account"
    following.follow(context, payment_id)
    return "followed"


def apply_payment_made(context: Context, made: PaymentMade) -> str:
    """Learns which money paid a payment; what had waited for it takes effect. Safe to repeat."""
    money_id = money_of(made)
    if money_id is None:
        return "nothing_named"

    def attempt() -> bool:
        loaded = context.load(Wanted(payments=(made.payment_id,), money=(money_id,)))
        record, money = loaded.payments[made.payment_id], loaded.money[money_id]
        if not is_of(record, made.account):
            return False
        if money.payment_id is None:
            record = replace(record, account=made.account, mode=made.mode)
            record, money = linked(record, money)
            context.commit([writes.payment(context.practice_id, record), writes.money(context.practice_id, money)])
        return bool(record.eventful and record.grants)

    if once(attempt):
        following.follow(context, made.payment_id)
    return "linked"


def _learn(context: Context, news: MoneyBack) -> str | None:
    """Adds the news to the payment's record, or to the money's while its payment is not known (None).

    ELSEWHERE when the payment is another account's.
    """
    money_id = money_of(news)
    named = (news.payment_id,) if news.payment_id else ()
    loaded = context.load(Wanted(payments=named, money=(money_id,) if money_id else ()))
    money = loaded.money.get(money_id or "")
    payment_id = news.payment_id or (money.payment_id if money else None)
    if payment_id is None:
        assert money is not None, "news name a payment or money"
        _note_waiting(context, money, news)
        return None
    if payment_id not in loaded.payments:
        loaded = context.load(Wanted(payments=(payment_id,)))
    if not is_of(loaded.payments[payment_id], news.account):
        return ELSEWHERE
    record = replace(loaded.payments[payment_id], account=news.account, mode=news.mode)
    items = []
    if money and money.payment_id is None:
        record, money = linked(record, money)
        items.append(writes.money(context.practice_id, money))
    record = learned(record, news)
    if record != loaded.payments[payment_id]:
        context.commit([*items, writes.payment(context.practice_id, record)])
    return payment_id


def _note_waiting(context: Context, money: Money, news: MoneyBack) -> None:
    noted = waiting(money, news)
    if noted != money:
        context.commit([writes.money(context.practice_id, noted)])


def revoke(context: Context, payment_id: str, reason: str) -> bool:
    """Takes back all that a payment granted which should not have counted, unless staff upheld it.

    Says whether it is revoked now. Safe to repeat.
    """

    def attempt() -> bool:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        if not record.upheld and record.revoked is None:
            context.commit([writes.payment(context.practice_id, replace(record, revoked=reason))])
        return not record.upheld

    revoked = once(attempt)
    if revoked:
        following.follow(context, payment_id)
    return revoked


def uphold(context: Context, payment_id: str) -> list[Entry]:
    """A payment counts after all: what revoking it took is reinstated. Returns the entries; safe to repeat."""

    def attempt() -> bool:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        if record.revoked is not None:
            context.commit([writes.payment(context.practice_id, replace(record, revoked=None, upheld=True))])
        return record.revoked is not None or record.upheld

    return following.follow(context, payment_id) if once(attempt) else []


def end(context: Context, payment_id: str, ends: tuple[Ended, ...]) -> None:
    """A payment learns since when its plans bring no more tranches; what follows is written. Safe to repeat."""

    def attempt() -> None:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        if record.ends != ends:
            context.commit([writes.payment(context.practice_id, replace(record, ends=ends))])

    once(attempt)
    following.follow(context, payment_id)
