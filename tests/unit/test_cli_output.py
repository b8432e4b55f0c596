"""What people read of an answer: nothing in it commands their terminal."""

from typing import Any

import pytest

from client_credits.cli.output import Output, lines, printable, table

EVERY_COMMAND = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x202E, 0x2066, 0x2028)]
EVIL = "".join(EVERY_COMMAND)


def test_what_would_command_a_terminal_is_spelled_out_and_all_else_stays() -> None:
    assert printable("\x1b]0;x\x07\r\x9b\u202e\ud800") == "\\x1b]0;x\\x07\\r\\x9b\\u202e\\ud800"
    for text in ("Zoë 李 👩\u200d🔬 ة", "two\nlines\tand a tab", "non\xa0breaking"):
        assert printable(text) == text
    assert printable("two\nlines", keep="") == "two\\nlines"


@pytest.mark.parametrize(
    "shown",
    [
        EVIL,
        lines(EVIL),
        table(("a",), [(EVIL,)]),
        table((EVIL,), [("a",)]),
        table(("a",), [("a",)], EVIL),
    ],
    ids=("text", "lines", "cell", "heading", "title"),
)
def test_every_part_of_an_answer_is_printable(shown: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).answer({}, lambda: shown)
    told = capsys.readouterr().out
    assert not set(EVERY_COMMAND) - {"\n", "\t"} & set(told)
    assert "\\x1b" in told.replace("\n", "").replace(" ", "")


def test_a_plain_answer_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).plain({}, "a\x1bb")
    assert capsys.readouterr().out == "a\\x1bb\n"


def test_off_a_terminal_tables_have_100_columns_and_wide_ones_more(capsys: pytest.CaptureFixture[str]) -> None:
    for wide, width in ((False, 100), (True, 160)):
        Output(as_json=False, wide=wide).answer({}, lambda: table(("a", "b"), [("x " * 80, "y " * 80)]))
        assert width - 10 <= max(map(len, capsys.readouterr().out.splitlines())) <= width
