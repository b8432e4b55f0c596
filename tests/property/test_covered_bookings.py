"""Visits against a naive count: bookings and cancellations through the real operations, doubled and in any order."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings.spending import book, cancel
from client_credits.operations.context import BOOKINGS, Context
from client_credits.operations.queries.verifying import check_client
from client_credits.store import practice_writes, writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from tests.support.builders import NOW, a_catalogue, cancelled, created
from tests.support.memory_table import memory_store

TYPES = ("follow-up", "initial")
FIRST_DAY = date(2026, 12, 1)
ZONES = {"UTC": 0, "Asia/Tokyo": 9, "Pacific/Honolulu": -10}  # hours ahead, all year round


@dataclass(frozen=True)
class Authorized:
    """Days are counted from FIRST_DAY."""

    types: tuple[str, ...]
    starts_on: int
    ends_on: int
    visits: int

    def record(self, number: int) -> Authorization:
        days = [FIRST_DAY + timedelta(days=each) for each in (self.starts_on, self.ends_on)]
        return Authorization("c1", f"au-{number}", "Northern Health", "NH-1", self.types, *days, self.visits)


@dataclass(frozen=True)
class Session:
    """Hours are counted from midnight of FIRST_DAY, UTC."""

    appointment_type: str
    starts: int
    seats: int

    @property
    def starts_at(self) -> datetime:
        return datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=self.starts)


@dataclass
class Counted:
    """What a person with a sheet of paper would note."""

    authorized: list[Authorized]
    ahead: int
    restores: bool
    used: list[int] = field(default_factory=lambda: [0] * 3)
    paid_by: dict[int, int | None] = field(default_factory=dict)  # of each booking: which authorisation, or credits
    cancelled: set[int] = field(default_factory=set)
    owed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TYPES, 0))

    def book(self, number: int, session: Session) -> None:
        if number in self.paid_by or number in self.cancelled:
            return
        day = (session.starts + self.ahead) // 24
        able = [
            (each.ends_on, each.starts_on, place)
            for place, each in enumerate(self.authorized)
            if session.appointment_type in each.types
            and each.starts_on <= day <= each.ends_on
            and self.used[place] < each.visits
        ]
        self.paid_by[number] = min(able)[2] if able else None
        if able:
            self.used[min(able)[2]] += 1
        else:
            self.owed[session.appointment_type] += session.seats

    def cancel(self, number: int, session: Session) -> None:
        if number in self.paid_by and number not in self.cancelled and self.restores:
            place = self.paid_by[number]
            if place is None:
                self.owed[session.appointment_type] -= session.seats
            else:
                self.used[place] -= 1
        self.cancelled.add(number)


AUTHORIZED = st.builds(
    Authorized,
    st.sampled_from([TYPES[:1], TYPES[1:], TYPES]),
    st.integers(0, 2),
    st.integers(2, 4),
    st.integers(1, 3),
)
SESSION = st.builds(Session, st.sampled_from(TYPES), st.integers(0, 119), st.integers(1, 3))
HEARD = st.lists(st.tuples(st.sampled_from(["book", "book", "cancel"]), st.integers(0, 5)), min_size=10, max_size=30)


def _practice(store: Store, authorized: list[Authorized], timezone: str, restores: bool) -> None:
    values = {"timezone": timezone, "restore_on_cancel": restores, "track_insurance_authorization": True}
    records = [each.record(number) for number, each in enumerate(authorized)]
    store.commit(
        [
            writes.account(Account("p1", values, NOW, 1)),
            writes.catalogue("p1", replace(a_catalogue(), version=0)),
            writes.client("p1", Client("c1", created_at=NOW, authorizations=tuple(each.ref for each in records))),
            *(practice_writes.authorization("p1", each) for each in records),
        ]
    )


@given(
    st.lists(AUTHORIZED, min_size=1, max_size=3),
    st.lists(SESSION, min_size=6, max_size=6),
    HEARD,
    st.sampled_from(sorted(ZONES)),
    st.booleans(),
)
def test_visits_and_credits_are_what_a_naive_count_says(
    authorized: list[Authorized],
    sessions: list[Session],
    heard: list[tuple[str, int]],
    timezone: str,
    restores: bool,
) -> None:
    store, _ = memory_store()
    _practice(store, authorized, timezone, restores)
    naive = Counted(authorized, ZONES[timezone], restores)
    for minute, (what, number) in enumerate(heard):
        session, context = sessions[number], Context(store, "p1", BOOKINGS, NOW + timedelta(minutes=minute))
        if what == "book":
            naive.book(number, session)
            event = created(
                f"b{number}",
                appointment_type=session.appointment_type,
                starts_at=session.starts_at,
                seats=session.seats,
            )
            book(context, event)
        else:
            naive.cancel(number, session)
            cancel(context, cancelled(f"b{number}", appointment_type=session.appointment_type))
    loaded = store.load("p1", Wanted(client_id="c1", types=TYPES))
    assert loaded.client
    known = store.authorizations("p1", loaded.client.authorizations)
    used = {each.authorization_id: each.visits_used for each in known}
    assert used == {f"au-{place}": naive.used[place] for place in range(len(authorized))}
    assert {kind: -wallet.balance for kind, wallet in loaded.wallets.items()} == naive.owed
    checked = check_client(store, "p1", "c1")
    assert checked
    assert checked.breaches == ()
