"""Currencies: how many minor units each has, and amounts of them as people write them."""

import re
from decimal import Decimal

# As Stripe counts amounts, which is how this system keeps them.
_WITHOUT_MINOR_UNITS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)
_WITH_THREE_DIGITS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
_CODE = re.compile(r"[a-z]{3}")
_AMOUNT = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")


def is_currency(text: str) -> bool:
    """Whether it looks like an ISO 4217 code in lower case."""
    return _CODE.fullmatch(text) is not None


def digits(currency: str) -> int:
    """How many decimal places an amount has: 2 for eur, 0 for jpy, 3 for kwd."""
    if currency in _WITHOUT_MINOR_UNITS:
        return 0
    return 3 if currency in _WITH_THREE_DIGITS else 2


def minor_units(text: str, currency: str) -> int:
    """An amount like `120.50` in minor units. Raises ValueError for what is none, or is finer than the currency."""
    minor = Decimal(text).scaleb(digits(currency)) if _AMOUNT.fullmatch(text) else None
    if minor is None or minor != minor.to_integral_value():
        raise ValueError(f"no amount of {currency}")
    return int(minor)


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: `-12.50 EUR`, `1200 JPY`."""
    places = digits(currency)
    units, rest = divmod(abs(amount), 10**places)
    decimals = f".{rest:0{places}}" if places else ""
    return f"{'-' if amount < 0 else ''}{units}{decimals} {currency.upper()}"
