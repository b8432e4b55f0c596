"""The same inputs in any order, doubled or not, come to the same totals.

Where the law lets order matter, the histories here keep clear of it:
- refusals: whoever comes first gets the last credit, so bookings without credits are allowed here;
- lateness: what has ended, or a booking cancelled before it was heard of while restoring is off,
  depends on when it was heard, so nothing ends here and restoring is on;
- the first payment of a subscription: whichever is known first grants, so all cycles are alike;
- two accounts of one booking that contradict (its client, its type): the first one said stands.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import Cancelled, CancelledBy, Created
from client_credits.domain.payments.facts import Payment
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.store.store import Store
from tests.property.memory import PRACTICE, Stored, a_practice, everything, sweep
from tests.support.builders import DAY, HOUR, NOW, a_line, a_payment, cancelled, created

Input = Payment | Created | Cancelled


def _payment(number: int, client: str, price: str, quantity: int, cycle: int | None) -> Payment:
    line = a_line(price=price, quantity=1 if cycle else quantity)
    if cycle:
        line = replace(line, subscription_item="si_1", period_start=NOW - DAY, period_end=NOW + 30 * DAY)
    return a_payment(
        f"in_{number}",
        line,
        client_id=client,
        customer=None,
        subscription=f"sub_{client}" if cycle else None,
        paid_at=NOW - number * HOUR,
    )


_clients = st.sampled_from(["c1", "c2"])
_payments = st.tuples(
    _clients,
    st.sampled_from(["price_three", "price_once", "price_unheard_of"]),
    st.integers(1, 2),
    st.sampled_from([None, 1]),
)
_bookings = st.tuples(
    *(_clients, st.integers(1, 3), st.integers(1, 90)),
    st.sampled_from([False, False, True]),  # whether it is cancelled
    st.sampled_from([None, None, -1, 0, 1]),  # hours after which it is known without its client, None: never
)


@st.composite
def inputs(draw: Any) -> list[Input]:
    """A few payments and bookings, some of them cancelled; each said once or twice, in some order."""
    stated: list[Input] = [
        _payment(n, *drawn) for n, drawn in enumerate(draw(st.lists(_payments, min_size=1, max_size=3)))
    ]
    for n, (client, seats, ahead, dropped, unnamed) in enumerate(draw(st.lists(_bookings, min_size=1, max_size=3))):
        starts_at = NOW + ahead * HOUR
        named = created(f"b{n}", client_id=client, seats=seats, starts_at=starts_at, occurred_at=NOW - n * HOUR)
        stated.append(named)
        if unnamed is not None:
            stated.append(replace(named, client_id=None, occurred_at=named.occurred_at + unnamed * HOUR))
        if dropped:
            stated.append(cancelled(f"b{n}", CancelledBy.CLIENT, client_id=client, occurred_at=NOW))
    return stated


def tell(store: Store, order: list[Input]) -> None:
    for minutes, stated in enumerate(order):
        now = NOW + minutes * HOUR / 60
        match stated:
            case Payment():
                payments.pay(Context(store, PRACTICE, STRIPE, now), stated)
            case Created():
                bookings.book(Context(store, PRACTICE, BOOKINGS, now), stated)
            case Cancelled():
                bookings.cancel(Context(store, PRACTICE, BOOKINGS, now), stated)
        if minutes % 4 == 3:
            sweep(store, now)


def totals(stored: Stored) -> tuple[object, ...]:
    balances = {key: wallet.balance for key, wallet in stored.wallets.items() if wallet.sequence}
    granted = {key: wallet.granted_total for key, wallet in stored.wallets.items() if wallet.sequence}
    states = {booking_id: booking.state for booking_id, booking in stored.bookings.items()}
    return _nonzero(balances), _nonzero(granted), states, stored.parked


def _nonzero(numbers: dict[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    """A wallet never touched and one whose credits all came and went hold the same: nothing."""
    return Counter({key: number for key, number in numbers.items() if number})


@settings(max_examples=max(12, settings.default.max_examples // 10))  # type: ignore[union-attr]
@given(inputs(), st.data())
def test_any_order_of_delivery_and_any_doubling_give_the_same_totals(stated: list[Input], data: st.DataObject) -> None:
    twice = stated + data.draw(st.lists(st.sampled_from(stated), max_size=4))
    seen = []
    for order in (stated, data.draw(st.permutations(twice))):
        with a_practice(restore_grace_days_client=0) as store:
            tell(store, order)
            stored = everything(store)
            assert stored.breaches() == []
            seen.append(totals(stored))
    assert seen[0] == seen[1]
