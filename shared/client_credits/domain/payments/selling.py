"""What a payment bought of the package that it names: how often, and what beside it.

A session tells its items only where Stripe was asked for them. So how often follows, in this order, from the
metadata, the items, what was charged by the package's price, or is taken to be once; the line says which.
"""

from dataclasses import replace

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.payments.facts import Payment, PaymentLine, QuantityFrom
from client_credits.domain.practice.catalogue import Catalogue, Package


def with_items_sold(payment: Payment, catalogue: Catalogue) -> Payment:
    """The payment with its session's items as lines: those of the package it names count for that, others alone.

    Where no item has a price of that package, the dearest one is the package's: first among those that no
    package explains. Without items the payment stays as it is.
    """
    if not payment.items:
        return payment
    named, *others = payment.lines
    own = _own(named.package_id or "", payment.items, catalogue)
    quantity, counted_from = named.quantity, named.quantity_from
    if counted_from is QuantityFrom.ASSUMED:
        quantity, counted_from = sum(item.quantity for item in own), QuantityFrom.ITEMS
    amount = sum(item.amount for item in own)
    named = replace(named, quantity=quantity, quantity_from=counted_from, amount=amount)
    beside = [item for item in payment.items if item not in own]
    return replace(payment, lines=(named, *others, *beside), items=())


def _own(package_id: str, items: tuple[PaymentLine, ...], catalogue: Catalogue) -> list[PaymentLine]:
    packages = {item: catalogue.package_for_price(item.price or "") for item in items}
    of_package = [item for item, package in packages.items() if package and package.package_id == package_id]
    unexplained = [item for item, package in packages.items() if package is None]
    return of_package or [max(unexplained or items, key=lambda item: item.amount)]


def by_price(payment: Payment, line: PaymentLine, catalogue: Catalogue) -> PaymentLine:
    """The line of a session's package as often as its price goes into what was charged, where that comes out whole."""
    package = catalogue.packages.get(line.package_id or "")
    if package is None or line.quantity_from is not QuantityFrom.ASSUMED or payment.is_own_intent:
        return line
    quantity = _times(line, package)
    return replace(line, quantity=quantity, quantity_from=QuantityFrom.PRICE) if quantity else line


def _times(line: PaymentLine, package: Package) -> int:
    """How often; 0 where that is unknown."""
    price = package.price
    if price is None or price.amount <= 0 or price.currency != line.currency or line.amount % price.amount:
        return 0
    times = line.amount // price.amount
    return times if 0 < times <= MAX_CREDITS else 0
