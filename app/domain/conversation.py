"""A request in the one dialect that is spoken inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.domain.policy import Stage

Json = Any
"""A JSON value, as ``orjson.loads`` gives it."""


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Origin(StrEnum):
    """Who wrote the words, which decides what guards look at them."""

    PERSONA = "persona"
    """The composed system prompt: trusted, reviewed, not guarded."""
    CLIENT = "client"
    """All that the caller sent, also what it says the assistant said earlier."""
    TOOL = "tool"
    """Tool results and retrieved text."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text. ``path`` is where the client put it, such as ``messages[1].content[0].text``."""

    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """A refusal that the assistant gave earlier."""

    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Reasoning that the assistant gave earlier; ``signed`` is what its provider signed."""

    text: str
    path: str = ""
    signed: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call that the assistant made earlier. ``arguments`` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool answered to a call."""

    call_id: str
    text: str
    path: str = ""


Part = TextPart | RefusalPart | ReasoningPart | ToolCallPart | ToolResultPart


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    origin: Origin
    parts: tuple[Part, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client offers to run."""

    name: str
    description: str = ""
    parameters: Mapping[str, Json] | None = None
    """JSON Schema."""
    is_strict: bool | None = None
    path: str = ""


class ToolChoiceMode(StrEnum):
    """Whether the model may, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tool to call; ``name`` is set where the mode is ``named``."""

    mode: ToolChoiceMode
    name: str | None = None


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer must be JSON; with a schema, of that shape."""

    schema: Mapping[str, Json] | None = None
    name: str | None = None
    description: str | None = None
    is_strict: bool | None = None
    path: str = "response_format"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample; ``None`` leaves it to the persona, then to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class PersonaWishes:
    """What travels under the ``banneton`` key beside the standard body."""

    audience: str | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    session: str | None = None
    scenario: str | None = None
    consent: str | None = None
    """What the subject agreed to, in the client's own word; recorded, not interpreted."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request: which persona, what was said, and how the answer should come."""

    persona: str
    messages: tuple[Message, ...]
    variant: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonFormat | None = None
    sampling: Sampling = Sampling()
    is_stream: bool = False
    wants_usage: bool = False
    """Whether a stream should end with usage."""
    subject: str | None = None
    """The end user, as the client names them (``user``)."""
    wishes: PersonaWishes = PersonaWishes()
    passthrough: Mapping[str, Json] = field(default_factory=dict)
    """Fields of the body that the coverage table does not know, where the persona says
    ``passthrough: allow``. Their texts are guarded; what they do is between client and provider."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One text of a conversation that a guard looks at."""

    path: str
    text: str
    stage: Stage
    is_earlier: bool = False
    """Belongs to a turn before the last answer of the assistant: the client replays it."""
