"""How hard a text is to read: English by grade level, Chinese by sentences and characters."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage
from app.guardrails.strictness import is_at_most

_NAME = "readability"
_REVISION = "1"

_FEWEST_WORDS = 30
_FEWEST_CHARACTERS = 60
_ENGLISH = 0.2
"""Share of the words below from which a text is taken for English; ordinary prose has 0.4."""
_FUNCTION_WORDS = frozenset(
    word
    for line in (
        "a about after all also an and any are as at be been but by can could did do does for from",
        "had has have he her his how i if in into is it its more most my no not of on one or other",
        "our she should so some than that the their them there these they this to was we were what",
        "when which who will with would you your",
    )
    for word in line.split()
)

# What is no prose: code, addresses, tables, and the signs of Markdown.
_NO_PROSE = re.compile(
    r"```(?s:.*?)(?:```|\Z)|`[^`\n]*`|(?:https?://|www\.)\S+|^[ \t]*\|.*$", re.MULTILINE
)
_MARK = re.compile(r"^[ \t]*(?:#{1,6}|[-*+•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
# A sentence ends at its full stop, at an empty line, and before a line that Markdown marks. A row
# of full stops is read from its beginning alone, so that the time is linear in its length.
_END = re.compile(r"(?<![.!?])[.!?]+[\"'”’)\]*_]*(?=\s|\Z)|\n\s*\n|\n(?=\x00)|[。！？；]+|\Z")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3040-\u30ff]")

# Vowels in a row make one syllable; then what is silent is taken off, and what is parted put on.
_VOWELS = re.compile("[aeiouy]+")
_SILENT = re.compile(
    "(?<![aeiouyl])e$|(?<=[aeiouy])le$|(?<=q)ue$|(?<![aeiouytd])ed$|(?<![aeiouycgszxh])es$"
    "|^(?:some|there|where|every|even|busi|home|care|use|life)(?=[^aeiouysrd])"
)
_PARTED = re.compile(
    "(?<![cstg])i[aou]|(?<!p)eo(?!u)|(?<![qg])ua|[aeiouy]ing|ism$|(?<=[dr])ea$|(?<=cr)ea(?=t)"
    "|(?<=[cru])ie(?=t|nc)|oe[mt]"
)

_SIMPLIFIED = (b"\xb0", b"\xd7")
_TRADITIONAL = (b"\xa4", b"\xc6")
"""First bytes of the first level of GB 2312, 3,755 frequent characters, and of Big5, 5,401."""


class ReadabilitySettings(FileModel):
    """How hard a text may be; at least one. Texts too short to tell are not found."""

    max_grade: float | None = None
    """English: at most this Flesch-Kincaid grade, the years of school that a reader needs."""
    min_grade: float | None = None
    """English: at least this grade."""
    max_sentence_chars: Annotated[float, Field(gt=0)] | None = None
    """Chinese: at most so many Chinese characters in a sentence, on average."""
    max_rare_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Chinese: at most this share of characters that are not frequent ones."""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self == ReadabilitySettings.model_construct():
            raise ValueError(
                "give at least one of max_grade, min_grade, max_sentence_chars and max_rare_share"
            )
        return self


class ReadabilityDetector:
    """Finds texts that are harder or simpler to read than they may be."""

    name = _NAME
    revision = _REVISION
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: ReadabilitySettings) -> None:
        self.spec = _spec(settings)
        self._settings = settings

    def inspect(self, passage: Passage) -> Detection:
        """All of the text, once for each bound that it breaks."""
        if passage.is_json or not passage.context.is_said:
            return CLEAN
        text = passage.original
        found = tuple(
            Finding(_NAME, category, 1.0, "", 0, len(text), _REVISION, what, self.spec)
            for category, what in self._broken(text)
        )
        return Found(found) if found else CLEAN

    def _broken(self, text: str) -> Iterator[tuple[str, str]]:
        limits = self._settings
        if (grade := english_grade(text)) is not None:
            told = f"reads at grade {grade:.1f}"
            if limits.max_grade is not None and grade > limits.max_grade:
                yield "hard", told
            if limits.min_grade is not None and grade < limits.min_grade:
                yield "simple", told
        if (measured := chinese_measures(text)) is not None:
            length, share = measured
            if limits.max_sentence_chars is not None and length > limits.max_sentence_chars:
                yield "long_sentences", f"{length:.1f} characters in a sentence on average"
            if limits.max_rare_share is not None and share > limits.max_rare_share:
                yield "rare_characters", f"{share:.3f} of the characters are not frequent ones"


def english_grade(text: str) -> float | None:
    """The Flesch-Kincaid grade of English prose; none for fewer than thirty words of it.

    0.39 words a sentence + 11.8 syllables a word - 15.59. Syllables are counted by rule.

    Source: Kincaid, Fishburne, Rogers, Chissom: Derivation of new readability formulas for Navy
    enlisted personnel, 1975.
    """
    counts = [len(_WORD.findall(sentence)) for sentence in _prose(text)]
    words = [word.lower() for word in _WORD.findall(_without_signs(text))]
    if len(words) < _FEWEST_WORDS or len(_HAN.findall(text)) > len(words):
        return None
    if sum(word in _FUNCTION_WORDS for word in words) < _ENGLISH * len(words):
        return None
    sentences = sum(count > 0 for count in counts)
    spoken = sum(syllables(word) * count for word, count in Counter(words).items())
    return 0.39 * len(words) / sentences + 11.8 * spoken / len(words) - 15.59


def syllables(word: str) -> int:
    """About how many syllables an English word has; at least one.

    Args:
        word: Small letters, apostrophes among them.
    """
    plain = re.sub("['’].*", "", word)
    groups = len(_VOWELS.findall(plain)) - len(_SILENT.findall(plain))
    return max(1, groups + len(_PARTED.findall(plain)))


def chinese_measures(text: str) -> tuple[float, float] | None:
    """Characters a sentence, and the share that are not frequent; none for less than sixty."""
    prose = _without_signs(text)
    han = _HAN.findall(prose)
    if len(han) < _FEWEST_CHARACTERS or len(_KANA.findall(prose)) * 20 > len(han):
        return None
    if len(_WORD.findall(prose)) > len(han):
        return None
    sentences = sum(_HAN.search(sentence) is not None for sentence in _prose(text))
    return len(han) / sentences, sum(not _is_frequent(char) for char in han) / len(han)


def _is_frequent(char: str) -> bool:
    """By GB 2312; by Big5 what is only written in traditional Chinese."""
    first = char.encode("gb2312", "ignore")[:1]
    if first:
        return _SIMPLIFIED[0] <= first <= _SIMPLIFIED[1]
    return _TRADITIONAL[0] <= char.encode("big5", "ignore")[:1] <= _TRADITIONAL[1]


def _without_signs(text: str) -> str:
    return _MARK.sub("", _NO_PROSE.sub(" ", text))


def _prose(text: str) -> list[str]:
    """The sentences of what is prose."""
    return _END.split(_MARK.sub("\x00", _NO_PROSE.sub(" ", text)))


def _spec(settings: ReadabilitySettings) -> str:
    return spec_digest(settings.model_dump())


def _selects(settings: ReadabilitySettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings)


def _is_as_strict(settings: ReadabilitySettings, other: ReadabilitySettings) -> bool:
    lowest, than = settings.min_grade, other.min_grade
    return (
        is_at_most(settings.max_grade, other.max_grade)
        and is_at_most(settings.max_sentence_chars, other.max_sentence_chars)
        and is_at_most(settings.max_rare_share, other.max_rare_share)
        and (than is None or (lowest is not None and lowest >= than))
    )


KIND = DetectorKind(
    name=_NAME,
    summary="English above or below a grade level, Chinese in long sentences or rare characters.",
    settings=ReadabilitySettings,
    build=ReadabilityDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
