"""What every command says about itself, and how fast."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer

from app import __version__
from app.cli.app import cli
from tests.cli.running import SHIPPED, run

HEAVY = ("fastapi", "presidio_analyzer", "sqlalchemy", "aiohttp", "pydantic", "rich", "uvicorn")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, found in the program itself."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield path
    for name, each in inner.items():
        yield from commands(each, (*path, name))


COMMANDS = sorted(commands(typer.main.get_command(cli)))  # type: ignore[arg-type]  # typer's copy of click


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: tuple[str, ...]) -> None:
    """Somebody who asks a command for help would not see how it is used."""
    ended = run(*command, "--help")
    assert ended.status == 0
    assert f"Example: banneton {' '.join(command)}" in " ".join(ended.out.split())
    assert ended.err == ""


def test_there_are_as_many_commands_as_the_readme_says() -> None:
    """The tests above would check nothing, or the page name what is not there."""
    assert len(COMMANDS) >= 12
    page = (SHIPPED / "README.md").read_text("utf-8")
    told = {" ".join(command) for command in COMMANDS}
    for line in page.splitlines():
        words = line.strip().removeprefix("$ ").split()
        if words[:1] == ["banneton"] and len(words) > 1 and words[1].isalpha():
            assert {words[1], " ".join(words[1:3])} & told, line


def test_the_version() -> None:
    """Somebody who reports a mistake could not say which version made it."""
    ended = run("--version")
    assert (ended.status, ended.out) == (0, f"banneton {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    """Help would take seconds."""
    program = (
        "import sys\n"
        "from app.cli.app import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=SHIPPED,
        check=True,
        timeout=120,
    )
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("serve", "--nonsense"), ("render",), ("guard", "x", "--stage", "y")],
)
def test_what_is_no_command_ends_with_2(arguments: tuple[str, ...]) -> None:
    """A script with a mistyped option would go on as if it had run."""
    ended = run(*arguments)
    assert ended.status == 2
    assert "Traceback" not in ended.err
