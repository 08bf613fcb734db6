"""Ask a service of your own, in the format ``banneton.guard/1``."""

from functools import partial
from typing import Annotated, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.protocols import Outside
from app.guardrails.detector import DetectorKind, Need, Place
from app.guardrails.matches import in_order, spec_digest
from app.guardrails.passage import Passage

_NAME = "webhook"
_REVISION = "1"
VERSION = "banneton.guard/1"
"""The format of request and answer; another one gets another number."""


class WebhookSettings(FileModel):
    """Whom to ask, and which of its findings count."""

    endpoint: str
    """The endpoint, of type ``webhook``."""
    categories: tuple[str, ...] | None = None
    """Only these count; left out, all."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = FLOOR
    """From which score on a finding counts."""


class _Answered(BaseModel):
    """Exactly these keys: an answer in another format must not be taken for a clean one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class _Place(_Answered):
    category: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,79}$")]
    score: Annotated[float, Field(ge=0, le=1)]
    start: Annotated[int, Field(ge=0)]
    end: int

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        if self.end <= self.start:
            raise ValueError("ends before it begins")
        return self


class _Answer(_Answered):
    version: Literal["banneton.guard/1"]
    findings: Annotated[list[_Place], Field(max_length=1000)]


def _spec(settings: WebhookSettings) -> str:
    return spec_digest({"endpoint": settings.endpoint})


class WebhookDetector:
    """Finds what the service says it found."""

    name = _NAME
    revision = _REVISION

    def __init__(self, settings: WebhookSettings) -> None:
        self.spec = _spec(settings)
        self._endpoint = settings.endpoint

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What the service says of the text."""
        text, context = passage.original, passage.context
        asked = {"version": VERSION, "stage": context.stage.value, "text": text}
        if context.question:
            asked["question"] = context.question
        if context.tool is not None:
            asked["tool"] = context.tool
        try:
            body = orjson.dumps(asked)
        except orjson.JSONEncodeError:
            raise DetectorError("the text holds half of a surrogate pair") from None
        places = await outside.post(self._endpoint, body, partial(_read, length=len(text)))
        found = in_order({self._finding(place) for place in places if place.score >= FLOOR})
        return Found(found) if found else CLEAN

    def _finding(self, place: _Place) -> Finding:
        return Finding(
            _NAME,
            place.category,
            place.score,
            "",
            place.start,
            place.end,
            _REVISION,
            "found by a service",
            self.spec,
        )


def _read(answer: str, length: int) -> list[_Place]:
    try:
        places = _Answer.model_validate_json(answer).findings
    except ValidationError:
        raise DetectorError(f"the endpoint's answer is not of the format {VERSION}") from None
    if any(place.end > length for place in places):
        raise DetectorError("the endpoint's answer names a place beyond the text's end")
    return places


def _selects(settings: WebhookSettings, finding: Finding) -> bool:
    return (
        finding.spec == _spec(settings)
        and finding.score >= settings.min_score
        and (settings.categories is None or finding.category in settings.categories)
    )


def _is_as_strict(settings: WebhookSettings, other: WebhookSettings) -> bool:
    """Whether the same service is asked, and what counts for ``other`` counts here."""
    covers = settings.categories is None or (
        other.categories is not None and set(other.categories) <= set(settings.categories)
    )
    return _spec(settings) == _spec(other) and covers and settings.min_score <= other.min_score


KIND = DetectorKind(
    name=_NAME,
    summary="Asks a service of your own, in a documented format, with signed requests.",
    settings=WebhookSettings,
    build=WebhookDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    needs=lambda settings: (Need(Place.WEBHOOK, settings.endpoint, "endpoint"),),
)
