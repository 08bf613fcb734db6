"""A recognizer as this gateway runs it: one of Presidio's, bound to shapes and to context."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from typing_extensions import override

from app.guardrails.recognizers.context import BOOST, LEAST_BOOSTED, REACH, WORDS, words_before


class Source(Protocol):
    """What is used of Presidio's recognizers. Tokens are not: context is looked up here."""

    name: str
    supported_entities: list[str]

    def analyze(self, text: str, entities: list[str]) -> list[RecognizerResult]:
        """Everything it sees in a text."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a recognizer saw, before overlaps are resolved. Holds no text."""

    entity: str
    start: int
    end: int
    score: float
    explanation: str


@dataclass(frozen=True, slots=True)
class Recognizer:
    """A recognizer of Presidio, the shapes it looks into, and how context changes its scores."""

    shapes: tuple[str, ...]
    source: Source
    words: Callable[[str], bool] | None
    """Whether a text of lower case before a finding says what it is."""
    alone: float
    """The most that it scores without such a word: check digits that one number in ten fits prove
    little where numbers are common."""

    @property
    def entity(self) -> str:
        """The one kind of personal data that it finds."""
        return self.source.supported_entities[0]

    def analyze(self, text: str) -> list[RecognizerResult]:
        """What Presidio's recognizer says, before context."""
        return self.source.analyze(text, [self.entity])

    def candidate(self, text: str, at: int, result: RecognizerResult) -> Candidate:
        """The result as it stands in ``text``, where it begins at ``at``."""
        why = result.analysis_explanation
        explanation = f"{self.source.name}, {why.pattern_name}"
        if why.validation_result:
            explanation += "; its check digits fit"
        before = text[max(0, at - REACH) : at].lower()
        score = min(result.score, self.alone)
        if self.words and self.words(before):
            score = min(1.0, max(LEAST_BOOSTED, result.score + BOOST))
            explanation += "; a word before it says so"
        end = at + result.end - result.start
        return Candidate(self.entity, at, end, round(score, 2), explanation)


class CheckedRecognizer(PatternRecognizer):
    """A recognizer of our own: patterns, and a check of what they match."""

    def __init__(
        self, entity: str, patterns: list[Pattern], check: Callable[[str], bool | None] | None
    ) -> None:
        super().__init__(entity, patterns=patterns, name=f"{entity} recognizer")
        self._check = check

    @override
    def validate_result(self, pattern_text: str) -> bool | None:
        return self._check(pattern_text) if self._check else None


def forms(*patterns: tuple[str, float]) -> list[Pattern]:
    """Presidio's patterns from expressions and scores."""
    return [Pattern(f"form {place}", *pattern) for place, pattern in enumerate(patterns, start=1)]


def own(
    entity: str, *patterns: tuple[str, float], check: Callable[[str], bool | None] | None = None
) -> CheckedRecognizer:
    """A recognizer from expressions, scores and a check."""
    return CheckedRecognizer(entity, forms(*patterns), check)


def bound(source: Source, *shapes: str, alone: float = 1.0) -> Recognizer:
    """A recognizer for these shapes, with ASCII boundaries.

    Elsewhere Presidio's boundaries follow Unicode: a number next to a Chinese character has none.
    """
    if isinstance(source, PatternRecognizer):
        attributes = vars(source)  # Presidio does not annotate this one
        attributes["patterns"] = [
            Pattern(pattern.name, f"(?a){pattern.regex}", pattern.score)
            for pattern in attributes["patterns"]
        ]
    words = words_before(WORDS.get(source.supported_entities[0], ()))
    return Recognizer(shapes, source, words, alone)
