"""Names that need no model: countries, what a legal form follows, people who are introduced."""

import re

from app.guardrails.countries import CERTAIN
from app.guardrails.taggers.cues import FIELD, FIRMS, NAMED, PEOPLE, PLACES, WITH_FORM
from app.guardrails.taggers.english import is_name, trimmed
from app.guardrails.taggers.languages import NO_NAMES
from app.guardrails.taggers.tagged import LOCATION, ORGANIZATION, PERSON, Tagged

_SCORE, _TOLD, _SURE = 0.7, 0.8, 0.9
_COUNTRY = re.compile(rf"\b(?:{'|'.join(CERTAIN)})\b")


class CueTagger:
    """``ich heiße …``, ``"name": …``, ``… GmbH``, in any language that has capitals."""

    revision = "cues 2"

    def tags(self, piece: str) -> list[Tagged]:
        """The names in a piece of text."""
        found = [
            Tagged(LOCATION, *match.span(), _SURE, "a country")
            for match in _COUNTRY.finditer(piece)
        ]
        for kind, pattern, score, why in (
            (ORGANIZATION, WITH_FORM, _SURE, "before a legal form"),
            (PERSON, FIELD, _SURE, "the value of a field for names"),
            (PERSON, NAMED, _SCORE, "after words that introduce one"),
            *((PERSON, people, _TOLD, "beside words for people") for people in PEOPLE),
            *((ORGANIZATION, firms, _TOLD, "beside words for organisations") for firms in FIRMS),
            (LOCATION, PLACES, _TOLD, "after words for places"),
        ):
            for match in pattern.finditer(piece):
                start, end = trimmed(piece, *match.span(1))
                name = piece[start:end]
                if is_name(name) and name.split()[0].lower() not in NO_NAMES:
                    found.append(Tagged(kind, start, end, score, why))
        return found
