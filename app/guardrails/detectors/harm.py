"""Texts that ask for something harmful, or give it."""

from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Passage
from app.guardrails.strictness import chooses_all_of
from app.guardrails.tiers import Tier, is_strong, same_models

if TYPE_CHECKING:
    from app.guardrails.linear import Classes, Head, Reading
    from app.guardrails.strong import StrongDetector

_NAME = "harm"
_REVISION = "1"

Category = Literal[
    "violent_crimes",
    "non_violent_crimes",
    "sex_crimes",
    "child_exploitation",
    "defamation",
    "specialized_advice",
    "privacy",
    "intellectual_property",
    "weapons",
    "hate",
    "self_harm",
    "sexual_content",
    "disinformation",
    "cyber_crimes",
]
"""The hazards of MLCommons' taxonomy, with elections widened to disinformation and code abuse to
cyber crimes."""


class HarmSettings(FileModel):
    """Which harm a rule is about."""

    categories: tuple[Category, ...] = ()
    """Only these categories; empty means all. The model tells them apart less well than it tells
    harmful from harmless."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = FLOOR
    """Findings that score lower are not for this rule."""
    tier: Tier = Tier.AUTO
    """Which models look: the linear one alone (`fast`), the encoder too (`strong`, needs the extra
    `models`), or the encoder where it is installed."""


class HarmDetector:
    """Judges a text in windows, in every layer."""

    name = _NAME
    spec = ""
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, head: "Head", classes: "Classes", revision: str) -> None:
        self.head = head
        self._classes = classes
        self.revision = revision

    def inspect(self, passage: Passage) -> Detection:
        """What reads like a harmful request; where findings overlap the surest."""
        from app.guardrails.linear import readings, surest  # noqa: PLC0415  # NumPy, as in _build

        found = [
            self._finding(reading, start, end, score)
            for reading in passage.once(readings)
            for start, end, score in self.head.passages(reading, FLOOR)
        ]
        return Found(surest(found)) if found else CLEAN

    def _finding(self, reading: "Reading", start: int, end: int, score: float) -> Finding:
        category, explanation = self.describe(reading.layer.text[start:end])
        span = reading.layer.span(start, end)
        return Finding(_NAME, category, score, "", *span, self.revision, explanation)

    def describe(self, text: str) -> tuple[str, str]:
        """Category and explanation of what was found."""
        category = self._classes.most_likely(text)
        return category, f"reads like a request about {category.replace('_', ' ')}"


def _build(settings: HarmSettings) -> "HarmDetector | StrongDetector":
    from app.guardrails.linear import shipped, shipped_classes  # noqa: PLC0415  # NumPy only here

    head, of_head = shipped(_NAME)
    classes, of_classes = shipped_classes("harm-categories", get_args(Category))
    local = HarmDetector(head, classes, f"{_REVISION}-{of_head}-{of_classes}")
    if not is_strong(settings.tier):
        return local
    from app.guardrails.encoder import encoder  # noqa: PLC0415  # the extra `models`
    from app.guardrails.strong import Cascade, StrongDetector  # noqa: PLC0415

    cascade = Cascade(head, "harm")
    named = (local.name, local.revision)
    return StrongDetector(named, lambda _: cascade, encoder(), local.describe)


def _selects(settings: HarmSettings, finding: Finding) -> bool:
    return finding.score >= settings.min_score and (
        not settings.categories or finding.category in settings.categories
    )


def _is_as_strict(settings: HarmSettings, other: HarmSettings) -> bool:
    return (
        chooses_all_of(settings.categories, other.categories)
        and same_models(settings.tier, other.tier)
        and settings.min_score <= other.min_score
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Texts that ask for something harmful, or give it, by hazard category.",
    settings=HarmSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
