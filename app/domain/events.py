"""The closed set of things that a model's answer is made of. One not named here is an error."""

from base64 import b64decode
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str
    choice: int = 0


UNKNOWN = -9999.0
"""For a piece of text of which nobody knows how likely it was. OpenAI says so of what is very
unlikely."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer's text, and the natural logarithm of how likely it was."""

    text: str
    logprob: float = UNKNOWN


@dataclass(frozen=True, slots=True)
class TokenDelta(TextDelta):
    """More of the answer's text where its tokens are wanted, too.

    Together the tokens of a choice are its text. They may come later than the text that they are
    of: a token leaves once all of it has left.
    """

    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's reasoning.

    ``signed`` is opaque, marked with who signed it (``app.domain.signatures``), and covers all
    reasoning before it.
    """

    text: str
    choice: int = 0
    signed: str | None = None
    is_redacted: bool = False
    """The provider shows none of it: ``signed`` is all of it."""


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of the model's own refusal."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call.

    ``call_id``, ``name`` and ``signed``, which is marked with who signed it, come whole, on the
    call's first delta only.
    """

    index: int
    """Which call of the choice, counted from 0."""
    arguments: str = ""
    call_id: str | None = None
    name: str | None = None
    choice: int = 0
    signed: str | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """A citation or link that the provider attached to the text."""

    url: str
    title: str
    start: int
    end: int
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ImageDelta:
    """A whole image, base64, at its place between the texts of its choice.

    Whoever makes one of what a provider sent has seen that it is base64 and begins as an image of
    its type does.
    """

    media_type: str
    data: str = field(repr=False)
    choice: int = 0

    @property
    def size_bytes(self) -> int:
        """How large it is, decoded."""
        return len(self.data) // 4 * 3 - self.data.count("=", -2)

    @property
    def description(self) -> str:
        """What a record says of it: by the digest, who has an image can tell that it was this."""
        digest = sha256(b64decode(self.data)).hexdigest()
        return f"{self.media_type}, {self.size_bytes} bytes, sha256:{digest}"


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of one text."""

    index: int
    """Of which text, counted from 0."""
    vector: bytes = field(repr=False)
    """Finite numbers of four bytes each, the lowest byte first, as IEEE 754 has them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider counted, in tokens."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    """Of the input, kept for later requests; providers charge more for them."""

    def __add__(self, other: "Usage") -> "Usage":
        """Of both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


class FinishReason(StrEnum):
    """Why a choice ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    """Stopped by policy, ours or the provider's."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a choice."""

    reason: FinishReason
    choice: int = 0
    stopped_by: str | None = None
    """The text to stop at that was met, where the provider says so; empty where it does not say
    which. These are a provider's words: only what the client asked for may leave."""


StreamEvent = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | Annotation
    | ImageDelta
    | Embedding
    | Usage
    | Finish
)
