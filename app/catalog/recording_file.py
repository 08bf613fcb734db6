"""One line of a file of recordings: a recorded answer as JSON."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

import orjson
from pydantic import Field, ValidationError

from app.domain.conversation import Json
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.persona import FileModel
from app.domain.recording import GivenBy, Purpose, Recording, RecordingError

Count = Annotated[int, Field(ge=0, lt=2**53)]
_KEY = r"^sha256:[0-9a-f]{64}$"


class _Event(FileModel):
    choice: Count = 0
    """Of which answer, where several were asked for."""


class TextLine(_Event):
    """The answer's text."""

    type: Literal["text"]
    text: str

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return TextDelta(self.text, self.choice)


class RefusalLine(_Event):
    """The model's own refusal."""

    type: Literal["refusal"]
    text: str

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return RefusalDelta(self.text, self.choice)


class ReasoningLine(_Event):
    """The model's reasoning."""

    type: Literal["reasoning"]
    text: str
    signed: str | None = None
    redacted: bool = False

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return ReasoningDelta(self.text, self.choice, self.signed, self.redacted)


class CallLine(_Event):
    """A call of a tool."""

    type: Literal["call"]
    index: Count = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    """JSON text, as the model wrote it."""
    signed: str | None = None

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return ToolCallDelta(
            self.index, self.arguments, self.id, self.name, self.choice, self.signed
        )


class AnnotationLine(_Event):
    """A citation or link that the provider attached."""

    type: Literal["annotation"]
    url: str
    title: str
    start: Count
    end: Count

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return Annotation(self.url, self.title, self.start, self.end, self.choice)


class FinishLine(_Event):
    """The end of the answer."""

    type: Literal["finish"]
    reason: FinishReason
    stopped_by: str | None = None

    def event(self) -> StreamEvent:
        """As the model gave it."""
        return Finish(self.reason, self.choice, self.stopped_by)


EventLine = Annotated[
    TextLine | RefusalLine | ReasoningLine | CallLine | AnnotationLine | FinishLine,
    Field(discriminator="type"),
]


class UsageLine(FileModel):
    """What the provider counted, in tokens."""

    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count = 0
    reasoning_tokens: Count = 0
    cache_write_tokens: Count = 0


class RecordingLine(FileModel):
    """A recorded answer."""

    case: str
    repeat: Count
    step: Count
    purpose: Purpose
    backend: str
    model: str
    given_by: GivenBy
    on: date
    first_ms: Count | None = None
    total_ms: Count | None = None
    usage: UsageLine | None = None
    events: Annotated[tuple[EventLine, ...], Field(min_length=1)]
    key: Annotated[str, Field(pattern=_KEY)]


def read_line(line: bytes, suite: str) -> Recording:
    """The recording that a line holds.

    Args:
        line: Without its line end.
        suite: Whose file it is of.

    Raises:
        ValueError: It holds none; says where and why, and quotes nothing.
    """
    try:
        read = RecordingLine.model_validate_json(line, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the line"
        raise ValueError(f"is no recording: {where}: {first['type']}") from None
    events = tuple(each.event() for each in read.events)
    finishes = sorted(each.choice for each in events if isinstance(each, Finish))
    if finishes != list(range(len(finishes))) or not finishes:
        raise ValueError("is no recording: events: the answer does not come to its end")
    return Recording(
        key=read.key,
        suite=suite,
        case=read.case,
        repeat=read.repeat,
        step=read.step,
        purpose=read.purpose,
        backend=read.backend,
        model=read.model,
        given_by=read.given_by,
        on=read.on,
        events=events,
        usage=None if read.usage is None else Usage(**read.usage.model_dump()),
        first_ms=read.first_ms,
        total_ms=read.total_ms,
    )


def written_line(recording: Recording) -> bytes:
    """A recording as a line, without its line end. What is empty or as usual is left out.

    Raises:
        RecordingError: The answer holds something that recordings have nothing for.
    """
    timings = (("first_ms", recording.first_ms), ("total_ms", recording.total_ms))
    usage = recording.usage
    line = {
        "case": recording.case,
        "repeat": recording.repeat,
        "step": recording.step,
        "purpose": recording.purpose,
        "backend": recording.backend,
        "model": recording.model,
        "given_by": recording.given_by,
        "on": recording.on,
        **{name: value for name, value in timings if value is not None},
        **({} if usage is None else {"usage": _usage(usage)}),
        "events": [dict(_event(event)) for event in recording.events],
        "key": recording.key,
    }
    try:
        return orjson.dumps(line)
    except orjson.JSONEncodeError:
        raise RecordingError("the answer holds text that is no Unicode") from None


def _usage(usage: Usage) -> Json:
    """The counts that every provider gives, and those of the others that are not 0."""
    told = UsageLine(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return told.model_dump(exclude_defaults=True)


def _event(event: StreamEvent) -> Iterator[tuple[str, Json]]:
    """The keys and values of one event, in the order in which they are written."""
    line: EventLine
    match event:
        case TextDelta() if type(event) is TextDelta:
            line = TextLine(type="text", text=event.text, choice=event.choice)
        case RefusalDelta():
            line = RefusalLine(type="refusal", text=event.text, choice=event.choice)
        case ReasoningDelta(text, choice, signed, is_redacted):
            line = ReasoningLine(
                type="reasoning", text=text, choice=choice, signed=signed, redacted=is_redacted
            )
        case ToolCallDelta(index, arguments, call_id, name, choice, signed):
            line = CallLine(
                type="call",
                index=index,
                id=call_id,
                name=name,
                arguments=arguments,
                choice=choice,
                signed=signed,
            )
        case Annotation(url, title, start, end, choice):
            line = AnnotationLine(
                type="annotation", url=url, title=title, start=start, end=end, choice=choice
            )
        case Finish(reason, choice, stopped_by):
            line = FinishLine(type="finish", reason=reason, choice=choice, stopped_by=stopped_by)
        case _:
            what = f"an answer with {type(event).__name__} cannot be recorded; run it live"
            raise RecordingError(what)
    told = line.model_dump(mode="json", exclude_defaults=True)
    yield "type", told.pop("type")
    yield from told.items()
