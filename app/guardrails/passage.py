"""A text and the other readings of it that detectors look at, all mapped back to the original."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One reading of a text: as it is, folded, or decoded from a payload inside it."""

    name: str
    """``original``, ``folded``, ``json``, ``base64``, ``hex``, ``url``, ``rot13``."""
    text: str
    starts: Sequence[int] | None = None
    """For each code point of ``text``, where it begins in the original; none where they agree."""
    ends: Sequence[int] | None = None
    """For each code point of ``text``, where it ends in the original."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's code points that ``text[start:end]`` came from; ``start < end``."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


class Passage:
    """A text to inspect. Layers are made when first asked for."""

    __slots__ = ("_layers", "is_json", "is_whole", "original")

    def __init__(self, original: str, *, is_json: bool = False, is_whole: bool = True) -> None:
        """Hold a text.

        Args:
            original: The text as the client or the model wrote it.
            is_json: It is JSON, so escapes inside its strings are read too.
            is_whole: It is not a window of a stream, so payloads inside it are decoded too.
        """
        self.original = original
        self.is_json = is_json
        self.is_whole = is_whole
        self._layers: tuple[Layer, ...] | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The original first, then each reading that differs from it."""
        if self._layers is None:
            self._layers = (Layer("original", self.original),)
        return self._layers
