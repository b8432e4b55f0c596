"""Logs and counts. Logs are JSON lines that carry ids; people and secrets are struck out.

Code should not log a name or a token in the first place. This is the net below it.
"""

import json
import os
import re
import sys
import time
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from traceback import format_exception
from typing import Any

NAMESPACE = "ClientCredits"
REDACTED = "[redacted]"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

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

# What gives itself away wherever it stands: Stripe's secrets and keys, bearer tokens ...
_SECRET = re.compile(
    r"\b(?:whsec|sk_live|sk_test|rk_live|rk_test)_[A-Za-z0-9+/=]+"
    r"|(?i:\bbearer\s+[^\s\"\\]+)"
)
# ... and words that hold an e-mail address or a JSON web token. One pattern for these would start anew at every
# letter of a long word, and take time that grows with the square of its length.
_WORD = re.compile(r"[\w.+@-]+")
_TOKEN_START = re.compile(r"\beyJ[\w-]")


def _without_telltales(text: str) -> str:
    """In time that grows with the length of `text` alone: each letter is looked at a few times."""
    text = _SECRET.sub(REDACTED, text)
    return _WORD.sub(_judged, text) if "@" in text or "eyJ" in text else text


def _judged(found: re.Match[str]) -> str:
    word = found.group()
    return REDACTED if _has_address(word) or _has_token(word) else word


def _has_address(word: str) -> bool:
    return any(local and _begins_as_domain(text) for local, text in pairwise(word.split("@")))


def _begins_as_domain(text: str) -> bool:
    name, _, rest = text.partition(".")
    return name != "" and "+" not in name and rest[:1] not in ("", ".", "+")


def _has_token(word: str) -> bool:
    """Whether it holds a JSON web token: three parts between dots, the first of which begins with eyJ."""
    dotted = [part.split(".") for part in word.replace("@", "+").split("+")]
    return any(
        second and _TOKEN_START.search(first)
        for parts in dotted
        for first, second, _ in zip(parts, parts[1:], parts[2:], strict=False)
    )


def _is_personal(key: str) -> bool:
    words = [word.lower() for word in _WORD_START.split(key) if word]
    return not _WORDS.isdisjoint(words) and "_".join(words) not in _NAMES_OF_THINGS


def redacted(value: Any) -> Any:
    """A copy of `value` without what stands under personal or secret keys, at any depth, and
    without what in its texts gives itself away.
    """
    if isinstance(value, str):
        return _without_telltales(value)
    if isinstance(value, dict):
        return {
            redacted(key): REDACTED if _is_personal(str(key)) else redacted(member) for key, member in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(member) for member in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redacted(str(value))


class Log:
    """A function's log: one line of JSON per call, on standard output, where Lambda collects it.

    Thread-safe for lines; the ids set by `append_keys` belong to the one request being worked on.
    """

    def __init__(self, service: str, level: str = "INFO") -> None:
        """Lines below `level` are not written; a level that is none counts as INFO."""
        self._service = service
        self._least = _LEVELS.index(level if level in _LEVELS else "INFO")
        self._ids: dict[str, object] = {}

    def append_keys(self, **ids: object) -> None:
        """Puts ids on each line from now on, until `clear_state`."""
        self._ids |= ids

    def clear_state(self) -> None:
        """Forgets the ids. The handler calls this first."""
        self._ids = {}

    def debug(self, message: object, **fields: object) -> None:
        self._write("DEBUG", message, fields)

    def info(self, message: object, **fields: object) -> None:
        self._write("INFO", message, fields)

    def warning(self, message: object, **fields: object) -> None:
        self._write("WARNING", message, fields)

    def error(self, message: object, **fields: object) -> None:
        self._write("ERROR", message, fields)

    def exception(self, message: object, **fields: object) -> None:
        """As `error`, with the exception being handled and where it came from."""
        kind, raised, _ = sys.exc_info()
        named = {"exception_name": kind.__name__, "exception": "".join(format_exception(raised))} if kind else {}
        self._write("ERROR", message, named | fields)

    def _write(self, level: str, message: object, fields: dict[str, object]) -> None:
        if _LEVELS.index(level) < self._least:
            return
        line = {
            "level": level,
            "message": message,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            **self._ids,
            **fields,
        }
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            line["xray_trace_id"] = trace.split(";", maxsplit=1)[0].removeprefix("Root=")
        _print(redacted(line))


@cache
def logger(service: str) -> Log:
    """The log of a function, the same at every call. POWERTOOLS_LOG_LEVEL sets its level."""
    name = os.environ.get("POWERTOOLS_SERVICE_NAME") or service
    return Log(name, os.environ.get("POWERTOOLS_LOG_LEVEL") or "INFO")


def count(name: str, **dimensions: str) -> None:
    """Add one to the metric `name`, written as an embedded metric line of its own.

    Each set of dimension values is a metric that is paid for: kinds and reasons, never ids.
    """
    service = os.environ.get("POWERTOOLS_SERVICE_NAME")
    named = ({"service": service} if service else {}) | dimensions
    directive = {
        "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE,
        "Dimensions": [list(named)],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
    stamp = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
    _print({"_aws": stamp, **named, name: 1})


def _print(line: dict[str, Any]) -> None:
    # One write, so that lines of several threads do not mix.
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()
