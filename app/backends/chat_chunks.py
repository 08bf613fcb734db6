"""The chunks of an OpenAI chat completion as events: the one reader of that format.

The tables below drive it. A field that they do not name is refused where it has a value: what a
provider says in a field that nobody reads is said without any guard having looked at it.
"""

from typing import Final

import orjson

from app.backends.chat_logprobs import TokenReader
from app.backends.chat_usage import count_in, usage_of
from app.backends.pictures import from_image_url
from app.domain.conversation import Json, Sampling
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    TokenDelta,
    ToolCallDelta,
    Usage,
)

PLAIN: Final = Sampling()
"""What is asked for where nobody says: one choice, without tokens."""
_MAX_CALLS = 128
_MAX_NAME_CHARS = 64

# Who sends them is said where it is not OpenAI. None holds text of the answer, but for
# `reasoning_details` (OpenRouter), which repeats `reasoning` with the provider's signatures.
_CHUNK_FIELDS: Final = frozenset(
    {"choices", "usage", "error"}
    | {"id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation"}
    | {"p"}  # Mistral: padding against traffic analysis
    | {"provider"}  # OpenRouter
    | {"x_groq", "time_info", "prompt_filter_results"}  # Groq, Cerebras, Azure
    | {"timings", "prompt_progress"}  # llama.cpp
)
_CHOICE_FIELDS: Final = frozenset(
    {"index", "delta", "finish_reason"}
    | {"native_finish_reason"}  # OpenRouter
    | {"stop_reason", "matched_stop"}  # vLLM, SGLang: which stop token it was
    | {"content_filter_results", "content_filter_offsets"}  # Azure
)
_TEXT_FIELDS: Final[dict[str, type[TextDelta | ReasoningDelta | RefusalDelta]]] = {
    "content": TextDelta,
    "refusal": RefusalDelta,
    "reasoning": ReasoningDelta,
    "reasoning_content": ReasoningDelta,
}
_LIST_FIELDS: Final = frozenset(
    {"tool_calls", "annotations"} | {"images"}  # OpenRouter, LiteLLM, Vercel
)
_WITHOUT_TEXT: Final = (*(_TEXT_FIELDS.keys() - {"content"}), *_LIST_FIELDS)
_DELTA_FIELDS: Final = frozenset({*_TEXT_FIELDS, *_LIST_FIELDS, "role", "reasoning_details"})
_CALL_FIELDS: Final = frozenset({"index", "id", "type", "function"})
_FUNCTION_FIELDS: Final = frozenset({"name", "arguments"})
_ANNOTATION_FIELDS: Final = frozenset({"type", "url_citation"})
_CITATION_FIELDS: Final = frozenset({"url", "title", "start_index", "end_index"})

_FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,  # Together
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,  # Mistral
    "tool_calls": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# OpenRouter, vLLM, DeepSeek: the answer did not end, the provider did.
_FAILED_REASONS: Final = frozenset({"error", "abort", "insufficient_system_resource"})


class ChunkReader:
    """Turns the chunks of one answer into events.

    Text of one channel that comes in several chunks before ``take`` is given as one event: how an
    answer is cut carries no meaning, and each event costs everyone behind it.
    """

    __slots__ = (
        "_calls",
        "_choice_fields",
        "_choices",
        "_events",
        "_finished",
        "_open",
        "_run",
        "_texts",
        "_tokens",
        "_usage",
    )

    def __init__(self, asked: Sampling = PLAIN) -> None:
        """Begin an answer; ``asked`` says how many choices it has, and whether they have tokens."""
        self._choices = asked.choices
        self._choice_fields = _CHOICE_FIELDS | {"logprobs"} if asked.logprobs else _CHOICE_FIELDS
        self._tokens = [TokenReader() for _ in range(asked.choices)] if asked.logprobs else []
        self._events: list[StreamEvent] = []
        self._texts: list[str] = []
        self._run: tuple[type[TextDelta | ReasoningDelta | RefusalDelta], int] = (TextDelta, 0)
        self._calls: dict[tuple[int, int], tuple[int, str, str]] = {}
        self._finished: dict[int, FinishReason] = {}
        self._open: set[int] = set()
        self._usage: Usage | None = None

    def read(self, payload: bytes) -> None:
        """Read one chunk, as JSON.

        Raises:
            BackendError: It is not a chunk, holds what is not known, or reports an error.
        """
        self.read_chunk(_decoded(payload))

    def read_whole(self, payload: bytes) -> None:
        """Read a whole answer, from a provider that does not stream.

        Raises:
            BackendError: As ``read``.
        """
        answer = _decoded(payload)
        if isinstance(answer, dict) and isinstance(answer.get("choices"), list):
            for choice in answer["choices"]:
                if isinstance(choice, dict) and "delta" not in choice:
                    choice["delta"] = _with_call_indexes(choice.pop("message", None))
        self.read_chunk(answer)

    def read_chunk(self, chunk: Json) -> None:
        """Read one chunk, as a JSON value.

        Raises:
            BackendError: As ``read``.
        """
        if type(chunk) is not dict:
            raise _broken("a chunk of the provider's answer is not a JSON object")
        if chunk.get("error") is not None:
            raise BackendError(
                BackendProblem.FAILED, "the provider reported an error inside its answer"
            )
        if not chunk.keys() <= _CHUNK_FIELDS:
            _refuse_unknown(chunk, _CHUNK_FIELDS, "")
        if chunk.get("usage"):
            self._usage = usage_of(chunk["usage"])
        choices = chunk.get("choices")
        if choices is not None:
            for choice in _list(choices, "choices"):
                self._read_choice(choice)

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        self._end_run()
        events = self._events
        self._events = []
        return events

    def end(self) -> list[StreamEvent]:
        """What is left at the end: the usage, where the provider gave one.

        Raises:
            BackendError: A choice has not ended, or did not come.
        """
        if self._open or len(self._finished) < self._choices:
            raise _broken("the provider's answer broke off before its end")
        return [] if self._usage is None else [self._usage]

    def _read_choice(self, choice: Json) -> None:
        if type(choice) is not dict:
            raise _wrong("choices[]", "an object")
        if not choice.keys() <= self._choice_fields:
            _refuse_unknown(choice, self._choice_fields, "choices[].")
        index = choice.get("index")
        if type(index) is not int or not 0 <= index < self._choices:
            raise _wrong("choices[].index", f"the number of one of the {self._choices} asked for")
        delta = choice.get("delta")
        if delta:
            if type(delta) is not dict:
                raise _wrong("choices[].delta", "an object")
            if self._tokens:
                self._read_tokens(choice.get("logprobs"), delta, index)
            self._read_delta(delta, index)
        reason = choice.get("finish_reason")
        if reason:
            self._finish(reason, index, _stopped_by(choice))
        elif index not in self._finished:
            self._open.add(index)

    def _read_delta(self, delta: dict[str, Json], choice: int) -> None:
        if "reasoning_content" in delta and delta.get("reasoning"):
            delta = _with_one_reasoning(delta)
        for name, value in delta.items():
            if not value:
                continue
            kind = _TEXT_FIELDS.get(name)
            if kind is not None:
                if type(value) is not str:
                    raise _wrong(f"choices[].delta.{name}", "text")
                self._add_text(kind, choice, value)
            elif name in _LIST_FIELDS:
                self._read_list(name, _list(value, f"choices[].delta.{name}"), choice)
            elif name not in _DELTA_FIELDS:
                _refuse_unknown(delta, _DELTA_FIELDS, "choices[].delta.")

    def _add_text(
        self, kind: type[TextDelta | ReasoningDelta | RefusalDelta], choice: int, text: str
    ) -> None:
        if choice in self._finished:
            raise _broken("the provider went on with a choice that it had ended")
        if self._tokens and kind is TextDelta:
            self._add(TokenDelta(text, choice, self._tokens[choice].tile(text)), choice)
            return
        if (kind, choice) != self._run:
            self._end_run()
            self._run = (kind, choice)
        self._texts.append(text)

    def _read_tokens(self, logprobs: Json, delta: dict[str, Json], choice: int) -> None:
        # What comes beside reasoning or a call, and without text, are the tokens of that.
        is_of_text = delta.get("content") or not any(map(delta.get, _WITHOUT_TEXT))
        if logprobs and is_of_text:
            self._tokens[choice].read(logprobs)

    def _end_run(self) -> None:
        if self._texts:
            kind, choice = self._run
            self._events.append(kind("".join(self._texts), choice))
            self._texts.clear()

    def _add(self, event: StreamEvent, choice: int) -> None:
        if choice in self._finished:
            raise _broken("the provider went on with a choice that it had ended")
        self._end_run()
        self._events.append(event)

    def _read_list(self, name: str, items: list[Json], choice: int) -> None:
        for item in items:
            if name == "tool_calls":
                self._read_call(item, choice)
            elif name == "annotations":
                self._add(_annotation(item, choice), choice)
            else:
                self._add(from_image_url(item, "choices[].delta.images[]", choice), choice)

    def _read_call(self, call: Json, choice: int) -> None:
        where = "choices[].delta.tool_calls[]"
        if type(call) is not dict:
            raise _wrong(where, "an object")
        if not call.keys() <= _CALL_FIELDS:
            _refuse_unknown(call, _CALL_FIELDS, f"{where}.")
        if call.get("type") not in (None, "", "function"):
            raise _wrong(f"{where}.type", "'function'")
        index = call.get("index")
        if type(index) is not int or index < 0:
            raise _wrong(f"{where}.index", "a number")
        function = call.get("function") or {}
        if type(function) is not dict:
            raise _wrong(f"{where}.function", "an object")
        if not function.keys() <= _FUNCTION_FIELDS:
            _refuse_unknown(function, _FUNCTION_FIELDS, f"{where}.function.")
        call_id = _text_or_none(call.get("id"), f"{where}.id")
        name = _text_or_none(function.get("name"), f"{where}.function.name")
        arguments = _text_or_none(function.get("arguments"), f"{where}.function.arguments") or ""
        known = self._calls.get((choice, index))
        if known is None:
            self._begin_call((choice, index), call_id, name, arguments)
            return
        ordinal, known_id, known_name = known
        # Some providers say them again with every piece; a different one is a different call.
        if call_id not in (None, known_id) or name not in (None, known_name):
            raise _broken(f"{where}: a call changed its id or name half-way")
        if arguments:
            self._add(ToolCallDelta(ordinal, arguments, choice=choice), choice)

    def _begin_call(
        self, key: tuple[int, int], call_id: str | None, name: str | None, arguments: str
    ) -> None:
        if call_id is None or name is None:
            raise _broken("choices[].delta.tool_calls[]: a call begins without its id and name")
        if len(self._calls) >= _MAX_CALLS:
            raise _broken(f"the provider's answer holds more than {_MAX_CALLS} tool calls")
        choice = key[0]
        # Counted in the order of appearance: some gateways begin at 1 or leave gaps.
        ordinal = sum(1 for other, _ in self._calls if other == choice)
        self._calls[key] = (ordinal, call_id, name)
        self._add(ToolCallDelta(ordinal, arguments, call_id, name, choice), choice)

    def _finish(self, reason: Json, choice: int, stopped_by: str | None) -> None:
        if isinstance(reason, str) and reason in _FAILED_REASONS:
            raise BackendError(BackendProblem.FAILED, "the provider failed before the answer ended")
        known = _FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if known is None:
            raise _wrong("choices[].finish_reason", f"one of {', '.join(_FINISH_REASONS)}")
        said = self._finished.get(choice)
        if said is None:
            self._add(Finish(known, choice, stopped_by), choice)
            self._finished[choice] = known
            self._open.discard(choice)
        elif said is not known:
            raise _broken("the provider ended a choice twice, for different reasons")


def _stopped_by(choice: dict[str, Json]) -> str | None:
    """The text that was met, where the server says it: a number is of a token."""
    said = choice.get("stop_reason") or choice.get("matched_stop")
    return said if type(said) is str else None


def _decoded(payload: bytes) -> Json:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise _broken("a chunk of the provider's answer is not JSON") from None


def _with_call_indexes(message: Json) -> Json:
    if isinstance(message, dict) and isinstance(message.get("tool_calls"), list):
        for index, call in enumerate(message["tool_calls"]):
            if isinstance(call, dict):
                call.setdefault("index", index)
    return message


def _annotation(annotation: Json, choice: int) -> Annotation:
    where = "choices[].delta.annotations[]"
    if type(annotation) is not dict or annotation.get("type") != "url_citation":
        raise _wrong(where, "a url_citation")
    _refuse_unknown(annotation, _ANNOTATION_FIELDS, f"{where}.")
    citation = annotation.get("url_citation")
    if type(citation) is not dict:
        raise _wrong(f"{where}.url_citation", "an object")
    where = f"{where}.url_citation."
    _refuse_unknown(citation, _CITATION_FIELDS, where)
    return Annotation(
        url=_text_or_none(citation.get("url"), f"{where}url") or "",
        title=_text_or_none(citation.get("title"), f"{where}title") or "",
        start=count_in(citation, "start_index", where),
        end=count_in(citation, "end_index", where),
        choice=choice,
    )


def _text_or_none(value: Json, where: str) -> str | None:
    if value is None or value == "":
        return None
    if type(value) is not str:
        raise _wrong(where, "text")
    return value


def _list(value: Json, where: str) -> list[Json]:
    if type(value) is not list:
        raise _wrong(where, "a list")
    return value


def _with_one_reasoning(delta: dict[str, Json]) -> dict[str, Json]:
    # vLLM sent the same text under its old and its new name for some releases.
    if delta["reasoning_content"] not in (None, "", delta["reasoning"]):
        raise _broken("choices[].delta: reasoning and reasoning_content differ")
    return {name: value for name, value in delta.items() if name != "reasoning_content"}


def _refuse_unknown(fields: dict[str, Json], known: frozenset[str], where: str) -> None:
    for name, value in fields.items():
        if value and name not in known:
            is_plain = name.isascii() and name.isidentifier() and len(name) <= _MAX_NAME_CHARS
            shown = name if is_plain else "(a name that cannot be shown)"
            raise _broken(
                f"{where}{shown}: the provider sent a field that this gateway does not know, "
                "so nothing has looked at it"
            )


def _wrong(where: str, wanted: str) -> BackendError:
    return _broken(f"{where}: the provider sent something that is not {wanted}")


def _broken(message: str) -> BackendError:
    return BackendError(BackendProblem.BROKEN, message)
