"""What a function is known, and what it says when it was not heard enough."""

import json
import os
import subprocess
import sys

import pytest

from client_credits.aws.config import (
    ApiConfig,
    BookingsConfig,
    ConfigError,
    IdentityConfig,
    PublishConfig,
    StripeEventsConfig,
    StripeWebhookConfig,
    SweepConfig,
)
from client_credits.http.identity import ClaimNames

API = {
    "TABLE_NAME": "credits-table",
    "SECRETS_PREFIX": "/client-credits/demo",
    "TOKEN_ISSUER": "https://issuer.example/",
    "TOKEN_AUDIENCE": "credits",
    "TOKEN_JWKS_URL": "https://issuer.example/jwks.json",
    "JOBS_QUEUE_URL": "https://queue.example/jobs",
    "FILES_BUCKET": "files",
    "CLIENT_PAGE_URL": "https://credits.example/me",
    "STRIPE_MODE": "test",
}


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ApiConfig.from_environment({})

    assert set(caught.value.missing) == set(API)
    assert all(name in str(caught.value) for name in API)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_setting_is_a_missing_one(blank: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PublishConfig.from_environment({"EVENT_BUS_NAME": blank, "PUBLISH_FAILURES_URL": "https://q.example/f"})

    assert caught.value.missing == ("EVENT_BUS_NAME",)


def test_missing_and_wrong_settings_are_reported_together_and_apart() -> None:
    with pytest.raises(ConfigError) as caught:
        StripeEventsConfig.from_environment({"STRIPE_MODE": "testing"})

    assert caught.value.missing == ("TABLE_NAME", "SECRETS_PREFIX")
    assert caught.value.invalid == ("STRIPE_MODE",)


def test_the_message_never_holds_a_value() -> None:
    with pytest.raises(ConfigError) as caught:
        StripeWebhookConfig.from_environment({"STRIPE_QUEUE_URL": "whsec_pasted_by_mistake"})

    assert "whsec" not in str(caught.value)


def test_a_complete_environment_gives_typed_values_and_the_documented_defaults() -> None:
    config = ApiConfig.from_environment(API)

    assert config.table_name == "credits-table"
    assert config.secrets_prefix == "/client-credits/demo"
    assert (config.claim_practice, config.claim_role, config.claim_client) == (
        "credits_practice",
        "credits_role",
        "credits_client",
    )
    assert config.cors_origins == ()
    assert isinstance(config, IdentityConfig)


def test_the_claims_have_the_same_names_by_default_wherever_they_are_read() -> None:
    config = ApiConfig.from_environment(API)

    assert ClaimNames() == ClaimNames(config.claim_practice, config.claim_role, config.claim_client)


def test_claim_names_may_be_addresses() -> None:
    config = ApiConfig.from_environment({**API, "CLAIM_PRACTICE": "https://us.example/practice"})

    assert config.claim_practice == "https://us.example/practice"


def test_origins_are_exact_and_separated_by_commas() -> None:
    origins = "https://app.example, http://127.0.0.1:5173 ,https://[::1]:8443,"

    config = ApiConfig.from_environment({**API, "CORS_ORIGINS": origins})

    assert config.cors_origins == (
        "https://app.example",
        "http://127.0.0.1:5173",
        "https://[::1]:8443",
    )


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "https://*.example",
        "https://app.example/",
        "https://App.Example",
        "app.example",
        "null",
        "https://a.example https://b.example",
        "https://user@app.example",
        "https://app.example:999999",
    ],
)
def test_what_no_browser_sends_as_an_origin_is_refused(origins: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiConfig.from_environment({**API, "CORS_ORIGINS": origins})

    assert caught.value.invalid == ("CORS_ORIGINS",)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "issuer.example/jwks", "https://"])
def test_the_key_set_is_read_over_http_or_https_only(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        IdentityConfig.from_environment({**API, "TOKEN_JWKS_URL": url})

    assert caught.value.invalid == ("TOKEN_JWKS_URL",)


@pytest.mark.parametrize("prefix", ["client-credits", "/", "/a/", "/a b", "/a//b"])
def test_the_prefix_of_secrets_is_a_parameter_path(prefix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiConfig.from_environment({**API, "SECRETS_PREFIX": prefix})

    assert caught.value.invalid == ("SECRETS_PREFIX",)


def test_the_dead_letter_queue_of_bookings_is_optional() -> None:
    assert BookingsConfig.from_environment({"TABLE_NAME": "t"}).bookings_dlq_url is None


def test_the_process_environment_is_read_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_NAME", "one")
    for name in ("sweep", "jobs"):
        monkeypatch.setenv(f"{name.upper()}_QUEUE_URL", f"http://127.0.0.1:4566/000000000000/{name}")
    assert SweepConfig.from_environment().table_name == "one"

    monkeypatch.setenv("TABLE_NAME", "two")
    assert SweepConfig.from_environment().table_name == "two"


def test_importing_these_modules_reads_no_environment_and_loads_no_heavy_library() -> None:
    script = """
import json, os, sys
class Watched(dict):
    read = []
    def __getitem__(self, key):
        self.read.append(key); return super().__getitem__(key)
    def get(self, key, default=None):
        self.read.append(key); return super().get(key, default)
import client_credits.domain.ids, dataclasses, hmac, enum, functools
os.environ = Watched(os.environ)
import client_credits.aws.config, client_credits.http.problems, client_credits.stripe.signature
heavy = [m for m in ("boto3", "botocore", "pydantic", "aws_lambda_powertools", "stripe", "jwt")
         if m in sys.modules]
print(json.dumps([Watched.read, heavy]))
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=dict(os.environ))

    assert json.loads(answer.stdout) == [[], []]
