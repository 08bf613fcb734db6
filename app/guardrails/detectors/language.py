"""Which language a text is in."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.decode import without_surrogates
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage
from app.guardrails.places import Span

_NAME = "language"
_REVISION = "2 py3langid-0.4"

_WINDOW = 500
_MOST_WINDOWS = 6
"""A long text is looked at in so many places, evenly spread, so that the cost has a bound."""
_FEWEST_LETTERS = 20
"""A letter that is a word or syllable of its own counts as two."""
_NO_LANGUAGE = "zxx"

# Linear: an address begins where a word does, and is of ASCII, so that what has no blanks (Chinese,
# for one) is no address from end to end.
_NO_PROSE = re.compile(
    r"```(?s:.*?)(?:```|\Z)|`[^`\n]*`|(?<![A-Za-z0-9.%+_-])[A-Za-z0-9.%+_-]{1,64}@[A-Za-z0-9.-]+"
    r"|(?:https?://|www\.)[!-~]+|[\d_]+"
)
_LETTER = re.compile(r"[^\W\d_]")
_WIDE = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")

_ALIKE = ({"zh", "wuu", "yue"}, {"no", "nb", "nn"}, {"hr", "bs", "sr"}, {"id", "ms"})
"""Written languages that short texts do not tell apart: where one may be, all of them may."""


class Identifier(Protocol):
    """What tells languages apart."""

    labels: list[str]

    def classify(self, text: str) -> tuple[str, float]:
        """The likeliest language and how sure that is, in [0, 1]."""
        ...


Code = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class LanguageSettings(FileModel):
    """Which languages a text may be in; at least one of these."""

    allow: tuple[Code, ...] = ()
    """Only these, as ISO 639 codes such as ``en`` and ``zh``."""
    match: Literal["question"] | None = None
    """``question``: an answer only in the language of the user's last message."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.6
    """Findings that are less sure are not for this rule."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.allow and self.match is None:
            raise ValueError("give allow or match")
        return self


class LanguageDetector:
    """Finds text in a language that it may not be in."""

    name = _NAME
    revision = _REVISION
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: LanguageSettings, identifier: Identifier) -> None:
        self.spec = _spec(settings)
        self._identifier = identifier
        self._allowed = frozenset().union(*map(_alike, settings.allow)) if settings.allow else None
        self._follows_question = settings.match == "question"

    def inspect(self, passage: Passage) -> Detection:
        """The places that are in another language."""
        if passage.is_json or not passage.context.is_said:
            return CLEAN
        asked = self._asked(passage.context.question) if self._follows_question else None
        found = tuple(
            Finding(_NAME, category, score, "", *span, _REVISION, what, self.spec)
            for span, language, score in self._told(passage.original)
            for category, what in self._objections(language, asked)
        )
        return Found(found) if found else CLEAN

    def _asked(self, question: str) -> frozenset[str] | None:
        """The language of the question with those like it; none where it cannot be told."""
        told = {language for _, language, _ in self._told(question)}
        return frozenset().union(*map(_alike, told)) if told else None

    def _objections(self, language: str, asked: frozenset[str] | None) -> Iterator[tuple[str, str]]:
        if self._allowed is not None and language not in self._allowed:
            yield "not_allowed", f"reads as {language}, which is not allowed"
        if asked is not None and language not in asked:
            yield "not_the_questions", f"reads as {language}, which the question is not in"

    def _told(self, text: str) -> Iterator[tuple[Span, str, float]]:
        """For each place that is long enough: its language, and how sure that is."""
        text = _NO_PROSE.sub(_blank, without_surrogates(text))
        for start, end in _windows(len(text)):
            part = text[start:end]
            letters = len(_LETTER.findall(part)) + len(_WIDE.findall(part))
            if letters < _FEWEST_LETTERS:
                continue
            language, score = self._identifier.classify(part)
            if language != _NO_LANGUAGE and score >= FLOOR:
                yield (start, end), language, round(float(score), 4)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _windows(length: int) -> list[Span]:
    """All of a short text; of a longer one, places from its beginning to its end."""
    if length <= _WINDOW:
        return [(0, length)]
    count = min(_MOST_WINDOWS, -(-length // _WINDOW))
    starts = (index * (length - _WINDOW) // (count - 1) for index in range(count))
    return [(start, start + _WINDOW) for start in starts]


def _alike(language: str) -> frozenset[str]:
    return frozenset({language}).union(*(group for group in _ALIKE if language in group))


@cache
def _identifier() -> Identifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  # an extra
    except ImportError:
        raise DetectorError(
            "language needs a model that is not installed: pip install 'banneton[language]'"
        ) from None
    made: Identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return made


def _spec(settings: LanguageSettings) -> str:
    return spec_digest([sorted(set(settings.allow)), settings.match])


def _build(settings: LanguageSettings) -> LanguageDetector:
    identifier = _identifier()
    known = set(identifier.labels) - {_NO_LANGUAGE}
    for index, language in enumerate(settings.allow):
        if not _alike(language) & known:
            what = "is no language that can be told; give codes such as en, zh and pt"
            raise DetectorError(what, path=("allow", index))
    return LanguageDetector(settings, identifier)


def _selects(settings: LanguageSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings) and finding.score >= settings.min_score


def _is_as_strict(settings: LanguageSettings, other: LanguageSettings) -> bool:
    if settings.min_score > other.min_score or (other.match and settings.match != other.match):
        return False
    if not other.allow:
        return True
    return bool(settings.allow) and set(settings.allow) <= set(other.allow)


KIND = DetectorKind(
    name=_NAME,
    summary="Text in a language that it may not be in, or that the question is not in.",
    settings=LanguageSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda settings: settings.match is None,
)
