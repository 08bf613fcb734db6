"""A conversation as the body of an Anthropic Messages request."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from app.backends.thinking import EFFORTS, reasoning_budget
from app.backends.turns import (
    Result,
    Turn,
    arguments_of,
    encoded,
    has_words,
    instructions,
    misplaced,
    parameters_of,
    refuse_foreign_passthrough,
    refuse_sampling,
    results_of,
    wanted_choice,
    wire_turns,
    yielding,
)
from app.domain.conversation import (
    CacheFor,
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Inline,
    Json,
    JsonFormat,
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
from app.domain.data_use import over
from app.domain.errors import RequestError

Version = Literal["2026-10-21", "2023-06-01"]
"""Of the protocol. The newer one knows no sampling parameters."""
Thinking = Literal["adaptive", "budget"]
"""How a model is told to reason: by effort, from Claude 4.6 on, or by a number of tokens before."""

_LACKING: tuple[SamplingField, ...] = ("seed", "presence_penalty", "frequency_penalty")
_LACKING_SINCE_2026: tuple[SamplingField, ...] = ("temperature", "top_p", "top_k")
_BARRED_BY_BUDGET: tuple[SamplingField, ...] = ("top_k",)
_THINKING = frozenset({"thinking", "redacted_thinking"})
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"
_TEXT = "text/plain"
_CHOICES = {
    ToolChoiceMode.AUTO: "auto",
    ToolChoiceMode.NONE: "none",
    ToolChoiceMode.REQUIRED: "any",
    ToolChoiceMode.NAMED: "tool",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the models behind an endpoint want."""

    version: Version = "2026-10-21"
    thinking: Thinking = "adaptive"
    max_tokens: int = 4096
    """Of an answer, where nobody says it: the protocol must have a limit."""


def anthropic_request(
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
    refuse_foreign_passthrough(conversation, "anthropic_messages")
    conversation = yielding(conversation, _lacking(conversation.sampling, options))
    body: dict[str, Json] = {
        "model": model,
        "messages": wire_turns(conversation, _blocks),
        "stream": conversation.is_stream,
    }
    system = [_text(part) for part in instructions(conversation)]
    if system:
        body["system"] = system
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools]
    choice = _tool_choice(conversation)
    if choice is not None:
        body["tool_choice"] = choice
    _add_sampling(body, conversation.sampling, options)
    _add_reasoning(body, conversation, options)
    if conversation.response_format is not None:
        config = body.setdefault("output_config", {})
        config["format"] = _format(conversation.response_format)
    # What the client passes through never stands in for what the gateway says itself.
    return encoded(over(conversation.passthrough, {**body, **(switches or {})}))


def _blocks(turn: Turn) -> list[Json]:
    return _own_blocks(turn) if turn.role == "assistant" else _user_blocks(turn)


def _own_blocks(turn: Turn) -> list[Json]:
    # A turn of nothing but blanks, or of reasoning that nobody signed, has nothing to say again.
    blocks = [
        block
        for message in turn.messages
        for part in message.parts
        if (block := _own_block(part)) is not None
    ]
    if blocks and blocks[0]["type"] not in _THINKING:
        # Of a client whose dialect keeps reasoning apart from the text, and where it stood is lost.
        blocks.sort(key=lambda block: block["type"] not in _THINKING)
    return blocks


def _own_block(part: Part) -> dict[str, Json] | None:
    match part:
        case TextPart() | RefusalPart():
            return _text(part) if has_words(part.text) else None
        case ReasoningPart():
            return _reasoning(part)
        case ToolCallPart():
            block: dict[str, Json] = {
                "type": "tool_use",
                "id": part.call_id,
                "name": part.name,
                "input": arguments_of(part),
            }
            return _cached(block, part.cache)
        case ToolResultPart() | ImagePart() | FilePart():
            raise misplaced(part, Role.ASSISTANT)
        case _:
            assert_never(part)


def _reasoning(part: ReasoningPart) -> dict[str, Json] | None:
    if part.signed is None:
        # The protocol takes reasoning back only with the signature that it gave.
        return None
    if part.is_redacted:
        return {"type": "redacted_thinking", "data": part.signed}
    return {"type": "thinking", "thinking": part.text, "signature": part.signed}


def _user_blocks(turn: Turn) -> list[Json]:
    """What tools answered comes first: the protocol refuses results that stand after words."""
    results = [
        _tool_result(result)
        for message in turn.messages
        if message.role is Role.TOOL
        for result in results_of(message)
    ]
    said: list[Json] = []
    for message in turn.messages:
        if message.role is Role.TOOL:
            continue
        blocks = [_user_block(part, Role.USER) for part in message.parts if not _is_blank(part)]
        if not blocks:
            where = message.path or "messages"
            what = f"{where}: this persona's provider wants something in each message of a user"
            raise RequestError(what, param=where)
        said += blocks
    return [*results, *said]


def _is_blank(part: Part) -> bool:
    return isinstance(part, TextPart) and not has_words(part.text)


def _user_block(part: Part, role: Role) -> dict[str, Json]:
    match part:
        case TextPart():
            return _text(part)
        case ImagePart():
            return _image(part)
        case FilePart():
            return _document(part)
        case RefusalPart() | ReasoningPart() | ToolCallPart() | ToolResultPart():
            raise misplaced(part, role)
        case _:
            assert_never(part)


def _tool_result(result: Result) -> dict[str, Json]:
    content = [
        {"type": "text", "text": part.text}
        if isinstance(part, ToolResultPart)
        else _user_block(part, Role.TOOL)
        for part in result.parts
        if not isinstance(part, ToolResultPart) or has_words(part.text)
    ]
    block: dict[str, Json] = {"type": "tool_result", "tool_use_id": result.call_id}
    if content:
        block["content"] = content
    if result.is_error:
        block["is_error"] = True
    return _cached(block, result.cache)


def _text(part: TextPart | RefusalPart) -> dict[str, Json]:
    cache = part.cache if isinstance(part, TextPart) else None
    return _cached({"type": "text", "text": part.text}, cache)


def _cached(block: dict[str, Json], cache: CacheFor | None) -> dict[str, Json]:
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral", "ttl": cache.value}
    return block


def _image(part: ImagePart) -> dict[str, Json]:
    if part.detail == "low":
        what = "detail: this persona's provider always looks closely"
        raise RequestError(what, param=part.path or "detail")
    if not isinstance(part.source, Inline):
        source = {"type": "url", "url": part.source.url}
    elif part.source.media_type in _IMAGES:
        source = {
            "type": "base64",
            "media_type": part.source.media_type,
            "data": part.source.data,
        }
    else:
        raise _wrong_kind(part.path, "pictures", _IMAGES)
    return _cached({"type": "image", "source": source}, part.cache)


def _document(part: FilePart) -> dict[str, Json]:
    if not isinstance(part.source, Inline):
        source = {"type": "url", "url": part.source.url}
    elif part.source.media_type == _PDF:
        source = {"type": "base64", "media_type": _PDF, "data": part.source.data}
    elif part.source.media_type == _TEXT:
        source = {"type": "text", "media_type": _TEXT, "data": _decoded(part.source, part.path)}
    else:
        raise _wrong_kind(part.path, "files", (_PDF, _TEXT))
    block: dict[str, Json] = {"type": "document", "source": source}
    if part.name is not None:
        block["title"] = part.name
    return _cached(block, part.cache)


def _wrong_kind(path: str, what: str, known: Iterable[str]) -> RequestError:
    listed = ", ".join(sorted(known))
    said = f"this persona's provider takes {what} of {listed} alone"
    return RequestError(f"{path}: {said}" if path else said, param=path or None)


def _decoded(source: Inline, path: str) -> str:
    try:
        return base64.b64decode(source.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise RequestError(f"{path}: is no UTF-8 text in base64", param=path or None) from None


def _tool(tool: Tool) -> dict[str, Json]:
    wire: dict[str, Json] = {"name": tool.name, "input_schema": parameters_of(tool)}
    if tool.description:
        wire["description"] = tool.description
    if tool.is_strict is not None:
        wire["strict"] = tool.is_strict
    return _cached(wire, tool.cache)


def _tool_choice(conversation: Conversation) -> dict[str, Json] | None:
    mode = wanted_choice(conversation)
    one_by_one = bool(conversation.tools) and conversation.parallel_tool_calls is False
    if mode is None and not one_by_one:
        return None
    wire: dict[str, Json] = {"type": _CHOICES[mode or ToolChoiceMode.AUTO]}
    if mode is ToolChoiceMode.NAMED and conversation.tool_choice is not None:
        wire["name"] = conversation.tool_choice.name
    if one_by_one and mode is not ToolChoiceMode.NONE:
        wire["disable_parallel_tool_use"] = True
    return wire


def _format(wanted: JsonFormat) -> dict[str, Json]:
    if wanted.schema is None:
        what = f"{wanted.path}: this persona's provider makes JSON of a schema alone"
        raise RequestError(what, param=wanted.path)
    schema = wanted.schema
    if wanted.description is not None:
        # The protocol has no other place for it.
        schema = {"description": wanted.description, **schema}
    return {"type": "json_schema", "schema": schema}


def _lacking(sampling: Sampling, options: Options) -> Iterator[SamplingField]:
    """What cannot be said of sampling here."""
    yield from _LACKING
    if options.version != "2023-06-01":
        yield from _LACKING_SINCE_2026
    if _has_budget(sampling, options):
        yield from _BARRED_BY_BUDGET
        if sampling.temperature != 1:
            yield "temperature"


def _has_budget(sampling: Sampling, options: Options) -> bool:
    wish = sampling.reasoning
    return options.thinking == "budget" and wish is not None and wish.effort is not Effort.NONE


def _add_sampling(body: dict[str, Json], sampling: Sampling, options: Options) -> None:
    refuse_sampling(sampling, _LACKING, "this persona's provider has no such field; leave it out")
    if options.version != "2023-06-01":
        why = "this persona's provider has no such field since its version 2026-10-21; leave it out"
        refuse_sampling(sampling, _LACKING_SINCE_2026, why)
    if sampling.temperature is not None and sampling.temperature > 1:
        what = "temperature: this persona's provider takes 1 at most"
        raise RequestError(what, param="temperature")
    if any(not has_words(stop) for stop in sampling.stop):
        what = f"{sampling.stop_path}: this persona's provider takes no text of blanks to stop at"
        raise RequestError(what, param=sampling.stop_path)
    body["max_tokens"] = options.max_tokens if sampling.max_tokens is None else sampling.max_tokens
    wishes: dict[str, Json] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop_sequences": sampling.stop or None,
    }
    body.update((name, value) for name, value in wishes.items() if value is not None)


def _add_reasoning(body: dict[str, Json], conversation: Conversation, options: Options) -> None:
    sampling = conversation.sampling
    if sampling.reasoning is None:
        return
    effort = sampling.reasoning.effort
    if effort is Effort.NONE:
        body["thinking"] = {"type": "disabled"}
    elif options.thinking == "adaptive":
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": EFFORTS[effort]}
    else:
        _refuse_beside_budget(conversation)
        budget = reasoning_budget(sampling.reasoning, sampling.max_tokens)
        if sampling.max_tokens is None:
            body["max_tokens"] = options.max_tokens + budget
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _refuse_beside_budget(conversation: Conversation) -> None:
    sampling = conversation.sampling
    if sampling.temperature not in (None, 1):
        what = "temperature: this persona's provider takes none but 1 with reasoning; leave it out"
        raise RequestError(what, param="temperature")
    why = "this persona's provider takes no such field with reasoning; leave it out"
    refuse_sampling(sampling, _BARRED_BY_BUDGET, why)
    if wanted_choice(conversation) in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED):
        what = "tool_choice: this persona's provider forces no call with reasoning; send auto"
        raise RequestError(what, param="tool_choice")
