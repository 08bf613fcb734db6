"""Ask a Prompt Guard model, behind a server for text classification."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal, assert_never

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.protocols import Outside
from app.guardrails.detector import DetectorKind, Need, Place
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage

_NAME = "prompt_guard"
_REVISION = "1"
_AT_ONCE = 32
"""Texts in one request: what the servers take at once as they are installed."""

_LABELS = {"LABEL_0": False, "BENIGN": False, "LABEL_1": True, "MALICIOUS": True}
"""What the models' files call the two classes, and whether that is an attack."""


class Wire(StrEnum):
    """How servers for classification are spoken to."""

    VLLM = "vllm"
    """``POST /classify`` of vLLM and SGLang."""
    TEI = "tei"
    """``POST /predict`` of Text Embeddings Inference."""


class PromptGuardSettings(FileModel):
    """Whom to ask, and from when on it counts."""

    endpoint: str = "prompt-guard"
    """The endpoint, of type ``service``, with the whole URL of the call."""
    wire: Wire = Wire.TEI
    """How it is spoken to: ``tei`` or ``vllm``."""
    model: str = "meta-llama/Llama-Prompt-Guard-2-86M"
    """The model's name, where ``wire`` is ``vllm``; ``tei`` serves one model and is not told."""
    window_chars: Annotated[int, Field(ge=100, le=10_000)] = 1_000
    """Longer texts are looked at in windows of so many code points, each beginning half a window
    after the one before. The models read 512 tokens; what is more is refused, not cut."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """From which score on it counts as found."""


class _Answered(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


Probability = Annotated[float, Field(ge=0, le=1)]


class _Label(_Answered):
    label: Literal["LABEL_0", "BENIGN", "LABEL_1", "MALICIOUS"]
    score: Probability


class _Classified(_Answered):
    index: int
    label: Literal["LABEL_0", "BENIGN", "LABEL_1", "MALICIOUS"]
    probs: Annotated[list[Probability], Field(min_length=2, max_length=2)]


class _Classification(_Answered):
    data: list[_Classified]


_PREDICTION = TypeAdapter(
    list[Annotated[list[_Label], Field(min_length=2, max_length=2)]],
    config=ConfigDict(strict=True, hide_input_in_errors=True),
)


def _spec(settings: PromptGuardSettings) -> str:
    return spec_digest(settings.model_dump(mode="json", exclude={"min_score"}))


class PromptGuardDetector:
    """Finds the windows of a text that the model takes for an attack."""

    name = _NAME
    revision = _REVISION

    def __init__(self, settings: PromptGuardSettings) -> None:
        self.spec = _spec(settings)
        self._settings = settings

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What the model says of each window of the text."""
        text = passage.original
        windows = list(_windows(len(text), self._settings.window_chars))
        found: list[Finding] = []
        for first in range(0, len(windows), _AT_ONCE):
            some = windows[first : first + _AT_ONCE]
            scores = await self._scores([text[start:end] for start, end in some], outside)
            found += (
                self._finding(window, score)
                for window, score in zip(some, scores, strict=True)
                if score >= FLOOR
            )
        return Found(tuple(found)) if found else CLEAN

    async def _scores(self, texts: Sequence[str], outside: Outside) -> list[float]:
        settings = self._settings
        asked: dict[str, object]
        match settings.wire:
            case Wire.VLLM:
                asked = {"model": settings.model, "input": texts}
                read = _read_vllm
            case Wire.TEI:
                asked = {"inputs": [[text] for text in texts], "truncate": False}
                read = _read_tei
            case _:
                assert_never(settings.wire)
        try:
            body = orjson.dumps(asked)
        except orjson.JSONEncodeError:
            raise DetectorError("the text holds half of a surrogate pair") from None
        try:
            return await outside.post(settings.endpoint, body, partial(read, count=len(texts)))
        except ValueError:  # pydantic's errors are such too
            raise DetectorError("the endpoint's answer is not one about these texts") from None

    def _finding(self, window: tuple[int, int], score: float) -> Finding:
        why = "taken for an attack by a model"
        return Finding(_NAME, "jailbreak", score, "", *window, _REVISION, why, self.spec)


def _windows(length: int, size: int) -> Iterator[tuple[int, int]]:
    """Windows over a text, each half covered by the next: nothing stands only at an edge."""
    start = 0
    while True:
        yield start, min(start + size, length)
        if start + size >= length:
            return
        start += size // 2


def _read_vllm(answer: str, count: int) -> list[float]:
    """The probability of an attack for each text.

    Only the likelier label is named; its probability is the greater of the two.
    """
    data = sorted(_Classification.model_validate_json(answer).data, key=lambda each: each.index)
    if [each.index for each in data] != list(range(count)):
        raise ValueError("not one answer a text")
    return [max(each.probs) if _LABELS[each.label] else min(each.probs) for each in data]


def _read_tei(answer: str, count: int) -> list[float]:
    """The probability of an attack for each text."""
    predictions = _PREDICTION.validate_json(answer)
    scores = [[each.score for each in labels if _LABELS[each.label]] for labels in predictions]
    if len(scores) != count or any(len(attack) != 1 for attack in scores):
        raise ValueError("not one answer a text")
    return [attack for (attack,) in scores]


def _selects(settings: PromptGuardSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings) and finding.score >= settings.min_score


def _is_as_strict(settings: PromptGuardSettings, other: PromptGuardSettings) -> bool:
    """Whether the same model reads the same windows, and no more is needed to find it."""
    return _spec(settings) == _spec(other) and settings.min_score <= other.min_score


KIND = DetectorKind(
    name=_NAME,
    summary="Asks a Prompt Guard model whether a text is an attack.",
    settings=PromptGuardSettings,
    build=PromptGuardDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    needs=lambda settings: (Need(Place.SERVICE, settings.endpoint, "endpoint"),),
)
