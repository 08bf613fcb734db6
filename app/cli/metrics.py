"""Product metrics of live traffic, from the terminal."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.counts import counted
from app.cli.options import ROOT
from app.cli.records import with_ledger

if TYPE_CHECKING:
    from app.ledger.ledger import Ledger
    from app.metrics.live import Drift
    from app.pipeline.report import Report

Json = Any


class Form(StrEnum):
    """How metrics are printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def metrics(  # noqa: PLR0913  # one parameter an option
    *,
    root: Annotated[Path | None, ROOT] = None,
    tenant: Annotated[str | None, typer.Option(help="Default: all tenants.")] = None,
    persona: Annotated[str | None, typer.Option(help="Only of this persona.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this one, such as satisfaction; may be repeated.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="ISO 8601 with a zone; default: 7 days before the end.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601 with a zone; default: now.")] = None,
    by: Annotated[
        str, typer.Option(help="What to tell apart: persona, variant, catalog, with commas.")
    ] = "persona,variant",
    period: Annotated[str, typer.Option(help="all, day or week.")] = "all",
    known: Annotated[bool, typer.Option("--list", help="Name all metrics, and end.")] = False,
    output: Annotated[Form, typer.Option("--format", help="How to print.")] = Form.TEXT,
) -> None:
    """Measure live traffic: metrics with their intervals, and when they changed.

    Ends with 1 where one changed for the worse, which chance alone would hardly do.

    Example: banneton metrics --persona tutor --by persona,catalog --period week
    """
    import orjson

    from app.main import SystemClock, load_project
    from app.pipeline.report import report, report_json, wish_of

    if known:
        _print_known()
        return
    given = {"persona": persona, "since": since, "until": until, "by": by, "period": period}
    query = {name: value for name, value in given.items() if value is not None}
    if metric:
        query["metric"] = ",".join(metric)
    wish = wish_of(query, tenant, SystemClock().now())
    prices = load_project(root, reads_secrets=False).settings.model_prices

    async def work(ledger: "Ledger") -> None:
        made = await report(ledger, wish, prices)
        if output is Form.JSON:
            typer.echo(orjson.dumps(report_json(made), option=orjson.OPT_INDENT_2).decode())
        elif output is Form.CSV:
            _print_csv(made)
        else:
            _print(made)
        if made.has_worsened:
            raise typer.Exit(1)

    with_ledger(root, work)


def _print_known() -> None:
    from app.metrics.definitions import METRICS

    for each in METRICS.values():
        typer.echo(f"{each.id}: {each.title}\n  {each.formula}")
    typer.echo("adherence:<behaviour>: the same for one behaviour")


def _print_csv(made: "Report") -> None:
    import csv
    import sys

    from app.pipeline.report import rows

    columns = [*next(iter(rows(made.lines)), {"metric": ""})]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows(made.lines):
        row["period"] = row["period"] and row["period"].date().isoformat()
        writer.writerow(row)


def _print(made: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    wish = made.wish
    typer.echo(
        f"{counted(made.exchanges, 'exchange')} in {counted(made.sessions, 'session')}, "
        f"{wish.since:%Y-%m-%d %H:%M} to {wish.until:%Y-%m-%d %H:%M} {wish.until:%Z}"
    )
    heads = ("persona", "variant", "catalog", "from", "metric", "value", "95 % interval")
    table = Table(*heads, "of", "sessions", "not scored", box=None)
    for line in made.lines:
        group, measurement = line.group, line.measurement
        estimate = measurement.estimate
        value, interval, of = "not scored", "", ""
        if estimate is not None:
            low, high = estimate.interval
            value, interval = f"{estimate.point:.4g}", f"{low:.4g} to {high:.4g}"
            of = str(estimate.of)
        table.add_row(
            group.persona or "",
            group.variant or "",
            (group.catalog or "").removeprefix("sha256:")[:12],
            f"{group.since:%Y-%m-%d}" if group.since else "",
            measurement.metric.id,
            value,
            interval,
            of,
            str(measurement.cases),
            str(measurement.missed or ""),
        )
    if made.lines:
        Console(width=None if Console().is_terminal else 160).print(table)
    for drift in made.drifts:
        _print_change(drift)
    if not made.drifts:
        typer.echo("too little to say whether anything changed")


def _print_change(drift: "Drift") -> None:
    from app.pipeline.report import UNLIKELY

    if drift.p_adjusted >= UNLIKELY:
        return
    typer.echo(
        f"{'worse' if drift.is_worse else 'better'}: {drift.persona} {drift.metric.id}, "
        f"{drift.before:.4g} until {drift.at:%Y-%m-%d %H:%M} and {drift.after:.4g} since then "
        f"(p = {drift.p_adjusted:.2g} after correction, {counted(drift.tasks, 'session')}, then "
        f"served by {drift.catalog.removeprefix('sha256:')[:12]})"
    )
