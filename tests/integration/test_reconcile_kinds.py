"""Stripe against the ledger, kind by kind: sales by payment intents, credit notes, and how subscriptions stand."""

from dataclasses import replace
from typing import Any

import pytest
from tests.integration.test_reconcile import (
    DAY_SECONDS,
    ago,
    balance,
    compared,
    delivered,
    ours,
    server,
    verdicts,
)
from tests.support.api import Api
from tests.support.builders import NOW
from tests.support.stripe_server import (
    StripeServer,
    a_charge,
    a_credit_note,
    a_line,
    a_payment_intent,
    a_sale,
    a_subscription,
    an_event,
    an_invoice,
)

from client_credits.domain.payments.reconciliation import Finding, Verdict
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.stripe.api.queries import StripeKind

__all__ = ["ours", "server"]


# -- payment intents of the practice's own


def test_a_lost_sale_by_a_payment_intent_is_found_and_brought_in(ours: Api, server: StripeServer) -> None:
    server.add(a_sale("pi_1", ago()), a_charge("ch_pi_1", ago()))
    run = compared(ours, server)
    assert run.findings == (Finding("payment_intent", "pi_1", Verdict.MISSING, "three-pack grant"),)
    assert balance(ours) == 0
    assert compared(ours, server, repair=True).findings[0].repaired
    assert (balance(ours), compared(ours, server).findings) == (3, ())


def test_a_payment_intent_of_an_invoice_or_session_is_none_of_the_ledgers_business(
    ours: Api, server: StripeServer
) -> None:
    made = [a_payment_intent(f"pi_{n}", ago(), "ch_1") for n in range(30)]
    failed = a_sale("pi_failed", ago(), status="requires_payment_method")
    server.add(a_charge("ch_1", ago()), a_charge("ch_pi_failed", ago()))
    server.add(*made, failed, *(an_event(f"evt_{i['id']}", "payment_intent.succeeded", ago(), i) for i in made))
    run = compared(ours, server)
    assert (run.counts, run.findings) == ({}, ())
    assert not [path for path in server.asked() if "payment_intents/" in path], "none of them is asked for"


def test_a_sale_made_before_the_window_and_paid_in_it_is_found_and_dated_by_its_charge(
    ours: Api, server: StripeServer
) -> None:
    sale = a_sale("pi_1", ago(20))
    server.add(sale, a_charge("ch_pi_1", ago(2)), an_event("evt_1", "payment_intent.succeeded", ago(2), sale))
    run = compared(ours, server, repair=True)
    assert verdicts(run) == {"pi_1": Verdict.MISSING}
    (entry,) = ours.store.entries_after("p1", "c1", "follow-up", 0)
    assert int(entry.occurred_at.timestamp()) == ago(2)


def test_a_sale_of_a_package_nobody_has_is_parked_by_name(ours: Api, server: StripeServer) -> None:
    metadata = {"client_id": "c1", "package_id": "gone"}
    server.add(a_sale("pi_1", ago(), metadata=metadata), a_charge("ch_pi_1", ago()))
    assert verdicts(compared(ours, server, repair=True)) == {"pi_1": Verdict.MISSING}
    assert compared(ours, server).findings == (Finding("payment_intent", "pi_1", Verdict.PARKED, "unknown_package"),)


# -- credit notes


def test_a_lost_credit_note_is_found_and_takes_what_it_credits(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(3)))
    delivered(ours, server, StripeKind.INVOICE, "in_1", "invoice.paid")
    server.add(a_credit_note("cn_1", ago(2), "in_1", 6000))
    run = compared(ours, server)
    assert run.findings == (Finding("credit_note", "cn_1", Verdict.MISSING, "6000 with 0 refunds"),)
    assert balance(ours) == 3
    compared(ours, server, repair=True)
    assert (balance(ours), compared(ours, server).findings) == (1, ())


def test_a_credit_note_that_was_voided_is_different_and_gives_the_credits_back(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(3)), a_credit_note("cn_1", ago(20), "in_1"))
    delivered(ours, server, StripeKind.INVOICE, "in_1", "invoice.paid")
    delivered(ours, server, StripeKind.CREDIT_NOTE, "cn_1", "credit_note.created")
    assert balance(ours) == 0
    voided = a_credit_note("cn_1", ago(20), "in_1", status="void", voided_at=ago())
    server.add(voided, an_event("evt_v", "credit_note.voided", ago(), voided))
    run = compared(ours, server, repair=True)
    assert verdicts(run) == {"cn_1": Verdict.DIFFERENT}
    assert (balance(ours), compared(ours, server).findings) == (3, ())


def test_a_credit_note_with_a_refund_that_succeeded_is_fine(ours: Api, server: StripeServer) -> None:
    server.add(an_invoice("in_1", ago(3)))
    refunds = [{"refund": "re_1", "amount_refunded": 6000, "type": "refund"}]
    server.add(a_credit_note("cn_1", ago(2), "in_1", 6000, out_of_band_amount=0, refunds=refunds))
    compared(ours, server, repair=True)
    assert (balance(ours), compared(ours, server).findings) == (1, ())


# -- how subscriptions stand


def subscribed(ours: Api, server: StripeServer, created: int) -> None:
    """Client c1 has paid a month of sub_1."""
    line = a_line(
        "il_1",
        period={"start": created, "end": created + 30 * DAY_SECONDS},
        parent={
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription": "sub_1", "subscription_item": "si_1", "proration": False},
        },
    )
    parent = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}}
    server.add(an_invoice("in_1", created, line, parent=parent, billing_reason="subscription_create"))
    server.add(a_subscription("sub_1", created))
    delivered(ours, server, StripeKind.INVOICE, "in_1", "invoice.paid")


def changed(server: StripeServer, type_: str, **fields: Any) -> None:
    now = a_subscription("sub_1", ago(20), **fields)
    server.add(now, an_event("evt_s", f"customer.subscription.{type_}", ago(), now))


ENDED = {"status": "canceled", "ended_at": ago(2), "canceled_at": ago(2)}
CHANGES = {
    "ended": ("deleted", ENDED, "running here, ended there"),
    "past due": ("updated", {"status": "past_due"}, "running here, past_due there"),
    "paused": ("paused", {"status": "paused"}, "running here, paused there"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_subscription_that_stands_otherwise_is_found_and_follows(
    ours: Api, server: StripeServer, change: str
) -> None:
    subscribed(ours, server, ago(20))
    assert compared(ours, server).findings == ()
    type_, fields, detail = CHANGES[change]
    changed(server, type_, **fields)
    run = compared(ours, server)
    assert run.findings == (Finding("subscription", "sub_1", Verdict.DIFFERENT, detail),)
    assert compared(ours, server, repair=True).findings[0].repaired
    assert compared(ours, server).findings == ()


def test_a_lost_end_is_dated_when_the_subscription_ended(ours: Api, server: StripeServer) -> None:
    subscribed(ours, server, ago(20))
    changed(server, "deleted", **ENDED)
    compared(ours, server, repair=True)
    state = ours.store.load("p1", Wanted(subscription="sub_1")).subscription
    assert state.ended_at and int(state.ended_at.timestamp()) == ago(2)


def test_a_subscription_begun_and_ended_within_the_window_is_found_among_those_that_ended(
    ours: Api, server: StripeServer
) -> None:
    subscribed(ours, server, ago(4))
    server.add(a_subscription("sub_1", ago(4), **ENDED))
    assert verdicts(compared(ours, server)) == {"sub_1": Verdict.DIFFERENT}


def test_a_subscription_that_nothing_was_paid_by_is_fine_however_it_stands(ours: Api, server: StripeServer) -> None:
    server.add(a_subscription("sub_2", ago(4), status="canceled", ended_at=ago(2)))
    assert compared(ours, server).findings == ()


def test_a_subscription_that_a_parked_payment_waits_for_is_missing_until_it_is_heard(
    ours: Api, server: StripeServer
) -> None:
    subscribed(ours, server, ago(4))
    context = Context(ours.store, "p1", STRIPE, NOW)
    parked = parking.id_of_event("in_2")
    state = ours.store.load("p1", Wanted(subscription="sub_1")).subscription
    assert state.status_at is None
    context.commit([writes.subscription("p1", replace(state, waiting=(parked,)))])
    assert verdicts(compared(ours, server)) == {"sub_1": Verdict.MISSING}
    compared(ours, server, repair=True)
    assert compared(ours, server).findings == ()


# -- what was paid for


def test_a_change_that_was_paid_for_and_never_heard_is_missing_though_it_may_grant_nothing(
    ours: Api, server: StripeServer
) -> None:
    line = a_line(
        "il_2",
        period={"start": ago(4), "end": ago(4) + 30 * DAY_SECONDS},
        parent={
            "type": "invoice_item_details",
            "invoice_item_details": {"proration": True, "subscription": "sub_1", "invoice_item": "ii_1"},
        },
    )
    server.add(an_invoice("in_2", ago(2), line))
    assert verdicts(compared(ours, server)) == {"in_2": Verdict.MISSING}


def test_a_run_in_the_middle_of_its_kinds_asks_for_the_rest_alone(ours: Api, server: StripeServer) -> None:
    server.add(*(a_sale(f"pi_{n}", ago(1) + n) for n in range(3)), *(a_charge(f"ch_pi_{n}", ago()) for n in range(3)))
    server.add(a_credit_note("cn_1", ago(), "in_9"))
    looks = iter([True, True, True])  # two slices of three days, and the first object
    run = compared(ours, server, may_go_on=lambda: next(looks, False))
    assert (run.finished, list(verdicts(run))) == (False, ["pi_0"])
    again = compared(ours, server)
    assert (again.finished, list(verdicts(again))) == (True, ["pi_0", "pi_1", "pi_2", "cn_1"])
