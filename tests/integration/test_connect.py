"""Whose an event of Stripe is, and what Stripe is asked for it: connected accounts, EventBridge, API keys, replays.

Practice p1 is the platform with the endpoint, p2 a practice whose account is connected to it, p3 anybody else.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from tests.support.builders import DAY, NOW
from tests.support.functions import (
    CONTEXT,
    ROOT,
    Event,
    World,
    envelope,
    failed,
    lines,
    load,
    own_clients,
    sqs_event,
    sqs_message,
    stated,
    stripe_message,
    world,
)
from tests.support.memory_table import memory_store
from tests.support.stock import balances, listed, package, read
from tests.support.stock import catalogue as types
from tests.support.stock import client as a_client
from tests.support.stripe_server import (
    TEST_KEY,
    Fault,
    Object,
    StripeServer,
    a_line,
    a_refund,
    a_session,
    an_event,
    an_invoice,
    an_invoice_payment,
    stripe_server,
)

from client_credits.aws import clients
from client_credits.aws.secrets import api_key_name
from client_credits.domain.errors import AlreadyMapped, NotFound
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import linking, replaying
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.queries import StripeApi
from client_credits.stripe.events.translate import HANDLED, IGNORED, translate

__all__ = ["own_clients", "world"]
pytestmark = pytest.mark.usefixtures("own_clients")

ACCOUNT = "acct_clinic"
T0 = int(NOW.timestamp())
THREE = ("p1", "p2", "p3")


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def three(world: World) -> World:
    """Three practices that sell the same at the same price and know a client of the same id."""
    for practice in THREE:
        practices.create_practice(Context(world.api.store, practice, STRIPE, NOW))
        types(world.api, practice=practice)
        package(world.api, practice=practice)
        a_client(world.api, "c1", practice=practice)
    return world


@pytest.fixture
def stripe(three: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeServer]:
    """Stripe's API, where p1's key opens its own account and the connected one."""
    with stripe_server(connected={ACCOUNT}) as server:
        monkeypatch.setenv("STRIPE_API_BASE", server.url)
        yield server


def give_key(practice: str = "p1", key: str = TEST_KEY) -> None:
    prefix = load("stripe_events")._config().secrets_prefix
    name = api_key_name(prefix, practice)
    clients.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def shown(about: Object) -> Object:
    """An object as an event carries it: ten lines at most, a session without items."""
    kept = {name: value for name, value in about.items() if not name.startswith("_")}
    rows = about.get("_lines", [])
    if about["object"] == "invoice":
        kept["lines"] = {"object": "list", "data": rows[:10], "has_more": len(rows) > 10}
    return kept


def snapshot(type_: str, about: Object, event_id: str | None = None, **fields: Any) -> Event:
    return an_event(event_id or f"evt_{about['id']}", type_, T0, shown(about)) | {"livemode": False} | fields


def paid(invoice_id: str = "in_1", **fields: Any) -> Event:
    """A paid invoice of client c1: three follow-ups."""
    return snapshot("invoice.paid", an_invoice(invoice_id, T0), **fields)


def thin(kind: str, object_id: str, type_: str, **fields: Any) -> Event:
    related = {"id": object_id, "type": kind, "url": f"/v1/{kind}s/{object_id}"}
    about = {"object": "v2.core.event", "id": f"evt_thin_{object_id}", "type": f"v1.{type_}", "livemode": False}
    return about | {"created": "2026-11-22T12:00:00.000Z", "related_object": related} | fields


def run(*events: Event, practice: str = "p1") -> int:
    """Works off events that reached the endpoint of a practice; how many of them must come again."""
    messages = [stripe_message(event, practice) for event in events]
    return len(failed(load("stripe_events").handler(sqs_event(*messages), CONTEXT)))


def follow_ups(world: World) -> dict[str, int]:
    """The follow-ups of client c1, by practice."""
    return {p: balances(world.api, "c1", practice=p)["follow-up"] for p in THREE}


def parked(world: World, practice: str = "p1") -> list[str]:
    return sorted(each["reason"] for each in listed(world.api, "/v1/parked", practice=practice))


def connect(world: World, receiver: str = "p1", account: str = ACCOUNT, owner: str = "p2") -> bool:
    return linking.connect(world.api.store, receiver, account, owner)


def retry(world: World, practice: str = "p1", account: str | None = None) -> int:
    find = load("stripe_events")._api
    api = lambda receiver, of: find(CONTEXT, receiver, of)  # noqa: E731
    return stripe_work.retry(Context(world.api.store, practice, STRIPE, NOW), api, "test", account)


# --- Whose an event is


def test_an_event_that_names_no_account_is_the_receiver_s_whoever_is_connected(three: World) -> None:
    connect(three)
    assert run(paid()) == 0
    assert follow_ups(three) == {"p1": 3, "p2": 0, "p3": 0}


def test_an_event_of_a_connected_account_is_its_practice_s_and_names_the_account(three: World) -> None:
    connect(three)
    for _ in range(2):
        assert run(paid(account=ACCOUNT)) == 0
    assert follow_ups(three) == {"p1": 0, "p2": 3, "p3": 0}
    (entry,) = read(three.api, "/v1/clients/c1/credits/follow-up/history", practice="p2")["items"]
    assert entry["source_id"].startswith(f"stripe/{ACCOUNT}/test/in_1/")


def test_an_account_nobody_knows_is_parked_with_the_receiver_whole_for_thirty_days(three: World) -> None:
    event = paid(account=ACCOUNT)
    for _ in range(2):
        assert run(event) == 0
    assert follow_ups(three) == dict.fromkeys(THREE, 0)
    assert [parked(three, p) for p in THREE] == [["unknown_account"], [], []]
    (raw,) = [item for (pk, _), item in three.items().items() if "#raw#" in pk]
    assert json.loads(raw["raw"]["S"]) == event
    assert int(raw["ttl"]["N"]) == int((NOW + 30 * DAY).timestamp())


def test_every_event_of_an_unknown_account_is_kept_not_one_per_payment(three: World) -> None:
    refund = a_refund("re_1", T0)
    assert run(paid(account=ACCOUNT), paid(account=ACCOUNT, id="evt_again")) == 0
    assert run(snapshot("refund.created", refund, account=ACCOUNT)) == 0
    assert parked(three) == ["unknown_account"] * 3


def test_an_endpoint_reaches_nobody_else_s_credits_by_naming_their_account(three: World) -> None:
    """p3 signs what it likes for its own endpoint: p2's account, its client, its payments, and its customer."""
    connect(three)
    assert run(paid(account=ACCOUNT)) == 0
    of_p2 = {key: item for key, item in three.items().items() if key[0].split("#")[0] == "p2"}
    subscription = {"id": "sub_1", "object": "subscription", "status": "canceled", "ended_at": T0, "customer": "cus_1"}
    link = a_session("cs_link", T0, mode="subscription", subscription="sub_1", customer="cus_1")
    forged = [
        paid("in_2", account=ACCOUNT),
        paid("in_3", account=ACCOUNT) | {"practice_id": "p2"},
        paid("in_4", context=ACCOUNT),
        paid("in_5", account={"id": ACCOUNT}),
        snapshot("charge.refunded", {"id": "ch_1", "object": "charge", "invoice": "in_1", "amount": 9000,
                                     "amount_refunded": 9000, "currency": "eur"}, account=ACCOUNT),
        snapshot("customer.subscription.deleted", subscription, account=ACCOUNT),
        snapshot("checkout.session.completed", link, account=ACCOUNT),
        thin("invoice", "in_1", "invoice.paid", context=ACCOUNT),
    ]  # fmt: skip
    assert run(*forged, practice="p3") == 0
    assert {key: item for key, item in three.items().items() if key[0].split("#")[0] == "p2"} == of_p2
    # A snapshot's account is `account`; what else it carries says nothing. All that named p2's waits with p3.
    assert follow_ups(three) == {"p1": 0, "p2": 3, "p3": 3}
    assert parked(three, "p3") == ["unknown_account"] * 7


def test_only_the_receiver_s_own_mapping_counts(three: World) -> None:
    connect(three, "p3", ACCOUNT, "p3")
    assert run(paid(account=ACCOUNT), practice="p1") == 0
    assert parked(three, "p1") == ["unknown_account"]
    assert run(paid(account=ACCOUNT), practice="p3") == 0
    assert follow_ups(three) == {"p1": 0, "p2": 0, "p3": 3}


def test_a_mapped_account_takes_nothing_back_that_another_account_paid(three: World) -> None:
    """p1 may speak for the connected account, not for the payments of p2's own."""
    assert run(paid(), practice="p2") == 0
    connect(three)
    charge = {"id": "ch_1", "object": "charge", "invoice": "in_1", "payment_intent": "pi_1", "currency": "eur"}
    charge |= {"amount": 9000, "amount_refunded": 9000}
    assert run(snapshot("charge.refunded", charge, account=ACCOUNT)) == 0
    assert follow_ups(three)["p2"] == 3
    assert run(snapshot("charge.refunded", charge), practice="p2") == 0
    assert follow_ups(three)["p2"] == 0, "its own account's refund counts"


def test_whose_a_customer_is_is_learnt_in_the_practice_that_owns_the_account(three: World) -> None:
    connect(three)
    link = a_session("cs_1", T0, mode="subscription", subscription="sub_1", customer="cus_9")
    assert run(snapshot("checkout.session.completed", link, account=ACCOUNT)) == 0
    known = {p: read(three.api, "/v1/clients/c1", practice=p)["stripe_customers"] for p in THREE}
    assert known == {"p1": [], "p2": ["cus_9"], "p3": []}


@pytest.mark.parametrize("account", [7, "", "a b", "acct#1", ["acct_1"], {"id": 1}])
def test_an_account_that_is_no_id_is_parked_as_not_understood(three: World, account: Any) -> None:
    assert run(paid(account=account)) == 0
    assert parked(three) == ["not_understood"]
    assert follow_ups(three) == dict.fromkeys(THREE, 0)


# --- Connecting


def test_connecting_again_changes_nothing(three: World) -> None:
    assert connect(three)
    before = three.items()
    assert not connect(three)
    assert three.items() == before


def test_an_account_has_one_owner_at_an_endpoint_and_one_endpoint_for_an_owner(three: World) -> None:
    connect(three)
    before = three.items()
    with pytest.raises(AlreadyMapped):
        connect(three, owner="p3")
    with pytest.raises(AlreadyMapped):
        connect(three, "p3", owner="p2")
    for receiver, owner in (("p1", "p-unknown"), ("p-unknown", "p2")):
        with pytest.raises(NotFound):
            connect(three, receiver, "acct_other", owner)
    assert three.items() == before


def test_what_waited_for_the_account_is_worked_off_once_it_is_known(three: World) -> None:
    link = a_session("cs_1", T0, mode="subscription", subscription="sub_1", customer="cus_9")
    events = [
        paid(account=ACCOUNT),
        snapshot("checkout.session.completed", link, account=ACCOUNT),
        paid("in_2", account="acct_other"),
    ]
    assert run(*events) == 0
    connect(three)
    assert retry(three, account=ACCOUNT) == 2
    assert follow_ups(three) == {"p1": 0, "p2": 3, "p3": 0}
    assert read(three.api, "/v1/clients/c1", practice="p2")["stripe_customers"] == ["cus_9"]
    assert parked(three) == ["unknown_account"], "the other account's"
    assert retry(three, account=ACCOUNT) == 0
    assert run(*events[:2]) == 0, "Stripe may send them again"
    assert follow_ups(three)["p2"] == 3


def test_an_account_connected_just_before_its_event_is_parked_loses_nothing(three: World) -> None:
    """Whoever connected it looked at what was parked too early to see this one."""

    class Meanwhile:
        """The store, in which the account is connected while the event is being parked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(three.api.store, name)

        def commit(self, items: Any) -> None:
            connect(three)
            three.api.store.commit(items)

    event = paid(account=ACCOUNT)
    stripe_work.handle(Context(Meanwhile(), "p1", STRIPE, NOW), None, "test", event, json.dumps(event))  # type: ignore[arg-type]
    assert follow_ups(three) == {"p1": 0, "p2": 3, "p3": 0}
    assert parked(three) == []


def test_a_parked_event_of_another_practice_that_its_owner_cannot_explain_waits_with_the_owner(three: World) -> None:
    event = paid(account=ACCOUNT)
    event["data"]["object"]["status"] = "open"
    assert run(event) == 0
    connect(three)
    assert retry(three) == 1
    assert (parked(three), parked(three, "p2")) == ([], ["not_paid"])
    assert retry(three, "p2") == 0
    assert parked(three, "p2") == ["not_paid"]


# --- What an event lacks


def test_without_a_key_a_thin_event_is_parked_and_a_key_lets_a_replay_explain_it(
    three: World, stripe: StripeServer
) -> None:
    stripe.add(an_invoice("in_1", T0))
    assert run(thin("invoice", "in_1", "invoice.paid")) == 0
    assert (parked(three), stripe.requests) == (["thin_event"], [])
    assert retry(three) == 0
    give_key()
    assert retry(three) == 1
    assert (parked(three), follow_ups(three)["p1"]) == ([], 3)
    assert retry(three) == 0


def test_a_connected_account_is_asked_about_with_the_platform_s_key(three: World, stripe: StripeServer) -> None:
    connect(three)
    give_key("p1")
    stripe.add(an_invoice("in_1", T0), account=ACCOUNT)
    assert run(thin("invoice", "in_1", "invoice.paid", context=ACCOUNT)) == 0
    assert set(stripe.accounts) == {ACCOUNT}
    assert follow_ups(three) == {"p1": 0, "p2": 3, "p3": 0}


def test_a_replay_with_the_owner_asks_with_the_platform_s_key_too(three: World, stripe: StripeServer) -> None:
    connect(three)
    stripe.add(an_invoice("in_1", T0), account=ACCOUNT)
    assert run(thin("invoice", "in_1", "invoice.paid", context=ACCOUNT)) == 0
    assert parked(three, "p2") == ["thin_event"]
    give_key("p1")
    assert retry(three, "p2") == 1
    assert set(stripe.accounts) == {ACCOUNT}
    assert (parked(three, "p2"), follow_ups(three)["p2"]) == ([], 3)


def test_a_session_s_items_are_asked_for(three: World, stripe: StripeServer) -> None:
    session = a_session("cs_1", T0)
    stripe.add(session)
    assert run(snapshot("checkout.session.completed", session)) == 0
    assert parked(three) == ["line_items_not_in_event"]
    give_key()
    assert run(snapshot("checkout.session.completed", session)) == 0
    assert follow_ups(three)["p1"] == 3
    assert retry(three) == 1, "what was parked before is closed"
    assert (parked(three), follow_ups(three)["p1"]) == ([], 3)


def test_an_invoice_with_more_lines_than_its_event_grants_those_and_the_others_once_there_is_a_key(
    three: World, stripe: StripeServer
) -> None:
    invoice = an_invoice("in_1", T0, *(a_line(f"il_{n:02}") for n in range(12)))
    stripe.add(invoice)
    assert run(snapshot("invoice.paid", invoice)) == 0
    assert (parked(three), follow_ups(three)["p1"]) == (["lines_missing"], 30)
    assert retry(three) == 0
    give_key()
    assert retry(three) == 1
    assert (parked(three), follow_ups(three)["p1"]) == ([], 36)
    assert run(snapshot("invoice.paid", invoice)) == 0
    assert (parked(three), follow_ups(three)["p1"]) == ([], 36)


def test_a_payment_with_lines_missing_is_not_closed_by_whatever_cannot_name_them(
    three: World, stripe: StripeServer
) -> None:
    invoice = an_invoice("in_1", T0, *(a_line(f"il_{n:02}") for n in range(12)))
    stripe.add(invoice)
    assert run(snapshot("invoice.paid", invoice)) == 0
    assert replaying.replay_everything(Context(three.api.store, "p1", STRIPE, NOW)) == 0
    give_key()
    stripe.faults.append(Fault(403, path="/lines"))
    assert retry(three) == 0
    assert parked(three) == ["lines_missing"]
    assert (retry(three), parked(three), follow_ups(three)["p1"]) == (1, [], 36)


def test_an_event_that_waited_for_its_account_and_has_lines_missing_waits_as_a_payment(three: World) -> None:
    invoice = an_invoice("in_1", T0, *(a_line(f"il_{n:02}") for n in range(12)))
    assert run(snapshot("invoice.paid", invoice, account=ACCOUNT)) == 0
    connect(three, owner="p1")
    assert retry(three) == 1
    assert (parked(three), follow_ups(three)["p1"]) == (["lines_missing"], 30)


def test_with_a_key_all_lines_of_an_invoice_are_granted_at_once(three: World, stripe: StripeServer) -> None:
    invoice = an_invoice("in_1", T0, *(a_line(f"il_{n:02}") for n in range(12)))
    stripe.add(invoice)
    give_key()
    assert run(snapshot("invoice.paid", invoice)) == 0
    assert (parked(three), follow_ups(three)["p1"]) == ([], 36)


def test_a_refund_finds_its_payment_by_asking(three: World, stripe: StripeServer) -> None:
    stripe.add(an_invoice("in_1", T0), an_invoice_payment("inpay_1", "in_1", "pi_1", T0))
    give_key()
    assert run(paid(), snapshot("refund.created", a_refund("re_1", T0), livemode=False)) == 0
    assert follow_ups(three)["p1"] == 0
    assert parked(three) == []


def test_without_a_key_a_refund_waits_with_its_money(three: World, stripe: StripeServer) -> None:
    assert run(paid(), snapshot("refund.created", a_refund("re_1", T0))) == 0
    assert (follow_ups(three)["p1"], parked(three), stripe.requests) == (3, [], [])
    assert run(snapshot("invoice_payment.paid", an_invoice_payment("inpay_1", "in_1", "pi_1", T0))) == 0
    assert follow_ups(three)["p1"] == 0


def test_where_stripe_is_away_the_message_comes_back_alone(three: World, stripe: StripeServer) -> None:
    stripe.add(an_invoice("in_1", T0))
    stripe.faults.append(Fault(500, times=2))
    give_key()
    event = thin("invoice", "in_1", "invoice.paid")
    assert run(event, paid("in_2")) == 1
    assert (parked(three), follow_ups(three)["p1"]) == ([], 3)
    assert run(event) == 0
    assert follow_ups(three)["p1"] == 6


def test_with_no_time_left_stripe_is_not_asked_and_the_message_comes_back(three: World, stripe: StripeServer) -> None:
    give_key()
    late = type(CONTEXT)(aws_request_id="lambda-1", get_remaining_time_in_millis=lambda: 19_000)
    batch = sqs_event(stripe_message(thin("invoice", "in_1", "invoice.paid")), stripe_message(paid("in_2")))
    assert len(failed(load("stripe_events").handler(batch, late))) == 1
    assert (stripe.requests, follow_ups(three)["p1"]) == ([], 3)


def test_where_stripe_says_no_the_event_is_parked_with_that_and_a_right_key_mends_it(
    three: World, stripe: StripeServer
) -> None:
    stripe.add(an_invoice("in_1", T0), an_invoice_payment("inpay_1", "in_1", "pi_1", T0))
    give_key(key="sk_test_" + "z" * 24)
    refund = snapshot("refund.created", a_refund("re_1", T0))
    assert run(thin("invoice", "in_1", "invoice.paid"), refund) == 0
    assert parked(three) == ["stripe_refused_401", "stripe_refused_401"]
    give_key()
    assert retry(three) == 2
    assert parked(three) == []
    wallet = three.api.store.load("p1", Wanted(client_id="c1", types=("follow-up",))).wallets["follow-up"]
    assert (wallet.granted_total, wallet.balance) == (3, 0)


def test_an_object_that_stripe_does_not_have_is_parked(three: World, stripe: StripeServer) -> None:
    give_key()
    assert run(thin("invoice", "in_gone", "invoice.paid")) == 0
    assert parked(three) == ["stripe_refused_404"]


def test_the_api_of_another_account_is_not_asked(three: World, stripe: StripeServer) -> None:
    connect(three)
    api = StripeApi(TEST_KEY, None, stripe.url)
    event = thin("invoice", "in_1", "invoice.paid", context=ACCOUNT)
    assert (
        stripe_work.handle(Context(three.api.store, "p1", STRIPE, NOW), api, "test", event, "{}") == "parked_thin_event"
    )
    assert stripe.requests == []


def test_an_ordinary_payment_loads_no_stripe_library() -> None:
    event = paid()
    script = f"""
import json, os, sys
from moto import mock_aws
with mock_aws():
    from tests.support.functions import CONTEXT, load, sqs_event, stripe_message
    from tests.support.table import create_table
    from client_credits.aws import clients
    from client_credits.operations.context import STRIPE, Context
    from client_credits.operations.staff import practices
    from client_credits.aws.worker import store_on, utc_now
    os.environ |= {{"TABLE_NAME": "credits", "STRIPE_MODE": "test", "SECRETS_PREFIX": "/x"}}
    create_table(clients.client("dynamodb"), "credits")
    practices.create_practice(Context(store_on("credits"), "p1", STRIPE, utc_now()))
    calls = []
    clients.client("dynamodb").meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    message = stripe_message(json.loads({json.dumps(event)!r}))
    answer = load("stripe_events").handler(sqs_event(message), CONTEXT)
said = {{"failed": answer["batchItemFailures"], "calls": calls}}
said["loaded"] = sorted(name for name in sys.modules if name.split(".")[0] == "stripe")
print(json.dumps(said), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(ran.stderr.strip().splitlines()[-1])
    assert (found["failed"], found["loaded"]) == ([], [])
    assert "TransactWriteItems" in found["calls"], "it was parked: nobody sells anything there"


# --- Modes, and what is acknowledged


def of_type(type_: str) -> Event:
    """An event of a type that, in the right mode, would do something."""
    about: Object
    if type_.startswith("invoice_payment."):
        about = an_invoice_payment("inpay_1", "in_1", "pi_1", T0)
    elif type_.startswith("invoice."):
        about = an_invoice("in_1", T0)
    elif type_.startswith("checkout."):
        about = a_session("cs_1", T0, metadata={"package_id": "three-pack"})
    elif type_.startswith("customer.subscription."):
        about = {"id": "sub_1", "object": "subscription", "status": "canceled", "ended_at": T0, "customer": "cus_1"}
    elif type_.startswith("charge.dispute."):
        about = a_refund("dp_1", T0) | {"object": "dispute", "status": "lost", "reason": "fraudulent"}
    elif type_.startswith("credit_note."):
        about = {"id": "cn_1", "object": "credit_note", "invoice": "in_1", "total": 9000, "amount": 9000,
                 "refunds": [{"refund": "re_1", "amount_refunded": 9000}], "voided_at": None, "status": "issued",
                 "lines": {"object": "list", "has_more": False, "data": [
                     {"id": "cnli_1", "object": "credit_note_line_item", "amount": 9000, "invoice_line_item": "il_1"}]},
                 }  # fmt: skip
    elif type_ == "charge.refunded":
        about = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 9000, "amount_refunded": 9000,
                 "currency": "eur"}  # fmt: skip
    else:
        about = a_refund("re_1", T0)
    return snapshot(type_, about)


@pytest.mark.parametrize("type_", sorted(HANDLED))
@pytest.mark.parametrize("mode", ["test", "live"])
@pytest.mark.parametrize("thinly", [False, True], ids=["whole", "thin"])
def test_no_event_of_the_other_mode_writes_anything(type_: str, mode: Any, thinly: bool) -> None:
    store, table = memory_store()
    store.commit([writes.account(Account("p1", created_at=NOW)), writes.client("p1", Client("c1", created_at=NOW))])
    event = thin("x", "in_1", type_) if thinly else of_type(type_)
    before = dict(table.items)
    other = event | {"livemode": mode == "test"}
    for account in ({}, {"account": ACCOUNT}):
        stated = stripe_work.handle(Context(store, "p1", STRIPE, NOW), None, mode, other | account, "{}")
        assert (stated, table.items) == ("ignored_other_mode", before)
    # The same in the right mode is not ignored: the table proves something for every type.
    stated = stripe_work.handle(
        Context(store, "p1", STRIPE, NOW), None, mode, event | {"livemode": mode == "live"}, "{}"
    )
    assert not stated.startswith("ignored"), (stated, translate(event, "test"))
    assert table.items != before, stated


@pytest.mark.parametrize("type_", [*sorted(IGNORED), "product.created", "no.such.type"])
def test_what_changes_nothing_is_acknowledged_and_counted_with_its_reason(
    three: World, capsys: pytest.CaptureFixture[str], type_: str
) -> None:
    before = three.items()
    capsys.readouterr()
    about = {"id": "x_1", "object": "x"}
    assert run(snapshot(type_, about), snapshot(type_, about, account=ACCOUNT)) == 0
    assert three.items() == before
    logged = lines(capsys.readouterr().out)
    expected = f"ignored_{IGNORED.get(type_, 'type_not_handled')}"
    assert [line["outcome"] for line in stated(logged)] == [expected] * 2
    metrics = [line for line in logged if "_aws" in line]
    assert [line["outcome"] for line in metrics] == [expected] * 2
    assert all("StripeEvents" in line for line in metrics)


# --- Over EventBridge: envelopes made by hand, as the rule queues them

SOURCE = "aws.partner/stripe.com/ed_test_61Abc"


def over_the_bus(event: Any, source: str = SOURCE, message_id: str | None = None) -> Event:
    entry = {"source": source, "detail-type": "invoice.paid", "detail": event}
    return sqs_message(envelope(entry), message_id)


@pytest.fixture
def bus(three: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("STRIPE_EVENT_SOURCE", SOURCE)
    monkeypatch.setenv("STRIPE_PARTNER_PRACTICE", "p1")
    return three


def deliver(*messages: Event) -> list[str]:
    return failed(load("stripe_events").handler(sqs_event(*messages), CONTEXT))


def test_the_configured_source_s_events_are_the_configured_practice_s(bus: World) -> None:
    assert deliver(over_the_bus(paid()), over_the_bus(paid())) == []
    assert follow_ups(bus) == {"p1": 3, "p2": 0, "p3": 0}
    assert run(paid()) == 0, "the same event by the webhook is the same payment"
    assert follow_ups(bus)["p1"] == 3


def test_connected_accounts_come_over_the_bus_too(bus: World) -> None:
    connect(bus)
    assert deliver(over_the_bus(paid(account=ACCOUNT)), over_the_bus(paid("in_2", account="acct_other"))) == []
    assert follow_ups(bus) == {"p1": 0, "p2": 3, "p3": 0}
    assert parked(bus) == ["unknown_account"]


def test_what_the_bus_brought_and_was_parked_can_be_tried_again(bus: World, stripe: StripeServer) -> None:
    stripe.add(an_invoice("in_1", T0))
    assert deliver(over_the_bus(thin("invoice", "in_1", "invoice.paid"))) == []
    assert parked(bus) == ["thin_event"]
    give_key()
    assert retry(bus) == 1
    assert follow_ups(bus)["p1"] == 3


@pytest.mark.parametrize(
    "source", ["", "aws.partner/stripe.com/ed_test_61Abcd", "aws.partner/stripe.com", "booking.x", None, [SOURCE]]
)
def test_another_source_is_refused_and_changes_nothing(bus: World, source: Any) -> None:
    before = bus.items()
    assert deliver(over_the_bus(paid(), source, "m-forged")) == ["m-forged"]
    assert bus.items() == before


@pytest.mark.parametrize("body", ["[]", '"text"', "7", "{", json.dumps({"source": SOURCE})])
def test_what_is_no_envelope_is_refused(bus: World, body: str) -> None:
    assert deliver(sqs_message(body, "m-bad")) == ["m-bad"]


@pytest.mark.parametrize("detail", [None, [], "text", 7])
def test_an_envelope_without_an_event_is_refused(bus: World, detail: Any) -> None:
    assert deliver(over_the_bus(detail, message_id="m-bad")) == ["m-bad"]


@pytest.mark.parametrize("missing", ["STRIPE_EVENT_SOURCE", "STRIPE_PARTNER_PRACTICE"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_without_its_configuration_nothing_is_believed_from_the_bus(
    bus: World, monkeypatch: pytest.MonkeyPatch, missing: str, how: str
) -> None:
    monkeypatch.delenv(missing) if how == "absent" else monkeypatch.setenv(missing, "")
    before = bus.items()
    sourceless = sqs_message({"detail": paid()}, "m-bare")
    forged = [over_the_bus(paid(), message_id="m-bus"), over_the_bus(paid(), "", "m-none"), sourceless]
    assert deliver(*forged) == ["m-bus", "m-none", "m-bare"]
    assert bus.items() == before


def test_an_event_of_the_webhook_is_never_taken_for_an_envelope(bus: World) -> None:
    """p3 posts an envelope that names the source: it is p3's own, of an account nobody knows."""
    forged = envelope({"source": SOURCE, "detail-type": "invoice.paid", "detail": paid()}) | {"object": "event"}
    assert run(forged, practice="p3") == 0
    assert parked(bus, "p3") == ["unknown_account"], "the envelope's account"
    assert follow_ups(bus) == dict.fromkeys(THREE, 0)
