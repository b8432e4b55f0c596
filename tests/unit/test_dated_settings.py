"""What held at an instant, and what is dated then: debts repaid, tranches, grants, restores."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_booking,
    a_catalogue,
    a_debt,
    a_line,
    a_lot,
    a_package,
    a_payment,
    a_wallet,
    an_act,
    cancelled,
    created,
    stated,
)
from tests.support.memory_table import memory_store

from client_credits.domain.bookings.booking import Payer, after_cancelled, restore
from client_credits.domain.ledger.entries import Actor, Change, untouched
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.transferring import transfer as move
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.facts import CustomerLink
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.dated_settings import MAX_CHANGES, DatedSettings, Earlier, remembered
from client_credits.domain.practice.records import Account, Client
from client_credits.domain.practice.settings import Settings
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import linking, parking, paying
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.records import Wanted

STAFF = Actor("staff", "s1")
SECOND = timedelta(seconds=1)


def repaying(*switched: datetime, now: bool = True) -> DatedSettings:
    """`auto_repay` switched at these instants; `now` is what it came to."""
    held = [now if left % 2 == 0 else not now for left in range(len(switched), 0, -1)]
    earlier = tuple(Earlier(at, {"auto_repay": value}) for at, value in zip(switched, held, strict=True))
    return DatedSettings({"auto_repay": now}, account_earlier=earlier)


# -- what held ---------------------------------------------------------------------------------


def test_plain_settings_always_held() -> None:
    settings = Settings(auto_repay=False)
    assert settings.at(NOW - 900 * DAY) is settings
    assert settings.changed("auto_repay") == ()


def test_before_a_change_what_it_replaced_held_and_from_its_instant_on_what_it_set() -> None:
    settings = DatedSettings(
        {"max_negative": 3, "timezone": "UTC"}, account_earlier=(Earlier(NOW, {"max_negative": 9}),)
    )
    assert settings.at(NOW - SECOND) == Settings(max_negative=9)
    assert settings.at(NOW) == settings.at(NOW + DAY) == settings.now == Settings(max_negative=3)


def test_what_was_not_set_was_the_default() -> None:
    settings = DatedSettings({"auto_repay": False}, account_earlier=(Earlier(NOW, {"auto_repay": None}),))
    assert settings.at(NOW - SECOND) == Settings()


def test_the_clients_value_held_before_the_accounts_at_each_instant() -> None:
    settings = DatedSettings(
        {"max_negative": 3},
        {"max_negative": 1},
        account_earlier=(Earlier(NOW, {"max_negative": 9}),),
        client_earlier=(Earlier(NOW - DAY, {"max_negative": 0}), Earlier(NOW + DAY, {"max_negative": None})),
    )
    instants = [NOW - 2 * DAY, NOW - DAY, NOW - SECOND, NOW, NOW + DAY]
    assert [settings.at(t).max_negative for t in instants] == [0, 9, 9, 3, 1]


def test_it_says_when_one_of_some_settings_changed_for_the_client() -> None:
    settings = DatedSettings(
        {"auto_repay": False, "max_negative": 1},
        {"credit_must_cover": "booking"},
        account_earlier=(
            Earlier(NOW, {"auto_repay": None}),
            Earlier(NOW + DAY, {"credit_must_cover": "booking"}),
            Earlier(NOW + 2 * DAY, {"max_negative": None}),
        ),
        client_earlier=(Earlier(NOW - DAY, {"credit_must_cover": None}),),
    )
    assert settings.changed("auto_repay", "credit_must_cover") == (NOW,)  # before as after: the account's booking
    assert settings.changed("max_negative") == (NOW + 2 * DAY,)


# -- what is remembered ------------------------------------------------------------------------


def test_a_change_counts_from_the_start_of_its_second() -> None:
    earlier = remembered((), {}, {"auto_repay": False}, NOW + timedelta(microseconds=999_999))
    assert earlier == (Earlier(NOW, {"auto_repay": None}),)


def test_of_changes_within_one_second_the_first_tells_what_held_before() -> None:
    once = remembered((), {}, {"max_negative": 1}, NOW)
    twice = remembered(once, {"max_negative": 1}, {"max_negative": 2, "auto_repay": False}, NOW + SECOND / 2)
    assert twice == (Earlier(NOW, {"max_negative": None, "auto_repay": None}),)


def test_a_worker_whose_clock_is_behind_dates_its_change_with_the_last_one() -> None:
    last = remembered((), {}, {"max_negative": 1}, NOW)
    assert remembered(last, {"max_negative": 1}, {"max_negative": 2}, NOW - HOUR) == last


def test_what_has_no_past_is_not_remembered() -> None:
    assert (
        remembered((), {}, {"packages_url": "https://practice.test", "name": "x", "unknown_clients": "park"}, NOW) == ()
    )


def test_the_last_hundred_changes_are_kept_and_what_is_older_counts_as_always() -> None:
    values: dict[str, Any] = {}
    earlier: tuple[Earlier, ...] = ()
    for n in range(MAX_CHANGES + 3):
        after = {"max_negative": n}
        earlier, values = remembered(earlier, values, after, NOW + n * DAY), after
    settings = DatedSettings(values, account_earlier=earlier)
    assert len(earlier) == MAX_CHANGES
    assert settings.at(NOW - 900 * DAY).max_negative == settings.at(NOW + 2 * DAY).max_negative == 2
    assert [settings.at(NOW + n * DAY).max_negative for n in (3, 50, 102)] == [3, 50, 102]


# -- settling ----------------------------------------------------------------------------------


def settled(wallet: Wallet, settings: DatedSettings, at: datetime = NOW) -> Change:
    return settle(untouched(wallet), at, settings)


def test_a_debt_is_repaid_at_the_instant_at_which_repaying_was_switched_on() -> None:
    wallet = a_wallet(a_lot(effective_at=NOW - 8 * DAY), debts=(a_debt(since=NOW - 9 * DAY),))
    (entry,) = settled(wallet, repaying(NOW - 4 * DAY)).entries
    assert (entry.kind, entry.occurred_at) == ("repaid", NOW - 4 * DAY)


def test_a_lot_that_could_pay_once_sessions_need_not_be_covered_pays_from_then_on() -> None:
    earlier = (Earlier(NOW - 2 * DAY, {"credit_must_cover": None}),)
    settings = DatedSettings({"credit_must_cover": "booking"}, account_earlier=earlier)
    lot = a_lot(effective_at=NOW - 8 * DAY, expires_at=NOW + DAY)
    wallet = a_wallet(lot, debts=(a_debt(since=NOW - 9 * DAY, starts_at=NOW + 5 * DAY),))
    assert [(e.kind, e.occurred_at) for e in settled(wallet, settings).entries] == [("repaid", NOW - 2 * DAY)]


def test_a_sweep_after_repaying_was_switched_off_still_repays_what_was_due_before() -> None:
    wallet = a_wallet(a_lot(effective_at=NOW - 5 * DAY), debts=(a_debt(since=NOW - 9 * DAY),))
    settings = repaying(NOW - 3 * DAY, now=False)
    assert [(e.kind, e.occurred_at) for e in settled(wallet, settings).entries] == [("repaid", NOW - 5 * DAY)]


def test_no_debt_that_fell_due_while_repaying_was_off_is_repaid() -> None:
    wallet = a_wallet(a_lot(effective_at=NOW - 5 * DAY), debts=(a_debt(since=NOW - 9 * DAY),))
    assert not settled(wallet, repaying(NOW - 7 * DAY, now=False)).made


def test_no_debt_is_repaid_as_of_before_the_credits_came() -> None:
    """They were given while repaying was off; that it was on before, when the debt stood alone, is no matter."""
    settings = repaying(NOW - 5 * DAY, now=False)
    giver = a_wallet(a_lot(effective_at=NOW - 9 * DAY))
    owing = replace(a_wallet(debts=(a_debt(since=NOW - 8 * DAY, starts_at=NOW + DAY),)), client_id="c2")
    act = an_act(NOW - DAY, source_id="api/1")
    _, receiver = move(untouched(giver), untouched(owing), 2, act, settings, settings, 40)
    assert stated(receiver) == [("transferred_in", 2)]
    assert not settled(receiver.wallet, settings).made
    on_again = repaying(NOW - 5 * DAY, NOW - 5 * HOUR)
    assert [(e.kind, e.occurred_at) for e in settled(receiver.wallet, on_again).entries] == [("repaid", NOW - 5 * HOUR)]


def test_late_news_let_only_their_own_credits_repay_what_was_owed_before_the_others_came() -> None:
    """Repaying was on from two to one days ago. The wallet's lot came by transfer half a day ago."""
    settings = repaying(NOW - 2 * DAY, NOW - DAY, now=False)
    came = NOW - 12 * HOUR
    owing = a_debt(amount=2, since=NOW - 8 * DAY, starts_at=None)
    wallet = a_wallet(a_lot("old", 5, effective_at=NOW - 9 * DAY), debts=(owing,), settled_at=came)
    late = an_act(NOW, NOW - 3 * DAY, "grant/1")
    change = add_lot(untouched(wallet), a_lot("new", 1, effective_at=NOW - 3 * DAY), late, settings, room=40)
    assert [(e.kind, e.occurred_at) for e in change.entries] == [("granted", NOW - 3 * DAY), ("repaid", NOW - 2 * DAY)]
    assert {lot.lot_id: lot.remaining for lot in change.wallet.open_lots} == {"old": 5}
    assert change.wallet.debt == 1
    assert not settled(change.wallet, settings).made


def test_the_next_due_instant_goes_by_what_holds_now() -> None:
    wallet = a_wallet(a_lot(effective_at=NOW + DAY), debts=(a_debt(since=NOW - DAY, starts_at=None),))
    assert next_due(wallet, NOW, repaying(NOW - HOUR)) == NOW + DAY
    assert next_due(wallet, NOW, repaying(NOW - HOUR, now=False)) is None


# -- what else is dated ------------------------------------------------------------------------


@pytest.mark.parametrize(("cancelled_at", "ends"), [(NOW - 2 * HOUR, NOW - 2 * HOUR + 5 * DAY), (NOW, NOW + DAY)])
def test_a_cancellation_gives_the_grace_of_its_own_instant(cancelled_at: datetime, ends: datetime) -> None:
    """Its news come now; the grace of five days was given up an hour ago."""
    earlier = (Earlier(NOW - HOUR, {"restore_grace_days_client": 5}),)
    settings = DatedSettings({"restore_grace_days_client": 1}, account_earlier=earlier)
    paid_by = a_lot(remaining=0, granted=1, expires_at=NOW + HOUR)
    booked = replace(a_booking(), payers=(Payer("c1", "follow-up", paid_by.lot_id, 1),))
    booking, _ = after_cancelled(booked, cancelled(occurred_at=cancelled_at))
    change, _ = restore(untouched(a_wallet(paid_by)), booking, an_act(NOW, cancelled_at), settings, room=40)
    assert [lot.expires_at for lot in change.wallet.open_lots] == [ends]


def test_a_booking_heard_late_is_decided_by_the_settings_of_its_instant() -> None:
    """Made while the system was off, it stays free; made while every client needed credits, it is refused."""
    practice = Practice()
    practice.pay()
    practice.change(NOW + HOUR, allow_booking_without_credits=False)
    practices.change_account_settings(
        Context(practice.store, "p1", STAFF, NOW + 2 * HOUR), {"enabled": False}, confirmed=True
    )
    practice.change(NOW + 3 * HOUR, enabled=True, allow_booking_without_credits=True)
    found = []
    for hours in range(4):
        at = NOW + hours * HOUR
        event = created(f"b{hours}", occurred_at=at, seats=9, starts_at=NOW + DAY)
        found.append(bookings.book(Context(practice.store, "p1", BOOKINGS, NOW + 4 * HOUR), event).booking)
    assert [booking.state for booking in found] == ["booked", "refused", "booked", "booked"]
    assert [booking.free for booking in found] == [None, None, "credits_disabled", None]


# -- operations --------------------------------------------------------------------------------


class Practice:
    def __init__(self, *packages: Any) -> None:
        self.store, self.table = memory_store()
        catalogue = replace(a_catalogue(*packages), version=0)
        self.store.commit([writes.account(Account("p1", {}, NOW, 1)), writes.catalogue("p1", catalogue)])

    def know(self, client_id: str = "c1", now: datetime = NOW, **fields: Any) -> None:
        practices.put_client(Context(self.store, "p1", STRIPE, now), Client(client_id, **fields))

    def change(self, now: datetime, client_id: str | None = None, **values: Any) -> None:
        if client_id:
            practices.change_client_settings(Context(self.store, "p1", STAFF, now), client_id, values)
        else:
            practices.change_account_settings(Context(self.store, "p1", STAFF, now), values)

    def pay(self, number: int = 1, now: datetime = NOW, **fields: Any) -> list[str]:
        kind = {"subscription": None, "customer": None, "paid_at": now} | fields
        payment = a_payment(f"in_{number}", a_line(f"il_{number}"), **kind)
        return [str(outcome.fate) for outcome in paying.pay(Context(self.store, "p1", STRIPE, now), payment)]

    def earlier(self, client_id: str = "c1") -> tuple[int, int]:
        """How many changes are remembered, of the account and of the client."""
        loaded = self.store.load("p1", Wanted(client_id=client_id))
        return len(loaded.account.earlier), len(loaded.client.earlier if loaded.client else ())

    def wallet(self, client_id: str = "c1") -> Wallet:
        return self.store.load("p1", Wanted(client_id=client_id, types=("follow-up",))).wallets["follow-up"]

    def parked(self) -> list[str]:
        return [parked.reason for parked in parking.every_open(self.store, "p1")]


def test_what_is_set_before_the_first_entry_counts_as_always() -> None:
    practice = Practice()
    practice.know()
    practice.change(NOW, auto_repay=False)
    practice.change(NOW + DAY, "c1", max_negative=2)
    assert practice.earlier() == (0, 0)
    practice.pay(now=NOW + 2 * DAY)
    practice.change(NOW + 3 * DAY, auto_repay=True)
    practice.change(NOW + 3 * DAY, "c1", max_negative=3)
    assert practice.earlier() == (1, 1)
    dated = practice.store.load("p1", Wanted(client_id="c1")).dated
    assert dated.at(NOW - 900 * DAY) == Settings(auto_repay=False, max_negative=2)


def test_the_practice_counts_from_its_first_entry_and_each_client_from_its_own() -> None:
    practice = Practice()
    practice.pay(client_id="c1")
    practice.know("c2")
    practice.change(NOW + DAY, auto_repay=False)
    practice.change(NOW + DAY, "c2", max_negative=2)
    assert (practice.earlier("c1"), practice.earlier("c2")) == ((1, 0), (1, 0))


def test_a_profile_put_again_keeps_what_was_remembered() -> None:
    practice = Practice()
    practice.pay()
    practice.change(NOW + DAY, "c1", max_negative=2)
    practice.know(name="Ana", now=NOW + 2 * DAY)
    assert practice.earlier() == (0, 1)


def test_many_clients_without_entries_do_not_hide_the_one_that_has_some() -> None:
    practice = Practice()
    for n in range(200):
        practice.store.commit([writes.client("p1", Client(f"client-{n:03}", created_at=NOW))])
    assert not practice.store.any_wallet("p1")
    practice.pay(client_id="z1")
    assert practice.store.any_wallet("p1")


def test_a_change_that_has_no_past_asks_nothing_more_than_it_did() -> None:
    practice = Practice()
    practice.pay()
    asked: list[str] = []
    practice.table.watch = lambda moment, call: asked.append(call) if moment == "before" else None
    practice.change(NOW + DAY, name="Praxis", packages_url="https://practice.test")
    assert asked == ["batch_get_item", "transact_write_items"]
    asked.clear()
    practice.change(NOW + DAY, "c1", max_negative=1)
    assert asked == ["batch_get_item", "query", "transact_write_items"]


def test_a_payment_heard_late_ends_by_the_time_zone_of_its_day() -> None:
    """Paid at 23:30 in Berlin and heard of after the practice had moved to Tokyo."""
    practice = Practice(a_package(expiry=Expiry(ExpiryKind.DAYS, 10)))
    practice.change(NOW, timezone="Europe/Berlin")
    practice.pay()
    practice.change(NOW + DAY, timezone="Asia/Tokyo")
    practice.pay(2, now=NOW + 2 * DAY, paid_at=datetime(2026, 11, 22, 22, 30, tzinfo=UTC))
    practice.pay(3, now=NOW + 2 * DAY)
    of_berlin, of_tokyo = datetime(2026, 12, 2, 23, 0, tzinfo=UTC), datetime(2026, 12, 4, 15, 0, tzinfo=UTC)
    assert [lot.expires_at for lot in practice.wallet().lots] == [of_berlin, of_berlin, of_tokyo]


# -- clients nobody knows yet ------------------------------------------------------------------


def test_a_payment_for_nobody_known_creates_the_client_unless_the_practice_parks_it() -> None:
    practice = Practice()
    assert practice.pay(1, client_id="c1") == ["granted"]
    practice.change(NOW, unknown_clients="park")
    assert practice.pay(2, client_id="c1") == ["granted"]
    assert practice.pay(3, client_id="c2") == ["unknown_client"]
    assert practice.parked() == ["unknown_client"]
    assert practice.store.load("p1", Wanted(client_id="c2")).client is None


def test_a_parked_payment_is_granted_once_its_client_exists() -> None:
    practice = Practice()
    practice.change(NOW, unknown_clients="park")
    practice.pay(1, client_id="c1")
    practice.pay(2, client_id="c2")
    practice.know("c2", now=NOW + HOUR)
    assert (practice.wallet("c2").balance, practice.wallet("c1").balance) == (3, 0)
    assert practice.parked() == ["unknown_client"]
    practice.know("c2", now=NOW + 2 * HOUR)
    practice.know("c1", now=NOW + 2 * HOUR)
    assert (practice.wallet("c2").balance, practice.wallet("c1").balance) == (3, 3)
    assert practice.parked() == []


def test_what_a_checkout_says_of_a_customer_waits_too_and_creates_nobody() -> None:
    practice = Practice()
    practice.change(NOW, unknown_clients="park")
    linking.apply_link(Context(practice.store, "p1", STRIPE, NOW), CustomerLink("evt_1", "cus_1", "c1"))
    assert practice.pay(1, client_id=None, customer="cus_1") == ["unknown_client"]
    assert practice.store.load("p1", Wanted(client_id="c1")).client is None
    practice.know("c1")
    assert practice.wallet().balance == 3


@pytest.mark.parametrize("to", ["create", None])
def test_a_practice_that_creates_clients_again_creates_those_it_had_parked(to: str | None) -> None:
    practice = Practice()
    practice.change(NOW, unknown_clients="park")
    practice.pay(1, client_id="c1")
    practice.change(NOW + HOUR, unknown_clients=to)
    assert practice.wallet().balance == 3
    assert practice.parked() == []
