"""The practice of the bench: 25 types, packages of 1, 5 and 25 of them, ids as long as real ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from client_credits.domain.bookings.booking import Cancelled, CancelledBy, Created
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.payments.facts import Payment, PaymentLine
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind, Package
from client_credits.domain.practice.records import Account, Client
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store

P = "riverside-clinic"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
TYPES = [f"follow-up-{n:02d}min" for n in range(1, 26)]
TYPE = TYPES[0]
STRIPE = "1PqTRsLkdIwHu7ixhA3v"  # and 4 digits: as long as Stripe's own ids


def found(store: Store) -> None:
    """Settings and catalogue, as they would stand after some changes."""
    packages = {
        f"{kind}-{count}": Package(
            package_id=f"{kind}-{count}",
            name=f"{count} kinds of session",
            credits=dict.fromkeys(TYPES[:count], 10),
            expiry=expiry,
            stripe_prices=(price(kind, count),),
        )
        for kind, expiry in (("lasting", Expiry()), ("ending", Expiry(ExpiryKind.MONTHS, 6)))
        for count in (1, 5, 25)
    }
    catalogue = Catalogue(types={t: AppointmentType(t, t) for t in TYPES}, packages=packages)
    account = Account(P, {"allow_booking_without_credits": False}, NOW, catalogue_version=1)
    store.commit([writes.catalogue(P, catalogue), writes.account(account)])


def price(kind: str, count: int) -> str:
    return f"price_{STRIPE}{kind[:2]}{count:02d}"


def known(client_id: str) -> Client:
    return Client(client_id, "Ana Example", "ana@example.org", (f"cus_{client_id}",), created_at=NOW - 30 * DAY)


def payment(client_id: str, count: int = 1, kind: str = "lasting", subscription: int = 0, number: int = 0) -> Payment:
    """A paid cycle of a package of `count` types; numbers of up to four digits name subscription and invoice."""
    name = f"{STRIPE}{number:04d}"
    line = PaymentLine(
        line_id=f"il_{name}",
        price=price(kind, count),
        quantity=1,
        amount=12900,
        currency="eur",
        subscription_item=f"si_QhVtKx1234{subscription:04d}",
        period_start=NOW - DAY,
        period_end=NOW + 29 * DAY,
    )
    return Payment(
        payment_id=f"in_{name}",
        account="own",
        mode="live",
        event_id=f"evt_{name}",
        paid_at=NOW - DAY,
        customer=f"cus_{client_id}",
        client_id=client_id,
        subscription=f"sub_{STRIPE}{subscription:04d}",
        payment_intent=f"pi_{name}",
        lines=(line,),
    )


def booked(client_id: str, booking_id: str, seats: int = 1) -> Created:
    return Created(booking_id, client_id, SessionToBook(TYPE, NOW + 3 * DAY, seats), NOW)


def cancelled(client_id: str, booking_id: str) -> Cancelled:
    return Cancelled(booking_id, client_id, NOW, CancelledBy.CLIENT, TYPE)


def described_anew(store: Store) -> None:
    """Changes the catalogue a little, as another worker would."""
    loaded = store.catalogue(P)
    other = Store(store.table)
    account = other.load(P, Wanted()).account
    renamed = replace(loaded.types[TYPE], name=f"{loaded.types[TYPE].name}'")
    changed = replace(loaded, types=loaded.types | {TYPE: renamed})
    moved = replace(account, catalogue_version=changed.version + 1)
    other.commit([writes.catalogue(P, changed), writes.account(moved)])
