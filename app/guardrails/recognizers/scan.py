"""Runs recognizers where a shape matches, in time linear in the text's length."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

import re2

from app.domain.errors import DetectorError
from app.guardrails.recognizers.eastern_ids import eastern_recognizers
from app.guardrails.recognizers.generic import generic_recognizers
from app.guardrails.recognizers.national import national_recognizers
from app.guardrails.recognizers.recognizer import Candidate, MatchRecognizer, Recognizer
from app.guardrails.recognizers.shapes import SHAPES, UNDIVIDED, Shape
from app.guardrails.recognizers.worldwide import worldwide_recognizers

Span = tuple[int, int]

_GAP = "\x00\x00"
"""Between two matches of a shape: no recognizer reaches across it."""
_UNDIVIDED = re.compile(UNDIVIDED)
_SIGNS = 4
"""More than may stand before the first digit of a number."""
_MAX_MEM = 64 << 20
"""Room for the automaton of all shapes; with RE2's usual 8 MB it starts afresh on long texts."""


class Scan:
    """Every recognizer behind one pass for all shapes."""

    def __init__(self) -> None:
        self.recognizers = (
            *generic_recognizers(),
            *national_recognizers(),
            *eastern_recognizers(),
            *worldwide_recognizers(),
        )
        options = re2.Options()
        options.max_mem = _MAX_MEM
        options.log_errors = False
        self._any = re2.Set.SearchSet(options)
        for shape in SHAPES:
            self._any.Add(shape.pattern)
        self._any.Add("")  # matches every text, so that a pass that failed is not read as clean
        self._any.Compile()
        self._named = re2.Set.SearchSet(options)
        self._needy = [each for each in self.recognizers if each.needs_word and each.words]
        for recognizer in self._needy:
            self._named.Add(recognizer.words)
        self._named.Add("")
        self._named.Compile()
        self._screen, self._screened = _screen(self.recognizers, options)
        options.longest_match = True
        options.never_capture = True
        self._matchers = [re2.compile(shape.pattern, options) for shape in SHAPES]
        self._by_shapes: dict[tuple[str, ...], list[Recognizer]] = defaultdict(list)
        for recognizer in self.recognizers:
            self._by_shapes[recognizer.shapes].append(recognizer)

    def candidates(self, text: str) -> list[Candidate]:
        """What the recognizers see; overlaps are not resolved.

        Raises:
            DetectorError: RE2 gave up, as it does when it lacks memory.
        """
        spans = {
            SHAPES[index].name: list(self._spans(index, text))
            for index in _hits(self._any, text)
            if index < len(SHAPES)
        }
        if not spans:
            return []
        idle = self._without_their_words(text)
        candidates: dict[Candidate, None] = {}
        for names, recognizers in self._by_shapes.items():
            places = [span for name in names for span in spans.get(name, ())]
            if places:
                excerpts = _Excerpts(text, places)
                for recognizer in self._that_may_see(recognizers, excerpts):
                    if recognizer not in idle:
                        candidates.update(dict.fromkeys(excerpts.candidates(recognizer)))
        return list(candidates)

    def _that_may_see(
        self, recognizers: Sequence[Recognizer], excerpts: "_Excerpts"
    ) -> Iterator[Recognizer]:
        """Those that have no patterns to screen, or one that matches in the excerpts."""
        hits = {self._screened[index] for index in _hits(self._screen, excerpts.joined)}
        return (each for each in recognizers if each.screen is None or each in hits)

    def _without_their_words(self, text: str) -> set[Recognizer]:
        """Those whose findings count only after a word, where none of these is in the text."""
        named = _hits(self._named, text.lower())
        return {each for index, each in enumerate(self._needy) if index not in named}

    def _spans(self, index: int, text: str) -> Iterator[Span]:
        for match in self._matchers[index].finditer(text):
            if _goes_on(SHAPES[index], text, match.start()):
                for run in _UNDIVIDED.finditer(text, *match.span()):
                    yield run.span()
            else:
                yield match.span()


def _screen(
    recognizers: Sequence[Recognizer], options: "re2.Options"
) -> "tuple[re2.Set, list[Recognizer | None]]":
    """One pass for the patterns of all recognizers that can be screened; whose each one is."""
    screen, screened = re2.Set.SearchSet(options), list[Recognizer | None]()
    for recognizer in recognizers:
        for pattern in recognizer.screen or ():
            screen.Add(pattern)
            screened.append(recognizer)
    screen.Add("")
    screened.append(None)
    screen.Compile()
    return screen, screened


def _hits(patterns: "re2.Set", text: str) -> frozenset[int]:
    """The indexes of the patterns that match anywhere; the last one always does."""
    hits = patterns.Match(text)
    if not hits:
        raise DetectorError("the pass for the shapes of personal data did not run to its end")
    return frozenset(hits)


def _goes_on(shape: Shape, text: str, start: int) -> bool:
    if shape.goes_on is None:
        return False
    signs = text[start : start + _SIGNS]
    first = start + len(signs) - len(signs.lstrip("+( "))
    return shape.goes_on.search(text[max(0, start - shape.lookback) : first]) is not None


class _Excerpts:
    """All that recognizers look at, joined: a call of Presidio costs more than a match."""

    def __init__(self, text: str, places: Sequence[Span]) -> None:
        self._text = text
        self._places = places
        self._starts: list[int] = []
        pieces, length = [], 0
        for start, end in places:
            before = _before(text, start)
            piece = f"{before}{text[start : end + 1]}{_GAP}"
            self._starts.append(length + len(before))
            pieces.append(piece)
            length += len(piece)
        self.joined = "".join(pieces)

    def candidates(self, recognizer: Recognizer) -> Iterator[Candidate]:
        """What the recognizer sees, where it stands in the text."""
        if recognizer.matches is not None:
            yield from self._read(recognizer, recognizer.matches)
            return
        for result in recognizer.analyze(self.joined):
            place = bisect_right(self._starts, result.start) - 1
            if place < 0:
                continue
            start, end = self._places[place]
            at = start + result.start - self._starts[place]
            if at + result.end - result.start <= end:
                yield recognizer.candidate(self._text, at, result)

    def _read(self, recognizer: Recognizer, source: MatchRecognizer) -> Iterator[Candidate]:
        for start, end in self._places:
            seen = source.read(self._text[start:end])
            if seen is not None:
                yield recognizer.candidate(self._text, start + seen.start, seen)


def _before(text: str, start: int) -> str:
    """What an assertion at the start of a match looks at."""
    sign = text[start - 1 : start] if start else ""
    # As much of a word as any letter or digit, but it cannot join the match.
    return "_" if sign.isascii() and sign.isalnum() else sign
