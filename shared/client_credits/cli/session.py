"""What every command shares: the options --json, --stack and --region, its session, and how it fails."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from client_credits.cli.errors import Broken, sentence
from client_credits.cli.output import Output, printable

if TYPE_CHECKING:
    from client_credits.cli.target import Target
    from client_credits.store.store import Store

P = ParamSpec("P")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, and nothing else.")]
StackName = Annotated[
    str | None, typer.Option("--stack", metavar="NAME", help="A stack on AWS instead of the local one.")
]
Region = Annotated[str | None, typer.Option("--region", help="Where that stack is.")]
PracticeId = Annotated[
    str | None, typer.Option("--practice", metavar="ID", help="The practice; on the local stack, its own by default.")
]


@dataclass(frozen=True, slots=True)
class Given:
    """The shared options as given before the command's name. `target` is set by whoever brings a stack of their own."""

    as_json: bool = False
    stack: str | None = None
    region: str | None = None
    target: "Target | None" = None


class CliSession:
    """One run of one command: where its output goes and, once asked for, the stack it works on."""

    def __init__(self, given: Given, wide: bool = False) -> None:
        self._given = given
        self.output = Output(given.as_json, wide)

    @cached_property
    def target(self) -> "Target":
        """Raises CommandError where there is no such stack."""
        if self._given.target:
            return self._given.target
        from client_credits.cli.target import deployed, local  # noqa: PLC0415 `--help` needs none of it

        return deployed(self._given.stack, self._given.region) if self._given.stack else local()

    @cached_property
    def store(self) -> "Store":
        return self.store_on(self.target.table_name)

    def store_on(self, table_name: str) -> "Store":
        """The records of any table beside the stack's own, such as one that was restored."""
        from client_credits.store.store import Store  # noqa: PLC0415
        from client_credits.store.table import Table  # noqa: PLC0415

        return Store(Table(self.target.client("dynamodb"), table_name))

    def practice_id(self, named: str | None) -> str:
        """The practice named, or the local stack's own. A deployed stack has no practice of its own."""
        if named is not None:
            return an_id(named)
        if self.target.practice_id is None:
            raise typer.BadParameter("a deployed stack serves many practices: name one", param_hint="--practice")
        return self.target.practice_id


def an_id(text: str) -> str:
    """`text` if it can be an id; a usage error otherwise."""
    from client_credits.domain.ids import is_id  # noqa: PLC0415

    if not is_id(text):
        raise typer.BadParameter(f"{text!r} is no id: 1 to 128 of A-Z a-z 0-9 . _ : ~ -")
    return text


def command(function: Callable[Concatenate[CliSession, P], None]) -> Callable[..., None]:
    """The command that runs `function` in a session; the shared options may stand before or behind its name.

    An expected failure becomes one sentence on standard error and exit code 1.
    """

    def run(ctx: typer.Context, as_json: bool, stack: str | None, region: str | None, **own: Any) -> None:
        before: Given = ctx.obj
        given = Given(as_json or before.as_json, stack or before.stack, region or before.region, before.target)
        if given.region and not given.stack:
            raise typer.BadParameter("it goes with --stack", param_hint="--region")
        try:
            function(CliSession(given, own.get("wide", False)), **own)  # type: ignore[call-arg]
        except (typer.Exit, typer.BadParameter):
            raise
        except Broken:
            raise typer.Exit(1) from None
        except Exception as error:
            message = sentence(error)
            if message is None:
                raise
            typer.echo(printable(message), err=True)
            raise typer.Exit(1) from error

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    _describe(run, function)
    return run


def _describe(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Gives `run` the parameters of `function` and the shared ones, which is what Typer goes by."""
    own = list(inspect.signature(function).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        inspect.Parameter("as_json", keyword, default=False, annotation=Json),
        inspect.Parameter("stack", keyword, default=None, annotation=StackName),
        inspect.Parameter("region", keyword, default=None, annotation=Region),
    ]
    run.__signature__ = inspect.Signature(shared)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shared}
