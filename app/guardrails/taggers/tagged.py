"""What a tagger says, and which texts it can read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

PERSON, LOCATION, ORGANIZATION, NRP = "PERSON", "LOCATION", "ORGANIZATION", "NRP"
ENTITIES = {
    PERSON: "The name of a person.",
    LOCATION: "A town, a country, a region, a building.",
    ORGANIZATION: "A company, an authority, a club.",
    NRP: "A nationality, a religious or a political group. Not looked for unless asked.",
}
"""By Presidio's names."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A name in a text. Holds no text."""

    entity: str
    start: int
    end: int
    score: float
    explanation: str


class Tagger(Protocol):
    """A model of one language. Not safe to call from two threads at once."""

    revision: str

    def tags(self, piece: str) -> list[Tagged]:
        """The names in a piece of text."""
        ...


LONGEST = 600
"""Code points of one piece: a model keeps Python's lock for milliseconds on longer ones."""
_BREAK = re.compile(r"[.!?;。！？；][\"'”’）)]*\s|[,，、:：\s]")


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """A text line by line, long lines cut after a sentence or a word, and where each begins.

    Names do not go over the end of a line, and a model that sees the next line takes both for one.
    """
    for line in re.finditer(r"[^\n\r]+", text):
        start, end = line.span()
        while end - start > LONGEST:
            cut = _last_break(text, start + LONGEST // 2, start + LONGEST)
            yield start, text[start:cut]
            start = cut
        yield start, text[start:end]


def _last_break(text: str, least: int, most: int) -> int:
    sentence = word = least
    for found in _BREAK.finditer(text, least, most):
        if found[0][0] in ".!?;。！？；":
            sentence = found.end()
        word = found.end()
    return sentence if sentence > least else word if word > least else most
