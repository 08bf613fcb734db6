"""What a request asks for: a turn of a conversation, or something else made of its texts."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """The persona's next turn: its prompt, its behaviours and its replies apply."""

    is_turn: ClassVar[bool] = True
    """Whether the answer is the persona's next turn."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text of the last message."""

    is_turn: ClassVar[bool] = False
    dimensions: int | None = None
    """How long each vector is to be; ``None`` leaves it to the model."""
    is_base64: bool = False
    """Whether the client wants the numbers as bytes in base64."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of what the last message says."""

    is_turn: ClassVar[bool] = False


Wanted = TextAnswer | Embeddings | Pictures
TEXT_ANSWER = TextAnswer()
