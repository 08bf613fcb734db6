"""What texts say, as far as words, numbers, names and their numbering go, to hold others against.

Keeps no text: words are kept as numbers that only this process can compare.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import log

from app.domain.conversation import Json
from app.guardrails.fold import fold
from app.guardrails.sentences import sentences

_PASSAGE = 3
"""Sentences that are held together: what an answer says in one is often said in a few."""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_LATIN = re.compile(f"[^\\W\\d_{_CJK}]+(?:['’-][^\\W\\d_{_CJK}]+)*")
_CHARACTERS = re.compile(f"[{_CJK}]{{2,}}")
_ENDINGS = ("ations", "ation", "ments", "ment", "ingly", "ings", "ing", "edly", "ies", "ied", "ers")
_SHORT_ENDINGS = ("ed", "es", "er", "ly", "s", "e", "y")
_SHORTEST_STEM = 3
_SMALL_WORDS = frozenset(
    word
    for line in (
        "about above after again against almost along already also although always among",
        "another any anyone anything are around back because been before being below between",
        "both but can cannot could did does doing done down during each either enough even ever",
        "every few for from further get give given goes going had has have having here how",
        "however into its itself just keep kind know let like likely made make makes many may",
        "maybe means might more most much must need never not now off often one only other",
        "others our out over own per perhaps please quite rather really same say says see seem",
        "seems shall should since some something soon still such sure take than that the their",
        "them then there therefore these they thing things this those though through thus too",
        "under until upon use used using very was way well were what when where whether which",
        "while who whole whom why will with within without would yes yet you your",
    )
    for word in line.split()
)

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,'’\u00a0 ]\d{3})*(?:[.,]\d+)?(?![\d])")
_GROUPED = re.compile(r"(?<=\d)[,.'’\u00a0 ](?=\d{3}(?!\d))")
_PART = re.compile(
    r"(?i)(?:\b(?:sections?|clauses?|articles?|chapters?|paragraphs?|appendix|annex|table|figure)"
    r"|§{1,2})\s*(\d{1,3}(?:\.\d{1,3})*)|第\s*(\d{1,3}|[一二三四五六七八九十百零]{1,5})\s*[条章节款]"
)
_HEADING = re.compile(r"^[ \t]*(?:#{1,6}[ \t]*)?(\d{1,3}(?:\.\d{1,3})*)[.):]?[ \t]", re.MULTILINE)
_MARKER = re.compile(r"[\[【]\s*\^?(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*[\]】]")
_NAME = re.compile(
    r"(?<![.!?:\n#*•\"“]\s)(?<![\w.'’-])[A-Z][\w'’-]*[a-z][\w'’-]*(?:\s+[A-Z][\w'’-]+)*"
)
_BEGINNING = re.compile(r"[\s\d.,;:!?)(\[\]*_#>•\"“'-]*")

Place = tuple[int, int]


def words(text: str) -> Iterator[str]:
    """What carries meaning: words without endings, pairs of Chinese or Japanese characters."""
    for match in _LATIN.finditer(text):
        word = match.group().casefold().removesuffix("'s").removesuffix("’s")
        if len(word) >= _SHORTEST_STEM and word not in _SMALL_WORDS:
            yield _stem(word)
    for match in _CHARACTERS.finditer(text):
        run = match.group()
        yield from (run[at : at + 2] for at in range(len(run) - 1))


def _stem(word: str) -> str:
    for ending in (*_ENDINGS, *_SHORT_ENDINGS):
        if word.endswith(ending) and len(word) - len(ending) > _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def numbers(text: str) -> Iterator[tuple[Place, str]]:
    """The numbers of a text, without what groups their digits and without zeros at the end."""
    for match in _NUMBER.finditer(text):
        yield match.span(), _plain(match.group())


def _plain(number: str) -> str:
    whole, _, fraction = _GROUPED.sub("", number).replace(",", ".").partition(".")
    return f"{whole.lstrip('0')}.{fraction.rstrip('0')}"


def names(text: str) -> Iterator[tuple[Place, list[str]]]:
    """Capitalised words that do not begin a sentence, those in a row together."""
    beginning = _BEGINNING.match(text)
    for match in _NAME.finditer(text):
        if beginning is None or match.start() > beginning.end():
            yield match.span(), [part.casefold() for part in match.group().split()]


def parts(text: str) -> Iterator[tuple[Place, str]]:
    """Sections and the like that a text names, by their numbers."""
    for match in _PART.finditer(text):
        yield match.span(), match[1] or match[2]


def markers(text: str) -> Iterator[tuple[Place, list[int]]]:
    """Numbers in brackets, as answers give their sources."""
    for match in _MARKER.finditer(text):
        yield match.span(), [int(number) for number in re.findall(r"\d+", match[1])]


class Grounds:
    """What documents say."""

    def __init__(self, documents: Sequence[str], said: str) -> None:
        """Take note of it.

        Args:
            documents: What an answer may rely on.
            said: What it may repeat, but which is no document: the question.
        """
        folded = [fold(text) for text in (*documents, said)]
        self._sentences: dict[int, list[int]] = defaultdict(list)
        self._count = 0
        for text in folded:
            self._note(text)
        self._numbers = {hash(number) for text in folded for _, number in numbers(text)}
        self._names = {hash(word) for text in folded for word in _words_of(text.casefold())}
        self._parts = {hash(each) for text in folded for each in _numbered(text)}
        self._sources = sum(map(_sources_in, documents))

    def _note(self, text: str) -> None:
        for start, end in sentences(text):
            noted = set(words(text[start:end]))
            for word in noted:
                self._sentences[hash(word)].append(self._count)
            self._count += bool(noted)
        self._count += _PASSAGE  # no passage goes from one text into the next

    def coverage(self, said: Iterable[str]) -> float:
        """How much of these words stands together in one place, in [0, 1]; rare ones count more."""
        weights = {word: self._weight(word) for word in set(map(hash, said))}
        held: dict[int, float] = defaultdict(float)
        for word, weight in weights.items():
            there = self._sentences.get(word, ())
            for passage in {at + step for at in there for step in range(_PASSAGE)}:
                held[passage] += weight
        return max(held.values(), default=0.0) / (sum(weights.values()) or 1.0)

    def _weight(self, word: int) -> float:
        return log(2 + self._count / (1 + len(self._sentences.get(word, ()))))

    def has_number(self, number: str) -> bool:
        """Whether the number stands there."""
        return hash(number) in self._numbers

    def has_name(self, name: Sequence[str]) -> bool:
        """Whether all words of a name stand there."""
        return all(hash(fold(word).casefold()) in self._names for word in name)

    def has_part(self, part: str) -> bool:
        """Whether a section of this number is there."""
        return hash(part) in self._parts

    def has_source(self, number: int) -> bool:
        """Whether there are so many documents."""
        return 1 <= number <= self._sources


def _words_of(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", text)


def _numbered(text: str) -> Iterator[str]:
    """The numbers of parts, and of what they are parts of."""
    named = [part for _, part in parts(text)] + _HEADING.findall(text)
    for number in named:
        steps = number.split(".")
        yield from (".".join(steps[:count]) for count in range(1, len(steps) + 1))


def _sources_in(document: str) -> int:
    """How many sources a document is: the results of a search come as one."""
    numbered = max((max(each) for _, each in markers(document)), default=0)
    try:
        listed = _longest_list(json.loads(document))
    except (ValueError, RecursionError):
        listed = 0
    return max(1, numbered, listed)


def _longest_list(value: Json) -> int:
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return max(map(_longest_list, value.values()), default=0)
    return 0
