"""Attempts to take a model away from its instructions."""

from typing import TYPE_CHECKING, Annotated, Literal

import re2
from pydantic import Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Layer, Passage
from app.guardrails.strictness import chooses_all_of
from app.guardrails.tiers import Tier, is_strong, same_models

if TYPE_CHECKING:
    from app.guardrails.linear import Head
    from app.guardrails.strong import StrongDetector

_NAME = "injection"
_REVISION = "2"

Category = Literal["override", "extraction", "jailbreak", "hijack"]

# What the words of a window say about the kind of attack, first match first. They name what the
# model has found and find nothing themselves.
_KINDS: tuple[tuple[Category, "re2._Regexp"], ...] = (
    (
        "extraction",
        re2.compile(
            r"(?i)\b(?:reveal|show|print|output|display|repeat|tell|give|share|leak|what|translate|"
            r"zeig|nenne|affiche|montre|muestra|revela|покажи|выведи)\b.{0,60}"
            r"(?:system ?prompt|prompt syst|system message|(?:initial|hidden|secret|original|above|"
            r"your|previous) (?:prompt|instructions|rules|text|words)|password|системн)"
            r"|(?:提示词|初始指令|隐藏指令|设定|密码).{0,12}(?:输出|告诉|打印|复述|是什么)|システムプロンプト"
        ),
    ),
    (
        "jailbreak",
        re2.compile(
            r"(?i)\bDAN\b|jailbr|developer mode|unrestricted|unfiltered|uncensored|no (?:rules|"
            r"limits|restrictions|filters|ethics)|without (?:rules|limits|restrictions|filters)|"
            r"never (?:refuse|say no)|in character|you are now|from now on you|do anything|"
            r"ohne (?:regeln|filter|grenzen)|sans (?:filtre|restriction)|sin (?:filtro|restric)|"
            r"没有(?:任何)?限制|扮演|不能拒绝"
        ),
    ),
    (
        "hijack",
        re2.compile(
            r"(?i)\b(?:to|for) (?:the|any) (?:ai|assistant|language model|llm)|ai assistant|"
            r"\b(?:send|forward|post|upload|e-?mail|exfiltrate)\b.{0,60}(?:@|https?:|webhook|"
            r"external|address)|\b(?:call|use|invoke) the .{0,30}tool|do not (?:tell|inform) the|"
            r"instead of|append|an die ki\b|à l'ia\b|para la ia\b|致.{0,8}AI|发送到"
        ),
    ),
)
_EXPLANATIONS: dict[Category, str] = {
    "override": "reads like an order to leave the instructions",
    "extraction": "reads like an attempt to learn the instructions or what they hide",
    "jailbreak": "reads like a role or mode without rules",
    "hijack": "reads like an order to the model inside content",
}


class InjectionSettings(FileModel):
    """Which attempts a rule is about."""

    categories: tuple[Category, ...] = ()
    """Only these categories; empty means all. They tell attempts apart roughly."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = FLOOR
    """Findings that score lower are not for this rule."""
    tier: Tier = Tier.AUTO
    """Which models look: the linear one alone (`fast`), the encoder too (`strong`, needs the extra
    `models`), or the encoder where it is installed."""


class InjectionDetector:
    """Judges a text in every layer: what users say in windows, what tools give by sentences."""

    name = _NAME
    spec = ""
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, user: "Head", document: "Head", revision: str) -> None:
        self._user = user
        self._document = document
        self.revision = revision

    def head(self, stage: Stage) -> "Head":
        """The model that reads texts of this stage."""
        return self._document if stage is Stage.TOOL_RESULT else self._user

    def inspect(self, passage: Passage) -> Detection:
        """What reads like an attempt; where findings overlap the surest."""
        from app.guardrails.linear import readings, surest  # noqa: PLC0415  # NumPy, as in _build

        head = self.head(passage.context.stage)
        found = [
            self._finding(reading.layer, start, end, score)
            for reading in passage.once(readings)
            for start, end, score in head.passages(reading, FLOOR)
        ]
        return Found(surest(found)) if found else CLEAN

    def _finding(self, layer: Layer, start: int, end: int, score: float) -> Finding:
        category, explanation = self.describe(layer.text[start:end])
        span = layer.span(start, end)
        return Finding(_NAME, category, score, "", *span, self.revision, explanation)

    def describe(self, text: str) -> tuple[Category, str]:
        """Category and explanation of what was found."""
        for category, words in _KINDS:
            if words.search(text):
                return category, _EXPLANATIONS[category]
        return "override", _EXPLANATIONS["override"]


def _build(settings: InjectionSettings) -> "InjectionDetector | StrongDetector":
    from app.guardrails.linear import shipped  # noqa: PLC0415  # NumPy only where it is used

    user, of_user = shipped("injection")
    document, of_document = shipped("documents")
    local = InjectionDetector(user, document, f"{_REVISION}-{of_user}-{of_document}")
    if not is_strong(settings.tier):
        return local
    from app.guardrails.encoder import encoder  # noqa: PLC0415  # the extra `models`
    from app.guardrails.strong import Cascade, StrongDetector  # noqa: PLC0415

    cascades = {
        stage: Cascade(local.head(stage), "indirect" if stage is Stage.TOOL_RESULT else "injection")
        for stage in Stage
    }
    named = (local.name, local.revision)
    return StrongDetector(named, cascades.__getitem__, encoder(), local.describe)


def _selects(settings: InjectionSettings, finding: Finding) -> bool:
    return finding.score >= settings.min_score and (
        not settings.categories or finding.category in settings.categories
    )


def _is_as_strict(settings: InjectionSettings, other: InjectionSettings) -> bool:
    return (
        chooses_all_of(settings.categories, other.categories)
        and same_models(settings.tier, other.tier)
        and settings.min_score <= other.min_score
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Attempts to take a model away from its instructions.",
    settings=InjectionSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
