"""All lots that descend from what one line of a payment granted, read off the entries of whoever had them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from client_credits.domain.ids import payment_key
from client_credits.domain.ledger.entries import CauseKind, Entry, EntryKind, LotFacts, Posting, facts_of
from client_credits.domain.ledger.tranches import WITHHELD, Ended, last_of, lot_id_of
from client_credits.domain.payments.payment_record import PaidGrant
from client_credits.domain.payments.returning import returns

SPENDING = frozenset({EntryKind.SPENT, EntryKind.REPAID, EntryKind.RESTORED})
_GOING = frozenset({EntryKind.EXPIRED, EntryKind.VOIDED, EntryKind.ADJUSTED})


@dataclass(frozen=True, slots=True)
class SoFar:
    """The tranches of a grant up to one of them: what they granted, what of that is spent, and what is gone
    otherwise: expired, voided, lowered."""

    granted: int
    spent: int
    gone: int

    def lost(self, part: Fraction) -> int:
        """What of the undone part of these tranches is gone: it is neither owed nor taken from later ones."""
        return max(0, self.gone - max(0, self.kept(part) - self.spent))

    def short(self, part: Fraction) -> int:
        """What is spent beyond what the client keeps of these tranches."""
        return max(0, self.spent - self.kept(part))

    def kept(self, part: Fraction) -> int:
        return self.granted - int(self.granted * part)


@dataclass(frozen=True, slots=True)
class Family:
    """All lots that descend from one grant: what it granted, and what of that is spent and not returned.

    `granted` counts what was withheld of tranches that came after a refund, which `withheld` is, by their lots.
    `kind` is what the grant's own lot is. Lots of tranches that came though their subscription had ended
    are `late` and count in nothing else; `late_spent` of them is spent. `earlier` are the tranches up to each
    but the newest.
    """

    granted: int
    spent: int
    lots: frozenset[str]
    kind: LotFacts
    withheld: tuple[tuple[str, int], ...] = ()
    late: frozenset[str] = frozenset()
    late_spent: int = 0
    earlier: tuple[SoFar, ...] = ()

    def lost(self, part: Fraction) -> int:
        """What of the undone part is gone with earlier tranches."""
        return max((so_far.lost(part) for so_far in self.earlier), default=0)

    def short(self, target: int, part: Fraction, known: int) -> int:
        """What is spent beyond what the client keeps. What is `known` as owed or reported stays so when a later
        tranche comes of which the client keeps something: with that it can be repaid."""
        before = max((so_far.short(part) for so_far in self.earlier), default=0)
        return max(0, self.spent + self.late_spent - (self.granted - target), min(known, before))


def family(payment_id: str, grant: PaidGrant, entries: Iterable[Entry], ends: Iterable[Ended] = ()) -> Family:
    """Reads the family off the entries of all wallets, of the grant's type, that have had its credits."""
    ledger = list(entries)
    roots = {"payment": payment_id, "line": grant.line_id}
    own = [e for e in ledger if e.kind is EntryKind.GRANTED and roots.items() <= e.cause.ids.items()]
    key = payment_key(payment_id, grant.line_id)
    made = [(p, entry) for entry in ledger for p in entry.postings if p.lot_id and p.facts]
    facts_by_lot = {str(p.lot_id): p.facts for p, _ in made if p.facts}
    too_late = [entry for entry in own if _is_late(entry, grant, ends)]
    late = _descendants(set(map(_own_lot, too_late)), facts_by_lot)
    lots = {lot_id for lot_id, facts in facts_by_lot.items() if facts.payment == key} - late
    in_time = [entry for entry in own if entry not in too_late]
    withheld = tuple((_own_lot(entry), kept) for entry in in_time if (kept := int(entry.cause.ids.get(WITHHELD, "0"))))
    spending = [posting for entry in ledger if entry.kind in SPENDING for posting in entry.postings]
    spending += [posting for entry in ledger for posting, _ in returns(entry)]
    spent, late_spent = (-sum(p.amount for p in spending if p.lot_id in group) for group in (lots, late))
    granted = sum(entry.amount for entry in in_time) + sum(kept for _, kept in withheld)
    kind = facts_of(grant.kind) if grant.kind else facts_by_lot[grant.lot_id]
    earlier = _earlier(grant, in_time, ledger, spending, facts_by_lot)
    return Family(granted, spent, frozenset(lots), kind, withheld, frozenset(late), late_spent, earlier)


def _own_lot(entry: Entry) -> str:
    """The lot that a tranche made, or would have made: what was withheld of it comes as one made from that."""
    made = next((posting.lot_id for posting in entry.postings if posting.lot_id), None)
    return made or lot_id_of(entry.source_id, entry.client_id, entry.appointment_type)


def _earlier(
    grant: PaidGrant,
    in_time: list[Entry],
    ledger: list[Entry],
    spending: list[Posting],
    facts_by_lot: Mapping[str, LotFacts],
) -> tuple[SoFar, ...]:
    """The tranches up to each but the newest."""
    spent, gone = Counter[str](), Counter({part.lot_id: -part.amount for part in grant.revived})
    for posting in spending:
        spent[str(posting.lot_id)] -= posting.amount
    for posting in (p for entry in ledger if _is_going(entry) for p in entry.postings):
        gone[str(posting.lot_id)] -= posting.amount
    found, so_far = [], SoFar(0, 0, 0)
    for entry in in_time[:-1]:
        lots = _descendants({_own_lot(entry)}, facts_by_lot)
        so_far = SoFar(
            so_far.granted + entry.amount + int(entry.cause.ids.get(WITHHELD, "0")),
            so_far.spent + sum(spent[lot_id] for lot_id in lots),
            so_far.gone + sum(gone[lot_id] for lot_id in lots),
        )
        found.append(so_far)
    return tuple(found)


def _is_going(entry: Entry) -> bool:
    """Whether credits went otherwise than by spending, or came back from that by an extension."""
    is_back = entry.kind is EntryKind.REINSTATED and entry.cause.kind is CauseKind.EXTENSION
    return is_back or entry.kind in _GOING


def _is_late(entry: Entry, grant: PaidGrant, ends: Iterable[Ended]) -> bool:
    """Whether a tranche came whose month starts at or after its subscription's end: as if it never had."""
    if grant.plan is None:
        return False
    if not grant.plan.later and any(posting.lot_id == grant.lot_id for posting in entry.postings):
        return False
    return int(entry.source_id.rsplit("/", 1)[1]) > last_of(grant.plan, ends)


def _descendants(lots: set[str], facts_by_lot: Mapping[str, LotFacts]) -> set[str]:
    """The lots with all that were made from them."""
    found: set[str] = set()
    while lots:
        found |= lots
        lots = {lot_id for lot_id, facts in facts_by_lot.items() if facts.parent in found} - found
    return found
