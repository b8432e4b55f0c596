"""How often one client may buy a package: counted with the grant, once a subscription, not what was given back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_line, a_package, a_payment
from tests.unit.test_parked_payments import STAFF, Practice

from client_credits.domain.payments.facts import MoneyBack, Payment, QuantityFrom, Refund, RefundStatus
from client_credits.domain.practice.records import Client
from client_credits.operations.payments import money_back, parking, resolving
from client_credits.operations.staff import editing
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.practices import put_client
from client_credits.store.records import Wanted

INTRO = a_package("intro", credits={"follow-up": 1}, stripe_prices=("price_intro",), limit_per_client=2)
MONTHLY = a_package("monthly", credits={"follow-up": 4}, stripe_prices=("price_m",), limit_per_client=1)


def bought(payment_id: str, quantity: int = 1, **fields: Any) -> Payment:
    line = a_line(price="price_intro", quantity=quantity, amount=1_000)
    stated = {"subscription": None, "customer": None, "paid": 1_000, "payment_intent": f"pi_{payment_id}"}
    return a_payment(payment_id, line, **(stated | fields))


def cycle(payment_id: str, subscription: str = "sub_1", month: int = 0) -> Payment:
    starts = NOW - 90 * DAY + month * 30 * DAY
    period = {"period_start": starts, "period_end": starts + 30 * DAY, "subscription_item": f"si_{subscription}"}
    line = a_line(price="price_m", amount=4_000, **period)
    return a_payment(payment_id, line, subscription=subscription, customer=None, paid_at=starts)


def refunded(payment_id: str, amount: int, status: str = "succeeded") -> MoneyBack:
    refund = Refund(f"re_{payment_id}", amount, RefundStatus(status), NOW)
    return MoneyBack("evt_r", "own", "test", NOW, payment_intent=f"pi_{payment_id}", refunds=(refund,))


def practice() -> Practice:
    return Practice(INTRO, MONTHLY)


def test_what_one_client_buys_beyond_the_limit_is_parked_and_another_clients_is_not() -> None:
    here = practice()
    fates = [here.pay(bought(f"in_{n}")) for n in (1, 2, 3)]
    assert fates == [["granted"], ["granted"], ["over_limit"]]
    assert here.pay(bought("in_4", client_id="c2")) == ["granted"]
    assert (here.balance(), here.balance("c2")) == (2, 1)
    assert [parked.reason for parked in here.open()] == ["over_limit"]


@pytest.mark.parametrize(("quantities", "granted"), [((2, 1), 2), ((1, 2), 1), ((3,), 0), ((1, 1, 1), 2)])
def test_units_count_and_a_purchase_is_granted_whole_or_not_at_all(quantities: tuple[int, ...], granted: int) -> None:
    here = practice()
    for number, quantity in enumerate(quantities):
        here.pay(bought(f"in_{number}", quantity))
    assert here.balance() == granted


def test_a_payment_heard_again_counts_once() -> None:
    here = practice()
    for _ in range(3):
        assert here.pay(bought("in_1")) == ["granted"]
    assert here.pay(bought("in_2")) == ["granted"]


def test_what_was_refunded_in_full_does_not_count_and_in_part_it_does() -> None:
    here = practice()
    here.pay(bought("in_1"))
    here.pay(bought("in_2"))
    money_back.apply_money_back(here.context, refunded("in_1", 500))
    assert here.pay(bought("in_3")) == ["over_limit"]
    money_back.apply_money_back(here.context, refunded("in_1", 1_000))
    assert here.pay(bought("in_4")) == ["granted"]
    assert here.pay(bought("in_5")) == ["over_limit"]


def test_a_subscription_counts_once_whatever_it_brings() -> None:
    here = practice()
    fates = [here.pay(cycle(f"in_{month}", month=month)) for month in range(3)]
    assert fates == [["granted"]] * 3
    assert here.pay(cycle("in_other", "sub_2", 2)) == ["over_limit"]


def test_what_staff_give_does_not_count() -> None:
    here = practice()
    put_client(here.context, Client("c1"))
    for number in range(3):
        editing.grant_by_hand(here.context.by(STAFF), "c1", "intro", 1, Keyed(f"api/{number}", ""))
    assert [here.pay(bought(f"in_{n}")) for n in (1, 2)] == [["granted"]] * 2


def test_staff_may_grant_what_was_bought_beyond_the_limit() -> None:
    here = practice()
    for number in (1, 2, 3):
        here.pay(bought(f"in_{number}"))
    resolving.resolve(here.context.by(STAFF), parking.id_of(bought("in_3")))
    assert (here.balance(), here.open()) == (3, [])


def test_a_profile_saved_anew_keeps_what_was_bought() -> None:
    here = practice()
    here.pay(bought("in_1", 2))
    put_client(here.context, Client("c1", name="Ana"))
    assert here.pay(bought("in_2")) == ["over_limit"]


def test_of_payments_at_once_only_those_within_the_limit_are_granted() -> None:
    here = practice()
    put_client(here.context, Client("c1"))
    with ThreadPoolExecutor(8) as pool:
        fates = list(pool.map(here.pay, [bought(f"in_{n}") for n in range(8)]))
    assert sorted(fates) == [["granted"]] * 2 + [["over_limit"]] * 6
    assert here.balance() == 2


def test_a_package_without_a_limit_leaves_the_profile_alone() -> None:
    here = Practice(replace(INTRO, limit_per_client=None))
    put_client(here.context, Client("c1"))
    here.pay(bought("in_1"))
    (known,) = here.store.load("p1", Wanted(others=("c1",))).others.values()
    assert (known.version, known.bought) == (1, ())


def test_a_session_and_its_intent_are_one_purchase() -> None:
    here = Practice(replace(INTRO, limit_per_client=1))
    line = a_line("intro", price=None, package_id="intro", amount=1_000, quantity_from=QuantityFrom.METADATA)
    stated = {"subscription": None, "customer": None, "payment_intent": "pi_1", "paid": 1_000}
    assert here.pay(a_payment("pi_1", line, **stated)) == ["granted"]
    assert here.pay(a_payment("cs_1", line, **stated)) == ["covered"]
    assert here.pay(bought("in_2")) == ["over_limit"]
