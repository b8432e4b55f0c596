"""How what is given back of one money is shared among the payments that it paid.

What pays for nothing goes first: what was overpaid, and what the money had paid of payments that it pays no more. The
rest is shared by what it paid of each. Knows no refund.
"""

from collections.abc import Mapping
from fractions import Fraction

from client_credits.domain.payments.money import PaidBy, Share


def own_part(of: PaidBy, payment_id: str, back: Fraction, noted: Mapping[str, int]) -> Fraction:
    """How much of `back` minor units, given back of a money, is the payment's own, with what was overpaid of it.

    `noted` is what the credit notes of each payment took of the money beside that.
    """
    own = of.share_of(payment_id)
    if own is None:
        return back
    overpaid = sum(share.overpaid for share in of.shares)
    idle = sum(_left(share, noted) for share in of.shares if share.detached)
    rest = max(Fraction(0), back - overpaid - idle)
    excess = min(back, Fraction(overpaid)) * Fraction(own.overpaid, overpaid or 1)
    return excess + (0 if own.detached else _shared(of, own, rest, noted))


def _shared(of: PaidBy, own: Share, rest: Fraction, noted: Mapping[str, int]) -> Fraction:
    """Its part by what the money paid of each: of none more than is left of that, while any is left of another.

    Equal parts, where it is not stated what it paid of one of them.
    """
    paying = [share for share in of.shares if not share.detached]
    paid = sum(share.amount or 0 for share in paying)
    if not paid or any(share.amount is None for share in paying):
        return rest / len(paying)
    amount, beyond = own.amount or 0, paid
    for share in sorted((s for s in paying if s.amount), key=lambda s: Fraction(_left(s, noted), s.amount or 1)):
        if rest * (share.amount or 0) <= _left(share, noted) * beyond:
            return min(Fraction(_left(own, noted)), rest * amount / beyond)
        rest -= _left(share, noted)
        beyond -= share.amount or 0
    return _left(own, noted) + rest * amount / paid


def _left(share: Share, noted: Mapping[str, int]) -> int:
    return max(0, (share.amount or 0) - noted.get(share.payment_id, 0))
