"""The ledger from the terminal: list, show, verify, export, erase."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.ledger.ledger import Ledger

cli = typer.Typer(
    help="List, show, verify and export records; erase a person.", no_args_is_help=True
)


def with_ledger(root: Path | None, work: "Callable[[Ledger], Awaitable[None]]") -> None:
    """Do something with a project's ledger."""
    import asyncio

    from app.main import load_project, open_ledger

    async def run() -> None:
        ledger = await open_ledger(load_project(root, reads_secrets=False), may_create=False)
        try:
            await work(ledger)
        finally:
            await ledger.stop()

    asyncio.run(run())


@cli.command(name="list")
def list_records(  # noqa: PLR0913  # one parameter an option
    *,
    root: Annotated[Path | None, ROOT] = None,
    tenant: Annotated[str | None, typer.Option(help="Default: all tenants.")] = None,
    persona: Annotated[str | None, typer.Option(help="Only of this persona.")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only with this outcome, such as block.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Since this time, ISO 8601 with a zone.")
    ] = None,
    cursor: Annotated[
        str | None, typer.Option(help="Where the page before this one ended.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 20,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """List records, newest first.

    Example: banneton records list --outcome block
    """
    import orjson
    from rich.console import Console
    from rich.table import Table

    from app.pipeline.records import record_filter, record_json

    given = {"persona": persona, "outcome": outcome, "since": since, "cursor": cursor}
    query = {name: value for name, value in given.items() if value is not None}
    wanted = record_filter({**query, "limit": str(limit)}, tenant)

    async def work(ledger: "Ledger") -> None:
        page = await ledger.records(wanted)
        if output is Format.JSON:
            document = {
                "records": [record_json(each) for each in page.records],
                "next": page.cursor,
            }
            typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
            return
        table = Table("record", "opened", "persona", "outcome", "status", box=None)
        for each in page.records:
            status = each.status.value if each.status else "open"
            opened = f"{each.opened_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(each.request_id, opened, each.persona, each.outcome, status)
        Console(width=None if Console().is_terminal else 120).print(table)
        if page.cursor:
            typer.echo(f"more: --cursor {page.cursor}")

    with_ledger(root, work)


@cli.command()
def show(
    request_id: Annotated[str, typer.Argument(help="As the answer's x-request-id says.")],
    *,
    root: Annotated[Path | None, ROOT] = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Also the texts of feedback, as policy rewrote them.")
    ] = False,
) -> None:
    """Print one record as JSON: what was seen, what was decided, how it ended, what people said.

    Example: banneton records show 0199f3c2
    """
    import orjson

    from app.pipeline.feedback import heard
    from app.pipeline.records import record_json

    async def work(ledger: "Ledger") -> None:
        record = await ledger.record(request_id, tenant=None)
        if record is None:
            typer.echo("there is no such record; 'banneton records list' shows them", err=True)
            raise typer.Exit(1)
        said = heard(await ledger.feedback_about(request_id), shows_texts=texts)
        typer.echo(orjson.dumps(record_json(record, said), option=orjson.OPT_INDENT_2).decode())

    with_ledger(root, work)


@cli.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="An export; without it, the project's ledger.", exists=True, dir_okay=False
        ),
    ] = None,
    *,
    root: Annotated[Path | None, ROOT] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint lines that were kept elsewhere.", exists=True, dir_okay=False
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="What 'records key' printed: checkpoints must be signed by it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Check every chain for changed, removed or reordered entries. Ends with 1 where one is.

    Example: banneton records verify --checkpoints kept-elsewhere.jsonl --key ledger.pem
    """
    from app.ledger.keyring import signature_checker
    from app.ledger.verify import Broken, Intact
    from app.ledger.verify import verify as verify_lines
    from app.main import SystemClock

    kept = checkpoints.read_bytes().splitlines() if checkpoints else []
    is_signed = signature_checker(key.read_bytes()) if key else None
    found: list[Intact | Broken] = []
    if file is not None:
        lines = file.read_bytes().splitlines()
        found.append(
            verify_lines(lines, at=SystemClock().now(), checkpoints=kept, is_signed=is_signed)
        )
    else:

        async def work(ledger: "Ledger") -> None:
            found.append(await ledger.verify(kept, is_signed=is_signed))

        with_ledger(root, work)
    result = found[0]
    if isinstance(result, Broken):
        where = f"line {result.line}" + (f", writer {result.writer}" if result.writer else "")
        typer.echo(f"{result.damage.value}: {where}: {result.what}")
        raise typer.Exit(1)
    typer.echo(
        f"intact: {counted(result.entries, 'entry', 'entries')} in "
        f"{counted(len(result.heads), 'chain')}, "
        f"{counted(result.checkpoints, 'checkpoint')} compared"
        + (", all signed by the key" if key and result.checkpoints else "")
    )


@cli.command(name="key")
def show_key(*, root: Annotated[Path | None, ROOT] = None) -> None:
    """Print the public key that checkpoints are signed with, to keep where nobody changes it.

    Example: banneton records key > ledger.pem
    """

    async def work(ledger: "Ledger") -> None:
        typer.echo(ledger.public_key.decode(), nl=False)

    with_ledger(root, work)


class ExportFormat(StrEnum):
    """What an export is for."""

    JSONL = "jsonl"
    """All of it, line by line, for ``verify``."""
    PARQUET = "parquet"
    """What replaying needs, in columns, without tenants, keys, subjects and sessions."""


@cli.command()
def export(
    *,
    root: Annotated[Path | None, ROOT] = None,
    to: Annotated[Path | None, typer.Option(help="A file; without it, standard output.")] = None,
    heads: Annotated[
        bool, typer.Option("--checkpoints", help="Only a line for the head of each chain.")
    ] = False,
    output: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="jsonl, for 'records verify'; or parquet, for 'plan --records': columns without "
            "tenants, keys, subjects and sessions.",
        ),
    ] = ExportFormat.JSONL,
) -> None:
    """Write the ledger as JSON lines that 'records verify' takes, or as columns to replay.

    Example: banneton records export --to ledger.jsonl
    """
    if output is ExportFormat.PARQUET:
        if to is None or heads:
            raise typer.BadParameter("--format parquet needs --to FOLDER, and has no --checkpoints")
        _export_columns(root, to)
        return
    _export_lines(root, to, heads=heads)


def _export_lines(root: Path | None, to: Path | None, *, heads: bool) -> None:
    import sys
    from contextlib import nullcontext

    async def work(ledger: "Ledger") -> None:
        with to.open("wb") if to else nullcontext(sys.stdout.buffer) as out:
            if heads:
                out.writelines(line + b"\n" for line in await ledger.checkpoint())
            else:
                async for line in ledger.export():
                    out.write(line + b"\n")

    with_ledger(root, work)


def _export_columns(root: Path | None, to: Path) -> None:
    from app import __version__
    from app.ledger.columnar import ColumnarWriter, read_provenance
    from app.review.replay import recorded_in

    async def work(ledger: "Ledger") -> None:
        with ColumnarWriter(to, by=__version__) as writer:
            async for rows in recorded_in(ledger):
                writer.add(rows)

    with_ledger(root, work)
    provenance = read_provenance(to)
    typer.echo(f"{counted(provenance.records, 'record')}, digest sha256:{provenance.digest}")


@cli.command()
def erase(
    *,
    tenant: Annotated[str, typer.Option(help="Whose user the person is.")],
    subject: Annotated[str, typer.Option(help="The person, as requests name them in 'user'.")],
    root: Annotated[Path | None, ROOT] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy the keys, kept text and pseudonyms of a person. It cannot be undone.

    Records stay, and nobody can tell any more whom they are about. Ends with 1 where nothing is
    kept of the person.

    Example: banneton records erase --tenant default --subject customer-4711
    """
    if not yes:
        typer.confirm("This cannot be undone. Erase the person?", abort=True)

    async def work(ledger: "Ledger") -> None:
        erased = await ledger.erase_subject(tenant, subject)
        typer.echo(
            f"erased: {counted(erased.exchanges, 'exchange')}, "
            f"{counted(erased.contents, 'text')}, {counted(erased.pseudonyms, 'pseudonym')}"
        )
        if not erased.is_scrubbed:
            typer.echo("somebody reads the ledger; its file is overwritten when they are done")
        if not erased.exchanges:
            raise typer.Exit(1)

    with_ledger(root, work)
