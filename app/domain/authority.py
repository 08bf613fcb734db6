"""Whether words go against a behaviour, as far as a rule can see it without understanding them."""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from app.domain.wordings import WORDINGS, words_of

_SENTENCE = re.compile(r"[.!?;:\n。！？；：।؟؛]+\s*")
_SHARED = 2
"""So many words a sentence must share with a behaviour to speak of it."""
_PAIR = 2
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")


class _Sentence(NamedTuple):
    """What a rule sees of a sentence, in one language."""

    roots: tuple[str, ...]
    sets_aside: bool
    negates: bool

    def is_against(self, told: "_Sentence") -> bool:
        """Whether it tells to leave what the other one says."""
        if _shared(self.roots, told.roots) < _SHARED:
            return False
        return not told.sets_aside if self.sets_aside else self.negates and not told.negates


class Instruction:
    """A text that tells a model what to do, read once for all that it is held against."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._read: dict[str, list[_Sentence]] = {}

    def goes_against(self, other: "Instruction") -> bool:
        """Whether a sentence of it tells to leave what a sentence of the other says.

        A sentence does that where it shares two words with the other, and sets it aside
        (``ignore``, ``skip``) or negates it (``do not``) where the other does not. Both have to be
        in one of the languages of ``WORDINGS``; what is said in other words is not seen.
        """
        return any(
            said.is_against(told)
            for language in self.languages & other.languages
            for said in self.sentences(language)
            for told in other.sentences(language)
        )

    @cached_property
    def languages(self) -> frozenset[str]:
        """The languages that it may be in: by its script, or else by its small words."""
        latin = len(_LATIN.findall(self._text))
        for language, wording in WORDINGS.items():
            if wording.script is not None and 2 * len(wording.script.findall(self._text)) > latin:
                return frozenset({language})
        words = words_of(self._text)
        counts = {
            language: sum(word in wording.little for word in words)
            for language, wording in WORDINGS.items()
            if wording.script is None
        }
        most = max(counts.values())
        return frozenset(language for language, count in counts.items() if count == most)

    def sentences(self, language: str) -> list[_Sentence]:
        """What a rule sees of it in a language."""
        if language not in self._read:
            wording = WORDINGS[language]
            self._read[language] = [
                _Sentence(
                    tuple(wording.roots(each, wording.little)),
                    wording.sets_aside.search(each) is not None,
                    wording.negates.search(each) is not None,
                )
                for each in _SENTENCE.split(self._text)
            ]
        return self._read[language]


def _shared(said: Iterable[str], told: Iterable[str]) -> int:
    """How many words both have. Of two pairs of characters that overlap only the first counts."""
    there, last = set(told), ""
    count = 0
    for root in said:
        if root in there and not (len(root) == _PAIR and last[1:] == root[:1]):
            there.discard(root)
            last = root
            count += 1
    return count
