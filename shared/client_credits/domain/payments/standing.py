"""What a payment still stands for of what it granted, and what has come back to lots of it for its disputes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.clawing_back import taken_so_far, target_of
from client_credits.domain.payments.families import Family
from client_credits.domain.payments.payment_record import PaidGrant


@dataclass(frozen=True, slots=True)
class Standing:
    """`missing` are the credits of one grant that are paid for, not spent, and in no lot; `lots` are all that come
    from it. `revived` is what came back to the lots of each client for disputes."""

    missing: int
    lots: frozenset[str] = frozenset()
    revived: Counter[tuple[str, str]] = field(default_factory=Counter)


def standing_of(grant: PaidGrant, of: Family, part: Fraction, remaining: int, ends: tuple[Ended, ...]) -> Standing:
    """Granted less what is spent, was taken for refunds and is in its lots (`remaining`), never below 0.

    `part` (0 to 1) of it was refunded. What could not be taken for that so far is taken of what comes back; where
    nothing would stay, nothing is missing. Tranches that came too late count nothing.
    """
    _, target = target_of(grant, of, part, ends)
    taken, gone = taken_so_far(grant, of), of.spent + remaining
    stays = of.granted - max(target, taken) - gone
    return Standing(of.granted - taken - gone if stays > 0 else 0, of.lots, _revived(grant))


def _revived(grant: PaidGrant) -> Counter[tuple[str, str]]:
    return Counter({(part.client_id, part.lot_id): part.amount for part in grant.revived})


def returning(
    lost: Mapping[str, int], client_id: str, standings: Iterable[Standing], unpaid: Iterable[str]
) -> dict[str, int]:
    """What comes back to each of a client's lots: of what it lost, as much as its payment still stands for.

    Lots are served in the order of `lost`; `unpaid` are those that no payment stands behind: all they lost returns.
    """
    back = {lot_id: lost[lot_id] for lot_id in unpaid}
    for standing in standings:
        left = standing.missing
        for lot_id in lost:
            if lot_id in standing.lots:
                back[lot_id] = max(0, min(left, lost[lot_id] - standing.revived[client_id, lot_id]))
                left -= back[lot_id]
    return {lot_id: amount for lot_id, amount in back.items() if amount > 0}
