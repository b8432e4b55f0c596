"""The `credits` command: names its commands. Each is in the file of its group."""

from dataclasses import replace

import typer

from client_credits.cli import (
    ask,
    authorizations,
    catalogue,
    client,
    clients,
    edits,
    events,
    export,
    extend,
    forget,
    import_,
    parked,
    practice,
    reconcile,
    replay,
    report,
    settings,
    status,
    story,
    sweep,
    tokens,
    trigger,
    verify,
)
from client_credits.cli.session import Given, Json, Region, StackName, command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Session credits: works on the local stack of `make run`, or with --stack on one deployed to AWS.",
)


@app.callback()
def root(ctx: typer.Context, as_json: Json = False, stack: StackName = None, region: Region = None) -> None:
    ctx.obj = replace(ctx.obj or Given(), as_json=as_json, stack=stack, region=region)


practices = typer.Typer(no_args_is_help=True, help="The tenants of a stack.")
practices.command("create")(command(practice.create))
triggers = typer.Typer(no_args_is_help=True, help="Sample events from events/, sent like the real thing.")
triggers.command("stripe")(command(trigger.stripe))
triggers.command("booking")(command(trigger.booking))
triggers.command("story")(command(story.story))

people = typer.Typer(no_args_is_help=True, help="A practice's clients.")
people.command("list")(command(clients.list_))
people.command("search")(command(clients.search))
people.command("show")(command(clients.show))
people.command("put")(command(clients.put))
one = typer.Typer(no_args_is_help=True, help="One client's records.")
one.command("merge")(command(client.merge))
types = typer.Typer(no_args_is_help=True, help="What credits are good for.")
types.command("list")(command(catalogue.list_types))
types.command("put")(command(catalogue.put_type))
packages = typer.Typer(no_args_is_help=True, help="What a practice sells.")
packages.command("list")(command(catalogue.list_packages))
packages.command("show")(command(catalogue.show_package))
packages.command("put")(command(catalogue.put_package))
packages.command("clients")(command(catalogue.clients_of))
waiting = typer.Typer(no_args_is_help=True, help="Payments that could not be granted.")
waiting.command("list")(command(parked.list_))
waiting.command("resolve")(command(parked.resolve))
waiting.command("dismiss")(command(parked.dismiss))
insured = typer.Typer(no_args_is_help=True, help="Visits that insurers authorised for a client.")
insured.command("list")(command(authorizations.list_))
insured.command("show")(command(authorizations.show))
insured.command("put")(command(authorizations.put))
insured.command("delete")(command(authorizations.delete))

app.add_typer(practices, name="practice")
app.add_typer(people, name="clients")
app.add_typer(one, name="client")
app.add_typer(types, name="types")
app.add_typer(packages, name="packages")
app.add_typer(waiting, name="parked")
app.add_typer(insured, name="authorizations")
app.command("grant")(command(edits.grant))
app.command("adjust", context_settings={"ignore_unknown_options": True})(command(edits.adjust))
app.command("transfer")(command(edits.transfer))
app.command("undo")(command(edits.undo))
app.command("extend")(command(extend.extend))
app.command("settings")(command(settings.settings))
app.command("events")(command(events.events))
app.command("status")(command(status.status))
app.command("token")(command(tokens.token))
app.add_typer(triggers, name="trigger")
app.command("sweep")(command(sweep.sweep))
app.command("balance")(command(ask.balance))
app.command("history")(command(ask.history))
app.command("eligibility")(command(ask.eligibility))
app.command("report")(command(report.report))
app.command("export")(command(export.export))
app.command("import")(command(import_.import_))
app.command("verify")(command(verify.verify))
app.command("replay")(command(replay.replay))
app.command("reconcile")(command(reconcile.reconcile))
app.command("forget")(command(forget.forget))
