"""The events of an Anthropic message as events of ours: the one reader of that format.

The tables below drive it. A field, block or event that they do not name is refused where it has a
value: what a provider says where nobody reads is said without any guard having looked at it.
"""

from typing import Final

import orjson

from app.backends.blocks import Blocks, Kind
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

# What is named here and not read holds no text of the answer, but for `stop_details`, the
# provider's own explanation of a refusal: the product says that in its own words.
_MESSAGE: Final = frozenset(
    {"id", "type", "role", "model", "content", "usage", "container", "diagnostics"}
    | {"stop_reason", "stop_sequence", "stop_details"}
)
_EVENTS: Final = {
    "message_start": frozenset({"type", "message"}),
    "content_block_start": frozenset({"type", "index", "content_block"}),
    "content_block_delta": frozenset({"type", "index", "delta"}),
    "content_block_stop": frozenset({"type", "index"}),
    "message_delta": frozenset({"type", "delta", "usage"}),
    "message_stop": frozenset({"type"}),
    "ping": frozenset({"type"}),
}
_BLOCKS: Final = {
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller"}),
}
_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
    "citations_delta": "citation",
}
_STOP: Final = frozenset({"stop_reason", "stop_sequence", "stop_details", "container"})
_CITATIONS: Final = {
    # Of documents of the request: inside there is no place for a source without an address, and the
    # cited text is the client's own, so they are left out.
    "char_location": None,
    "page_location": None,
    "content_block_location": None,
    "search_result_location": "source",
    "web_search_result_location": "url",
}
_CITATION: Final = frozenset(
    {"type", "cited_text", "title", "source", "url", "encrypted_index", "file_id"}
    | {"document_index", "document_title", "search_result_index"}
    | {"start_char_index", "end_char_index", "start_page_number", "end_page_number"}
    | {"start_block_index", "end_block_index"}
)
_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
_ERRORS: Final = {
    "overloaded_error": (BackendProblem.RATE_LIMITED, "is overloaded"),
    "rate_limit_error": (BackendProblem.RATE_LIMITED, "limits the rate of requests"),
    "authentication_error": (BackendProblem.UNAUTHORIZED, "refuses the gateway's key"),
    "permission_error": (BackendProblem.UNAUTHORIZED, "refuses the gateway's key"),
    "billing_error": (BackendProblem.UNAUTHORIZED, "refuses the gateway's account"),
    "invalid_request_error": (BackendProblem.REJECTED, "refuses the request"),
    "not_found_error": (BackendProblem.REJECTED, "does not know the model"),
    "timeout_error": (BackendProblem.TIMEOUT, "took too long by its own clock"),
}
_ANY_ERROR: Final = (BackendProblem.FAILED, "reported an error inside its answer")


class MessageReader:
    """Turns the events of one message into events of ours."""

    __slots__ = ("_blocks", "_counts", "_has_begun", "_reason", "_stopped_by", "is_done")

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._counts: dict[str, int] = {}
        self._has_begun = False
        self._reason: FinishReason | None = None
        self._stopped_by: str | None = None
        self.is_done = False
        """The provider has said ``message_stop``; what follows is not looked at."""

    def read(self, payload: bytes) -> None:
        """Read one event, as JSON.

        Raises:
            BackendError: It is not an event, holds what is not known, or reports an error.
        """
        event = decoded(payload)
        kind = event.get("type")
        if kind == "error":
            raise _reported(event)
        known = _EVENTS.get(kind) if isinstance(kind, str) else None
        if known is None:
            raise broken("the provider sent an event that this gateway does not know")
        refuse_unknown(event, known, "")
        if kind == "ping":
            return
        if kind == "message_start":
            self._start(object_at(event, "message", ""))
        elif not self._has_begun:
            raise broken("the provider's answer has no beginning")
        elif kind == "content_block_start":
            self._open(_index(event), object_at(event, "content_block", ""))
        elif kind == "content_block_delta":
            self._delta(_index(event), object_at(event, "delta", ""))
        elif kind == "content_block_stop":
            self._blocks.close(_index(event))
        elif kind == "message_delta":
            self._count(event)
            delta = object_at(event, "delta", "")
            refuse_unknown(delta, _STOP, "delta")
            self._stop(delta)
        else:
            self._end()

    def read_whole(self, payload: bytes) -> None:
        """Read a whole message.

        Raises:
            BackendError: As ``read``.
        """
        message = decoded(payload)
        if message.get("type") == "error":
            raise _reported(message)
        self._begin(message)
        for index, block in enumerate(list_at(message, "content", "")):
            if type(block) is not dict:
                raise wrong("", "content[]", "an object")
            self._open(index, block)
            self._blocks.close(index)
        self._stop(message)
        self._end()

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        return self._blocks.take()

    def end(self) -> list[StreamEvent]:
        """What is left at the end: the usage, where the provider gave one.

        Raises:
            BackendError: The message has not ended.
        """
        if not self.is_done:
            raise broken("the provider's answer broke off before its end")
        counts = self._counts
        if not counts:
            return []
        cached = counts.get("cache_read_input_tokens", 0)
        written = counts.get("cache_creation_input_tokens", 0)
        # Tokens that were read from the cache or written to it are not in `input_tokens`.
        read = counts.get("input_tokens", 0) + written + cached
        thinking = counts.get("thinking", 0)
        return [Usage(read, counts.get("output_tokens", 0), cached, thinking, written)]

    def _start(self, message: dict[str, Json]) -> None:
        self._begin(message)
        if message.get("content"):
            raise broken("message.content: the provider began with a message that is not empty")

    def _begin(self, message: dict[str, Json]) -> None:
        if self._has_begun:
            raise broken("the provider began its answer twice")
        self._has_begun = True
        refuse_unknown(message, _MESSAGE, "message")
        if message.get("role") not in (None, "assistant"):
            raise wrong("message", "role", "'assistant'")
        self._count(message)

    def _open(self, index: int, block: dict[str, Json]) -> None:
        where = "content_block"
        kind = block.get("type")
        known = _BLOCKS.get(kind) if isinstance(kind, str) else None
        if known is None:
            raise wrong(where, "type", f"one of {', '.join(_BLOCKS)}")
        refuse_unknown(block, known, where)
        if kind == "text":
            self._blocks.open(index, Kind.TEXT)
            self._blocks.text(index, text_at(block, "text", where))
            if block.get("citations"):
                for citation in list_at(block, "citations", where):
                    self._cite(index, citation)
        elif kind == "thinking":
            self._blocks.open(index, Kind.REASONING)
            self._blocks.reasoning(index, text_at(block, "thinking", where))
            self._blocks.signature(index, text_at(block, "signature", where))
        elif kind == "redacted_thinking":
            self._blocks.open(index, Kind.REDACTED)
            self._blocks.redacted(index, word_at(block, "data", where))
        else:
            self._open_call(index, block)

    def _open_call(self, index: int, block: dict[str, Json]) -> None:
        where = "content_block"
        if block.get("caller") not in (None, {"type": "direct"}):
            raise wrong(where, "caller", "the model itself")
        call_id, name = word_at(block, "id", where), word_at(block, "name", where)
        arguments = object_at(block, "input", where)
        self._blocks.open_call(index, call_id, name)
        if arguments:
            self._blocks.arguments(index, orjson.dumps(arguments).decode())

    def _delta(self, index: int, delta: dict[str, Json]) -> None:
        kind = delta.get("type")
        name = _DELTAS.get(kind) if isinstance(kind, str) else None
        if name is None:
            raise wrong("delta", "type", f"one of {', '.join(_DELTAS)}")
        refuse_unknown(delta, {"type", name}, "delta")
        if kind == "citations_delta":
            self._cite(index, delta.get(name))
            return
        text = text_at(delta, name, "delta")
        if kind == "text_delta":
            self._blocks.text(index, text)
        elif kind == "thinking_delta":
            self._blocks.reasoning(index, text)
        elif kind == "signature_delta":
            self._blocks.signature(index, text)
        else:
            self._blocks.arguments(index, text)

    def _cite(self, index: int, citation: Json) -> None:
        kind = citation.get("type") if type(citation) is dict else None
        if type(kind) is not str or kind not in _CITATIONS:
            raise wrong("", "citation", f"one of {', '.join(_CITATIONS)}")
        refuse_unknown(citation, _CITATION, "citation")
        address = _CITATIONS[kind]
        if address is not None:
            url = text_at(citation, address, "citation")
            self._blocks.cite(index, url, text_at(citation, "title", "citation"))

    def _stop(self, said: dict[str, Json]) -> None:
        reason = said.get("stop_reason")
        if reason is None:
            return
        known = _FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if known is None:
            # Among them `pause_turn`: the provider pauses only for tools of its own.
            raise wrong("delta", "stop_reason", f"one of {', '.join(_FINISH_REASONS)}")
        if self._reason not in (None, known):
            raise broken("the provider ended its answer twice, for different reasons")
        self._reason = known
        if reason == "stop_sequence":
            self._stopped_by = text_at(said, "stop_sequence", "delta")

    def _end(self) -> None:
        if self._reason is None:
            raise broken("the provider ended its answer without a reason")
        self._blocks.finish(self._reason, self._stopped_by)
        self.is_done = True

    def _count(self, said: dict[str, Json]) -> None:
        """Keep the counts; later ones are of the whole message and stand for earlier ones."""
        # Nothing in here but numbers is read, and none of it reaches anyone as text, so the tiers
        # and regions that the provider adds are not refused.
        if said.get("usage") is None:
            return
        usage = object_at(said, "usage", "")
        for name in _COUNTS:
            if usage.get(name) is not None:
                self._counts[name] = count_at(usage, name, "usage")
        if usage.get("output_tokens_details") is not None:
            details = object_at(usage, "output_tokens_details", "usage")
            self._counts["thinking"] = count_at(details, "thinking_tokens", "usage")


def _index(event: dict[str, Json]) -> int:
    index = event.get("index")
    if type(index) is not int or index < 0:
        raise wrong("", "index", "a number")
    return index


def _reported(event: dict[str, Json]) -> BackendError:
    error = event.get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    problem, what = _ERRORS.get(kind, _ANY_ERROR) if isinstance(kind, str) else _ANY_ERROR
    return BackendError(problem, f"the provider {what}")
