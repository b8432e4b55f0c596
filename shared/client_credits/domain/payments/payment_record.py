"""The record of a payment: what it granted, who has had those credits, and all that was heard of its money.

How news are folded into it is in `folding`, what they come to in `given_back`. Knows no wallet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.tranches import Ended, Plan, last_of
from client_credits.domain.ledger.wallet import Freeze, Lot
from client_credits.domain.payments.facts import CreditNote, Dispute, DisputeStatus, Refund, RefundStatus
from client_credits.domain.payments.money import PaidBy, own_shares
from client_credits.domain.payments.replaced import Span, given_back

MAX_HOLDERS = 40  # wallets that may have credits of one payment


@dataclass(frozen=True, slots=True)
class Taken:
    """Credits clawed back from a client's lot: by which refund or dispute, and when."""

    client_id: str
    lot_id: str
    amount: int
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaidGrant:
    """What one line of a payment granted of one type, and what was clawed back of it so far.

    `amount` is the line's, in minor units. `owed` counts all debt ever made for it and not taken
    back since, repaid or not; `reported` is the shortfall that was only reported. `let_go` is what was
    given back of what had been withheld of later tranches, by the lot of each, `revived` what came back to each lot, in
    all, of what had expired in disputes that were won. `span` is the time of a subscription's item that it
    was paid for. A change of plan `owned` so much when it was last reckoned, of which `granted` came as lots like
    `kind`; without any there is no lot yet.
    """

    line_id: str
    client_id: str
    appointment_type: str
    amount: int
    lot_id: str
    taken: tuple[Taken, ...] = ()
    owed: int = 0
    reported: int = 0
    let_go: tuple[Taken, ...] = ()
    plan: Plan | None = None  # where it brings monthly tranches
    revived: tuple[Taken, ...] = ()
    also: tuple[str, ...] = ()  # further lines of the payment that were granted with this one
    span: Span | None = None
    owned: int | None = None
    granted: int = 0
    kind: Lot | None = None

    @property
    def taken_back(self) -> int:
        return sum(part.amount for part in self.taken)

    def with_taken(self, part: Taken) -> "PaidGrant":
        """So much more is taken: one number a lot, cause and instant, the newest touched last."""
        before = next((t for t in self.taken if replace(t, amount=0) == replace(part, amount=0)), None)
        more = replace(part, amount=part.amount + (before.amount if before else 0))
        return replace(self, taken=(*(t for t in self.taken if t is not before), more))

    def without_taken(self, part: Taken, amount: int) -> "PaidGrant":
        """So much of a part is given back."""
        assert 0 < amount <= part.amount, (part, amount)
        left = (replace(part, amount=part.amount - amount),) if amount < part.amount else ()
        return replace(self, taken=(*(t for t in self.taken if t is not part), *left))

    def owned_by(self, names: Mapping[str, str]) -> "PaidGrant":
        """The grant where clients were merged, given who goes on for whom."""

        def renamed(parts: tuple[Taken, ...]) -> tuple[Taken, ...]:
            return tuple(replace(part, client_id=names.get(part.client_id, part.client_id)) for part in parts)

        owner = names.get(self.client_id, self.client_id)
        taken, let_go, revived = map(renamed, (self.taken, self.let_go, self.revived))
        return replace(self, client_id=owner, taken=taken, let_go=let_go, revived=revived)

    def with_revived(self, client_id: str, lot_id: str, amount: int) -> "PaidGrant":
        """So much more came back to a lot."""
        return replace(self, revived=_with_more(self.revived, client_id, lot_id, amount))

    def with_let_go(self, client_id: str, lot_id: str, amount: int) -> "PaidGrant":
        """So much more of what was withheld of a tranche came after all."""
        return replace(self, let_go=_with_more(self.let_go, client_id, lot_id, amount))


def _with_more(parts: tuple[Taken, ...], client_id: str, lot_id: str, amount: int) -> tuple[Taken, ...]:
    known = {(part.client_id, part.lot_id): part.amount for part in parts}
    known[client_id, lot_id] = known.get((client_id, lot_id), 0) + amount
    return tuple(Taken(*lot, n) for lot, n in sorted(known.items()))


@dataclass(frozen=True, slots=True)
class Holder:
    """A wallet that has had credits of the payment, in its entries after `since`."""

    client_id: str
    appointment_type: str
    since: int


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """A payment: what it granted, who has had those credits, and all that was heard of money back.

    `paid` is in minor units, of which the customer's balance paid `by_balance`; `overpaid` is beyond it.
    `credited_before` and `credited_after` are what the payment itself stated of its credit notes: before it
    was paid, beside `paid`, and since. `revoked` says why it should not have granted at all; `upheld`,
    that staff decided that it counts all the same. `followed` names the news whose consequences for the
    credits are written; `foreign`, the refunds and disputes that named it and are another's.
    `ends` are those of its subscription, as far as they were heard and concern it. `changes` says that it
    changed a plan; `reckoned` names the changes, and when they were, for which what it owns is another number.
    `within` is the payment of the same
    money whose record holds this one's grants; `sold` and `sold_by_intent` count the packages; `covered` those of
    `sold` that another payment of the same money had granted, `beyond` those that the intent granted: see `one_money`.
    """

    payment_id: str
    account: str = ""
    mode: str = ""
    paid: int = 0
    by_balance: int = 0
    overpaid: int = 0
    credited_before: int = 0
    credited_after: int = 0
    paid_at: datetime | None = None
    subscription: str | None = None
    grants: tuple[PaidGrant, ...] = ()
    holders: tuple[Holder, ...] = ()
    paid_by: tuple[PaidBy, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    notes: tuple[CreditNote, ...] = ()
    revoked: str | None = None
    upheld: bool = False
    followed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    ends: tuple[Ended, ...] = ()
    changes: bool = False
    reckoned: tuple[tuple[datetime, str], ...] = ()
    within: str | None = None
    sold: dict[str, int] = field(default_factory=dict)
    sold_by_intent: dict[str, int] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=dict)
    beyond: dict[str, int] = field(default_factory=dict)
    version: int = 0

    @property
    def eventful(self) -> bool:
        """Whether any news of it might change its grants."""
        news = self.refunds or self.disputes or self.notes or self.revoked or self.upheld or self.cut_short
        detached = any(share.detached for _, share in own_shares(self.paid_by, self.payment_id))
        summed = any(each.refunded_total for each in self.paid_by) or self.credited_before or self.credited_after
        return bool(news or detached or summed or self.followed or self.reckoned)

    @property
    def is_understood(self) -> bool:
        """Whether this release knows the status of every refund and dispute. Where it does not, nothing that follows
        from the record is worked out: it waits for the release that does."""
        refunds = all(isinstance(refund.status, RefundStatus) for refund in self.refunds)
        return refunds and all(isinstance(dispute.status, DisputeStatus) for dispute in self.disputes)

    @property
    def own_notes(self) -> tuple[CreditNote, ...]:
        """Its own credit notes that count; others' tell which refunds are not for it."""
        return tuple(n for n in self.notes if n.counts and n.payment in ("", self.payment_id))

    @property
    def standing(self) -> list[str]:
        """Whether it counts, where that was in question."""
        return ([self.revoked] if self.revoked else []) + (["upheld"] if self.upheld else [])

    @property
    def cut_short(self) -> list[tuple[datetime, str]]:
        """The ends after which tranches of its grants no longer come, or with which the rest of their time was
        given back, as (instant, `ended/<item or subscription>/<instant>`): one corrected has a name of its own."""
        cutting = (ended for ended in self.ends if any(_cuts(ended, grant, self.ends) for grant in self.grants))
        return [(e.at, f"ended/{e.item or e.subscription}/{instant_text(e.at)}") for e in cutting]

    @property
    def open_disputes(self) -> tuple[Freeze, ...]:
        """What freezes its credits."""
        opened = [d for d in self.disputes if d.status is DisputeStatus.OPEN]
        return tuple(Freeze(f"dispute/{d.dispute_id}", d.since) for d in opened)

    def with_holders(self, pairs: Iterable[tuple[str, str, int]]) -> "PaymentRecord":
        """The record with further wallets that have its credits: (client, type, their last entry before that)."""
        known = {(h.client_id, h.appointment_type): h.since for h in self.holders}
        for client_id, kind, since in pairs:
            known[client_id, kind] = min(since, known.get((client_id, kind), since))
        return replace(self, holders=tuple(Holder(*pair, since) for pair, since in sorted(known.items())))

    def owned_by(self, names: Mapping[str, str]) -> "PaymentRecord":
        """The record where clients were merged, given who goes on for whom. Holders stay: their entries do, too."""
        return replace(self, grants=tuple(g.owned_by(names) for g in self.grants)) if names else self

    def with_ends(self, ends: Iterable[Ended]) -> "PaymentRecord":
        """The record with those ends that concern its grants, and all it knew: a subscription forgets, it does not."""
        items = {grant.span.item for grant in self.grants if grant.span}
        planned = any(grant.plan for grant in self.grants)
        own = {e for e in ends if e.item in items or (e.item is None and (planned or items))}
        return replace(self, ends=tuple(sorted({*self.ends, *own}, key=repr)))


def _cuts(ended: Ended, grant: PaidGrant, ends: tuple[Ended, ...]) -> bool:
    if grant.plan and last_of(grant.plan, [ended]) < grant.plan.count:
        return True
    of_all_items = tuple(each for each in ends if each.item is None)
    return given_back(grant.span, (ended, *of_all_items)) > 0


def is_of(known: PaymentRecord, account: str) -> bool:
    """Whether what is known of a payment may be added to by news of this account.

    A connected account's events reach the same practice, and must not touch what another account was paid.
    """
    return known.account in ("", account)
