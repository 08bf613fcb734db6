"""Where sentences end, for the gate that holds them and for the detectors that judge them."""

import re
from collections.abc import Iterator

from app.guardrails.places import Span

SENTENCE_END = re.compile("[。！？｡\uff0e\n]|[.!?](?=\\s)")
"""The end of one that more may follow. The end of the text ends the last one."""


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a whole text, with what ends them; together they are all of it."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)
