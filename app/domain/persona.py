"""Personas as their files say, after ``extends`` and shorthands are resolved."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    warmth: Literal["low", "medium", "high"] = "medium"
    verbosity: Literal["terse", "concise", "detailed"] = "concise"
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
    """How a behaviour is measured on an answer; exactly one of pattern, words and judge."""

    pattern: str | None = None
    words: tuple[str, ...] | None = None
    judge: str | None = None
    """A question about the answer, for a model."""
    expect: str | None = None
    """What the judge should say; for pattern and words ``present`` (the default) or ``absent``."""


class Behaviour(FileModel):
    """One line of conduct, stated once."""

    id: str
    instruct: str
    """Goes into the system prompt."""
    verify: Verify | None = None
    scenarios: tuple[str, ...] = ()
    """Only in these scenarios; empty means always."""
    on_fail: Literal["flag", "steer", "retry", "block"] = "flag"
    authority: Authority = Authority.PERSONA


class Scenario(FileModel):
    """A situation that the request may name."""

    description: str = ""
    instruct: str = ""


class Variable(FileModel):
    """A value that the request may give, untrusted unless the file says otherwise."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    description: str = ""
    max_length: Annotated[int, Field(ge=1, le=20_000)] = 200
    """In code points, for strings."""
    min: float | None = None
    max: float | None = None
    enum: tuple[Scalar, ...] | None = None
    default: Scalar | None = None
    """Without a default the request must give the variable."""
    trusted: bool = False
    """Printed as it is and usable in filters; only where the caller is trusted to write prompt."""


class Example(FileModel):
    """One turn as it should go."""

    user: str
    assistant: str


class FloatBound(FileModel):
    """The persona's value, and the range a request may choose from; no range means fixed."""

    default: float | None = None
    min: float | None = None
    max: float | None = None


class IntBound(FileModel):
    """As ``FloatBound``, for whole numbers."""

    default: int | None = None
    min: int | None = None
    max: int | None = None


class SamplingBounds(FileModel):
    """What a request may change about sampling."""

    temperature: FloatBound = FloatBound()
    top_p: FloatBound = FloatBound()
    max_tokens: IntBound = IntBound()


class Replies(FileModel):
    """What the persona says where policy stops an answer, by language tag."""

    block: Mapping[str, str] = Field(
        default={
            "en": "I can't help with that here.",
            "zh": "这个我在这里帮不上忙。",
        }
    )
    escalate: Mapping[str, str] = Field(
        default={
            "en": "I'd rather a person answers this. I've passed it on.",
            "zh": "这个问题我想请专人来回答，已经转交。",
        }
    )
    unchecked: Mapping[str, str] = Field(
        default={
            "en": "I can't answer right now. Please try again in a moment.",
            "zh": "我现在没办法回答，请稍后再试。",
        }
    )
    """Where a check could not run: an outage, not a decision about the text."""


class Variant(FileModel):
    """A changed copy of the persona for a share of sessions."""

    id: str
    percent: Annotated[float, Field(ge=0, le=100)] = 0
    set: Mapping[str, object] = {}
    """Merged over the persona, as ``extends`` merges."""


class Persona(FileModel):
    """Identity, voice and conduct; names its prompt, policy and route."""

    id: str
    """The file's stem; not written in the file."""
    name: str
    description: str = ""
    owner: str = ""
    prompt: str
    policy: str
    route: str
    identity: Identity
    voice: Voice = Voice()
    behaviours: tuple[Behaviour, ...] = ()
    scenarios: Mapping[str, Scenario] = {}
    variables: Mapping[str, Variable] = {}
    examples: tuple[Example, ...] = ()
    knowledge: tuple[str, ...] = ()
    """Paths of Markdown or text files, relative to the project's root."""
    sampling: SamplingBounds = SamplingBounds()
    replies: Replies = Replies()
    variants: tuple[Variant, ...] = ()
    system_messages: Literal["refuse", "below"] = "refuse"
    """What to do with system messages that the client sends: refuse them, or guard them and
    place them below the persona's prompt."""
    on_block: Literal["reply", "error"] = "reply"
    """A block is an ordinary turn in the persona's voice, or an error of the dialect."""
    passthrough: Literal["refuse", "allow"] = "refuse"
    """What to do with request fields that the coverage table does not know."""
