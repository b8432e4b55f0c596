"""Settings, appointment types and packages."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import NotFound
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue
from client_credits.http.request import asked
from client_credits.http.responses import Cursor, DryRun, Limit, PathId, answer, check_same_id, puts, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.catalogue import (
    AppointmentTypePut,
    AppointmentTypeView,
    PackageOnSale,
    PackagePut,
    PackageView,
    appointment_type_view,
    package_on_sale,
    package_view,
)
from client_credits.operations.queries.buying import on_sale
from client_credits.operations.staff import practices
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class AppointmentTypes(schemas.View):
    items: list[AppointmentTypeView]
    next_cursor: str | None


class Packages(schemas.View):
    items: list[PackageView]
    next_cursor: str | None


class PackagesOnSale(schemas.View):
    """What role client sees."""

    items: list[PackageOnSale]
    next_cursor: str | None


@router.get("/v1/appointment-types", tags=["catalogue"], summary="All appointment types", responses=reads())
def list_appointment_types(limit: Limit = 50, cursor: Cursor = None) -> AppointmentTypes:
    ask = asked(router)
    types = _catalogue().types
    chosen, more = _page(sorted(types), limit, ask.open("appointment-types", cursor))
    items = [appointment_type_view(types[type_id]) for type_id in chosen]
    return AppointmentTypes(items=items, next_cursor=ask.seal("appointment-types", more))


@router.get(
    "/v1/appointment-types/<type_id>",
    tags=["catalogue"],
    summary="One appointment type",
    responses=reads(),
)
def get_appointment_type(type_id: PathId) -> AppointmentTypeView:
    kind = _catalogue().types.get(type_id)
    if kind is None:
        raise NotFound("There is no such appointment type.")
    return appointment_type_view(kind)


@router.put(
    "/v1/appointment-types/<type_id>",
    tags=["catalogue"],
    summary="Create or replace an appointment type",
    responses=puts(),
)
def put_appointment_type(
    type_id: PathId, wanted: Annotated[AppointmentTypePut, Body()], dry_run: DryRun = False
) -> Response[AppointmentTypeView]:
    ask = asked(router)
    check_same_id(wanted.id, type_id)
    kind = AppointmentType(type_id, wanted.name, wanted.bookable_without_credits, wanted.archived)
    new = practices.put_appointment_type(ask.store, ask.practice_id, kind)
    return answer(201 if new else 200, appointment_type_view(kind))


@router.get(
    "/v1/packages",
    tags=["catalogue"],
    summary="All packages; for a client those that it may buy",
    responses=reads(),
)
def list_packages(limit: Limit = 50, cursor: Cursor = None) -> Packages | PackagesOnSale:
    ask = asked(router)
    client_id = ask.caller.client_id
    packages = {p.package_id: p for p in on_sale(ask.context, client_id)} if client_id else _catalogue().packages
    chosen, more = _page(sorted(packages), limit, ask.open("packages", cursor))
    going_on = ask.seal("packages", more)
    if client_id:
        items = [package_on_sale(packages[each], client_id) for each in chosen]
        return PackagesOnSale(items=items, next_cursor=going_on)
    return Packages(items=[package_view(packages[each]) for each in chosen], next_cursor=going_on)


@router.get("/v1/packages/<package_id>", tags=["catalogue"], summary="One package", responses=reads())
def get_package(package_id: PathId) -> PackageView | PackageOnSale:
    ask = asked(router)
    loaded = ask.context.load(Wanted())
    package = loaded.catalogue.packages.get(package_id)
    if package is None or (ask.for_client and not (package.on_sale and loaded.settings.enabled)):
        raise NotFound("There is no such package.")
    return package_on_sale(package, ask.caller.client_id) if ask.for_client else package_view(package)


@router.put(
    "/v1/packages/<package_id>",
    tags=["catalogue"],
    summary="Create or replace a package; lots already granted stay as they are",
    responses=puts(),
)
def put_package(
    package_id: PathId, wanted: Annotated[PackagePut, Body()], dry_run: DryRun = False
) -> Response[PackageView]:
    ask = asked(router)
    check_same_id(wanted.id, package_id)
    stored, new = practices.put_package(ask.context, wanted.package(package_id), wanted.archived)
    return answer(201 if new else 200, package_view(stored))


def _catalogue() -> Catalogue:
    ask = asked(router)
    return ask.store.load(ask.practice_id, Wanted()).catalogue


def _page(ids: list[str], limit: int, position: dict[str, str] | None) -> tuple[list[str], dict[str, str] | None]:
    """The ids of one page, and where the next begins."""
    rest = [i for i in ids if position is None or i > position["after"]]
    more = {"after": rest[limit - 1]} if len(rest) > limit else None
    return rest[:limit], more
