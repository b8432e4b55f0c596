"""Requests of a DynamoDB client, written out, for any table: what tests of the engines themselves ask."""

from typing import Any

Request = tuple[str, dict[str, Any]]  # the call and what it asks, of TABLE
TABLE = "the table"  # stands for the name of the one that is asked
TEXT = {"S": "x"}
OWN_BYTES = len("pkpskabody")  # of an item of `a_put` beside its body


def a_put(sort_key: str = "a", body_bytes: int = 1, **attributes: Any) -> dict[str, Any]:
    """A write of an item whose body is this long."""
    item = {"pk": {"S": "p"}, "sk": {"S": sort_key}, "body": {"S": "x" * body_bytes}}
    return {"Put": {"TableName": TABLE, "Item": item | attributes}}


def an_update(expression: str, sk: str = "a", **values: Any) -> dict[str, Any]:
    key = {"pk": {"S": "p"}, "sk": {"S": sk}}
    bound = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    return {"Update": {"TableName": TABLE, "Key": key, "UpdateExpression": expression, **bound}}


def writing(*writes: dict[str, Any]) -> Request:
    return "transact_write_items", {"TransactItems": list(writes)}


def reading(*keys: tuple[str, str], consistent: bool = True) -> Request:
    asked = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys]
    return "batch_get_item", {"RequestItems": {TABLE: {"Keys": asked, "ConsistentRead": consistent}}}


def asking(where: str = "", by: str = "pk = :pk", **more: Any) -> Request:
    """A query; `values` are given beside :pk."""
    values = {":pk": {"S": "p"}} | more.pop("values", {})
    given = {"KeyConditionExpression": by, "ExpressionAttributeValues": values}
    return "query", {"TableName": TABLE, **given, **({"FilterExpression": where} if where else {}), **more}


def ask(client: Any, request: Request, table: str = "credits") -> Any:
    """The answer of a client to a request to this table."""
    call, asked = request
    return getattr(client, call)(**_of_table(asked, table))


def _of_table(asked: Any, name: str) -> Any:
    if isinstance(asked, dict):
        return {name if key == TABLE else key: _of_table(value, name) for key, value in asked.items()}
    if isinstance(asked, list):
        return [_of_table(value, name) for value in asked]
    return name if asked == TABLE else asked
