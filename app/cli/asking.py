"""Questions at a terminal, each of which a flag answers, too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    flag: str
    """Answers it without being asked, such as ``--name``."""
    text: str
    default: str = ""
    wrong: Callable[[str], str] = lambda _: ""
    """Why an answer cannot be; empty where it can."""
    hint: str = ""
    """Stands above the question."""
    choices: Sequence[tuple[str, str]] = ()
    """Answers with what they mean, where only these can be; shown with numbers."""


@dataclass(slots=True)
class Asking:
    """Gives answers: from a flag, else from the person, else the default."""

    console: "Console"
    is_terminal: bool
    takes_defaults: bool
    missing: list[str] = field(default_factory=list)
    """Flags without which nothing can go on here, as there is nobody to ask."""

    @property
    def asks(self) -> bool:
        """Whether there is somebody who is asked."""
        return self.is_terminal and not self.takes_defaults

    def say(self, text: str) -> None:
        """Say something to who is asked; nobody else needs it."""
        if self.asks:
            self.console.print(text, markup=False, highlight=False)

    def answer(self, question: Question, given: str | None) -> str:
        """The answer to a question; the default, where there is nobody to ask.

        Raises:
            BadParameter: What the flag says cannot be.
        """
        if given is not None:
            if wrong := _wrong(question, given):
                raise typer.BadParameter(wrong, param_hint=question.flag)
            return given
        if self.asks:
            return self._ask(question)
        if not self.takes_defaults or _wrong(question, question.default):
            self.missing.append(question.flag)
        return question.default

    def refuse_missing(self) -> None:
        """Raise where an answer is missing that nobody can be asked for."""
        if self.missing:
            flags = ", ".join(self.missing)
            if self.takes_defaults:
                raise typer.BadParameter(f"there is no default for it: say {flags}")
            raise typer.BadParameter(
                f"there is no terminal to ask at: say {flags}; or --yes, for defaults"
            )

    def _ask(self, question: Question) -> str:
        from rich.markup import escape

        default = f" [dim]({escape(question.default)})[/]" if question.default else ""
        self._show(question)
        while True:
            said = self.console.input(f"{escape(question.text)}{default} [cyan]>[/] ").strip()
            answer = _by_number(question, said) or said or question.default
            wrong = _wrong(question, answer)
            if not wrong:
                return answer
            self.console.print(f"  [red]That {escape(wrong)}[/]", highlight=False)

    def _show(self, question: Question) -> None:
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        if question.hint:
            self.console.print(f"\n[dim]{escape(question.hint)}[/]", highlight=False)
        if not question.choices:
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="cyan")
        table.add_column(no_wrap=True)
        table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
        for number, (answer, meaning) in enumerate(question.choices, start=1):
            table.add_row(str(number), Text(answer), Text(meaning))
        self.console.print()
        self.console.print(table)


def _by_number(question: Question, said: str) -> str:
    if not said.isdecimal() or any(said == answer for answer, _ in question.choices):
        return ""
    index = int(said) - 1
    return question.choices[index][0] if 0 <= index < len(question.choices) else ""


def _wrong(question: Question, answer: str) -> str:
    from app.catalog.wording import unknown

    known = [each for each, _ in question.choices]
    if known and answer not in known:
        return unknown("choice", answer, known)
    return question.wrong(answer)
