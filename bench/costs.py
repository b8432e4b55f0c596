"""What each operation asks of DynamoDB: round trips, requests, read and write units, with its budget.

A budget in units holds for items of up to 1 KB. Reads are strongly consistent by decision: one unit
for each item asked for. A transaction's write costs two units for each item, and an index one for
each entry it changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from tests.support.counting import Meter, Usage

from bench.practice import DAY, NOW, TYPE, TYPES, P, booked, cancelled, described_anew, known, payment
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.jobs import JobKind, JobMessage, Progress
from client_credits.operations.bookings.spending import book, cancel
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.jobs.running import run
from client_credits.operations.jobs.starting import start
from client_credits.operations.payments import paying
from client_credits.operations.queries.credits import credits_of
from client_credits.operations.queries.eligibility import may_book, may_book_each_type
from client_credits.operations.queries.history import history
from client_credits.operations.staff.editing import adjust, transfer
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import practice_writes, writes
from client_credits.store.store import Store
from client_credits.store.table import Table

REPEATS = 3
STAFF = Actor("staff", "s-1")
LATENCY_SECONDS = 0.02  # between which requests side by side are distinguished from those in a row
_numbers = count(9_000_001)  # of the measured clients, above all that fill the table

Step = Callable[[Store, str], Any]


@dataclass(frozen=True)
class Cost:
    """What one operation may cost at most."""

    trips: int
    reads: float
    writes: tuple[float, float]  # at least, at most: what falls due later moves in an index


@dataclass(frozen=True)
class Measure:
    """One operation on a client of its own; `past` is what happened before, not counted."""

    name: str
    budget: Cost
    act: Step
    past: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Found:
    """What one operation did cost."""

    trips: int
    requests: int
    reads: float
    writes: float

    @classmethod
    def of(cls, usage: Usage) -> "Found":
        return cls(usage.round_trips, usage.requests, usage.read_units, usage.write_units)

    def within(self, budget: Cost, units: bool) -> bool:
        """`units`: whether the engine's units can be trusted."""
        if self.trips > budget.trips:
            return False
        return not units or (self.reads <= budget.reads and self.writes <= budget.writes[1])


def pay(count: int = 1, kind: str = "lasting", cycle: int = 1) -> Step:
    """Pays a cycle of the client's subscription; each client's has ids of its own."""

    def step(store: Store, client_id: str) -> Any:
        number = int(client_id.rpartition("-")[2]) % 1000 * 10
        return paying.pay(Context(store, P, STRIPE, NOW), payment(client_id, count, kind, number, number + cycle))

    return step


def take(booking: str = "b1", seats: int = 1) -> Step:
    return lambda store, client_id: book(
        Context(store, P, BOOKINGS, NOW), booked(client_id, f"{client_id}-{booking}", seats)
    )


def give_back(booking: str = "b1") -> Step:
    return lambda store, client_id: cancel(
        Context(store, P, BOOKINGS, NOW), cancelled(client_id, f"{client_id}-{booking}")
    )


def may_owe(store: Store, client_id: str) -> None:
    """Lets this client book without credits."""
    overrides = {"allow_booking_without_credits": True}
    store.commit([writes.client(P, replace(known(client_id), overrides=overrides, version=1))])


def insured(store: Store, client_id: str) -> None:
    """An authorisation of this client covers what it books; the practice tracks no other's."""
    days = NOW.date(), NOW.date() + 365 * DAY
    record = Authorization(client_id, "au-1", "Northern Health", "NH-1", (TYPE,), *days, 9)
    overrides = {"track_insurance_authorization": True}
    profile = replace(known(client_id), overrides=overrides, authorizations=(record.ref,), version=1)
    store.commit([writes.client(P, profile), practice_writes.authorization(P, record)])


def add(store: Store, client_id: str) -> Any:
    return adjust(Context(store, P, STAFF, NOW), client_id, TYPE, 2, Keyed(f"add-{client_id}", ""), "a gift")


def befriend(store: Store, client_id: str) -> None:
    store.commit([writes.client(P, known(f"friend-of-{client_id}"))])


def give(store: Store, client_id: str) -> Any:
    keyed = Keyed(f"give-{client_id}", "")
    return transfer(Context(store, P, STAFF, NOW), client_id, f"friend-of-{client_id}", TYPE, 2, keyed)


def export(store: Store, client_id: str) -> Any:
    keyed = Keyed(f"export-{client_id}", "")
    return start(Context(store, P, STAFF, NOW), JobKind.EXPORT, {}, keyed, lambda message: None)


def one_step(store: Store, client_id: str) -> Any:
    """The first step of that export, without what the step itself does."""
    message = JobMessage(P, derived_id("job", P, f"export-{client_id}"), 1)
    return run(store, message, NOW, {JobKind.EXPORT: lambda context, job: Progress({"after": "c-1"}, 1)})


def _wallets(count: int, due: int = 0, records: int = 1) -> tuple[float, float]:
    """Write units of `count` wallets with an entry each and the records: 4 + 1 per wallet, 2 each, and due."""
    least = 5 * count + 2 * records
    return least, least + due * count


def _booked(due: int = 0) -> tuple[float, float]:
    """Write units of a booking: its wallet, its record, and one for the index of sessions."""
    least, most = _wallets(1, due)
    return least + 1, most + 1


MEASURES = [
    Measure("booking, paid by one lot", Cost(2, 4, _booked()), take(), (pay(),)),
    Measure("booking, paid by two lots", Cost(2, 4, _booked()), take(seats=12), (pay(), pay(cycle=2))),
    Measure("booking, paid by a lot that will end", Cost(2, 4, _booked(due=2)), take(), (pay(kind="ending"),)),
    Measure("booking, becomes debt", Cost(2, 4, _booked()), take(), (may_owe,)),
    Measure("booking, refused", Cost(2, 4, (3, 4)), take()),
    # The profile says that there is one, so it is read once the profile is, and written beside the rest.
    Measure("booking, covered by an authorisation", Cost(3, 5, (9, 9)), take(), (pay(), insured)),
    Measure("cancellation, returns a visit", Cost(3, 5, (9, 9)), give_back(), (pay(), insured, take())),
    Measure("booking, repeated", Cost(1, 4, (0, 0)), take(), (pay(), take())),
    Measure("cancellation, restores", Cost(2, 4, _booked()), give_back(), (pay(), take())),
    Measure("cancellation, repeated", Cost(1, 4, (0, 0)), give_back(), (pay(), take(), give_back())),
    # Beside its own record a payment writes three that money given back, and a change of plan, must find: the
    # payment's, the money's that paid it, and the subscription's.
    # The first cycle also records that its subscription item has had its first payment.
    Measure("payment, a first cycle of 1 type", Cost(2, 9, _wallets(1, due=2, records=5)), pay(kind="ending")),
    Measure(
        "payment, a later cycle of 1 type",
        Cost(2, 9, _wallets(1, due=2, records=4)),
        pay(kind="ending", cycle=2),
        (pay(),),
    ),
    Measure("payment, 5 types", Cost(2, 13, _wallets(5, due=2, records=5)), pay(5, "ending", 2), (pay(5),)),
    Measure("payment, 25 types", Cost(2, 33, _wallets(25, due=2, records=4)), pay(25, "ending", 2), (pay(25),)),
    Measure("payment, repeated", Cost(1, 9, (0, 0)), pay(), (pay(),)),
    Measure("adjustment, adds credits", Cost(2, 4, _wallets(1)), add, (pay(),)),
    Measure("adjustment, repeated", Cost(2, 5, (0, 0)), add, (pay(), add)),
    # Credits that were paid for tell their payment who has some now: one read and one write more.
    Measure("transfer to another client", Cost(3, 8, _wallets(2, records=2)), give, (pay(), befriend)),
    Measure(
        "eligibility, one type",
        Cost(1, 3, (0, 0)),
        lambda s, c: may_book(Context(s, P, STRIPE, NOW), c, [SessionToBook(TYPE, NOW + DAY)]),
        (pay(),),
    ),
    Measure(
        "eligibility, every type",
        Cost(1, 2 + len(TYPES), (0, 0)),
        lambda s, c: may_book_each_type(Context(s, P, STRIPE, NOW), c, NOW + DAY, 1),
        (pay(),),
    ),
    Measure(
        "credits of a client",
        Cost(1, 2 + len(TYPES), (0, 0)),
        lambda s, c: credits_of(Context(s, P, STRIPE, NOW), c),
        (pay(),),
    ),
    Measure(
        "credits, after a catalogue change",
        Cost(2, 2 + len(TYPES) + 1, (0, 0)),
        lambda s, c: credits_of(Context(s, P, STRIPE, NOW), c),
        (pay(), lambda s, c: described_anew(s)),
    ),
    # Two records, one of them due. A step claims its job (moved in the index of what is due), and writes how far it is.
    Measure("job, started", Cost(2, 2, (5, 5)), export),
    Measure("job, started by a repeat", Cost(1, 2, (0, 0)), export, (export,)),
    Measure("job, a step beside its work", Cost(3, 1, (8, 8)), one_step, (export,)),
    Measure(
        "history, a page",
        Cost(1, 6, (0, 0)),
        lambda s, c: history(Context(s, P, STRIPE, NOW), c, TYPE, 25),
        (pay(), *(take(f"b{n}") for n in range(4))),
    ),
]


def costs(table: Table, client: Any) -> Iterator[tuple[Measure, Found]]:
    """Each measure and what it cost on a warm worker. `client` is hooked into and left so.

    Raises RuntimeError when repeats differ, for then it is no measure.
    """
    meter = Meter(client, LATENCY_SECONDS)
    for measure in MEASURES:
        found = {_once(measure, Store(Table(client, table.name)), meter, table) for _ in range(REPEATS)}
        if len(found) != 1:
            raise RuntimeError(f"{measure.name}: repeats cost different things: {found}")
        yield measure, found.pop()


def _once(measure: Measure, store: Store, meter: Meter, table: Table) -> Found:
    """`table` has a client that is not measured: what happened before is not counted."""
    client_id = f"client-{next(_numbers):07d}"
    plain = Store(table)
    plain.commit([writes.client(P, known(client_id))])
    store.catalogue(P)
    for step in measure.past:
        step(plain, client_id)
    with meter.measuring() as usage:
        measure.act(store, client_id)
    return Found.of(usage)
