"""Opens Stripe's Checkout for one client and one package, with the practice's own key.

What is sold names its client, package and quantity in every object that a payment may be heard through. Whether
the client may buy is judged first, so that nobody pays for what would only be parked. Nothing is granted here: the
payment's own events do that.
"""

from collections.abc import Callable
from dataclasses import dataclass

from client_credits.aws.secrets import ReadParameter, stripe_api_key
from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.errors import (
    CreditsDisabled,
    CreditsError,
    Invalid,
    KeyReused,
    LimitReached,
    NotFound,
    Problem,
)
from client_credits.domain.ids import derived_id, names_something
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.payments.references import reference_of
from client_credits.domain.practice.catalogue import Package
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.queries.buying import open_to
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.stripe.api.errors import KEY_REUSED, StripeRefused, StripeUnavailable
from client_credits.stripe.api.queries import StripeApi, StripeKind, StripeObject
from client_credits.stripe.events.frame import Mode

OUTCOME = "checkout"
# Two calls in a row, each once, must end well before the API's own time does: who asked sends it again.
_HURRIED = {"timeout_seconds": (2.0, 8.0), "retries": 0, "longest_pause_seconds": 0.0}
_KEY_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a client is to pay for, and where Stripe sends it afterwards."""

    client_id: str
    package_id: str
    quantity: int
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class CheckoutOpened:
    """The page to pay on; a rehearsal opens none. `repeated`: an earlier request opened it."""

    url: str | None
    repeated: bool = False


class Checkouts:
    """The ways to Stripe of a stack that serves one mode. `read` reads secrets."""

    def __init__(self, read: ReadParameter, secrets_prefix: str, mode: Mode, base: str) -> None:
        self._read = read
        self._secrets_prefix = secrets_prefix
        self._mode = mode
        self._base = base

    def api(self, practice_id: str) -> StripeApi:
        """Raises Invalid where the practice has no key that can be used, SecretsUnavailable."""
        key = stripe_api_key(self._read, self._secrets_prefix, practice_id)
        if key is None:
            what = "store a Stripe key that may write Checkout Sessions and read Prices: credits practice create"
            raise Invalid("The practice has no Stripe API key.", Problem("", "stripe_key_missing", what))
        api = StripeApi(key, None, self._base, **_HURRIED)
        if api.mode not in (None, self._mode):
            what = f"store a key of {self._mode} mode, which this stack serves"
            raise Invalid("The practice's Stripe API key is of the other mode.", Problem("", "stripe_key_mode", what))
        return api


def open_checkout(
    context: Context, find_api: Callable[[str], StripeApi], wanted: Purchase, keyed: Keyed
) -> CheckoutOpened:
    """A page of Stripe's for this purchase, once per key.

    A worker that dies in between leaves a page that nobody sees; the same request finds that very page for a day.
    Raises Invalid, NotFound, LimitReached, CreditsDisabled, KeyReused, Busy, StripeUnavailable, SecretsUnavailable.
    """

    def attempt() -> CheckoutOpened:
        loaded = context.load(Wanted(client_id=wanted.client_id, source_ids=(keyed.source_id,)))
        done = loaded.operations.get(keyed.source_id)
        if done:
            return _opened_before(done, keyed)
        package = _on_sale(loaded, wanted)
        _check_limit(context, loaded, package, 1)
        api = find_api(context.practice_id)
        try:
            url = _url(context, api, loaded, package, wanted, keyed)
        except StripeRefused as refused:
            raise _ours(refused) from refused
        if url:
            record = Operation(keyed.source_id, keyed.digest, OUTCOME, wanted.client_id, (), context.now, url)
            context.commit([writes.operation(context.practice_id, record)])
        return CheckoutOpened(url)

    return once(attempt)


def _opened_before(done: Operation, keyed: Keyed) -> CheckoutOpened:
    if done.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    return CheckoutOpened(done.answer, repeated=True)


def _on_sale(loaded: Loaded, wanted: Purchase) -> Package:
    """The package, where this client may be sold anything at all."""
    if not loaded.settings.enabled:
        raise CreditsDisabled("The practice has turned its credits off: nothing is sold.")
    if loaded.client is None and loaded.settings.unknown_clients == "park":
        raise NotFound("There is no such client.")
    if not names_something(wanted.client_id):
        fault = Problem("/client_id", "names_nobody", "a payment cannot name a client by this word; use another id")
        raise Invalid("A payment cannot be matched to this client id.", fault)
    package = loaded.catalogue.packages.get(wanted.package_id)
    if package is None or not package.on_sale:
        raise Invalid("This package is not on sale.", Problem("/package_id", "not_on_sale", "name one that is on sale"))
    if max(package.credits.values(), default=0) * wanted.quantity > MAX_CREDITS:
        fault = Problem("/quantity", "out_of_range", f"at most {MAX_CREDITS} credits of a type")
        raise Invalid("These are too many credits.", fault)
    if not package.stripe_prices and package.price is None:
        fault = Problem("/package_id", "no_price", "give the package a Stripe price, or an amount and currency")
        raise Invalid("This package has no price.", fault)
    return package


def _check_limit(context: Context, loaded: Loaded, package: Package, units: int) -> None:
    if not open_to(context, loaded.client, [package], units):
        raise LimitReached(
            "The client has bought this package as often as it may.", limit_per_client=package.limit_per_client
        )


def _url(
    context: Context, api: StripeApi, loaded: Loaded, package: Package, wanted: Purchase, keyed: Keyed
) -> str | None:
    recurring = _is_recurring(api, package)
    if not recurring:  # a subscription counts once, whatever its quantity
        _check_limit(context, loaded, package, wanted.quantity)
    if context.store.rehearsing:
        return None
    opened = api.open_checkout(
        _session(package, wanted, recurring), derived_id("checkout", context.practice_id, keyed.source_id)
    )
    url = opened.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise StripeUnavailable("a checkout session without an address")
    return url


def _is_recurring(api: StripeApi, package: Package) -> bool:
    """Whether the price that is sold, the package's first, is that of a subscription."""
    if not package.stripe_prices:
        return False
    kind = api.retrieve(StripeKind.PRICE, package.stripe_prices[0]).get("type")
    if kind not in ("recurring", "one_time"):
        raise StripeUnavailable("a price of no kind")
    return bool(kind == "recurring")


def _session(package: Package, wanted: Purchase, recurring: bool) -> StripeObject:
    """The session as Stripe is asked for it."""
    metadata = {
        "client_id": wanted.client_id,
        "package_id": wanted.package_id,
        "quantity": str(wanted.quantity),
    }
    paid_by = "subscription_data" if recurring else "payment_intent_data"
    return {
        "mode": "subscription" if recurring else "payment",
        "line_items": [_sold(package) | {"quantity": wanted.quantity}],
        "success_url": wanted.success_url,
        "cancel_url": wanted.cancel_url,
        "client_reference_id": reference_of(wanted.client_id),
        "metadata": metadata,
        paid_by: {"metadata": metadata},
    }


def _sold(package: Package) -> StripeObject:
    if package.stripe_prices:
        return {"price": package.stripe_prices[0]}
    assert package.price is not None
    return {
        "price_data": {
            "currency": package.price.currency,
            "unit_amount": package.price.amount,
            "product_data": {"name": package.name},
        }
    }


def _ours(refused: StripeRefused) -> CreditsError:
    """What Stripe's no means to whoever asked. Nothing that Stripe said in words is passed on."""
    if refused.code == KEY_REUSED:
        return KeyReused("This Idempotency-Key stands for another purchase. Use a new one.")
    if refused.status in _KEY_REFUSED:
        what = "give the key the rights to write Checkout Sessions and read Prices"
        return Invalid("Stripe does not accept the practice's API key.", Problem("", "stripe_key_refused", what))
    what = f"Stripe says {refused.code or refused.status}: check the package's first Stripe price"
    return Invalid("Stripe refused to sell this package.", Problem("/package_id", "stripe_refused", what))
