"""A conversation as the body of an AWS Bedrock Converse request."""

import re
from collections.abc import Iterator
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
    refuse_sampling,
    results_of,
    wanted_choice,
    wire_turns,
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
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.errors import RequestError

Thinking = Literal["effort", "budget"]
"""How a model is told to reason: by effort, or by a number of tokens as Claude before 4.6."""

_LACKING: tuple[SamplingField, ...] = ("top_k", "seed", "presence_penalty", "frequency_penalty")
_SAYS_NOT = "this persona's provider has no such field; leave it out"
_ANSWER_TOKENS = 4096
"""Of an answer beside its reasoning, where nobody says it."""
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_MAX_NAME_CHARS = 180


@dataclass(slots=True)
class _Names:
    """What documents are called: the protocol wants every name, of few letters and only once."""

    given: int = 0

    def next(self, name: str | None) -> str:
        self.given += 1
        plain = _NOT_IN_NAMES.sub(" ", name or "document").strip()[:_MAX_NAME_CHARS].strip()
        return f"{plain or 'document'} {self.given}"


def bedrock_request(conversation: Conversation, *, thinking: Thinking = "effort") -> bytes:
    """The request body, as JSON. The model's name stands in the address.

    The client's name for the subject is not sent: it is the gateway's to keep and to erase.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    if conversation.passthrough:
        what = "passthrough: these fields are not of the wire format of this persona's provider"
        raise RequestError(what, param=next(iter(conversation.passthrough)))
    names = _Names()

    def blocks_of(turn: Turn) -> list[Json]:
        own = turn.role == "assistant"
        return list(_own_blocks(turn) if own else _user_blocks(turn, names))

    body: dict[str, Json] = {"messages": wire_turns(conversation, blocks_of)}
    system = [
        block for part in instructions(conversation) for block in _cached(_text(part), part.cache)
    ]
    if system:
        body["system"] = system
    if conversation.tools:
        body["toolConfig"] = _tool_config(conversation)
    else:
        _refuse_calls_without_tools(conversation)
    config = _inference(conversation.sampling)
    _add_reasoning(body, config, conversation, thinking)
    if config:
        body["inferenceConfig"] = config
    if conversation.response_format is not None:
        body.setdefault("outputConfig", {})["textFormat"] = _format(conversation.response_format)
    return encoded(body)


def _own_blocks(turn: Turn) -> Iterator[Json]:
    # A turn of nothing but blanks, or of reasoning that nobody signed, has nothing to say again.
    parts = [part for message in turn.messages for part in message.parts]
    if parts and not isinstance(parts[0], ReasoningPart):
        # Of a client whose dialect keeps reasoning apart from the text, and where it stood is lost.
        parts.sort(key=lambda part: not isinstance(part, ReasoningPart))
    for part in parts:
        match part:
            case TextPart() | RefusalPart():
                if has_words(part.text):
                    cache = part.cache if isinstance(part, TextPart) else None
                    yield from _cached(_text(part), cache)
            case ReasoningPart():
                if part.signed is not None:
                    yield {"reasoningContent": _reasoning(part.text, part)}
            case ToolCallPart():
                call: dict[str, Json] = {
                    "toolUseId": part.call_id,
                    "name": part.name,
                    "input": arguments_of(part),
                }
                yield from _cached({"toolUse": call}, part.cache)
            case ToolResultPart() | ImagePart() | FilePart():
                raise misplaced(part, Role.ASSISTANT)
            case _:
                assert_never(part)


def _reasoning(text: str, part: ReasoningPart) -> dict[str, Json]:
    if part.is_redacted:
        return {"redactedContent": part.signed}
    return {"reasoningText": {"text": text, "signature": part.signed}}


def _user_blocks(turn: Turn, names: _Names) -> Iterator[Json]:
    """What tools answered comes first, as models want it."""
    for message in turn.messages:
        if message.role is Role.TOOL:
            for result in results_of(message):
                yield from _tool_result(result, names)
    for message in turn.messages:
        if message.role is Role.TOOL:
            continue
        parts = [part for part in message.parts if not _is_blank(part)]
        if not parts:
            where = message.path or "messages"
            what = f"{where}: this persona's provider wants something in each message of a user"
            raise RequestError(what, param=where)
        if all(isinstance(part, FilePart) for part in parts):
            what = "a file: this persona's provider wants words beside it"
            raise RequestError(what, param=parts[0].path or None)
        for part in parts:
            yield from _user_block(part, Role.USER, names)


def _is_blank(part: Part) -> bool:
    return isinstance(part, TextPart) and not has_words(part.text)


def _user_block(part: Part, role: Role, names: _Names) -> Iterator[Json]:
    match part:
        case TextPart():
            yield from _cached(_text(part), part.cache)
        case ImagePart():
            if part.detail == "low":
                what = "detail: this persona's provider always looks closely"
                raise RequestError(what, param=part.path or "detail")
            format_, source = _inline(part.source, part.path, _IMAGES, "pictures")
            yield from _cached({"image": {"format": format_, "source": source}}, part.cache)
        case FilePart():
            format_, source = _inline(part.source, part.path, _DOCUMENTS, "files")
            name = names.next(part.name)
            document = {"format": format_, "name": name, "source": source}
            yield from _cached({"document": document}, part.cache)
        case RefusalPart() | ReasoningPart() | ToolCallPart() | ToolResultPart():
            raise misplaced(part, role)
        case _:
            assert_never(part)


def _inline(
    source: object, path: str, formats: dict[str, str], what: str
) -> tuple[str, dict[str, Json]]:
    said: str | None = None
    if not isinstance(source, Inline):
        said = f"this persona's provider takes {what} in the request alone, not by address"
    elif source.media_type not in formats:
        said = f"this persona's provider takes {what} of {', '.join(sorted(formats))} alone"
    else:
        return formats[source.media_type], {"bytes": source.data}
    raise RequestError(f"{path}: {said}" if path else said, param=path or None)


def _tool_result(said: Result, names: _Names) -> Iterator[Json]:
    content: list[Json] = []
    for part in said.parts:
        if not isinstance(part, ToolResultPart):
            # What is to be remembered is said of the whole result, below.
            content += [each for each in _user_block(part, Role.TOOL, names) if not _is_mark(each)]
        elif has_words(part.text):
            content.append(_text(part))
    result: dict[str, Json] = {"toolUseId": said.call_id, "content": content}
    if said.is_error:
        result["status"] = "error"
    yield from _cached({"toolResult": result}, said.cache)


def _is_mark(block: Json) -> bool:
    return "cachePoint" in block


def _text(part: TextPart | RefusalPart | ToolResultPart) -> dict[str, Json]:
    return {"text": part.text}


def _cached(block: dict[str, Json], cache: CacheFor | None) -> Iterator[dict[str, Json]]:
    yield block
    if cache is not None:
        yield {"cachePoint": {"type": "default", "ttl": cache.value}}


def _tool_config(conversation: Conversation) -> dict[str, Json]:
    if conversation.parallel_tool_calls is False:
        what = f"parallel_tool_calls: {_SAYS_NOT}"
        raise RequestError(what, param="parallel_tool_calls")
    tools: list[Json] = []
    for tool in conversation.tools:
        spec: dict[str, Json] = {"name": tool.name, "inputSchema": {"json": parameters_of(tool)}}
        if tool.description:
            spec["description"] = tool.description
        if tool.is_strict is not None:
            spec["strict"] = tool.is_strict
        tools += _cached({"toolSpec": spec}, tool.cache)
    config: dict[str, Json] = {"tools": tools}
    match wanted_choice(conversation):
        case None:
            pass
        case ToolChoiceMode.AUTO:
            config["toolChoice"] = {"auto": {}}
        case ToolChoiceMode.REQUIRED:
            config["toolChoice"] = {"any": {}}
        case ToolChoiceMode.NAMED:
            name = conversation.tool_choice.name if conversation.tool_choice else None
            config["toolChoice"] = {"tool": {"name": name}}
        case ToolChoiceMode.NONE:
            what = "tool_choice: this persona's provider cannot forbid calls; leave the tools out"
            raise RequestError(what, param="tool_choice")
    return config


def _refuse_calls_without_tools(conversation: Conversation) -> None:
    wanted_choice(conversation)
    for message in conversation.messages:
        if any(isinstance(part, ToolCallPart | ToolResultPart) for part in message.parts):
            what = "tools: this persona's provider wants the tools that earlier turns called, too"
            raise RequestError(what, param="tools")


def _inference(sampling: Sampling) -> dict[str, Json]:
    refuse_sampling(sampling, _LACKING, _SAYS_NOT)
    if sampling.temperature is not None and sampling.temperature > 1:
        what = "temperature: this persona's provider takes 1 at most"
        raise RequestError(what, param="temperature")
    if not all(sampling.stop):
        what = f"{sampling.stop_path}: this persona's provider takes no empty text to stop at"
        raise RequestError(what, param=sampling.stop_path)
    wishes: dict[str, Json] = {
        "maxTokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "stopSequences": sampling.stop or None,
    }
    return {name: value for name, value in wishes.items() if value is not None}


def _add_reasoning(
    body: dict[str, Json],
    config: dict[str, Json],
    conversation: Conversation,
    thinking: Thinking,
) -> None:
    sampling = conversation.sampling
    if sampling.reasoning is None:
        return
    effort = sampling.reasoning.effort
    if thinking == "effort":
        if effort is Effort.NONE:
            what = "reasoning: this persona's provider cannot forbid it"
            raise RequestError(what, param="reasoning")
        body["outputConfig"] = {"effort": EFFORTS[effort]}
        return
    told: dict[str, Json] = {"type": "disabled"}
    if effort is not Effort.NONE:
        budget = reasoning_budget(sampling.reasoning, sampling.max_tokens)
        config.setdefault("maxTokens", budget + _ANSWER_TOKENS)
        told = {"type": "enabled", "budget_tokens": budget}
    body["additionalModelRequestFields"] = {"thinking": told}


def _format(wanted: JsonFormat) -> dict[str, Json]:
    if wanted.schema is None:
        what = f"{wanted.path}: this persona's provider makes JSON of a schema alone"
        raise RequestError(what, param=wanted.path)
    schema: dict[str, Json] = {"schema": encoded(dict(wanted.schema)).decode()}
    if wanted.name is not None:
        schema["name"] = wanted.name
    if wanted.description is not None:
        schema["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}
