"""Personal data with a form: addresses, numbers, dates of birth. Names need a model."""

import hashlib
import json
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import AfterValidator, Field

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found, Unchecked
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Layer, Passage
from app.guardrails.recognizers.entities import DEFAULT_ENTITIES, ENTITIES
from app.guardrails.recognizers.shapes import LEFT_CONTEXT, SHAPES

if TYPE_CHECKING:
    from app.guardrails.recognizers.recognizer import Candidate

_RANK = {entity: rank for rank, entity in enumerate(ENTITIES)}


def _known(entities: tuple[str, ...]) -> tuple[str, ...]:
    for entity in entities:
        if entity not in ENTITIES:
            near = get_close_matches(entity.upper(), ENTITIES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(ENTITIES)}"
            raise ValueError(f"{entity!r} is not a kind of personal data; {hint}")
    return entities


class PiiSettings(FileModel):
    """Which personal data a rule is about."""

    entities: Annotated[
        tuple[str, ...],
        AfterValidator(_known),
        Field(json_schema_extra={"items": {"type": "string", "enum": list(ENTITIES)}}),
    ] = DEFAULT_ENTITIES
    """Kinds of personal data, by Presidio's names; without it all but dates and links."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.4
    """Findings that score lower are not this rule's. A form that other numbers share scores 0.4
    only after a word that names it, a check digit that few numbers fit scores 1."""
    allow: tuple[str, ...] = ()
    """Exact values that are nobody's secret, such as your own hotline. Never reported."""


class Candidates(Protocol):
    """Where candidates come from: ``Scan``."""

    def candidates(self, text: str) -> "list[Candidate]":
        """What recognizers see in a text."""
        ...


class PiiDetector:
    """Presidio's recognizers behind one pass for the shapes that their findings have."""

    name = "pii"
    scope = Scope.SPAN
    shapes: tuple[str, ...] | None = tuple(shape.pattern for shape in SHAPES)
    left_context = LEFT_CONTEXT

    def __init__(self, scan: "Candidates", allow: Iterable[str]) -> None:
        self._scan = scan
        self._allow = frozenset(allow)
        self.revision = _revision()
        self.spec = _spec(self._allow)

    def inspect(self, passage: Passage) -> Detection:
        """What is in the passage, in each of its layers."""
        found: dict[tuple[int, int, str], Finding] = {}
        try:
            for layer in passage.layers:
                for finding in self._findings(layer):
                    key = (finding.start, finding.end, finding.category)
                    if key not in found or found[key].score < finding.score:
                        found[key] = finding
        except DetectorError as error:
            return Unchecked(str(error))
        if not found:
            return CLEAN
        return Found(tuple(found[key] for key in sorted(found)))

    def _findings(self, layer: Layer) -> Iterable[Finding]:
        # RE2 reads UTF-8, which has no lone surrogates; each becomes one question mark.
        text = layer.text.encode("utf-8", "replace").decode()
        for candidate in resolve(self._scan.candidates(text)):
            if layer.text[candidate.start : candidate.end] in self._allow:
                continue
            start, end = layer.span(candidate.start, candidate.end)
            yield Finding(
                detector=self.name,
                category=candidate.entity,
                score=candidate.score,
                path="",
                start=start,
                end=end,
                revision=self.revision,
                explanation=candidate.explanation,
                spec=self.spec,
            )


def resolve(candidates: "Iterable[Candidate]") -> "list[Candidate]":
    """Without what a better one covers: checked before unchecked, then the longer.

    A candidate covers others that begin where it does, and lesser ones that lie within it. It never
    covers one that begins earlier: in a stream that one may already have been acted on.
    """
    kept: list[Candidate] = []
    open_: list[Candidate] = []
    above = [candidate for candidate in candidates if candidate.score >= FLOOR]
    for candidate in sorted(above, key=lambda one: (one.start, _rank(one))):
        open_ = [one for one in open_ if one.end > candidate.start]
        if not any(_covers(one, candidate) for one in open_):
            kept.append(candidate)
            open_.append(candidate)
    return kept


def _rank(candidate: "Candidate") -> tuple[float, int, int]:
    return -candidate.score, candidate.start - candidate.end, _RANK[candidate.entity]


def _covers(one: "Candidate", later: "Candidate") -> bool:
    if one.start == later.start:
        return True
    return one.end >= later.end and _rank(one) < _rank(later)


def _revision() -> str:
    packages = ("presidio-analyzer", "phonenumbers", "tldextract")
    return "1 " + " ".join(f"{package} {version(package)}" for package in packages)


def _spec(allow: frozenset[str]) -> str:
    if not allow:
        return ""
    return hashlib.sha256(json.dumps(sorted(allow)).encode()).hexdigest()


def _build(settings: PiiSettings) -> PiiDetector:
    # Presidio imports spaCy: two seconds and 100 MB that only policies with this detector pay.
    from app.guardrails.recognizers.shared import shared_scan  # noqa: PLC0415  # as said above

    return PiiDetector(shared_scan(), settings.allow)


def _selects(settings: PiiSettings, finding: Finding) -> bool:
    return finding.category in settings.entities and finding.score >= settings.min_score


def _is_as_strict(settings: PiiSettings, other: PiiSettings) -> bool:
    return (
        set(settings.entities) >= set(other.entities)
        and settings.min_score <= other.min_score
        and set(settings.allow) <= set(other.allow)
    )


KIND = DetectorKind(
    name="pii",
    summary="Finds personal data with a form: addresses, cards, accounts, identity numbers.",
    settings=PiiSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    categories=lambda settings: settings.entities,
)
