"""PNG pictures with texts inside, made chunk by chunk."""

import base64
import json
import zlib

from app.imports.png_text import SIGNATURE

_HEAD = b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"
_PIXEL = zlib.compress(b"\0\0")


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def picture(*texts: bytes) -> bytes:
    """A picture of one pixel, with chunks of text."""
    return b"".join(
        [
            SIGNATURE,
            chunk(b"IHDR", _HEAD),
            *texts,
            chunk(b"IDAT", _PIXEL),
            chunk(b"IEND", b""),
        ]
    )


def plain(keyword: str, text: bytes) -> bytes:
    """A chunk ``tEXt``."""
    return chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text)


def packed(keyword: str, text: bytes) -> bytes:
    """A chunk ``zTXt``."""
    return chunk(b"zTXt", keyword.encode("latin-1") + b"\0\0" + zlib.compress(text, 9))


def international(keyword: str, text: bytes, *, packs: bool) -> bytes:
    """A chunk ``iTXt``."""
    head = keyword.encode("latin-1") + (b"\0\1\0" if packs else b"\0\0\0") + b"en\0title\0"
    return chunk(b"iTXt", head + (zlib.compress(text) if packs else text))


def card(keyword: str, tree: object) -> bytes:
    """A character card in a chunk ``tEXt``."""
    return plain(keyword, base64.b64encode(json.dumps(tree).encode()))
