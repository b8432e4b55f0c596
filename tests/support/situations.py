"""A table of situations of a Stripe account, each with the entries that it leaves, written by hand.

situation = TABLE.row

@situation(("granted", 10))
def an_invoice_is_sent_by_hand(practice: StripePractice) -> None:
    practice.hear(practice.stripe.invoice("cus_1", "price_ten", metadata=ME))
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from client_credits.samples.stripe_account.checkout import VERSIONS
from tests.support.stripe_practice import StripePractice

CLOVER = "2025-09-30.clover"
SHAPES = tuple(sorted({*VERSIONS, CLOVER}))  # the versions in which every situation is played
BETWEEN = frozenset({"2024-06-20", CLOVER})  # they differ little from those before them


def in_tiers(versions: Iterable[str]) -> list[Any]:
    """The versions as parameters of a test: those between the oldest, Basil and the newest where all is proven."""
    return [pytest.param(each, marks=pytest.mark.prove) if each in BETWEEN else each for each in versions]


Entries = list[tuple[str, int]]
Happens = Callable[[StripePractice], None]
Left = tuple[Entries, Entries, tuple[str, ...]]


@dataclass(frozen=True)
class Situation:
    """What happens, and what the histories of follow-up and initial say afterwards."""

    happens: Happens
    follow_up: Entries
    initial: Entries = field(default_factory=list)
    parked: tuple[str, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def leaves(self) -> Left:
        return self.follow_up, self.initial, self.parked

    def played(self, version: str) -> Left:
        """What it leaves in an API version: the entries of follow-up and of initial, and why payments are parked."""
        practice = StripePractice(version, **dict(self.settings))
        self.happens(practice)
        return practice.entries(), practice.entries("initial"), tuple(practice.parked())


class Table(dict[str, Situation]):
    """Situations by what happens in them, in words."""

    def row(
        self,
        *follow_up: tuple[str, int],
        initial: Entries | None = None,
        parked: tuple[str, ...] = (),
        **settings: object,
    ) -> Callable[[Happens], Happens]:
        """The decorator that adds a function to the table, with what it leaves."""

        def named(happens: Happens) -> Happens:
            name = happens.__name__.replace("_", " ")
            assert name not in self, name
            self[name] = Situation(happens, list(follow_up), initial or [], parked, tuple(settings.items()))
            return happens

        return named
