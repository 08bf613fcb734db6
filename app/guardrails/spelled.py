r"""Readings of a text that spells another one out: numbers, Morse code, escapes, base32, rot47.

They take more than a model's habit to write, and are looked for only where an answer is compared
with a text that must not leave. Every function takes time linear in the text.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator

import re2

from app.guardrails.fold import Reading, translated

_BETWEEN = r"[ ,;:.\-/|\n]{1,3}"
_NUMBERS = re2.compile(
    rf"\b(?:0x)?[0-9a-fA-F]{{1,3}}(?:{_BETWEEN}(?:0x)?[0-9a-fA-F]{{1,3}}){{9,}}\b"
)
_BITS = re2.compile(r"[01]{7,8}(?:[ ,\n]{0,2}[01]{7,8}){7,}")
_MORSE = re2.compile(r"[.\-]{1,6}(?:[ /|\n]{1,3}[.\-]{1,6}){9,}")
_BASE32 = re2.compile(r"[A-Z2-7]{24,}(?:\r?\n[A-Z2-7]{8,})*={0,6}")
_ESCAPES = re2.compile(
    r"(?:(?:&#[xX]?[0-9A-Fa-f]{2,6};|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2})[ ,]?){8,}"
)

_SCREEN = re2.compile(
    r"(?:[0-9a-fA-F]{1,3}[ ,;:.\-/|\n]{1,3}){9}|(?:0x[0-9a-fA-F]{2}[ ,;:]{1,2}){8}|[01]{56}"
    r"|(?:[01]{7,8}[ ,\n]{1,2}){7}"
    r"|(?:[.\-]{1,6}[ /|\n]{1,3}){9}|[A-Z2-7]{24}|&#[xX]?[0-9A-Fa-f]{2,6};|\\[ux][0-9A-Fa-f]{2}"
)

_DASHES = str.maketrans("·•\u2013\u2014\u2212_", "..----")
_MORSE_LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
        ],
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
_NUMBER = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_LETTERS_OF_ALPHABET = 26
_BYTE = 256


def spelled_readings(text: str) -> Iterator[tuple[str, Reading]]:
    """What runs of numbers, signs and capitals in a text spell, by the name of their spelling.

    The text is one that can be written as UTF-8.
    """
    dashed = text if text.isascii() else translated(text, _DASHES)
    if _SCREEN.search(dashed) is None:
        return
    for name, runs, spelled in _SPELLINGS:
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for run in runs.finditer(dashed):
            if said := spelled(run.group()):
                line = said + "\n"
                parts.append(line)
                starts += [run.start()] * len(line)
                ends += [run.end()] * len(line)
        if parts:
            yield name, Reading("".join(parts), starts, ends)


def rot47(text: str) -> str:
    """The text with each printable ASCII character moved by half their number."""
    return translated(text, _ROT47_TABLE)


_ROT47_TABLE = {point: 33 + (point - 33 + 47) % 94 for point in range(33, 127)}


def _numbers(run: str) -> str | None:
    numbers = _NUMBER.findall(run)
    if all(number.isdigit() for number in numbers):
        values = [int(number) for number in numbers]
        if max(values) <= _LETTERS_OF_ALPHABET:
            return "".join(chr(ord("a") + (value - 1) % _LETTERS_OF_ALPHABET) for value in values)
        if said := _text(values):
            return said
        if all(set(number) <= set("01234567") for number in numbers):
            return _text([int(number, 8) for number in numbers])
        return None
    return _text([int(number, 16) for number in numbers])


def _bits(run: str) -> str | None:
    groups = run.split()
    if len(groups) > 1:
        return _text([int(group.strip(","), 2) for group in groups if group.strip(",")])
    return _text([int(run[at : at + 8], 2) for at in range(0, len(run) - 7, 8)])


def _text(values: list[int]) -> str | None:
    """The characters of these numbers, if they are text."""
    if max(values) >= _BYTE:
        return None
    try:
        said = bytes(values).decode()
    except UnicodeDecodeError:
        return None
    return said if all(char.isprintable() or char.isspace() for char in said) else None


def _morse(run: str) -> str:
    return "".join(_MORSE_LETTERS.get(sign, "") for sign in re.split(r"[ /|\n]+", run))


def _base32(run: str) -> str | None:
    digits = "".join(run.split()).rstrip("=")
    whole = digits[: len(digits) // 8 * 8]
    try:
        return base64.b32decode(whole).decode("utf-8", "ignore")
    except binascii.Error:
        return None


def _escapes(run: str) -> str:
    return re.sub(r"\\[ux]([0-9A-Fa-f]+)", lambda match: chr(int(match[1], 16)), html.unescape(run))


_SPELLINGS: tuple[tuple[str, "re2._Regexp", Callable[[str], str | None]], ...] = (
    ("numbers", _NUMBERS, _numbers),
    ("bits", _BITS, _bits),
    ("morse", _MORSE, _morse),
    ("base32", _BASE32, _base32),
    ("escapes", _ESCAPES, _escapes),
)
