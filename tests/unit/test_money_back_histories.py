"""Long histories of money given back: what a payment returned, owed or waited for earlier counts in what follows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import accumulate

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package
from tests.unit.test_money_back import PAID, STAFF, Practice, dispute, news, refund
from tests.unit.test_plan_changes import Practice as Subscribed

from client_credits.domain.errors import LimitReached
from client_credits.domain.ledger.entries import EntryKind
from client_credits.domain.payments.facts import CreditNote, MoneyBack
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.practice.catalogue import Catalogue, Expiry, ExpiryKind
from client_credits.operations import sweeping
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import money_back
from client_credits.operations.staff import editing
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.stripe.events.translate import translate

BEGINS = datetime(2026, 1, 5, 9, tzinfo=UTC)
ENDS = datetime(2027, 1, 5, 9, tzinfo=UTC)
MARCH = datetime(2026, 3, 20, 9, tzinfo=UTC)
JULY = datetime(2026, 7, 20, 9, tzinfo=UTC)


def sell(store: Store, catalogue: Catalogue) -> None:
    """Replaces all that the practice sells."""
    loaded = store.load("p1", Wanted())
    account = replace(loaded.account, catalogue_version=loaded.account.catalogue_version + 1)
    known = replace(catalogue, version=loaded.catalogue.version)
    store.commit([writes.account(account), writes.catalogue("p1", known)])


def change_settings(practice: Practice, **settings: object) -> None:
    """From now on the practice keeps these settings beside those it had."""
    account = practice.store.load("p1", Wanted()).account
    practice.store.commit([writes.account(replace(account, values={**account.values, **settings}))])


def record(practice: Practice) -> PaymentRecord:
    return practice.store.load("p1", Wanted(payments=("in_1",))).payments["in_1"]


def reinstated_after_its_debt_was_repaid() -> Practice:
    """Four of ten are spent and owed, a second ten repay them, and then the refund fails: 20 - 4."""
    practice = Practice()
    practice.pay()
    for number in range(4):
        practice.book(number)
    practice.tell(refund("re_1", PAID))
    practice.pay("in_2", payment_intent="pi_2")
    practice.tell(refund("re_1", PAID, "failed", at=NOW + 2 * HOUR))
    assert practice.numbers() == (16, 0)
    return practice


def test_sessions_of_a_grant_that_was_reinstated_can_all_be_cancelled() -> None:
    practice = reinstated_after_its_debt_was_repaid()
    for number in range(4):
        practice.cancel(number)
    assert practice.numbers() == (20, 0)


def test_a_second_refund_takes_no_more_than_was_granted() -> None:
    practice = reinstated_after_its_debt_was_repaid()
    for number in range(4, 14):
        practice.book(number)
    assert practice.numbers() == (6, 0)
    practice.tell(refund("re_2", PAID, at=NOW + 3 * HOUR))
    assert practice.wallet().balance == 20 - 14 - 10


def test_what_its_own_lot_repaid_of_a_refund_stays_repaid_when_staff_void_the_rest_and_it_is_heard_again() -> None:
    practice = Practice()
    practice.pay()
    for number in range(10):
        practice.book(number)
    practice.tell(refund("re_1", PAID // 10))
    assert practice.numbers() == (0, 1)
    for number in range(3):
        practice.cancel(number)
    assert practice.numbers() == (2, 0)
    here = Context(practice.store, "p1", STAFF, practice.now)
    (lot,) = practice.wallet().open_lots
    editing.change_lot(here, "c1", "follow-up", lot.lot_id, void=True, expires_at=None, reason="a mistake")
    before = practice.store.entries_after("p1", "c1", "follow-up", 0)
    practice.tell(refund("re_1", PAID // 10))
    assert practice.numbers() == (0, 0)
    assert practice.store.entries_after("p1", "c1", "follow-up", 0) == before


def test_what_came_back_after_other_credits_had_repaid_it_stays_and_ends_also_when_the_refund_is_heard_once_more() -> (
    None
):
    """One of four is booked, all are refunded, and another payment's lot repays it. Cancelled, it stays in its lot."""
    practice = Practice()
    ends = Expiry(ExpiryKind.DATE, date=f"{NOW + 40 * DAY:%Y-%m-%d}")
    sell(
        practice.store,
        a_catalogue(a_package("four", credits={"follow-up": 4}, stripe_prices=("price_1",), expiry=ends)),
    )
    practice.pay()
    practice.pay("in_2", payment_intent="pi_2")
    practice.tell(refund("re_1", PAID - 1))
    practice.book(1)
    practice.tell(refund("re_2", 1))
    assert practice.numbers() == (3, 0)
    practice.cancel(1)
    assert practice.numbers() == (4, 0)
    practice.tell(refund("re_2", 1))
    assert practice.numbers() == (4, 0)
    practice.now += 60 * DAY
    practice.tell(refund("re_2", 1))
    sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), "c1", "follow-up")
    assert practice.numbers() == (0, 0)


def test_credits_of_more_payments_than_fit_are_refused_and_fewer_move() -> None:
    practice = Practice()
    one = a_package("one", credits={"follow-up": 1}, stripe_prices=("price_1",))
    sell(practice.store, a_catalogue(one))
    for number in range(100):
        practice.pay(f"in_{number}", payment_intent=f"pi_{number}")
    with pytest.raises(LimitReached):
        practice.give(99)
    assert (practice.numbers(), practice.numbers("c2")) == ((100, 0), (0, 0))
    practice.give(20)
    assert (practice.numbers(), practice.numbers("c2")) == ((80, 0), (20, 0))


def a_year_paid() -> Subscribed:
    """Two credits a month for a year, for 90.00."""
    practice = Subscribed(now=BEGINS + HOUR)
    line = a_line(price="price_year", period_start=BEGINS, period_end=ENDS, subscription_item="si_1")
    practice.pay("in_1", BEGINS, line, payment_intent="pi_1")
    return practice


def follow(practice: Subscribed, stated: MoneyBack) -> None:
    money_back.apply_money_back(Context(practice.store, "p1", STRIPE, practice.now), stated)


def after_the_year(practice: Subscribed) -> int:
    """The balance when every month has come."""
    practice.now = ENDS + DAY
    sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), "c1", "follow-up")
    return practice.wallet().balance


@pytest.mark.parametrize("stated_at", [MARCH + HOUR, JULY])
def test_a_refund_of_a_tenth_takes_a_tenth_of_all_tranches_whenever_it_is_heard(stated_at: datetime) -> None:
    practice = a_year_paid()
    practice.now = stated_at
    follow(practice, refund("re_1", 900, at=MARCH))
    assert after_the_year(practice) == 24 - 2  # 2.4 of 24, rounded down


def test_credits_are_frozen_and_freed_no_earlier_than_they_came() -> None:
    practice = a_year_paid()
    practice.now = JULY
    follow(practice, dispute("open", at=MARCH))
    follow(practice, dispute("won", at=MARCH + HOUR))
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    newest = datetime(2026, 7, 5, 9, tzinfo=UTC)  # July's tranche is among them
    zero = [(entry.kind, entry.occurred_at) for entry in entries if not entry.amount]
    assert zero == [(EntryKind.FROZEN, newest), (EntryKind.UNFROZEN, newest)]


@pytest.mark.parametrize(("amount", "left"), [(4_500, 6), (6_749, 6), (6_750, 6), (7_125, 5), (9_000, 0)])
@pytest.mark.parametrize("stated_at", [MARCH + HOUR, JULY])
def test_a_refund_beside_an_end_first_takes_what_no_longer_comes(stated_at: datetime, amount: int, left: int) -> None:
    """Of 24 January's, February's and March's six come; the other 18 are three quarters of the 90.00."""
    practice = a_year_paid()
    practice.now = stated_at
    sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), "c1", "follow-up")
    practice.news("ended", MARCH, MARCH)
    follow(practice, refund("re_1", amount, at=MARCH))
    assert after_the_year(practice) == left


def test_a_refund_heard_again_after_a_change_of_settings_changes_nothing() -> None:
    practice = Practice(clawback_shortfall="report")
    practice.pay()
    for number in range(8):
        practice.book(number)
    practice.tell(refund("re_1", PAID))
    assert practice.numbers() == (0, 0)
    change_settings(practice, clawback_shortfall="debt")
    practice.tell(refund("re_1", PAID))
    assert practice.numbers() == (0, 0)


def test_what_is_owed_already_is_not_reported_as_well() -> None:
    practice = Practice()
    practice.pay()
    for number in range(8):
        practice.book(number)
    practice.tell(refund("re_1", 5_000))
    assert practice.numbers() == (0, 3)
    change_settings(practice, clawback_shortfall="report")
    practice.tell(refund("re_2", 5_000))
    assert practice.numbers() == (0, 3)
    last = practice.store.entries_after("p1", "c1", "follow-up", 0)[-1]
    assert (last.kind, last.cause.ids["shortfall"]) == ("clawed_back", "5")


def test_what_a_later_cancellation_returns_is_taken_then_and_not_in_the_past() -> None:
    practice = Practice(clawback_shortfall="report")
    practice.pay()
    for number in range(8):
        practice.book(number)
    practice.tell(refund("re_1", PAID, at=practice.now))
    practice.now += 10 * DAY
    practice.cancel(0)
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    assert [(str(e.kind), e.amount, e.occurred_at) for e in entries[-2:]] == [
        ("restored", 1, practice.now),
        ("clawed_back", -1, practice.now),
    ]
    as_of = accumulate(entry.amount for entry in sorted(entries, key=lambda e: e.occurred_at))
    assert min(as_of) == 0


def test_a_refund_reaches_many_wallets_that_all_have_credits_to_expire_first() -> None:
    types = tuple(f"t{number:02}" for number in range(25))
    many = a_package(
        "many",
        credits=dict.fromkeys(types, 2),
        stripe_prices=("price_1",),
        expiry=Expiry(ExpiryKind.DAYS, 1),
    )
    practice = Practice()
    sell(practice.store, a_catalogue(many, types=types))
    practice.pay()
    practice.now = NOW + 5 * DAY
    assert practice.tell(refund("re_1", PAID)) == "followed"
    wallets = practice.store.load("p1", Wanted(client_id="c1", types=types)).wallets
    assert {wallet.balance for wallet in wallets.values()} == {0}


def credit_note(*lines: Mapping[str, object]) -> dict[str, object]:
    """Stripe's event of a note of 50.00 on in_1 that was refunded as re_1."""
    note: dict[str, object] = {"id": "cn_1", "object": "credit_note", "invoice": "in_1", "status": "issued"}
    note |= {"created": 1_763_812_800, "total": 5_000, "amount": 5_000, "type": "post_payment"}
    note |= {
        "refunds": [{"refund": "re_1", "amount_refunded": 5_000}],
        "lines": {"has_more": False, "data": list(lines)},
    }
    return {
        "id": "evt_1",
        "object": "event",
        "type": "credit_note.created",
        "api_version": "2026-10-28.endive",
        "created": 1_763_812_800,
        "livemode": False,
        "data": {"object": note},
    }


def test_a_custom_line_of_a_credit_note_is_given_back_of_every_line() -> None:
    practice = Practice()
    practice.pay("in_1", a_line("il_1", amount=4_000), a_line("il_2", amount=6_000))
    named = {"id": "cnli_1", "type": "invoice_line_item", "invoice_line_item": "il_1", "amount": 2_000}
    custom = {"id": "cnli_2", "type": "custom_line_item", "invoice_line_item": None, "amount": 3_000}
    stated = translate(credit_note(named, custom), "test")
    assert isinstance(stated, MoneyBack)
    practice.tell(stated)
    undone = [given_back(record(practice)).part_of(line, paid) for line, paid in (("il_1", 4_000), ("il_2", 6_000))]
    assert undone == [Fraction(4, 5), Fraction(3, 10)]  # 20.00 + 12.00 of 40.00, and 18.00 of 60.00
    assert practice.numbers() == (20 - 8 - 3, 0)


def test_one_refund_on_two_credit_notes_leaves_a_later_general_one_its_part() -> None:
    practice = Practice()
    amounts = {"il_1": 4_000, "il_2": 6_000, "il_3": 10_000}
    lines = [a_line(line, amount=amount) for line, amount in amounts.items()]
    practice.pay("in_1", *lines, paid=20_000)
    notes = (
        CreditNote("cn_1", 2_000, (("il_1", 2_000),), ("re_1",)),
        CreditNote("cn_2", 3_000, (("il_2", 3_000),), ("re_1",)),
    )
    practice.tell(news(payment_intent=None, payment_id="in_1", notes=notes))
    practice.tell(refund("re_1", 5_000))
    assert practice.numbers() == (30 - 5 - 5, 0)
    practice.tell(refund("re_2", 4_000))  # a fifth of the 200.00 that were paid
    undone = [given_back(record(practice)).part_of(line, amount) for line, amount in amounts.items()]
    assert undone == [Fraction(7, 10), Fraction(7, 10), Fraction(1, 5)]
    assert practice.numbers() == (30 - 7 - 7 - 2, 0)
