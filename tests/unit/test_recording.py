"""How entries are named, and when they say that they were recorded."""

from dataclasses import replace

from tests.support.builders import HOUR, NOW, a_lot, a_wallet, an_act
from tests.support.records import an_entry

from client_credits.domain.ledger.entries import EntryKind, Posting, untouched
from client_credits.domain.ledger.wallet import Wallet
from client_credits.store import writes
from client_credits.store.writes import sortable

SPENT = (Posting(-1, lot_id="lot-1"),)


def after(wallet: Wallet, hours: int) -> Wallet:
    """The wallet once an operation has spent a credit, at a clock so many hours from now."""
    change = untouched(wallet)
    lot = wallet.lots[0]
    spent = wallet.with_lot(replace(lot, remaining=lot.remaining - 1))
    return change.record(spent, EntryKind.SPENT, an_act(NOW + hours * HOUR), SPENT).wallet


def test_recorded_at_never_falls_though_the_second_operations_clock_is_behind() -> None:
    first = after(a_wallet(a_lot(remaining=3)), hours=2)
    change = untouched(first)
    spent = first.with_lot(replace(first.lots[0], remaining=1))
    change = change.record(spent, EntryKind.SPENT, an_act(NOW), SPENT)
    (entry,) = change.entries
    assert (entry.occurred_at, entry.recorded_at) == (NOW, NOW + 2 * HOUR)
    assert change.wallet.last_at == NOW + 2 * HOUR


def test_a_wallet_remembers_when_its_newest_entry_was_recorded() -> None:
    wallet = a_wallet(a_lot(remaining=3))
    assert wallet.last_at is None
    wallet = after(wallet, hours=1)
    assert wallet.last_at == NOW + HOUR
    assert after(wallet, hours=3).last_at == NOW + 3 * HOUR


def test_lists_see_when_a_wallet_last_moved_and_an_entry_was_recorded() -> None:
    moved = writes.wallet(after(a_wallet(a_lot(remaining=3)), hours=1), None)["Put"]["Item"]
    assert moved["last_at"] == {"S": sortable(NOW + HOUR)}
    assert "last_at" not in writes.wallet(a_wallet(), None)["Put"]["Item"]
    recorded = writes.entry(an_entry(recorded_at=NOW + HOUR))["Put"]["Item"]
    assert recorded["recorded_at"] == {"S": sortable(NOW + HOUR)}


def test_an_entry_keeps_its_name_and_another_fact_under_its_number_has_another() -> None:
    assert an_entry(7, source_id="a").entry_id == an_entry(7, source_id="a", amount=-1).entry_id
    named = {
        an_entry(7, source_id="a").entry_id,
        an_entry(7, source_id="b").entry_id,
        an_entry(8, source_id="a").entry_id,
        an_entry(7, source_id="a", client_id="c2").entry_id,
        an_entry(7, "initial", source_id="a").entry_id,
        an_entry(7, source_id="a", practice_id="p2").entry_id,
    }
    assert len(named) == 6
