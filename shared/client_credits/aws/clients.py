"""AWS clients, one per service and process, made when first asked for.

They come from botocore: `import boto3` costs a cold start what its resources are for, and nothing
here uses those. Region, credentials and AWS_ENDPOINT_URL are botocore's own business.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 5
MAX_ATTEMPTS = 3  # the first one included


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def client(service: str) -> Any:
    """The client of `service` ("sqs", "dynamodb", ...); the same one at every call."""
    return _session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            tcp_keepalive=True,
            signature_version="s3v4" if service == "s3" else None,  # or addresses would be signed in the old way
        ),
    )
