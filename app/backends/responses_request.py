"""A conversation as the body of an OpenAI Responses request."""

import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from app.backends.turns import (
    encoded,
    misplaced,
    refuse_foreign_passthrough,
    refuse_name,
    refuse_sampling,
    results_of,
    wanted_choice,
)
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Json,
    JsonFormat,
    Message,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    Sampling,
    SamplingField,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.data_use import DataUse, over
from app.domain.errors import RequestError

Summary = Literal["auto", "concise", "detailed"]
"""How much of its reasoning a model is to tell."""

_LACKING: Final[tuple[SamplingField, ...]] = (
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_MIN_TOKENS: Final = 16
_NO_PARAMETERS: Final = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Options:
    """What the models behind an endpoint want."""

    encrypted_reasoning: bool = True
    """To be asked for their reasoning, encrypted. Models that do not reason refuse it."""
    summary: Summary | None = None
    """Of their reasoning, for people to read."""


def responses_request(
    conversation: Conversation,
    model: str,
    options: Options,
    switches: Mapping[str, Json] | None = None,
) -> bytes:
    """The request body, as JSON.

    The client's name for the subject is not sent: it is the gateway's to keep and to erase.

    Args:
        conversation: What is asked.
        model: The model's name.
        options: What the models behind the endpoint want.
        switches: Fields that forbid the provider uses of it.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    refuse_foreign_passthrough(conversation, "openai_responses")
    instructions, messages = _instructions(conversation.messages)
    body: dict[str, Json] = {
        "model": model,
        "input": _without_loose_reasoning(
            [item for message in messages for item in _items(message)]
        ),
        "stream": conversation.is_stream,
    }
    if DataUse.STORE not in conversation.provider_may:  # every server that speaks it knows this
        body["store"] = False
    if instructions:
        body["instructions"] = instructions
    tools = [_tool(tool) for tool in conversation.tools]
    if conversation.wanted.images_path is not None:
        tools.append({"type": "image_generation"})
    if tools:
        body["tools"] = tools
    if conversation.tools and conversation.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = conversation.parallel_tool_calls
    choice = wanted_choice(conversation)
    if choice is ToolChoiceMode.NAMED and conversation.tool_choice is not None:
        body["tool_choice"] = {"type": "function", "name": conversation.tool_choice.name}
    elif choice is not None:
        body["tool_choice"] = choice.value
    if conversation.response_format is not None:
        body["text"] = {"format": _format(conversation.response_format)}
    _add_sampling(body, conversation.sampling)
    _add_reasoning(body, conversation.sampling, options)
    # What the client passes through never stands in for what the gateway says itself.
    return encoded(over(conversation.passthrough, {**body, **(switches or {})}))


def _instructions(messages: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """The persona's prompt, and what stands below it.

    The protocol has one place above all items, and none but the persona speaks from there.
    """
    first = messages[0] if messages else None
    if first is None or first.role is not Role.SYSTEM or first.origin is not Origin.PERSONA:
        return "", messages
    return "\n\n".join(_system_texts(first)), messages[1:]


def _system_texts(message: Message) -> Iterator[str]:
    refuse_name(message)
    for part in message.parts:
        if not isinstance(part, TextPart):
            raise misplaced(part, message.role)
        yield part.text


def _items(message: Message) -> Iterator[dict[str, Json]]:
    match message.role:
        case Role.SYSTEM:
            content = [{"type": "input_text", "text": text} for text in _system_texts(message)]
            yield {"type": "message", "role": "developer", "content": content}
        case Role.USER:
            refuse_name(message)
            content = [_input(part, Role.USER) for part in message.parts]
            yield {"type": "message", "role": "user", "content": content}
        case Role.ASSISTANT:
            refuse_name(message)
            yield from _own_items(message.parts)
        case Role.TOOL:
            for result in results_of(message):
                yield {
                    "type": "function_call_output",
                    "call_id": result.call_id,
                    "output": _output(result.parts),
                }
        case _:
            assert_never(message.role)


def _own_items(parts: Iterable[Part]) -> Iterator[dict[str, Json]]:
    """What the assistant said, in its order. Items have no ids here: a client's are not theirs."""
    words: list[Json] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, TextPart | RefusalPart):
            words += _own_words(part)
        elif words:
            yield {"type": "message", "role": "assistant", "content": words}
            words = []
        if isinstance(part, ReasoningPart):
            thoughts += [part.text] if part.text else []
            if part.signed is None:
                continue
            yield _reasoning(thoughts, part.signed)
        elif isinstance(part, ToolCallPart):
            yield {
                "type": "function_call",
                "call_id": part.call_id,
                "name": part.name,
                "arguments": part.arguments,
            }
        elif not isinstance(part, TextPart | RefusalPart):
            raise misplaced(part, Role.ASSISTANT)
        # What is left of it nobody signed: the protocol takes back only what it gave.
        thoughts = []
    if words:
        yield {"type": "message", "role": "assistant", "content": words}


def _own_words(part: TextPart | RefusalPart) -> list[Json]:
    if not part.text:
        return []
    if isinstance(part, RefusalPart):
        return [{"type": "refusal", "refusal": part.text}]
    return [{"type": "output_text", "text": part.text, "annotations": []}]


def _reasoning(thoughts: list[str], signed: str) -> dict[str, Json]:
    summary = [{"type": "summary_text", "text": text} for text in thoughts]
    return {"type": "reasoning", "summary": summary, "encrypted_content": signed}


def _without_loose_reasoning(items: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The protocol refuses reasoning without what it led to: words or a call of the assistant."""
    kept: list[dict[str, Json]] = []
    led_to_something = False
    for item in reversed(items):
        if item["type"] != "reasoning":
            is_own = item.get("role") == "assistant" or item["type"] == "function_call"
            led_to_something = is_own
        elif not led_to_something:
            continue
        kept.append(item)
    kept.reverse()
    return kept


def _output(parts: list[ToolResultPart | ImagePart | FilePart]) -> Json:
    if len(parts) == 1 and isinstance(parts[0], ToolResultPart):
        return parts[0].text
    return [
        {"type": "input_text", "text": part.text}
        if isinstance(part, ToolResultPart)
        else _input(part, Role.TOOL)
        for part in parts
    ]


def _input(part: Part, role: Role) -> dict[str, Json]:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            return _image(part)
        case FilePart():
            return _file(part)
        case RefusalPart() | ReasoningPart() | ToolCallPart() | ToolResultPart():
            raise misplaced(part, role)
        case _:
            assert_never(part)


def _image(part: ImagePart) -> dict[str, Json]:
    if isinstance(part.source, Inline) and part.source.media_type not in _IMAGES:
        listed = ", ".join(sorted(_IMAGES))
        said = f"this persona's provider takes pictures of {listed} alone"
        what = f"{part.path}: {said}" if part.path else said
        raise RequestError(what, param=part.path or None)
    url = _data_url(part.source) if isinstance(part.source, Inline) else part.source.url
    return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}


def _file(part: FilePart) -> dict[str, Json]:
    if not isinstance(part.source, Inline):
        # Its address names it.
        return {"type": "input_file", "file_url": part.source.url}
    # The provider reads a file by the end of its name.
    name = part.name or f"file{mimetypes.guess_extension(part.source.media_type) or ''}"
    return {"type": "input_file", "filename": name, "file_data": _data_url(part.source)}


def _data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _tool(tool: Tool) -> dict[str, Json]:
    wire: dict[str, Json] = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters or _NO_PARAMETERS,
        # Left out, it would be true here, and the schema be read as another one.
        "strict": tool.is_strict or False,
    }
    if tool.description:
        wire["description"] = tool.description
    return wire


def _format(wanted: JsonFormat) -> dict[str, Json]:
    if wanted.schema is None:
        return {"type": "json_object"}
    wire: dict[str, Json] = {
        "type": "json_schema",
        "name": wanted.name or "answer",
        "schema": wanted.schema,
    }
    if wanted.description is not None:
        wire["description"] = wanted.description
    if wanted.is_strict is not None:
        wire["strict"] = wanted.is_strict
    return wire


def _add_sampling(body: dict[str, Json], sampling: Sampling) -> None:
    refuse_sampling(sampling, _LACKING, "this persona's provider has no such field; leave it out")
    if sampling.stop:
        what = f"{sampling.stop_path}: this persona's provider has no such field; leave it out"
        raise RequestError(what, param=sampling.stop_path)
    if sampling.max_tokens is not None and sampling.max_tokens < _MIN_TOKENS:
        what = f"max_tokens: this persona's provider takes {_MIN_TOKENS} at least"
        raise RequestError(what, param="max_tokens")
    wishes: dict[str, Json] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
    }
    body.update((name, value) for name, value in wishes.items() if value is not None)


def _add_reasoning(body: dict[str, Json], sampling: Sampling, options: Options) -> None:
    if options.encrypted_reasoning:
        body["include"] = ["reasoning.encrypted_content"]
    wishes: dict[str, Json] = {
        "effort": None if sampling.reasoning is None else sampling.reasoning.effort,
        "summary": options.summary,
    }
    reasoning = {name: value for name, value in wishes.items() if value is not None}
    if reasoning:
        body["reasoning"] = reasoning
