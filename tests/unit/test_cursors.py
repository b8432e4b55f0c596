"""Cursors: what was sealed comes back, and nothing else opens."""

import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_credits.http import cursors
from client_credits.http.cursors import MAX_CURSOR_CHARACTERS, MAX_POSITION_BYTES, BadCursor

KEY = bytes(range(32))
NEW_KEY = bytes(range(32, 64))
POSITION = {"pk": "p1#c-17", "sk": "entry#follow-up#000000000042"}

positions = st.dictionaries(st.text(max_size=20), st.text(max_size=40) | st.integers(), max_size=4)


@given(position=positions, practice_id=st.text(min_size=1), query=st.text())
def test_what_was_sealed_comes_back(position: dict[str, object], practice_id: str, query: str) -> None:
    cursor = cursors.seal([KEY], practice_id, query, position)

    assert cursors.open([KEY], practice_id, query, cursor) == position
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert len(cursor) <= MAX_CURSOR_CHARACTERS


def test_a_query_may_hold_any_text_a_url_can_bring() -> None:
    cursor = cursors.seal([KEY], "p1", "clients?q=\ud800", POSITION)

    assert cursors.open([KEY], "p1", "clients?q=\ud800", cursor) == POSITION


@given(one=st.lists(st.none() | st.text(), max_size=4), other=st.lists(st.none() | st.text(), max_size=4))
def test_no_two_lists_of_parts_have_one_name(one: list[str | None], other: list[str | None]) -> None:
    assert (cursors.query_of(*one) == cursors.query_of(*other)) == (one == other)
    for sign in '|",':
        assert cursors.query_of(f"a{sign}b", "c") != cursors.query_of("a", f"b{sign}c")


def test_the_same_place_has_the_same_cursor() -> None:
    swapped = dict(reversed(POSITION.items()))

    assert cursors.seal([KEY], "p1", "q", POSITION) == cursors.seal([KEY], "p1", "q", swapped)


@pytest.mark.parametrize(
    ("key", "practice_id", "query"),
    [
        (KEY, "p2", "history/c-17"),
        (KEY, "p1", "history/c-18"),
        (KEY, "p1", ""),
        (KEY, "p1h", "istory/c-17"),
        (KEY, "", "p1history/c-17"),
        (bytes(32), "p1", "history/c-17"),
    ],
)
def test_a_cursor_is_good_for_its_practice_query_and_key_only(key: bytes, practice_id: str, query: str) -> None:
    cursor = cursors.seal([KEY], "p1", "history/c-17", POSITION)

    with pytest.raises(BadCursor):
        cursors.open([key], practice_id, query, cursor)


def test_while_a_key_is_rolled_cursors_of_both_open_and_the_newest_seals() -> None:
    before = cursors.seal([KEY], "p1", "q", POSITION)
    after = cursors.seal([NEW_KEY, KEY], "p1", "q", POSITION)

    assert after == cursors.seal([NEW_KEY], "p1", "q", POSITION)
    for cursor in (before, after):
        assert cursors.open([NEW_KEY, KEY], "p1", "q", cursor) == POSITION
    with pytest.raises(BadCursor):
        cursors.open([NEW_KEY], "p1", "q", before)


def test_no_character_can_be_changed_dropped_or_added() -> None:
    cursor = cursors.seal([KEY], "p1", "q", POSITION)
    for at in range(len(cursor)):
        other = "A" if cursor[at] != "A" else "B"
        for changed in (
            cursor[:at] + other + cursor[at + 1 :],
            cursor[:at] + cursor[at + 1 :],
            cursor[:at] + "A" + cursor[at:],
            cursor[:at] + "!" + cursor[at:],
        ):
            if changed != cursor:
                with pytest.raises(BadCursor):
                    cursors.open([KEY], "p1", "q", changed)


@pytest.mark.parametrize("length", range(48, 52))
def test_the_same_bytes_spelt_otherwise_are_refused(length: int) -> None:
    cursor = cursors.seal([KEY], "p1", "q", {"k": "x" * length})
    last = ["A", "B", "C", "D", "E", "I", "M", "Q", "g", "w"]
    for spelling in (
        cursor + "=",
        cursor + "==",
        cursor + "\n",
        " " + cursor,
        cursor.replace("-", "+").replace("_", "/") + "+",
        *(cursor[:-1] + letter for letter in last if letter != cursor[-1]),
    ):
        with pytest.raises(BadCursor):
            cursors.open([KEY], "p1", "q", spelling)


def test_a_cursor_shows_nothing_of_the_position() -> None:
    cursor = cursors.seal([KEY], "p1", "roster", {"roster_sk": "mustermann erika"})

    sealed = urlsafe_b64decode(cursor + "==")
    assert b"mustermann" not in sealed
    assert b"roster" not in sealed


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "A",
        "AAAA",
        "=" * 8,
        "é",
        "\ud800",
        "\x00",
        "eyJwayI6ICJwMiJ9",
        "null",
        "../..",
        "A" * MAX_CURSOR_CHARACTERS,
        "A" * (MAX_CURSOR_CHARACTERS + 1),
        "A" * 1_000_000,
    ],
)
def test_hostile_text_is_refused(hostile: str) -> None:
    with pytest.raises(BadCursor):
        cursors.open([KEY], "p1", "q", hostile)


@given(hostile=st.text())
def test_arbitrary_text_is_refused_and_raises_nothing_else(hostile: str) -> None:
    with pytest.raises(BadCursor):
        cursors.open([KEY], "p1", "q", hostile)


def test_the_longest_position_fits_and_a_longer_one_is_our_mistake() -> None:
    longest = {"k": "x" * (MAX_POSITION_BYTES - len('{"k":""}'))}

    cursor = cursors.seal([KEY], "p1", "q", longest)
    assert len(cursor) == MAX_CURSOR_CHARACTERS
    assert cursors.open([KEY], "p1", "q", cursor) == longest
    with pytest.raises(AssertionError):
        cursors.seal([KEY], "p1", "q", {"k": longest["k"] + "x"})
