"""`credits sweep`: everything due is settled, page by page, and a repeat finds nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.builders import NOW, a_package, a_payment
from tests.support.cli import Stack, moto_stack

from client_credits.aws.job_queue import read_message
from client_credits.domain.practice.catalogue import AppointmentType, Expiry, ExpiryKind
from client_credits.domain.practice.jobs import JobKind, JobMessage
from client_credits.operations import sweeping
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.jobs import starting
from client_credits.operations.payments.paying import pay
from client_credits.operations.staff import practices
from client_credits.operations.staff.idempotent import Keyed

LATER = (NOW + timedelta(days=31)).isoformat()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Twelve clients whose three credits end 30 days after they were bought."""
    with moto_stack(tmp_path) as made:
        store = made.store
        practices.create_practice(Context(store, "p1", STRIPE, NOW))
        practices.put_appointment_type(store, "p1", AppointmentType("follow-up", "Follow-up"))
        expiry = Expiry(ExpiryKind.DAYS, 30)
        practices.put_package(Context(store, "p1", STRIPE, NOW), a_package(expiry=expiry), False)
        for number in range(12):
            buyer = {"client_id": f"c{number}", "customer": None, "subscription": None}
            pay(Context(store, "p1", STRIPE, NOW), a_payment(f"in_{number}", **buyer))
        yield made


def test_what_is_due_by_an_instant_is_settled_once(stack: Stack) -> None:
    first = stack("sweep", "--at", LATER, "--json").json
    assert (first["wallets"], first["entries"]) == (12, 12)
    assert first["at"] == "2026-12-23T12:00:00Z"
    again = stack("sweep", "--at", LATER, "--json").json
    assert (again["wallets"], again["entries"]) == (0, 0)
    assert stack("verify").code == 0


def test_nothing_is_due_before_its_instant(stack: Stack) -> None:
    assert stack("sweep", "--at", "2026-12-22T23:59:59Z", "--json").json["entries"] == 0
    assert stack("sweep", "--at", "2026-12-23T00:00:00Z", "--json").json["entries"] == 12


def test_every_page_of_a_shard_is_settled(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of one wallet, since a full page takes more wallets than a test should make."""
    whole = sweeping.sweep_shard
    monkeypatch.setattr(sweeping, "sweep_shard", lambda store, shard, now: whole(store, shard, now, 1))
    monkeypatch.setattr(sweeping, "shards", lambda: sorted({f"{n:02d}" for n in range(16)}))
    assert stack("sweep", "--at", LATER, "--json").json["entries"] == 12


def test_people_read_one_line(stack: Stack) -> None:
    ran = stack("sweep", "--at", LATER)
    assert ran.out == "12 wallets were due at 2026-12-23T12:00:00Z: 12 entries written.\n"
    assert ran.err == "", "no bar where there is no terminal"


def test_a_job_whose_message_was_lost_is_woken(stack: Stack) -> None:
    context, asked = Context(stack.store, "p1", STRIPE, NOW), Keyed("key-1", "export {}")
    job_id = starting.start(context, JobKind.EXPORT, {}, asked, lambda message: None).job_id
    assert stack("sweep", "--at", LATER).code == 0
    (sent,) = stack.client("sqs").receive_message(QueueUrl=stack.queue("JobsQueueUrl"))["Messages"]
    assert read_message(sent["Body"]) == JobMessage("p1", job_id, 1)
