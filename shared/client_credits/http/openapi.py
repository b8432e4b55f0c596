"""The published OpenAPI 3.1 document, made from the routes themselves."""

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from client_credits.domain.ids import ID_PATTERN
from client_credits.http.access import ANYONE, ROUTES

IDEMPOTENCY_KEY = "idempotency-key"  # missing is a refusal of its own (400), so the routes take it as optional

DESCRIPTION = """\
Session credits of a practice's clients. Tenancy comes from the token alone; another practice's or
client's things answer exactly like things that do not exist. Instants are UTC. Refusals are
`application/problem+json` (RFC 9457) with a stable `code`. What the gateway answers by itself
(throttling, unknown paths outside /v1, 503, 504) carries `{"message"}` only. 429 and 503 may be
retried after `Retry-After` seconds: every write is safe to repeat.
"""


_NEXT_CURSOR = {
    "description": "Of a page in CSV: `cursor` of the next one. It is missing on the last.",
    "schema": {"type": "string"},
}


def document(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """The document as plain JSON values, each route with the roles that may call it."""
    text = app.get_openapi_json_schema(
        title="Client Credits",
        version="1",
        openapi_version="3.1.0",
        description=DESCRIPTION,
    )
    parsed: dict[str, Any] = json.loads(text)
    parsed["components"].setdefault("securitySchemes", {})["bearer"] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    parsed["security"] = [{"bearer": []}]
    # Seen from where the document stands, whatever stands before /v1 (a stage, the emulator's path).
    parsed["servers"] = [{"url": ".."}]
    for route in app._static_routes + app._dynamic_routes:
        operation = parsed["paths"][_templated(route.path)][route.method.lower()]
        operation["operationId"] = _camel(route.func.__name__)
        for parameter in operation.get("parameters", []):
            if parameter["name"] == IDEMPOTENCY_KEY:
                parameter |= {"required": True, "schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"}}
        if "reports" in operation["tags"] and route.method == "GET":
            _as_json_or_csv(operation["responses"]["200"])
    for (method, rule), roles in ROUTES.items():
        operation = parsed["paths"][_templated(rule)][method.lower()]
        operation["x-roles"] = sorted(str(role) for role in roles) or ["anyone"]
        if roles == ANYONE:
            operation["security"] = []
    return parsed


def _as_json_or_csv(answer: dict[str, Any]) -> None:
    """The router lists a report's page and its text as two shapes of one JSON answer."""
    content = answer["content"]
    page, text = content["application/json"]["schema"]["anyOf"]
    content["application/json"]["schema"] = page
    content["text/csv"] = {"schema": text}
    answer["headers"] = {"X-Next-Cursor": _NEXT_CURSOR}


def _templated(rule: str) -> str:
    return rule.replace("<", "{").replace(">", "}")


def _camel(name: str) -> str:
    """`list_clients` as an SDK would call it: `listClients`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
