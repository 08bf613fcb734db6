"""Data sets for training, made of records and feedback."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT
from app.datasets.wanted import WHY, Form, Reason, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.datasets.make import Made
    from app.ledger.ledger import Ledger
    from app.main import Project


def export(  # noqa: PLR0913  # one parameter an option
    *,
    to: Annotated[
        Path | None, typer.Option(help="A new folder for the data set; nothing is overwritten.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="What to make.")] = Form.SFT,
    root: Annotated[Path | None, ROOT] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whose exchanges; needed where there are several tenants.")
    ] = None,
    persona: Annotated[str | None, typer.Option(help="Only of this persona.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Since this time, ISO 8601 with a zone.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before this time, ISO 8601 with a zone.")
    ] = None,
    min_satisfaction: Annotated[
        float,
        typer.Option(min=0, max=1, help="From this score on an answer is worth learning as it is."),
    ] = 0.75,
    validation: Annotated[
        float, typer.Option(min=0, max=0.5, help="The share of sessions that is held back.")
    ] = 0.1,
    licence: Annotated[str, typer.Option(help="For the card: under which the data set is.")] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(help="The export's key; made where there is none. Default: beside --to."),
    ] = None,
    without_withdrawn: Annotated[
        Path | None,
        typer.Option(
            help="An older export: list its rows that must go, and write the rest to --to.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Make a data set of exchanges whose subjects allowed training on them, and of feedback.

    Every text is pseudonymised again and looked at again. Keep the key apart from the data set:
    with it, rows can be traced to records, which --without-withdrawn needs. Ends with 1 where there
    is nothing to write, or where rows of the older export must go.

    Example: banneton export --format sft --persona contract-explainer --to datasets/lexi
    """
    from app.domain.errors import DatasetError
    from app.main import load_project
    from app.pipeline.records import record_filter

    project = load_project(root, reads_secrets=False)
    if without_withdrawn is not None:
        key = key_file or without_withdrawn.with_name(f"{without_withdrawn.name}.key")
        _withdraw(root, without_withdrawn, tenant, key, to)
        return
    if to is None:
        raise DatasetError("--to names no folder; say where the data set is to be")
    if to.exists():
        raise DatasetError(
            f"{to}: exists already, and an export never overwrites; choose another folder"
        )
    given = {"since": since, "until": until}
    times = record_filter({name: value for name, value in given.items() if value}, tenant)
    chosen = tenant or ""
    wanted = Wanted(form, chosen, persona, times.since, times.until, min_satisfaction, validation)
    _make(project, root, wanted, to, key_file or to.with_name(f"{to.name}.key"), licence)


def _make(  # what the command was told
    project: "Project", root: Path | None, wanted: Wanted, to: Path, key_file: Path, licence: str
) -> None:
    from app.cli.records import with_ledger
    from app.datasets.card import card_of
    from app.datasets.cleaning import Cleaner
    from app.datasets.folder import export_key, write
    from app.datasets.make import Maker
    from app.main import SystemClock

    catalog = project.read()
    found: list[int] = []

    async def work(ledger: "Ledger") -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        key = export_key(key_file)
        kinds, builds = project.builds.kinds, project.builds
        cleaner = Cleaner(key, SystemClock().now())
        asked = replace(wanted, tenant=await _tenant(ledger, wanted.tenant))
        made = await Maker(asked, cleaner, catalog.policies, kinds, builds).make(ledger)
        found.append(len(made.lines))
        if made.lines:
            digest = write(to, made.lines, card_of(made, asked, licence))
            await _note(ledger, asked.tenant, asked.form, len(made.lines), digest)
            typer.echo(f"{to}: {counted(len(made.lines), 'row')}, manifest sha256:{digest}")
            typer.echo(f"{key_file}: its key; keep it, apart from the data set")
        else:
            typer.echo("nothing to write")
        _tell(made)

    with_ledger(root, work)
    if not sum(found):
        for name, policy in sorted(catalog.policies.items()):
            if policy.keep.content.value == "none":
                typer.echo(f"policies/{name}.yaml keeps no text: keep: {{content: none}}")
        raise typer.Exit(1)


def _tell(made: "Made") -> None:
    typer.echo(f"{counted(made.looked_at, 'exchange')} looked at")
    _tell_left_out("left out", made.left_out)


def _tell_left_out(what: str, counts: "Mapping[Reason, int]") -> None:
    for reason, count in counts.items():
        typer.echo(f"{what}: {count} {reason}: {WHY[reason]}")


async def _tenant(ledger: "Ledger", named: str) -> str:
    """The tenant that was named, or the only one there is."""
    from app.domain.errors import DatasetError

    if named:
        return named
    there_are = await ledger.tenants()
    if len(there_are) > 1:
        raise DatasetError(f"name one with --tenant; there are {', '.join(there_are)}")
    return there_are[0] if there_are else ""


async def _note(ledger: "Ledger", tenant: str, form: Form, rows: int, digest: str) -> None:
    import os
    import pwd

    from app.ledger.entries import Exported
    from app.main import SystemClock

    account = pwd.getpwuid(os.getuid()).pw_name
    await ledger.note_export(
        Exported(SystemClock().now(), tenant, account, form.value, rows, digest)
    )


def _withdraw(
    root: Path | None, old: Path, tenant: str | None, key_file: Path, to: Path | None
) -> None:
    from app.cli.records import with_ledger
    from app.datasets.folder import read, read_key, write
    from app.datasets.withdraw import without_withdrawn

    written, key = read(old), read_key(key_file)
    gone: list[int] = []

    async def work(ledger: "Ledger") -> None:
        of = await _tenant(ledger, tenant or "")
        left = await without_withdrawn(ledger, written, of, key)
        gone.append(len(left.places))
        for file, line in left.places:
            typer.echo(f"must go: {old / file}:{line}")
        _tell_left_out("must go", left.gone)
        typer.echo(f"{counted(len(left.kept), 'row')} may stay, {len(left.places)} must go")
        if to is not None:
            digest = write(to, left.kept, left.card)
            form = Form(written.card["form"])
            await _note(ledger, of, form, len(left.kept), digest)
            typer.echo(f"{to}: {counted(len(left.kept), 'row')}, manifest sha256:{digest}")

    with_ledger(root, work)
    if sum(gone):
        raise typer.Exit(1)
