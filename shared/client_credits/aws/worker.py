"""What a warm worker keeps: the store on its table, and the clock it reads."""

from datetime import UTC, datetime
from functools import cache

from client_credits.aws.clients import client
from client_credits.store.store import Store
from client_credits.store.table import Table


@cache
def store_on(table_name: str) -> Store:
    """The store on a table, one for the life of the worker, so that catalogues outlive a request."""
    return Store(Table(client("dynamodb"), table_name))


def utc_now() -> datetime:
    return datetime.now(UTC)
