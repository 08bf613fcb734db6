"""Personas as their files say, after ``extends`` and shorthands are resolved."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from app.domain.conversation import Effort

Scalar = str | int | float | bool


class FileModel(BaseModel):
    """Base of all that people write: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Identity(FileModel):
    """Who the persona is."""

    role: str
    """What it is, such as ``contract explainer``."""
    readers: str = ""
    """Whom it speaks to."""
    values: tuple[str, ...] = ()
    """What it holds to, most important first."""


class Voice(FileModel):
    """How the persona speaks."""

    formality: Literal["casual", "neutral", "formal"] = "neutral"
    """How stiff the words are."""
    warmth: Literal["low", "medium", "high"] = "medium"
    """How much it minds how the reader feels."""
    verbosity: Literal["terse", "concise", "detailed"] = "concise"
    """How much it says."""
    tone: tuple[str, ...] = ()
    """Adjectives, such as ``calm``."""
    language: str = "match-user"
    """A language tag such as ``en`` or ``zh``, or ``match-user``."""


class Authority(StrEnum):
    """Who may override a behaviour, highest first."""

    PLATFORM = "platform"
    POLICY = "policy"
    PERSONA = "persona"
    USER = "user"


class Verify(FileModel):
    """How a behaviour is measured on an answer. Files say it in fewer words."""

    detector: str
    """Which detector looks at the answer."""
    settings: Mapping[str, object] = {}
    """As validated by the detector's own settings model; JSON values only."""
    expect: Literal["present", "absent"]
    """Whether the detector should find something."""
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """From which score on something counts as found."""


class Behaviour(FileModel):
    """One line of conduct, stated once."""

    id: str
    """Its name. A persona that extends this one changes the behaviour by it."""
    instruct: str
    """Goes into the system prompt."""
    verify: Verify | None = None
    """How it is measured on an answer: a pattern, words, a question to a judge, or any detector."""
    scenarios: tuple[str, ...] = ()
    """Only in these scenarios; empty means always."""
    on_fail: Literal["flag", "steer", "retry", "block"] = "flag"
    """What to do where an answer does not keep to it. ``retry`` and ``block`` hold the answer until
    it has been measured."""
    retries: Annotated[int, Field(ge=1, le=3)] = 1
    """How often the model may answer again, where ``on_fail`` is ``retry``."""
    then: Literal["flag", "steer", "block"] = "flag"
    """What to do where it still does not keep to it after that."""
    append: str = ""
    """What ``steer`` adds at the end of the answer."""
    percent: Annotated[float, Field(ge=0, le=100)] | None = None
    """On which share of answers it is measured; left out, on the persona's."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 5_000
    """How long a detector outside the process may take."""
    authority: Authority = Authority.PERSONA
    """Who may override it, highest first: what stands lower cannot."""


class Scenario(FileModel):
    """A situation that the request may name."""

    description: str = ""
    """The situation, in words that go into the prompt."""
    instruct: str = ""
    """What to do in it."""


class Variable(FileModel):
    """A value that the request may give, untrusted unless the file says otherwise."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    """What kind of value it is."""
    description: str = ""
    """What it says, in words that go into the prompt."""
    max_length: Annotated[int, Field(ge=1, le=20_000)] = 200
    """In code points, for strings."""
    min: float | None = None
    """The least, for numbers."""
    max: float | None = None
    """The most, for numbers."""
    enum: tuple[Scalar, ...] | None = None
    """Only these values."""
    default: Scalar | None = None
    """Without a default the request must give the variable."""
    trusted: bool = False
    """Printed as it is and usable in filters; only where the caller is trusted to write prompt."""


class Example(FileModel):
    """One turn as it should go."""

    user: str
    """What the user says."""
    assistant: str
    """What the persona answers."""


class FloatBound(FileModel):
    """The persona's value, and the range a request may choose from; no range means fixed."""

    default: float | None = None
    """The value where a request names none."""
    min: float | None = None
    """The least that a request may choose."""
    max: float | None = None
    """The most that a request may choose."""


class IntBound(FileModel):
    """As ``FloatBound``, for whole numbers."""

    default: int | None = None
    """The value where a request names none."""
    min: int | None = None
    """The least that a request may choose."""
    max: int | None = None
    """The most that a request may choose."""


class EffortBound(FileModel):
    """As ``FloatBound``, for how much a model reasons."""

    default: Effort | None = None
    """The effort where a request names none; left out, it is the provider's to say."""
    max: Effort | None = None
    """The most that a request may choose; without it, one who has a default has no choice."""


class ChoicesBound(FileModel):
    """How many answers to one question a request may ask for."""

    max: Annotated[int, Field(ge=1, le=128)] = 1
    """The most; each of them costs what one costs."""


class SamplingBounds(FileModel):
    """What a request may change about sampling."""

    temperature: FloatBound = FloatBound()
    """How freely words are chosen."""
    top_p: FloatBound = FloatBound()
    """From how large a share of likely words one is chosen."""
    max_tokens: IntBound = IntBound()
    """How long an answer may be."""
    reasoning: EffortBound = EffortBound()
    """How much the model reasons before it answers."""
    choices: ChoicesBound = ChoicesBound()
    """How many answers there may be to one question."""


class Replies(FileModel):
    """What the persona says where policy stops an answer, by language tag."""

    block: Mapping[str, str] = Field(
        default={
            "en": "I can't help with that here.",
            "zh": "这个我在这里帮不上忙。",
        }
    )
    """Where policy blocks."""
    escalate: Mapping[str, str] = Field(
        default={
            "en": "I'd rather a person answers this. I've passed it on.",
            "zh": "这个问题我想请专人来回答，已经转交。",
        }
    )
    """Where policy passes the conversation on to a person."""
    unchecked: Mapping[str, str] = Field(
        default={
            "en": "I can't answer right now. Please try again in a moment.",
            "zh": "我现在没办法回答，请稍后再试。",
        }
    )
    """Where a check could not run: an outage, not a decision about the text."""


class ForEmbeddings(FileModel):
    """How texts become vectors, such as for search."""

    route: str
    """The id of the way to a model that gives them."""


class ForImages(FileModel):
    """How pictures are made."""

    route: str
    """The id of the way to a model that makes them."""
    instruct: Annotated[str, Field(max_length=4000)] = ""
    """What stands before the user's words, such as a style: ``Watercolour, soft light.``"""


class Variant(FileModel):
    """A changed copy of the persona for a share of sessions."""

    id: str
    """Its name; a request asks for it as ``persona:variant``."""
    percent: Annotated[float, Field(ge=0, le=100)] = 0
    """For which share of sessions it answers; of a shadow, beside which share it is run."""
    shadow: bool = False
    """Whether it is run and recorded after the answer of the persona, and shown to nobody."""
    set: Mapping[str, object] = {}
    """Merged over the persona, as ``extends`` merges."""


_DURATION = r"[0-9]{1,5}[smhd]"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(text: str) -> str:
    if not re.fullmatch(_DURATION, text):
        raise ValueError("must be a number with s, m, h or d, such as 2h")
    return text


def timedelta_of(duration: str) -> timedelta:
    """How long ``2h`` is."""
    return timedelta(**{_UNITS[duration[-1]]: int(duration[:-1])})


Duration = Annotated[
    str,
    AfterValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$"}),
]


class Gate(FileModel):
    """A product metric that a rolled out variant must not make worse."""

    metric: str
    """Its id, such as ``over_refusal``, or ``behaviour_adherence:`` and a behaviour's id."""
    no_worse_by: Annotated[float, Field(gt=0, le=1)]
    """How much worse than the persona as it is, in the metric's own unit, is still as good."""


class Rollout(FileModel):
    """How a variant comes to answer more and more sessions, or is taken back."""

    variant: str
    """The id of the variant."""
    steps: Annotated[
        tuple[Annotated[float, Field(gt=0, le=100)], ...], Field(min_length=1, max_length=20)
    ]
    """For which share of sessions it answers, step by step, in percent. At 100 nobody is left to
    compare with, so that a rollout which ends there is no longer watched."""
    hold: Duration = "1h"
    """How long each step lasts at least."""
    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """How many sessions of the variant, and as many of the persona as it is, each gate must have
    been measured on in a step before the next one."""
    settle: Duration = "10m"
    """How long a session must have been silent before it counts."""
    error_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """How often, at most, chance may return a variant that is as good as the persona, and how often
    it may let one on that is worse than a gate allows, however often one looks."""
    gates: Annotated[tuple[Gate, ...], Field(min_length=1, max_length=20)]
    """All of them must hold."""


class Persona(FileModel):
    """Identity, voice and conduct; names its prompt, policy and route."""

    id: str
    """The file's stem; not written in the file."""
    name: str
    """What it calls itself."""
    description: str = ""
    """What it is for, in a sentence."""
    owner: str = ""
    """Which team answers for it."""
    prompt: str
    """The id of its prompt."""
    policy: str
    """The id of its policy."""
    route: str
    """The id of its way to a model."""
    embeddings: ForEmbeddings | None = None
    """Where requests for vectors of texts go; left out, it takes none."""
    images: ForImages | None = None
    """Where requests for pictures go; left out, it takes none."""
    identity: Identity
    """Who it is."""
    voice: Voice = Voice()
    """How it speaks."""
    behaviours: tuple[Behaviour, ...] = ()
    """What it does and does not do, one line of conduct each."""
    measure_percent: Annotated[float, Field(ge=0, le=100)] = 100
    """On which share of answers behaviours are measured, drawn by request."""
    scenarios: Mapping[str, Scenario] = {}
    """Situations that a request may name, by id."""
    variables: Mapping[str, Variable] = {}
    """Values that a request may give, by name."""
    examples: tuple[Example, ...] = ()
    """Turns as they should go."""
    knowledge: tuple[str, ...] = ()
    """Paths of Markdown or text files, relative to the project's root."""
    sampling: SamplingBounds = SamplingBounds()
    """How the model samples, and what a request may change about it."""
    replies: Replies = Replies()
    """What it says where policy stops an answer, by language tag."""
    variants: tuple[Variant, ...] = ()
    """Changed copies for a share of sessions."""
    rollout: Rollout | None = None
    """Which variant is on its way to all sessions, and what may not get worse meanwhile."""
    system_messages: Literal["refuse", "below"] = "refuse"
    """What to do with system messages that the client sends: refuse them, or guard them and
    place them below the persona's prompt."""
    on_block: Literal["reply", "error"] = "reply"
    """A block is an ordinary turn in the persona's voice, or an error of the dialect."""
    passthrough: Literal["refuse", "allow"] = "refuse"
    """What to do with request fields that the coverage table does not know."""

    @property
    def routes(self) -> Mapping[str, str]:
        """The id of every way that its requests may go, by where the file names it."""
        made = {"route": self.route}
        if self.embeddings is not None:
            made["embeddings.route"] = self.embeddings.route
        if self.images is not None:
            made["images.route"] = self.images.route
        return made
