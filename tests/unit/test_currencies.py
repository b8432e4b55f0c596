"""Amounts are read and shown in the minor units of their currency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.currencies import is_currency, minor_units, money


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("120.50", "eur", 12_050), ("120", "eur", 12_000), ("1200", "jpy", 1_200), ("1.250", "kwd", 1_250)],
)
def test_an_amount_is_read_in_the_minor_units_of_its_currency(text: str, currency: str, amount: int) -> None:
    assert minor_units(text, currency) == amount


@pytest.mark.parametrize(
    "text", ["", "sNaN", "NaN", "Infinity", "1e999999999", "1e3", "1,50", "1_0", "\uff12", "0.001", "."]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount of eur"):
        minor_units(text, "eur")


def test_an_amount_finer_than_its_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="no amount of jpy"):
        minor_units("1200.50", "jpy")


@given(st.integers(-(10**12), 10**12), st.sampled_from(["eur", "jpy", "kwd"]))
def test_what_is_shown_is_read_as_the_same(amount: int, currency: str) -> None:
    shown, code = money(amount, currency).split()
    assert (minor_units(shown, currency), code) == (amount, currency.upper())


def test_a_currency_is_three_small_letters() -> None:
    assert [is_currency(text) for text in ("eur", "EUR", "euro", "EUROS !", "eur\n", "")] == [True, *[False] * 5]
