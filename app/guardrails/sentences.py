"""Where a sentence ends, for detectors that judge one at a time and the channel that holds it."""

import re
from collections.abc import Iterator

SENTENCE_END = re.compile("[。！？｡\uff0e\n]|[.!?](?=\\s)")
"""A full stop counts once a blank follows it, so that ``3.14`` and ``example.com`` stay whole."""


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; together they are the whole text."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)
