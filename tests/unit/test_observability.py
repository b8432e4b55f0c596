"""What reaches a log line, and what never does."""

import json
import re
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.regex_steps import steps_of

from client_credits.aws import logs as observability
from client_credits.aws.logs import REDACTED, Log, count, redacted

PERSONAL = [
    "email",
    "client_email",
    "clientEmail",
    "E-Mail",
    "name",
    "client_name",
    "firstName",
    "phone",
    "note",
    "notes",
    "token",
    "access_token",
    "Authorization",
    "stripe-signature",
    "secret",
    "webhookSecret",
    "password",
    "cookie",
    "body",
]
HARMLESS = [
    "request_id",
    "operation_id",
    "practice_id",
    "client_id",
    "event_id",
    "function_name",
    "table_name",
    "exception_name",
    "booking_id",
    "appointment_type",
    "kind",
    "notation",
    "tokenizer",
    "reason",
    "level",
    "message",
]


@pytest.mark.parametrize("key", PERSONAL)
def test_what_stands_under_a_personal_or_secret_key_is_struck_out(key: str) -> None:
    assert redacted({"deep": [{key: "Erika"}]}) == {"deep": [{key: REDACTED}]}


@pytest.mark.parametrize("key", HARMLESS)
def test_ids_and_names_of_things_are_kept(key: str) -> None:
    assert redacted({key: "x-1"}) == {key: "x-1"}


@pytest.mark.parametrize(
    "telltale",
    [
        "erika.mustermann+x@mail.example.org",
        "whsec_MfKQ9r8GKYqrTwjU",
        "sk_live_51AbCd",
        "rk_test_51AbCd",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "Bearer abc.def",
        "bearer\tabc",
    ],
)
def test_what_gives_itself_away_is_struck_out_of_any_text(telltale: str) -> None:
    for value in (telltale, f"for {telltale}: refused", [telltale], ValueError(telltale)):
        assert telltale not in json.dumps(redacted({"message": value}), default=str)
    assert telltale not in redacted({telltale: 1})


@pytest.mark.parametrize("plain", ["p1#c-17", "arn:aws:sqs:eu-west-1:1:q", "stripe/acct/live/in_1/il_1", "a@b", "@"])
def test_ids_in_texts_are_kept(plain: str) -> None:
    assert redacted(plain) == plain


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_can_be_redacted_and_a_second_time_changes_nothing(value: Any) -> None:
    assert redacted(redacted(value)) == redacted(value)


# What gives itself away, said in one pattern. It is slow on long words, so it serves here only.
TELLTALE = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b(?:whsec|sk_live|sk_test|rk_live|rk_test)_[A-Za-z0-9+/=]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?i:\bbearer\s+[^\s\"\\]+)"
)
PIECES = [
    *("a", "Z", "7", "_", "-", ".", "+", "@", "/", "=", " ", "\t", '"', "\\", "[", "é", "#"),
    *("eyJ", "bearer", "Bearer ", "whsec_", "sk_live_", "x@y.zz", "eyJa.b.c", REDACTED),
]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(texts)
def test_nothing_that_gives_itself_away_is_left_of_any_text(text: str) -> None:
    stated = redacted(text)

    assert TELLTALE.search(stated) is None
    assert redacted(stated) == stated
    if TELLTALE.search(text) is None:
        assert stated == text


HOSTILE = [
    *("a", "a.", "a-", "@", "@a", "a@", "a@a", "a@a.", ".@", "a@.", "+", "+@"),
    *("eyJ", "eyJ-", "eyJa.", "eyJ.", "-eyJ", "eyJa-.", "bearer ", "bearer", " ", "bearer\n ", "whsec_", "whsec_a-"),
    *("aA", "A_", "sk_live_@", "eyJa.b@"),
]
PATTERNS = [each for each in vars(observability).values() if isinstance(each, re.Pattern)]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:20])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_twice_the_text_costs_a_pattern_twice_the_steps(pattern: re.Pattern[str], hostile: str) -> None:
    for beginning in ("", "bearer", "eyJ", "a@"):
        once, twice = (steps_of(pattern, beginning + hostile * (length // len(hostile))) for length in (120, 240))
        assert twice <= 2.2 * once + 20


def test_the_steps_of_a_pattern_that_starts_anew_at_every_letter_grow_with_the_square() -> None:
    once, twice = (steps_of(re.compile(r"[\w.+-]+@"), "a" * length) for length in (120, 240))
    assert twice > 3.5 * once


@pytest.mark.parametrize("hostile", HOSTILE)
def test_twice_the_text_is_redacted_with_twice_the_calls(hostile: str) -> None:
    once, twice = (calls_while_redacting(hostile * length) for length in (500, 1000))
    assert twice <= 2.2 * once + 20


def calls_while_redacting(text: str) -> int:
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        redacted(text)
    finally:
        sys.setprofile(None)
    return len(calls)


class _Line:
    """The one log line that a test writes, parsed."""

    def __init__(self, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
        self.log = log
        self._capsys = capsys

    def read(self) -> tuple[str, dict[str, Any]]:
        text = self._capsys.readouterr().out
        assert text.count("\n") == 1
        parsed: dict[str, Any] = json.loads(text)
        return text, parsed


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[_Line]:
    monkeypatch.delenv("POWERTOOLS_SERVICE_NAME", raising=False)
    monkeypatch.delenv("POWERTOOLS_LOG_LEVEL", raising=False)
    yield _Line(observability.logger(f"service-{uuid.uuid4()}"), capsys)
    observability.logger.cache_clear()


def test_a_line_is_json_with_service_and_ids(line: _Line) -> None:
    line.log.append_keys(request_id="req-1", operation_id="stripe/acct/test/in_1")
    line.log.info("granted", credits=3)

    _, parsed = line.read()
    assert parsed["message"] == "granted"
    assert parsed["level"] == "INFO"
    assert parsed["service"].startswith("service-")
    assert parsed["request_id"] == "req-1"
    assert parsed["operation_id"] == "stripe/acct/test/in_1"
    assert parsed["credits"] == 3
    assert parsed["timestamp"].endswith("+00:00")


def test_a_line_holds_nothing_personal_by_any_path(line: _Line) -> None:
    line.log.append_keys(client_email="erika@example.org")
    try:
        int("no client\nerika@example.org with whsec_abc123")
    except ValueError:
        line.log.exception("refused erika@example.org", caller={"name": "Erika", "id": "c-17"})

    text, parsed = line.read()
    assert parsed["caller"]["id"] == "c-17"
    assert parsed["exception_name"] == "ValueError"
    assert "test_a_line_holds_nothing_personal_by_any_path" in parsed["exception"]
    for personal in ("erika", "Erika", "whsec"):
        assert personal not in text


def test_a_message_that_is_an_object_is_struck_out_too(line: _Line) -> None:
    line.log.info({"name": "Erika", "kind": "granted"})

    text, _ = line.read()
    assert "Erika" not in text
    assert "granted" in text


def test_ids_stay_until_the_state_is_cleared(line: _Line) -> None:
    line.log.append_keys(request_id="req-1")
    line.log.append_keys(operation_id="op-1")
    line.log.info("first")
    _, first = line.read()
    line.log.clear_state()
    line.log.info("second")
    _, second = line.read()

    assert (first["request_id"], first["operation_id"]) == ("req-1", "op-1")
    assert not {"request_id", "operation_id"} & second.keys()


def test_the_logger_of_a_service_is_the_same_at_every_call(line: _Line) -> None:
    assert observability.logger("sweep") is observability.logger("sweep")


@pytest.mark.parametrize(
    ("level", "written"),
    [("DEBUG", "DIWE"), ("INFO", "IWE"), ("WARNING", "WE"), ("ERROR", "E"), ("LOUD", "IWE")],
)
def test_lines_below_the_level_are_not_written(
    level: str, written: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", level)
    observability.logger.cache_clear()
    log = observability.logger("sweep")
    for write in (log.debug, log.info, log.warning, log.error):
        write("done")
    observability.logger.cache_clear()

    levels = [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()]
    assert "".join(level[0] for level in levels) == written


def test_a_line_names_the_trace_it_belongs_to(line: _Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    line.log.info("done")

    assert line.read()[1]["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize("value", ["half \ud83d", {"at": object()}, {1, 2}, b"\xff", 2**70, float("nan")])
def test_whatever_is_logged_makes_one_line(line: _Line, value: object) -> None:
    line.log.info("done", value=value)

    assert line.read()[1]["message"] == "done"


def test_a_count_is_one_embedded_metric_line(capsys: pytest.CaptureFixture[str]) -> None:
    count("EventParked", reason="unknown_price")

    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "ClientCredits"
    assert directive["Metrics"] == [{"Name": "EventParked", "Unit": "Count"}]
    assert "reason" in directive["Dimensions"][0]
    assert line["reason"] == "unknown_price"
    assert line["EventParked"] in (1, [1.0])


def test_a_count_without_dimensions_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    count("PublishFailed")

    assert json.loads(capsys.readouterr().out)["PublishFailed"] in (1, [1.0])
