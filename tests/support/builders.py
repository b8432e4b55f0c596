"""Short ways to make the values that tests are about; every argument has a plain default."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from client_credits.domain.bookings.booking import Booking, BookingState, Cancelled, CancelledBy, Created
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Change, Posting
from client_credits.domain.ledger.wallet import Debt, DebtCause, Freeze, Hold, Lot, LotSource, Wallet
from client_credits.domain.payments.facts import Payment, PaymentLine
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, Package

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def a_lot(lot_id: str = "lot-1", remaining: int = 3, **fields: object) -> Lot:
    values: dict[str, object] = {
        "granted": max(remaining, int(str(fields.get("granted", remaining)))),
        "effective_at": NOW - DAY,
        "expires_at": None,
        "source": LotSource.PURCHASE,
    }
    return Lot(lot_id=lot_id, remaining=remaining, **(values | fields))  # type: ignore[arg-type]


def freezes(*causes: str) -> tuple[Freeze, ...]:
    return tuple(Freeze(cause, NOW) for cause in causes)


def plain(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """The postings without what they tell of the lots that they make."""
    return tuple(replace(posting, facts=None) for posting in postings)


def a_wallet(*lots: Lot, **fields: object) -> Wallet:
    return Wallet("p1", "c1", "follow-up", lots=lots, **fields)  # type: ignore[arg-type]


def an_act(now: datetime = NOW, occurred_at: datetime | None = None, source_id: str = "test/1") -> Act:
    return Act(source_id, Cause(CauseKind.BOOKING, {}), Actor("system", "test"), occurred_at or now, now)


def a_package(package_id: str = "three-pack", **fields: object) -> Package:
    values: dict[str, object] = {
        "name": "Three sessions",
        "credits": {"follow-up": 3},
        "stripe_prices": ("price_1",),
        "expiry": Expiry(),
    }
    return Package(package_id=package_id, **(values | fields))  # type: ignore[arg-type]


def a_catalogue(*packages: Package, types: tuple[str, ...] = ("follow-up", "initial")) -> Catalogue:
    return Catalogue(
        version=1,
        types={t: AppointmentType(t, t.title()) for t in types},
        packages={p.package_id: p for p in packages or (a_package(),)},
    )


def a_line(line_id: str = "il_1", **fields: object) -> PaymentLine:
    values: dict[str, object] = {"price": "price_1", "quantity": 1, "amount": 9000, "currency": "eur"}
    return PaymentLine(line_id=line_id, **(values | fields))  # type: ignore[arg-type]


def a_payment(payment_id: str = "in_1", *lines: PaymentLine, **fields: object) -> Payment:
    values: dict[str, object] = {
        "account": "own",
        "mode": "test",
        "event_id": "evt_1",
        "paid_at": NOW,
        "customer": "cus_1",
        "client_id": "c1",
        "subscription": "sub_1",
        "payment_intent": None,
        "lines": lines or (a_line(),),
    }
    return Payment(payment_id=payment_id, **(values | fields))  # type: ignore[arg-type]


def created(booking_id: str = "b1", **fields: object) -> Created:
    session = SessionToBook(
        str(fields.pop("appointment_type", "follow-up")),
        fields.pop("starts_at", NOW + 2 * DAY),  # type: ignore[arg-type]
        fields.pop("seats", 1),  # type: ignore[arg-type]
    )
    values: dict[str, object] = {"client_id": "c1", "session": session, "occurred_at": NOW}
    return Created(booking_id=booking_id, **(values | fields))  # type: ignore[arg-type]


def cancelled(booking_id: str = "b1", by: CancelledBy | None = None, **fields: object) -> Cancelled:
    values: dict[str, object] = {"client_id": "c1", "occurred_at": NOW, "appointment_type": "follow-up"}
    return Cancelled(booking_id=booking_id, by=by, **(values | fields))  # type: ignore[arg-type]


def a_debt(ref: str = "b1", amount: int = 1, **fields: object) -> Debt:
    values: dict[str, object] = {"cause": DebtCause.BOOKING, "since": NOW, "starts_at": NOW + 2 * DAY}
    return Debt(ref=ref, amount=amount, **(values | fields))  # type: ignore[arg-type]


def a_hold(*parts: tuple[str, int], until: datetime = NOW + HOUR, hold_id: str = "h1") -> Hold:
    return Hold(hold_id, parts, until)


def a_booking(booking_id: str = "b1", seats: int = 1, **fields: object) -> Booking:
    """A booking just begun; `starts_at` and `appointment_type` are its session's."""
    session = SessionToBook(
        str(fields.pop("appointment_type", "follow-up")),
        fields.pop("starts_at", NOW + 2 * DAY),  # type: ignore[arg-type]
        seats,
    )
    values: dict[str, object] = {"client_id": "c1", "session": session}
    return Booking(booking_id, BookingState.BOOKED, **(values | fields))  # type: ignore[arg-type]


def stated(change: Change) -> list[tuple[str, int]]:
    """What a change's entries say, in order: kind and amount."""
    return [(str(entry.kind), entry.amount) for entry in change.entries]


def held_by_lot(wallet: Wallet) -> dict[str, int]:
    """Remaining credits by lot id."""
    return {lot.lot_id: lot.remaining for lot in wallet.open_lots}
