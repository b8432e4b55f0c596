"""Stripe's API on this machine, as far as it is used: lists in pages, filters, expansions, checkout sessions opened
once per idempotency key, errors, and faults.

What an answer looks like follows Stripe's published shapes (2026-10-28.endive, and the older charge).
Objects belong to one account and mode; a key opens its own account and those connected to it.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

Object = dict[str, Any]

PLATFORM = "acct_own"
CHECKOUT = "https://checkout.stripe.test"
TEST_KEY, LIVE_KEY = "sk_test_" + "a" * 24, "sk_live_" + "b" * 24
EMBEDDED_LINES = 10  # of an invoice's lines; the others are in their own list
NEWER_CHARGES = "2025-03-31"  # from this version on a charge names no invoice

_KINDS = {
    "invoices": "invoice",
    "checkout/sessions": "checkout.session",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "credit_notes": "credit_note",
    "subscriptions": "subscription",
    "invoice_payments": "invoice_payment",
    "payment_intents": "payment_intent",
    "events": "event",
    "prices": "price",
}
_PAGING = {"limit", "starting_after", "ending_before"}


@dataclass
class Fault:
    """Strikes the next `times` requests whose path contains `path`, in place of the answer."""

    status: int = 500
    times: int = 1
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # None: an error as Stripe words it
    slow_seconds: float = 0.0  # the answer comes, but late
    drop: bool = False  # the connection is reset without an answer


class _Refusal(Exception):
    def __init__(self, status: int, kind: str, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "code": code, "message": message}


@dataclass
class StripeServer:
    """What the server knows, and what it was asked. `connected` are accounts that the keys may act for."""

    connected: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    accounts: list[str | None] = field(default_factory=list)  # the Stripe-Account of each request
    page: int = 100  # the most that a page holds
    url: str = ""
    opened: list[tuple[str, Object]] = field(default_factory=list)  # sessions opened, each with its idempotency key
    _asked_for: dict[str, tuple[str, Object]] = field(default_factory=dict)  # by idempotency key: body and answer
    _objects: dict[tuple[str, bool], list[Object]] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def add(self, *objects: Object, account: str = PLATFORM) -> None:
        """Puts objects where their `livemode` says (test where none); an `_lines` of one holds its whole list."""
        for each in objects:
            livemode = bool(each.get("livemode", False))
            held = self._objects.setdefault((account, livemode), [])
            held[:] = [*(o for o in held if o["id"] != each["id"]), each]

    def asked(self) -> Counter[str]:
        """How often each path was asked for, queries aside."""
        return Counter(urlsplit(request).path for request in self.requests)

    def answer(self, target: str, headers: Any) -> Object:
        account, livemode = self._opened(headers)
        version = headers.get("Stripe-Version") or "2026-10-28.endive"
        held = _Held(self._objects.get((account, livemode), []), version, self.page)
        split = urlsplit(target)
        return held.answer(split.path.removeprefix("/v1/"), parse_qsl(split.query))

    def create(self, target: str, headers: Any, body: str) -> Object:
        """A checkout session; the very same for the same idempotency key, as Stripe does for a day."""
        account, livemode = self._opened(headers)
        if urlsplit(target).path != "/v1/checkout/sessions":
            raise _Refusal(404, "invalid_request_error", None, f"Unrecognized request URL (POST: {target}).")
        key = headers.get("Idempotency-Key") or ""
        with self._lock:
            known = self._asked_for.get(key)
            if known and known[0] != body:
                raise _Refusal(400, "idempotency_error", None, "Keys for idempotent requests can only be used so.")
            if known:
                return known[1]
            made = self._session(nested(body), self._objects.get((account, livemode), []))
            self._asked_for[key] = (body, made)
            self.opened.append((key, made))
        self.add(made, account=account)
        return {name: value for name, value in made.items() if name != "_lines"}

    def _session(self, asked: Object, held: list[Object]) -> Object:
        """What Stripe makes of what is asked, and refuses as it does."""
        (item,) = asked["line_items"].values()
        prices = {each["id"]: each for each in held if each["object"] == "price"}
        price = prices.get(item["price"]) if "price" in item else {"type": "one_time", **item["price_data"]}
        if price is None:
            raise _Refusal(400, "invalid_request_error", "resource_missing", f"No such price: '{item['price']}'")
        if not price.get("active", True):
            raise _Refusal(400, "invalid_request_error", "price_inactive", "The price specified is inactive.")
        if (price["type"] == "recurring") != (asked["mode"] == "subscription"):
            raise _Refusal(400, "invalid_request_error", None, "The mode does not fit the price.")
        number, quantity = len(self.opened) + 1, int(item["quantity"])
        amount = int(price["unit_amount"])
        line = an_item(f"li_{number}", price.get("id", "price_inline"), quantity, amount * quantity)
        return a_session(
            f"cs_test_{number}",
            1,
            line,
            **{name: value for name, value in asked.items() if name != "line_items"},
            url=f"{CHECKOUT}/c/pay/cs_test_{number}#secret",
            payment_status="unpaid",
            status="open",
        )

    def _opened(self, headers: Any) -> tuple[str, bool]:
        key = (headers.get("Authorization") or "").removeprefix("Bearer ")
        if key not in (TEST_KEY, LIVE_KEY):
            raise _Refusal(401, "invalid_request_error", None, f"Invalid API Key provided: {key}")
        account = headers.get("Stripe-Account") or PLATFORM
        if account != PLATFORM and account not in self.connected:
            message = f"The provided key '{key}' does not have access to account '{account}'"
            raise _Refusal(403, "invalid_request_error", "account_invalid", message)
        return account, key == LIVE_KEY

    def struck(self, target: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.path in target:
                    fault.times -= 1
                    return fault
        return None


@dataclass
class _Held:
    """The objects of one account and mode, answered in the shape of one version."""

    objects: list[Object]
    version: str
    page: int

    def answer(self, path: str, query: list[tuple[str, str]]) -> Object:
        names = [name for name in _KINDS if path == name or path.startswith(f"{name}/")]
        if not names:
            raise _Refusal(404, "invalid_request_error", None, f"Unrecognized request URL (GET: /v1/{path}).")
        rest = path[len(names[0]) :].strip("/").split("/")
        expand = [value for name, value in query if name.startswith("expand[")]
        if rest == [""]:
            return self._list(f"/v1/{path}", self._matching(_KINDS[names[0]], query), query, expand)
        about = self._find(rest[0], _KINDS[names[0]])
        if rest[1:]:
            return self._list(f"/v1/{path}", about.get("_lines", []), query, expand)
        return self._shown(about, expand)

    def _find(self, object_id: str, kind: str | None = None) -> Object:
        for each in self.objects:
            if each["id"] == object_id and kind in (None, each["object"]):
                return each
        raise _Refusal(404, "invalid_request_error", "resource_missing", f"No such {kind}: '{object_id}'")

    def _matching(self, kind: str, query: list[tuple[str, str]]) -> list[Object]:
        """The newest first; of the same second, the last one made."""
        types = [value for name, value in query if name.startswith("types[")]
        wanted = [
            (name, value) for name, value in query if name not in _PAGING and not name.startswith(("types[", "expand["))
        ]
        found = [each for each in self.objects if each["object"] == kind and all(_fits(each, *w) for w in wanted)]
        found = [each for each in found if not types or each.get("type") in types]
        if kind == "subscription" and "status" not in dict(query):
            found = [each for each in found if each["status"] != "canceled"]
        found.reverse()
        return sorted(found, key=lambda each: -each["created"])

    def _list(self, url: str, rows: list[Object], query: list[tuple[str, str]], expand: list[str]) -> Object:
        asked = dict(query)
        limit = int(asked.get("limit", "10"))
        if not 1 <= limit <= 100:
            raise _Refusal(400, "invalid_request_error", "parameter_invalid_integer", "limit is out of range")
        start = 0
        if after := asked.get("starting_after"):
            ids = [row["id"] for row in rows]
            if after not in ids:
                raise _Refusal(400, "invalid_request_error", "resource_missing", f"No such object: '{after}'")
            start = ids.index(after) + 1
        stop = start + min(limit, self.page)
        below = [path.removeprefix("data.") for path in expand]
        shown = [self._shown(row, below) for row in rows[start:stop]]
        return {"object": "list", "url": url, "data": shown, "has_more": stop < len(rows)}

    def _shown(self, about: Object, expand: list[str]) -> Object:
        shown = {name: value for name, value in about.items() if not name.startswith("_")}
        if about["object"] == "charge" and self.version >= NEWER_CHARGES:
            shown.pop("invoice", None)
        if about["object"] == "invoice":
            lines = about["_lines"]
            more = len(lines) > EMBEDDED_LINES
            shown["lines"] = {"object": "list", "data": lines[:EMBEDDED_LINES], "has_more": more}
        for path in expand:
            self._expand(shown, path.split("."))
        return shown

    def _expand(self, shown: Object, path: list[str]) -> None:
        name, below = path[0], ".".join(path[1:])
        if name == "payments" and shown["object"] == "invoice":
            query = [("invoice", shown["id"])]
            shown["payments"] = self._list("", self._matching("invoice_payment", query), [], [])
        elif isinstance(shown.get(name), str):
            shown[name] = self._shown(self._find(shown[name]), [below] if below else [])


def nested(body: str) -> Object:
    """A form as Stripe reads it: `a[b][c]=d` is an object in an object."""
    found: Object = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        head, *rest = name.replace("]", "").split("[")
        place = found
        for step in (head, *rest)[:-1]:
            place = place.setdefault(step, {})
        place[(head, *rest)[-1]] = value
    return found


def _fits(about: Object, name: str, value: str) -> bool:
    """Whether an object passes a filter such as `status=paid`, `created[gte]=1` or `payment[payment_intent]=pi_1`."""
    head, _, inner = name.partition("[")
    inner = inner.rstrip("]")
    if head == "created":
        made = int(about["created"])
        return made >= int(value) if inner == "gte" else made < int(value)
    if (about["object"], name, value) == ("subscription", "status", "all"):
        return True
    held = about.get(head)
    if inner:
        held = held.get(inner) if isinstance(held, dict) else None
    return bool(held == value)


def _handler(server: StripeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
        known: ClassVar[StripeServer] = server

        def do_GET(self) -> None:
            self._serve(lambda: server.answer(self.path, self.headers))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._serve(lambda: server.create(self.path, self.headers, body))

        def _serve(self, answer: Callable[[], Object]) -> None:
            server.requests.append(self.path)
            server.accounts.append(self.headers.get("Stripe-Account"))
            fault = server.struck(self.path)
            if fault and fault.drop:
                # Lingering for no time resets the connection: the client sees it break.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            if fault and fault.slow_seconds:
                time.sleep(fault.slow_seconds)
            elif fault:
                text = fault.body if fault.body is not None else json.dumps({"error": _said(fault.status)})
                self._reply(fault.status, text, fault.headers)
                return
            try:
                self._reply(200, json.dumps(answer()))
            except _Refusal as refusal:
                self._reply(refusal.status, json.dumps({"error": refusal.error}))

        def _reply(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
            body = text.encode()
            try:
                self.send_response(status)
                stated = {
                    "Content-Type": "application/json",
                    "Request-Id": f"req_{len(server.requests)}",
                    **(headers or {}),
                }
                for name, value in (*stated.items(), ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client has given up waiting

        def log_message(self, *_: Any) -> None:
            """Tests have their own ways to tell."""

    return Handler


def _said(status: int) -> Object:
    if status == 429:
        return {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}
    return {"type": "api_error", "message": "An error occurred."}


@contextmanager
def stripe_server(**fields: Any) -> Iterator[StripeServer]:
    """A server on loopback until the block ends."""
    server = StripeServer(**fields)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


# -- objects -----------------------------------------------------------------------------------


def a_line(
    line_id: str = "il_1", price: str = "price_1", quantity: int = 1, amount: int = 9000, **fields: Any
) -> Object:
    """An invoice item's line."""
    return {
        "id": line_id,
        "object": "line_item",
        "amount": amount,
        "currency": "eur",
        "description": None,
        "discount_amounts": [],
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {"invoice_item": f"ii_{line_id}", "proration": False, "subscription": None},
            "subscription_item_details": None,
        },
        "period": {"start": 1, "end": 1},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price, "product": "prod_1"},
            "unit_amount_decimal": str(amount),
        },
        "quantity": quantity,
        "subtotal": amount,
    } | fields


def an_invoice(invoice_id: str, created: int, *lines: Object, paid_at: int | None = None, **fields: Any) -> Object:
    """A paid invoice made by hand, of client c1."""
    rows = list(lines) or [a_line(f"il_{invoice_id}")]
    total = sum(row["amount"] for row in rows)
    return {
        "id": invoice_id,
        "object": "invoice",
        "amount_paid": total,
        "billing_reason": "manual",
        "created": created,
        "currency": "eur",
        "customer": "cus_1",
        "livemode": False,
        "metadata": {"client_id": "c1"},
        "parent": None,
        "status": "paid",
        "status_transitions": {"paid_at": created if paid_at is None else paid_at},
        "total": total,
        "_lines": rows,
    } | fields


def a_price(price_id: str = "price_1", type_: str = "one_time", amount: int = 9000, **fields: Any) -> Object:
    stated = {"id": price_id, "object": "price", "active": True, "currency": "eur", "created": 1, "livemode": False}
    return stated | {"type": type_, "unit_amount": amount} | fields


def an_item(item_id: str = "li_1", price: str = "price_1", quantity: int = 1, amount: int = 9000) -> Object:
    return {
        "id": item_id,
        "object": "item",
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": "eur",
        "description": "Three sessions",
        "price": {"id": price, "object": "price", "type": "one_time", "unit_amount": amount},
        "quantity": quantity,
    }


def a_session(session_id: str, created: int, *items: Object, **fields: Any) -> Object:
    """A completed one-off purchase of client c1."""
    rows = list(items) or [an_item(f"li_{session_id}")]
    total = sum(row["amount_total"] for row in rows)
    return {
        "id": session_id,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "client_reference_id": "c1",
        "created": created,
        "currency": "eur",
        "customer": None,
        "invoice": None,
        "invoice_creation": {"enabled": False},
        "livemode": False,
        "metadata": {},
        "mode": "payment",
        "payment_intent": None,
        "payment_status": "paid",
        "status": "complete",
        "subscription": None,
        "_lines": rows,
    } | fields


def an_invoice_payment(payment_id: str, invoice: str, payment_intent: str, created: int, **fields: Any) -> Object:
    return {
        "id": payment_id,
        "object": "invoice_payment",
        "amount_paid": 9000,
        "created": created,
        "currency": "eur",
        "invoice": invoice,
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": payment_intent},
        "status": "paid",
    } | fields


def a_charge(charge_id: str, created: int, **fields: Any) -> Object:
    return {
        "id": charge_id,
        "object": "charge",
        "amount": 9000,
        "amount_refunded": 0,
        "created": created,
        "currency": "eur",
        "invoice": None,
        "livemode": False,
        "payment_intent": None,
        "status": "succeeded",
    } | fields


def a_payment_intent(intent_id: str, created: int, charge: str, **fields: Any) -> Object:
    return {
        "id": intent_id,
        "object": "payment_intent",
        "created": created,
        "latest_charge": charge,
        "livemode": False,
        "status": "succeeded",
    } | fields


def a_sale(intent_id: str, created: int, **fields: Any) -> Object:
    """A payment intent of the practice's own: one package sold to client c1."""
    sale = {
        "amount": 9000,
        "amount_received": 9000,
        "currency": "eur",
        "customer": None,
        "metadata": {"client_id": "c1", "package_id": "three-pack"},
    }
    return a_payment_intent(intent_id, created, f"ch_{intent_id}", **(sale | fields))


def a_credit_note(note_id: str, created: int, invoice: str, amount: int = 9000, **fields: Any) -> Object:
    """A note that credits an invoice outside of Stripe."""
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": amount,
        "created": created,
        "currency": "eur",
        "customer": "cus_1",
        "invoice": invoice,
        "lines": {"object": "list", "data": [], "has_more": False},
        "livemode": False,
        "out_of_band_amount": amount,
        "pre_payment_amount": 0,
        "post_payment_amount": amount,
        "refunds": [],
        "status": "issued",
        "total": amount,
        "type": "post_payment",
    } | fields


def a_subscription(subscription_id: str, created: int, **fields: Any) -> Object:
    """A subscription that runs."""
    return {
        "id": subscription_id,
        "object": "subscription",
        "billing_cycle_anchor": created,
        "created": created,
        "currency": "eur",
        "customer": "cus_1",
        "items": {"object": "list", "data": [], "has_more": False},
        "livemode": False,
        "metadata": {},
        "status": "active",
    } | fields


def a_refund(refund_id: str, created: int, payment_intent: str | None = "pi_1", **fields: Any) -> Object:
    return {
        "id": refund_id,
        "object": "refund",
        "amount": 9000,
        "charge": "ch_1",
        "created": created,
        "currency": "eur",
        "metadata": {},
        "payment_intent": payment_intent,
        "reason": "requested_by_customer",
        "status": "succeeded",
    } | fields


def a_dispute(dispute_id: str, created: int, payment_intent: str | None = "pi_1", **fields: Any) -> Object:
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": 9000,
        "charge": "ch_1",
        "created": created,
        "currency": "eur",
        "livemode": False,
        "metadata": {},
        "payment_intent": payment_intent,
        "reason": "fraudulent",
        "status": "needs_response",
    } | fields


def an_event(event_id: str, type_: str, created: int, about: Object) -> Object:
    shown = {name: value for name, value in about.items() if not name.startswith("_")}
    return {
        "id": event_id,
        "object": "event",
        "created": created,
        "data": {"object": shown},
        "livemode": bool(about.get("livemode", False)),
        "type": type_,
    }
