"""A naive model of one wallet: single credits and single debts, each with its own fields.

Written from the law and nothing else, for comparison; it shares no code with what it judges. It
takes the slow way everywhere: one credit at a time, every pair looked at, the earliest event first.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

ENDLESS = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rules:
    """The settings that matter to a wallet, by their law names."""

    allow_booking_without_credits: bool = True
    restore_on_cancel: bool = True
    must_cover_session: bool = True
    grace_days_client: int = 0
    grace_days_practice: int = 14
    max_negative: int | None = None  # None: unlimited
    auto_repay: bool = True


@dataclass(eq=False)
class Credit:
    """One credit, usable from `start` until `end`."""

    lot: str
    start: datetime
    end: datetime
    priority: int

    def burns(self) -> tuple[int, datetime, datetime, str]:
        return self.priority, self.end, self.start, self.lot

    def pays(self, at: datetime, session: datetime | None) -> bool:
        return self.start <= at < self.end and (session is None or self.end > session)


@dataclass(eq=False)
class Owed:
    """One session not paid for."""

    booking: str
    since: datetime
    session: datetime


@dataclass
class Booked:
    session: datetime
    seats: int
    paid: list[Credit] = field(default_factory=list)
    stands: bool = True


@dataclass
class NaiveWallet:
    rules: Rules
    credits: list[Credit] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    bookings: dict[str, Booked] = field(default_factory=dict)
    granted_ever: int = 0

    # -- what happens by itself --------------------------------------------------------------

    def pass_time(self, now: datetime, happened: datetime | None = None) -> None:
        """Everything due by `now`, the earliest first; nothing counts as due before it `happened`."""
        since = happened or datetime.min.replace(tzinfo=UTC)
        while True:
            ends = [(max(c.end, since), 0, c.burns(), c, None) for c in self.credits if c.end <= now]
            pays = [
                (moment, 1, (o.since, o.booking, c.burns()), c, o)
                for c in self.credits
                for o in self.owed
                if (moment := max(c.start, o.since, since)) <= now and self._could_repay(c, o, moment)
            ]
            if not ends and not pays:
                return
            _, _, _, credit, debt = min([*ends, *pays], key=lambda due: due[:3])
            self.credits.remove(credit)
            if debt is not None:
                self.owed.remove(debt)
                self.bookings[debt.booking].paid.append(credit)

    def _could_repay(self, credit: Credit, owed: Owed, moment: datetime) -> bool:
        session = owed.session if self.rules.must_cover_session else None
        return self.rules.auto_repay and credit.pays(moment, session)

    # -- what people do ----------------------------------------------------------------------

    def grant(self, credit: Credit, amount: int, paid_at: datetime, now: datetime) -> None:
        self.pass_time(now)
        self.credits += [replace(credit) for _ in range(amount)]
        self.granted_ever += amount
        self.pass_time(now, min(paid_at, now))

    def book(
        self, booking: str, session: datetime, seats: int, booked_at: datetime, now: datetime, without: bool = False
    ) -> bool:
        """Whether the booking stands. `without`: its type is bookable without credits."""
        self.pass_time(now)
        payers = sorted(self._payers(now, session), key=Credit.burns)
        has = self.available(now, session)
        missing = max(0, seats - has)
        if missing and not (self.rules.allow_booking_without_credits or without):
            return False
        limit = self.rules.max_negative
        if missing and limit is not None and len(self.owed) + missing > limit:
            return False
        paid = payers[: seats - missing]
        for credit in paid:
            self.credits.remove(credit)
        self.bookings[booking] = Booked(session, seats, paid)
        self.owed += [Owed(booking, min(booked_at, now), session) for _ in range(missing)]
        return True

    def cancel(self, booking: str, by_practice: bool, cancelled_at: datetime, now: datetime) -> None:
        self.pass_time(now)
        booked = self.bookings[booking]
        booked.stands = False
        if not self.rules.restore_on_cancel:
            return
        self.owed = [o for o in self.owed if o.booking != booking]
        days = self.rules.grace_days_practice if by_practice else self.rules.grace_days_client
        for credit in booked.paid:
            grace_ends = cancelled_at + timedelta(days=days)
            start = min(cancelled_at, now)
            graced = Credit(f"{credit.lot}+", start, grace_ends, credit.priority)
            self.credits.append(graced if days and credit.end < grace_ends else credit)
        booked.paid = []
        self.pass_time(now, min(cancelled_at, now))

    # -- what it says ------------------------------------------------------------------------

    def balance(self, now: datetime) -> int:
        return sum(now < credit.end for credit in self.credits) - len(self.owed)

    def available(self, now: datetime, session: datetime | None = None) -> int:
        """Usable credits, less as many debts as those very credits could repay."""
        payers = self._payers(now, session)
        if not self.rules.auto_repay:
            return len(payers)
        spoken_for: dict[int, int] = {}

        def finds_credit(owed: int, tried: set[int]) -> bool:
            for n, credit in enumerate(payers):
                session = self.owed[owed].session if self.rules.must_cover_session else None
                if n not in tried and credit.pays(now, session):
                    tried.add(n)
                    if n not in spoken_for or finds_credit(spoken_for[n], tried):
                        spoken_for[n] = owed
                        return True
            return False

        return len(payers) - sum(finds_credit(n, set()) for n in range(len(self.owed)))

    def _payers(self, now: datetime, session: datetime | None) -> list[Credit]:
        covers = session if self.rules.must_cover_session else None
        return [credit for credit in self.credits if credit.pays(now, covers)]

    def lots(self) -> Counter[tuple[datetime, datetime, int]]:
        """How many credits there are of each start, end and priority."""
        return Counter((c.start, c.end, c.priority) for c in self.credits)

    def debts(self) -> Counter[str]:
        return Counter(owed.booking for owed in self.owed)
