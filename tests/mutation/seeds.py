"""Bugs as source patches, each with the few tests that must notice it.

A seed replaces one text, which must stand exactly once in its file, by another. When code moves on
and the text is gone, the seed is to be moved along, never dropped: the test fails until it is.
"""

from dataclasses import dataclass

UNIT, HISTORIES = "tests/unit", "tests/property/test_store_histories.py"
PUBLISHING = "tests/integration/test_publish_entries.py"
BOOKING_ORDER = "tests/integration/test_booking_order.py"
LATENESS = "tests/integration/test_memory_table_lateness.py"
MONEY_BACK, PLANS = f"{UNIT}/test_money_back.py", f"{UNIT}/test_plan_changes.py"
WON = f"{UNIT}/test_disputes_won.py"


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
        "domain/ledger/wallet.py",
        "self.effective_at <= at < self.end",
        "self.effective_at <= at <= self.end",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "burn order turned round",
        "domain/ledger/wallet.py",
        "key=lambda lot: (lot.priority, lot.end,",
        "key=lambda lot: (-lot.priority, lot.end,",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "held credits can be spent",
        "domain/ledger/wallet.py",
        "return lot.remaining - self.held(lot.lot_id, at)",
        "return lot.remaining",
        f"{UNIT}/test_deciding.py",
    ),
    Seed(
        "credits that debts wait for are available",
        "domain/ledger/wallet.py",
        "owed = debt.amount",
        "owed = 0",
        f"{UNIT}/test_wallet.py",
    ),
    Seed(
        "one debt more than max_negative",
        "domain/bookings/deciding.py",
        "owed > limit",
        "owed > limit + 1",
        f"{UNIT}/test_deciding.py",
    ),
    # -- settling
    Seed(
        "a lot lives on at its very end",
        "domain/ledger/settling.py",
        "open_lots if lot.end <= instant",
        "open_lots if lot.end < instant",
        f"{UNIT}/test_settling.py",
    ),
    Seed(
        "the newest debt is repaid first",
        "domain/ledger/settling.py",
        "in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref)):",
        "in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref), reverse=True):",
        f"{UNIT}/test_settling.py",
    ),
    Seed(
        "entries keep the number of the one before",
        "domain/ledger/entries.py",
        "sequence=wallet.sequence + 1,",
        "sequence=max(1, wallet.sequence),",
        f"{UNIT}/test_settling.py",
    ),
    # -- bookings
    Seed(
        "restoring fills the lot up",
        "domain/bookings/booking.py",
        "remaining = lot.remaining + payer.kept",
        "remaining = lot.granted",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "a debt names no rule",
        "domain/bookings/booking.py",
        "    if decision.rule:",
        "    if False:",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "the client's grace and the practice's are swapped",
        "domain/bookings/booking.py",
        "restore_grace_days_practice if by_practice else settings.restore_grace_days_client",
        "restore_grace_days_client if by_practice else settings.restore_grace_days_practice",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "a booking cancelled before it was created spends",
        "domain/bookings/booking.py",
        "return _begun(booking, event), Next.NOTE",
        "return _begun(booking, event), Next.SPEND",
        f"{UNIT}/test_booking.py",
    ),
    Seed(
        "a booking never spends for the client that is named later",
        "domain/bookings/booking.py",
        "if (named and booking.unidentified) or _newer",
        "if _newer",
        f"{UNIT}/test_booking.py",
        "names_the_client",
    ),
    Seed(
        "a refusal dated ahead blocks what comes before its date",
        "operations/bookings/spending.py",
        "event = replace(event, occurred_at=now, told_at=event.occurred_at)",
        "pass",
        BOOKING_ORDER,
        "refusal_dated",
    ),
    Seed(
        "a refusal dated ahead is tried again by each redelivery",
        "domain/bookings/booking.py",
        "repeated = (event.told_at or event.occurred_at) == booking.created_told_at",
        "repeated = False",
        BOOKING_ORDER,
        "refusal_dated",
    ),
    Seed(
        "a cancellation dated ahead is believed",
        "operations/bookings/spending.py",
        "event = replace(event, occurred_at=min(event.occurred_at, now))",
        "pass",
        BOOKING_ORDER,
        "far_date",
    ),
    Seed(
        "what Stripe dates ahead is believed",
        "stripe/work.py",
        "facts = not_ahead(facts, now)",
        "pass",
        f"{UNIT}/test_events_dated_ahead.py",
    ),
    Seed(
        "a wallet beyond a million credits cannot be lowered",
        "domain/ledger/entries.py",
        "max(MAX_CREDITS, abs(before.balance))",
        "MAX_CREDITS",
        f"{UNIT}/test_bounds.py",
    ),
    Seed(
        "a large wallet is stored as it is",
        "store/codec.py",
        "if len(written) < PACKED_FROM_BYTES:",
        "if True:",
        f"{UNIT}/test_bounds.py",
    ),
    Seed(
        "a list of bookings tells what other shards may still come before",
        "operations/queries/bookings.py",
        "if place >= horizon)",
        "if place)",
        "tests/integration/test_api_bookings.py",
        "far_apart",
    ),
    # -- grants, settings, ends
    Seed(
        "a package that does not renew grants every cycle",
        "domain/payments/granting.py",
        "once = self.package is not None and not self.package.renews_each_cycle",
        "once = False",
        f"{UNIT}/test_granting.py",
    ),
    Seed(
        "days end a day late",
        "domain/ledger/expiry.py",
        "day + timedelta(days=1), time.min",
        "day + timedelta(days=2), time.min",
        f"{UNIT}/test_expiry.py",
    ),
    # -- settings over time
    Seed(
        "what fell due in the past goes by today's settings",
        "domain/practice/dated_settings.py",
        "return self.now if passed == len(self._until) else self._held[passed]",
        "return self.now",
        "tests/property/test_settings_over_time.py",
        "late_doubled_and_absent",
    ),
    Seed(
        "a change of settings is no instant at which debts are repaid",
        "domain/ledger/settling.py",
        "return begins | lapses | changed",
        "return begins | lapses",
        f"{UNIT}/test_dated_settings.py",
    ),
    Seed(
        "a debt is repaid as of before the credits came",
        "domain/ledger/settling.py",
        "known = [each for each in (wallet.settled_at, reached) if each and wallet.open_lots and wallet.debts]",
        "known: list[datetime] = []",
        f"{UNIT}/test_dated_settings.py",
    ),
    Seed(
        "a tranche ends by the time zone of the day it is written",
        "domain/ledger/settling.py",
        "settings.at(tranches.comes_at(coming)).timezone",
        "settings.at(now).timezone",
        "tests/property/test_settings_over_time.py",
        "late_doubled_and_absent",
    ),
    # -- what is read
    Seed(
        "a decision rests on reads that may be late",
        "store/table.py",
        '"Keys": [_key(key) for key in keys], "ConsistentRead": True',
        '"Keys": [_key(key) for key in keys], "ConsistentRead": False',
        LATENESS,
    ),
    Seed(
        "a history is read that may be late",
        "store/table.py",
        '            "ConsistentRead": True,\n',
        '            "ConsistentRead": False,\n',
        LATENESS,
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
        "operations/payments/grant.py",
        "items = [writes.operation(self._practice_id, done)]\n        if decision",
        "items: list[Write] = []\n        if decision",
        HISTORIES,
        "payment_told_twice_grants_once",
    ),
    Seed(
        "the first outcome is worked out again",
        "operations/payments/lines.py",
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
        "operations/bookings/spending.py",
        "before = settled(store, [loaded.wallets[type_id]], now, settings, room)[type_id]\n        kind =",
        "before = Change(loaded.wallets[type_id], loaded.wallets[type_id])\n        kind =",
        HISTORIES,
        "first_writes_off",
    ),
    # -- money given back
    Seed(
        "a refund and a dispute of the same money take twice",
        "domain/payments/payment_record.py",
        "return min(self.paid, self._refunds + lost)",
        "return self._refunds + lost",
        f"{UNIT}/test_refunding.py",
    ),
    Seed(
        "a refund that failed still counts",
        "domain/payments/payment_record.py",
        "standing = sum(r.amount for r in self.refunds if r.status is not RefundStatus.FAILED)",
        "standing = sum(r.amount for r in self.refunds)",
        MONEY_BACK,
    ),
    Seed(
        "a charge's total is added to the refunds it sums up",
        "domain/payments/payment_record.py",
        "return max(standing, sum(p.refunded_total for p in self.paid_by) - failed)",
        "return standing + sum(p.refunded_total for p in self.paid_by) - failed",
        MONEY_BACK,
    ),
    Seed(
        "what is undone of a grant is rounded up",
        "domain/payments/clawing_back.py",
        "target = int(of.granted * part)",
        "target = -int(-of.granted * part // 1)",
        MONEY_BACK,
    ),
    Seed(
        "what was spent of a refunded payment is forgotten",
        "domain/payments/clawing_back.py",
        "short = max(0, of.spent - (of.granted - target))",
        "short = 0",
        MONEY_BACK,
    ),
    Seed(
        "credits that were given away are out of a refund's reach",
        "domain/payments/clawing_back.py",
        "for lot_id, facts in told.items() if facts.payment == key}",
        "for lot_id, facts in told.items() if facts.payment == key and not facts.parent}",
        MONEY_BACK,
        "given_to_another",
    ),
    Seed(
        "a debt that others repaid is not given back",
        "domain/payments/clawing_back.py",
        "change = refund - more_taken",
        "change = -more_taken",
        MONEY_BACK,
    ),
    Seed(
        "a cancellation owes nothing to a refund",
        "domain/bookings/booking.py",
        "follow = tuple(sorted(payment for payment in paid_with if payment in short and payment))",
        "follow = ()",
        MONEY_BACK,
    ),
    Seed(
        "credits that return during a dispute may be spent",
        "domain/bookings/booking.py",
        "wallet = wallet.with_lot(replace(lot, frozen=wallet.frozen_by(lot)))",
        "wallet = wallet.with_lot(replace(lot, frozen=()))",
        MONEY_BACK,
    ),
    Seed(
        "news of money are lost while nobody knows their payment",
        "domain/payments/payment_record.py",
        "refunds=_merged(record.refunds, money.refunds, _refund_key, _refund_order),",
        "refunds=record.refunds,",
        MONEY_BACK,
    ),
    # -- subscriptions
    Seed(
        "up, down and up again grants again",
        "domain/payments/subscriptions.py",
        "rise = max(0, sum(now.values()) - most)",
        "rise = max(0, sum(now.values()) - (most if instant == changes[0].at else 0))",
        PLANS,
    ),
    Seed(
        "what an upgrade has granted already is granted again",
        "operations/payments/grant.py",
        "more = {t: due.get(t, 0) - period.upgraded.get(t, 0) for t in self._decision.credits}",
        "more = {t: due.get(t, 0) for t in self._decision.credits}",
        PLANS,
    ),
    Seed(
        "a subscription rises from the dead",
        "domain/payments/subscriptions.py",
        "state = replace(state, ended_at=min(ends, default=None),",
        "state = replace(state, ended_at=news.ended_at,",
        PLANS,
    ),
    Seed(
        "a payment after the end counts when it is heard first",
        "operations/payments/subscriptions.py",
        "if state.ended_before(paid_at) and following.revoke(",
        "if False and following.revoke(",
        PLANS,
    ),
    Seed(
        "a subscription stays frozen though it was paid",
        "domain/payments/subscriptions.py",
        "return self.paid_at is None or self.paid_at < self.status_at",
        "return True",
        PLANS,
    ),
    Seed(
        "tranches go on after the end",
        "domain/ledger/tranches.py",
        "if starts_of(coming, n) < ended.at), default=0)",
        "if starts_of(coming, n)), default=0)",
        PLANS,
    ),
    Seed(
        "more rolls over than the cap",
        "domain/ledger/rolling.py",
        "        left -= part\n",
        "",
        f"{UNIT}/test_rolling.py",
    ),
    # -- events out, and what fails for good
    Seed(
        "another fact under the same number has the same event id",
        "domain/ledger/entries.py",
        'return derived_id("ent", *place, self.source_id)',
        'return derived_id("ent", *place)',
        f"{UNIT}/test_recording.py",
    ),
    Seed(
        "recorded_at falls with the clock",
        "domain/ledger/entries.py",
        "recorded_at = max(act.now, self.wallet.last_at or act.now)",
        "recorded_at = act.now",
        f"{UNIT}/test_recording.py",
    ),
    Seed(
        "an event that the bus will never take blocks the shard",
        "publishing/bus.py",
        "if code in _NEVER:",
        "if False and code in _NEVER:",
        PUBLISHING,
        "never_take",
    ),
    Seed(
        "a record is set aside before those in front of it are published",
        "publishing/bus.py",
        "            self.flush()  # what came before goes first",
        "            # what came before goes first",
        PUBLISHING,
        "could_not_be_set_aside",
    ),
    Seed(
        "one object that fails for good ends the run",
        "stripe/reconciling.py",
        "            return Finding(kind, found.object_id, Verdict.SET_ASIDE, _why(error))",
        "            raise",
        "tests/integration/test_reconcile.py",
        "cannot_be_read_sets_one_object_aside",
    ),
    # -- what the API tells, and what one answer costs
    Seed(
        "a client is told of a booking that may be another's",
        "http/schemas/credits.py",
        'booking_id=ids.get("booking_id") if booked else None,',
        'booking_id=ids.get("booking_id"),',
        "tests/integration/test_api_own_view.py",
        "only_of_a_booking",
    ),
    Seed(
        "settling makes what staff saw out of date",
        "domain/ledger/adjusting.py",
        "if not stored.version - stored.settlings <= seen <= stored.version:",
        "if seen != stored.version:",
        "tests/integration/test_api_edits.py",
        "sweep_settled or settled_itself",
    ),
    Seed(
        "an e-mail that a token names stands in entries",
        "http/request.py",
        "subject if is_id(subject) else",
        "subject if subject else",
        "tests/integration/test_api_staff_names.py",
        "keyed_hash",
    ),
    Seed(
        "a list without a match reads all that exists",
        "operations/queries/clients.py",
        "if self.left <= 0 and found:",
        "if False and found:",
        "tests/integration/test_api_client_lists.py",
        "too_long",
    ),
    # -- parked payments and the sweep
    Seed(
        "parked payments share a client's partition",
        "store/keys.py",
        'return f"{practice_id}#parked#{parked_id}", "parked"',
        'return f"{practice_id}#parked", parked_id',
        "tests/property/test_keys.py",
    ),
    Seed(
        "a grant leaves its parked payment to be closed by another transaction",
        "operations/payments/grant.py",
        "if parked := self._parked():",
        "if (parked := self._parked()) and False:",
        f"{UNIT}/test_parked_payments.py",
        "closes or last_that_was_missing",
    ),
    Seed(
        "a payment that was parked is not looked at again",
        "operations/payments/paying.py",
        "ROUNDS = 3 ",
        "ROUNDS = 1 ",
        f"{UNIT}/test_parked_payments.py",
        "just_after_its_link or while_its_payment",
    ),
    Seed(
        "a request tries all that waits",
        "operations/payments/replaying.py",
        "here = parked_ids[:room]",
        "here = parked_ids",
        f"{UNIT}/test_parked_payments.py",
        "grants_twenty",
    ),
    Seed(
        "one bad wallet stops its shard",
        "operations/sweeping.py",
        "if is_unavailable(error):",
        "if is_unavailable(error) or True:",
        f"{UNIT}/test_sweeping.py",
        "stops_no_other",
    ),
    Seed(
        "a refund told of a second payment is retried for ever",
        "operations/payments/money_back.py",
        "if now.version == record.version:",
        "if False:",
        MONEY_BACK,
        "told_of_two_payments",
    ),
    Seed(
        "what expired in a dispute that was won stays gone",
        "domain/payments/clawing_back.py",
        "    grant = books.come_back(pairs, grant, of)\n",
        "",
        WON,
    ),
    Seed(
        "times of disputes that overlap count twice",
        "domain/payments/disputing.py",
        "if found and wait.opened <= found[-1].closed:",
        "if False:",
        WON,
    ),
    Seed(
        "the cycle's own end forgets what a dispute put off",
        "domain/ledger/rolling.py",
        "ends = cycle.ends + timedelta(seconds=lot.paused_seconds)",
        "ends = cycle.ends",
        WON,
    ),
    Seed(
        "what a failed refund took ends as it would have",
        "domain/payments/returning.py",
        "expires_at=lot.end + lasted,",
        "expires_at=lot.end,",
        WON,
    ),
    Seed(
        "credits that returned to who repaid a debt count as spent",
        "domain/payments/clawing_back.py",
        "    spent -= sum(posting.amount for entry in ledger",
        "    spent -= sum(0 * posting.amount for entry in ledger",
        WON,
    ),
)
