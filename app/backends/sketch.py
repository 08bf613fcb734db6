"""Pictures without a model, for trying things out: stripes whose colours are a text's own."""

import base64
import hashlib
import struct
import zlib
from typing import Final

from app.domain.events import ImageDelta

_SIDE: Final = 64
"""In pixels."""
_STRIPES: Final = 8
_RGB: Final = 2
"""The PNG word for colours of three bytes."""


def sketch(text: str, number: int = 0) -> ImageDelta:
    """A PNG; equal for equal texts and numbers, and for no others."""
    digest = hashlib.sha256(f"{number}:{text}".encode("utf-8", "replace")).digest()
    colours = [digest[3 * at : 3 * at + 3] for at in range(_STRIPES)]
    row = b"".join(colour * (_SIDE // _STRIPES) for colour in colours)
    pixels = zlib.compress((b"\0" + row) * _SIDE)  # each row begins with how it is filtered
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, _RGB, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels)
    return ImageDelta("image/png", base64.b64encode(png + _chunk(b"IEND", b"")).decode())


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Source: the PNG specification, section 5.3."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
