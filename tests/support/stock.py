"""Short ways to fill a practice behind the HTTP API, and to see all that its table holds."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from client_credits.domain.bookings.booking import Booking, CancelledBy
from client_credits.domain.payments.facts import Payment
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.store import writes
from tests.support.api import Api, Reply
from tests.support.builders import NOW, a_catalogue, a_line, a_package, a_payment, cancelled, created
from tests.support.dumps import Record, differences, dump

_numbers = count(1)


def put(api: Api, path: str, body: Any = None, **more: Any) -> Reply:
    """A PUT as the admin that must succeed."""
    reply = api("PUT", path, {} if body is None else body, **more)
    assert reply.status in (200, 201), reply
    return reply


def patch(api: Api, path: str, body: Any, **more: Any) -> Reply:
    """A PATCH as the admin that must succeed."""
    reply = api("PATCH", path, body, **more)
    assert reply.status == 200, reply
    return reply


def read(api: Api, path: str, **more: Any) -> Any:
    """What a GET as the admin answers, which must succeed."""
    reply = api("GET", path, **more)
    assert reply.status == 200, reply
    return reply.body


def catalogue(api: Api, *types: str, practice: str = "p1") -> None:
    """Appointment types, `follow-up` and `initial` unless others are named."""
    for type_id in types or ("follow-up", "initial"):
        put(api, f"/v1/appointment-types/{type_id}", {"name": type_id.title()}, practice=practice)


def package(api: Api, package_id: str = "three-pack", practice: str = "p1", **fields: Any) -> None:
    """A package of three follow-ups at price_1 that never ends, unless said otherwise."""
    stated = {"name": "Three sessions", "credits": {"follow-up": 3}, "stripe_prices": ["price_1"]}
    put(api, f"/v1/packages/{package_id}", stated | fields, practice=practice)


def client(api: Api, client_id: str = "c1", practice: str = "p1", **fields: Any) -> None:
    put(api, f"/v1/clients/{client_id}", fields, practice=practice)


def furnished(api: Api) -> Api:
    """The practice that most tests begin with: two types, one package, client c1; in one write."""
    account = Account("p1", created_at=NOW, catalogue_version=1, version=1)
    ours = Client("c1", created_at=NOW)
    api.store.commit([writes.account(account), writes.catalogue("p1", OFFERED), writes.client("p1", ours)])
    return api


OFFERED = replace(a_catalogue(a_package()), version=0)


def no_debt(api: Api) -> None:
    """Booking needs credits from here on."""
    patch(api, "/v1/settings", {"allow_booking_without_credits": False})


def paying(**fields: Any) -> Payment:
    """A payment of one line, new each time; the fields of payment and line in one go."""
    number = next(_numbers)
    own = {name: fields.pop(name) for name in [*fields] if name in _LINE}
    return a_payment(f"in_{number}", a_line(**own), **({"event_id": f"evt_{number}"} | fields))


_LINE = frozenset(a_line().__dataclass_fields__)


def paid(api: Api, practice: str = "p1", **fields: Any) -> list[payments.LineOutcome]:
    """A payment that arrives now; c1 buys the package of price_1 unless said otherwise."""
    payment = paying(**({"paid_at": api.now[0]} | fields))
    return payments.pay(Context(api.store, practice, STRIPE, api.now[0]), payment)


def booked(api: Api, booking_id: str = "b1", practice: str = "p1", **fields: Any) -> Booking:
    event = created(booking_id, **({"occurred_at": api.now[0]} | fields))
    return bookings.book(Context(api.store, practice, BOOKINGS, api.now[0]), event).booking


def cancels(
    api: Api, booking_id: str = "b1", by: CancelledBy | None = None, practice: str = "p1", **fields: Any
) -> Booking:
    event = cancelled(booking_id, by, **({"occurred_at": api.now[0]} | fields))
    return bookings.cancel(Context(api.store, practice, BOOKINGS, api.now[0]), event).booking


def later(api: Api, **by: float) -> datetime:
    """Lets time pass, as `timedelta` names it."""
    api.now[0] += timedelta(**by)
    return api.now[0]


def contents(api: Api) -> list[Record]:
    """All that the table holds."""
    return dump(api.store.table, api.store.table._client)


@contextmanager
def nothing_written(api: Api) -> Iterator[None]:
    """The table is the same after the block as before it."""
    before = contents(api)
    yield
    changed = differences(before, contents(api))
    assert not changed, changed


def balances(api: Api, client_id: str = "c1", **more: Any) -> dict[str, int]:
    stated = read(api, f"/v1/clients/{client_id}/credits", **more)
    return {line["appointment_type"]: line["balance"] for line in stated["credits"]}


def pages(api: Api, path: str, **query: Any) -> Iterator[list[Any]]:
    """Each page of a list to its end; there is one in sight."""
    for _ in range(500):
        page = read(api, path, **query)
        yield page["items"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]
    raise AssertionError("a list without an end")


def listed(api: Api, path: str, **query: Any) -> list[Any]:
    """All items of a list, page by page."""
    return [item for page in pages(api, path, **query) for item in page]


@contextmanager
def counted(api: Api) -> Iterator[Counter[str]]:
    """The requests made of DynamoDB within the block, by API."""
    calls: Counter[str] = Counter()

    def note(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    events = api.store.table._client.meta.events
    events.register("before-call.dynamodb", note)
    try:
        yield calls
    finally:
        events.unregister("before-call.dynamodb", note)
