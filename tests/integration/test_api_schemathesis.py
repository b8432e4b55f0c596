"""What the published document promises, held against what the routes answer, with generated requests.

Without chance: the same examples each time, as many as the tier says.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.api import Api, token
from tests.support.http_shim import Shim
from tests.support.stock import booked, client, furnished, package, paid, patch, read

from client_credits.http.access import ROUTES
from client_credits.http.front import build
from client_credits.http.openapi import document

CHECKS = [
    not_a_server_error,
    negative_data_rejection,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {
    "client_id": ["c1", "c2", "never"],
    "type_id": ["follow-up", "initial", "massage"],
    "package_id": ["three-pack", "old-pack", "new"],
    "booking_id": ["b1", "b2", "b3", "never"],
    "parked_id": ["prk_never"],
    "lot_id": ["lot_never"],
}


def with_known_ids() -> dict[str, Any]:
    """The document, with ids that exist among those its patterns allow: random ones would find nothing."""
    stated = deepcopy(document(build()))
    for operations in stated["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in KNOWN:
                    known = {"enum": KNOWN[parameter["name"]]}
                    parameter["schema"] = {"anyOf": [known, parameter["schema"]]}
    return stated


shim = Shim()
schema = schemathesis.openapi.from_dict(with_known_ids())
schema.app = shim
# Query parameters that nobody knows are ignored, and who may call is another test's question.
schema.config.generation.update(allow_extra_parameters=False, with_security_parameters=False)
bounded = settings(
    max_examples=max(8, settings.default.max_examples // 10),
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def behind(api: Api) -> Api:
    """A practice with something of everything; the same one for all examples of an operation."""
    furnished(api)
    client(api, "c2", name="Anna", stripe_customers=["cus_2"])
    package(api, "old-pack", stripe_prices=[], archived=True)
    paid(api)
    booked(api, "b1")
    booked(api, "b2", client_id="c2", seats=2)
    patch(api, "/v1/clients/c1/settings", {"max_negative": 0})
    booked(api, "b3", seats=5)
    paid(api, price="price_x")
    shim.api = api
    return api


def _name_what_exists(case: schemathesis.Case, behind: Api) -> None:
    """Ids that are made by the practice itself, in place of those that find nothing."""
    for name, path, key in (
        ("parked_id", "/v1/parked", "id"),
        ("lot_id", "/v1/clients/c1/credits/follow-up/lots", "lot_id"),
    ):
        if str(case.path_parameters.get(name, "")).endswith("_never"):
            items = read(behind, path)["items"]
            case.path_parameters[name] = items[0][key] if items else f"{name}-never"


def promises_of(path: str, method: str) -> Callable[..., None]:
    """The test that every answer of one operation is one that the document promises."""

    @schema.include(path=path, method=method.upper()).parametrize()
    @bounded
    def promised(case: schemathesis.Case, behind: Api) -> None:
        _name_what_exists(case, behind)
        case.call_and_validate(headers={"Authorization": f"Bearer {token('admin')}"}, checks=CHECKS)

    return promised


# One test for each operation, each under a name of its own: the plugin's own parametrizing names them
# all alike, and workers that share tests among them by name would run one of them only.
for _path, _operations in schema.raw_schema["paths"].items():
    for _method in _operations:
        _steps = "_".join(re.findall(r"\w+", _path.replace("-", "_")))
        globals()[f"test_answers_of_{_method}_{_steps}"] = promises_of(_path, _method)


def test_every_operation_has_a_test_of_its_own(request: pytest.FixtureRequest) -> None:
    names = [name for name in vars(request.module) if name.startswith("test_answers_of_")]
    assert len(names) == len(ROUTES)


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (lambda reply: reply | {"statusCode": 500}, "Server error"),
        (lambda reply: reply | {"statusCode": 418}, "Undocumented status code"),
        (lambda reply: reply | {"headers": {"content-type": "text/html"}}, "Undocumented Content-Type"),
        (lambda reply: reply | {"body": '{"items": "none"}'}, "violates schema"),
    ],
    ids=["a 500", "an unknown status", "an unknown content type", "an unknown shape"],
)
def test_a_broken_promise_would_be_noticed(
    behind: Api, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], caught: str
) -> None:
    """The checks prove themselves: each fault put into a good answer is found."""
    case = schema["/v1/clients"]["GET"].Case()
    stated = {"Authorization": f"Bearer {token('admin')}"}
    case.call_and_validate(headers=stated, checks=CHECKS)
    broken = SimpleNamespace(handle=lambda event, context: change(behind.front.handle(event, context)))
    monkeypatch.setattr(shim, "api", SimpleNamespace(front=broken))
    with pytest.raises(FailureGroup) as found:
        case.call_and_validate(headers=stated, checks=CHECKS)
    assert any(caught in f"{fault.title} {fault}" for fault in found.value.exceptions), found.value.exceptions
