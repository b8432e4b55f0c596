"""What freezes a lot: an open dispute always, being past due only while the setting says so.

Marks keep the causes; which of them count follows from the settings, so a change of the setting
`past_due` holds at once, wherever the credits went.
"""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.ledger.wallet import Freeze, Lot, Wallet
from client_credits.domain.practice.settings import Settings

PAST_DUE = "past_due/"  # how a cause begins that counts by the setting


def past_due(subscription: str, since: datetime) -> Freeze:
    return Freeze(f"{PAST_DUE}{subscription}", since)


def frozen_by(wallet: Wallet, lot: Lot, settings: Settings) -> tuple[Freeze, ...]:
    """The causes that freeze a lot of a marked payment or subscription while these settings hold."""
    counts = settings.past_due == "freeze"
    return tuple(each for each in wallet.frozen_by(lot) if counts or not each.cause.startswith(PAST_DUE))


def freezes(wallet: Wallet, lot: Lot, settings: Settings) -> tuple[Freeze, ...]:
    """What freezes a lot of the wallet while these settings hold. What no mark concerns stays as it is."""
    marked = {mark.about for mark in wallet.marks if mark.frozen}
    return frozen_by(wallet, lot, settings) if {lot.payment, lot.subscription} & marked else lot.frozen


def refrozen(wallet: Wallet, settings: Settings) -> Wallet:
    """The wallet with its marked lots frozen by just what freezes them; the same where nothing changes."""
    if not any(mark.frozen for mark in wallet.marks):
        return wallet
    lots = tuple(replace(lot, frozen=freezes(wallet, lot, settings)) for lot in wallet.lots)
    return wallet if lots == wallet.lots else replace(wallet, lots=lots)
