"""Talk to a persona in the terminal."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.cli.client import Client


def chat(
    persona: Annotated[str, typer.Argument(help="A persona's id, or persona:variant.")] = "host",
    *,
    url: Annotated[str, typer.Option(help="Where the gateway listens.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str, typer.Option(envvar="BANNETON_KEY", help="An API key; see banneton keys create.")
    ] = "",
    audience: Annotated[str, typer.Option(help="Never looser than the key allows.")] = "",
    scenario: Annotated[str, typer.Option(help="One of the persona's scenarios.")] = "",
) -> None:
    """Talk to a persona through a running gateway; see what was decided on each turn.

    Example: banneton chat tutor --audience minor
    """
    from rich.console import Console

    from app.cli.client import Client

    settings = {"audience": audience, "scenario": scenario}
    client = Client(url, key)
    try:
        converse(client, persona, {k: v for k, v in settings.items() if v}, Console())
    finally:
        client.close()


def converse(client: "Client", persona: str, settings: dict[str, str], console: "Console") -> None:
    """Read lines until the end of input; an empty line is no turn."""
    import uuid

    import httpx2

    settings = {"session": str(uuid.uuid4()), **settings}
    messages: list[dict[str, str]] = []
    console.print(f"[bold]{persona}[/] is listening. An empty line does nothing, Ctrl-D ends.\n")
    while True:
        try:
            line = console.input("[bold cyan]you[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if not line:
            continue
        try:
            answer = say(
                client, persona, [*messages, {"role": "user", "content": line}], settings, console
            )
        except httpx2.HTTPError as error:
            console.print(f"The gateway does not answer ({type(error).__name__}). Is it running?")
            raise typer.Exit(2) from None
        if answer:
            messages += [
                {"role": "user", "content": line},
                {"role": "assistant", "content": answer},
            ]


def say(
    client: "Client",
    persona: str,
    messages: list[dict[str, str]],
    settings: dict[str, str],
    console: "Console",
) -> str:
    """Stream one turn and what was decided; gives the answer, empty on an error."""
    from app.cli.client import Turn
    from app.cli.show import decisions

    turn = Turn()
    parts: list[str] = []
    console.print(f"[bold green]{persona}[/] ", end="")
    for text in client.stream(persona, messages, settings, turn):
        parts.append(text)
        console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    console.print()
    if turn.error:
        console.print(turn.error, style="red", markup=False)
        return ""
    for line in decisions(turn.summary):
        console.print(f"  · {line}", style="dim", markup=False, highlight=False)
    console.print()
    return "".join(parts)
