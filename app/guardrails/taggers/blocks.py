"""Who and where stands in the lines around a street, as on an envelope or under a letter."""

import re
from collections.abc import Iterable, Iterator

from app.guardrails.taggers.cues import ORGANIZATION_END, WORD
from app.guardrails.taggers.english import is_name, trimmed
from app.guardrails.taggers.structured import Structured
from app.guardrails.taggers.tagged import LOCATION, ORGANIZATION, PERSON, Span, Tagged

_SCORE = 0.8
_LINE = re.compile(r"[^\n\r]+")
_QUOTED = re.compile(r"[>?|*\s]*")
_NAMES = re.compile(rf"(?:{WORD}|[A-Z]\.)(?: (?:{WORD}|[A-Z]\.|de|van|von|der|and|&)){{0,4}}[,.]?")
_NUMBERED = re.compile(r"[0-9]{1,6}[A-Za-z]? ")
_ABOVE = 3
"""Lines between the first of an address and the name above it, that name's too."""


def tags_around(text: str, structured: Iterable[Structured]) -> list[Tagged]:
    """The person, the firm and the town of every address that has lines of its own."""
    streets = [(one.start, one.end) for one in structured if one.entity == "STREET_ADDRESS"]
    lines = [_unquoted(text, line.span()) for line in _LINE.finditer(text)] if streets else []
    found: list[Tagged] = []
    for at, line in enumerate(lines):
        if not any(line[0] == start and end > line[0] for start, end in streets):
            continue
        if at and _NUMBERED.match(text, *lines[at - 1]):
            at -= 1  # noqa: PLW2901  # the street, whose form alone did not tell
        found += _above(text, lines[max(0, at - _ABOVE) : at])
        found += _below(text, lines[at + 1 : at + 3], streets)
    return found


def _unquoted(text: str, line: Span) -> Span:
    mark = _QUOTED.match(text, *line)
    return (mark.end() if mark else line[0]), line[1]


def _above(text: str, lines: list[Span]) -> Iterator[Tagged]:
    """A name in two words or more, then what can be a firm."""
    is_below_person = False
    for line in lines:
        start, end = _names(text, line)
        name = text[start:end]
        words = len(name.split())
        if ORGANIZATION_END.search(name) or (is_below_person and words == 1):
            yield Tagged(ORGANIZATION, start, end, _SCORE, "above an address")
        elif not is_below_person and words > 1:
            is_below_person = True
            yield Tagged(PERSON, start, end, _SCORE, "above an address")


def _below(text: str, lines: list[Span], streets: list[Span]) -> Iterator[Tagged]:
    """The town: the first line that is no part of the street."""
    for line in lines:
        if any(line[0] == start for start, _ in streets):
            continue
        start, end = _names(text, line)
        if start < end:
            yield Tagged(LOCATION, start, end, _SCORE, "below an address")
        return


def _names(text: str, line: Span) -> Span:
    """The line, where it is a name and nothing else."""
    if not _NAMES.fullmatch(text[slice(*line)].rstrip()):
        return line[0], line[0]
    start, end = trimmed(text, *line)
    return (start, end) if is_name(text[start:end]) else (line[0], line[0])
