"""Operations as steps of a story: what happened before a fault, and what it strikes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Entry, untouched
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.facts import Payment
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.domain.practice.settings import Settings
from client_credits.operations.bookings.spending import book, cancel
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments.paying import pay
from client_credits.operations.payments.resolving import dismiss, resolve
from client_credits.operations.staff.practices import (
    change_account_settings,
)
from client_credits.operations.sweeping import sweep_shard
from client_credits.store import keys, writes
from client_credits.store.store import Store
from tests.support.builders import DAY, HOUR, NOW, a_lot, a_package, cancelled, created

P = "p1"
STAFF = Actor("staff", "s1")
OVERFULL, MANY = 50, 101  # lots that ended: more than an operation settles on its way; than two transactions do

Step = Callable[[Store, datetime], Any]


def founded(store: Store) -> None:
    """The practice of the tests: two types, packages of every kind, one client with a customer."""
    packages = (
        a_package("three-pack"),
        a_package("bundle", credits={"follow-up": 2, "initial": 1}, stripe_prices=("price_2",)),
        a_package("gift", credits={}, stripe_prices=("price_0",)),
        a_package("day-pass", stripe_prices=("price_day",), expiry=Expiry(ExpiryKind.DAYS, 1)),
        a_package("starter", stripe_prices=("price_s",), renews_each_cycle=False),
    )
    catalogue = Catalogue(
        types={t: AppointmentType(t, t.title()) for t in ("follow-up", "initial")},
        packages={p.package_id: p for p in packages},
    )
    store.commit(
        [
            writes.catalogue(P, catalogue),
            writes.account(Account(P, created_at=NOW, catalogue_version=1)),
            writes.client(P, Client("c1", stripe_customers=("cus_1",), created_at=NOW)),
            writes.link(P, "customer", "cus_1", "c1", None),
        ]
    )


# -- steps -------------------------------------------------------------------------------------


def before(ago: timedelta, step: Step) -> Step:
    """A step of the past that was taken a while ago."""
    return lambda store, now: step(store, now - ago)


def paying(payment: Payment) -> Step:
    return lambda store, now: pay(Context(store, P, STRIPE, now), payment)


def booking(booking_id: str = "b1", **fields: Any) -> Step:
    return lambda store, now: book(Context(store, P, BOOKINGS, now), created(booking_id, **fields))


def cancelling(booking_id: str = "b1", by: CancelledBy | None = None, **fields: Any) -> Step:
    return lambda store, now: cancel(Context(store, P, BOOKINGS, now), cancelled(booking_id, by, **fields))


def setting(**values: Any) -> Step:
    return lambda store, now: change_account_settings(Context(store, P, STAFF, now), values, confirmed=True)


def resolving(payment: Payment, **answers: str) -> Step:
    return lambda store, now: resolve(Context(store, P, STAFF, now), parked_id(payment), **answers)


def dismissing(payment: Payment) -> Step:
    return lambda store, now: dismiss(Context(store, P, STAFF, now), parked_id(payment), "paid back in cash")


def parked_id(payment: Payment) -> str:
    return derived_id("prk", payment.account, payment.mode, payment.payment_id)


def sweeping(store: Store, now: datetime) -> Any:
    return sweep_shard(store, keys.due_shard(keys.wallet(P, "c1", "follow-up")), now)


def holding(*lots: Lot, appointment_type: str = "follow-up") -> Step:
    """A wallet with these lots, granted one by one but written at once."""

    def step(store: Store, now: datetime) -> None:
        change = untouched(Wallet(P, "c1", appointment_type))
        began = min(lot.effective_at for lot in lots)
        for lot in lots:
            cause = Cause(CauseKind.PACKAGE, {"package_id": "old"})
            act = Act(f"old/{lot.lot_id}", cause, STAFF, began, began)
            change = add_lot(change, lot, act, Settings(), room=0)
        commit_entries(store, change.entries)
        due = min((lot.expires_at for lot in lots if lot.expires_at), default=None)
        store.commit([writes.wallet(replace(change.wallet, version=0), due)])

    return step


def commit_entries(store: Store, entries: tuple[Entry, ...]) -> None:
    for start in range(0, len(entries), 100):
        store.commit([writes.entry(e) for e in entries[start : start + 100]])


def ending(lot_id: str, remaining: int, ago: timedelta) -> Lot:
    """A lot that ended some time before NOW, not yet written off."""
    return a_lot(lot_id, remaining, effective_at=NOW - 40 * DAY, expires_at=NOW - ago)


def ended(count: int) -> Step:
    """A wallet of lots that ended one after the other, and one that did not."""
    return holding(a_lot("lot-good", 2), *(ending(f"lot-{n:03d}", 1, (n + 1) * HOUR) for n in range(count)))


def due_now(store: Store) -> None:
    """Puts client c1's wallet among what is due although nothing is."""
    key = keys.wallet(P, "c1", "follow-up")
    store.commit(
        [
            {
                "Update": {
                    "Key": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
                    "UpdateExpression": "SET due_shard = :shard, due_at = :at",
                    "ExpressionAttributeValues": {
                        ":shard": {"S": keys.due_shard(keys.wallet(P, "c1", "follow-up"))},
                        ":at": {"S": writes.sortable(NOW)},
                    },
                }
            }
        ]
    )
