"""What callers ask and nothing changes: credits, lots, history, eligibility.

Every number is that of the settled wallet, whether or not the settling has been written yet.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from heapq import merge

from client_credits.domain import settings as rules
from client_credits.domain.booking import owed_for
from client_credits.domain.catalogue import Package
from client_credits.domain.deciding import Decision, Reason, Session, decide
from client_credits.domain.entries import Change, Entry, untouched
from client_credits.domain.errors import NotFound
from client_credits.domain.records import SettingsChange
from client_credits.domain.settings import Settings
from client_credits.domain.settling import settle
from client_credits.domain.wallet import Lot, Wallet, available, burn_order
from client_credits.store import keys
from client_credits.store.store import EVERYTHING, Loaded, Period, Store, Wanted
from client_credits.store.writes import sortable


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


def credits_of(store: Store, practice_id: str, client_id: str, now: datetime) -> ClientCredits:
    """Every type of the catalogue, those at zero too. Raises NotFound for an unknown client."""
    loaded = _known_client(store, practice_id, Wanted(client_id=client_id, every_type=True))
    if not loaded.settings.enabled:
        return ClientCredits(client_id, False, now, [])
    lines = []
    for type_id, kind in sorted(loaded.catalogue.types.items()):
        wallet = _settled(loaded.wallets[type_id], now, loaded.settings).wallet
        lines.append(type_credits(wallet, kind.name, now, loaded.settings))
    return ClientCredits(client_id, True, now, lines)


def type_credits(wallet: Wallet, name: str, now: datetime, settings: Settings) -> TypeCredits:
    """The numbers of a settled wallet."""
    lots = wallet.lots
    return TypeCredits(
        appointment_type=wallet.appointment_type,
        name=name,
        balance=wallet.balance_at(now),
        available=available(wallet, now, must_cover=settings.credit_must_cover == "session"),
        held=sum(wallet.held(lot.lot_id, now) for lot in lots),
        frozen=sum(lot.remaining for lot in lots if lot.frozen),
        not_yet_effective=sum(lot.remaining for lot in lots if lot.effective_at > now),
        debt=wallet.debt,
        granted_total=wallet.granted_total,
        next_expiry=min((lot.expires_at for lot in lots if lot.expires_at and lot.remaining), default=None),
        version=wallet.version,
    )


def lots_of(store: Store, practice_id: str, client_id: str, type_id: str, now: datetime) -> tuple[Wallet, list[Lot]]:
    """A wallet's open lots in burn order. Raises NotFound for an unknown client or type."""
    loaded = _known_client(store, practice_id, Wanted(client_id=client_id, types=(type_id,)), type_id)
    if not loaded.settings.enabled:
        return loaded.wallets[type_id], []
    wallet = _settled(loaded.wallets[type_id], now, loaded.settings).wallet
    return wallet, burn_order(wallet.lots)


def _known_client(store: Store, practice_id: str, wanted: Wanted, type_id: str | None = None) -> Loaded:
    loaded = store.load(practice_id, wanted)
    if loaded.client is None:
        raise NotFound("There is no such client.")
    if type_id is not None and type_id not in loaded.catalogue.types:
        raise NotFound("There is no such appointment type.")
    return loaded


def _settled(wallet: Wallet, now: datetime, settings: Settings) -> Change:
    return settle(untouched(wallet), now, settings)


# -- eligibility -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether a client may book, and all that explains it. Advisory: only a booking decides."""

    appointment_type: str
    allowed: bool
    reason: Reason
    message: str
    balance: int
    available: int
    shortfall: int
    would_use: tuple[tuple[Lot, int], ...]
    packages: list[Package]
    settings: Settings
    sources: dict[str, str]
    as_of: datetime


def may_book(
    store: Store, practice_id: str, client_id: str, sessions: list[Session], now: datetime
) -> list[Eligibility]:
    """Each session decided in the order given, with what the ones before it would have taken gone.

    So `all(answer.allowed)` says whether the client may book them all together.
    """
    types = tuple(dict.fromkeys(s.appointment_type for s in sessions))
    loaded = store.load(practice_id, Wanted(client_id=client_id, types=types))
    wallets = {t: _settled(w, now, loaded.settings).wallet for t, w in loaded.wallets.items()}
    answers = []
    for session in sessions:
        answer, wallet = _may_book(loaded, wallets[session.appointment_type], session, now)
        wallets[session.appointment_type] = wallet
        answers.append(answer)
    return answers


def may_book_each_type(
    store: Store,
    practice_id: str,
    client_id: str,
    starts_at: datetime | None,
    seats: int,
    now: datetime,
) -> list[Eligibility]:
    """One answer per appointment type of the catalogue that is not archived, each on its own."""
    loaded = store.load(practice_id, Wanted(client_id=client_id, every_type=True))
    answers = []
    for type_id, kind in sorted(loaded.catalogue.types.items()):
        if not kind.archived:
            wallet = _settled(loaded.wallets[type_id], now, loaded.settings).wallet
            session = Session(type_id, starts_at or now, seats)
            answers.append(_may_book(loaded, wallet, session, now)[0])
    return answers


def _may_book(loaded: Loaded, wallet: Wallet, session: Session, now: datetime) -> tuple[Eligibility, Wallet]:
    settings, kind = loaded.settings, loaded.catalogue.types.get(session.appointment_type)
    if not settings.enabled:
        decision = Decision(True, Reason.CREDITS_DISABLED, 0, 0)
    elif kind is None:
        decision = Decision(True, Reason.NOT_TRACKED, 0, 0)
    else:
        bookable = kind.bookable_without_credits
        decision = decide(wallet, session.seats, session.starts_at, now, settings, bookable)
        if loaded.client is None and not decision.allowed:
            decision = replace(decision, reason=Reason.UNKNOWN_CLIENT)
    helping = [] if decision.allowed else loaded.catalogue.packages_granting(session.appointment_type)
    answer = Eligibility(
        appointment_type=session.appointment_type,
        allowed=decision.allowed,
        reason=decision.reason,
        message=message(decision, session, kind.name if kind else session.appointment_type),
        balance=wallet.balance_at(now) if settings.enabled else 0,
        available=decision.available,
        shortfall=decision.shortfall,
        would_use=decision.takes,
        packages=[replace(p, url=p.url or settings.packages_url) for p in helping],
        settings=settings,
        sources=rules.sources(loaded.client.overrides if loaded.client else None),
        as_of=now,
    )
    return answer, _after(wallet, decision, session, now)


def _after(wallet: Wallet, decision: Decision, session: Session, now: datetime) -> Wallet:
    """The wallet as a booking of this session would leave it."""
    for lot, part in decision.takes:
        wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
    if decision.allowed and decision.shortfall:
        wallet = wallet.with_debt(owed_for(session, f"session:{len(wallet.debts)}", decision, now))
    return wallet


def message(decision: Decision, session: Session, type_name: str) -> str:
    """A sentence fit to show the client."""
    needs = f"{session.seats} credits" if session.seats > 1 else "a credit"
    match decision.reason:
        case Reason.OK if decision.shortfall == 0:
            return f"You can book {type_name}."
        case Reason.OK:
            return f"You can book {type_name}; {decision.shortfall} of it is not paid for yet."
        case Reason.CREDITS_DISABLED | Reason.NOT_TRACKED:
            return f"{type_name} can be booked without credits."
        case Reason.EXPIRES_BEFORE_SESSION:
            return f"Your credits for {type_name} end before this session starts."
        case Reason.NOT_EFFECTIVE_YET:
            return f"Your credits for {type_name} cannot be used yet."
        case Reason.FROZEN:
            return f"Your credits for {type_name} are on hold. Please contact the practice."
        case Reason.LIMIT_REACHED:
            return f"You have unpaid sessions of {type_name}. Please buy a package first."
        case _:
            return f"You need {needs} for {type_name} and have {decision.available}."


# -- history -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """Behind which record of each kind a history goes on: sort keys, None for the newest."""

    entry: str | None = None
    account: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    items: list[Entry | SettingsChange]
    next: HistoryPosition | None


def history(
    store: Store,
    practice_id: str,
    client_id: str,
    type_id: str,
    now: datetime,
    limit: int,
    start: HistoryPosition = HistoryPosition(),
    only: Period = EVERYTHING,
) -> HistoryPage:
    """What happened to one type's credits and to the settings behind them, newest first.

    Reads side by side, so a page takes one round trip. Raises NotFound for an unknown client or type.
    """
    pool = _pool()
    wanted = Wanted(client_id=client_id, types=(type_id,))
    loading = pool.submit(store.load, practice_id, wanted)
    changes = [
        pool.submit(store.settings_changes, practice_id, owner, before, limit + 1, only)
        for owner, before in ((None, start.account), (client_id, start.client))
    ]
    stored = store.history_page(practice_id, client_id, type_id, start.entry, limit + 1, only)
    loaded = loading.result()
    if loaded.client is None or type_id not in loaded.catalogue.types:
        raise NotFound("There is no such client or appointment type.")
    if not loaded.settings.enabled:
        return HistoryPage([], None)
    settled = _settled(loaded.wallets[type_id], now, loaded.settings)
    stored = [e for e in _unwritten(settled, start) if only.holds(e.kind, e.occurred_at)] + stored
    begun = start if start.entry else _newest(settled.wallet, now)
    return _merged(stored, changes[0].result(), changes[1].result(), limit, begun)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=3, thread_name_prefix="history")


def _unwritten(settled: Change, start: HistoryPosition) -> list[Entry]:
    """Entries of what fell due and no one has written yet, newest first; they will be written just so."""
    return [e for e in reversed(settled.entries) if start.entry is None or _sort_key(e) < start.entry]


def _newest(wallet: Wallet, now: datetime) -> HistoryPosition:
    """Where a history begins, so that what is written while someone reads on stays out of later pages."""
    after_all = keys.entry("", "", wallet.appointment_type, wallet.sequence + 1)[1]
    from_now = keys.settings_change("", None, sortable(now), "~")[1]
    return HistoryPosition(after_all, from_now, from_now)


def _merged(
    entries: list[Entry],
    account: list[SettingsChange],
    client: list[SettingsChange],
    limit: int,
    start: HistoryPosition,
) -> HistoryPage:
    def told(records: list[SettingsChange], kind: str) -> Iterator[tuple[datetime, str, Entry | SettingsChange]]:
        return ((record.occurred_at, kind, record) for record in records)

    # The wallet is read beside its entries, so what was unwritten for one may be written for the other.
    once = {entry.sequence: entry for entry in reversed(entries)}
    streams = [
        ((e.recorded_at, "entry", e) for e in sorted(once.values(), key=lambda e: -e.sequence)),
        told(account, "account"),
        told(client, "client"),
    ]
    ordered = list(merge(*streams, key=lambda told: told[0], reverse=True))
    position = start
    for _, kind, record in ordered[:limit]:
        position = replace(position, **{kind: _sort_key(record)})
    more = len(ordered) > limit
    return HistoryPage([record for _, _, record in ordered[:limit]], position if more else None)


def _sort_key(record: Entry | SettingsChange) -> str:
    if isinstance(record, Entry):
        return keys.entry("", "", record.appointment_type, record.sequence)[1]
    when = sortable(record.occurred_at)
    return keys.settings_change("", record.client_id, when, record.change_id)[1]
