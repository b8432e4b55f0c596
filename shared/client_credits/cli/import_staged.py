"""The rows of a file of balances, in order of client and type.

They are kept in a database in a temporary file, so that memory does not grow with the file.
"""

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from client_credits.cli.import_file import BadRow, Row
from client_credits.domain.ledger.wallet import MAX_OPEN


class Staged:
    """The rows of a file by client and type, on disk; used as a context manager, which removes them."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, removed when it is closed
        self._database.execute(
            "CREATE TABLE row (client TEXT, type TEXT, line INTEGER, balance INTEGER,"
            " ends TEXT, value INTEGER, note TEXT)"
        )

    def __enter__(self) -> "Staged":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, client_id: str, row: Row) -> None:
        ends = row.expires_at.isoformat() if row.expires_at else None
        values = (client_id, row.appointment_type, row.line, row.balance, ends, row.value, row.note)
        self._database.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def owing_beside_others(self) -> Iterator[BadRow]:
        """Rows below zero beside others of the same client and type: what they come to together is not clear."""
        found = self._database.execute(
            "SELECT line FROM row WHERE balance < 0 AND EXISTS (SELECT 1 FROM row AS other"
            " WHERE other.client = row.client AND other.type = row.type AND other.line <> row.line) ORDER BY line"
        )
        return (BadRow(line, "a balance below zero stands beside another of this client and type") for (line,) in found)

    def take_out_too_many(self) -> list[BadRow]:
        """The clients and types with more than MAX_OPEN rows, by the first of these, which are staged no longer."""
        beyond = "SELECT client, type FROM row GROUP BY client, type HAVING COUNT(*) > ?"
        counted = f"SELECT MIN(line), COUNT(*) FROM row GROUP BY client, type HAVING COUNT(*) > {MAX_OPEN}"  # noqa: S608
        found = self._database.execute(counted).fetchall()
        self._database.execute(f"DELETE FROM row WHERE (client, type) IN ({beyond})", (MAX_OPEN,))  # noqa: S608
        return [
            BadRow(line, f"its client and type have {rows:,} rows, and a wallet holds {MAX_OPEN} open lots at most")
            for line, rows in found
        ]

    def index(self) -> None:
        self._database.execute("CREATE INDEX by_owner ON row (client, type, line)")

    def count(self) -> int:
        """How many balances, each of one client and type."""
        (number,) = self._database.execute("SELECT COUNT(*) FROM (SELECT DISTINCT client, type FROM row)").fetchone()
        return int(number)

    def balances(self) -> Iterator[tuple[str, str, list[Row]]]:
        """Each client and type with its rows, in order."""
        order = "SELECT client, type, line, balance, ends, value, note FROM row ORDER BY client, type, line"
        owner, found = None, list[Row]()
        for client_id, kind, line, balance, ends, value, note in self._database.execute(order):
            if owner and owner != (client_id, kind):
                yield *owner, found
                found = []
            owner = client_id, kind
            end = datetime.fromisoformat(ends) if ends else None
            found.append(Row(line, "client", client_id, kind, balance, end, value, note))
        if owner:
            yield *owner, found
