"""A request in the one dialect that is spoken inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from app.domain.data_use import DataUse
from app.domain.policy import Stage
from app.domain.wanted import TEXT_ANSWER, Wanted

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


class CacheFor(StrEnum):
    """How long a provider is asked to remember the prompt up to here; it changes no answer."""

    FIVE_MINUTES = "5m"
    ONE_HOUR = "1h"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text. ``path`` is where the client put it, such as ``messages[1].content[0].text``."""

    text: str
    path: str = ""
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """A refusal that the assistant gave earlier."""

    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Reasoning that the assistant gave earlier.

    ``signed`` is what its provider signed, marked with who that is (``app.domain.signatures``).
    """

    text: str
    path: str = ""
    signed: str | None = None
    is_redacted: bool = False
    """The provider shows none of it: there is no text, and ``signed`` is all of it."""


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call that the assistant made earlier.

    ``arguments`` is JSON text as the model wrote it; ``signed`` is as in ``ReasoningPart``.
    """

    call_id: str
    name: str
    arguments: str
    path: str = ""
    arguments_field: str = "arguments"
    """What the client's dialect calls the arguments, below ``path``."""
    signed: str | None = None
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool answered to a call. The parts of one message all answer the same call."""

    call_id: str
    text: str
    path: str = ""
    is_error: bool = False
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes that stand in the request, base64."""

    media_type: str
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Linked:
    """What the provider is to fetch. The gateway itself fetches nothing."""

    url: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture; in a tool's message, one that the tool answered with."""

    source: Inline | Linked
    path: str = ""
    """Of its bytes or of its URL."""
    detail: Literal["auto", "low", "high"] | None = None
    """How closely the model is to look."""
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document, such as a PDF."""

    source: Inline | Linked
    path: str = ""
    """Of its bytes or of its URL."""
    name: str | None = None
    name_path: str = ""
    cache: CacheFor | None = None


Part = TextPart | RefusalPart | ReasoningPart | ToolCallPart | ToolResultPart | ImagePart | FilePart


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    origin: Origin
    parts: tuple[Part, ...]
    name: str | None = None
    path: str = ""
    """Where the client put it, such as ``messages[1]``."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client offers to run."""

    name: str
    description: str = ""
    parameters: Mapping[str, Json] | None = None
    """JSON Schema."""
    is_strict: bool | None = None
    path: str = ""
    parameters_field: str = "parameters"
    """What the client's dialect calls the parameters, below ``path``."""
    cache: CacheFor | None = None


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


class Effort(StrEnum):
    """How much a model is to reason before it answers, from not at all to long."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def tokens(self) -> int:
        """About how many tokens of reasoning that is, for providers that count them.

        1,024 is the least that Anthropic takes; each step is some four times the one before.
        """
        return {"none": 0, "minimal": 1024, "low": 4096, "medium": 16384, "high": 65536}[self]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much to reason: an effort, or at most so many tokens."""

    wish: Effort | int

    @property
    def tokens(self) -> int:
        """About how many tokens."""
        return self.wish if isinstance(self.wish, int) else self.wish.tokens

    @property
    def effort(self) -> Effort:
        """The least effort that allows for these tokens."""
        if not isinstance(self.wish, int):
            return self.wish
        tokens = self.wish
        return next((each for each in Effort if each.tokens >= tokens), Effort.HIGH)


SamplingField = Literal[
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning",
]
"""A wish that some protocols and models know and others do not."""


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
    reasoning: Reasoning | None = None
    top_k: int | None = None
    choices: int = 1
    """How many answers, side by side."""
    logprobs: bool = False
    """Whether the text is to come with its tokens, and with how likely each of them was."""
    stop_path: str = "stop"
    """Where the client put what stops the answer."""
    yields: frozenset[SamplingField] = frozenset()
    """Wishes that are not of this request, such as the persona's defaults. Where a protocol or a
    server has no such field they are left out; what a client asked for is refused."""


@dataclass(frozen=True, slots=True)
class PersonaWishes:
    """What travels under the ``banneton`` key beside the standard body."""

    audience: str | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    session: str | None = None
    scenario: str | None = None
    consent: str | None = None
    """What the subject agreed to, in the client's own word; recorded, not interpreted."""


STANDING = "instructions"
"""The path of a system message that holds for one answer, and not for those that go on from it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request: which persona, what was said, and how the answer should come."""

    persona: str
    messages: tuple[Message, ...]
    variant: str | None = None
    dialect: str = "openai_chat"
    """The wire format on the client's side: what ``passthrough`` is of."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonFormat | None = None
    sampling: Sampling = Sampling()
    wanted: Wanted = TEXT_ANSWER
    """What is asked for."""
    is_stream: bool = False
    wants_usage: bool = False
    """Whether a stream should end with usage."""
    subject: str | None = None
    """The end user, as the client names them (``user``)."""
    wishes: PersonaWishes = PersonaWishes()
    passthrough: Mapping[str, Json] = field(default_factory=dict)
    """Fields of the body that the coverage table does not know, where the persona says
    ``passthrough: allow``. Their texts are guarded; what they do is between client and provider."""
    continues: str | None = None
    """The exchange that this one goes on from: its turns come before these."""
    provider_may: frozenset[DataUse] = frozenset()
    """What the provider that is asked may do with it beyond answering, as the route says."""
    keeps_turns: bool | None = False
    """Whether others are to go on from this one; ``None`` where policy keeps content anyway."""

    @property
    def said_in(self) -> str:
        """The field of the client's dialect in which its texts stand."""
        if self.wanted.is_turn:
            return "messages"
        return next(each.path for each in self.messages if each.origin is Origin.CLIENT)


@dataclass(frozen=True, slots=True)
class Segment:
    """One text of a conversation that a guard looks at."""

    path: str
    text: str
    stage: Stage
    is_earlier: bool = False
    """Belongs to a turn before the last answer of the assistant: the client replays it."""
