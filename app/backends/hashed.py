"""Vectors without a model: for tests, for users' own CI, and where no provider is at hand."""

import hashlib
import math
import re
from typing import Final

from app.domain.vectors import packed

DIMENSIONS: Final = 256
_WORD: Final = re.compile(r"\w+")


def hashed(text: str, dimensions: int = DIMENSIONS) -> bytes:
    """A vector of length 1: equal for equal words, and near for texts that share many."""
    sums = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()):
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        sums[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    length = math.hypot(*sums)
    if not length:  # no words, or words that cancel each other out
        return packed([1.0, *sums[1:]])
    return packed([each / length for each in sums])
