"""Appeals from the terminal: list, show, accept, reject."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT
from app.cli.records import with_ledger
from app.domain.decision import Outcome

if TYPE_CHECKING:
    from app.ledger.ledger import Ledger

cli = typer.Typer(
    help="Look at what people appeal against, and make cases of it.", no_args_is_help=True
)
_ID = typer.Argument(help="As the answer's x-request-id says.")


@cli.command(name="list")
def list_appeals(
    *,
    root: Annotated[Path | None, ROOT] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were decided.")] = False,
) -> None:
    """List appeals, oldest first.

    Example: banneton appeals list
    """
    from app.ledger.appeals import AppealState

    async def work(ledger: "Ledger") -> None:
        for each in await ledger.appeals(None if every else AppealState.OPEN):
            typer.echo(f"{each.request_id}  {each.filed_at:%Y-%m-%d %H:%M}  {each.state}")

    with_ledger(root, work)


@cli.command()
def show(request_id: Annotated[str, _ID], *, root: Annotated[Path | None, ROOT] = None) -> None:
    """Print an appeal: its texts as policy rewrote them, and what policy had done.

    Example: banneton appeals show 0199f3c2
    """

    async def work(ledger: "Ledger") -> None:
        appeal = await ledger.appeal(request_id)
        record = await ledger.record(request_id, tenant=None)
        if appeal is None or record is None:
            typer.echo("there is no such appeal; 'banneton appeals list' shows them", err=True)
            raise typer.Exit(1)
        opening = record.opening
        typer.echo(f"{appeal.state}: {record.persona} under {opening['policy']}, ", nl=False)
        typer.echo(f"{opening['audience']}, outcome {record.outcome}")
        for path, text in appeal.texts:
            typer.echo(f"\n{path}:\n{text}")

    with_ledger(root, work)


@cli.command()
def accept(
    request_id: Annotated[str, _ID],
    *,
    expect: Annotated[
        Outcome, typer.Option(help="What policy should make of the text.")
    ] = Outcome.ALLOW,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Accept an appeal: its text becomes a case of the policy, which fails until policy is right.

    Example: banneton appeals accept 0199f3c2 --expect allow
    """
    from app.catalog.case_writer import add_case
    from app.ledger.appeals import AppealState
    from app.main import load_project

    project = load_project(root, reads_secrets=False)
    catalog = project.read()

    async def work(ledger: "Ledger") -> None:
        appeal = await ledger.appeal(request_id)
        record = await ledger.record(request_id, tenant=None)
        if appeal is None or record is None or appeal.state is not AppealState.OPEN:
            typer.echo(
                "there is no open appeal about this exchange; 'banneton appeals list' shows them",
                err=True,
            )
            raise typer.Exit(1)
        texts = dict(reversed(appeal.texts))
        path = add_case(
            project.root,
            catalog,
            record.opening["policy"],
            name=f"appeal {request_id}",
            text=texts.get("text", next(iter(texts.values()))),
            expect={record.opening["audience"]: expect},
        )
        await ledger.decide_appeal(request_id, AppealState.ACCEPTED)
        typer.echo(f"a case was added to {path.relative_to(project.root)}: banneton check")

    with_ledger(root, work)


@cli.command()
def reject(request_id: Annotated[str, _ID], *, root: Annotated[Path | None, ROOT] = None) -> None:
    """Reject an appeal: policy was right.

    Example: banneton appeals reject 0199f3c2
    """
    from app.ledger.appeals import AppealState

    async def work(ledger: "Ledger") -> None:
        if not await ledger.decide_appeal(request_id, AppealState.REJECTED):
            typer.echo(
                "there is no open appeal about this exchange; 'banneton appeals list' shows them",
                err=True,
            )
            raise typer.Exit(1)
        typer.echo("rejected")

    with_ledger(root, work)
