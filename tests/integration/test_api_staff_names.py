"""Who acted: an id in entries, a name for staff to read, and no e-mail anywhere but in the directory."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.api import Api, Reply, api_beside, token
from tests.support.builders import DAY
from tests.support.stock import contents, counted, furnished, nothing_written, put, read

from client_credits.aws.secrets import CursorKeys
from client_credits.domain.ids import is_id
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.staff.directory import NAMES_SECONDS, StaffDirectory, forget_staff
from client_credits.store import keys

HISTORY = "/v1/clients/c1/credits/follow-up/history"
EMAIL = "anna.admin@example.test"
NAMED = {"sub": "u-17", "name": "Anna Admin", "email": EMAIL}


def adjusts(api: Api, key: str = "k1", role: str = "staff", dry_run: bool = False, **claims: Any) -> Reply:
    given = {"appointment_type": "follow-up", "amount": 1, "reason": "gift"}
    headers = {"idempotency-key": key}
    bearer = token(role, now=api.now[0], **claims)
    return api("POST", "/v1/clients/c1/adjustments", given, bearer=bearer, headers=headers, dry_run=dry_run)


def actors(api: Api, **who: Any) -> list[dict[str, str]]:
    return [entry["actor"] for entry in read(api, HISTORY, **who)["items"]]


def directory(api: Api, practice: str = "p1") -> list[dict[str, Any]]:
    return [record for record in contents(api) if record["pk"].startswith(f"{practice}#staff#")]


def test_staff_are_shown_the_name_behind_an_actor_and_the_service_is_not(api: Api) -> None:
    furnished(api)
    assert adjusts(api, **NAMED).status == 200
    named = {"kind": "staff", "id": "u-17", "name": "Anna Admin"}
    assert actors(api, role="staff") == actors(api, role="admin") == [named]
    assert actors(api, role="service") == [{"kind": "staff", "id": "u-17"}]
    assert actors(api_beside(api), role="staff") == [named], "another worker reads it, too"


def test_the_answer_of_an_edit_names_its_actor_as_the_history_does(api: Api) -> None:
    furnished(api)
    named = {"kind": "staff", "id": "u-17", "name": "Anna Admin"}
    first = adjusts(api, **NAMED)
    assert first.body["actor"] == named == actors(api, role="staff")[0]
    repeated = adjusts(api_beside(api), sub="u-18", name="Ben")
    assert repeated.body == first.body, "another worker and another member: it stays whose it was"
    for role in ("service", "staff"):
        nameless = adjusts(api, f"k-{role}", role, sub="u-19")
        assert nameless.body["actor"] == {"kind": role, "id": "u-19"}


def test_every_edit_names_its_actor(api: Api) -> None:
    put(furnished(api), "/v1/clients/c2", {})
    bearer, wallet = token("staff", now=api.now[0], **NAMED), "/v1/clients/c1/credits"
    entries = []
    for number, (method, path, given) in enumerate(
        [
            ("POST", "/v1/clients/c1/grants", {"package_id": "three-pack"}),
            ("PUT", wallet, {"changes": [{"appointment_type": "follow-up", "balance": 9, "version": 1}]}),
            (
                "POST",
                "/v1/transfers",
                {"from_client_id": "c1", "to_client_id": "c2", "appointment_type": "follow-up", "amount": 1},
            ),
        ]
    ):
        reply = api(method, path, given, bearer=bearer, headers={"idempotency-key": f"k{number}"})
        assert reply.status == 200, reply.body
        entries += reply.body["entries"]
    lot = read(api, f"{wallet}/follow-up/lots")["items"][0]["lot_id"]
    voided = api("PATCH", f"{wallet}/follow-up/lots/{lot}", {"void": True, "reason": "gone"}, bearer=bearer)
    entries += voided.body["entries"]
    assert {entry["kind"] for entry in entries} == {
        "granted",
        "adjusted",
        "transferred_out",
        "transferred_in",
        "voided",
    }
    assert [entry["actor"] for entry in entries] == [{"kind": "staff", "id": "u-17", "name": "Anna Admin"}] * 5


def test_naming_the_actor_of_an_edit_costs_no_read(api: Api) -> None:
    furnished(api)
    adjusts(api, **NAMED)
    for number, who in enumerate([NAMED, {"sub": "u-19"}]):
        with counted(api) as calls:
            assert adjusts(api, f"k2-{number}", **who).status == 200
        assert calls["BatchGetItem"] == 1, "the edit's own"


@pytest.mark.parametrize("subject", [EMAIL, "auth0|17", "a b", "x" * 129, "waad/17"])
def test_a_subject_that_is_no_id_of_ours_is_stored_as_a_keyed_hash(api: Api, subject: str, capfd: Any) -> None:
    furnished(api)
    assert adjusts(api, sub=subject).status == 200
    (actor,) = actors(api, role="service")
    assert is_id(actor["id"]) and actor["id"].startswith("actor_")
    entries = [r for r in contents(api) if "#staff#" not in r["pk"]]
    assert subject not in str(entries)
    assert subject not in capfd.readouterr().out
    assert adjusts(api, "k2", sub=subject).status == 200
    assert len({each["id"] for each in actors(api, role="service")}) == 1, "the same person, the same id"


def test_the_hash_of_a_subject_follows_from_our_key_and_not_from_the_subject_alone(api: Api) -> None:
    furnished(api)
    adjusts(api, sub=EMAIL)
    other = api_beside(api)
    other_keys = CursorKeys(lambda _: b64encode(b"o" * 32).decode(), "")
    object.__setattr__(other.front, "cursor_keys", other_keys)
    adjusts(other, "k2", sub=EMAIL)
    assert len({each["id"] for each in actors(api, role="service")}) == 2


def test_a_member_whose_token_has_an_email_for_a_subject_is_shown_by_it(api: Api) -> None:
    furnished(api)
    adjusts(api, sub=EMAIL)
    (actor,) = actors(api, role="staff")
    assert actor["name"] == EMAIL
    assert EMAIL not in str([r["pk"] for r in contents(api)])


def test_a_member_is_written_once_a_day_and_again_when_the_name_changes(api: Api) -> None:
    furnished(api)
    for number, (name, writes) in enumerate([("Anna", 2), ("Anna", 1), ("Anne", 2)]):
        with counted(api) as calls:
            adjusts(api, f"k{number}", **NAMED | {"name": name})
        assert calls["TransactWriteItems"] == writes, number
    api.now[0] += DAY
    with counted(api) as calls:
        adjusts(api, "k9", **NAMED | {"name": "Anne"})
    assert calls["TransactWriteItems"] == 2
    assert [r["body"]["name"] for r in directory(api)] == ["Anne"]


def test_only_staff_who_write_something_enter_the_directory(api: Api) -> None:
    furnished(api)
    adjusts(api, role="service", **NAMED)
    with nothing_written(api):
        adjusts(api, "k2", dry_run=True, **NAMED)
        api("GET", HISTORY, bearer=token("staff", **NAMED))
        refused = api("PATCH", "/v1/settings", {"enabled": False}, bearer=token("admin", **NAMED))
        assert refused.status == 409
    assert directory(api) == []


def test_a_client_called_staff_has_no_place_in_the_directory(api: Api) -> None:
    assert keys.client("p1", "staff")[0] != keys.staff("p1", "u-17")[0]
    assert keys.staff("p1", "u-17")[0].count("#") == 2 and not is_id("staff#u-17")


@contextmanager
def directory_unwritable(api: Api) -> Iterator[None]:
    """DynamoDB refuses every write of the directory, and of nothing else."""
    model = api.store.table._client.meta.events

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if any("#staff#" in str(write) for write in params["TransactItems"]):
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "TransactWriteItems")

    model.register("before-parameter-build.dynamodb.TransactWriteItems", refuse)
    yield
    model.unregister("before-parameter-build.dynamodb.TransactWriteItems", refuse)


def test_a_write_stands_when_the_directory_cannot_be_written(api: Api, capfd: Any) -> None:
    furnished(api)
    with directory_unwritable(api):
        assert adjusts(api, **NAMED).status == 200
    assert "the directory of staff was not written" in capfd.readouterr().out
    assert actors(api, role="staff") == [{"kind": "staff", "id": "u-17"}]
    adjusts(api, "k2", **NAMED)
    assert [r["body"]["name"] for r in directory(api)] == ["Anna Admin"], "the next write of the day tries again"


def test_a_forgotten_member_is_an_id_in_histories_and_nothing_else_is_kept(api: Api) -> None:
    furnished(api)
    adjusts(api, **NAMED)
    assert forget_staff(Context(api.store, "p1", STRIPE, api.now[0]), "u-17")
    assert not forget_staff(Context(api.store, "p1", STRIPE, api.now[0]), "u-17"), "there is nothing left to forget"
    assert "Anna" not in str(contents(api)) and EMAIL not in str(contents(api))
    assert [r["ttl"] for r in directory(api)] == [int(api.now[0].timestamp())]
    assert actors(api_beside(api), role="staff") == [{"kind": "staff", "id": "u-17"}]


def test_names_are_read_in_one_batch_and_remembered_for_a_while(api: Api) -> None:
    furnished(api)
    for number in range(5):
        adjusts(api, f"k{number}", sub=f"u-{number}", name=f"Name {number}")
    other = StaffDirectory()
    ids = [f"u-{number}" for number in range(5)] + ["u-unknown"]
    for after, requests in ((0, 1), (NAMES_SECONDS - 1, 0), (NAMES_SECONDS, 1)):
        with counted(api) as calls:
            named = other.names(Context(api.store, "p1", STRIPE, api.now[0] + after * DAY / 86_400), ids)
        assert named == {f"u-{number}": f"Name {number}" for number in range(5)}
        assert sum(calls.values()) == requests, after


def test_another_practices_staff_have_no_name_here(api: Api) -> None:
    furnished(api)
    adjusts(api, **NAMED)
    assert StaffDirectory().names(Context(api.store, "p2", STRIPE, api.now[0]), ["u-17"]) == {}


# --- The caller itself


def test_me_says_who_asks_and_of_which_practice(api: Api) -> None:
    api("PATCH", "/v1/settings", {"timezone": "Europe/Berlin", "packages_url": "https://shop.test/"})
    practice = {
        "id": "p1",
        "name": None,
        "timezone": "Europe/Berlin",
        "enabled": True,
        "packages_url": "https://shop.test/",
    }
    mine = read(api, "/v1/me", role="staff")
    assert mine == {"practice": practice, "role": "staff", "client_id": None, "subject": "staff-1"}
    own = read(api, "/v1/me", client="c1")
    assert own == {"practice": practice, "role": "client", "client_id": "c1", "subject": "client-1"}


def test_the_subject_of_me_is_the_actor_of_entries(api: Api) -> None:
    furnished(api)
    adjusts(api, sub=EMAIL)
    me = read(api, "/v1/me", bearer=token("staff", sub=EMAIL))
    assert [actor["id"] for actor in actors(api, role="service")] == [me["subject"]]
