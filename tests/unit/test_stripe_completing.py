"""What an event lacks is asked of Stripe and put where the translator looks for it; no network here."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.stripe_server import (
    a_dispute,
    a_line,
    a_refund,
    a_session,
    an_invoice,
    an_item,
)

from client_credits.domain.payments.facts import (
    CustomerLink,
    Ignored,
    MoneyBack,
    Payment,
    PaymentMade,
    SubscriptionNews,
    Unsupported,
)
from client_credits.stripe.api.errors import StripeRefused
from client_credits.stripe.api.queries import StripeApi, StripeKind
from client_credits.stripe.completing import complete, completed_event, event_of, payments_behind
from client_credits.stripe.events.translate import translate

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
T0 = int(NOW.timestamp())
Object = dict[str, Any]


class Stripe(StripeApi):
    """Answers from what it was given, and notes what it was asked."""

    def __init__(self, *objects: Object, account: str | None = None) -> None:
        super().__init__("sk_test_" + "a" * 24, account)
        self.objects = {each["id"]: each for each in objects}
        self.asked: list[str] = []

    def invoice_lines(self, invoice_id: str) -> list[Object]:
        self.asked.append(f"lines of {invoice_id}")
        return list(self.objects[invoice_id]["_lines"])

    def note_lines(self, note_id: str) -> list[Object]:
        self.asked.append(f"lines of {note_id}")
        return list(self.objects[note_id]["_lines"])

    def line_items(self, session_id: str) -> list[Object]:
        self.asked.append(f"items of {session_id}")
        return list(self.objects[session_id]["_lines"])

    def retrieve(self, kind: StripeKind, object_id: str, version: str | None = None) -> Object:
        self.asked.append(f"{kind} {object_id}")
        if object_id not in self.objects:
            raise StripeRefused(404)
        return shown(self.objects[object_id])

    def invoices_paid_by(self, payment_intent: str) -> list[tuple[str, int | None]]:
        self.asked.append(f"invoice paid by {payment_intent}")
        return [(o["id"], o.get("_part")) for o in self._paid("invoice", payment_intent)]

    def session_paid_by(self, payment_intent: str) -> Object | None:
        self.asked.append(f"session paid by {payment_intent}")
        return next(iter(self._paid("checkout.session", payment_intent)), None)

    def invoice_of_charge(self, charge: str) -> str | None:
        self.asked.append(f"invoice of {charge}")
        return next((o["id"] for o in self.objects.values() if o.get("charge") == charge), None)

    def _paid(self, kind: str, payment_intent: str) -> list[Object]:
        held = self.objects.values()
        return [o for o in held if o["object"] == kind and o.get("payment_intent") == payment_intent]


def shown(about: Object, lines: int = 10) -> Object:
    """An object as an answer shows it: an invoice with its first lines, a session without items."""
    stated = {name: value for name, value in about.items() if not name.startswith("_")}
    if about["object"] == "invoice":
        more = len(about["_lines"]) > lines
        stated["lines"] = {"object": "list", "data": about["_lines"][:lines], "has_more": more}
    return stated


def snapshot(type_: str, about: Object, **fields: Any) -> Object:
    data = {"object": shown(about)}
    return {"object": "event", "id": "evt_1", "type": type_, "livemode": False, "created": T0, "data": data} | fields


def thin(type_: str, kind: str, object_id: str, **fields: Any) -> Object:
    related = {"id": object_id, "type": kind, "url": f"/v1/{kind}s/{object_id}"}
    return {
        "object": "v2.core.event",
        "id": "evt_thin",
        "type": f"v1.{type_}",
        "livemode": False,
        "created": "2026-11-22T12:00:00.000Z",
        "related_object": related,
    } | fields


def completed(event: Object, stripe: Stripe) -> Object:
    """Completed once, which is not nothing."""
    found = complete(event, translate(event, "test"), stripe)
    assert found is not None
    return found


def test_an_invoice_gets_all_its_lines() -> None:
    invoice = an_invoice("in_1", T0, *(a_line(f"il_{number}") for number in range(13)))
    event = snapshot("invoice.paid", invoice)
    before = translate(event, "test")
    assert isinstance(before, Payment)
    assert (len(before.lines), before.lines_missing) == (10, True)
    after = translate(completed(event, Stripe(invoice)), "test")
    assert isinstance(after, Payment)
    assert ([line.line_id for line in after.lines], after.lines_missing) == ([f"il_{n}" for n in range(13)], False)
    assert event["data"]["object"]["lines"]["has_more"], "the event itself stays as it came"


def test_a_session_gets_its_items() -> None:
    session = a_session("cs_1", T0, an_item("li_1", "price_1", 2), an_item("li_2", "price_2"))
    event = snapshot("checkout.session.completed", session)
    assert isinstance(translate(event, "test"), Unsupported)
    after = translate(completed(event, Stripe(session)), "test")
    assert isinstance(after, Payment)
    assert [(line.line_id, line.price, line.quantity) for line in after.lines] == [
        ("li_1", "price_1", 2),
        ("li_2", "price_2", 1),
    ]


def test_a_session_without_any_items_is_not_asked_about_for_ever() -> None:
    session = a_session("cs_1", T0) | {"_lines": []}
    stripe = Stripe(session)
    _, facts = completed_event(snapshot("checkout.session.completed", session), "test", stripe)
    assert isinstance(facts, Unsupported)
    assert stripe.asked == ["items of cs_1"]


def test_a_session_that_names_its_package_keeps_the_line_its_event_had() -> None:
    """Under another name it would be granted once more. Its metadata say how often: nothing is asked."""
    session = a_session("cs_1", T0, metadata={"package_id": "three-pack", "quantity": "2"})
    stripe = Stripe(session)
    plain = translate(snapshot("checkout.session.completed", session, id="evt_thin"), "test")
    for event in (
        snapshot("checkout.session.completed", session, id="evt_thin"),
        thin("checkout.session.completed", "checkout.session", "cs_1"),
        event_of("checkout.session.completed", shown(session), stripe, "evt_thin", T0, False),
    ):
        assert completed_event(event, "test", stripe)[1] == plain
    assert "items of cs_1" not in stripe.asked


@pytest.mark.parametrize(
    "named", [{}, {"quantity": "2", "optional": True}], ids=["how often is not said", "more was offered beside it"]
)
def test_a_session_that_names_its_package_is_asked_for_its_items_where_they_tell_more(named: Object) -> None:
    offered = [{"price": "price_2", "quantity": 1}] if named.pop("optional", False) else None
    items = an_item("li_1", "price_1", 3), an_item("li_2", "price_2")
    session = a_session("cs_1", T0, *items, metadata={"package_id": "three-pack"} | named, optional_items=offered)
    stripe = Stripe(session)
    for _ in range(2):
        _, facts = completed_event(snapshot("checkout.session.completed", session), "test", stripe)
        assert isinstance(facts, Payment)
        assert [line.line_id for line in facts.lines] == ["three-pack"]
        assert [(item.line_id, item.quantity) for item in facts.items] == [("li_1", 3), ("li_2", 1)]
        assert not facts.lines_missing
    assert stripe.asked == ["items of cs_1"] * 2


def test_a_credit_note_gets_all_its_lines() -> None:
    lines = [
        {"id": f"cnli_{n}", "object": "credit_note_line_item", "amount": 100, "invoice_line_item": f"il_{n}"}
        for n in range(12)
    ]
    note = {
        "id": "cn_1",
        "object": "credit_note",
        "invoice": "in_1",
        "amount": 1200,
        "total": 1200,
        "refunds": [{"refund": "re_1", "amount_refunded": 1200, "type": "refund"}],
        "lines": {"object": "list", "data": lines[:10], "has_more": True},
        "_lines": lines,
    }
    _, facts = completed_event(snapshot("credit_note.created", note), "test", Stripe(note))
    assert isinstance(facts, MoneyBack), facts
    assert facts.notes[0].lines == tuple((f"il_{n}", 100) for n in range(12))


@pytest.mark.parametrize(
    ("type_", "about", "facts"),
    [
        ("invoice.paid", an_invoice("obj_1", T0, *(a_line(f"il_{n}") for n in range(12))), Payment),
        ("checkout.session.completed", a_session("obj_1", T0), Payment),
        ("checkout.session.async_payment_succeeded", a_session("obj_1", T0), Payment),
        (
            "checkout.session.completed",
            a_session("obj_1", T0, mode="subscription", subscription="sub_1"),
            CustomerLink,
        ),
        ("checkout.session.completed", a_session("obj_1", T0, payment_status="unpaid"), Ignored),
        ("refund.created", a_refund("obj_1", T0), MoneyBack),
        ("charge.refund.updated", a_refund("obj_1", T0), MoneyBack),
        ("charge.dispute.closed", a_dispute("obj_1", T0, status="lost"), MoneyBack),
        (
            "invoice_payment.paid",
            {
                "id": "obj_1",
                "object": "invoice_payment",
                "invoice": "in_1",
                "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
                "status": "paid",
            },
            PaymentMade,
        ),
        (
            "customer.subscription.deleted",
            {"id": "obj_1", "object": "subscription", "status": "canceled", "ended_at": T0, "customer": "cus_1"},
            SubscriptionNews,
        ),
    ],
)
def test_a_thin_event_becomes_the_snapshot_of_its_object(type_: str, about: Object, facts: type) -> None:
    event = thin(type_, about["object"], "obj_1")
    found, stated = completed_event(event, "test", Stripe(about))
    assert (found["id"], found["type"], found["created"]) == ("evt_thin", type_, T0)
    assert isinstance(stated, facts), stated
    assert stated.event_id == "evt_thin"
    assert not (isinstance(stated, Payment) and stated.lines_missing)


def test_an_event_of_a_connected_account_stays_that_account_s() -> None:
    invoice = an_invoice("in_1", T0)
    found = completed(thin("invoice.paid", "invoice", "in_1"), Stripe(invoice, account="acct_clinic"))
    facts = translate(found, "test")
    assert isinstance(facts, Payment)
    assert facts.account == "acct_clinic"
    own = translate(completed(thin("invoice.paid", "invoice", "in_1"), Stripe(invoice)), "test")
    assert isinstance(own, Payment)
    assert own.account == "own"


@pytest.mark.parametrize(
    "change",
    [
        {"related_object": None},
        {"related_object": "in_1"},
        {"related_object": {"id": None}},
        {"related_object": {"id": ["in_1"]}},
        {"related_object": {"id": "in 1/../x"}},
        {"type": "v1.payout.paid"},
        {"type": 5},
        {"livemode": None},
        {"created": "yesterday"},
        {"created": None},
        {"created": True},
        {"id": None},
    ],
)
def test_a_thin_event_that_tells_nonsense_is_left_as_it_is(change: Object) -> None:
    stripe = Stripe(an_invoice("in_1", T0))
    event = thin("invoice.paid", "invoice", "in_1") | change
    assert complete(event, Unsupported("evt_thin", "thin_event"), stripe) is None


def test_the_object_of_a_thin_event_that_is_gone_is_refused() -> None:
    event = thin("invoice.paid", "invoice", "in_gone")
    with pytest.raises(StripeRefused):
        complete(event, translate(event, "test"), Stripe())


@pytest.mark.parametrize(
    "facts",
    [
        Ignored("evt_1", "type_not_handled"),
        Unsupported("evt_1", "not_understood"),
        CustomerLink("evt_1", "cus_1", "c1"),
    ],
)
def test_what_lacks_nothing_is_asked_nothing(facts: Any) -> None:
    stripe = Stripe()
    assert complete({}, facts, stripe) is None
    assert stripe.asked == []


def test_an_event_made_of_a_whole_object_asks_nothing_more() -> None:
    stripe = Stripe(an_invoice("in_1", T0))
    event = event_of("invoice.paid", shown(stripe.objects["in_1"]), stripe, "reconcile-in_1", T0, False)
    assert stripe.asked == []
    assert isinstance(translate(event, "test"), Payment)
    assert translate(event, "live") == Ignored("reconcile-in_1", "other_mode")


# -- the payment behind a refund ---------------------------------------------------------------


def back(**fields: Any) -> MoneyBack:
    return MoneyBack(**({"event_id": "evt_1", "account": "own", "mode": "test", "occurred_at": NOW} | fields))


IN_NEW = an_invoice("in_1", T0) | {"payment_intent": "pi_1"}
IN_OLD = an_invoice("in_2", T0) | {"charge": "ch_2"}
SESSION = a_session("cs_1", T0, payment_intent="pi_3")


@pytest.mark.parametrize(
    ("facts", "payment_id", "asked"),
    [
        (back(payment_intent="pi_1", charge="ch_1"), "in_1", ["invoice paid by pi_1"]),
        (back(charge="ch_2"), "in_2", ["invoice of ch_2"]),
        (back(payment_intent="pi_2", charge="ch_2"), "in_2", ["invoice paid by pi_2", "invoice of ch_2"]),
        (
            back(payment_intent="pi_3", charge="ch_3"),
            "cs_1",
            ["invoice paid by pi_3", "invoice of ch_3", "session paid by pi_3"],
        ),
        (back(payment_intent="pi_3"), "cs_1", ["invoice paid by pi_3", "session paid by pi_3"]),
        (back(payment_id="in_9", payment_intent="pi_1"), "in_9", []),
    ],
)
def test_the_payment_behind_money_is_found(facts: MoneyBack, payment_id: str, asked: list[str]) -> None:
    stripe = Stripe(IN_NEW, IN_OLD, SESSION)
    made = payments_behind(stripe, facts)
    assert made == [PaymentMade("evt_1", "own", "test", payment_id, facts.payment_intent, facts.charge)]
    assert stripe.asked == asked


def test_all_invoices_that_an_intent_paid_are_found_with_what_it_paid_of_each() -> None:
    parts = {"in_1": 600, "in_2": 400}
    invoices = [an_invoice(i, T0) | {"payment_intent": "pi_1", "_part": part} for i, part in parts.items()]
    made = payments_behind(Stripe(*invoices), back(payment_intent="pi_1"))
    assert {each.payment_id: each.amount for each in made} == parts


def test_money_that_paid_neither_invoice_nor_session_is_nobody_s() -> None:
    assert payments_behind(Stripe(), back(payment_intent="pi_1", charge="ch_1")) == []
    assert payments_behind(Stripe(), back()) == []
