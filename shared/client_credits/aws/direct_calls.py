"""Two calls to AWS without a botocore client: reading a parameter, sending a message.

A client costs a cold start botocore's session and two services' models, which is more than all else
that the function accepting Stripe's events does. So it signs and sends these two itself, with
botocore's own signer, transport and errors. Everything that does more uses `clients`.

Left out, because a Lambda function does not need it: any credentials but those in its environment,
FIPS and dual-stack addresses, correction of a wrong clock.
"""

import json
import os
import random
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, NoCredentialsError, NoRegionError
from botocore.httpsession import URLLib3Session

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 5
MAX_ATTEMPTS = 3  # the first one included
PAUSE_SECONDS = 0.1  # before the second attempt, twice that before the third; at least half of it

TEMPORARY = frozenset({500, 502, 503, 504})
THROTTLED = frozenset({"ThrottlingException", "Throttling", "RequestThrottled", "TooManyRequestsException"})

Reply = dict[str, Any]


class _Service:
    """One service that speaks AWS's JSON protocol."""

    name: str
    target: str  # the prefix of each operation's name
    version: str  # of the protocol

    def _call(self, operation: str, asked: dict[str, Any]) -> Reply:
        """The answer to one call, tried MAX_ATTEMPTS times.

        Raises what a client would: ClientError for a refusal, a BotoCoreError for no answer at all.
        A call whose answer got lost is sent again, so it may take effect twice.
        """
        for attempt in range(1, MAX_ATTEMPTS):
            try:
                return self._try(operation, asked)
            except ClientError as error:
                if not _is_temporary(error):
                    raise
            except (ConnectionError, HTTPClientError):
                pass  # no answer, or not all of it
            time.sleep(PAUSE_SECONDS * attempt * random.uniform(0.5, 1))
        return self._try(operation, asked)

    def _try(self, operation: str, asked: dict[str, Any]) -> Reply:
        region = _region()
        headers = {
            "Content-Type": f"application/x-amz-json-{self.version}",
            "X-Amz-Target": f"{self.target}.{operation}",
            "User-Agent": f"client-credits botocore/{botocore.__version__}",
        }
        request = AWSRequest("POST", _endpoint(self.name, region), headers, json.dumps(asked).encode())
        SigV4Auth(_credentials(), self.name, region).add_auth(request)
        answer = _transport().send(request.prepare())
        if answer.status_code != 200:
            raise ClientError(_refusal(answer), operation)
        parsed: Reply = json.loads(answer.content)
        return parsed


class Parameters(_Service):
    """SSM Parameter Store, as far as it is read here."""

    name, target, version = "ssm", "AmazonSSM", "1.1"

    def get_parameter(self, **asked: Any) -> Reply:
        return self._call("GetParameter", asked)


class Queues(_Service):
    """SQS, as far as it is written here."""

    name, target, version = "sqs", "AmazonSQS", "1.0"

    def send_message(self, **asked: Any) -> Reply:
        return self._call("SendMessage", asked)


@cache
def _transport() -> URLLib3Session:
    """Keeps connections open from one event to the next."""
    return URLLib3Session(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS))


def _region() -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise NoRegionError
    return region


def _credentials() -> ReadOnlyCredentials:
    """Those that Lambda put into the environment; they last as long as the worker does."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        raise NoCredentialsError
    return ReadOnlyCredentials(key, secret, os.environ.get("AWS_SESSION_TOKEN") or None)


def _endpoint(service: str, region: str) -> str:
    own = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    return f"{(own or f'https://{service}.{region}.{_suffix(region)}').rstrip('/')}/"


@cache
def _suffix(region: str) -> str:
    """The domain of the partition that a region is in, as botocore knows it; the main one's for a new region."""
    described = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())
    partitions = described["partitions"]
    found = (each for each in partitions if region in each["regions"] or re.fullmatch(each["regionRegex"], region))
    suffix: str = next(found, partitions[0])["outputs"]["dnsSuffix"]
    return suffix


def _refusal(answer: Any) -> dict[str, Any]:
    """A refusal as botocore tells it: `__type` is like "com.amazonaws.sqs#QueueDoesNotExist"."""
    try:
        parsed = json.loads(answer.content)
        code, message = str(parsed["__type"]), parsed.get("message") or parsed.get("Message")
    except (ValueError, LookupError, TypeError, AttributeError):
        code, message = str(answer.status_code), None  # not from the service itself
    error = {"Code": code.rpartition("#")[2], "Message": str(message or "")}
    return {"Error": error, "ResponseMetadata": {"HTTPStatusCode": answer.status_code}}


def _is_temporary(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in TEMPORARY or status == 429 or error.response["Error"]["Code"] in THROTTLED
