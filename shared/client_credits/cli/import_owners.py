"""Whose the rows of a file of balances are, as the table knows it: by our id, another system's, or an e-mail address.

Somebody who was merged into another client is that one, so that two rows of one person are found to be so.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from client_credits.cli.import_file import BadRow, Row
from client_credits.cli.import_mapping import ColumnMapping
from client_credits.cli.session import CliSession

if TYPE_CHECKING:
    from client_credits.operations.context import Context

RESOLVED = 90  # rows whose owners are looked up together


class Owners:
    """The owners of one file's rows."""

    def __init__(self, session: CliSession, context: "Context", mapping: ColumnMapping) -> None:
        self._session, self._context, self._mapping = session, context, mapping

    def of(self, rows: list[Row]) -> dict[int, str | BadRow]:
        """Whose each of at most RESOLVED rows is, by its line. One batch read for ids of another system, one look-up
        for each e-mail, and one batch read for those who were merged."""
        from client_credits.store.records import Wanted  # noqa: PLC0415

        assert len(rows) <= RESOLVED, len(rows)
        found = self._by_links([row for row in rows if row.who == "external_id"])
        for row in rows:
            if row.who != "external_id":
                found[row.line] = row.whose if row.who == "client" else self._by_email(row)
        named = tuple(dict.fromkeys(owner for owner in found.values() if isinstance(owner, str)))
        if not named:
            return found
        loaded = self._context.load(Wanted(others=named))
        return {line: loaded.goes_on_as(each) if isinstance(each, str) else each for line, each in found.items()}

    def _by_links(self, rows: list[Row]) -> dict[int, str | BadRow]:
        from client_credits.domain.practice.records import external_link  # noqa: PLC0415
        from client_credits.store.records import Wanted  # noqa: PLC0415

        system = str(self._mapping.system)
        links = {row.line: external_link(system, row.whose) for row in rows}
        known = self._context.load(Wanted(links=tuple(set(links.values())))).links if links else {}
        return {
            row.line: known.get(links[row.line]) or BadRow(row.line, f"no client has the {system} id {row.whose}")
            for row in rows
        }

    def _by_email(self, row: Row) -> str | BadRow:
        from client_credits.operations.queries.searching import having_email  # noqa: PLC0415

        found = [each.client.client_id for each in having_email(self._context, row.whose, self._people_keys)]
        if len(found) == 1:
            return found[0]
        return BadRow(row.line, f"{'several clients have' if found else 'no client has'} this e-mail address")

    @cached_property
    def _people_keys(self) -> tuple[bytes, ...]:
        """Read once for all rows."""
        from client_credits.aws.secrets import cursor_key_name, own_keys, parameter_reader  # noqa: PLC0415
        from client_credits.domain.ids import people_key  # noqa: PLC0415

        target = self._session.target
        read = parameter_reader(target.client("ssm"))
        return tuple(people_key(key) for key in own_keys(read, cursor_key_name(target.secrets_prefix)))
