"""Stories of what happens to a payment and its credits, played by the Stripe sandbox: for tests and `credits trigger`.

Each is a list of steps: what happens in one sentence, the events that tell of it, and what the client
then has. The clock of those who hear them is real, so stories play in the past and end now: the
balances of a step are those at the end of the story, with what expired or came since that step.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.samples import billing_stories
from client_credits.samples.storyteller import (
    CHECKUP,
    CYCLE,
    EIGHT,
    FOUR,
    OFFERS,
    SEATS,
    TEN,
    YEAR,
    Offer,
    Step,
    Telling,
)
from client_credits.samples.stripe_account.checkout import VERSIONS, Sandbox

NEWEST = VERSIONS[-1]


class StoryError(ValueError):
    """An unknown story, package or version; the message lists what is known."""


@dataclass(frozen=True, slots=True)
class Story:
    """`offers` are the packages it needs, by their ids."""

    says: str
    offers: tuple[str, ...]
    plot: Callable[[Telling], None]


@dataclass(frozen=True, slots=True)
class Own:
    """A package of the practice's own, and the price it is sold at."""

    package_id: str
    price: str


def steps_of(
    name: str,
    api_version: str,
    until: datetime,
    client_id: str,
    practice_id: str,
    prefix: str,
    own: Mapping[str, Own] | None = None,
) -> list[Step]:
    """The steps of a story that ends at `until`, with `prefix` (letters and digits) in every id.

    `own` puts packages of the practice in place of the story's, by the story's ids; the steps'
    balances are then not those of the story. Raises StoryError.
    """
    story = named(name)
    own = own or {}
    _refuse_unknown("package", own, story.offers)
    _refuse_unknown("version", [api_version], VERSIONS)
    sandbox = Sandbox(api_version, until - timedelta(days=400), prefix=prefix)
    telling = Telling(sandbox, until, client_id, practice_id, prefix, [_sold(offer, own) for offer in OFFERS.values()])
    story.plot(telling)
    return telling.steps


def named(name: str) -> Story:
    """Raises StoryError."""
    _refuse_unknown("story", [name], STORIES)
    return STORIES[name]


def _refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    for each in given:
        if each not in known:
            raise StoryError(f"There is no {what} {each}. Known: {', '.join(known)}.")


def _sold(offer: Offer, own: Mapping[str, Own]) -> Offer:
    given = own.get(offer.package_id)
    return replace(offer, package_id=given.package_id, own_price=given.price) if given else offer


# Purchases


def checkout_pack(t: Telling) -> None:
    t.days_ago(60)
    t.step("Ten sessions are bought through Checkout.", t.checkout(TEN), session=10)
    t.step("Two of them are booked.", bookings=t.booked(2), session=8)


def terminal_sale(t: Telling) -> None:
    t.days_ago(60)
    t.step("Twice ten sessions are sold at the terminal.", t.sell(TEN, 2), session=20)
    t.step("Three of them are booked.", bookings=t.booked(3), session=17)
    t.days_ago(40)
    half = t.sandbox.refund(t.sandbox.last("charge"), t.offers[TEN].unit_amount)
    t.step("Half of the money is given back.", half, session=7)
    t.days_ago(20)
    t.step("Ten more are bought through Checkout.", t.checkout(TEN), session=17)
    intent = t.sandbox.intent_of(t.sandbox.last("checkout.session"), t.naming(TEN))
    t.step("The payment intent of that says the same: it is the same sale.", intent, session=17)


def async_payment(t: Telling) -> None:
    t.days_ago(30)
    t.step("Ten sessions are bought, to be paid by bank.", t.checkout(TEN, later=True))
    session = t.sandbox.last("checkout.session")
    t.days_ago(26)
    t.step("The bank does not pay.", t.sandbox.arrives(session, succeeds=False))
    t.step("They are bought once more, by bank again.", t.checkout(TEN, later=True))
    t.days_ago(22)
    t.step("This time the money arrives.", t.sandbox.arrives(t.sandbox.last("checkout.session")), session=10)


def free_by_coupon(t: Telling) -> None:
    t.days_ago(20)
    t.step("Ten sessions are given away with a coupon.", t.checkout(TEN, percent_off=100), session=10)


# Subscriptions


def first_year(t: Telling) -> None:
    t.days_ago(340)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.step("Three sessions are booked.", bookings=t.booked(3), session=1)
    for month in range(2, 13):
        t.step(f"Month {month} is paid.", t.cycle(), session=4 * month - 3)


def trial(t: Telling) -> None:
    t.days_ago(40)
    t.step("A subscription begins with a trial of two weeks.", t.subscribe(FOUR, trial_days=14))
    t.step("The trial ends and the first month is paid.", t.cycle(), session=4)


def failed_then_recovered(t: Telling) -> None:
    t.days_ago(50)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.step("The second month cannot be charged.", t.cycle(pays=False), session=4)
    t.days_ago(15)
    t.step("A new card pays the same invoice.", t.sandbox.pay(t.invoice), session=8)


def past_due(t: Telling) -> None:
    t.days_ago(60)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.step("The second month cannot be charged: past due.", t.cycle(pays=False), session=4)
    t.days_ago(10)
    ended = t.sandbox.cancel(t.subscription, reason="payment_failed")
    t.step("Stripe gives up and ends the subscription.", ended, session=4)
    t.step("The invoice is given up, too.", t.sandbox.close(t.invoice, "mark_uncollectible"), session=4)


def paused_collection(t: Telling) -> None:
    t.days_ago(80)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.step("Its collection is paused.", t.sandbox.pause_collection(t.subscription), session=4)
    t.step("A month passes whose invoice is void.", t.cycle(), session=4)
    t.step("Collection resumes.", t.sandbox.resume_collection(t.subscription), session=4)
    t.step("The next month is paid.", t.cycle(), session=8)


def cancelled_at_once(t: Telling) -> None:
    t.days_ago(20)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.days_ago(5)
    t.step("It is cancelled at once; what was paid for stays.", t.sandbox.cancel(t.subscription), session=4)
    t.step("Half of the month is refunded.", t.sandbox.refund(t.invoice, 18000), session=2)


def cancelled_at_the_end(t: Telling) -> None:
    t.days_ago(50)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.days_ago(45)
    t.step("It is cancelled for the month's end.", t.sandbox.cancel_at_period_end(t.subscription), session=4)
    t.step("The month ends, and the subscription with it.", t.cycle(), session=4)


def paid_after_the_end(t: Telling) -> None:
    t.days_ago(50)
    t.step("A subscription begins, four sessions a month.", t.subscribe(FOUR), session=4)
    t.step("The second month cannot be charged.", t.cycle(pays=False), session=4)
    t.days_ago(12)
    t.step("The subscription is cancelled.", t.sandbox.cancel(t.subscription), session=4)
    t.days_ago(6)
    late = t.sandbox.pay(t.invoice)
    t.step("The open invoice is paid all the same: parked, for staff to decide.", late, session=4)


def upgrade_mid_cycle(t: Telling) -> None:
    t.days_ago(20)
    t.step("A subscription begins through Checkout, four sessions a month.", t.subscribe_at_checkout(FOUR), session=4)
    t.days_ago(10)
    up = t.sandbox.change(t.subscription, t.price(EIGHT))
    t.step(
        "It is upgraded to eight sessions and an assessment, for the two thirds of the month that are left.",
        up,
        session=7,
        assessment=1,
    )


def up_down_up(t: Telling) -> None:
    upgrade_mid_cycle(t)
    t.days_ago(8)
    down = t.sandbox.change(t.subscription, t.price(FOUR))
    t.step("It goes back to four: nothing is taken back.", down, session=7, assessment=1)
    t.days_ago(6)
    up = t.sandbox.change(t.subscription, t.price(EIGHT))
    t.step("It goes up again: nothing is granted twice.", up, session=7, assessment=1)


def annual_tranches(t: Telling) -> None:
    t.days_ago(100)
    t.step("A year is paid, two sessions each month: four months have come.", t.subscribe(YEAR), session=8)
    t.days_ago(60)
    ended = t.sandbox.cancel(t.subscription)
    t.step("It was cancelled in the second month: later months do not count.", ended, session=4)


def rollover(t: Telling) -> None:
    t.days_ago(75)
    t.step("Four sessions a month, of which two may wait; the first month is long over.", t.subscribe(CYCLE))
    t.step("The second month is paid; two of its sessions wait.", t.cycle(), session=2)
    t.step("The third month is paid and still runs.", t.cycle(), session=6)


# Money back


def refund_after_sessions(t: Telling) -> None:
    t.days_ago(60)
    t.step("Ten sessions are bought by invoice.", t.by_hand(TEN), session=10)
    t.step("Three of them are booked.", bookings=t.booked(3), session=7)
    t.days_ago(5)
    t.step("All of it is refunded: three sessions are owed.", t.sandbox.refund(t.invoice), session=-3)


def partial_refund(t: Telling) -> None:
    t.days_ago(40)
    t.step("Ten sessions are bought by invoice.", t.by_hand(TEN), session=10)
    t.step("A third is refunded: three sessions and a third, rounded down.", t.refund(30000), session=7)
    t.step("Another third is refunded.", t.refund(30000), session=4)


def refund_failed(t: Telling) -> None:
    t.days_ago(40)
    t.step("Ten sessions are bought by invoice.", t.by_hand(TEN), session=10)
    t.step("A refund is on its way.", t.sandbox.refund(t.invoice, pending=True))
    t.days_ago(30)
    back = t.sandbox.refund_ends(t.sandbox.last("refund"), succeeds=False)
    t.step("The bank sends it back: the sessions are there again.", back, session=10)


def refund_before_payment(t: Telling) -> None:
    t.days_ago(40)
    paid = t.by_hand(TEN)
    t.step("The refund of half a purchase is heard of first.", t.refund(45000))
    t.step("Then the purchase itself.", paid, session=5)


def dispute_won(t: Telling) -> None:
    t.days_ago(60)
    t.step("Ten sessions are bought by invoice.", t.by_hand(TEN), session=10)
    t.days_ago(40)
    t.step("The client's bank disputes it: the sessions freeze.", t.sandbox.dispute(t.invoice), session=10)
    t.days_ago(10)
    won = t.sandbox.dispute_ends(t.sandbox.last("dispute"), "won")
    t.step("The dispute is won: they can be booked again.", won, session=10)
    t.step("One is booked.", bookings=t.booked(1), session=9)


def dispute_lost(t: Telling) -> None:
    t.days_ago(60)
    t.step("Ten sessions are bought by invoice.", t.by_hand(TEN), session=10)
    t.step("Two of them are booked.", bookings=t.booked(2), session=8)
    t.days_ago(50)
    t.step("The client's bank asks what it was for.", t.sandbox.dispute(t.invoice, inquiry=True), session=8)
    dispute = t.sandbox.last("dispute")
    t.days_ago(40)
    t.step("It becomes a dispute: the sessions freeze.", t.sandbox.escalate(dispute), session=8)
    t.days_ago(10)
    lost = t.sandbox.dispute_ends(dispute, "lost")
    t.step("The dispute is lost: two sessions are owed.", lost, session=-2)


def several_lines_credit_note(t: Telling) -> None:
    t.days_ago(30)
    t.step("Ten sessions and an assessment are bought.", t.by_hand(TEN, CHECKUP), session=10, assessment=1)
    t.days_ago(20)
    line = t.sandbox.lines_of(t.invoice)[1]
    t.step("A credit note gives back the assessment.", t.sandbox.credit_note(t.invoice, {line: 12000}), session=10)


STORIES = {
    "first-year": Story("twelve months of a subscription", (FOUR,), first_year),
    "trial": Story("a trial, then the first paid month", (FOUR,), trial),
    "trial-extended": Story("a trial made longer, then paid months", (FOUR,), billing_stories.trial_extended),
    "stub": Story("a first part of a month, then full ones", (FOUR,), billing_stories.stub),
    "tiers": Story("seats that cost by tiers and a fee", (SEATS,), billing_stories.tiers),
    "checkout-pack": Story("a pack bought through Checkout", (TEN,), checkout_pack),
    "terminal-sale": Story("sessions sold at a terminal, half of them given back", (TEN,), terminal_sale),
    "async-payment": Story("a pack paid by bank, at the second try", (TEN,), async_payment),
    "free-by-coupon": Story("a pack given away with a coupon", (TEN,), free_by_coupon),
    "upgrade-mid-cycle": Story("a bigger plan within the month", (FOUR, EIGHT), upgrade_mid_cycle),
    "up-down-up": Story("a bigger plan, a smaller one, the bigger again", (FOUR, EIGHT), up_down_up),
    "changed-with-the-next-invoice": Story(
        "a bigger plan, billed with the next month", (FOUR, EIGHT), billing_stories.changed_with_the_next_invoice
    ),
    "month-to-year-and-back": Story(
        "a plan by the month, by the year, by the month again", (FOUR, YEAR), billing_stories.month_to_year_and_back
    ),
    "two-invoices-one-payment": Story(
        "two invoices paid at once, and refunded", (TEN, CHECKUP), billing_stories.two_invoices_one_payment
    ),
    "annual-tranches": Story("a year paid at once, granted by the month", (YEAR,), annual_tranches),
    "rollover": Story("what may wait for the next month", (CYCLE,), rollover),
    "failed-then-recovered": Story("a month charged at the second try", (FOUR,), failed_then_recovered),
    "past-due": Story("a month never paid", (FOUR,), past_due),
    "paused-collection": Story("a month that nobody pays for, by agreement", (FOUR,), paused_collection),
    "cancelled-at-once": Story("an end within the month, with half refunded", (FOUR,), cancelled_at_once),
    "cancelled-at-the-end": Story("an end with the month", (FOUR,), cancelled_at_the_end),
    "paid-after-the-end": Story("an invoice paid after its subscription's end", (FOUR,), paid_after_the_end),
    "refund-after-sessions": Story("a refund of what was partly used", (TEN,), refund_after_sessions),
    "partial-refund": Story("a refund in two parts", (TEN,), partial_refund),
    "refund-failed": Story("a refund that the bank sends back", (TEN,), refund_failed),
    "refund-before-payment": Story("a refund heard of before its payment", (TEN,), refund_before_payment),
    "dispute-won": Story("a dispute that is won", (TEN,), dispute_won),
    "dispute-lost": Story("an inquiry, a dispute, and its loss", (TEN,), dispute_lost),
    "several-lines-credit-note": Story("one line of two given back", (TEN, CHECKUP), several_lines_credit_note),
}
