"""What each operation owes, beside the laws of a wallet: judged by what stands in the books before and after it.

Knows what was heard of money and subscriptions, and nothing of how operations work.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import groupby

from client_credits.domain.dates import FOREVER, months_after
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Entry, EntryKind, LotFacts, Posting
from client_credits.domain.payments.facts import (
    DisputeStatus,
    MoneyBack,
    Payment,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
)
from tests.property.practice_life import OFFERS, Book, Books, Life

PAID = 9_000  # minor units, what each payment paid
MONTHS = 12  # that a yearly plan brings credits for
Fields = tuple[object, ...]


def stated(book: Book) -> list[Fields]:
    """What the entries say of themselves; ids that follow from a wallet's version, which sweeps raise, left out."""
    return [
        (e.kind, e.amount, e.balance_before, e.balance_after, e.occurred_at, str(e.cause.kind), _posted(e))
        for e in book.entries
    ]


def in_any_order_at_once(book: Book) -> list[Fields]:
    """The same, with the expiries of one instant as one: they follow the lots' ids, some of which sweeps change."""
    found: list[Fields] = []
    for (kind, at), group in groupby(stated(book), key=lambda each: (each[0], each[4])):
        entries = list(group)
        if kind is EntryKind.EXPIRED:
            ended = sorted((each[1], each[5:]) for each in entries)
            found.append((kind, at, entries[0][2], entries[-1][3], ended))
        else:
            found += entries
    return found


def _posted(entry: Entry) -> list[Fields]:
    return sorted((p.amount, p.facts.end if p.facts else FOREVER) for p in entry.postings)


def numbers(book: Book) -> tuple[object, ...]:
    """What a wallet has and owes, whatever its lots are called."""
    has: Counter[Fields] = Counter()
    for lot in book.wallet.open_lots:
        frozen = tuple(freeze.cause for freeze in lot.frozen)
        has[lot.priority, lot.effective_at, lot.end, lot.source, lot.payment, frozen] += lot.remaining
    owed = Counter({(debt.cause, debt.starts_at, debt.since): debt.amount for debt in book.wallet.debts})
    return has, owed, book.wallet.balance, book.wallet.granted_total


def only_grows(before: Books, after: Books) -> None:
    """What an answer rested on is what came to be written."""
    for client, book in before.items():
        assert stated(after[client])[: len(book.entries)] == stated(book)


def since(before: Books, after: Books) -> list[Entry]:
    """The entries of the operation itself."""
    return [e for client, book in before.items() for e in after[client].entries[len(book.entries) :]]


def nothing_changes(before: Books, after: Books) -> None:
    assert since(before, after) == []
    for client, book in before.items():
        assert numbers(after[client]) == numbers(book)


def frozen_lots_pay_nothing(before: Books, after: Books) -> None:
    for client, book in before.items():
        frozen = {lot.lot_id for lot in book.wallet.open_lots if lot.frozen}
        for entry in after[client].entries[len(book.entries) :]:
            paid = {p.lot_id for p in entry.postings if p.amount < 0}
            if entry.kind in {"spent", "repaid", "transferred_out"}:
                assert not paid & frozen, f"{entry.kind} from a frozen lot"


def the_sum_stays(before: Books, after: Books) -> None:
    assert sum(b.wallet.balance for b in before.values()) == sum(b.wallet.balance for b in after.values())


UNDOABLE = frozenset({"adjusted", "transferred_in", "transferred_out"})


def what_was_undone(undone: Entry) -> Callable[[Books, Books], None]:
    """An edit is undone by its opposite, a transfer by no more than it moved; each entry names the one it undoes."""

    def law(before: Books, after: Books) -> None:
        undoing = [entry for entry in since(before, after) if "undoes" in entry.cause.ids and entry.amount]
        if undone.kind == "adjusted":
            assert [entry.amount for entry in undoing if entry.kind == "adjusted"] == [-undone.amount]
        else:
            moved = [entry.amount for entry in undoing if entry.kind in UNDOABLE]
            assert sum(moved) == 0 and 0 < max(moved) <= abs(undone.amount)

    return law


def what_came_back_had_expired(before: Books, after: Books) -> None:
    """Of a lot no more is reinstated by extensions, in all, than expired of it, and what is lasts longer than now."""
    for client, book in after.items():
        expired, back = Counter[str | None](), Counter[str | None]()
        for entry in book.entries:
            if entry.kind == "expired" or (entry.kind == "reinstated" and entry.cause.kind == "extension"):
                (expired if entry.kind == "expired" else back).update({p.lot_id: abs(p.amount) for p in entry.postings})
        assert back <= expired
        made = book.entries[len(before[client].entries) :]
        assert {str(entry.kind) for entry in made} <= {"reinstated", "extended", "repaid", "clawed_back"}


def leftovers(book: Book) -> int:
    lots = (lot for lot in book.wallet.open_lots if not lot.frozen and lot.source != "rolled_over")
    return sum(lot.remaining for lot in lots)


def frozen_lots_stay(before: Books, after: Books) -> None:
    for client, book in before.items():
        for lot in book.wallet.open_lots:
            if lot.frozen or lot.source == "rolled_over":
                assert after[client].wallet.lot(lot.lot_id) == lot


def is_as_before(before: Book, after: Book, *, lots_too: bool) -> None:
    """What was undone at once leaves the balance as it was, and what was taken and put back the very lots and debts."""
    assert after.wallet.balance == before.wallet.balance
    if lots_too:
        assert numbers(after) == numbers(before)


def voided_credits_stay_gone(books: Books) -> None:
    for book in books.values():
        void = {posting.lot_id for entry in book.entries if entry.kind == "voided" for posting in entry.postings}
        back = [lot.lot_id for lot in book.wallet.open_lots if lot.lot_id in void]
        assert not back, f"credits of a voided lot are there again: {back}"


def each_wallet_is_lawful(life: Life, booking_ids: Iterable[str]) -> None:
    """As it stands in the table, with its bookings, and as it is once settled."""
    bookings = life.bookings(booking_ids)
    for book in life.books().values():
        assert breaches(book.stored, book.written, bookings) == []
        assert breaches(book.wallet, book.entries) == []


@dataclass
class Ends:
    """The ends that staff gave to lots: none of them is ever forgotten."""

    given: dict[tuple[int, str, str], datetime] = field(default_factory=dict)  # by practice, client, lot

    def gave(self, life: Life, client: str, lot_id: str, ends: datetime | None) -> None:
        self.given[id(life), client, lot_id] = ends or FOREVER
        self.check(life, life.books())

    def check(self, life: Life, books: Books) -> None:
        for (known, client, lot_id), end in self.given.items():
            if known == id(life):
                lot = life.lot(books[client].wallet, lot_id)
                assert lot is not None, lot_id
                assert lot.end >= end, f"the end {end} of {lot_id} is lost"


def made_lots(book: Book) -> dict[str, LotFacts]:
    """Each lot that a wallet ever had, as it was made, in their order."""
    made: dict[str, LotFacts] = {}
    for posting in _postings([book]):
        if posting.facts and posting.lot_id:
            made.setdefault(posting.lot_id, posting.facts)
    return made


def _postings(books: Iterable[Book]) -> Iterator[Posting]:
    return (posting for book in books for entry in book.entries for posting in entry.postings)


@dataclass
class Money:
    """What was heard of money back and of subscriptions' ends, and what each payment then still stands for."""

    owes: bool  # whether what was spent of what is taken back is owed
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, dict[str, tuple[int, RefundStatus]]] = field(default_factory=dict)
    disputes: dict[str, DisputeStatus] = field(default_factory=dict)  # of the whole payment, one each
    amounts: dict[str, int] = field(default_factory=dict)  # that disputes are about
    ended: dict[str, datetime] = field(default_factory=dict)

    def hear(self, news: object) -> None:
        if isinstance(news, Payment):
            self.payments[news.payment_id] = news
        if isinstance(news, SubscriptionNews) and news.status is SubscriptionStatus.ENDED and news.ended_at:
            self.ended[news.subscription] = min(news.ended_at, self.ended.get(news.subscription, FOREVER))
        if isinstance(news, MoneyBack):
            self._back(f"in{str(news.payment_intent)[2:]}", news)

    def _back(self, payment_id: str, news: MoneyBack) -> None:
        known = self.refunds.setdefault(payment_id, {})
        for refund in news.refunds:
            failed = known.get(refund.refund_id, (0, refund.status))[1] is RefundStatus.FAILED
            known[refund.refund_id] = refund.amount, RefundStatus.FAILED if failed else refund.status
        for dispute in news.disputes:
            self.amounts[payment_id] = dispute.amount
            if self.disputes.get(payment_id, DisputeStatus.OPEN) is DisputeStatus.OPEN:
                self.disputes[payment_id] = dispute.status

    def check(self, books: Books) -> None:
        entries = [entry for book in books.values() for entry in book.entries]
        for payment in self.payments.values():
            self._check_one(payment, entries, list(_postings(books.values())))

    def _check_one(self, payment: Payment, entries: list[Entry], postings: list[Posting]) -> None:
        """What a payment brought less what was taken back of it is what it still stands for: more only where
        some of its credits had gone otherwise before they could be taken, and never less."""
        own = [entry for entry in entries if entry.cause.ids.get("payment") == payment.payment_id]
        granted = [entry for entry in own if entry.kind == "granted"]
        if not granted:
            return
        brought = sum(entry.amount for entry in granted)
        taken = -sum(entry.amount for entry in own if entry.kind in {"clawed_back", "reinstated"})
        assert taken <= brought, f"more is taken back of {payment.payment_id} than it granted"
        stands, late = self._stands_for(payment, granted)
        assert brought - taken >= stands, (payment.payment_id, brought, taken, stands)
        if self.owes and not late and not self._gone_otherwise(payment, entries, postings):
            assert brought - taken == stands, (payment.payment_id, brought, taken, stands)

    def _stands_for(self, payment: Payment, granted: list[Entry]) -> tuple[int, int]:
        """Credits of it that nobody takes, of those that have come; and how many came too late to count."""
        (line,) = payment.lines
        ended = self.ended.get(payment.subscription or "", FOREVER)
        package = OFFERS[str(line.price).removeprefix("price_")]
        each = sum(package.credits.values()) * line.quantity
        part = Fraction(1) if ended < payment.paid_at else self._part_back(payment.payment_id)
        if not package.monthly_tranches:
            return each - int(each * part), 0
        assert line.period_start
        months = (months_after(line.period_start, n, line.period_start.day) for n in range(MONTHS))
        coming = max(1, sum(month < ended for month in months))
        in_time = min(coming, len(granted))
        if coming < MONTHS:  # those that never come are taken first
            never_come = each * (MONTHS - coming)
            part = Fraction(max(0, int(each * MONTHS * part) - never_come), each * coming)
        return each * in_time - int(each * in_time * part), len(granted) - in_time

    def _part_back(self, payment_id: str) -> Fraction:
        refunds = self.refunds.get(payment_id, {}).values()
        back = sum(amount for amount, status in refunds if status is not RefundStatus.FAILED)
        back += self.amounts[payment_id] if self.disputes.get(payment_id) is DisputeStatus.LOST else 0
        return Fraction(min(PAID, back), PAID)

    def _gone_otherwise(self, payment: Payment, entries: list[Entry], postings: list[Posting]) -> bool:
        key = f"{payment.payment_id}/{payment.lines[0].line_id}"
        lots = {posting.lot_id for posting in postings if posting.facts and posting.facts.payment == key}
        lost = (e for e in entries if e.kind in {"expired", "voided", "adjusted"})
        return any(p.lot_id in lots and p.amount < 0 for e in lost for p in e.postings)


def alike(books: Iterable[Books]) -> None:
    """Practices that lived through the same say the same, whenever their sweeps came by."""
    first, *others = books
    for other in others:
        for client, book in first.items():
            assert in_any_order_at_once(other[client]) == in_any_order_at_once(book)
            assert numbers(other[client]) == numbers(book)
