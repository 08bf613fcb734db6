"""A conversation as the body of an OpenAI chat completion request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import orjson

from app.backends.turns import misplaced, without, yielding
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Json,
    JsonFormat,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    Sampling,
    SamplingField,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.data_use import over
from app.domain.errors import RequestError


@dataclass(frozen=True, slots=True)
class Differences:
    """Where a server differs from what most compatible servers do."""

    max_tokens_field: str = "max_tokens"
    """OpenAI's own reasoning models refuse the old name; most compatible servers know only that."""
    seed_field: str = "seed"
    takes_stream_options: bool = True
    lacks: frozenset[str] = frozenset()
    """Fields that it refuses or reads otherwise; ``json_schema`` is a format of that type."""
    leaves_out: frozenset[SamplingField] = frozenset()
    """Wishes that are not sent, where its models would refuse them."""


COMMON = Differences()


def chat_request(
    conversation: Conversation,
    model: str,
    differences: Differences = COMMON,
    switches: Mapping[str, Json] | None = None,
) -> bytes:
    """The request body, as JSON.

    The client's name for the subject is not sent: it is the gateway's to keep and to erase.

    Args:
        conversation: What is asked.
        model: The model's name.
        differences: Of the server.
        switches: Fields that forbid the provider uses of it.

    Raises:
        RequestError: The conversation holds what this protocol or this server cannot carry.
    """
    if conversation.passthrough and conversation.dialect != "openai_chat":
        what = "passthrough: these fields are not of the wire format of this persona's provider"
        raise RequestError(what, param=next(iter(conversation.passthrough)))
    conversation = without(conversation, differences.leaves_out)
    conversation = yielding(conversation, differences.lacks)
    if conversation.sampling.top_k is not None:
        raise RequestError(
            "top_k: this persona's provider has no such field; leave it out", param="top_k"
        )
    body: dict[str, Json] = {
        "model": model,
        "messages": [wire for message in conversation.messages for wire in _wire_messages(message)],
        "stream": conversation.is_stream,
    }
    if conversation.is_stream and differences.takes_stream_options:
        body["stream_options"] = {"include_usage": True}
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools]
    if conversation.tool_choice is not None:
        body["tool_choice"] = _tool_choice(conversation.tool_choice)
    if conversation.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = conversation.parallel_tool_calls
    if conversation.response_format is not None:
        body["response_format"] = _response_format(conversation.response_format)
    if conversation.wanted.images_path is not None:
        body["modalities"] = ["image", "text"]
    _add_sampling(body, conversation.sampling, differences)
    _refuse_lacking(body, differences.lacks)
    # What the client passes through never stands in for what the gateway says itself.
    return _encode(over(conversation.passthrough, {**body, **(switches or {})}))


def _encode(body: dict[str, Json]) -> bytes:
    try:
        # Frozen mappings, such as a tool's schema may be, become plain ones.
        return orjson.dumps(body, default=dict)
    except orjson.JSONEncodeError:
        raise RequestError(
            "the conversation holds something that JSON cannot carry, such as half a surrogate pair"
        ) from None


def _wire_messages(message: Message) -> list[dict[str, Json]]:
    match message.role:
        case Role.USER if not all(isinstance(part, TextPart) for part in message.parts):
            said = [_user_part(part) for part in message.parts]
            return [_named({"role": message.role.value, "content": said}, message.name)]
        case Role.SYSTEM | Role.USER:
            texts = [part for part in message.parts if isinstance(part, TextPart)]
            _refuse_other_parts(message, texts)
            return [_named({"role": message.role.value, "content": _content(texts)}, message.name)]
        case Role.ASSISTANT:
            return [_named(_assistant_message(message), message.name)]
        case Role.TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResultPart)]
            _refuse_other_parts(message, results)
            by_call: dict[str, list[ToolResultPart]] = {}
            for part in results:
                by_call.setdefault(part.call_id, []).append(part)
            return [
                {"role": "tool", "tool_call_id": call_id, "content": _content(parts)}
                for call_id, parts in by_call.items()
            ]
        case _:
            assert_never(message.role)


def _user_part(part: Part) -> dict[str, Json]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            source = part.source
            image: dict[str, Json] = {
                "url": _data_url(source) if isinstance(source, Inline) else source.url
            }
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case FilePart():
            if not isinstance(part.source, Inline):
                raise _refused(part, "takes files in the request alone, not by address")
            file = {"filename": part.name or "document", "file_data": _data_url(part.source)}
            return {"type": "file", "file": file}
        case RefusalPart() | ReasoningPart() | ToolCallPart() | ToolResultPart():
            raise misplaced(part, Role.USER)
        case _:
            assert_never(part)


def _data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _assistant_message(message: Message) -> dict[str, Json]:
    texts = [part for part in message.parts if isinstance(part, TextPart)]
    refusals = [part for part in message.parts if isinstance(part, RefusalPart)]
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    # This protocol has no field to give reasoning back in: it stays out of the next turn.
    reasoning = [part for part in message.parts if isinstance(part, ReasoningPart)]
    _refuse_other_parts(message, [*texts, *refusals, *calls, *reasoning])
    wire: dict[str, Json] = {"role": "assistant"}
    if texts or not (refusals or calls):
        wire["content"] = _content(texts)
    else:
        wire["content"] = None
    if refusals:
        wire["refusal"] = "".join(part.text for part in refusals)
    if calls:
        wire["tool_calls"] = [
            {
                "id": part.call_id,
                "type": "function",
                "function": {"name": part.name, "arguments": part.arguments},
            }
            for part in calls
        ]
    return wire


def _content(texts: Sequence[TextPart | ToolResultPart]) -> Json:
    # Many compatible servers read a list of parts badly or not at all; most messages are one text.
    if len(texts) <= 1:
        return texts[0].text if texts else ""
    return [{"type": "text", "text": part.text} for part in texts]


def _refuse_other_parts(message: Message, allowed: Sequence[Part]) -> None:
    if len(allowed) == len(message.parts):
        return
    other = next(part for part in message.parts if part not in allowed)
    if isinstance(other, ImagePart | FilePart):
        raise _refused(other, "takes pictures and files in messages of the user alone")
    raise misplaced(other, message.role)


def _refused(part: ImagePart | FilePart, why: str) -> RequestError:
    said = f"this persona's provider {why}"
    return RequestError(f"{part.path}: {said}" if part.path else said, param=part.path or None)


def _named(wire: dict[str, Json], name: str | None) -> dict[str, Json]:
    if name is not None:
        wire["name"] = name
    return wire


def _tool(tool: Tool) -> dict[str, Json]:
    function: dict[str, Json] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.is_strict is not None:
        function["strict"] = tool.is_strict
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> Json:
    if choice.mode is not ToolChoiceMode.NAMED:
        return choice.mode.value
    if choice.name is None:
        raise RequestError(
            "tool_choice: names no tool; send its name, as in tools", param="tool_choice"
        )
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(wanted: JsonFormat) -> dict[str, Json]:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Json] = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.is_strict is not None:
        schema["strict"] = wanted.is_strict
    return {"type": "json_schema", "json_schema": schema}


def _refuse_lacking(body: dict[str, Json], lacks: frozenset[str]) -> None:
    wanted = {*body, body.get("response_format", {}).get("type")}
    for field in sorted(lacks & wanted):
        what = f"{field}: this persona's provider reads no such field so; leave it out"
        raise RequestError(what, param=field, code="unsupported")


def _add_sampling(body: dict[str, Json], sampling: Sampling, differences: Differences) -> None:
    wishes: dict[str, Json] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        differences.max_tokens_field: sampling.max_tokens,
        "stop": sampling.stop or None,
        differences.seed_field: sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "reasoning_effort": None if sampling.reasoning is None else sampling.reasoning.effort,
        "n": sampling.choices if sampling.choices > 1 else None,
        "logprobs": sampling.logprobs or None,
    }
    body.update((name, value) for name, value in wishes.items() if value is not None)
