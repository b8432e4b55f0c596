"""`credits clients`, `types`, `packages`, `parked`, `grant`, `adjust`, `transfer`, `settings`: work by commands."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.builders import a_line, a_payment
from tests.support.cli_api import Run, ok, run

from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments.paying import pay

__all__ = ["run"]


def a_practice(run: Run) -> None:
    ok(run("types", "put", "follow-up", "--name", "Follow-up session"))
    ok(run("types", "put", "first", "--name", "First visit", "--free"))
    ok(
        run(
            *("packages", "put", "ten", "--name", "Ten follow-ups", "--credits", "follow-up=10", "--once"),
            *("--price", "900.00 EUR", "--expires", "12 months", "--stripe-price", "price_1", "--limit", "2"),
        )
    )
    ok(run("clients", "put", "c-1", "--name", "Anna Alder", "--email", "anna@example.org"))
    ok(run("clients", "put", "c-2", "--name", "Ben"))


def test_a_practice_is_set_up_and_worked_with_by_commands_alone(run: Run) -> None:
    a_practice(run)
    granted = ok(run("--json", "grant", "c-1", "ten", "--reason", "a gift")).json["entries"]
    assert [(entry["kind"], entry["amount"]) for entry in granted] == [("granted", 10)]
    taken = ok(run("--json", "adjust", "c-1", "follow-up", "-2", "--reason", "sold elsewhere")).json
    assert (taken["amount"], taken["balance_after"], taken["reason"]) == (-2, 8, "sold elsewhere")
    moved = ok(run("--json", "transfer", "c-1", "c-2", "follow-up", "3")).json["entries"]
    assert {(entry["client_id"], entry["amount"]) for entry in moved} == {("c-1", -3), ("c-2", 3)}
    balances = {each["id"]: each["balances"] for each in ok(run("--json", "clients", "list")).json["items"]}
    assert balances == {"c-1": {"follow-up": 5}, "c-2": {"follow-up": 3}}


def test_what_is_put_again_changes_what_is_named_and_keeps_the_rest(run: Run) -> None:
    a_practice(run)
    put = ok(run("--json", "packages", "put", "ten", "--description", "Ten sessions of 45 minutes")).json
    kept = {name: put[name] for name in ("name", "credits", "renews_each_cycle", "expiry", "price", "limit_per_client")}
    assert kept == {
        "name": "Ten follow-ups",
        "credits": {"follow-up": 10},
        "renews_each_cycle": False,
        "expiry": {"kind": "months", "n": 12},
        "price": {"amount": 90_000, "currency": "eur"},
        "limit_per_client": 2,
    }
    ok(run("clients", "put", "c-1", "--customer", "cus_1", "--external", "square=S8"))
    put = ok(run("--json", "clients", "put", "c-1", "--customer", "cus_2", "--external", "healthie=H1")).json
    assert (put["name"], put["email"]) == ("Anna Alder", "anna@example.org")
    assert (put["stripe_customers"], put["external_ids"]) == (["cus_1", "cus_2"], {"healthie": "H1", "square": "S8"})
    assert ok(run("--json", "types", "put", "first", "--archived")).json["bookable_without_credits"] is True


@pytest.mark.parametrize(
    ("rule", "expiry"),
    [
        ("never", {"kind": "never"}),
        ("30 days", {"kind": "days", "n": 30}),
        ("cycle_end", {"kind": "cycle_end"}),
        ("2027-12-31", {"kind": "date", "date": "2027-12-31"}),
    ],
)
def test_how_credits_end_is_said_in_words(run: Run, rule: str, expiry: dict[str, Any]) -> None:
    assert ok(run("--json", "packages", "put", "p", "--expires", rule)).json["expiry"] == expiry


def test_a_price_is_in_the_minor_units_of_its_currency(run: Run) -> None:
    for price, amount, shown in (("1200 JPY", 1_200, "1200 JPY"), ("1.250 kwd", 1_250, "1.250 KWD")):
        put = ok(run("--json", "packages", "put", "p", "--price", price)).json
        assert put["price"]["amount"] == amount
        assert shown in ok(run("packages", "show", "p")).out
    for price in ("sNaN eur", "1e999999999 eur", "12.5 jpy", "12 euros", "12"):
        refused = run("packages", "put", "p", "--price", price)
        assert (refused.code, "120.00 eur" in refused.err) == (2, True), price


def test_tables_show_names_within_a_hundred_columns_and_ids_on_demand(run: Run) -> None:
    a_practice(run)
    ok(run("grant", "c-1", "ten"))
    for words in (["clients", "list"], ["packages", "list"], ["types", "list"], ["packages", "clients", "ten"]):
        plain, wide = ok(run(*words)).out, ok(run(*words, "--wide")).out
        assert max(len(line.rstrip()) for line in plain.splitlines()) <= 100
        for named in ("c-1", "follow-up ", " ten "):
            assert named not in plain
        assert re.search(r"c-1|follow-up| ten ", wide)
    assert "Follow-up session: 10" in ok(run("clients", "list")).out
    assert "10 × Follow-up session" in ok(run("packages", "list")).out  # noqa: RUF001 a times sign
    assert "900.00 EUR" in ok(run("packages", "show", "ten")).out


def test_a_slip_is_answered_with_what_may_have_been_meant(run: Run) -> None:
    a_practice(run)
    for words, meant in [
        (("clinets", "list"), "Did you mean 'clients'"),
        (("grant", "c-1", "tenn"), "Did you mean ten?"),
        (("adjust", "c-1", "followup", "1", "--reason", "x"), "Did you mean follow-up?"),
        (("packages", "put", "p", "--credits", "folow-up=3"), "Did you mean follow-up?"),
        (("settings", "max_negativ=3"), "Did you mean"),
        (("packages", "show", "zzz"), "There is no package zzz."),
    ]:
        ran = run(*words)
        assert ran.code in (1, 2)
        assert meant in ran.err, ran.err


def test_settings_are_shown_with_their_source_and_changed_by_name(run: Run) -> None:
    a_practice(run)
    changed = ok(run("--json", "settings", "timezone=Europe/Berlin", "max_negative=3", "auto_repay=false")).json
    assert [changed[name]["value"] for name in ("timezone", "max_negative", "auto_repay")] == [
        *("Europe/Berlin", 3, False)
    ]
    one = ok(run("--json", "settings", "max_negative=1", "--client", "c-1")).json
    assert one["max_negative"] == {"value": 1, "source": "client"}
    again = ok(run("--json", "settings", "max_negative=null", "--client", "c-1")).json
    assert again["max_negative"] == {"value": 3, "source": "account"}
    ok(run("grant", "c-1", "ten"))
    refused = run("settings", "enabled=false")
    assert refused.code == 1
    assert "Clients with credits left: 1; packages with credits: ten. Repeat with --confirm." in refused.err
    assert ok(run("--json", "settings", "enabled=false", "--confirm")).json["enabled"]["value"] is False


def test_what_somebody_typed_commands_no_terminal(run: Run) -> None:
    a_practice(run)
    evil, spelled = "\x1b]0;owned\x07\x9b2JAnna\u202e", "\\x1b]0;owned\\x07\\x9b2JAnna\\u202e"
    ok(run("clients", "put", "c-1", "--name", evil))
    ok(run("grant", "c-1", "ten", "--reason", evil))
    assert ok(run("--json", "clients", "list")).json["items"][0]["name"] == evil
    for words in (
        *(["clients", "list"], ["clients", "search", "c-1"], ["clients", "show", "c-1"]),
        *(["packages", "clients", "ten"], ["history", "c-1", "follow-up"]),
    ):
        shown = ok(run(*words)).out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown), words
        assert spelled in re.sub(r"\s", "", shown), words
    refused = run("types", "put", "\x1b[2J")
    assert (refused.code, "\x1b" in refused.err) == (2, False)


def test_what_is_rehearsed_is_shown_and_not_written(run: Run) -> None:
    a_practice(run)
    ran = ok(run("grant", "c-1", "ten", "--dry-run"))
    assert "Nothing was written" in ran.out
    assert ok(run("--json", "clients", "list")).json["items"][0]["balances"] == {}


def test_one_key_stands_for_one_change(run: Run) -> None:
    a_practice(run)
    for _ in range(2):
        ok(run("grant", "c-1", "ten", "--key", "k1"))
    assert ok(run("--json", "clients", "list")).json["items"][0]["balances"] == {"follow-up": 10}
    assert run("grant", "c-2", "ten", "--key", "k1").code == 1


def test_parked_payments_are_listed_in_the_practices_time_and_resolved(api: Api, run: Run) -> None:
    a_practice(run)
    assert "No payment waits." in ok(run("parked", "list")).out
    ok(run("settings", "timezone=Europe/Berlin"))
    for number in (1, 2):
        nobodys = a_payment(f"in_{number}", a_line(), client_id=None, customer=f"cus_{number}", subscription=None)
        pay(Context(api.store, "p1", STRIPE, api.now[0]), nobodys)
    shown = ok(run("parked", "list")).out
    assert ("unknown_client" in shown, "2026-11-22 13:00" in shown, "(Europe/Berlin)" in shown) == (True, True, True)
    first, second = (each["id"] for each in ok(run("--json", "parked", "list")).json["items"])
    lines = ok(run("--json", "parked", "resolve", first, "--client", "c-1")).json["lines"]
    assert [line["outcome"] for line in lines] == ["granted"]
    ok(run("parked", "dismiss", second, "--reason", "refunded"))
    assert "No payment waits." in ok(run("parked", "list")).out


def test_the_history_says_what_was_paid_beside_the_package(api: Api, run: Run) -> None:
    a_practice(run)
    pay(Context(api.store, "p1", STRIPE, api.now[0]), a_payment("in_1", a_line(amount=90_000), client_id="c-1"))
    ok(run("grant", "c-1", "ten", "--reason", "a gift"))
    shown = ok(run("history", "c-1", "follow-up", role="staff")).out
    assert "Ten follow-ups for 900.00 EUR" in shown
    assert "Ten follow-ups: a gift" in shown
    assert "amount=90000" in ok(run("history", "c-1", "follow-up", "--wide")).out


def test_clients_are_found_by_name_id_and_email(run: Run) -> None:
    a_practice(run)
    for words in (("an",), ("c-1",), ("--email", "ANNA@example.org")):
        assert [each["id"] for each in ok(run("--json", "clients", "search", *words)).json["items"]] == ["c-1"]
    assert run("clients", "search").code == 2
    ok(run("adjust", "c-2", "follow-up", "-1", "--reason", "walked in"))
    assert [each["id"] for each in ok(run("--json", "clients", "list", "--negative")).json["items"]] == ["c-2"]


def test_staff_may_give_and_not_change_the_catalogue(run: Run) -> None:
    a_practice(run)
    ok(run("grant", "c-1", "ten", role="staff"))
    refused = run("types", "put", "other", role="staff")
    assert (refused.code, refused.err.startswith("403")) == (1, True)


def test_a_list_says_that_there_is_more(run: Run, tmp_path: Path) -> None:
    a_practice(run)
    assert "raise --limit" in ok(run("clients", "list", "--limit", "1")).out
    assert ok(run("--json", "clients", "list", "--limit", "1")).json["more"] is True
