"""A balance brought from another system, as one change of one wallet."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import DAY, NOW, a_debt, a_lot, a_wallet, an_act

from client_credits.domain.ledger.entries import Cause, CauseKind, Change, EntryKind, untouched
from client_credits.domain.ledger.importing import Brought, bring_balance
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, Value
from client_credits.domain.practice.settings import Settings

SOON, LATE = NOW + 10 * DAY, NOW + 90 * DAY
ACT = replace(an_act(source_id="import/f/2"), cause=Cause(CauseKind.IMPORT, {"file": "f", "line": "2"}))


def brought(wallet: object, *rows: Brought) -> Change:
    settled = settle(untouched(wallet), NOW, Settings())  # type: ignore[arg-type]
    return bring_balance(settled, rows, ACT, Settings(), 100)


def lots(change: Change) -> list[tuple[int, object]]:
    return [(lot.remaining, lot.expires_at) for lot in change.wallet.open_lots if lot.source == "imported"]


def test_each_row_is_a_lot_of_one_entry() -> None:
    change = brought(a_wallet(), Brought(3, SOON, Value(9_000, "eur", 3)), Brought(2))
    assert lots(change) == [(2, None), (3, SOON)]
    assert [(entry.kind, entry.amount, len(entry.postings)) for entry in change.entries] == [(EntryKind.GRANTED, 5, 2)]
    assert {lot.granted: lot.value for lot in change.wallet.open_lots} == {2: None, 3: Value(9_000, "eur", 3)}


def test_what_is_there_counts_for_the_rows_that_end_first() -> None:
    here = a_wallet(a_lot("own", 2))
    change = brought(here, Brought(3, SOON, Value(10_000, "eur", 3)), Brought(4, LATE))
    assert lots(change) == [(4, LATE), (1, SOON)]
    assert [lot.value for lot in change.wallet.open_lots if lot.expires_at == SOON] == [Value(3_333, "eur", 1)]
    assert change.wallet.balance == 7


def test_the_same_balance_changes_nothing() -> None:
    assert not brought(a_wallet(a_lot("own", 3)), Brought(1), Brought(2, SOON)).made


def test_too_much_is_taken_and_below_zero_is_owed() -> None:
    change = brought(a_wallet(a_lot("own", 3)), Brought(-2))
    assert (change.wallet.balance, change.wallet.debt) == (-2, 2)
    assert [(entry.kind, entry.amount) for entry in change.entries] == [(EntryKind.ADJUSTED, -5)]


def test_what_is_owed_is_repaid_by_one_entry_and_comes_on_top() -> None:
    change = brought(a_wallet(debts=(a_debt("b1", 2), a_debt("b2", 2))), Brought(3, SOON), Brought(1, LATE))
    assert (change.wallet.balance, change.wallet.debt) == (4, 0)
    assert [(entry.kind, entry.amount) for entry in change.entries] == [(EntryKind.GRANTED, 8), (EntryKind.REPAID, 0)]
    assert {repayment.booking_id for repayment in change.repayments} == {"b1", "b2"}


AMOUNTS = st.integers(0, 5)
ENDS = st.sampled_from([None, SOON, LATE])


@given(
    st.lists(st.builds(Brought, AMOUNTS, ENDS), min_size=1, max_size=4),
    st.lists(AMOUNTS, max_size=3),
    st.lists(st.integers(1, 4), max_size=3),
)
def test_the_balance_becomes_the_sum_of_the_rows_and_each_kind_has_one_entry(
    rows: list[Brought], held: list[int], owed: list[int]
) -> None:
    own: list[Lot] = [a_lot(f"lot{number}", amount) for number, amount in enumerate(held) if amount]
    debts = tuple(a_debt(f"b{number}", amount) for number, amount in enumerate(owed))
    wallet = a_wallet(*own, debts=debts)
    change = brought(wallet, *rows)
    assert change.wallet.balance == sum(row.amount for row in rows)
    assert all(lot.remaining >= 0 for lot in change.wallet.lots)
    own_kinds = [entry.kind for entry in change.entries if entry.source_id == ACT.source_id]
    assert len(set(own_kinds)) == len(own_kinds)
