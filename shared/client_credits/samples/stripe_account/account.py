"""The frame of a Stripe account in miniature: its clock, its ids, its books, and the events it sends.

Pure: nothing is asked of anybody, and the same actions give the same events.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any, TypeVar

from client_credits.samples.stripe_account.billing_shapes import Fields, Shape, seconds
from client_credits.samples.stripe_account.books import Held, Price
from client_credits.samples.stripe_account.shapes import in_event, rendered

H = TypeVar("H")
Event = dict[str, Any]
Events = list[Event]


class SandboxAccount:
    """What the account holds, and `objects`: each by its id, as Stripe's API answers with it.

    `account` is a connected account's id, which its events then carry. `prefix` is in every id made here. With
    `flexible` billing a proration gives back a part of what was charged, after discounts; else of the price.
    """

    flexible = False

    def __init__(
        self,
        api_version: str,
        now: datetime,
        account: str | None = None,
        livemode: bool = False,
        prefix: str = "Sandbox",
    ) -> None:
        self.now = now.astimezone(UTC).replace(microsecond=0)
        self.shape = Shape(api_version, livemode)
        self.objects: dict[str, Fields] = {}
        self._account = account
        self._prefix = prefix
        self._counts: Counter[str] = Counter()
        self.prices: dict[str, Price] = {}
        self._held: dict[str, Held] = {}
        self._before: dict[str, Fields] = {}

    def advance_to(self, instant: datetime) -> None:
        """Lets time pass; never backwards."""
        assert instant >= self.now, (instant, self.now)
        self.now = instant.astimezone(UTC).replace(microsecond=0)

    def last(self, kind: str) -> str:
        """The id of the newest object of a kind, as Stripe's field `object` names it. Raises LookupError."""
        found = [object_id for object_id, about in self.objects.items() if about["object"] == kind]
        return found[-1]

    def lines_of(self, invoice_id: str) -> list[str]:
        """The ids of an invoice's lines, in Stripe's order."""
        return [line["id"] for line in self.objects[invoice_id]["lines"]["data"]]

    def _new_id(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind}_{self._prefix}{self._counts[kind]}"

    def _get(self, object_id: str, kind: type[H]) -> H:
        held = self._held[object_id]
        assert isinstance(held, kind), object_id
        return held

    def _put(self, held: H) -> H:
        """Keeps an object, new or changed."""
        about = rendered(held, self.shape)  # type: ignore[arg-type]
        object_id = about["id"]
        self._before[object_id] = self.objects.get(object_id, {})
        self.objects[object_id] = about
        self._held[object_id] = held  # type: ignore[assignment]
        return held

    def _tell(self, type_: str, object_id: str) -> Event:
        """The event that something happened to an object, as it stands; of a change, what was before."""
        about = in_event(self.objects[object_id])
        data: Fields = {"object": about}
        before = in_event(self._before[object_id]) if self._before[object_id] else {}
        changed = {name: before[name] for name, value in about.items() if name in before and before[name] != value}
        if changed and type_.endswith((".updated", ".refunded")):
            data["previous_attributes"] = changed
        event = {
            "id": self._new_id("evt"),
            "object": "event",
            "api_version": self.shape.version,
            "created": seconds(self.now),
            "data": data,
            "livemode": self.shape.livemode,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
        return event if self._account is None else event | {"account": self._account}
