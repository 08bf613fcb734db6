"""The events of a Responses answer as events of ours: the one reader of that format.

``app.backends.responses_tables`` drives it.
"""

from app.backends.pictures import picture
from app.backends.responses_items import ARGUMENTS, ItemKind, Items
from app.backends.responses_tables import (
    ANNOTATIONS,
    DELTAS,
    ERRORS,
    EVENTS,
    FAILED,
    FILTERED,
    INCOMPLETE,
    ITEMS,
    PARTS,
    PARTS_IN,
    RESPONSE,
    STATUSES,
)
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

_KINDS = {
    "message": ItemKind.MESSAGE,
    "reasoning": ItemKind.REASONING,
    "image_generation_call": ItemKind.PICTURE,
}


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
        known = EVENTS.get(kind) if isinstance(kind, str) else None
        if known is None or not isinstance(kind, str):
            raise broken("the provider sent an event that this gateway does not know")
        refuse_unknown(event, known, "")
        self._count_event(event)
        if kind in DELTAS:
            part, which = DELTAS[kind]
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
        elif kind.removeprefix("response.") in STATUSES:
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
        if type(status) is not str or status not in STATUSES:
            raise wrong("", "status", f"one of {', '.join(sorted(STATUSES))}")
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
        known = ITEMS.get(kind) if isinstance(kind, str) else None
        if known is None:
            # Among them all of the tools that a provider runs: nothing here asks for one.
            raise wrong("item", "type", f"one of {', '.join(ITEMS)}")
        refuse_unknown(item, known, "item")
        if kind == "function_call":
            if item.get("caller") not in (None, {"type": "direct"}):
                raise wrong("item", "caller", "the model itself")
            name = word_at(item, "name", "item")
            self._items.begin_call(at, word_at(item, "call_id", "item"), name)
        elif not self._items.has(at):
            if item.get("role") not in (None, "assistant"):
                raise wrong("item", "role", "'assistant'")
            self._items.begin(at, _KINDS[item["type"]])

    def _read_item(self, at: int, item: dict[str, Json]) -> None:
        """Read an item as it is at its end, of which pieces may have come."""
        self._begin(at, item)
        for holder, group in PARTS_IN:
            if item["type"] == holder and item.get(group) is not None:
                for index, part in enumerate(list_at(item, group, "item")):
                    self._read_part(at, index, part, PARTS_IN[holder, group])
        if item["type"] == "image_generation_call":
            self._show(at, item)
        if item["type"] == "function_call":
            self._items.rest(at, ARGUMENTS, text_at(item, "arguments", "item"))
        self._items.end(at, text_at(item, "encrypted_content", "item"))

    def _show(self, at: int, item: dict[str, Json]) -> None:
        if item.get("status") == "failed":
            raise BackendError(BackendProblem.FAILED, "the provider could not draw the picture")
        word = text_at(item, "output_format", "item")
        data = word_at(item, "result", "item")
        self._items.show(at, picture(data, f"image/{word}" if word else None, "item.result"))

    def _read_part(self, at: int, index: int, part: Json, wanted: frozenset[str]) -> None:
        kind = part.get("type") if type(part) is dict else None
        if type(kind) is not str or kind not in wanted:
            raise wrong("part", "type", f"one of {', '.join(sorted(wanted))}")
        name, known = PARTS[kind]
        refuse_unknown(part, known, "part")
        self._items.rest(at, (kind, index), text_at(part, name, "part"))
        if part.get("annotations"):
            for number, annotation in enumerate(list_at(part, "annotations", "part")):
                self._cite(at, index, annotation, number)

    def _cite(self, at: int, part_at: int, annotation: Json, number: int) -> None:
        kind = annotation.get("type") if type(annotation) is dict else None
        if type(kind) is not str or kind not in ANNOTATIONS:
            raise wrong("", "annotation", f"one of {', '.join(ANNOTATIONS)}")
        where = "annotation"
        refuse_unknown(annotation, ANNOTATIONS[kind], where)
        if kind == "url_citation":
            source = Annotation(
                text_at(annotation, "url", where),
                text_at(annotation, "title", where),
                count_at(annotation, "start_index", where),
                count_at(annotation, "end_index", where),
            )
            self._items.cite(at, ("output_text", part_at), source, number)

    def _end(self, response: dict[str, Json], status: str) -> None:
        refuse_unknown(response, RESPONSE, "response")
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
        problem, what = FAILED
        for word in (error.get("code"), error.get("type")):
            if type(word) is str and word in FILTERED:
                self._finish(FinishReason.CONTENT_FILTER)
                return
            if type(word) is str and word in ERRORS:
                problem, what = ERRORS[word]
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
            _detail(usage, "input_tokens_details", "cache_write_tokens"),
        )


def _detail(usage: dict[str, Json], group: str, name: str) -> int:
    return (
        0 if usage.get(group) is None else count_at(object_at(usage, group, "usage"), name, group)
    )


def _why_incomplete(response: dict[str, Json]) -> FinishReason:
    details = object_at(response, "incomplete_details", "response")
    reason = details.get("reason")
    known = INCOMPLETE.get(reason) if isinstance(reason, str) else None
    if known is None:
        raise wrong("incomplete_details", "reason", f"one of {', '.join(INCOMPLETE)}")
    return known


def _index(event: dict[str, Json], name: str) -> int:
    index = event.get(name)
    if type(index) is not int or index < 0:
        raise wrong("", name, "a number")
    return index
