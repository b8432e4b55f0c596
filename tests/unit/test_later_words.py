"""Every word of a fixed set that a record holds is read as it stands, and written back so, whatever it is.

The fields are found by walking the records, so that no new one is missed.
"""

import json
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_args

import pytest
from tests.support.documented import PAGE, PLANNED, examples
from tests.support.later_release import WORD, word_fields, words_within
from tests.support.stored_again import RECORDS, stored_again

from client_credits.domain.words import Unknown
from client_credits.store import codec

FIELDS = {(record, name): kind for each in RECORDS.values() for record, name, kind in word_fields(each)}
STORED = {name: item for name, item in examples(PAGE.read_text()).items() if item["kind"] in RECORDS}
PLACES = [
    (name, place)
    for name, item in STORED.items()
    if not name.startswith(PLANNED)
    for place, _ in enumerate(words_within(RECORDS[item["kind"]], item["body"]))
]


def a_word_changed(name: str, place: int) -> tuple[tuple[str, str], dict[str, Any]]:
    """A documented item in which one word is a later release's, and which field that is."""
    item = deepcopy(STORED[name])
    record, field, within = list(words_within(RECORDS[item["kind"]], item["body"]))[place]
    within[field] = WORD
    return (record, field), item


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_a_word_of_a_later_release_is_read_and_written_back_as_it_is(name: str, place: int) -> None:
    """Through the codec, and through the store's own writes with all that they put beside the body."""
    _, item = a_word_changed(name, place)
    kind = RECORDS[item["kind"]]
    again = json.loads(codec.to_json(codec.from_json(kind, json.dumps(item["body"]))))
    assert again == item["body"]
    assert stored_again(item)["body"] == item["body"]


def test_the_examples_have_a_word_in_every_field_that_holds_one() -> None:
    """So that the test above covers them all; a new field, or one that no example has, makes this fail."""
    assert {a_word_changed(*place)[0] for place in PLACES} == FIELDS.keys()
    assert {("Expiry", "kind"), ("Cancelled", "by"), ("PaymentLine", "trial"), ("Booking", "free")} < FIELDS.keys()


def test_every_field_that_holds_a_word_says_that_it_may_be_a_later_one() -> None:
    assert [field for field, kind in FIELDS.items() if Unknown not in get_args(kind)] == []


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Painted:
    colour: Colour | Unknown | None = None


@dataclass(frozen=True)
class Closed:
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Around:
    parts: tuple[Closed, ...] = ()


def test_a_field_that_knows_this_releases_words_alone_is_found_wherever_it_is() -> None:
    assert list(word_fields(Around)) == [("Closed", "colour", Colour)]
    assert Unknown not in get_args(Colour)
    with pytest.raises(TypeError, match="Colour"):
        codec.from_json(Around, "{}")


def test_a_word_may_be_left_out_where_it_is_optional() -> None:
    for colour in (None, Colour.RED, Unknown("mauve")):
        assert codec.from_json(Painted, codec.to_json(Painted(colour))) == Painted(colour)
    assert isinstance(codec.from_json(Painted, '{"colour":"red"}').colour, Colour)


@pytest.mark.parametrize("stored", [1, [], {}, True])
def test_what_is_no_word_at_all_is_refused(stored: object) -> None:
    with pytest.raises(ValueError):
        codec.from_json(Painted, json.dumps({"colour": stored}))
