"""Whether a value was copied out of texts, however it is written."""

import re
from collections.abc import Iterable, Iterator

from app.domain.conversation import Json
from app.guardrails.fold import fold
from app.guardrails.passage import Passage

_NOT_A_LETTER = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W_]+")
_AT = re.compile(r"(?i)\s*[\[({<]\s*(at|dot|\u70b9)\s*[\])}>]\s*")
_PIECE = re.compile(r"[^\s<>\"'(),;\[\]{}|\uff0c\u3002\uff1b\uff08\uff09]+")
_HOST = re.compile(r"(?:@|//)([^/?#:@]+)")
_NUMBER = re.compile(r"\d+(?:[.,'\u2019\u00a0 ]\d+)*")
_FRACTION = re.compile(r"(.*)[.,](\d{1,2})")

_WHOLE = 6
"""Letters and digits from which a value is looked for anywhere; a shorter one only as a word."""
_RUN = 24
"""Letters and digits in a row that are no chance, in a value that says more."""


def normal(text: str) -> str:
    """Letters and digits alone, without case, accents written apart and look-alikes."""
    return _NOT_A_LETTER.sub("", fold(_AT.sub(_sign, text)).casefold())


def _sign(written: re.Match[str]) -> str:
    return "@" if written[1].lower() == "at" else "."


def _readings(text: str) -> list[str]:
    return [layer.text for layer in Passage(text).layers]


class Source:
    """Texts that values may have been copied from."""

    def __init__(self, texts: Iterable[str]) -> None:
        readings = [reading for text in texts for reading in _readings(text)]
        self._runs = [normal(reading) for reading in readings]
        self._words = {word for each in readings for word in _words(each)}
        self._numbers = {_plain(number) for each in readings for number in _NUMBER.findall(each)}

    def has(self, key: str) -> bool:
        """Whether a text in its normal form stands there."""
        if len(key) < _WHOLE:
            return key in self._words
        return any(key in run for run in self._runs)

    def has_number(self, number: float) -> bool:
        """Whether the number stands there, with separators or without."""
        return _plain(repr(abs(number))) in self._numbers

    def runs_in(self, key: str) -> set[str]:
        """Which long runs of a text in its normal form stand there."""
        wanted = {key[at : at + _RUN] for at in range(len(key) - _RUN + 1)}
        if not wanted:
            return wanted
        return {
            run[at : at + _RUN]
            for run in self._runs
            for at in range(len(run) - _RUN + 1)
            if run[at : at + _RUN] in wanted
        }


def _words(text: str) -> Iterator[str]:
    return (word.casefold() for word in _WORD.findall(fold(text)))


def _plain(number: str) -> str:
    """The number without what groups its digits: ``1,200.50`` and ``1 200,5`` are ``1200.5``."""
    whole, fraction = number, ""
    if parted := _FRACTION.fullmatch(number):
        whole, fraction = parted[1], parted[2].rstrip("0")
    return f"{_digits(whole).lstrip('0')}.{fraction}"


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


class Copies:
    """What came from one place and was not said in another."""

    def __init__(self, given: Source, said: Source) -> None:
        """Hold both.

        Args:
            given: What values may have been copied from.
            said: What values may be taken from, whoever else says it too.
        """
        self._given = given
        self._said = said

    def has(self, value: Json) -> bool:
        """Whether a value, or anything in it, was copied."""
        if isinstance(value, dict):
            return any(self.has(key) or self.has(member) for key, member in value.items())
        if isinstance(value, list):
            return any(map(self.has, value))
        if isinstance(value, str):
            return any(map(self._has_text, _readings(value)))
        if isinstance(value, bool) or value is None:
            return False
        return self._given.has_number(value) and not self._said.has_number(value)

    def _has_text(self, text: str) -> bool:
        key = normal(text)
        if key and self._is_from_there(key):
            return True
        if any(self._is_from_there(normal(piece)) for piece in _telling(text)):
            return True
        return len(key) > _RUN and bool(self._given.runs_in(key) - self._said.runs_in(key))

    def _is_from_there(self, key: str) -> bool:
        return self._given.has(key) and not self._said.has(key)


def _telling(text: str) -> Iterator[str]:
    """Parts of a text that lead somewhere by themselves: addresses, their hosts, long numbers."""
    for piece in (found.strip(".:!?") for found in _PIECE.findall(text)):
        if len(normal(piece)) >= _WHOLE and (
            re.search(r"[@/.]", piece) or len(_digits(piece)) >= _WHOLE
        ):
            yield piece
        yield from (host for host in _HOST.findall(piece) if len(normal(host)) >= _WHOLE)
