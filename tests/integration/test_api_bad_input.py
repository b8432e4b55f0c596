"""Whatever arrives, the answer is a documented refusal, never a 5xx, and nothing is written."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.api import Api, Reply, api_on, token
from tests.support.engines import Engine
from tests.support.stock import (
    booked,
    client,
    counted,
    furnished,
    nothing_written,
    package,
    paid,
    read,
)

from client_credits.http import access
from client_credits.http.front import MAX_BODY_BYTES

# Every route that takes a body, with one that it accepts.
SESSION = {"appointment_type": "follow-up", "starts_at": "2026-12-01T09:00:00Z", "seats": 2}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/v1/settings"): {"max_negative": 3, "timezone": "Europe/Berlin", "restore_on_cancel": False},
    ("PUT", "/v1/appointment-types/massage"): {"name": "Massage", "bookable_without_credits": True},
    ("PUT", "/v1/packages/five"): {
        "name": "Five",
        "url": "https://p.test/five",
        "credits": {"follow-up": 5},
        "expiry": {"kind": "months", "n": 6},
        "stripe_prices": ["price_5"],
    },
    ("PUT", "/v1/clients/c9"): {
        "name": "Anna",
        "email": "a@example.test",
        "stripe_customers": ["cus_9"],
        "external_ids": {"square": "1"},
    },
    ("PATCH", "/v1/clients/c1/settings"): {"auto_repay": False, "restore_grace_days_client": 3},
    ("POST", "/v1/eligibility"): {"client_id": "c1", "sessions": [SESSION, SESSION]},
    ("POST", "/v1/parked/prk_1/resolve"): {"client_id": "c1", "package_id": "three-pack"},
    ("POST", "/v1/parked/prk_1/dismiss"): {"reason": "a mistake"},
    ("PUT", "/v1/clients/c1/credits"): {
        "changes": [{"appointment_type": "follow-up", "balance": 4, "version": 2}],
        "reason": "counted again",
    },
    ("POST", "/v1/clients/search"): {"q": "anna", "email": "a@example.test", "limit": 10},
    ("POST", "/v1/clients/c1/adjustments"): {
        "appointment_type": "initial",
        "amount": 2,
        "reason": "goodwill",
        "expires_at": "2027-12-01T09:00:00Z",
    },
    ("POST", "/v1/clients/c1/grants"): {"package_id": "three-pack", "quantity": 2, "reason": "a gift"},
    ("PATCH", "/v1/clients/c1/credits/follow-up/lots/lot_1"): {"void": True, "reason": "a mistake"},
    ("POST", "/v1/clients/c1/credits/follow-up/entries/1/undo"): {"reason": "a mistake"},
    ("POST", "/v1/extensions"): {
        "package_id": "three-pack",
        "ends_from": "2026-12-01T09:00:00Z",
        "by_days": 14,
        "revive": True,
        "reason": "a closure",
    },
    ("POST", "/v1/expirations"): {"client_id": "c1", "cycle_ended_before": "2026-12-01T09:00:00Z", "keep": 2},
    ("POST", "/v1/clients/c9/merge"): {"into": "c2"},
    ("PUT", "/v1/clients/c1/authorizations/auth-1"): {
        "payer": "Aetna",
        "number": "A-1",
        "appointment_types": ["follow-up"],
        "starts_on": "2026-11-01",
        "ends_on": "2027-02-28",
        "visits_authorized": 12,
    },
    ("POST", "/v1/client-sessions"): {"client_id": "c1", "ttl_seconds": 60},
    ("POST", "/v1/client-links"): {"client_id": "c1", "ttl_seconds": 60},
    ("POST", "/v1/client-links/exchange"): {"link": "a-link"},
    ("POST", "/v1/checkout-sessions"): {
        "client_id": "c1",
        "package_id": "three-pack",
        "quantity": 1,
        "success_url": "https://practice.test/thanks",
        "cancel_url": "https://practice.test/",
    },
    ("POST", "/v1/reports/exports"): {"report": "movements", "from": "2026-11-01", "to": "2026-11-22"},
    ("POST", "/v1/transfers"): {
        "from_client_id": "c1",
        "to_client_id": "c2",
        "appointment_type": "follow-up",
        "amount": 1,
        "reason": "family",
    },
}
KEYED = {"headers": {"idempotency-key": "key-1"}}
ROUTES = [*BODIES]
each_route = pytest.mark.parametrize("route", ROUTES, ids=[" ".join(r) for r in ROUTES])


@pytest.fixture(scope="module")
def world(memory: Engine) -> Iterator[Api]:
    api = furnished(api_on(memory.fresh_store()))
    client(api, "c2", name="Zacharias")
    package(api, "old-pack", stripe_prices=[], archived=True)
    paid(api)
    booked(api)
    paid(api, price="price_x")
    return api


def test_every_route_with_a_body_is_among_these() -> None:
    shapes = {
        (method, re.sub(r"<\w+>", "[^/]+", rule)) for method, rule in access.ROUTES if method not in ("GET", "DELETE")
    }
    assert len(shapes) == len(BODIES)
    for method, shape in shapes:
        assert [path for known, path in BODIES if known == method and re.fullmatch(shape, path)]


def refused(reply: Reply, *statuses: int) -> bool:
    """Whether the answer is a whole problem answer of one of these statuses."""
    stated = reply.body
    assert reply.status in statuses, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["X-Request-Id"] == stated["request_id"] == "req-1"
    assert {"type", "title", "status", "code", "detail", "request_id"} <= set(stated)
    assert stated["status"] == reply.status
    return True


# --- Bodies that are no JSON object


def nested(depth: int, kind: str = "list") -> str:
    opening, closing = ("[", "]") if kind == "list" else ('{"a":', "}")
    inner = "" if kind == "list" else "1"
    return '{"name":' + opening * depth + inner + closing * depth + "}"


NO_JSON = {
    "nothing": "",
    "blanks": " \n\t ",
    "words": "name=Anna",
    "half an object": '{"name": "Anna"',
    "a comma too many": '{"name": "Anna",}',
    "single quotes": "{'name': 'Anna'}",
    "a comment": '{"name": "Anna"} // hm',
    "two objects": "{}{}",
    "a byte order mark": "\ufeff{}",
    "NaN": '{"max_negative": NaN}',
    "Infinity": '{"max_negative": Infinity}',
    "minus Infinity": '{"max_negative": -Infinity}',
    "a float beyond all": '{"max_negative": 1e400}',
    "an integer of 5,000 digits": '{"max_negative": ' + "9" * 5000 + "}",
    "a key twice": '{"name": "A", "name": "B"}',
    "a key twice, deep": '{"expiry": {"kind": "days", "n": 1, "n": 2}}',
    "half a surrogate pair": '{"name": "\\ud800"}',
    "half a pair as key": '{"\\udfff": 1}',
    "a raw control character": '{"name": "a\x01b"}',
    "a bare zero byte": "\x00",
    "a list": "[]",
    "a list of objects": '[{"name": "Anna"}]',
    "null": "null",
    "a number": "5",
    "a text": '"name"',
    "true": "true",
    "a form": "------x\r\nContent-Disposition: form-data",
    "XML": "<client/>",
} | {
    f"{kind}s {depth} deep": nested(depth, kind)
    for kind in ("list", "object")
    for depth in (65, 200, 400, 700, 900, *range(950, 1000, 7), 1000, 5000, 40_000)
}


@pytest.mark.parametrize("name", NO_JSON)
def test_a_body_that_is_no_json_object_is_400_everywhere(world: Api, name: str) -> None:
    with nothing_written(world):
        for method, path in ROUTES:
            reply = world(method, path, raw=NO_JSON[name], **KEYED)
            assert refused(reply, 400), (method, path)
            assert reply.code == "malformed_body"


ENCODED = {
    "no base64": "!!!!",
    "base64 cut short": "eyJuYW1lIjoiQSJ9"[:-1],
    "base64 with blanks": "eyJu YW1l",
    "not ASCII": "é",
    "not UTF-8": base64.b64encode(b'{"name": "\xff\xfe"}').decode(),
    "Latin-1": base64.b64encode('{"name": "é"}'.encode("latin-1")).decode(),
    "UTF-16": base64.b64encode('{"name": "A"}'.encode("utf-16")).decode(),
    "a surrogate in UTF-8": base64.b64encode(b'{"name": "\xed\xa0\x80"}').decode(),
    "an overlong slash": base64.b64encode(b'{"name": "\xc0\xaf"}').decode(),
    "gzip": base64.b64encode(b"\x1f\x8b\x08\x00\x00\x00\x00\x00").decode(),
}


@pytest.mark.parametrize("name", ENCODED)
def test_a_body_that_cannot_be_decoded_is_400_everywhere(world: Api, name: str) -> None:
    with nothing_written(world):
        for method, path in ROUTES:
            assert refused(world(method, path, raw=ENCODED[name], encoded=True, **KEYED), 400)


def test_a_body_is_the_same_encoded_or_not(world: Api) -> None:
    text = json.dumps({"name": "Ärger \N{SEEDLING}"}, ensure_ascii=False)
    plain = world("PUT", "/v1/clients/c9", raw=text, dry_run=True)
    encoded = base64.b64encode(text.encode()).decode()
    assert plain.text == world("PUT", "/v1/clients/c9", raw=encoded, encoded=True, dry_run=True).text
    assert plain.body["name"] == "Ärger \N{SEEDLING}"


def test_depth_up_to_64_is_read(world: Api) -> None:
    assert refused(world("PUT", "/v1/clients/c9", raw=nested(63)), 422)
    assert refused(world("PUT", "/v1/clients/c9", raw=nested(64)), 400)


def filled(size: int, letter: str = "x") -> str:
    """An object of so many bytes, of one unknown field."""
    frame = '{"y": ""}'
    count, rest = divmod(size - len(frame), len(letter.encode()))
    return '{"y": "' + letter * count + "x" * rest + '"}'


@pytest.mark.parametrize("letter", ["x", "é", "\N{SEEDLING}"], ids=["one byte", "two bytes", "four bytes"])
@each_route
def test_a_body_above_256_kb_is_413_and_one_of_256_kb_is_read(world: Api, route: tuple[str, str], letter: str) -> None:
    with nothing_written(world):
        for size, statuses in ((MAX_BODY_BYTES, (422,)), (MAX_BODY_BYTES + 1, (413,)), (3 * MAX_BODY_BYTES, (413,))):
            text = filled(size, letter)
            assert len(text.encode()) == size
            assert refused(world(*route, raw=text, **KEYED), *statuses), size
            encoded = base64.b64encode(text.encode()).decode()
            assert refused(world(*route, raw=encoded, encoded=True, **KEYED), *statuses), size


def test_a_refused_caller_hears_so_before_the_body_is_judged(world: Api) -> None:
    for raw in ("", "[", "x" * (MAX_BODY_BYTES + 1)):
        assert world("PATCH", "/v1/settings", raw=raw, bearer=None).status == 401
        assert world("PATCH", "/v1/settings", raw=raw, role="staff").status == 403
        assert world("POST", "/v1/nowhere", raw=raw).status == 404


@each_route
def test_unknown_fields_are_refused_each_by_name(world: Api, route: tuple[str, str]) -> None:
    strange = {"__proto__": {}, "ID": "c1", "practice_id": "p2", "a/b~c": 1, "": 0, "\N{SEEDLING}": None}
    with nothing_written(world):
        reply = world(*route, BODIES[route] | strange, **KEYED)
        assert refused(reply, 422)
    pointers = {"/__proto__", "/ID", "/practice_id", "/a~1b~0c", "/", "/\N{SEEDLING}"}
    assert pointers <= set(reply.faults)
    assert {reply.faults[p] for p in pointers} == {"unknown_field"}


JUNK: list[Any] = [None, True, 0, -1, 1.5, 10**300, "", " ", "\x00", "a" * 1000, [], [[]], {}, {"": None}]


@each_route
def test_no_value_in_any_place_is_more_than_refused(world: Api, route: tuple[str, str]) -> None:
    for name in BODIES[route]:
        for junk in JUNK:
            reply = world(*route, BODIES[route] | {name: junk}, dry_run=True, **KEYED)
            assert reply.status < 500, (name, junk, reply.text)
            assert reply.status in (200, 201, 202) or refused(reply, 404, 409, 422), (name, junk)


# --- Any JSON at all

texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts | st.sampled_from(["follow-up", "c1", "2026-12-01T09:00:00Z"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
keys = (f"key-{number}" for number in count())
steady = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def mutated(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """A body like a good one: a few members replaced, dropped, added, or filled with names that count."""
    changed = dict(body)
    for name in draw(st.lists(st.sampled_from([*body]), max_size=3)):
        changed[name] = draw(values)
    for name in draw(st.lists(st.sampled_from([*body]), max_size=2)):
        changed.pop(name, None)
    return changed | draw(st.dictionaries(texts, values, max_size=2))


@each_route
@steady
@given(data=st.data())
def test_any_json_at_all_gets_an_answer_and_a_refusal_writes_nothing(
    world: Api, route: tuple[str, str], data: st.DataObject
) -> None:
    body = data.draw(mutated(BODIES[route]) | st.dictionaries(texts, values, max_size=3) | values)
    with counted(world) as calls:
        reply = world(*route, raw=json.dumps(body, ensure_ascii=False), headers={"idempotency-key": next(keys)})
    assert reply.status < 500, reply.text
    if reply.status not in (200, 201, 202):
        assert refused(reply, 400, 404, 409, 422)
        assert not {api for api in calls if "Write" in api}


@steady
@given(raw=st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_any_text_at_all_as_a_body_is_refused(world: Api, raw: str) -> None:
    for method, path in ROUTES[:3]:
        reply = world(method, path, raw=raw)
        assert reply.status in (200, 400, 422), reply.text
        assert refused(world(method, path, raw=raw, encoded=True), 400, 422)


# --- Paths and ids


BY_ID = ["/v1/clients/{}", "/v1/clients/{}/credits", "/v1/clients/c1/credits/{}/history", "/v1/packages/{}",
         "/v1/appointment-types/{}", "/v1/bookings/{}", "/v1/clients/{}/settings"]  # fmt: skip
NO_IDS = ["a b", "a#b", "a,b", "a;b", "a|b", "a\\b", "a\"b", "a'b", "a&b", "a=b", "a+b", "a@b", "a!b", "$x", "é",
          "\N{SEEDLING}", "a\x00b", "a\nb", "\x7f", "%", "%zz", "%C3%28", "<x>", "{x}", "[x]", "^", "a*", "x" * 129,
          "x" * 9000]  # fmt: skip


def raw_request(api: Api, method: str, raw_path: str, bearer: str, query: dict[str, str] | None = None) -> Reply:
    """A request whose path stands as the gateway might pass it, decoded or not."""
    event = {
        "version": "2.0",
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {bearer}"},
        "queryStringParameters": query,
        "requestContext": {"requestId": "req-1", "stage": "$default", "http": {"method": method, "path": raw_path}},
        "body": "{}" if method in ("PUT", "PATCH", "POST") else None,
        "isBase64Encoded": False,
    }
    return api.send(event)


@pytest.mark.parametrize("rule", BY_ID)
def test_what_is_no_id_is_refused_in_every_path(world: Api, rule: str) -> None:
    with nothing_written(world):
        for text in NO_IDS:
            assert refused(world("GET", rule.format(quote(text, safe=""))), 404, 422), text
            assert refused(raw_request(world, "GET", rule.format(text), token("admin")), 404, 422), text


@pytest.mark.parametrize("rule", [r for r in BY_ID if r.count("/") == 3 and "bookings" not in r])
def test_what_is_no_id_is_never_created(world: Api, rule: str) -> None:
    with nothing_written(world):
        for text in NO_IDS:
            body = {} if "clients" in rule else {"name": "X"}
            assert refused(world("PUT", rule.format(quote(text, safe="")), body), 404, 422), text


def test_an_id_of_128_characters_is_an_id_and_one_of_129_is_none(world: Api) -> None:
    assert world("GET", f"/v1/clients/{'x' * 128}").status == 404
    assert world("GET", f"/v1/clients/{'x' * 129}").status == 422
    assert world("PUT", f"/v1/clients/{'~' * 128}", {}, dry_run=True).status == 201


@pytest.mark.parametrize(
    "client_id", ["a:b", "a~b", "a.b", "a-b", "a_b", "..", ".", "-", "~", ":", "0", "null", "healthz"]
)
def test_every_legal_id_is_an_id_encoded_or_not(world: Api, client_id: str) -> None:
    for path in (f"/v1/clients/{client_id}", "/v1/clients/" + "".join(f"%{ord(c):02X}" for c in client_id)):
        reply = raw_request(world, "PUT", path, token("admin"), {"dry_run": "true"})
        assert (reply.status, reply.body["id"]) == (201, client_id)


NOWHERE = ["/", "//", "/v1", "/v1/", "//v1/settings", "/v1//settings", "/v1/settings/", "/v1/settings//",
           "/V1/settings", "/v1/Settings", "/v1/settings%00", "/v1/settings%0A", "/v1/settings\n", "/v1/settings;x",
           "/v1/settings.json", "/v2/settings", "v1/settings", "/v1/clients//credits", "/v1/clients/c1/",
           "/v1/clients/c1/credits/", "/v1/clients/c1/credits//lots", "/v1/clients/c1/../c2/x", "/v1/./settings",
           "/v1/%2e%2e/v1/settings", "/v1/clients/c1/credits/../../../settings",
           "/x/v1/settings", "/v1/settings/v1/settings", "/webhooks/stripe/p1", "/v1/clients%2F", "\\v1\\settings", "",
           "/v1/holds", "/v1/bookings/", "/v1/reports/never"]  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_that_leads_nowhere_is_404(world: Api, path: str) -> None:
    for role in ("admin", "client"):
        reply = raw_request(world, "GET", path, token(role, client="c1"))
        assert refused(reply, 404)


@pytest.mark.parametrize("slash", ["%2F", "%2f", "/"])
def test_an_encoded_slash_opens_no_other_door_than_a_plain_one(world: Api, slash: str) -> None:
    """Who may call and which route it is are decided on the same path."""
    own, other = token("client", client="c1"), token("client", client="c2")
    path = f"/v1/clients{slash}c1{slash}credits"
    assert raw_request(world, "GET", path, own).status == 200
    assert raw_request(world, "GET", path, other).status == 404
    assert raw_request(world, "GET", f"/v1/clients{slash}c1", own).status == 403
    assert raw_request(world, "PATCH", f"/v1{slash}settings", token("staff")).status == 403


@steady
@given(path=st.text(st.sampled_from("/%2Fc12v1.settingsclrd~:? #\x00\n\\é"), max_size=40), prefix=st.sampled_from(
    ["", "/v1/", "/v1/clients/", "/v1/clients/c2", "/v1/clients/c1", "/v1/clients/c1/credits/"]))  # fmt: skip
def test_no_path_shows_a_client_what_is_anothers(world: Api, prefix: str, path: str) -> None:
    reply = raw_request(world, "GET", prefix + path, token("client", client="c1"))
    assert reply.status in (200, 403, 404, 405, 422), reply.text
    assert "Zacharias" not in reply.text


# --- Queries and headers


QUERIES: list[dict[str, Any]] = [
    {"limit": "1,2"},
    {"limit": "\uff11"},
    {"limit": "1_0"},
    {"limit": " 5 "},
    {"cursor": ","},
    {"q": "x" * 101},
    {"q": "\x00"},
    {"q": "\N{SEEDLING}" * 100},
    {"q": "%"},
    {"q": "#client"},
    {"negative": "true,false"},
    {"negative": ""},
    {"holding": "null"},
    {"": ""},
    {"unknown": "parameter"},
    {"limit[]": "1"},
    {"as_of": "x"},
    {"from": "2026-11-22T12:00:00Z,2026-11-23T12:00:00Z"},
    {"kind": "granted,spent"},
    {"seats": "1e9"},
    {"starts_at": "-1"},
    {"client_id": "c1', 'c2"},
]
LISTS = ["/v1/clients", "/v1/packages", "/v1/parked", "/v1/clients/c1/credits/follow-up/history", "/v1/eligibility"]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_an_odd_query_is_answered_or_refused_and_never_breaks(world: Api, query: dict[str, Any]) -> None:
    with nothing_written(world):
        for path in LISTS:
            given = ({"client_id": "c1"} if "eligibility" in path else {}) | query
            reply = world("GET", path, **given)
            assert reply.status == 200 or refused(reply, 422), (path, reply.text)


@steady
@given(query=st.dictionaries(
    st.sampled_from(["limit", "cursor", "q", "negative", "holding", "kind", "from", "to", "client_id",
                     "appointment_type", "starts_at", "seats", "as_of", "dry_run"]),
    st.text(st.characters(codec="utf-8"), max_size=30) | st.integers().map(str), max_size=4))  # fmt: skip
def test_no_query_breaks_a_read(world: Api, query: dict[str, str]) -> None:
    for path in (*LISTS, "/v1/clients/c1/credits"):
        reply = world("GET", path, **query)
        assert reply.status == 200 or refused(reply, 422), (path, reply.text)


HEADERS = ["", " ", "Bearer", "bearer x.y.z", "Bearer a b", "Bearer ..", "Bearer é.é.é", "Bearer " + "x" * 10_000,
           "Bearer \x00.\x00.\x00", "Basic e30=", "Bearer e30.e30.e30", "Bearer " + "." * 8192, "null",
           "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6WzFdfQ.e30.e30"]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=[repr(h[:24]) for h in HEADERS])
def test_an_odd_authorization_header_proves_nothing(world: Api, header: str) -> None:
    assert refused(world("GET", "/v1/settings", bearer=None, headers={"authorization": header}), 401)


def test_what_a_body_is_called_does_not_matter(world: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x" * 500):
        reply = world("PUT", "/v1/clients/c8", {"name": "A"}, headers={"content-type": kind}, dry_run=True)
        assert reply.status == 201, kind


def test_a_request_without_headers_query_or_body_is_still_answered(world: Api) -> None:
    bare = {"version": "2.0", "rawPath": "/v1/settings", "requestContext": {"requestId": "req-1", "http": {
        "method": "GET", "path": "/v1/settings"}}}  # fmt: skip
    assert refused(world.send(bare), 401)
    assert refused(world.send(bare | {"headers": {}}), 401)


def test_the_practice_works_on_after_all_of_this(world: Api) -> None:
    assert read(world, "/v1/clients/c1")["id"] == "c1"
    assert read(world, "/v1/parked")["items"][0]["reason"] == "unknown_package"


ENDS = ("adjustments", "grants", "transfers", "undo", "extensions", "expirations", "merge", "client-links")
KEYED_ROUTES = [route for route in ROUTES if route[1].endswith((*ENDS, "checkout-sessions", "exports"))]
NO_KEYS = ["", " ", "a b", "a/b", "k" * 129, "\xe9", "a,b", "a\x00b", '"quoted"', "#"]


@pytest.mark.parametrize("route", KEYED_ROUTES, ids=[" ".join(r) for r in KEYED_ROUTES])
def test_what_is_no_idempotency_key_is_400_and_writes_nothing(world: Api, route: tuple[str, str]) -> None:
    with nothing_written(world):
        missing = world(*route, BODIES[route])
        assert refused(missing, 400)
        assert missing.code == "idempotency_key_required"
        for text in NO_KEYS:
            assert refused(world(*route, BODIES[route], headers={"idempotency-key": text}), 400, 422), text
