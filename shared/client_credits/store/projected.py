"""What the indexes show of wallets and bookings beside their bodies, in the shortest form that serves."""

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.wallet import Wallet


def next_expiry(of: Wallet) -> int | None:
    """In whole seconds since 1970, which take a quarter of the room of text."""
    ends = [lot.expires_at for lot in of.lots if lot.expires_at and lot.remaining]
    return int(min(ends).timestamp()) if ends else None


def package_mark(package_id: str) -> str:
    """What stands for a package in an index: 8 characters of its hash, for 500 ids in full would be 64 KB."""
    return derived_id("pkg", package_id)[4:12]


def packages_text(of: Wallet) -> str:
    """The marks of the packages of the lots that have credits, in order, with spaces between them."""
    return " ".join(sorted({package_mark(lot.package_id) for lot in of.open_lots if lot.package_id}))


def value(of: Wallet) -> str | None:
    """What was paid for the remaining credits, in minor units per currency, like `eur:1200 usd:500`."""
    worth: dict[str, int] = {}
    for lot in of.lots:
        if lot.value and lot.value.credits:
            part = lot.value.amount * lot.remaining // lot.value.credits
            worth[lot.value.currency] = worth.get(lot.value.currency, 0) + part
    return " ".join(f"{currency}:{amount}" for currency, amount in sorted(worth.items()) if amount) or None


def owner(of: Booking) -> str | None:
    """Whose credits pay: another's where any of them are, else the client's own."""
    return next((payer.owner for payer in of.payers if payer.owner != of.client_id), of.client_id)
