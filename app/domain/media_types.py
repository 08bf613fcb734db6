"""How pictures and files of a kind begin, for whoever has to tell what bytes are."""

import re
from typing import Final

SIGNATURES: Final = {
    "application/pdf": re.compile(rb"%PDF-"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"(?s)RIFF.{4}WEBP"),
}
"""Source: WHATWG MIME Sniffing, section 6, and ISO 32000-2 for PDF."""


def picture_type(content: bytes) -> str | None:
    """The media type of a picture; ``None`` where it is none that is known here."""
    for kind, signature in SIGNATURES.items():
        if kind.startswith("image/") and signature.match(content):
            return kind
    return None
