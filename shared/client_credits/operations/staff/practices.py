"""A practice and what it decides: its settings, its catalogue, its clients."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from client_credits.domain.errors import (
    AlreadyMapped,
    ClientForgotten,
    ConfirmationRequired,
    Invalid,
    LimitReached,
    NotFound,
    Problem,
    pointer,
)
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, ExpiryKind, Package
from client_credits.domain.practice.dated_settings import Earlier, changed_values, remembered
from client_credits.domain.practice.names import hashed_email
from client_credits.domain.practice.records import Account, Client, SettingsChange
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import replaying
from client_credits.operations.queries import clients as listing
from client_credits.store import keys, writes
from client_credits.store.codec import to_json
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Write

_NOT_PUT = (
    "client_id",
    "overrides",
    "earlier",
    "created_at",
    "version",
    "bought",
    "merged_from",
    "authorizations",
    "forgotten_at",
)  # of a client
CATALOGUE_BYTES = 350_000  # of the 400 KB an item may have
FREED_WITH_A_PROFILE = 30  # links, beside as many as 60 claimed, in one transaction of 100


def create_practice(context: Context) -> bool:
    """Creates a practice with default settings and an empty catalogue; False when it exists already."""

    def attempt() -> bool:
        if context.store.table.get([keys.account(context.practice_id)]):
            return False
        context.commit([writes.account(Account(context.practice_id, created_at=context.now))])
        return True

    return once(attempt)


def change_account_settings(context: Context, changes: Mapping[str, Any], confirmed: bool = False) -> Account:
    """Changes the account's settings; one record of it enters everyone's history.

    What is dated before this second keeps the values of then, once the practice has an entry.
    Raises Invalid; ConfirmationRequired when credits would be switched off unconfirmed, with the
    number of clients holding credits and the packages carrying some.
    """
    wanted = rules.checked_changes(changes, for_client=False)

    def attempt() -> tuple[Account, bool]:
        loaded = context.load(Wanted())
        account = loaded.account
        if wanted.get("enabled") is False and loaded.settings.enabled and not confirmed:
            raise _switching_off(context, loaded.catalogue)
        values = {k: v for k, v in (account.values | wanted).items() if v is not None}
        if values == account.values:
            return account, False
        earlier = _earlier(
            account.earlier, account.values, values, context.now, partial(context.store.any_wallet, context.practice_id)
        )
        changed = replace(account, values=values, earlier=earlier)
        note = _note(None, account.values, values, account.version, context.actor, context.now)
        context.commit([writes.account(changed), writes.settings_change(context.practice_id, note)])
        creates = loaded.settings.unknown_clients == "park" and rules.effective(values).unknown_clients == "create"
        return replace(changed, version=account.version + 1), creates

    account, creates = once(attempt)
    if creates:
        replaying.replay_everything(context)
    return account


def _switching_off(context: Context, catalogue: Catalogue) -> ConfirmationRequired:
    carrying = [p.package_id for p in catalogue.packages.values() if any(p.credits.values()) and not p.archived]
    holding = listing.count_holding(context)
    more = f" At least {holding.clients:,} clients hold credits." if holding.at_least else ""
    return ConfirmationRequired(
        f"Switching credits off stops all checks and hides every balance.{more} Repeat with confirm: true.",
        clients_with_credits=holding.clients,
        packages_with_credits=sorted(carrying),
    )


def change_client_settings(context: Context, client_id: str, changes: Mapping[str, Any]) -> tuple[Account, Client]:
    """Sets or clears one client's overrides; no other client changes. Raises Invalid, NotFound.

    What is dated before this second keeps the values of then, once the client has an entry.
    """
    wanted = rules.checked_changes(changes, for_client=True)

    def attempt() -> tuple[Account, Client]:
        loaded = context.load(Wanted(client_id=client_id))
        if loaded.client is None:
            raise NotFound("There is no such client.")
        before = loaded.client.overrides
        overrides = {k: v for k, v in (before | wanted).items() if v is not None}
        if overrides == before:
            return loaded.account, loaded.client
        any_entry = partial(context.store.any_entry, context.practice_id, loaded.client.client_id)
        earlier = _earlier(loaded.client.earlier, before, overrides, context.now, any_entry)
        changed = replace(loaded.client, overrides=overrides, earlier=earlier)
        note = _note(changed.client_id, before, overrides, changed.version, context.actor, context.now)
        context.commit([writes.client(context.practice_id, changed), writes.settings_change(context.practice_id, note)])
        return loaded.account, changed

    return once(attempt)


def _earlier(
    earlier: tuple[Earlier, ...],
    before: dict[str, Any],
    after: dict[str, Any],
    now: datetime,
    any_entry: Callable[[], bool],
) -> tuple[Earlier, ...]:
    """The earlier values with what this change replaces. What was set before the first entry counts as always."""
    if not changed_values(before, after):
        return earlier
    return remembered(earlier, before, after, now) if any_entry() else ()


def _note(
    client_id: str | None,
    before: dict[str, Any],
    after: dict[str, Any],
    version: int,
    actor: Actor,
    now: datetime,
) -> SettingsChange:
    touched = {k for k in before | after if before.get(k) != after.get(k)}
    return SettingsChange(
        change_id=derived_id("chg", client_id or "", str(version)),
        client_id=client_id,
        before={k: before.get(k) for k in sorted(touched)},
        after={k: after.get(k) for k in sorted(touched)},
        actor_kind=actor.kind,
        actor_id=actor.actor_id,
        occurred_at=now,
    )


def put_appointment_type(store: Store, practice_id: str, kind: AppointmentType) -> bool:
    """Creates or replaces an appointment type; True when it is new."""

    def attempt() -> bool:
        loaded = store.load(practice_id, Wanted())
        catalogue = loaded.catalogue
        new = kind.type_id not in catalogue.types
        changed = replace(catalogue, types=catalogue.types | {kind.type_id: kind})
        if changed != catalogue:
            _commit_catalogue(store, loaded.account, changed)
        return new

    return once(attempt)


def put_package(context: Context, package: Package, archived: bool) -> tuple[Package, bool]:
    """Creates or replaces a package, then grants what was parked for want of it or its prices.

    Raises Invalid for types not in the catalogue or a rollover without cycles, AlreadyMapped for a
    price of another package.
    Lots already granted stay as they are.
    """

    def attempt() -> tuple[Package, bool]:
        loaded = context.load(Wanted())
        catalogue = loaded.catalogue
        _check_package(package, catalogue)
        before = catalogue.packages.get(package.package_id)
        archived_at = (before and before.archived_at) or context.now
        stored = replace(package, archived_at=archived_at if archived else None)
        changed = replace(catalogue, packages=catalogue.packages | {package.package_id: stored})
        if changed != catalogue:
            _commit_catalogue(context.store, loaded.account, changed)
        return stored, before is None

    answer = once(attempt)
    if not archived:
        prices = [("price", price) for price in package.stripe_prices]
        replaying.replay(context, [("package", package.package_id), *prices])
    return answer


def _check_package(package: Package, catalogue: Catalogue) -> None:
    unknown = [t for t in package.credits if t not in catalogue.types]
    if unknown:
        faults = [
            Problem(pointer("credits", t), "unknown_appointment_type", "create this appointment type first")
            for t in unknown
        ]
        raise Invalid("A package grants credits of the practice's appointment types only.", *faults)
    if package.rollover_cap != 0 and package.expiry.kind is not ExpiryKind.CYCLE_END:
        fault = Problem("/rollover_cap", "needs_cycle_end", "0, unless the credits expire with cycle_end")
        raise Invalid("Only credits that end with a billing cycle roll over.", fault)
    for price in package.stripe_prices:
        owner = catalogue.package_for_price(price)
        if owner and owner.package_id != package.package_id:
            raise AlreadyMapped(
                f"The price {price} belongs to another package; a price maps to one.",
                package_id=owner.package_id,
            )


def _commit_catalogue(store: Store, account: Account, changed: Catalogue) -> None:
    if len(to_json(changed).encode()) > CATALOGUE_BYTES:
        raise LimitReached("The catalogue is full: shorten names and URLs, or drop unused packages.")
    moved = replace(account, catalogue_version=changed.version + 1)
    store.commit([writes.catalogue(account.practice_id, changed), writes.account(moved)])


def put_client(context: Context, wanted: Client, email_key: Callable[[], bytes] | None = None) -> tuple[Client, bool]:
    """Creates or replaces a client's profile (not its settings); claims its Stripe customers and external ids.

    With `email_key` the client is found by its e-mail from then on.

    What was parked for want of these customers is granted. Raises ClientForgotten for a person who was erased,
    AlreadyMapped when a customer or an external id is another client's.
    """

    def attempt() -> tuple[Client, bool, bool]:
        links = wanted.links
        loaded = context.load(Wanted(client_id=wanted.client_id, links=links))
        client_id = loaded.goes_on_as(wanted.client_id)
        records = (client_id, *(loaded.client.merged_from if loaded.client else ()))
        for pair, owner in loaded.links.items():
            if owner not in records:
                raise AlreadyMapped(_taken(*pair))
        known = loaded.client
        if known and known.forgotten_at and (wanted.name or wanted.email or wanted.external_ids):
            raise ClientForgotten("This person was erased from the records. Use another id for a new client.")
        own = known or Client(client_id, created_at=context.now)
        kept = {name: getattr(own, name) for name in _NOT_PUT}
        changed = replace(wanted, **kept)
        if changed != known:
            dropped = set(known.links if known else ()) - set(links)
            freed = _free_links(context, records, dropped)
            claimed = [
                writes.link(context.practice_id, *pair, client_id, None) for pair in links if pair not in loaded.links
            ]
            found_by = _email_writes(context.practice_id, known, changed, context.now, email_key) if email_key else []
            context.commit([writes.client(context.practice_id, changed), *claimed, *freed, *found_by])
        return changed, known is None, known is None and loaded.settings.unknown_clients == "park"

    client, new, awaited = once(attempt)
    known = [("client", wanted.client_id)] if awaited else []
    known += [("customer", customer) for customer in wanted.stripe_customers]
    replaying.replay(context, known)
    return client, new


def _email_writes(
    practice_id: str, before: Client | None, after: Client, now: datetime, email_key: Callable[[], bytes]
) -> list[Write]:
    """What leads from the e-mail's keyed hash to the client; what led from the e-mail before goes."""
    old, new = (hashed_email(email_key(), each.email) if each and each.email else None for each in (before, after))
    gone = [writes.email(practice_id, old, after.client_id, int(now.timestamp()))] if old and old != new else []
    return gone + ([writes.email(practice_id, new, after.client_id)] if new else [])


def _taken(kind: str, external_id: str) -> str:
    what = "Stripe customer" if kind == "customer" else f"{kind.removeprefix('external.')} id"
    return f"The {what} {external_id} is another client's."


def _free_links(context: Context, records: tuple[str, ...], dropped: set[tuple[str, str]]) -> list[Write]:
    """The writes that make these links nobody's; what one transaction would not hold is committed first."""
    owners = _owners(context, tuple(sorted(dropped)))
    owned = [(pair, owner) for pair, owner in owners.items() if owner in records]
    freed = [writes.link(context.practice_id, *pair, None, owner) for pair, owner in owned]
    while len(freed) > FREED_WITH_A_PROFILE:
        context.commit(freed[:FREED_WITH_A_PROFILE])
        freed = freed[FREED_WITH_A_PROFILE:]
    return freed


def _owners(context: Context, links: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], str]:
    return context.load(Wanted(links=links)).links if links else {}
