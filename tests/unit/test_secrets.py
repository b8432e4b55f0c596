"""Signing secrets: their parameters' names and shape, and how long they are believed."""

import json
import re
from base64 import b64encode

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from client_credits.aws.secrets import (
    ABSENT_SECONDS,
    CACHE_SECONDS,
    REREAD_SECONDS,
    STALE_SECONDS,
    STRANGERS_PER_SECOND,
    CursorKeys,
    SecretsUnavailable,
    SessionKeys,
    StripeSecrets,
    TooManyStrangers,
    own_keys,
    parameter_name,
    parameter_reader,
)

PREFIX = "/client-credits/demo"
START = 1_000_000.0

ids = st.from_regex(r"[A-Za-z0-9._:~-]{1,128}", fullmatch=True)


class Parameters:
    """A parameter store that counts what is read and can be out of order."""

    def __init__(self, **secrets: str) -> None:
        self.values = {parameter_name(PREFIX, practice_id): value for practice_id, value in secrets.items()}
        self.reads: list[str] = []
        self.down = False

    def read(self, name: str) -> str | None:
        self.reads.append(name)
        if self.down:
            raise SecretsUnavailable("ThrottlingException")
        return self.values.get(name)

    def put(self, practice_id: str, current: str | None, previous: str | None = None) -> None:
        value = json.dumps({"current": current, "previous": previous})
        self.values[parameter_name(PREFIX, practice_id)] = value


@pytest.fixture
def parameters() -> Parameters:
    held = Parameters()
    held.put("p1", "whsec_one")
    return held


@pytest.fixture
def secrets(parameters: Parameters) -> StripeSecrets:
    return StripeSecrets(parameters.read, PREFIX)


@pytest.mark.parametrize("plain", ["p1", "demo-practice", "Practice_7", "0"])
def test_a_plain_id_stands_in_its_parameters_name_as_it_is(plain: str) -> None:
    assert parameter_name(PREFIX, plain) == f"{PREFIX}/stripe/{plain}"


def test_what_the_store_does_not_allow_is_escaped() -> None:
    assert parameter_name(PREFIX, "a:b~c.d") == f"{PREFIX}/stripe/a.3ab.7ec.2ed"


@given(practice_id=ids)
def test_every_id_has_a_legal_name_that_gives_it_back(practice_id: str) -> None:
    name = parameter_name(PREFIX, practice_id)

    assert re.fullmatch(r"[A-Za-z0-9_.\-/]{1,1011}", name)
    assert name.count("/") == PREFIX.count("/") + 2
    escaped = name.removeprefix(f"{PREFIX}/stripe/")
    unescaped = re.sub(r"\.([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), escaped)
    assert unescaped == practice_id


@given(one=ids, other=ids)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (parameter_name(PREFIX, one) == parameter_name(PREFIX, other)) is (one == other)


@pytest.mark.parametrize(
    "hostile",
    ["", "a/b", "../cursor-key", "a b", "p1\n", "p\x00", "é", "p#1", "%2e", "*", "a" * 129],
)
def test_what_is_no_id_never_becomes_part_of_a_name(
    hostile: str, secrets: StripeSecrets, parameters: Parameters
) -> None:
    with pytest.raises(ValueError, match="not a practice id"):
        parameter_name(PREFIX, hostile)
    with pytest.raises(ValueError, match="not a practice id"):
        secrets.active(hostile, START)
    assert parameters.reads == []


def test_both_secrets_are_active_while_one_is_being_rolled(secrets: StripeSecrets, parameters: Parameters) -> None:
    parameters.put("p1", "whsec_new", "whsec_old")

    assert secrets.active("p1", START) == ("whsec_new", "whsec_old")


def test_a_practice_reads_only_its_own_parameter(secrets: StripeSecrets, parameters: Parameters) -> None:
    parameters.put("p2", "whsec_two")

    assert secrets.active("p1", START) == ("whsec_one",)
    assert secrets.active("p2", START) == ("whsec_two",)
    assert parameters.reads == [parameter_name(PREFIX, "p1"), parameter_name(PREFIX, "p2")]


def test_secrets_are_remembered_for_their_time_and_no_longer(secrets: StripeSecrets, parameters: Parameters) -> None:
    for after in (0, 1, CACHE_SECONDS - 1):
        secrets.active("p1", START + after)
    assert len(parameters.reads) == 1

    parameters.put("p1", "whsec_two")
    assert secrets.active("p1", START + CACHE_SECONDS) == ("whsec_two",)


def test_an_unknown_practice_has_no_secrets_and_is_remembered_as_such(
    secrets: StripeSecrets, parameters: Parameters
) -> None:
    assert secrets.active("nobody", START) == ()
    assert secrets.active("nobody", START + 1) == ()
    assert len(parameters.reads) == 1


def test_a_failing_signature_finds_the_new_secret_at_once(secrets: StripeSecrets, parameters: Parameters) -> None:
    secrets.active("p1", START)
    parameters.put("p1", "whsec_two", "whsec_one")
    secrets.active("p1", START + 1)

    assert secrets.reread("p1", START + 1) == ("whsec_two", "whsec_one")
    assert secrets.active("p1", START + 2) == ("whsec_two", "whsec_one")


def test_a_practice_created_after_it_was_asked_for_is_found_soon(
    secrets: StripeSecrets, parameters: Parameters
) -> None:
    secrets.active("new", START)
    parameters.put("new", "whsec_new")

    assert secrets.active("new", START + ABSENT_SECONDS - 1) == ()
    assert secrets.active("new", START + ABSENT_SECONDS) == ("whsec_new",)


def test_what_was_read_for_this_very_request_is_not_read_again(secrets: StripeSecrets, parameters: Parameters) -> None:
    secrets.active("p1", START)

    assert secrets.reread("p1", START) is None
    assert len(parameters.reads) == 1


def test_failing_signatures_cost_one_read_per_practice_and_pause(
    secrets: StripeSecrets, parameters: Parameters
) -> None:
    parameters.put("p2", "whsec_two")
    for practice_id in ("p1", "p2"):
        secrets.active(practice_id, START)
    parameters.reads.clear()

    for tenth in range(10 * REREAD_SECONDS):
        for practice_id in ("p1", "p2"):
            now = START + 1 + tenth / 10
            secrets.active(practice_id, now)
            assert secrets.reread(practice_id, now) is None
    assert sorted(parameters.reads) == [parameter_name(PREFIX, "p1"), parameter_name(PREFIX, "p2")]

    secrets.reread("p1", START + 1 + REREAD_SECONDS)
    assert len(parameters.reads) == 3


def test_the_pause_outlives_what_is_remembered(secrets: StripeSecrets, parameters: Parameters) -> None:
    secrets.active("p1", START)
    parameters.down = True
    with pytest.raises(SecretsUnavailable):
        secrets.reread("p1", START + CACHE_SECONDS - 1)
    parameters.down = False

    assert secrets.active("p1", START + CACHE_SECONDS) == ("whsec_one",)
    assert secrets.reread("p1", START + CACHE_SECONDS + 1) is None
    assert len(parameters.reads) == 2


def test_secrets_seen_before_serve_through_an_outage_of_an_hour(secrets: StripeSecrets, parameters: Parameters) -> None:
    secrets.active("p1", START)
    parameters.down = True

    for second in range(CACHE_SECONDS, STALE_SECONDS):
        assert secrets.active("p1", START + second) == ("whsec_one",)
    assert len(parameters.reads) <= 1 + (STALE_SECONDS - CACHE_SECONDS) / REREAD_SECONDS
    with pytest.raises(SecretsUnavailable):
        secrets.active("p1", START + STALE_SECONDS)


def test_a_practice_whose_secrets_are_removed_has_none_after_a_while(
    secrets: StripeSecrets, parameters: Parameters
) -> None:
    secrets.active("p1", START)
    parameters.values.clear()

    assert secrets.active("p1", START + CACHE_SECONDS) == ()


def test_an_outage_is_reported_and_ends(secrets: StripeSecrets, parameters: Parameters) -> None:
    parameters.down = True
    with pytest.raises(SecretsUnavailable):
        secrets.active("p1", START)

    parameters.down = False
    assert secrets.active("p1", START) == ("whsec_one",)


def test_an_outage_during_a_reread_costs_one_read_too(secrets: StripeSecrets, parameters: Parameters) -> None:
    secrets.active("p1", START)
    parameters.down = True
    with pytest.raises(SecretsUnavailable):
        secrets.reread("p1", START + 1)

    assert secrets.reread("p1", START + 2) is None
    assert secrets.active("p1", START + 2) == ("whsec_one",)
    assert len(parameters.reads) == 2


def test_a_flood_of_invented_practices_costs_few_reads_and_evicts_nobody(
    secrets: StripeSecrets, parameters: Parameters
) -> None:
    secrets.active("p1", START)
    refused = 0
    for number in range(2000):
        now = START + number / 200
        assert secrets.active("p1", now) == ("whsec_one",)
        try:
            assert secrets.active(f"invented-{number}", now) == ()
        except TooManyStrangers:
            refused += 1

    assert parameters.reads.count(parameter_name(PREFIX, "p1")) == 1
    assert len(parameters.reads) <= 10 * STRANGERS_PER_SECOND
    assert refused >= 2000 - 10 * STRANGERS_PER_SECOND
    assert set(secrets._held) == {"p1"}
    assert len(secrets._absent) <= ABSENT_SECONDS * STRANGERS_PER_SECOND


def test_five_unknown_practices_are_looked_up_in_any_second(secrets: StripeSecrets, parameters: Parameters) -> None:
    for number in range(STRANGERS_PER_SECOND):
        secrets.active(f"invented-{number}", START + number / 10)
    with pytest.raises(TooManyStrangers):
        secrets.active("p1", START + 0.9)
    assert len(parameters.reads) == STRANGERS_PER_SECOND

    assert secrets.active("p1", START + 1) == ("whsec_one",)


def test_unknown_practices_are_forgotten_when_their_time_is_over(secrets: StripeSecrets) -> None:
    for number in range(10 * ABSENT_SECONDS):
        secrets.active(f"invented-{number}", START + number)

    assert len(secrets._absent) == ABSENT_SECONDS


def test_a_lookup_that_fails_is_counted_too(secrets: StripeSecrets, parameters: Parameters) -> None:
    parameters.down = True
    for _ in range(STRANGERS_PER_SECOND):
        with pytest.raises(SecretsUnavailable):
            secrets.active("p1", START)
    with pytest.raises(TooManyStrangers):
        secrets.active("p1", START)

    assert len(parameters.reads) == STRANGERS_PER_SECOND


def test_a_clock_set_back_stops_no_lookup(secrets: StripeSecrets) -> None:
    for number in range(STRANGERS_PER_SECOND):
        secrets.active(f"invented-{number}", START)

    assert secrets.active("p1", START - 60) == ("whsec_one",)


@pytest.mark.parametrize("blank", ["", " ", None])
def test_blank_secrets_are_no_secrets(secrets: StripeSecrets, parameters: Parameters, blank: str | None) -> None:
    parameters.put("p1", blank, blank)

    assert secrets.active("p1", START) == ()


@pytest.mark.parametrize(
    "stored",
    ["", "whsec_plain", "[]", '"whsec_x"', '{"current": 5}', '{"current": "\\ud800"}', "{"],
)
def test_a_parameter_in_another_shape_is_unavailable_and_not_quoted(stored: str) -> None:
    secrets = StripeSecrets(Parameters(p1=stored).read, PREFIX)

    with pytest.raises(SecretsUnavailable) as caught:
        secrets.active("p1", START)
    assert "whsec" not in str(caught.value)


def test_members_we_do_not_know_are_ignored() -> None:
    stored = '{"current": "whsec_one", "rolled_at": "2026-11-22"}'

    assert StripeSecrets(Parameters(p1=stored).read, PREFIX).active("p1", START) == ("whsec_one",)


class FakeSsm:
    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def get_parameter(self, **request: object) -> object:
        assert request == {"Name": "/a/b", "WithDecryption": True}
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_parameters_are_read_decrypted() -> None:
    read = parameter_reader(FakeSsm({"Parameter": {"Value": "x"}}))

    assert read("/a/b") == "x"


def test_an_absent_parameter_is_none_and_every_other_refusal_is_unavailable() -> None:
    def refusing(code: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": "..."}}, "GetParameter")

    assert parameter_reader(FakeSsm(refusing("ParameterNotFound")))("/a/b") is None
    for outcome in (
        refusing("AccessDeniedException"),
        refusing("ThrottlingException"),
        ConnectTimeoutError(endpoint_url="https://ssm.example"),
    ):
        with pytest.raises(SecretsUnavailable):
            parameter_reader(FakeSsm(outcome))("/a/b")


OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def stored_keys(*keys: bytes) -> str:
    return ",".join(b64encode(key).decode() for key in keys)


@pytest.mark.parametrize("keys", [(OLD,), (NEW, OLD)])
def test_keys_of_our_own_are_one_or_two_of_32_bytes_in_base64(keys: tuple[bytes, ...]) -> None:
    assert own_keys({f"{PREFIX}/cursor-key": stored_keys(*keys)}.get, f"{PREFIX}/cursor-key") == keys


def test_cursors_and_sessions_have_parameters_of_their_own() -> None:
    stored = {f"{PREFIX}/cursor-key": stored_keys(OLD), f"{PREFIX}/session-key": stored_keys(NEW, OLD)}
    assert CursorKeys(stored.get, PREFIX).active(0.0) == (OLD,)
    assert SessionKeys(stored.get, PREFIX).active(0.0) == (NEW, OLD)


@pytest.mark.parametrize(
    "stored",
    [None, "", ",", "no base64!", "é", stored_keys(b"short"), stored_keys(OLD) + ",", stored_keys(OLD, OLD, OLD)],
)
def test_keys_of_our_own_that_are_absent_or_wrong_are_unavailable(stored: str | None) -> None:
    with pytest.raises(SecretsUnavailable):
        own_keys(lambda name: stored, f"{PREFIX}/cursor-key")


class StoredKeys:
    """The parameter of the cursor keys; counts its reads, and cannot be read while it is None."""

    def __init__(self) -> None:
        self.value: str | None = stored_keys(OLD)
        self.reads = 0

    def read(self, name: str) -> str | None:
        self.reads += 1
        return self.value


def test_cursor_keys_are_remembered_for_their_time_and_no_longer() -> None:
    stored = StoredKeys()
    keys = CursorKeys(stored.read, PREFIX)
    for after in (0, 1, CACHE_SECONDS - 1):
        assert keys.active(START + after) == (OLD,)
    assert stored.reads == 1

    stored.value = stored_keys(NEW, OLD)
    assert keys.active(START + CACHE_SECONDS) == (NEW, OLD)


def test_a_cursor_that_does_not_open_finds_the_new_key_at_once() -> None:
    stored = StoredKeys()
    keys = CursorKeys(stored.read, PREFIX)
    keys.active(START)
    stored.value = stored_keys(NEW, OLD)

    assert keys.reread(START + 1) == (NEW, OLD)
    assert keys.active(START + 1) == (NEW, OLD)


def test_bad_cursors_cost_one_read_in_ten_seconds() -> None:
    stored = StoredKeys()
    keys = CursorKeys(stored.read, PREFIX)
    assert keys.active(START) == (OLD,)
    assert keys.reread(START) is None
    for tenth in range(1, 10 * REREAD_SECONDS + 1):
        assert keys.reread(START + tenth / 10) is None

    assert stored.reads == 2


def test_cursor_keys_seen_before_serve_through_an_outage() -> None:
    stored = StoredKeys()
    keys = CursorKeys(stored.read, PREFIX)
    keys.active(START)
    stored.value = None
    for second in range(10 * REREAD_SECONDS):
        assert keys.active(START + CACHE_SECONDS + second) == (OLD,)

    assert stored.reads == 11


def test_without_any_cursor_key_each_list_asks_again() -> None:
    stored = StoredKeys()
    stored.value = None
    keys = CursorKeys(stored.read, PREFIX)
    with pytest.raises(SecretsUnavailable):
        keys.active(START)
    stored.value = stored_keys(NEW)

    assert keys.active(START) == (NEW,)
