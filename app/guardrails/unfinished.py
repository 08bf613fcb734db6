r"""Which text could still become, extend or cancel a match: what a stream has to hold, exactly.

A *shape* is a pattern whose matches are leftmost-longest, one after the other, none overlapping.
Reading a stream, three things can be said of a place where a match may begin:

- *open*: some continuation makes a match of what begins there, or makes it longer, or decides an
  assertion at the end of the text (``\b \B $ \z``) on which a match depends;
- *settled*: no continuation changes whether and how far a match begins there;
- *taken*: it lies inside a match that is settled, so that no other match of the shape begins there.

For a pattern P let U(P) be the strings that are open. It is regular, and built from P's tree:

    U(c) = ε                              U(e f) = U(e) | e U(f)
    U(e|f) = U(e) | U(f)                  U(e{m,n}) = e{0,n-1} U(e),  U(e*) = e* U(e)
    U(^) = ∅                              U(\b) = U(\B) = U($) = ε

An unanchored search for ``(?:U)\z`` finds the earliest open place. RE2 runs it backwards from the
end, so that it costs as much as the open text is long, however long the text.

Counted repeats make U large. Above a size it is replaced by one in which long counted repeats are
unbounded: that one holds the same or more, never less (``Shape.is_exact`` says which it is).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from app.domain.errors import DetectorError
from app.guardrails.regex import Regex, regex_set
from app.guardrails.syntax import Char, Choice, Look, Node, Repeat, Seq, max_width, min_width, parse

_LARGEST_PROGRAM = 60_000
"""Instructions. One step of an automaton looks at no more states than that."""
_LONGEST_COUNT = 8
"""Repeats that are counted further than this become unbounded where the exact form is too large."""

Spans = list[tuple[int, int]]


def written(node: Node, *, is_relaxed: bool = False) -> str:
    """The tree as a pattern; relaxed, with long counted repeats made unbounded."""
    match node:
        case Char(text) | Look(text, _):
            return text
        case Seq(items):
            return "".join(written(item, is_relaxed=is_relaxed) for item in items)
        case Choice(options):
            return f"(?:{'|'.join(written(option, is_relaxed=is_relaxed) for option in options)})"
        case Repeat(item, low, high):
            if is_relaxed and max(low, high or 0) > _LONGEST_COUNT:
                low, high = min(low, 1), None
            return _times(written(item, is_relaxed=is_relaxed), low, high)


def unfinished(node: Node, *, is_relaxed: bool = False) -> str | None:
    """U(node) as a pattern; none where it is empty."""
    match node:
        case Char():
            return ""
        case Look(_, is_settled):
            return None if is_settled else ""
        case Seq(items):
            rest: str | None = None
            for item in reversed(items):
                after = None if rest is None else written(item, is_relaxed=is_relaxed) + rest
                rest = _either([unfinished(item, is_relaxed=is_relaxed), after])
            return rest
        case Choice(options):
            return _either([unfinished(option, is_relaxed=is_relaxed) for option in options])
        case Repeat(item, _, high):
            return _unfinished_repeat(item, high, is_relaxed=is_relaxed)


def _unfinished_repeat(item: Node, high: int | None, *, is_relaxed: bool) -> str | None:
    inner = unfinished(item, is_relaxed=is_relaxed)
    if inner is None or high == 0:
        return None
    before = None if high is None else high - 1
    if is_relaxed and before is not None and before > _LONGEST_COUNT:
        before = None
    return _times(written(item, is_relaxed=is_relaxed), 0, before) + inner


def _times(pattern: str, low: int, high: int | None) -> str:
    if high is None and low <= 1:
        return f"(?:{pattern}){'+' if low else '*'}"
    if (low, high) == (1, 1):
        return f"(?:{pattern})"
    return "" if high == 0 else f"(?:{pattern}){{{low},{'' if high is None else high}}}"


def _either(patterns: Sequence[str | None]) -> str | None:
    """Any of these; an empty pattern among them makes the others optional."""
    kept = list(dict.fromkeys(pattern for pattern in patterns if pattern is not None))
    some = [pattern for pattern in kept if pattern]
    if not kept:
        return None
    if not some:
        return ""
    group = f"(?:{'|'.join(some)})"
    return group if len(some) == len(kept) else f"{group}?"


class Shape:
    """A pattern that knows what could still become a match of it."""

    __slots__ = ("_find", "_find_open", "_limit", "is_exact", "max_match", "source", "unfinished")

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
        self._find_open, self.unfinished, is_whole = _open_ends(tree)
        self.is_exact = is_whole and self._limit is None
        """Whether no more is held than could still be part of, extend or cancel a match."""

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
        open_at = end if is_end else _open_at(self._find_open, data, at)
        spans: Spans = []
        while span := self._find.find(data, at, end):
            if span[0] >= open_at:
                break
            spans.append(span)
            at = span[1]
            if at > open_at:  # what seemed open is taken
                open_at = _open_at(self._find_open, data, at)
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

    def _open_within(self, text: str, at: int, limit: int) -> int:
        span = _find_in(self._find_open.find, text, max(at, len(text) - limit), len(text))
        return len(text) if span is None else span[0]


class Screen:
    """Many shapes, two scans: which of them may have something to say about a text."""

    __slots__ = ("_find_open", "_hits")

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._hits = regex_set(tuple(shape.source for shape in shapes))
        options = dict.fromkeys(shape.unfinished for shape in shapes if shape.unfinished)
        try:
            self._find_open: Regex | None = Regex(rf"(?:{'|'.join(options)})\z")
        except DetectorError:  # together too large for one program
            self._find_open = None

    def hits(self, data: bytes) -> list[int]:
        """The indexes of the shapes that match anywhere, in the order they were given."""
        return self._hits.hits(data)

    def open_at(self, data: bytes, at: int) -> int:
        """The earliest place from ``at`` on that may be open to a shape, as an offset in UTF-8.

        It may be earlier than what ``Shape.scan`` says, never later.
        """
        return at if self._find_open is None else _open_at(self._find_open, data, at)


@lru_cache(maxsize=512)
def screen_over(shapes: tuple[Shape, ...]) -> Screen:
    """A screen over these shapes, made once: audiences and policies mostly look for the same."""
    return Screen(shapes)


def _open_at(find_open: Regex, data: bytes, at: int) -> int:
    span = find_open.find(data, at, len(data))
    return len(data) if span is None else span[0]


def _open_ends(tree: Node) -> tuple[Regex, str, bool]:
    """The search for the earliest open place, its pattern, and whether it is exact."""
    exact = unfinished(tree) or ""
    try:
        search = Regex(rf"(?:{exact})\z")
    except DetectorError:
        search = None
    if search is not None and search.size <= _LARGEST_PROGRAM:
        return search, exact, True
    relaxed = unfinished(tree, is_relaxed=True) or ""
    return Regex(rf"(?:{relaxed})\z"), relaxed, False


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
