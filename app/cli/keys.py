"""Keys: who may use which personas, and how loosely."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from app.access.keys import KeyWish
    from app.domain.protocols import ApiKey
    from app.main import Project

cli = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@cli.command()
def create(  # noqa: PLR0913  # one parameter an option
    *,
    name: Annotated[str, typer.Option(help="What people call it, such as 'checkout service'.")],
    root: Annotated[Path | None, ROOT] = None,
    tenant: Annotated[
        str, typer.Option(help="Whose records and pseudonyms it shares.")
    ] = "default",
    persona: Annotated[
        list[str] | None, typer.Option(help="A persona it may use; may be repeated. Default: all.")
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(help="The loosest audience it may be served under. Default: the policy's."),
    ] = None,
    records: Annotated[bool, typer.Option(help="May read its tenant's records.")] = False,
    console: Annotated[bool, typer.Option(help="May sign in to the console.")] = False,
    variants: Annotated[
        bool,
        typer.Option(
            "--variants/--no-variants",
            help="May name the variant of a persona that answers (persona:variant).",
        ),
    ] = True,
    expires: Annotated[
        datetime | None, typer.Option(help="When it ends; in UTC without a zone. Default: never.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Create a key. It is shown now and never again.

    Example: banneton keys create --name web --persona bank-service --audience public
    """
    import asyncio
    import json
    from datetime import UTC

    from app.access.keys import KeyWish
    from app.main import SystemClock, load_project, make_key

    project = load_project(root, reads_secrets=False)
    wish = KeyWish(
        tenant=tenant,
        name=name,
        personas=frozenset(persona) if persona else None,
        loosest_audience=audience,
        may_read_records=records,
        may_name_variants=variants,
        may_use_console=console,
        expires_at=expires and (expires if expires.tzinfo else expires.replace(tzinfo=UTC)),
    )
    if wish.expires_at is not None and wish.expires_at <= SystemClock().now():
        raise typer.BadParameter("is in the past; the key would never work", param_hint="--expires")
    _check(wish, project)
    made = asyncio.run(make_key(project, wish))
    if output is Format.JSON:
        typer.echo(json.dumps({"id": made.key.id, "key": made.secret}))
    else:
        typer.echo(f"{made.secret}\n\nKey {made.key.id}. Keep it now: only its hash is kept here.")


def _check(wish: "KeyWish", project: "Project") -> None:
    """Refuse a key for a persona or audience that is not there: it would never work."""
    if not wish.personas and wish.loosest_audience is None:
        return
    catalog = project.read()
    for persona in sorted(wish.personas or ()):
        if persona not in catalog.personas:
            known = ", ".join(sorted(catalog.personas))
            raise typer.BadParameter(f"--persona {persona}: there is none; there are {known}")
    audiences = {name for policy in catalog.policies.values() for name in policy.audiences}
    if wish.loosest_audience is not None and wish.loosest_audience not in audiences:
        known = ", ".join(sorted(audiences))
        raise typer.BadParameter(
            f"--audience {wish.loosest_audience}: there is none; there are {known}"
        )


@cli.command(name="list")
def list_keys(
    *,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """List keys; their secrets are kept nowhere.

    Example: banneton keys list
    """
    import asyncio

    import orjson
    from rich.console import Console
    from rich.table import Table

    from app.main import load_project, with_keys

    project = load_project(root, reads_secrets=False)
    keys = asyncio.run(with_keys(project, lambda store: store.list(None), may_create=False))
    if output is Format.JSON:
        rows = [{**_row(key), "created_at": key.created_at} for key in keys]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None)
    table.add_column("id", no_wrap=True)
    for heading in (
        "name",
        "tenant",
        "personas",
        "audience",
        "records",
        "console",
        "variants",
        "state",
    ):
        table.add_column(heading, overflow="fold")
    for key in keys:
        table.add_row(*(str(value) for value in _row(key).values()))
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)


def _row(key: "ApiKey") -> dict[str, str]:
    state = "active"
    if key.revoked_at is not None:
        state = f"revoked {key.revoked_at:%Y-%m-%d}"
    elif key.expires_at is not None:
        state = f"until {key.expires_at:%Y-%m-%d}"
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "personas": ", ".join(sorted(key.personas)) if key.personas else "all",
        "audience": key.loosest_audience or "as the policy says",
        "records": "yes" if key.may_read_records else "no",
        "console": "yes" if key.may_use_console else "no",
        "variants": "yes" if key.may_name_variants else "no",
        "state": state,
    }


@cli.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id; see banneton keys list.")],
    *,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Revoke a key; running gateways follow within seconds.

    Example: banneton keys revoke 0199f3c2
    """
    import asyncio

    from app.main import SystemClock, load_project, with_keys

    now = SystemClock().now()
    project = load_project(root, reads_secrets=False)
    revoked = with_keys(project, lambda store: store.revoke(key_id, now), may_create=False)
    done = asyncio.run(revoked)
    typer.echo("revoked" if done else "there is no active key with this id")
    if not done:
        raise typer.Exit(1)
