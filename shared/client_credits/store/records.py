"""What a decision asks the table for, and what was found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

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
    as_stored: bool = False  # a client that was merged into another one as its own record, not as that one

    def of_others(self, names: Mapping[str, str]) -> "Wanted":
        """The same of other clients, given which goes on for which."""
        return replace(
            self,
            client_id=names.get(self.client_id, self.client_id) if self.client_id else None,
            others=tuple(dict.fromkeys(names.get(each, each) for each in self.others)),
            also=tuple(dict.fromkeys((names.get(each, each), kind) for each, kind in self.also)),
        )


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
    merged: dict[str, str] = field(default_factory=dict)  # of the clients asked for: who goes on for them
    unmoved: tuple[tuple[str, str], ...] = ()  # wallets asked for that their merge has not reached yet

    def goes_on_as(self, client_id: str) -> str:
        """Who goes on for a client that was asked for: itself, unless it was merged into another one."""
        return self.merged.get(client_id, client_id)

    @property
    def gone(self) -> dict[str, str]:
        """Which of the records found were merged into another one's, and whose."""
        wallets = (*self.wallets.values(), *self.also.values())
        by_wallet = {w.client_id: w.merged_into for w in wallets if w.merged_into}
        profiles = (each for each in (self.client, *self.others.values()) if each)
        return by_wallet | {each.client_id: each.merged_into for each in profiles if each.merged_into}

    def known_as(self, names: Mapping[str, str], left: Iterable[tuple[str, str]]) -> "Loaded":
        """The records of those who go on, also under the names of those they go on for. `left` are wallets not
        moved yet."""
        ends = {each: self.goes_on_as(into) for each, into in names.items()}
        wallets = {(each, kind): w for each, into in names.items() for (of, kind), w in self.also.items() if of == into}
        profiles = {each: self.others[into] for each, into in names.items() if into in self.others}
        return replace(
            self,
            merged=self.merged | ends,
            also=self.also | wallets,
            others=self.others | profiles,
            unmoved=(*self.unmoved, *left),
        )

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
