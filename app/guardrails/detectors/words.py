"""Find words and phrases from a list."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.domain.errors import DetectorError
from app.domain.finding import Finding
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind
from app.guardrails.matches import MatchDetector, Term, spec_digest
from app.guardrails.passage import Passage
from app.guardrails.shapes import Shape
from app.guardrails.syntax import literal_text

_REVISION = "1"


class WordsSettings(FileModel):
    """Which words to look for."""

    words: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Words or phrases. A space stands for any one to four blanks, line breaks among them."""
    category: Annotated[str, Field(min_length=1)] = "word"
    """What a match is called."""
    ignore_case: bool = True
    """Whether capital and small letters are the same."""
    whole_words: bool = True
    """Whether a word that begins or ends with a Latin letter, a digit or ``_`` has to begin or end
    there in the text too. Other scripts, Chinese among them, match wherever they stand."""


def _build(settings: WordsSettings) -> MatchDetector:
    sources: dict[str, None] = {}
    for word in settings.words:
        if not word.strip():
            raise DetectorError("words: a word is blank; take it out")
        sources.update(dict.fromkeys(_patterns(word, settings)))
    terms = [Term(settings.category, Shape(source)) for source in sources]
    return MatchDetector("words", _REVISION, spec_digest(settings.model_dump()), terms)


def _patterns(word: str, settings: WordsSettings) -> Iterator[str]:
    """The word as it is, and as it reads in a folded layer."""
    for reading in dict.fromkeys((word, Passage(word).layers[-1].text)):
        parts = reading.split()
        if not parts:
            continue
        literal = r"\s{1,4}".join(map(literal_text, parts))
        begins = r"\b" if settings.whole_words and _is_word_char(parts[0][0]) else ""
        ends = r"\b" if settings.whole_words and _is_word_char(parts[-1][-1]) else ""
        yield f"{'(?i)' if settings.ignore_case else ''}{begins}{literal}{ends}"


def _is_word_char(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _selects(_settings: WordsSettings, _finding: Finding) -> bool:
    return True  # every setting changes what is looked for, so the spec tells them apart


def _is_as_strict(settings: WordsSettings, other: WordsSettings) -> bool:
    """Whether every word of ``other`` is there, and matches wherever it matched."""
    return (
        settings.ignore_case >= other.ignore_case
        and settings.whole_words <= other.whole_words
        and _as_compared(other, settings) <= _as_compared(settings, settings)
    )


def _as_compared(words_of: WordsSettings, settings: WordsSettings) -> set[str]:
    words = {" ".join(word.split()) for word in words_of.words}
    return {word.lower() for word in words} if settings.ignore_case else words


KIND = DetectorKind(
    name="words",
    summary="Finds words and phrases from a list.",
    settings=WordsSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    categories=lambda settings: [settings.category],
)
