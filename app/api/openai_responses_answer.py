"""Responses: the events of an exchange become a stream of events, or one response.

Both are the same items. What ends an item waits for ``Closed``, as the last event does: clients
run a call when they hear that it has ended, and nothing is run of an exchange whose record is not
closed.

Where policy stops a stream, its client has begun to read a message. That one ends as
``incomplete``, the persona's reply comes whole in a message of its own, calls that had begun are
never told to have ended and are not in the response, and the response ends as ``incomplete``
because of ``content_filter``: that is what the format has for it, and every client knows it.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus

import orjson
from typing_extensions import override

from app.api.answer_encoder import AnswerEncoder, Delta
from app.api.errors import Failure, openai_error
from app.api.openai_responses_output import Ended, Event, Output
from app.domain.conversation import (
    Conversation,
    Json,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
)
from app.domain.events import (
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Token,
    TokenDelta,
    ToolCallDelta,
    Usage,
)
from app.pipeline.answer import ExchangeEvent, Opened
from app.pipeline.gateway import Answered

PREFIX = "resp_"
"""Before the id of an exchange, where it names a response."""

_INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


class _Answer(AnswerEncoder):
    """What a stream and a whole response share."""

    def __init__(self, asked: Conversation, created: int) -> None:
        """Begin; ``created`` is in seconds since 1970."""
        super().__init__(created)
        self._echo = _echo(asked)
        self._wants_logprobs = asked.sampling.logprobs
        self.output = Output("")

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        if type(event) is Opened:
            self.output = Output(event.request_id)
        return super().add(event)

    def conclude(self, summary: dict[str, Json]) -> dict[str, Json]:
        """End the items, and give the response."""
        reason = next(iter(self.reasons().values()))
        why = _INCOMPLETE.get(reason)
        how: Ended = "completed" if why is None else "incomplete"
        if reason is FinishReason.CONTENT_FILTER:
            self.output.drop_calls()
        # A reply is whole, whatever it stands in for.
        self.output.end("completed" if self.stopped else how)
        made = self.response(how) | {"usage": self.usage and _usage(self.usage)}
        if why is not None:
            made["incomplete_details"] = {"reason": why}
        return made | {"banneton": summary}

    def said(self, reply: str) -> TextDelta:
        """The persona's own words."""
        return (
            TokenDelta(reply, tokens=(Token(reply),)) if self._wants_logprobs else TextDelta(reply)
        )

    def response(self, status: str) -> dict[str, Json]:
        """The response as it stands."""
        return _response(self.opened, self.created, status, self.output) | self._echo


class ResponsesStream(_Answer):
    """A stream of numbered events; of most of them only the text has to be encoded."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, asked: Conversation, created: int) -> None:
        """Begin; ``created`` is in seconds since 1970."""
        super().__init__(asked, created)
        self._number = 0
        self._head = b""

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        if type(event) is TextDelta and not self.stopped:
            return self._words(event)
        return super().add(event)

    def _words(self, event: TextDelta) -> bytes:
        part = self.output.text
        if part is None or not event.text:
            return self.more(event)
        part.texts.append(event.text)
        if not self._head:
            word = "response.output_text.delta"
            fields = orjson.dumps({"type": word, **part.place, "logprobs": []})[:-1]
            self._head = b'event: %b\ndata: %b,"delta":' % (word.encode(), fields)
        self._number += 1
        end = b',"sequence_number":%d}\n\n' % (self._number - 1)
        return self._head + orjson.dumps(event.text) + end

    @override
    def more(self, event: Delta) -> bytes:
        self.output.take(event)
        return self._tell(self.output.told())

    @override
    def reply(self, text: str, choice: int) -> bytes:
        self.output.drop_calls()
        self.output.end("incomplete")
        self.output.take(self.said(text))
        return self._tell(self.output.told())

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        made = self.conclude(summary)
        last = (str(made["status"]), {"response": made})
        return self._tell([*self.output.told(), last])

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        self.output.drop_calls()
        self.output.end("incomplete")
        error = orjson.loads(openai_error(failed, request_id))
        made = self.response("failed") | error
        made["error"] = {"code": _error_code(failed), "message": failed.message}
        last = self._tell([*self.output.told(), ("failed", {"response": made})])
        # Clients make an exception of an event that has ``error``, and of no other.
        plain = {"code": failed.code, "message": failed.message, "param": failed.param}
        return last + self._encode("error", plain | {"error": error["error"]})

    def _tell(self, events: list[Event]) -> bytes:
        if events and not self._number:
            # Not before there is something to tell: until then an error has a status of its own.
            begun = {"response": self.response("in_progress") | {"output": []}}
            events = [("created", begun), ("in_progress", begun), *events]
        return b"".join([self._encode(f"response.{word}", fields) for word, fields in events])

    def _encode(self, word: str, fields: dict[str, Json]) -> bytes:
        made = {"type": word, **fields, "sequence_number": self._number}
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (word.encode(), orjson.dumps(made))


class ResponsesWhole(_Answer):
    """One response."""

    content_type = b"application/json"

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        raise RuntimeError("an answer that leaves whole has no middle to fail in")

    @override
    def more(self, event: Delta) -> bytes:
        self.output.take(event)
        self.output.told()
        return b""

    @override
    def reply(self, text: str, choice: int) -> bytes:
        # What came before was never sent, so the reply stands alone.
        self.output = Output(self.opened.request_id)
        return self.more(self.said(text))

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        return orjson.dumps(self.conclude(summary))


def kept_response(kept: Answered) -> dict[str, Json]:
    """A response as it was kept: what it repeated of its request was not."""
    why = _INCOMPLETE.get(kept.finish)
    how: Ended = "completed" if why is None else "incomplete"
    output = _output(kept.request_id, kept.parts, how)
    made = _response(kept, int(kept.at.timestamp()), how, output)
    made |= _echo(Conversation(kept.persona, (), continues=kept.continues))
    made["usage"] = kept.usage and _usage(kept.usage)
    return made if why is None else made | {"incomplete_details": {"reason": why}}


def kept_items(request_id: str, parts: Iterable[Part]) -> list[dict[str, Json]]:
    """What the assistant said earlier, as items."""
    return _output(request_id, parts, "completed").json()


def _output(request_id: str, parts: Iterable[Part], how: Ended) -> Output:
    output = Output(request_id)
    for delta in _deltas(parts):
        output.take(delta)
    output.end(how)
    return output


def _deltas(parts: Iterable[Part]) -> Iterator[Delta]:
    for at, part in enumerate(parts):
        match part:
            case TextPart():
                yield TextDelta(part.text)
            case RefusalPart():
                yield RefusalDelta(part.text)
            case ReasoningPart():
                yield ReasoningDelta(part.text, signed=part.signed)
            case ToolCallPart():
                name, signed = part.name, part.signed
                yield ToolCallDelta(at, part.arguments, part.call_id, name, signed=signed)
            case _:
                raise RuntimeError("an answer was kept with a part that no answer has")


def _response(of: Opened | Answered, created: int, status: str, output: Output) -> dict[str, Json]:
    return {
        "id": PREFIX + of.request_id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": of.persona,
        "output": output.json(),
        "usage": None,
    }


def _echo(asked: Conversation) -> dict[str, Json]:
    """What a response repeats of its request, as typed clients expect it."""
    sampling = asked.sampling
    tools = [_tool(tool) for tool in asked.tools]
    if asked.wanted.images_path is not None:
        tools.append({"type": "image_generation"})
    return {
        "previous_response_id": None if asked.continues is None else PREFIX + asked.continues,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "tool_choice": _choice(asked.tool_choice),
        "tools": tools,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
        "truncation": "disabled",
        "background": False,
        "instructions": None,
        "metadata": None,
    }


def _error_code(failed: Failure) -> str:
    """The word that comes nearest: the format has a closed list of them."""
    if failed.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_exceeded"
    is_ours = failed.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return "server_error" if is_ours else "invalid_prompt"


def _choice(choice: ToolChoice | None) -> Json:
    if choice is None:
        return "auto"
    if choice.mode is ToolChoiceMode.NAMED:
        return {"type": "function", "name": choice.name}
    return choice.mode.value


def _tool(tool: Tool) -> dict[str, Json]:
    made: dict[str, Json] = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters,
        "strict": tool.is_strict,
    }
    return made | ({"description": tool.description} if tool.description else {})


def _usage(usage: Usage) -> dict[str, Json]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
