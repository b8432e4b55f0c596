"""The published document held against the running stack: each operation with generated requests over HTTP.

Without chance, a fixed number of examples each. What the API gateway answers itself the document does not promise.
"""

from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from client_credits.http.access import ROUTES
from client_credits.local.stack import running_stack
from tests.e2e.story import listening
from tests.infra.checkout import free_port

pytestmark = [pytest.mark.timeout(600), pytest.mark.prove]

EXAMPLES = 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
fixed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def is_the_gateways_own(answer: schemathesis.Response) -> bool:
    """It knows no route for it, and says so in words of its own."""
    return answer.status_code == 404 and answer.json() == {"message": "Not Found"}


def test_every_answer_of_the_running_stack_is_one_that_the_document_promises(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack", free_port()) as stack, requests.Session() as session:
        session.trust_env = False
        practice = listening(stack)
        practice.put("/v1/appointment-types/follow-up", {"name": "Follow-up"})
        practice.put("/v1/clients/c1", {"name": "Somebody"})
        schema = schemathesis.openapi.from_dict(practice.call("GET", "/v1/openapi.json")[1])
        schema.config.generation.update(allow_extra_parameters=False, with_security_parameters=False)
        answered: set[tuple[str, str]] = set()

        for operation in (found.ok() for found in schema.get_all_operations()):

            @fixed
            @given(case=operation.as_strategy())
            def promised(case: schemathesis.Case) -> None:
                headers = {"Authorization": f"Bearer {stack.tokens['admin']}"}
                answer = case.call(base_url=stack.api_url, session=session, headers=headers)
                if not is_the_gateways_own(answer):
                    case.validate_response(answer, checks=CHECKS)
                    answered.add((case.operation.method, case.operation.path))

            promised()
        assert len(answered) == len(ROUTES)
