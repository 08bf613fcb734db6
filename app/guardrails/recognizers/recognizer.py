"""A recognizer as this gateway runs it: one of Presidio's, bound to shapes and to context."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import re2
from presidio_analyzer import (
    AnalysisExplanation,
    EntityRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerResult,
)

from app.domain.finding import FLOOR
from app.guardrails.recognizers.context import (
    BOOST,
    LEAST_BOOSTED,
    REACH,
    WORDS,
    pattern_of,
    searcher,
)
from app.guardrails.recognizers.labelled import Labelled
from app.guardrails.regex import longest


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


@dataclass(frozen=True, slots=True, eq=False)
class Recognizer:
    """A recognizer of Presidio, the shapes it looks into, and how context changes its scores."""

    shapes: tuple[str, ...]
    source: Source
    words: str
    """A pattern for a text of lower case before a finding that says what it is; may be empty."""
    has_word: Callable[[str], bool]
    """Whether such a text has one of the words."""
    alone: float
    """The most that it scores without such a word: check digits that one number in ten fits prove
    little where numbers are common."""
    needs_word: bool
    """Without such a word it reports nothing that is worth recording."""
    screen: tuple[str, ...] | None
    """RE2 patterns: where none of them matches, it sees nothing. None where it always looks."""
    matches: "MatchRecognizer | None" = field(init=False)
    """The source, where it reads one match at a time."""

    def __post_init__(self) -> None:
        """Look once at what the source is: that costs as much as a search."""
        source = self.source if isinstance(self.source, MatchRecognizer) else None
        object.__setattr__(self, "matches", source)

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
        name = self.source.name.removeprefix("_")
        explanation = f"{name}, {why.pattern_name}"
        if why.validation_result:
            explanation += "; what can be checked of it fits"
        before = text[max(0, at - REACH) : at].lower()
        score = min(result.score, self.alone)
        if self.has_word(before):
            score = min(1.0, max(LEAST_BOOSTED, result.score + BOOST))
            explanation += "; a word before it says so"
        end = at + result.end - result.start
        return Candidate(self.entity, at, end, round(score, 2), explanation)


class FormRecognizer:
    """A recognizer of our own: patterns, and a check of what they match. No call of Presidio's."""

    def __init__(
        self, entity: str, patterns: list[Pattern], check: Callable[[str], bool | None] | None
    ) -> None:
        self.name = f"{entity} recognizer"
        self.supported_entities = [entity]
        self.patterns = patterns
        self._forms = [(re.compile(f"(?ai){form.regex}"), form) for form in patterns]
        self._check = check
        self.best = 1.0 if check else max(form.score for form in patterns)
        """The highest score without a word."""

    def analyze(self, text: str, entities: list[str]) -> list[RecognizerResult]:
        """Everything of its form that its check does not refuse."""
        del entities  # there is one kind
        results = []
        for pattern, form in self._forms:
            for match in pattern.finditer(text):
                fits = self._check(match[0]) if self._check else None
                if fits is not False:
                    results.append(
                        result(self, match.span(), 1.0 if fits else form.score, form.name)
                    )
        if len(self._forms) > 1:
            return EntityRecognizer.remove_duplicates(results)
        return results


@runtime_checkable
class MatchRecognizer(Protocol):
    """A recognizer whose pattern is its shape: it reads one match at a time."""

    def read(self, match: str) -> RecognizerResult | None:
        """What it sees in a match, counted from where that begins."""
        ...


class LabelledRecognizer:
    """Finds the value behind a label; both lie in the match."""

    def __init__(self, kind: Labelled, check: Callable[[str], bool | None] | None = None) -> None:
        self.name = f"{kind.entity} recognizer"
        self.supported_entities = [kind.entity]
        self._kind = kind
        self._check = check
        self._pattern = longest(f"{kind.label}({kind.value})")

    def read(self, match: str) -> RecognizerResult | None:
        """The value, if it has digits enough and its check does not refuse it."""
        found = self._pattern.match(match)
        if found is None or sum(map(str.isdigit, found[1])) < self._kind.digits:
            return None
        if self._check and self._check(found[1]) is False:
            return None
        return result(self, found.span(1), self._kind.score, "after its label")

    def analyze(self, text: str, entities: list[str]) -> list[RecognizerResult]:
        """Every value."""
        del entities  # there is one kind
        return _read_all(self, self._pattern, text)


class StreetRecognizer:
    """Finds addresses; a label before one is in the match but is no part of it."""

    def __init__(self, name: str, street: str, label: str) -> None:
        self.name = name
        self.supported_entities = ["STREET_ADDRESS"]
        self._street = longest(street)
        self._label = longest(label)

    def read(self, match: str) -> RecognizerResult | None:
        """The address."""
        label = self._label.match(match)
        start = label.end() if label is not None and label.end() < len(match) else 0
        return result(self, (start, len(match)), 0.7, "the form of an address")

    def analyze(self, text: str, entities: list[str]) -> list[RecognizerResult]:
        """Every address."""
        del entities  # there is one kind
        return _read_all(self, self._street, text)


def _read_all(
    recognizer: MatchRecognizer, pattern: "re2._Regexp", text: str
) -> list[RecognizerResult]:
    found = []
    for match in pattern.finditer(text):
        seen = recognizer.read(match[0])
        if seen is not None:
            seen.start += match.start()
            seen.end += match.start()
            found.append(seen)
    return found


def result(
    source: "FormRecognizer | LabelledRecognizer | StreetRecognizer",
    span: tuple[int, int],
    score: float,
    form: str,
) -> RecognizerResult:
    """What a recognizer of our own reports."""
    why = AnalysisExplanation(source.name, score, pattern_name=form, validation_result=score == 1)
    return RecognizerResult(source.supported_entities[0], *span, score, why)


def forms(*patterns: tuple[str, float]) -> list[Pattern]:
    """Presidio's patterns from expressions and scores."""
    return [Pattern(f"form {place}", *pattern) for place, pattern in enumerate(patterns, start=1)]


def own(
    entity: str, *patterns: tuple[str, float], check: Callable[[str], bool | None] | None = None
) -> FormRecognizer:
    """A recognizer from expressions, scores and a check."""
    return FormRecognizer(entity, forms(*patterns), check)


def bound(
    source: Source, *shapes: str, alone: float = 1.0, words: tuple[str, ...] | None = None
) -> Recognizer:
    """A recognizer for these shapes, with ASCII boundaries, and its kind's words or these.

    Elsewhere Presidio's boundaries follow Unicode: a number next to a Chinese character has none.
    """
    if isinstance(source, PatternRecognizer):
        attributes = vars(source)  # Presidio does not annotate this one
        attributes["patterns"] = [
            Pattern(pattern.name, f"(?a){pattern.regex}", pattern.score)
            for pattern in attributes["patterns"]
        ]
    chosen = WORDS.get(source.supported_entities[0], ()) if words is None else words
    pattern = pattern_of(chosen)
    return Recognizer(
        shapes,
        source,
        pattern,
        searcher(pattern),
        alone,
        alone < FLOOR or _best(source) < FLOOR,
        _screen(source),
    )


_ASSERTION = re.compile(r"\(\?<?[!=](?:\\.|\[[^\]]*\]|[^()\[\\])*\)")
"""A look ahead or behind, in which there is no group."""


def _screen(source: Source) -> tuple[str, ...] | None:
    """The patterns of a recognizer as RE2 reads them, which then match at least as much.

    None where it does more than look for them, or RE2 cannot read one of them. A call of
    Presidio's costs ten microseconds, and a number has forty recognizers.
    """
    is_plain = isinstance(source, PatternRecognizer) and (
        type(source).analyze is PatternRecognizer.analyze
    )
    if not (is_plain or isinstance(source, FormRecognizer)):
        return None
    written: list[str] = [pattern.regex for pattern in vars(source)["patterns"]]
    screen = [f"(?ims){_ASSERTION.sub('', each.removeprefix('(?a)'))}" for each in written]
    if any("\\s" in each or not _is_readable(each) for each in screen):
        return None  # RE2's blanks are fewer
    return tuple(screen)


def _is_readable(pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True


def _best(source: Source) -> float:
    """The highest score without a word."""
    if isinstance(source, FormRecognizer):
        return source.best
    if not isinstance(source, PatternRecognizer):
        return 1.0
    is_checked = type(source).validate_result is not PatternRecognizer.validate_result
    scores: list[float] = [pattern.score for pattern in vars(source)["patterns"]]
    return 1.0 if is_checked else max(scores)
