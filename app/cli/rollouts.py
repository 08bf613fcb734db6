"""Rollouts: where each stands, and why; hold, return and resume them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.cli.options import ROOT, Format
from app.cli.records import with_ledger

if TYPE_CHECKING:
    from app.domain.catalog import Catalog
    from app.domain.rollout import Evidence, Move, Moved, PlannedRollout, Standing
    from app.ledger.ledger import Ledger

cli = typer.Typer(
    help="See how far variants are rolled out and why; hold, return and resume them.",
    no_args_is_help=True,
)
_PERSONA = typer.Argument(help="The persona's id.")
_REASON = typer.Option("--reason", help="Why; it is kept in the ledger.")
_BY = typer.Option("--by", help="Who decides; it is kept in the ledger. Default: your account.")
_FORMAT = typer.Option("--format", help="How to print.")


@cli.command(name="list")
def list_rollouts(
    *,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[Format, _FORMAT] = Format.TEXT,
) -> None:
    """List the rollouts that the files plan, and where each stands.

    Example: banneton rollouts list
    """
    import orjson

    from app.catalog.rollouts import rollouts_of

    planned = rollouts_of(_catalog(root))

    async def work(ledger: "Ledger") -> None:
        found = [(each, await _standing(ledger, each)) for each in planned.values()]
        if output is Format.JSON:
            rows = [_row(each, standing) for each, standing in found]
            typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
            return
        for each, standing in found:
            typer.echo(_line(each, standing))
        if not found:
            typer.echo("no persona plans a rollout")

    with_ledger(root, work)


@cli.command()
def show(
    persona: Annotated[str, _PERSONA],
    *,
    root: Annotated[Path | None, ROOT] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also rollouts that the files no longer plan.")
    ] = False,
    output: Annotated[Format, _FORMAT] = Format.TEXT,
) -> None:
    """Print every move of a persona's rollout, with what it was decided by.

    Example: banneton rollouts show contract-explainer
    """
    import orjson

    planned = None if every else _planned_of(_catalog(root), persona)

    async def work(ledger: "Ledger") -> None:
        moves = await ledger.moves(None if planned is None else planned.id, persona=persona)
        if output is Format.JSON:
            typer.echo(orjson.dumps(moves, option=orjson.OPT_INDENT_2).decode())
            return
        if planned is not None:
            typer.echo(_line(planned, await _standing(ledger, planned)))
        for moved in moves:
            _print(moved)

    with_ledger(root, work)


@cli.command()
def hold(
    persona: Annotated[str, _PERSONA],
    *,
    reason: Annotated[str, _REASON],
    by: Annotated[str | None, _BY] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Keep a rollout at its step. A gate that breaks returns it all the same.

    Example: banneton rollouts hold contract-explainer --reason "a holiday"
    """
    from app.domain.rollout import Move

    _decide(root, persona, Move.HOLD, reason, by)


@cli.command(name="return")
def return_(
    persona: Annotated[str, _PERSONA],
    *,
    reason: Annotated[str, _REASON],
    by: Annotated[str | None, _BY] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Give all sessions back to the persona as it is; running gateways follow within seconds.

    Example: banneton rollouts return contract-explainer --reason "complaints in the shop"
    """
    from app.domain.rollout import Move

    _decide(root, persona, Move.RETURN, reason, by)


@cli.command()
def resume(
    persona: Annotated[str, _PERSONA],
    *,
    reason: Annotated[str, _REASON],
    by: Annotated[str | None, _BY] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Go on after a hold, or begin again at the first step after a return.

    Example: banneton rollouts resume contract-explainer --reason "the backend was slow, not it"
    """
    from app.domain.rollout import Move

    _decide(root, persona, Move.RESUME, reason, by)


def _decide(root: Path | None, persona: str, move: "Move", reason: str, by: str | None) -> None:
    import getpass

    from app.domain.rollout import MAY, move_after

    if not reason.strip():
        raise typer.BadParameter(
            "must say why, for those who read the record later", param_hint="--reason"
        )
    catalog = _catalog(root)
    planned = _planned_of(catalog, persona)

    async def work(ledger: "Ledger") -> None:
        standing = await _standing(ledger, planned)
        if standing.phase not in MAY[move]:
            _refuse(f"the rollout is {standing.phase}: there is nothing to {move}")
        moved = move_after(
            planned,
            standing,
            move,
            at=ledger.store.clock.now(),
            why=reason.strip(),
            catalog=catalog.digest,
            by=by or getpass.getuser(),
        )
        if not await ledger.move(moved):
            _refuse("the gateway moved it at the same moment; look with 'rollouts show', try again")
        typer.echo(_line(planned, await _standing(ledger, planned)))

    with_ledger(root, work)


def _refuse(what: str) -> NoReturn:
    typer.echo(what, err=True)
    raise typer.Exit(1)


def _catalog(root: Path | None) -> "Catalog":
    from app.main import load_project

    return load_project(root, reads_secrets=False).read()


def _planned_of(catalog: "Catalog", persona: str) -> "PlannedRollout":
    from app.catalog.rollouts import rollouts_of

    planned = rollouts_of(catalog)
    if persona not in planned:
        known = ", ".join(planned) or "none"
        what = f"this persona plans no rollout; those that do: {known}"
        raise typer.BadParameter(what, param_hint="PERSONA")
    return planned[persona]


async def _standing(ledger: "Ledger", planned: "PlannedRollout") -> "Standing":
    from app.domain.rollout import standing_of

    return standing_of(planned, await ledger.moves(planned.id))


def _row(planned: "PlannedRollout", standing: "Standing") -> dict[str, object]:
    return {
        "persona": planned.persona,
        "variant": planned.plan.variant,
        "rollout": planned.id,
        "phase": standing.phase,
        "percent": standing.percent,
        "step": standing.step + 1 if standing.number else 0,
        "steps": len(planned.plan.steps),
        "since": standing.since,
    }


def _line(planned: "PlannedRollout", standing: "Standing") -> str:
    steps = len(planned.plan.steps)
    at = f"step {standing.step + 1} of {steps}" if standing.percent else f"{steps} steps"
    since = f", since {standing.since:%Y-%m-%d %H:%M} UTC" if standing.since else ""
    name = f"{planned.persona}:{planned.plan.variant}"
    return f"{name}  {standing.phase}  {standing.percent:g} % of sessions ({at}{since})"


def _print(moved: "Moved") -> None:
    who = moved.by or "the gateway"
    typer.echo(
        f"\n{moved.number}. {moved.at:%Y-%m-%d %H:%M:%S}  {moved.move} to {moved.percent:g} % "
        f"by {who}: {moved.why}"
    )
    for each in moved.evidence:
        typer.echo(f"   {_told(each)}")


def _told(evidence: "Evidence") -> str:
    sides = [
        f"{name} {arm.mean:.3g} of {arm.samples}" if arm.mean is not None else f"{name} none"
        for name, arm in (("variant", evidence.variant), ("persona", evidence.control))
    ]
    low, high = evidence.worse_by
    return (
        f"{evidence.metric}: {evidence.finding}; worse by {low:+.3g} to {high:+.3g}, "
        f"{evidence.no_worse_by:g} allowed ({', '.join(sides)})"
    )
