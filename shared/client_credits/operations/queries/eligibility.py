"""Whether a client may book: one session, several together, or each type. Advisory: only a booking decides."""

from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.bookings.booking import owed_for
from client_credits.domain.bookings.deciding import Decision, Reason, SessionToBook, decide
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.references import link_for
from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.settings import Settings
from client_credits.operations.context import Context
from client_credits.operations.queries.buying import open_to
from client_credits.operations.queries.credits import _settled
from client_credits.store.records import Loaded, Wanted


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


def may_book(context: Context, client_id: str, sessions: list[SessionToBook]) -> list[Eligibility]:
    """Each session decided in the order given, with what the ones before it would have taken gone.

    So `all(answer.allowed)` says whether the client may book them all together.
    """
    types = tuple(dict.fromkeys(s.appointment_type for s in sessions))
    loaded = context.store.load(context.practice_id, Wanted(client_id=client_id, types=types))
    wallets = {t: _settled(w, context.now, loaded.dated).wallet for t, w in loaded.wallets.items()}
    answers = []
    for session in sessions:
        answer, wallet = _may_book(loaded, wallets[session.appointment_type], session, client_id, context.now)
        wallets[session.appointment_type] = wallet
        answers.append(answer)
    return _to_buy(context, loaded, answers)


def may_book_each_type(context: Context, client_id: str, starts_at: datetime | None, seats: int) -> list[Eligibility]:
    """One answer per appointment type of the catalogue that is not archived, each on its own."""
    loaded = context.store.load(context.practice_id, Wanted(client_id=client_id, every_type=True))
    answers = []
    for type_id, kind in sorted(loaded.catalogue.types.items()):
        if not kind.archived:
            wallet = _settled(loaded.wallets[type_id], context.now, loaded.dated).wallet
            session = SessionToBook(type_id, starts_at or context.now, seats)
            answers.append(_may_book(loaded, wallet, session, client_id, context.now)[0])
    return _to_buy(context, loaded, answers)


def _to_buy(context: Context, loaded: Loaded, answers: list[Eligibility]) -> list[Eligibility]:
    """The answers, naming only packages that this client may still buy."""
    named = {package.package_id: package for answer in answers for package in answer.packages}
    may = {package.package_id for package in open_to(context, loaded.client, named.values())}
    return [replace(each, packages=[p for p in each.packages if p.package_id in may]) for each in answers]


def _may_book(
    loaded: Loaded, wallet: Wallet, session: SessionToBook, client_id: str, now: datetime
) -> tuple[Eligibility, Wallet]:
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
        packages=[_offered(p, settings, loaded.goes_on_as(client_id)) for p in helping],
        settings=settings,
        sources=rules.sources(loaded.client.overrides if loaded.client else None),
        as_of=now,
    )
    return answer, _after(wallet, decision, session, now)


def _offered(package: Package, settings: Settings, client_id: str) -> Package:
    """The package with its link, or the practice's for all packages, as made for this client."""
    url = package.url or settings.packages_url
    return replace(package, url=link_for(url, client_id) if url else None)


def _after(wallet: Wallet, decision: Decision, session: SessionToBook, now: datetime) -> Wallet:
    """The wallet as a booking of this session would leave it."""
    for lot, part in decision.takes:
        wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
    if decision.allowed and decision.shortfall:
        wallet = wallet.with_debt(owed_for(session, f"session:{len(wallet.debts)}", decision, now))
    return wallet


def message(decision: Decision, session: SessionToBook, type_name: str) -> str:
    """A sentence fit to show the client."""
    match decision.reason:
        case Reason.OK if decision.shortfall == 0:
            return f"You can book {type_name}."
        case Reason.OK:
            are = "session is" if decision.shortfall == 1 else "sessions are"
            return f"You can book {type_name}. {decision.shortfall} {are} not covered by credits and will be owed."
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
            has = f"{decision.available or 'no'} credit{'' if decision.available == 1 else 's'}"
            return f"You have {has} left for {type_name}. This booking needs {session.seats}."
