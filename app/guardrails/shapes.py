"""Shapes: patterns that know which of their matches are certain while a text is still coming."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from app.domain.errors import DetectorError
from app.guardrails.regex import Regex, regex_set
from app.guardrails.syntax import Node, max_width, min_width, parse
from app.guardrails.unfinished import REACH, begun, loosened, unfinished, written

_LARGEST_PROGRAM = 60_000
"""Instructions. One step of an automaton looks at no more states than that."""

_NOTHING = r"[^\x00-\x{10FFFF}]"

Spans = list[tuple[int, int]]


class Shape:
    """A pattern that knows what could still become a match of it."""

    __slots__ = (
        "_find",
        "_find_growing",
        "_find_open",
        "_find_open_far",
        "_limit",
        "is_exact",
        "loose",
        "max_match",
        "open_end",
        "source",
    )

    def __init__(self, source: str, *, max_match: int | None = None) -> None:
        """Compile.

        Args:
            source: RE2 syntax, without look-around and back-references, which RE2 does not have.
            max_match: Longer matches do not count: of those that begin at one place, the longest
                that is not longer than this many code points is the match.

        Raises:
            DetectorError: The pattern cannot be used; the message says why.
        """
        self.source = source
        self._find = Regex(source)
        tree = parse(source)
        if min_width(tree) == 0:
            raise DetectorError(
                f"the pattern matches where there is no text; make a part of it required: {source}"
            )
        width = max_width(tree)
        is_bounded = width is not None and (max_match is None or width <= max_match)
        self._limit = None if is_bounded else max_match
        self.max_match = width if is_bounded else max_match
        """The longest match in code points; none where there is no bound."""
        loose = loosened(tree)
        self.loose = written(loose)
        """Matches wherever the shape does, and is quicker to look for."""
        self.open_end = rf"(?:{begun(loose)})\z"
        """Matches at the end of a text that may be open to the shape."""
        self._find_open = Regex(self.open_end)
        self._find_open_far = self._find_open if loose == tree else _exactly(tree)
        self._find_growing = _growing(tree)
        self.is_exact = self._find_open_far is not None and self._limit is None
        """Whether no more is held than could still be part of, extend or cancel a match."""

    def open_at(self, text: str, at: int) -> int:
        """The earliest place from ``at`` on that is open; where none is, the text's length.

        Places that are taken are not told from others.
        """
        if self._limit is not None:
            return self._open_within(text, at, self._limit)
        data = text.encode("utf-8", "replace")
        if len(data) == len(text):
            return self._open_at(data, at)
        start = len(text[:at].encode("utf-8", "replace"))
        return at + len(data[start : self._open_at(data, start)].decode())

    def may_grow(self, text: str, at: int, before: int) -> bool:
        """Whether a match that begins in ``text[at:before]`` could take in more than the text."""
        if self._limit is not None or not text.isascii() or self._find_growing is None:
            return True
        span = self._find_growing.find(text.encode(), at, len(text))
        return span is not None and span[0] < before

    def scan(self, text: str, at: int, *, is_end: bool) -> tuple[Spans, int]:
        """The settled matches from ``at`` on, and the earliest place that is open and not taken.

        Args:
            text: From its beginning, or with at least one code point of what comes before ``at``.
            at: Not inside a match.
            is_end: Nothing follows, so nothing is open.

        Returns:
            Spans in code points, and the open place; where nothing is open, the text's length.
        """
        if self._limit is not None:
            return self._scan_limited(text, at, self._limit, is_end=is_end)
        data = text.encode("utf-8", "replace")
        if len(data) == len(text):
            return self._scan_utf8(data, at, is_end=is_end)
        start = len(text[:at].encode("utf-8", "replace"))
        spans, open_at = self._scan_utf8(data, start, is_end=is_end)
        return _in_code_points(data, (start, at), spans, open_at)

    def _scan_utf8(self, data: bytes, at: int, *, is_end: bool) -> tuple[Spans, int]:
        end = len(data)
        open_at = end if is_end else self._open_at(data, at)
        spans: Spans = []
        while span := self._find.find(data, at, end):
            if span[0] >= open_at:
                break
            spans.append(span)
            at = span[1]
            if at > open_at:  # what seemed open is taken
                open_at = self._open_at(data, at)
        return spans, open_at

    def _scan_limited(self, text: str, at: int, limit: int, *, is_end: bool) -> tuple[Spans, int]:
        """As ``scan``, looking at twice the limit at a time, so that the time stays linear."""
        spans: Spans = []
        open_at = len(text) if is_end else self._open_within(text, at, limit)
        while at < open_at:
            span = _find_in(self._find.find, text, at, at + 2 * limit)
            if span is None or span[0] >= at + limit:
                at = at + limit if span is None else span[0]  # none of at most the limit before it
                continue
            if span[1] - span[0] > limit:
                shorter = _find_in(self._find.find_here, text, span[0], span[0] + limit)
                if shorter is None:
                    at = span[0] + 1
                    continue
                span = shorter
            if span[0] >= open_at:
                break
            spans.append(span)
            at = span[1]
            if at > open_at:
                open_at = self._open_within(text, at, limit)
        return spans, open_at

    def _open_at(self, data: bytes, at: int) -> int:
        end = len(data)
        span = self._find_open.find(data, at, end)
        if span is not None and end - span[0] > REACH and self._find_open_far is not None:
            span = self._find_open_far.find(data, span[0], end)
        return end if span is None else span[0]

    def _open_within(self, text: str, at: int, limit: int) -> int:
        span = _find_in(self._find_open.find, text, max(at, len(text) - limit), len(text))
        return len(text) if span is None else span[0]


class Screen:
    """Many shapes, one scan: which of them may have something to say about a text."""

    __slots__ = ("_count", "_set")

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._count = len(shapes)
        patterns = [shape.loose for shape in shapes] + [shape.open_end for shape in shapes]
        self._set = regex_set(tuple(patterns))

    def look(self, text: str) -> tuple[list[int], list[int]]:
        """The indexes of the shapes that may match somewhere, and of those that may be open.

        A few more than do and are, none fewer.
        """
        seen = self._set.hits(text.encode("utf-8", "replace"))
        if not seen:
            return seen, seen
        hits = [index for index in seen if index < self._count]
        return hits, [index - self._count for index in seen if index >= self._count]


@lru_cache(maxsize=512)
def screen_over(shapes: tuple[Shape, ...]) -> Screen:
    """A screen over these shapes, made once: audiences and policies mostly look for the same."""
    return Screen(shapes)


def _exactly(tree: Node) -> Regex | None:
    """The search for what is open, counting as far as the pattern does; none if it is too large."""
    try:
        search = Regex(rf"(?:{begun(tree)})\z")
    except DetectorError:
        return None
    return search if search.size <= _LARGEST_PROGRAM else None


def _growing(tree: Node) -> Regex | None:
    """The search for what could take in more; none if it is too large."""
    more = unfinished(tree, takes_more=True)
    try:
        return Regex(_NOTHING if more is None else rf"(?:{more})\z")
    except DetectorError:
        return None


def _in_code_points(
    data: bytes, origin: tuple[int, int], spans: Spans, open_at: int
) -> tuple[Spans, int]:
    """Offsets in UTF-8 as code points, counted on from a place where both are known."""
    at, points = origin

    def move(to: int) -> int:
        nonlocal at, points
        points += len(data[at:to].decode())
        at = to
        return points

    moved = [(move(start), move(end)) for start, end in spans]
    return moved, move(open_at)


def _find_in(
    find: Callable[[bytes, int, int], tuple[int, int] | None], text: str, start: int, end: int
) -> tuple[int, int] | None:
    """Search a part of a text; assertions see one code point on either side of it."""
    before = text[max(start - 1, 0) : start].encode("utf-8", "replace")
    inside = text[start:end].encode("utf-8", "replace")
    after = text[end : end + 1].encode("utf-8", "replace")
    span = find(before + inside + after, len(before), len(before) + len(inside))
    if span is None:
        return None
    first, last = span[0] - len(before), span[1] - len(before)
    lead = start + len(inside[:first].decode())
    return lead, lead + len(inside[first:last].decode())
