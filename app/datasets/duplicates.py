"""Rows that say the same, or nearly the same, as another one.

Near duplicates are found by MinHash over runs of five characters of the folded text, in bands, and
then compared exactly: two rows are near duplicates where their runs overlap by 85 % (Jaccard), and
so do those of what was asked last with its answers. Else each turn of a long conversation would
be taken for the one before it.
Sources: A. Broder, "On the resemblance and containment of documents", 1997; J. Leskovec et al.,
"Mining of Massive Datasets", chapter 3; M. Dietzfelbinger et al., "A reliable randomized algorithm
for the closest-pair problem", 1997 (multiply-shift).
"""

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows import Row
from app.datasets.wanted import Reason
from app.domain.conversation import Json

RUN = 5
"""Characters of a run."""
ALIKE = 0.85
"""Jaccard similarity from which on two rows are near duplicates."""
_BANDS, _ROWS = 16, 6
"""Two rows that are alike by 0.85 share one of the bands with a chance of 99.95 %."""
_AT_ONCE = 4096
_NOT_COUNTED = re.compile(r"\W+")
Runs = NDArray[np.uint64]
"""Hashes of all runs of a text, each once, in order."""

_GENERATOR = np.random.default_rng(1997)
_FACTORS = _GENERATOR.integers(0, 1 << 64, size=_BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_SHIFTS = _GENERATOR.integers(0, 1 << 64, size=_BANDS * _ROWS, dtype=np.uint64)


def without_duplicates(rows: Iterable[Row]) -> Iterator[Row | Reason]:
    """The rows in an order that does not depend on the one given, or why one is not among them."""
    seen: set[bytes] = set()
    near = _Near()
    for row in sorted(rows, key=lambda each: each.order):
        if row.digest in seen:
            yield Reason.DUPLICATE
            continue
        seen.add(row.digest)
        yield Reason.NEAR_DUPLICATE if near.knows(row) else row


class _Near:
    """The rows so far, by what they say."""

    def __init__(self) -> None:
        self._buckets: defaultdict[tuple[str, int, bytes], list[int]] = defaultdict(list)
        self._known: list[tuple[Runs, Runs]] = []

    def knows(self, row: Row) -> bool:
        """Whether a row that says nearly the same was shown before; takes it in otherwise."""
        runs, last = _runs(_text(row)), _runs(_text(replace(row, prompt=row.prompt[-1:])))
        signature = _signature(runs)
        # A preference turned round is another row than the one that it is like.
        places = [
            (row.kind, band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes())
            for band in range(_BANDS)
        ]
        candidates = {at for place in places for at in self._buckets.get(place, ())}
        known = (self._known[at] for at in candidates)
        if any(min(_jaccard(runs, whole), _jaccard(last, end)) >= ALIKE for whole, end in known):
            return True
        self._known.append((runs, last))
        for place in places:
            self._buckets[place].append(len(self._known) - 1)
        return False


def _text(row: Row) -> str:
    said: list[str] = []
    for part in (row.prompt, row.chosen, row.rejected):
        said += [_message(each) for each in part]
    return _NOT_COUNTED.sub(" ", unicodedata.normalize("NFKC", "\n".join(said)).casefold())


def _message(message: Json) -> str:
    calls = [str(each["function"]) for each in message.get("tool_calls", ())]
    return " ".join([message["content"] or "", *calls])


def _runs(text: str) -> Runs:
    pieces: Sequence[str] = [text[at : at + RUN] for at in range(max(1, len(text) - RUN + 1))]
    hashes = {zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in pieces}
    return np.array(sorted(hashes), dtype=np.uint64)


def _signature(runs: Runs) -> Runs:
    """For each of many orders of all runs, the first of these."""
    least = np.full(_FACTORS.size, np.iinfo(np.uint64).max, dtype=np.uint64)
    for at in range(0, runs.size, _AT_ONCE):
        some = runs[at : at + _AT_ONCE, None]
        # Multiply-shift: what runs over 64 bits is dropped, and the upper half of the rest is left.
        mixed = (some * _FACTORS[None, :] + _SHIFTS[None, :]) >> np.uint64(32)
        least = np.minimum(least, mixed.min(axis=0))
    return least


def _jaccard(one: Runs, other: Runs) -> float:
    common = np.intersect1d(one, other, assume_unique=True).size
    return float(common / (one.size + other.size - common))
