"""The events of AWS Bedrock's ConverseStream as events of ours, and whole answers of Converse.

The tables below drive it. A field, block or event that they do not name is refused where it has a
value: what a provider says where nobody reads is said without any guard having looked at it.
"""

import base64
import binascii
from typing import Final

import orjson

from app.backends.blocks import Blocks, Kind
from app.backends.eventstream import Frame
from app.backends.strict import (
    broken,
    count_at,
    decoded,
    list_at,
    object_at,
    refuse_unknown,
    text_at,
    word_at,
    wrong,
)
from app.domain.conversation import Json
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import FinishReason, StreamEvent, Usage

# `p` is padding against traffic analysis. What is named here and not read holds no text of the
# answer, but for `trace`, where a guardrail of the provider may quote it: nobody gets that.
_EVENTS: Final = {
    "messageStart": frozenset({"role", "p"}),
    "contentBlockStart": frozenset({"contentBlockIndex", "start", "p"}),
    "contentBlockDelta": frozenset({"contentBlockIndex", "delta", "p"}),
    "contentBlockStop": frozenset({"contentBlockIndex", "p"}),
    "messageStop": frozenset({"stopReason", "p"}),
    "metadata": frozenset({"usage", "metrics", "trace", "performanceConfig", "serviceTier", "p"}),
}
_WHOLE: Final = frozenset(
    {"output", "stopReason", "usage", "metrics", "trace", "performanceConfig", "serviceTier"}
)
_STARTS: Final = frozenset({"toolUse", "image"})
_DELTAS: Final = frozenset({"text", "toolUse", "reasoningContent", "citation", "image"})
_BLOCKS: Final = frozenset({"text", "toolUse", "reasoningContent", "citationsContent", "image"})
_REASONING: Final = frozenset({"text", "signature", "redactedContent"})
_CITATION: Final = frozenset({"title", "source", "sourceContent", "location"})
_LOCATIONS: Final = frozenset(
    {"web", "documentChar", "documentPage", "documentChunk", "searchResultLocation"}
)
_FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
}
# The answer did not end, the model did.
_FAILED_REASONS: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
_EXCEPTIONS: Final = {
    "throttlingException": (BackendProblem.RATE_LIMITED, "limits the rate of requests"),
    "validationException": (BackendProblem.REJECTED, "refuses the request"),
    "accessDeniedException": (BackendProblem.UNAUTHORIZED, "refuses the gateway's key"),
    "modelTimeoutException": (BackendProblem.TIMEOUT, "took too long by its own clock"),
}
_ANY_EXCEPTION: Final = (BackendProblem.FAILED, "reported an error inside its answer")


class ConverseReader:
    """Turns the events of one answer into events of ours."""

    __slots__ = ("_blocks", "_formats", "_has_begun", "_redacted", "_usage", "is_done")

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._formats: dict[int, str] = {}
        """What kind of picture comes, by block."""
        self._redacted: tuple[int, bytes] | None = None
        """What stands for the reasoning of the open block, as far as it has come."""
        self._has_begun = False
        self._usage: Usage | None = None
        self.is_done = False
        """The provider has said ``metadata``, which is its last word."""

    def read(self, frame: Frame) -> None:
        """Read one event.

        Raises:
            BackendError: It is not an event, holds what is not known, or reports an error.
        """
        if frame.kind != "event":
            problem, what = _EXCEPTIONS.get(frame.name, _ANY_EXCEPTION)
            raise BackendError(problem, f"the provider {what}")
        known = _EVENTS.get(frame.name)
        if known is None:
            raise broken("the provider sent an event that this gateway does not know")
        event = decoded(frame.payload)
        refuse_unknown(event, known, "")
        if frame.name == "messageStart":
            if self._has_begun or event.get("role") != "assistant":
                raise broken("the provider began its answer twice, or for somebody else")
            self._has_begun = True
        elif not self._has_begun:
            raise broken("the provider's answer has no beginning")
        elif frame.name == "contentBlockStart":
            self._start(_index(event), object_at(event, "start", ""))
        elif frame.name == "contentBlockDelta":
            self._delta(_index(event), object_at(event, "delta", ""))
        elif frame.name == "contentBlockStop":
            self._close(_index(event))
        elif frame.name == "messageStop":
            self._stop(event)
        else:
            self._count(event)
            self.is_done = self._blocks.is_finished

    def read_whole(self, payload: bytes) -> None:
        """Read a whole answer.

        Raises:
            BackendError: As ``read``.
        """
        answer = decoded(payload)
        refuse_unknown(answer, _WHOLE, "")
        output = object_at(answer, "output", "")
        refuse_unknown(output, {"message"}, "output")
        message = object_at(output, "message", "output")
        refuse_unknown(message, {"role", "content"}, "message")
        for index, block in enumerate(list_at(message, "content", "message")):
            if type(block) is not dict:
                raise wrong("message", "content[]", "an object")
            self._whole_block(index, block)
        self._stop(answer)
        self._count(answer)

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        return self._blocks.take()

    def end(self) -> list[StreamEvent]:
        """What is left at the end: the usage, where the provider gave one.

        Raises:
            BackendError: The answer has not ended.
        """
        if not self._blocks.is_finished:
            raise broken("the provider's answer broke off before its end")
        return [] if self._usage is None else [self._usage]

    def _start(self, index: int, start: dict[str, Json]) -> None:
        refuse_unknown(start, _STARTS, "start")
        if "toolUse" in start:
            self._open_call(index, object_at(start, "toolUse", "start"), "start.toolUse")
        elif "image" in start:
            image = object_at(start, "image", "start")
            refuse_unknown(image, {"format"}, "start.image")
            self._blocks.open(index, Kind.IMAGE)
            self._formats[index] = word_at(image, "format", "start.image")
        else:
            # Of text and of reasoning it says nothing but that they come.
            return

    def _open_call(self, index: int, call: dict[str, Json], where: str) -> None:
        # With a `type` it would be a call that the provider itself runs.
        refuse_unknown(call, {"toolUseId", "name", "input"}, where)
        self._blocks.open_call(
            index, word_at(call, "toolUseId", where), word_at(call, "name", where)
        )

    def _delta(self, index: int, delta: dict[str, Json]) -> None:
        refuse_unknown(delta, _DELTAS, "delta")
        if len(delta) != 1:
            raise wrong("", "delta", "one thing")
        if "text" in delta:
            self._text(index, text_at(delta, "text", "delta"))
        elif "reasoningContent" in delta:
            self._reasoning(index, object_at(delta, "reasoningContent", "delta"))
        elif "citation" in delta:
            self._begin(index, Kind.TEXT)
            self._cite(index, object_at(delta, "citation", "delta"))
        elif "image" in delta:
            self._image(index, self._formats.get(index, ""), object_at(delta, "image", "delta"))
        else:
            call = object_at(delta, "toolUse", "delta")
            refuse_unknown(call, {"input"}, "delta.toolUse")
            self._blocks.arguments(index, text_at(call, "input", "delta.toolUse"))

    def _begin(self, index: int, kind: Kind) -> None:
        """Blocks of text and reasoning begin with their first piece."""
        if not self._blocks.is_open(index):
            self._blocks.open(index, kind)

    def _text(self, index: int, text: str) -> None:
        self._begin(index, Kind.TEXT)
        self._blocks.text(index, text)

    def _reasoning(self, index: int, piece: dict[str, Json]) -> None:
        where = "reasoningContent"
        refuse_unknown(piece, _REASONING, where)
        if "redactedContent" in piece:
            # Its pieces are base64 each for itself, so it can be said again only when it is whole.
            before = b""
            if self._redacted is not None and self._redacted[0] == index:
                before = self._redacted[1]
            else:
                self._blocks.open(index, Kind.REDACTED)
            self._redacted = (index, before + _bytes_at(piece, "redactedContent", where))
            return
        self._begin(index, Kind.REASONING)
        self._blocks.reasoning(index, text_at(piece, "text", where))
        self._blocks.signature(index, text_at(piece, "signature", where))

    def _close(self, index: int) -> None:
        if self._redacted is not None and self._redacted[0] == index:
            self._blocks.redacted(index, base64.b64encode(self._redacted[1]).decode())
            self._redacted = None
        if not self._blocks.is_open(index) and not self._blocks.is_past(index):
            # A block of nothing: it began, and no piece of it came.
            self._blocks.open(index, Kind.TEXT)
        self._blocks.close(index)

    def _cite(self, index: int, citation: dict[str, Json]) -> None:
        refuse_unknown(citation, _CITATION, "citation")
        if citation.get("location") is None:
            return
        location = object_at(citation, "location", "citation")
        refuse_unknown(location, _LOCATIONS, "citation.location")
        if "web" in location:
            # Sources in documents of the request have no address, so inside they have no place.
            web = object_at(location, "web", "citation.location")
            refuse_unknown(web, {"url", "domain"}, "citation.location.web")
            title = text_at(citation, "title", "citation")
            self._blocks.cite(index, text_at(web, "url", "citation.location.web"), title)

    def _image(self, index: int, format_: str, image: dict[str, Json]) -> None:
        refuse_unknown(image, {"format", "source"}, "image")
        source = object_at(image, "source", "image")
        refuse_unknown(source, {"bytes"}, "image.source")
        data = base64.b64encode(_bytes_at(source, "bytes", "image.source")).decode()
        if format_ not in _IMAGE_FORMATS:
            raise wrong("image", "format", f"one of {', '.join(_IMAGE_FORMATS)}")
        self._blocks.image(index, f"image/{format_}", data)

    def _whole_block(self, index: int, block: dict[str, Json]) -> None:
        refuse_unknown(block, _BLOCKS, "content")
        if "toolUse" in block:
            call = object_at(block, "toolUse", "content")
            self._open_call(index, call, "content.toolUse")
            arguments = object_at(call, "input", "content.toolUse")
            self._blocks.arguments(index, orjson.dumps(arguments).decode())
        elif "reasoningContent" in block:
            reasoning = object_at(block, "reasoningContent", "content")
            refuse_unknown(reasoning, {"reasoningText", "redactedContent"}, "reasoningContent")
            if "reasoningText" in reasoning:
                reasoning = object_at(reasoning, "reasoningText", "reasoningContent")
            self._reasoning(index, reasoning)
        elif "citationsContent" in block:
            self._cited_text(index, object_at(block, "citationsContent", "content"))
        elif "image" in block:
            image = object_at(block, "image", "content")
            self._blocks.open(index, Kind.IMAGE)
            self._image(index, text_at(image, "format", "image"), image)
        else:
            self._text(index, text_at(block, "text", "content"))
        self._close(index)

    def _cited_text(self, index: int, cited: dict[str, Json]) -> None:
        where = "citationsContent"
        refuse_unknown(cited, {"content", "citations"}, where)
        self._begin(index, Kind.TEXT)
        for each in list_at(cited, "content", where):
            if type(each) is not dict:
                raise wrong(where, "content[]", "an object")
            refuse_unknown(each, {"text"}, f"{where}.content[]")
            self._text(index, text_at(each, "text", where))
        for each in list_at(cited, "citations", where):
            if type(each) is not dict:
                raise wrong(where, "citations[]", "an object")
            self._cite(index, each)

    def _stop(self, said: dict[str, Json]) -> None:
        reason = said.get("stopReason")
        if type(reason) is str and reason in _FAILED_REASONS:
            raise BackendError(BackendProblem.FAILED, "the model failed before the answer ended")
        known = _FINISH_REASONS.get(reason) if type(reason) is str else None
        if known is None:
            raise wrong("", "stopReason", f"one of {', '.join(_FINISH_REASONS)}")
        # It says that a text was met, and not which.
        self._blocks.finish(known, "" if reason == "stop_sequence" else None)

    def _count(self, said: dict[str, Json]) -> None:
        # Nothing in here but these numbers is read, and none of it reaches anyone as text.
        if said.get("usage") is None:
            return
        usage = object_at(said, "usage", "")
        cached = count_at(usage, "cacheReadInputTokens", "usage")
        # Tokens that were read from the cache or written to it are not in `inputTokens`.
        written = count_at(usage, "cacheWriteInputTokens", "usage")
        read = count_at(usage, "inputTokens", "usage") + cached + written
        said_tokens = count_at(usage, "outputTokens", "usage")
        self._usage = Usage(read, said_tokens, cached, cache_write_tokens=written)


_IMAGE_FORMATS: Final = ("png", "jpeg", "gif", "webp")


def _index(event: dict[str, Json]) -> int:
    index = event.get("contentBlockIndex")
    if type(index) is not int or index < 0:
        raise wrong("", "contentBlockIndex", "a number")
    return index


def _bytes_at(fields: dict[str, Json], name: str, where: str) -> bytes:
    try:
        return base64.b64decode(word_at(fields, name, where), validate=True)
    except (binascii.Error, ValueError):
        raise wrong(where, name, "base64") from None
