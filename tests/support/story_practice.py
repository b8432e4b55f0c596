"""A practice in memory that stories are known to."""

import json
from datetime import datetime

from client_credits.booking_systems.events import booking_event_of
from client_credits.domain.bookings.booking import Created
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.invariants import breaches
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue
from client_credits.domain.practice.records import Account, Client
from client_credits.http.schemas.catalogue import PackagePut
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.samples.storyteller import ASSESSMENT, OFFERS, SESSION, TYPES, Event
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.stripe.work import handle
from tests.support.memory_table import memory_store


class StoryPractice:
    """A practice in memory with the stories' packages; everything arrives at `now`, as it does at a real stack."""

    def __init__(self, now: datetime) -> None:
        self.store, self.table = memory_store()
        self.now = now
        packages = [PackagePut(**offer.body).package(offer.package_id) for offer in OFFERS.values()]
        types = {type_id: AppointmentType(type_id, name) for type_id, name in TYPES.items()}
        catalogue = Catalogue(0, types, {package.package_id: package for package in packages})
        account = Account("p1", {}, now, catalogue_version=1)
        client = writes.client("p1", Client("c1", created_at=now))
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), client])

    def hear(self, event: Event) -> None:
        if event.get("object") == "event":
            handle(Context(self.store, "p1", STRIPE, self.now), None, "test", event, json.dumps(event))
        else:
            book(self.store, event, self.now)

    def balances(self) -> tuple[int, int]:
        found = []
        for kind in (SESSION, ASSESSMENT):
            wallet = self.store.load("p1", Wanted(client_id="c1", types=(kind,))).wallets[kind]
            assert breaches(wallet, self.store.entries_after("p1", "c1", kind, 0)) == []
            found.append(wallet.balance)
        return found[0], found[1]

    def parked(self) -> list[str]:
        return [parked.reason for parked in parking.every_open(self.store, "p1")]


def book(store: Store, entry: Event, now: datetime) -> None:
    """A booking event arrives from the bus."""
    event = booking_event_of(entry)
    assert event.appointment_type and event.starts_at
    session = SessionToBook(event.appointment_type, event.starts_at, event.seats)
    created = Created(event.booking_id, client_id=event.client_id, session=session, occurred_at=event.occurred_at)
    bookings.book(Context(store, event.practice_id, BOOKINGS, now), created)
