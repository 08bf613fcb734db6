"""Reads a text piece by piece, each with the tagger of its language."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator

from app.guardrails.taggers.blocks import tags_around
from app.guardrails.taggers.chinese import ChineseTagger
from app.guardrails.taggers.elsewhere import CueTagger
from app.guardrails.taggers.english import EnglishTagger
from app.guardrails.taggers.languages import is_chinese, is_english
from app.guardrails.taggers.structured import Structured, people_before, structured_spans
from app.guardrails.taggers.tagged import PERSON, Span, Tagged, Tagger, pieces

_WORTH_READING = re.compile("[A-Z\u00c0-\u024f\u4e00-\u9fff]")
"""Where there is neither a capital nor a Han character there is no name that a tagger knows."""
_MOST_REPEATED = 200
_LEAST_REPEATED = 4
_MOST_PARTS = 4
_REPEATED = ", and named elsewhere in the text"


class TextReader:
    """One tagger for English, one for Chinese, and cues for other languages."""

    def __init__(
        self,
        english: Tagger,
        chinese: Tagger,
        elsewhere: Tagger,
        structured: Callable[[str], list[Structured]],
    ) -> None:
        """Hold taggers.

        Args:
            english: Reads pieces in English.
            chinese: Reads pieces with Han characters.
            elsewhere: Reads pieces in any other language.
            structured: Where a text has personal data with a form: no names.
        """
        self._english = english
        self._chinese = chinese
        self._elsewhere = elsewhere
        self._structured = structured
        self.revision = f"1 {english.revision} {chinese.revision}"

    def read(self, text: str, is_given_up: threading.Event) -> list[Tagged]:
        """The names in a text, ordered; fewer once nobody waits for them."""
        if not _WORTH_READING.search(text):
            return []
        structured = self._structured(text)
        taken = [(one.start, one.end) for one in structured]
        found = [*people_before(text, structured), *tags_around(text, structured)]
        for at, piece in pieces(text):
            if is_given_up.is_set():
                break
            found += [_moved(tagged, at) for tagged in self._piece(piece)]
        kept = _apart(found, taken)
        return sorted([*kept, *_repeated(text, kept, taken)], key=lambda one: one.start)

    def _piece(self, piece: str) -> Iterator[Tagged]:
        if not _WORTH_READING.search(piece):
            return
        if is_chinese(piece):
            yield from self._chinese.tags(piece)
        elif is_english(piece):
            yield from self._english.tags(piece)
        yield from self._elsewhere.tags(piece)


def _moved(tagged: Tagged, at: int) -> Tagged:
    return Tagged(
        tagged.entity, tagged.start + at, tagged.end + at, tagged.score, tagged.explanation
    )


def _apart(found: Iterable[Tagged], taken: list[Span]) -> list[Tagged]:
    """Without what overlaps structured data or a better name."""
    spans = list(taken)
    kept = []
    for tagged in sorted(found, key=lambda one: (-one.score, one.start - one.end)):
        if all(tagged.end <= start or end <= tagged.start for start, end in spans):
            spans.append((tagged.start, tagged.end))
            kept.append(tagged)
    return kept


def _repeated(text: str, known: list[Tagged], taken: list[Span]) -> list[Tagged]:
    """The same people again: a name that is hidden once and left once is not hidden."""
    people: dict[str, Tagged] = {}
    for one in known:
        if one.entity == PERSON:
            name = text[one.start : one.end]
            for part in {name, *_parts(name)}:
                if len(part) >= _LEAST_REPEATED:
                    people.setdefault(part, one)
    if not people:
        return []
    names = sorted(people, key=len, reverse=True)[:_MOST_REPEATED]
    spans = {(one.start, one.end) for one in known}
    again = []
    for match in re.finditer("|".join(map(re.escape, names)), text):
        start, end = match.span()
        if (start, end) in spans or _is_inside_word(text, start, end):
            continue
        first = people[match[0]]
        again.append(Tagged(PERSON, start, end, first.score, first.explanation + _REPEATED))
    return _apart(again, [*taken, *spans])


def _parts(name: str) -> list[str]:
    """The names in a full one, by which people are called later."""
    words = name.split()
    is_full = 1 < len(words) <= _MOST_PARTS
    return [word for word in words if word[0].isupper() and word.isalpha()] if is_full else []


def _is_inside_word(text: str, start: int, end: int) -> bool:
    if not text[start].isascii():
        return False
    around = text[start - 1 : start] + text[end : end + 1]
    return any(sign.isalnum() or sign == "_" for sign in around)


def models() -> TextReader:
    """The reader with the models of the extra, warmed up."""
    reader = TextReader(EnglishTagger(), ChineseTagger(), CueTagger(), structured_spans)
    reader.read("Ann Lee lives in Paris.\n张三住在北京。", threading.Event())
    return reader
