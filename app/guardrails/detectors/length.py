"""Limits on how long a text may be."""

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Passage
from app.guardrails.strictness import is_at_most

_NAME = "length"
_REVISION = "1"

# A run of letters and digits is a word. So is each character of Chinese and Japanese, which put no
# blanks between words.
_WORD = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\W\u2e80-\u9fff]+")
_LINE = re.compile(r"\r\n|[\n\r\u2028\u2029]")

Limit = Annotated[int, Field(ge=0)]


class LengthSettings(FileModel):
    """The limits; at least one."""

    max_chars: Limit | None = None
    """At most so many code points."""
    max_words: Limit | None = None
    """At most so many words. Each Chinese or Japanese character counts as one."""
    max_lines: Limit | None = None
    """At most so many lines."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self == LengthSettings.model_construct():
            raise ValueError("give at least one of max_chars, max_words and max_lines")
        return self


def _spec(settings: LengthSettings) -> str:
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


class LengthDetector:
    """Finds what is longer than the limits: all that follows the limit."""

    name = _NAME
    revision = _REVISION
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: LengthSettings) -> None:
        self.spec = _spec(settings)
        self._settings = settings

    def inspect(self, passage: Passage) -> Detection:
        """For each limit that the text exceeds, what lies beyond it."""
        text = passage.original
        found = sorted(
            (start, category) for category, start in self._starts(text) if start < len(text)
        )
        if not found:
            return CLEAN
        return Found(
            tuple(
                Finding(
                    _NAME,
                    category,
                    1.0,
                    "",
                    start,
                    len(text),
                    _REVISION,
                    f"longer than max_{category} allows",
                    self.spec,
                )
                for start, category in found
            )
        )

    def _starts(self, text: str) -> Iterator[tuple[str, int]]:
        """For each limit, where what exceeds it would begin."""
        limits = self._settings
        if limits.max_chars is not None:
            yield "chars", limits.max_chars
        if limits.max_words is not None:
            word = next(islice(_WORD.finditer(text), limits.max_words, None), None)
            yield "words", len(text) if word is None else word.start()
        if limits.max_lines == 0:
            yield "lines", 0
        elif limits.max_lines is not None:
            end = next(islice(_LINE.finditer(text), limits.max_lines - 1, None), None)
            yield "lines", len(text) if end is None else end.end()


def _selects(settings: LengthSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings)


def _is_as_strict(settings: LengthSettings, other: LengthSettings) -> bool:
    return (
        is_at_most(settings.max_chars, other.max_chars)
        and is_at_most(settings.max_words, other.max_words)
        and is_at_most(settings.max_lines, other.max_lines)
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Texts longer than a number of characters, words or lines.",
    settings=LengthSettings,
    build=LengthDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    looks_at_restored=True,
)
