"""Who may call which route: the one table of methods, paths and roles.

Looked at before anything else of a request is, so that a caller without the right learns nothing
from how the rest of the request would have been judged.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from client_credits.http.identity import Role

ADMIN = frozenset({Role.ADMIN})
STAFF = frozenset({Role.ADMIN, Role.STAFF})
BACK_OFFICE = frozenset({Role.ADMIN, Role.STAFF, Role.SERVICE})
EVERYONE = frozenset(Role)
ANYONE: frozenset[Role] = frozenset()  # no role, for no token is needed or looked at

# The routes of each module of `http/routes`, which is loaded when the first request for one of them comes.
# A client may ask about itself only: a path that names another client is answered as if there
# were no such client; where the client is a parameter, the route sees to the same.
ROUTES_OF: dict[str, dict[tuple[str, str], frozenset[Role]]] = {
    "me": {
        ("GET", "/v1/me"): EVERYONE,
    },
    "status": {
        ("GET", "/v1/status"): ADMIN,
    },
    "sessions": {
        (
            "POST",
            "/v1/client-sessions",
        ): EVERYONE,  # a client only where its session came from a link: the route sees to it
        ("POST", "/v1/client-links"): STAFF,
        ("POST", "/v1/client-links/exchange"): ANYONE,
    },
    "checkout": {
        ("POST", "/v1/checkout-sessions"): EVERYONE,
    },
    "settings": {
        ("GET", "/v1/settings"): STAFF,
        ("PATCH", "/v1/settings"): ADMIN,
        ("GET", "/v1/clients/<client_id>/settings"): STAFF,
        ("PATCH", "/v1/clients/<client_id>/settings"): STAFF,
    },
    "catalogue": {
        ("GET", "/v1/appointment-types"): STAFF,
        ("GET", "/v1/appointment-types/<type_id>"): STAFF,
        ("PUT", "/v1/appointment-types/<type_id>"): ADMIN,
        ("GET", "/v1/packages"): STAFF | {Role.CLIENT},
        ("GET", "/v1/packages/<package_id>"): STAFF | {Role.CLIENT},
        ("PUT", "/v1/packages/<package_id>"): ADMIN,
    },
    "clients": {
        ("GET", "/v1/packages/<package_id>/clients"): STAFF,
        ("GET", "/v1/clients"): STAFF,
        ("POST", "/v1/clients/search"): STAFF,
        ("GET", "/v1/clients/<client_id>"): STAFF,
        ("PUT", "/v1/clients/<client_id>"): STAFF,
    },
    "authorizations": {
        ("GET", "/v1/clients/<client_id>/authorizations"): STAFF,
        ("GET", "/v1/clients/<client_id>/authorizations/<authorization_id>"): STAFF,
        ("PUT", "/v1/clients/<client_id>/authorizations/<authorization_id>"): STAFF,
        ("DELETE", "/v1/clients/<client_id>/authorizations/<authorization_id>"): STAFF,
    },
    "credits": {
        ("GET", "/v1/clients/<client_id>/credits"): EVERYONE,
        ("GET", "/v1/clients/<client_id>/credits/<type_id>/history"): EVERYONE,
        ("GET", "/v1/clients/<client_id>/credits/<type_id>/lots"): EVERYONE,
    },
    "eligibility": {
        ("GET", "/v1/eligibility"): EVERYONE,
        ("POST", "/v1/eligibility"): EVERYONE,
    },
    "edits": {
        ("POST", "/v1/clients/<client_id>/merge"): STAFF,
        ("PUT", "/v1/clients/<client_id>/credits"): STAFF,
        ("POST", "/v1/clients/<client_id>/adjustments"): BACK_OFFICE,
        ("POST", "/v1/clients/<client_id>/grants"): BACK_OFFICE,
        ("PATCH", "/v1/clients/<client_id>/credits/<type_id>/lots/<lot_id>"): STAFF,
        ("POST", "/v1/clients/<client_id>/credits/<type_id>/entries/<sequence>/undo"): STAFF,
        ("POST", "/v1/transfers"): STAFF,
    },
    "bulk_edits": {
        ("POST", "/v1/extensions"): STAFF,
        ("POST", "/v1/expirations"): BACK_OFFICE,
    },
    "bookings": {
        ("GET", "/v1/bookings"): BACK_OFFICE,
        ("GET", "/v1/bookings/<booking_id>"): BACK_OFFICE,
    },
    "parked": {
        ("GET", "/v1/parked"): STAFF,
        ("POST", "/v1/parked/<parked_id>/resolve"): STAFF,
        ("POST", "/v1/parked/<parked_id>/dismiss"): STAFF,
    },
    "reports": {
        ("GET", "/v1/reports/credits"): STAFF,
        ("GET", "/v1/reports/movements"): STAFF,
        ("GET", "/v1/reports/negative"): STAFF,
        ("GET", "/v1/reports/expiring"): STAFF,
        ("GET", "/v1/reports/outstanding"): STAFF,
        ("GET", "/v1/reports/revenue"): STAFF,
        ("GET", "/v1/reports/refusals"): STAFF,
        ("GET", "/v1/reports/parked"): STAFF,
    },
    "jobs": {
        ("GET", "/v1/jobs/<job_id>"): BACK_OFFICE,
        ("POST", "/v1/reports/exports"): STAFF,
    },
}
ROUTES = {route: roles for routes in ROUTES_OF.values() for route, roles in routes.items()}


def is_open(method: str, path: str) -> bool:
    """Whether anyone may call this: what is sent is the only proof."""
    return ROUTES.get((method, path)) == ANYONE


# What is asked with a body and changes nothing.
QUESTIONS = frozenset({"/v1/eligibility", "/v1/clients/search"})


class AccessVerdict(StrEnum):
    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    NO_SUCH_PATH = "no_such_path"
    NO_SUCH_METHOD = "no_such_method"


@dataclass(frozen=True, slots=True)
class Access:
    """What the table says of one request. `client_id` is the client that the path names."""

    verdict: AccessVerdict
    client_id: str | None = None
    methods: tuple[str, ...] = ()


def _pattern(rule: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", rule))


_PATTERNS = [(method, _pattern(rule), roles) for (method, rule), roles in ROUTES.items()]


_MODULES = [(method, _pattern(rule), name) for name, routes in ROUTES_OF.items() for method, rule in routes]


def module_of(method: str, path: str) -> str | None:
    """The module of `http/routes` that has this route; None where there is no such route."""
    return next((name for known, rule, name in _MODULES if known == method and rule.fullmatch(path)), None)


def look_up(method: str, path: str, role: Role) -> Access:
    """Whether `role` may call `method` on `path` (percent-decoded, without the stage)."""
    found = [(known, match, roles) for known, pattern, roles in _PATTERNS if (match := pattern.fullmatch(path))]
    if not found:
        return Access(AccessVerdict.NO_SUCH_PATH)
    methods = tuple(known for known, _, _ in found)
    for known, match, roles in found:
        if known == method:
            verdict = AccessVerdict.ALLOWED if role in roles else AccessVerdict.FORBIDDEN
            return Access(verdict, match.groupdict().get("client_id"), methods)
    return Access(AccessVerdict.NO_SUCH_METHOD, methods=methods)
