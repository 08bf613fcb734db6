"""A text and the other readings of it that detectors look at, all mapped back to the original."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from app.domain.conversation import Segment
from app.domain.policy import Stage
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.decode import decoded_readings, json_reading, without_surrogates
from app.guardrails.fold import Reading, folded_reading

MadeT = TypeVar("MadeT")

_DEEPEST = 3
"""How many encodings may lie on top of one another before they are taken for noise."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One reading of a text: as it is, folded, or decoded from a payload inside it.

    Its text can be written as UTF-8: half of a surrogate pair is read as U+FFFD.
    """

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
    """A text to inspect. Layers are made when first asked for.

    The layers ``original``, ``folded`` and ``json`` of a prefix are prefixes of those of the whole,
    so that a stream can be read as it comes. The others are made of whole texts only. Layers of one
    name may come more than once: a payload has a folded reading too.
    """

    __slots__ = ("_layers", "_made", "context", "is_json", "is_whole", "original")

    def __init__(
        self,
        original: str,
        *,
        is_json: bool = False,
        is_whole: bool = True,
        context: Context = NO_CONTEXT,
    ) -> None:
        """Hold a text.

        Args:
            original: The text as the client or the model wrote it.
            is_json: It is JSON, so escapes inside its strings are read too.
            is_whole: It is not a window of a stream, so payloads inside it are decoded too.
            context: What the text belongs to.
        """
        self.original = original
        self.is_json = is_json
        self.is_whole = is_whole
        self.context = context
        self._layers: tuple[Layer, ...] | None = None
        self._made: dict[object, object] = {}

    def once(self, make: "Callable[[Passage], MadeT]") -> MadeT:
        """What ``make`` gives for this passage: made once, for all detectors that need it."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("MadeT", self._made[make])

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The original first, then each reading that differs from it."""
        if self._layers is None:
            self._layers = tuple(self._read())
        return self._layers

    def _read(self) -> list[Layer]:
        original = Layer("original", without_surrogates(self.original))
        layers = [original, *_folded(original)]
        to_decode = [layers[-1]]
        if self.is_json and (reading := json_reading(original.text)) is not None:
            json = _over(original, "json", reading)
            layers += [json, *_folded(json)]
            to_decode.append(layers[-1])
        if self.is_whole:
            layers += _decoded(to_decode)
        return layers


def _over(parent: Layer, name: str, reading: Reading) -> Layer:
    """A reading of a layer's text, mapped to the original."""
    starts, ends = reading.starts, reading.ends
    if starts is None or ends is None:
        return Layer(name, reading.text, parent.starts, parent.ends)
    if parent.starts is None or parent.ends is None:
        return Layer(name, reading.text, starts, ends)
    return Layer(
        name,
        reading.text,
        [parent.starts[start] for start in starts],
        [parent.ends[end - 1] for end in ends],
    )


def _folded(layer: Layer) -> list[Layer]:
    reading = folded_reading(layer.text)
    return [] if reading is None else [_over(layer, "folded", reading)]


def _decoded(parents: list[Layer]) -> list[Layer]:
    """What is encoded in these layers, in what that says, and so on; each text once."""
    found: list[Layer] = []
    seen = {parent.text for parent in parents}
    for _ in range(_DEEPEST):
        children: list[Layer] = []
        for parent in parents:
            for name, reading in decoded_readings(parent.text):
                if (parent.name == name == "rot13") or reading.text in seen:
                    continue
                seen.add(reading.text)
                child = _over(parent, name, reading)
                folded = _folded(child)
                found += [child, *folded]
                children += folded or [child]
        parents = children
    return found


_JSON_RESULT = re.compile(r'\s*(?:[{"]|\[\s*[\[{"])')  # not "[1] a footnote"


def is_json_text(segment: Segment) -> bool:
    """Whether a text is read as JSON: what goes to a tool, now or earlier, and what comes of it.

    A value that was restored inside JSON comes back from the client with its escapes.
    """
    if segment.stage is Stage.TOOL_RESULT:
        return _JSON_RESULT.match(segment.text) is not None
    is_call = segment.stage is Stage.TOOL_CALL or segment.path.endswith(".arguments")
    return is_call and segment.text.lstrip()[:1] in {"{", "[", '"'}
