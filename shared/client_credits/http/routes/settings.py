"""Settings of the account and of one client."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import NotFound
from client_credits.domain.practice import settings as rules
from client_credits.domain.practice.settings import effective
from client_credits.http.request import asked
from client_credits.http.responses import DryRun, PathId, reads, writes
from client_credits.http.schemas.settings import ClientSettingsPatch, SettingsPatch, SettingsView, settings_view
from client_credits.operations.staff import practices
from client_credits.store.records import Wanted, effective_settings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/v1/settings", tags=["settings"], summary="The account's settings", responses=reads())
def get_settings() -> SettingsView:
    ask = asked(router)
    loaded = ask.store.load(ask.practice_id, Wanted())
    return settings_view(loaded.settings, rules.sources())


@router.patch("/v1/settings", tags=["settings"], summary="Change the account's settings", responses=writes())
def change_settings(change: Annotated[SettingsPatch, Body()], dry_run: DryRun = False) -> SettingsView:
    ask = asked(router)
    changed = practices.change_account_settings(ask.context, change.changes(), change.confirm)
    return settings_view(effective(changed.values), rules.sources())


@router.get(
    "/v1/clients/<client_id>/settings",
    tags=["settings"],
    summary="The settings of one client, each with its source",
    responses=reads(),
)
def get_client_settings(client_id: PathId) -> SettingsView:
    ask = asked(router)
    loaded = ask.store.load(ask.practice_id, Wanted(client_id=client_id))
    if loaded.client is None:
        raise NotFound("There is no such client.")
    return settings_view(loaded.settings, rules.sources(loaded.client.overrides))


@router.patch(
    "/v1/clients/<client_id>/settings",
    tags=["settings"],
    summary="Set or clear one client's overrides; no other client changes",
    responses=writes(),
)
def change_client_settings(
    client_id: PathId,
    change: Annotated[ClientSettingsPatch, Body()],
    dry_run: DryRun = False,
) -> SettingsView:
    ask = asked(router)
    account, client = practices.change_client_settings(ask.context, client_id, change.changes())
    return settings_view(effective_settings(account, client), rules.sources(client.overrides))
