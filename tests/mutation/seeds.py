"""Bugs as source patches, each with the few tests that must notice it.

A seed replaces one text, which must stand exactly once in its file, by another. When code moves on
and the text is gone, the seed is to be moved along, never dropped: the test fails until it is.
"""

from dataclasses import dataclass

UNIT, HISTORIES = "tests/unit", "tests/property/test_store_histories.py"


@dataclass(frozen=True)
class Seed:
    """`tests` are paths, `only` a pytest -k expression over them (empty: all of them)."""

    bug: str
    file: str
    old: str
    new: str
    tests: str
    only: str = ""


SEEDS = (
    # -- the wallet and its numbers
    Seed(
        "a lot is usable at its very end",
        "domain/wallet.py",
        "self.effective_at <= at < self.end",
        "self.effective_at <= at <= self.end",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "burn order turned round",
        "domain/wallet.py",
        "key=lambda lot: (lot.priority, lot.end,",
        "key=lambda lot: (-lot.priority, lot.end,",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "held credits can be spent",
        "domain/wallet.py",
        "return lot.remaining - self.held(lot.lot_id, at)",
        "return lot.remaining",
        f"{UNIT}/test_deciding.py",
    ),
    Seed(
        "credits that debts wait for are available",
        "domain/wallet.py",
        "owed = debt.amount",
        "owed = 0",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "one debt more than max_negative",
        "domain/deciding.py",
        "owed > limit",
        "owed > limit + 1",
        f"{UNIT}/test_deciding.py",
    ),
    # -- settling
    Seed(
        "a lot lives on at its very end",
        "domain/settling.py",
        "lot.remaining and lot.end <= instant",
        "lot.remaining and lot.end < instant",
        f"{UNIT}/test_settling.py",
    ),
    Seed(
        "the newest debt is repaid first",
        "domain/settling.py",
        "in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref)):",
        "in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref), reverse=True):",
        f"{UNIT}/test_settling.py",
    ),
    Seed(
        "entries keep the number of the one before",
        "domain/entries.py",
        "sequence=wallet.sequence + 1,",
        "sequence=max(1, wallet.sequence),",
        f"{UNIT}/test_settling.py",
    ),
    # -- bookings
    Seed(
        "restoring fills the lot up",
        "domain/booking.py",
        "remaining = lot.remaining + payer.amount",
        "remaining = lot.granted",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "a debt names no rule",
        "domain/booking.py",
        "    if decision.rule:",
        "    if False:",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "the client's grace and the practice's are swapped",
        "domain/booking.py",
        "restore_grace_days_practice if by_practice else settings.restore_grace_days_client",
        "restore_grace_days_client if by_practice else settings.restore_grace_days_practice",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "a booking cancelled before it was created spends",
        "domain/booking.py",
        "return _begun(booking, event), Next.NOTE",
        "return _begun(booking, event), Next.SPEND",
        f"{UNIT}/test_booking.py",
    ),
    # -- grants, settings, ends
    Seed(
        "a package that does not renew grants every cycle",
        "domain/granting.py",
        "once = self.package is not None and not self.package.renews_each_cycle",
        "once = False",
        f"{UNIT}/test_granting.py",
    ),
    Seed(
        "days end a day late",
        "domain/expiry.py",
        "day + timedelta(days=1), time.min",
        "day + timedelta(days=2), time.min",
        f"{UNIT}/test_expiry.py",
    ),
    # -- what is stored
    Seed(
        "a record is written over whatever version stands there",
        "store/writes.py",
        '["ConditionExpression"] = "version = :seen"',
        '["ConditionExpression"] = "version <> :seen OR version = :seen"',
        HISTORIES,
        "profile_saved_while or types_put_at_once",
    ),
    Seed(
        "records are written over those that stand there",
        "store/writes.py",
        'ABSENT = "attribute_not_exists(pk)"',
        'ABSENT = "attribute_not_exists(pk) OR attribute_exists(pk)"',
        HISTORIES,
        "told_twice_at_once",
    ),
    Seed(
        "no operation record is written",
        "operations/payments.py",
        "items = [writes.operation(practice_id, done)]\n    if decision",
        "items = []\n    if decision",
        HISTORIES,
        "payment_told_twice_grants_once",
    ),
    Seed(
        "the first outcome is worked out again",
        "operations/payments.py",
        "done = loaded.operations.get(decision.source_id)",
        "done = None",
        HISTORIES,
        "payment_told_twice_grants_once",
    ),
    Seed(
        "the index of what falls due stays empty",
        "store/writes.py",
        '    if due_at:\n        attributes["due_shard"]',
        '    if False:\n        attributes["due_shard"]',
        HISTORIES,
        "found_by_the_sweep_once",
    ),
    Seed(
        "a repaid booking does not learn who paid it",
        "operations/committing.py",
        "items += _repaid_bookings(store, change, own_booking)",
        "items += []",
        HISTORIES,
        "becomes_the_bookings_payer",
    ),
    Seed(
        "a spend forgets to settle first",
        "operations/bookings.py",
        "before = settled(store, [loaded.wallets[type_id]], now, settings, room)[type_id]\n        kind =",
        "before = Change(loaded.wallets[type_id], loaded.wallets[type_id])\n        kind =",
        HISTORIES,
        "first_writes_off",
    ),
)
