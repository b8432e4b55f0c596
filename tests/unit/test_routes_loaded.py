"""A worker of the API loads the routes that its requests are for, and no others."""

import subprocess
import sys
from importlib import import_module

from client_credits.http.access import ROUTES, ROUTES_OF, module_of


def test_each_module_of_routes_has_just_the_routes_of_the_table() -> None:
    for name, routes in ROUTES_OF.items():
        module = import_module(f"client_credits.http.routes.{name}")
        found = set()
        for rule, methods, *_ in module.router._routes:
            found |= {(method, rule) for method in ((methods,) if isinstance(methods, str) else methods)}
        assert found == set(routes), name


def test_the_module_of_a_path_is_the_one_that_has_its_route() -> None:
    for method, rule in ROUTES:
        path = "/".join("1" if step.startswith("<") else step for step in rule.split("/"))
        name = module_of(method, path)
        assert name is not None
        assert any(known == method for known, _ in ROUTES_OF[name])
    assert module_of("GET", "/v1/nothing") is None
    assert module_of("DELETE", "/v1/me") is None


def test_a_new_worker_loads_the_routes_of_its_first_request_alone() -> None:
    code = """
import sys
from client_credits.http import front
before = [name for name in sys.modules if name.startswith("client_credits.http.routes.")]
front.include("eligibility")
print(before, sorted(name for name in sys.modules if name.startswith("client_credits.http.routes.")))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] ['client_credits.http.routes.eligibility']"
