"""Dead letters back to where they came from: sent first, deleted after, and never the same one twice in a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Message = dict[str, Any]
RECEIVE = 10  # the most that SQS hands out at once
ROUND = 1_000  # messages held in memory at a time
HELD_SECONDS = 900  # nobody else sees a message while we deal with it
WAIT_SECONDS = 1


class Queue:
    """One queue, through a botocore SQS client."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def count(self) -> int:
        """How many messages wait; approximate on AWS."""
        name = "ApproximateNumberOfMessages"
        return int(self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])["Attributes"][name])

    def rounds(self, at_most: int) -> Iterator[list[Message]]:
        """The messages that wait now, `at_most` of them, a round at a time.

        A round is received whole before it is handed out, so what a caller sends back meanwhile, and what comes
        straight back as a dead letter, is not received in its place.
        """
        while at_most > 0 and (found := self._receive(min(at_most, ROUND))):
            at_most -= len(found)
            yield found

    def send_like(self, message: Message) -> None:
        """Sends the same body with the same attributes."""
        attributes = {name: _typed(value) for name, value in message.get("MessageAttributes", {}).items()}
        self._sqs.send_message(QueueUrl=self._url, MessageBody=message["Body"], MessageAttributes=attributes)

    def delete(self, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    @contextmanager
    def given_back(self, messages: list[Message]) -> Iterator[list[Message]]:
        """Whatever is left in the list at the end can be received again at once, also after a failure."""
        try:
            yield messages
        finally:
            for message in messages:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )

    def _receive(self, at_most: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < at_most:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(RECEIVE, at_most - len(found)),
                MessageAttributeNames=["All"],
                VisibilityTimeout=HELD_SECONDS,
                WaitTimeSeconds=WAIT_SECONDS,
            )
            if not answer.get("Messages"):
                break
            found += answer["Messages"]
        return found


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    """An attribute as it is sent; what is received also lists empty members."""
    return {name: value[name] for name in ("DataType", "StringValue", "BinaryValue") if name in value}


def move_back(dead_letters: Queue, source: Queue, at_most: int, moved: Callable[[], None]) -> int:
    """Moves `at_most` messages from the dead letters to the queue they came from; returns how many.

    A message that fails between the two steps is in both queues: receivers are safe against repeats.
    """
    count = 0
    for messages in dead_letters.rounds(at_most):
        with dead_letters.given_back(messages) as left:
            while left:
                source.send_like(left[0])
                dead_letters.delete(left.pop(0))
                count += 1
                moved()
    return count
