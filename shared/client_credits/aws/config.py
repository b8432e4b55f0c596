"""What each function must be given, read from its environment when it first works, never at import.

Each class below is one function's need. `from_environment` raises a ConfigError that names every
setting that is missing or wrong, all at once, so that a deployment is mended in one step.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, Self

from client_credits.domain.ids import is_id

STRIPE_API = "https://api.stripe.com"


class ConfigError(Exception):
    """The environment lacks settings or holds wrong ones: `missing` and `invalid` are their names.

    Values are never part of the message, which may be logged.
    """

    def __init__(self, need: str, missing: tuple[str, ...], invalid: tuple[str, ...]) -> None:
        parts = []
        if missing:
            parts.append(f"missing: {', '.join(missing)}")
        if invalid:
            parts.append(f"invalid: {', '.join(invalid)}")
        super().__init__(f"{need}: settings {'; '.join(parts)}")
        self.missing = missing
        self.invalid = invalid


def _text(value: str) -> str:
    return value


# The patterns are compiled where they are used: most functions need one of them at most, and every
# one of their cold starts would pay for all.


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/\S*)?", value):
        raise ValueError("not an http or https address")
    return value


def _mode(value: str) -> str:
    if value not in ("test", "live"):
        raise ValueError("neither test nor live")
    return value


def _practice(value: str) -> str:
    if not is_id(value):
        raise ValueError("not a practice id")
    return value


def _parameter_prefix(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", value):
        raise ValueError("not a parameter path such as /client-credits/stack")
    return value


def _origins(value: str) -> tuple[str, ...]:
    """Exact origins, as a browser sends them: lower case, no path, no wildcard."""
    origin_pattern = r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(re.fullmatch(origin_pattern, origin) for origin in origins):
        raise ValueError("not a comma-separated list of origins")
    return origins


class _Setting(NamedTuple):
    """Where a field comes from and how it is read; without a default it is required."""

    name: str
    parse: Callable[[str], Any]
    default: Any


_REQUIRED = object()


def _setting(name: str, parse: Callable[[str], Any] = _text, default: Any = _REQUIRED) -> Any:
    return _Setting(name, parse, default)


class _FromEnvironment:
    """A need: its fields are given as `_setting(...)` and hold what was read, for good.

    Not a dataclass: each of those costs a cold start half a per cent, and there is one per function here.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} is read from the environment and does not change")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read every setting of this need; a blank one counts as missing. Raises ConfigError."""
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        missing: list[str] = []
        invalid: list[str] = []
        for field, setting in cls.settings().items():
            value = source.get(setting.name, "").strip()
            if not value and setting.default is _REQUIRED:
                missing.append(setting.name)
                continue
            try:
                values[field] = setting.parse(value) if value else setting.default
            except ValueError:
                invalid.append(setting.name)
        if missing or invalid:
            raise ConfigError(cls.__name__, tuple(missing), tuple(invalid))
        return cls(values)

    @classmethod
    def settings(cls) -> dict[str, _Setting]:
        """What this need consists of, by field."""
        known = {name: each for base in reversed(cls.__mro__) for name, each in vars(base).items()}
        return {name: each for name, each in known.items() if isinstance(each, _Setting)}


class StripeWebhookConfig(_FromEnvironment):
    """What the function that accepts Stripe's events needs."""

    stripe_queue_url: str = _setting("STRIPE_QUEUE_URL", _url)
    secrets_prefix: str = _setting("SECRETS_PREFIX", _parameter_prefix)


class StripeEventsConfig(_FromEnvironment):
    """What the worker that grants from Stripe's events needs.

    Without an event source, or a practice for it, events come from the webhook alone.
    """

    table_name: str = _setting("TABLE_NAME")
    stripe_mode: str = _setting("STRIPE_MODE", _mode)
    secrets_prefix: str = _setting("SECRETS_PREFIX", _parameter_prefix)
    stripe_api_base: str = _setting("STRIPE_API_BASE", _url, default=STRIPE_API)
    stripe_event_source: str | None = _setting("STRIPE_EVENT_SOURCE", default=None)
    stripe_partner_practice: str | None = _setting("STRIPE_PARTNER_PRACTICE", _practice, default=None)


class BookingsConfig(_FromEnvironment):
    """What the worker of booking events needs. Without a dead letter queue it lets SQS redrive."""

    table_name: str = _setting("TABLE_NAME")
    bookings_dlq_url: str | None = _setting("BOOKINGS_DLQ_URL", _url, default=None)


class SweepConfig(_FromEnvironment):
    """What the sweep needs."""

    table_name: str = _setting("TABLE_NAME")
    sweep_queue_url: str = _setting("SWEEP_QUEUE_URL", _url)
    jobs_queue_url: str = _setting("JOBS_QUEUE_URL", _url)


class JobsConfig(_FromEnvironment):
    """What the worker of jobs needs."""

    table_name: str = _setting("TABLE_NAME")
    jobs_queue_url: str = _setting("JOBS_QUEUE_URL", _url)
    files_bucket: str = _setting("FILES_BUCKET")


class PublishConfig(_FromEnvironment):
    """What the publisher of the table's stream needs."""

    event_bus_name: str = _setting("EVENT_BUS_NAME")
    publish_failures_url: str = _setting("PUBLISH_FAILURES_URL", _url)


class ReconcileConfig(_FromEnvironment):
    """What the daily comparison with Stripe needs."""

    table_name: str = _setting("TABLE_NAME")
    secrets_prefix: str = _setting("SECRETS_PREFIX", _parameter_prefix)
    stripe_mode: str = _setting("STRIPE_MODE", _mode)
    stripe_api_base: str = _setting("STRIPE_API_BASE", _url, default=STRIPE_API)


class IdentityConfig(_FromEnvironment):
    """Whose tokens are believed, and under which claim names they say who is asking."""

    issuer: str = _setting("TOKEN_ISSUER")
    audience: str = _setting("TOKEN_AUDIENCE")
    jwks_url: str = _setting("TOKEN_JWKS_URL", _url)
    claim_practice: str = _setting("CLAIM_PRACTICE", default="credits_practice")
    claim_role: str = _setting("CLAIM_ROLE", default="credits_role")
    claim_client: str = _setting("CLAIM_CLIENT", default="credits_client")


class ApiConfig(IdentityConfig):
    """What the HTTP API needs, identity included. No origins: no browser may call it."""

    table_name: str = _setting("TABLE_NAME")
    secrets_prefix: str = _setting("SECRETS_PREFIX", _parameter_prefix)
    jobs_queue_url: str = _setting("JOBS_QUEUE_URL", _url)
    files_bucket: str = _setting("FILES_BUCKET")
    stripe_mode: str = _setting("STRIPE_MODE", _mode)
    stripe_api_base: str = _setting("STRIPE_API_BASE", _url, default=STRIPE_API)
    client_page_url: str = _setting("CLIENT_PAGE_URL", _url)  # API_ID in it stands for `api_id`
    api_id: str = _setting("API_ID", default="")
    stripe_dlq_url: str | None = _setting("STRIPE_DLQ_URL", _url, default=None)
    bookings_dlq_url: str | None = _setting("BOOKINGS_DLQ_URL", _url, default=None)
    sweep_dlq_url: str | None = _setting("SWEEP_DLQ_URL", _url, default=None)
    jobs_dlq_url: str | None = _setting("JOBS_DLQ_URL", _url, default=None)
    publish_failures_url: str | None = _setting("PUBLISH_FAILURES_URL", _url, default=None)
    cors_origins: tuple[str, ...] = _setting("CORS_ORIGINS", _origins, default=())

    @property
    def dead_letters(self) -> dict[str, str]:
        """The queues of what was given up, by what was to work it off."""
        urls = {
            "stripe": self.stripe_dlq_url,
            "bookings": self.bookings_dlq_url,
            "sweep": self.sweep_dlq_url,
            "jobs": self.jobs_dlq_url,
            "publishing": self.publish_failures_url,
        }
        return {name: url for name, url in urls.items() if url}
