"""The events of a Responses answer as events of ours: the one reader of that format.

The tables below drive it. An event, item, part or field that they do not name is refused where it
has a value: what a provider says where nobody reads is said without any guard having looked at it.
"""

from types import MappingProxyType
from typing import Final

from app.backends.responses_items import ARGUMENTS, ItemKind, Items
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
from app.domain.events import Annotation, FinishReason, StreamEvent, Usage

# Of every event; `obfuscation` pads it, so that nobody can tell its text by its length.
_ANY: Final = frozenset({"type", "sequence_number", "obfuscation"})
_ITEM: Final = _ANY | {"item", "output_index"}
_PLACE: Final = _ANY | {"item_id", "output_index"}
_IN_PART: Final = _PLACE | {"content_index"}
_IN_SUMMARY: Final = _PLACE | {"summary_index"}

_EVENTS: Final = {
    "response.created": _ANY | {"response"},
    "response.queued": _ANY | {"response"},
    "response.in_progress": _ANY | {"response"},
    "response.completed": _ANY | {"response"},
    "response.incomplete": _ANY | {"response"},
    "response.failed": _ANY | {"response"},
    "response.output_item.added": _ITEM,
    "response.output_item.done": _ITEM,
    "response.content_part.added": _IN_PART | {"part"},
    "response.content_part.done": _IN_PART | {"part"},
    "response.output_text.delta": _IN_PART | {"delta"},
    "response.output_text.done": _IN_PART | {"text"},
    "response.output_text.annotation.added": _IN_PART | {"annotation", "annotation_index"},
    "response.refusal.delta": _IN_PART | {"delta"},
    "response.refusal.done": _IN_PART | {"refusal"},
    "response.function_call_arguments.delta": _PLACE | {"delta"},
    "response.function_call_arguments.done": _PLACE | {"arguments", "name"},
    "response.reasoning_summary_part.added": _IN_SUMMARY | {"part"},
    "response.reasoning_summary_part.done": _IN_SUMMARY | {"part", "status"},
    "response.reasoning_summary_text.delta": _IN_SUMMARY | {"delta"},
    "response.reasoning_summary_text.done": _IN_SUMMARY | {"text"},
    "response.reasoning_text.delta": _IN_PART | {"delta"},
    "response.reasoning_text.done": _IN_PART | {"text"},
    "keepalive": _ANY,  # OpenAI, in no schema: so that nothing in between takes it for dead
}
# Which text of its item more comes of, and where the event says which of these. All other events
# but those of items and the last one are not read: what they say, an item's end says again.
_DELTAS: Final = {
    "response.output_text.delta": ("output_text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("summary_text", "summary_index"),
    "response.reasoning_text.delta": ("reasoning_text", "content_index"),
}
_ITEMS: Final = {
    # `phase` tells commentary from the answer, which nobody else's answers do.
    "message": frozenset({"id", "type", "status", "role", "content", "phase"}),
    "function_call": frozenset({"id", "type", "status", "call_id", "name", "arguments", "caller"}),
    "reasoning": frozenset({"id", "type", "status", "summary", "content", "encrypted_content"}),
}
_PARTS: Final = {
    "output_text": ("text", frozenset({"type", "text", "annotations"})),
    "refusal": ("refusal", frozenset({"type", "refusal"})),
    "summary_text": ("text", frozenset({"type", "text"})),
    "reasoning_text": ("text", frozenset({"type", "text"})),
}
_PARTS_IN: Final = {
    ("message", "content"): frozenset({"output_text", "refusal"}),
    ("reasoning", "summary"): frozenset({"summary_text"}),
    ("reasoning", "content"): frozenset({"reasoning_text"}),
}
_ANNOTATIONS: Final = {
    "url_citation": frozenset({"type", "url", "title", "start_index", "end_index"}),
    # Of files: without an address there is no place for them inside, so they are left out.
    "file_citation": frozenset({"type", "file_id", "filename", "index"}),
    "container_file_citation": frozenset(
        {"type", "container_id", "file_id", "filename", "start_index", "end_index"}
    ),
    "file_path": frozenset({"type", "file_id", "index"}),
}
# Of the answer as a whole. What is named here and not read repeats the request, counts, or is the
# provider's own word on how it went, but for `output_text`, which repeats the output.
_RESPONSE: Final = frozenset(
    {"id", "object", "status", "output", "usage", "error", "incomplete_details", "output_text"}
    | {"created_at", "completed_at", "model", "service_tier", "tool_usage", "access_programs"}
    | {"instructions", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "text"}
    | {"temperature", "top_p", "top_logprobs", "max_output_tokens", "truncation", "reasoning"}
    | {"metadata", "previous_response_id", "conversation", "prompt", "background", "image", "user"}
    | {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier"}
    | {"prompt_cache_diagnostics", "input_transformations", "moderation"}
    | {"store", "billing", "presence_penalty", "frequency_penalty"}  # OpenAI, in no schema
    | {"content_filters"}  # Azure
)
_STATUSES: Final = frozenset({"completed", "incomplete", "failed"})
_INCOMPLETE: Final = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# The provider's own policy stopped the answer, or would not have it begin.
_FILTERED: Final = frozenset(
    {"content_filter", "bio_policy", "cyber_policy", "misalignment_policy_violation"}
    | {"content_policy_violation", "image_content_policy_violation"}
)
_LIMITED: Final = (BackendProblem.RATE_LIMITED, "limits the rate of requests")
_KEY: Final = (BackendProblem.UNAUTHORIZED, "refuses the gateway's key")
_ACCOUNT: Final = (BackendProblem.UNAUTHORIZED, "refuses the gateway's account")
_REQUEST: Final = (BackendProblem.REJECTED, "refuses the request")
_PICTURE: Final = (BackendProblem.REJECTED, "cannot use a picture of the request")
_FAILED: Final = (BackendProblem.FAILED, "reported an error inside its answer")
_ERRORS: Final = MappingProxyType(
    {
        "rate_limit_exceeded": _LIMITED,
        "rate_limit_error": _LIMITED,
        "too_many_requests": _LIMITED,
        "slow_down": _LIMITED,
        "server_is_overloaded": (BackendProblem.RATE_LIMITED, "is overloaded"),
        "invalid_api_key": _KEY,
        "authentication_error": _KEY,
        "permission_error": _KEY,
        "insufficient_quota": _ACCOUNT,
        "billing_hard_limit_reached": _ACCOUNT,
        "context_length_exceeded": (
            BackendProblem.REJECTED,
            "finds the conversation longer than its model can see",
        ),
        "model_not_found": (BackendProblem.REJECTED, "does not know the model"),
        "invalid_prompt": _REQUEST,
        "invalid_encrypted_content": (
            BackendProblem.REJECTED,
            "did not write the reasoning that it was given back",
        ),
        "data_residency_mismatch": _REQUEST,
        "invalid_request_error": _REQUEST,
        "invalid_image": _PICTURE,
        "invalid_image_format": _PICTURE,
        "invalid_base64_image": _PICTURE,
        "invalid_image_url": _PICTURE,
        "image_too_large": _PICTURE,
        "image_too_small": _PICTURE,
        "image_parse_error": _PICTURE,
        "invalid_image_mode": _PICTURE,
        "image_file_too_large": _PICTURE,
        "unsupported_image_media_type": _PICTURE,
        "empty_image_file": _PICTURE,
        "failed_to_download_image": _PICTURE,
        "image_file_not_found": _PICTURE,
    }
)


class ResponseReader:
    """Turns the events of one answer into events of ours."""

    __slots__ = ("_items", "_last_number", "_usage", "is_done")

    def __init__(self) -> None:
        self._items = Items()
        self._last_number: int | None = None
        self._usage: Usage | None = None
        self.is_done = False
        """The provider has said how the answer ended; what follows is not looked at."""

    def read(self, payload: bytes) -> None:
        """Read one event, as JSON.

        Raises:
            BackendError: It is not an event, holds what is not known, or reports an error.
        """
        event = decoded(payload)
        kind = event.get("type")
        if kind == "error":
            # Under the key `error` as the vendor's servers send it, without as it is documented.
            self._fail(event["error"] if type(event.get("error")) is dict else event)
            return
        known = _EVENTS.get(kind) if isinstance(kind, str) else None
        if known is None or not isinstance(kind, str):
            raise broken("the provider sent an event that this gateway does not know")
        refuse_unknown(event, known, "")
        self._count_event(event)
        if kind in _DELTAS:
            part, which = _DELTAS[kind]
            place = (part, _index(event, which))
            self._items.more(_index(event, "output_index"), place, text_at(event, "delta", ""))
        elif kind == "response.function_call_arguments.delta":
            more = text_at(event, "delta", "")
            self._items.more(_index(event, "output_index"), ARGUMENTS, more)
        elif kind == "response.output_item.added":
            self._begin(_index(event, "output_index"), object_at(event, "item", ""))
        elif kind == "response.output_item.done":
            self._read_item(_index(event, "output_index"), object_at(event, "item", ""))
        elif kind == "response.output_text.annotation.added":
            at, part_at = _index(event, "output_index"), _index(event, "content_index")
            self._cite(at, part_at, event.get("annotation"), _index(event, "annotation_index"))
        elif kind.removeprefix("response.") in _STATUSES:
            self._end(object_at(event, "response", ""), kind.removeprefix("response."))

    def read_whole(self, payload: bytes) -> None:
        """Read a whole answer.

        Raises:
            BackendError: As ``read``.
        """
        response = decoded(payload)
        if type(response.get("error")) is dict:
            self._fail(response["error"])
            return
        status = response.get("status")
        if type(status) is not str or status not in _STATUSES:
            raise wrong("", "status", f"one of {', '.join(sorted(_STATUSES))}")
        self._end(response, status)

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        return self._items.take()

    def end(self) -> list[StreamEvent]:
        """What is left at the end: the usage, where the provider gave one.

        Raises:
            BackendError: The answer has not ended.
        """
        if not self.is_done:
            raise broken("the provider's answer broke off before its end")
        return [] if self._usage is None else [self._usage]

    def _count_event(self, event: dict[str, Json]) -> None:
        if event.get("sequence_number") is None:
            return
        number = _index(event, "sequence_number")
        if self._last_number is not None and number != self._last_number + 1:
            raise broken("sequence_number: an event of the provider is missing, or came twice")
        self._last_number = number

    def _begin(self, at: int, item: dict[str, Json]) -> None:
        kind = item.get("type")
        known = _ITEMS.get(kind) if isinstance(kind, str) else None
        if known is None:
            # Among them all of the tools that a provider runs: nothing here asks for one.
            raise wrong("item", "type", f"one of {', '.join(_ITEMS)}")
        refuse_unknown(item, known, "item")
        if kind == "function_call":
            if item.get("caller") not in (None, {"type": "direct"}):
                raise wrong("item", "caller", "the model itself")
            name = word_at(item, "name", "item")
            self._items.begin_call(at, word_at(item, "call_id", "item"), name)
        elif not self._items.has(at):
            if item.get("role") not in (None, "assistant"):
                raise wrong("item", "role", "'assistant'")
            is_message = kind == "message"
            self._items.begin(at, ItemKind.MESSAGE if is_message else ItemKind.REASONING)

    def _read_item(self, at: int, item: dict[str, Json]) -> None:
        """Read an item as it is at its end, of which pieces may have come."""
        self._begin(at, item)
        for holder, group in _PARTS_IN:
            if item["type"] == holder and item.get(group) is not None:
                for index, part in enumerate(list_at(item, group, "item")):
                    self._read_part(at, index, part, _PARTS_IN[holder, group])
        if item["type"] == "function_call":
            self._items.rest(at, ARGUMENTS, text_at(item, "arguments", "item"))
        self._items.end(at, text_at(item, "encrypted_content", "item"))

    def _read_part(self, at: int, index: int, part: Json, wanted: frozenset[str]) -> None:
        kind = part.get("type") if type(part) is dict else None
        if type(kind) is not str or kind not in wanted:
            raise wrong("part", "type", f"one of {', '.join(sorted(wanted))}")
        name, known = _PARTS[kind]
        refuse_unknown(part, known, "part")
        self._items.rest(at, (kind, index), text_at(part, name, "part"))
        if part.get("annotations"):
            for number, annotation in enumerate(list_at(part, "annotations", "part")):
                self._cite(at, index, annotation, number)

    def _cite(self, at: int, part_at: int, annotation: Json, number: int) -> None:
        kind = annotation.get("type") if type(annotation) is dict else None
        if type(kind) is not str or kind not in _ANNOTATIONS:
            raise wrong("", "annotation", f"one of {', '.join(_ANNOTATIONS)}")
        where = "annotation"
        refuse_unknown(annotation, _ANNOTATIONS[kind], where)
        if kind == "url_citation":
            source = Annotation(
                text_at(annotation, "url", where),
                text_at(annotation, "title", where),
                count_at(annotation, "start_index", where),
                count_at(annotation, "end_index", where),
            )
            self._items.cite(at, ("output_text", part_at), source, number)

    def _end(self, response: dict[str, Json], status: str) -> None:
        refuse_unknown(response, _RESPONSE, "response")
        self._count(response)
        if status == "failed":
            error = response.get("error")
            self._fail(error if type(error) is dict else {})
            return
        reason = FinishReason.STOP if status == "completed" else _why_incomplete(response)
        for at, item in enumerate(list_at(response, "output", "response")):
            if type(item) is not dict:
                raise wrong("response", "output[]", "an object")
            # Of an answer that was cut off, what has begun may lack its end, here too.
            is_due = reason is FinishReason.STOP and not self._items.is_over(at)
            if is_due or not self._items.has(at):
                self._read_item(at, item)
        self._finish(reason)

    def _finish(self, reason: FinishReason) -> None:
        self._items.finish(reason)
        self.is_done = True

    def _fail(self, error: dict[str, Json]) -> None:
        problem, what = _FAILED
        for word in (error.get("code"), error.get("type")):
            if type(word) is str and word in _FILTERED:
                self._finish(FinishReason.CONTENT_FILTER)
                return
            if type(word) is str and word in _ERRORS:
                problem, what = _ERRORS[word]
                break
        raise BackendError(problem, f"the provider {what}")

    def _count(self, response: dict[str, Json]) -> None:
        # Nothing in here but numbers is read, and none of it reaches anyone as text, so what
        # providers add to it is not refused.
        if response.get("usage") is None:
            return
        usage = object_at(response, "usage", "response")
        self._usage = Usage(
            count_at(usage, "input_tokens", "usage"),
            count_at(usage, "output_tokens", "usage"),
            _detail(usage, "input_tokens_details", "cached_tokens"),
            _detail(usage, "output_tokens_details", "reasoning_tokens"),
        )


def _detail(usage: dict[str, Json], group: str, name: str) -> int:
    return (
        0 if usage.get(group) is None else count_at(object_at(usage, group, "usage"), name, group)
    )


def _why_incomplete(response: dict[str, Json]) -> FinishReason:
    details = object_at(response, "incomplete_details", "response")
    reason = details.get("reason")
    known = _INCOMPLETE.get(reason) if isinstance(reason, str) else None
    if known is None:
        raise wrong("incomplete_details", "reason", f"one of {', '.join(_INCOMPLETE)}")
    return known


def _index(event: dict[str, Json], name: str) -> int:
    index = event.get(name)
    if type(index) is not int or index < 0:
        raise wrong("", name, "a number")
    return index
