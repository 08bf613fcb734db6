"""Text that knows where it came from.

Sources travel beside the text, not as marks inside it: no character of a value can be taken for a
mark, and filters, comparisons and lengths see exactly what will be printed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, SupportsIndex

from typing_extensions import override

from app.domain.prompt import LineSource


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of one line; a line feed can only be its last character."""

    text: str
    source: LineSource
    is_value: bool = False
    """Printed from a persona or knowledge file, or from the request: not the template's words."""
    slot: str = ""
    """The variable whose fenced value stands here; ``text`` is empty then."""


class SourcedText(str):
    """A text and the runs that it is made of. Their texts, joined, are the text."""

    __slots__ = ("runs",)

    runs: tuple[Run, ...]

    def __new__(cls, runs: Sequence[Run]) -> Self:
        """Join the runs."""
        self = super().__new__(cls, "".join([run.text for run in runs]))
        self.runs = tuple(runs)
        return self

    @override
    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = super().__getitem__(key)
        return value_text(part, self.runs[0].source) if self.runs else part

    @override
    def __str__(self) -> str:
        return self  # ``str()`` of a subclass would copy the text and lose its runs


def value_text(text: str, source: LineSource) -> SourcedText:
    """A value; each of its lines came from the same place."""
    return SourcedText([Run(line, source, is_value=True) for line in _lines(text)])


def file_text(text: str, file: str, *, first_line: int = 1, is_value: bool = False) -> SourcedText:
    """Text of a file from ``first_line`` on; each line has its own number."""
    return SourcedText(
        [
            Run(line, LineSource(file, number), is_value)
            for number, line in enumerate(_lines(text), start=first_line)
        ]
    )


def printed_text(text: str, source: LineSource) -> SourcedText:
    """What a template's own expression printed."""
    return SourcedText([Run(line, source) for line in _lines(text)])


def joined(pieces: Iterable[SourcedText]) -> SourcedText:
    """One text of many."""
    return SourcedText([run for piece in pieces for run in piece.runs])


def line_sources(runs: Iterable[Run], start: LineSource) -> tuple[LineSource, ...]:
    """One source for each line: its first value, else its first words, else its first blank.

    Args:
        runs: Of the whole text.
        start: The source of a line before anything was printed.
    """
    sources: list[LineSource] = []
    best: LineSource | None = None
    best_rank = -1
    last = start
    for run in runs:
        last = run.source
        if not run.text and not run.slot:
            continue
        rank = _rank(run)
        if rank > best_rank:
            best, best_rank = run.source, rank
        if run.text.endswith("\n"):
            sources.append(best or last)
            best, best_rank = None, -1
    sources.append(best or last)
    return tuple(sources)


def _rank(run: Run) -> int:
    if run.slot or run.is_value:
        return 2
    return 1 if run.text.strip() else 0


def _lines(text: str) -> list[str]:
    """Lines with their line feeds, which alone end one: ``splitlines`` knows ten more."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:]
