"""What a client may buy: packages on sale whose limit it has not reached."""

from collections.abc import Iterable

from client_credits.domain.payments.limits import may_buy, payments_of
from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.records import Client
from client_credits.operations.context import Context
from client_credits.store.records import Wanted


def on_sale(context: Context, client_id: str) -> list[Package]:
    """The packages that a client may buy now, in order of their ids; none while the system is off."""
    loaded = context.load(Wanted(client_id=client_id))
    if not loaded.settings.enabled:
        return []
    offered = (package for _, package in sorted(loaded.catalogue.packages.items()) if package.on_sale)
    return open_to(context, loaded.client, offered)


def open_to(context: Context, client: Client | None, packages: Iterable[Package], units: int = 1) -> list[Package]:
    """Those packages of which the client may buy so many units more.

    One batch read where the client has bought one as often as it may, for what was refunded in full does not count.
    """
    offered = list(packages)
    full = [package for package in offered if not may_buy(package, client, units)]
    paid_by = {payment for package in full for payment in payments_of(client, package.package_id)}
    if not paid_by:
        return [package for package in offered if package not in full]
    records = context.load(Wanted(payments=tuple(sorted(paid_by)))).payments.values()
    return [package for package in offered if may_buy(package, client, units, records)]
