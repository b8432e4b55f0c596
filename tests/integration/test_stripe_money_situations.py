"""What paid an invoice and what went back of it, in every event shape: the exact entries, written by hand.

Ten follow-ups cost 900.00. From basil on an invoice may have several payments, and one may pay several.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.situations import BETWEEN, SHAPES
from tests.support.stripe_practice import ME, StripePractice

from client_credits.domain.ledger.entries import Entry
from client_credits.samples.stripe_account.checkout import Events

DAY = timedelta(days=1)
BASIL = "2025-03-31.basil"
Happens = Callable[[StripePractice], None]
Entries = tuple[tuple[str, int], ...]

SITUATIONS: dict[str, tuple[Happens, Entries, str]] = {}


def situation(*expected: tuple[str, int], since: str = "") -> Callable[[Happens], None]:
    def named(happens: Happens) -> None:
        SITUATIONS[happens.__name__.replace("_", " ")] = happens, expected, since

    return named


def _bought(practice: StripePractice, credit: int = 0) -> str:
    """Ten for 900.00, so much of it paid from the customer's balance."""
    practice.stripe.credit_customer("cus_1", credit)
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME))
    return _next_day(practice)


def _next_day(practice: StripePractice) -> str:
    practice.stripe.advance_to(practice.stripe.now + DAY)
    return practice.stripe.last("invoice")


def _billed(practice: StripePractice) -> str:
    return practice.stripe.bill("cus_1", "price_ten", metadata=ME)


def _line(practice: StripePractice, invoice: str) -> str:
    return practice.stripe.lines_of(invoice)[0]


# -- the customer's balance ------------------------------------------------------------------------


@situation(("granted", 10), ("clawed_back", -6))
def the_card_part_of_an_invoice_is_refunded_and_the_balance_part_stays(practice: StripePractice) -> None:
    practice.hear(practice.stripe.refund(_bought(practice, 36_000)))


@situation(("granted", 10), ("clawed_back", -3))
def half_of_the_card_part_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.refund(_bought(practice, 36_000), 27_000))


@situation(("granted", 10))
def all_is_paid_from_the_balance(practice: StripePractice) -> None:
    _bought(practice, 100_000)


@situation(("granted", 10), ("clawed_back", -5))
def what_the_balance_paid_is_credited_to_it_again(practice: StripePractice) -> None:
    invoice = _bought(practice, 100_000)
    practice.hear(practice.stripe.credit_note(invoice, {_line(practice, invoice): 45_000}, refunds=False))


# -- credit notes ----------------------------------------------------------------------------------


@situation(("granted", 10), ("clawed_back", -5))
def a_credit_note_to_the_balance(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.hear(practice.stripe.credit_note(invoice, {_line(practice, invoice): 45_000}, refunds=False))


@situation(("granted", 10), ("clawed_back", -10))
def a_credit_note_paid_out_outside_of_stripe(practice: StripePractice) -> None:
    invoice = _bought(practice)
    credited = {_line(practice, invoice): 90_000}
    practice.hear(practice.stripe.credit_note(invoice, credited, refunds=False, outside=90_000))


@situation(("granted", 10), ("clawed_back", -3), ("clawed_back", -2))
def a_credit_note_partly_refunded_and_partly_to_the_balance(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.hear(practice.stripe.credit_note(invoice, {_line(practice, invoice): 45_000}, to_balance=18_000))


@situation(("granted", 10), ("clawed_back", -5), ("reinstated", 5))
def a_credit_note_to_the_balance_is_voided(practice: StripePractice) -> None:
    invoice = _bought(practice)
    practice.hear(practice.stripe.credit_note(invoice, {_line(practice, invoice): 45_000}, refunds=False))
    _next_day(practice)
    practice.hear(practice.stripe.void_credit_note(practice.stripe.last("credit_note")))


@situation(("granted", 10), ("clawed_back", -5))
def a_credit_note_before_payment(practice: StripePractice) -> None:
    invoice = _billed(practice)
    practice.hear(practice.stripe.credit_before(invoice, {_line(practice, invoice): 45_000}))
    practice.hear(practice.stripe.pay(invoice))


@situation(("granted", 10), ("clawed_back", -5))
def a_credit_note_before_payment_is_heard_late(practice: StripePractice) -> None:
    invoice = _billed(practice)
    note = practice.stripe.credit_before(invoice, {_line(practice, invoice): 45_000})
    practice.hear(practice.stripe.pay(invoice))
    assert practice.entries() == [("granted", 10), ("clawed_back", -5)]
    practice.hear(note)


@situation(("granted", 10), ("clawed_back", -5), ("clawed_back", -5))
def what_was_left_after_a_credit_note_before_payment_is_refunded(practice: StripePractice) -> None:
    invoice = _billed(practice)
    practice.hear(practice.stripe.credit_before(invoice, {_line(practice, invoice): 45_000}))
    practice.hear(practice.stripe.pay(invoice))
    _next_day(practice)
    practice.hear(practice.stripe.refund(invoice))


def _credited_when_half_was_paid(practice: StripePractice) -> None:
    """450.00 of 900.00 are paid. A note of 600.00 takes off what is open, and 150.00 go back."""
    invoice = _billed(practice)
    practice.hear(practice.stripe.pay_part(invoice, 45_000))
    _next_day(practice)
    practice.hear(practice.stripe.credit_mixed(invoice, {_line(practice, invoice): 60_000}))


@situation(("granted", 10), ("clawed_back", -6), since=BASIL)  # 600.00 of 900.00: 6.67
def a_credit_note_partly_before_and_partly_after_payment(practice: StripePractice) -> None:
    _credited_when_half_was_paid(practice)


@situation(("granted", 10), ("clawed_back", -6), ("clawed_back", -4), since=BASIL)
def what_was_left_after_a_credit_note_before_and_after_payment_is_refunded(practice: StripePractice) -> None:
    _credited_when_half_was_paid(practice)
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge")))


@situation(("granted", 10), ("granted", 8), ("clawed_back", -3), ("clawed_back", -1))
def which_line_a_refund_is_for_is_heard_late(practice: StripePractice) -> None:
    """400.00 of 1,700.00: two of ten and one of eight. Of the eight for 800.00 that the note names, it is four."""
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", "price_eight", metadata=ME))
    invoice = _next_day(practice)
    *refund, note = practice.stripe.credit_note(invoice, {practice.stripe.lines_of(invoice)[1]: 40_000})
    practice.hear(refund)
    practice.hear([note])


# -- the sum of a charge ---------------------------------------------------------------------------


def _sums(events: Events) -> Events:
    return [event for event in events if event["type"] == "charge.refunded"]


@situation(("granted", 10), ("clawed_back", -3), ("clawed_back", -3))
def two_refunds_stated_by_the_charges_sum_alone(practice: StripePractice) -> None:
    invoice = _bought(practice)
    for _ in range(2):
        practice.hear(_sums(practice.stripe.refund(invoice, 27_000)))
        _next_day(practice)


@situation(("granted", 10), ("clawed_back", -3))
def one_refund_fails_and_the_next_is_stated_by_the_charges_sum_alone(practice: StripePractice) -> None:
    """The sum of the second does not hold the first."""
    invoice = _bought(practice)
    practice.stripe.refund(invoice, 27_000, pending=True)
    _next_day(practice)
    practice.hear(practice.stripe.refund_ends(practice.stripe.last("refund"), succeeds=False))
    _next_day(practice)
    practice.hear(_sums(practice.stripe.refund(invoice, 27_000)))


# -- several payments ------------------------------------------------------------------------------


@situation(("granted", 10), since=BASIL)
def what_was_overpaid_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.overpay(_billed(practice), 45_000))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 45_000))


@situation(("granted", 10), ("clawed_back", -5), ("clawed_back", -5), since=BASIL)
def more_than_was_overpaid_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.overpay(_billed(practice), 45_000))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 90_000))
    practice.hear(practice.stripe.refund(practice.stripe.last("charge")))


@situation(("granted", 10), ("granted", 10), since=BASIL)
def what_was_overpaid_for_two_invoices_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice), more=45_000))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 45_000))


HALF_OF_BOTH = (("clawed_back", -5), ("clawed_back", -5))


@situation(("granted", 10), ("granted", 10), *HALF_OF_BOTH, *HALF_OF_BOTH, since=BASIL)
def one_payment_of_two_invoices_is_refunded_in_halves(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice)))
    for _ in range(2):
        _next_day(practice)
        practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 90_000))


@situation(("granted", 10), ("granted", 10), *HALF_OF_BOTH, *HALF_OF_BOTH, since=BASIL)
def more_than_was_overpaid_for_two_invoices_is_refunded(practice: StripePractice) -> None:
    """450.00 of 2,250.00 are for neither of them."""
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice), more=45_000))
    for amount in (135_000, 90_000):
        _next_day(practice)
        practice.hear(practice.stripe.refund(practice.stripe.last("charge"), amount))


# A third of 1,000.00 is 3.7 of ten, of 2,000.00 7.4.
@situation(
    *[("granted", 10)] * 3,
    *[("clawed_back", -3)] * 3,
    *[("clawed_back", -4)] * 3,
    *[("clawed_back", -3)] * 3,
    since=BASIL,
)
def one_payment_of_three_invoices_is_refunded_in_three_parts(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_together(*(_billed(practice) for _ in range(3))))
    for amount, left in ((100_000, 21), (100_000, 9), (70_000, 0)):
        _next_day(practice)
        practice.hear(practice.stripe.refund(practice.stripe.last("charge"), amount))
        assert practice.numbers()[0] == left


@situation(("granted", 10), ("granted", 30), ("clawed_back", -5), ("clawed_back", -15), since=BASIL)
def one_payment_of_two_invoices_is_refunded_by_what_it_paid_of_each(practice: StripePractice) -> None:
    smaller, larger = _billed(practice), practice.stripe.bill("cus_1", ("price_ten", 3), metadata=ME)
    practice.hear(practice.stripe.pay_together(smaller, larger))
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 180_000))


@situation(("granted", 10), ("granted", 10), ("frozen", 0), ("frozen", 0), *(("clawed_back", -10),) * 2, since=BASIL)
def one_payment_of_two_invoices_is_disputed_and_lost(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice)))
    practice.hear(practice.stripe.dispute(practice.stripe.last("charge")))
    assert practice.numbers() == (20, 0, 20)
    _next_day(practice)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "lost"))


@situation(("granted", 10), ("granted", 10), ("frozen", 0), ("frozen", 0), *(("unfrozen", 0),) * 2, since=BASIL)
def one_payment_of_two_invoices_is_disputed_and_won(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice)))
    practice.hear(practice.stripe.dispute(practice.stripe.last("charge")))
    _next_day(practice)
    practice.hear(practice.stripe.dispute_ends(practice.stripe.last("dispute"), "won"))


@situation(("granted", 10), ("clawed_back", -4), ("clawed_back", -6), ("reinstated", 6), since=BASIL)
def an_invoice_paid_by_two_cards_and_the_refund_of_one_fails(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_in_parts(_billed(practice), 36_000, 54_000))
    first, second = [name for name in practice.stripe.objects if name.startswith("ch_")]
    practice.hear(practice.stripe.refund(first))
    _next_day(practice)
    practice.hear(practice.stripe.refund(second, pending=True))
    _next_day(practice)
    practice.hear(practice.stripe.refund_ends(practice.stripe.last("refund"), succeeds=False))


@situation(("granted", 10), ("clawed_back", -4), ("clawed_back", -3), since=BASIL)
def the_sums_of_two_charges_of_an_invoice_are_reported_alone(practice: StripePractice) -> None:
    practice.hear(practice.stripe.pay_in_parts(_billed(practice), 36_000, 54_000))
    first, second = [name for name in practice.stripe.objects if name.startswith("ch_")]
    practice.hear(_sums(practice.stripe.refund(first)))
    _next_day(practice)
    practice.hear(_sums(practice.stripe.refund(second, 27_000)))


def _detached(practice: StripePractice) -> str:
    """Paid in two parts, the first of which, of 360.00, was detached; its id."""
    practice.hear(practice.stripe.pay_in_parts(_billed(practice), 36_000, 54_000))
    first = next(name for name in practice.stripe.objects if name.startswith("inpay_"))
    _next_day(practice)
    practice.hear(practice.stripe.detach(first))
    _next_day(practice)
    return first


@situation(("granted", 10), ("clawed_back", -4), since=BASIL)
def a_payment_is_detached_and_refunded(practice: StripePractice) -> None:
    _detached(practice)
    first = next(name for name in practice.stripe.objects if name.startswith("ch_"))
    practice.hear(practice.stripe.refund(first))


@situation(("granted", 10), ("clawed_back", -10), since=BASIL)
def a_payment_outside_of_stripe_is_detached(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME, out_of_band=True))
    _next_day(practice)
    practice.hear(practice.stripe.detach(practice.stripe.last("invoice_payment")))


@situation(("granted", 10), ("clawed_back", -10), ("reinstated", 10), since=BASIL)
def another_pays_in_place_of_a_payment_outside_of_stripe(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME, out_of_band=True))
    _next_day(practice)
    practice.hear(practice.stripe.detach(practice.stripe.last("invoice_payment")))
    _next_day(practice)
    practice.hear(practice.stripe.pay_rest(practice.stripe.last("invoice")))


@situation(("granted", 10), ("clawed_back", -4), ("reinstated", 4), since=BASIL)
def a_payment_is_detached_and_attached_again(practice: StripePractice) -> None:
    practice.hear(practice.stripe.attach(_detached(practice)))


@situation(("granted", 10), ("clawed_back", -4), ("reinstated", 4), since=BASIL)
def a_payment_is_detached_and_another_pays_in_its_place(practice: StripePractice) -> None:
    _detached(practice)
    practice.hear(practice.stripe.pay_rest(practice.stripe.last("invoice")))


@situation(("granted", 10), ("clawed_back", -4), ("reinstated", 4), ("clawed_back", -4), since=BASIL)
def the_payment_in_place_of_a_detached_one_is_refunded(practice: StripePractice) -> None:
    _detached(practice)
    practice.hear(practice.stripe.pay_rest(practice.stripe.last("invoice")))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge")))


def _paid_together(practice: StripePractice) -> list[str]:
    """One payment of 1,800.00 for two invoices; the ids of what it paid of each."""
    practice.hear(practice.stripe.pay_together(_billed(practice), _billed(practice)))
    _next_day(practice)
    return [name for name in practice.stripe.objects if name.startswith("inpay_")]


@situation(("granted", 10), ("granted", 10), ("clawed_back", -10), since=BASIL)
def one_payment_of_two_invoices_is_detached_from_one_and_refunded_for_it(practice: StripePractice) -> None:
    """The 900.00 that go back paid nothing any more; the other 900.00 pay the other invoice."""
    practice.hear(practice.stripe.detach(_paid_together(practice)[0]))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 90_000))


@situation(("granted", 10), ("granted", 10), *HALF_OF_BOTH, ("clawed_back", -5), ("reinstated", 5), since=BASIL)
def one_payment_of_two_invoices_is_refunded_in_part_and_then_detached_from_one(practice: StripePractice) -> None:
    first, _ = _paid_together(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 90_000))
    _next_day(practice)
    practice.hear(practice.stripe.detach(first))


@situation(("granted", 10), ("granted", 10), ("clawed_back", -10), ("clawed_back", -5), since=BASIL)
def one_payment_of_two_invoices_is_detached_from_one_and_more_is_refunded(practice: StripePractice) -> None:
    practice.hear(practice.stripe.detach(_paid_together(practice)[0]))
    _next_day(practice)
    practice.hear(practice.stripe.refund(practice.stripe.last("charge"), 135_000))


@situation(("granted", 10), ("granted", 10), ("clawed_back", -10), ("clawed_back", -10), since=BASIL)
def one_payment_of_two_invoices_is_detached_from_both_at_once(practice: StripePractice) -> None:
    for payment in _paid_together(practice):
        practice.hear(practice.stripe.detach(payment))


@situation(
    ("granted", 10), ("granted", 10), ("clawed_back", -10), ("reinstated", 10), ("clawed_back", -10), since=BASIL
)
def another_pays_for_the_detached_one_of_two_invoices_and_all_of_the_first_payment_is_refunded(
    practice: StripePractice,
) -> None:
    """Of its 1,800.00 it paid 900.00 of the one that nobody else has paid."""
    practice.hear(practice.stripe.detach(_paid_together(practice)[0]))
    charge, first = practice.stripe.last("charge"), next(n for n in practice.stripe.objects if n.startswith("in_"))
    _next_day(practice)
    practice.hear(practice.stripe.pay_rest(first))
    _next_day(practice)
    practice.hear(practice.stripe.refund(charge, 90_000))
    assert practice.numbers()[0] == 20
    _next_day(practice)
    practice.hear(practice.stripe.refund(charge))


CASES = [
    pytest.param(name, shape, marks=[pytest.mark.prove] if shape in BETWEEN else [])
    for name, (_, _, since) in SITUATIONS.items()
    for shape in SHAPES
    if shape >= since
]


@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_situation_of_money_makes_exactly_these_entries(name: str, version: str) -> None:
    happens, expected, _ = SITUATIONS[name]
    practice = StripePractice(version)
    happens(practice)
    assert tuple(practice.entries()) == expected
    assert practice.parked() == []
    for entry in practice.store.entries_after("p1", "c1", "follow-up", 0):
        _is_named_and_dated_by_what_was_heard(entry, practice)


def _is_named_and_dated_by_what_was_heard(entry: Entry, practice: StripePractice) -> None:
    """Its cause is something of Stripe's, and it happened at an instant of Stripe's, not when it was heard."""
    about = {"refund", "dispute", "credit_note", "charge", "payment_intent"} & set(entry.cause.ids)
    if entry.kind in ("clawed_back", "reinstated"):
        assert entry.cause.kind in ("refund", "dispute")
        assert about or entry.source_id.endswith("/credited"), entry
        assert all(entry.cause.ids[name] in entry.source_id for name in about), entry
        assert entry.occurred_at.minute == practice.stripe.now.minute, "heard five minutes later"
