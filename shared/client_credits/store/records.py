"""What a decision asks the table for, and what was found."""

from dataclasses import dataclass

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.money import Money
from client_credits.domain.payments.parked import Parked
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.dated_settings import DatedSettings
from client_credits.domain.practice.records import Account, Client
from client_credits.domain.practice.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records a decision needs, beside the practice's settings, which it always gets."""

    client_id: str | None = None
    types: tuple[str, ...] = ()
    every_type: bool = False
    source_ids: tuple[str, ...] = ()
    booking_id: str | None = None
    bookings: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # (kind, external id)
    parked_id: str | None = None
    others: tuple[str, ...] = ()  # further clients
    also: tuple[tuple[str, str], ...] = ()  # further wallets: (client id, appointment type)
    payments: tuple[str, ...] = ()
    money: tuple[str, ...] = ()  # payment intents, charges
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The records found, all read consistently; a wallet never touched is an empty one at version 0."""

    account: Account
    catalogue: Catalogue
    client: Client | None
    wallets: dict[str, Wallet]
    operations: dict[str, Operation]
    booking: Booking | None
    bookings: dict[str, Booking]
    links: dict[tuple[str, str], str]
    parked: Parked | None
    also: dict[tuple[str, str], Wallet]
    others: dict[str, Client]
    payments: dict[str, PaymentRecord]  # one never heard of is an empty one at version 0, as with the next two
    money: dict[str, Money]
    subscription: SubscriptionState

    @property
    def settings(self) -> Settings:
        """What holds now for the loaded client, or for the account where none was loaded."""
        return effective_settings(self.account, self.client)

    @property
    def dated(self) -> DatedSettings:
        """The same over time: for whatever is dated."""
        return dated_settings(self.account, self.client)

    def dated_of(self, client_id: str) -> DatedSettings:
        """What holds and held for another client whose wallets were loaded."""
        return dated_settings(self.account, self.others.get(client_id))

    def settings_of(self, client_id: str) -> Settings:
        """What holds now for another client whose wallets were loaded."""
        return effective_settings(self.account, self.others.get(client_id))


def effective_settings(account: Account, client: Client | None) -> Settings:
    return rules.effective(account.values, client.overrides if client else None)


def dated_settings(account: Account, client: Client | None) -> DatedSettings:
    own = (client.overrides, client.earlier) if client else ({}, ())
    return DatedSettings(account.values, own[0], account.earlier, own[1])
