"""Refunds, disputes, credit notes and what paid an invoice: situation by shape, written out by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    Facts,
    Ignored,
    MoneyBack,
    PaymentMade,
    Refund,
    RefundStatus,
    Unsupported,
)
from client_credits.stripe.events.translate import HANDLED, translate

SHAPES = ["2022-11-15", "2024-06-20", "2025-03-31.basil", "2026-10-28.endive"]
OLD_SHAPES = ("2022-11-15", "2024-06-20")
CREATED, NOTED = 1_800_000_100, 1_799_999_000
AT, NOTED_AT = datetime.fromtimestamp(CREATED, UTC), datetime.fromtimestamp(NOTED, UTC)
REFUND_EVENTS = ["refund.created", "refund.updated", "charge.refund.updated"]
DISPUTE_EVENTS = [f"charge.dispute.{what}" for what in ("created", "updated", "closed")] + [
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
]

Json = dict[str, Any]
shape_by_shape = pytest.mark.parametrize("shape", SHAPES)
old_shapes = pytest.mark.parametrize("shape", OLD_SHAPES)


def event(kind: str, about: object, **over: Any) -> Json:
    return {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "data": {"object": about},
        "livemode": False,
        "type": kind,
    } | over


def stated(kind: str, about: object, **over: Any) -> Facts:
    return translate(event(kind, about, **over), "test")


def back(**over: Any) -> MoneyBack:
    return MoneyBack(**({"event_id": "evt_1", "account": "own", "mode": "test", "occurred_at": AT} | over))


def charge(shape: str, **over: Any) -> Json:
    common = {
        "id": "ch_1",
        "object": "charge",
        "amount": 18000,
        "amount_refunded": 6000,
        "currency": "usd",
        "payment_intent": "pi_1",
        "refunded": False,
        "status": "succeeded",
    }
    return common | ({"invoice": "in_1"} if shape in OLD_SHAPES else {}) | over


def refund(**over: Any) -> Json:
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 6000,
        "charge": "ch_1",
        "created": NOTED,
        "currency": "usd",
        "payment_intent": "pi_1",
        "status": "succeeded",
    } | over


def dispute(**over: Any) -> Json:
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 18000,
        "charge": "ch_1",
        "currency": "usd",
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
    } | over


def note_line(line_id: str | None = "il_1", amount: int = 6000, **over: Any) -> Json:
    kind = "invoice_line_item" if line_id else "custom_line_item"
    return {"id": "cnli_1", "amount": amount, "invoice_line_item": line_id, "quantity": 1, "type": kind} | over


def note(shape: str, *lines: Json, **over: Any) -> Json:
    common = {
        "id": "cn_1",
        "object": "credit_note",
        "amount": 6000,
        "created": NOTED,
        "currency": "usd",
        "invoice": "in_1",
        "lines": {"object": "list", "data": list(lines) or [note_line()], "has_more": False},
        "status": "issued",
        "total": 6000,
        "type": "post_payment",
    }
    given: Json = {"refund": "re_1"}
    if shape not in OLD_SHAPES:
        given = {"refunds": [{"amount_refunded": 6000, "refund": "re_1", "type": "refund"}]}
    return common | given | over


# A charge's refunds


@old_shapes
def test_a_refunded_charge_of_an_old_shape_names_its_invoice(shape: str) -> None:
    whole = back(payment_id="in_1", payment_intent="pi_1", charge="ch_1", refunded_total=6000)
    assert stated("charge.refunded", charge(shape)) == whole


@pytest.mark.parametrize("shape", ["2025-03-31.basil", "2026-10-28.endive"])
def test_a_refunded_charge_of_a_new_shape_names_what_paid(shape: str) -> None:
    assert stated("charge.refunded", charge(shape)) == back(payment_intent="pi_1", charge="ch_1", refunded_total=6000)


@shape_by_shape
def test_a_charge_may_stand_alone(shape: str) -> None:
    alone = charge(shape, payment_intent=None, invoice=None)
    assert stated("charge.refunded", alone) == back(charge="ch_1", refunded_total=6000)


@shape_by_shape
def test_a_charge_that_carries_its_refunds_tells_each(shape: str) -> None:
    refunds = [refund(), refund(id="re_2", amount=500, status="failed"), refund(id="re_3", amount=700, status=None)]
    whole = charge(shape, invoice=None, refunds={"object": "list", "data": refunds, "has_more": False})
    assert stated("charge.refunded", whole) == back(
        payment_intent="pi_1",
        charge="ch_1",
        refunds=(
            Refund("re_1", 6000, RefundStatus.SUCCEEDED, AT, NOTED_AT),
            Refund("re_2", 500, RefundStatus.FAILED, AT, NOTED_AT),
            Refund("re_3", 700, RefundStatus.PENDING, AT, NOTED_AT),
        ),
        refunded_total=6000,
    )


def test_a_charge_may_tell_its_refunds_without_their_sum() -> None:
    whole = charge("2022-11-15", amount_refunded=None, refunds={"data": [refund()]})
    refunds = (Refund("re_1", 6000, RefundStatus.SUCCEEDED, AT, NOTED_AT),)
    assert stated("charge.refunded", whole) == back(
        payment_id="in_1", payment_intent="pi_1", charge="ch_1", refunds=refunds
    )


def test_ids_may_be_expanded_and_the_mode_and_account_are_reported() -> None:
    about = charge("2024-06-20", invoice={"id": "in_1"}, payment_intent={"id": "pi_1"})
    live = translate(event("charge.refunded", about, livemode=True, account="acct_7"), "live")
    assert live == back(
        account="acct_7", mode="live", payment_id="in_1", payment_intent="pi_1", charge="ch_1", refunded_total=6000
    )


# Refunds


@pytest.mark.parametrize("kind", REFUND_EVENTS)
@pytest.mark.parametrize(
    ("status", "means"),
    [
        (None, RefundStatus.PENDING),
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.FAILED),
    ],
)
def test_a_refund_tells_its_status(kind: str, status: str | None, means: RefundStatus) -> None:
    expected = back(payment_intent="pi_1", charge="ch_1", refunds=(Refund("re_1", 6000, means, AT, NOTED_AT),))
    assert stated(kind, refund(status=status)) == expected


@pytest.mark.parametrize("status", ["failed", "pending", "succeeded"])
def test_an_event_of_a_failed_refund_is_taken_at_its_word(status: str) -> None:
    failed = (Refund("re_1", 6000, RefundStatus.FAILED, AT, NOTED_AT),)
    assert stated("refund.failed", refund(status=status)) == back(payment_intent="pi_1", charge="ch_1", refunds=failed)


@pytest.mark.parametrize(("kind", "about"), [("refund.created", refund), ("charge.dispute.created", dispute)])
@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"payment_intent": None}, (None, None, "ch_1")),
        ({"charge": None}, (None, "pi_1", None)),
        ({"charge": {"id": "ch_1", "invoice": "in_1"}}, ("in_1", "pi_1", "ch_1")),
        ({"payment_intent": {"id": "pi_1", "invoice": {"id": "in_1"}}}, ("in_1", "pi_1", "ch_1")),
        ({"payment_intent": None, "charge": {"id": "ch_1", "payment_intent": "pi_1"}}, (None, "pi_1", "ch_1")),
    ],
)
def test_refunds_and_disputes_name_the_payment_as_well_as_they_can(
    kind: str, about: Any, names: Json, found: tuple[str | None, ...]
) -> None:
    facts = stated(kind, about(**names))
    assert isinstance(facts, MoneyBack)
    assert (facts.payment_id, facts.payment_intent, facts.charge) == found


@pytest.mark.parametrize(("kind", "about"), [("refund.created", refund), ("charge.dispute.created", dispute)])
def test_what_names_neither_charge_nor_intent_is_parked(kind: str, about: Any) -> None:
    assert stated(kind, about(charge=None, payment_intent=None)) == Unsupported("evt_1", "payment_not_named")


# Disputes


@pytest.mark.parametrize("kind", DISPUTE_EVENTS)
@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("warning_needs_response", DisputeStatus.WARNED),
        ("warning_under_review", DisputeStatus.WARNED),
        ("warning_closed", DisputeStatus.CALMED),
        ("prevented", DisputeStatus.CALMED),
        ("charge_refunded", DisputeStatus.CALMED),
        ("needs_response", DisputeStatus.OPEN),
        ("under_review", DisputeStatus.OPEN),
        ("appeal_needs_response", DisputeStatus.OPEN),
        ("appeal_under_review", DisputeStatus.OPEN),
        ("won", DisputeStatus.WON),
        ("lost", DisputeStatus.LOST),
    ],
)
def test_a_disputes_status_decides_whatever_its_event(kind: str, status: str, means: DisputeStatus) -> None:
    expected = back(payment_intent="pi_1", charge="ch_1", disputes=(Dispute("dp_1", 18000, means, AT),))
    assert stated(kind, dispute(status=status)) == expected


# Credit notes


def noted(*lines: tuple[str, int], **over: Any) -> CreditNote:
    values: Json = {
        "note_id": "cn_1",
        "total": 6000,
        "lines": lines or (("il_1", 6000),),
        "refunds": ("re_1",),
        "at": NOTED_AT,
    }
    return CreditNote(**(values | over))


@pytest.mark.parametrize("kind", ["credit_note.created", "credit_note.updated"])
@shape_by_shape
def test_a_credit_note_says_which_line_its_refund_is_for(shape: str, kind: str) -> None:
    known = () if shape in OLD_SHAPES else (Refund("re_1", 6000, RefundStatus.PENDING, NOTED_AT),)
    assert stated(kind, note(shape)) == back(payment_id="in_1", refunds=known, notes=(noted(),))


@shape_by_shape
def test_a_voided_note_says_so_and_announces_no_refund(shape: str) -> None:
    voided = back(payment_id="in_1", notes=(noted(voided=True, at=AT),))
    assert stated("credit_note.voided", note(shape, status="void")) == voided
    assert stated("credit_note.voided", note(shape)) == voided
    assert stated("credit_note.updated", note(shape, status="void")) == voided


@shape_by_shape
def test_a_note_names_some_lines_and_credits_more(shape: str) -> None:
    lines = [note_line(), note_line("il_2", 500), note_line("il_1", 1000), note_line(None, 2500)]
    facts = stated("credit_note.created", note(shape, *lines, total=10000, amount=10000))
    assert isinstance(facts, MoneyBack)
    beside = 0 if shape in OLD_SHAPES else 4000  # what its refund of 6000 leaves
    assert facts.notes == (noted(("il_1", 7000), ("il_2", 500), ("", 2500), total=10000, beside_refunds=beside),)


@shape_by_shape
def test_a_note_without_a_total_counts_its_amount(shape: str) -> None:
    facts = stated("credit_note.created", note(shape, total=None, amount=5900))
    assert isinstance(facts, MoneyBack)
    assert facts.notes == (noted(total=5900),)


def test_a_note_may_share_out_several_refunds() -> None:
    refunds: list[Json] = [
        {"amount_refunded": 4000, "refund": {"id": "re_1"}, "type": "refund"},
        {"amount_refunded": 900, "refund": None, "type": "payment_record_refund"},
        {"amount_refunded": None, "refund": "re_2"},
        {"amount_refunded": 100, "refund": "re_1"},
        {"amount_refunded": None, "refund": "re_1"},
    ]
    facts = stated("credit_note.created", note("2026-10-28.endive", refunds=refunds, created=None))
    announced = (Refund("re_1", 4100, RefundStatus.PENDING, AT),)
    shared_out = noted(refunds=("re_1", "re_2"), at=AT)
    assert facts == back(payment_id="in_1", refunds=announced, notes=(shared_out,))


@shape_by_shape
@pytest.mark.parametrize("kind", ["credit_note.created", "credit_note.voided"])
def test_a_note_of_nothing_changes_nothing(shape: str, kind: str) -> None:
    assert stated(kind, note(shape, total=0, amount=0)) == Ignored("evt_1", "nothing_credited")


@shape_by_shape
@pytest.mark.parametrize("lines", [[note_line(None)], [], None])
def test_a_note_that_names_no_line_is_for_the_whole_payment(shape: str, lines: list[Json] | None) -> None:
    listed = None if lines is None else {"data": lines, "has_more": False}
    facts = stated("credit_note.created", note(shape) | {"lines": listed})
    assert isinstance(facts, MoneyBack)
    assert facts.notes == (replace(noted(), lines=(("", 6000),) if lines else ()),)


NO_REFUND: Json = {"refund": None, "refunds": [], "customer_balance_transaction": "cbtxn_1"}
BY_REFUND: Json = {"refund": "re_1", "refunds": None, "customer_balance_transaction": None}
MIXED: Json = {"type": "mixed", "pre_payment_amount": 2500, "post_payment_amount": 3500}
IN_SHAPES: Json = {"refund": None, "refunds": [{"refund": "re_1", "amount_refunded": 1000}]}
OUTSIDE = {"type": "payment_record_refund", "refund": None, "amount_refunded": 6000}


@pytest.mark.parametrize(
    ("over", "refunds", "before", "beside", "rest"),
    [
        (NO_REFUND, (), 0, 6000, False),  # to the customer's balance
        (NO_REFUND | {"out_of_band_amount": 6000}, (), 0, 6000, False),
        (NO_REFUND | {"type": "pre_payment"}, (), 6000, 0, False),
        (NO_REFUND | {"pre_payment_amount": 6000, "post_payment_amount": 0, "type": "pre_payment"}, (), 6000, 0, False),
        (NO_REFUND | MIXED, (), 2500, 3500, False),
        (IN_SHAPES | MIXED, ("re_1",), 2500, 2500, False),
        (IN_SHAPES, ("re_1",), 0, 5000, False),
        (NO_REFUND | {"refunds": [OUTSIDE]}, (), 0, 6000, False),
        (BY_REFUND, ("re_1",), 0, 0, False),  # the older shape tells no amount of its refund
        (BY_REFUND | {"out_of_band_amount": 500}, ("re_1",), 0, 500, False),
        (BY_REFUND | {"customer_balance_transaction": "cbtxn_1"}, ("re_1",), 0, 0, True),
    ],
)
def test_a_note_tells_how_it_was_given(
    over: Json, refunds: tuple[str, ...], before: int, beside: int, rest: bool
) -> None:
    facts = stated("credit_note.created", note("2026-10-28.endive") | over)
    assert isinstance(facts, MoneyBack)
    given = {"before_payment": before, "beside_refunds": beside, "rest_beside": rest}
    assert facts.notes == (noted(refunds=refunds, **given),)


@shape_by_shape
def test_a_note_of_more_lines_than_its_event_carries_is_parked_to_be_completed(shape: str) -> None:
    some = note(shape, lines={"data": [note_line()], "has_more": True})
    assert stated("credit_note.created", some) == Unsupported(
        *("evt_1", "note_lines_not_in_event", "in_1"),
        related="cn_1",
        event_type="credit_note.created",
        account="own",
    )


# What paid an invoice


def invoice_payment(payment: Json, **over: Any) -> Json:
    return {
        "id": "inpay_1",
        "object": "invoice_payment",
        "amount_paid": 18000,
        "invoice": "in_1",
        "is_default": True,
        "payment": payment,
        "status": "paid",
    } | over


@pytest.mark.parametrize(
    ("payment", "facts"),
    [
        ({"type": "payment_intent", "payment_intent": "pi_1"}, ("pi_1", None)),
        ({"type": "payment_intent", "payment_intent": {"id": "pi_1"}, "charge": None}, ("pi_1", None)),
        ({"type": "charge", "charge": "ch_1", "payment_intent": None}, (None, "ch_1")),
        ({"type": "payment_record", "payment_record": "pr_1"}, (None, "pr_1")),
        ({"type": "payment_intent"}, "payment_not_named"),
        (None, "payment_not_named"),
    ],
)
def test_an_invoice_payment_says_what_paid(payment: Json, facts: tuple[str | None, str | None] | str) -> None:
    is_index = isinstance(facts, tuple)
    made = (
        PaymentMade("evt_1", "own", "test", "in_1", *facts, amount=18000, at=AT)
        if is_index
        else Ignored("evt_1", str(facts))
    )
    assert stated("invoice_payment.paid", invoice_payment(payment)) == made
    expanded = invoice_payment(payment, invoice={"id": "in_1", "object": "invoice"})
    assert stated("invoice_payment.paid", expanded) == made
    detached = replace(made, detached=True) if isinstance(made, PaymentMade) else made
    assert stated("invoice_payment.detached", expanded) == detached


# What is not understood


@pytest.mark.parametrize(
    ("kind", "about", "payment"),
    [
        ("charge.refunded", charge("2024-06-20", id=None), "in_1"),
        ("charge.refunded", charge("2024-06-20", amount_refunded=None), "in_1"),
        ("charge.refunded", charge("2024-06-20", amount_refunded=-1), "in_1"),
        ("charge.refunded", charge("2024-06-20", amount_refunded="6000"), "in_1"),
        ("charge.refunded", charge("2024-06-20", invoice=7), None),
        ("charge.refunded", charge("2026-10-28.endive", refunds=[]), None),
        ("charge.refunded", charge("2026-10-28.endive", refunds={"data": [refund(status="lost")]}), None),
        ("charge.refunded", refund(), None),
        ("refund.created", refund(id=None), None),
        ("refund.created", refund(amount=None), None),
        ("refund.created", refund(amount=-1), None),
        ("refund.created", refund(amount=10**16), None),
        ("refund.created", refund(status="nobody_knows"), None),
        ("refund.created", refund(status=True), None),
        ("refund.created", refund(charge=7), None),
        ("refund.created", dispute(), None),
        ("charge.dispute.created", dispute(status=None), None),
        ("charge.dispute.created", dispute(status="nobody_knows"), None),
        ("charge.dispute.created", dispute(amount=1.5), None),
        ("charge.dispute.created", dispute(id="dp/1"), None),
        ("charge.dispute.created", charge("2024-06-20"), "in_1"),
        ("credit_note.created", note("2024-06-20", invoice=None), None),
        ("credit_note.created", note("2024-06-20", id=None), "in_1"),
        ("credit_note.created", note("2024-06-20", total=-1), "in_1"),
        ("credit_note.created", note("2024-06-20", total=None, amount=None), "in_1"),
        ("credit_note.created", note("2024-06-20", note_line(amount=10**16)), "in_1"),
        ("credit_note.created", note("2024-06-20", note_line(invoice_line_item="il/1")), "in_1"),
        ("credit_note.created", note("2024-06-20", refunds={"data": []}), "in_1"),
        ("credit_note.created", note("2024-06-20", refunds=["re_1"]), "in_1"),
        ("credit_note.created", note("2024-06-20", lines=[note_line()]), "in_1"),
        ("invoice_payment.paid", invoice_payment({"payment_intent": 7}), "in_1"),
        ("invoice_payment.paid", invoice_payment({"payment_intent": "pi_1"}, invoice=None), None),
        ("invoice_payment.paid", invoice_payment({"payment_intent": "pi_1"}, invoice=[]), None),
    ],
)
def test_a_wrong_value_is_parked_with_the_invoice_it_names(kind: str, about: Json, payment: str | None) -> None:
    assert stated(kind, about) == Unsupported("evt_1", "not_understood", payment)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("charge.refunded", charge("2024-06-20")),
        ("refund.created", refund(created=None)),
        ("charge.dispute.created", dispute()),
        ("credit_note.created", note("2024-06-20", created=None)),
    ],
)
def test_money_back_needs_to_know_when(kind: str, about: Json) -> None:
    facts = stated(kind, about, created=None)
    assert isinstance(facts, Unsupported)
    assert facts.reason == "not_understood"


# Nothing raises

ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["re_1", "succeeded", "lost", 10**30, -1, 0, [], {}, [[]], {"data": [{}]}, {"id": "x"}, [{}]]),
)
BODIES = [
    *(("charge.refunded", charge(shape, refunds={"data": [refund()]})) for shape in SHAPES),
    *(("credit_note.created", note(shape)) for shape in SHAPES),
    ("refund.failed", refund()),
    ("charge.dispute.closed", dispute()),
    ("invoice_payment.paid", invoice_payment({"type": "charge", "charge": "ch_1"})),
]


def _is_sound(facts: Facts) -> None:
    assert isinstance(facts, MoneyBack | PaymentMade | Ignored | Unsupported)
    if isinstance(facts, MoneyBack):
        assert facts.payment_id or facts.payment_intent or facts.charge
        ids = [each.refund_id for each in facts.refunds] + [each.dispute_id for each in facts.disputes]
        ids += [line for each in facts.notes for line, _ in each.lines]
        assert all(map(is_id, [*ids, facts.account]))
        amounts = [each.amount for each in (*facts.refunds, *facts.disputes)] + [facts.refunded_total or 0]
        assert all(0 <= amount <= 10**16 for amount in amounts)
        assert facts.refunds or facts.disputes or facts.notes or facts.refunded_total is not None


@given(st.sampled_from(BODIES), st.data())
@settings(max_examples=300, deadline=None)
def test_nonsense_in_any_field_of_money_back_never_raises(body: tuple[str, Json], data: st.DataObject) -> None:
    kind, about = body
    bent = dict(about)
    for name in data.draw(st.lists(st.sampled_from(sorted(about)), min_size=1, max_size=3)):
        bent[name] = data.draw(ANY)
    _is_sound(stated(kind, bent))
    nested = {name: {"id": bent[name], "data": [bent], "payment_intent": bent[name]} for name in bent}
    _is_sound(stated(kind, nested | {"object": about["object"]}))


@given(st.sampled_from(sorted(HANDLED)), ANY)
@settings(max_examples=200, deadline=None)
def test_nonsense_instead_of_any_object_never_raises(kind: str, about: object) -> None:
    assert isinstance(stated(kind, about), Facts)
