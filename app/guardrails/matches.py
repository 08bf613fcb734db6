"""A detector whose findings are exactly the matches of its shapes.

Of such a detector the release gate knows what every character of a stream could still become, so
that it holds nothing longer than it must.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from app.domain.finding import CLEAN, Detection, Finding, Found
from app.guardrails.detector import Scope
from app.guardrails.passage import Passage
from app.guardrails.regex import RegexSet
from app.guardrails.shapes import Shape


@dataclass(frozen=True, slots=True)
class Term:
    """A shape, and what a match of it is called."""

    category: str
    shape: Shape


class MatchDetector:
    """Looks for terms in every layer; every match scores 1."""

    def __init__(self, name: str, revision: str, spec: str, terms: Sequence[Term]) -> None:
        self.name = name
        self.revision = revision
        self.spec = spec
        self.terms = tuple(terms)
        is_bounded = all(term.shape.max_match is not None for term in terms)
        self.scope = Scope.SPAN if is_bounded else Scope.RESPONSE
        self.shapes: tuple[str, ...] | None = tuple(term.shape.source for term in terms)
        self.left_context = 1
        self._screen = RegexSet(tuple(term.shape.loose for term in terms))

    def inspect(self, passage: Passage) -> Detection:
        """All matches of all terms in all layers, each place and category once."""
        found: set[Finding] = set()
        for layer in passage.layers:
            for index in self._screen.hits(layer.text.encode("utf-8", "replace")):
                spans, _ = self.terms[index].shape.scan(layer.text, 0, is_end=True)
                found.update(self.finding(index, *layer.span(*span)) for span in spans)
        return Found(in_order(found)) if found else CLEAN

    def finding(self, term: int, start: int, end: int) -> Finding:
        """A match of one term."""
        return Finding(
            detector=self.name,
            category=self.terms[term].category,
            score=1.0,
            path="",
            start=start,
            end=end,
            revision=self.revision,
            explanation="on the list",
            spec=self.spec,
        )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By place, then by name: the same findings are always told in the same order."""
    return tuple(sorted(findings, key=lambda f: (f.start, f.end, f.detector, f.category, f.spec)))


def spec_digest(value: object) -> str:
    """A short digest of settings: equal for equal JSON values, on every machine."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
