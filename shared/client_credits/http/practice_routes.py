"""Settings, appointment types and packages."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits import schemas
from client_credits.domain import settings as rules
from client_credits.domain.catalogue import AppointmentType, Catalogue
from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.domain.settings import effective
from client_credits.http.asking import asked
from client_credits.http.describing import Cursor, DryRun, Limit, PathId, puts, reads, writes
from client_credits.operations import practices
from client_credits.store.store import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def check_same_id(in_body: str | None, in_path: str) -> None:
    if in_body not in (None, in_path):
        raise Invalid("The id in the body differs from the id in the path.", Problem("/id", "mismatch", "leave it out"))


def answer(status: int, body: object) -> Response:  # type: ignore[type-arg]
    return Response(status_code=status, content_type="application/json", body=body)


class AppointmentTypes(schemas.Answer):
    items: list[schemas.AppointmentTypeAnswer]
    next_cursor: str | None


class Packages(schemas.Answer):
    items: list[schemas.PackageAnswer]
    next_cursor: str | None


@router.get("/v1/settings", tags=["settings"], summary="The account's settings", responses=reads())
def get_settings() -> schemas.SettingsAnswer:
    ask = asked(router)
    loaded = ask.store.load(ask.practice_id, Wanted())
    return schemas.settings_answer(loaded.settings, rules.sources())


@router.patch("/v1/settings", tags=["settings"], summary="Change the account's settings", responses=writes())
def patch_settings(change: Annotated[schemas.SettingsPatch, Body()], dry_run: DryRun = False) -> schemas.SettingsAnswer:
    ask = asked(router)
    changed = practices.change_account_settings(
        ask.store, ask.practice_id, change.changes(), ask.actor, ask.now, change.confirm
    )
    return schemas.settings_answer(effective(changed.values), rules.sources())


@router.get("/v1/appointment-types", tags=["catalogue"], summary="All appointment types", responses=reads())
def list_appointment_types(limit: Limit = 50, cursor: Cursor = None) -> AppointmentTypes:
    ask = asked(router)
    types = _catalogue().types
    chosen, more = _page(sorted(types), limit, ask.open("appointment-types", cursor))
    items = [schemas.appointment_type_answer(types[type_id]) for type_id in chosen]
    return AppointmentTypes(items=items, next_cursor=ask.seal("appointment-types", more))


@router.get(
    "/v1/appointment-types/<type_id>",
    tags=["catalogue"],
    summary="One appointment type",
    responses=reads(),
)
def get_appointment_type(type_id: PathId) -> schemas.AppointmentTypeAnswer:
    kind = _catalogue().types.get(type_id)
    if kind is None:
        raise NotFound("There is no such appointment type.")
    return schemas.appointment_type_answer(kind)


@router.put(
    "/v1/appointment-types/<type_id>",
    tags=["catalogue"],
    summary="Create or replace an appointment type",
    responses=puts(),
)
def put_appointment_type(
    type_id: PathId, wanted: Annotated[schemas.AppointmentTypePut, Body()], dry_run: DryRun = False
) -> Response[schemas.AppointmentTypeAnswer]:
    ask = asked(router)
    check_same_id(wanted.id, type_id)
    kind = AppointmentType(type_id, wanted.name, wanted.bookable_without_credits, wanted.archived)
    new = practices.put_appointment_type(ask.store, ask.practice_id, kind)
    return answer(201 if new else 200, schemas.appointment_type_answer(kind))


@router.get("/v1/packages", tags=["catalogue"], summary="All packages; for a client those on sale", responses=reads())
def list_packages(limit: Limit = 50, cursor: Cursor = None) -> Packages:
    ask = asked(router)
    packages = {p.package_id: p for p in _catalogue().packages.values() if not (ask.for_client and p.archived)}
    chosen, more = _page(sorted(packages), limit, ask.open("packages", cursor))
    items = [schemas.package_answer(packages[package_id]) for package_id in chosen]
    return Packages(items=items, next_cursor=ask.seal("packages", more))


@router.get("/v1/packages/<package_id>", tags=["catalogue"], summary="One package", responses=reads())
def get_package(package_id: PathId) -> schemas.PackageAnswer:
    package = _catalogue().packages.get(package_id)
    if package is None or (asked(router).for_client and package.archived):
        raise NotFound("There is no such package.")
    return schemas.package_answer(package)


@router.put(
    "/v1/packages/<package_id>",
    tags=["catalogue"],
    summary="Create or replace a package; lots already granted stay as they are",
    responses=puts(),
)
def put_package(
    package_id: PathId, wanted: Annotated[schemas.PackagePut, Body()], dry_run: DryRun = False
) -> Response[schemas.PackageAnswer]:
    ask = asked(router)
    check_same_id(wanted.id, package_id)
    stored, new = practices.put_package(
        ask.store, ask.practice_id, wanted.package(package_id), wanted.archived, ask.now
    )
    return answer(201 if new else 200, schemas.package_answer(stored))


def _catalogue() -> Catalogue:
    ask = asked(router)
    return ask.store.load(ask.practice_id, Wanted()).catalogue


def _page(ids: list[str], limit: int, position: dict[str, str] | None) -> tuple[list[str], dict[str, str] | None]:
    """The ids of one page, and where the next begins."""
    rest = [i for i in ids if position is None or i > position["after"]]
    more = {"after": rest[limit - 1]} if len(rest) > limit else None
    return rest[:limit], more
