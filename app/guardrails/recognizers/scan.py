"""Runs recognizers where a shape matches, in time linear in the text's length."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import re2

from app.guardrails.recognizers.generic import generic_recognizers
from app.guardrails.recognizers.national import national_recognizers
from app.guardrails.recognizers.recognizer import Candidate, Recognizer
from app.guardrails.recognizers.shapes import SHAPES, UNDIVIDED, Shape

Span = tuple[int, int]

_GAP = "\x00\x00"
"""Between two matches of a shape: no recognizer reaches across it."""
_LOOKBACK = 100
"""How many code points before a match ``goes_on`` reads."""
_MAIL_LOOKBACK = 65
"""As far as it takes to see that an address begins in the end of another."""
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
        self._any.Compile()
        options.longest_match = True
        options.never_capture = True
        self._matchers = [re2.compile(shape.pattern, options) for shape in SHAPES]

    def candidates(self, text: str) -> list[Candidate]:
        """What the recognizers see; overlaps are not resolved."""
        spans = {
            SHAPES[index].name: list(self._spans(index, text))
            for index in self._any.Match(text) or ()
        }
        candidates: dict[Candidate, None] = {}
        for recognizer in self.recognizers:
            places = [span for name in recognizer.shapes for span in spans.get(name, ())]
            if places:
                candidates.update(dict.fromkeys(_run(recognizer, text, places)))
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


def _run(recognizer: Recognizer, text: str, places: Sequence[Span]) -> Iterator[Candidate]:
    """Run over all places at once: a call of Presidio costs more than a match."""
    pieces, starts, length = [], [], 0
    for start, end in places:
        before = _before(recognizer, text, start)
        piece = f"{before}{text[start : end + 1]}{_GAP}"
        starts.append(length + len(before))
        pieces.append(piece)
        length += len(piece)
    for result in recognizer.analyze("".join(pieces)):
        place = bisect_right(starts, result.start) - 1
        if place < 0:
            continue
        start, end = places[place]
        at = start + result.start - starts[place]
        if at + result.end - result.start <= end:
            yield recognizer.candidate(text, at, result)


def _before(recognizer: Recognizer, text: str, start: int) -> str:
    """What an assertion at the start of a match looks at."""
    if "mail" in recognizer.shapes:
        return text[max(0, start - _MAIL_LOOKBACK) : start]
    sign = text[start - 1 : start] if start else ""
    # As much of a word as any letter or digit, but it cannot join the match.
    return "_" if sign.isascii() and sign.isalnum() else sign
