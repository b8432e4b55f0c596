"""What lists and links ask of DynamoDB among much that they are not about: round trips and read and write units.

Each client stored has a booking; one in two clients left a parked payment, one in a hundred a refused booking, and
one in two hundred owes. A list reads a bounded number of pages, so its budget is a bound whatever is stored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from rich.console import Console
from tests.support.counting import Meter
from tests.support.engines import Engine

from bench.costs import LATENCY_SECONDS, REPEATS, STAFF, Cost, Found
from bench.filling import bought_once, fill
from bench.practice import NOW, STRIPE, TYPE, TYPES, P, found, known
from client_credits.domain.bookings.booking import Booking, BookingState, Refusal
from client_credits.domain.bookings.deciding import Reason, SessionToBook
from client_credits.domain.ledger.wallet import Debt, DebtCause, Wallet
from client_credits.domain.payments.parked import Parked
from client_credits.operations.context import Context
from client_credits.operations.queries.bookings import MAX_QUERIES, bookings_in
from client_credits.operations.queries.clients import ROSTER_REQUESTS, Filter, clients_page
from client_credits.operations.queries.searching import SearchPlace, by_name, search
from client_credits.operations.staff import client_links, practices
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.store.store import Store
from client_credits.store.table import Table, Write

PAGE = 25
OWING_IN, REFUSED_IN, PARKED_IN = 200, 100, 2
_numbers = count(1)


@dataclass(frozen=True)
class Listing:
    """One request, as the API makes it, with what it may cost."""

    name: str
    budget: Cost
    ask: Callable[[Context], Any]


def _link(context: Context) -> Any:
    keyed = Keyed(f"link-{next(_numbers)}", "")
    return client_links.make_link(context, "client-0000001", timedelta(days=1), keyed)


def _customer(context: Context) -> Any:
    """The client's profile with a Stripe customer more, whom nothing that is parked waits for."""
    client_id = f"new-{next(_numbers):07d}"
    return practices.put_client(context, replace(known(client_id), stripe_customers=(f"cus_{client_id}",)))


def _owing(context: Context) -> Any:
    return clients_page(context, None, PAGE, Filter(negative=True))


def _by_name(context: Context) -> Any:
    return by_name(context, SearchPlace(), PAGE)


def _without_a_match(context: Context) -> Any:
    return search(context, SearchPlace(), PAGE, "zoe", None, lambda: ())


def _refused(context: Context) -> Any:
    return bookings_in(context.store, P, BookingState.REFUSED, None, PAGE)


NOTHING = (0.0, 0.0)
BY_NAME = 1 + PAGE * (1 + len(TYPES)) // 100 + 1  # the page of names, and batches of 100 profiles and wallets
SEARCHED = 1 + ROSTER_SHARDS  # places in which a name or an id may begin so, half a unit each
LISTINGS = [
    # The settings and the profile are read, the key's record and the link's are written.
    Listing("client link, new", Cost(2, 3, (4, 4)), _link),
    # Beside the profile, which two indexes list, and the customer's link: one look for what waits for the customer.
    Listing("client, with a new Stripe customer", Cost(3, 4, (6, 6)), _customer),
    Listing("clients who owe, a page", Cost(ROSTER_REQUESTS + 1, 200, NOTHING), _owing),
    Listing("clients by name, a page", Cost(BY_NAME, 10 + PAGE * (1 + len(TYPES)), NOTHING), _by_name),
    Listing("clients searched for, none found", Cost(SEARCHED, SEARCHED / 2, NOTHING), _without_a_match),
    Listing("bookings refused, a page", Cost(MAX_QUERIES + 1, 160, NOTHING), _refused),
]


def lists(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, Listing, Found]]:
    """Each size with what each request cost on a warm worker; clients are added from one size to the next.

    Raises RuntimeError when repeats cost different things.
    """
    table, counted = engine.fresh_table(), engine.client()
    found(Store(table))
    meter, before = Meter(counted, LATENCY_SECONDS), 0
    for size in sizes:
        fill(str(engine.endpoint_url), table.name, before, size, console, among_much)
        before = size
        for listing in LISTINGS:
            spent = {_once(listing, Store(Table(counted, table.name)), meter) for _ in range(REPEATS)}
            if len(spent) != 1:
                raise RuntimeError(f"{listing.name}: repeats cost different things: {spent}")
            yield size, listing, spent.pop()


def _once(listing: Listing, store: Store, meter: Meter) -> Found:
    store.catalogue(P)
    with meter.measuring() as usage:
        listing.ask(Context(store, P, STAFF, NOW))
    return Found.of(usage)


def among_much(number: int) -> list[Write]:
    """A client who bought once, or owes, with a booking and perhaps a payment that nobody could place."""
    client_id = f"client-{number:07d}"
    made = [*bought_once(number), writes.booking(P, _booking(client_id, number))]
    if number % OWING_IN == 0:
        debt = Debt(DebtCause.STAFF, f"api/{number}", 3, NOW - timedelta(days=9))
        made = [writes.client(P, known(client_id)), writes.wallet(Wallet(P, client_id, TYPE, debts=(debt,)), None)]
    if number % PARKED_IN == 0:
        payment_id = f"in_{STRIPE}{number:07d}"
        at = NOW - timedelta(minutes=number % 10_000)
        parked = Parked(
            f"prk_{number:020d}", "unknown_package", f"evt_{number}", at, None, payment_id, prices=("price_gone",)
        )
        made += [writes.parked(P, parked, NOW), writes.waiting(P, ("price", "price_gone"), parked, NOW)]
    return made


def _booking(client_id: str, number: int) -> Booking:
    session = SessionToBook(TYPE, NOW + timedelta(hours=number % 5_000))
    booking = Booking(f"booking-{number:010d}", BookingState.BOOKED, client_id, session, created_at=NOW)
    if number % REFUSED_IN == 1:
        refusal = Refusal(Reason.INSUFFICIENT, 0, 1, NOW)
        return replace(booking, state=BookingState.REFUSED, refusal=refusal)
    return booking
