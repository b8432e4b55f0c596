"""Logs and counts. Logs are JSON lines that carry ids; people and secrets are struck out.

Code should not log a name or a token in the first place. This is the net below it.
"""

import os
import re
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "ClientCredits"
REDACTED = "[redacted]"

# A key is struck out when one of its words is here ("stripe_signature", "clientEmail") ...
_WORDS = frozenset(
    {
        *("email", "emails", "mail", "phone", "address", "name", "note", "notes", "payer"),
        *("token", "tokens", "authorization", "cookie", "password", "credential", "credentials"),
        *("secret", "secrets", "signature", "signatures", "apikey", "body"),
    }
)
# ... unless all of it is one of these, which name things of ours and not people.
_NAMES_OF_THINGS = frozenset(
    {
        *("function_name", "table_name", "event_bus_name", "queue_name", "parameter_name"),
        *("service_name", "rule_name", "metric_name", "exception_name", "logger_name"),
    }
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

# What gives itself away wherever it stands: e-mail addresses, Stripe's secrets and keys, tokens.
_TELLTALE = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b(?:whsec|sk_live|sk_test|rk_live|rk_test)_[A-Za-z0-9+/=]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?i:\bbearer\s+[^\s\"\\]+)"
)


def _is_personal(key: str) -> bool:
    words = [word.lower() for word in _WORD_START.split(key) if word]
    return not _WORDS.isdisjoint(words) and "_".join(words) not in _NAMES_OF_THINGS


def redacted(value: Any) -> Any:
    """A copy of `value` without what stands under personal or secret keys, at any depth, and
    without what in its texts gives itself away.
    """
    if isinstance(value, str):
        return _TELLTALE.sub(REDACTED, value)
    if isinstance(value, dict):
        return {
            redacted(key): REDACTED if _is_personal(str(key)) else redacted(member) for key, member in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(member) for member in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redacted(str(value))


class _Formatter(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:
        return super().serialize(redacted(log))


@cache
def logger(service: str) -> Logger:
    """The logger of a function, the same at every call. POWERTOOLS_LOG_LEVEL sets its level.

    `append_keys(request_id=..., operation_id=...)` adds ids to each line until `clear_state()`,
    which the handler calls first.
    """
    return Logger(
        service=os.environ.get("POWERTOOLS_SERVICE_NAME") or service,
        logger_formatter=_Formatter(utc=True, use_rfc3339=True),
    )


def count(name: str, **dimensions: str) -> None:
    """Add one to the metric `name`, written as an embedded metric line of its own.

    Each set of dimension values is a metric that is paid for: kinds and reasons, never ids.
    """
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE
    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=namespace) as metric:
        for dimension, value in dimensions.items():
            metric.add_dimension(name=dimension, value=value)
