r"""Known pseudonyms, found in a text that is still coming, also as models alter them.

Models write ``EMAIL\_ADDRESS\_…``, ``**EMAIL**_ADDRESS_…``, ``email_address_…``, ``EMAIL&#95;…``,
``EMAIL\u005f…`` inside JSON, or wrap the line. So a pseudonym is found by its letters and digits,
read without case; between two of them may stand what does not count. What is found is one of the
scope's own: the nine characters of an HMAC and the check character have to be there, all of them.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from app.domain.decision import DetectorRef
from app.domain.finding import Finding
from app.domain.protocols import Original
from app.guardrails.places import Span
from app.guardrails.pseudonyms import token_like
from app.guardrails.rewrite import json_unescaped

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
_PASSED = rf"[{re.escape(_MARKS + _INVISIBLE)}\s>]{{0,{_LONGEST_GAP}}}"

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,23});")
_OPEN_ENTITY = re.compile(r"&(?:#(?:[0-9]{0,7}|[xX][0-9A-Fa-f]{0,6})|[A-Za-z][A-Za-z0-9]{0,23})?\Z")
_JSON_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|[^u]|u(?![0-9A-Fa-f]{0,3}\Z))", re.DOTALL)

Node = dict[str, Any]
"""By code point the next node; under the empty string the pseudonym that ends here."""


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
        self._root: Node = {}
        for pseudonym in self.originals:
            node = self._root
            for sign in pseudonym.upper():
                node = node.setdefault(sign, {})
            node[""] = pseudonym
        firsts = {(first, second) for first, node in self._root.items() for second in node}
        self._beginning = _beginning(tuple(sorted(firsts)))

    def __bool__(self) -> bool:
        return bool(self.originals)

    def may_stand_in(self, text: str, at: int) -> bool:
        """Whether a pseudonym may begin in the text from ``at`` on; a guess on the safe side."""
        return bool(self.originals) and self._beginning.search(text, at) is not None

    def scan(
        self, text: str, at: int, *, is_end: bool, is_json: bool = False
    ) -> tuple[list[Standing], int]:
        """The pseudonyms that certainly stand from ``at`` on, and the earliest open place.

        Args:
            text: What is read; ``at`` is not inside a pseudonym nor inside an escape of JSON.
            at: From where on.
            is_end: Nothing follows, so nothing is open.
            is_json: Escapes are read as what they stand for.
        """
        found: list[Standing] = []
        if not self.originals:
            return found, len(text)
        reader = _Reader(text, is_json=is_json, is_end=is_end)
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
        return [
            (start, end)
            for start, end in alike
            if not any(each.start < end and start < each.end for each in known)
        ]

    def _from(self, reader: "_Reader", start: int) -> tuple[Standing | None, bool]:
        """The longest pseudonym that begins here, and whether more text could change that."""
        node, at, gap, is_wrapped = self._root, start, 0, False
        best: Standing | None = None
        while len(node) > ("" in node):
            if at == len(reader.text):
                return best, not reader.is_end
            unit = reader.unit(at)
            if unit is None:
                return best, True
            is_indent = is_wrapped and unit.sign in _AFTER_BREAK
            following = None if is_indent else _following(node, unit.sign)
            if following is not None:
                node, gap, is_wrapped = following, 0, False
                if "" in node:
                    best = Standing(start, unit.end, node[""])
            elif node is self._root or not (is_indent or _does_not_count(unit.sign)):
                break
            else:
                gap += unit.end - at
                is_wrapped = is_wrapped or unit.sign in _BREAKS
                if gap > _LONGEST_GAP:
                    break
            at = unit.end
        return best, False


def _following(node: Node, sign: str) -> Node | None:
    """Where a code point leads. Something else may stand for an underscore, or nothing at all."""
    following: Node | None = node.get(sign)
    if following is None and "_" in node:
        behind: Node = node["_"]
        following = behind if sign in _STANDS_FOR_UNDERSCORE else behind.get(sign)
    return following


def _does_not_count(sign: str) -> bool:
    return sign in _IGNORED or sign in _BREAKS


class _Reader:
    """Reads a text code point by code point: escapes and entities as what they stand for."""

    __slots__ = ("is_end", "is_json", "text")

    def __init__(self, text: str, *, is_json: bool, is_end: bool) -> None:
        self.text = text
        self.is_json = is_json
        self.is_end = is_end

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
