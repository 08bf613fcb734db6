"""The texts in a PNG picture: a strict reader of its chunks that bounds what it unpacks.

Source: Portable Network Graphics (PNG) Specification, Third Edition, 5.3 and 11.3.3.
"""

import zlib
from collections.abc import Iterator, Mapping

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 64_000_000
"""Of a picture."""
MAX_TEXT_BYTES = 8_000_000
"""Of one text, unpacked."""
_MAX_CHUNKS = 100_000
_MAX_TEXTS = 1_000
_HEAD, _CRC = 8, 4
_KEYWORD = range(1, 80)


class PngError(Exception):
    """The bytes are no PNG, or none that can be read within bounds; says why."""


def read_texts(data: bytes) -> Mapping[str, bytes]:
    """The texts by keyword, as bytes: of chunks ``tEXt``, ``zTXt`` and ``iTXt``.

    Of two texts with one keyword the first one counts.

    Raises:
        PngError: It is no whole PNG, a checksum is wrong, or a text is too large.
    """
    if len(data) > MAX_BYTES:
        raise PngError(f"is larger than {MAX_BYTES:,} bytes")
    if not data.startswith(SIGNATURE):
        raise PngError("is no PNG")
    texts: dict[str, bytes] = {}
    for kind, body in _chunks(data):
        if kind in _KINDS:
            keyword, text = _KINDS[kind](body)
            texts.setdefault(keyword, text)
        if len(texts) > _MAX_TEXTS:
            raise PngError("holds too many texts")
    return texts


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    for number in range(_MAX_CHUNKS):
        if len(data) - at < _HEAD + _CRC:
            raise PngError("ends in the middle of a chunk")
        length = int.from_bytes(data[at : at + 4])
        end = at + _HEAD + length
        if end + _CRC > len(data):
            raise PngError("ends in the middle of a chunk")
        kind, body = data[at + 4 : at + _HEAD], data[at + _HEAD : end]
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + _CRC]):
            raise PngError("is damaged: the checksum of a chunk is wrong")
        if (number == 0) != (kind == b"IHDR"):
            raise PngError("does not begin as a PNG begins")
        if kind == b"IEND":
            return
        yield kind, body
        at = end + _CRC
    raise PngError("holds too many chunks")


def _keyword(body: bytes) -> tuple[str, bytes]:
    keyword, nul, rest = body.partition(b"\0")
    if not nul or len(keyword) not in _KEYWORD:
        raise PngError("has a text without a keyword")
    return keyword.decode("latin-1"), rest


def _plain(body: bytes) -> tuple[str, bytes]:
    keyword, text = _keyword(body)
    return keyword, _bounded(text)


def _packed(body: bytes) -> tuple[str, bytes]:
    keyword, rest = _keyword(body)
    if not rest or rest[0] != 0:
        raise PngError("has a text that is packed in a way that PNG does not know")
    return keyword, _unpacked(rest[1:])


def _international(body: bytes) -> tuple[str, bytes]:
    keyword, rest = _keyword(body)
    is_packed, method = rest[:1], rest[1:2]
    if is_packed not in (b"\0", b"\1") or method != b"\0":
        raise PngError("has a text that is packed in a way that PNG does not know")
    _language, nul, rest = rest[2:].partition(b"\0")
    _translated, second, text = rest.partition(b"\0")
    if not nul or not second:
        raise PngError("has a text that breaks off")
    return keyword, _unpacked(text) if is_packed == b"\1" else _bounded(text)


_KINDS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}


def _bounded(text: bytes) -> bytes:
    if len(text) > MAX_TEXT_BYTES:
        raise PngError(f"has a text of more than {MAX_TEXT_BYTES:,} bytes")
    return text


def _unpacked(packed: bytes) -> bytes:
    """The text, never more of it than may be: a few bytes can stand for gigabytes."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, MAX_TEXT_BYTES + 1)
    except zlib.error:
        raise PngError("has a text that cannot be unpacked") from None
    if len(text) <= MAX_TEXT_BYTES and not unpacking.eof:
        raise PngError("has a text that breaks off")
    return _bounded(text)
