"""Histories of a practice with all that may happen to credits, lived through three times at once.

One practice is swept whenever something falls due, one late and twice, one never: they answer alike after every
step, no law of a wallet is broken, and each operation keeps its own. Settings change at half past, all else
happens on the hour: a sweep in the very second of a change may come before it.
"""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import Phase, note
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.domain.payments.facts import (
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
)
from tests.property import practice_laws as laws
from tests.property.practice_happenings import a_history, choosing
from tests.property.practice_laws import PAID
from tests.property.practice_life import CLIENTS, KIND, PERIOD, Books, Life, late_and_doubled, never, whenever_due
from tests.support.builders import DAY, HOUR, NOW, a_line, a_payment, cancelled, created

Law = Callable[[Books, Books], None]


class PracticeMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32), report=st.sampled_from([False, False, False, True]))
    def open(self, seed: int, report: bool) -> None:
        chosen = {"clawback_shortfall": "report"} if report else {}
        self.lives = [Life(sweeps, **chosen) for sweeps in (whenever_due, late_and_doubled, never)]
        self.now, self.number = NOW, 0
        self.heard = laws.Money(owes=not report)
        self.ends = laws.Ends()
        self.news: list[Any] = []  # all that may be heard again
        self.unheard: list[Any] = []  # of these, what was kept back
        self.payments: list[Payment] = []
        self.booked: list[Any] = []
        self.refunds: list[tuple[str, Refund]] = []
        self.disputes: dict[str, Dispute] = {}
        self.cycles: dict[str, datetime] = {}  # when the paid cycles of a client's subscription end
        for name, drawn in a_history(seed):
            getattr(self, name)(**drawn)

    # -- one act in every practice -------------------------------------------------------------

    def everywhere(self, what: str, act: Callable[[Life], str], *also: Law) -> str:
        """Carries it out in every practice; `also` are laws of the operation on the books before and after it."""
        self.number += 1
        answers = set()
        for life in self.lives:
            before = life.books()
            answers.add(act(life))
            after = life.books()
            if after is not before:
                self.check(life, before, after, *also)
        note(f"{self.now:%d %b %H:%M} {what}: {answers}")
        laws.alike([life.books() for life in self.lives])
        (answer,) = answers
        return answer

    def check(self, life: Life, before: Books, after: Books, *also: Law) -> None:
        laws.only_grows(before, after)
        for law in also:
            law(before, after)
        laws.voided_credits_stay_gone(after)
        laws.each_wallet_is_lawful(life, [event.booking_id for event in self.booked])
        self.ends.check(life, after)
        self.heard.check(after)

    def tell(self, news: Any, stated: bool = True) -> None:
        self.news.append(news)
        if stated:
            self.hear(news)
        else:
            self.unheard.append(news)

    def hear(self, news: Any, *also: Law) -> None:
        self.heard.hear(news)
        self.everywhere(f"said {news}", lambda life: life.hear(news), *also)

    # -- what happens --------------------------------------------------------------------------

    @rule(**choosing("time_passes"))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.everywhere("time passes", lambda life: life.reach(self.now))

    @rule(**choosing("somebody_buys"))
    def somebody_buys(self, client: str, offer: str, quantity: int, hours_ago: int, stated: bool) -> None:
        paid_at = self.now - hours_ago * HOUR
        name, subscription, period = f"{len(self.payments)}", None, {}
        if offer == "monthly":
            starts = max(paid_at, self.cycles.get(client, paid_at))
            self.cycles[client] = starts + PERIOD
            subscription = f"sub_m_{client}"
            period = {"subscription_item": f"si_m_{client}", "period_start": starts, "period_end": starts + PERIOD}
        elif offer in {"year", "spells"}:
            subscription, ends = f"sub_{name}", paid_at.replace(year=paid_at.year + 1)
            period = {"subscription_item": f"si_{name}", "period_start": paid_at, "period_end": ends}
        line = a_line(price=f"price_{offer}", quantity=quantity, amount=PAID, **period)
        paid = {"paid_at": paid_at, "paid": PAID, "payment_intent": f"pi_{name}", "customer": None}
        payment = a_payment(f"in_{name}", line, client_id=client, subscription=subscription, **paid)
        self.payments.append(payment)
        self.tell(payment, stated)

    @rule(**choosing("a_session_is_booked"))
    def a_session_is_booked(self, client: str, seats: int, ahead: int, hours_ago: int) -> None:
        at = {"starts_at": self.now + ahead * HOUR, "occurred_at": self.now - hours_ago * HOUR}
        event = created(f"b{len(self.booked)}", client_id=client, appointment_type="follow-up", seats=seats, **at)
        self.booked.append(event)
        self.news.append(event)
        self.hear(event, laws.frozen_lots_pay_nothing)

    @rule(**choosing("a_booking_is_cancelled"))
    def a_booking_is_cancelled(self, which: int, by: CancelledBy | None, hours_ago: int) -> None:
        if self.booked:
            event = self.booked[which % len(self.booked)]
            at = self.now - hours_ago * HOUR
            self.tell(cancelled(event.booking_id, by, client_id=event.client_id, occurred_at=at))

    # -- what staff do -------------------------------------------------------------------------

    def end(self, lasts: int | None) -> datetime | None:
        return self.now + lasts * HOUR if lasts else None

    @rule(**choosing("staff_add_or_take"))
    def staff_add_or_take(self, client: str, amount: int, lasts: int | None) -> None:
        key, ends = f"adjust-{self.number}", self.end(lasts)

        def changed(before: Books, after: Books) -> None:
            assert after[client].wallet.balance == before[client].wallet.balance + amount

        asked = f"{client} {amount:+}"
        self.everywhere(asked, lambda life: life.adjust(client, amount, ends, key), changed)
        self.everywhere(f"{asked} again", lambda life: life.adjust(client, amount, ends, key), laws.nothing_changes)

    @rule(**choosing("staff_replace_the_number"))
    def staff_replace_the_number(self, client: str, balance: int, lasts: int | None) -> None:
        def is_so(_before: object, after: Books) -> None:
            assert after[client].wallet.balance == balance

        ends = self.end(lasts)
        if ends:  # lots of one end would go in the order of their names, which follow from versions here
            ends += timedelta(minutes=1 + self.number % 29)
        self.everywhere(f"{client} = {balance}", lambda life: life.replace(client, balance, ends), is_so)

    @rule(**choosing("credits_are_given"))
    def credits_are_given(self, giver: str, amount: int) -> None:
        key, receiver = f"give-{self.number}", CLIENTS[1 - CLIENTS.index(giver)]
        self.everywhere(
            f"{giver} gives {amount}",
            lambda life: life.transfer(giver, receiver, amount, key),
            laws.the_sum_stays,
            laws.frozen_lots_pay_nothing,
        )

    def undo(self, client: str, undone: Entry, *also: Law) -> str:
        key = f"undo-{self.number}"
        what = f"{client}'s {undone.kind} {undone.amount:+} is undone"
        answer = self.everywhere(what, lambda life: life.undo(client, undone.sequence, key), *also)
        again = lambda life: life.undo(client, undone.sequence, f"{key}-again")  # noqa: E731
        self.everywhere(f"{what} again", again, laws.nothing_changes)
        return answer

    @rule(**choosing("an_edit_is_undone"))
    def an_edit_is_undone(self, client: str, which: int) -> None:
        edits = [e for e in self.lives[0].books()[client].entries if e.kind in laws.UNDOABLE]
        if edits:
            undone = edits[which % len(edits)]
            self.undo(client, undone, laws.what_was_undone(undone))

    @rule(**choosing("an_edit_is_undone_at_once"))
    def an_edit_is_undone_at_once(self, client: str, amount: int, lasts: int | None) -> None:
        before = [life.books()[client] for life in self.lives]
        self.staff_add_or_take(client, amount, lasts)
        made = [e for e in self.lives[0].books()[client].entries if e.kind == "adjusted"][-1]
        assert self.undo(client, made, laws.what_was_undone(made)) == "done"
        for book, life in zip(before, self.lives, strict=True):
            laws.is_as_before(book, life.books()[client], lots_too=amount < 0)

    def pick(self, client: str, which: int) -> list[str] | None:
        """The same lot in every practice. Lots that staff made are named after versions there, so those made
        from them are passed over: which of two equal ones pays first follows from their names."""
        picked = []
        for life in self.lives:
            made = laws.made_lots(life.books()[client])
            lots = [lot_id for lot_id, facts in made.items() if facts.payment or not facts.parent]
            if not lots:
                return None
            picked.append(lots[which % len(lots)])
        return picked

    @rule(**choosing("a_lot_is_extended"))
    def a_lot_is_extended(self, client: str, which: int, lasts: int | None) -> None:
        picked, ends = self.pick(client, which), self.end(lasts)
        if not picked:
            return
        lots = dict(zip(map(id, self.lives), picked, strict=True))
        answer = self.everywhere(
            f"{client}'s lot {which} lasts until {ends}",
            lambda life: life.extend(client, lots[id(life)], ends),
            laws.the_sum_stays,
        )
        if answer == "done":
            for life, lot_id in zip(self.lives, picked, strict=True):
                self.ends.gave(life, client, lot_id, ends)

    @rule(**choosing("a_closure_is_made_up_for"))
    def a_closure_is_made_up_for(self, hours_ago: int, days: int, revive: bool) -> None:
        """All lots that end, or ended, since then end later; with `revive` what they lost so comes back."""
        key, asked = f"closure-{self.number}", ExtensionRule(None, KIND, self.now - hours_ago * HOUR, None, None, days)
        asked = dataclasses.replace(asked, revive=revive)
        what = f"what ends since {hours_ago} hours lasts {days} days longer{' or comes back' if revive else ''}"
        self.everywhere(what, lambda life: life.extend_all(asked, key), laws.what_came_back_had_expired)
        self.everywhere(f"{what} again", lambda life: life.extend_all(asked, key), laws.nothing_changes)

    @rule(**choosing("leftovers_are_removed"))
    def leftovers_are_removed(self, client: str | None, keep: int) -> None:
        key, asked = f"leftovers-{self.number}", LeftoversRule(client, None if client else KIND, keep=keep)

        def kept(before: Books, after: Books) -> None:
            for each in [client] if client else CLIENTS:
                assert laws.leftovers(after[each]) == min(keep, laws.leftovers(before[each]))

        what = f"{client or 'all'} keep {keep}"
        self.everywhere(what, lambda life: life.expire_leftovers(asked, key), kept, laws.frozen_lots_stay)
        self.everywhere(f"{what} again", lambda life: life.expire_leftovers(asked, key), laws.nothing_changes)

    @rule(**choosing("a_lot_is_voided"))
    def a_lot_is_voided(self, client: str, which: int) -> None:
        if picked := self.pick(client, which):
            lots = dict(zip(map(id, self.lives), picked, strict=True))
            self.everywhere(f"{client}'s lot {which} is void", lambda life: life.void(client, lots[id(life)]))

    # -- money and subscriptions -----------------------------------------------------------------

    def back(self, payment: Payment, stated: bool = True, **news: Any) -> None:
        about = {"payment_intent": payment.payment_intent, "occurred_at": self.now}
        self.tell(MoneyBack("evt", "own", "test", **about, **news), stated)

    @rule(**choosing("money_goes_back"))
    def money_goes_back(self, which: int, amount: int, hours_ago: int, stated: bool) -> None:
        payment = self.payments[which % len(self.payments)]
        at = max(self.now - hours_ago * HOUR, payment.paid_at)
        refund = Refund(f"re_{len(self.refunds)}", amount, RefundStatus.SUCCEEDED, at)
        self.refunds.append((payment.payment_id, refund))
        self.back(payment, stated, refunds=(refund,))

    @rule(**choosing("a_refund_fails"))
    def a_refund_fails(self, which: int) -> None:
        if self.refunds:
            payment_id, refund = self.refunds[which % len(self.refunds)]
            payment = next(each for each in self.payments if each.payment_id == payment_id)
            failed = Refund(refund.refund_id, refund.amount, RefundStatus.FAILED, self.now)
            self.back(payment, refunds=(failed,))

    @rule(**choosing("a_dispute_is_opened"))
    def a_dispute_is_opened(self, which: int, amount: int) -> None:
        payment = self.payments[which % len(self.payments)]
        if payment.payment_id not in self.disputes:
            dispute = Dispute(f"dp_{payment.payment_id}", amount, DisputeStatus.OPEN, self.now, self.now)
            self.disputes[payment.payment_id] = dispute
            self.back(payment, disputes=(dispute,))

    @rule(**choosing("a_dispute_ends"))
    def a_dispute_ends(self, which: int, status: DisputeStatus) -> None:
        standing = [p for p in self.payments if p.payment_id in self.disputes]
        if standing:
            payment = standing[which % len(standing)]
            known = self.disputes[payment.payment_id]
            if known.status is DisputeStatus.OPEN:
                ended = Dispute(known.dispute_id, known.amount, status, self.now, known.opened_at)
                self.disputes[payment.payment_id] = ended
                self.back(payment, disputes=(ended,))

    def subscriptions(self) -> list[str]:
        return sorted({p.subscription for p in self.payments if p.subscription})

    def about(self, subscription: str, status: SubscriptionStatus, at: datetime, stated: bool = True) -> None:
        ended_at = at if status is SubscriptionStatus.ENDED else None
        self.tell(SubscriptionNews("evt", "own", "test", at, subscription, status, ended_at), stated)

    @rule(**choosing("a_subscription_ends"))
    def a_subscription_ends(self, which: int, hours_ago: int, stated: bool) -> None:
        """Mostly after it was paid, though heard of later; at a quarter to, so that nothing else happens then."""
        if known := self.subscriptions():
            subscription = known[which % len(known)]
            paid_at = min(p.paid_at for p in self.payments if p.subscription == subscription)
            earliest = paid_at + HOUR if which % 4 else NOW
            at = max(self.now - hours_ago * HOUR, earliest) - timedelta(minutes=15)
            self.about(subscription, SubscriptionStatus.ENDED, min(at, self.now), stated)

    @rule(**choosing("a_subscription_is_given_up"))
    def a_subscription_is_given_up(self, which: int, amount: int, refund_first: bool) -> None:
        """It ends and some of its money goes back, said in either order."""
        paid = [number for number, payment in enumerate(self.payments) if payment.subscription]
        if not paid:
            return
        number = paid[which % len(paid)]
        subscription = self.subscriptions().index(str(self.payments[number].subscription))
        steps = [
            lambda: self.money_goes_back(number, amount, hours_ago=0, stated=True),
            lambda: self.a_subscription_ends(subscription, hours_ago=0, stated=True),
        ]
        for step in steps if refund_first else reversed(steps):
            step()

    @rule(**choosing("a_subscription_is_past_due"))
    def a_subscription_is_past_due(self, which: int, paid_again: bool) -> None:
        status = SubscriptionStatus.RUNNING if paid_again else SubscriptionStatus.PAST_DUE
        if known := self.subscriptions():
            self.about(known[which % len(known)], status, self.now)

    # -- settings, and what is heard again ----------------------------------------------------------

    @rule(**choosing("a_setting_changes"))
    def a_setting_changes(self, after: int, client: str | None, change: tuple[str, object]) -> None:
        self.time_passes(after)
        self.now += HOUR / 2
        self.everywhere("half past", lambda life: life.reach(self.now))
        self.everywhere(f"{client or 'all'}: {change}", lambda life: life.change(client, *change))
        self.now += HOUR / 2
        self.everywhere("the hour", lambda life: life.reach(self.now))

    @rule(**choosing("a_debt_outlives_a_setting"))
    def a_debt_outlives_a_setting(self, client: str, repays: bool, offer: str) -> None:
        """Credits come that could repay it, and nobody looks before the setting is another."""
        self.somebody_buys(client, offer, quantity=1, hours_ago=0, stated=True)
        self.staff_add_or_take(client, -9, None)
        self.a_setting_changes(0, None, ("auto_repay", repays))
        self.a_setting_changes(800, None, ("auto_repay", not repays))

    @rule(**choosing("the_practice_moves"))
    def the_practice_moves(self, after: int, timezone: str | None) -> None:
        self.a_setting_changes(after, None, ("timezone", timezone))

    @rule(**choosing("something_is_heard_again"))
    def something_is_heard_again(self, which: int) -> None:
        if self.news:
            self.hear(self.news[which % len(self.news)])

    def teardown(self) -> None:
        """All is known that was not; heard again, the newest first, it changes nothing; then years pass."""
        if not hasattr(self, "lives"):
            return
        for news in self.unheard:
            self.hear(news)
        unswept = self.lives[-1]
        for news in reversed(self.news):
            before = unswept.books()
            unswept.hear(news)
            laws.nothing_changes(before, unswept.books())
        self.now += 800 * DAY
        self.everywhere("years pass", lambda life: life.reach(self.now))


TestPracticeLife = PracticeMachine.TestCase
TestPracticeLife.settings = search(
    max_examples=max(32, search.default.max_examples // 4),
    stateful_step_count=4,
    phases=[Phase.generate],  # histories are short already; to shrink one on this engine takes minutes
)
