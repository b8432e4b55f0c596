"""A balance brought from another system: the wallet's balance becomes just what that system says.

Owns what an import does to one wallet. Which rows of which file say so is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.dates import FOREVER
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.adjusting import check_end, lowered, repaid_from, room_left
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, check_bounds
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, LotSource, Value
from client_credits.domain.practice.dated_settings import SettingsOverTime


@dataclass(frozen=True, slots=True)
class Brought:
    """Credits as the other system has them: how many (below zero: owed), their end, and what they were paid in all."""

    amount: int
    expires_at: datetime | None = None
    value: Value | None = None


def bring_balance(
    change: Change, brought: Sequence[Brought], act: Act, settings: SettingsOverTime, room: int
) -> Change:
    """Makes the balance of a settled wallet the sum of what is brought.

    What is missing comes as lots like those brought, the ones that end last first: what the wallet has already is
    taken for those that end sooner. One `granted` entry, which first repays what is owed. What is too much is taken
    like any lowering. The balance already being so changes nothing. Raises Invalid for an end that is not to come,
    LimitReached when the wallet would outgrow its bounds.
    """
    missing = sum(each.amount for each in brought) - change.wallet.balance
    if not missing:
        return change
    made = _added(change, _parts(brought, missing), act, room) if missing > 0 else lowered(change, -missing, act)
    made = settle(made, act.now, settings, act, limit=room_left(change, made, room))
    check_bounds(made)
    return made


def _parts(brought: Sequence[Brought], missing: int) -> list[Brought]:
    """So many of the credits brought, those that end last first; of a part the value is in proportion, rounded down.

    Where more is missing than they are together, since credits are owed here, the rest comes like the last of them.
    """
    parts = []
    for each in sorted(brought, key=lambda b: b.expires_at or FOREVER, reverse=True):
        taken = min(max(0, each.amount), missing)
        if taken:
            parts.append(replace(each, amount=taken, value=_part_of(each.value, taken)))
            missing -= taken
    if missing:
        parts.append(Brought(missing, max((b.expires_at or FOREVER for b in brought), default=FOREVER)))
    return parts


def _part_of(value: Value | None, credits: int) -> Value | None:
    return value and Value(value.amount * credits // value.credits, value.currency, credits)


def _added(change: Change, parts: Sequence[Brought], act: Act, room: int) -> Change:
    wallet, lots = change.wallet, []
    for number, part in enumerate(parts):
        end = None if part.expires_at in (None, FOREVER) else part.expires_at
        check_end(end, act.now)
        lot = Lot(
            lot_id=derived_id("lot", act.source_id, wallet.client_id, wallet.appointment_type, str(number)),
            granted=part.amount,
            remaining=part.amount,
            effective_at=act.now,
            expires_at=end,
            source=LotSource.IMPORTED,
            value=part.value,
        )
        lots.append(lot)
        wallet = wallet.with_lot(lot)
    wallet = replace(wallet, granted_total=wallet.granted_total + sum(lot.granted for lot in lots))
    postings = tuple(Posting(lot.granted, lot_id=lot.lot_id) for lot in lots)
    return repaid_from(change.record(wallet, EntryKind.GRANTED, act, postings), lots, act, room)
