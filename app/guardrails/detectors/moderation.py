"""Ask OpenAI's moderation endpoint, or one that speaks like it."""

from collections.abc import Mapping
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.protocols import Outside
from app.guardrails.detector import DetectorKind, Need, Place
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage

_NAME = "moderation"
_REVISION = "1"

Score = Annotated[float, Field(ge=FLOOR, le=1)]


class ModerationSettings(FileModel):
    """Whom to ask, and which of the categories count."""

    endpoint: str = "moderation"
    """The endpoint, of type ``service``, whose URL is that of the moderation call."""
    model: str = "omni-moderation-latest"
    """Which of its models to ask."""
    categories: tuple[str, ...] | None = None
    """Only these, such as ``self-harm/intent``; left out, all."""
    min_score: Score = 0.5
    """From which score on a category counts as found."""
    thresholds: Mapping[str, Score] = {}
    """The same by category, for those that need another."""


class _Answered(BaseModel):
    """What the answer has to hold; what it may hold beside that is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


class _Result(_Answered):
    flagged: bool
    categories: Mapping[str, bool | None]
    category_scores: Mapping[str, Annotated[float, Field(ge=0, le=1)] | None]


class _Moderation(_Answered):
    id: str
    model: str
    results: Annotated[list[_Result], Field(min_length=1, max_length=1)]


def _spec(settings: ModerationSettings) -> str:
    return spec_digest({"endpoint": settings.endpoint, "model": settings.model})


class ModerationDetector:
    """Finds the whole text, once for each category that scores at or above the floor."""

    name = _NAME
    revision = _REVISION

    def __init__(self, settings: ModerationSettings) -> None:
        self.spec = _spec(settings)
        self._endpoint = settings.endpoint
        self._model = settings.model

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What the endpoint says of the text as a whole."""
        text = passage.original
        try:
            body = orjson.dumps({"model": self._model, "input": text})
        except orjson.JSONEncodeError:
            raise DetectorError("the text holds half of a surrogate pair") from None
        scores = await outside.post(self._endpoint, body, _read)
        found = tuple(
            Finding(
                _NAME, category, score, "", 0, len(text), _REVISION, "scored outside", self.spec
            )
            for category, score in sorted(scores.items())
            if score >= FLOOR
        )
        return Found(found) if found else CLEAN


def _read(answer: str) -> dict[str, float]:
    """The score of each category."""
    try:
        result = _Moderation.model_validate_json(answer).results[0]
    except ValidationError:
        raise DetectorError("the endpoint's answer is not one of a moderation endpoint") from None
    scores = {name: each for name, each in result.category_scores.items() if each is not None}
    scored_and_flagged = {name for name, flag in result.categories.items() if flag} | set(scores)
    if not scores or scored_and_flagged - set(scores):
        raise DetectorError("the endpoint's answer lacks the scores of some categories")
    return scores


def _selects(settings: ModerationSettings, finding: Finding) -> bool:
    if finding.spec != _spec(settings):
        return False
    if settings.categories is not None and finding.category not in settings.categories:
        return False
    return finding.score >= settings.thresholds.get(finding.category, settings.min_score)


def _is_as_strict(settings: ModerationSettings, other: ModerationSettings) -> bool:
    """Whether each category that counts for ``other`` counts here, from no higher score on."""
    if _spec(settings) != _spec(other):
        return False
    if other.categories is None:
        compared = {*settings.thresholds, *other.thresholds}
        if settings.categories is not None or settings.min_score > other.min_score:
            return False
    else:
        compared = set(other.categories)
        if settings.categories is not None and not compared <= set(settings.categories):
            return False
    return all(
        settings.thresholds.get(name, settings.min_score)
        <= other.thresholds.get(name, other.min_score)
        for name in compared
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Asks OpenAI's moderation endpoint, or one that speaks like it.",
    settings=ModerationSettings,
    build=ModerationDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    needs=lambda settings: (Need(Place.SERVICE, settings.endpoint, "endpoint"),),
)
