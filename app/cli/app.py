"""The commands and how they end: 0 fine, 1 findings, 2 could not run."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from app import __version__
from app.cli import (
    appeals,
    approvals,
    calibrate,
    chat,
    check,
    demo,
    explain,
    export,
    guard,
    import_,
    init,
    keys,
    metrics,
    plan,
    records,
    reference,
    render,
    rollouts,
    schemas,
    serve,
    waivers,
)
from app.cli.eval import eval_
from app.domain.errors import BannetonError

cli = typer.Typer(
    name="banneton",
    help="Persona, prompt, behaviour and guardrails as reviewed files, in front of any model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: building the boxes would double the start of --help
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:  # noqa: FBT001  # Typer calls it with the flag's value
    if wanted:
        typer.echo(f"banneton {__version__}")
        raise typer.Exit


@cli.callback()
def banneton(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Persona, prompt, behaviour and guardrails as reviewed files, in front of any model."""


COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    init.init,
    serve.serve,
    chat.chat,
    check.check,
    render.render,
    guard.guard,
    calibrate.calibrate,
    explain.explain,
    plan.plan,
    export.export,
    metrics.metrics,
    waivers.waivers,
    approvals.approvals,
    schemas.schemas,
)
for command in COMMANDS:
    cli.command()(command)
cli.command("eval")(eval_)
cli.command(hidden=True)(reference.reference)
cli.add_typer(records.cli, name="records")
cli.add_typer(appeals.cli, name="appeals")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(import_.cli, name="import")
cli.add_typer(rollouts.cli, name="rollouts")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; what a person did wrong is a message, not a traceback.

    Args:
        arguments: Of the command line; without them, those of this process.
    """
    try:
        cli(arguments)
    except BannetonError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # no file that somebody named
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        sys.exit(2)
