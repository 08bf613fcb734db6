"""Vectors as bytes: numbers of four bytes each, the lowest byte first."""

import math
import struct
from collections.abc import Sequence
from typing import Final

_BYTES: Final = 4


def packed(numbers: Sequence[float]) -> bytes:
    """The bytes of these numbers.

    Raises:
        ValueError: There are none, or one is no finite number of four bytes.
    """
    try:
        vector = struct.pack(f"<{len(numbers)}f", *numbers)
    except (struct.error, OverflowError):
        raise ValueError("a vector holds finite numbers") from None
    return checked(vector)


def checked(vector: bytes) -> bytes:
    """The bytes, where they are those of a vector.

    Raises:
        ValueError: They hold no number, a part of one, or one that is not finite.
    """
    if not vector or len(vector) % _BYTES or not math.isfinite(sum(numbers(vector))):
        raise ValueError("a vector holds finite numbers")
    return vector


def length(vector: bytes) -> int:
    """How many numbers a vector has."""
    return len(vector) // _BYTES


def numbers(vector: bytes) -> tuple[float, ...]:
    """The numbers of a vector."""
    return struct.unpack(f"<{length(vector)}f", vector)
