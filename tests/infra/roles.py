"""What a role's policies grant, read from the template."""

from typing import Any


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resource_name(value: Any) -> str:
    """A statement's resource, in one word: `StripeQueue.Arn`, a parameter, an ARN."""
    match value:
        case str():
            return value
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str() as text}:
            return text
        case {"Ref": name}:
            return str(name)
        case _:
            raise AssertionError(value)


def allowed(role: dict[str, Any]) -> dict[str, set[str]]:
    """The actions that the role's properties allow, by resource."""
    found: dict[str, set[str]] = {}
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                found.setdefault(resource_name(resource), set()).update(as_list(statement["Action"]))
    return found
