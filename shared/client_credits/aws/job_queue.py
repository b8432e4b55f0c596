"""The queue that carries jobs from step to step. A message names a job and the version it is to go on from."""

import json
from dataclasses import dataclass

from client_credits.aws.clients import client
from client_credits.domain.practice.jobs import JobMessage


@dataclass(frozen=True, slots=True)
class JobQueue:
    """The client is made when the first message is sent."""

    url: str

    def send(self, message: JobMessage) -> None:
        """Queues one step. Sent twice, the step is still carried out once."""
        client("sqs").send_message(QueueUrl=self.url, MessageBody=body_of(message))


def body_of(message: JobMessage) -> str:
    """A message as text."""
    return json.dumps({"practice_id": message.practice_id, "job_id": message.job_id, "version": message.version})


def read_message(body: str) -> JobMessage:
    """A message as `body_of` wrote it. Raises ValueError, which repeats nothing of it, for any other."""
    try:
        stated = json.loads(body)
        return JobMessage(str(stated["practice_id"]), str(stated["job_id"]), int(stated["version"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError("not a message of a job") from None
