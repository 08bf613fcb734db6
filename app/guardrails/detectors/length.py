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
from app.guardrails.sentences import sentences
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
    max_sentences: Limit | None = None
    """At most so many sentences, as the gate that holds them ends them: a line ends one, too."""
    min_words: Limit | None = None
    """At least so many words."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self == LengthSettings.model_construct():
            raise ValueError(
                "give at least one of max_chars, max_words, max_lines, max_sentences and min_words"
            )
        return self


def words_of(text: str) -> list[str]:
    """Its words. Each Chinese or Japanese character is one."""
    return _WORD.findall(text)


def _spec(settings: LengthSettings) -> str:
    # Records know the first three by a digest that has nothing of the later ones.
    later = {key for key in _LATER if getattr(settings, key) is None}
    return hashlib.sha256(settings.model_dump_json(exclude=later).encode()).hexdigest()[:16]


_LATER = ("max_sentences", "min_words")


class LengthDetector:
    """Finds what is longer than a limit, from there on, and all of what is too short."""

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
                    "shorter than min_words allows"
                    if category == "short"
                    else f"longer than max_{category} allows",
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
        if limits.min_words is not None and len(words_of(text)) < limits.min_words:
            yield "short", 0
        if limits.max_sentences is not None:
            words = (_WORD.search(text, *span) for span in sentences(text))
            starts = (word.start() for word in words if word)
            yield "sentences", next(islice(starts, limits.max_sentences, None), len(text))
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
        and is_at_most(settings.max_sentences, other.max_sentences)
        and (settings.min_words or 0) >= (other.min_words or 0)
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Texts longer than a number of characters, words, sentences or lines, or too short.",
    settings=LengthSettings,
    build=LengthDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    looks_at_restored=True,
)
