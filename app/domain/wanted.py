"""What a request asks for: a turn of a conversation, or something else made of its texts."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """The persona's next turn: its prompt, its behaviours and its replies apply."""

    is_turn: ClassVar[bool] = True
    """Whether the answer is the persona's next turn."""
    images_path: str | None = None
    """Where the client asks for pictures in it, such as ``modalities``; none where it does not."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text of the last message."""

    is_turn: ClassVar[bool] = False
    images_path: ClassVar[None] = None
    dimensions: int | None = None
    """How long each vector is to be; ``None`` leaves it to the model."""
    is_base64: bool = False
    """Whether the client wants the numbers as bytes in base64."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of what the last message says, or of what it shows, changed as it says.

    What is ``None`` is left to the model.
    """

    is_turn: ClassVar[bool] = False
    images_path: ClassVar[str] = "model"
    count: int = 1
    size: str | None = None
    """Such as ``1024x1024``."""
    quality: str | None = None
    background: str | None = None
    """Whether one can see through it."""
    media_type: str | None = None
    compression: int | None = None
    """From 0 to 100."""
    fidelity: str | None = None
    """How closely to keep to the pictures that it shows."""
    has_mask: bool = False
    """The last picture that it shows says where the first one is to change."""


Wanted = TextAnswer | Embeddings | Pictures
TEXT_ANSWER = TextAnswer()
