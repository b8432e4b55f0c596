"""What becomes of a line of a payment, and which of these wait for somebody."""

from enum import StrEnum


class LineFate(StrEnum):
    """What becomes of one payment line."""

    GRANT = "grant"
    UPGRADE = "upgrade"  # a change of plan: grants what its period's plans never came to so far
    STUB = "stub"  # an item that begins within an interval: grants its part
    NOT_RENEWING = "not_renewing"  # a later cycle of a package that grants once
    PRORATION = "proration"
    WITHIN_CYCLE = "within_cycle"  # bills use so far of a cycle that another payment is for
    TRIAL = "trial"  # a trial's zero line of a package that grants nothing for trials, or has granted for it
    TRIAL_NOT_KNOWN = "trial_not_known"  # a zero line, for a trial or for free: its subscription tells
    NO_QUANTITY = "no_quantity"
    DISMISSED = "dismissed"  # by staff, when it was parked
    UNKNOWN_PACKAGE = "unknown_package"
    PACKAGE_ARCHIVED = "package_archived"
    SUBSCRIPTION_ENDED = "subscription_ended"  # paid for after its subscription's end
    OTHER_ACCOUNT = "payment_of_another_account"  # one of that id was granted to another account of Stripe's
    WAITS_FOR_CYCLE = "waits_for_cycle"  # a change of plan whose period's own invoice is not known yet
    WAITS_FOR_INTERVAL = "waits_for_interval"  # a stub whose price's interval is not known yet
    TOO_MANY = "too_many_credits"
    NO_CYCLE = "no_cycle_to_end_with"
    OVER_LIMIT = "over_limit"  # beyond how often one client may buy the package
    NEEDS_LATER_RELEASE = "needs_later_release"  # what it depends on is stored in words that this release does not know


PARKED = frozenset(
    {
        LineFate.UNKNOWN_PACKAGE,
        LineFate.PACKAGE_ARCHIVED,
        LineFate.SUBSCRIPTION_ENDED,
        LineFate.OTHER_ACCOUNT,
        LineFate.TRIAL_NOT_KNOWN,
        LineFate.WAITS_FOR_CYCLE,
        LineFate.WAITS_FOR_INTERVAL,
        LineFate.TOO_MANY,
        LineFate.NO_CYCLE,
        LineFate.OVER_LIMIT,
        LineFate.NEEDS_LATER_RELEASE,
    }
)
