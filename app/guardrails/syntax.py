r"""Read an RE2 pattern into a tree, far enough to reason about what a match could still become.

Whether a pattern is valid is RE2's own to say; this reads only what RE2 has accepted. A leaf keeps
the text it was written as, so nothing here needs to know what ``\pL`` or ``[^a-z]`` stand for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.errors import DetectorError


@dataclass(frozen=True, slots=True)
class Char:
    """Exactly one code point: a literal, a class or the dot."""

    text: str


@dataclass(frozen=True, slots=True)
class Look:
    r"""An assertion that takes nothing: ``^ $ \A \z \b \B``."""

    text: str
    is_settled: bool
    """Its truth never depends on what comes next."""


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other; nothing at all where there are no items."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of these."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``low`` to ``high`` times; without ``high`` as often as it likes."""

    item: "Node"
    low: int
    high: int | None


Node = Char | Look | Seq | Choice | Repeat


def min_width(node: Node) -> int:
    """The fewest code points that a match can have."""
    match node:
        case Char():
            return 1
        case Look():
            return 0
        case Seq(items):
            return sum(map(min_width, items))
        case Choice(options):
            return min(map(min_width, options))
        case Repeat(item, low, _):
            return low * min_width(item)


def max_width(node: Node) -> int | None:
    """The most code points that a match can have; none where there is no bound."""
    match node:
        case Char():
            return 1
        case Look():
            return 0
        case Seq(items):
            widths = [max_width(item) for item in items]
            known = [width for width in widths if width is not None]
            return sum(known) if len(known) == len(widths) else None
        case Choice(options):
            widths = [max_width(option) for option in options]
            known = [width for width in widths if width is not None]
            return max(known) if len(known) == len(widths) else None
        case Repeat(item, _, high):
            width = max_width(item)
            if width == 0:
                return 0
            return None if width is None or high is None else width * high


_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP_NAME = re.compile(r"\?P?<\w+>")
_FLAGS = re.compile(r"\?([imsU]*)(?:-([imsU]+))?([:)])")
_POSIX_CLASS = re.compile(r"\[:\^?\w+:\]")
_LONG_ESCAPE = re.compile(
    r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})|[0-7]{1,3})"
)
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse(pattern: str) -> Node:
    """The tree of a pattern that RE2 has accepted.

    Raises:
        DetectorError: The pattern uses what RE2 has but this cannot reason about.
    """
    reader = _Reader(pattern)
    node = reader.choice(frozenset())
    if reader.at != len(pattern):
        raise DetectorError(f"the pattern cannot be read at position {reader.at}: {pattern!r}")
    return node


class _Reader:
    """A cursor over a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def choice(self, flags: frozenset[str]) -> Node:
        """Read options up to the end of the group; flags set inside hold up to there."""
        options: list[Node] = []
        items: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                options.append(_seq(items))
                items = []
                continue
            changed = self._flags_only(flags)
            if changed is None:
                items.extend(self._atom(flags))
            else:
                flags = changed
            # Flags and empty quotes are nothing to repeat: what stands before them is.
            while items and (times := self._times()) is not None:
                items[-1] = Repeat(items[-1], *times)
        options.append(_seq(items))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _flags_only(self, flags: frozenset[str]) -> frozenset[str] | None:
        """Read ``(?i)`` and the like, which change what follows; none where there is none."""
        match = _FLAGS.match(self.pattern, self.at + 1) if self._sees("(?") else None
        if match is None or match[3] != ")":
            return None
        self.at = match.end()
        return _with_flags(flags, match)

    def _times(self) -> tuple[int, int | None] | None:
        char = self.pattern[self.at : self.at + 1]
        times: tuple[int, int | None] | None = _TIMES.get(char)
        if times is not None:
            self.at += 1
        elif char == "{" and (match := _REPEAT.match(self.pattern, self.at)):
            self.at = match.end()
            low = int(match[1])
            times = (low, low if match[2] is None else int(match[3]) if match[3] else None)
        if times is not None and self._sees("?"):
            self.at += 1  # lazy or greedy: the longest match is the same
        return times

    def _atom(self, flags: frozenset[str]) -> Iterator[Node]:
        char = self.pattern[self.at]
        if char == "(":
            yield self._group(flags)
        elif char == "[":
            yield self._flagged(self._class(), "i", flags)
        elif char == "\\":
            yield from self._escape(flags)
        else:
            self.at += 1
            if char == "^":
                yield Look(_flagged_text("^", "m", flags), is_settled=True)
            elif char == "$":
                yield Look(_flagged_text("$", "m", flags), is_settled=False)
            else:
                yield self._flagged(char, "s" if char == "." else "i", flags)

    def _group(self, flags: frozenset[str]) -> Node:
        self.at += 1
        if name := _GROUP_NAME.match(self.pattern, self.at):
            self.at = name.end()
        elif self._sees("?"):
            match = _FLAGS.match(self.pattern, self.at)
            if match is None:
                raise DetectorError(f"the pattern has a group of an unknown kind: {self.pattern!r}")
            self.at = match.end()
            flags = _with_flags(flags, match)
        node = self.choice(flags)
        self.at += 1  # the closing parenthesis, which RE2 has seen
        return node

    def _class(self) -> str:
        start = self.at
        self.at += 1
        if self._sees("^"):
            self.at += 1
        first = self.at
        while self.pattern[self.at] != "]" or self.at == first:
            posix = _POSIX_CLASS.match(self.pattern, self.at)
            escape = _LONG_ESCAPE.match(self.pattern, self.at)
            if posix or escape:
                self.at = (posix or escape).end()  # type: ignore[union-attr]  # one of them is
            else:
                self.at += 2 if self._sees("\\") else 1
        self.at += 1
        return self.pattern[start : self.at]

    def _escape(self, flags: frozenset[str]) -> Iterator[Node]:
        if self._sees(r"\Q"):
            yield from self._quoted(flags)
            return
        long = _LONG_ESCAPE.match(self.pattern, self.at)
        end = long.end() if long else self.at + 2
        text = self.pattern[self.at : end]
        self.at = end
        if text == r"\C":
            raise DetectorError(
                f"\\C, a single byte, is not supported in patterns: {self.pattern!r}"
            )
        if text in {r"\b", r"\B", r"\A", r"\z"}:
            yield Look(text, is_settled=text == r"\A")
        else:
            yield self._flagged(text, "i", flags)

    def _quoted(self, flags: frozenset[str]) -> Iterator[Node]:
        end = self.pattern.find(r"\E", self.at)
        literal = self.pattern[self.at + 2 : len(self.pattern) if end < 0 else end]
        self.at = len(self.pattern) if end < 0 else end + 2
        for char in literal:
            yield self._flagged(literal_text(char), "i", flags)

    def _flagged(self, text: str, flag: str, flags: frozenset[str]) -> Char:
        return Char(_flagged_text(text, flag, flags))

    def _sees(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)


def literal_text(text: str) -> str:
    """The text as a pattern that matches exactly it."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in text)


_SPECIAL = frozenset("\\.+*?()|[]{}^$-")


def _flagged_text(text: str, flag: str, flags: frozenset[str]) -> str:
    """The leaf's text, with the flag that changes its meaning where that is set."""
    has_case = flag != "i" or len(text) > 1 or not text.isascii() or text.isalpha()
    return f"(?{flag}:{text})" if flag in flags and has_case else text


def _with_flags(flags: frozenset[str], match: re.Match[str]) -> frozenset[str]:
    return (flags | set(match[1])) - set(match[2] or "")


def _seq(items: list[Node]) -> Node:
    return items[0] if len(items) == 1 else Seq(tuple(items))
