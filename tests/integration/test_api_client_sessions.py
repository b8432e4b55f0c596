"""Client sessions and client links: what a practice's page hands to a client's browser."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from tests.support.api import CLIENT_PAGE, KEY, Api, Reply, api_beside, api_on, cursor_keys, outside
from tests.support.builders import NOW
from tests.support.engines import Engine
from tests.support.stock import client, contents, furnished, later, nothing_written, paid, patch, read

from client_credits.aws.secrets import SessionKeys
from client_credits.http.front import Front
from client_credits.http.identity import Authenticator, ClaimNames
from client_credits.http.sessions import ISSUER, RENEWABLE, Sessions
from client_credits.store.store import Store
from client_credits.store.table import Write

OLD, NEW = b"s" * 32, b"n" * 32
OWN_CREDITS = "/v1/clients/c1/credits"


@pytest.fixture
def api(memory: Engine) -> Api:
    api = furnished(api_on(memory.fresh_store()))
    client(api, "c2")
    paid(api)
    return api


def session(api: Api, client_id: str = "c1", role: str = "service", **fields: Any) -> str:
    reply = api("POST", "/v1/client-sessions", {"client_id": client_id, **fields}, role=role)
    assert reply.status == 200, reply
    return str(reply.body["token"])


def link(api: Api, client_id: str = "c1", key: str = "key-1", **fields: Any) -> str:
    reply = api("POST", "/v1/client-links", {"client_id": client_id, **fields}, headers={"idempotency-key": key})
    assert reply.status == 200, reply
    return str(reply.body["url"]).partition("#link=")[2]


def exchange(api: Api, text: str, **more: Any) -> Reply:
    """As a browser does: without a token."""
    return api("POST", "/v1/client-links/exchange", {"link": text}, bearer=None, **more)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- sessions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["service", "staff", "admin"])
def test_a_session_is_its_client_and_nobody_else(api: Api, role: str) -> None:
    bearer = session(api, role=role)
    me = read(api, "/v1/me", bearer=bearer)
    assert (me["practice"]["id"], me["role"], me["client_id"]) == ("p1", "client", "c1")
    assert read(api, OWN_CREDITS, bearer=bearer)["credits"][0]["balance"] == 3
    assert api("GET", "/v1/clients/c2/credits", bearer=bearer).status == 404
    assert api("GET", "/v1/settings", bearer=bearer).status == 403
    assert api("GET", "/v1/clients/c1", bearer=bearer).status == 403


def test_a_session_lasts_as_long_as_asked_and_fifteen_minutes_at_most(api: Api) -> None:
    reply = api("POST", "/v1/client-sessions", {"client_id": "c1", "ttl_seconds": 60}, role="service")
    assert instant(reply.body["expires_at"]) == NOW + timedelta(seconds=60)
    usual = api("POST", "/v1/client-sessions", {"client_id": "c1"}, role="service")
    assert instant(usual.body["expires_at"]) == NOW + timedelta(minutes=15)
    for wrong in (0, 901, -1, 1.5, "60", True, None):
        refused = api("POST", "/v1/client-sessions", {"client_id": "c1", "ttl_seconds": wrong}, role="service")
        assert (refused.status, set(refused.faults)) == (422, {"/ttl_seconds"}), wrong


def test_a_session_ends_to_the_second(api: Api) -> None:
    bearer = session(api, ttl_seconds=60)
    later(api, seconds=59.9)
    assert api("GET", OWN_CREDITS, bearer=bearer).status == 200
    later(api, seconds=0.1)
    over = api("GET", OWN_CREDITS, bearer=bearer)
    assert (over.status, over.code) == (401, "token_expired")


def test_a_session_that_a_service_made_cannot_renew_itself(api: Api) -> None:
    bearer = session(api)
    reply = api("POST", "/v1/client-sessions", {"client_id": "c1"}, bearer=bearer)
    assert (reply.status, reply.code) == (403, "forbidden")
    assert api("POST", "/v1/client-sessions", {"client_id": "c1"}, client="c1").status == 403, "nor an issuer's token"


def test_a_client_not_yet_known_gets_a_session_where_a_payment_would_create_it(api: Api) -> None:
    bearer = session(api, "c-new")
    assert api("GET", "/v1/clients/c-new/credits", bearer=bearer).status == 404
    patch(api, "/v1/settings", {"unknown_clients": "park"})
    refused = api("POST", "/v1/client-sessions", {"client_id": "c-new"}, role="service")
    assert (refused.status, refused.code) == (404, "not_found")


def signed(claims: dict[str, Any], key: Any = OLD, alg: str = "HS256", **headers: Any) -> str:
    stated = {
        "iss": ISSUER,
        "sub": "c1",
        "practice": "p1",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
    } | claims
    return jwt.encode({name: value for name, value in stated.items() if value is not None}, key, alg, headers)


def test_the_forgeries_below_differ_from_a_real_session_by_one_thing(api: Api) -> None:
    assert api("GET", OWN_CREDITS, bearer=signed({})).status == 200
    assert api("GET", OWN_CREDITS, bearer=signed({"renewable_until": int(NOW.timestamp()) + 9})).status == 200


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed({}, key=NEW), id="another key"),
        pytest.param(signed({}, key=None, alg="none"), id="no signature"),
        pytest.param(signed({}, key=KEY, alg="RS256", kid="k1"), id="the issuer's key under our name"),
        pytest.param(signed({"iss": "https://issuer.test/"}), id="our key under the issuer's name"),
        pytest.param(signed({"iss": None}), id="no issuer"),
        pytest.param(signed({"practice": None}), id="no practice"),
        pytest.param(signed({"practice": "p1#c1"}), id="a practice that is no id"),
        pytest.param(signed({"sub": "c1 "}), id="a client that is no id"),
        pytest.param(signed({"exp": None}), id="no end"),
        pytest.param(signed({"iat": None}), id="no beginning"),
        pytest.param(signed({"exp": int(NOW.timestamp()) + 901}), id="a life too long"),
        pytest.param(signed({"exp": int(NOW.timestamp())}), id="an end that has come"),
        pytest.param(signed({"exp": True, "iat": True}), id="instants that are none"),
        pytest.param(signed({"renewable_until": "9"}), id="a renewal that is no instant"),
    ],
)
def test_a_token_that_is_not_quite_a_session_is_401(api: Api, token: str) -> None:
    assert api("GET", OWN_CREDITS, bearer=token).status == 401


# -- keys ----------------------------------------------------------------------------------------


def with_keys(api: Api, stored: list[str]) -> Api:
    """Another worker, whose keys stand in `stored`."""
    keys = SessionKeys(lambda _: ",".join(stored), "")
    front = api.front
    authenticator = Authenticator(
        front.authenticator._issuer,
        front.authenticator._audience,
        "",
        ClaimNames(),
        front.authenticator._keys._fetch,
        Sessions(keys).caller,
    )
    other = Front(front.app, authenticator, api.store, front.clock, cursor_keys(), outside(keys))
    return replace(api, front=other)


def base64(key: bytes) -> str:
    return b64encode(key).decode()


def test_sessions_and_links_of_the_key_before_stay_good_while_a_key_is_rolled(api: Api) -> None:
    old = with_keys(api, [base64(OLD)])
    bearer, text = session(old), link(old)
    rolled = with_keys(api, [base64(NEW), base64(OLD)])
    assert rolled("GET", OWN_CREDITS, bearer=bearer).status == 200
    assert rolled("GET", OWN_CREDITS, bearer=session(rolled)).status == 200
    assert exchange(rolled, text).status == 200
    done = with_keys(api, [base64(NEW)])
    assert done("GET", OWN_CREDITS, bearer=bearer).status == 401
    assert exchange(done, link(old, key="key-2")).status == 404


def test_a_worker_that_knows_the_old_key_only_learns_the_new_one_at_once(api: Api) -> None:
    stored = [base64(OLD)]
    behind = with_keys(api, stored)
    assert behind("GET", OWN_CREDITS, bearer=session(behind)).status == 200
    stored[:] = [base64(NEW), base64(OLD)]
    ahead = with_keys(api, stored)
    later(api, seconds=11)
    assert behind("GET", OWN_CREDITS, bearer=session(ahead)).status == 200


def test_while_our_keys_cannot_be_read_a_session_is_to_be_tried_again_and_other_tokens_work(api: Api) -> None:
    bearer = session(api)
    away = with_keys(api, [])
    reply = away("GET", OWN_CREDITS, bearer=bearer)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert away("GET", OWN_CREDITS, role="staff").status == 200


# -- links ---------------------------------------------------------------------------------------


def test_a_link_leads_to_the_clients_page_and_names_nobody(api: Api) -> None:
    client(api, "anna.smith", name="Anna Smith", email="anna@example.test")
    body = {"client_id": "anna.smith", "ttl_seconds": 3600}
    reply = api("POST", "/v1/client-links", body, role="staff", headers={"idempotency-key": "for-anna.smith"})
    url, expires_at = reply.body["url"], reply.body["expires_at"]
    page, _, text = url.partition("#link=")
    assert page == CLIENT_PAGE
    assert re.fullmatch(r"[A-Za-z0-9._-]+", text), "nothing that a mail program would cut off"
    assert instant(expires_at) == NOW + timedelta(hours=1)
    assert "anna" not in url.lower()
    assert urlsplit(url).query == "", "a fragment never reaches a server's log"


def test_opening_a_link_changes_nothing_and_exchanging_it_uses_it_up(api: Api) -> None:
    text = link(api)
    with nothing_written(api):
        assert exchange(api, text, dry_run=True).body["token"] is None
    first, second = exchange(api, text), exchange(api, text)
    assert first.status == 200
    assert instant(first.body["renewable_until"]) == NOW + RENEWABLE
    assert read(api, OWN_CREDITS, bearer=first.body["token"])["credits"][0]["balance"] == 3
    assert (second.status, second.code) == (404, "not_found")


def expired(api: Api) -> str:
    text = link(api, ttl_seconds=60)
    later(api, seconds=60)
    return text


def used(api: Api) -> str:
    text = link(api)
    assert exchange(api, text).status == 200
    return text


def forged(api: Api) -> str:
    practice, link_id, _ = link(api).split(".")
    return f"{practice}.{link_id}.{'A' * 43}"


def of_another_practice(api: Api) -> str:
    _, link_id, signature = link(api).split(".")
    return f"cDI.{link_id}.{signature}"  # p2


def never_stored(api: Api) -> str:
    reply = api("POST", "/v1/client-links", {"client_id": "c1"}, dry_run=True, headers={"idempotency-key": "k"})
    return str(reply.body["url"]).partition("#link=")[2]


def written_otherwise(api: Api) -> str:
    return link(api).replace(".", "=.", 1)


BAD: list[Callable[[Api], str]] = [expired, used, forged, of_another_practice, written_otherwise, never_stored]


@pytest.mark.parametrize("bad", BAD, ids=[each.__name__ for each in BAD])
def test_a_bad_link_is_refused_like_any_text(api: Api, bad: Callable[[Api], str]) -> None:
    reply, garbage = exchange(api, bad(api)), exchange(api, "garbage")
    assert reply.status == 404
    assert (reply.headers, reply.text) == (garbage.headers, garbage.text)


@pytest.mark.parametrize(
    "text", [".", "..", "cDE..", "cDE.link_x.é", "cDE.link_x", "é.link_x.a", "." * 2000, "a" * 2000]
)
def test_any_text_is_no_link(api: Api, text: str) -> None:
    assert exchange(api, text).status == 404


@pytest.mark.parametrize("bad", BAD, ids=[each.__name__ for each in BAD])
def test_one_link_is_tried_ten_times_a_minute(api: Api, bad: Callable[[Api], str]) -> None:
    text = bad(api)
    left = 9 if bad is used else 10
    assert [exchange(api, text).status for _ in range(left)] == [404] * left
    reply = exchange(api, text)
    assert (reply.status, reply.code, reply.headers["Retry-After"]) == (429, "too_many_tries", "60")
    later(api, seconds=59)
    assert exchange(api, text).status == 429
    later(api, seconds=1)
    assert exchange(api, text).status == 404
    assert exchange(api, link(api, key="another")).status == 200, "another link is not held up"


def test_the_tries_of_a_link_count_over_all_workers_and_write_ten_times_a_minute_at_most(api: Api) -> None:
    text = used(api)
    workers = [api_beside(api) for _ in range(3)]
    replies = [exchange(worker, text).status for _ in range(6) for worker in workers]
    assert (replies.count(404), replies.count(429)) == (9, 9)
    with nothing_written(api):
        assert exchange(api_beside(api), text).status == 429


def test_made_up_links_cost_no_read_and_no_write_of_the_table(api: Api) -> None:
    before = contents(api)
    assert [exchange(api, f"cDE.link_{n}.forged").status for n in range(40)] == [404] * 40
    assert contents(api) == before


def test_of_all_who_exchange_a_link_at_once_one_gets_a_session(api: Api) -> None:
    text = link(api)
    workers = [api_beside(api) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda worker: exchange(worker, text).status, workers))
    assert sorted(replies) == [200] + [404] * 7


def test_a_link_whose_answer_was_lost_is_used_up_and_another_can_be_sent(api: Api) -> None:
    """Good twice would be the greater harm."""

    class Deaf(Store):
        def commit(self, items: Sequence[Write]) -> None:
            super().commit(items)
            raise RuntimeError("the worker dies here")

    text = link(api)
    deaf = replace(api, front=replace(api.front, store=Deaf(api.store.table)))
    assert exchange(deaf, text).status == 500
    assert exchange(api, text).status == 404
    assert exchange(api, link(api, key="another")).status == 200


def test_a_repeated_request_is_answered_with_the_same_link(api: Api) -> None:
    asked = ("POST", "/v1/client-links", {"client_id": "c1"})
    first = api(*asked, headers={"idempotency-key": "key-1"})
    later(api, minutes=5)
    again = api(*asked, headers={"idempotency-key": "key-1"})
    assert (again.status, again.text) == (200, first.text)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = api("POST", "/v1/client-links", {"client_id": "c2"}, headers={"idempotency-key": "key-1"})
    assert (other.status, other.code) == (409, "idempotency_key_reused")
    missing = api(*asked)
    assert (missing.status, missing.code) == (400, "idempotency_key_required")


def test_a_link_lasts_a_week_at_most(api: Api) -> None:
    for wrong in (0, 604_801):
        body = {"client_id": "c1", "ttl_seconds": wrong}
        refused = api("POST", "/v1/client-links", body, headers={"idempotency-key": "k"})
        assert (refused.status, set(refused.faults)) == (422, {"/ttl_seconds"})
    text = link(api, ttl_seconds=604_800)
    later(api, seconds=604_799)
    assert exchange(api, text).status == 200


# -- renewal -------------------------------------------------------------------------------------


def renew(api: Api, bearer: str, client_id: str = "c1", **fields: Any) -> Reply:
    return api("POST", "/v1/client-sessions", {"client_id": client_id, **fields}, bearer=bearer)


def test_a_session_from_a_link_renews_itself_for_twelve_hours_and_no_longer(api: Api) -> None:
    bearer, renewals = str(exchange(api, link(api)).body["token"]), 0
    end = NOW + RENEWABLE
    while api.now[0] < end - timedelta(minutes=14):
        later(api, minutes=14)
        reply = renew(api, bearer)
        assert reply.status == 200, reply
        assert instant(reply.body["expires_at"]) <= end
        assert instant(reply.body["renewable_until"]) == end
        bearer, renewals = str(reply.body["token"]), renewals + 1
    assert renewals == 51
    api.now[0] = end
    assert api("GET", OWN_CREDITS, bearer=bearer).status == 401
    assert renew(api, bearer).status == 401


def test_a_session_renews_for_its_own_client_alone(api: Api) -> None:
    bearer = str(exchange(api, link(api)).body["token"])
    others, absent = renew(api, bearer, "c2"), renew(api, bearer, "never")
    assert (others.status, others.text) == (404, absent.text)
