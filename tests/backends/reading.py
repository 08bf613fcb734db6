"""Helpers of the tests that read a provider's answers."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from app.backends.http import Reader
from app.domain.errors import BackendError
from app.domain.events import (
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)

Json = Any


def read_in_pieces(
    reader: Reader, body: bytes, cuts: Sequence[int]
) -> tuple[list[StreamEvent], BackendError | None]:
    """The events of a stream that is cut at these places, and how it failed after them."""
    edges = [0, *sorted(cuts), len(body)]
    events: list[StreamEvent] = []
    try:
        for start, end in pairwise(edges):
            for each in reader.feed(body[start:end]):
                events.append(each)  # noqa: PERF402  # filled also when it raises
        events += reader.end()
    except BackendError as exc:
        return events, exc
    return events, None


def joined(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """The same events, with what follows itself in one channel as one event.

    How an answer is cut carries no meaning; all else does.
    """
    made: list[StreamEvent] = []
    for event in events:
        last = made[-1] if made else None
        match last, event:
            case TextDelta(), TextDelta():
                made[-1] = replace(last, text=last.text + event.text)
            case RefusalDelta(), RefusalDelta():
                made[-1] = replace(last, text=last.text + event.text)
            case ReasoningDelta(signed=None), ReasoningDelta(is_redacted=False):
                made[-1] = replace(event, text=last.text + event.text)
            case ToolCallDelta(), ToolCallDelta(name=None) if last.index == event.index:
                made[-1] = replace(last, arguments=last.arguments + event.arguments)
            case _:
                made.append(event)
    return made


def maybe(
    fields: dict[str, st.SearchStrategy[Json]], anything: st.SearchStrategy[Json]
) -> st.SearchStrategy[Json]:
    """An object that has some of these fields, each as it should be or anything."""
    return st.fixed_dictionaries(
        {}, optional={name: st.one_of(wanted, anything) for name, wanted in fields.items()}
    )
