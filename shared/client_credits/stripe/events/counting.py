"""Which lines of an invoice count together, and for how many.

Stripe writes one line for each tier of a price, for its flat fee and for units that are taken back. The
lines of one subscription item and period are one thing that was paid for; so are those of its prorations,
what is given back apart from what is charged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from client_credits.domain.payments.facts import PaymentLine, Trial


@dataclass(frozen=True, slots=True)
class Read:
    """A line of an invoice as it stands there. `quantity` is None where it does not say."""

    line: PaymentLine
    quantity: int | None

    @property
    def gives_back(self) -> bool:
        return self.line.gives_back


def counted(read: Sequence[Read], *, complete: bool = True) -> tuple[PaymentLine, ...]:
    """What an invoice is for, in the order of its lines.

    Prorations apart, a line below zero takes its quantity and amount away from the other lines of its
    price, and counts no further. Where the event has only the first lines (`complete` is false), the
    item of the last of them is left out: the next lines may belong to it.
    """
    cut = read[-1].line.subscription_item if read and not complete else None
    given_back = [each for each in read if each.gives_back and not each.line.proration]
    groups: dict[tuple[object, ...], list[Read]] = {}
    for each in read:
        if each not in given_back and not (cut and each.line.subscription_item == cut):
            groups.setdefault(_together(each), []).append(each)
    lines = [_sum(group) for group in groups.values()]
    for each in given_back:
        lines = _without(lines, each)
    return tuple(lines)


def _together(each: Read) -> tuple[object, ...]:
    line = each.line
    if line.subscription_item is None and not (line.proration and line.price):
        return (line.line_id,)
    of = line.subscription, line.subscription_item, line.price
    return *of, line.proration, each.gives_back, line.period_start, line.period_end


def _sum(group: list[Read]) -> PaymentLine:
    """One line for all of them; one without a quantity counts one alone, and none beside others."""
    if len(group) == 1:
        return replace(group[0].line, quantity=1 if group[0].quantity is None else group[0].quantity)
    first, *others = sorted((each.line for each in group), key=lambda line: line.line_id)
    return replace(
        first,
        quantity=sum(each.quantity or 0 for each in group),
        amount=sum(each.line.amount for each in group),
        charged=sum(each.line.worth for each in group),
        trial=_trial((first, *others)),
        also=tuple(line.line_id for line in others),
    )


def _trial(lines: Iterable[PaymentLine]) -> Trial:
    """A line that costs nothing beside one that does is a free tier."""
    each = list(lines)
    trials = {line.trial for line in each} if not any(line.amount for line in each) else set()
    return next((trial for trial in (Trial.YES, Trial.UNKNOWN) if trial in trials), Trial.NO)


def _without(lines: list[PaymentLine], returned: Read) -> list[PaymentLine]:
    """The lines with the returned units taken away from those of their price."""
    units = left = 1 if returned.quantity is None else returned.quantity
    found = []
    for line in lines:
        same = not line.proration and line.price is not None and line.price == returned.line.price
        taken = min(left, line.quantity) if same else 0
        left -= taken
        found.append(_less(line, returned.line, taken, units) if taken else line)
    return found


def _less(line: PaymentLine, returned: PaymentLine, taken: int, units: int) -> PaymentLine:
    """The line with `taken` of the `units` of another, which is below zero, taken away."""
    amount, worth = (total * taken // units for total in (returned.amount, returned.worth))
    left = line.quantity - taken
    return replace(line, quantity=left, amount=max(0, line.amount + amount), charged=max(0, line.worth + worth))
