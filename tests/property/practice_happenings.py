"""What may happen to a practice, each with its choices, and histories of it drawn by chance."""

from random import Random
from typing import Any

from hypothesis import strategies as st

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.payments.facts import DisputeStatus
from tests.property.practice_laws import PAID

OFTEN_C1 = ["c1", "c1", "c1", "c2"]
AGO = [0, 0, 0, 5]  # hours between the happening and its being said
HEARD = [True, True, True, True, False]  # at once; else only when something is heard again
WHICH = list(range(12))
LASTS = [None, 5, 50, 900]  # hours
# What may happen, each with its choices; a choice listed twice comes up twice as often.
HAPPENINGS: dict[str, dict[str, list[Any]]] = {
    "time_passes": {"hours": [1, 10, 30, 100, 800, 800]},
    "somebody_buys": {
        "client": OFTEN_C1,
        "offer": ["forever", "short", "monthly", "monthly", "year", "year", "spells"],
        "quantity": [1, 1, 2],
        "hours_ago": AGO,
        "stated": HEARD,
    },
    "a_session_is_booked": {
        "client": OFTEN_C1,
        "seats": [1, 1, 2, 4, 9],
        "ahead": [2, 20, 60, 200, 900],
        "hours_ago": AGO,
    },
    "a_booking_is_cancelled": {"which": WHICH, "by": [None, *CancelledBy], "hours_ago": AGO},
    "staff_add_or_take": {"client": OFTEN_C1, "amount": [1, 3, -1, -2, -9], "lasts": LASTS},
    "staff_replace_the_number": {"client": OFTEN_C1, "balance": [0, 1, 4, -2], "lasts": LASTS},
    "credits_are_given": {"giver": OFTEN_C1, "amount": [1, 1, 2, 3]},
    "an_edit_is_undone": {"client": OFTEN_C1, "which": WHICH},
    "an_edit_is_undone_at_once": {"client": OFTEN_C1, "amount": [1, 3, -1, -2, -9], "lasts": LASTS},
    "a_lot_is_extended": {"client": OFTEN_C1, "which": WHICH, "lasts": LASTS},
    "a_closure_is_made_up_for": {"hours_ago": [50, 900], "days": [3, 40], "revive": [True, True, False]},
    "leftovers_are_removed": {"client": [None, "c1", "c1", "c2"], "keep": [0, 1, 3]},
    "a_lot_is_voided": {"client": OFTEN_C1, "which": WHICH},
    "money_goes_back": {"which": WHICH, "amount": [1, 900, 4_500, 6_750, PAID], "hours_ago": AGO, "stated": HEARD},
    "a_refund_fails": {"which": WHICH},
    "a_dispute_is_opened": {"which": WHICH, "amount": [3_000, PAID]},
    "a_dispute_ends": {"which": WHICH, "status": [DisputeStatus.WON, DisputeStatus.LOST]},
    "a_subscription_ends": {"which": WHICH, "hours_ago": [0, 0, 800, 2_000], "stated": HEARD},
    "a_subscription_is_given_up": {"which": WHICH, "amount": [900, 4_500, 6_750], "refund_first": [True, False]},
    "a_subscription_is_past_due": {"which": WHICH, "paid_again": [True, False]},
    "a_setting_changes": {
        "after": [0, 100, 800],  # hours in which nothing else happens
        "client": [None, "c1", "c1"],
        "change": [
            *[("auto_repay", True), ("auto_repay", False)] * 3,
            ("auto_repay", None),
            *[("credit_must_cover", "booking")] * 2,
            ("credit_must_cover", "session"),
            ("restore_grace_days_client", 5),
            ("restore_grace_days_practice", 0),
            ("restore_on_cancel", False),
            ("restore_on_cancel", None),
            ("past_due", "freeze"),
            ("past_due", "freeze"),
            ("past_due", "keep"),
            ("max_negative", 2),
            ("allow_booking_without_credits", False),
            ("allow_booking_without_credits", None),
        ],
    },
    "a_debt_outlives_a_setting": {"client": OFTEN_C1, "repays": [True, True, False], "offer": ["year", "spells"]},
    "the_practice_moves": {
        "after": [0, 100, 800],
        "timezone": ["Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", None],
    },
    "something_is_heard_again": {"which": list(range(30))},
}
COMMON = [  # comes up so much more often
    *["time_passes"] * 4,
    *["somebody_buys"] * 2,
    *["a_session_is_booked"] * 5,
    *["a_booking_is_cancelled", "money_goes_back", "a_subscription_ends", "a_lot_is_extended", "the_practice_moves"],
    "an_edit_is_undone",
    *["a_setting_changes"] * 2,
]
STEPS = 25


def choosing(happening: str) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.sampled_from(choices) for name, choices in HAPPENINGS[happening].items()}


def a_history(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Hypothesis prefers what is simple; with so few runs chance is better."""
    chance = Random(seed)
    names = [*HAPPENINGS, *COMMON]
    chosen = ["somebody_buys", "somebody_buys", "a_session_is_booked", *(chance.choice(names) for _ in range(STEPS))]
    return [(name, {what: chance.choice(choices) for what, choices in HAPPENINGS[name].items()}) for name in chosen]
