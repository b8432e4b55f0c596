"""Whether a client may book: one session, several together, or each type. Advisory: only a booking decides.

A client with insurance authorisations, where they are tracked, costs one read more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.bookings.booking import owed_for
from client_credits.domain.bookings.deciding import Decision, Reason, SessionToBook, decide
from client_credits.domain.ledger.wallet import Lot, Wallet, available
from client_credits.domain.payments.references import link_for
from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.authorizations import Authorization, covering
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
    covered_by: Authorization | None  # as it is before this session
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
    authorizations = _authorizations(context, loaded)
    answers = []
    for session in sessions:
        kind = session.appointment_type
        answer, wallets[kind] = _may_book(loaded, wallets[kind], session, client_id, context.now, authorizations)
        if used := answer.covered_by:
            authorizations = [each.with_visit_used() if each == used else each for each in authorizations]
        answers.append(answer)
    return _to_buy(context, loaded, answers)


def may_book_each_type(context: Context, client_id: str, starts_at: datetime | None, seats: int) -> list[Eligibility]:
    """One answer per appointment type of the catalogue that is not archived, each on its own."""
    loaded = context.store.load(context.practice_id, Wanted(client_id=client_id, every_type=True))
    authorizations = _authorizations(context, loaded)
    answers = []
    for type_id, kind in sorted(loaded.catalogue.types.items()):
        if not kind.archived:
            wallet = _settled(loaded.wallets[type_id], context.now, loaded.dated).wallet
            session = SessionToBook(type_id, starts_at or context.now, seats)
            answers.append(_may_book(loaded, wallet, session, client_id, context.now, authorizations)[0])
    return _to_buy(context, loaded, answers)


def _authorizations(context: Context, loaded: Loaded) -> list[Authorization]:
    """Those of the client that may cover a session, as far as they are tracked."""
    if not (loaded.client and loaded.settings.track_insurance_authorization):
        return []
    return context.store.authorizations(context.practice_id, loaded.client.authorizations)


def _to_buy(context: Context, loaded: Loaded, answers: list[Eligibility]) -> list[Eligibility]:
    """The answers, naming only packages that this client may still buy."""
    named = {package.package_id: package for answer in answers for package in answer.packages}
    may = {package.package_id for package in open_to(context, loaded.client, named.values())}
    return [replace(each, packages=[p for p in each.packages if p.package_id in may]) for each in answers]


def _may_book(
    loaded: Loaded,
    wallet: Wallet,
    session: SessionToBook,
    client_id: str,
    now: datetime,
    authorizations: Sequence[Authorization],
) -> tuple[Eligibility, Wallet]:
    settings, kind = loaded.settings, loaded.catalogue.types.get(session.appointment_type)
    covered_by = None
    if settings.enabled and kind:
        covered_by = covering(authorizations, session.appointment_type, session.starts_at, settings.timezone)
    if not settings.enabled:
        decision = Decision(True, Reason.CREDITS_DISABLED, 0, 0)
    elif kind is None:
        decision = Decision(True, Reason.NOT_TRACKED, 0, 0)
    elif covered_by:
        has = available(wallet, now, session.starts_at, settings=settings)
        decision = Decision(True, Reason.OK, has, 0)
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
        message=message(decision, session, kind.name if kind else session.appointment_type, covered_by is not None),
        balance=wallet.balance_at(now) if settings.enabled else 0,
        available=decision.available,
        shortfall=decision.shortfall,
        would_use=decision.takes,
        covered_by=covered_by,
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


def message(decision: Decision, session: SessionToBook, type_name: str, covered: bool = False) -> str:
    """A sentence fit to show the client."""
    match decision.reason:
        case Reason.OK if covered:
            return f"You can book {type_name}. Your insurance covers this visit."
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
