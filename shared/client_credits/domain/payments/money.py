"""The money that paid: a payment intent or charge, which payments it paid, and what waits with it.

Owns the names of money and how a payment's part of it is stated. What was given back is not reckoned here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from client_credits.domain.payments.facts import OWN_ACCOUNT, Dispute, MoneyBack, PaidWith, PaymentMade, Refund

MAX_SHARES = 40  # payments that one money may pay
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Share:
    """What a money paid of one payment, in minor units (None: not stated), as last stated `at`.

    Detached, it pays it no more. What was overpaid with it is beside `amount`.
    """

    payment_id: str
    amount: int | None = None
    at: datetime | None = None
    detached: bool = False
    overpaid: int = 0


@dataclass(frozen=True, slots=True)
class PaidBy:
    """A money that paid (part of) a payment, with all the payments it paid, and what Stripe says was refunded
    of it in all as of an instant. `charge` is its charge, where that is known."""

    money: str
    refunded_total: int = 0
    refunded_at: datetime | None = None
    shares: tuple[Share, ...] = ()
    charge: str = ""

    @property
    def name(self) -> str:
        """Stripe's own id of it: of its charge, where that is known."""
        return self.charge or self.money.rpartition("/")[2]

    def share_of(self, payment_id: str) -> Share | None:
        return next((share for share in self.shares if share.payment_id == payment_id), None)


@dataclass(frozen=True, slots=True)
class Money:
    """What is known of a payment intent or charge: the payments it paid or, until one is known, what was heard
    of money back. `same_as` is the other name of a money under which all that stands."""

    money: str
    shares: tuple[Share, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    refunded_total: int = 0
    refunded_at: datetime | None = None
    same_as: str | None = None
    charge: str = ""
    version: int = 0

    @property
    def payment_ids(self) -> tuple[str, ...]:
        return tuple(share.payment_id for share in self.shares)

    def paying(self, payment_id: str, instead_of: str) -> "Money":
        """The money once another payment holds what it paid of one."""
        return replace(self, shares=renamed(self.shares, instead_of, payment_id))


def money_of(news: PaymentMade | MoneyBack) -> str | None:
    """The name of the money that news are about: its intent, else its charge."""
    return next(iter(names_of(news)), None)


def names_of(news: PaymentMade | MoneyBack) -> tuple[str, ...]:
    """The names of the money that news are about, the first the one it goes by."""
    return names_in(PaidWith(news.payment_intent, news.charge), news.account)


def names_in(paid_with: PaidWith, account: str) -> tuple[str, ...]:
    """The names of one money. That of a connected account carries the account's id."""
    given = dict.fromkeys(filter(None, (paid_with.payment_intent, paid_with.charge)))
    return tuple(name if account == OWN_ACCOUNT else f"{account}/{name}" for name in given)


def renamed(shares: tuple[Share, ...], payment_id: str, other: str) -> tuple[Share, ...]:
    """The shares with that of one payment restated as another's."""
    found: tuple[Share, ...] = ()
    for share in shares:
        found = with_share(found, replace(share, payment_id=other) if share.payment_id == payment_id else share)
    return found


def with_share(shares: tuple[Share, ...], newest: Share) -> tuple[Share, ...]:
    """The shares with what was heard of one, in the order of their payments: of each the last word."""
    others = tuple(share for share in shares if share.payment_id != newest.payment_id)
    own = next((share for share in shares if share.payment_id == newest.payment_id), None)
    last = newest if own is None else _last_of(own, newest)
    return tuple(sorted((*others, last), key=lambda share: share.payment_id))


def _last_of(one: Share, other: Share) -> Share:
    first, last = sorted((one, other), key=lambda s: (s.at or LONG_AGO, s.detached, s.amount or 0))
    amount = last.amount if last.amount is not None else first.amount
    return replace(last, amount=amount, overpaid=max(one.overpaid, other.overpaid))


def later_total(*totals: tuple[datetime | None, int]) -> tuple[datetime | None, int]:
    """Of what Stripe said was refunded in all, each as of an instant, the last word."""
    return max(totals, key=lambda each: (each[0] or LONG_AGO, each[1]))


def overpaid_with(paid_by: tuple[PaidBy, ...], payment_id: str, overpaid: int) -> dict[str, int]:
    """What was overpaid of a payment with each of its moneys: all of it with the one that paid it last."""
    own = list(own_shares(paid_by, payment_id))
    last = max(own, key=lambda each: (not each[1].detached, each[1].at or LONG_AGO, each[0].money), default=None)
    return {each.money: overpaid if last and each is last[0] else 0 for each, _ in own}


def own_shares(paid_by: tuple[PaidBy, ...], payment_id: str) -> Iterator[tuple[PaidBy, Share]]:
    """The payment's own share of each money that is known to have paid it."""
    for each in paid_by:
        share = each.share_of(payment_id)
        if share is not None:
            yield each, share
