"""Approvals of what a change makes weaker, and the text that an approver signs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from app.catalog.weakenings import Approved


def approvals(
    *,
    sign: Annotated[str | None, typer.Option(help="Print what to sign: the id.")] = None,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """List what people approved to be weaker, or print what an approver signs.

    Example: banneton approvals --sign w-0a4718d0fda4
    """
    import json

    from app.catalog.weakenings import read_approvals
    from app.main import find_root

    found = read_approvals(find_root(root).resolve())
    if sign is not None:
        if sign not in found:
            raise typer.BadParameter(
                "there is no such approval; 'banneton approvals' lists them", param_hint="--sign"
            )
        typer.echo(found[sign].text_to_sign, nl=False)
        return
    if output is Format.JSON:
        made = [{"id": each.id, **each.said.model_dump(mode="json")} for each in found.values()]
        typer.echo(json.dumps({"approvals": made}, ensure_ascii=False, indent=2))
        return
    for each in found.values():
        typer.echo(_line(each))
    typer.echo(counted(len(found), "approval"))


def _line(each: "Approved") -> str:
    from app.review.wording import printable

    said = each.said
    until = f" until {said.expires}" if said.expires else ""
    return printable(
        f"{each.id}  {said.approved_on}{until}, approved by {said.approved_by}: {said.reason} "
        f"[{said.what}]"
    )
