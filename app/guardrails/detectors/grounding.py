"""Answers that say what no document says."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.grounds import Grounds, markers, names, numbers, parts, words
from app.guardrails.matches import in_order
from app.guardrails.passage import Passage
from app.guardrails.places import Places, Span
from app.guardrails.sentences import sentences

_NAME = "grounding"
_REVISION = "1"

Category = Literal["unsupported", "number", "name", "citation", "no_documents"]

_FEWEST_WORDS = 4
"""Words that carry meaning from which a sentence says something of its own."""
_MOST_KEPT = 16
_TALK = re.compile(
    r"(?i)\b(?:I|I'm|I'll|me|my|you|your|please|sorry|hello|thanks|thank)\b|您|你|我"
)
"""What speaks of the talk, and not of the matter."""
_SMALL = re.compile(r"\d?\.")
_EXPLANATIONS: dict[Category, str] = {
    "unsupported": "little of the sentence stands together in a document",
    "number": "a number that is in no document",
    "name": "a name that is in no document",
    "citation": "a source or section that is not there",
    "no_documents": "there is no document to rely on",
}


class GroundingSettings(FileModel):
    """Which gaps a rule is about."""

    categories: tuple[Category, ...] = ("unsupported", "number", "name", "citation", "no_documents")
    """Only these."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.6
    """Findings that score lower are not for this rule."""
    prompt: bool = False
    """Whether the system prompt, with the persona's knowledge in it, is a document too."""
    require_documents: bool = False
    """Whether an answer for which there is no document is found as ``no_documents``; otherwise
    there is nothing to compare it with, and it is clean."""


class _Gap(NamedTuple):
    start: int
    end: int
    category: Category
    score: float


class GroundingDetector:
    """Compares each sentence with the documents."""

    name = _NAME
    revision = _REVISION
    scope = Scope.SENTENCE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: GroundingSettings) -> None:
        self.spec = _spec(settings)
        self._takes_prompt = settings.prompt
        self._wants_documents = settings.require_documents
        self._kept: OrderedDict[bytes, Grounds] = OrderedDict()

    def inspect(self, passage: Passage) -> Detection:
        """Sentences, numbers, names and citations that nothing stands behind."""
        context, text = passage.context, passage.original
        if passage.is_json or context.of not in {"", "text"}:
            return CLEAN
        documents = [document for document in context.documents if document.strip()]
        if self._takes_prompt and context.system.strip():
            documents.append(context.system)
        found = {
            self._finding(at, gap)
            for at, end in sentences(text)
            for gap in self._gaps(text[at:end], documents, context)
        }
        return Found(in_order(found)) if found else CLEAN

    def _gaps(self, sentence: str, documents: list[str], context: Context) -> Iterator[_Gap]:
        if not documents:
            if self._wants_documents and sentence.strip():
                yield _Gap(0, len(sentence), "no_documents", 1.0)
            return
        yield from _gaps(sentence, self._grounds(documents, context.question))

    def _grounds(self, documents: list[str], question: str) -> Grounds:
        """What the documents say; kept, without a text, from sentence to sentence of an answer."""
        mac = hashlib.blake2b(digest_size=16)
        for text in (question, *documents):
            data = text.encode("utf-8", "surrogatepass")
            mac.update(b"%d\0" % len(data) + data)
        key = mac.digest()
        grounds = self._kept.pop(key, None) or Grounds(documents, question)
        self._kept[key] = grounds
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return grounds

    def _finding(self, at: int, gap: _Gap) -> Finding:
        return Finding(
            detector=_NAME,
            category=gap.category,
            score=round(gap.score, 4),
            path="",
            start=at + gap.start,
            end=at + gap.end,
            revision=_REVISION,
            explanation=_EXPLANATIONS[gap.category],
            spec=self.spec,
        )


def _gaps(sentence: str, grounds: Grounds) -> Iterator[_Gap]:
    """What of a sentence is in no document."""
    cited = list(_cited(sentence, grounds))
    yield from (
        _Gap(start, end, "citation", 0.9) for (start, end), is_there in cited if not is_there
    )
    places = Places(place for place, _ in cited)
    for (start, end), number in numbers(sentence):
        if not (places.cover(start, end) or grounds.has_number(number)):
            yield _Gap(start, end, "number", 0.3 if _SMALL.fullmatch(number) else 0.8)
    for (start, end), name in names(sentence):
        if not grounds.has_name(name):
            yield _Gap(start, end, "name", 0.6)
    said = list(words(fold(sentence)))
    if len(said) >= _FEWEST_WORDS and not sentence.rstrip().endswith(("?", "？")):
        share = 0.5 if _TALK.search(sentence) else 1.0
        score = share * (1 - grounds.coverage(said))
        if score >= FLOOR:
            yield _Gap(0, len(sentence), "unsupported", score)


def _cited(sentence: str, grounds: Grounds) -> Iterator[tuple[Span, bool]]:
    """What a sentence refers to, and whether that is there."""
    for place, sources in markers(sentence):
        yield place, all(map(grounds.has_source, sources))
    for place, part in parts(sentence):
        yield place, grounds.has_part(part)


def _spec(settings: GroundingSettings) -> str:
    wanted = [name for name in ("prompt", "require_documents") if getattr(settings, name)]
    return "+".join(wanted)


def _selects(settings: GroundingSettings, finding: Finding) -> bool:
    return (
        finding.spec == _spec(settings)
        and finding.category in settings.categories
        and finding.score >= settings.min_score
    )


def _is_as_strict(settings: GroundingSettings, other: GroundingSettings) -> bool:
    """More documents support more, and fewer may be none: only the same can be compared."""
    return (
        settings.prompt == other.prompt
        and settings.require_documents >= other.require_documents
        and set(settings.categories) >= set(other.categories)
        and settings.min_score <= other.min_score
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Sentences, numbers, names and citations of an answer that no document supports.",
    settings=GroundingSettings,
    build=GroundingDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    stages=frozenset({Stage.OUTPUT}),
)
