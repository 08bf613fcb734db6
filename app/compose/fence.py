"""The fence: untrusted text that cannot be taken for anything but text.

``<data name="customer_name">Ann &lt;ann@example.org&gt;</data>``, always on one line. What is
escaped, and why, is in ``docs/decisions/0021-fence.md``.
"""

import re
from collections.abc import Iterator

_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = "&<>[]`#"
"""What tags, chat templates, code fences and headings are made of."""
_FOLDS_TO_MARKUP = (
    "\u1fef\u226e\u226f\ufe47\ufe48\ufe5f\ufe60\ufe64\ufe65"
    "\uff03\uff06\uff1c\uff1e\uff3b\uff3d\uff40"
)
"""Characters that Unicode decomposes to markup, as some tokenizers do before they look."""
_INVISIBLE = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605), (0x61C, 0x61C),
    (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
    (0x2800, 0x2800), (0x3164, 0x3164), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1345F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0x10FFFF),
)  # fmt: skip
"""Line breaks, control, format, bidi, zero-width, tag, default-ignorable and private-use
characters, first and last of each range. Written out, since ``unicodedata`` differs between
versions of Python, and the same request must give the same bytes everywhere."""


def _unsafe() -> Iterator[str]:
    yield re.escape(_MARKUP + _FOLDS_TO_MARKUP)
    for first, last in _INVISIBLE:
        yield f"\\U{first:08x}-\\U{last:08x}"


_UNSAFE = re.compile(f"[{''.join(_unsafe())}]")


def escape(value: str) -> str:
    """The value on one line, without a character that could mean more than itself.

    Nothing is lost: ``&amp;``, ``&lt;``, ``&gt;`` and ``&#N;`` stand for one character each, and
    no other ``&`` is in the result.
    """
    return _UNSAFE.sub(_entity, value)


def opening(variable: str) -> str:
    """The fence's start. ``variable`` is a name that ``variables.NAME`` has passed."""
    return f'<data name="{variable}">'


CLOSING = "</data>"
"""The fence's end."""


def _entity(match: re.Match[str]) -> str:
    char = match[0]
    return _NAMED.get(char) or f"&#{ord(char)};"
