"""Pages of documentation as things to run: commands with their output, and files."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy, copytree

from typer.testing import CliRunner

from app.cli.app import cli
from app.domain.errors import BannetonError
from tests.e2e.gateway import environment, gateway

REPOSITORY = Path(__file__).parent.parent.parent
DOCS = REPOSITORY / "docs"
CONTENT = ("personas", "policies", "prompts", "knowledge", "evals")
_BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_ADDRESS = "http://127.0.0.1:8000"
_KEY = re.compile(r"bn_[A-Za-z0-9_-]{43}")
_ID = re.compile(r"^Key ([0-9a-f]+)\.", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    line: int
    language: str
    file: str | None
    """Where the reader saves it; none where it is not a file."""
    text: str

    def commands(self) -> Iterator[tuple[str, str]]:
        """Commands, each with the output that the page shows."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [
        Block(text.count("\n", 0, made.start()) + 1, made["language"], made["file"], made["text"])
        for made in _BLOCK.finditer(text)
    ]


def project(root: Path, page: str = "") -> Path:
    """A copy of the shipped content whose answers come from its script.

    Personas that a page does not name are left out with their policies: every command loads all.
    """
    root.mkdir()
    for name in CONTENT:
        copytree(REPOSITORY / name, root / name)
    copy(REPOSITORY / "banneton.yaml", root)
    settings = root / "banneton.yaml"
    settings.write_text(settings.read_text().replace("backend: local", "backend: scripted"))
    if page:
        _leave_out(root, {"host", *re.findall(r"[\w-]+", page)})
    return root


def _leave_out(root: Path, named: set[str]) -> None:
    """Also what asks for all personas: suites, and cases of templates."""
    for asking in (*root.glob("evals/*.yaml"), *root.glob("prompts/*.cases.yaml")):
        if not asking.name.endswith(".script.yaml"):
            asking.unlink()
    for persona in sorted((root / "personas").glob("*.yaml")):
        if persona.name.partition(".")[0] in named:
            continue
        if policy := re.search(r"^policy: (\S+)$", persona.read_text("utf-8"), re.MULTILINE):
            for file in (root / "policies").glob(f"{policy[1]}.*"):
                file.unlink()
        persona.unlink()


@dataclass
class Reader:
    """Does what a page says, in a project of its own."""

    root: Path
    stack: ExitStack
    """Gateways that the page starts run until this ends."""
    _said: dict[str, str] = field(default_factory=dict)
    """What the page cannot know (a key, a port), by what it writes instead."""

    def read(self, page: Path) -> None:
        """Do everything on a page, and compare each output with the one shown."""
        for block in blocks(page):
            if block.file is not None:
                place = self.root / block.file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(self._filled_in(block.text), "utf-8")
            if block.language != "console":
                continue
            for command, shown in block.commands():
                output = self._run(self._filled_in(command))
                assert _fits(output, shown), (
                    f"{page.name}:{block.line}: $ {command}\n--- shown\n{shown}--- came\n{output}"
                )

    def _filled_in(self, text: str) -> str:
        for written, meant in self._said.items():
            text = text.replace(written, meant)
        return text

    def _run(self, command: str) -> str:
        name, *arguments = shlex.split(command)
        if name == "banneton" and arguments[0] == "serve":
            running = self.stack.enter_context(gateway(self.root))
            self._said[_ADDRESS] = running.url
            return f"Listening on {_ADDRESS}\n"
        if name == "banneton":
            output = self._banneton(arguments)
            if key := _KEY.search(output):
                self._said["bn_…"] = key[0]
            if key_id := _ID.search(output):
                self._said["KEY_ID"] = key_id[1]
            return output
        program = [sys.executable] if name in {"python", "python3"} else [name]
        ended = subprocess.run(  # noqa: S603  # commands of our own pages
            [*program, *arguments],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return ended.stdout + ended.stderr

    def _banneton(self, arguments: list[str]) -> str:
        with chdir(self.root):
            result = CliRunner().invoke(cli, arguments)
        if isinstance(result.exception, BannetonError):
            return f"{result.output}{result.exception}\n"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output


def _fits(output: str, shown: str) -> bool:
    """Whether an output is the one shown, where ``…`` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in _stripped(shown).split("…"))
    return re.fullmatch(pattern, _stripped(output), re.DOTALL) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
