"""Clients of the emulator that nothing in the caller's surroundings can redirect.

A stray AWS_PROFILE, a proxy or a configuration file of the machine must not reach the local stack, so neither the
environment nor the files of the user are read.
"""

import os
from typing import Any

import botocore.config
import botocore.session

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"

_ISOLATED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": (None, None, None, None),
}


def client(service: str, endpoint_url: str, *, read_timeout_seconds: int = 60) -> Any:
    """A botocore client of ``service`` at ``endpoint_url``, with fixed credentials and region."""
    session = botocore.session.Session(session_vars=_ISOLATED)
    return session.create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 the emulator takes any
        config=botocore.config.Config(
            proxies={},
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
        ),
    )
