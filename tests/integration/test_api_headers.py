"""Headers of answers: a page of another origin may read each that the API sets, by the template's CORS rules."""

from tests.support.api import Api, Reply, exposed_headers
from tests.support.stock import client, furnished, paid

EVERYWHERE = {"content-type", "x-request-id"}  # the first may be read without being exposed


def headers(reply: Reply, status: int) -> set[str]:
    """What an answer of this status has beyond what each has."""
    assert reply.status == status, reply
    names = {name.lower() for name in reply.headers}
    assert names >= EVERYWHERE
    return names - EVERYWHERE


def test_a_page_may_read_every_header_that_an_answer_has_and_none_is_exposed_for_nothing(api: Api) -> None:
    furnished(api)
    for each in ("c1", "c2"):
        client(api, each)
        paid(api, client_id=each)
    gift, key = {"package_id": "three-pack"}, {"idempotency-key": "k1"}
    link = {"client_id": "c1", "ttl_seconds": 600}
    page = api("GET", "/v1/reports/credits", headers={"accept": "text/csv"}, limit=1)
    given = [api("POST", "/v1/clients/c1/grants", gift, headers=key) for _ in range(2)]
    url = api("POST", "/v1/client-links", link, headers={"idempotency-key": "l1"}).body["url"]
    tried = [api("POST", "/v1/client-links/exchange", {"link": f"{url[-8:]}x"}, bearer=None) for _ in range(11)]
    found = [
        headers(page, 200),
        headers(given[0], 200),
        headers(given[1], 200),
        headers(api("GET", "/v1/me", bearer="nonsense"), 401),
        headers(api("DELETE", "/v1/me"), 405),
        headers(tried[-1], 429),
    ]
    assert found == [
        {"x-next-cursor"},
        set(),
        {"idempotency-replayed"},
        {"www-authenticate"},
        {"allow"},
        {"retry-after"},
    ]
    assert set().union(*found) | {"x-request-id"} == exposed_headers()
