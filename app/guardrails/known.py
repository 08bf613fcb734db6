r"""Known pseudonyms, found in a text that is still coming, also as models alter them.

Models write ``EMAIL\_ADDRESS\_…``, ``**EMAIL**_ADDRESS_…``, ``email_address_…``, ``EMAIL&#95;…``,
``EMAIL\u005f…`` inside JSON, or wrap the line. So a pseudonym is found by its letters and digits,
read without case; between two of them may stand what does not count. What is found is one of the
scope's own: all that tells a token or a surrogate from another has to be there.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple, assert_never

from app.domain.decision import DetectorRef
from app.domain.finding import Finding
from app.domain.protocols import Original
from app.guardrails.places import Places, Span
from app.guardrails.pseudonyms import is_token, token_like
from app.guardrails.rewrite import joins, json_unescaped, last_unescaped
from app.guardrails.surrogates import is_number, ways_to_write

PSEUDONYM = DetectorRef("pseudonym", "2")
"""Sees tokens of our shape that nobody minted: they are told and passed on, never guessed."""

_LONGEST_GAP = 16
"""How many code points that do not count may stand between two that do."""
_MARKS = "*`~"
"""Of Markdown. The backslash is one too, and is read by itself."""
_INVISIBLE = (
    "\u00ad\u034f\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
_IGNORED = frozenset(_MARKS + "\\" + _INVISIBLE)
_BREAKS = frozenset("\r\n")
_AFTER_BREAK = frozenset(" >")
"""Blanks and quote marks that begin a line that was wrapped."""
_STANDS_FOR_UNDERSCORE = frozenset(" -")
_IN_NUMBERS = frozenset(" -./()_\u2010\u2011\u2012\u2013")
"""What groups the digits of a number."""
_PASSED = (
    rf"[{re.escape(_MARKS + _INVISIBLE + ''.join(sorted(_IN_NUMBERS)))}\s>]{{0,{_LONGEST_GAP}}}"
)

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,23});")
_OPEN_ENTITY = re.compile(r"&(?:#(?:[0-9]{0,7}|[xX][0-9A-Fa-f]{0,6})|[A-Za-z][A-Za-z0-9]{0,23})?\Z")
_JSON_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|[^u]|u(?![0-9A-Fa-f]{0,3}\Z))", re.DOTALL)

Node = dict[str, Any]
"""By code point the next node; under the empty string the pseudonym that ends here."""


class _Kind(Enum):
    """How a pseudonym is read: what does not count in it, and what may stand beside it."""

    TOKEN = "token"  # noqa: S105  # no password
    """Marks and the end of a line do not count; anything may stand beside it."""
    WORDS = "words"
    """Marks do not count; no letter or digit stands beside it, but those of Chinese."""
    NUMBER = "number"
    """As ``WORDS``, and what groups digits does not count either."""


class Standing(NamedTuple):
    """Where a pseudonym stands in a text."""

    start: int
    end: int
    pseudonym: str

    @property
    def span(self) -> Span:
        """The place alone."""
        return self.start, self.end


class _Unit(NamedTuple):
    """One code point as it is read, and where the text goes on behind it."""

    sign: str
    end: int


class KnownPseudonyms:
    """The pseudonyms of a scope, with what they stand for."""

    def __init__(self, originals: Mapping[str, Original]) -> None:
        self.originals = dict(originals)
        self._roots: dict[_Kind, Node] = {}
        for pseudonym, original in self.originals.items():
            kind, ways = _ways(pseudonym, original.category)
            for way in ways:
                node = self._roots.setdefault(kind, {})
                for sign in way.upper():
                    node = node.setdefault(sign, {})
                node[""] = pseudonym
        firsts = {
            (first, second)
            for root in self._roots.values()
            for first, node in root.items()
            for second in node
        }
        self._beginning = _beginning(tuple(sorted(firsts)))

    def __bool__(self) -> bool:
        return bool(self.originals)

    def may_stand_in(self, text: str, at: int) -> bool:
        """Whether a pseudonym may begin in the text from ``at`` on; a guess on the safe side."""
        return bool(self.originals) and self._beginning.search(text, at) is not None

    def scan(
        self, text: str, at: int, *, is_end: bool, is_json: bool = False, before: str = ""
    ) -> tuple[list[Standing], int]:
        """The pseudonyms that certainly stand from ``at`` on, and the earliest open place.

        Args:
            text: What is read; ``at`` is not inside a pseudonym nor inside an escape of JSON.
            at: From where on.
            is_end: Nothing follows, so nothing is open.
            is_json: Escapes are read as what they stand for.
            before: The code point before the text, where there is one.
        """
        found: list[Standing] = []
        if not self.originals:
            return found, len(text)
        reader = _Reader(text, is_json=is_json, is_end=is_end, before=before)
        for beginning in self._beginning.finditer(text, at):
            start = beginning.start()
            if start < at:
                continue
            unit = reader.unit(start)
            if unit is None:
                return found, start
            standing, is_open = self._from(reader, start)
            if is_open:
                return found, start
            if standing is not None:
                found.append(standing)
                at = standing.end
            elif unit.end > start + 1:
                at = unit.end  # nothing begins inside an escape
        return found, len(text)

    def unknown_in(self, text: str, *, is_json: bool = False) -> list[Span]:
        """Where a text has what looks like a pseudonym of ours and is none of the scope."""
        alike = list(token_like(text))
        if not alike:
            return alike
        known, _ = self.scan(text, 0, is_end=True, is_json=is_json)
        places = Places(each.span for each in known)
        return [span for span in alike if not places.meet(*span)]

    def _from(self, reader: "_Reader", start: int) -> tuple[Standing | None, bool]:
        """The longest pseudonym that begins here, and whether more text could change that."""
        best: Standing | None = None
        for kind, root in self._roots.items():
            standing, is_open = _longest(reader, start, kind, root)
            if is_open:
                return None, True
            if standing is not None and (best is None or standing.end > best.end):
                best = standing
        return best, False


def _longest(
    reader: "_Reader", start: int, kind: _Kind, root: Node
) -> tuple[Standing | None, bool]:
    """The longest pseudonym of one kind, and whether more text could change that."""
    node, at, walk = root, start, _Gap(kind)
    best: Standing | None = None
    while len(node) > ("" in node):
        if at == len(reader.text):
            return best, not reader.is_end
        unit = reader.unit(at)
        if unit is None:
            return best, True
        if node is root and kind is not _Kind.TOKEN and not reader.may_begin(start, unit.sign):
            break
        following = None if walk.passes_indent(unit.sign) else _following(node, unit.sign, kind)
        if following is not None:
            node, walk = (
                following,
                _Gap(kind, follows_blank=unit.sign == " " or unit.sign in _BREAKS),
            )
        elif node is root or not walk.passes(unit.sign, unit.end - at):
            break
        at = unit.end
        if following is not None and "" in node:
            may_end = kind is _Kind.TOKEN or reader.may_end(at, unit.sign)
            if may_end is None:
                return best, True
            if may_end and _is_closed(reader.text[start:at], kind):
                best = Standing(start, at, node[""])
    return best, False


class _Gap:
    """What does not count between two code points that do."""

    __slots__ = ("_follows_blank", "_is_wrapped", "_kind", "_length")

    def __init__(self, kind: _Kind, *, follows_blank: bool = False) -> None:
        self._kind = kind
        self._follows_blank = follows_blank
        self._length = 0
        self._is_wrapped = False

    def passes_indent(self, sign: str) -> bool:
        """Whether it begins a line that was wrapped inside a token."""
        return self._is_wrapped and sign in _AFTER_BREAK

    def passes(self, sign: str, length: int) -> bool:
        """Whether the code point does not count here."""
        self._length += length
        is_break = sign in _BREAKS
        match self._kind:
            case _Kind.TOKEN:
                skips = is_break or self.passes_indent(sign)
                self._is_wrapped = self._is_wrapped or is_break
            case _Kind.WORDS:
                skips = sign == "_" or (self._follows_blank and (is_break or sign == " "))
            case _Kind.NUMBER:
                skips = is_break or sign in _IN_NUMBERS
            case _:
                assert_never(self._kind)
        return (skips or sign in _IGNORED) and self._length <= _LONGEST_GAP


def _ways(pseudonym: str, category: str) -> tuple[_Kind, tuple[str, ...]]:
    if is_token(pseudonym):
        return _Kind.TOKEN, (pseudonym,)
    kind = _Kind.NUMBER if is_number(category) else _Kind.WORDS
    return kind, ways_to_write(category, pseudonym)


def _is_closed(written: str, kind: _Kind) -> bool:
    """A bracket that a number begins with is closed inside it."""
    return kind is not _Kind.NUMBER or written[0] != "(" or ")" in written


def _following(node: Node, sign: str, kind: _Kind) -> Node | None:
    """Where a code point leads.

    In a token something else may stand for an underscore, or nothing at all; the end of a line
    stands for a blank in words.
    """
    following: Node | None = node.get(sign)
    if following is None and kind is _Kind.TOKEN and "_" in node:
        behind: Node = node["_"]
        following = behind if sign in _STANDS_FOR_UNDERSCORE else behind.get(sign)
    if following is None and kind is _Kind.WORDS and sign in _BREAKS:
        following = node.get(" ")
    return following


class _Reader:
    """Reads a text code point by code point: escapes and entities as what they stand for."""

    __slots__ = ("_before", "is_end", "is_json", "text")

    def __init__(self, text: str, *, is_json: bool, is_end: bool, before: str) -> None:
        self.text = text
        self.is_json = is_json
        self.is_end = is_end
        self._before = before

    def may_begin(self, at: int, sign: str) -> bool:
        """Whether a word that begins here with this is not a part of what stands before it."""
        if at == 0:
            before = self._before
        elif self.is_json and "\\" in self.text[max(at - 6, 0) : at]:
            before = last_unescaped(self.text, at)
        else:
            before = self.text[at - 1]
        return not (before and joins(before) and joins(sign))

    def may_end(self, at: int, sign: str) -> bool | None:
        """Whether a word that ends here with this is whole; none where that is not known."""
        if at == len(self.text):
            return True if self.is_end else None
        unit = self.unit(at)
        return None if unit is None else not (joins(unit.sign) and joins(sign))

    def unit(self, at: int) -> _Unit | None:
        """What stands here; none where the end of the text cuts it off."""
        sign = self.text[at]
        if sign == "&":
            return self._entity(at)
        if sign == "\\" and self.is_json:
            return self._escape(at)
        return _Unit(_folded(sign), at + 1)

    def _entity(self, at: int) -> _Unit | None:
        if entity := _ENTITY.match(self.text, at):
            sign = unescape(entity.group())
            return _Unit(_folded(sign) if len(sign) == 1 else "&", entity.end())
        if not self.is_end and _OPEN_ENTITY.match(self.text, at):
            return None
        return _Unit("&", at + 1)

    def _escape(self, at: int) -> _Unit | None:
        if escape := _JSON_ESCAPE.match(self.text, at):
            return _Unit(_folded(json_unescaped(escape.group())), escape.end())
        return _Unit("\\", len(self.text)) if self.is_end else None


@lru_cache(maxsize=4096)
def _folded(sign: str) -> str:
    """Without case and width; blanks alike, but for those that end a line."""
    if sign in _BREAKS:
        return sign
    folded = unicodedata.normalize("NFKC", sign).upper()
    if folded.isspace():
        return " "
    return folded if len(folded) == 1 else sign


@lru_cache(maxsize=256)
def _beginning(firsts: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """Where a pseudonym, or an escape that may stand for its beginning, may begin."""
    ways = [
        f"{_any_of(first)}(?={_PASSED}(?:{_any_of(second)}|[&\\\\]|\\Z))"
        for first, second in firsts
        if second not in {"", "_", " "}
    ]
    ways += {_any_of(first) for first, second in firsts if second in {"", "_", " "}}
    return re.compile("|".join(["[&\\\\]", *ways]))


@lru_cache(maxsize=1024)
def _any_of(sign: str) -> str:
    """The code points that are read as this one."""
    wide = chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign
    written = dict.fromkeys((sign, sign.lower(), wide, wide.lower()))
    return f"[{''.join(map(re.escape, written))}]"


def unknown_token(start: int, end: int) -> Finding:
    """Says that something there looks like a pseudonym of ours."""
    return Finding(
        detector=PSEUDONYM.detector,
        category="unknown_token",
        score=1.0,
        path="",
        start=start,
        end=end,
        revision=PSEUDONYM.revision,
        explanation="looks like a pseudonym of ours, and is none of this scope",
    )
