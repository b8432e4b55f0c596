"""What Stripe dates ahead of now counts as of now, and blocks nothing that comes later."""

from dataclasses import replace
from datetime import datetime

from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package, a_payment
from tests.support.memory_table import memory_store

from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.facts import (
    Dispute,
    DisputeStatus,
    Facts,
    MoneyBack,
    Payment,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Unsupported,
    not_ahead,
)
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.context import STRIPE, Context
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.stripe import work

AHEAD = NOW.replace(year=2035)
PAID = 10_000
NEWS = MoneyBack("evt_2", "own", "test", NOW, payment_id="in_1")


class Practice:
    """A practice in memory that hears facts of Stripe, each at an instant."""

    def __init__(self, **settings: object) -> None:
        self.store, _ = memory_store()
        self.store.commit(
            [
                writes.account(Account("p1", dict(settings), NOW, catalogue_version=1)),
                writes.catalogue("p1", replace(a_catalogue(a_package(credits={"follow-up": 10})), version=0)),
                writes.client("p1", Client("c1", created_at=NOW)),
            ]
        )

    def hear(self, facts: Facts, now: datetime) -> str:
        return work.apply(Context(self.store, "p1", STRIPE, now), facts, "{}")

    def wallet(self) -> Wallet:
        return self.store.load("p1", Wanted(client_id="c1", types=("follow-up",))).wallets["follow-up"]

    def subscription(self) -> SubscriptionState:
        return self.store.load("p1", Wanted(subscription="sub_1")).subscription


def bought(paid_at: datetime = NOW) -> Payment:
    line = a_line(amount=PAID)
    return a_payment("in_1", line, paid=PAID, paid_at=paid_at, subscription=None)


def refunded(status: RefundStatus, at: datetime) -> MoneyBack:
    return replace(NEWS, occurred_at=at, refunds=(Refund("re_1", PAID, status, at),))


def disputed(status: DisputeStatus, at: datetime) -> MoneyBack:
    return replace(NEWS, occurred_at=at, disputes=(Dispute("dp_1", PAID, status, at),))


def standing(status: SubscriptionStatus, at: datetime, ended_at: datetime | None = None) -> SubscriptionNews:
    return SubscriptionNews("evt_3", "own", "test", at, "sub_1", status, ended_at)


def test_credits_of_a_payment_dated_ahead_can_be_spent_at_once() -> None:
    practice = Practice()
    practice.hear(bought(paid_at=AHEAD), NOW)
    (lot,) = practice.wallet().lots
    assert (lot.effective_at, lot.usable(NOW)) == (NOW, True)


def test_the_period_that_was_paid_ahead_stays_where_it_is() -> None:
    line = a_line(subscription_item="si_1", period_start=AHEAD, period_end=AHEAD + 30 * DAY)
    assert not_ahead(a_payment("in_1", line, paid_at=AHEAD), NOW) == a_payment("in_1", line, paid_at=NOW)


def test_a_refund_dated_ahead_can_fail_later() -> None:
    practice = Practice()
    practice.hear(bought(), NOW)
    practice.hear(refunded(RefundStatus.SUCCEEDED, AHEAD), NOW + HOUR)
    assert practice.wallet().balance == 0
    practice.hear(refunded(RefundStatus.FAILED, NOW + 2 * HOUR), NOW + 2 * HOUR)
    assert practice.wallet().balance == 10


def test_a_dispute_dated_ahead_can_be_won_later() -> None:
    practice = Practice()
    practice.hear(bought(), NOW)
    practice.hear(disputed(DisputeStatus.OPEN, AHEAD), NOW + HOUR)
    assert practice.wallet().lots[0].frozen
    practice.hear(disputed(DisputeStatus.WON, NOW + 2 * HOUR), NOW + 2 * HOUR)
    assert not practice.wallet().lots[0].frozen


def test_a_subscription_past_due_at_a_far_date_can_be_paid_before_it() -> None:
    practice = Practice(past_due="freeze")
    practice.hear(standing(SubscriptionStatus.PAST_DUE, AHEAD), NOW)
    practice.hear(standing(SubscriptionStatus.RUNNING, NOW + HOUR), NOW + HOUR)
    assert practice.subscription().status is SubscriptionStatus.RUNNING


def test_a_subscription_that_is_said_to_have_ended_at_a_far_date_has_ended_now() -> None:
    practice = Practice()
    practice.hear(standing(SubscriptionStatus.ENDED, AHEAD, ended_at=AHEAD), NOW)
    assert practice.subscription().ended_at == NOW


def test_what_happened_before_now_and_what_has_no_time_stays_as_it_was() -> None:
    untimed = Unsupported("evt_4", "thin_event")
    for facts in (bought(), refunded(RefundStatus.FAILED, NOW), standing(SubscriptionStatus.RUNNING, NOW), untimed):
        assert not_ahead(facts, NOW) == facts
