"""Make a new project, or a new persona in one."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.cli.asking import Asking
    from app.domain.catalog import Catalog
    from app.main import Project
    from app.starter.provider import Provider
    from app.starter.shipped import Shipped
    from app.starter.start import Start
    from app.starter.wish import Wish

NOTHING = "nothing"
"""Where a persona begins that is like no shipped one."""
OWN = "own"
"""A policy that is made with the persona."""
_PORT = 8000
"""Where `banneton chat` looks for a gateway."""


@dataclass(frozen=True, slots=True)
class _Flags:
    """What the command line says; none where it says nothing."""

    persona: str | None
    origin: str | None
    name: str | None
    role: str | None
    description: str | None
    readers: str | None
    language: str | None
    provider: str | None
    model: str | None
    policy: str | None
    route: str | None


def init(  # noqa: PLR0913  # one parameter an option
    persona: Annotated[
        str | None, typer.Argument(help="The persona's id; without it, one like its name.")
    ] = None,
    *,
    origin: Annotated[
        str | None, typer.Option("--from", help="A shipped persona to start from, or 'nothing'.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it calls itself.")] = None,
    role: Annotated[
        str | None, typer.Option(help="What it is, such as 'front desk of a small hotel'.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for, in a sentence.")] = None,
    readers: Annotated[str | None, typer.Option(help="Who reads it.")] = None,
    language: Annotated[
        str | None, typer.Option(help="A tag such as en or zh, or match-user.")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            help="Of a new project: openai, anthropic, gemini, ollama, …, or the address of a "
            "server that speaks OpenAI's protocol; local is the embedded model."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Of a new project: the model, as its provider names it.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="In a project: a policy that is there, or 'own'.")
    ] = None,
    route: Annotated[str | None, typer.Option(help="In a project: a route that is there.")] = None,
    root: Annotated[
        Path, typer.Option(help="The folder; made where there is none.", file_okay=False)
    ] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take defaults.")] = False,
) -> None:
    """Make a new project in an empty folder, or a new persona in this project.

    Asks at a terminal; every answer is an option, too. Writes over nothing: where a file is there
    already, none is written. What it writes passes 'banneton check'.

    Example: banneton init hotel-desk --name Ada --role "front desk of a hotel" --provider openai -y
    """
    from rich.console import Console

    from app.cli.asking import Asking
    from app.main import shipped_root
    from app.starter.shipped import Shipped

    flags = _Flags(
        persona, origin, name, role, description, readers, language, provider, model, policy, route
    )
    console = Console(highlight=False)
    asking = Asking(console, sys.stdin.isatty(), takes_defaults=yes)
    shipped = Shipped(shipped_root())
    try:
        if (root / "banneton.yaml").exists():
            _in_project(flags, asking, shipped, root)
        else:
            _new_project(flags, asking, shipped, root)
    except (EOFError, KeyboardInterrupt):
        console.print("\nNothing was written.")
        raise typer.Exit(2) from None


def _new_project(flags: _Flags, asking: "Asking", shipped: "Shipped", root: Path) -> None:
    from app.cli.made import write_persona
    from app.cli.schemas import schema_texts
    from app.starter.start import Choice, new_project

    for flag, given in (("--policy", flags.policy), ("--route", flags.route)):
        if given is not None:
            raise typer.BadParameter(
                "is for a persona in a project, and here is none yet", param_hint=flag
            )
    asking.say(f"A new project in {root.resolve()}\n")
    origin = _origin(flags, asking, shipped)
    wish = _wish(flags, asking, shipped, origin)
    provider = _provider(flags, asking)
    asking.refuse_missing()
    start = new_project(shipped, Choice(wish, origin), provider, schema_texts())
    with asking.console.status("Checking …"):
        project = write_persona(root, start.files, wish.id)
    _tell(asking.console, start, root)
    _tell_next(asking.console, project, wish.id, root, provider.key)


def _in_project(flags: _Flags, asking: "Asking", shipped: "Shipped", root: Path) -> None:
    from app.cli.made import write_persona
    from app.main import load_project
    from app.starter.start import Choice, new_persona, said

    for flag, given in (("--provider", flags.provider), ("--model", flags.model)):
        if given is not None:
            raise typer.BadParameter(
                "is for a new project; here banneton.yaml says it", param_hint=flag
            )
    project = load_project(root, reads_secrets=False)
    catalog = project.read()
    asking.say(f"A new persona in {root.resolve()}\n")
    origin = _origin(flags, asking, shipped)
    wish = _wish(flags, asking, shipped, origin)
    policy = _policy(flags, asking, catalog, origin)
    wanted = said(shipped.personas[origin], "route") if origin else ""
    route = _route(flags, asking, catalog, wanted)
    asking.refuse_missing()
    base = next(name for name, each in catalog.policies.items() if each.extends is None)
    start = new_persona(shipped, Choice(wish, origin, policy, route), root, base)
    with asking.console.status("Checking …"):
        write_persona(root, start.files, wish.id, project)
    _tell(asking.console, start, root)
    _tell_next(asking.console, project, wish.id, root, None)


def _origin(flags: _Flags, asking: "Asking", shipped: "Shipped") -> str | None:
    from app.cli.asking import Question
    from app.starter.start import said

    choices = [(NOTHING, "a plain persona of your own")]
    choices += [(name, said(tree, "description")) for name, tree in shipped.personas.items()]
    question = Question("--from", "Start from", NOTHING, choices=choices)
    answer = asking.answer(question, flags.origin)
    return None if answer == NOTHING else answer


def _wish(flags: _Flags, asking: "Asking", shipped: "Shipped", origin: str | None) -> "Wish":
    from functools import partial

    from app.cli.asking import Question
    from app.starter.start import wish_like
    from app.starter.wish import Wish, id_for, wrong_id, wrong_language, wrong_line

    like = Wish("", "Ada", "assistant", "", "", "match-user")
    if origin is not None:
        like = wish_like(shipped.personas[origin], origin)
    optional = partial(wrong_line, may_be_empty=True)
    name = asking.answer(Question("--name", "Name", like.name, wrong_line), flags.name)
    role = asking.answer(
        Question("--role", "What is it, in a few words", like.role, wrong_line), flags.role
    )
    description = asking.answer(
        Question("--description", "What is it for, in a sentence", like.description, optional),
        flags.description,
    )
    readers = asking.answer(
        Question("--readers", "Who reads it", like.readers, optional), flags.readers
    )
    language = asking.answer(
        Question("--language", "Which language does it answer in", like.language, wrong_language),
        flags.language,
    )
    suggested = like.id if like.id and name == like.name else id_for(name) or like.id or "assistant"
    asked = Question("PERSONA", "Its id, which clients send as the model", suggested, wrong_id)
    given = flags.persona or (None if asking.asks else suggested)
    return Wish(asking.answer(asked, given), name, role, description, readers, language)


def _provider(flags: _Flags, asking: "Asking") -> "Provider":
    from dataclasses import replace

    from app.cli.asking import Question
    from app.starter.provider import LOCAL, provider_named, provider_names, wrong_provider
    from app.starter.wish import wrong_line

    question = Question(
        "--provider",
        "Which provider has the model",
        LOCAL,
        wrong_provider,
        hint=f"{', '.join(provider_names())}, or the address of a server",
    )
    provider = provider_named(asking.answer(question, flags.provider))
    asked = Question("--model", "Which model, as it is named there", provider.model, wrong_line)
    is_known = bool(provider.model) and not (asking.asks and provider.id != LOCAL)
    given = flags.model or (provider.model if is_known else None)
    return replace(provider, model=asking.answer(asked, given))


def _policy(flags: _Flags, asking: "Asking", catalog: "Catalog", origin: str | None) -> str | None:
    from app.cli.asking import Question

    own = "that it comes with" if origin else "of its own, which extends the project's"
    choices = [(OWN, f"a policy {own}")]
    choices += [(name, f"policies/{name}.yaml, as it is") for name in sorted(catalog.policies)]
    answer = asking.answer(Question("--policy", "Policy", OWN, choices=choices), flags.policy)
    return None if answer == OWN else answer


def _route(flags: _Flags, asking: "Asking", catalog: "Catalog", wanted: str) -> str:
    from app.cli.asking import Question
    from app.starter.start import DEFAULT_ROUTE

    routes = {
        name: ", ".join(f"{each.model} at {each.backend}" for each in route.all_targets)
        for name, route in sorted(catalog.routes.items())
    }
    default = next(each for each in (wanted, DEFAULT_ROUTE, *routes) if each in routes)
    question = Question("--route", "Route", default, choices=list(routes.items()))
    given = flags.route or (default if len(routes) == 1 else None)
    return asking.answer(question, given)


def _tell(console: "Console", start: "Start", root: Path) -> None:
    """What was made, and what was there and is used."""
    from rich.table import Table
    from rich.text import Text

    where = "" if root.resolve() == Path.cwd() else f" in {root}"
    folders: dict[str, list[str]] = {}
    for name in sorted(start.files):
        folder, slash, rest = name.partition("/") if "/" in name else (".", "", name)
        folders.setdefault(folder + slash, []).append(rest)
    table = Table.grid(padding=(0, 2))
    for folder, inside in folders.items():
        listed = "for editors" if folder == "schemas/" else ", ".join(inside)
        table.add_row(Text(f"  {folder}", style="cyan"), Text(listed))
    console.print(Text(f"\nMade{where}", style="bold"), soft_wrap=True)
    console.print(table)
    used = [
        name
        for name in start.kept
        if name.startswith(("policies/", "prompts/", "knowledge/"))
        and name.count("/") == 1
        and ".cases." not in name
    ]
    if used:
        console.print(Text("\nUsed as it stands", style="bold"))
        console.print(Text(f"  {', '.join(used)}"))


def _tell_next(
    console: "Console", project: "Project", persona: str, root: Path, key: str | None
) -> None:
    """The commands that follow, with what they need."""
    from rich.text import Text

    port = project.settings.server.port
    steps = [("banneton check", "says what is wrong, and runs the cases")]
    if root.resolve() != Path.cwd():
        steps.insert(0, (f"cd {shlex.quote(str(root))}", ""))
    if key is not None:
        steps.append((f"export {key}=…", "the provider's key; banneton serve reads it"))
    url = f"http://127.0.0.1:{port}"
    steps.append(("banneton serve", f"then open {url}/console"))
    elsewhere = "" if port == _PORT else f" --url {url}"
    steps.append((f"banneton chat {persona}{elsewhere}", "in another terminal"))
    console.print("\n[bold]Next[/]")
    width = max(len(command) for command, _ in steps)
    for command, meaning in steps:
        line = Text.assemble((f"  {command:<{width}}", "cyan"), (f"  {meaning}", "dim"))
        line.rstrip()
        console.print(line, soft_wrap=True)
