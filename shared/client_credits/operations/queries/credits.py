"""What callers ask and nothing changes: credits, lots, history, eligibility.

Every number is that of the settled wallet, whether or not the settling has been written yet.
"""

from dataclasses import dataclass
from datetime import datetime

from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import Change, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, Wallet, available, burn_order
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.domain.practice.settings import Settings
from client_credits.operations.context import Context
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store


@dataclass(frozen=True, slots=True)
class TypeCredits:
    """One appointment type's numbers for one client."""

    appointment_type: str
    name: str
    balance: int
    available: int
    held: int
    frozen: int
    not_yet_effective: int
    debt: int
    granted_total: int
    next_expiry: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class ClientCredits:
    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[TypeCredits]


def credits_of(context: Context, client_id: str) -> ClientCredits:
    """Every type of the catalogue, those at zero too. Raises NotFound for an unknown client."""
    loaded = _known_client(context.store, context.practice_id, Wanted(client_id=client_id, every_type=True))
    if not loaded.settings.enabled:
        return ClientCredits(loaded.goes_on_as(client_id), False, context.now, [])
    lines = []
    for type_id, kind in sorted(loaded.catalogue.types.items()):
        wallet = _settled(loaded.wallets[type_id], context.now, loaded.dated).wallet
        lines.append(type_credits(wallet, kind.name, context.now, loaded.settings))
    return ClientCredits(loaded.goes_on_as(client_id), True, context.now, lines)


def type_credits(wallet: Wallet, name: str, now: datetime, settings: Settings) -> TypeCredits:
    """The numbers of a settled wallet."""
    lots = wallet.open_lots
    return TypeCredits(
        appointment_type=wallet.appointment_type,
        name=name,
        balance=wallet.balance_at(now),
        available=available(wallet, now, settings=settings),
        held=sum(wallet.held(lot.lot_id, now) for lot in lots),
        frozen=sum(lot.remaining for lot in lots if lot.frozen),
        not_yet_effective=sum(lot.remaining for lot in lots if lot.effective_at > now),
        debt=wallet.debt,
        granted_total=wallet.granted_total,
        next_expiry=min((lot.expires_at for lot in lots if lot.expires_at and lot.remaining), default=None),
        version=wallet.version,
    )


def lots_of(context: Context, client_id: str, type_id: str) -> tuple[Wallet, list[Lot]]:
    """A wallet's open lots in burn order. Raises NotFound for an unknown client or type."""
    loaded = _known_client(context.store, context.practice_id, Wanted(client_id=client_id, types=(type_id,)), type_id)
    if not loaded.settings.enabled:
        return loaded.wallets[type_id], []
    wallet = _settled(loaded.wallets[type_id], context.now, loaded.dated).wallet
    return wallet, burn_order(wallet.open_lots)


def _known_client(store: Store, practice_id: str, wanted: Wanted, type_id: str | None = None) -> Loaded:
    loaded = store.load(practice_id, wanted)
    if loaded.client is None:
        raise NotFound("There is no such client.")
    if type_id is not None and type_id not in loaded.catalogue.types:
        raise NotFound("There is no such appointment type.")
    return loaded


def _settled(wallet: Wallet, now: datetime, settings: SettingsOverTime) -> Change:
    return settle(untouched(wallet), now, settings)


# -- eligibility -------------------------------------------------------------------------------


# -- history -----------------------------------------------------------------------------------
