"""Keys of different things never meet, whatever the ids: reserved words are ids like any other."""

import ast
from collections.abc import Callable
from inspect import getsource
from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from client_credits.store import keys
from client_credits.store.keys import ItemKind, Key

RESERVED = [
    *("parked", "op", "booking", "waiting", "replay", "raw", "link", "customer", "subscription", "payment", "money"),
    *("roster", "settings", "catalogue", "client", "wallet", "entry", "changed", "state", "due", "open", "price"),
    *("client_link", "verification", "set_aside", "items", "last", "lot", "authorization", "staff", "email", "job"),
    *("account", "reconciliation", "00", "a:b", "~", ".", "-"),
]
IDS = st.one_of(st.sampled_from(RESERVED), st.from_regex(r"[A-Za-z0-9._:~-]{1,12}", fullmatch=True))
# What a key ends with comes from Stripe, or is a source id of ours: any characters.
OUTSIDE = st.one_of(IDS, st.text(min_size=1, max_size=12), st.sampled_from(["a#b", "#", "customer#x"]))

# Each key with the partition that it may share with others.
Place = tuple[str, Key]
MAKERS: dict[str, Callable[[str, str, str], Place]] = {
    "settings": lambda p, a, b: ("practice", keys.account(p)),
    "catalogue": lambda p, a, b: ("practice", keys.catalogue(p)),
    "account changed": lambda p, a, b: ("practice", keys.settings_change(p, None, "2026-11-22T12:00:00Z", a)),
    "client": lambda p, a, b: (f"client {a}", keys.client(p, a)),
    "wallet": lambda p, a, b: (f"client {a}", keys.wallet(p, a, b)),
    "entry": lambda p, a, b: (f"client {a}", keys.entry(p, a, b, 1)),
    "emptied lot": lambda p, a, b: (f"client {a}", keys.closed_lot(p, a, b, b)),
    "authorization": lambda p, a, b: (f"client {a}", keys.authorization(p, a, b)),
    "client changed": lambda p, a, b: (f"client {a}", keys.settings_change(p, a, "2026-11-22T12:00:00Z", b)),
    "booking": lambda p, a, b: (f"booking {a}", keys.booking(p, a)),
    "client link": lambda p, a, b: (f"client link {a}", keys.client_link(p, a)),
    "staff": lambda p, a, b: (f"staff {a}", keys.staff(p, a)),
    "email": lambda p, a, b: (f"email {a}", keys.email(p, a, b)),
    "job": lambda p, a, b: (f"job {a}", keys.job(p, a)),
    "verification": lambda p, a, b: ("verification", keys.verification(p)),
    "set aside": lambda p, a, b: ("set aside", keys.set_aside(p, keys.wallet(p, a, b))),
}
OF_OUTSIDE: dict[str, Callable[[str, str, str], Place]] = {
    "operation": lambda p, a, b: (f"op {a}", keys.operation(p, a)),
    "customer": lambda p, a, b: (f"customer {a}", keys.link(p, "customer", a)),
    "subscription link": lambda p, a, b: (f"subscription {a}", keys.link(p, "subscription", a)),
    "subscription": lambda p, a, b: (f"subscription {a}", keys.subscription(p, a)),
    "account": lambda p, a, b: (f"account {a}", keys.link(p, "account", a)),
    "payment": lambda p, a, b: (f"payment {a}", keys.payment(p, a)),
    "money": lambda p, a, b: (f"money {a}", keys.money(p, a)),
    "parked": lambda p, a, b: (f"parked {a}", keys.parked(p, a)),
    "waiting": lambda p, a, b: (f"waiting {a}", keys.waiting(p, "price", a, b)),
    "replay": lambda p, a, b: (f"replay {a}", keys.replay(p, "price", a)),
    "raw": lambda p, a, b: (f"raw {a}", keys.raw_event(p, a)),
    "reconciliation": lambda p, a, b: (f"reconciliation {a}", keys.reconciliation(p, a, "live", b)),
}


def test_each_key_of_the_table_is_made_here() -> None:
    """Those of indexes stand apart, and are text."""
    defined = [each for each in ast.parse(getsource(keys)).body if isinstance(each, ast.FunctionDef)]
    of_a_practice = {f.name for f in defined if f.args.args[0].arg == "practice_id" and unparsed(f.returns) == "Key"}
    called = {name for make in (MAKERS | OF_OUTSIDE).values() for name in make.__code__.co_names}
    assert called - {"keys"} == of_a_practice


def unparsed(annotation: ast.expr | None) -> str:
    return ast.unparse(annotation) if annotation else ""


@given(IDS, st.tuples(IDS, IDS), st.tuples(OUTSIDE, OUTSIDE))
@example("p1", ("parked", "op"), ("parked", "open"))
def test_no_two_things_have_one_key_and_none_stands_in_anothers_partition(
    practice: str, ours: tuple[str, str], theirs: tuple[str, str]
) -> None:
    places = [(name, *make(practice, *ours)) for name, make in MAKERS.items()]
    places += [(name, *make(practice, *theirs)) for name, make in OF_OUTSIDE.items()]
    for (one, its_place, its_key), (other, other_place, other_key) in combinations(places, 2):
        assert its_key != other_key, (one, other)
        assert (its_key[0] == other_key[0]) is (its_place == other_place), (one, other)


@given(st.lists(IDS, min_size=2, max_size=2, unique=True), st.tuples(IDS, IDS))
@example(["p", "p-"], ("a", "b"))
def test_no_two_practices_share_a_partition(practices: list[str], ids: tuple[str, str]) -> None:
    one, other = ({make(p, *ids)[1][0] for make in (MAKERS | OF_OUTSIDE).values()} for p in practices)
    assert not one & other


@given(IDS, IDS, IDS, st.integers(1, 999_999_999_999))
@example("p1", "parked", "entry", 1)
def test_a_key_says_whose_it_is(practice: str, client: str, kind: str, sequence: int) -> None:
    pk, sk = keys.wallet(practice, client, kind)
    assert keys.wallet_place({"pk": pk, "sk": sk}) == (practice, client, kind)
    pk, sk = keys.entry(practice, client, kind, sequence)
    entry = {"pk": pk, "sk": sk, "roster_sk": keys.roster_sk(client, sk)}
    assert (*keys.wallet_place(entry), keys.sequence_of(entry)) == (practice, client, kind, sequence)
    assert (keys.practice_of(entry), keys.listed_client(entry)) == (practice, client)


@given(IDS, st.sampled_from(["customer", "price"]), OUTSIDE)
def test_the_key_of_what_is_left_to_replay_says_what_it_waits_for(practice: str, kind: str, external: str) -> None:
    pk, sk = keys.replay(practice, kind, external)
    assert keys.replay_place({"pk": pk, "sk": sk}) == (practice, (kind, external))
    pk, sk = keys.parked(practice, external)
    assert keys.parked_id({"pk": pk, "sk": sk}) == external


def test_an_item_of_a_kind_that_this_release_does_not_know_has_none() -> None:
    assert keys.kind_of({"kind": "wallet"}) is ItemKind.WALLET
    assert keys.kind_of({"kind": "hologram"}) is None
    assert keys.kind_of({}) is None
