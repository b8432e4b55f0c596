"""What each operation owes, beside the laws of a wallet: judged by the books before and after it.

Knows no rule of how operations work.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from client_credits.domain.dates import FOREVER, months_after
from client_credits.domain.ids import payment_key
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Entry, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.payment_record import PaymentRecord
from tests.property.wallet_life import LINE, Book, WalletLife

Books = Mapping[str, Book]
Fields = tuple[object, ...]


def stated(book: Book) -> list[Fields]:
    return [
        (
            e.kind,
            e.amount,
            e.balance_after,
            e.occurred_at,
            e.source_id,
            sorted((p.lot_id or "", p.amount) for p in e.postings),
        )
        for e in book.entries
    ]


def numbers(book: Book) -> Fields:
    """What a wallet has and owes."""
    lots = frozenset(book.wallet.open_lots)
    return lots, frozenset(book.wallet.debts), book.wallet.balance, book.wallet.granted_total


def only_grows(before: Books, after: Books) -> None:
    """What an answer rested on is what came to be written."""
    for client, book in before.items():
        assert stated(after[client])[: len(book.entries)] == stated(book)


def nothing_changes(before: Books, after: Books) -> None:
    for client, book in before.items():
        assert stated(after[client]) == stated(book)
        assert numbers(after[client]) == numbers(book)


def alike(lives: Iterable[Books]) -> None:
    """Those that lived through the same tell the same, whenever their sweeps came by."""
    first, *others = lives
    for other in others:
        nothing_changes(first, other)


def each_wallet_is_lawful(life: WalletLife, books: Books) -> None:
    """As it is kept, with its bookings, and as it is once settled."""
    for book in books.values():
        assert breaches(book.kept, book.written, life.bookings.values()) == []
        assert breaches(book.wallet, book.entries) == []
        again = settle(untouched(book.wallet), life.now, life.settings[book.wallet.client_id])
        assert not again.entries, "what is settled has nothing left to settle"


def frozen_lots_pay_nothing(before: Books, after: Books) -> None:
    for client, book in before.items():
        frozen = {lot.lot_id for lot in book.wallet.open_lots if lot.frozen}
        for entry in after[client].entries[len(book.entries) :]:
            if entry.kind in {"spent", "repaid", "transferred_out"}:
                assert not frozen & {p.lot_id for p in entry.postings if p.amount < 0}, (
                    f"{entry.kind} from a frozen lot"
                )


def the_sum_stays(before: Books, after: Books) -> None:
    assert sum(b.wallet.balance for b in before.values()) == sum(b.wallet.balance for b in after.values())


def balance_becomes(client: str, wanted: Callable[[int], int]) -> Callable[[Books, Books], None]:
    def law(before: Books, after: Books) -> None:
        assert after[client].wallet.balance == wanted(before[client].wallet.balance)

    return law


def voided_credits_stay_gone(books: Books) -> None:
    for book in books.values():
        void = {posting.lot_id for entry in book.entries if entry.kind == "voided" for posting in entry.postings}
        assert not [lot.lot_id for lot in book.wallet.open_lots if lot.lot_id in void], "a voided lot has credits again"


def lots_made(book: Book) -> list[str]:
    """The lots that a wallet ever had, in the order in which they came."""
    made = (p.lot_id for entry in book.entries for p in entry.postings if p.facts and p.lot_id)
    return list(dict.fromkeys(made))


@dataclass
class Ends:
    """The ends that staff gave to lots: none of them is ever forgotten."""

    given: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def gave(self, client: str, lot_id: str, ends: datetime | None) -> None:
        self.given[client, lot_id] = ends or FOREVER

    def check(self, life: WalletLife) -> None:
        for (client, lot_id), end in self.given.items():
            lot = life.lot(client, lot_id)
            assert lot is not None, lot_id
            assert lot.end >= end, f"the end {end} of {lot_id} is lost"


def a_payment_stands_for_what_was_not_given_back(payment: PaymentRecord, books: Books) -> None:
    """What it brought less what was taken back of it is what it still stands for: more only where some of its
    credits had gone otherwise before they could be taken, or came too late, and never less."""
    entries = [entry for book in books.values() for entry in book.entries]
    own = [entry for entry in entries if entry.cause.ids.get("payment") == payment.payment_id]
    granted = [entry for entry in own if entry.kind == "granted"]
    brought = sum(entry.amount for entry in granted)
    taken = -sum(entry.amount for entry in own if entry.kind in {"clawed_back", "reinstated"})
    assert taken <= brought, f"more is taken back of {payment.payment_id} than it granted"
    stands, late = _stands_for(payment, granted)
    assert brought - taken >= stands, (payment.payment_id, brought, taken, stands)
    if not _gone_otherwise(payment, entries, _LOST | _USED if late else _LOST):
        assert brought - taken == stands, (payment.payment_id, brought, taken, stands)


def _stands_for(payment: PaymentRecord, granted: list[Entry]) -> tuple[int, int]:
    """Credits of it that nobody takes, of those that have come; and how many tranches came too late to count."""
    (grant,) = payment.grants
    part = given_back(payment).refunded / payment.paid
    if grant.plan is None:
        each = granted[0].amount
        return each - int(each * part), 0
    plan = grant.plan
    ended = min((each.at for each in payment.ends), default=FOREVER)
    months = (months_after(plan.starts, n, plan.starts.day) for n in range(plan.count))
    coming = max(1, sum(month < ended for month in months))
    in_time = min(coming, len(granted))
    never_come = plan.each * (plan.count - coming)
    taken = Fraction(max(0, int(plan.each * plan.count * part) - never_come), plan.each * coming)
    return plan.each * in_time - int(plan.each * in_time * taken), len(granted) - in_time


_LOST, _USED = frozenset({"expired", "voided", "adjusted"}), frozenset({"spent", "repaid"})


def _gone_otherwise(payment: PaymentRecord, entries: list[Entry], kinds: frozenset[str]) -> bool:
    key = payment_key(payment.payment_id, LINE)
    lots = {p.lot_id for entry in entries for p in entry.postings if p.facts and p.facts.payment == key}
    lost = (entry for entry in entries if entry.kind in kinds)
    return any(p.lot_id in lots and p.amount < 0 for entry in lost for p in entry.postings)
