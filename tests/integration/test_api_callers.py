"""Every route for every caller: who may do what, and that nobody learns of what is not theirs.

The expected statuses are written out by hand from the contract, never taken from the code.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from tests.support.api import (
    AUDIENCE,
    ISSUER,
    OTHER_KEY,
    PAGE_ORIGIN,
    Api,
    Reply,
    api_beside,
    api_on,
    outside,
    session_keys,
    token,
)
from tests.support.builders import NOW
from tests.support.engines import Engine
from tests.support.stock import booked, catalogue, client, furnished, package, paid, put, read
from tests.support.stripe_server import TEST_KEY, a_price, stripe_server

from client_credits.http.access import ROUTES
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.staff import practices

AT = int(NOW.timestamp())
PATCH_RESTORE = {"restore_on_cancel": True}
SET_ONE = {"appointment_type": "follow-up", "balance": 1, "version": 3}
ADD_ONE = {"appointment_type": "follow-up", "amount": 1, "reason": "goodwill"}
GIVE_ONE = {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 1}
LONGER = {"appointment_type": "follow-up", "by_days": 14, "reason": "a closure"}
BUY_ONE = {"client_id": "c1", "package_id": "three-pack", **dict.fromkeys(("success_url", "cancel_url"), PAGE_ORIGIN)}
AUTHORIZED = {
    "payer": "Northern Health",
    "number": "NH-1",
    "appointment_types": ["follow-up"],
    "starts_on": "2026-09-01",
    "ends_on": "2027-02-28",
    "visits_authorized": 12,
}
SESSION = {"appointment_type": "follow-up", "starts_at": "2026-12-01T09:00:00Z"}


def _alg_none() -> str:
    """A token that says of itself that it needs no signature."""
    head, body, _ = token("admin").split(".")
    unsigned = jwt.utils.base64url_encode(b'{"alg":"none","kid":"k1","typ":"JWT"}').decode()
    assert head != unsigned
    return f"{unsigned}.{body}."


def _hmac_with_the_public_key() -> str:
    """A token whose signature is made with what everybody may read, under another algorithm."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "s",
        "exp": AT + 600,
        "credits_role": "admin",
        "credits_practice": "p1",
    }
    return jwt.encode(claims, "k" * 32, "HS256", {"kid": "k1"})


# Callers who prove nothing: the Authorization header of each.
STRANGERS: dict[str, str | None] = {
    "no token": None,
    "an empty token": "Bearer ",
    "garbage": "Bearer not.a.token",
    "another scheme": "Basic YWRtaW46YWRtaW4=",
    "an expired token": f"Bearer {token('admin', exp=AT - 31)}",
    "a token not yet valid": f"Bearer {token('admin', nbf=AT + 31)}",
    "a token for another audience": f"Bearer {token('admin', aud='another-api')}",
    "a token of another issuer": f"Bearer {token('admin', iss='https://other.test/')}",
    "a token signed with another key": f"Bearer {token('admin', key=OTHER_KEY)}",
    "a token without signature": f"Bearer {_alg_none()}",
    "a token signed with a shared key": f"Bearer {_hmac_with_the_public_key()}",
    "a token without practice": f"Bearer {token('admin', None)}",
    "a token of an unknown role": f"Bearer {token('owner')}",
    "a client's token without client": f"Bearer {token('client')}",
    "a client's token that names its application only": f"Bearer {token('client', client_id='c1')}",
    "a token that lives for years": f"Bearer {token('admin', exp=AT + 10**8)}",
    "a token that ends beyond every clock": f"Bearer {token('admin', exp=1e308)}",
    "a token issued at no time": f"Bearer {token('admin', iat=1e308)}",
}

CALLERS: dict[str, dict[str, Any]] = {
    "own client": {"client": "c1"},
    "other client": {"client": "c2"},
    "staff": {"role": "staff"},
    "other practice's staff": {"role": "staff", "practice": "p2"},
    "service": {"role": "service"},
    "admin": {"role": "admin"},
}

# (method, rule, path, body or query, and the status for each of CALLERS in that order). Writes are
# rehearsed, so that every case meets the same practice; staff of p2 meet a practice without anything.
TABLE: list[tuple[str, str, dict[str, Any] | None, tuple[int, int, int, int, int, int]]] = [
    ("GET", "/v1/me", None, (200, 200, 200, 200, 200, 200)),
    ("GET", "/v1/status", None, (403, 403, 403, 403, 403, 200)),
    ("POST", "/v1/client-sessions", {"client_id": "c1"}, (403, 403, 200, 200, 200, 200)),
    ("POST", "/v1/client-links", {"client_id": "c1"}, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/checkout-sessions", BUY_ONE, (200, 404, 200, 422, 200, 200)),
    ("POST", "/v1/client-links/exchange", {"link": "cDE.never.forged"}, (404, 404, 404, 404, 404, 404)),
    ("GET", "/v1/settings", None, (403, 403, 200, 200, 403, 200)),
    ("PATCH", "/v1/settings", PATCH_RESTORE, (403, 403, 403, 403, 403, 200)),
    ("GET", "/v1/appointment-types", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/appointment-types/<follow-up>", None, (403, 403, 200, 404, 403, 200)),
    ("PUT", "/v1/appointment-types/<follow-up>", {"name": "F"}, (403, 403, 403, 403, 403, 200)),
    ("GET", "/v1/packages", None, (200, 200, 200, 200, 403, 200)),
    ("GET", "/v1/packages/<three-pack>", None, (200, 200, 200, 404, 403, 200)),
    ("PUT", "/v1/packages/<three-pack>", {"name": "T"}, (403, 403, 403, 403, 403, 200)),
    ("GET", "/v1/packages/<three-pack>/clients", None, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/clients", None, (403, 403, 200, 200, 403, 200)),
    ("POST", "/v1/clients/search", {"q": "c"}, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/clients/<c1>", None, (403, 403, 200, 404, 403, 200)),
    ("PUT", "/v1/clients/<c1>", {"name": "Anna"}, (403, 403, 200, 201, 403, 200)),
    ("POST", "/v1/clients/<c1>/merge", {"into": "c2"}, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/clients/<c1>/settings", None, (403, 403, 200, 404, 403, 200)),
    ("PATCH", "/v1/clients/<c1>/settings", PATCH_RESTORE, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/clients/<c1>/authorizations", None, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/clients/<c1>/authorizations/<au-1>", None, (403, 403, 200, 404, 403, 200)),
    ("PUT", "/v1/clients/<c1>/authorizations/<au-1>", AUTHORIZED, (403, 403, 200, 404, 403, 200)),
    ("DELETE", "/v1/clients/<c1>/authorizations/<au-1>", None, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/clients/<c1>/credits", None, (200, 404, 200, 404, 200, 200)),
    ("PUT", "/v1/clients/<c1>/credits", {"changes": [SET_ONE]}, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/clients/<c1>/adjustments", ADD_ONE, (403, 403, 200, 404, 200, 200)),
    ("POST", "/v1/clients/<c1>/grants", {"package_id": "three-pack"}, (403, 403, 200, 404, 200, 200)),
    ("PATCH", "/v1/clients/<c1>/credits/<follow-up>/lots/<lot>", {"expires_at": None}, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/clients/<c1>/credits/<follow-up>/entries/<entry>/undo", {}, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/transfers", GIVE_ONE, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/extensions", LONGER, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/expirations", {"client_id": "c1"}, (403, 403, 200, 404, 200, 200)),
    ("GET", "/v1/clients/<c1>/credits/<follow-up>/history", None, (200, 404, 200, 404, 200, 200)),
    ("GET", "/v1/clients/<c1>/credits/<follow-up>/lots", None, (200, 404, 200, 404, 200, 200)),
    ("GET", "/v1/eligibility", {"client_id": "c1"}, (200, 404, 200, 200, 200, 200)),
    ("POST", "/v1/eligibility", {"client_id": "c1", "sessions": [SESSION]}, (200, 404, 200, 200, 200, 200)),
    ("GET", "/v1/bookings", {"state": "booked"}, (403, 403, 200, 200, 200, 200)),
    ("GET", "/v1/bookings/<b1>", None, (403, 403, 200, 404, 200, 200)),
    ("GET", "/v1/parked", None, (403, 403, 200, 200, 403, 200)),
    ("POST", "/v1/parked/<parked>/resolve", {"package_id": "three-pack"}, (403, 403, 200, 404, 403, 200)),
    ("POST", "/v1/parked/<parked>/dismiss", {"reason": "refunded"}, (403, 403, 200, 404, 403, 200)),
    ("GET", "/v1/jobs/<job>", None, (403, 403, 200, 404, 404, 200)),
    ("POST", "/v1/reports/exports", {"report": "credits"}, (403, 403, 202, 202, 403, 202)),
    ("GET", "/v1/reports/credits", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/movements", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/negative", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/outstanding", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/revenue", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/expiring", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/refusals", None, (403, 403, 200, 200, 403, 200)),
    ("GET", "/v1/reports/parked", None, (403, 403, 200, 200, 403, 200)),
]
NAMES = [f"{method} {path}" for method, path, _, _ in TABLE]
OPEN = {"/v1/client-links/exchange"}  # no token is needed or looked at


class World:
    """Practice p1 with one of everything, and p2 with nothing."""

    def __init__(self, api: Api) -> None:
        self.api = furnished(api)
        client(api, "c2")
        package(api, "old-pack", stripe_prices=[], archived=True)
        paid(api)
        booked(api)
        paid(api, price="price_unknown")
        (parked,) = read(api, "/v1/parked")["items"]
        (lot,) = read(api, "/v1/clients/c1/credits/follow-up/lots")["items"]
        put(api, "/v1/clients/c1/authorizations/au-1", AUTHORIZED)
        key, wanted = {"idempotency-key": "x"}, {"report": "credits"}
        export = api("POST", "/v1/reports/exports", wanted, role="staff", headers=key)
        added = api("POST", "/v1/clients/c1/adjustments", ADD_ONE, headers={"idempotency-key": "added"})
        self.ids = {"parked": parked["id"], "lot": lot["lot_id"], "entry": str(added.body["sequence"])}
        self.ids["job"] = export.body["job_id"]

    def path(self, written: str, **instead: str) -> str:
        """A path of the table with its ids put in."""
        for name in ("follow-up", "three-pack", "c1", "b1", "parked", "lot", "entry", "job", "au-1"):
            written = written.replace(f"<{name}>", instead.get(name, self.ids.get(name, name)))
        return written

    def ask(self, method: str, path: str, given: dict[str, Any] | None, **who: Any) -> Reply:
        """`given` is the query of a GET and the body of everything else."""
        if method == "GET":
            return self.api(method, path, **(given or {}), **who)
        headers = {"idempotency-key": "key-1"} | who.pop("headers", {})
        return self.api(method, path, given, dry_run=True, headers=headers, **who)


@pytest.fixture(scope="module")
def world(memory: Engine) -> Iterator[World]:
    with stripe_server() as stripe:
        stripe.add(a_price("price_1"))
        api = api_on(memory.fresh_store())
        reached = outside(session_keys(), {"/stripe-api-key/p1": TEST_KEY}.get, stripe.url)
        yield World(replace(api, front=replace(api.front, outside=reached)))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", TABLE, ids=NAMES)
def test_each_caller_gets_the_status_the_contract_gives(world: World, row: Any, caller: str) -> None:
    method, path, given, statuses = row
    expected = statuses[[*CALLERS].index(caller)]
    reply = world.ask(method, world.path(path), given, **CALLERS[caller])
    assert reply.status == expected, reply.text
    assert reply.headers["X-Request-Id"] == "req-1"
    if expected >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.body["status"] == expected
        assert reply.body["request_id"] == "req-1"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_whoever_proves_nothing_gets_401_on_every_route(world: World, stranger: str) -> None:
    header = STRANGERS[stranger]
    headers = {} if header is None else {"authorization": header}
    texts = set()
    for method, path, given, _ in (row for row in TABLE if row[1] not in OPEN):
        reply = world.ask(method, world.path(path), given, bearer=None, headers=headers)
        assert reply.status == 401, (method, path, reply)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        texts.add(reply.text)
    reply = world.api("GET", "/v1/nothing/here", bearer=None, headers=headers)
    assert (reply.status, len(texts | {reply.text})) == (401, 1), "a stranger learns which paths exist"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_open_route_looks_at_no_token(world: World, stranger: str) -> None:
    header = STRANGERS[stranger]
    headers = {} if header is None else {"authorization": header}
    for method, path, given, statuses in (row for row in TABLE if row[1] in OPEN):
        reply = world.ask(method, path, {"link": f"{given}{stranger}"}, bearer=None, headers=headers)
        assert {reply.status} == set(statuses), reply


def test_the_table_above_names_every_route_there_is() -> None:
    def shape(path: str) -> str:
        return "/".join("*" if step.startswith("<") else step for step in path.split("/"))

    mine = {(method, shape(path)) for method, path, _, _ in TABLE}
    assert mine == {(method, shape(path)) for method, path in ROUTES}


THINGS = [row for row in TABLE if "<" in row[1] and row[0] != "PUT"]


@pytest.mark.parametrize("row", THINGS, ids=[f"{r[0]} {r[1]}" for r in THINGS])
def test_another_practices_things_answer_like_things_that_do_not_exist(world: World, row: Any) -> None:
    method, path, given, _ = row
    never = dict.fromkeys(("follow-up", "three-pack", "c1", "b1", "parked", "lot", "job", "au-1"), "never") | {
        "entry": "9"
    }
    for role in ("admin", "staff", "service"):
        theirs = world.ask(method, world.path(path), given, role=role, practice="p2")
        absent = world.ask(method, world.path(path, **never), given, role=role, practice="p2")
        assert (theirs.status, theirs.headers, theirs.text) == (absent.status, absent.headers, absent.text)
        assert theirs.status in (403, 404)


def test_another_practices_client_is_as_eligible_as_one_that_does_not_exist(world: World) -> None:
    for given in ({}, {"appointment_type": "follow-up"}):
        theirs = world.api("GET", "/v1/eligibility", client_id="c1", practice="p2", **given)
        absent = world.api("GET", "/v1/eligibility", client_id="never", practice="p2", **given)
        assert theirs.status == 200
        assert theirs.text == absent.text
    asks = [{"client_id": c, "sessions": [SESSION]} for c in ("c1", "never")]
    theirs, absent = (world.api("POST", "/v1/eligibility", ask, practice="p2") for ask in asks)
    assert theirs.text == absent.text


@pytest.mark.parametrize("path", [r[1] for r in TABLE if r[0] == "GET" and "<c1>" in r[1]])
def test_another_client_answers_like_one_that_does_not_exist(world: World, path: str) -> None:
    others = world.api("GET", world.path(path), client="c2")
    absent = world.api("GET", world.path(path, c1="never"), client="c2")
    assert (others.status, others.headers, others.text) == (absent.status, absent.headers, absent.text)
    assert others.status in (403, 404)


def test_another_clients_eligibility_answers_like_one_of_a_client_that_does_not_exist(world: World) -> None:
    for given in ({}, {"appointment_type": "follow-up"}):
        others, absent = (
            world.api("GET", "/v1/eligibility", client="c2", client_id=c, **given) for c in ("c1", "never")
        )
        assert (others.status, others.text) == (404, absent.text)
    asks = [{"client_id": c, "sessions": [SESSION]} for c in ("c1", "never")]
    others, absent = (world.api("POST", "/v1/eligibility", ask, client="c2") for ask in asks)
    assert (others.status, others.text) == (404, absent.text)


def test_a_client_who_has_no_record_yet_sees_no_more_than_a_stranger_to_it(world: World) -> None:
    own = world.api("GET", "/v1/clients/c-new/credits", client="c-new")
    other = world.api("GET", "/v1/clients/c1/credits", client="c-new")
    assert (own.status, own.text) == (404, other.text)


def test_a_clients_token_of_another_practice_opens_nothing_here(world: World) -> None:
    """The same client id in two practices is two clients."""
    for path in ("/v1/clients/c1/credits", "/v1/clients/c1/credits/follow-up/history"):
        assert world.api("GET", path, client="c1", practice="p2").status == 404
    assert world.api("GET", "/v1/packages", client="c1", practice="p2").body["items"] == []


def test_an_archived_package_is_to_a_client_one_that_does_not_exist(world: World) -> None:
    archived, absent = (world.api("GET", f"/v1/packages/{p}", client="c1") for p in ("old-pack", "never"))
    assert (archived.status, archived.text) == (404, absent.text)
    assert [p["id"] for p in world.api("GET", "/v1/packages", client="c1").body["items"]] == ["three-pack"]
    assert world.api("GET", "/v1/packages/old-pack", role="staff").status == 200


def test_a_client_sees_itself_only_whatever_else_its_token_says(world: World) -> None:
    """`client_id` decides for role client alone; other tokens may carry OAuth's own."""
    assert world.api("GET", "/v1/clients/c2", bearer=token("staff", client_id="c1")).status == 200
    two = token("client", client="c1", sub="c2")
    assert world.api("GET", "/v1/clients/c2/credits", bearer=two).status == 404


def test_a_key_that_may_be_new_is_answered_with_when_to_come_again(world: World) -> None:
    api = api_beside(world.api)
    unknown = jwt.encode({"sub": "s"}, OTHER_KEY, "RS256", {"kid": "k2"})
    assert api("GET", "/v1/settings").status == 200
    assert api("GET", "/v1/settings", bearer=unknown).status == 401

    later = api("GET", "/v1/settings", bearer=unknown)
    assert (later.status, later.code, later.headers["Retry-After"]) == (503, "unavailable", "60")
    assert api("GET", "/v1/settings").status == 200


def test_a_practice_without_record_finds_nothing_rather_than_failing(world: World) -> None:
    reply = world.api("GET", "/v1/settings", practice="p-unknown")
    assert (reply.status, reply.code) == (404, "not_found")
    assert world.api("PUT", "/v1/clients/c1", {}, practice="p-unknown").status == 404


@pytest.mark.parametrize(
    ("method", "path", "given", "_"),
    [row for row in TABLE if row[1] not in OPEN],
    ids=[name for name in NAMES if name.split()[1] not in OPEN],
)
def test_every_route_of_a_practice_without_record_answers_alike(
    world: World, method: str, path: str, given: dict[str, Any] | None, _: object
) -> None:
    query, body = (given or {}, None) if method == "GET" else ({}, given)
    headers = {"idempotency-key": "k1"}
    reply = world.api(method, world.path(path), body, practice="p-unknown", headers=headers, **query)
    assert (reply.status, reply.code) == (404, "not_found")
    assert reply.body["detail"] == "There is no such practice."


@pytest.mark.parametrize("path", sorted({row[1] for row in TABLE}))
def test_a_method_a_path_does_not_take_is_405_and_says_which_it_takes(world: World, path: str) -> None:
    takes = {method for method, own, _, _ in TABLE if own == path}
    if path == "/v1/clients/search":
        takes |= {"GET", "PUT"}  # a client may be called "search"
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - takes:
        reply = world.api(method, world.path(path), {} if method in ("POST", "PUT", "PATCH") else None)
        assert (reply.status, reply.code) == (405, "method_not_allowed")
        assert set(reply.headers["Allow"].split(", ")) == takes
        assert reply.body["request_id"] == "req-1"


def test_nothing_of_one_practice_shows_in_any_answer_to_another(memory: Engine) -> None:
    """Both practices use the same ids; only the names tell them apart."""
    api = api_on(memory.fresh_store())
    for practice in ("p1", "p2"):
        catalogue(api, practice=practice)
        package(api, practice=practice, name=f"Package of {practice}")
        client(api, practice=practice, name=f"Client of {practice}")
    paid(api, "p1")
    paid(api, "p1", price="price_unknown")
    booked(api)
    paths = ["/v1/settings", "/v1/appointment-types", "/v1/packages", "/v1/clients", "/v1/parked"]
    paths += ["/v1/clients/c1", "/v1/clients/c1/settings", "/v1/clients/c1/credits"]
    paths += [f"/v1/clients/c1/credits/follow-up/{what}" for what in ("history", "lots")]
    assert api("GET", "/v1/bookings", state="booked", practice="p2").body["items"] == []
    for path in paths:
        reply = api("GET", path, practice="p2")
        assert reply.status == 200, path
        for foreign in ("of p1", "price_unknown", "evt_", "lot_"):
            assert foreign not in reply.text, path
    assert api("GET", "/v1/bookings/b1", practice="p2").status == 404
    assert api("GET", "/v1/eligibility", client_id="c1", practice="p2").body["items"][0]["balance"] == 0


def test_staff_of_one_practice_change_nothing_in_another(memory: Engine) -> None:
    api = api_on(memory.fresh_store())
    furnished(api)
    paid(api)
    paid(api, price="price_unknown")
    (parked,) = read(api, "/v1/parked")["items"]
    ours = ["/v1/settings", "/v1/packages", "/v1/clients", "/v1/clients/c1/credits", "/v1/parked"]
    before = [api("GET", path).text for path in ours]
    catalogue(api, practice="p2")
    package(api, practice="p2", name="Theirs", stripe_prices=["price_unknown"])  # replays p2's parked only
    put(api, "/v1/clients/c1", {"stripe_customers": ["cus_1"]}, practice="p2")
    assert api("PATCH", "/v1/settings", {"auto_repay": False}, practice="p2").status == 200
    for action, body in (("resolve", {"client_id": "c1"}), ("dismiss", {"reason": "mine"})):
        assert api("POST", f"/v1/parked/{parked['id']}/{action}", body, practice="p2").status == 404
    assert [api("GET", path).text for path in ours] == before


def test_a_new_practice_begins_with_defaults_and_an_empty_catalogue(world: World) -> None:
    assert practices.create_practice(Context(world.api.store, "p3", STRIPE, NOW))
    assert not practices.create_practice(Context(world.api.store, "p3", STRIPE, NOW)), (
        "creating it again changes nothing"
    )
    for path in ("/v1/appointment-types", "/v1/packages", "/v1/clients", "/v1/parked"):
        assert read(world.api, path, practice="p3") == {"items": [], "next_cursor": None}
    assert {v["source"] for v in read(world.api, "/v1/settings", practice="p3").values()} == {"account"}
