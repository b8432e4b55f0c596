"""How often a client bought a package that has a limit, and whether one more purchase would pass it.

Counted in the client's profile, which is written with the grant: of two payments at once the second sees the
first. A subscription counts once, whatever it brings; what was refunded in full does not count; what staff give
is not counted at all. Purchases count from when the package has a limit.
"""

from collections.abc import Iterable
from dataclasses import replace

from client_credits.domain.ids import payment_key
from client_credits.domain.payments.facts import Payment, PaymentLine
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.records import Bought, Client


def is_over_limit(
    package: Package, client: Client | None, payment: Payment, line: PaymentLine, records: Iterable[PaymentRecord]
) -> bool:
    """Whether a line would bring a client beyond the package's limit; `records` are of all that the client bought."""
    if package.limit_per_client is None:
        return False
    known = _standing(client.bought if client else (), records)
    own = _bought(package.package_id, payment, line)
    if any(each.key == own.key for each in known):
        return False
    return sum(b.units for b in known if b.package_id == package.package_id) + own.units > package.limit_per_client


def may_buy(package: Package, client: Client | None, units: int = 1, records: Iterable[PaymentRecord] = ()) -> bool:
    """Whether a client may still buy so many units of a package; a subscription is one, whatever its quantity.

    `records` are of the payments that the client bought it with. Without them a purchase that was refunded in full
    counts, so that the answer is no where it may be yes, never the other way round.
    """
    if package.limit_per_client is None:
        return True
    known = _standing(client.bought if client else (), records)
    return sum(b.units for b in known if b.package_id == package.package_id) + units <= package.limit_per_client


def with_bought(
    client: Client, package_id: str, payment: Payment, line: PaymentLine, records: Iterable[PaymentRecord]
) -> Client:
    """The profile with one more purchase, without those that were refunded in full."""
    own = _bought(package_id, payment, line)
    known = _standing(client.bought, records)
    if any(each.key == own.key for each in known):
        return client
    return replace(client, bought=(*known, own))


def payments_of(client: Client | None, package_id: str) -> tuple[str, ...]:
    """The payments that a client bought a package with, as far as they are counted."""
    return tuple(b.payment_id for b in client.bought if b.package_id == package_id) if client else ()


def _bought(package_id: str, payment: Payment, line: PaymentLine) -> Bought:
    if payment.subscription and line.subscription_item:
        return Bought(package_id, payment.subscription, payment.payment_id, 1)
    return Bought(package_id, payment_key(payment.payment_id, line.line_id), payment.payment_id, line.quantity)


def _standing(bought: Iterable[Bought], records: Iterable[PaymentRecord]) -> tuple[Bought, ...]:
    undone = {record.payment_id for record in records if record.is_understood and given_back(record).undone}
    return tuple(each for each in bought if each.payment_id not in undone)
