"""Records for tests of the store, plain and complete, and a table and a store for each test."""

from datetime import date, datetime
from typing import Any

import pytest

from client_credits.domain.bookings.booking import (
    BookedAs,
    Booking,
    BookingSource,
    BookingState,
    Cancelled,
    CancelledBy,
    Origin,
    Payer,
    Refusal,
)
from client_credits.domain.bookings.deciding import Reason, SessionToBook
from client_credits.domain.ledger.entries import Actor, Cause, CauseKind, Entry, EntryKind, Posting, facts_of
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.wallet import (
    Coming,
    Cycle,
    Debt,
    DebtCause,
    Hold,
    Lot,
    LotSource,
    Mark,
    Rollover,
    TakenIn,
    Value,
    Wallet,
)
from client_credits.domain.payments.facts import PaidWith, Payment, PaymentLine, QuantityFrom, Trial
from client_credits.domain.payments.parked import Parked, ParkedState, Replay
from client_credits.domain.payments.plan_changes import Interval
from client_credits.domain.practice.authorizations import Authorization, AuthorizationRef
from client_credits.domain.practice.catalogue import (
    AppointmentType,
    Catalogue,
    Expiry,
    ExpiryKind,
    Package,
    PackagePrice,
)
from client_credits.domain.practice.client_links import ClientLink
from client_credits.domain.practice.dated_settings import Earlier
from client_credits.domain.practice.records import Account, Bought, Client, SettingsChange
from client_credits.domain.practice.verification import Verification
from client_credits.store import codec, writes
from client_credits.store.store import Store
from client_credits.store.table import Table, Write
from tests.support.builders import DAY, NOW, a_lot, freezes
from tests.support.engines import Engine

STAFF = Actor("staff", "s1")
WALLET = Wallet("p1", "c1", "follow-up", lots=(a_lot(),))


@pytest.fixture
def table(engine: Engine) -> Table:
    return engine.fresh_table()


@pytest.fixture
def store(table: Table) -> Store:
    store = Store(table)
    store.commit([writes.account(Account("p1", created_at=NOW))])
    return store


def an_item(sk: str, pk: str = "p", **attributes: str | int) -> Write:
    return {"Put": {"Item": codec.to_attributes({"pk": pk, "sk": sk, **attributes})}}


def an_entry(sequence: int = 1, appointment_type: str = "follow-up", **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "practice_id": "p1",
        "client_id": "c1",
        "source_id": f"test/{sequence}",
        "kind": EntryKind.GRANTED,
        "amount": 3,
        "balance_before": 0,
        "balance_after": 3,
        "postings": (Posting(3, lot_id="lot-1"),),
        "cause": Cause(CauseKind.PACKAGE, {"package_id": "three-pack"}),
        "actor": Actor("system", "stripe"),
        "reason": None,
        "occurred_at": NOW,
        "recorded_at": NOW,
    }
    return Entry(appointment_type=appointment_type, sequence=sequence, **(values | fields))


def a_parked(parked_id: str = "prk_1", **fields: Any) -> Parked:
    return Parked(parked_id, "unknown_client", "evt_1", NOW, **({"customer": "cus_1"} | fields))


def a_change(change_id: str, at: datetime = NOW, client_id: str | None = None) -> SettingsChange:
    return SettingsChange(change_id, client_id, {"a": 1}, {"a": 2}, "staff", "s1", at)


# Every field of every record at something else than its default, and every record at its defaults.

LOT = Lot(
    lot_id="lot_1",
    granted=10,
    remaining=4,
    effective_at=NOW,
    expires_at=NOW + DAY,
    source=LotSource.GRACE,
    priority=60,
    package_id="ten-pack",
    payment="in_1/il_1",
    subscription="sub_1",
    value=Value(9000, "eur", 10),
    parent="lot_0",
    cycle=(NOW, NOW + DAY),
    frozen=freezes("dispute/dp_1"),
    voided=True,
    paused_seconds=3600,
    extended=True,
    rollover=Rollover(5, NOW, months=1, days=30, anchor_day=31, put_off_seconds=3_600, late_seconds=60),
)
COMING = Coming(
    source_id="stripe/own/test/in_1/il_1",
    lot=LOT,
    starts=NOW,
    number=2,
    count=12,
    expiry=Expiry(ExpiryKind.MONTHS, 1, "2026-12-31"),
    cycle_end=NOW + 365 * DAY,
    cause={"package_id": "annual"},
    stopped=("dispute/dp_1",),
    undone=(1, 4),
    first=2,
    item="si_1",
)
SESSION = SessionToBook("follow-up", NOW + DAY, 2)
CANCELLED = Cancelled("b1", "c1", NOW.replace(microsecond=123456), CancelledBy.PRACTICE, "follow-up")
LINE = PaymentLine(
    *("il_1", "price_1", 2, 9000, "eur", "p", "si_1", NOW, NOW + DAY, True, Trial.YES),
    subscription="sub_2",
    also=("il_3",),
    charged=8000,
    interval=Interval(months=1, days=1),
    within_cycle=True,
    credited=True,
    periods=3,
    quantity_from=QuantityFrom.ITEMS,
)
PAYMENT = Payment(
    *("in_1", "own", "test", "evt_1", NOW, "cus_1", "c1", "sub_1", "pi_1"),
    lines=(LINE, PaymentLine("il_2", None, 1, 0, "usd")),
    lines_missing=True,
    paid=9000,
    charge="ch_1",
    by_balance=1000,
    overpaid=500,
    credited_before=200,
    credited_after=300,
    paid_with=(PaidWith("pi_1", "ch_1", 8000),),
    items=(PaymentLine("li_1", "price_1", 1, 5, "usd"),),
)
FULL: list[Any] = [
    Wallet(
        "p1",
        "c1",
        "follow-up",
        sequence=7,
        granted_total=13,
        last_at=NOW,
        lots=(LOT, a_lot()),
        debts=(
            Debt(DebtCause.BOOKING, "b1", 2, NOW, NOW + DAY),
            Debt(DebtCause.STAFF, "api/1", 1, NOW),
        ),
        holds=(Hold("h1", (("lot_1", 2), ("lot-1", 1)), NOW + DAY),),
        marks=(Mark("in_1/il_1", freezes("dispute/dp_1"), short=True),),
        cycles=(Cycle("sub_1", NOW, NOW + 30 * DAY),),
        coming=(COMING,),
        settled_at=NOW,
        settlings=2,
        merged_into="c3",
        taken_in=(TakenIn("c2", 4),),
    ),
    an_entry(cause=Cause(CauseKind.BOOKING, {"booking_id": "b1"}), reason="a reason"),
    an_entry(postings=(Posting(-1, debt="b1"), Posting(4, lot_id="lot_1", facts=facts_of(LOT)))),
    Operation(
        *("stripe/own/test/in_1/il_1", "abc", "granted", "c1"),
        entries=(EntryRef("follow-up", 3, 10, "c2"), EntryRef("initial", 1, 1)),
        recorded_at=NOW,
        answer="{}",
    ),
    Booking(
        booking_id="b1",
        state=BookingState.CANCELLED,
        client_id="c1",
        session=SESSION,
        kind=BookedAs.EVENT,
        origin=Origin.STAFF,
        source=BookingSource("square", "sq_1", 7),
        series_id="s-1",
        hold_id="h-1",
        location_id="room-7",
        provider_id="dr-3",
        moved_from="b0",
        moved_to="b3",
        created_at=NOW,
        created_stated_at=NOW + 900 * DAY,
        rescheduled_at=NOW + DAY,
        rescheduled_by=CancelledBy.CLIENT,
        no_show_at=NOW + 2 * DAY,
        no_show_reverted_at=NOW + 3 * DAY,
        identified_at=NOW + 4 * DAY,
        review_since=NOW + 5 * DAY,
        cancellation=CANCELLED,
        payers=(Payer("c1", "follow-up", "lot_1", 1), Payer("c2", "follow-up", "lot_2", 1, returned=1)),
        rule="allow_booking_without_credits",
        free=Reason.NOT_TRACKED,
        returned=2,
        follow=("in_1/il_1",),
        covered_by=AuthorizationRef("c1", "au-1"),
        visit_returned=True,
    ),
    Booking(
        "b2",
        BookingState.REFUSED,
        session=SESSION,
        refusal=Refusal(Reason.INSUFFICIENT, 0, 2, NOW),
    ),
    Client(
        client_id="c1",
        name="Ana Ünlü",
        email="ana@example.org",
        stripe_customers=("cus_1", "cus_2"),
        external_ids={"square": "sq_1"},
        overrides={"max_negative": 0, "auto_repay": False, "credit_must_cover": "booking"},
        created_at=NOW,
        earlier=(Earlier(NOW, {"auto_repay": None}),),
        bought=(Bought("ten-pack", "in_1/il_1", "in_1", 2),),
        authorizations=(AuthorizationRef("c1", "au-1"),),
        merged_into="c3",
        merged_at=NOW,
        forgotten_at=NOW + DAY,
        merged_from=("c2",),
    ),
    Account("p1", {"timezone": "Europe/Berlin", "enabled": False}, NOW, 4, earlier=(Earlier(NOW, {"timezone": None}),)),
    Catalogue(
        types={"follow-up": AppointmentType("follow-up", "Follow-up", True, True)},
        packages={
            "ten-pack": Package(
                package_id="ten-pack",
                name="Ten",
                credits={"follow-up": 10},
                renews_each_cycle=False,
                expiry=Expiry(ExpiryKind.DATE, 3, "2026-12-31"),
                trial_grants=True,
                rollover_cap=None,
                monthly_tranches=True,
                stripe_prices=("price_1", "price_2"),
                url="https://example.org/ten",
                archived_at=NOW,
                description="Ten sessions",
                price=PackagePrice(90_000, "eur"),
                limit_per_client=2,
            )
        },
    ),
    SettingsChange("chg_1", "c1", {"max_negative": None}, {"max_negative": 3}, "staff", "s1", NOW),
    Parked(
        *("prk_1", "unknown_client", "evt_1", NOW, "cus_1", "in_1", "sub_1", ("price_1",)),
        payment=PAYMENT,
        state=ParkedState.RESOLVED,
        closed_by="staff/s1",
        closed_reason="done",
        missing=("il_2",),
        unfinished=True,
        account="acct_1",
        client_id="c9",
    ),
    Replay(("price", "price_1"), after="prk_1", done=True),
    Authorization(
        *("c1", "au-1", "Northern Health", "NH-1", ("follow-up",), date(2026, 9, 1), date(2027, 2, 28), 12),
        visits_used=5,
        deleted_at=NOW,
    ),
    ClientLink("link_1", "c1", NOW + DAY, used_at=NOW, tries=(NOW - DAY, NOW)),
    Verification(NOW, clients=1, wallets=2, entries=3, bookings=4, breaches={"chain": 1}),
]
PLAIN: list[Any] = [
    Wallet("p1", "c1", "follow-up"),
    an_entry(),
    Operation("s/1", "abc", "no_credits", "c1"),
    Booking("b1", BookingState.BOOKED),
    Client("c1"),
    Account("p1"),
    Catalogue(),
    SettingsChange("chg_1", None, {}, {}, "staff", "s1", NOW),
    Parked("prk_1", "lines_missing", "evt_1", NOW),
    Replay(("price", "price_1")),
]
