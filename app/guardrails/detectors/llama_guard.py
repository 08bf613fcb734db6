"""Ask a Llama Guard model, behind any endpoint that speaks chat completions."""

import re
from collections.abc import Mapping
from typing import Literal

from app.domain.conversation import Role
from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.domain.protocols import Outside, Question
from app.guardrails.detector import DetectorKind, Need, Place
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage

_NAME = "llama_guard"
_REVISION = "1"

Hazard = Literal[
    "violent_crimes",
    "non_violent_crimes",
    "sex_related_crimes",
    "child_sexual_exploitation",
    "defamation",
    "specialized_advice",
    "privacy",
    "intellectual_property",
    "indiscriminate_weapons",
    "hate",
    "suicide_and_self_harm",
    "sexual_content",
    "elections",
    "code_interpreter_abuse",
]

# Model cards of Llama Guard 3 and 4: MLCommons' hazards, and the abuse of code interpreters.
_HAZARDS: Mapping[str, Hazard] = {
    "S1": "violent_crimes",
    "S2": "non_violent_crimes",
    "S3": "sex_related_crimes",
    "S4": "child_sexual_exploitation",
    "S5": "defamation",
    "S6": "specialized_advice",
    "S7": "privacy",
    "S8": "intellectual_property",
    "S9": "indiscriminate_weapons",
    "S10": "hate",
    "S11": "suicide_and_self_harm",
    "S12": "sexual_content",
    "S13": "elections",
    "S14": "code_interpreter_abuse",
}
_UNSAFE = re.compile(r"unsafe\s*\n\s*(S[0-9]{1,2}(?: ?, ?S[0-9]{1,2})*)")

# The server puts texts into the model's template as they are. These are what the template and the
# tokenizer would read as their own: special tokens, and the lines around the conversation.
_SIGNS = re.compile(r"<(?=\||/?s>)|<(?=(?:begin|end) )", re.IGNORECASE)


class LlamaGuardSettings(FileModel):
    """Whom to ask, and which hazards count."""

    route: str = "llama-guard"
    """The route to the model."""
    categories: tuple[Hazard, ...] | None = None
    """Only these hazards count; left out, all fourteen."""


def _spec(settings: LlamaGuardSettings) -> str:
    return spec_digest({"route": settings.route})


class LlamaGuardDetector:
    """Finds the whole text, once for each hazard that the model names."""

    name = _NAME
    revision = _REVISION

    def __init__(self, settings: LlamaGuardSettings) -> None:
        self.spec = _spec(settings)
        self._route = settings.route

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What the model says of the text as a whole: of an answer, together with its question."""
        text, context = passage.original, passage.context
        turns: tuple[tuple[Role, str], ...] = ((Role.USER, _plain(text)),)
        if context.stage in {Stage.OUTPUT, Stage.TOOL_CALL}:
            # The model judges the last turn; its template begins with the user's in any case.
            asked = (Role.USER, _plain(context.question) or "-")
            turns = (asked, (Role.ASSISTANT, _plain(text)))
        hazards = await outside.complete(self._route, Question(turns), _read)
        found = tuple(
            Finding(_NAME, hazard, 1.0, "", 0, len(text), _REVISION, "named by a model", self.spec)
            for hazard in hazards
        )
        return Found(found) if found else CLEAN


def _plain(text: str) -> str:
    return _SIGNS.sub("< ", text)


def _read(answer: str) -> tuple[Hazard, ...]:
    """The hazards that an answer names, each once, in alphabetical order."""
    said = answer.strip()
    if said == "safe":
        return ()
    listed = _UNSAFE.fullmatch(said)
    codes = [] if listed is None else [code.strip() for code in listed[1].split(",")]
    if not codes or any(code not in _HAZARDS for code in codes):
        raise DetectorError("the model's answer is not one of a Llama Guard model")
    return tuple(sorted({_HAZARDS[code] for code in codes}))


def _selects(settings: LlamaGuardSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings) and (
        settings.categories is None or finding.category in settings.categories
    )


def _is_as_strict(settings: LlamaGuardSettings, other: LlamaGuardSettings) -> bool:
    """Whether the same model is asked, and what counts for ``other`` counts here."""
    return _spec(settings) == _spec(other) and (
        settings.categories is None
        or (other.categories is not None and set(other.categories) <= set(settings.categories))
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Asks a Llama Guard model which hazards a text holds.",
    settings=LlamaGuardSettings,
    build=LlamaGuardDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    needs=lambda settings: (Need(Place.ROUTE, settings.route, "route"),),
)
