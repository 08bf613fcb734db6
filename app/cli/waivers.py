"""Waivers of a project, and the text that an approver signs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from app.domain.catalog import Catalog
    from app.domain.policy import Waiver


def waivers(
    *,
    sign: Annotated[
        str | None, typer.Option(help="Print what to sign: policy/rule/audience.")
    ] = None,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """List all waivers, those that end soonest first, or print what an approver signs.

    Example: banneton waivers --sign research/injection/public
    """
    import json

    from app.main import SystemClock, load_project

    catalog = load_project(root, reads_secrets=False).read()
    if sign is not None:
        typer.echo(_text(catalog, sign), nl=False)
        return
    today = SystemClock().now().date()
    found = sorted(_listed(catalog), key=lambda each: (each[1].expires, each[0]))
    if output is Format.JSON:
        fields = ("rule", "audience", "to", "reason", "approved_by")
        made = [
            {
                "policy": policy,
                **{name: getattr(waiver, name) for name in fields},
                "expires": waiver.expires.isoformat(),
                "holds": waiver.expires >= today,
            }
            for policy, waiver in found
        ]
        typer.echo(json.dumps({"waivers": made}, ensure_ascii=False, indent=2))
        return
    for policy, waiver in found:
        days = (waiver.expires - today).days
        left = f"holds, {counted(days, 'day')} left" if days >= 0 else "expired"
        typer.echo(
            f"{waiver.expires}  {policy}: {waiver.rule} for {waiver.audience} to '{waiver.to}', "
            f"{left}, approved by {waiver.approved_by}: {waiver.reason}"
        )
    typer.echo(counted(len(found), "waiver"))


def _listed(catalog: "Catalog") -> "list[tuple[str, Waiver]]":
    """Every waiver once, with the policy whose file holds it."""
    from app.catalog.approvals import policy_of
    from app.catalog.origins import Origins

    origins = Origins(catalog)
    found = {}
    for policy in catalog.policies.values():
        for waiver in policy.waivers:
            written = origins.waiver(policy.id, waiver.rule, waiver.audience)
            found[written.source] = (policy_of(written.source), waiver)
    return list(found.values())


def _text(catalog: "Catalog", name: str) -> str:
    from app.catalog.approvals import text_to_sign

    for policy, waiver in _listed(catalog):
        if f"{policy}/{waiver.rule}/{waiver.audience}" == name:
            return text_to_sign(waiver, policy).decode()
    raise typer.BadParameter(
        "there is no such waiver; write policy/rule/audience, as 'banneton waivers' does",
        param_hint="--sign",
    )
