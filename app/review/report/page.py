"""What a report holds, whatever it is shown in: sections of tables, texts and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of text that stands for itself: a name, a file, a command."""

    text: str


Said = tuple[str | Code, ...]
"""A line of text. Nothing in it means anything in any markup."""


class Tone(StrEnum):
    """What something is, at a glance."""

    BAD = "bad"
    WARN = "warn"
    GOOD = "good"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, one after another."""

    lines: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Said, ...], ...]
    tone: Tone = Tone.PLAIN
    first: int | None = None
    """How many rows a short report may stop after; none where all have to be told."""
    has_figures: bool = False
    """Whether its columns are short, and read downwards."""


@dataclass(frozen=True, slots=True)
class Sides:
    """A text before and after."""

    title: str
    before: str
    after: str
    diff: tuple[str, ...]
    """The same as a unified diff, for where there is no room for two columns."""
    notes: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """How many went one way."""

    label: str
    count: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts as a picture; a table says the same."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A difference with its interval, on a scale of its own: 1 is the largest bound."""

    label: str
    point: float
    low: float
    high: float
    tone: Tone
    said: str
    """The same in words."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Differences around zero as a picture; a table says the same."""

    title: str
    worse: str
    """What the left side is called."""
    better: str
    spans: tuple[Span, ...]


Block = Lines | Table | Sides | Bars | Spans


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title."""

    title: str
    blocks: tuple[Block, ...]
    tone: Tone = Tone.PLAIN
    is_folded: bool = False
    """A reader may have to open it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that matters."""

    count: int
    label: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report, worst first."""

    title: str
    verdict: str
    """Ends the title."""
    tone: Tone
    about: tuple[Said, ...]
    """What was compared with what."""
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    last_line: str
    """All of it in one line of counts."""


def plain(said: Sequence[str | Code]) -> str:
    """A line as text."""
    return "".join(each.text if isinstance(each, Code) else each for each in said)
