"""The published OpenAPI document: whole, valid, the same routes as everywhere, field by field as the contract."""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import urljoin

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from client_credits.domain.practice.settings import ACCOUNT_ONLY, ALIAS, SETTINGS
from client_credits.http.access import ROUTES
from client_credits.http.front import build
from client_credits.http.openapi import document
from client_credits.operations.queries.reports.csv_rows import columns
from client_credits.operations.queries.reports.every import REPORTS

Schema = dict[str, Any]
WRITES = {"post", "put", "patch"}
QUESTIONS = ("/v1/eligibility", "/v1/clients/search")  # asked with a body, and nothing changes


@cache
def published() -> Schema:
    return document(build())


def operations() -> list[tuple[str, str, Schema]]:
    return [(m, path, op) for path, each in published()["paths"].items() for m, op in each.items()]


NAMES = [f"{method.upper()} {path}" for method, path, _ in operations()]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), operations(), ids=NAMES)


def schema(name: str) -> Schema:
    found: Schema = published()["components"]["schemas"][name]
    return found


def resolved(part: Schema) -> Schema:
    """The schema itself where there is a reference to it."""
    reference = part.get("$ref")
    return schema(reference.rsplit("/", 1)[1]) if reference else part


def test_the_document_is_a_valid_openapi_3_1_document() -> None:
    assert published()["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(published()).iter_errors()) == []


def test_the_document_is_the_same_each_time_and_plain_json() -> None:
    again = document(build())
    assert again == published()
    assert json.loads(json.dumps(again, allow_nan=False)) == again


def test_roles_registered_routes_and_document_are_one_set_of_routes() -> None:
    app = build()
    registered = {(route.method, route.path) for route in app._static_routes + app._dynamic_routes}
    stated = {(method.upper(), path.replace("{", "<").replace("}", ">")) for method, path, _ in operations()}
    assert registered == set(ROUTES) == stated


@each_operation
def test_an_operation_says_what_it_answers_and_to_whom(method: str, path: str, operation: Schema) -> None:
    answers = operation["responses"]
    good = "202" if path in STARTS else "200"
    known = set() if path in OPEN else {"401", "403"}
    assert {good, "400", "404", "422", "503"} | known <= set(answers)
    assert ("200" in answers) == (path not in STARTS)
    assert ("201" in answers) == (method == "put" and not path.endswith("/credits"))
    assert ("409" in answers) == (method in WRITES and path not in (*QUESTIONS, *OPEN))
    assert ("security" in operation) == (path in OPEN)
    assert ("413" in answers) == (method in WRITES)
    for status, answer in answers.items():
        kind = "application/json" if status < "300" else "application/problem+json"
        kinds = [kind, "text/csv"] if path in REPORTS_PATHS and status == "200" else [kind]
        assert list(answer["content"]) == kinds, status
        assert answer["description"]
        if status >= "300":
            assert answer["content"][kind]["schema"] == {"$ref": "#/components/schemas/ProblemView"}
    success = resolved(answers[good]["content"]["application/json"]["schema"])
    assert success != schema("ProblemView")
    roles = ROUTES[method.upper(), path.replace("{", "<").replace("}", ">")]
    assert operation["x-roles"] == (["anyone"] if path in OPEN else sorted(roles))
    assert operation["summary"]
    assert operation["tags"]


REPORTS_PATHS = {f"/v1/reports/{name}" for name in REPORTS}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_has_a_page_in_json_and_one_in_csv_that_names_the_next_in_a_header(name: str) -> None:
    answer = published()["paths"][f"/v1/reports/{name}"]["get"]["responses"]["200"]
    assert answer["content"]["text/csv"]["schema"]["type"] == "string"
    assert answer["headers"]["X-Next-Cursor"]["schema"]["type"] == "string"
    page = resolved(answer["content"]["application/json"]["schema"])
    row = resolved(page["properties"]["items"]["items"])
    assert list(row["properties"]) == columns(REPORTS[name].row)


def test_operations_have_ids_of_their_own_as_an_sdk_would_name_them() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", each) for each in ids), ids
    assert {"listClients", "searchClients", "getClientCredits", "replaceClientCredits", "checkEligibility"} <= set(ids)


KEYED = {
    "/v1/clients/{client_id}/merge",
    "/v1/clients/{client_id}/adjustments",
    "/v1/clients/{client_id}/grants",
    "/v1/clients/{client_id}/credits/{type_id}/entries/{sequence}/undo",
    "/v1/transfers",
    "/v1/reports/exports",
    "/v1/extensions",
    "/v1/expirations",
    "/v1/client-links",
    "/v1/checkout-sessions",
}
STARTS = {"/v1/reports/exports"}  # what becomes a job
OPEN = {"/v1/client-links/exchange"}  # whoever has the link


@each_operation
def test_an_idempotency_key_is_required_where_it_is_taken(method: str, path: str, operation: Schema) -> None:
    keys = [p for p in operation.get("parameters", []) if p["in"] == "header"]
    assert [key["name"] for key in keys] == (["idempotency-key"] if method == "post" and path in KEYED else [])
    for key in keys:
        assert key["required"] is True
        assert key["schema"] == {"type": "string", "pattern": "^[A-Za-z0-9._:~-]{1,128}$"}


@pytest.mark.parametrize(
    "base", ["https://api.test", "http://127.0.0.1:4566/_aws/execute-api/a1", "https://x.test/live"]
)
def test_the_server_is_right_behind_any_path(base: str) -> None:
    (server,) = published()["servers"]
    assert urljoin(f"{base}/v1/openapi.json", server["url"]).rstrip("/") == base


def test_postings_causes_and_actors_of_entries_are_typed() -> None:
    entry = schema("EntryView")["properties"]
    assert resolved(entry["postings"]["items"])["required"] == ["amount"]
    assert {"kind", "package_id", "booking_id", "starts_at"} <= set(resolved(entry["cause"])["properties"])
    assert resolved(entry["actor"])["required"] == ["kind", "id"]


@each_operation
def test_every_parameter_of_a_path_is_declared_with_the_pattern_of_ids(
    method: str, path: str, operation: Schema
) -> None:
    declared = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "path"}
    assert set(declared) == {step[1:-1] for step in path.split("/") if step.startswith("{")}
    for parameter in declared.values():
        assert parameter["required"] is True
        pattern = "^[1-9][0-9]{0,11}$" if parameter["name"] == "sequence" else "^[A-Za-z0-9._:~-]{1,128}$"
        assert parameter["schema"]["pattern"] == pattern


@each_operation
def test_writes_take_dry_run_and_lists_take_limit_and_cursor(method: str, path: str, operation: Schema) -> None:
    query = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    assert ("dry_run" in query) == (method in {*WRITES, "delete"} and path not in QUESTIONS)
    assert ("limit" in query) == (path in LISTS and method == "get")
    assert ("cursor" in query) == ("limit" in query or path in REHEARSED_BY_PAGES)
    if "limit" in query:
        limit = query["limit"]["schema"]
        assert (limit["minimum"], limit["maximum"], limit["type"]) == (1, 100, "integer")
        page = operation["responses"]["200"]["content"]["application/json"]["schema"]
        for each in page.get("anyOf", [page]):  # role client may have a page of its own
            assert set(resolved(each)["properties"]) == {"items", "next_cursor"}


REHEARSED_BY_PAGES = {"/v1/extensions", "/v1/expirations"}
LISTS = {
    "/v1/appointment-types",
    "/v1/packages",
    "/v1/packages/{package_id}/clients",
    "/v1/clients",
    "/v1/clients/{client_id}/authorizations",
    "/v1/clients/{client_id}/credits/{type_id}/history",
    "/v1/clients/{client_id}/credits/{type_id}/lots",
    "/v1/bookings",
    "/v1/parked",
    *REPORTS_PATHS,
}


@each_operation
def test_a_body_is_json_and_takes_no_field_it_does_not_name(method: str, path: str, operation: Schema) -> None:
    assert ("requestBody" in operation) == (method in WRITES)
    if method in WRITES:
        assert operation["requestBody"]["required"] is True
        assert list(operation["requestBody"]["content"]) == ["application/json"]
        body = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        assert body["additionalProperties"] is False
        nested = [s for name, s in published()["components"]["schemas"].items() if name.endswith("Body")]
        assert all(s["additionalProperties"] is False for s in nested)


def test_the_document_says_who_may_come_without_a_token_and_what_the_gateway_answers_itself() -> None:
    stated = published()
    assert stated["security"] == [{"bearer": []}]
    assert stated["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert '{"message"}' in stated["info"]["description"]
    assert "Retry-After" in stated["info"]["description"]


# The contract's own words, written out by hand: every answer's fields, and the fields each body takes.
ANSWERS = {
    "MeView": "practice role client_id subject",
    "PracticeView": "id name timezone enabled packages_url",
    "ClientSessionView": "token expires_at renewable_until",
    "ClientLinkView": "url expires_at",
    "CheckoutSessionView": "url",
    "StatusView": "verify reconcile parked set_aside failing_endpoints dead_letters",
    "VerifyView": "at clients wallets entries bookings breaches",
    "ReconcileView": "name at since until finished counts repaired left",
    "AppointmentTypeView": "id name bookable_without_credits archived",
    "PackageView": "id name description price limit_per_client url credits renews_each_cycle expiry rollover_cap "
    "trial_grants monthly_tranches stripe_prices archived",
    "ClientView": "id name email stripe_customers external_ids",
    "ListedClientView": "id name email stripe_customers external_ids balances",
    "CreditsView": "client_id enabled as_of credits",
    "PastCreditsView": "client_id enabled as_of credits",
    "PastBalanceView": "appointment_type name balance",
    "TypeCreditsView": "appointment_type name balance available held frozen not_yet_effective debt "
    "granted_total next_expiry version",
    "AuthorizationView": "id client_id payer number appointment_types starts_on ends_on visits_authorized visits_used "
    "visits_left",
    "LotView": "lot_id granted remaining held effective_at expires_at priority source package_id frozen",
    "EntryView": "entry_id source_id client_id appointment_type sequence kind amount balance_before "
    "balance_after postings cause actor reason occurred_at recorded_at",
    "OwnEntryView": "entry_id appointment_type kind amount balance_after ends cause occurred_at recorded_at",
    "OwnCauseView": "kind package_id booking_id starts_at",
    "PackageOnSale": "id name description price limit_per_client url credits renews_each_cycle expiry rollover_cap "
    "monthly_tranches",
    "PackagePriceView": "amount currency",
    "OwnEligibilityView": "appointment_type allowed reason message balance available shortfall would_use "
    "covered packages as_of",
    "EligibilityView": "appointment_type allowed reason message balance available shortfall would_use "
    "covered covered_by packages settings as_of",
    "EligibilityJointly": "allowed shortfall sessions",
    "WouldUse": "lot_id amount expires_at",
    "PackageOffer": "id name url",
    "SettingValue": "value source",
    "ParkedView": "id reason event_id customer payment prices received_at state",
    "StartedView": "job_id",
    "JobView": "state done total problems url",
    "JobProblemView": "code detail client_id",
    "ProblemView": "type title status code detail request_id errors",
    "ErrorItem": "pointer code detail",
}
BODIES = {
    "AuthorizationPut": "id payer number appointment_types starts_on ends_on visits_authorized",
    "AppointmentTypePut": "id name bookable_without_credits archived",
    "PackagePriceBody": "amount currency",
    "PackagePut": "id name description price limit_per_client url credits renews_each_cycle expiry rollover_cap "
    "trial_grants monthly_tranches stripe_prices archived",
    "ExpiryBody": "kind n date",
    "ClientPut": "id name email stripe_customers external_ids",
    "ClientSearch": "q email limit cursor",
    "ClientSessionPost": "client_id ttl_seconds",
    "ClientLinkPost": "client_id ttl_seconds",
    "ClientLinkExchangePost": "link",
    "CheckoutSessionPost": "client_id package_id quantity success_url cancel_url",
    "EligibilityPost": "client_id sessions",
    "SessionBody": "appointment_type starts_at seats",
    "ResolveBody": "client_id package_id",
    "ExportPost": "report from to",
    "DismissBody": "reason",
    "ClientSettingsPatch": " ".join({*SETTINGS, ALIAS} - ACCOUNT_ONLY),
    "SettingsPatch": " ".join([*SETTINGS, ALIAS, "confirm"]),
}


@pytest.mark.parametrize(("name", "fields"), (ANSWERS | BODIES).items())
def test_a_schema_has_exactly_the_fields_of_the_contract(name: str, fields: str) -> None:
    assert set(schema(name)["properties"]) == set(fields.split())


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_has_every_field_every_time(name: str) -> None:
    optional = {"errors"} if name == "ProblemView" else set()
    assert set(schema(name)["required"]) == set(schema(name)["properties"]) - optional


def test_the_bounds_of_the_contract_stand_in_the_document() -> None:
    seats = schema("SessionBody")["properties"]["seats"]
    assert (seats["minimum"], seats["maximum"], seats["default"]) == (1, 100, 1)
    sessions = schema("EligibilityPost")["properties"]["sessions"]
    assert sessions["minItems"] == 1
    credits = schema("PackagePut")["properties"]["credits"]
    (each,) = credits["patternProperties"].values()
    assert each == {"type": "integer", "minimum": 0, "maximum": 1_000_000}
    assert credits["maxProperties"] == 25
    assert schema("SessionBody")["properties"]["starts_at"]["format"] == "date-time"
    kinds = resolved(schema("ExpiryBody")["properties"]["kind"])
    assert kinds["enum"] == ["never", "days", "months", "cycle_end", "date"]


@pytest.mark.parametrize(
    ("body", "own"), [("SettingsPatch", set(SETTINGS)), ("ClientSettingsPatch", set(SETTINGS) - ACCOUNT_ONLY)]
)
def test_the_document_takes_every_setting_that_the_domain_takes_and_no_other_value(body: str, own: set[str]) -> None:
    """Each sample value is taken by both, or by neither; null clears every one."""
    samples = [True, 0, 3, -1, 3651, 1_000_001, "unlimited", "session", "allow", "park", "none", "freeze", "report", ""]
    patch = Draft202012Validator(resolved(schema(body)))
    for name in own:
        assert patch.is_valid({name: None})
        for value in [*samples, "https://practice.test/packages", "https://practice.test/a b", "x" * 201]:
            if name != "timezone":  # which names exist, a schema does not say
                assert patch.is_valid({name: value}) == (SETTINGS[name].check(value) is None), (name, value)
    assert not patch.is_valid({"late_cancel_hours": 1})
    assert not patch.is_valid({"packages": "x"})
