"""Reports on random histories of a practice: what adds up, and what independent counts of the records say."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import settings as search
from hypothesis import strategies as st

from client_credits.domain.ids import payment_of
from client_credits.domain.ledger.entries import Entry, Posting
from client_credits.domain.payments.facts import Payment
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.queries.reports import movements, outstanding, revenue
from client_credits.operations.queries.reports.pages import Period, ReportAsk
from client_credits.store.records import Wanted
from tests.property import practice_laws as laws
from tests.property.memory import PRACTICE
from tests.property.practice_happenings import a_history
from tests.property.practice_life import CLIENTS, Life, never, whenever_due
from tests.property.test_practice_machine import PracticeMachine
from tests.support.builders import DAY, NOW

CHARGED = 8_999  # minor units that divide by no number of credits on sale
EPOCH = NOW - 900 * DAY
AFTER = timedelta(microseconds=1)


class History(PracticeMachine):
    """One practice's life. The laws of wallets are held elsewhere; each payment is of an amount that leaves a rest."""

    def begin(self, seed: int, sweeps: Callable[[Life, datetime], None]) -> None:
        self.lives = [Life(sweeps)]
        self.now, self.number = NOW, 0
        self.heard, self.ends = laws.Money(owes=True), laws.Ends()
        self.news, self.unheard, self.payments, self.booked, self.refunds = [], [], [], [], []
        self.disputes, self.cycles = {}, {}
        for name, drawn in a_history(seed):
            getattr(self, name)(**drawn)

    def check(self, life: Any, before: Any, after: Any, *also: Any) -> None:
        """What is held here is held at the end."""

    def tell(self, news: Any, stated: bool = True) -> None:
        if isinstance(news, Payment):
            (line,) = news.lines
            news = replace(news, lines=(replace(line, amount=CHARGED),))
        super().tell(news, stated)


def lived(seed: int, sweeps: Callable[[Life, datetime], None] = whenever_due) -> Life:
    history = History()
    history.begin(seed, sweeps)
    (life,) = history.lives
    return life


def rows(life: Life, page: Callable[..., Any], since: datetime, until: datetime) -> list[Any]:
    """All rows, two at a time."""
    context, after, found = Context(life.store, PRACTICE, STRIPE, life.now), None, []
    while True:
        report = page(context, ReportAsk(Period(since, until)), after, 2)
        found += report.rows
        after = report.next
        if after is None:
            return found


def instants(seed: int, life: Life) -> list[datetime]:
    """Four in order: before all, two by chance, and now."""
    chance = Random(seed)
    length = life.now - NOW
    return [EPOCH, *sorted(NOW + length * chance.random() for _ in range(2)), life.now + AFTER]


SEEDS = st.integers(0, 2**32)
FEW = search(max_examples=max(12, search.default.max_examples // 8))


# --- Movements


@FEW
@given(SEEDS, st.sampled_from([whenever_due, never]))
def test_opening_and_movements_make_closing_and_each_is_what_the_entries_sum_to(
    seed: int, sweeps: Callable[[Life, datetime], None]
) -> None:
    life = lived(seed, sweeps)
    books = life.books()
    cuts = instants(seed, life)
    for since, until in pairwise(cuts):
        found = {row.client_id: row for row in rows(life, movements.page, since, until)}
        for client in CLIENTS:
            entries = books[client].entries
            within = [entry for entry in entries if since <= entry.occurred_at < until]
            assert (client in found) == bool(within)
            if client in found:
                _check_movements(found[client], entries, since, until)


def _check_movements(row: Any, entries: list[Entry], since: datetime, until: datetime) -> None:
    assert row.opening == sum(e.amount for e in entries if e.occurred_at < since)
    assert row.closing == sum(e.amount for e in entries if e.occurred_at < until)
    every = {name: getattr(row, name) for name in movements._KINDS}
    assert row.opening + sum(every.values()) + row.other == row.closing
    naive: Counter[str] = Counter()
    for entry in entries:
        if since <= entry.occurred_at < until:
            naive[str(entry.kind)] += entry.amount
    assert {k: v for k, v in every.items() if v} == {k: v for k, v in naive.items() if v}
    assert row.other == 0


# --- Worth


@FEW
@given(SEEDS, st.sampled_from([whenever_due, never]))
def test_revenue_adds_up_however_its_time_is_cut(seed: int, sweeps: Callable[[Life, datetime], None]) -> None:
    life = lived(seed, sweeps)
    cuts = instants(seed, life)
    parts = [_by_place(rows(life, revenue.page, a, b)) for a, b in pairwise(cuts)]
    every = _by_place(rows(life, revenue.page, cuts[0], cuts[-1]))
    for place, row in every.items():
        own = [part[place] for part in parts if place in part]
        assert row.opening == 0
        assert row.closing == (own[-1].closing if place in parts[-1] else 0)
        for name in ("sold", "earned", "expired", "refunded"):
            assert getattr(row, name) == sum(getattr(part, name) for part in own), name
    for part in parts:
        for row in part.values():
            assert row.opening + row.sold - row.earned - row.expired - row.refunded == row.closing
    for earlier, later in pairwise(parts):
        closed = {place: row.closing for place, row in earlier.items() if row.closing}
        assert closed == {place: row.opening for place, row in later.items() if row.opening}


def _by_place(found: list[Any]) -> dict[tuple[Any, ...], Any]:
    made = {(row.client_id, row.package_id, row.currency): row for row in found}
    assert len(made) == len(found), "a client, package and currency has one row"
    return made


@FEW
@given(SEEDS)
def test_outstanding_is_what_wallets_hold_and_bookings_to_come_were_paid_with(seed: int) -> None:
    """Counted another way: off the lots as they stand, and off the bookings' own records of who paid."""
    life = lived(seed)
    life.settle_all()
    found = rows(life, outstanding.page, life.now, life.now)
    unspent, booked = counts(life)
    assert {_key(row): row.unspent_credits for row in found if row.unspent_credits} == unspent
    assert {_key(row): row.booked_credits for row in found if row.booked_credits} == booked
    closing = {_key(row): row.closing for row in rows(life, revenue.page, EPOCH, life.now + AFTER) if row.closing}
    assert {_key(row): row.outstanding_amount for row in found} == closing
    for row in found:
        assert row.outstanding_amount == row.unspent_amount + row.booked_amount


def _key(row: Any) -> tuple[str, str]:
    return row.client_id, row.package_id


def counts(life: Life) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """By buyer and package: credits left in lots that were paid for, and kept by bookings of sessions to come."""
    books = life.books()
    buyers = {p.facts.payment: c for c, book in books.items() for e in book.entries for p in roots(e) if p.facts}
    lots = {p.lot_id: p.facts for book in books.values() for e in book.entries for p in e.postings if p.facts}
    unspent: Counter[tuple[str, str]] = Counter()
    booked: Counter[tuple[str, str]] = Counter()
    for book in books.values():
        for lot in book.wallet.open_lots:
            if lot.payment and lot.value:
                unspent[buyers[lot.payment], str(lot.package_id)] += lot.remaining
    named = {e.cause.ids["booking_id"] for b in books.values() for e in b.entries if "booking_id" in e.cause.ids}
    for booking in life.bookings(sorted(named)):
        if booking.session and booking.session.starts_at > life.now:
            for payer in booking.payers:
                facts = lots[payer.lot_id]
                if facts.payment and facts.value and payer.kept:
                    booked[buyers[facts.payment], str(facts.package_id)] += payer.kept
    return dict(+unspent), dict(+booked)


def roots(entry: Entry) -> Iterator[Posting]:
    for posting in entry.postings:
        if posting.facts and posting.facts.parent is None and posting.facts.payment and entry.kind == "granted":
            yield posting


@FEW
@given(SEEDS)
def test_what_was_refunded_is_the_worth_of_what_the_payments_say_was_clawed_back(seed: int) -> None:
    """Credits clawed back, as the payments' own records count them, times what a credit of theirs is worth."""
    life = lived(seed)
    life.settle_all()
    found: Counter[tuple[str, str]] = Counter()
    for row in rows(life, revenue.page, EPOCH, life.now + AFTER):
        found[_key(row)] += row.refunded
    low: Counter[tuple[str, str]] = Counter()
    high: Counter[tuple[str, str]] = Counter()
    for place, taken, revived, credits in clawed(life):
        each, rest = divmod(CHARGED, credits)
        low[place] += each * (taken - revived)  # one entry may take from a lot what comes back to it: the rest counts
        high[place] += each * taken + rest
    for place in {*low, *found}:
        assert low[place] <= found[place] <= high[place], place


def clawed(life: Life) -> Iterator[tuple[tuple[str, str], int, int, int]]:
    """Of each payment: its buyer and package, how many of its credits are taken back, how many came back that had
    expired in a dispute, and how many it is for."""
    entries = [e for book in life.books().values() for e in book.entries]
    sold = {p.facts.payment: p.facts for e in entries for p in roots(e) if p.facts}
    for key, facts in sold.items():
        payment_id = payment_of(str(key))
        record = life.store.load(PRACTICE, Wanted(payments=(payment_id,))).payments[payment_id]
        (grant,) = record.grants
        assert facts.value
        revived = sum(part.amount for part in grant.revived)
        yield (grant.client_id, str(facts.package_id)), grant.taken_back, revived, facts.value.credits
