"""Links to a pay page: the client's reference survives Stripe, and is read back as the client's id."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.ids import is_id, names_something
from client_credits.domain.payments.references import client_of_reference, link_for, reference_of

IDS = st.from_regex(r"[A-Za-z0-9._:~-]{1,128}", fullmatch=True).filter(names_something)
KEPT_BY_STRIPE = re.compile(r"[A-Za-z0-9_-]{1,200}")


@given(IDS)
def test_any_client_is_found_again_by_a_reference_that_stripe_keeps(client_id: str) -> None:
    assert KEPT_BY_STRIPE.fullmatch(reference_of(client_id))
    assert client_of_reference(reference_of(client_id)) == client_id


@pytest.mark.parametrize(
    ("client_id", "reference"),
    [("c-17", "c-17"), ("c.1", "idb64_Yy4x"), ("idb64_x", "idb64_aWRiNjRfeA"), ("a:b~c", "idb64_YTpifmM")],
)
def test_an_id_is_written_otherwise_only_where_stripe_would_drop_it(client_id: str, reference: str) -> None:
    assert reference_of(client_id) == reference


@pytest.mark.parametrize("word", ["null", "NULL", "undefined", "None", "NaN", "nan", "", "é", "a b", "a/b", "c" * 129])
def test_a_word_for_nothing_names_nobody(word: str) -> None:
    assert client_of_reference(word) is None


@pytest.mark.parametrize("reference", ["idb64_", "idb64_c1", "idb64_bnVsbA", "idb64_Yy4x=", "idb64_Yy4y_"])
def test_what_only_looks_like_one_of_ours_is_taken_as_it_stands(reference: str) -> None:
    assert client_of_reference(reference) == (reference if is_id(reference) else None)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://buy.stripe.com/abc", "https://buy.stripe.com/abc?client_reference_id=idb64_Yy4x"),
        ("https://buy.stripe.com/abc?x=1#top", "https://buy.stripe.com/abc?x=1&client_reference_id=idb64_Yy4x#top"),
        (
            "https://buy.stripe.com/a?client_reference_id=other",
            "https://buy.stripe.com/a?client_reference_id=idb64_Yy4x",
        ),
        ("https://p.test/buy?who={client_reference}", "https://p.test/buy?who=idb64_Yy4x"),
        ("https://p.test/buy", "https://p.test/buy"),
        ("https://p.test/buy.stripe.com", "https://p.test/buy.stripe.com"),
        ("https://buy.stripe.com.p.test/a", "https://buy.stripe.com.p.test/a"),
    ],
)
def test_a_pay_page_gets_the_reference_and_any_other_page_where_it_asks_for_it(url: str, link: str) -> None:
    assert link_for(url, "c.1") == link


@given(IDS)
def test_a_link_names_its_client_once(client_id: str) -> None:
    query = parse_qs(urlsplit(link_for("https://buy.stripe.com/a", client_id)).query)
    assert [client_of_reference(each) for each in query["client_reference_id"]] == [client_id]
