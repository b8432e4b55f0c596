"""What is read page by page: histories, the roster, names, sessions, what is parked, what is due.

A page may be short; what goes on behind it says so. Lists by an index may lag a second behind.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.parked import Parked, Replay
from client_credits.domain.practice.names import LAST
from client_credits.domain.practice.records import SettingsChange
from client_credits.store import codec, keys
from client_credits.store.table import EVERYTHING, Item, Page, Table, Where
from client_credits.store.writes import sortable

SINCE_AT_ONCE = 100  # entries of one request
ENTRIES_AT_ONCE = 200  # of a client, so that what requests bound is bounded in entries, too


class AsideItem(NamedTuple):
    """An item that the sweep set aside: its place in ids, why, and how often by now."""

    place: str
    reason: str
    times: int


class Lists:
    """One table's lists."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def history_page(
        self, practice_id: str, client_id: str, appointment_type: str, before: str | None, limit: int
    ) -> tuple[list[Entry], bool]:
        """Entries of one type, newest first, older than the sort key `before`; and whether there are more.

        One request: a page may be short and not the last.
        """
        pk, begins = keys.client(practice_id, client_id)[0], keys.entries_of(appointment_type)
        found, more = self._newest(pk, begins, before, limit)
        return [codec.from_item(Entry, item) for item in found], more

    def entries_backwards(self, wallet: Wallet) -> Iterator[Entry]:
        """A wallet's entries, the newest first, a request for each SINCE_AT_ONCE of them."""
        place = wallet.practice_id, wallet.client_id, wallet.appointment_type
        before: str | None = None
        more = True
        while more:
            page, more = self.history_page(*place, before, SINCE_AT_ONCE)
            yield from page
            before = keys.entry(*place, page[-1].sequence)[1] if more else None

    def entries_since(self, wallet: Wallet, recorded_at: datetime) -> list[Entry]:
        """A wallet's entries recorded at an instant or later, the newest first; reads little that is older."""
        place = wallet.practice_id, wallet.client_id, wallet.appointment_type
        found: list[Entry] = []
        before: str | None = None
        more = True
        while more:
            page, more = self.history_page(*place, before, SINCE_AT_ONCE)
            found += [entry for entry in page if entry.recorded_at >= recorded_at]
            more = more and page[-1].recorded_at >= recorded_at
            before = keys.entry(*place, page[-1].sequence)[1] if more else None
        return found

    def entries_page(self, practice_id: str, client_id: str, after: str | None) -> tuple[list[Entry], str | None]:
        """At most ENTRIES_AT_ONCE entries of a client, of all types, each type's oldest first, and behind which sort
        key they go on."""
        pk = keys.client(practice_id, client_id)[0]
        page = self.table.query(pk, begins=keys.ENTRIES, after=after, limit=ENTRIES_AT_ONCE)
        return [codec.from_item(Entry, item) for item in page.items], page.after

    def moved_page(
        self, practice_id: str, client_id: str, appointment_type: str, before: str | None, limit: int
    ) -> Page:
        """The stored numbers of one type's entries, newest first: `amount`, `entry_kind`, and their instants."""
        pk, begins = keys.client(practice_id, client_id)[0], keys.entries_of(appointment_type)
        return self.table.query(pk, begins=begins, after=before, limit=limit, newest_first=True)

    def settings_changes(
        self, practice_id: str, client_id: str | None, before: str | None, limit: int
    ) -> tuple[list[SettingsChange], bool]:
        """Changes of the account's settings, or of one client's, newest first; and whether there are more."""
        pk = keys.client(practice_id, client_id)[0] if client_id else practice_id
        found, more = self._newest(pk, "changed#", before, limit)
        return [codec.from_item(SettingsChange, item) for item in found], more

    def _newest(self, pk: str, begins: str, before: str | None, limit: int) -> tuple[list[Item], bool]:
        page = self.table.query(pk, begins=begins, after=before, limit=limit, newest_first=True)
        return page.items, page.after is not None

    def any_entry(self, practice_id: str, client_id: str) -> bool:
        """Whether a client has any ledger entry. One request."""
        return bool(self.table.query(keys.client(practice_id, client_id)[0], begins=keys.ENTRIES, limit=1).items)

    def types_of(self, practice_id: str, client_id: str) -> list[str]:
        """The appointment types that a client's own record has a wallet of."""
        found = self._of_client(practice_id, client_id, keys.WALLETS)
        return [keys.wallet_place(item).appointment_type for item in found]

    def wallet_items(self, practice_id: str, client_id: str) -> list[Item]:
        """The items of all wallets of a client's own record, in order of type: for who judges what is stored."""
        return self._of_client(practice_id, client_id, keys.WALLETS)

    def entry_items(self, practice_id: str, client_id: str) -> list[Item]:
        """The items of all entries of a client's own record, each type's oldest first."""
        return self._of_client(practice_id, client_id, keys.ENTRIES)

    def _of_client(self, practice_id: str, client_id: str, begins: str) -> list[Item]:
        pk, found = keys.client(practice_id, client_id)[0], list[Item]()
        after: str | None = None
        while True:
            page = self.table.query(pk, begins=begins, after=after)
            found += page.items
            if page.after is None:
                return found
            after = page.after

    def items_of_kinds(self, practice_id: str, kinds: Iterable[keys.ItemKind]) -> Iterator[Item]:
        """Every item of these kinds of a practice; reads the whole table, so it is for operators alone."""
        values = {f":kind{number}": {"S": str(kind)} for number, kind in enumerate(kinds)}
        wanted = " OR ".join(f"#kind = {name}" for name in values)
        values[":practice"] = {"S": f"{practice_id}#"}
        names = {"#kind": "kind", "#pk": "pk"}
        yield from self.table.scan(Where(f"begins_with(#pk, :practice) AND ({wanted})", values, names))

    def any_wallet(self, practice_id: str) -> bool:
        """Whether any client of a practice has a wallet, which comes with its first entry; one that came a
        moment ago may be missed. One request where many have one, at most as many as hold all clients."""
        return any(self._wallets_in(practice_id, shard) for shard in range(keys.ROSTER_SHARDS))

    def _wallets_in(self, practice_id: str, shard: int) -> bool:
        after, limit = None, 10
        while True:
            page = self.roster_page(practice_id, shard, after, limit, Where("attribute_exists(balance)"))
            if page.items or page.after is None:
                return bool(page.items)
            after, limit = page.after, min(10 * limit, 10_000)

    def parked_page(self, practice_id: str, after: str | None, limit: int) -> tuple[list[Parked], str | None]:
        """Open parked payments, the longest parked first, and where the next page begins; a page may be short.

        Those in a state that only a later release knows are among them.
        May lag a second behind what was parked, never behind what was closed.
        """
        condition = "roster_pk = :pk" + (" AND roster_sk > :after" if after else "")
        values = {":pk": keys.open_parked_pk(practice_id)} | ({":after": after} if after else {})
        page = self.table.query_index("roster", condition, codec.to_attributes(values), limit=limit)
        found = self.parked(practice_id, [keys.parked_id(item) for item in page.items])
        last = page.places[-1] if page.last else None
        return [p for p in found if not p.is_closed], last

    def parked(self, practice_id: str, parked_ids: Iterable[str]) -> list[Parked]:
        """The parked payments that there are, in this order; one batch read, none without ids."""
        wanted = [keys.parked(practice_id, parked_id) for parked_id in parked_ids]
        found = self.table.get(wanted)
        records = (codec.versioned(Parked, found.get(key)) for key in wanted)
        return [record for record in records if record]

    def refused_page(
        self, practice_id: str, since: datetime, until: datetime, after: str | None, limit: int
    ) -> tuple[list[str], str | None]:
        """The bookings refused within `since <= t < until`, the earliest first, and where the next page begins.

        By the index, which may lag a second: what has been booked since may still be named.
        """
        bounds = {":pk": keys.refused_pk(practice_id), ":low": sortable(since), ":high": sortable(until)}
        if after and after > bounds[":low"]:
            bounds[":low"] = f"{after}\x01"  # no place goes on with this character
        if bounds[":low"] >= bounds[":high"]:
            return [], None
        condition = "roster_pk = :pk AND roster_sk BETWEEN :low AND :high"
        page = self.table.query_index("roster", condition, codec.to_attributes(bounds), limit=limit)
        return [keys.refused_booking(place) for place in page.places], page.places[-1] if page.last else None

    def waiting_page(
        self, practice_id: str, waits_for: tuple[str, str], after: str | None, limit: int
    ) -> tuple[list[str], str | None]:
        """The ids of parked payments that wait for this, and the id behind which the next page begins.

        Consistent: what was parked before is found. A page may be short.
        """
        pk = keys.waiting(practice_id, *waits_for, "")[0]
        page = self.table.query(pk, after=after, limit=limit, where=_in_state("open"))
        return page.places, page.after

    def replay(self, practice_id: str, waits_for: tuple[str, str]) -> Replay:
        """How far what waits for this has been tried again; one never begun is at version 0."""
        key = keys.replay(practice_id, *waits_for)
        return codec.versioned(Replay, self.table.get([key]).get(key)) or Replay(waits_for)

    def count_parked(self, practice_id: str, most: int) -> tuple[int, bool]:
        """How many parked payments are open, and whether there may be more; one request. May lag a second."""
        values = codec.to_attributes({":pk": keys.open_parked_pk(practice_id)})
        page = self.table.query_index("roster", "roster_pk = :pk", values, limit=most)
        return len(page.items), page.last is not None

    def set_aside(self, practice_id: str, most: int) -> tuple[list[AsideItem], bool]:
        """What the sweep set aside of a practice and nobody has worked off since, and whether there may be more.

        Looks at `most` notes, at most 100; two requests.
        """
        page = self.table.query(keys.set_aside(practice_id, ("", ""))[0], limit=most)
        noted = [(str(item["item_pk"]), str(item["item_sk"])) for item in page.items]
        found = self.table.get(noted)
        aside = [(keys.where(key), found[key]) for key in noted if "set_aside" in found.get(key, {})]
        items = [AsideItem(place, str(item["set_aside"]), int(item["set_aside_times"])) for place, item in aside]
        return items, page.after is not None

    def due_page(self, shard: str, until: str, limit: int) -> Page:
        """The keys and kinds of one shard's items that are due by `until`, the longest due first."""
        condition = "due_shard = :shard AND due_at <= :until"
        values = {":shard": {"S": shard}, ":until": {"S": until}}
        return self.table.query_index("due", condition, values, limit=limit)

    def roster_page(
        self,
        practice_id: str,
        shard: int,
        after: str | None,
        limit: int,
        where: Where = EVERYTHING,
        begins: str = "",
    ) -> Page:
        """One shard of the roster, in client order: each profile followed by its wallets' numbers.

        `begins` is what the clients' ids begin with, `after` a place in it.
        """
        condition, bound = _range("roster", keys.roster_shard(practice_id, shard), begins, after)
        return self.table.query_index("roster", condition, bound, limit=limit, where=where)

    def holders_page(self, practice_id: str, shard: int, after: str | None, limit: int) -> Page:
        """One shard of the roster, in client order: of each wallet that has credits or debts, or something to come,
        its numbers alone. `limit` counts the items looked at."""
        condition, bound = _range("roster", keys.roster_shard(practice_id, shard), "", after)
        return self.table.query_index(
            "roster",
            condition,
            bound | {":none": {"N": "0"}},
            limit=limit,
            where=Where("balance > :none OR debt > :none OR attribute_exists(due_at)", {}, {"#kind": "kind"}),
            only=("pk", "sk", "roster_sk", "#kind", "balance", "debt", "due_at"),
        )

    def names_page(self, practice_id: str, after: str | None, limit: int, begins: str = "") -> Page:
        """Profiles in order of folded name and id, those without a name last. `begins` is a folded name's beginning."""
        condition, bound = _range("names", keys.names_pk(practice_id), begins, after)
        return self.table.query_index("names", condition, bound, limit=limit)

    def clients_of_email(self, practice_id: str, hashed: str) -> list[str]:
        """The clients, at most 100, who have or had the e-mail of this keyed hash. Their profiles know which."""
        return self.table.query(keys.email(practice_id, hashed, "")[0], limit=100).places

    def sessions_page(self, practice_id: str, shard: int, before: str | None, limit: int, state: str) -> Page:
        """Bookings of one shard in this state, the latest session first; `limit` counts those looked at."""
        condition = "sessions_pk = :pk" + (" AND sessions_sk < :before" if before else "")
        values = {":pk": {"S": keys.sessions_shard(practice_id, shard)}}
        if before:
            values[":before"] = {"S": before}
        return self.table.query_index(
            "sessions",
            condition,
            values,
            limit=limit,
            where=_in_state(state),
            newest_first=True,
        )


def _in_state(state: str) -> Where:
    return Where("#state = :state", {":state": {"S": state}}, {"#state": "state"})


def _range(index: str, pk: str, begins: str, after: str | None) -> tuple[str, dict[str, Any]]:
    """The condition, with its values, for what begins so and stands behind `after` in an index."""
    bound: dict[str, Any] = {":pk": {"S": pk}}
    condition = f"{index}_pk = :pk"
    if begins:  # an index takes one condition on its range key; no key goes on with the character of :low
        bound |= {":low": {"S": f"{after}\x01" if after else begins}, ":high": {"S": begins + LAST}}
        return f"{condition} AND {index}_sk BETWEEN :low AND :high", bound
    if after:
        return f"{condition} AND {index}_sk > :after", bound | {":after": {"S": after}}
    return condition, bound
