"""The pieces of a Gemini answer as events: the one reader of that format.

The tables below drive it. A field that they do not name is refused where it has a value: what a
provider says where nobody reads is said without any guard having looked at it.
"""

from typing import Final

import orjson

from app.backends.pictures import picture
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
from app.domain.clock import NewId
from app.domain.conversation import Json
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

_MAX_CALLS: Final = 128

# What is named here and not read holds no text of the answer, but for the provider's own words on
# why it stopped (`finishMessage`, `blockReasonMessage`) and on the model's age (`modelStatus`): the
# product says that in its own.
_ANSWER: Final = frozenset(
    {"candidates", "promptFeedback", "usageMetadata", "error"}
    | {"modelVersion", "responseId", "createTime", "modelStatus"}
)
_FEEDBACK: Final = frozenset({"blockReason", "blockReasonMessage", "safetyRatings"})
_CANDIDATE: Final = frozenset(
    {"content", "finishReason", "citationMetadata", "index"}
    | {"finishMessage", "safetyRatings", "tokenCount", "avgLogprobs"}
)
_CONTENT: Final = frozenset({"role", "parts"})
_KINDS: Final = frozenset({"text", "functionCall", "inlineData"})
_PART: Final = frozenset({*_KINDS, "thought", "thoughtSignature"})
_CALL: Final = frozenset({"id", "name", "args"})
_MEDIA: Final = frozenset({"mimeType", "data"})
_CITATIONS: Final = frozenset({"citations", "citationSources"})
_CITATION: Final = frozenset(
    {"startIndex", "endIndex", "uri", "title", "license", "publicationDate"}
)
_COUNTS: Final = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
)
_FINISH_REASONS: Final = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
}
# The answer did not end, the model or the provider did.
_FAILED_REASONS: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    | {"MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE", "LANGUAGE", "OTHER"}
    | {"NO_IMAGE", "IMAGE_OTHER"}
)
_ERRORS: Final = {
    "RESOURCE_EXHAUSTED": (BackendProblem.RATE_LIMITED, "limits the rate of requests"),
    "UNAUTHENTICATED": (BackendProblem.UNAUTHORIZED, "refuses the gateway's key"),
    "PERMISSION_DENIED": (BackendProblem.UNAUTHORIZED, "refuses the gateway's key"),
    "INVALID_ARGUMENT": (BackendProblem.REJECTED, "refuses the request"),
    "FAILED_PRECONDITION": (BackendProblem.REJECTED, "refuses the request"),
    "OUT_OF_RANGE": (BackendProblem.REJECTED, "refuses the request"),
    "NOT_FOUND": (BackendProblem.REJECTED, "does not know the model"),
    "DEADLINE_EXCEEDED": (BackendProblem.TIMEOUT, "took too long by its own clock"),
}
_ANY_ERROR: Final = (BackendProblem.FAILED, "reported an error inside its answer")


class GenerationReader:
    """Turns the pieces of one answer into events; a whole answer is one piece.

    Text of one channel that comes in several pieces before ``take`` is given as one event: how an
    answer is cut carries no meaning, and each event costs everyone behind it.
    """

    __slots__ = ("_calls", "_counts", "_events", "_new_id", "_reason", "_run", "_said", "_texts")

    is_done = False
    """The protocol has no word for the end: an answer is over when its bytes are."""

    def __init__(self, new_id: NewId) -> None:
        """Begin to read.

        Args:
            new_id: Names calls that the provider gives no id to.
        """
        self._new_id = new_id
        self._events: list[StreamEvent] = []
        self._texts: list[str] = []
        self._run: type[TextDelta | ReasoningDelta] = TextDelta
        self._said: list[str] = []
        self._calls = 0
        self._counts: dict[str, int] = {}
        self._reason: FinishReason | None = None

    def read(self, payload: bytes) -> None:
        """Read one piece, as JSON.

        Raises:
            BackendError: It is none, holds what is not known, or reports an error.
        """
        answer = decoded(payload)
        if answer.get("error") is not None:
            raise _reported(answer["error"])
        refuse_unknown(answer, _ANSWER, "")
        self._count(answer)
        if answer.get("promptFeedback") is not None:
            self._feedback(object_at(answer, "promptFeedback", ""))
        if answer.get("candidates") is None:
            return
        for candidate in list_at(answer, "candidates", ""):
            if type(candidate) is not dict:
                raise wrong("", "candidates[]", "an object")
            self._candidate(candidate)

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        self._end_run()
        events = self._events
        self._events = []
        return events

    def end(self) -> list[StreamEvent]:
        """What is left at the end: the usage, where the provider gave one.

        Raises:
            BackendError: The answer has not ended.
        """
        if self._reason is None:
            raise broken("the provider's answer broke off before its end")
        counts = self._counts
        if not counts:
            return []
        thoughts = counts.get("thoughtsTokenCount", 0)
        return [
            Usage(
                # What was read from the cache is in the first of these already.
                counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0),
                counts.get("candidatesTokenCount", 0) + thoughts,
                counts.get("cachedContentTokenCount", 0),
                thoughts,
            )
        ]

    def _feedback(self, feedback: dict[str, Json]) -> None:
        refuse_unknown(feedback, _FEEDBACK, "promptFeedback")
        if text_at(feedback, "blockReason", "promptFeedback"):
            # Whatever the reason is: there is no answer, and the reason reaches nobody.
            self._finish(FinishReason.CONTENT_FILTER)

    def _candidate(self, candidate: dict[str, Json]) -> None:
        where = "candidates[]"
        refuse_unknown(candidate, _CANDIDATE, where)
        if count_at(candidate, "index", where) != 0:
            raise broken("the provider sent more than the one answer that it was asked for")
        if candidate.get("content") is not None:
            content = object_at(candidate, "content", where)
            refuse_unknown(content, _CONTENT, f"{where}.content")
            if content.get("role") not in (None, "model"):
                raise wrong(f"{where}.content", "role", "'model'")
            if content.get("parts") is not None:
                for part in list_at(content, "parts", f"{where}.content"):
                    self._part(part)
        if candidate.get("citationMetadata") is not None:
            self._cite(object_at(candidate, "citationMetadata", where))
        reason = text_at(candidate, "finishReason", where)
        if reason:
            self._stop(reason)

    def _part(self, part: Json) -> None:
        where = "parts[]"
        if type(part) is not dict:
            raise wrong("", where, "an object")
        refuse_unknown(part, _PART, where)
        is_thought = part.get("thought")
        if is_thought not in (None, True, False):
            raise wrong(where, "thought", "true or false")
        signed = text_at(part, "thoughtSignature", where) or None
        kinds = [name for name in part if name in _KINDS and part[name] is not None]
        if len(kinds) > 1:
            raise broken(f"{where}: the provider sent a part that is two things at once")
        if "functionCall" in kinds:
            self._call(object_at(part, "functionCall", where), signed)
            return
        if "inlineData" in kinds:
            self._image(object_at(part, "inlineData", where), is_thought=bool(is_thought))
        else:
            self._text(text_at(part, "text", where), is_thought=bool(is_thought))
        if signed is not None:
            self._add(ReasoningDelta("", signed=signed))

    def _text(self, text: str, *, is_thought: bool) -> None:
        if not text:
            return
        self._refuse_after_end()
        kind: type[TextDelta | ReasoningDelta] = ReasoningDelta if is_thought else TextDelta
        if kind is not self._run:
            self._end_run()
            self._run = kind
        self._texts.append(text)
        if not is_thought:
            self._said.append(text)

    def _image(self, media: dict[str, Json], *, is_thought: bool) -> None:
        where = "parts[].inlineData"
        refuse_unknown(media, _MEDIA, where)
        kind, data = word_at(media, "mimeType", where), word_at(media, "data", where)
        # Sketches on the way to a picture are not the answer, and reasoning holds no pictures.
        if not is_thought:
            self._add(picture(data, kind, where))

    def _call(self, call: dict[str, Json], signed: str | None) -> None:
        where = "parts[].functionCall"
        refuse_unknown(call, _CALL, where)
        name = word_at(call, "name", where)
        arguments = object_at(call, "args", where) if call.get("args") is not None else {}
        if self._calls >= _MAX_CALLS:
            raise broken(f"the provider's answer holds more than {_MAX_CALLS} tool calls")
        call_id = text_at(call, "id", where) or f"call_{self._new_id()}"
        written = orjson.dumps(arguments).decode()
        self._add(ToolCallDelta(self._calls, written, call_id, name, signed=signed))
        self._calls += 1

    def _cite(self, metadata: dict[str, Json]) -> None:
        where = "citationMetadata"
        refuse_unknown(metadata, _CITATIONS, where)
        for name in sorted(_CITATIONS & metadata.keys()):
            for citation in list_at(metadata, name, where):
                if type(citation) is not dict:
                    raise wrong(where, f"{name}[]", "an object")
                refuse_unknown(citation, _CITATION, f"{where}.{name}[]")
                url = text_at(citation, "uri", where)
                if url:
                    self._annotate(url, citation)

    def _annotate(self, url: str, citation: dict[str, Json]) -> None:
        where = "citationMetadata"
        said = "".join(self._said).encode()
        self._said = [said.decode()]
        # Counted in bytes; a letter that is cut in two belongs to neither side.
        start, end = (
            len(said[: count_at(citation, name, where)].decode("utf-8", "ignore"))
            for name in ("startIndex", "endIndex")
        )
        self._add(Annotation(url, text_at(citation, "title", where), start, max(start, end)))

    def _stop(self, reason: str) -> None:
        if reason in _FAILED_REASONS:
            raise BackendError(BackendProblem.FAILED, "the model failed before the answer ended")
        known = _FINISH_REASONS.get(reason)
        if known is None:
            raise wrong("candidates[]", "finishReason", f"one of {', '.join(_FINISH_REASONS)}")
        # The protocol says STOP also where the model waits for what its calls give.
        is_waiting = known is FinishReason.STOP and self._calls
        self._finish(FinishReason.TOOL_CALLS if is_waiting else known)

    def _finish(self, reason: FinishReason) -> None:
        if self._reason is None:
            self._add(Finish(reason))
            self._reason = reason
        elif self._reason is not reason:
            raise broken("the provider ended its answer twice, for different reasons")

    def _add(self, event: StreamEvent) -> None:
        self._refuse_after_end()
        self._end_run()
        self._events.append(event)

    def _refuse_after_end(self) -> None:
        if self._reason is not None:
            raise broken("the provider went on with an answer that it had ended")

    def _end_run(self) -> None:
        if self._texts:
            self._events.append(self._run("".join(self._texts)))
            self._texts.clear()

    def _count(self, answer: dict[str, Json]) -> None:
        """Keep the counts; later ones are of the whole answer and stand for earlier ones."""
        # Nothing in here but numbers is read, and none of it reaches anyone as text, so the
        # modalities and tiers that the provider adds are not refused.
        if answer.get("usageMetadata") is None:
            return
        usage = object_at(answer, "usageMetadata", "")
        for name in _COUNTS:
            if usage.get(name) is not None:
                self._counts[name] = count_at(usage, name, "usageMetadata")


def _reported(error: Json) -> BackendError:
    status = error.get("status") if type(error) is dict else None
    problem, what = _ERRORS.get(status, _ANY_ERROR) if isinstance(status, str) else _ANY_ERROR
    return BackendError(problem, f"the provider {what}")
