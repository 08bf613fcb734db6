"""Find payloads in a text and decode them: escapes, base64, hexadecimal, percent signs, rot13.

Every function takes time linear in the text, and gives no more code points than it read.
"""

import binascii
import codecs
import re
from collections.abc import Callable

import re2

from app.guardrails.fold import Reading
from app.guardrails.rewrite import json_unescaped

_SURROGATES = re.compile("[\ud800-\udfff]")

# An escape that the end of the text cuts off, or else a whole one. A high surrogate is cut off
# until what follows it cannot become a low one.
_JSON_ESCAPE = re.compile(
    r"\\(?:(?P<unfinished>(?:"
    r"u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?"
    r"|u[0-9a-fA-F]{0,3}"
    r")?\Z)"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|u[0-9a-fA-F]{4}"
    r"|[\"\\/bfnrt])"
)

# Words that tell rot13 from other text: what the commonest words of an instruction turn into.
_ROT13_WORDS = codecs.encode(
    "the|and|you|your|for|how|make|write|please|with|this|from|ignore|forget|disregard|previous|"
    "instruction|instructions|system|prompt|password|secret|reveal|pretend|override|follow",
    "rot13",
)
_ROT13 = re2.compile(rf"(?i)\b(?:{_ROT13_WORDS})\b")

# A run of base64, in one piece or in lines, of which the last may be short; and parts of it to try
# where the whole is not text: it may end in a word of the next line, or stand in a path.
_BASE64 = re2.compile(
    r"[A-Za-z0-9+/_\-]{16,}(?:[ \t]{0,8}\r?\n[ \t]{0,8}[A-Za-z0-9+/_\-]{16,})*"
    r"(?:[ \t]{0,8}\r?\n[ \t]{0,8}[A-Za-z0-9+/_\-]{2,15})?"
)
_BASE64_LINES = re2.compile(
    r"[A-Za-z0-9+/_\-]{16,}(?:[ \t]{0,8}\r?\n[ \t]{0,8}[A-Za-z0-9+/_\-]{16,})*"
)
_BASE64_LINE = re2.compile(r"[A-Za-z0-9+/_\-]{16,}")
_BASE64_PIECE = re2.compile(r"[A-Za-z0-9]{16,}")
_BASE64_ALPHABET = str.maketrans("-_", "+/", " \t\r\n")

_HEX = re2.compile(r"(?:\b|0x|\\x)(?:[0-9A-Fa-f]{2}(?:[ :]|\\x)?){8,}")
_HEX_BETWEEN = str.maketrans("", "", "\\x :")

_PERCENT = re2.compile(r"(?:%[0-9A-Fa-f]{2})+")

_SCREEN = re2.compile(
    r"[A-Za-z0-9+/_\-]{16}|%[0-9A-Fa-f]{2}|(?:\\x[0-9A-Fa-f]{2}){8}|(?:[0-9A-Fa-f]{2}[ :]){7}"
    rf"|(?i:\b(?:{_ROT13_WORDS})\b)"
)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FEWEST_LETTERS = 0.4
"""The share of letters and blanks from which decoded bytes pass for text. JSON has about half."""


def without_surrogates(text: str) -> str:
    """The text with halves of surrogate pairs made U+FFFD, so that it can be written as UTF-8."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def json_reading(text: str) -> Reading | None:
    r"""JSON text with the escapes of its strings undone; none where it has no backslash.

    An escape that the end cuts off is left out, so that the reading of a prefix is a prefix of
    the reading.
    """
    if "\\" not in text:
        return None
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    stop = len(text)
    for match in _JSON_ESCAPE.finditer(text):
        start, end = match.span()
        if match["unfinished"] is not None:
            stop = start
            break
        parts += text[at:start], json_unescaped(match.group())
        starts += range(at, start + 1)
        ends += range(at + 1, start + 1)
        ends.append(end)
        at = end
    parts.append(text[at:stop])
    starts += range(at, stop)
    ends += range(at + 1, stop + 1)
    return Reading("".join(parts), starts, ends)


def decoded_readings(text: str) -> list[tuple[str, Reading]]:
    """What the payloads inside a text say, by the name of their encoding; one reading of each."""
    if _SCREEN.search(text) is None:
        return []
    readings = (
        ("base64", _payloads(text, _BASE64, _base64_texts)),
        ("hex", _payloads(text, _HEX, _hex_texts)),
        ("url", _percent_reading(text)),
        ("rot13", _rot13_reading(text)),
    )
    return [(name, reading) for name, reading in readings if reading is not None]


_Found = list[tuple[int, int, str]]
"""Start and end of payloads in a run, and what they say."""


def _payloads(text: str, runs: "re2._Regexp", texts_in: Callable[[str], _Found]) -> Reading | None:
    """All payloads of one encoding, a line each; every code point maps to its whole payload."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for run in runs.finditer(text):
        for start, end, payload in texts_in(run.group()):
            line = payload + "\n"
            parts.append(line)
            starts += [run.start() + start] * len(line)
            ends += [run.start() + end] * len(line)
    return Reading("".join(parts), starts, ends) if parts else None


def _base64_texts(run: str) -> _Found:
    for pattern in (_BASE64, _BASE64_LINES, _BASE64_LINE, _BASE64_PIECE):
        found = [
            (match.start(), match.end(), payload)
            for match in pattern.finditer(run)
            if (payload := _base64_text(match.group())) is not None
        ]
        if found:
            return found
    return []


def _base64_text(run: str) -> str | None:
    sextets = run.translate(_BASE64_ALPHABET)
    whole = len(sextets) - (len(sextets) % 4 == 1)
    return _plausible(binascii.a2b_base64(sextets[:whole] + "=" * (-whole % 4)))


def _hex_texts(run: str) -> _Found:
    # "be 69 67 6e 6f 72 65": a short word before a payload may look like its first pair.
    for start in (0, run.find(" ") + 1):
        digits = run[start:].removeprefix("0x").translate(_HEX_BETWEEN)
        payload = _plausible(bytes.fromhex(digits[: len(digits) & ~1]))
        if payload is not None:
            return [(start, len(run.rstrip("\\x :")), payload)]
    return []


def _plausible(data: bytes) -> str | None:
    """The bytes as text, where they look like text that a person or a model could read."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if _CONTROL.search(text):
        return None
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return text if letters >= max(_FEWEST_LETTERS * len(text), 1) else None


def _percent_reading(text: str) -> Reading | None:
    """The whole text with percent signs decoded, where they stand for UTF-8."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for run in _PERCENT.finditer(text):
        try:
            decoded = bytes.fromhex(run.group().replace("%", "")).decode()
        except UnicodeDecodeError:
            continue
        start, end = run.span()
        parts += text[at:start], decoded
        starts += range(at, start)
        ends += range(at + 1, start + 1)
        for char in decoded:
            starts.append(start)
            start += 3 * len(char.encode())
            ends.append(start)
        at = end
    if not parts:
        return None
    parts.append(text[at:])
    starts += range(at, len(text))
    ends += range(at + 1, len(text) + 1)
    return Reading("".join(parts), starts, ends)


def _rot13_reading(text: str) -> Reading | None:
    if _ROT13.search(text) is None:
        return None
    return Reading(codecs.encode(text, "rot13"), None, None)
