"""What freezes a lot: an open dispute always, being past due only while the setting says so.

Marks keep the causes; which of them count follows from the settings, so a change of the setting
`past_due` holds at once, wherever the credits went. Nothing else writes what freezes a lot.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting
from client_credits.domain.ledger.wallet import Freeze, Lot, Wallet
from client_credits.domain.practice.settings import Settings

PAST_DUE = "past_due/"  # how a cause begins that counts by the setting
_NONE: frozenset[str] = frozenset()


def past_due(subscription: str, since: datetime) -> Freeze:
    return Freeze(f"{PAST_DUE}{subscription}", since)


def freezes(wallet: Wallet, lot: Lot, settings: Settings, also: frozenset[str] = _NONE) -> tuple[Freeze, ...]:
    """What freezes a lot of the wallet while these settings hold. What no mark concerns stays as it is, but for
    the lots of the payment lines and subscriptions that `also` names."""
    about = {lot.payment, lot.subscription}
    own = [mark for mark in wallet.marks if mark.about in about and mark.frozen]
    if not own and not about & also:
        return lot.frozen
    counts = settings.past_due == "freeze"
    causes = {each for mark in own for each in mark.frozen if counts or not each.cause.startswith(PAST_DUE)}
    return tuple(sorted(causes, key=lambda freeze: (freeze.cause, freeze.since)))


def refrozen(wallet: Wallet, settings: Settings, also: frozenset[str] = _NONE) -> Wallet:
    """The wallet with its lots frozen by just what freezes them; the same where nothing changes."""
    if not also and not any(mark.frozen for mark in wallet.marks):
        return wallet
    lots = tuple(replace(lot, frozen=freezes(wallet, lot, settings, also)) for lot in wallet.lots)
    return wallet if lots == wallet.lots else replace(wallet, lots=lots)


def refreeze(change: Change, causes: Mapping[str, tuple[Freeze, ...]], act: Act, settings: Settings) -> Change:
    """The lots of each payment line or subscription named are frozen by exactly its causes, beside others',
    as far as the settings let them count.

    One `frozen` and one `unfrozen` entry of 0 at most, naming the lots whose usability changed, dated no
    earlier than these began. What returns to these lots later is frozen alike.
    """
    marked = change.wallet
    for about, own in causes.items():
        marked = marked.with_mark(replace(marked.mark(about), frozen=own))
    after = refrozen(marked, settings, also=frozenset(causes))
    if after is change.wallet:
        return change
    turned = [(lot, bool(new.frozen)) for lot, new in zip(marked.lots, after.lots, strict=True) if lot.remaining]
    turned = [(lot, is_frozen) for lot, is_frozen in turned if bool(lot.frozen) != is_frozen]
    change = replace(change, wallet=after)
    for kind, frozen in ((EntryKind.FROZEN, True), (EntryKind.UNFROZEN, False)):
        if lots := [lot for lot, is_frozen in turned if is_frozen is frozen]:
            begun = [lot.effective_at for lot in lots if lot.effective_at <= act.now]
            postings = tuple(Posting(0, lot_id=lot.lot_id) for lot in lots)
            change = change.record(after, kind, act, postings, max([min(act.occurred_at, act.now), *begun]))
            after = change.wallet
    return change
