"""Text that goes round in circles: runaway answers, and floods of the same."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.matches import in_order, spec_digest
from app.guardrails.passage import Passage
from app.guardrails.places import Span
from app.guardrails.sentences import sentences
from app.guardrails.strictness import is_at_most

if TYPE_CHECKING:
    import numpy as np

_NAME = "repetition"
_REVISION = "1"

_LONGEST_LOOP = 40
"""Words that come again; each Chinese or Japanese character counts as one."""
_SHORTEST = 40
"""How wide all turns of a loop are together, and a sentence that counts half of it: shorter ones
happen in songs, lists and tables. A Chinese or Japanese character is two wide."""
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_CJK}]|[^\\W{_CJK}]+")
_WIDE = re.compile(f"[{_CJK}]")
_RUN = re.compile(r"([^\W_]|[!?！？])\1{7,}")
_NOT_A_LETTER = re.compile(r"[\W\d_]+")

Limit = Annotated[int, Field(ge=2, le=1000)]


class RepetitionSettings(FileModel):
    """How often something may come again; at least one."""

    max_run: Annotated[int, Field(ge=8, le=1000)] | None = 50
    """At most so often the same letter, digit, ``!`` or ``?`` in a row."""
    max_turns: Limit | None = 8
    """At most so often the same words directly after one another, up to forty words, if all of it
    together is at least forty characters wide and holds a letter."""
    max_same: Limit | None = 8
    """At most so often the same sentence or line in one text, wherever. What is shorter than twenty
    characters does not count. ``null`` drops it: then a sentence is judged by itself, and a rule
    that acts lets an answer stream sentence by sentence."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.max_run is None and self.max_turns is None and self.max_same is None:
            raise ValueError("give at least one of max_run, max_turns and max_same")
        return self


class _Words(NamedTuple):
    """The words of a text, as numbers that are equal for equal words."""

    ids: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    spans: list[Span]


class RepetitionDetector:
    """Finds what comes again more often than it may: the turns beyond the limit."""

    name = _NAME
    revision = _REVISION
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: RepetitionSettings) -> None:
        self.spec = _spec(settings)
        self.scope = Scope.SENTENCE if settings.max_same is None else Scope.RESPONSE
        self._settings = settings

    def inspect(self, passage: Passage) -> Detection:
        """Runs of a character, turns of words, sentences that come again."""
        text = passage.original
        parts = sentences(text) if self.scope is Scope.SENTENCE else [(0, len(text))]
        found = [
            Finding(_NAME, category, 1.0, "", start + at, end + at, _REVISION, what, self.spec)
            for at, until in parts
            for category, what, (start, end) in self._in_part(text[at:until])
        ]
        return Found(in_order(set(found))) if found else CLEAN

    def _in_part(self, text: str) -> Iterator[tuple[str, str, Span]]:
        limits = self._settings
        if limits.max_run is not None:
            for match in _RUN.finditer(text):
                if match.end() - match.start() > limits.max_run:
                    where = (match.start() + limits.max_run, match.end())
                    yield "run", "one character again and again", where
        if limits.max_turns is not None:
            for span in _turns(text, limits.max_turns):
                yield "turns", "the same words again and again", span
        if limits.max_same is not None:
            for span in _same(text, limits.max_same):
                yield "same", "a sentence that was there often before", span


def _turns(text: str, most: int) -> Iterator[Span]:
    """Where words come again directly, beyond the turns that may be.

    Of loops that lie in one another the one that begins first and is shortest is told.
    """
    words = _words(text)
    done = 0
    loops = sorted(
        (start, period, end)
        for period in range(1, min(_LONGEST_LOOP, len(words.spans) // (most + 1)) + 1)
        for start, end in _loops(words, period, most)
    )
    for start, period, end in loops:
        first, last = words.spans[start][0], words.spans[end - 1][1]
        whole = text[first:last]
        if end > done and _width(whole) >= _SHORTEST and _NOT_A_LETTER.sub("", whole):
            done = end
            yield words.spans[start + period * most][0], last


def _words(text: str) -> _Words:
    import numpy as np  # noqa: PLC0415  # only where it is used

    numbers: dict[str, int] = {}
    matches = list(_WORD.finditer(text.casefold() if text.isascii() else text))
    ids = [numbers.setdefault(match.group(), len(numbers)) for match in matches]
    return _Words(np.array(ids, dtype=np.int64), [match.span() for match in matches])


def _loops(words: _Words, period: int, most: int) -> Iterator[Span]:
    """Stretches of words that repeat after so many words, with more turns than may be."""
    import numpy as np  # noqa: PLC0415  # only where it is used

    again = words.ids[period:] == words.ids[:-period]
    if np.count_nonzero(again) < period * most:
        return
    edges = np.flatnonzero(np.diff(again.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start >= period * most:
            yield start, end + period


def _same(text: str, most: int) -> Iterator[Span]:
    """Sentences that come again too often; those that touch are one place."""
    seen: Counter[str] = Counter()
    place: Span | None = None
    for start, end in sentences(text):
        key = _NOT_A_LETTER.sub("", text[start:end].casefold())
        if _width(text[start:end].strip()) < _SHORTEST // 2 or not key:
            if place is not None and place[1] == start and not text[start:end].strip():
                place = (place[0], end)
            continue
        seen[key] += 1
        is_surplus = seen[key] > most
        if place is not None and not (is_surplus and place[1] == start):
            yield place
            place = None
        if is_surplus:
            place = (start if place is None else place[0], end)
    if place is not None:
        yield place


def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))


def _spec(settings: RepetitionSettings) -> str:
    return spec_digest(settings.model_dump())


def _selects(settings: RepetitionSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings)


def _is_as_strict(settings: RepetitionSettings, other: RepetitionSettings) -> bool:
    return (
        is_at_most(settings.max_run, other.max_run)
        and is_at_most(settings.max_turns, other.max_turns)
        and is_at_most(settings.max_same, other.max_same)
    )


KIND = DetectorKind(
    name=_NAME,
    summary="The same character, words or sentence again and again, as runaway answers have it.",
    settings=RepetitionSettings,
    build=RepetitionDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
