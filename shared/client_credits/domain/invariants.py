"""What holds of stored credits, whatever happened to them: the laws as checks on one wallet's records.

Reads a wallet, all its entries and, where at hand, the bookings it paid; knows no rule of any operation,
so it judges what operations wrote. A kind of entry it does not know is held to what binds every kind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.domain.dates import FOREVER
from client_credits.domain.ledger.entries import Entry, Posting
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.authorizations import Authorization


class Law(StrEnum):
    CONSERVATION = "conservation"  # entries = remaining lots - debts = the balance
    LOT = "lot"  # a lot holds what its postings say, from 0 to what it was granted; held is a part of that
    DEBT = "debt"  # a debt is what its postings say, never below 0
    RULED_DEBT = "ruled_debt"  # a spend makes debt only by a rule that it names
    ONCE = "once"  # one source makes at most one entry of a kind in a wallet
    CHAIN = "chain"  # no gap in the sequence, each entry begins where the one before ended
    END = "end"  # nothing is spent from a lot at or after its end
    MOVE = "move"  # what rolls over leaves one lot and comes to another, whole; freezing moves nothing
    GRANTED = "granted"  # granted ever is what grants and staff's additions brought
    MERGED = "merged"  # a wallet that went to another client's has nothing left
    VISITS = "visits"  # visits used of an authorisation = covered bookings whose visit did not return
    BOOKING = "booking"  # a booking returns no more than it took and knows who paid it


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken law: where (`practice/client/type`, and what of it) and how. No personal data."""

    law: Law
    where: str
    detail: str


Found = Iterator[tuple[Law, str, str]]
Postings = Sequence[tuple[Entry, Posting]]


def breaches(
    wallet: Wallet, entries: Iterable[Entry], bookings: Iterable[Booking] = (), taken_in: Iterable[Entry] = ()
) -> list[Breach]:
    """Every law that one wallet breaks; none when all is well.

    `entries` are all of the wallet's, in any order. `bookings` are those of the client; others are
    passed over, and without them the laws about bookings are checked as far as entries tell. `taken_in` are
    the entries of wallets that this one took in, those of each in order: its lots, debts and bookings began there.
    """
    ordered = sorted(entries, key=lambda entry: entry.sequence)
    every = [*taken_in, *ordered]
    postings = [(entry, posting) for entry in every for posting in entry.postings]
    own = [b for b in bookings if _paid_from(wallet, b)]
    found = (
        *_conservation(wallet, ordered),
        *_chain(wallet, ordered),
        *_once(ordered),
        *_lots(wallet, postings),
        *_debts(wallet, postings),
        *_ends(wallet, postings),
        *_moves(ordered),
        *_granted(wallet, postings),
        *_bookings(every, postings, own),
        *_gone(wallet),
    )
    place = f"{wallet.practice_id}/{wallet.client_id}/{wallet.appointment_type}"
    return [Breach(law, f"{place} {what}".rstrip(), detail) for law, what, detail in found]


def _paid_from(wallet: Wallet, booking: Booking) -> bool:
    kind = booking.session.appointment_type if booking.session and not booking.free else None
    here = wallet.merged_into is None and kind == wallet.appointment_type
    return here and booking.client_id in wallet.owners


def _conservation(wallet: Wallet, entries: Sequence[Entry]) -> Found:
    total = sum(entry.amount for entry in entries)
    if total != wallet.balance:
        yield Law.CONSERVATION, "", f"entries sum to {total}, lots less debts are {wallet.balance}"
    for entry in entries:
        posted = sum(posting.amount for posting in entry.postings)
        if posted != entry.amount:
            yield Law.CONSERVATION, f"#{entry.sequence}", f"{entry.amount} is posted as {posted}"


def _chain(wallet: Wallet, entries: Sequence[Entry]) -> Found:
    numbers, balance = [entry.sequence for entry in entries], 0
    if numbers != list(range(1, wallet.sequence + 1)):
        yield Law.CHAIN, "", f"{len(numbers)} entries up to {max(numbers, default=0)} of {wallet.sequence}"
    for entry in entries:
        before, after = entry.balance_before, entry.balance_after
        if before != balance or after != before + entry.amount:
            yield Law.CHAIN, f"#{entry.sequence}", f"{before} {entry.amount:+d} = {after} after {balance}"
        balance = after
    for earlier, later in pairwise(entries):
        if later.recorded_at < earlier.recorded_at:
            yield Law.CHAIN, f"#{later.sequence}", "recorded before the one before it"
    if entries and wallet.last_at != entries[-1].recorded_at:
        yield Law.CHAIN, "", "the wallet does not know when its newest entry was recorded"


def _once(entries: Sequence[Entry]) -> Found:
    for (source_id, kind), times in Counter((e.source_id, str(e.kind)) for e in entries).items():
        if times > 1:
            yield Law.ONCE, source_id, f"made {times} entries of kind {kind}"


def _lots(wallet: Wallet, postings: Postings) -> Found:
    granted: dict[str, int] = {}  # what brought a lot into being is its first posting
    remaining, held = Counter[str](), Counter[str]()
    for entry, posting in postings:
        if lot_id := posting.lot_id:
            granted.setdefault(lot_id, posting.amount)
            remaining[lot_id] += posting.amount
            if not 0 <= remaining[lot_id] <= granted[lot_id]:
                yield Law.LOT, lot_id, f"#{entry.sequence} leaves {remaining[lot_id]} of {granted[lot_id]}"
    for hold in wallet.holds:
        held.update(dict(hold.parts))
    for lot in wallet.lots:
        posted, brought = remaining.pop(lot.lot_id, 0), granted.get(lot.lot_id, 0)
        if (lot.remaining, lot.granted) != (posted, brought) or held[lot.lot_id] > posted:
            kept = f"{lot.remaining} of {lot.granted} with {held[lot.lot_id]} held"
            yield Law.LOT, lot.lot_id, f"{kept}, posted {posted} of {brought}"
    for lot_id in +remaining:
        yield Law.LOT, lot_id, f"gone from the wallet with {remaining[lot_id]} credits"


def _debts(wallet: Wallet, postings: Postings) -> Found:
    owed = Counter[str]()
    for entry, posting in postings:
        if ref := posting.debt:
            owed[ref] -= posting.amount
            if owed[ref] < 0:
                yield Law.DEBT, ref, f"#{entry.sequence} repays more than is owed"
            if entry.kind == "spent" and posting.amount < 0 and not entry.cause.ids.get("rule"):
                yield Law.RULED_DEBT, ref, f"#{entry.sequence} names no rule"
    for debt in wallet.debts:
        owed[debt.ref] -= debt.amount
    for ref, difference in owed.items():
        if difference:
            yield Law.DEBT, ref, f"postings say {difference:+d} against the wallet"


def _ends(wallet: Wallet, postings: Postings) -> Found:
    """A spend is decided when it is recorded; a repayment counts from the instant it fell due. Each against
    the lot's end as the entries before it tell, and the wallet's own lots end as the entries say."""
    ends: dict[str, datetime] = {}
    for entry, posting in postings:
        if posting.facts and posting.lot_id:
            ends[posting.lot_id] = posting.facts.end
        when = {"spent": entry.recorded_at, "repaid": entry.occurred_at}.get(entry.kind)
        if when is None or posting.amount >= 0 or "hold_id" in entry.cause.ids:
            continue  # a hold that lived may be captured from a lot that has ended since
        if when >= ends.get(posting.lot_id or "", FOREVER):
            yield Law.END, posting.lot_id or "", f"#{entry.sequence} takes from it at or after its end"
    for lot in wallet.lots:
        if lot.end != ends.get(lot.lot_id, FOREVER):
            yield Law.END, lot.lot_id, "ends otherwise than its entries tell"


def _gone(wallet: Wallet) -> Found:
    if wallet.merged_into and (wallet.lots or wallet.debts or wallet.holds or wallet.coming):
        yield Law.MERGED, "", f"something is left though it went to {wallet.merged_into}"


_STILL = frozenset({"rolled_over", "repaid", "extended", "frozen", "unfrozen", "covered"})  # amount 0


def _moves(entries: Sequence[Entry]) -> Found:
    for entry in entries:
        if entry.kind in _STILL and entry.amount:
            yield Law.MOVE, f"#{entry.sequence}", f"{entry.kind} changes the balance by {entry.amount}"
        if entry.kind in {"extended", "frozen", "unfrozen", "covered"} and any(p.amount for p in entry.postings):
            yield Law.MOVE, f"#{entry.sequence}", f"{entry.kind} moves credits"
        if entry.kind == "reinstated" and any(p.amount < 0 for p in entry.postings):
            yield Law.MOVE, f"#{entry.sequence}", "reinstated takes credits"
        if entry.kind == "rolled_over":
            left, came = Counter[str](), Counter[str]()
            for posting in entry.postings:
                place = came if posting.amount > 0 else left
                place[(posting.made_from if posting.amount > 0 else posting.lot_id) or ""] += abs(posting.amount)
            if left != came:
                yield Law.MOVE, f"#{entry.sequence}", f"left {dict(left)}, came {dict(came)}"


def _granted(wallet: Wallet, postings: Postings) -> Found:
    made: dict[str, tuple[str, int]] = {}  # a lot's first posting brought it; what returns to it was granted before
    for entry, posting in postings:
        if posting.lot_id:
            made.setdefault(posting.lot_id, (entry.kind, posting.amount))
    brought = sum(amount for kind, amount in made.values() if kind in {"granted", "adjusted"} and amount > 0)
    if brought != wallet.granted_total:
        yield Law.GRANTED, "", f"{wallet.granted_total} granted ever, entries brought {brought}"


def _bookings(entries: Sequence[Entry], postings: Postings, bookings: Sequence[Booking]) -> Found:
    taken, paid = Counter[str](), Counter[str]()  # not returned yet: in all, and by lots alone
    for entry in entries:
        booking_id = entry.cause.ids.get("booking_id", "")
        if entry.kind in {"spent", "restored", "forgiven"}:
            taken[booking_id] -= entry.amount
            paid[booking_id] -= sum(p.amount for p in entry.postings if p.lot_id)
            if taken[booking_id] < 0:
                yield Law.BOOKING, booking_id, f"#{entry.sequence} returns more than was spent"
    for entry, posting in postings:
        if entry.kind == "repaid" and posting.debt:
            paid[posting.debt] += posting.amount
    for booking in bookings:
        known, by_lots = sum(payer.kept for payer in booking.payers), paid[booking.booking_id]
        if booking.state is BookingState.BOOKED and known != by_lots:
            yield Law.BOOKING, booking.booking_id, f"knows payers of {known}, lots paid {by_lots}"


def visit_breaches(
    practice_id: str, authorizations: Iterable[Authorization], bookings: Iterable[Booking]
) -> list[Breach]:
    """Authorisations whose visits used are not the bookings that they cover, and those that are not there.

    `bookings` are all that may be covered by one of them.
    """
    standing = Counter(b.covered_by for b in bookings if b.covered_by and not b.visit_returned)
    known = {each.ref: each for each in authorizations}
    found = []
    for ref in (*known, *(each for each in standing if each not in known)):
        used = known[ref].visits_used if ref in known else None
        if used != standing[ref] or (used or 0) > known[ref].visits_authorized:
            where = f"{practice_id}/{ref.client_id} {ref.authorization_id}"
            found.append(Breach(Law.VISITS, where, f"{used} visits used, {standing[ref]} bookings are covered"))
    return found
