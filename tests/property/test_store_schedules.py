"""Cycles that roll over and years paid in tranches, through a table: paid, swept, spent up to a transaction's size."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from client_credits.domain.payments.facts import Payment
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.store import writes
from client_credits.store.store import Store
from tests.property.memory import PRACTICE, a_practice, everything, sweep, the_catalogue
from tests.support.builders import HOUR, a_line, a_package, a_payment

START = datetime(2027, 1, 31, 9, tzinfo=UTC)
FEB, MAR, APR = (START.replace(month=month, day=day) for month, day in ((2, 28), (3, 31), (4, 30)))
YEAR_LATER = START.replace(year=2028)
TYPES = tuple(f"type-{number:02}" for number in range(5))
MONTHLY = a_package(
    "monthly",
    credits={"follow-up": 4},
    expiry=Expiry(ExpiryKind.CYCLE_END),
    rollover_cap=3,
    stripe_prices=("price_monthly",),
)
ANNUAL = a_package(
    "annual",
    credits=dict.fromkeys(TYPES, 2),
    expiry=Expiry(ExpiryKind.MONTHS, 2),
    monthly_tranches=True,
    stripe_prices=("price_annual",),
)


def offering(store: Store) -> None:
    catalogue = the_catalogue()
    kind = catalogue.types["follow-up"]
    types = catalogue.types | {name: replace(kind, type_id=name, name=name) for name in TYPES}
    packages = catalogue.packages | {"monthly": MONTHLY, "annual": ANNUAL}
    store.commit([writes.catalogue(PRACTICE, replace(catalogue, version=1, types=types, packages=packages))])


def a_cycle(payment_id: str, price: str, starts: datetime, ends: datetime) -> Payment:
    line = a_line("il_1", price=price, subscription_item="si_1", period_start=starts, period_end=ends)
    return a_payment(payment_id, line, paid_at=starts + HOUR)


@pytest.fixture
def store() -> object:
    with a_practice() as store:
        offering(store)
        yield store


def test_months_paid_one_after_the_other_roll_over_in_the_table(store: Store) -> None:
    for number, (starts, ends) in enumerate([(START, FEB), (FEB, MAR)]):
        payment = a_cycle(f"in_{number}", "price_monthly", starts, ends)
        (outcome,) = payments.pay(Context(store, PRACTICE, STRIPE, starts + 2 * HOUR), payment)
        assert outcome.fate == "granted"
    stored = everything(store)
    assert stored.breaches() == []
    wallet = stored.wallets["c1", "follow-up"]
    assert sorted((str(lot.source), lot.remaining, lot.end) for lot in wallet.open_lots) == [
        ("cycle", 4, MAR),
        ("rolled_over", 3, MAR),
    ]
    for at in (MAR, APR):
        sweep(store, at)
        assert everything(store).breaches() == []
        assert sweep(store, at) == 0
    kinds = [str(entry.kind) for entry in everything(store).entries["c1", "follow-up"]]
    moved = ["rolled_over", "expired"]
    assert kinds == ["granted", *moved, "granted", *moved, "expired"]
    assert everything(store).wallets["c1", "follow-up"].balance == 0


def test_a_year_heard_at_its_end_is_written_in_as_many_transactions_as_it_takes(store: Store) -> None:
    """Five types, twelve tranches, and most of them ended again: far more than one transaction holds."""
    payment = a_cycle("in_1", "price_annual", START, YEAR_LATER)
    (outcome,) = payments.pay(Context(store, PRACTICE, STRIPE, YEAR_LATER), payment)
    assert outcome.fate == "granted"
    assert everything(store).breaches() == []
    sweep(store, YEAR_LATER)
    stored = everything(store)
    assert stored.breaches() == []
    for name in TYPES:
        wallet = stored.wallets["c1", name]
        assert (wallet.granted_total, wallet.coming) == (24, ())
        dates = [e.occurred_at for e in stored.entries["c1", name]]
        assert dates == sorted(dates)
        assert wallet.balance == 2  # December's: November's ended with the 30th of January


def test_a_year_heard_in_time_comes_by_sweeps_alone(store: Store) -> None:
    payments.pay(Context(store, PRACTICE, STRIPE, START + 2 * HOUR), a_cycle("in_1", "price_annual", START, YEAR_LATER))
    assert sweep(store, FEB) == len(TYPES) == sweep(store, MAR)
    stored = everything(store)
    assert stored.breaches() == []
    assert {wallet.balance for wallet in stored.wallets.values()} == {6}
