"""`credits import`: a file of balances is checked as a whole, brought once, and goes on after it was cut off."""

import json
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from tests.support.builders import created
from tests.support.cli import PREFIX, Stack, moto_stack

from client_credits.aws.secrets import cursor_key_name
from client_credits.domain.errors import LimitReached
from client_credits.domain.ids import people_key
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import Value, Wallet
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, OPERATOR, Context
from client_credits.operations.staff import editing, importing, practices
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.merging import merge_clients
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
        ("c-1,follow-up,many,,,", "is no whole number within 1,000,000"),
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
    export = "Client,Service,Sessions left,Expiry,Paid\n"
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


@pytest.mark.parametrize(("currency", "paid", "amount"), [("jpy", "1200", 1_200), ("KWD", "1.250", 1_250)])
def test_what_was_paid_is_in_the_minor_units_of_its_currency(
    stack: Stack, tmp_path: Path, currency: str, paid: str, amount: int
) -> None:
    mapping = the_file(tmp_path, f'currency = "{currency}"\n', "m.toml")
    file = the_file(tmp_path, f"client,type,balance,value\nc-1,follow-up,3,{paid}\n")
    assert stack("import", file, "--mapping", mapping).code == 0
    assert [lot.value for lot in wallet(stack, "c-1").open_lots] == [Value(amount, currency.lower(), 3)]
    for text in ("12.5555", "sNaN", "1e999999999", "Infinity", "-1"):
        bad = the_file(tmp_path, f"client,type,balance,value\nc-1,follow-up,3,{text}\n")
        ran = stack("--json", "import", bad, "--mapping", mapping)
        assert (ran.code, "is no amount" in ran.json["bad_rows"][0]["reason"]) == (1, True), text


def test_what_wallets_would_not_take_is_bad_before_anything_is_written(stack: Stack, tmp_path: Path) -> None:
    fills = "".join(f"c-full,follow-up,1,{YEARS_AHEAD + timedelta(days=n)}\n" for n in range(500))
    assert stack("import", the_file(tmp_path, "client,type,balance,expires_at\n" + fills, "a.csv")).code == 0
    rows = [
        *("c-1,follow-up,1,", "c-sum,follow-up,1000000,", "c-sum,follow-up,1000000,", "c-full,follow-up,501,"),
        *[f"c-many,follow-up,1,{YEARS_AHEAD + timedelta(days=n % 90)}" for n in range(600)],
        "c-2,massage,1,",
    ]
    before = everything(stack)
    for more in ((), ("--dry-run",)):
        file = the_file(tmp_path, "client,type,balance,expires_at\n" + "\n".join(rows) + "\n")
        ran = stack("--json", "import", file, *more)
        assert (ran.code, everything(stack)) == (1, before)
        assert [(row["line"], row["reason"]) for row in ran.json["bad_rows"]] == [
            (3, "A wallet's balance stays within 1,000,000 credits."),
            (5, "A wallet holds at most 500 open lots, debts and holds."),
            (6, "its client and type have 600 rows, and a wallet holds 500 open lots at most"),
            (606, "there is no appointment type 'massage'"),
        ]


def test_what_is_refused_meanwhile_is_named_and_the_others_go_on(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = the_file(tmp_path, "client,type,balance\n" + "".join(f"c-{n},follow-up,{n}\n" for n in range(1, 6)))
    bring = importing.bring

    def full(context: Context, wanted: importing.ImportedBalance) -> Any:
        if wanted.client_id == "c-2":
            raise LimitReached("A wallet holds at most 500 open lots, debts and holds.")
        return bring(context, wanted)

    monkeypatch.setattr(importing, "bring", full)
    ran = stack("--json", "import", file)
    assert (ran.code, ran.json["changed"]) == (1, 4)
    assert ran.json["refused"] == [{"line": 3, "reason": "A wallet holds at most 500 open lots, debts and holds."}]
    assert "4 balances are as the file says; 0 were changed now. 1 were refused" in " ".join(
        stack("import", file).out.split()
    )
    monkeypatch.setattr(importing, "bring", bring)
    assert stack("import", file).code == 0
    assert [wallet(stack, f"c-{n}").balance for n in range(1, 6)] == [1, 2, 3, 4, 5]
    no_breach(stack)


def test_two_rows_of_one_merged_person_add_up_like_two_of_one_client(stack: Stack, tmp_path: Path) -> None:
    context = Context(stack.store, "p1", OPERATOR, NOW)
    practices.put_client(context, Client("c-8", external_ids={"mindbody": "M8"}, created_at=NOW))
    merge_clients(context, "c-8", "c-9", Keyed("merge", ""))
    file = the_file(tmp_path, "client,type,balance\nc-8,follow-up,5\nc-9,follow-up,7\nc-8,initial,-1\nc-9,initial,2\n")
    ran = stack("--json", "import", file)
    assert [row["line"] for row in ran.json["bad_rows"]] == [4], "one owes beside the other"
    file = the_file(tmp_path, "client,type,balance\nc-8,follow-up,5\nc-9,follow-up,7\n")
    assert stack("--json", "import", file).json["balances"] == 1
    assert wallet(stack, "c-9").balance == 12
    mapping = the_file(tmp_path, 'system = "mindbody"\n[columns]\nexternal_id = "id"\n', "m.toml")
    file = the_file(tmp_path, "id,type,balance\nM8,follow-up,1\nM9,follow-up,2\n", "b.csv")
    assert stack("--json", "import", file, "--mapping", mapping).json["balances"] == 1
    assert wallet(stack, "c-9").balance == 3
    no_breach(stack)


def test_the_key_of_people_is_read_once_for_all_e_mails(stack: Stack, tmp_path: Path) -> None:
    asked = [0]
    ssm = stack.client("ssm")

    class Counting:
        def get_parameter(self, **given: Any) -> Any:
            asked[0] += 1
            return ssm.get_parameter(**given)

        def __getattr__(self, name: str) -> Any:
            return getattr(ssm, name)

    stack.fakes["ssm"] = Counting()
    file = the_file(tmp_path, "email,type,balance\n" + "anna@example.org,follow-up,1\n" * 200)
    assert stack("import", file, "--dry-run").code == 0
    assert 1 <= asked[0] <= 2, "itself, and the one before it"


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


def test_a_rehearsal_lists_every_balance_that_moved_however_many_change_and_however_long_ago(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(balance: int) -> str:
        return "".join(f"a-{n:03},follow-up,{balance}\n" for n in range(8))

    monkeypatch.setattr("client_credits.cli.import_.SHOWN", 3)
    monkeypatch.setattr("client_credits.store.lists.SINCE_AT_ONCE", 2)
    first = f"client,type,balance\n{rows(1)}z-1,follow-up,50\nz-2,follow-up,5\n"
    assert stack("import", the_file(tmp_path, first, "a.csv")).code == 0
    context = Context(stack.store, "p1", OPERATOR, NOW)
    for n in range(7):
        editing.adjust(context, "z-1", "follow-up", -1, Keyed(f"k{n}", ""), "spent there")
    for n, amount in enumerate((-2, 2)):
        editing.adjust(context, "z-2", "follow-up", amount, Keyed(f"back{n}", ""), "there and back")
    ran = stack("--json", "import", the_file(tmp_path, first.replace(rows(1), rows(9)), "b.csv"), "--dry-run")
    assert (ran.json["moved"], ran.json["changes"]) == (1, 9)
    shown = [(row["client_id"], row["moved_since_import"]) for row in ran.json["shown"]]
    assert shown == [("z-1", -7), ("a-000", None), ("a-001", None), ("a-002", None)]


def test_what_expired_since_an_earlier_import_has_moved_before_any_sweep(stack: Stack, tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=1)
    first = f"client,type,balance,expires_at\nc-1,follow-up,4,{ends.isoformat()}\n"
    assert stack("import", the_file(tmp_path, first)).code == 0
    with time_machine.travel(ends + timedelta(minutes=1), tick=False):
        second = the_file(tmp_path, "client,type,balance\nc-1,follow-up,4\n", "b.csv")
        ran = stack("--json", "import", second, "--dry-run")
    assert [(row["balance"], row["wanted"], row["moved_since_import"]) for row in ran.json["shown"]] == [(0, 4, -4)]


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


class Killed(BaseException):
    """The process is gone: nothing of it runs on."""


@pytest.mark.prove
def test_an_import_killed_before_or_after_any_call_to_the_table_ends_the_same(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ("c-1,follow-up,3", "c-1,initial,2", "c-9,follow-up,-1")
    file = the_file(tmp_path, "\n".join(("client,type,balance", *rows)))
    monkeypatch.setattr("client_credits.cli.import_.AT_ONCE", 1)
    begin = deepcopy(stack.table.items)
    for step in range(1, 1000):
        stack.table.items = deepcopy(begin)
        ended = killed_at(stack, step, "import", file)
        assert stack("import", file).code == 0
        whose = (("c-1", "follow-up"), ("c-1", "initial"), ("c-9", "follow-up"))
        assert [wallet(stack, *each).balance for each in whose] == [3, 2, -1], step
        assert [len(entries(stack, *each)) for each in whose] == [1, 1, 1], step
        no_breach(stack)
        if ended is not None:
            break
    assert step > 20, "each balance takes calls of its own"


def killed_at(stack: Stack, step: int, *words: str) -> int | None:
    """Runs a command whose `step`-th moment at the table is its last: None, or its exit code where it ended before."""
    moments = [0]

    def watch(moment: str, call: str) -> None:
        moments[0] += 1
        if moments[0] >= step:
            raise Killed(f"{moment} {call}")

    stack.table.watch = watch
    try:
        return stack(*words).code
    except Killed:
        return None
    finally:
        stack.table.watch = lambda moment, call: None


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
        ("client,type,balance,balance\nc-1,follow-up,3,4\n", "has the column 'balance' twice"),
        ("", "has no column"),
    ]:
        ran = stack("import", the_file(tmp_path, text))
        assert (ran.code, says in ran.err) == (1, True), ran.err
    assert "There is no file" in stack("import", str(tmp_path / "none.csv")).err
    wrong = the_file(tmp_path, '[columns]\nclientt = "x"\n', "wrong.toml")
    assert "'clientt' is not known" in stack("import", the_file(tmp_path, "a\n"), "--mapping", wrong).err


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=("", "marked"))
def test_a_file_may_divide_its_cells_by_commas_semicolons_tabs_or_as_its_mapping_says(
    stack: Stack, tmp_path: Path, delimiter: str, mark: str
) -> None:
    rows = (["client", "type", "balance", "value", "note"], ["c-1", "follow-up", "3", "120,50", "a,b;c\td|e"])
    quoted = [delimiter.join(f'"{cell}"' if set(cell) & set(",;\t|") else cell for cell in row) for row in rows]
    file = the_file(tmp_path, mark + "\r\n".join(quoted) + "\r\n")
    named = "" if delimiter in ",;\t" else f'delimiter = "{delimiter}"\n'
    mapping = the_file(tmp_path, f'{mark}{named}decimal = ","\ncurrency = "eur"\n', "m.toml")
    assert stack("import", file, "--mapping", mapping).code == 0
    assert [(lot.granted, lot.value) for lot in wallet(stack, "c-1").open_lots] == [(3, Value(12_050, "eur", 3))]
    assert [entry.reason for entry in entries(stack, "c-1")] == ["a,b;c\td|e"]


@pytest.mark.parametrize(
    "cells",
    [
        *(
            (f"c-1,follow-up,{text}", "is no whole number")
            for text in ("sNaN", "NaN", "Infinity", "1e999999999", "1e5")
        ),
        *((f"c-1,follow-up,{text}", "is no whole number") for text in ("\uff11", "1_0", "0x10", "9" * 5_000, "")),
        ("c-1,follow-up,3,0001-01-01T00:00:00+05:00", "is no day like"),
        ("c-1,follow-up,3,2099-01-01T00:00:00", "is no day like"),
        ("c-1,follow-up,1,,,1,5", "it has more cells than the header"),
        ("c-1,follow-up,1,,anna@example.org", "client and email may tell of two people"),
        (f"{'x' * 500},follow-up,1", "is no id"),
    ],
)
def test_whatever_stands_in_a_cell_is_at_worst_a_bad_row(stack: Stack, tmp_path: Path, cells: tuple[str, str]) -> None:
    file = the_file(tmp_path, f"client,type,balance,expires_at,email\n{cells[0]}\n")
    ran = stack("--json", "import", file, "--dry-run")
    (bad,) = ran.json["bad_rows"]
    assert (ran.code, bad["line"]) == (1, 2)
    assert cells[1] in bad["reason"]
    assert len(bad["reason"]) < 200


def test_an_end_in_the_last_year_of_the_calendar_means_never(stack: Stack, tmp_path: Path) -> None:
    ends = ("9999-12-31", "9999-01-01", "9999-12-31T23:59:59-11:00", "9998-12-31")
    file = the_file(
        tmp_path,
        "client,type,balance,expires_at\n" + "".join(f"c-{n},follow-up,1,{end}\n" for n, end in enumerate(ends)),
    )
    assert stack("import", file).code == 0
    found = [lot.expires_at for n in range(4) for lot in wallet(stack, f"c-{n}").open_lots]
    assert found == [None, None, None, datetime(9998, 12, 31, 23, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('columns = "x"', "columns is a table"),
        ("types = []", "types is a table"),
        ("types = {x = 5}", "types: x is a text in quotes"),
        ("[columns]\ntype = 5", "columns: type is a text in quotes"),
        ("dates = 5", "dates is a form of a whole day"),
        ('dates = "%Q"', "dates is a form of a whole day"),
        ('dates = "%d.%m."', "dates is a form of a whole day"),
        ('currency = "EUROS !"', "currency is a code of three letters"),
        ("currency = 5", "currency is a code of three letters"),
        ('system = "a b"', "system is an id"),
        ('delimiter = ", "', "delimiter is one character"),
        ('decimal = "x"', 'decimal is "." or ","'),
        ('colums = "x"', "'colums' is not known"),
        ('[columns]\nexternal_id = "id"', "name whose ids external_id holds"),
        ("= 3", "cannot be read as TOML"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_one_sentence(stack: Stack, tmp_path: Path, text: str, says: str) -> None:
    file = the_file(tmp_path, "client,type,balance,value,expires_at\nc-1,follow-up,3,1.00,2099-01-01\n")
    ran = stack("import", file, "--mapping", the_file(tmp_path, text + "\n", "m.toml"))
    assert (ran.code, says in ran.err, ran.err.count("\n")) == (1, True, 1), ran.err


def test_rows_looked_at_together_fit_one_read() -> None:
    assert 3 * importing.TOGETHER + 2 <= 100
