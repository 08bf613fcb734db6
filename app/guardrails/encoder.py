"""The encoder of the strong tier: a small transformer, run by onnxruntime on the CPU.

Needs the extra ``models``; imported only by what builds a strong detector. Weights, vocabulary and
the numbers that turn sums into scores are made by ``benchmarks/guardrails/train_encoder.py``.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from app.guardrails.wordpiece import Pieces, WordPiece

HeadName = Literal["injection", "indirect", "harm"]
HEADS: tuple[HeadName, ...] = get_args(HeadName)
"""An attack by the user, an order inside a document or tool result, harm."""

FIRST: Mapping[HeadName, str] = {
    "injection": "injection",
    "indirect": "documents",
    "harm": "harm",
}
"""Which linear model comes before which head."""

WEIGHTS = "weights"
"""The folder beside this file."""

AT_ONCE = 2
"""How many texts are read at the same time; others wait, until their rule's time is up."""

LONGEST = 126
"""Pieces in one window: as many as the model was fitted on."""
OVERLAP = 24
MOST = 20
"""Windows of one text that are read: about 0.3 seconds of work."""

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Pieces that are read together, and where they stand."""

    ids: tuple[int, ...]
    start: int
    end: int
    fluency: float
    """Letters in a piece: 4 and more in English, 1 where the vocabulary knows letters only, 0 where
    it does not know even those."""


def windows(pieces: Pieces, unknown: int, offset: int = 0) -> list[Window]:
    """The pieces in as few windows of equal length as can be, each overlapping the next.

    Args:
        pieces: Of a part of a text.
        unknown: The number of the piece that stands for what the vocabulary does not have.
        offset: Where the part begins.
    """
    count = len(pieces.ids)
    if not count:
        return []
    parts = max(math.ceil((count - OVERLAP) / (LONGEST - OVERLAP)), 1)
    size = math.ceil((count + (parts - 1) * OVERLAP) / parts)
    firsts = [part * (size - OVERLAP) for part in range(parts)]
    return [_window(pieces, first, min(first + size, count), (unknown, offset)) for first in firsts]


def _window(pieces: Pieces, first: int, last: int, of: tuple[int, int]) -> Window:
    unknown, offset = of
    part = slice(first, last)
    read = zip(pieces.ids[part], pieces.starts[part], pieces.ends[part], strict=True)
    words = {(start, end) for number, start, end in read if number != unknown}
    return Window(
        tuple(pieces.ids[part]),
        offset + pieces.starts[first],
        offset + pieces.ends[last - 1],
        sum(end - start for start, end in words) / (last - first),
    )


@dataclass(frozen=True, slots=True)
class Blend:
    """How the sum of the linear model and the logit of the encoder become one score."""

    first: str
    """Digest of the linear model for which this was set."""
    asks: float
    """The linear sum from which on the encoder is asked."""
    linear: float
    encoder: float
    """What each is multiplied with."""
    centre: float
    """The logit of the encoder that says nothing either way."""
    foreign: float
    fluent: float
    """Below the one fluency the encoder has no say, above the other all of it."""
    middle: float
    slope: float
    """The blended sum at which the score is 0.5, and how steeply it rises from there."""

    def weight(self, fluency: float) -> float:
        """How much the encoder has to say of a window."""
        share = (fluency - self.foreign) / (self.fluent - self.foreign)
        return min(max(share, 0.0), 1.0)

    def total(self, linear: float, logit: float, fluency: float) -> float:
        """The blended sum."""
        said = self.encoder * self.weight(fluency) * (logit - self.centre)
        return self.linear * linear + said

    def score(self, total: float) -> float:
        """In (0, 1), rising with the sum; slow to flatten, so that no two sums share a score."""
        risen = self.slope * (total - self.middle)
        return (1 + risen / math.hypot(1, risen)) / 2


class Encoder:
    """Windows in, for each of them one logit a head out."""

    def __init__(self, model: bytes, vocabulary: str, blends: Mapping[HeadName, Blend]) -> None:
        """Make the model ready.

        Args:
            model: An ONNX file that takes ``ids`` and ``mask`` and gives ``logits``.
            vocabulary: One piece a line.
            blends: By head.
        """
        import onnxruntime  # noqa: PLC0415  # an optional extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._cutter = WordPiece(vocabulary.split("\n"))
        self.blends = blends
        self.revision = hashlib.sha256(model).hexdigest()[:8]

    def cut(self, text: str, start: int, end: int) -> list[Window]:
        """A part of a text in windows."""
        return windows(self._cutter.cut(text[start:end]), self._cutter.unknown, start)

    def logits(self, read: Sequence[Window]) -> Logits:
        """For each window its logits, in the order of ``HEADS``.

        One after the other: bytes are scaled by what is read together, and what is said of a window
        must not depend on what stands beside it.
        """
        logits = np.empty((len(read), len(HEADS)))
        for number, window in enumerate(read):
            ids = np.array([[self._cutter.first, *window.ids, self._cutter.last]], np.int64)
            mask = np.ones(ids.shape, np.float32)
            logits[number] = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return logits


@cache
def encoder() -> Encoder:
    """The encoder that comes with the package, loaded once."""
    folder = files(__package__).joinpath(WEIGHTS)
    blends = json.loads(folder.joinpath("encoder.json").read_text("utf-8"))
    return Encoder(
        folder.joinpath("encoder.onnx").read_bytes(),
        folder.joinpath("encoder.vocab").read_text("utf-8"),
        {head: Blend(**blends[head]) for head in HEADS},
    )


@cache
def threads() -> ThreadPoolExecutor:
    """Where encoders run: never on the event loop, never more than a few at once."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="encoder")
