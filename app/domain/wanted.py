"""What a request asks for: a turn of a conversation, or something else made of its texts."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """The persona's next turn: its prompt, its behaviours and its replies apply."""

    is_turn: ClassVar[bool] = True
    """Whether the answer is the persona's next turn."""
    images: str = ""
    """Where the client asks for pictures in it, such as ``modalities``; empty where it does not."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text of the last message."""

    is_turn: ClassVar[bool] = False
    dimensions: int | None = None
    """How long each vector is to be; ``None`` leaves it to the model."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of what the last message says."""

    is_turn: ClassVar[bool] = False


Wanted = TextAnswer | Embeddings | Pictures
TEXT_ANSWER = TextAnswer()
