"""`credits events --follow`: what is published on the bus, as it comes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import uuid4

import typer

from client_credits.cli.output import printable
from client_credits.cli.session import CliSession, PracticeId

WAIT_SECONDS = 2  # of one request to the queue


def events(
    session: CliSession,
    follow: Annotated[bool, typer.Option("--follow", help="Show each event as it comes, until Ctrl-C.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    practice: PracticeId = None,
) -> None:
    """Show the events of a practice from now on: of a rule and a queue made for it, and removed at the end."""
    if not follow and count is None:
        raise typer.BadParameter("say --follow, or --count N: only events from now on can be seen")
    practice_id = session.practice_id(practice)
    with _listening(session, practice_id) as queue_url:
        typer.echo(f"Listening to practice {practice_id}. Ctrl-C ends it.", err=True)
        try:
            for seen, event in enumerate(_received(session, queue_url), start=1):
                session.output.plain(event, _line(event))
                if count is not None and seen >= count:
                    return
        except KeyboardInterrupt:
            return


def _line(event: dict[str, Any]) -> str:
    detail = event["detail"]
    facts = ("client_id", "appointment_type", "amount", "balance_after", "booking_id", "reason")
    named = (f"{name}={detail[name]}" for name in facts if detail.get(name) is not None)
    line = f"{detail.get('occurred_at') or event.get('time', '')}  {event['detail-type']:28} {' '.join(named)}"
    return printable(line, keep="")


@contextmanager
def _listening(session: CliSession, practice_id: str) -> Iterator[str]:
    """A queue that the practice's events come to, for as long as the block lasts."""
    sqs, bus = session.target.client("sqs"), session.target.client("events")
    name = f"credits-events-{uuid4().hex[:12]}"
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [allowed | {"Resource": arn}]}
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
        on = {"EventBusName": session.target.event_bus_name}
        pattern = {"source": ["credits"], "detail": {"practice_id": [practice_id]}}
        bus.put_rule(Name=name, EventPattern=json.dumps(pattern), **on)
        bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}], **on)
        try:
            yield queue_url
        finally:
            bus.remove_targets(Rule=name, Ids=["queue"], **on)
            bus.delete_rule(Name=name, **on)
    finally:
        sqs.delete_queue(QueueUrl=queue_url)


def _received(session: CliSession, queue_url: str) -> Iterator[dict[str, Any]]:
    sqs = session.target.client("sqs")
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS)
        for message in answer.get("Messages", []):
            yield json.loads(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
