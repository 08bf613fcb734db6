"""Places of texts in a space where those that speak of the same lie near one another."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import sqrt
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.domain.errors import DetectorError
from app.guardrails.decode import without_surrogates
from app.guardrails.fold import fold
from app.guardrails.grounds import words

Vectors = NDArray[np.float32]

_WIDTH = 8192
_NEAREST = 2
"""How many of a topic's sentences a text is compared with: the nearest ones."""
_OF_WORDS = 0.7
"""How much of ``meaning`` is by shared words."""
_USUAL = 0.97
"""The share of other sentences that are farther from a topic than where its score begins."""
_LEAST = 0.05
_LATIN_WORD = re.compile(r"[^\W\d_]{4,}")


class Space(Protocol):
    """Gives each text a place."""

    revision: str

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A row a text, of length 1; of length 0 where a text says nothing that can be placed."""
        ...


class WordSpace:
    """By the words that texts share, rare ones counting more. Knows no meaning."""

    revision = "words-1"

    def __init__(self, background: Sequence[str]) -> None:
        """Learn from some texts which words are rare."""
        seen = np.zeros(_WIDTH, dtype=np.int64)
        for text in background:
            seen[list({_slot(feature) for feature in _features(text)})] += 1
        self._rarity = np.log((1 + len(background)) / (1 + seen)).astype(np.float32)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """See ``Space``."""
        made = np.zeros((len(texts), _WIDTH), dtype=np.float32)
        for row, text in enumerate(texts):
            made[row, [_slot(feature) for feature in _features(text)]] = 1
        return _unit(made * self._rarity)


class MeaningSpace:
    """By shared words, and by static embeddings of their pieces: near where meanings are near.

    By the second alone, texts of one language lie near one another whatever they speak of, which
    for Chinese takes four times the false alarms.
    """

    def __init__(self, by_words: WordSpace) -> None:
        """Load the embeddings.

        Raises:
            DetectorError: The extra is not installed.
        """
        try:
            import wordllama  # noqa: PLC0415  # an extra
        except ImportError:
            raise DetectorError(
                "'meaning' needs a model that is not installed: pip install 'banneton[topics]'",
                path=("by",),
            ) from None
        # It ships its tokenizer, and looks for it elsewhere first, in the network at last.
        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        self._by_words = by_words
        self.revision = f"{by_words.revision}+wordllama-{wordllama.__version__}"

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """See ``Space``."""
        placed = self._model.embed([without_surrogates(text) or " " for text in texts])
        meant = _unit(np.asarray(placed, dtype=np.float32))
        worded = self._by_words.vectors(texts)
        return np.hstack([worded * sqrt(_OF_WORDS), meant * sqrt(1 - _OF_WORDS)])


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return made


def _features(text: str) -> list[str]:
    """Words without endings, and the beginnings of long ones: inflections share those."""
    folded = fold(text)
    return [*words(folded), *(f"{word.casefold()[:5]}*" for word in _LATIN_WORD.findall(folded))]


def _slot(feature: str) -> int:
    return crc32(feature.encode("utf-8", "replace")) % _WIDTH


def _background() -> list[str]:
    """Ordinary questions and requests of every day, written for this purpose."""
    text = files(__package__).joinpath("topics.background").read_text("utf-8")
    return text.splitlines()


@cache
def space(by: str) -> Space:
    """The space of that name, made once: ``words`` or ``meaning``."""
    if by == "words":
        return WordSpace(_background())
    return MeaningSpace(WordSpace(_background()))


@cache
def others(by: str) -> tuple[Vectors, ...]:
    """Where sentences of no topic lie: English ones, and Chinese ones."""
    place, texts = space(by), _background()
    parts = ([text for text in texts if text.isascii() is is_ascii] for is_ascii in (True, False))
    return tuple(map(place.vectors, parts))


class Topic:
    """Sentences of one topic, and how near to them is near."""

    def __init__(self, place: Space, sentences: Sequence[str], others: Sequence[Vectors]) -> None:
        """Calibrate.

        Args:
            place: Where the sentences lie.
            sentences: Of the topic; at least three.
            others: The places of sentences of no topic.

        How near the sentences are to one another says what belongs to the topic; how near others
        are says what does not: there the score is 1 and 0.
        """
        self._own = place.vectors(sentences)
        left_out = self._own @ self._own.T
        np.fill_diagonal(left_out, -1.0)
        far = [float(np.quantile(_nearest(each @ self._own.T), _USUAL)) for each in others]
        self._far = max(far)
        self._near = max(float(np.median(_nearest(left_out))), self._far + _LEAST)

    def scores(self, vectors: Vectors) -> NDArray[np.float32]:
        """For each text how surely it belongs to the topic, in [0, 1]."""
        nearness = _nearest(vectors @ self._own.T)
        made: NDArray[np.float32] = np.clip(
            (nearness - self._far) / (self._near - self._far), 0.0, 1.0
        )
        return made


def _nearest(similarities: Vectors) -> NDArray[np.float32]:
    count = min(_NEAREST, similarities.shape[1])
    made: NDArray[np.float32] = np.sort(similarities, axis=1)[:, -count:].mean(axis=1)
    return made
