"""A refund fails whose debt another payment's lots had repaid, and that one was refunded, too: one after the other
is followed, and a worker that dies between the two is completed by the redelivery."""

from tests.support.builders import HOUR, NOW
from tests.support.deaths import every_death
from tests.unit.test_money_back import PAID, Practice, refund
from tests.unit.test_money_back_histories import change_settings


def both_refunded() -> Practice:
    """Four of the first's ten are spent and owed. The second's repay them, and are missing when it is refunded."""
    practice = Practice()
    practice.pay("in_1")
    for number in range(4):
        practice.book(number)
    practice.tell(refund("re_1", PAID))
    practice.pay("in_2", payment_intent="pi_2")
    change_settings(practice, clawback_shortfall="report")
    practice.tell(refund("re_2", PAID, payment_intent="pi_2"))
    assert practice.numbers() == (0, 0)
    return practice


def test_what_returns_to_a_lot_of_a_refunded_payment_is_taken_though_the_worker_dies_in_between() -> None:
    failed = refund("re_1", PAID, "failed", at=NOW + 2 * HOUR)
    for call, practice in enumerate(every_death(both_refunded, Practice.tell, [failed])):
        assert practice.numbers() == (6, 0), call
