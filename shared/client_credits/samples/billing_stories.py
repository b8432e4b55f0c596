"""Plots of what happens to a subscription's periods and to the money of several invoices; `stories` names them."""

from client_credits.samples.storyteller import CHECKUP, DAY, EIGHT, FOUR, SEATS, TEN, YEAR, Telling


def trial_extended(t: Telling) -> None:
    t.days_ago(70)
    t.step("A subscription begins with a trial of two weeks.", t.subscribe(FOUR, trial_days=14))
    t.days_ago(60)
    longer = t.sandbox.trial(t.subscription, days=18)
    t.step("The trial is made two weeks longer; an invoice of nothing says so.", longer)
    t.step("The trial ends and the first month is paid.", t.cycle(), session=4)
    t.step("The second month is paid.", t.cycle(), session=8)


def tiers(t: Telling) -> None:
    t.days_ago(50)
    t.step(
        "Twelve seats begin, a session a month each: a line for the first ten, one for their fee, one for two more.",
        t.subscribe(SEATS, 12),
        session=12,
    )
    t.step("The second month is paid.", t.cycle(), session=24)
    t.days_ago(10)
    more = t.sandbox.change(t.subscription, quantity=15)
    t.step("Three seats are added, for the two thirds of the month that are left.", more, session=26)


def stub(t: Telling) -> None:
    t.days_ago(50)
    begun = t.subscribe_at_checkout(FOUR, anchor=t.sandbox.now + 10 * DAY)
    t.step(
        "A subscription begins ten days before its first month: of four sessions a third, rounded up.", begun, session=2
    )
    t.step("The first month is paid.", t.cycle(), session=6)
    t.step("The second month is paid.", t.cycle(), session=10)


def changed_with_the_next_invoice(t: Telling) -> None:
    t.days_ago(50)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.days_ago(40)
    up = t.sandbox.change(t.subscription, t.price(EIGHT), pending=True)
    t.step("It is upgraded, to be billed with the next month: nothing is granted yet.", up, session=4)
    t.step(
        "The next month's invoice charges for the change, too: for the part of the month that was left.",
        t.cycle(),
        session=15,
        assessment=2,
    )


def month_to_year_and_back(t: Telling) -> None:
    t.days_ago(50)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.days_ago(40)
    year = t.sandbox.change(t.subscription, t.price(YEAR))
    t.step(
        "It becomes one by the year, two sessions a month; the rest of the month is given back, and three sessions.",
        year,
        session=5,
    )
    t.days_ago(5)
    month = t.sandbox.change(t.subscription, t.price(FOUR))
    t.step(
        "It becomes one by the month again; of the year, what its month and five days were worth stays: two sessions.",
        month,
        session=7,
    )


def two_invoices_one_payment(t: Telling) -> None:
    t.days_ago(30)
    first, second = (t.sandbox.bill(t.customer, t.price(name), metadata=t.named) for name in (TEN, CHECKUP))
    paid = t.sandbox.pay_together(first, second)
    t.step("Two invoices are paid at once: ten sessions and an assessment.", paid, session=10, assessment=1)
    t.days_ago(10)
    back = t.sandbox.refund(t.sandbox.last("charge"))
    t.step("The payment is refunded: all of both is taken back.", back)
