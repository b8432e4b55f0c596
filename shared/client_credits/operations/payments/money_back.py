"""What is heard of a payment is stored first: money given back, which money paid it, whether it counts.

What follows from it for the credits is written after (`following`). Both may be repeated at will: the
record says what is known and what was done about it, under a version.
"""

from collections.abc import Iterable
from dataclasses import replace

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.facts import MoneyBack, Payment, PaymentMade
from client_credits.domain.payments.money import money_of
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import following, plan_changes
from client_credits.operations.payments.money_heard import learn, learn_overpaid, link
from client_credits.store import writes
from client_credits.store.records import Wanted


def apply_money_back(context: Context, news: MoneyBack) -> str:
    """Stores what the news tell, then claws back, reinstates, freezes or unfreezes as it all stands.

    While nobody knows which payment it is about, the news wait with the money: `waiting`. Else
    `followed`. Raises Busy under contention, and ValueError as `_follow_each` does. Safe to repeat.
    """
    payment_ids = once(lambda: learn(context, news))
    if payment_ids is None:
        return "waiting"
    _follow_each(context, payment_ids)
    return "followed" if payment_ids else "of_another_account"


def _follow_each(context: Context, payment_ids: Iterable[str]) -> None:
    """Writes what follows from these payments' records.

    Raises ValueError, once all others are followed, where a record has a word that only a later release knows: its
    credits stay as they are, and the message comes again until that release is there.
    """
    left = [payment_id for payment_id in sorted(payment_ids) if not _follow(context, payment_id)]
    if left:
        raise ValueError(f"a refund's or dispute's status that only a later release knows: {', '.join(left)}")


def _follow(context: Context, payment_id: str) -> bool:
    following.follow(context, payment_id)
    return plan_changes.refunded(context, payment_id)


def apply_payment_made(context: Context, made: PaymentMade) -> str:
    """Learns which money paid a payment, or pays it no more; what had waited for it takes effect. Safe to repeat.

    Raises ValueError as `_follow_each` does.
    """
    if money_of(made) is None:
        return "nothing_named"
    _follow_each(context, _linked(context, made))
    return "linked"


def _linked(context: Context, made: PaymentMade) -> set[str]:
    """Links a payment to its money; which payments this is about."""
    linked = once(lambda: link(context, made))
    also = learn_overpaid(context, made) if linked.misstated else ()
    return {*linked.payment_ids, *also}


def apply_overpaid(context: Context, payment: Payment) -> None:
    """Learns what was overpaid of a payment, which what went back of its moneys takes first. Safe to repeat.

    Raises ValueError as `_follow_each` does.
    """
    _follow_each(context, learn_overpaid(context, payment, payment.overpaid))


def link_paid(context: Context, payment: Payment) -> None:
    """Links a payment to everything that it says paid it. Safe to repeat."""
    for paid_with in payment.moneys:
        about = (payment.event_id, payment.account, payment.mode, payment.payment_id)
        made = PaymentMade(*about, paid_with.payment_intent, paid_with.charge, paid_with.amount, payment.paid_at)
        if money_of(made):
            for payment_id in sorted(_linked(context, made)):
                _follow(context, payment_id)


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
    """A payment learns since when its plans bring no more tranches, and what of their time was given back; what
    follows is written. Safe to repeat."""

    def attempt() -> None:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        if record.with_ends(ends) != record:
            context.commit([writes.payment(context.practice_id, record.with_ends(ends))])

    once(attempt)
    following.follow(context, payment_id)
