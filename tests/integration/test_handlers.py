"""The queue workers, the publisher and the API's function, called as Lambda calls them.

Every sample event of the repository goes through its function and must come out as written here by hand.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError
from tests.support.api import AUDIENCE, CLIENT_PAGE, ISSUER, token
from tests.support.builders import DAY, HOUR, NOW, a_lot
from tests.support.functions import (
    CONTEXT,
    ROOT,
    Event,
    World,
    envelope,
    failed,
    http_event,
    lines,
    load,
    own_clients,
    sqs_event,
    sqs_message,
    stated,
    stream_event,
    stripe_message,
    world,
)
from tests.support.key_server import issuer
from tests.support.stock import balances, listed, no_debt, patch, put, read
from tests.support.stripe_server import TEST_KEY, a_price, stripe_server

from client_credits.aws import clients
from client_credits.aws.config import ApiConfig, ConfigError
from client_credits.aws.secrets import cursor_key_name
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.parked import Replay
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind, Package
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.store import keys, writes
from client_credits.store.table import Write

__all__ = ["issuer", "own_clients", "world"]
pytestmark = pytest.mark.usefixtures("own_clients")
EVENTS = ROOT / "events"


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def catalogue() -> Catalogue:
    cycle = Expiry(ExpiryKind.CYCLE_END)
    packages = [
        Package("follow-up-3", "Three", {"follow-up": 3}),
        Package("monthly", "Monthly", {"follow-up": 4}, expiry=cycle, stripe_prices=("price_FollowUpMonthly",)),
        Package("pack", "Pack", {"follow-up": 10, "initial": 1}, stripe_prices=("price_FollowUpPack",)),
    ]
    types = {t: AppointmentType(t, t.title()) for t in ("follow-up", "initial")}
    return Catalogue(types=types, packages={p.package_id: p for p in packages})


def offering(world: World, practice_id: str = "p1", version: int = 1) -> World:
    """A practice that sells what the samples buy, and knows client c-17."""
    store = world.api.store
    account = Account(practice_id, created_at=NOW, catalogue_version=1, version=version)
    store.commit([writes.account(account), writes.catalogue(practice_id, catalogue())])
    store.commit([writes.client(practice_id, Client("c-17", created_at=NOW))])
    return world


def files(folder: str) -> list[Path]:
    return sorted((EVENTS / folder).glob("**/*.json"))


def name_of(file: Path) -> str:
    return str(file.relative_to(EVENTS))


def run(name: str, *messages: Event) -> list[str]:
    """Runs a queue worker that has just started; the ids of the messages that must come back."""
    return failed(load(name).handler(sqs_event(*messages), CONTEXT))


# --- Stripe's events


@dataclass(frozen=True)
class Bought:
    """What one Stripe event comes to: balances of c-17, reasons parked, customers known of c-17."""

    follow_up: int = 0
    initial: int = 0
    parked: tuple[str, ...] = ()
    customers: list[str] = field(default_factory=list)
    ends: str | None = None


MONTHLY = Bought(4, ends="2026-12-22T10:00:00Z")
# News of payments that this practice has not heard of wait for them; what is no payment changes nothing.
NOTHING_YET = (
    *("charge-refunded", "refund-failed", "refund-full", "refund-partial", "refund-pending"),
    *("credit-note", "credit-note-voided", "dispute-lost", "dispute-opened", "dispute-warned", "dispute-won"),
    *("subscription-collection-paused", "subscription-created", "subscription-deleted", "subscription-past-due"),
    *("subscription-paused", "subscription-resumed", "subscription-updated", "customer-deleted"),
    *("checkout-async-failed", "checkout-expired", "checkout-unpaid"),
    *("invoice-paid-threshold", "invoice-paid-trial", "invoice-paid-trial-extended", "invoice-payment-failed"),
    *("invoice-payment-paid", "invoice-payment-succeeded", "invoice-uncollectible", "invoice-voided"),
)
STRIPE: dict[str, Bought] = {
    "checkout-completed.json": Bought(3),
    "checkout-completed-free.json": Bought(3),
    "checkout-quantity.json": Bought(6),
    "terminal-sale.json": Bought(3),
    "subscription-past-due-thin.json": Bought(parked=("thin_event",)),
    "checkout-subscription-link.json": Bought(customers=["cus_SampleRiverside"]),
    "checkout-async-succeeded.json": Bought(3),
    "checkout-payment-link.json": Bought(3),
    "checkout-several-items.json": Bought(parked=("line_items_not_in_event",)),
    "checkout-with-invoice.json": Bought(customers=["cus_SampleRiverside"]),  # its invoice grants
    "invoice-paid-first.json": MONTHLY,
    "invoice-paid-cycle.json": MONTHLY,
    "invoice-paid-manual.json": Bought(10, 1),
    "invoice-paid-several-lines.json": replace(MONTHLY, follow_up=8, parked=("unknown_package",)),
    "invoice-paid-connected.json": Bought(parked=("unknown_account",)),
    "invoice-paid-full-discount.json": MONTHLY,
    "invoice-paid-many-lines.json": Bought(100, 10, parked=("lines_missing",)),  # ten of them are in the event
    "invoice-paid-out-of-band.json": Bought(10, 1),
    "invoice-paid-setup-fee.json": replace(MONTHLY, parked=("unknown_package",)),  # the fee is no package
    "invoice-paid-tiers.json": replace(MONTHLY, follow_up=12 * 4),
    "invoice-paid-thin.json": Bought(parked=("thin_event",)),
    "invoice-paid-update.json": Bought(parked=("unknown_package",)),  # nobody sells the price of its new plan
} | {f"{name}.json": Bought() for name in NOTHING_YET}


def bought(world: World) -> Bought:
    api = world.api
    now = balances(api, "c-17")
    lots = read(api, "/v1/clients/c-17/credits/follow-up/lots")["items"]
    return Bought(
        now["follow-up"],
        now["initial"],
        tuple(parked["reason"] for parked in listed(api, "/v1/parked")),
        read(api, "/v1/clients/c-17")["stripe_customers"],
        lots[0]["expires_at"] if lots else None,
    )


@pytest.mark.parametrize("file", files("stripe"), ids=name_of)
def test_a_stripe_sample_comes_out_as_written_here_however_often_it_comes(world: World, file: Path) -> None:
    offering(world)
    expected = STRIPE[file.name]  # a new sample needs its outcome
    app = load("stripe_events")
    for _ in range(2):
        again = [stripe_message(file.read_text()) for _ in range(2)]
        assert failed(app.handler(sqs_event(*again), CONTEXT)) == []
        assert bought(world) == expected


@pytest.mark.parametrize("name", STRIPE)
def test_the_same_payment_in_every_shape_is_one_payment(world: World, name: str) -> None:
    offering(world)
    shapes = [file for file in files("stripe") if file.name == name]
    assert len(shapes) >= (1 if name.endswith("-thin.json") else 2), "older versions have no thin events"
    assert run("stripe_events", *(stripe_message(file.read_text()) for file in shapes)) == []
    assert bought(world) == STRIPE[name]


def sample(name: str, **changes: Any) -> Event:
    event: Event = json.loads((EVENTS / "stripe/2026-10-28.endive" / name).read_text())
    return event | changes


def test_one_bad_message_comes_back_alone_and_the_rest_is_done(world: World) -> None:
    offering(world)
    good = [stripe_message(sample(n), message_id=n) for n in ("invoice-paid-first.json", "checkout-completed.json")]
    without_practice = sqs_message(sample("invoice-paid-cycle.json"), "without-practice")
    bad = [
        stripe_message("no JSON at all", message_id="no-json"),
        without_practice,
        stripe_message(sample("invoice-paid-cycle.json"), "p-unknown", "unknown-practice"),
    ]
    mixed = [bad[0], good[0], bad[1], bad[2], good[1]]
    assert run("stripe_events", *mixed) == ["no-json", "without-practice", "unknown-practice"]
    assert bought(world) == replace(MONTHLY, follow_up=7)


def test_an_empty_batch_is_done(world: World) -> None:
    for name in ("stripe_events", "bookings", "sweep"):
        assert run(name) == []


@pytest.mark.parametrize(("mode", "livemode"), [("test", True), ("live", False)])
def test_an_event_of_the_other_mode_is_acknowledged_counted_and_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: str, livemode: bool
) -> None:
    offering(world)
    monkeypatch.setenv("STRIPE_MODE", mode)
    before = world.items()
    capsys.readouterr()
    assert run("stripe_events", stripe_message(sample("invoice-paid-first.json", livemode=livemode))) == []
    assert world.items() == before
    logged = lines(capsys.readouterr().out)
    assert [line["outcome"] for line in stated(logged)] == ["ignored_other_mode"]
    (metric,) = [line for line in logged if "_aws" in line]
    assert (metric["StripeEvents"], metric["outcome"]) in ((1, "ignored_other_mode"), ([1.0], "ignored_other_mode"))


def test_a_live_stack_grants_for_live_payments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offering(world)
    monkeypatch.setenv("STRIPE_MODE", "live")
    assert run("stripe_events", stripe_message(sample("invoice-paid-first.json", livemode=True))) == []
    assert bought(world) == MONTHLY


def test_an_event_not_understood_is_parked_whole_for_thirty_days(world: World) -> None:
    offering(world)
    event = sample("invoice-paid-cycle.json")
    event["data"]["object"]["status"] = "open"
    text = json.dumps(event)
    for _ in range(2):
        assert run("stripe_events", stripe_message(text)) == []
    assert bought(world) == Bought(parked=("not_paid",))
    (raw,) = [item for (pk, _), item in world.items().items() if "#raw#" in pk]
    assert raw["raw"]["S"] == text
    assert int(raw["ttl"]["N"]) == int((NOW + 30 * DAY).timestamp())


@pytest.mark.parametrize("name", ["stripe_events", "bookings", "sweep"])
def test_when_the_table_fails_the_message_comes_back_and_is_done_the_next_time(world: World, name: str) -> None:
    offering(world)
    messages = {
        "stripe_events": stripe_message(sample("invoice-paid-first.json")),
        "bookings": booking_message(EVENTS / "bookings/created.json"),
        "sweep": sqs_message({"shard": keys.due_shard(keys.wallet("p1", "c-17", "initial"))}),
    }
    put_due_wallet(world, "c-17")
    app, before = load(name), world.items()
    with refusing(clients.client("dynamodb"), "TransactWriteItems"):
        assert failed(app.handler(sqs_event(messages[name]), CONTEXT)) == [messages[name]["messageId"]]
    assert world.items() == before
    assert failed(app.handler(sqs_event(messages[name]), CONTEXT)) == []
    assert world.items() != before


class refusing:
    """Within the block the service refuses one of its APIs."""

    def __init__(self, client: Any, api: str) -> None:
        self._events, self._service = client.meta.events, client.meta.service_model.service_name
        self._api = api

    def __enter__(self) -> None:
        self._events.register(self._hook, self._refuse)

    def __exit__(self, *_: object) -> None:
        self._events.unregister(self._hook, self._refuse)

    @property
    def _hook(self) -> str:
        return f"before-call.{self._service}.{self._api}"

    def _refuse(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, self._api)


# --- Booking events


@dataclass(frozen=True)
class Booked:
    """What one booking event comes to, for a client with three credits."""

    state: str | None
    follow_up: int = 3
    free: str | None = None
    refused: str | None = None  # the reason in the dead letter queue


LATER = "detail-type: {} is not handled by this release"
BOOKINGS: dict[str, Booked] = {
    "created.json": Booked("booked", 2),
    "created-for-event.json": Booked("booked", free="not_tracked"),  # group classes are not in the catalogue
    "created-share-link.json": Booked("booked", free="unidentified"),
    "cancelled-by-client.json": Booked("cancelled"),
    "cancelled-by-practice.json": Booked("cancelled"),
    "completed.json": Booked(None),
    "identified.json": Booked(None, refused=LATER.format("booking.identified")),
    "no-show.json": Booked(None, refused=LATER.format("booking.no_show")),
    "no-show-reverted.json": Booked(None, refused=LATER.format("booking.no_show_reverted")),
    "rescheduled.json": Booked(None, refused=LATER.format("booking.rescheduled")),
}


def booking_message(source: Path | Event, message_id: str | None = None, **detail: Any) -> Event:
    """A booking event as the bus's rule queues it; `detail` replaces members of it, the practice is p1."""
    entry: Event = json.loads(source.read_text()) if isinstance(source, Path) else source
    whole = entry | {"detail": entry["detail"] | {"practice_id": "p1"} | detail}
    return sqs_message(envelope(whole), message_id)


def event(name: str, **detail: Any) -> Event:
    return booking_message(EVENTS / "bookings" / f"{name}.json", **detail)


def three_credits(world: World) -> World:
    offering(world)
    assert run("stripe_events", stripe_message(sample("checkout-completed.json"))) == []
    return world


def booked(world: World, booking_id: str = "b-sample") -> Booked:
    reply = world.api("GET", f"/v1/bookings/{booking_id}")
    dead = [m["MessageAttributes"]["reason"]["StringValue"] for m in world.received("bookings-dead")]
    assert len(dead) <= 1
    return Booked(
        reply.body["state"] if reply.status == 200 else None,
        balances(world.api, "c-17")["follow-up"],
        reply.body["free"] if reply.status == 200 else None,
        dead[0] if dead else None,
    )


@pytest.mark.parametrize("file", files("bookings"), ids=name_of)
def test_a_booking_sample_comes_out_as_written_here(world: World, file: Path) -> None:
    three_credits(world)
    expected = BOOKINGS[file.name]  # a new sample needs its outcome
    assert run("bookings", booking_message(file)) == []
    assert booked(world) == expected


@pytest.mark.parametrize("file", [f for f in files("bookings") if BOOKINGS[f.name].refused is None], ids=name_of)
def test_a_booking_event_that_comes_again_changes_nothing_more(world: World, file: Path) -> None:
    three_credits(world)
    app = load("bookings")
    for _ in range(2):
        assert failed(app.handler(sqs_event(booking_message(file), booking_message(file)), CONTEXT)) == []
    assert booked(world) == BOOKINGS[file.name]


@pytest.mark.parametrize("by", ["client", "practice"])
def test_booked_and_cancelled_in_any_order_costs_nothing(world: World, by: str) -> None:
    three_credits(world)
    created = event("created")
    gone = event(f"cancelled-by-{by}", occurred_at="2026-11-22T11:00:00Z")
    for batch in ((created, gone), (gone, created, created, gone)):
        assert run("bookings", *batch) == []
        assert booked(world) == Booked("cancelled", 3)


def test_a_booking_called_off_after_its_payment_went_back_returns_nothing_to_the_client(world: World) -> None:
    three_credits(world)
    assert run("bookings", event("created")) == []
    whole = sample("refund-full.json")
    refund = whole["data"]["object"] | {"payment_intent": "pi_SampleCompleted"}
    assert run("stripe_events", stripe_message(whole | {"data": whole["data"] | {"object": refund}})) == []
    assert run("bookings", event("cancelled-by-practice", occurred_at="2026-11-22T11:00:00Z")) == []
    assert balances(world.api, "c-17")["follow-up"] == 0


def test_a_poison_event_goes_to_the_dead_letters_with_its_reason_and_the_rest_goes_on(world: World) -> None:
    three_credits(world)
    bad: dict[str, Event] = {
        "body: not_json": sqs_message("{", "m-json"),
        "body: not_an_object": sqs_message("[]", "m-list"),
        "detail: not_an_object": sqs_message({"source": "booking.x", "detail-type": "booking.created"}, "m-bare"),
        "seats: out_of_range": event("created", seats=0),
        "occurred_at: not_an_instant": event("created", occurred_at="yesterday"),
        "detail-type: unknown": booking_message(
            {"source": "booking.x", "detail-type": "booking.eaten", "detail": {"booking_id": "b-1",
             "occurred_at": "2026-11-22T10:00:00Z"}}),
        "practice_id: unknown": event("created", practice_id="p-unknown"),
        "starts_at: missing": event("created", starts_at=None),
        "client_id: not_an_id": event("created", client_id="a b"),
    }  # fmt: skip
    batch = [event("created", booking_id="b-first"), *bad.values(), event("created", booking_id="b-last")]
    assert run("bookings", *batch) == [], "SQS need not send any of them again"
    dead = {m["MessageAttributes"]["reason"]["StringValue"]: m["Body"] for m in world.received("bookings-dead")}
    assert dead == {reason: message["body"] for reason, message in bad.items()}
    assert balances(world.api, "c-17")["follow-up"] == 1


def test_without_a_dead_letter_queue_of_its_own_a_poison_event_is_left_to_the_queues(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_credits(world)
    monkeypatch.delenv("BOOKINGS_DLQ_URL")
    assert run("bookings", sqs_message("{", "m-json"), event("created")) == ["m-json"]
    assert booked(world) == Booked("booked", 2)


def test_a_poison_event_that_cannot_be_set_aside_comes_back_rather_than_being_lost(world: World) -> None:
    three_credits(world)
    with refusing(clients.client("sqs"), "SendMessage"):
        assert run("bookings", sqs_message("{", "m-json"), event("created")) == ["m-json"]
    assert booked(world) == Booked("booked", 2)


def test_a_refused_booking_is_done_and_not_sent_again(world: World) -> None:
    offering(world)
    no_debt(world.api)
    assert run("bookings", event("created")) == []
    assert read(world.api, "/v1/bookings/b-sample")["refusal"]["reason"] == "insufficient_credits"


def test_a_booking_for_an_unknown_client_creates_the_client(world: World) -> None:
    offering(world)
    assert run("bookings", event("created", client_id="c-new")) == []
    assert read(world.api, "/v1/clients/c-new")["name"] is None
    assert balances(world.api, "c-new")["follow-up"] == -1


# --- The sweep


def due_wallet(client_id: str, lots: int = 1) -> Write:
    """A wallet with lots that ended an hour ago and whose end nobody has written yet."""
    ended = NOW - HOUR
    stock = tuple(a_lot(f"lot-{n}", 1, expires_at=ended, effective_at=NOW - 9 * DAY) for n in range(lots))
    return writes.wallet(Wallet("p1", client_id, "initial", lots=stock, granted_total=lots), ended)


def put_due_wallet(world: World, client_id: str, lots: int = 1) -> None:
    world.api.store.commit([due_wallet(client_id, lots)])


def test_the_schedule_puts_every_shard_on_the_queue(world: World) -> None:
    answer = load("sweep").handler({"kind": "start"}, CONTEXT)
    shards = sorted(json.loads(message["Body"])["shard"] for message in world.received("sweep"))
    assert shards == [f"{n:02d}" for n in range(keys.DUE_SHARDS)]
    assert answer == {"shards": keys.DUE_SHARDS}


def test_a_schedule_whose_shards_were_not_queued_fails_loudly(world: World) -> None:
    with refusing(clients.client("sqs"), "SendMessageBatch"), pytest.raises(ClientError):
        load("sweep").handler({"kind": "start"}, CONTEXT)


def test_a_shard_settles_what_is_due_in_it_and_nothing_else(world: World) -> None:
    offering(world)
    mine = keys.due_shard(keys.wallet("p1", "c-17", "initial"))
    other = next(f"c{n}" for n in range(99) if keys.due_shard(keys.wallet("p1", f"c{n}", "initial")) != mine)
    put_due_wallet(world, "c-17", lots=3)
    put_due_wallet(world, other)
    app = load("sweep")
    for _ in range(2):
        assert failed(app.handler(sqs_event(sqs_message({"shard": mine}), sqs_message({"shard": mine})), CONTEXT)) == []
        history = listed(world.api, "/v1/clients/c-17/credits/initial/history")
        written = [i for (pk, sk), i in world.items().items() if sk.startswith("entry#") and pk == "p1#c-17"]
        assert len(written) == len(history) == 3, "once, however often it is swept"
        assert {e["kind"] for e in history} == {"expired"}
    assert world.items()["p1#" + other, "wallet#initial"]["due_shard"]["S"] != mine
    assert "due_at" in world.items()["p1#" + other, "wallet#initial"]
    assert world.received("sweep") == [], "nothing was left to go on with"


def test_a_shard_with_more_than_a_page_puts_itself_back_until_all_is_settled(world: World) -> None:
    offering(world)
    shard, size = "03", sweeping.PAGE + 1
    crowd = [c for c in (f"c{n}" for n in range(5_000)) if keys.due_shard(keys.wallet("p1", c, "initial")) == shard][
        :size
    ]
    world.api.store.commit([due_wallet(client_id) for client_id in crowd])
    app, rounds, waiting = load("sweep"), 0, [{"Body": json.dumps({"shard": shard})}]
    while waiting:
        rounds += 1
        assert failed(app.handler(sqs_event(*(sqs_message(m["Body"]) for m in waiting)), CONTEXT)) == []
        waiting = world.received("sweep")
        assert rounds < 10
    assert rounds == 2
    assert [k for k, item in world.items().items() if k[1] == "wallet#initial" and "due_at" in item] == []


def test_a_message_that_names_no_shard_comes_back_alone(world: World) -> None:
    offering(world)
    put_due_wallet(world, "c-17")
    good = sqs_message({"shard": keys.due_shard(keys.wallet("p1", "c-17", "initial"))}, "good")
    assert run("sweep", sqs_message("{", "no-json"), sqs_message({}, "no-shard"), good) == ["no-json", "no-shard"]
    assert balances(world.api, "c-17")["initial"] == 0
    assert "due_at" not in world.items()["p1#c-17", "wallet#initial"]


def test_the_sweep_sets_aside_an_item_it_cannot_work_off_and_settles_the_rest(world: World) -> None:
    offering(world)
    put_due_wallet(world, "c-17")
    shard = keys.due_shard(keys.wallet("p1", "c-17", "initial"))
    due_at = writes.sortable(NOW - 2 * HOUR)
    unknown = {"pk": "p1#later", "sk": "later", "kind": "later", "due_shard": shard, "due_at": due_at}
    world.api.store.commit([{"Put": {"Item": {name: {"S": value} for name, value in unknown.items()}}}])
    assert run("sweep", sqs_message({"shard": shard})) == []
    assert balances(world.api, "c-17")["initial"] == 0
    aside = world.items()["p1#later", "later"]
    assert aside["due_at"]["S"] > writes.sortable(NOW)
    assert aside["set_aside_times"] == {"N": "1"}


def test_the_sweep_tries_again_what_was_left_to_it_and_is_done(world: World) -> None:
    offering(world)
    assert run("stripe_events", stripe_message(sample("invoice-paid-several-lines.json"))) == []
    waits_for = ("price", "price_NobodyKnows")
    key = keys.replay("p1", *waits_for)
    world.api.store.commit([writes.replay("p1", Replay(waits_for, None), NOW - HOUR)])
    assert run("sweep", sqs_message({"shard": keys.due_shard(key)})) == []
    assert "due_at" not in world.items()[key]
    assert [parked["reason"] for parked in listed(world.api, "/v1/parked")] == ["unknown_package"]


# --- What is published

WORDS = ("Anna", "anna@", "example.com", "Goodwill", "whsec", "Bearer", "note to self")


LATER = "2026-11-22T12:00:00Z"  # after the settings were changed


def everything(world: World) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Something of every kind happens; the items before and after."""
    offering(world)
    before = world.items()
    api = world.api
    put(api, "/v1/clients/c-17", {"name": "Anna Ärger", "email": "anna@example.com"})
    assert run("stripe_events", stripe_message(sample("checkout-completed.json"))) == []
    assert run("stripe_events", stripe_message(sample("invoice-paid-several-lines.json"))) == []
    assert run("bookings", event("created", reason="note to self", client_email="anna@example.com")) == []
    patch(api, "/v1/clients/c-17/settings", {"max_negative": 0})
    patch(api, "/v1/settings", {"restore_grace_days_client": 3})
    assert run("bookings", event("created", booking_id="b-2", seats=90, occurred_at=LATER)) == []
    adjusting = {"appointment_type": "initial", "amount": 2, "reason": "Goodwill for Anna"}
    assert api("POST", "/v1/clients/c-17/adjustments", adjusting, headers={"idempotency-key": "k1"}).status == 200
    put(api, "/v1/clients/c-18", {"name": "Ben"})
    giving = {"from_client_id": "c-17", "to_client_id": "c-18", "appointment_type": "initial", "amount": 1}
    assert api("POST", "/v1/transfers", giving, headers={"idempotency-key": "k2"}).status == 200
    assert run("bookings", event("cancelled-by-practice", reason="Anna is ill")) == []
    return before, world.items()


def published(world: World, before: dict[Any, Any], after: dict[Any, Any]) -> list[Event]:
    answer = load("publish_entries").handler(stream_event(before, after), CONTEXT)
    assert answer == {"batchItemFailures": []}
    return world.published()


def test_every_entry_refusal_change_and_parked_payment_is_published_as_it_stands(world: World) -> None:
    before, after = everything(world)
    events = published(world, before, after)
    assert {e["source"] for e in events} == {"credits"}
    by_type: dict[str, list[Event]] = {}
    for each in events:
        by_type.setdefault(each["detail-type"], []).append(each["detail"])
    assert {name: len(details) for name, details in by_type.items()} == {
        "credits.granted": 2,
        "credits.spent": 1,
        "credits.restored": 1,
        "credits.adjusted": 1,
        "credits.transferred_out": 1,
        "credits.transferred_in": 1,
        "credits.settings_changed": 2,
        "credits.booking_refused": 1,
        "credits.payment_parked": 1,
    }
    history = [
        entry
        for client_id, type_id in (("c-17", "follow-up"), ("c-17", "initial"), ("c-18", "initial"))
        for entry in listed(world.api, f"/v1/clients/{client_id}/credits/{type_id}/history", role="service")
    ]
    for entry in history:
        if entry["sequence"] is None:
            continue
        (detail,) = [d for d in by_type[f"credits.{entry['kind']}"] if d["event_id"] == entry["entry_id"]]
        heard_there = {name: value for name, value in detail.items() if name not in ("practice_id", "event_id")}
        assert heard_there == {name: value for name, value in entry.items() if name != "reason"}
        assert detail["practice_id"] == "p1"
    (refused,) = by_type["credits.booking_refused"]
    assert refused | {"event_id": "-"} == {
        "practice_id": "p1",
        "event_id": "-",
        "booking_id": "b-2",
        "client_id": "c-17",
        "appointment_type": "follow-up",
        "starts_at": "2026-12-01T09:00:00Z",
        "seats": 90,
        "reason": "limit_reached",
        "available": 10,
        "shortfall": 80,
        "occurred_at": LATER,
    }
    (parked,) = by_type["credits.payment_parked"]
    assert (parked["reason"], parked["payment"]) == ("unknown_package", "in_SampleSeveral")


def test_what_is_published_again_keeps_its_ids(world: World) -> None:
    before, after = everything(world)
    first = published(world, before, after)
    again = published(world, before, after)
    ids = [e["detail"]["event_id"] for e in first]
    assert ids == [e["detail"]["event_id"] for e in again]
    assert len(set(ids)) == len(ids)
    assert [e["detail"] for e in first] == [e["detail"] for e in again]


def test_a_refusal_is_published_once_and_a_new_one_anew(world: World) -> None:
    offering(world)
    no_debt(world.api)
    app, stages = load("bookings"), [world.items()]
    for batch in (
        [event("created")],
        [event("created")],  # the same again
        [event("created", occurred_at="2026-11-22T11:00:00Z")],  # tried anew, refused anew
        [event("cancelled-by-client", occurred_at="2026-11-22T11:30:00Z")],
    ):
        assert failed(app.handler(sqs_event(*batch), CONTEXT)) == []
        stages.append(world.items())
    stated_at = [published(world, a, b) for a, b in pairwise(stages)]
    assert [[e["detail-type"] for e in events] for events in stated_at] == [
        ["credits.booking_refused"],
        [],
        ["credits.booking_refused"],
        [],
    ]
    assert stated_at[0][0]["detail"]["event_id"] != stated_at[2][0]["detail"]["event_id"]


def test_two_refusals_of_one_instant_are_two_events(world: World) -> None:
    offering(world)
    no_debt(world.api)
    patch(world.api, "/v1/settings", {"unidentified_bookings": "refuse"})
    stages = [world.items()]
    for client_id in (None, "c-17"):
        assert run("bookings", event("created", client_id=client_id)) == []
        stages.append(world.items())
    refused = [event["detail"] for a, b in pairwise(stages) for event in published(world, a, b)]
    assert [detail["reason"] for detail in refused] == ["unidentified", "insufficient_credits"]
    assert len({detail["occurred_at"] for detail in refused}) == 1
    assert len({detail["event_id"] for detail in refused}) == 2


def test_a_refusal_that_was_allowed_later_is_not_published_again(world: World) -> None:
    offering(world)
    no_debt(world.api)
    assert run("bookings", event("created")) == []
    refused = world.items()
    assert run("stripe_events", stripe_message(sample("checkout-completed.json"))) == []
    paid = world.items()
    assert run("bookings", event("created", occurred_at="2026-11-22T11:00:00Z")) == []
    assert [e["detail-type"] for e in published(world, refused, paid)] == ["credits.granted"]
    assert [e["detail-type"] for e in published(world, paid, world.items())] == ["credits.spent"]


def test_resolving_or_dismissing_a_parked_payment_does_not_park_it_again(world: World) -> None:
    offering(world)
    assert run("stripe_events", stripe_message(sample("invoice-paid-several-lines.json"))) == []
    before = world.items()
    (parked,) = read(world.api, "/v1/parked")["items"]
    world.api("POST", f"/v1/parked/{parked['id']}/dismiss", {"reason": "note to self"})
    assert published(world, before, world.items()) == []


def test_nothing_published_names_anyone_or_repeats_a_note(world: World) -> None:
    text = json.dumps(published(world, *everything(world)), ensure_ascii=False)
    assert [word for word in WORDS if word.lower() in text.lower()] == []


def test_what_is_removed_is_no_news(world: World) -> None:
    before, after = everything(world)
    assert published(world, after, before | {k: after[k] for k in before}) == []


# --- The HTTP API's function


@pytest.fixture
def function(world: World, issuer: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("TOKEN_ISSUER", ISSUER)
    monkeypatch.setenv("TOKEN_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("TOKEN_JWKS_URL", issuer)
    monkeypatch.setenv("CLIENT_PAGE_URL", CLIENT_PAGE)
    offering(world)
    return load("api")


def asked(function: ModuleType, method: str, path: str, body: Any = None, **more: Any) -> Event:
    bearer = {"authorization": f"Bearer {token(more.pop('role', 'admin'))}"} if more.pop("known", True) else {}
    answer: Event = function.handler(http_event(method, path, body, **more, **bearer), CONTEXT)
    assert answer["headers"]["X-Request-Id"] == "req-1"
    return answer | {"body": json.loads(answer["body"])}


@pytest.mark.parametrize("stage", ["$default", "v1", "prod"])
def test_the_function_answers_on_any_stage(function: ModuleType, stage: str) -> None:
    assert asked(function, "GET", "/v1/settings", stage=stage)["statusCode"] == 200
    assert asked(function, "GET", "/healthz", stage=stage, known=False)["body"] == {"status": "ok"}
    assert "paths" in asked(function, "GET", "/v1/openapi.json", stage=stage, known=False)["body"]
    assert asked(function, "GET", "/v1/nowhere", stage=stage)["statusCode"] == 404
    assert asked(function, "PUT", "/v1/clients/a~b", {}, stage=stage)["statusCode"] == 201


def test_health_and_document_are_open_to_anyone_and_nothing_else_is(function: ModuleType) -> None:
    for path in ("/v1/settings", "/v1/clients/healthz", "/v1/clients/c-17", "/v1/nowhere", "/x/healthz", "/v1/healthz"):
        assert asked(function, "GET", path, known=False)["statusCode"] == 401, path
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert asked(function, method, "/healthz", {}, known=False)["statusCode"] == 401
        assert asked(function, method, "/v1/openapi.json", {}, known=False)["statusCode"] == 401


def test_a_client_whose_id_is_the_name_of_another_path_is_a_client(function: ModuleType) -> None:
    for client_id in ("healthz", "openapi.json"):
        assert asked(function, "GET", f"/v1/clients/{client_id}")["statusCode"] == 404
        assert asked(function, "PUT", f"/v1/clients/{client_id}", {"name": "Anna"})["statusCode"] == 201
        assert asked(function, "GET", f"/v1/clients/{client_id}")["body"]["name"] == "Anna"


def test_the_document_the_function_serves_is_the_published_one(function: ModuleType) -> None:
    heard_there = asked(function, "GET", "/v1/openapi.json", known=False)
    assert heard_there["headers"]["content-type"] == "application/json"
    assert heard_there["body"]["openapi"].startswith("3.1")
    assert len(heard_there["body"]) < 1_000_000


def put_parameter(name: str, value: str) -> None:
    prefix = ApiConfig.from_environment().secrets_prefix
    clients.client("ssm").put_parameter(Name=f"{prefix}/{name}", Value=value, Type="SecureString", Overwrite=True)


def test_sessions_and_links_use_the_key_of_the_stack(world: World, function: ModuleType) -> None:
    put_parameter("session-key", b64encode(b"s" * 32).decode())
    answer = asked(function, "POST", "/v1/client-sessions", {"client_id": "c-17"})
    assert answer["statusCode"] == 200, answer
    bearer = {"authorization": f"Bearer {answer['body']['token']}"}
    own = asked(load("api"), "GET", "/v1/clients/c-17/credits", known=False, **bearer)
    assert own["statusCode"] == 200, "another worker reads the key by itself"
    linked = asked(function, "POST", "/v1/client-links", {"client_id": "c-17"}, **{"idempotency-key": "k1"})
    assert linked["body"]["url"].startswith(f"{CLIENT_PAGE}#link=cDE.link_")


def test_without_the_key_of_sessions_the_request_is_to_be_sent_again(world: World, function: ModuleType) -> None:
    answer = asked(function, "POST", "/v1/client-sessions", {"client_id": "c-17"})
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "1")


def test_a_checkout_is_opened_with_the_practices_own_key(
    world: World, function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_parameter("stripe-api-key/p1", TEST_KEY)
    page = {"success_url": CLIENT_PAGE, "cancel_url": CLIENT_PAGE}
    wanted = {"client_id": "c-17", "package_id": "pack", **page}
    with stripe_server() as stripe:
        stripe.add(a_price("price_FollowUpPack"))
        monkeypatch.setenv("STRIPE_API_BASE", stripe.url)
        answer = asked(load("api"), "POST", "/v1/checkout-sessions", wanted, **{"idempotency-key": "k1"})
        assert (answer["statusCode"], len(stripe.opened)) == (200, 1), answer


def test_the_status_counts_what_the_queues_of_dead_letters_hold(
    world: World, function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = {"STRIPE_DLQ_URL": "stripe-dead", "SWEEP_DLQ_URL": "published", "JOBS_DLQ_URL": "bookings"}
    for setting, queue in dead.items():
        monkeypatch.setenv(setting, world.queues[queue])
    clients.client("sqs").send_message(QueueUrl=world.queues["stripe-dead"], MessageBody="{}")
    answer = asked(load("api"), "GET", "/v1/status")
    assert answer["statusCode"] == 200, answer
    assert answer["body"]["dead_letters"] == {"stripe": 1, "bookings": 0, "sweep": 0, "jobs": 0, "publishing": 0}


def put_cursor_key() -> None:
    name = cursor_key_name(ApiConfig.from_environment().secrets_prefix)
    clients.client("ssm").put_parameter(Name=name, Value=b64encode(b"k" * 32).decode(), Type="SecureString")


def test_cursors_are_sealed_with_the_stacks_key_and_503_until_there_is_one(function: ModuleType, world: World) -> None:
    for number in range(3):
        assert asked(function, "PUT", f"/v1/clients/c{number}", {})["statusCode"] == 201
    without = asked(function, "GET", "/v1/clients", query={"limit": "1"})
    assert (without["statusCode"], without["headers"]["Retry-After"]) == (503, "1")
    put_cursor_key()
    page = asked(function, "GET", "/v1/clients", query={"limit": "1"})
    assert page["statusCode"] == 200
    following = asked(function, "GET", "/v1/clients", query={"limit": "1", "cursor": page["body"]["next_cursor"]})
    assert following["body"]["items"][0]["id"] != page["body"]["items"][0]["id"]
    other_worker = load("api")
    assert asked(other_worker, "GET", "/v1/clients", query={"limit": "1"})["body"] == page["body"]


@pytest.mark.parametrize("api", ["BatchGetItem", "TransactWriteItems", "Query"])
def test_when_the_table_fails_the_answer_is_503_and_may_be_tried_again(function: ModuleType, api: str) -> None:
    calls = {
        "BatchGetItem": ("GET", "/v1/settings", None),
        "TransactWriteItems": ("PUT", "/v1/clients/c1", {}),
        "Query": ("GET", "/v1/clients", None),
    }
    with refusing(clients.client("dynamodb"), api):
        answer = asked(function, *calls[api])
    assert (answer["statusCode"], answer["body"]["code"], answer["headers"]["Retry-After"]) == (503, "unavailable", "1")
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert asked(function, *calls[api])["statusCode"] in (200, 201)


def test_when_the_issuer_cannot_be_asked_the_answer_is_503(
    world: World, monkeypatch: pytest.MonkeyPatch, function: ModuleType
) -> None:
    monkeypatch.setenv("TOKEN_JWKS_URL", "http://127.0.0.1:1/keys")
    assert asked(load("api"), "GET", "/v1/settings")["statusCode"] == 503


# --- Settings that are missing


NEEDS = {
    "stripe_events": ["TABLE_NAME", "STRIPE_MODE"],
    "bookings": ["TABLE_NAME"],
    "sweep": ["TABLE_NAME", "SWEEP_QUEUE_URL", "JOBS_QUEUE_URL"],
    "jobs": ["TABLE_NAME", "JOBS_QUEUE_URL", "FILES_BUCKET"],
    "publish_entries": ["EVENT_BUS_NAME", "PUBLISH_FAILURES_URL"],
    "api": [
        *("TABLE_NAME", "SECRETS_PREFIX", "TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_JWKS_URL"),
        *("CLIENT_PAGE_URL", "STRIPE_MODE", "JOBS_QUEUE_URL", "FILES_BUCKET"),
    ],
}
CALLS: dict[str, list[Event]] = {
    "stripe_events": [sqs_event(sqs_message("{}"))],
    "bookings": [sqs_event(sqs_message("{}"))],
    "sweep": [{"kind": "start"}, sqs_event(sqs_message({"shard": "00"}))],
    "jobs": [sqs_event(sqs_message("{}"))],
    "publish_entries": [stream_event({}, {("p", "s"): {"pk": {"S": "p"}, "sk": {"S": "s"}}})],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_worker_without_its_settings_names_all_of_them_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in NEEDS[name]:
        monkeypatch.delenv(variable)
    for call in CALLS[name]:
        with pytest.raises(ConfigError) as heard_then:
            load(name).handler(call, CONTEXT)
        assert list(heard_then.value.missing) == NEEDS[name]
        assert all(variable in str(heard_then.value) for variable in NEEDS[name])


def test_the_api_without_its_settings_answers_500_and_logs_all_of_them_at_once(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in NEEDS["api"]:
        monkeypatch.delenv(variable)
    capsys.readouterr()
    answer = asked(load("api"), "GET", "/v1/settings")
    assert (answer["statusCode"], answer["body"]["code"]) == (500, "internal_error")
    assert not [variable for variable in NEEDS["api"] if variable in answer["body"]]
    (line,) = stated(lines(capsys.readouterr().out))
    assert all(variable in line["exception"] for variable in NEEDS["api"])
    assert line["request_id"] == "req-1"


@pytest.mark.parametrize("name", [*NEEDS, "stripe_webhook"])
def test_a_function_reads_no_setting_when_it_is_imported(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in {v for needs in NEEDS.values() for v in needs} - {
        "TOKEN_ISSUER",
        "TOKEN_AUDIENCE",
        "TOKEN_JWKS_URL",
        "CLIENT_PAGE_URL",
    }:
        monkeypatch.delenv(variable)
    assert callable(load(name).handler)


# --- Logs


SECRET = "whsec_planted_0123456789"
PLANTED = {
    "name": "Annegret Vertraulich",
    "email": "annegret@vertraulich.example",
    "phone": "+4917012345678",
    "note": "suffers from vertigo",
    "secret": SECRET,
    "signature": "t=1,v1=deadbeefdeadbeef",
}


def planted_session() -> Event:
    """A payment that says much about its payer."""
    event = sample("checkout-completed.json")
    about = event["data"]["object"]
    about["customer_details"] |= {"name": PLANTED["name"], "email": PLANTED["email"], "phone": PLANTED["phone"]}
    about["metadata"] |= {"note": PLANTED["note"], "api_key": SECRET}
    about["client_secret"] = SECRET
    return event


def planted_booking(**detail: Any) -> Event:
    heard_with_it = {"client_email": PLANTED["email"], "client_name": PLANTED["name"], "reason": PLANTED["note"]}
    return event("created", **heard_with_it, **detail)


def provoke(world: World, function: ModuleType) -> list[str]:
    """Every function at work and in trouble, with what must not be logged in all its inputs; the tokens used."""
    put_cursor_key()
    tokens = [token("admin"), token("staff", aud="other"), token("client", client="c-17")]
    unknown = planted_session()
    unknown["data"]["object"]["metadata"] = {}
    malformed = planted_session() | {"data": {"object": PLANTED}}
    load("stripe_events").handler(
        sqs_event(
            stripe_message(planted_session()),
            stripe_message(unknown),
            stripe_message(malformed),
            stripe_message(json.dumps(PLANTED)[:-1]),
            stripe_message(json.dumps(PLANTED["name"])),
            stripe_message(planted_session(), "p-unknown"),
        ),
        CONTEXT,
    )
    load("bookings").handler(
        sqs_event(
            planted_booking(),
            planted_booking(seats=PLANTED["name"]),
            planted_booking(booking_id=PLANTED["email"]),
            planted_booking(practice_id=PLANTED["name"]),
            planted_booking(practice_id="p-unknown"),
            sqs_message(json.dumps(PLANTED)[:-1]),
        ),
        CONTEXT,
    )
    sweep = load("sweep")
    sweep.handler({"kind": "start", **PLANTED}, CONTEXT)
    put_due_wallet(world, "c-17")
    shard = keys.due_shard(keys.wallet("p1", "c-17", "initial"))
    bodies = ({"shard": shard}, {"shard": PLANTED["name"]}, PLANTED["email"])
    sweep.handler(sqs_event(*map(sqs_message, bodies)), CONTEXT)
    steps = ({"practice_id": "p1", "job_id": PLANTED["name"], "version": PLANTED["note"]}, PLANTED, PLANTED["email"])
    load("jobs").handler(sqs_event(*map(sqs_message, steps)), CONTEXT)
    load("publish_entries").handler(stream_event({}, world.items()), CONTEXT)
    unread = {
        ("p1#c-17", "entry#x"): {
            "pk": {"S": "p1#c-17"},
            "sk": {"S": "entry#x"},
            "kind": {"S": "entry"},
            "body": {"S": json.dumps(PLANTED)},
        }
    }
    load("publish_entries").handler(stream_event({}, unread), CONTEXT)
    profile = {"name": PLANTED["name"], "email": PLANTED["email"]}
    requests = [
        ("PUT", "/v1/clients/c-17", profile, tokens[0], {}),
        ("PUT", "/v1/clients/c-17", profile | {"phone": PLANTED["phone"]}, tokens[0], {}),
        ("PUT", "/v1/clients/" + PLANTED["email"], profile, tokens[0], {}),
        ("PUT", "/v1/packages/p", {"name": PLANTED["name"], "credits": {PLANTED["note"]: 1}}, tokens[0], {}),
        ("PATCH", "/v1/settings", {PLANTED["note"]: SECRET}, tokens[0], {}),
        ("GET", "/v1/clients", None, tokens[0], {"q": PLANTED["name"]}),
        ("GET", "/v1/clients", None, tokens[0], {"cursor": SECRET}),
        ("GET", "/v1/settings", None, tokens[1], {}),
        ("GET", "/v1/settings", None, SECRET, {}),
        ("GET", "/v1/clients/c-17/credits", None, tokens[2], {}),
        ("GET", f"/v1/{PLANTED['name']}", None, tokens[0], {}),
        ("PUT", "/v1/clients/c-17", json.dumps(PLANTED)[:-1], tokens[0], {}),
    ]
    for method, path, body, bearer, query in requests:
        sent = http_event(method, path, body, query=query, authorization=f"Bearer {bearer}", cookie=SECRET)
        assert function.handler(sent, CONTEXT)["statusCode"] < 500
    with refusing(clients.client("dynamodb"), "TransactWriteItems"):
        for method, path, body, bearer, query in requests[:2]:
            function.handler(http_event(method, path, body, query=query, authorization=f"Bearer {bearer}"), CONTEXT)
        load("bookings").handler(sqs_event(planted_booking(booking_id="b-later")), CONTEXT)
    return tokens


def test_no_log_line_ever_holds_a_name_an_email_a_note_a_token_or_a_secret(
    world: World, function: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    tokens = provoke(world, function)
    captured = capfd.readouterr()
    assert captured.err == "", "all that is logged is JSON on standard output"
    logged = lines(captured.out)
    text = captured.out + json.dumps(logged, ensure_ascii=False)
    for what, word in PLANTED.items():
        for part in {word, *re.findall(r"\w{7,}", word)}:
            assert part.lower() not in text.lower(), what
    for bearer in tokens:
        for part in bearer.split("."):
            assert part not in text
    assert len(stated(logged)) > 30
    for line in stated(logged):
        assert {"level", "message", "timestamp", "service"} <= set(line), line
        assert "request_id" in line or "message_id" in line, line


def test_an_item_that_cannot_be_read_is_reported_without_what_it_holds(
    world: World, function: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    """A broken record is our fault and must be found; whose it is, is nobody's business."""
    broken = {"client_id": "c-17", "name": [PLANTED["name"]], "email": {"of": PLANTED["email"]}, "version": "x"}
    item = {
        "pk": {"S": "p1#c-broken"},
        "sk": {"S": "client"},
        "version": {"N": "1"},
        "body": {"S": json.dumps(broken)},
    }
    clients.client("dynamodb").put_item(TableName=world.table, Item=item)
    capfd.readouterr()
    assert asked(function, "GET", "/v1/clients/c-broken")["statusCode"] == 500
    text = capfd.readouterr().out
    assert [word for word in ("Annegret", "vertraulich") if word.lower() in text.lower()] == []
    assert "exception" in text
