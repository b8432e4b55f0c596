"""Payments grant credits: which lines count, under which name, and what lots they make."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_catalogue,
    a_debt,
    a_line,
    a_lot,
    a_package,
    a_payment,
    a_wallet,
    an_act,
    held_by_lot,
    plain,
    stated,
)

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import LimitReached
from client_credits.domain.ledger.entries import Change, Posting, untouched
from client_credits.domain.ledger.wallet import MAX_OPEN, LotSource, Value, Wallet
from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.granting import LineDecision, decide_line, grant, starts_at
from client_credits.domain.practice.catalogue import Catalogue, Expiry, ExpiryKind, Package
from client_credits.domain.practice.settings import Settings

CYCLE_START, CYCLE_END = NOW - HOUR, NOW + 30 * DAY


def a_cycle_line(line_id: str = "il_1", **fields: object) -> PaymentLine:
    cycle = {"subscription_item": "si_1", "period_start": CYCLE_START, "period_end": CYCLE_END}
    return a_line(line_id, **(cycle | fields))


def decided(
    line: PaymentLine, package: Package | None = None, staff: str | None = None, **payment: object
) -> LineDecision:
    catalogue = a_catalogue(package) if package else a_catalogue()
    return decide_line(a_payment("in_1", line, **payment), line, catalogue, staff)


def granted(
    wallet: Wallet | None = None,
    line: PaymentLine | None = None,
    package: Package | None = None,
    amount: int = 3,
    now: datetime = NOW,
    timezone: str = "UTC",
    **payment: object,
) -> Change:
    paid = a_payment("in_1", line or a_line(), **payment)
    decision = decide_line(paid, paid.lines[0], a_catalogue(package or a_package()))
    assert decision.fate is LineFate.GRANT
    act = an_act(now, paid.paid_at, source_id=decision.grant_id)
    before = untouched(wallet or a_wallet())
    return grant(before, amount, decision, paid, act, Settings(timezone=timezone), room=40)


# -- which lines grant -------------------------------------------------------------------------


def test_a_line_of_a_known_price_grants_under_the_name_of_payment_and_line() -> None:
    decision = decided(a_line())
    assert decision.fate is LineFate.GRANT
    assert decision.source_id == "stripe/own/test/in_1/il_1"
    assert decision.package == a_package()


def test_a_line_without_a_price_is_explained_by_the_package_it_names() -> None:
    assert decided(a_line(price=None, package_id="three-pack")).fate is LineFate.GRANT
    assert decided(a_line(price=None, package_id="unheard-of")).fate is LineFate.UNKNOWN_PACKAGE
    assert decided(a_line(price=None)).fate is LineFate.UNKNOWN_PACKAGE


def test_an_unknown_price_waits_for_a_package_and_staff_may_name_one() -> None:
    assert decided(a_line(price="price_other")).fate is LineFate.UNKNOWN_PACKAGE
    decision = decided(a_line(price="price_other"), staff="three-pack")
    assert (decision.fate, decision.source_id) == (LineFate.GRANT, "stripe/own/test/in_1/il_1")


def test_what_staff_name_does_not_overrule_a_price_on_sale() -> None:
    own, other = a_package(), a_package("ten-pack", stripe_prices=())
    payment = a_payment("in_1", a_line())
    decision = decide_line(payment, payment.lines[0], a_catalogue(own, other), "ten-pack")
    assert decision.package == own


def test_proration_lines_grant_nothing_by_themselves() -> None:
    assert decided(a_cycle_line(proration=True, amount=-1)).fate is LineFate.PRORATION
    assert decided(a_line(price="price_other", proration=True)).fate is LineFate.PRORATION
    assert decided(a_cycle_line(proration=True)).fate is LineFate.UPGRADE


def test_a_line_of_quantity_zero_grants_nothing() -> None:
    assert decided(a_line(quantity=0)).fate is LineFate.NO_QUANTITY


def test_a_trials_zero_line_grants_only_where_the_package_says_so() -> None:
    line = a_cycle_line(trial=Trial.YES, amount=0)
    assert decided(line, a_package(trial_grants=False)).fate is LineFate.TRIAL
    assert decided(line, a_package(trial_grants=True)).fate is LineFate.GRANT


def test_an_archived_package_grants_what_was_paid_before_and_parks_what_is_paid_after() -> None:
    package = a_package(archived_at=NOW)
    assert decided(a_line(), package, paid_at=NOW - HOUR).fate is LineFate.GRANT
    assert decided(a_line(), package, paid_at=NOW).fate is LineFate.PACKAGE_ARCHIVED


def test_staff_may_name_a_package_on_sale_in_place_of_an_archived_one() -> None:
    old, new = a_package(archived_at=NOW), a_package("new", stripe_prices=())
    payment = a_payment("in_1", a_line())
    decision = decide_line(payment, payment.lines[0], a_catalogue(old, new), "new")
    assert (decision.fate, decision.package) == (LineFate.GRANT, new)


def test_more_than_a_million_credits_of_one_type_are_parked() -> None:
    package = a_package(credits={"follow-up": 500_000, "initial": 1})
    assert decided(a_line(quantity=2), package).fate is LineFate.GRANT
    assert decided(a_line(quantity=3), package).fate is LineFate.TOO_MANY


def test_a_package_that_ends_with_its_cycle_needs_a_cycle() -> None:
    package = a_package(expiry=Expiry(ExpiryKind.CYCLE_END))
    assert decided(a_cycle_line(), package).fate is LineFate.GRANT
    assert decided(a_line(), package).fate is LineFate.NO_CYCLE
    assert decided(a_cycle_line(period_end=None), package).fate is LineFate.NO_CYCLE
    no_item = a_cycle_line(subscription_item=None)
    assert decided(no_item, package).fate is LineFate.NO_CYCLE


# -- once per subscription, or every cycle -----------------------------------------------------


def named(renews: bool, payment: Payment, line: PaymentLine) -> str:
    """The source id of the grant, which a practice knows at most once."""
    package = a_package(renews_each_cycle=renews, trial_grants=True)
    return decide_line(payment, line, a_catalogue(package)).grant_id


def test_a_renewing_package_grants_under_a_new_name_every_cycle() -> None:
    names = {named(True, a_payment(f"in_{n}"), a_cycle_line("il")) for n in (1, 2, 3)}
    assert names == {f"stripe/own/test/in_{n}/il" for n in (1, 2, 3)}


def test_whether_a_package_renews_never_changes_the_name_of_the_line_itself() -> None:
    """So a payment delivered again after the package was edited is found under its old name."""
    payment, line = a_payment("in_1"), a_cycle_line()
    packages = (a_package(renews_each_cycle=renews) for renews in (True, False))
    assert {decide_line(payment, line, a_catalogue(p)).source_id for p in packages} == {"stripe/own/test/in_1/il_1"}


def test_a_package_that_does_not_renew_has_one_name_for_all_cycles_of_an_item() -> None:
    payments = [a_payment("in_1"), a_payment("in_2"), a_payment("in_3")]
    names = {named(False, payment, a_cycle_line(f"il_{n}")) for n, payment in enumerate(payments)}
    assert names == {"stripe/own/test/sub_1/first/si_1"}


def test_each_item_and_each_subscription_has_its_own_first_payment() -> None:
    payment = a_payment("in_1")
    items = {named(False, payment, a_cycle_line(subscription_item=item)) for item in ("si_1", "si_2")}
    other = named(False, replace(payment, subscription="sub_2"), a_cycle_line())
    assert len(items | {other}) == 3


def test_a_trial_is_not_the_first_payment() -> None:
    trial = a_cycle_line("il_0", trial=Trial.YES, amount=0)
    assert named(False, a_payment("in_0"), trial) == "stripe/own/test/sub_1/trial/si_1"


def test_a_one_off_purchase_always_grants() -> None:
    names = {named(False, a_payment(p), a_line("li")) for p in ("cs_1", "cs_2")}
    assert names == {"stripe/own/test/cs_1/li", "stripe/own/test/cs_2/li"}


def test_accounts_and_modes_have_names_of_their_own() -> None:
    names = {
        named(True, a_payment("in_1", account=account, mode=mode), a_line())
        for account in ("own", "acct_1")
        for mode in ("test", "live")
    }
    assert len(names) == 4


# -- the lot -----------------------------------------------------------------------------------


def test_a_grant_makes_one_lot_that_says_where_it_came_from() -> None:
    package = a_package(credits={"follow-up": 3, "initial": 1})
    change = granted(line=a_cycle_line(quantity=2), package=package, amount=6)
    assert stated(change) == [("granted", 6)]
    (lot,) = change.wallet.open_lots
    assert (lot.granted, lot.remaining, lot.priority) == (6, 6, 100)
    assert (lot.source, lot.package_id, lot.payment) == (LotSource.CYCLE, "three-pack", "in_1/il_1")
    assert (lot.subscription, lot.parent, lot.frozen) == ("sub_1", None, ())
    assert lot.value == Value(9000, "eur", 8)  # 2 x (3 + 1) credits of the line
    assert plain(change.entries[0].postings) == (Posting(6, lot_id=lot.lot_id),)
    assert change.wallet.granted_total == 6


def test_a_one_off_purchase_belongs_to_no_subscription() -> None:
    (lot,) = granted(subscription=None).wallet.open_lots
    assert (lot.source, lot.subscription) == (LotSource.PURCHASE, None)


def test_a_lot_is_timed_by_the_payment_and_never_by_its_arrival() -> None:
    package = a_package(expiry=Expiry(ExpiryKind.DAYS, n=10))
    early, late = (granted(package=package, now=now, paid_at=NOW - DAY) for now in (NOW, NOW + 5 * DAY))
    assert early.wallet.open_lots == late.wallet.open_lots
    assert early.wallet.open_lots[0].effective_at == NOW - DAY
    assert [e.occurred_at for e in late.entries] == [NOW - DAY]


def test_a_cycle_paid_ahead_starts_with_its_period_and_one_paid_late_when_it_was_paid() -> None:
    line = a_cycle_line()
    payment = a_payment("in_1", line)
    assert starts_at(replace(payment, paid_at=CYCLE_START - 3 * DAY), line) == CYCLE_START
    assert starts_at(replace(payment, paid_at=CYCLE_START + 3 * DAY), line) == CYCLE_START + 3 * DAY
    assert starts_at(payment, a_line()) == payment.paid_at


def test_days_count_from_the_start_in_the_practices_time_zone() -> None:
    package = a_package(expiry=Expiry(ExpiryKind.DAYS, n=1))
    paid_at = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # the 23rd in Berlin
    utc, berlin = (
        granted(package=package, paid_at=paid_at, now=paid_at, timezone=zone).wallet.open_lots[0].expires_at
        for zone in ("UTC", "Europe/Berlin")
    )
    assert utc == datetime(2026, 11, 24, tzinfo=UTC)
    assert berlin == datetime(2026, 11, 24, 23, tzinfo=UTC)


def test_the_end_of_the_cycle_is_the_providers_own_instant() -> None:
    package = a_package(expiry=Expiry(ExpiryKind.CYCLE_END))
    (lot,) = granted(line=a_cycle_line(), package=package).wallet.open_lots
    assert lot.expires_at == CYCLE_END


def test_the_same_grant_makes_the_same_lot_id_and_another_grant_another() -> None:
    one, again = granted().wallet.open_lots[0], granted().wallet.open_lots[0]
    other = granted(line=a_line("il_2")).wallet.open_lots[0]
    assert one.lot_id == again.lot_id != other.lot_id


def test_credits_come_on_top_of_what_remains() -> None:
    change = granted(a_wallet(a_lot("old", 2), granted_total=5))
    assert change.wallet.balance == 5
    assert change.wallet.granted_total == 8


# -- what a grant settles ----------------------------------------------------------------------


def test_a_grant_repays_what_is_owed_in_the_same_operation() -> None:
    change = granted(a_wallet(debts=(a_debt("b1", 2, since=NOW - DAY),)), paid_at=NOW)
    assert stated(change) == [("granted", 3), ("repaid", 0)]
    assert {entry.source_id for entry in change.entries} == {"stripe/own/test/in_1/il_1"}
    assert list(held_by_lot(change.wallet).values()) == [1]
    assert change.wallet.debts == ()
    assert [(r.booking_id, r.amount) for r in change.repayments] == [("b1", 2)]
    assert [e.balance_after for e in change.entries] == [1, 1]


def test_a_grant_smaller_than_the_debt_repays_a_part_of_it() -> None:
    change = granted(a_wallet(debts=(a_debt("b1", 5, since=NOW - DAY),)))
    assert (change.wallet.open_lots, change.wallet.debt, change.wallet.balance) == ((), 2, -2)


def test_a_payment_heard_late_repays_a_debt_made_since_dated_when_the_debt_was_made() -> None:
    debt = a_debt("b1", 1, since=NOW - 2 * DAY, starts_at=NOW - DAY)
    change = granted(a_wallet(debts=(debt,)), paid_at=NOW - 5 * DAY)
    assert stated(change) == [("granted", 3), ("repaid", 0)]
    assert [e.occurred_at for e in change.entries] == [NOW - 5 * DAY, NOW - 2 * DAY]
    assert change.wallet.balance == 2


def test_a_payment_heard_after_its_credits_ended_grants_repays_and_expires() -> None:
    """By hand: paid 9 days ago for 5 days; owed 1 since 7 days ago and 1 since 3 days ago. The first is
    repaid; 2 of 3 credits expired at the midnight after the fifth day; the second debt stays."""
    package = a_package(expiry=Expiry(ExpiryKind.DAYS, n=5))
    debts = (
        a_debt("b1", 1, since=NOW - 7 * DAY, starts_at=NOW - 6 * DAY),
        a_debt("b2", 1, since=NOW - 3 * DAY, starts_at=NOW - 2 * DAY),
    )
    change = granted(a_wallet(debts=debts), package=package, paid_at=NOW - 9 * DAY)
    assert stated(change) == [("granted", 3), ("repaid", 0), ("expired", -2)]
    ends = datetime(2026, 11, 19, tzinfo=UTC)  # paid on the 13th
    assert [e.occurred_at for e in change.entries] == [NOW - 9 * DAY, NOW - 7 * DAY, ends]
    assert ([d.ref for d in change.wallet.debts], change.wallet.balance) == (["b2"], -1)


def test_a_cycle_paid_after_its_own_end_lasts_as_long_from_the_payment() -> None:
    package = a_package(expiry=Expiry(ExpiryKind.CYCLE_END))
    line = a_cycle_line(period_start=NOW - 40 * DAY, period_end=NOW - 10 * DAY)
    change = granted(line=line, package=package, paid_at=NOW - DAY)
    assert stated(change) == [("granted", 3)]
    (lot,) = change.wallet.open_lots
    assert (lot.effective_at, lot.expires_at, lot.rollover) == (NOW - DAY, NOW + 29 * DAY, None)


def test_credits_of_the_future_repay_nothing_yet() -> None:
    line = a_cycle_line(period_start=NOW + DAY)
    change = granted(a_wallet(debts=(a_debt(),)), line=line)
    assert stated(change) == [("granted", 3)]
    assert change.wallet.debt == 1


# -- bounds ------------------------------------------------------------------------------------


def test_a_wallet_holds_five_hundred_open_lots_and_no_more() -> None:
    lots = [a_lot(f"l{n}", 1) for n in range(MAX_OPEN)]
    assert granted(a_wallet(*lots[1:])).wallet.open_count == MAX_OPEN
    with pytest.raises(LimitReached):
        granted(a_wallet(*lots))


def test_a_grant_that_repays_a_debt_fits_into_a_full_wallet() -> None:
    debts = tuple(a_debt(f"b{n}", 1, since=NOW - DAY) for n in range(MAX_OPEN))
    change = granted(a_wallet(debts=debts))
    assert change.wallet.open_count == MAX_OPEN - 3


def test_a_balance_stays_within_a_million() -> None:
    full = a_lot("full", MAX_CREDITS - 3)
    assert granted(a_wallet(full)).wallet.balance == MAX_CREDITS
    with pytest.raises(LimitReached):
        granted(a_wallet(a_lot("full", MAX_CREDITS - 2)))


def test_a_catalogue_finds_the_packages_that_help_the_smallest_first() -> None:
    big = a_package("big", credits={"follow-up": 10}, stripe_prices=())
    gone = a_package("gone", archived_at=NOW, stripe_prices=())
    other = a_package("other", credits={"initial": 1}, stripe_prices=())
    catalogue: Catalogue = a_catalogue(big, gone, other, a_package())
    assert [p.package_id for p in catalogue.packages_granting("follow-up")] == ["three-pack", "big"]
