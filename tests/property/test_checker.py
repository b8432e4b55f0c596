"""The checker of stored data proves itself: sound records pass, and every kind of damage is named."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from client_credits.domain.bookings.booking import Booking, after_cancelled, restore, spend
from client_credits.domain.invariants import Law, breaches
from client_credits.domain.ledger.entries import Change, Entry, EntryKind, Posting, facts_of, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Rollover, Wallet
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.settings import Settings
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_booking,
    a_debt,
    a_hold,
    a_lot,
    a_wallet,
    an_act,
    cancelled,
    stated,
)

RULES = Settings()


@dataclass
class Records:
    """What a table holds of one wallet, free to be damaged."""

    wallet: Wallet
    entries: list[Entry]
    bookings: list[Booking]

    def laws(self) -> set[Law]:
        return {breach.law for breach in breaches(self.wallet, self.entries, self.bookings)}

    def edit(self, number: int, **fields: object) -> None:
        self.entries[number - 1] = replace(self.entries[number - 1], **fields)  # type: ignore[arg-type]


def booked(change: Change, booking_id: str, seats: int) -> tuple[Change, Booking]:
    act = an_act(NOW, source_id=f"booking/{booking_id}/created")
    act = replace(act, cause=replace(act.cause, ids={"booking_id": booking_id}))
    change, booking, _ = spend(change, a_booking(booking_id, seats), act, RULES, False)
    return change, booking


def a_history() -> Records:
    """1 granted 3, 2 granted 1 that ends, 3 b1 spends 2, 4 b2 spends 3 (1 of it owed), 5 granted 2, 6 repaid 1,
    7 b1 cancelled returns 2, 8 the lot of 1 expires with what b1 gave back."""
    change = add_lot(untouched(a_wallet()), a_lot("never", 3), an_act(source_id="g1"), RULES, 40)
    ends = a_lot("ends", 1, expires_at=NOW + 3 * DAY)
    change = add_lot(change, ends, an_act(source_id="g2"), RULES, 40)
    change, b1 = booked(change, "b1", 2)
    change, b2 = booked(change, "b2", 3)
    change = add_lot(change, a_lot("late", 2), an_act(source_id="g3"), RULES, 40)
    b2 = b2.paid_by(change.wallet, change.repayments)
    b1, _ = after_cancelled(b1, cancelled("b1", occurred_at=NOW + HOUR))
    act = an_act(NOW + HOUR, source_id="booking/b1/cancelled")
    act = replace(act, cause=replace(act.cause, ids={"booking_id": "b1"}))
    change, b1 = restore(change, b1, act, RULES, 40)
    change = settle(change, NOW + 4 * DAY, RULES)
    return Records(change.wallet, list(change.entries), [b1, b2])


def test_a_sound_history_breaks_no_law() -> None:
    records = a_history()
    change = Change(records.wallet, records.wallet, tuple(records.entries))
    expected = [("granted", 3), ("granted", 1), ("spent", -2), ("spent", -3), ("granted", 2), ("repaid", 0)]
    assert stated(change) == [*expected, ("restored", 2), ("expired", -1)]
    assert records.laws() == set()
    assert breaches(records.wallet, reversed(records.entries)) == []
    assert breaches(a_wallet(), []) == []


def lost_credit(r: Records) -> None:
    lot = r.wallet.open_lots[0]
    r.wallet = replace(r.wallet, lots=(replace(lot, remaining=lot.remaining - 1), *r.wallet.open_lots[1:]))


def minted_credit(r: Records) -> None:
    r.wallet = replace(r.wallet, lots=(*r.wallet.open_lots, a_lot("minted", 1)))


def forgotten_lot(r: Records) -> None:
    r.wallet = replace(r.wallet, lots=r.wallet.open_lots[1:])


def doubled_lot(r: Records) -> None:
    r.wallet = replace(r.wallet, lots=(*r.wallet.open_lots, r.wallet.open_lots[0]))


def enlarged_lot(r: Records) -> None:
    lot = r.wallet.open_lots[0]
    r.wallet = replace(r.wallet, lots=(replace(lot, granted=lot.granted + 1), *r.wallet.open_lots[1:]))


def held_too_much(r: Records) -> None:
    lot = r.wallet.open_lots[0]
    r.wallet = replace(r.wallet, holds=(a_hold((lot.lot_id, lot.remaining + 1)),))


def overspent_lot(r: Records) -> None:
    """Paid 4 credits out of a lot of 3, and took the one too many from nothing."""
    postings = (Posting(-4, lot_id="never"), Posting(2, lot_id="ends"))
    r.edit(3, postings=postings)


def restored_above_granted(r: Records) -> None:
    r.edit(7, postings=(Posting(4, lot_id="never"), Posting(-2, lot_id="ends")))


def unposted_amount(r: Records) -> None:
    r.edit(8, postings=())


def changed_amount(r: Records) -> None:
    r.edit(1, amount=4)


def missing_entry(r: Records) -> None:
    del r.entries[3]


def missing_last_entry(r: Records) -> None:
    del r.entries[-1]


def doubled_number(r: Records) -> None:
    r.edit(5, sequence=4)


def broken_chain(r: Records) -> None:
    r.edit(5, balance_before=7, balance_after=9)


def applied_twice(r: Records) -> None:
    r.edit(5, source_id="g1")


def debt_without_rule(r: Records) -> None:
    r.edit(4, cause=replace(r.entries[3].cause, ids={"booking_id": "b2"}))


def forgotten_debt(r: Records) -> None:
    r.edit(6, postings=())


def minted_debt(r: Records) -> None:
    r.wallet = replace(r.wallet, debts=(a_debt("b7"),))


def repaid_twice_over(r: Records) -> None:
    r.edit(6, postings=(Posting(-2, lot_id="late"), Posting(2, debt="b2")))


def spent_at_the_end(r: Records) -> None:
    r.edit(4, recorded_at=NOW + 3 * DAY)
    ends = NOW + 3 * DAY
    for entry in list(r.entries):
        facts = [replace(p, facts=replace(p.facts, expires_at=ends)) if p.facts else p for p in entry.postings]
        r.edit(entry.sequence, postings=tuple(facts))
    r.wallet = replace(r.wallet, lots=tuple(replace(o, expires_at=ends) for o in r.wallet.lots))


def ends_that_no_entry_tells(r: Records) -> None:
    r.wallet = replace(r.wallet, lots=tuple(replace(o, expires_at=NOW + 99 * DAY) for o in r.wallet.lots))


def restored_more_than_spent(r: Records) -> None:
    r.edit(3, amount=-1, cause=replace(r.entries[2].cause, ids={"booking_id": "b1"}))


def forgotten_payer(r: Records) -> None:
    r.bookings[1] = replace(r.bookings[1], payers=r.bookings[1].payers[:-1])


def counted_wrong(r: Records) -> None:
    r.wallet = replace(r.wallet, granted_total=r.wallet.granted_total + 1)


@pytest.mark.parametrize(
    ("damage", "law"),
    [
        (lost_credit, Law.CONSERVATION),
        (lost_credit, Law.LOT),
        (minted_credit, Law.LOT),
        (forgotten_lot, Law.LOT),
        (doubled_lot, Law.LOT),
        (enlarged_lot, Law.LOT),
        (held_too_much, Law.LOT),
        (overspent_lot, Law.LOT),
        (restored_above_granted, Law.LOT),
        (unposted_amount, Law.CONSERVATION),
        (changed_amount, Law.CONSERVATION),
        (changed_amount, Law.CHAIN),
        (missing_entry, Law.CHAIN),
        (missing_last_entry, Law.CHAIN),
        (doubled_number, Law.CHAIN),
        (broken_chain, Law.CHAIN),
        (applied_twice, Law.ONCE),
        (debt_without_rule, Law.RULED_DEBT),
        (forgotten_debt, Law.DEBT),
        (minted_debt, Law.DEBT),
        (repaid_twice_over, Law.DEBT),
        (spent_at_the_end, Law.END),
        (ends_that_no_entry_tells, Law.END),
        (restored_more_than_spent, Law.BOOKING),
        (forgotten_payer, Law.BOOKING),
        (counted_wrong, Law.GRANTED),
    ],
)
def test_damage_is_named(damage: Callable[[Records], None], law: Law) -> None:
    records = a_history()
    damage(records)
    assert law in records.laws()


def test_a_breach_says_where_without_naming_anybody() -> None:
    records = a_history()
    forgotten_payer(records)
    (breach,) = breaches(records.wallet, records.entries, records.bookings)
    assert (breach.where, breach.detail) == ("p1/c1/follow-up b2", "knows payers of 2, lots paid 3")


def test_bookings_of_others_and_free_ones_are_passed_over() -> None:
    records = a_history()
    others = [a_booking("x", client_id="c2"), a_booking("y", appointment_type="initial")]
    others.append(replace(a_booking("z"), session=None))
    assert breaches(records.wallet, records.entries, [*records.bookings, *others]) == []


def test_a_kind_of_a_later_release_is_held_to_what_binds_every_kind() -> None:
    """Moved to another lot: nothing is wrong with that; a credit lost on the way is."""
    records = a_history()
    last = records.entries[-1]
    moved = (Posting(-1, lot_id="late"), Posting(1, lot_id="new"))
    extra = replace(last, sequence=9, kind="moved_by_magic", source_id="m", amount=0, postings=moved)
    extra = replace(extra, balance_before=last.balance_after)
    lots = {lot.lot_id: lot for lot in records.wallet.open_lots}
    left = tuple(lot for lot in lots.values() if lot.lot_id != "late")
    wallet = replace(records.wallet, sequence=9, lots=(*left, a_lot("new", 1)))
    late = replace(lots["late"], remaining=lots["late"].remaining - 1)
    wallet = wallet if late.remaining == 0 else replace(wallet, lots=(*wallet.open_lots, late))
    assert breaches(wallet, [*records.entries, extra]) == []
    assert breaches(replace(wallet, lots=wallet.open_lots[1:]), [*records.entries, extra]) != []


MADE_FROM_CYCLE = facts_of(a_lot("new", 3, parent="cycle"))


MADE_FROM_OTHER = replace(MADE_FROM_CYCLE, parent="other")


def a_rolled_history() -> Records:
    """1 granted 5 that end with a cycle, 2 three of them rolled over, 3 two expired, 4 the rolled ones extended."""
    rollover = Rollover(3, NOW, months=1, anchor_day=22)
    lot = a_lot("cycle", 5, expires_at=NOW + 3 * DAY, subscription="sub_1", rollover=rollover)
    change = settle(add_lot(untouched(a_wallet()), lot, an_act(source_id="g1"), RULES, 40), NOW + 4 * DAY, RULES)
    (rolled,) = change.wallet.open_lots
    later = change.wallet.with_lot(replace(rolled, expires_at=NOW + 90 * DAY))
    change = change.record(later, EntryKind.EXTENDED, an_act(NOW + 4 * DAY), (Posting(0, lot_id=rolled.lot_id),))
    return Records(change.wallet, list(change.entries), [])


def test_what_rolls_over_as_it_should_breaks_no_law() -> None:
    records = a_rolled_history()
    assert [e.kind for e in records.entries] == ["granted", "rolled_over", "expired", "extended"]
    assert records.laws() == set()


@pytest.mark.parametrize(
    ("number", "fields"),
    [
        (2, {"postings": (Posting(-3, lot_id="cycle"), Posting(3, lot_id="new"))}),
        (2, {"postings": (Posting(-3, lot_id="cycle"), Posting(2, lot_id="new", facts=MADE_FROM_CYCLE))}),
        (
            2,
            {
                "postings": (
                    Posting(-3, lot_id="cycle"),
                    Posting(3, lot_id="new", facts=MADE_FROM_OTHER),
                )
            },
        ),
        (2, {"amount": 1}),
        (4, {"postings": (Posting(-1, lot_id="new"), Posting(1, lot_id="cycle"))}),
        *((4, {"kind": kind, "amount": -1}) for kind in ("frozen", "unfrozen", "rolled_over", "repaid")),
        (4, {"kind": "reinstated", "postings": (Posting(-1, lot_id="new"), Posting(1, lot_id="cycle"))}),
    ],
)
def test_what_moves_between_lots_must_arrive_whole_and_say_where_from(number: int, fields: dict[str, object]) -> None:
    records = a_rolled_history()
    records.edit(number, **fields)
    assert Law.MOVE in records.laws()
