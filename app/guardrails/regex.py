r"""RE2, leftmost-longest, over UTF-8: the one place that knows what the binding keeps to itself.

Leftmost-longest makes what a pattern matches a matter of its language alone: of two patterns for
the same set of strings neither finds more, greedy or lazy. A search sees the text on either side
of its bounds, so ``\b``, ``^`` and ``$`` mean what they mean in the whole text. The first, ``\w``
and ``\d`` are ASCII, so a word boundary stands between a Latin letter and a Chinese one.
"""

from functools import lru_cache
from typing import Any

import re2

from app.domain.errors import DetectorError

_MEMORY = 64 << 20
"""What one pattern may use for its program and the automaton it builds as it runs, in bytes.
It is a bound, not a size: patterns of everyday size use some kilobytes."""


def _options() -> Any:  # noqa: ANN401  # the binding has no types
    options = re2.Options()
    options.longest_match = True
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


class Regex:
    """A compiled pattern."""

    __slots__ = ("_find", "_raw", "source")

    def __init__(self, source: str) -> None:
        """Compile.

        Raises:
            DetectorError: RE2 does not accept the pattern, or it is too large.
        """
        self.source = source
        try:
            compiled = re2.compile(source.encode(), _options())
        except re2.error as exc:
            reason = exc.args[0].decode() if isinstance(exc.args[0], bytes) else str(exc)
            raise DetectorError(
                f"the pattern does not run in linear time or is not well formed ({reason}); see "
                "https://github.com/google/re2/wiki/Syntax for what may be written"
            ) from None
        # The public search makes a match object and walks the text once more: three times the
        # time of the search itself, for each delta of each stream.
        self._raw = compiled._regexp  # noqa: SLF001
        self._find = self._raw.Match

    @property
    def size(self) -> int:
        """How many instructions the program has, in both directions."""
        return int(self._raw.ProgramSize()) + int(self._raw.ReverseProgramSize())

    def find(self, data: bytes, start: int, end: int) -> tuple[int, int] | None:
        """The leftmost-longest match that begins at ``start`` or later and ends by ``end``."""
        span: tuple[int, int] = self._find(_ANYWHERE, data, start, end)[0]
        return None if span[0] < 0 else span

    def find_here(self, data: bytes, start: int, end: int) -> tuple[int, int] | None:
        """The longest match that begins at ``start`` and ends by ``end``."""
        span: tuple[int, int] = self._find(_HERE, data, start, end)[0]
        return None if span[0] < 0 else span


_ANYWHERE = re2._Anchor.UNANCHORED  # noqa: SLF001  # as above
_HERE = re2._Anchor.ANCHOR_START  # noqa: SLF001


def longest(pattern: str) -> "re2._Regexp":
    """A pattern of ours over text, with groups, whose matches are those that shapes have."""
    options = re2.Options()
    options.longest_match = True
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(pattern, options)


class RegexSet:
    """Many patterns, one scan: which of them match at all."""

    __slots__ = ("_all", "_set")

    def __init__(self, sources: tuple[str, ...]) -> None:
        self._all = list(range(len(sources)))
        self._set = re2.Set.SearchSet(_options())
        try:
            for source in sources:
                self._set.Add(source.encode())
            self._set.Compile()
        except re2.error:
            # Together they are too large for one automaton. A screen may always answer "all".
            self._set = None

    def hits(self, data: bytes) -> list[int]:
        """The indexes of the patterns that match anywhere."""
        if not self._all:
            return self._all
        if self._set is None:
            return self._all
        return self._set.Match(data) or []


@lru_cache(maxsize=512)
def regex_set(sources: tuple[str, ...]) -> RegexSet:
    """A set over these patterns, made once: audiences and policies mostly look for the same."""
    return RegexSet(sources)
