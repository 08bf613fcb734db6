"""Put values back where their pseudonyms stand, in a text that is still coming.

Never inside a URL: a link or an image that a model was talked into writing would carry the value
out, an image without a click. A place is inside a URL where what stands before it, without a blank,
a quote or a bracket between, has a scheme, ``www.``, ``//`` (also percent-encoded) or a host with a
path; in the target of a Markdown link, image, reference or autolink; in an attribute of HTML or a
rule of CSS that takes a URL; and where host names follow it. A run of text longer than what is
remembered of it counts as a URL.
"""

import re
from typing import Any

import orjson
import re2

from app.domain.policy import Categories
from app.guardrails.known import KnownPseudonyms
from app.guardrails.rewrite import Edit, json_unescaped, last_unescaped

_REMEMBERED = 8192
"""How much of what was released is looked at, in code points."""
_SHORT_RUN = 64

# What ends a bare URL in every reader that makes links of them; Chinese punctuation does in those
# that know Chinese.
_BREAK = re.compile('[\\s"<>`，。；！？、）」』】》”]')

# Linear, because the text is the model's: a backtracking engine could be made to hang.
_URL_BEFORE: Any = re2.compile(
    r"(?i)[a-z][a-z0-9+.\-]*://|//[^/\s]|%2f%2f|(?:^|[^a-z0-9])www\.|"
    r"(?:^|[^a-z0-9])(?:mailto|tel|sms|smsto|data|javascript|vbscript|file|blob|callto|skype|"
    r"whatsapp|tg|geo|maps|magnet|intent|itms|market|facetime|xmpp|irc|news|urn|view-source):|"
    r"[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?\.[a-z]{2,}(?::\d+)?[/?#]|"
    r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?[/?#]|\[[0-9a-f:.]*:[0-9a-f:.]*\](?::\d+)?[/?#]"
)
_TARGET_BEFORE: Any = re2.compile(
    r"(?i)(?:"
    # of a Markdown link or image, of a reference definition, an autolink
    r"\]\(\s*(?:<[^>\n]*|[^\s)]*)|"
    r"(?:^|\n)[ \t>*+\-]*\[[^\]\n]+\]:\s*(?:<[^>\n]*|\S*)|"
    r"<[a-z][a-z0-9+.\-]{1,31}:[^\s<>]*|"
    # of CSS
    r"\burl\(\s*[\"']?[^)\"']*|@import\s*[\"']?[^;\"']*|"
    # of an attribute of HTML
    r"(?:\b(?:src|srcset|imagesrcset|href|formaction|poster|ping|lowsrc|dynsrc|codebase)|"
    r"<[a-z][^<>]*\b(?:action|data|background|cite|content|longdesc|manifest|usemap|icon|profile))"
    r"\s*=\s*(?:\"[^\"]*|'[^']*|[^\s\"'>]*)"
    r")\z"
)
_HOST_AFTER = re.compile(
    r"[A-Za-z0-9_-]{0,63}(?:(?:\.[A-Za-z0-9-]{1,63}){1,8}\.[A-Za-z]{2}|@[A-Za-z0-9-]{1,63}\.[A-Za-z])"
)
_MAY_BE_HOST = re.compile(r"[A-Za-z0-9_.@-]{0,300}(?:\\(?:u[0-9A-Fa-f]{0,3})?)?\Z")
_READ_AHEAD = 4096
"""How much of what follows is read for them: more than the longest host, were all of it escapes."""


class Restorer:
    """Reads a channel's rewritten text as it comes, and gives what the user sees."""

    def __init__(
        self, known: KnownPseudonyms, sees: Categories = None, *, is_json: bool = False
    ) -> None:
        """Begin a channel.

        Args:
            known: The pseudonyms of the scope; fixed while the channel lasts.
            sees: Which kinds of values the sink gets.
            is_json: The text is JSON, so that values are escaped as its strings need it.
        """
        self._known = known
        self._sees = sees
        self._is_json = is_json
        self._held = ""
        self._before = ""
        self._last = ""  # the code point before what is held, as what it stands for
        self.read = 0
        """How much was read of what was given, or put values for."""
        self._written = 0
        self.edits: list[Edit] = []
        """Where values were put back: places in what was read, and in what was given."""

    def feed(self, text: str, *, is_end: bool = False) -> str:
        """What can be shown now; what could still become a pseudonym or a URL waits."""
        if not self._known:
            return text
        text = self._held + text
        found, ready = self._known.scan(
            text, 0, is_end=is_end, is_json=self._is_json, before=self._last
        )
        parts: list[str] = []
        at = 0
        for standing in found:
            start, end = standing.span
            original = self._known.originals[standing.pseudonym]
            if self._sees is not None and original.category not in self._sees:
                continue
            self._give(text[at:start], parts)
            at = start
            is_in_url = self._is_in_url(text[end : end + _READ_AHEAD], is_end=is_end)
            if is_in_url is None:
                ready = start
                break
            if is_in_url:
                self._give(text[start:end], parts)
            else:
                self._put(original.value, end - start, parts)
            at = end
        self._give(text[at:ready], parts)
        self._held = text[ready:]
        if ready:
            self._last = last_unescaped(text, ready) if self._is_json else text[ready - 1]
        return "".join(parts)

    def _give(self, text: str, parts: list[str]) -> None:
        parts.append(text)
        self.read += len(text)
        self._written += len(text)
        self._before = (self._before + text)[-_REMEMBERED:]

    def _put(self, value: str, length: int, parts: list[str]) -> None:
        """Give a value in place of so many code points."""
        if self._is_json:
            value = orjson.dumps(value.encode("utf-8", "replace").decode()).decode()[1:-1]
        read, written = self.read, self._written
        self._give(value, parts)
        self.read = read + length
        self.edits.append(Edit(read, self.read, written, self._written))

    def _is_in_url(self, after: str, *, is_end: bool) -> bool | None:
        """Whether what stands between what was given and this is in a URL; none: not yet known."""
        before = json_unescaped(self._before) if self._is_json else self._before
        run = before[_last_break(before) :]
        if len(run) >= _REMEMBERED or _URL_BEFORE.search(run) or _TARGET_BEFORE.search(before):
            return True
        if not is_end and _MAY_BE_HOST.match(after):
            return None
        return _HOST_AFTER.match(json_unescaped(after) if self._is_json else after) is not None


def _last_break(text: str) -> int:
    """Where the run of text begins that could be one URL.

    Looked for from the end, in parts that double: runs are short, and what is remembered is long.
    """
    size = _SHORT_RUN
    while True:
        start = max(len(text) - size, 0)
        at = -1
        for match in _BREAK.finditer(text, start):
            at = match.end()
        if at >= 0 or not start:
            return max(at, 0)
        size *= 2
