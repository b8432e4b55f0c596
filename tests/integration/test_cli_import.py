"""`credits import`: a file of balances is checked as a whole, brought once, and goes on after it was cut off."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import created
from tests.support.cli import PREFIX, Stack, moto_stack

from client_credits.aws.secrets import cursor_key_name
from client_credits.domain.ids import people_key
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.importing import Brought
from client_credits.domain.ledger.wallet import Value, Wallet
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, OPERATOR, Context
from client_credits.operations.staff import importing, practices
from client_credits.store.records import Wanted

NOW = datetime.now(UTC).replace(microsecond=0)
YEARS_AHEAD = (NOW + timedelta(days=700)).date()
KEY = b"k" * 32


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with moto_stack(tmp_path) as made:
        context = Context(made.store, "p1", OPERATOR, NOW)
        practices.create_practice(context)
        practices.change_account_settings(context, {"timezone": "Europe/Berlin"})
        for type_id in ("follow-up", "initial"):
            practices.put_appointment_type(made.store, "p1", AppointmentType(type_id, type_id))
        known = Client("c-9", email="Anna@Example.org", external_ids={"mindbody": "M9"}, created_at=NOW)
        practices.put_client(context, known, lambda: people_key(KEY))
        made.client("ssm").put_parameter(
            Name=cursor_key_name(PREFIX), Value=b64encode(KEY).decode(), Type="SecureString"
        )
        yield made


def the_file(directory: Path, text: str, name: str = "balances.csv") -> str:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def wallet(stack: Stack, client_id: str, kind: str = "follow-up") -> Wallet:
    return stack.store.load("p1", Wanted(client_id=client_id, types=(kind,))).wallets[kind]


def entries(stack: Stack, client_id: str, kind: str = "follow-up") -> list[Entry]:
    return stack.store.entries_after("p1", client_id, kind, 0)


def everything(stack: Stack) -> str:
    items = stack.client("dynamodb").scan(TableName="credits")["Items"]
    return json.dumps(sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"])), default=str)


def no_breach(stack: Stack) -> None:
    assert stack("verify").code == 0


def test_an_import_makes_each_balance_what_the_file_says_and_a_second_run_changes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    file = the_file(
        tmp_path,
        "client,type,balance,expires_at,note\n"
        f"c-1,follow-up,3,{YEARS_AHEAD},from the old calendar\n"
        f"c-1,follow-up,2,,\n"
        "c-1,initial,0,,\n"
        "c-2,follow-up,-2,,owes two\n",
    )
    ran = stack("--json", "import", file)
    assert (ran.code, ran.json["balances"], ran.json["changed"]) == (0, 3, 2)
    one, two = wallet(stack, "c-1"), wallet(stack, "c-2")
    assert (one.balance, two.balance, two.debt, wallet(stack, "c-1", "initial").balance) == (5, -2, 2, 0)
    midnight = datetime.combine(YEARS_AHEAD + timedelta(days=1), datetime.min.time(), UTC)
    ends = {lot.granted: lot.expires_at for lot in one.open_lots}
    assert ends[2] is None
    assert midnight - timedelta(hours=3) < (ends[3] or NOW) < midnight, "the local day's end, in Berlin"
    (entry,) = entries(stack, "c-1")
    assert (str(entry.kind), entry.amount, str(entry.cause.kind), entry.reason) == (
        *("granted", 5, "import"),
        "from the old calendar",
    )
    before = everything(stack)
    again = stack("--json", "import", file)
    assert (again.code, again.json["changed"], everything(stack)) == (0, 0, before)


def test_one_bad_row_stops_the_file_and_every_bad_row_is_named(stack: Stack, tmp_path: Path) -> None:
    rows = [
        ("c-1,follow-up,3,,,", None),
        (",follow-up,3,,,Anna", "a name alone does not say whose it is"),
        ("not an id,follow-up,3,,,", "is no id"),
        ("c-1,massage,3,,,", "there is no appointment type 'massage'"),
        ("c-1,follow-up,2.5,,,", "is no whole number"),
        ("c-1,follow-up,many,,,", "is no number"),
        ("c-1,follow-up,1000001,,,", "is no whole number within 1,000,000"),
        ("c-1,follow-up,3,2020-01-01,,", "the credits ended on 2020-01-01"),
        ("c-1,follow-up,3,31.12.2099,,", "is no day like"),
        ("c-1,follow-up,3,,120.00,", "a value needs its currency"),
        ("c-3,initial,-1,,,", "a balance below zero stands beside another"),
        ("c-3,initial,4,,,", None),
    ]
    file = the_file(tmp_path, "client,type,balance,expires_at,value,name\n" + "\n".join(row for row, _ in rows) + "\n")
    before = everything(stack)
    ran = stack("--json", "import", file)
    assert (ran.code, ran.json["imported"], everything(stack)) == (1, 0, before)
    named = {bad["line"]: bad["reason"] for bad in ran.json["bad_rows"]}
    expected = {line: reason for line, (_, reason) in enumerate(rows, start=2) if reason}
    assert named.keys() == expected.keys()
    for line, reason in expected.items():
        assert reason in named[line]
    shown = stack("import", file)
    assert (shown.code, "Nothing was written: 10 rows are bad." in shown.out) == (1, True)


def test_a_practices_export_is_read_through_a_mapping_by_our_id_theirs_or_an_email(
    stack: Stack, tmp_path: Path
) -> None:
    export = "Client;Service".replace(";", ",") + ",Sessions left,Expiry,Paid\n"
    by_email = the_file(tmp_path, export + "anna@example.ORG,60 min Follow-up,4,31.12.2099,120.50\n", "a.csv")
    mapping = """
dates = "%d.%m.%Y"
currency = "eur"
system = "mindbody"

[columns]
{who} = "Client"
type = "Service"
balance = "Sessions left"
expires_at = "Expiry"
value = "Paid"

[types]
"60 min Follow-up" = "follow-up"
"""
    ran = stack("--json", "import", by_email, "--mapping", the_file(tmp_path, mapping.format(who="email"), "a.toml"))
    assert (ran.code, ran.json["changed"]) == (0, 1)
    (lot,) = wallet(stack, "c-9").open_lots
    assert (lot.granted, lot.value, lot.source) == (4, Value(12_050, "eur", 4), "imported")
    by_theirs = the_file(tmp_path, export + "M9,60 min Follow-up,6,,\nM8,60 min Follow-up,1,,\n", "b.csv")
    mapped = the_file(tmp_path, mapping.format(who="external_id"), "b.toml")
    ran = stack("--json", "import", by_theirs, "--mapping", mapped)
    assert ran.json["bad_rows"] == [{"line": 3, "reason": "no client has the mindbody id M8"}]
    by_theirs = the_file(tmp_path, export + "M9,60 min Follow-up,6,,\n", "b.csv")
    assert stack("import", by_theirs, "--mapping", mapped).code == 0
    assert wallet(stack, "c-9").balance == 6
    nobody = the_file(tmp_path, export + "otto@example.org,60 min Follow-up,4,,\n", "c.csv")
    ran = stack("--json", "import", nobody, "--mapping", str(tmp_path / "a.toml"))
    assert ran.json["bad_rows"] == [{"line": 2, "reason": "no client has this e-mail address"}]
    no_breach(stack)


@contextmanager
def counted(client: Any) -> Iterator[Counter[str]]:
    """What a client asks for within the block, by call."""
    asked, event = Counter[str](), f"before-call.{client.meta.service_model.service_name}"

    def count(model: Any, **_: Any) -> None:
        asked[model.name] += 1

    client.meta.events.register(event, count)
    try:
        yield asked
    finally:
        client.meta.events.unregister(event, count)


def test_the_key_to_e_mails_is_read_once_however_many_rows_name_one(stack: Stack, tmp_path: Path) -> None:
    rows = "".join(f"anna@example.org,follow-up,1,{YEARS_AHEAD + timedelta(days=n)}\n" for n in range(200))
    file = the_file(tmp_path, f"mail,type,balance,expires_at\n{rows}")
    with counted(stack.client("ssm")) as asked:
        ran = stack("--json", "import", file, "--mapping", the_file(tmp_path, '[columns]\nemail = "mail"\n', "m.toml"))
    assert (ran.code, ran.json["balances"]) == (0, 1)
    assert asked.total() == 1
    assert wallet(stack, "c-9").balance == 200


def test_a_file_of_bad_rows_alone_is_named_whole_in_json_and_in_part_on_the_screen(
    stack: Stack, tmp_path: Path
) -> None:
    file = the_file(tmp_path, "client,type,balance\n" + "c-1,follow-up,many\n" * 1000)
    ran = stack("--json", "import", file)
    assert (ran.code, ran.json["imported"]) == (1, 0)
    assert [row["line"] for row in ran.json["bad_rows"]] == list(range(2, 1002))
    assert "1,000 rows are bad. 800 more are not shown" in " ".join(stack("import", file).out.split())


def test_a_balance_brought_before_costs_one_read_and_a_new_one_of_a_known_client_a_write_more(stack: Stack) -> None:
    context = Context(stack.store, "p1", OPERATOR, NOW)
    stack.store.catalogue("p1")

    def cost(client_id: str, line: int) -> dict[str, int]:
        wanted = importing.ImportedBalance(client_id, "follow-up", "f" * 16, line, (Brought(3),))
        with counted(stack.client("dynamodb")) as asked:
            importing.bring(context, wanted)
        return dict(asked)

    assert cost("c-9", 2) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert cost("c-9", 2) == {"BatchGetItem": 1}
    assert cost("c-new", 3) == {"BatchGetItem": 3, "TransactWriteItems": 2}


def test_a_rehearsed_import_shows_what_would_change_and_what_moved_since_an_earlier_one(
    stack: Stack, tmp_path: Path
) -> None:
    first = the_file(tmp_path, "client,type,balance\nc-1,follow-up,5\nc-2,follow-up,1\n")
    before = everything(stack)
    ran = stack("--json", "import", first, "--dry-run")
    assert (ran.code, everything(stack)) == (0, before)
    assert [(row["client_id"], row["balance"], row["wanted"], row["new_client"]) for row in ran.json["shown"]] == [
        ("c-1", 0, 5, True),
        ("c-2", 0, 1, True),
    ]
    assert stack("import", first).code == 0
    spending.book(Context(stack.store, "p1", BOOKINGS, NOW), created("b1", client_id="c-1", occurred_at=NOW, seats=2))
    second = the_file(tmp_path, "client,type,balance,note\nc-1,follow-up,5,x\nc-2,follow-up,1,x\n", "b.csv")
    ran = stack("--json", "import", second, "--dry-run")
    assert (ran.json["moved"], ran.json["changes"], ran.json["unchanged"]) == (1, 1, 1)
    assert [(row["client_id"], row["balance"], row["moved_since_import"]) for row in ran.json["shown"]] == [
        ("c-1", 3, -2)
    ]
    shown = stack("import", second, "--dry-run")
    assert "moved by -2 since an earlier import" in shown.out


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_an_import_that_was_cut_off_goes_on_with_the_same_command(
    stack: Stack, tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = the_file(tmp_path, "client,type,balance\n" + "".join(f"c-{n},follow-up,{n}\n" for n in range(1, 6)))
    calls = [0]
    commit = type(stack.store).commit

    def dying(store: Any, items: Any) -> None:
        calls[0] += 1
        if calls[0] == dies_at:
            raise KeyboardInterrupt
        commit(store, items)

    monkeypatch.setattr(type(stack.store), "commit", dying)
    monkeypatch.setattr("client_credits.cli.import_.AT_ONCE", 1)
    ran = stack("import", file)
    assert ran.code == 1
    assert "Run the same command again to go on." in ran.err
    monkeypatch.setattr(type(stack.store), "commit", commit)
    assert stack("import", file).code == 0
    assert [wallet(stack, f"c-{n}").balance for n in range(1, 6)] == [1, 2, 3, 4, 5]
    assert [len(entries(stack, f"c-{n}")) for n in range(1, 6)] == [1] * 5
    no_breach(stack)


def test_a_lower_number_takes_and_a_higher_one_first_repays_what_is_owed(stack: Stack, tmp_path: Path) -> None:
    def brings(number: int, *rows: str) -> None:
        file = the_file(
            tmp_path, "client,type,balance,expires_at\n" + "".join(f"{row}\n" for row in rows), f"{number}.csv"
        )
        assert stack("import", file).code == 0

    brings(1, "c-1,follow-up,-2,")
    brings(2, f"c-1,follow-up,2,{YEARS_AHEAD}", "c-1,follow-up,1,")
    held = wallet(stack, "c-1")
    assert (held.balance, held.debt) == (3, 0)
    brings(3, "c-1,follow-up,1,")
    assert (wallet(stack, "c-1").balance, wallet(stack, "c-1").debt) == (1, 0)
    assert [str(each.kind) for each in entries(stack, "c-1")][:3] == ["adjusted", "granted", "repaid"]
    no_breach(stack)


def test_what_is_no_file_of_balances_is_one_sentence(stack: Stack, tmp_path: Path) -> None:
    for text, says in [
        ("client,balance\nc-1,3\n", "has no column 'type'"),
        ("type,balance\nfollow-up,3\n", "whose the balances are"),
        ("external_id,type,balance\nM9,follow-up,3\n", "whose ids these are"),
        ("", "has no column"),
    ]:
        ran = stack("import", the_file(tmp_path, text))
        assert (ran.code, says in ran.err) == (1, True), ran.err
    assert "There is no file" in stack("import", str(tmp_path / "none.csv")).err
    wrong = the_file(tmp_path, '[columns]\nclientt = "x"\n', "wrong.toml")
    assert "'clientt' is not known" in stack("import", the_file(tmp_path, "a\n"), "--mapping", wrong).err


def test_rows_looked_at_together_fit_one_read() -> None:
    assert 3 * importing.TOGETHER + 2 <= 100
