"""Runs recognizers where a shape matches, in time linear in the text's length."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import re2

from app.domain.errors import DetectorError
from app.guardrails.recognizers.generic import generic_recognizers
from app.guardrails.recognizers.national import national_recognizers
from app.guardrails.recognizers.recognizer import Candidate, Recognizer
from app.guardrails.recognizers.shapes import SHAPES, UNDIVIDED, Shape

Span = tuple[int, int]

_GAP = "\x00\x00"
"""Between two matches of a shape: no recognizer reaches across it."""
_LOOKBACK = 100
"""How many code points before a match ``goes_on`` reads."""
_UNDIVIDED = re.compile(UNDIVIDED)
_SIGNS = 4
"""More than may stand before the first digit of a number."""
_MAX_MEM = 64 << 20
"""Room for the automaton of all shapes; with RE2's usual 8 MB it starts afresh on long texts."""


class Scan:
    """Every recognizer behind one pass for all shapes."""

    def __init__(self) -> None:
        self.recognizers = (*generic_recognizers(), *national_recognizers())
        options = re2.Options()
        options.max_mem = _MAX_MEM
        options.log_errors = False
        self._any = re2.Set.SearchSet(options)
        for shape in SHAPES:
            self._any.Add(shape.pattern)
        self._any.Add("")  # matches every text, so that a pass that failed is not read as clean
        self._any.Compile()
        options.longest_match = True
        options.never_capture = True
        self._matchers = [re2.compile(shape.pattern, options) for shape in SHAPES]

    def candidates(self, text: str) -> list[Candidate]:
        """What the recognizers see; overlaps are not resolved.

        Raises:
            DetectorError: RE2 gave up, as it does when it lacks memory.
        """
        hits = self._any.Match(text)
        if not hits:
            raise DetectorError("the pass for the shapes of personal data did not run to its end")
        spans = {
            SHAPES[index].name: list(self._spans(index, text))
            for index in hits
            if index < len(SHAPES)
        }
        excerpts: dict[tuple[str, ...], _Excerpts] = {}
        candidates: dict[Candidate, None] = {}
        for recognizer in self.recognizers:
            names = recognizer.shapes
            if names not in excerpts:
                places = [span for name in names for span in spans.get(name, ())]
                excerpts[names] = _Excerpts(text, places)
            candidates.update(dict.fromkeys(excerpts[names].candidates(recognizer)))
        return list(candidates)

    def _spans(self, index: int, text: str) -> Iterator[Span]:
        for match in self._matchers[index].finditer(text):
            if _goes_on(SHAPES[index], text, match.start()):
                for run in _UNDIVIDED.finditer(text, *match.span()):
                    yield run.span()
            else:
                yield match.span()


def _goes_on(shape: Shape, text: str, start: int) -> bool:
    if shape.goes_on is None:
        return False
    signs = text[start : start + _SIGNS]
    first = start + len(signs) - len(signs.lstrip("+( "))
    return shape.goes_on.search(text[max(0, start - _LOOKBACK) : first]) is not None


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
        self._joined = "".join(pieces)

    def candidates(self, recognizer: Recognizer) -> Iterator[Candidate]:
        """What the recognizer sees, where it stands in the text."""
        if not self._places:
            return
        for result in recognizer.analyze(self._joined):
            place = bisect_right(self._starts, result.start) - 1
            if place < 0:
                continue
            start, end = self._places[place]
            at = start + result.start - self._starts[place]
            if at + result.end - result.start <= end:
                yield recognizer.candidate(self._text, at, result)


def _before(text: str, start: int) -> str:
    """What an assertion at the start of a match looks at."""
    sign = text[start - 1 : start] if start else ""
    # As much of a word as any letter or digit, but it cannot join the match.
    return "_" if sign.isascii() and sign.isalnum() else sign
