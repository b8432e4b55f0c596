"""The `credits` command: names its commands. Each is in the file of its group."""

from dataclasses import replace

import typer

from client_credits.cli import ask, import_, practice, reconcile, replay, staff, story, sweep, tokens, trigger, verify
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

app.add_typer(practices, name="practice")
app.command("token")(command(tokens.token))
app.add_typer(triggers, name="trigger")
app.command("sweep")(command(sweep.sweep))
app.command("balance")(command(ask.balance))
app.command("history")(command(ask.history))
app.command("eligibility")(command(ask.eligibility))
app.command("import")(command(import_.import_))
app.command("verify")(command(verify.verify))
app.command("replay")(command(replay.replay))
app.command("reconcile")(command(reconcile.reconcile))
app.command("forget-staff")(command(staff.forget))
