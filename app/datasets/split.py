"""Which rows are learned from, and which are held back."""

import hmac
from collections.abc import Mapping, Sequence
from enum import StrEnum

from app.datasets.exchanges import Exchange
from app.datasets.rows import Row


class Split(StrEnum):
    """A part of a data set."""

    TRAIN = "train"
    VALIDATION = "validation"


def split_of(rows: Sequence[Row], key: bytes, validation: float) -> list[Split]:
    """The part of each row: no session and no person is in both.

    Exchanges belong together where they share a session, a person or a row. Which part those are in
    follows from the key and from the least id among them.
    """
    together = _Together()
    for row in rows:
        marks = [mark for source in row.sources for mark in _marks(source)]
        for mark in marks:
            together.join(marks[0], mark)
    least = together.least()
    found: list[Split] = []
    for row in rows:
        unit = least[together.root(_marks(row.sources[0])[0])]
        drawn = int.from_bytes(hmac.digest(key, b"split\0" + unit, "sha256")[:8]) / 2**64
        found.append(Split.VALIDATION if drawn < validation else Split.TRAIN)
    return found


def _marks(source: Exchange) -> list[bytes]:
    marks = [b"request\0" + source.record.request_id.encode()]
    if source.session is not None:
        marks.append(b"session\0" + source.session)
    if source.subject is not None:
        marks.append(b"subject\0" + source.subject)
    return marks


class _Together:
    """What belongs together, by union and find."""

    def __init__(self) -> None:
        self._above: dict[bytes, bytes] = {}

    def root(self, mark: bytes) -> bytes:
        above = self._above.setdefault(mark, mark)
        while above != mark:
            self._above[mark] = self._above[above]
            mark, above = above, self._above[above]
        return mark

    def join(self, one: bytes, other: bytes) -> None:
        self._above[self.root(one)] = self.root(other)

    def least(self) -> Mapping[bytes, bytes]:
        """The least mark of each group, by its root."""
        found: dict[bytes, bytes] = {}
        for mark in self._above:
            root = self.root(mark)
            found[root] = min(mark, found.get(root, mark))
        return found
