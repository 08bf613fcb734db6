"""Attempts to take a model away from its instructions."""

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

import re2
from pydantic import Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.decode import without_surrogates
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Layer, Passage

if TYPE_CHECKING:
    from app.guardrails.ngrams import Model

_NAME = "injection"
_REVISION = "1"
_WEIGHTS = "injection.weights"

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

# "Ignore all previous instructions", read from its end.
_REVERSED = re2.compile(
    r"(?i)snoitcurtsni|snoitcerid|suoiverp|tpmorp|erongi|dragersid|etirw|laever|drowssap|tegrof"
)


class InjectionSettings(FileModel):
    """Which attempts a rule is about."""

    categories: tuple[Category, ...] = ()
    """Only these categories; empty means all. They tell attempts apart roughly."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = FLOOR
    """Findings that score lower are not for this rule."""


class InjectionDetector:
    """Judges a text in windows, in every layer, by a linear model over hashed n-grams."""

    name = _NAME
    spec = ""
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, model: "Model", revision: str) -> None:
        self._model = model
        self.revision = revision

    def inspect(self, passage: Passage) -> Detection:
        """The windows that read like an attempt; of overlapping ones the surest."""
        found: list[Finding] = []
        for layer in (*passage.layers, *_backwards(passage)):
            found += self._in_layer(layer)
        kept: list[Finding] = []
        for finding in sorted(found, key=lambda finding: finding.start):
            if not kept or kept[-1].end <= finding.start:
                kept.append(finding)
            elif kept[-1].score < finding.score:
                kept[-1] = finding
        return Found(tuple(kept)) if kept else CLEAN

    def _in_layer(self, layer: Layer) -> Iterator[Finding]:
        if not layer.text:
            return
        for start, end, score in self._model.passages(layer.text, FLOOR):
            category = _category(layer.text[start:end])
            yield Finding(
                _NAME,
                category,
                round(score, 4),
                "",
                *layer.span(start, end),
                self.revision,
                _EXPLANATIONS[category],
            )


def _backwards(passage: Passage) -> Sequence[Layer]:
    """The text from its end to its beginning, where it reads like one that was reversed."""
    text = without_surrogates(passage.original)
    if not _REVERSED.search(text):
        return ()
    size = len(text)
    return (Layer("reversed", text[::-1], [0] * size, [size] * size),)


def _category(text: str) -> Category:
    return next((category for category, words in _KINDS if words.search(text)), "override")


def _build(_settings: InjectionSettings) -> InjectionDetector:
    from app.guardrails.ngrams import Model  # noqa: PLC0415  # NumPy only where it is used

    content = files(__package__).joinpath(_WEIGHTS).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:8]
    return InjectionDetector(Model.load(content), f"{_REVISION}-{digest}")


def _selects(settings: InjectionSettings, finding: Finding) -> bool:
    return finding.score >= settings.min_score and (
        not settings.categories or finding.category in settings.categories
    )


def _is_as_strict(settings: InjectionSettings, other: InjectionSettings) -> bool:
    covers = not settings.categories or (
        bool(other.categories) and set(settings.categories) >= set(other.categories)
    )
    return covers and settings.min_score <= other.min_score


KIND = DetectorKind(
    name=_NAME,
    summary="Attempts to take a model away from its instructions.",
    settings=InjectionSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
)
