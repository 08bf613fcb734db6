"""Where a text has personal data with a form, which is no name whatever a model makes of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.guardrails.recognizers.shared import shared_scan
from app.guardrails.taggers.cues import BEFORE_CONTACT
from app.guardrails.taggers.english import is_name, trimmed
from app.guardrails.taggers.tagged import PERSON, Tagged

_LEAST, _SCORE = 0.4, 0.7
_CONTACT = frozenset(("EMAIL_ADDRESS", "PHONE_NUMBER", "DATE_OF_BIRTH", "DATE_TIME"))
_REACH = 80


@dataclass(frozen=True, slots=True)
class Structured:
    """What kind of data with a form stands where."""

    entity: str
    start: int
    end: int


def people_before(text: str, spans: Iterable[Structured]) -> list[Tagged]:
    """Who stands right before an address, a number or a date, as in a list of contacts."""
    found = []
    for span in spans:
        if span.entity not in _CONTACT:
            continue
        begin = max(0, span.start - _REACH)
        if match := BEFORE_CONTACT.search(text, begin, span.start):
            start, end = trimmed(text, *match.span(1))
            if is_name(text[start:end]):
                found.append(Tagged(PERSON, start, end, _SCORE, "right before a contact"))
    return found


def structured_spans(text: str) -> list[Structured]:
    """Where addresses, numbers and dates stand.

    Raises:
        DetectorError: RE2 gave up, as it does when it lacks memory.
    """
    clean = text.encode("utf-8", "replace").decode()
    found = shared_scan().candidates(clean)
    return [Structured(one.entity, one.start, one.end) for one in found if one.score >= _LEAST]
