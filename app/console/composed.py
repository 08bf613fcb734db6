"""A composed prompt as it is read: sections, lines with where they came from, what is different."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.prompt import LineSource, SystemPrompt
from app.domain.tokens import token_units, tokens_of

_HEADING = re.compile(r"#{1,6} +(.+)")


class Kind(StrEnum):
    """What a draft does to a line."""

    SAME = "same"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the prompt."""

    text: str
    source: LineSource
    kind: Kind
    is_placed: bool
    """Whether its place is told: it is another file or line than the one above."""
    begins_change: bool = False
    """Whether from here on requests differ: up to here providers may keep the prompt."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    title: str
    """Empty for what comes before the first heading."""
    lines: tuple[Line, ...]
    tokens: int
    """An estimate, of the lines that are there now."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A whole prompt."""

    sections: tuple[Section, ...]
    tokens: int
    tokens_before: int
    cached: int
    """Tokens at the start that every request shares."""

    @property
    def is_changed(self) -> bool:
        """Whether a draft makes it read differently."""
        return any(
            line.kind is not Kind.SAME for section in self.sections for line in section.lines
        )

    @property
    def begins_change_at(self) -> LineSource | None:
        """What says the first thing that differs by request; none where nothing does."""
        lines = (line for section in self.sections for line in section.lines)
        return next((line.source for line in lines if line.begins_change), None)


def composed(before: SystemPrompt, after: SystemPrompt) -> Composed:
    """The prompt with a draft, beside the one without; the same twice where there is none."""
    sections: list[Section] = []
    gathered: list[Line] = []
    title = ""
    for line in _lines(before, after):
        heading = _HEADING.fullmatch(line.text)
        if heading is not None and line.kind is not Kind.GONE and gathered:
            sections.append(_section(title, gathered))
            gathered = []
        if heading is not None and line.kind is not Kind.GONE:
            title = heading[1]
        gathered.append(line)
    sections.append(_section(title, gathered))
    return Composed(
        tuple(sections),
        after.tokens,
        before.tokens,
        tokens_of(token_units(after.text[: after.cacheable_chars])),
    )


def _section(title: str, lines: Sequence[Line]) -> Section:
    text = "".join(f"{line.text}\n" for line in lines if line.kind is not Kind.GONE)
    return Section(title, tuple(lines), tokens_of(token_units(text)))


def _lines(before: SystemPrompt, after: SystemPrompt) -> Iterator[Line]:
    old, new = before.text.split("\n"), after.text.split("\n")
    changes = _first_of_requests(after)
    last: LineSource | None = None
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            for text, source in zip(old[i1:i2], before.provenance[i1:i2], strict=True):
                yield Line(text, source, Kind.GONE, is_placed=source != last)
                last = source
        kind = Kind.SAME if tag == "equal" else Kind.NEW
        for number in range(j1, j2):
            source = after.provenance[number]
            yield Line(
                new[number],
                source,
                kind,
                is_placed=source != last,
                begins_change=number == changes,
            )
            last = source


def _first_of_requests(prompt: SystemPrompt) -> int | None:
    """The number of the first line that a request decides; none where there is none."""
    if prompt.cacheable_chars >= len(prompt.text):
        return None
    return prompt.text.count("\n", 0, prompt.cacheable_chars)
