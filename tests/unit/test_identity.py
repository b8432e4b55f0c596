"""Tokens and key sets: who gets in, who does not, and what rotation and outages do."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from client_credits.http import key_set
from client_credits.http.authentication import IdentityUnavailable, KeySetNotDue, Unauthenticated
from client_credits.http.identity import (
    LEEWAY_SECONDS,
    MAX_INSTANT,
    MAX_LIFE_SECONDS,
    MAX_TOKEN_CHARACTERS,
    Authenticator,
    Caller,
    ClaimNames,
    Role,
)
from client_credits.http.key_set import (
    KEY_SET_SECONDS,
    KEY_SET_STALE_SECONDS,
    MAX_KEY_SET_BYTES,
    REFETCH_EMPTY_SECONDS,
    REFETCH_SECONDS,
    fetch_key_set,
)

ISSUER = "https://issuer.example/"
AUDIENCE = "credits"
NOW = 1_795_000_000.0

Member = dict[str, Any]


def _rsa(bits: int = 2048) -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


ONE, TWO = _rsa(), _rsa()


def member(key: RSAPrivateKey, kid: str, **changes: Any) -> Member:
    """The public half as a member of a key set; a change to None drops what it names."""
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    whole = {**public, "kid": kid, "use": "sig", "alg": "RS256", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def claims(**changes: Any) -> Member:
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "auth0|staff-7",
        "exp": NOW + 600,
        "credits_practice": "p1",
        "credits_role": "staff",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def bearer(key: RSAPrivateKey = ONE, kid: str | None = "one", headers: Member | None = None, **changes: Any) -> str:
    kid_header = {} if kid is None else {"kid": kid}
    # Not jwt.encode, which refuses to sign some of the strange claims needed here.
    token = jwt.PyJWS().encode(
        json.dumps(claims(**changes)).encode(),
        key,
        "RS256",
        headers={"typ": "JWT", **kid_header, **(headers or {})},
    )
    return f"Bearer {token}"


class Issuer:
    """A key set in memory that counts how often it is fetched and can be out of order."""

    def __init__(self, *members: Member) -> None:
        self.members = list(members)
        self.fetches = 0
        self.down = False

    def fetch(self) -> bytes:
        self.fetches += 1
        if self.down:
            raise IdentityUnavailable("down")
        return json.dumps({"keys": self.members}).encode()

    def authenticator(self, names: ClaimNames | None = None) -> Authenticator:
        url = "https://issuer.example/jwks.json"
        return Authenticator(ISSUER, AUDIENCE, url, names or ClaimNames(), self.fetch)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(member(ONE, "one"))


def code_of(issuer: Issuer, header: str | None, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        issuer.authenticator().caller(header, now)
    return caught.value.code


# --- Who gets in


@pytest.mark.parametrize("role", ["admin", "staff", "service"])
def test_a_practice_role_is_who_the_token_says(issuer: Issuer, role: str) -> None:
    caller = issuer.authenticator().caller(bearer(credits_role=role), NOW)

    assert caller == Caller("p1", Role(role), None, "auth0|staff-7")


def test_a_client_is_known_by_its_client_id(issuer: Issuer) -> None:
    caller = issuer.authenticator().caller(bearer(credits_role="client", credits_client="c-17"), NOW)

    assert caller == Caller("p1", Role.CLIENT, "c-17", "auth0|staff-7")


def test_the_application_id_of_other_roles_is_not_a_client(issuer: Issuer) -> None:
    for name in ("client_id", "credits_client"):
        application: Member = {name: "my app!"}
        assert issuer.authenticator().caller(bearer(credits_role="service", **application), NOW).client_id is None


def test_a_client_token_that_names_only_its_application_is_refused(issuer: Issuer) -> None:
    assert code_of(issuer, bearer(credits_role="client", client_id="c-17")) == "no_client"


def test_claims_are_read_under_their_configured_names(issuer: Issuer) -> None:
    names = ClaimNames("https://us.example/practice", "https://us.example/role", "client")
    ours: Member = {"https://us.example/practice": "p9", "https://us.example/role": "client"}
    header = bearer(credits_practice="ignored", credits_role="admin", client="c-1", **ours)

    caller = issuer.authenticator(names).caller(header, NOW)

    assert caller == Caller("p9", Role.CLIENT, "c-1", "auth0|staff-7")


def test_the_audience_may_be_one_of_several(issuer: Issuer) -> None:
    assert issuer.authenticator().caller(bearer(aud=["other", AUDIENCE]), NOW)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(issuer: Issuer, scheme: str) -> None:
    assert issuer.authenticator().caller(bearer().replace("Bearer", scheme), NOW)


@pytest.mark.parametrize("practice_id", ["p", "A.b_c:d~e-f", "9" * 128])
def test_every_id_may_name_a_practice(issuer: Issuer, practice_id: str) -> None:
    assert issuer.authenticator().caller(bearer(credits_practice=practice_id), NOW).practice_id


# --- Time


def test_a_token_ends_at_its_expiry_plus_the_leeway(issuer: Issuer) -> None:
    header = bearer(exp=NOW)

    assert issuer.authenticator().caller(header, NOW + LEEWAY_SECONDS - 0.001)
    assert code_of(issuer, header, NOW + LEEWAY_SECONDS) == "token_expired"


def test_a_token_starts_at_its_not_before_less_the_leeway(issuer: Issuer) -> None:
    header = bearer(nbf=NOW)

    assert issuer.authenticator().caller(header, NOW - LEEWAY_SECONDS)
    assert code_of(issuer, header, NOW - LEEWAY_SECONDS - 0.001) == "token_not_yet_valid"


def test_the_machines_own_clock_does_not_matter(issuer: Issuer) -> None:
    long_ago = 1_000_000.0
    header = bearer(exp=long_ago + 60, nbf=long_ago, iat=long_ago)

    assert issuer.authenticator().caller(header, long_ago)


NO_INSTANTS: list[object] = [
    *("soon", "1999999999", "", True, False, [], {}, float("nan"), float("inf"), -float("inf")),
    *(1e308, -1e308, 10**400, -(10**400), MAX_INSTANT + 1, -1),
]


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_INSTANTS)
def test_a_time_that_is_no_instant_is_refused(issuer: Issuer, claim: str, value: object) -> None:
    changed: Member = {claim: value}

    assert code_of(issuer, bearer(**changed)) == "invalid_token"


def test_a_token_lives_for_a_day_from_its_issue_at_most(issuer: Issuer) -> None:
    longest = MAX_LIFE_SECONDS + LEEWAY_SECONDS
    issued = NOW - 3600

    assert issuer.authenticator().caller(bearer(iat=issued, exp=issued + longest), NOW)
    assert code_of(issuer, bearer(iat=issued, exp=issued + longest + 1)) == "token_lives_too_long"


def test_a_token_that_does_not_say_when_it_was_issued_ends_within_a_day_of_now(issuer: Issuer) -> None:
    longest = MAX_LIFE_SECONDS + LEEWAY_SECONDS

    assert issuer.authenticator().caller(bearer(exp=NOW + longest), NOW)
    assert code_of(issuer, bearer(exp=NOW + longest + 1)) == "token_lives_too_long"


def test_an_issue_that_lies_ahead_lengthens_no_life(issuer: Issuer) -> None:
    ahead = NOW + 10 * MAX_LIFE_SECONDS

    assert code_of(issuer, bearer(iat=ahead, exp=ahead + 60)) == "token_lives_too_long"


# --- Claims that do not hold


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
def test_a_token_without_a_required_claim_is_refused(issuer: Issuer, claim: str) -> None:
    without: Member = {claim: None}

    assert code_of(issuer, bearer(**without)) == "missing_claim"


@pytest.mark.parametrize("aud", ["other", ["other"], "credits2", "CREDITS", 5, [5], {"credits": 1}])
def test_a_token_for_another_audience_is_refused(issuer: Issuer, aud: object) -> None:
    assert code_of(issuer, bearer(aud=aud)) == "wrong_audience"


@pytest.mark.parametrize("aud", ["", []])
def test_a_token_for_no_audience_is_refused(issuer: Issuer, aud: object) -> None:
    assert code_of(issuer, bearer(aud=aud)) == "missing_claim"


@pytest.mark.parametrize("iss", ["https://evil.example/", "https://issuer.example", ""])
def test_a_token_of_another_issuer_is_refused(issuer: Issuer, iss: str) -> None:
    assert code_of(issuer, bearer(iss=iss)) == "wrong_issuer"


@pytest.mark.parametrize("practice_id", [None, "", "p#1", "p 1", "p1\n", "é", "a" * 129, 7, True, ["p1"], {"id": "p1"}])
def test_a_token_without_a_proper_practice_is_refused(issuer: Issuer, practice_id: object) -> None:
    assert code_of(issuer, bearer(credits_practice=practice_id)) == "no_practice"


@pytest.mark.parametrize("role", [None, "", "Admin", "owner", "admin ", 1, ["admin"], {"a": 1}])
def test_a_token_with_an_unknown_role_is_refused(issuer: Issuer, role: object) -> None:
    assert code_of(issuer, bearer(credits_role=role)) == "unknown_role"


@pytest.mark.parametrize("client_id", [None, "", "c#1", "c/1", "a" * 129, 7, ["c-17"]])
def test_a_client_without_a_proper_client_id_is_refused(issuer: Issuer, client_id: object) -> None:
    assert code_of(issuer, bearer(credits_role="client", credits_client=client_id)) == "no_client"


@pytest.mark.parametrize("sub", ["", "a" * 256, "é", "a\nb", "\x00"])
def test_a_subject_that_no_issuer_gives_is_refused(issuer: Issuer, sub: str) -> None:
    assert code_of(issuer, bearer(sub=sub)) == "invalid_subject"


# --- Forgeries


def _segment(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(header: object, payload: object = None, signature: bytes = b"x") -> str:
    body = claims() if payload is None else payload
    return f"Bearer {_segment(header)}.{_segment(body)}.{_segment(signature)}"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 5, ["RS256"], "rs256"])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_a_token_that_asks_not_to_be_checked_is_refused(issuer: Issuer, alg: object, signature: bytes) -> None:
    header = forged({"alg": alg, "kid": "one", "typ": "JWT"}, signature=signature)

    assert code_of(issuer, header) in {"wrong_algorithm", "malformed_token"}


def test_the_public_key_does_not_work_as_a_shared_secret(issuer: Issuer) -> None:
    public = ONE.public_key()
    spellings = [
        public.public_bytes(serialization.Encoding.PEM, form)
        for form in (
            serialization.PublicFormat.SubjectPublicKeyInfo,
            serialization.PublicFormat.PKCS1,
        )
    ] + [json.dumps(member(ONE, "one")).encode(), member(ONE, "one")["n"].encode()]
    for alg, digest in (("HS256", hashlib.sha256), ("RS256", hashlib.sha256)):
        for secret in spellings:
            signed = f"{_segment({'alg': alg, 'kid': 'one'})}.{_segment(claims())}"
            mac = hmac.new(secret, signed.encode(), digest).digest()
            expected = "wrong_algorithm" if alg == "HS256" else "invalid_token"
            assert code_of(issuer, f"Bearer {signed}.{_segment(mac)}") == expected


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_another_algorithm_of_the_right_key_is_refused(issuer: Issuer, alg: str) -> None:
    token = jwt.encode(claims(), ONE, alg, headers={"kid": "one"})

    assert code_of(issuer, f"Bearer {token}") == "wrong_algorithm"


def test_a_key_in_the_token_itself_is_not_believed(issuer: Issuer) -> None:
    for headers in (
        {"jwk": member(TWO, "one")},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
    ):
        assert code_of(issuer, bearer(TWO, headers=headers)) == "invalid_token"
    assert issuer.fetches == 3


def test_extensions_that_must_be_understood_are_refused(issuer: Issuer) -> None:
    for crit in (["exp"], ["b64"], [], None):
        headers: Member = {"crit": crit}
        assert code_of(issuer, bearer(headers=headers)) == "malformed_token"


def test_a_signature_by_another_key_under_a_known_id_is_refused(issuer: Issuer) -> None:
    assert code_of(issuer, bearer(TWO, "one")) == "invalid_token"


def test_changed_claims_are_refused(issuer: Issuer) -> None:
    head, _, signature = bearer().split(".")

    changed = ".".join([head, _segment(claims(role="admin")), signature])

    assert code_of(issuer, changed) == "invalid_token"


def test_a_token_without_a_key_id_is_refused(issuer: Issuer) -> None:
    assert code_of(issuer, bearer(kid=None)) == "no_key_id"
    assert code_of(issuer, bearer(kid="")) == "no_key_id"
    assert issuer.fetches == 0


# --- Headers that are not tokens


@pytest.mark.parametrize("header", [None, ""])
def test_no_header_is_no_token(issuer: Issuer, header: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        issuer.authenticator().caller(header, NOW)

    assert caught.value.code == "missing_token"
    assert caught.value.www_authenticate == "Bearer"


DEEP = b"[" * 5000
HOSTILE = [
    "Bearer",
    "Bearer ",
    "Bearer  ",
    "Bearer .",
    "Bearer ..",
    "Bearer a.b",
    "Bearer a.b.c",
    "Bearer a.b.c.d.e",
    "Bearer \u00e9.\u00e9.\u00e9",
    "Bearer \ud800.a.b",
    "Bearer \x00.\x00.\x00",
    "Basic dXNlcjpwYXNz",
    "Token abc",
    "bearer",
    ",",
    f"{bearer()},{bearer()}",
    f"{bearer()} ",
    f" {bearer()}",
    f"{bearer()}\n",
    bearer().replace("Bearer ", "Bearer\t"),
    bearer().replace("Bearer ", ""),
    bearer() + "=",
    forged([]),
    forged("RS256"),
    forged(None),
    forged(5),
    forged({}),
    forged({"alg": "RS256", "kid": 5}),
    forged({"alg": "RS256", "kid": ["one"]}),
    forged({"alg": "RS256", "kid": {"one": 1}}),
    forged({"alg": "RS256", "kid": "../one"}),
    forged({"alg": "RS256", "kid": "' OR 1=1"}),
    forged({"alg": "RS256", "kid": "\ud800"}),
    forged({"alg": "RS256", "kid": "one", "b64": False}),
    forged({"alg": "RS256", "kid": "one", "zip": "DEF"}),
    forged({"alg": "RS256", "kid": "one"}, b"not json"),
    forged({"alg": "RS256", "kid": "one"}, signature=b""),
    forged({"alg": "RS256", "kid": "one"}, signature=b"\x00" * 256),
    forged({"alg": "RS256", "kid": "one"}, signature=b"\xff" * 256),
    forged(DEEP),
    forged({"alg": "RS256", "kid": "one"}, DEEP),
    forged(b'{"alg": "RS256", "kid": ' + b"9" * 5000 + b"}"),
    forged(b"\xff\xfe"),
    forged(b'{"alg": "RS256", "alg": "none", "kid": "one"}'),
]


@pytest.mark.parametrize("header", HOSTILE)
def test_hostile_headers_are_unauthenticated_and_nothing_else(issuer: Issuer, header: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        issuer.authenticator().caller(header, NOW)

    assert caught.value.www_authenticate == 'Bearer error="invalid_token"'


@given(header=st.text())
def test_arbitrary_text_is_unauthenticated_and_nothing_else(header: str) -> None:
    with pytest.raises(Unauthenticated):
        Issuer(member(ONE, "one")).authenticator().caller(f"Bearer {header}", NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    header=st.fixed_dictionaries({"alg": st.just("RS256") | _json, "kid": st.just("one") | _json}),
    payload=_json,
    signature=st.binary(max_size=300),
)
def test_invented_tokens_are_unauthenticated_and_nothing_else(
    header: object, payload: object, signature: bytes
) -> None:
    with pytest.raises(Unauthenticated):
        Issuer(member(ONE, "one")).authenticator().caller(forged(header, payload, signature), NOW)


@given(
    changes=st.dictionaries(
        st.sampled_from(
            ["iss", "aud", "sub", "exp", "nbf", "iat", "credits_practice", "credits_role", "credits_client"]
        ),
        _json,
    )
)
def test_the_issuers_own_strange_tokens_are_a_caller_or_unauthenticated(
    changes: dict[str, Any],
) -> None:
    try:
        caller = Issuer(member(ONE, "one")).authenticator().caller(bearer(**changes), NOW)
    except Unauthenticated:
        return
    assert (caller.client_id is not None) is (caller.role is Role.CLIENT)


def test_a_huge_token_is_refused_before_anything_is_done_with_it(issuer: Issuer) -> None:
    assert code_of(issuer, "Bearer " + "a" * (MAX_TOKEN_CHARACTERS + 1)) == "token_too_large"
    assert code_of(issuer, bearer(padding="x" * MAX_TOKEN_CHARACTERS)) == "token_too_large"
    assert issuer.fetches == 0


def test_the_reason_never_quotes_the_token(issuer: Issuer) -> None:
    header = bearer(credits_practice="not an id", email="erika@example.org")

    with pytest.raises(Unauthenticated) as caught:
        issuer.authenticator().caller(header, NOW)

    assert str(caught.value) == "no_practice"


# --- Keys


def test_the_key_set_is_fetched_once_for_many_tokens(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    for second in range(100):
        authenticator.caller(bearer(), NOW + second)

    assert issuer.fetches == 1


def test_a_key_that_appears_is_believed_at_once(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(), NOW)
    issuer.members.append(member(TWO, "two"))

    assert authenticator.caller(bearer(TWO, "two"), NOW + 1)
    assert authenticator.caller(bearer(ONE, "one"), NOW + 1)


def test_a_key_that_was_withdrawn_is_refused_once_the_set_is_read_again(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(exp=NOW + 9999), NOW)
    issuer.members = [member(TWO, "two")]

    assert authenticator.caller(bearer(exp=NOW + 9999), NOW + KEY_SET_SECONDS - 1)
    with pytest.raises(Unauthenticated, match="unknown_key"):
        authenticator.caller(bearer(exp=NOW + 9999), NOW + KEY_SET_SECONDS)


def test_invented_key_ids_cost_one_fetch_a_minute_and_known_keys_go_on_working(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(), NOW)
    issuer.fetches = 0
    for second in range(1, 3 * REFETCH_SECONDS + 1):
        with pytest.raises((Unauthenticated, KeySetNotDue)):
            authenticator.caller(bearer(TWO, f"invented-{second}"), NOW + second)
        authenticator.caller(bearer(), NOW + second)

    assert issuer.fetches == 3


def test_an_invented_key_id_does_not_turn_a_new_key_into_a_refusal(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(), NOW)
    with pytest.raises(Unauthenticated, match="unknown_key"):
        authenticator.caller(bearer(TWO, "invented"), NOW + 1)
    issuer.members.append(member(TWO, "two"))

    for later in (1, 1.5, REFETCH_SECONDS, REFETCH_SECONDS + 0.5):
        with pytest.raises(KeySetNotDue) as caught:
            authenticator.caller(bearer(TWO, "two"), NOW + later)
        assert NOW + later + caught.value.retry_after_seconds >= NOW + 1 + REFETCH_SECONDS
        assert 1 <= caught.value.retry_after_seconds <= REFETCH_SECONDS
    assert authenticator.caller(bearer(TWO, "two"), NOW + 1 + REFETCH_SECONDS)


def test_an_unknown_key_is_not_asked_for_twice_in_one_request(issuer: Issuer) -> None:
    assert code_of(issuer, bearer(TWO, "two")) == "unknown_key"
    assert issuer.fetches == 1


def test_remembered_keys_serve_through_an_outage_for_a_day(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(), NOW)
    issuer.down = True

    for later in (KEY_SET_SECONDS, KEY_SET_STALE_SECONDS - 1):
        assert authenticator.caller(bearer(exp=NOW + later + 600), NOW + later)
    with pytest.raises(IdentityUnavailable):
        authenticator.caller(bearer(exp=NOW + KEY_SET_STALE_SECONDS + 600), NOW + KEY_SET_STALE_SECONDS)


def test_an_outage_costs_one_fetch_a_minute_while_keys_are_remembered(issuer: Issuer) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(exp=NOW + 9999), NOW)
    issuer.down, issuer.fetches = True, 0
    for second in range(2 * REFETCH_SECONDS):
        authenticator.caller(bearer(exp=NOW + 9999), NOW + KEY_SET_SECONDS + second)

    assert issuer.fetches == 2


def test_without_any_key_nothing_can_be_known_and_the_issuer_is_not_hammered() -> None:
    issuer = Issuer(member(ONE, "one"))
    issuer.down = True
    authenticator = issuer.authenticator()
    for tenth in range(10 * REFETCH_EMPTY_SECONDS):
        with pytest.raises(IdentityUnavailable):
            authenticator.caller(bearer(), NOW + tenth / 10)
    assert issuer.fetches == 1

    issuer.down = False
    assert authenticator.caller(bearer(), NOW + REFETCH_EMPTY_SECONDS)


def test_a_key_unknown_during_an_outage_may_be_new_so_the_caller_is_to_try_again(
    issuer: Issuer,
) -> None:
    authenticator = issuer.authenticator()
    authenticator.caller(bearer(), NOW)
    issuer.down = True

    for second in (1, 2):
        with pytest.raises(IdentityUnavailable):
            authenticator.caller(bearer(TWO, "two"), NOW + second)
        assert authenticator.caller(bearer(), NOW + second)
    assert issuer.fetches == 2


UNUSABLE: list[Any] = [
    member(TWO, "two", use="enc"),
    member(TWO, "two", alg="RS512"),
    member(TWO, "two", kty="EC"),
    member(TWO, "two", n=None),
    member(TWO, "two", e=None),
    member(TWO, "two", n=5),
    member(TWO, "two", n="***"),
    member(TWO, "two", e="AA"),
    {**member(TWO, "two"), "kid": None},
    {**member(TWO, "two"), "kid": ["two"]},
    member(_rsa(1024), "two"),
    {"kty": "oct", "k": "c2VjcmV0", "kid": "two", "alg": "HS256"},
    {},
    None,
    "two",
    5,
    [],
]


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_a_member_of_another_kind_is_skipped_and_the_others_serve(unusable: Any) -> None:
    issuer = Issuer(member(ONE, "one"))
    issuer.members.insert(0, unusable)

    assert issuer.authenticator().caller(bearer(), NOW)
    assert code_of(issuer, bearer(TWO, "two")) == "unknown_key"


def test_an_elliptic_key_is_skipped(issuer: Issuer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    issuer.members.append({**public, "kid": "two"})
    token = jwt.encode(claims(), key, "ES256", headers={"kid": "two"})

    assert code_of(issuer, f"Bearer {token}") == "wrong_algorithm"
    assert issuer.authenticator().caller(bearer(), NOW)


@pytest.mark.parametrize("missing", ["use", "alg"])
def test_a_member_need_not_say_what_it_is_for(missing: str) -> None:
    issuer = Issuer(member(ONE, "one", **{missing: None}))

    assert issuer.authenticator().caller(bearer(), NOW)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"keys": null}',
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [{"kty": "RSA", "kid": "one"}]}',
        b"\xff\xfe",
        b'{"keys":' + b"[" * 200_000,
    ],
)
def test_an_answer_that_is_no_key_set_counts_as_an_outage(answer: bytes) -> None:
    url = "https://issuer.example/jwks.json"
    authenticator = Authenticator(ISSUER, AUDIENCE, url, ClaimNames(), lambda: answer)

    with pytest.raises(IdentityUnavailable):
        authenticator.caller(bearer(), NOW)


# --- Over HTTP


class _Server(ThreadingHTTPServer):
    """Answers GET with what `answer` writes; `requests` are the paths asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: None
        self.requests: list[str] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks.json"

    def serve_keys(self, *members: Member) -> None:
        self.answer = sending(200, json.dumps({"keys": list(members)}).encode())


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.requests.append(self.path)
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        pass


def sending(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.stopping.set()
        running.shutdown()
        thread.join()


def test_keys_rotate_over_http_while_the_process_runs(server: _Server) -> None:
    authenticator = Authenticator(ISSUER, AUDIENCE, server.url, ClaimNames())
    server.serve_keys(member(ONE, "one"))
    assert authenticator.caller(bearer(exp=NOW + 9999), NOW)

    server.serve_keys(member(ONE, "one"), member(TWO, "two"))
    assert authenticator.caller(bearer(TWO, "two", exp=NOW + 9999), NOW + 5)
    assert authenticator.caller(bearer(exp=NOW + 9999), NOW + 5)

    server.serve_keys(member(TWO, "two"))
    later = NOW + 5 + KEY_SET_SECONDS
    assert authenticator.caller(bearer(TWO, "two", exp=NOW + 9999), later)
    with pytest.raises(Unauthenticated, match="unknown_key"):
        authenticator.caller(bearer(exp=NOW + 9999), later)
    assert server.requests[:3] == ["/jwks.json"] * 3


@pytest.mark.parametrize("status", [204, 301, 304, 400, 403, 404, 429, 500, 503])
def test_every_other_answer_is_an_outage(server: _Server, status: int) -> None:
    server.answer = sending(status, b"" if status in (204, 304) else b'{"keys": []}')
    authenticator = Authenticator(ISSUER, AUDIENCE, server.url, ClaimNames())

    with pytest.raises(IdentityUnavailable):
        authenticator.caller(bearer(), NOW)


def test_a_redirect_is_not_followed(server: _Server) -> None:
    server.answer = sending(302, b"", Location=server.url.replace("jwks", "elsewhere"))

    with pytest.raises(IdentityUnavailable):
        fetch_key_set(server.url)
    assert server.requests == ["/jwks.json"]


def test_an_endless_answer_is_cut_off(server: _Server) -> None:
    server.answer = sending(200, b" " * (MAX_KEY_SET_BYTES + 1))

    with pytest.raises(IdentityUnavailable, match="too large"):
        fetch_key_set(server.url)


def test_an_answer_that_breaks_off_is_an_outage(server: _Server) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"keys": [')

    server.answer = answer
    authenticator = Authenticator(ISSUER, AUDIENCE, server.url, ClaimNames())

    with pytest.raises(IdentityUnavailable):
        authenticator.caller(bearer(), NOW)


def test_a_silent_issuer_is_given_up_on(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT_SECONDS", 0.2)
    server.answer = lambda handler: server.stopping.wait(5) and None  # type: ignore[assignment]
    started = time.monotonic()

    with pytest.raises(IdentityUnavailable):
        fetch_key_set(server.url)
    assert time.monotonic() - started < 2


def test_an_issuer_that_drips_is_given_up_on(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT_SECONDS", 0.3)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.stopping.wait(0.05):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return

    server.answer = answer
    started = time.monotonic()

    with pytest.raises(IdentityUnavailable, match="too slow"):
        fetch_key_set(server.url)
    assert time.monotonic() - started < 2


def test_an_issuer_that_is_not_there_is_an_outage() -> None:
    with _Server() as gone:
        url = gone.url
    with pytest.raises(IdentityUnavailable):
        fetch_key_set(url)


def test_nothing_is_fetched_over_other_schemes(tmp_path: Any) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [member(ONE, "one")]}))

    with pytest.raises(IdentityUnavailable):
        fetch_key_set(keys.as_uri())


def test_importing_identity_loads_no_http_library_beyond_the_standard_one() -> None:
    script = """
import sys, client_credits.http.identity
print([m for m in ("requests", "httpx", "boto3", "botocore", "pydantic", "urllib3")
       if m in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert answer.stdout.decode().strip() == "[]"
